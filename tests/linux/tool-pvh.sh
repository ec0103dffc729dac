#!/bin/sh
# SPDX-License-Identifier: MIT
# The program ptebatch in a PVH dom0 of Debian's own Xen, on the SVM that QEMU
# emulates: see tests/linux/dom0/tool, and pvh.sh for the options.
set -- 6.1 stock off "domu.minikernel=tool-pvh" \
	--one-thread --iommu --cpu ,-rdtscp --timeout 1800 \
	--xen-append "dom0=pvh spec-ctrl=eager-fpu xsave=off guest_loglvl=error"
. "$(dirname "$0")/boot"
