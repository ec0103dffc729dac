#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.1 stock on test --smp 2 --timeout 1800
