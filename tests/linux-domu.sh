#!/bin/sh
# SPDX-License-Identifier: MIT
# The vCPUs take turns, as in linux-unload.sh: the module is loaded twice.
set -- 6.1 release on domu=test+stress:15 --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/linux-boot"
