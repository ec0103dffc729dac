#!/bin/sh
# SPDX-License-Identifier: MIT
# Xen as it defends itself on a CPU with all the flaws: two sets of page tables a
# vCPU, and absent entries looked at.
exec "$(dirname "$0")/xen-boot" release "" --xen-append "xpti=yes pv-l1tf=yes spec-ctrl=yes" \
	--log "${top_builddir:-build}/tests/xen-mitigations.console"
