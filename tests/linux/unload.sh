#!/bin/sh
# SPDX-License-Identifier: MIT
# Loads and unloads the module beside other users of the function tracer, and
# under load. The vCPUs take turns because of a fault of QEMU 7.2: when vCPUs
# run in parallel, both can end up looping at the first byte of a function that
# Linux has patched, as if the breakpoint used for patching were still there.
# Switching the function tracer on and off a few dozen times causes the same
# loop on stock Xen without the module.
set -- 6.1 release on test-module+load:25 --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
