#!/bin/sh
# SPDX-License-Identifier: MIT
exec "$(dirname "$0")/xen-boot" off
