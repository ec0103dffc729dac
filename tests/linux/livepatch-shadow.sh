#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel as a domU of Debian's own Xen with the payload, on shadow page
# tables: in log-dirty mode, where dom0 turns them on, and where Xen does so because
# of L1TF. See tests/linux/dom0/minikernel.
set -- 6.1 stock on \
	"domu.livepatch=load domu.minikernel=log-dirty+shadow+l1tf+foreign" \
	--one-thread --timeout 2700 \
	--xen-append "spec-ctrl=eager-fpu guest_loglvl=error pv-l1tf=yes"
. "$(dirname "$0")/boot"
