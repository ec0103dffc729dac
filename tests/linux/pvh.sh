#!/bin/sh
# SPDX-License-Identifier: MIT
# A PVH guest on the SVM that QEMU emulates. Its kernel writes its page tables
# itself, and both hypercalls return -ENOSYS to it. QEMU's SVM has three
# defects, which the options below avoid: Xen cannot decode the length of an
# RDTSCP, Linux finds XSAVE features that it does not know, and a second vCPU
# makes no progress.
set -- 6.1 release off \
	"domu=not-pv domu.type=pvh domu.vcpus=1" \
	--one-thread --cpu ,-rdtscp --timeout 900 \
	--xen-append "spec-ctrl=eager-fpu xsave=off guest_loglvl=error"
. "$(dirname "$0")/boot"
