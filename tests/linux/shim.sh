#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel in the PV shim: see tests/linux/dom0/minikernel. For the
# options see linux-pvh.sh; besides, on QEMU's default CPU family the shim's Xen
# would write an MSR at boot that a guest must not write.
set -- 6.1 release on domu.minikernel=shim \
	--one-thread --cpu ,family=23,-rdtscp,-monitor --timeout 1800 \
	--xen-append "spec-ctrl=eager-fpu xsave=off guest_loglvl=error"
. "$(dirname "$0")/boot"
