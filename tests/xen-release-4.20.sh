#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/xen-boot" release-4.20
