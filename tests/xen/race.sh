#!/bin/sh
# SPDX-License-Identifier: MIT
# The races, on four vCPUs by default: two more than a small host has CPUs.
# Guest messages are off, since Xen would log every refused request to a slow
# console.
exec "$(dirname "$0")/boot" debug race "race=${RACE_UPDATES:-50000} race-guest=${RACE_UPDATES:-20000}" \
	--parallel --smp "${RACE_VCPUS:-4}" --xen-append guest_loglvl=none \
	--timeout "${RACE_TIMEOUT:-600}"
