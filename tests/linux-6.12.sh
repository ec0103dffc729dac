#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.12 release on test+stress:15+stress-swap:10 --smp 2 --timeout 1800
