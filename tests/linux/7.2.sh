#!/bin/sh
# SPDX-License-Identifier: MIT
# A newer kernel than those of Debian 12 and 13.
set -- 7.2 release on test+test-module+load:10+stress:15+stress-swap:10 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
