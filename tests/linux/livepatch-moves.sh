#!/bin/sh
# SPDX-License-Identifier: MIT
# A domU of Debian's own Xen with the payload is paused, saved and migrated; the
# payload goes and comes while the domU migrates, reboots, or is destroyed and comes
# back under its number, or takes another guest's: see tests/linux/dom0/init.
set -- 6.1 stock on \
	"domu.livepatch=load domu.do=pause+patch-other+save+migrate+older+patch-migrate+patch-reboot+patch-reuse" \
	--smp 2 --one-thread --timeout 2700
. "$(dirname "$0")/boot"
