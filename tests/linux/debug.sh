#!/bin/sh
# SPDX-License-Identifier: MIT
races=8
set -- 6.1 debug on test+stress:15+stress-swap:10+flip:150 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
