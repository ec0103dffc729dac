#!/bin/sh
# SPDX-License-Identifier: MIT
# Loads and unloads the module beside other users of the function tracer, and
# under load. The vCPUs take turns: where they run at the same time under QEMU
# 7.2, both can come to loop at the first byte of a function that Linux has
# patched, as if the breakpoint by which it does so were still there. The
# function tracer alone, switched on and off on a stock Xen and without the
# module, does the same after some tens of times.
set -- 6.1 release on test-module+load:25 --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/linux-boot"
