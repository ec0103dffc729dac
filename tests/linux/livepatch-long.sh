#!/bin/sh
# SPDX-License-Identifier: MIT
# 200 loads and reverts while dom0 works, each call preempted at every entry.
set -- 6.1 stock off "domu.livepatch=reload+hasty domu.rounds=200" \
	--smp 2 --one-thread --timeout 5400
. "$(dirname "$0")/boot"
