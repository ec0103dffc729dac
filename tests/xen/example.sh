#!/bin/sh
# SPDX-License-Identifier: MIT
# examples/minikernel, as dom0 with two vCPUs, prints what the comment in its
# main.c shows, on stock Xen and on one with the new calls. TAP. Environment:
# top_srcdir, top_builddir.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder

# The comment shows two transcripts. In the second, "..." stands for the lines
# of the first that are the same.
transcript() { # stock or release
	awk -v variant="$1" '
		/^ \*   (minikernel: |\.\.\.$)/ {
			blocks += !inside
			inside = 1
			text[blocks, ++lines[blocks]] = substr($0, 6)
			next
		}
		{ inside = 0 }
		END {
			shown = variant == "stock" ? 2 : 1
			for (i = 1; i <= lines[shown]; i++)
				if (text[shown, i] != "...")
					print text[shown, i]
				else
					for (j = i; j <= lines[1] - lines[2] + i; j++)
						print text[1, j]
		}' "$top_srcdir/examples/minikernel/main.c"
}

for variant in stock release; do
	name="the example's console on $variant is what its comment shows"
	xen=$("$top_srcdir/tools/xen-image" $variant) ||
		bail_out "there is no $variant hypervisor"
	console=$top_builddir/tests/xen/example-$variant.console
	"$top_srcdir/tests/xen/run" --xen "$xen/xen" --smp 2 --no-tests --append '' \
		--kernel "$top_builddir/minikernel/example/minikernel" \
		--log "$console" >"$tmp/why"
	status=$?
	if [ $status -eq 77 ]; then
		skip "$name" "no QEMU"
		continue
	fi
	transcript $variant >"$tmp/expected"
	[ $status -eq 0 ] && [ -s "$tmp/expected" ] &&
		grep '^minikernel: ' "$console" |
		diff "$tmp/expected" - >>"$tmp/why"
	verdict "$name" "$tmp/why"
done
tap_done
