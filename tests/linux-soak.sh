#!/bin/sh
# SPDX-License-Identifier: MIT
# For minutes, with more vCPUs than the host has CPUs, so that they stand still in
# the middle of anything.
set -- 6.1 release on stress:200+stress-swap:200 --smp 8 --timeout 3600
. "$(dirname "$0")/linux-boot"
