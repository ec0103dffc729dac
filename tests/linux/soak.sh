#!/bin/sh
# SPDX-License-Identifier: MIT
# The stress for minutes, with more vCPUs than the host has CPUs, so that the
# host can deschedule a vCPU at any instruction.
set -- 6.1 release on stress:200+stress-swap:200 --smp 8 --timeout 3600
. "$(dirname "$0")/boot"
