#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.1 release on domu=test+stress:15 --smp 2 --timeout 1800
