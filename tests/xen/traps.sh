#!/bin/sh
# SPDX-License-Identifier: MIT
# All tests with the short way for trapped writes on, which is off by default. On
# a debug Xen, for its assertions.
exec "$(dirname "$0")/boot" debug traps 'test new traps' \
	--xen-append ptebatch=traps
