#!/bin/sh
# SPDX-License-Identifier: MIT
# A PVH guest, whose kernel writes its page tables itself and is told -ENOSYS by
# both calls, on the SVM that QEMU emulates. Under that, Xen cannot tell how long
# an RDTSCP is, Linux finds an XSAVE that it does not know, and a second vCPU
# stands still.
set -- 6.1 release off \
	"domu=not-pv domu.type=pvh domu.vcpus=1" \
	--one-thread --cpu ,-rdtscp --timeout 900 \
	--xen-append "spec-ctrl=eager-fpu xsave=off guest_loglvl=error"
. "$(dirname "$0")/linux-boot"
