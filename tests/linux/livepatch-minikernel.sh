#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel as a domU of Debian's own Xen with the payload, and dom0's changes
# of a domU's tables: see tests/linux/dom0/minikernel.
set -- 6.1 stock on "domu.livepatch=load domu.minikernel=conformance+fuzz+foreign+destroy domu.rounds=6 domu.fuzz=3000" \
	--one-thread --timeout 1800
. "$(dirname "$0")/boot"
