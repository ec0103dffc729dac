#!/bin/sh
# SPDX-License-Identifier: MIT
# linux/FILES lists the files that a package of the module takes. For each
# kernel, the module builds from a copy of these files alone, by the commands
# that linux/dkms.conf gives to DKMS. Every C file and header of the list is
# read by that build, and the list has every file of linux/. TAP.
# Environment: top_srcdir.
set -u
. "$(dirname "$0")/../common/tap.sh"
top_srcdir=$(cd "$top_srcdir" && pwd -P) || exit 99
temporary_folder
unset MAKEFLAGS MFLAGS MAKELEVEL
export LC_ALL=C

# Fills the folder $tmp/package as linux/README.md says.
package() { # the list
	rm -rf "$tmp/package"
	mkdir "$tmp/package"
	(cd "$top_srcdir" && xargs cp --parents -t "$tmp/package") <"$1" &&
		ln -s linux/dkms.conf "$tmp/package/dkms.conf"
}

# Runs what DKMS runs: the package's commands, in the package's folder.
build() ( # CLEAN|MAKE; environment: image
	cd "$tmp/package" || exit
	# dkms.conf is a script of bash's, with arrays and this variable.
	# shellcheck disable=SC2016 # variables of the inner shell
	kernel_source_dir=$image/headers bash -c '
		. ./dkms.conf
		case $1 in CLEAN) exec sh -c "$CLEAN" ;; esac
		sh -c "${MAKE[0]}" &&
			test -s "${BUILT_MODULE_LOCATION[0]}/${BUILT_MODULE_NAME[0]}.ko"
	' - "$1"
) >"$tmp/log" 2>&1

# Prints the package's files that the compiler read, from kbuild's records.
files_read() {
	find "$tmp/package" -name '.*.o.cmd' -exec cat {} + |
		tr ' ' '\n' | grep '^[^$]*\.[ch]$' |
		grep -v '\.mod\.c$' | while read -r file; do
		case $file in /*) ;; *) file=$tmp/package/linux/$file ;; esac
		realpath -q "$file"
	done | sed -n "s|^$(cd "$tmp/package" && pwd -P)/||p" | sort -u
}

sort "$top_srcdir/linux/FILES" >"$tmp/sorted"
uniq -d "$tmp/sorted" >"$tmp/log"
[ -s "$tmp/sorted" ] && [ ! -s "$tmp/log" ]
verdict "linux/FILES lists no file twice" \
	"$tmp/log"

# A build may have left files in this folder of a checkout, and git knows which.
cd "$top_srcdir" || exit 99
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$top_srcdir" ]; then
	git ls-files linux
else
	find linux -type f ! -name '.*' ! -name '*.o' ! -name '*.ko' \
		! -name '*.mod' ! -name '*.mod.c' ! -name modules.order \
		! -name Module.symvers
fi | sort >"$tmp/own"
grep '^linux/' "$tmp/sorted" | diff "$tmp/own" - >"$tmp/log"
verdict "it lists the files of linux/, and no others of that folder" \
	"$tmp/log"

for series in 6.1 6.12; do
	image=$(tools/linux-image "$series") ||
		bail_out "there is no Linux $series"
	package linux/FILES && build MAKE
	verdict "Linux $series: the module builds from the listed files alone" \
		"$tmp/log"

	files_read >"$tmp/read"
	grep '\.[ch]$' "$tmp/sorted" | diff "$tmp/read" - >"$tmp/log"
	verdict "Linux $series: the build reads each C file and header listed" \
		"$tmp/log"

	build CLEAN && ! find "$tmp/package" -name '*.*o' | grep . >>"$tmp/log"
	verdict "Linux $series: DKMS's command to clean removes the objects" \
		"$tmp/log"
done
tap_done
