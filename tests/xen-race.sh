#!/bin/sh
# SPDX-License-Identifier: MIT
# The races, on as many vCPUs as a small machine can run at once and two more.
# Xen has much to say of what the guest is refused, to a slow console.
exec "$(dirname "$0")/xen-boot" debug race "race=${RACE_UPDATES:-50000}" \
	--parallel --smp "${RACE_VCPUS:-4}" --xen-append guest_loglvl=none \
	--timeout "${RACE_TIMEOUT:-600}"
