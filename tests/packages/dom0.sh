#!/bin/sh
# SPDX-License-Identifier: MIT
# A Debian 12 with Debian's Xen on a disk image, onto which apt has installed the
# packages that "make packages" has built, boots as dom0 in QEMU. What is tested
# there is in dom0-guest. TAP. Environment: top_srcdir, top_builddir. Needs root.
#
# dom0-apt.sh sets by_apt: apt then installs the tools and the livepatch in the
# running dom0. dom0-13.sh sets debian and xen to the versions of Debian 13. Its
# libraries of Xen have other names, so the packages are built again there.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
. "$(dirname "$0")/root.sh"
needs qemu-system-x86_64 mkfs.ext4 cpio
name=${0##*/} name=${name%.sh}
log=$top_builddir/tests/packages/$name.console
mkdir -p "${log%/*}"
: "${by_apt=}" "${debian=12}" "${xen=4.17}"
if [ "$debian" = 12 ]; then
	make_root dom0
else
	make_root "dom0-$debian"
	cp -a "$packages/tree" "$root/tmp/tree"
	# shellcheck disable=SC2016 # for the shell in the root
	inside env DEB_BUILD_OPTIONS=nocheck sh -c \
		'cd /tmp/tree && dpkg-buildpackage -us -uc -b -Pnocheck &&
			rm /packages/*.deb && mv ../*.deb /packages' >"$tmp/log" 2>&1
	verdict "the packages are built on Debian $debian" "$tmp/log"
	rm -rf "$root"/tmp/*
	serve_packages
fi

# The domU: the same kernel, and busybox, which counts rounds.
mkdir "$tmp/domu" "$tmp/domu/bin"
cp "$root/bin/busybox" "$tmp/domu/bin"
cat >"$tmp/domu/init" <<'END'
#!/bin/busybox sh
n=0
while :; do
	for i in 1 2 3 4 5 6 7 8 9 10; do /bin/busybox true; done
	n=$((n + 1))
	echo "domU: $n rounds"
	/bin/busybox sleep 1
done
END
chmod +x "$tmp/domu/init"
(cd "$tmp/domu" && find . | cpio -o -H newc --quiet) >"$root/root/domu.initrd"
cp "$root"/boot/vmlinuz-* "$root/root/vmlinuz"
cp "$(dirname "$0")/dom0-guest" "$top_srcdir/tests/common/tap.sh" "$root/root"
echo "$xen" >"$root/root/xen"
if [ "$by_apt" ]; then
	names="ptebatch-tools ptebatch-livepatch ptebatch-xen-source
libptebatch1 libptebatch-xencall1"
	touch "$root/root/by-apt"
fi
echo "$names" | tr '\n' ' ' >"$root/root/names"
cat >"$root/etc/systemd/system/dom0-guest.service" <<'END'
[Service]
ExecStart=/root/dom0-guest
END
mkdir -p "$root/etc/systemd/system/basic.target.wants"
ln -s ../dom0-guest.service "$root/etc/systemd/system/basic.target.wants"
echo '/dev/sda / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
inside /root/dom0-guest snapshot | grep -v /usr/sbin/policy-rc.d \
	>"$root/root/before"

if [ ! "$by_apt" ]; then
	# The headers are in the image, so DKMS builds the module at once.
	began=$(date +%s)
	# shellcheck disable=SC2086 # a list of words
	inside apt-get -q -y --no-install-recommends install $names \
		>"$tmp/log" 2>&1
	verdict "apt installs all packages from a local folder" "$tmp/log"
	echo "# in $(($(date +%s) - began)) s, the module's build by DKMS included"
	inside dkms status -m ptebatch >"$tmp/log" 2>&1
	grep -q ': installed' "$tmp/log"
	verdict "DKMS has built the module for Debian's kernel" "$tmp/log"
fi
rm "$root/usr/sbin/policy-rc.d"
umount "$root/proc"

disk=$tmp/disk
truncate -s 3G "$disk"
mkfs.ext4 -q -F -O '^has_journal' -d "$root" "$disk" >"$tmp/log" 2>&1 ||
	bail_out "the disk image cannot be made"
cp "$root"/boot/vmlinuz-* "$tmp/vmlinuz"
cp "$root"/boot/initrd.img-* "$tmp/initrd"
cp "$root"/boot/xen-*.gz "$tmp/xen.gz"
rm -rf "$root"

began=$(date +%s)
"$top_srcdir/tests/linux/run" --kernel "$tmp/vmlinuz" --initrd "$tmp/initrd" \
	--xen "$tmp/xen.gz" --disk "$disk" --memory 1536 --dom0-memory 1024 \
	--xen-append "spec-ctrl=eager-fpu" --timeout "${DOM0_TIMEOUT:-1200}" \
	--append "root=/dev/sda rw" --log "$log" >"$tmp/tap"
status=$?
# The guest numbers its tests from 1.
awk -v n="$tap_number" '/^1\.\./ { next }
	/^(ok|not ok) / { sub(/ok [0-9]+/, "ok " ++n) }
	{ print }' "$tmp/tap"
tap_number=$((tap_number + $(grep -c '^ok \|^not ok ' "$tmp/tap")))
tap_failed=$((tap_failed + $(grep -c '^not ok ' "$tmp/tap")))
[ $status -eq 0 ]
verdict "dom0 ran all tests, and no kernel or hypervisor complained" \
	"status $status, see $log"
echo "# in $(($(date +%s) - began)) s"
tap_done
