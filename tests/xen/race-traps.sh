#!/bin/sh
# SPDX-License-Identifier: MIT
# The races of Xen's own calls and of trapped writes, with the short way for the
# latter on.
exec "$(dirname "$0")/boot" debug race-traps \
	"race-guest=${RACE_UPDATES:-5000}" --parallel --smp "${RACE_VCPUS:-4}" \
	--xen-append 'ptebatch=traps guest_loglvl=none' \
	--timeout "${RACE_TIMEOUT:-900}"
