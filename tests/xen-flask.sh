#!/bin/sh
# SPDX-License-Identifier: MIT
# Under a label that is allowed to map, and is not.
exec "$(dirname "$0")/xen-boot" flask policy "flask"
