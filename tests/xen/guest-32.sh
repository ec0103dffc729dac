#!/bin/sh
# SPDX-License-Identifier: MIT
# A 32-bit PV guest as dom0. The new calls do not exist for it, its entries are
# stored as it gives them, and the same random sequence of Xen's own calls gives
# the same results, done counts and entries on stock Xen as on a Xen with the
# handlers. For a difference, the first operations that differ are shown. TAP.
# Debian's Xen and Xen's defaults are without 32-bit PV guests, so this builds
# two hypervisors with them.
# Environment: top_srcdir, top_builddir, TRACE_OPERATIONS, TRACE_SEED; PTEBATCH_TREE,
# a Xen source tree to use in place of Debian's.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
nr=${TRACE_OPERATIONS:-20000} seed=${TRACE_SEED:-1}

source=${PTEBATCH_TREE:-$("$top_srcdir/tools/xen-image" source)}
case $? in
0) ;;
77) skip_all "Debian's archive does not serve the source" ;;
*) bail_out "there is no source" ;;
esac

run() { # file for the lines about the trace, variant, words, Xen's options
	xen=$("$top_srcdir/tools/xen-image" "$2" --tree "$source" \
		--set CONFIG_PV32=y) || bail_out "there is no $2 hypervisor"
	"$top_srcdir/tests/xen/run" --xen "$xen/xen" --timeout 600 \
		--kernel "$top_builddir/minikernel/minikernel32" --append "$3" \
		--log "$top_builddir/tests/xen/guest-32-$2.console" \
		--xen-append "pv=32 guest_loglvl=none ${4-}" >"$tmp/tap"
	status=$?
	grep -a '^# trace' "$tmp/tap" >"$1"
	return $status
}

# The first operation of the epoch in which the two differ, as both do it.
show_difference() { # file file
	end=$(diff "$1" "$2" | sed -n 's/^< # trace: seed .* up to \([0-9]*\):.*/\1/p' |
		head -n 1)
	[ -n "$end" ] || { diff "$1" "$2" | head; return; }
	from=$(((end - 1) / 500 * 500))
	words="trace=$((end - from)) skip=$from seed=$seed show"
	echo "# replay: $words"
	for variant in stock release; do
		run "$tmp/lines" "$variant" "$words"
		grep -a '^#' "$tmp/tap" >"$tmp/$variant"
	done
	line=$(cmp "$tmp/stock" "$tmp/release" | sed 's/.*line //')
	[ -n "$line" ] || return
	head -n "$line" "$tmp/stock" | tac | sed '/^# op/q' | tac
	echo "# and on a Xen with the handlers:"
	sed -n "${line}p" "$tmp/release"
}

words="test trace=$nr seed=$seed"
for variant in stock release; do
	run "$tmp/$variant.trace" $variant "$words"
	verdict "on $variant, a 32-bit guest is served as it always was" \
		"$tmp/tap"
done
cmp -s "$tmp/stock.trace" "$tmp/release.trace" ||
	show_difference "$tmp/stock.trace" "$tmp/release.trace" >"$tmp/why"
[ "$(grep -c 'up to' "$tmp/stock.trace")" -ge $((nr / 500)) ] &&
	cmp -s "$tmp/stock.trace" "$tmp/release.trace"
verdict "stock and release do the same for $nr operations" "$tmp/why"
tap_done
