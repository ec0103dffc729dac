#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian 13's kernel on Debian 13's Xen.
races=5
set -- 6.12 release-4.20 on test+stress:15 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
