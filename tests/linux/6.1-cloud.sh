#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's kernel for cloud machines.
set -- 6.1-cloud release on domu=test:PROT_ --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
