#!/bin/sh
# SPDX-License-Identifier: MIT
# Under a label that is allowed to map, and is not: pages of its own and of
# another domain, by tables of its own and of the other.
exec "$(dirname "$0")/xen-boot" flask policy "flask"
