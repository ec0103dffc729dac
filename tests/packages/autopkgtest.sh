#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's autopkgtest runs the tests in debian/tests, with the packages that "make
# packages" has built, on a fresh Debian 12: among them, DKMS builds the module for
# Debian's kernel. TAP. Environment: top_srcdir, top_builddir. Needs root.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
needs autopkgtest
. "$(dirname "$0")/root.sh"
make_root packages
# autopkgtest has the packages installed itself, and their dependencies from the
# archive.
rm -r "$root/packages" "$root/etc/apt/sources.list.d/packages.list"
cp /etc/resolv.conf "$root/etc"
inside apt-get -q update >"$tmp/log" 2>&1 ||
	bail_out "the chroot does not reach Debian's archive"

autopkgtest --summary-file="$tmp/summary" --log-file="$tmp/log" \
	"$packages"/*.deb "$packages/tree" -- chroot "$root" >/dev/null 2>&1
status=$?
sed -n 's/^Tests: //p' "$packages/tree/debian/tests/control" | tr ' ' '\n' |
	sort >"$tmp/wanted"
cut -d ' ' -f 1 "$tmp/summary" | sort | diff "$tmp/wanted" - >"$tmp/diff"
verdict "every test of debian/tests/control ran" "$tmp/diff" "$tmp/log"
while read -r name result why; do
	[ "$result" = PASS ]
	verdict "debian/tests/$name passes" "$result $why" "$tmp/log"
done <"$tmp/summary"
[ $status -eq 0 ]
verdict "autopkgtest ends without an error" "status $status"
tap_done
