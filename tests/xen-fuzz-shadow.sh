#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer in a domain that Xen shadows: one of the first entries is unsafe
# against L1TF, and dom0 is checked for that.
exec "$(dirname "$0")/xen-boot" debug fuzz-shadow \
	"l1tf fuzz=${FUZZ_OPERATIONS:-10000} seed=3" --timeout 900 \
	--xen-append "guest_loglvl=none/warning pv-l1tf=dom0" \
	--expect 'L1TF-vulnerable.*Shadowing'
