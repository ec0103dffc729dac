#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.12 release-4.20 on test+stress:15+load:10 --smp 2 --timeout 1800
