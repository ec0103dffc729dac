#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.1 debug on test+stress:15+stress-swap:10+flip:150 --smp 2 --timeout 1800
