#!/bin/sh
# SPDX-License-Identifier: MIT
# dom0 itself on shadow page tables.
exec "$(dirname "$0")/xen-boot" debug "" --xen-append dom0=shadow \
	--log "${top_builddir:-build}/tests/xen-shadow.console"
