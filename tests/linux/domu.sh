#!/bin/sh
# SPDX-License-Identifier: MIT
# The module is loaded twice, so the vCPUs take turns as in linux-unload.sh.
races=5
set -- 6.1 release on domu=test+stress:15 --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
