#!/bin/sh
# SPDX-License-Identifier: MIT
# Xen as it defends itself on a CPU with all the flaws: two sets of page tables a
# vCPU, and absent entries looked at. This machine of QEMU's reserves no memory at
# the end of what can be addressed, so that inverted frames are none.
exec "$(dirname "$0")/xen-boot" release mitigations "test new" \
	--machine pc-i440fx-7.0 --xen-append "xpti=yes pv-l1tf=yes spec-ctrl=yes"
