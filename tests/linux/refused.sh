#!/bin/sh
# SPDX-License-Identifier: MIT
# Without Xen the module refuses to load, and logs the reason. TAP.
# Environment: top_srcdir, top_builddir.
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"

# Succeeds if insmod fails with ENODEV and the kernel's log has the module's
# reason.
refused() {
	image=$("$top_srcdir/tools/linux-image" "$1") || return 1
	log=$top_builddir/tests/linux/refused-$1.console
	rm -f "$log"
	"$top_srcdir/tests/linux/run" --kernel "$image/vmlinuz" --quiet \
		--initrd "$top_builddir/guests/$1/initramfs" \
		--append ptebatch=on --log "$log" >"$log.why"
	status=$?
	cat "$log.why"
	[ $status -ne 77 ] || return 77
	grep -q '^guest: done, 1 failed' "$log" &&
		grep -q 'insmod /ptebatch.ko: No such device' "$log" &&
		grep -q '\] ptebatch: not loaded: ' "$log" &&
		! grep -q 'on the console' "$log.why"
}

for series in 6.1 6.12; do
	name="Linux $series without Xen: the module refuses and says why"
	said=$(refused $series)
	case $? in
	0) ok "$name" ;;
	77) skip_all "no QEMU" ;;
	*) not_ok "$name" "$said" ;;
	esac
done
tap_done
