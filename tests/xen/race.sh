#!/bin/sh
# SPDX-License-Identifier: MIT
# The races, on four vCPUs by default: two more than a small host has CPUs.
# Guest messages are off, since Xen would log every refused request to a slow
# console. The number of updates fits a test run, of which this is the longest part;
# RACE_UPDATES sets another one.
exec "$(dirname "$0")/boot" debug race "race=${RACE_UPDATES:-30000} race-guest=${RACE_UPDATES:-12000}" \
	--parallel --smp "${RACE_VCPUS:-4}" --xen-append guest_loglvl=none \
	--timeout "${RACE_TIMEOUT:-600}"
