#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/xen-boot" stock-4.20
