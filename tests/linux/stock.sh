#!/bin/sh
# SPDX-License-Identifier: MIT
races=5
set -- 6.1 stock on test --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
