#!/bin/sh
# SPDX-License-Identifier: MIT
set -- 6.12-cloud release on domu=test:PROT_ --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
