# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# A fresh Debian in a folder, with the packages that "make packages" has built
# in a folder of apt's. The tests that need one source this file.

# Sets root, the folder; packages, the folder of the packages; names, what they
# are called. Ends the test if that is not possible.
make_root() { # what tools/debian-root makes
	[ "$(id -u)" -eq 0 ] || {
		skip "the packages on a fresh Debian" "a chroot needs root"
		tap_done
	}
	needs mmdebstrap dpkg-scanpackages
	packages=$(cd "$top_builddir/packages" 2>/dev/null && pwd) &&
		ls "$packages"/*.deb >/dev/null 2>&1 ||
		bail_out "there are no packages: make packages"
	names=$(cd "$packages" && for deb in *.deb; do
		case $deb in *-dbgsym_*) ;; *) echo "${deb%%_*}" ;; esac
	done)
	tar=$("$top_srcdir/tools/debian-root" "$1")/root.tar && [ -e "$tar" ] ||
		bail_out "there is no Debian to install on"
	root=$tmp/root
	mkdir "$root" && tar -C "$root" -xf "$tar" || exit 99
	trap leave_root EXIT

	# No service is started in it.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mkdir "$root/packages"
	cp "$packages"/*.deb "$root/packages"
	echo 'deb [trusted=yes] file:/packages ./' \
		>"$root/etc/apt/sources.list.d/packages.list"
	mount -t proc proc "$root/proc" || exit 99
	serve_packages
}

# Has apt in the root know the packages in its folder. Their dependencies are there
# already: only this folder is asked.
serve_packages() {
	(cd "$root/packages" && dpkg-scanpackages . >Packages) 2>"$tmp/log" ||
		bail_out "there is no index of the packages"
	inside apt-get -q -o Dir::Etc::sourcelist=/dev/null update >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		bail_out "the chroot does not work"
	}
}

leave_root() {
	! mountpoint -q "$root/proc" || umount "$root/proc"
	rm -rf "$tmp"
}

inside() { # command...
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		HOME=/root TMPDIR=/tmp DEBIAN_FRONTEND=noninteractive "$@"
}

# Every file, its mode and owner, and what is in it; without what the package
# tools write for themselves, and without the cache of the linker's paths, which
# is made again at other times.
snapshot() {
	(
		cd "$root" && find . -xdev \
			'(' -path ./var/lib/dpkg -o -path ./var/lib/apt \
			-o -path ./var/cache -o -path ./var/log -o -path ./tmp \
			-o -path ./proc -o -path ./etc/ld.so.cache ')' -prune \
			-o -type f -printf '%p %m %u ' -exec cksum {} ';' \
			-o -printf '%p %m %u %l\n' | LC_ALL=C sort
	)
}
