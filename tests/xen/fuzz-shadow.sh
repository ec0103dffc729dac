#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer in a domain on shadow page tables. One of its first entries is
# vulnerable to L1TF, and pv-l1tf=dom0 makes Xen shadow dom0 because of that
# entry.
exec "$(dirname "$0")/boot" debug fuzz-shadow \
	"l1tf fuzz=${FUZZ_OPERATIONS:-10000} seed=3 own" --timeout 900 --xen-append \
	"guest_loglvl=none/warning pv-l1tf=dom0 ptebatch=no-updates,no-validation" \
	--expect 'L1TF-vulnerable.*Shadowing'
