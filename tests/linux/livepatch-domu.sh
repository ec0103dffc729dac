#!/bin/sh
# SPDX-License-Identifier: MIT
# Linux's tests and the module in a domU of Debian's own Xen with the payload.
set -- 6.1 stock on "domu=test+stress:15 domu.livepatch=load" --smp 2 \
	--one-thread --timeout 1800
. "$(dirname "$0")/boot"
