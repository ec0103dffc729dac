#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel in the PV shim: see tests/linux/dom0/minikernel, and linux-pvh.sh.
# On a CPU of QEMU's usual family Xen writes an MSR at boot that a guest must not.
set -- 6.1 release on domu.minikernel=shim \
	--one-thread --cpu ,family=23,-rdtscp,-monitor --timeout 1800 \
	--xen-append "spec-ctrl=eager-fpu xsave=off guest_loglvl=error"
. "$(dirname "$0")/linux-boot"
