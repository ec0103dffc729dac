#!/bin/sh
# SPDX-License-Identifier: MIT
# The program ptebatch in a dom0: see tests/linux/dom0/tool.
set -- 6.1 release off "domu.minikernel=tool" --one-thread --timeout 1800
. "$(dirname "$0")/boot"
