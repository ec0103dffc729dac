#!/bin/sh
# SPDX-License-Identifier: MIT
# Mini-OS with the library (examples/mini-os/port) and without, as dom0 on stock
# Xen and on a Xen with the handlers: it maps and unmaps the same pages, and
# reports the same errors. Prints instructions per page. TAP.
# Environment: top_srcdir, top_builddir; PTEBATCH_MINIOS, a Mini-OS source tree.
# The tree is copied and not changed.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
[ -n "${PTEBATCH_MINIOS-}" ] ||
	skip_all "there is no Mini-OS tree: PTEBATCH_MINIOS is not set"
needs perl qemu-system-x86_64
temporary_folder
images=$top_srcdir/tools/xen-image
stock=$("$images" stock) || bail_out "there is no stock Xen"
release=$("$images" release)
case $? in
0) ;;
77) skip_all "Debian's archive does not serve the source of Xen" ;;
*) bail_out "there is no Xen with the handlers" ;;
esac

# Only what a PV guest cannot do without, and the program under test.
{
	echo "CONFIG_PARAVIRT = y"
	for option in START_NETWORK SPARSE_BSS QEMU_XS_ARGS TEST PCIFRONT BLKFRONT \
		TPMFRONT TPM_TIS TPMBACK NETFRONT FBFRONT KBDFRONT CONSFRONT \
		XENBUS XC LWIP BALLOON; do
		echo "CONFIG_$option = n"
	done
	echo "src-y += app.c"
} >"$tmp/config"

cp -a "$PTEBATCH_MINIOS" "$tmp/tree" &&
	cp "$top_srcdir/tests/xen/mini-os.c" "$tmp/tree/app.c" ||
	bail_out "the tree cannot be copied"
# dom0 has no console ring, which Mini-OS does not know.
ring='console_ring = mfn_to_virt(si->console.domU.mfn);'
sed -i "s/^ *$ring/if ( !(si->flags \& SIF_INITDOMAIN) ) $ring/" \
	"$tmp/tree/console/xencons_ring.c"
grep -q "SIF_INITDOMAIN.*$ring" "$tmp/tree/console/xencons_ring.c" ||
	bail_out "the console of this Mini-OS is not as expected"

build() { # name, option
	make -C "$tmp/tree" MINIOS_CONFIG="$tmp/config" clean >/dev/null 2>&1
	make -C "$tmp/tree" MINIOS_CONFIG="$tmp/config" debug=n "$2" \
		>"$tmp/log" 2>&1 && cp "$tmp/tree/mini-os" "$tmp/$1"
	verdict "Mini-OS builds with $2" "$tmp/log"
}

boot() { # name, name of the Xen, its folder
	"$top_srcdir/tests/xen/run" --xen "$3/xen" --kernel "$tmp/$1" \
		--append bench --timeout 120 \
		--log "$top_builddir/tests/xen/mini-os-$1-$2.console" >"$tmp/$1-$2"
	verdict "it maps, unmaps and tells errors as $1 on $2 Xen" "$tmp/$1-$2"
	# What it has told besides figures.
	grep '^# error' "$tmp/$1-$2" >>"$tmp/errors-$1-$2"
}

figure() { # name, Xen, figure, pages
	sed -n "s/^# bench $3 $4 //p" "$tmp/$1-$2"
}

"$top_srcdir/examples/mini-os/port" "$tmp/tree" >"$tmp/log" ||
	bail_out "$(cat "$tmp/log")"
build own CONFIG_PTEBATCH=n
build library CONFIG_PTEBATCH=y
for name in own library; do
	boot $name stock "$stock"
	boot $name patched "$release"
done
for name in own-patched library-stock library-patched; do
	[ -s "$tmp/errors-own-stock" ] &&
		cmp "$tmp/errors-own-stock" "$tmp/errors-$name" >"$tmp/log" 2>&1
	verdict "the errors of $name are those of Mini-OS on stock Xen" "$tmp/log"
done

echo "# instructions per page:  own, stock  own, patched  library, stock  library, patched"
for row in map/4096 map-with-errors/4096 map/32 map/1 unmap/4096 unmap/32 \
	unmap/1; do
	printf '# %-16s %6s' "${row%/*}" "${row#*/}"
	for column in own-stock own-patched library-stock library-patched; do
		printf '%16s' "$(figure "${column%-*}" "${column#*-}" \
			"${row%/*}" "${row#*/}")"
	done
	echo
done

least() { # what, pages, name, part of a hundred of what own code takes on stock
	now=$(figure library patched "$1" "$2")
	was=$(figure own "$3" "$1" "$2")
	[ -n "$now" ] && [ -n "$was" ] && [ $((now * 100)) -lt $((was * $4)) ]
	verdict "$1 of $2 pages takes less than $4% of Mini-OS's own on $3 Xen" \
		"$now of $was"
}
least map 4096 stock 25
least map-with-errors 4096 stock 15
least map-with-errors 4096 patched 25
least unmap 4096 stock 10
least unmap 4096 patched 10
least map 1 stock 80
least unmap 1 stock 90
tap_done
