#!/bin/sh
# SPDX-License-Identifier: MIT
# The same where Xen defends itself against Meltdown and L1TF, which a domU can have
# bring shadow page tables upon it.
set -- 6.1 release on domu.minikernel=l1tf+shadow+foreign \
	--one-thread --timeout 1800 \
	--xen-append "spec-ctrl=eager-fpu guest_loglvl=error xpti=yes pv-l1tf=yes"
. "$(dirname "$0")/linux-boot"
