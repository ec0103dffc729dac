#!/bin/sh
# SPDX-License-Identifier: MIT
# On a machine with holes in its memory, where frame numbers are compressed: the
# number of a frame is not its index in Xen's frame table. Of the trees here
# only 4.17 compresses, by a mask. The suite fails if Xen does not say that it
# compresses, or if the guest's memory is not where the two numbers differ.
# Argument: another variant than release.
exec "$(dirname "$0")/boot" "${1:-release}" sparse "test new" --sparse \
	--xen-append loglvl=info --expect 'PFN compression (on bits|using)' \
	--expect 'Dom0 alloc\.: +00000004[0-9a-f]{8}->'
