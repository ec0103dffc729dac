#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer on a Xen where each call is preempted at every entry.
exec "$(dirname "$0")/boot" preempt fuzz "fuzz=${FUZZ_OPERATIONS:-10000} seed=2 own" \
	--timeout 900 \
	--xen-append "guest_loglvl=none ptebatch=no-updates,no-validation"
