#!/bin/sh
# SPDX-License-Identifier: MIT
# Breaks the handlers' source in one place at a time; a test has to fail each
# time. TAP. A missing anchor is a failure, so that no mutant is lost unnoticed.
# Argument: the folder of the handlers, if not backends/xen-hv.
# FUZZ=SECONDS: the fuzzer has to find each mutant instead, within that time.
# ONLY=PATTERN: only the mutants whose names match.
# HALF=0 or 1: only every second mutant, so that two scripts run in parallel.
# Needs $CC (default cc) and python3, and prints 1..0 # SKIP without them. Takes
# some minutes.
set -u
. "$(dirname "$0")/../common/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
src=${1:-$top/backends/xen-hv}
needs python3
temporary_folder
CC=${CC:-cc}

cflags="-std=gnu11 -O1 -w -I$here -I$here/include -I$top/include"
# All mutants share the objects of the harness and of the tests, in each build, but
# for what is compiled with hooks.h.
builds='none -DPTEBATCH_PREEMPT=1U -DHARNESS_PDX_MASK -DHARNESS_PDX_OFFSET'
for p in $builds; do
	mkdir "$tmp/$p"
	for part in "$here"/test-*.c "$here"/harness*.c; do
		part=${part##*/}
		[ $part != harness-xen.c ] || continue
		$CC $cflags ${p#none} -I"$src" -c "$here/$part" \
			-o "$tmp/$p/${part%.c}.o" || exit 99
	done
done

# handlers DIR FLAGS FOLDER [FILE]: compiles the handlers of DIR into FOLDER; if
# FILE is named, only that source, or all if it is a header
handlers() {
	case ${4:-.h} in *.h) files=$(cd "$1" && echo *.c) ;; *) files=$4 ;; esac
	for file in $files; do
		$CC $cflags $2 -I"$1" -c "$1/$file" -o "$3/${file%.c}.o" \
			2>>"$tmp/cc" || return
	done
	case ${4:-.h} in *.c) return ;; esac
	$CC $cflags $2 -I"$1" -c "$here/harness-xen.c" -o "$3/harness-xen.o" \
		2>>"$tmp/cc"
}
FUZZ=${FUZZ:-}
mutants=0
fuzz="-DPTEBATCH_PREEMPT=fuzz_preempt -include $top/tests/fuzz/preempt.h"
if [ "$FUZZ" ]; then
	for part in handler model main fuzz; do
		$CC $cflags -I"$src" -c "$top/tests/fuzz/$part.c" \
			-o "$tmp/fuzz-$part.o" || exit 99
	done
fi

# ahead DIR: removes the checks of progress and of slots from the handlers of
# DIR, since a speculating CPU runs ahead of them. True if each entry that the
# handlers then read still lies in a table.
ahead() {
	python3 - "$1" <<-'PY' || return
		import sys
		for path, matches, check, gone in (
		        ("runs.c", 1, "if ( done > run.count || (op ==", "if ( (op =="),
		        ("runs.c", 1, "if ( unlikely(slots) && slots >= runs[i].count )",
		         "if ( 0 )"),
		        ("runs.c", 1, "while ( *done < run->count )", "while ( true )"),
		        ("runs.c", 1, "if ( (run->slot & (sizeof(intpte_t) - 1)) ||\n"
		         "         !run->count || run->count > PTEBATCH_TABLE_SLOTS ||\n"
		         "         PAGE_OFFSET(run->slot) + run->count * sizeof(intpte_t)"
		         " > PAGE_SIZE )", "if ( 0 )"),
		        ("l1.h", 1, "(slot & (~PADDR_MASK | (sizeof(intpte_t) - 1)))",
		         "(0)")):
		    path = f"{sys.argv[1]}/{path}"
		    text = open(path).read()
		    if text.count(check) != matches:
		        sys.exit(f"the anchor is missing: {check}")
		    open(path, "w").write(text.replace(check, gone))
	PY
	mkdir -p "$tmp/o" && handlers "$1" '' "$tmp/o" &&
		$CC "$tmp"/o/*.o "$tmp"/none/*.o -o "$tmp/t" &&
		timeout 60 "$tmp/t" forged >"$tmp/out" 2>&1
}

# run DIR [FILE]: builds the handlers of DIR, which differ from the unchanged ones
# in FILE; true if every test passes in all builds, or with FUZZ if the fuzzer
# finds nothing
run() {
	: >"$tmp/cc"
	rm -rf "$tmp/o" && mkdir "$tmp/o"
	if [ "$FUZZ" ]; then
		handlers "$1" "$fuzz" "$tmp/o" || return 98
		$CC "$tmp"/o/*.o "$tmp"/fuzz-*.o "$tmp"/none/harness*.o \
			-o "$tmp/t" 2>"$tmp/cc" || return 98
		timeout $((FUZZ + 60)) "$tmp/t" --keep "$tmp/input" --time "$FUZZ" \
			"$top/tests/fuzz/corpus/handler" >"$tmp/out" 2>&1 ||
			return 1
		return
	fi
	for p in $builds; do
		rm -f "$tmp"/o/*
		[ $# = 1 ] || cp "$tmp/$p"/unchanged/*.o "$tmp/o"
		handlers "$1" "${p#none}" "$tmp/o" ${2:-} || return 98
		[ $# = 2 ] || { mkdir "$tmp/$p/unchanged" &&
			cp "$tmp"/o/*.o "$tmp/$p/unchanged"; } || return 98
		$CC "$tmp"/o/*.o "$tmp/$p"/*.o -o "$tmp/t" 2>"$tmp/cc" || return 98
		timeout 300 "$tmp/t" 1 3000 stop >"$tmp/out" 2>&1 || return 1
	done
}

# mutant NAME FILE ANCHOR REPLACEMENT: replaces every match of the anchor
mutant() {
	case $1 in *${ONLY:-}*) ;; *) return ;; esac
	mutants=$((mutants + 1))
	[ $((mutants % 2)) = "${HALF:-$((mutants % 2))}" ] || return
	rm -rf "$tmp/m" && mkdir "$tmp/m" && cp "$src"/*.[ch] "$tmp/m"
	if ! python3 - "$tmp/m/$2" "$3" "$4" <<-'PY'
		import re, sys
		path, anchor, new = sys.argv[1:]
		text = open(path).read()
		# Any sequence of white space matches any other.
		pattern = r"\s+".join(re.escape(w) for w in anchor.split())
		if not re.search(pattern, text):
		    sys.exit(1)
		open(path, "w").write(re.sub(pattern, lambda m: new, text))
	PY
	then
		not_ok "$1" "the anchor is missing from $2: $3"
		return
	fi
	run "$tmp/m" "$2"
	case $? in
	0) not_ok "$1" 'every test passes' ;;
	98) not_ok "$1" "$tmp/cc" ;;
	*) ok "$1"; grep -m1 '^# \|^Bail' "$tmp/out" | cut -c1-76 |
		sed 's/^# //; s/^/#   /' ;;
	esac
}

if run "$src"; then
	ok 'the unchanged handlers pass'
else
	not_ok 'the unchanged handlers pass' "$(grep -h '^not ok\|^#\|^Bail' \
		"$tmp/out" "$tmp/cc" | head -n 10)"
	# A test that always fails would seem to find every mutant.
	bail_out 'the mutants prove nothing while the unchanged handlers fail'
fi

if [ -z "$FUZZ" ]; then
	mkdir "$tmp/m" && cp "$src"/*.[ch] "$tmp/m"
	ahead "$tmp/m"
	verdict 'forged progress and slots stay within a table without their checks' \
		"$tmp/out"
fi

# --- A and D, and the order of write and reference ---
mutant 'found: a plain store where hardware may set A or D' l1.h \
	'(seen & to->ad) == AD_BITS' 'true'
mutant 'found: a plain store where only A is set' l1.h \
	'(seen & to->ad) == AD_BITS' '(seen & to->ad & _PAGE_ACCESSED)'
mutant 'found: the type dropped before the write' l1.h \
	'done = l1_write(p, pte, to);' \
	'if ( !gain ) type_put(page, s); done = l1_write(p, pte, to);
	if ( !gain ) return done;'
mutant 'found: the references dropped before a clear' l1.h \
	'|| unlikely(!l1_write(p, pte, to)) ) return false;
	entry_put(page, *pte, s);' \
	') return false; entry_put(page, *pte, s); l1_write(p, pte, to);'
mutant 'found: an entry taken by a plain store' l1.h \
	'*pte = xchg(p, to->set);' 'write_atomic(p, to->set);'
mutant 'found: an entry with old values cleared as one without' runs.c \
	'clear ? (old ? WRITE_XCHG : WRITE_STORE)' 'clear ? WRITE_STORE'
mutant 'found: an old value that predates the cmpxchg' l1.h \
	'*pte = seen;' ';'
mutant 'found: A and D of a value that keeps them stored over' l1.h \
	'keep ? WRITE_KEEP : WRITE_STORE' 'WRITE_STORE'

# --- References ---
mutant 'found: no type taken for a writable entry' l1.h \
	'|| unlikely(!type_get(page, s))' ''
mutant 'found: a missing put of the type' l1.h \
	'if ( !gain ? likely(done) : unlikely(!done) )' \
	'if ( gain && !done )'
mutant 'found: a missing put of the type of an entry that goes' l1.h \
	'if ( pte & _PAGE_RW ) type_put(page, s);' ''
mutant 'found: a missing put of the page' l1.h \
	'unlikely(!page_put(page))' '0'
mutant 'found: the last reference put inline' l1.h \
	'!COUNT_UP(x - 1)' '0'
mutant 'found: a missing put of the table' l1.c \
	'put_page(b->page); b->page = NULL;' 'b->page = NULL;'
mutant 'found: a missing put of the table of one slot' l1.h \
	'ptebatch_unlock(table); page_put(table);' 'ptebatch_unlock(table);'
mutant 'found: the last type dropped without the stamp' l1.h \
	'TYPE_IS_WRITABLE(x, 2UL)' 'TYPE_IS_WRITABLE(x, 1UL)'
mutant 'found: the first type taken without validation' l1.h \
	'TYPE_IS_WRITABLE(x, 1UL)' 'TYPE_IS_WRITABLE(x, 0UL)'
mutant 'found: the type count overflows' l1.h \
	'>> (PGT_count_width - 1)' '>> PGT_count_width'
mutant 'found: a page of another domain accepted on the fast path' tree.h \
	'likely(page->v.inuse._domain == frames->owner) ? page : NULL' 'page'
mutant 'found: I/O memory taken for a page' tree.h \
	'likely(test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid))' 'true'

# --- Frame numbers ---
mutant 'found: a frame number taken for an index, where a mask removes bits' \
	tree.h '(pfn_pdx_hole_shift != 0)' 'false'
mutant 'found: a frame number taken for an index, where frames are displaced' \
	tree.h '(pdx_region_size != ~0UL)' 'false'
mutant 'found: a frame number in a hole taken for a frame that exists' \
	tree.h 'mfn_valid(_mfn(mfn)) ? mfn_to_page(_mfn(mfn)) : NULL' \
	'mfn_to_page(_mfn(mfn))'
mutant 'found: a window larger than a group' tree.h \
	'PDX_GROUP_COUNT + 0UL' '2UL * PDX_GROUP_COUNT'
mutant 'found: a window past the end of memory' tree.h \
	'min(max_page - first, PDX_GROUP_COUNT + 0UL)' 'PDX_GROUP_COUNT'

mutant 'found: a missing put of a foreign page or of I/O memory' runs.c \
	'put_page_from_l1e(l1e_from_intpte(*pte), c->b.pt_owner);' ''
mutant 'found: slow entries that do not count towards the next check' l1.c \
	'b->slow = true; b->work += WORK_SLOW;' 'b->slow = true;'
mutant 'found: slow entries of a loop that do not count' l1.h \
	's->work += work;' ''
mutant 'found: slow entries that leave all the work for fast ones' runs.c \
	'min(end, *done + PTEBATCH_PREEMPT -
	min(b->work, PTEBATCH_PREEMPT - 1))' 'min(end, *done + PTEBATCH_PREEMPT)'
mutant 'found: entries passed over behind a slow one' l1.h \
	's->end -= s->left - 1;' ''

# --- Values: entries that become present or absent, or change their frame ---
mutant 'found: an entry written before its references are taken' l1.h \
	'unlikely(!page) || unlikely(!entry_get(page, val, s))' \
	'unlikely(!page) || (write_atomic(p, val | _PAGE_GLOBAL),
	unlikely(!entry_get(page, val, s)))'
mutant 'found: the references of the former page dropped before the write' \
	l1.h 'if ( unlikely(!l1_write(p, &pte, &to)) )' \
	'entry_put(held, pte, s); held = page; val &= ~_PAGE_RW;
	if ( l1_write(p, &pte, &to) ) return true; else'
mutant 'found: the former page not dropped' l1.h \
	'entry_put(held, pte, s);' ''
mutant 'found: no general reference taken' l1.h \
	'if ( unlikely(!page_get(page, &s->frames)) ) return false;' ''
mutant 'found: a reference to a free page' l1.h \
	'COUNT_UP(x + 2) <= COUNT_UP(2UL)' 'COUNT_UP(x + 2) < COUNT_UP(2UL)'
mutant 'found: the reserved reference given out' l1.h \
	'COUNT_UP(x + 2) <= COUNT_UP(2UL)' '!COUNT_UP(x)'
mutant 'found: the owner not checked again' l1.h \
	'likely(page->v.inuse._domain == frames->owner) ) return true;' \
	'true ) return true;'
mutant 'found: the reference to a page with another owner kept' l1.h \
	'frames->owner) ) return true; put_page(page);' \
	'frames->owner) ) return true;'
mutant 'found: no type taken for an entry that comes' l1.h \
	'!(pte & _PAGE_RW) || likely(type_get(page, s))' 'true'
mutant 'found: a refused type ignored' l1.c \
	'if ( !get_page_type(page, PGT_writable_page) ) return 0;' \
	'get_page_type(page, PGT_writable_page);'
mutant 'found: the reference kept where the type is refused' l1.h \
	'likely(type_get(page, s)) ) return true; put_page(page);' \
	'likely(type_get(page, s)) ) return true;'
mutant 'found: unusual flags not validated' l1.h \
	'(val & ODD_FLAGS) != (_PAGE_PRESENT | _PAGE_USER)' '0'
mutant "found: a kernel's entry taken for a user's" l1.h \
	'(~(FAST_BITS | FRAME_BITS | _PAGE_GLOBAL))' \
	'(~(FAST_BITS | FRAME_BITS | _PAGE_GLOBAL | (1UL << 52)))'
mutant 'found: G left out where flags change' l1.h \
	'_PAGE_GUEST_KERNEL))) ) val |= _PAGE_GLOBAL;' \
	'_PAGE_GUEST_KERNEL))) ) ;'
mutant 'found: G left out of an entry that comes' l1.h \
	'val |= _PAGE_GLOBAL; /* as' '/* as'
mutant "found: G forced on a kernel's entry" l1.h \
	'likely(!(val & put_pte_flags(_PAGE_GUEST_KERNEL)))' 'true'
mutant 'found: L1TF not checked for many values' l1.c \
	'.l1tf = ptebatch_l1tf_mask(b->pt_owner),' ''
mutant 'found: L1TF not checked for one value' l1.h \
	'{ .l1tf = ptebatch_l1tf_mask(d) }' '{}'
mutant 'found: L1TF not checked in validation' validate.c \
	'unlikely(ptebatch_l1tf_unsafe(l1tf, pte))' '0'
mutant 'found: all memory taken as safe against L1TF' tree.h \
	'(pte & mask) < l1tf_safe_maddr' '(pte & mask) > l1tf_safe_maddr'
mutant 'found: A and D lost where an entry becomes absent' l1.h \
	'to = l1_change(keep, val, how); return l1_clear' \
	'to = l1_change(0, val, WRITE_STORE); return l1_clear'
mutant 'found: A and D lost where an entry becomes present' l1.h \
	'instructions above. */ write_atomic(p, (pte & keep) | val);' \
	'instructions above. */ write_atomic(p, val);'
mutant 'found: A and D lost where an entry stays absent' l1.h \
	'if ( !(pte & _PAGE_PRESENT) ) { write_atomic(p, (pte & keep) | val);' \
	'if ( !(pte & _PAGE_PRESENT) ) { write_atomic(p, val);'
mutant 'found: A and D lost where an entry changes its frame' l1.h \
	'to = l1_change(keep, val, how); if ( unlikely(!l1_write(p' \
	'to = l1_change(0, val, WRITE_STORE); if ( unlikely(!l1_write(p'
mutant 'found: a value written to the table locked before' l1.c \
	'if ( unlikely(offset & ~SLOT_MASK) ) break;' ''

# --- XSM ---
mutant 'found: XSM not asked about writing' l1.h \
	'((b->xsm_checked & XSM_MMU_UPDATE_WRITE) ? 0 : _PAGE_RW)' '0'
mutant 'found: XSM not asked about mapping' l1.h \
	'((b->xsm_checked & XSM_MMU_UPDATE_READ) ? 0 : _PAGE_PRESENT)' '0'
mutant 'found: XSM not asked about values' values.c \
	'l1_check_xsm(&c.b, xsm_needed(v->val))' '0'
mutant 'found: XSM not asked about updates' update.c \
	'l1_check_xsm(&b, xsm_needed(v->val))' '0'
mutant 'found: XSM not asked about one update' update.c \
	'rc = xsm_mmu_update(XSM_TARGET, d, d, d, begun.asked);' 'rc = 0;'
mutant 'found: XSM not asked about memory that is no table' l1.c \
	'unlikely((v->val & _PAGE_PRESENT) && (v->val & ask))' '0'
mutant 'found: XSM not asked by update_va_mapping' update.c \
	'rc = xsm_update_va_mapping(XSM_TARGET, d, d, l1e_from_intpte(val));' \
	'rc = 0;'
mutant 'found: XSM not asked about one entry in registers' runs.c \
	'unlikely(xsm_mmu_update(XSM_TARGET, d, d, d, needs)) ||' ''
mutant 'found: XSM asked with the table locked' l1.c \
	'l1_table_unlock(b); /* a policy' '/* a policy'
mutant 'found: XSM asked again by what is left' update.c \
	'begun->asked = b.xsm_checked;' ''
mutant 'found: XSM asked again about one request that is left' update.c \
	'mmu_update(ureqs, 1, pdone, DOMID_SELF, &begun)' \
	'mmu_update(ureqs, 1, pdone, DOMID_SELF, NULL)'
mutant 'found: XSM not asked' l1.c \
	'rc = xsm_mmu_update(XSM_TARGET, current->domain, b->pt_owner, b->pg_owner,
	needed | b->xsm_checked);' 'rc = 0;'
mutant 'found: XSM asked about the caller, not about the owner of the tables' \
	l1.c 'current->domain, b->pt_owner,' 'current->domain, current->domain,'
mutant 'found: XSM asked about the caller, not about the owner of the pages' \
	l1.c 'b->pg_owner, needed' 'current->domain, needed'

# --- The table ---
mutant 'found: a table that is no L1' l1.c \
	'if ( unlikely(type != PGT_l1_page_table) && !(b->plain && b->plain_ok) )' \
	'if ( 0 )'
mutant 'found: a table of one slot that is no L1' l1.h \
	'type == PGT_l1_page_table || (plain && type == PGT_writable_page)' 'true'
mutant 'found: a type that is only looked at before the lock' l1.c \
	'likely(!((table->u.inuse.type_info ^ info) & PGT_type_mask))' '1'
mutant 'found: memory that is no table accepted by the calls' l1.h \
	'b->plain_ok = false;' 'b->plain_ok = true;'
mutant 'found: memory that is no table accepted by update_va_mapping' l1.c \
	'l1_one_look(slot, &frames, false, &info)' \
	'l1_one_look(slot, &frames, true, &info)'
mutant 'found: memory that is no table taken for one' l1.c \
	'if ( unlikely(b->plain) )' 'if ( 0 )'
mutant 'found: memory that is no table taken for one, for one slot' l1.h \
	'unlikely((info & PGT_type_mask) == PGT_writable_page)' '0'
mutant 'found: memory that is no table written beyond its page' l1.c \
	'if ( unlikely(offset & ~SLOT_MASK) || unlikely((v->val' \
	'if ( unlikely((v->val'
mutant 'found: a table locked without the fence' l1.h \
	'lock_evaluate_nospec(!l1_table_lock(b, slot))' '!l1_table_lock(b, slot)'
mutant 'found: a table locked without the fence, for one slot' l1.h \
	'lock_evaluate_nospec(likely(ptebatch_try_lock' '(likely(ptebatch_try_lock'
mutant 'found: a locked table locked again' tree.h \
	'(PGT_type_mask | PGT_pinned |' '(PGT_type_mask | PGT_pinned | PGT_locked |'
mutant 'found: a table that is not validated locked' tree.h \
	'(PGT_type_mask | PGT_pinned |' \
	'(PGT_type_mask | PGT_pinned | PGT_validated |'
mutant 'found: a table with no type reference locked' tree.h \
	'&& likely(x & PGT_count_mask)' ''
mutant 'found: a table with all type references locked' tree.h \
	'(PGT_count_mask >> 1))' 'PGT_count_mask)'
mutant 'found: a lock that takes no type reference' tree.h \
	'x + (1 | PGT_locked)' 'x + PGT_locked'
mutant 'found: an unlock that keeps the type reference' tree.h \
	'&page->u.inuse.type_info, 1 | PGT_locked);' \
	'&page->u.inuse.type_info, PGT_locked);'
mutant 'found: old values stored under the lock' runs.c \
	'/* Never touch guest memory with a table locked. */
	l1_table_unlock(&c->b);' ''
mutant 'found: values read under the lock' values.c \
	'l1_table_unlock(&c.b);' ''
mutant 'found: updates read under the lock' update.c \
	'l1_table_unlock(&b);' ''
mutant 'found: a run past its table' runs.c \
	'sizeof(intpte_t) > PAGE_SIZE' 'sizeof(intpte_t) > 2 * PAGE_SIZE'
mutant 'found: a mask not checked' runs.c \
	'(run->clear | run->set) & ~PTEBATCH_RUN_FLAGS' '0'
mutant 'found: an entry with cache attributes becomes writable' l1.h \
	'unlikely(*pte & PAGE_CACHE_ATTRS)' '0'
mutant 'found: cache attributes on the fast path' runs.c \
	'((run->clear | run->set) & PTEBATCH_PTE_CACHE)' '0'
mutant 'found: a paging mode ignored by the calls' calls.c \
	'c->b.own = l1_simple(d);' 'c->b.own = true;'
mutant 'found: a paging mode ignored by one entry in registers' runs.c \
	'|| unlikely(!l1_simple(d))' ''
mutant 'found: a paging mode ignored by mmu_update' update.c \
	'likely(l1_simple(curr->domain)) &&' ''
mutant 'found: a paging mode ignored by update_va_mapping' update.c \
	'unlikely(!l1_simple(d)) ||' ''
mutant 'found: a paging mode ignored by RW in place' l1.c \
	'!l1_simple(d) ||' ''
mutant 'found: 32-bit domains taken for 64-bit ones' l1.h \
	'&& !is_pv_32bit_domain(d)' ''

# --- Progress, faults, the flush ---
mutant 'found: a flush lost when a later update fails' calls.c \
	'(done || slots || !count)' '!rc'
mutant 'found: a flush lost altogether' calls.c \
	'(done || slots || !count)' '!count'
mutant 'found: a flush lost by one entry in registers' runs.c \
	'if ( how & PTEBATCH_HOW_TLB_PAGE )
	flush_tlb_one_local(how & PTEBATCH_HOW_TLB_ADDR);' ''
mutant 'found: a fault of old values not reported' runs.c \
	'olds, (*done - start) * sizeof(*olds)) ) return -EFAULT;' \
	'olds, (*done - start) * sizeof(*olds)) ) ;'
mutant 'found: TAKE that hands back nothing' runs.c \
	'.old = take ? arg4 : 0' '.old = 0'
mutant 'found: progress of a half-done run lost' runs.c \
	'owner | ((unsigned long)slots << 32), arg5' 'owner, arg5'
mutant 'found: a page stamped before the write to its entry is seen' \
	l1.c 'smp_mb();' ''
mutant 'found: a flush lost where the owner no longer exists' calls.c \
	'c->b.pt_owner = d; /* whom ptebatch_refuse() flushes */' ''
mutant 'found: a table held while others wait for it' l1.c \
	'l1_table_unlock(b); b->hand_over = true;' ''
mutant 'found: a table unlocked and locked again with no pause' l1.c \
	'get_cycles() - start < HAND_OVER' 'false'
mutant 'found: a pause without PAUSE' l1.c 'cpu_relax();' ';'
mutant 'found: a waiter that arrived during the call not seen' l1.c \
	'refs > b->refs' '0'
mutant 'found: a hidden waiter left waiting' l1.c \
	'++b->checks >= CHECKS_ALONE' '0'
mutant 'found: a table kept over many slow entries' l1.c \
	'b->slow || ++b->checks' '++b->checks'
mutant 'found: a table unlocked where nobody waits for it' l1.c \
	'b->page && must_hand_over(b)' 'b->page'
mutant 'found: changes of type that cost no more than other entries' l1.c \
	'b->work += WORK_RETYPE - WORK_SLOW;' ';'
mutant 'found: changes of type in a loop that cost no more' l1.c \
	'other ? WORK_RETYPE : WORK_SLOW' 'WORK_SLOW'
mutant 'found: changes of table that cost nothing' l1.c \
	'b->work += WORK_TABLE;' ''
mutant 'found: progress lost where the calls are turned off' calls.c \
	'likely(!(done | slots)) ) return -ENOSYS;' 'true ) return -ENOSYS;'
mutant 'found: a flush lost where the calls are turned off' calls.c \
	'c->tlb = (struct ptebatch_tlb){ .who = PTEBATCH_TLB_ALL };
	tlb_flush(c);' ''

# --- mmu_update and update_va_mapping ---
mutant 'found: a done count off by one' update.c \
	'copy_done(pdone, done + i);' 'copy_done(pdone, done + i + 1);'
mutant 'found: the done count of a continued call lost' update.c \
	'(void)copy_from_guest(&done, pdone, 1);' ';'
mutant 'found: the done count not handed over' update.c 'begun->done += i;' ''
mutant 'found: the first request dropped when it is handed over' update.c \
	'guest_handle_add_offset(ureqs, i);' 'guest_handle_add_offset(ureqs, i + 1);'
mutant 'found: the last request dropped when it is handed over' update.c \
	'(nr - i) | (count &' '(nr - i - 1) | (count &'
mutant 'found: a continued call counted anew' update.c \
	'| (count & MMU_UPDATE_PREEMPTED), pdone' ', pdone'
mutant 'found: an unknown command taken for an update' update.c \
	'return !(ptr & (sizeof(intpte_t) - 1) & ~MMU_PT_UPDATE_PRESERVE_AD);' \
	'return true;'
mutant 'found: an error of mod_l1_entry() lost' update.c \
	'if ( unlikely(rc) ) break; l1_count(UPDATES_SLOW);' \
	'rc = 0; l1_count(UPDATES_SLOW);'
mutant 'found: a table left over ignored' update.c \
	'&& likely(!curr->arch.old_guest_table)' ''
mutant 'found: updates of others taken for the own' hooks.h '&& (self)' ''
mutant 'found: writes to memory not counted' l1.c \
	'perfc_incr(writable_mmu_updates);' ''
mutant 'found: a write to memory not counted' l1.h \
	'perfc_incr(writable_mmu_updates);' ''
mutant 'found: half a request taken for one' update.c \
	'likely(!__get_guest(val, &ureqs.p->val))' \
	'(__get_guest(val, &ureqs.p->val), true)'
mutant 'found: a large page taken for a table' update.c \
	'(l2e_get_flags(l2e) & (_PAGE_PRESENT | _PAGE_PSE)) != _PAGE_PRESENT' '0'
mutant 'found: an address that is none looked up' update.c \
	'unlikely(!__addr_ok(va))' '0'
for flush in 'flush_tlb_one_local(va);' 'flush_tlb_local();' \
	'flush_tlb_one_mask(d->dirty_cpumask, va);' \
	'flush_tlb_mask(d->dirty_cpumask);'
do
	mutant "found: a lost $flush" update.c "$flush" ''
done
mutant 'found: RW changed in place for pages of others' l1.c \
	'pt_owner != d || pg_owner != d ||' ''
mutant 'found: A and D lost where RW changes in place' l1.c \
	'to = preserve_ad ?' 'to = false ?'

# --- Validation ---
mutant 'found: an entry skipped in validation' validate.c \
	'while ( i < L1_PAGETABLE_ENTRIES && !t[i] )' \
	'while ( i < L1_PAGETABLE_ENTRIES && !(uint32_t)t[i] )'
mutant 'found: an entry skipped downwards' validate.c \
	'while ( i && !t[i - 1] )' 'while ( i && !(uint32_t)t[i - 1] )'
mutant 'found: slots looked at together, and one more' validate.c \
	'all_empty(t + i) ) i += TOGETHER;' 'all_empty(t + i) ) i += TOGETHER + 1;'
mutant 'found: G left out in validation' validate.c \
	't[i] = pte | _PAGE_GLOBAL;' ';'
mutant "found: the flags of a kernel's entry left out in validation" validate.c \
	't[i] = l1e_get_intpte(new);' ';'
mutant 'found: a missing put in devalidation' validate.c \
	'entry_put(page, pte, &s);' ';'
mutant "found: a missing put of another's page in devalidation" validate.c \
	'put_page_from_l1e(l1e_from_intpte(pte), d);' ''
mutant 'found: flags that Xen wants different left as they are' validate.c \
	'l1e_flip_flags(new, rc);' ''
mutant "found: the caller taken for the table's owner" validate.c \
	's.frames = ptebatch_frames(d);' \
	's.frames = ptebatch_frames(current->domain);'
mutant "found: a 32-bit domain's table validated as a 64-bit one's" validate.c \
	'|| unlikely(is_pv_32bit_domain(d))' ''
mutant 'found: NX accepted where the CPU has none' validate.c \
	'unlikely(!cpu_has_nx) ||' ''

# --- The switch, counters, registers ---
mutant 'found: values that cannot be turned off' values.c \
	'if ( unlikely(!l1_part_on(current->domain, L1_CALLS)) )
	return ptebatch_turned_off(done, (uint32_t)arg4);' ''
mutant 'found: updates that cannot be turned off' hooks.h \
	'(opt_ptebatch & L1_UPDATES) && (self) && l1_part_on(d, L1_UPDATES)' \
	'(self)'
mutant 'found: validation that cannot be turned off' hooks.h \
	'(likely(l1_part_on(d, L1_VALIDATION)) ? (call) : (off))' '(call)'
mutant 'found: a switch that is not for one domain' hooks.h \
	'&& !(ptebatch_parts_off(d) & part)' ''
mutant 'found: a bad list that is obeyed up to its fault' l1.c \
	'if ( !rc ) rc = ptebatch_set_parts_off(d, ~on);' \
	'ptebatch_set_parts_off(d, ~on);'
mutant 'found: a domain left referenced' l1.c 'rcu_unlock_domain(d);' ''
mutant 'found: traps turned on by a boolean' l1.c \
	'*on | L1_CALLS | L1_UPDATES | L1_VALIDATION' '15'
mutant 'found: counters that any domain reads' calls.c \
	'if ( !is_control_domain(current->domain) ) return -EPERM;' ''
mutant 'found: SET of several slots' runs.c \
	'(op == PTEBATCH_OP_SET && run.count > 1)' '0'
mutant 'found: TAKE with nowhere to go' runs.c '(take && !arg4)' '0'

# --- Trapped writes ---
mutant 'found: trapped writes that cannot be turned off' hooks.h \
	'unlikely(l1_part_on(current->domain, L1_TRAPS))' 'true'
mutant 'found: a trapped write in a paging mode' trap.c \
	'if ( unlikely(!l1_simple(d)) )' 'if ( 0 )'
mutant 'found: a trapped write to a writable mapping' trap.c \
	'(l1e_get_flags(pte) & (_PAGE_PRESENT | _PAGE_RW)) != _PAGE_PRESENT' \
	'!(l1e_get_flags(pte) & _PAGE_PRESENT)'
mutant 'found: device registers taken for a table' trap.c \
	'rangeset_contains_singleton(mmio_ro_ranges, l1e_get_pfn(pte))' '0'
mutant 'found: an instruction fetched for what is no table' trap.c \
	'(info & PGT_type_mask) != PGT_l1_page_table' '0'
mutant 'found: a single step lost' trap.c \
	'likely(!(regs->eflags & X86_EFLAGS_TF)) &&' ''
mutant 'found: a trace record lost' trap.c 'likely(!tb_init_done) &&' ''
mutant 'found: an instruction for another address executed' trap.c \
	'likely(s.addr == addr) &&' ''
mutant 'found: an instruction fetched from the hypervisor' trap.c \
	'unlikely(!__addr_ok(rip)) ||' ''
mutant 'found: the end of a long instruction not fetched' trap.c \
	'valid = s->len;' 'return true;'
mutant 'found: an old value from before the write' trap.c \
	'old = seen;' 'break;'
mutant 'found: A and D not compared' l1.h \
	'return ptebatch_try_cmpxchg(p, &seen, (seen & to->keep) | to->set);' \
	'write_atomic(p, to->set); return true;'
mutant 'found: a type reference kept where the write failed' l1.h \
	'!gain ? likely(done) : unlikely(!done)' '!gain && likely(done)'
mutant 'found: a type reference dropped where the write failed' l1.h \
	'!gain ? likely(done) : unlikely(!done)' '!gain || unlikely(!done)'
mutant 'found: references kept where the write failed' l1.h \
	'entry_put(page, val, s); return false;' 'return false;'
mutant "found: Xen's references kept where the write failed" trap.c \
	'put_page_from_l1e(new, d); return false;' 'return false;'
mutant "found: the old entry's references kept" trap.c \
	'put_page_from_l1e(l1e_from_intpte(old), d);' ''
mutant 'found: L1TF not checked on a trapped write' l1.h \
	'unlikely(ptebatch_l1tf_unsafe(rules->l1tf, val))' '0'
mutant "found: L1TF not checked by the slow way of trapped writes" trap.c \
	'ptebatch_l1tf_unsafe(ptebatch_l1tf_mask(d), val)' '0'
mutant "found: a kernel's entry without what Xen adds" trap.c \
	'new = adjust_guest_l1e(new, d);' ''
mutant 'found: flags that Xen wants otherwise' trap.c \
	'l1e_flip_flags(new, rc);' ''
mutant 'found: a table kept after a trapped write' trap.c \
	'l1_one_unlock(table, p);' 'ptebatch_unmap_table(p); page_unlock(table);'
mutant 'found: an emulation not counted' trap.c \
	'perfc_incr(ptwr_emulations);' ''

tap_done
