#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer, where Xen's own assertions watch. Xen has much to say of what the
# guest is refused, to a slow console.
exec "$(dirname "$0")/xen-boot" debug fuzz "fuzz=${FUZZ_OPERATIONS:-100000} seed=1" \
	--timeout 900 --xen-append guest_loglvl=none
