#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs backends/xen-hv/install on Debian's sources of Xen 4.17 and 4.20. Fetches a
# source that is not in the cache. TAP. Environment: top_srcdir.
set -u
. "$(dirname "$0")/../common/tap.sh"
install=$top_srcdir/backends/xen-hv/install
temporary_folder
# git must commit without the user's settings.
export HOME="$tmp" GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost

fresh() { rm -rf "$tmp/tree" && cp -r "$tmp/pristine" "$tmp/tree"; }
as_it_was() { diff -r "$tmp/pristine" "$tmp/tree"; }

shows() { # what holds, the command that shows it
	what="$version: $1"
	shift
	"$@" >"$tmp/output" 2>&1
	verdict "$what" "$tmp/output"
}

own=xen/arch/x86/pv/ptebatch
public=xen/include/public/arch-x86/xen-ptebatch.h
adds_files() {
	fresh && "$install" "$tmp/tree" &&
		cmp "$top_srcdir/include/ptebatch/xen-ptebatch.h" \
			"$tmp/tree/$public" || return
	for file in "$top_srcdir"/backends/xen-hv/*.[ch] \
		"$top_srcdir/backends/xen-hv/Makefile"; do
		cmp "$file" "$tmp/tree/$own/${file##*/}" || return
	done
	# And no other, but for the page about the design.
	diff -rq "$tmp/pristine" "$tmp/tree" | grep '^Only in' |
		grep -v "/docs/designs: pv-l1-engine\.md$" >"$tmp/lines"
	cat "$tmp/lines"
	[ "$(wc -l <"$tmp/lines")" -eq 2 ]
}
few_lines() {
	# Count the lines of Xen's own files that differ.
	diff -r "$tmp/pristine" "$tmp/tree" | grep '^[<>]' >"$tmp/lines"
	come=$(grep -c '^>' "$tmp/lines") go=$(grep -c '^<' "$tmp/lines")
	cat "$tmp/lines"
	"$install" --check "$tmp/tree" >"$tmp/said" && cat "$tmp/said" &&
		grep -q "in Xen's own files $come lines come and $go go;" \
			"$tmp/said" && [ "$come" -ge 1 ] &&
		[ $((come + go)) -le 200 ]
}
# Runs Xen's own generator with everything configured, and checks which kinds of
# guest get the calls.
only_pv64() {
	cpp -P -undef -D__x86_64__ -DCONFIG_PTEBATCH -DCONFIG_PV -DCONFIG_PV32 \
		-DCONFIG_PV_SHIM -DCONFIG_HVM -DCONFIG_X86 -DCONFIG_COMPAT \
		"$tmp/tree/xen/include/hypercall-defs.c" |
		awk -f "$tmp/tree/xen/scripts/gen_hypercall.awk" |
		awk '/^#define call_handlers_/ {
				sub(/.*call_handlers_/, "")
				sub(/\(.*/, "")
				who = $0
				seen = seen " " who
			}
			/case __HYPERVISOR_ptebatch_(runs|values):/ { n[who]++ }
			END {
				print "callers:" seen
				for (who in n)
					print who ": " n[who] " calls"
				exit !(n["pv64"] == 2 && length(n) == 1 &&
				       seen ~ /pv32/ && seen ~ /hvm32/ &&
				       seen ~ /hvm64/)
			}'
}
idempotent() {
	cp -r "$tmp/tree" "$tmp/once" && "$install" "$tmp/tree" >"$tmp/said" &&
		cat "$tmp/said" && grep -q 'nothing to do' "$tmp/said" &&
		diff -r "$tmp/once" "$tmp/tree"
}
# An edited file is reported, and one copy of it is kept.
edited=$own/l1.c
kept() { # mode
	echo '/* edited */' >>"$tmp/tree/$edited"
	cp "$tmp/tree/$edited" "$tmp/edited.c"
	# shellcheck disable=SC2086 # no mode, no argument
	"$install" $1 "$tmp/tree" >"$tmp/said" && cat "$tmp/said" &&
		grep -q 'the edited one kept as l1.c~' "$tmp/said" &&
		cmp "$tmp/edited.c" "$tmp/tree/$edited~" &&
		rm "$tmp/tree/$edited~"
}
updates() { kept "" && diff -r "$tmp/once" "$tmp/tree"; }
undo_keeps() {
	kept --undo && rmdir "$tmp/tree/$own" && as_it_was &&
		"$install" "$tmp/tree" && diff -r "$tmp/once" "$tmp/tree"
}
# A file that somebody put into the folder of the project's own stays.
undo_leaves_others() {
	echo 1 >"$tmp/tree/$own/other" && "$install" --undo "$tmp/tree" &&
		rm "$tmp/tree/$own/other" && rmdir "$tmp/tree/$own" &&
		as_it_was && "$install" "$tmp/tree"
}
undoes() { "$install" --undo "$tmp/tree" && as_it_was; }
undoes_twice() { "$install" --undo "$tmp/tree" && as_it_was; }
# The tree as 0.2.0 or 0.1.x left it. Of the files that these releases added only
# the digests are known here, so files of this version stand for them.
former_public=xen/include/public/arch-x86/ptebatch.h
former() { # release
	fresh && patch -s -p1 -d "$tmp/tree" \
		<"$top_srcdir/tests/xen/install-0.2.0.patch" &&
		cp "$top_srcdir/backends/xen-hv/l1.c" \
			"$tmp/tree/xen/arch/x86/pv/ptebatch.c" &&
		cp "$top_srcdir/backends/xen-hv/tree.h" \
			"$tmp/tree/xen/arch/x86/pv/ptebatch.h" &&
		cp "$top_srcdir/include/ptebatch/xen-ptebatch.h" \
			"$tmp/tree/$public" || return
	[ "$1" = 0.1 ] || return 0
	mv "$tmp/tree/$public" "$tmp/tree/$former_public" &&
		sed -i 's,^#include <public/arch-x86/xen-ptebatch\.h>,#include <public/arch-x86/ptebatch.h>,' \
			"$tmp/tree/xen/arch/x86/include/asm/hypercall.h" &&
		grep -q '<public/arch-x86/ptebatch\.h>' \
			"$tmp/tree/xen/arch/x86/include/asm/hypercall.h"
}
upgrades_former() {
	former "$1" && state 'are in, but not as this version has them' &&
		"$install" "$tmp/tree" && diff -r "$tmp/once" "$tmp/tree"
}
undoes_former() { former "$1" && "$install" --undo "$tmp/tree" && as_it_was; }
patch_of_former() {
	former "$1" && "$install" --patch "$tmp/tree" --output "$tmp/again" &&
		same_patch "$tmp/again" "$tmp/patch"
}
# The files that the releases added, where their history is at hand.
release_is_known() {
	for file in backends/xen-hv/ptebatch.c backends/xen-hv/ptebatch.h \
		include/ptebatch/xen-ptebatch.h; do
		digest=$(git -C "$top_srcdir" show "$1:$file" | sha256sum) &&
			grep -q "\"${digest%% *}\"" "$install" || return
	done
}
keeps_edited_former() {
	for mode in "" --undo; do
		former 0.1 && echo '/* edited */' >>"$tmp/tree/$former_public" &&
			cp "$tmp/tree/$former_public" "$tmp/edited.h" || return
		# shellcheck disable=SC2086 # no mode, no argument
		"$install" $mode "$tmp/tree" &&
			cmp "$tmp/edited.h" "$tmp/tree/$former_public~" &&
			! [ -e "$tmp/tree/$former_public" ] || return
	done
}
state() {
	"$install" --check "$tmp/tree" >"$tmp/said" && cat "$tmp/said" &&
		grep -q "the handlers $1:" "$tmp/said"
}
only_checks() {
	fresh && state 'are not in' && as_it_was && "$install" "$tmp/tree" &&
		state 'are in' && echo '/* edited */' >>"$tmp/tree/$edited" &&
		state 'are in, but not as this version has them'
}
same_patch() {
	grep -v '^Date: ' "$1" >"$tmp/a" && grep -v '^Date: ' "$2" >"$tmp/b" &&
		diff "$tmp/a" "$tmp/b"
}
repository() { # makes the tree one
	git init -q && git add -A -f . && git commit -q -m xen
}
# A patch is what is meant for Xen's tree: see upstream() in series.py.
git_am() ( # a subshell, because of the cd
	fresh && cd "$tmp/tree" && repository && "$install" --patch . >"$tmp/patch" &&
		[ -z "$(git status --porcelain)" ] &&
		git am -q "$tmp/patch" && git log -1 --format=%s | grep -q '^x86/pv: ' &&
		rm -rf .git "$tmp/whole" && cp -r "$tmp/tree" "$tmp/whole"
)
patch_of_installed() {
	fresh && "$install" "$tmp/tree" && "$install" --patch "$tmp/tree" \
		--output "$tmp/again" && same_patch "$tmp/again" "$tmp/patch"
}
for_experts() {
	sed -n '/^config PTEBATCH$/,/^config /p' \
		"$tmp/whole/xen/arch/x86/Kconfig" >"$tmp/entry"
	cat "$tmp/entry"
	grep -q '" if EXPERT$' "$tmp/entry" && grep -q 'default n$' "$tmp/entry" &&
		grep -q 'default y$' "$tmp/once/xen/arch/x86/Kconfig"
}
# Each public name of this version, and no other, has its prefix, and no name of
# Xen's begins with it.
prefixes() {
	! grep -rnE '\b(xen_ptebatch|XEN_PTEBATCH)_' "$tmp/pristine" "$tmp/once" ||
		return
	header=$tmp/whole/$public
	grep -E '^#define|^struct' "$header" >"$tmp/names"
	! grep -vE '^#define (XEN_PTEBATCH_|__HYPERVISOR_ptebatch_|XEN_PUBLIC_)|^struct xen_ptebatch_' \
		"$tmp/names" || return
	[ "$(wc -l <"$tmp/names")" -ge 50 ] &&
		! grep -n 'ptebatch/port' "$header" || return
	# Without the prefixes, and without regard to how comments are filled, it
	# is the same.
	for file in "$top_srcdir"/backends/xen-hv/*.[ch]; do
		sed 's/XEN_PTEBATCH_/PTEBATCH_/g; s/xen_ptebatch_/ptebatch_/g' \
			"$tmp/whole/$own/${file##*/}" | tr -d ' *\n' >"$tmp/a" &&
			tr -d ' *\n' <"$file" >"$tmp/b" && cmp "$tmp/a" "$tmp/b" ||
			return
	done
}
short_lines() {
	! grep -nE '^.{81}' "$tmp/whole/$own"/* "$tmp/whole/$public" /dev/null
}
signed_off() {
	fresh && "$install" --patch "$tmp/tree" --author 'A B <a@b>' >"$tmp/signed" &&
		grep -qx 'Signed-off-by: A B <a@b>' "$tmp/signed" &&
		grep -qx 'From: A B <a@b>' "$tmp/signed" &&
		! grep Signed-off-by "$tmp/patch" "$tmp"/series/*.patch
}
series() (
	fresh && rm -rf "$tmp/series" && cd "$tmp/tree" && repository &&
		"$install" --series "$tmp/series" . &&
		[ -z "$(git status --porcelain)" ] &&
		git am -q "$tmp"/series/*.patch && git log --format='%h %s' &&
		rm -rf .git && diff -r "$tmp/whole" "$tmp/tree"
)
# Each message has a short subject, and the figures that were measured; that they
# are those of its patch is for tests/xen/series to find out.
messages() {
	for patch in "$tmp"/series/*.patch; do
		sed -n 's/^Subject: \[PATCH [0-9/]*\] //p' "$patch" >"$tmp/subject"
		cat "$tmp/subject"
		grep -qE '^x86/pv: .{10,64}$' "$tmp/subject" || return
		sed '1,/^$/d; /^---$/q' "$patch" >"$tmp/message"
		! grep -nE '^.{76}' "$tmp/message" || return
		case $patch in
		*-documents.patch) ;;
		*) grep -q '  before   after' "$tmp/message" || return ;;
		esac
	done
}
order() {
	ls "$tmp/series" >"$tmp/list"
	sed 's/^[0-9]*-//; s/\.patch$//' "$tmp/list" | grep -v '^trapped-writes$' |
		tr '\n' ' ' >"$tmp/order"
	cat "$tmp/order"
	[ "$(cat "$tmp/order")" = "type-count-in-place validation mmu-update runs \
values documents xtf " ]
}
# The folder must be a new one.
series_again() {
	cp -r "$tmp/series" "$tmp/series-before" &&
		! "$install" --series "$tmp/series" "$tmp/tree" &&
		diff -r "$tmp/series-before" "$tmp/series"
}
# A section that no patch has: in a copy of the project.
series_unknown_section() {
	rm -rf "$tmp/copy" && mkdir -p "$tmp/copy/tests" &&
		cp -r "$top_srcdir/backends" "$top_srcdir/include" "$tmp/copy/" &&
		cp -r "$top_srcdir/tests/xtf" "$tmp/copy/tests/" && fresh || return
	"$tmp/copy/backends/xen-hv/install" --series "$tmp/series2" "$tmp/tree" &&
		rm -r "$tmp/series2" || return
	sed -i 's,^/\* --- The table -,/* --- The tableau -,' \
		"$tmp/copy/backends/xen-hv/l1.c"
	! "$tmp/copy/backends/xen-hv/install" --series "$tmp/series2" "$tmp/tree" \
		2>"$tmp/said" && cat "$tmp/said" && grep -q 'The tableau' "$tmp/said" &&
		! [ -e "$tmp/series2" ] || return
	cp "$top_srcdir/backends/xen-hv/l1.c" "$tmp/copy/backends/xen-hv/" &&
		echo 'int i;' >"$tmp/copy/backends/xen-hv/more.c"
	! "$tmp/copy/backends/xen-hv/install" --series "$tmp/series2" "$tmp/tree" \
		2>"$tmp/said" && cat "$tmp/said" && grep -q 'more\.c' "$tmp/said"
}
# Where an installation was interrupted: some files have been written, and some
# edits of a file are missing.
half_applied() {
	for mode in "" --undo; do
		fresh && "$install" "$tmp/tree" &&
			cp "$tmp/pristine/xen/include/hypercall-defs.c" \
				"$tmp/tree/xen/include/" &&
			rm "$tmp/tree/$own/runs.c" &&
			state 'are in, but not as this version has them' || return
		# The replacements of one function go back to what they were.
		sed -i 's/^\( *\)i = L1_USED_BELOW([^;]*;$/X/; /^X$/d' \
			"$tmp/tree/xen/arch/x86/mm.c" &&
			! cmp -s "$tmp/once/xen/arch/x86/mm.c" \
				"$tmp/tree/xen/arch/x86/mm.c" || return
		# shellcheck disable=SC2086 # no mode, no argument
		"$install" $mode "$tmp/tree" || return
		if [ "$mode" ]; then
			as_it_was
		else
			diff -r "$tmp/once" "$tmp/tree"
		fi || return
	done
}
# Lines that somebody edited in a file of Xen's are theirs: nothing is touched.
edited_xen() {
	fresh && "$install" "$tmp/tree" &&
		sed -i 's/i = L1_USED_BELOW(\([^;]*\));/i = L1_USED_BELOW(\1) + 0;/' \
			"$tmp/tree/xen/arch/x86/mm.c" &&
		! cmp -s "$tmp/once/xen/arch/x86/mm.c" \
			"$tmp/tree/xen/arch/x86/mm.c" &&
		refused xen/arch/x86/mm.c demote_l
}
# refused WORD...: the script refuses the tree in every mode, its message has
# all the words, and the tree is unchanged.
refused() {
	rm -rf "$tmp/before" && cp -r "$tmp/tree" "$tmp/before"
	for mode in "" --check --patch --undo; do
		# shellcheck disable=SC2086 # no mode, no argument
		if "$install" $mode "$tmp/tree" >"$tmp/said" 2>&1; then
			echo "not refused: $mode"
			return 1
		fi
		cat "$tmp/said"
		for word; do
			grep -qF -e "$word" "$tmp/said" || return 1
		done
	done
	diff -r "$tmp/before" "$tmp/tree"
}
no_xen() { rm -rf "$tmp/tree" && mkdir "$tmp/tree" && refused 'not a Xen source tree'; }
above_xen() {
	rm -rf "$tmp/tree" && mkdir "$tmp/tree" &&
		cp -r "$tmp/pristine" "$tmp/tree/xen" &&
		refused 'did you mean' "$tmp/tree/xen?"
}
other_version() {
	fresh && sed -i 's/^\(export XEN_SUBVERSION *= *\).*/\199/' \
		"$tmp/tree/xen/Makefile" && refused 4.99 4.17 4.20 --untried
}
newer_lost_anchor() {
	sed -i 's/^obj-y += mm\.o/obj-$(CONFIG_PV) += mm.o/' \
		"$tmp/tree/xen/arch/x86/pv/Makefile" &&
		refused 4.99 'mm.o (xen/arch/x86/pv/Makefile)'
}
untried() {
	other_version && "$install" --untried "$tmp/tree" &&
		"$install" --untried --undo "$tmp/tree" &&
		diff -r "$tmp/before" "$tmp/tree" && newer_lost_anchor &&
		! "$install" --untried "$tmp/tree"
}
lost_anchor() { # file, sed command that removes the anchor, word in the message
	fresh && sed -i "$2" "$tmp/tree/xen/$1" &&
		! cmp -s "$tmp/pristine/xen/$1" "$tmp/tree/xen/$1" &&
		refused "$1" "$3"
}
# refused_even_untried WORD...: the tree lacks something that the handlers rely
# on, so the script refuses it even with --untried. The script can still remove
# the handlers, which an older version of it may have installed.
refused_even_untried() {
	rm -rf "$tmp/before" && cp -r "$tmp/tree" "$tmp/before"
	for mode in "" --check --patch; do
		# shellcheck disable=SC2086 # no mode, no argument
		if "$install" --untried $mode "$tmp/tree" >"$tmp/said" 2>&1
		then
			echo "not refused: $mode"
			return 1
		fi
		cat "$tmp/said"
		for word; do
			grep -qF -e "$word" "$tmp/said" || return 1
		done
	done
	diff -r "$tmp/before" "$tmp/tree" && "$install" --undo "$tmp/tree"
}
# edited SED FILE...: installs the handlers, then edits files of the tree
edited() {
	fresh && "$install" "$tmp/tree" || return
	sed=$1
	shift
	for file; do
		sed -i -e "$sed" "$tmp/tree/$file"
		! cmp -s "$tmp/pristine/$file" "$tmp/tree/$file" || return
	done
}
pdx_files='xen/common/Kconfig xen/arch/x86/Kconfig xen/include/xen/pdx.h
	xen/common/pdx.c'
pdx_said() {
	"$install" --check "$tmp/tree" >"$tmp/said" && cat "$tmp/said" &&
		grep -q "PDX compression, if any: $1\$" "$tmp/said"
}
pdx_mask() { fresh && pdx_said mask; }
# As in Xen 4.21, and in the 4.17 of XenServer and XCP-ng.
pdx_offsets() {
	fresh && printf '\nconfig PDX_OFFSET_COMPRESSION\n\tbool\n' \
		>>"$tmp/tree/xen/common/Kconfig" &&
		echo 'return pfn - pfn_pdx_lookup[PFN_TBL_IDX(pfn)];' \
			>>"$tmp/tree/xen/include/xen/pdx.h" &&
		echo 'mfn < base || mfn >= base + pdx_region_size;' \
			>>"$tmp/tree/xen/common/pdx.c" &&
		pdx_said 'mask or offsets' && "$install" "$tmp/tree"
}
pdx_offsets_otherwise() {
	pdx_offsets && sed -i 's/pfn - pfn_pdx_lookup/pfn ^ pfn_pdx_lookup/' \
		"$tmp/tree/xen/include/xen/pdx.h" &&
		refused_even_untried offsets xen/include/xen/pdx.h
}
pdx_unknown() {
	edited '$aconfig PDX_TREE_COMPRESSION\n\tbool' xen/common/Kconfig &&
		refused_even_untried PDX_TREE_COMPRESSION xen/common/Kconfig &&
		edited '$a#ifdef CONFIG_PDX_TREE\n#endif' xen/common/pdx.c &&
		refused_even_untried PDX_TREE xen/common/pdx.c
}
pdx_mask_otherwise() {
	edited 's/>> pfn_pdx_hole_shift/>> (pfn_pdx_hole_shift + 1)/' \
		xen/include/xen/pdx.h &&
		refused_even_untried mask xen/include/xen/pdx.h &&
		edited 's/mfn & pfn_hole_mask/mfn \& other_mask/' \
			xen/common/pdx.c &&
		refused_even_untried mask xen/common/pdx.c
}
pdx_silent() {
	fresh && "$install" "$tmp/tree" &&
		for file in $pdx_files; do
			sed -i 's/HAS_PDX/HAS_INDEX/; s/PDX_COMPRESSION/INDEX/' \
				"$tmp/tree/$file"
		done && refused_even_untried 'does not say how it numbers'
}
other_direct_map() {
	edited 's/if ( mfn_x(mfn) <= PFN_DOWN(__pa(/if ( has_directmap(mfn, (/' \
		xen/arch/x86/domain_page.c &&
		refused_even_untried 'direct map' xen/arch/x86/domain_page.c &&
		edited 's/va >= DIRECTMAP_VIRT_START/in_directmap(va)/' \
			xen/arch/x86/domain_page.c &&
		refused_even_untried 'direct map' xen/arch/x86/domain_page.c
}
lost_file() { fresh && rm "$tmp/tree/xen/arch/x86/mm.c" && refused xen/arch/x86/mm.c; }
foreign_lines() {
	fresh && echo '/* do_ptebatch_runs */' >>"$tmp/tree/xen/arch/x86/mm.c" &&
		refused xen/arch/x86/mm.c
}

of_that_version() {
	"$install" --check "$tmp/tree" >"$tmp/said" && cat "$tmp/said" &&
		grep -q "Xen $version, known" "$tmp/said"
}

all() {
	shows "the script recognises the version of the tree" of_that_version
	shows "installing adds the project's files, unchanged, and no other" adds_files
	shows "at most 200 lines of Xen's own files change, and check counts them" \
		few_lines
	shows "only 64-bit PV guests get the calls: no PV32, HVM or PVH guests" only_pv64
	shows "installing again changes nothing" idempotent
	shows "installing updates an older or edited file, and keeps a copy" \
		updates
	shows "undo keeps a copy of an edited file" undo_keeps
	shows "undo leaves files of others in the new folder" undo_leaves_others
	shows "undo restores the tree byte for byte" undoes
	shows "undo of a tree without the handlers changes nothing" undoes_twice
	shows "check reports whether the handlers are installed, and changes nothing" \
		only_checks
	shows "git am applies the patch" git_am
	shows "a tree with the handlers gives the same patch" patch_of_installed
	shows "in the patch the entry in Kconfig is for experts, and off" for_experts
	shows "in the patch all public names have xen_ or XEN_, and none collides" \
		prefixes
	shows "no line of the project's own is longer than 80 columns there" short_lines
	shows "git am applies the series, and its sum is the patch" series
	shows "the series has the order that was asked for" order
	shows "each message has a short subject and the figures of its patch" messages
	shows "patches are signed off only by a named author" signed_off
	shows "an existing folder is not written to" series_again
	shows "a section or a file that no patch has is refused, and named" \
		series_unknown_section
	for release in 0.1 0.2.0; do
		shows "installing over $release gives what installing gives" \
			upgrades_former $release
		shows "undo takes $release out byte for byte" undoes_former $release
		shows "the patch is the same from a tree that has $release" \
			patch_of_former $release
	done
	if git -C "$top_srcdir" cat-file -e 4390ace 2>/dev/null; then
		shows "files of 0.2.0 are known as unedited" release_is_known 4390ace
	else
		skip "$version: files of 0.2.0 are known as unedited" \
			"its history is not here"
	fi
	shows "a tree that is half done is completed, or undone" half_applied
	shows "edited lines in Xen's own files: refused, untouched" edited_xen
	shows "a file of 0.1.x that was edited is kept" keeps_edited_former
	shows "a folder that is not Xen is refused" no_xen
	shows "the folder above Xen is refused, with the right one named" above_xen
	shows "an unknown version is refused, and named" other_version
	shows "an anchor that an unknown version lacks is named, too" newer_lost_anchor
	shows "with --untried it is accepted, unless it lacks an anchor" untried
	shows "without the entry in Kconfig: refused, untouched" lost_anchor \
		arch/x86/Kconfig 's/^config PV_LINEAR_PT/config PV_LINEAR/' PV_LINEAR_PT
	shows "without the Makefile's anchor: refused, untouched" lost_anchor \
		arch/x86/pv/Makefile '/mm\.o/d' mm.o
	shows "without the prototypes' anchor: refused, untouched" lost_anchor \
		include/hypercall-defs.c 's/^update_va_mapping_otherd/&x/' prototype
	shows "with other columns in the table of callers: refused, untouched" lost_anchor \
		include/hypercall-defs.c 's/^table: .*/& riscv/' 'table of callers'
	shows "without the headers' anchor: refused, untouched" lost_anchor \
		arch/x86/include/asm/hypercall.h '/xen-mca/d' xen-mca.h
	shows "with another mod_l1_entry(): refused, untouched" lost_anchor \
		arch/x86/mm.c 's/^static int mod_l1_entry(/&bool extra, /' mod_l1_entry
	shows "with another loop in demote_l2_table(): refused, untouched" lost_anchor \
		arch/x86/mm.c '0,/^        if ( !i-- )$/s//        if ( i-- == 0 )/' \
		demote_l2_table
	shows "with another do_update_va_mapping(): refused, untouched" lost_anchor \
		arch/x86/mm.c 's/^    int rc = __do_update_va_mapping(va, val64, flags, c/&u/' \
		do_update_va_mapping
	shows "without check_l1tf in struct pv_domain: refused, untouched" lost_anchor \
		arch/x86/include/asm/domain.h '/^    bool check_l1tf;$/d' check_l1tf
	shows "without a file that the script needs: refused, untouched" lost_file
	shows "with ptebatch lines from elsewhere: refused, untouched" foreign_lines
	shows "compression of frame numbers by a mask is recognised" pdx_mask
	shows "compression by offsets is recognised in any version" pdx_offsets
	shows "another form of offsets is refused, even with --untried" \
		pdx_offsets_otherwise
	shows "an unknown compression is refused, and named" pdx_unknown
	shows "another form of mask is refused" pdx_mask_otherwise
	shows "a tree without a known setting of compression is refused" pdx_silent
	shows "a tree with another rule for the direct map is refused" \
		other_direct_map
}

for version in 4.17 4.20; do
	end=${version#4.17}
	source=$("$top_srcdir/tools/xen-image" "source${end:+-$end}")
	case $? in
	0)
		# Copy everything that the script reads.
		rm -rf "${tmp:?}"/* && mkdir -p "$tmp/pristine/docs/misc" &&
			cp -r "$source/xen" "$source/CHANGELOG.md" \
				"$source/SUPPORT.md" "$tmp/pristine/" &&
			cp -r "$source/docs/designs" "$tmp/pristine/docs/" &&
			cp "$source/docs/misc/xen-command-line.pandoc" \
				"$tmp/pristine/docs/misc/" && fresh || exit 99
		all
		;;
	77)
		skip "$version: installing" \
			"Debian's archive does not serve its source here"
		;;
	*)
		bail_out "cannot get the source of Xen $version"
		;;
	esac
done
tap_done
