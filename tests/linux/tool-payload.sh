#!/bin/sh
# SPDX-License-Identifier: MIT
# The program ptebatch loads the payload into a stock Xen: see
# tests/linux/dom0/tool.
set -- 6.1 stock off "domu.minikernel=tool-payload" --one-thread --timeout 900
. "$(dirname "$0")/boot"
