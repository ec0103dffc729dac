#!/bin/sh
# SPDX-License-Identifier: MIT
# apt installs the packages that "make packages" has built on a fresh Debian 12,
# their programs work there, and what is removed and purged leaves nothing. TAP.
# Environment: top_srcdir, top_builddir. Needs root, for the chroot.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
. "$(dirname "$0")/root.sh"
make_root packages

snapshot >"$tmp/before"
# shellcheck disable=SC2086 # a list of words
inside apt-get -q -y --no-install-recommends install $names >"$tmp/log" 2>&1
verdict "apt installs all packages from a local folder" "$tmp/log"
[ $tap_failed -eq 0 ] || bail_out "there is nothing to continue with"

# shellcheck disable=SC2086 # a list of words
inside dpkg --verify $names >"$tmp/log" 2>&1 && [ ! -s "$tmp/log" ]
verdict "every file of theirs is as it was packed" "$tmp/log"

# What is there now is noticed, so what is left later will be.
snapshot >"$tmp/after"
diff "$tmp/before" "$tmp/after" >"$tmp/log"
holds "the comparison of files sees what was installed" \
	grep -q '^> \./usr/src/ptebatch-.*/dkms.conf' "$tmp/log"

for test in program kernel-archive xen-source; do
	cp "$top_srcdir/debian/tests/$test" "$root/tmp"
	inside "/tmp/$test" >"$tmp/log" 2>&1
	verdict "debian/tests/$test passes" "$tmp/log"
	rm -f "$root/tmp/$test"
done

# A package comes without the others, as its dependencies say.
# shellcheck disable=SC2086
inside apt-get -q -y remove $names >"$tmp/log" 2>&1 &&
	inside apt-get -q -y --no-install-recommends install ptebatch-dkms \
		>>"$tmp/log" 2>&1 &&
	! inside dpkg-query -W libptebatch1 >>"$tmp/log" 2>&1
verdict "the module's package needs none of the others" "$tmp/log"

# Installed again over itself, as an upgrade is.
inside apt-get -q -y install --reinstall ptebatch-dkms >"$tmp/log" 2>&1 &&
	inside dkms status -m ptebatch 2>&1 | tee -a "$tmp/log" | grep -q ': added'
verdict "an upgrade leaves one module known to DKMS" "$tmp/log"

# shellcheck disable=SC2086
inside apt-get -q -y purge $names >"$tmp/log" 2>&1
verdict "apt purges all packages" "$tmp/log"
snapshot >"$tmp/after"
[ "$(wc -l <"$tmp/before")" -gt 1000 ] &&
	diff "$tmp/before" "$tmp/after" >"$tmp/log"
verdict "and nothing is left" "$tmp/log"

# As README says, from the files alone.
readme() { # install or purge
	what=$(sed -n "s/^apt $1 //p" "$top_srcdir/README.md")
	inside sh -c "cd /packages && apt-get -q -y --no-install-recommends \
		-o Dir::Etc::sourceparts=/dev/null $1 $what" >"$tmp/log" 2>&1
}
readme install && inside ptebatch --version >>"$tmp/log" 2>&1 &&
	inside dpkg-query -W ptebatch-livepatch ptebatch-dkms >>"$tmp/log" 2>&1
verdict "README's command installs the program, the livepatch and the module" \
	"$tmp/log"
readme purge && snapshot | diff "$tmp/before" - >"$tmp/log"
verdict "README's command purges them, and nothing is left" "$tmp/log"
tap_done
