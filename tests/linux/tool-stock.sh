#!/bin/sh
# SPDX-License-Identifier: MIT
# The program ptebatch in a dom0 on a stock Xen: see tests/linux/dom0/tool.
set -- 6.1 stock off "domu.minikernel=tool-stock" --one-thread --timeout 600
. "$(dirname "$0")/boot"
