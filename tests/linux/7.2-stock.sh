#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 7.2 stock on test+stress:15 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
