#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 6.1 stock on test --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
