#!/bin/sh
# SPDX-License-Identifier: MIT
races=8
set -- 6.12 release on test+stress:15+stress-swap:10 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
