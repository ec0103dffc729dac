#!/bin/sh
# SPDX-License-Identifier: MIT
# What is in the packages that "make packages" has built: everything that belongs
# there, once, and nothing of the machine that built them. TAP.
# Environment: top_srcdir, top_builddir.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
needs dpkg-deb
packages=$top_builddir/packages
ls "$packages"/*.deb >"$tmp/debs" 2>/dev/null ||
	bail_out "there are no packages: make packages"
tree=$packages/tree
version=$(sed -n '1s/^libptebatch (\(.*\)) .*/\1/p' "$tree/debian/changelog")

built() { # package; sets deb
	deb=$(ls "$packages/$1"_*.deb)
}
files() { # package
	built "$1" && dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's,^\.,,' |
		grep -v '/$'
}

sed -n 's/^Package: //p' "$tree/debian/control" | sort >"$tmp/wanted"
sed -n 's,.*/\([^/_]*\)_.*,\1,p' "$tmp/debs" | grep -v -e '-dbgsym$' | sort \
	>"$tmp/there"
diff "$tmp/wanted" "$tmp/there" >"$tmp/log"
verdict "every package of debian/control was built" "$tmp/log"

while read -r package; do
	files "$package" | sed "s/^/$package /"
done <"$tmp/there" >"$tmp/files"
sed 's/^[^ ]* //' "$tmp/files" | sort | uniq -d >"$tmp/twice"
[ -s "$tmp/files" ] && [ ! -s "$tmp/twice" ]
verdict "no file is in two packages" "$tmp/twice"

files ptebatch-dkms | sed -n "s,^/usr/src/ptebatch-$version/,,p" |
	grep -vx dkms.conf | sort >"$tmp/there"
grep -v -e ^LICENSES/ -e README.md "$tree/linux/FILES" | sort |
	diff - "$tmp/there" >"$tmp/log"
verdict "the module's package holds what linux/FILES lists, and dkms.conf" \
	"$tmp/log"

# The installer names its own files; it is asked in the unpacked package.
built ptebatch-xen-source
dpkg-deb -x "$deb" "$tmp/xen-source"
handlers=$tmp/xen-source/usr/share/ptebatch/backends/xen-hv
own='import runpy, sys
for name in runpy.run_path(sys.argv[1])["OWN_FILES"]: print(name)'
python3 -B -c "$own" "$handlers/install" 2>"$tmp/log" |
	sed 's,.*/,,' | sort >"$tmp/there"
python3 -B -c "$own" "$tree/backends/xen-hv/install" 2>>"$tmp/log" |
	sed 's,.*/,,' | sort >"$tmp/wanted"
[ -s "$tmp/wanted" ] && diff "$tmp/wanted" "$tmp/there" >>"$tmp/log"
verdict "the installed installer finds every file that it puts into Xen" \
	"$tmp/log"

# The payloads that were to be packed, and what is said of them.
built ptebatch-livepatch
(cd "$packages/payloads" && ls) >"$tmp/wanted"
files ptebatch-livepatch | sed -n 's,^/usr/lib/ptebatch/livepatch/,,p' | sort |
	diff "$tmp/wanted" - >"$tmp/log"
verdict "every payload is in its package" "$tmp/log"
dpkg-deb -f "$deb" Description >"$tmp/log"
if [ -s "$tmp/wanted" ]; then
	for file in "$packages"/payloads/*; do
		xen=$(readelf -p .modinfo "$file" | sed -n 's/.* for Xen //p')
		[ "$xen" ] && grep -qF " $xen" "$tmp/log"
		verdict "and the package says that it is for Xen $xen" \
			"$tmp/log"
	done
else
	grep -q 'No livepatch is in' "$tmp/log"
	verdict "and the package says that it has none" "$tmp/log"
fi

# What names the folder, the user or the version of Xen on the build machine.
: >"$tmp/found"
while read -r deb; do
	dpkg-deb -R "$deb" "$tmp/unpacked"
	grep -rlF "$packages/build" "$tmp/unpacked" >>"$tmp/found"
	sed -n "s,^Depends:.*4\.17\.[0-9].*,${deb##*/}: &,p" \
		"$tmp/unpacked/DEBIAN/control" >>"$tmp/found"
	rm -rf "$tmp/unpacked"
done <"$tmp/debs"
[ ! -s "$tmp/found" ]
verdict "no package tells the folder or the release of Xen it was built with" \
	"$tmp/found"

# A makefile's own @name@ is replaced by configure, and then replaces nothing.
: >"$tmp/found"
while read -r deb; do
	dpkg-deb -x "$deb" "$tmp/unpacked"
	grep -rIE '@[a-z_]+@' "$tmp/unpacked" --exclude-dir=xen-hv \
		--exclude=configure.ac >>"$tmp/found"
	rm -rf "$tmp/unpacked"
done <"$tmp/debs"
[ ! -s "$tmp/found" ]
verdict "no packed file has a name that configure should have replaced" \
	"$tmp/found"

# debian/copyright and .reuse/dep5 state the same for every file.
stanzas() { # file: "files|licence"
	awk '/^Files:/ { sub(/^Files: */, ""); files = $0; more = 1; next }
		/^ / && more { files = files $0; next }
		{ more = 0 }
		/^License:/ && files { print files "|" $2; files = "" }' "$1"
}
stanzas "$tree/.reuse/dep5" >"$tmp/wanted"
stanzas "$tree/debian/copyright" | diff "$tmp/wanted" - >"$tmp/log" &&
	[ -s "$tmp/wanted" ]
verdict "debian/copyright and .reuse/dep5 agree" "$tmp/log"
tap_done
