#!/bin/sh
# SPDX-License-Identifier: MIT
# lintian has nothing to say of the packages that "make packages" has built: no
# error, warning or hint, and no override that is no longer needed. TAP.
# Environment: top_srcdir, top_builddir.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
needs lintian
set -- "$top_builddir"/packages/*.changes
[ -e "$1" ] || bail_out "there are no packages: make packages"

# lintian warns of running as root.
LC_ALL=C lintian --allow-root --tag-display-limit 0 --pedantic \
	--display-info "$1" >"$tmp/log" 2>&1
status=$?
# "N:" is lintian's own talk, of overrides that were used.
grep -v '^N: ' "$tmp/log" >"$tmp/said"
[ $status -eq 0 ] && [ ! -s "$tmp/said" ]
verdict "lintian finds nothing" "status $status" "$tmp/said"

# Each override has its reason in a comment above it.
for file in "$top_srcdir"/debian/*overrides; do
	awk '/^#/ { reason = 1; next } NF && !reason { print FILENAME ": " $0 }
		NF { reason = 0 }' "$file"
done >"$tmp/log"
[ ! -s "$tmp/log" ]
verdict "each override has a reason" "$tmp/log"

# It does find something where there is something.
cp "$top_builddir"/packages/ptebatch-xen-source_*.deb "$tmp" &&
	dpkg-deb -R "$tmp"/ptebatch-xen-source_*.deb "$tmp/root" &&
	rm "$tmp/root/usr/share/doc/ptebatch-xen-source/copyright" &&
	dpkg-deb --root-owner-group -b "$tmp/root" "$tmp/broken.deb" >"$tmp/log" &&
	lintian --allow-root "$tmp/broken.deb" >"$tmp/log" 2>&1
grep -q '^E: ptebatch-xen-source: no-copyright-file' "$tmp/log"
verdict "lintian finds a package without a copyright file" "$tmp/log"
tap_done
