#!/bin/sh
# SPDX-License-Identifier: MIT
# With the mitigations that the other suites turn off: XPTI, which gives each
# vCPU a root table of its own, the L1TF checks of non-present PTEs, and slower
# entry paths into Xen. QEMU's newer machine types reserve memory up to the
# highest physical address. No inverted frame number is safe there, and Xen
# would shadow the domain at once, so this suite uses an older machine type.
exec "$(dirname "$0")/boot" debug mitigated "test new" --mitigations \
	--machine pc-i440fx-7.0 --expect 'XPTI .*: Dom0 enabled'
