#!/bin/sh
# SPDX-License-Identifier: MIT
# With what the other suites turn off: XPTI, which gives each vCPU a root table
# of its own, checks of absent entries against L1TF, and slower ways into Xen.
exec "$(dirname "$0")/xen-boot" debug mitigated "test new" --mitigations \
	--expect 'XPTI .*: Dom0 enabled'
