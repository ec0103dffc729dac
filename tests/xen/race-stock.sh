#!/bin/sh
# SPDX-License-Identifier: MIT
# The races of Xen's own calls on stock Xen: what they show there is what they
# have to show elsewhere.
exec "$(dirname "$0")/boot" stock race "race-guest=${RACE_UPDATES:-5000}" \
	--parallel --smp "${RACE_VCPUS:-4}" --xen-append guest_loglvl=none \
	--timeout "${RACE_TIMEOUT:-600}"
