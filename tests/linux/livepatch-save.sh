#!/bin/sh
# SPDX-License-Identifier: MIT
# A domU of Debian's own Xen is saved and restored, and the payload goes and comes
# meanwhile: see tests/linux/dom0/init.
set -- 6.1 stock on "domu.livepatch=load domu.do=patch-save" --smp 2 --one-thread \
	--timeout 900
. "$(dirname "$0")/boot"
