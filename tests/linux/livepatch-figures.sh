#!/bin/sh
# SPDX-License-Identifier: MIT
# What the payload costs beyond a Xen that was rebuilt: the minikernel's benchmark,
# as a domU, on Debian's own Xen with the payload, and on the rebuilt one. TAP.
# Environment: top_srcdir, top_builddir.
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
image=$("$top_srcdir/tools/linux-image" 6.1) || bail_out "there is no Linux 6.1"

measure() { # variant of Xen, options of dom0, the file for the figures
	xen=$("$top_srcdir/tools/xen-image" "$1") || {
		[ $? -ne 77 ] || skip_all "Debian's archive does not serve Xen's source"
		bail_out "there is no $1 hypervisor"
	}
	"$top_srcdir/tests/linux/run" --icount --memory 2048 --dom0-memory 1024 \
		--timeout 1700 --kernel "$image/vmlinuz" \
		--initrd "$top_builddir/guests/6.1/initramfs-dom0" --xen "$xen/xen" \
		--xen-append guest_loglvl=error \
		--append "$2 domu.minikernel=figures" \
		--log "$top_builddir/tests/linux/livepatch-figures-$1.console" \
		>"$tmp/log"
	case $? in
	0) sed -n 's/^csv,//p' "$tmp/log" >"$3" ;;
	77) skip_all "QEMU is not installed" ;;
	*) bail_out "the benchmark failed on the $1 hypervisor: $(tail -n 3 "$tmp/log")" ;;
	esac
}
measure stock domu.livepatch=load "$tmp/payload"
measure release "" "$tmp/rebuilt"

# Each line: METHOD PAGES DIRECTION instructions=N hypercalls=N ...
# More than 2 instructions for each hypercall are too many, unless it is less than
# 2% of all.
awk -v out="$tmp/wrong" '
	{ split($4, n, "="); split($5, h, "="); key = $1 " " $2 " " $3 }
	NR == FNR { rebuilt[key] = n[2]; next }
	key in rebuilt {
		found++
		more = n[2] - rebuilt[key]
		calls = h[2] > 0 ? h[2] : 1
		if (more > 2 * calls && more > rebuilt[key] * 0.02)
			print key ": " rebuilt[key] ", with the payload " n[2] >out
		if (rebuilt[key] > 0 && more / rebuilt[key] > worst) {
			worst = more / rebuilt[key]
			which = key
		}
		delete rebuilt[key]
	}
	END {
		for (key in rebuilt)
			print key ": not measured with the payload" >out
		printf "# %d figures; the most beyond the rebuilt Xen: %.2f%%, %s\n",
			found, worst * 100, which
		if (found < 50)
			print "only " found " figures" >out
	}' "$tmp/rebuilt" "$tmp/payload"
[ ! -s "$tmp/wrong" ]
verdict "figures are within 2% of a rebuilt Xen" "$tmp/wrong"
tap_done
