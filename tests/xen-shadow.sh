#!/bin/sh
# SPDX-License-Identifier: MIT
# dom0 itself on shadow page tables.
exec "$(dirname "$0")/xen-boot" debug shadow "test new" --xen-append dom0=shadow
