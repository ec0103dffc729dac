#!/bin/sh
# SPDX-License-Identifier: MIT
# The new hypercalls are turned off on Xen's command line.
exec "$(dirname "$0")/boot" release off 'test old' --xen-append ptebatch=no
