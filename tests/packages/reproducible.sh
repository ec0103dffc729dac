#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages are the same, byte for byte, when they are built in another folder,
# at another time, in another time zone, language and umask, from files of other
# times, by one job. TAP. Environment: top_srcdir, top_builddir.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
needs dpkg-buildpackage faketime
packages=$(cd "$top_builddir/packages" 2>/dev/null && pwd) &&
	[ -d "$packages/tree" ] || bail_out "there are no packages: make packages"
unset MAKEFLAGS MFLAGS MAKELEVEL

# A longer path, and files of another time than the checkout's.
folder=$tmp/another/folder/with/a/longer/path
mkdir -p "$folder" && cp -a "$packages/tree" "$folder/tree" || exit 99
find "$folder/tree" -exec touch -h -d '1999-01-02 03:04:05' {} +
locale=$(locale -a | grep -im1 '^tr_TR.utf-\?8$') || locale=C.UTF-8
(
	cd "$folder/tree" && umask 077 &&
		HOME=/nonexistent LANG=$locale LC_ALL=$locale TZ=Asia/Kathmandu \
			DEB_BUILD_OPTIONS='nocheck parallel=1' \
			PTEBATCH_PAYLOADS="$packages/payloads" \
			faketime -f '+400d' dpkg-buildpackage -us -uc -b
) >"$tmp/log" 2>&1
verdict "the packages build elsewhere and at another time ($locale)" "$tmp/log"
[ $tap_failed -eq 0 ] || bail_out "there is nothing to compare"

for deb in "$packages"/*.deb; do
	other=$folder/${deb##*/}
	cmp "$deb" "$other" >"$tmp/log" 2>&1 || {
		command -v diffoscope >/dev/null &&
			diffoscope "$deb" "$other" >>"$tmp/log" 2>&1
		false
	}
	verdict "${deb##*/} is the same, byte for byte" "$tmp/log"
done
tap_done
