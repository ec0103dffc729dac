#!/bin/sh
# SPDX-License-Identifier: MIT
# Loads and unloads the module under load. The vCPUs take turns: where they run at
# the same time, QEMU 7.2 now and then goes on executing the breakpoint by which
# Linux patches a function after it is gone (seen as a loop at the function's
# first byte; Linux takes a breakpoint that is not in memory for one just removed).
exec "$(dirname "$0")/linux-boot" 6.1 release on load:25 --smp 2 --one-thread --timeout 1800
