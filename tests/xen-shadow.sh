#!/bin/sh
# SPDX-License-Identifier: MIT
# In shadow mode, into which Xen puts a domain that writes what L1TF could read.
exec "$(dirname "$0")/xen-boot" debug shadow "l1tf test new" --mitigations \
	--expect 'L1TF-vulnerable L1e .* - Shadowing'
