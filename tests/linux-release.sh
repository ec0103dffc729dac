#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/linux-boot" 6.1 release on test+stress:20+load:20 --smp 2 --timeout 900
