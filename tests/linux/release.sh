#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 6.1 release on test+stress:15+stress-swap:10 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
