#!/bin/sh
# SPDX-License-Identifier: MIT
# With what the other suites turn off: XPTI, which gives each vCPU a root table
# of its own, checks of absent entries against L1TF, and slower ways into Xen.
# The newer machines of QEMU's reserve memory up to the last address that there
# is: then no inverted frame is safe, and Xen would shadow the domain at once.
exec "$(dirname "$0")/xen-boot" debug mitigated "test new" --mitigations \
	--machine pc-i440fx-7.0 --expect 'XPTI .*: Dom0 enabled'
