#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 6.1 debug on stress:200+stress-swap:200 --smp 2 --timeout 3600
. "$(dirname "$0")/boot"
