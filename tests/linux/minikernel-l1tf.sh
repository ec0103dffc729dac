#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel as a domU, with Xen's mitigations for Meltdown and L1TF on.
# Under pv-l1tf, Xen moves a domU that writes an L1TF-vulnerable PTE to shadow
# page tables.
set -- 6.1 release on domu.minikernel=l1tf+shadow+foreign \
	--one-thread --timeout 1800 \
	--xen-append "spec-ctrl=eager-fpu guest_loglvl=error xpti=yes pv-l1tf=yes"
. "$(dirname "$0")/boot"
