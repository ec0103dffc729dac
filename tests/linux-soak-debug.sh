#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.1 debug on stress:200+stress-swap:200 --smp 2 --timeout 3600
