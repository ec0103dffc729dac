#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests in shadow mode. Xen shadows a domain that writes a PTE vulnerable to
# L1TF.
exec "$(dirname "$0")/boot" debug shadow "l1tf test new" --mitigations \
	--expect 'L1TF-vulnerable L1e .* - Shadowing'
