#!/bin/sh
# SPDX-License-Identifier: MIT
# Payloads in Debian's own Xen: see tests/linux/dom0/livepatch.
set -- 6.1 stock off "domu.livepatch=refused+reload+hasty domu.rounds=10" \
	--smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
