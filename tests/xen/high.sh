#!/bin/sh
# SPDX-License-Identifier: MIT
# On a machine whose memory is beyond what page tables of PV guests have of Xen's
# direct map, where Xen has to map a guest's tables one by one. That limit is
# 5 TiB, so this builds a Xen in which it is 512 GiB: PV guests get L4 slots from
# 263 on. The guest's memory is at 600 GiB. The suite fails if it is not. On a
# wrong limit Xen crashes at once.
# Environment: top_builddir; PTEBATCH_TREE, a Xen source tree to use in place of
# Debian's.
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
source=${PTEBATCH_TREE:-$("$top_srcdir/tools/xen-image" source)}
case $? in
0) ;;
77) skip_all "Debian's archive does not serve the source" ;;
*) bail_out "there is no source" ;;
esac
tree=$top_builddir/trees/high
rm -rf "$tree"
mkdir -p "$tree"
cp -a "$source/." "$tree"
change() { # file, sed expression that changes one line
	cp "$tree/xen/$1" "$tree/before"
	sed -i -E "$2" "$tree/xen/$1"
	[ "$(diff "$tree/before" "$tree/xen/$1" | grep -c '^>')" -eq 1 ] ||
		bail_out "$1 of this Xen is not as expected: $2"
	rm "$tree/before"
}
change arch/x86/include/asm/config.h \
	's/^(#define ROOT_PAGETABLE_LAST_XEN_SLOT +)271$/\1262/'
change include/public/arch-x86/xen-x86_64.h \
	's/^(#define __HYPERVISOR_VIRT_END +0xFFFF8)80{10}$/\138000000000/'
change arch/x86/include/asm/config.h \
	's/^(#define HYPERVISOR_VIRT_END .*PML4_ENTRY_BYTES ?\* ?)16\)$/\17)/'
PTEBATCH_TREE=$tree exec "$(dirname "$0")/boot" release high \
	'test new traps high' --high --xen-append ptebatch=traps \
	--expect 'Dom0 alloc\.: +00000096[0-9a-f]{8}->'
