#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer on a debug Xen, for its assertions. Guest messages are off, since
# Xen would log every refused request to a slow console.
exec "$(dirname "$0")/boot" debug fuzz "fuzz=${FUZZ_OPERATIONS:-100000} seed=1 own" \
	--timeout 900 \
	--xen-append "guest_loglvl=none ptebatch=no-updates,no-validation"
