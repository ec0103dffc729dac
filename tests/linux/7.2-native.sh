#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 7.2 none off test --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
