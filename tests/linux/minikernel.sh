#!/bin/sh
# SPDX-License-Identifier: MIT
# The minikernel as a domU: see tests/linux/dom0/minikernel.
set -- 6.1 debug on \
	"domu.minikernel=conformance+log-dirty+foreign+destroy domu.rounds=12" \
	--one-thread --timeout 1800
. "$(dirname "$0")/boot"
