#!/bin/sh
# SPDX-License-Identifier: MIT
# Breaks the handlers' source in one place at a time; a test has to fail each
# time. TAP. A missing anchor is a failure, so that no mutant is lost unnoticed.
# Argument: the folder of the handlers, if not backends/xen-hv.
# FUZZ=SECONDS: the fuzzer has to find each mutant instead, within that time.
# Needs $CC (default cc) and python3, and prints 1..0 # SKIP without them. Takes
# about half a minute.
set -u
. "$(dirname "$0")/../common/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
src=${1:-$top/backends/xen-hv}
needs python3
temporary_folder
CC=${CC:-cc}

cflags="-std=gnu11 -O1 -w -I$here -I$here/include -I$top/include"
# All mutants share the objects of the harness and of the tests, in each build.
builds='none -DPTEBATCH_PREEMPT=1U -DHARNESS_PDX_MASK -DHARNESS_PDX_OFFSET'
for p in $builds; do
	mkdir "$tmp/$p"
	for part in "$here"/test-*.c "$here"/harness*.c; do
		part=${part##*/}
		$CC $cflags ${p#none} -I"$src" -c "$here/$part" \
			-o "$tmp/$p/${part%.c}.o" || exit 99
	done
done
FUZZ=${FUZZ:-}
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
	python3 - "$1/ptebatch.c" <<-'PY' || return
		import sys
		text = open(sys.argv[1]).read()
		for check, gone in (
		        ("if ( done > run.count )", "if ( 0 )"),
		        ("if ( unlikely(slots) && slots >= runs[i].count )", "if ( 0 )"),
		        ("while ( *done < run->count )", "while ( true )"),
		        ("if ( (run->slot & (sizeof(intpte_t) - 1)) ||\n"
		         "         !run->count || run->count > PTEBATCH_TABLE_SLOTS ||\n"
		         "         PAGE_OFFSET(run->slot) + run->count * sizeof(intpte_t)"
		         " > PAGE_SIZE )", "if ( 0 )"),
		        ("(what & (~PADDR_MASK | (sizeof(*p) - 1)))", "0")):
		    if text.count(check) != 1:
		        sys.exit(f"the anchor is missing: {check}")
		    text = text.replace(check, gone)
		open(sys.argv[1], "w").write(text)
	PY
	$CC $cflags -I"$1" "$1/ptebatch.c" "$tmp"/none/*.o \
		-o "$tmp/t" && timeout 60 "$tmp/t" forged >"$tmp/out" 2>&1
}

# run DIR: builds the handlers of DIR; true if every test passes in all builds,
# or with FUZZ if the fuzzer finds nothing
run() {
	if [ "$FUZZ" ]; then
		$CC $cflags $fuzz "$1/ptebatch.c" -I"$1" "$tmp"/fuzz-*.o \
			"$tmp"/none/harness*.o -o "$tmp/t" 2>"$tmp/cc" || return 98
		timeout $((FUZZ + 60)) "$tmp/t" --keep "$tmp/input" --time "$FUZZ" \
			"$top/tests/fuzz/corpus/handler" >"$tmp/out" 2>&1 ||
			return 1
		return
	fi
	for p in $builds; do
		$CC $cflags ${p#none} -I"$1" "$1/ptebatch.c" \
			"$tmp/$p"/*.o \
			-o "$tmp/t" 2>"$tmp/cc" || return 98
		timeout 60 "$tmp/t" 1 3000 >"$tmp/out" 2>&1 || return 1
	done
}

# mutant NAME FILE ANCHOR REPLACEMENT: replaces every match of the anchor
mutant() {
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
	run "$tmp/m"
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
mutant 'found: a plain store where hardware may set A or D' ptebatch.c \
	'if ( (pte & to->ad) == AD_BITS )' 'if ( true )'
mutant 'found: a plain store where only A is set' ptebatch.c \
	'if ( (pte & to->ad) == AD_BITS )' \
	'if ( pte & to->ad & PTEBATCH_PTE_A )'
mutant 'found: the type dropped before the write' ptebatch.c \
	'if ( !to->gain ) *drop = page;' \
	'if ( !to->gain ) { if ( !type_put(page) ) put_page_type(page); }'
mutant 'found: the type dropped before a clear' ptebatch.c \
	'*pte = write_pte(p, *pte, to); return page;' \
	'if ( *pte & _PAGE_RW )
		put_page_type(page);
	*pte = write_pte(p, *pte, to) & ~(intpte_t)_PAGE_RW; return page;'
mutant 'found: an entry cleared by a plain store' ptebatch.c \
	'return xchg(p, to->set);' 'write_atomic(p, to->set); return pte;'
mutant 'found: an old value that predates the cmpxchg' ptebatch.c \
	'new = (seen & to->keep) | to->set; } return seen;' \
	'new = (seen & to->keep) | to->set; } return pte;'

# --- References ---
mutant 'found: no type taken for a writable entry' ptebatch.c \
	'unlikely(!type_get(page))' '0'
mutant 'found: a missing put of the type' ptebatch.c \
	'(kind == RUN_DROP && likely(page) && drop_writable(c, page))' '0'
mutant 'found: a missing put of the page' ptebatch.c \
	'likely(page_put(page))' 'true'
mutant 'found: the last reference put inline' ptebatch.c \
	'!COUNT_UP(x - 1)' '0'
mutant 'found: a missing put of the table' ptebatch.c \
	'put_page(c->page);' ''
mutant 'found: the last type dropped without the stamp' ptebatch.c \
	'TYPE_IS_WRITABLE(x, 2UL)' 'TYPE_IS_WRITABLE(x, 1UL)'
mutant 'found: the first type taken without validation' ptebatch.c \
	'TYPE_IS_WRITABLE(x, 1UL)' 'TYPE_IS_WRITABLE(x, 0UL)'
mutant 'found: the type count overflows' ptebatch.c \
	'>> (PGT_count_width - 1)' '>> PGT_count_width'
mutant 'found: a page of another domain accepted on the fast path' ptebatch.h \
	'likely(page->v.inuse._domain == frames->owner) ? page : NULL' 'page'
mutant 'found: I/O memory taken for a page' ptebatch.h \
	'likely(test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid))' 'true'

# --- Frame numbers ---
mutant 'found: a frame number taken for an index, where a mask removes bits' \
	ptebatch.h '(pfn_pdx_hole_shift != 0)' 'false'
mutant 'found: a frame number taken for an index, where frames are displaced' \
	ptebatch.h '(pdx_region_size != ~0UL)' 'false'
mutant 'found: a frame number in a hole taken for a frame that exists' \
	ptebatch.h 'mfn_valid(_mfn(mfn)) ? mfn_to_page(_mfn(mfn)) : NULL' \
	'mfn_to_page(_mfn(mfn))'
mutant 'found: a window larger than a group' ptebatch.h \
	'PDX_GROUP_COUNT + 0UL' '2UL * PDX_GROUP_COUNT'
mutant 'found: a window past the end of memory' ptebatch.h \
	'min(max_page - first, PDX_GROUP_COUNT + 0UL)' 'PDX_GROUP_COUNT'

mutant 'found: a missing put of a foreign page or of I/O memory' ptebatch.c \
	'put_page_from_l1e(l1e_from_intpte(*pte), c->pt_owner);' ''
mutant 'found: foreign pages cleared without a check for preemption' \
	ptebatch.c 'clear_other(c, p, &pte); over = slots_over(c, left - 1);' \
	'clear_other(c, p, &pte); over = 0;'
mutant 'found: slow entries that do not count towards the next check' \
	ptebatch.c 'if ( c->work <= PTEBATCH_PREEMPT ) return 0;' 'return 0;'
mutant 'found: a missing check after an entry that stops the loop' ptebatch.c \
	'end = slots_to_check(c, kind, *done, end);' ''
mutant 'found: entries passed over at the check for preemption' ptebatch.c \
	'end -= over;' ''
mutant 'found: entries cleared twice at the check for preemption' ptebatch.c \
	'left -= over;' ''

# --- Values: entries that become present or absent ---
mutant 'found: an entry written before its reference is taken' ptebatch.c \
	'unlikely(!page_get(page, &frames))' \
	'(write_atomic(p, val | PTEBATCH_PTE_G), !page_get(page, &frames))'
mutant 'found: an entry written before its type is taken' ptebatch.c \
	'unlikely(!type_get(page)) ) { worked_slow' \
	'(write_atomic(p, val | PTEBATCH_PTE_G), !type_get(page)) ) { worked_slow'
mutant 'found: the reference dropped before its entry is removed' ptebatch.c \
	'*pte = write_pte(p, *pte, to); return page;' \
	'put_page(page); *pte = write_pte(p, *pte, to);
	page_get(page, frames); return page;'
mutant 'found: no reference taken' ptebatch.c \
	'unlikely(!page_get(page, &frames))' '0'
mutant 'found: a reference to a free page' ptebatch.c \
	'COUNT_UP(x + 2) <= COUNT_UP(2UL)' 'COUNT_UP(x + 2) < COUNT_UP(2UL)'
mutant 'found: the reserved reference given out' ptebatch.c \
	'COUNT_UP(x + 2) <= COUNT_UP(2UL)' '!COUNT_UP(x)'
mutant 'found: the owner not checked again' ptebatch.c \
	'likely(page->v.inuse._domain == frames->owner) ) return true;' \
	'true ) return true;'
mutant 'found: the reference to a former page kept' ptebatch.c \
	'return true; put_page(page); return false;' \
	'return true; return false;'
mutant 'found: no type taken for an entry that becomes present' ptebatch.c \
	'(val & _PAGE_RW) && unlikely(!type_get(page))' '0'
mutant 'found: a refused type ignored' ptebatch.c \
	'if ( !get_page_type(page, PGT_writable_page) ) { put_page(page); break;' \
	'get_page_type(page, PGT_writable_page); if ( 0 ) { break;'
mutant 'found: the reference kept where the type is refused' ptebatch.c \
	'{ put_page(page); break; }' '{ break; }'
mutant 'found: unusual flags not validated' ptebatch.c \
	'(val & odd) != (_PAGE_PRESENT | _PAGE_USER)' '0'
mutant 'found: a kernel entry taken for a user one' ptebatch.c \
	'PTEBATCH_PTE_FRAME | PTEBATCH_PTE_G)' \
	'PTEBATCH_PTE_FRAME | PTEBATCH_PTE_G |
	put_pte_flags(_PAGE_GUEST_KERNEL))'
mutant 'found: G left out' ptebatch.c \
	'(pte & keep) | val | PTEBATCH_PTE_G' '(pte & keep) | val'
mutant 'found: G forced on a kernel entry' ptebatch.c \
	'likely(!(val & put_pte_flags(_PAGE_GUEST_KERNEL)))' 'true'
mutant 'found: L1TF not checked' ptebatch.c \
	'unlikely(ptebatch_l1tf_unsafe(l1tf, val))' '0'
mutant 'found: all memory taken as safe against L1TF' ptebatch.h \
	'(pte & mask) < l1tf_safe_maddr' '(pte & mask) > l1tf_safe_maddr'
mutant 'found: A and D lost where an entry becomes absent' ptebatch.c \
	'to = keep ? change_to(keep, val) : change_all(val); page = take' \
	'to = change_all(val); page = take'
mutant 'found: A and D lost where an entry becomes present' ptebatch.c \
	'(pte & keep) | val | PTEBATCH_PTE_G' 'val | PTEBATCH_PTE_G'
mutant 'found: A and D lost where an entry stays absent' ptebatch.c \
	'write_atomic(p, (pte & keep) | val);' 'write_atomic(p, val);'
mutant 'found: XSM not asked about writing' ptebatch.c \
	'PTEBATCH_PTE_G) | (ask & _PAGE_RW)' 'PTEBATCH_PTE_G)'
mutant 'found: XSM not asked about writing where only flags change' \
	ptebatch.c 'unlikely(val & ask)' '0'
mutant 'found: XSM not asked about mapping' ptebatch.c \
	'(ask & _PAGE_PRESENT) ? 0 :' ''
mutant 'found: XSM not asked about values' ptebatch.c \
	'check_xsm(&c, xsm_needed(v->pte))' '0'
mutant 'found: a value written to the table locked before' ptebatch.c \
	'unlikely(offset & ~SLOT_MASK)' '0'

# --- The table ---
mutant 'found: a table that is no L1' ptebatch.c \
	'(c->page->u.inuse.type_info & PGT_type_mask)' 'PGT_l1_page_table'
mutant 'found: a table locked without the fence' ptebatch.c \
	'!page_lock(c->page)' '!page_lock_unsafe(c->page)'
mutant 'found: a table locked without the fence, for one slot' ptebatch.c \
	'!page_lock(table)' '!page_lock_unsafe(table)'
mutant 'found: guest memory touched under the lock' ptebatch.c \
	'/* Never touch guest memory with a table locked. */ table_unlock(c);' ''
mutant 'found: a run past its table' ptebatch.c \
	'sizeof(intpte_t) > PAGE_SIZE' 'sizeof(intpte_t) > 2 * PAGE_SIZE'
mutant 'found: a mask not checked' ptebatch.c \
	'(run->clear | run->set) & ~PTEBATCH_RUN_FLAGS' '0'
mutant 'found: cache attributes on the fast path' ptebatch.c \
	'unlikely(*pte & PTEBATCH_PTE_CACHE)' '0'
mutant 'found: a paging mode ignored' ptebatch.c \
	'c->own = !paging_mode_enabled(d)' 'c->own = true'

# --- Progress, faults, the flush ---
mutant 'found: a flush lost when a later update fails' ptebatch.c \
	'(done || slots || !count)' '!rc'
mutant 'found: a flush lost altogether' ptebatch.c \
	'(done || slots || !count)' '!count'
mutant 'found: a fault of old values not reported' ptebatch.c \
	'olds, (*done - start) * sizeof(*olds)) ) return -EFAULT;' \
	'olds, (*done - start) * sizeof(*olds)) ) ;'
mutant 'found: progress of a half-done run lost' ptebatch.c \
	'owner | ((unsigned long)slots << 32), arg5' 'owner, arg5'
mutant 'found: a page stamped before the write to its entry is seen' \
	ptebatch.c 'smp_mb();' ''
mutant 'found: a flush lost where the owner no longer exists' ptebatch.c \
	'c->pt_owner = d; /* whom refuse() flushes */' ''
mutant 'found: a table held while others wait for it' ptebatch.c \
	'table_unlock(c); c->hand_over = true;' ''
mutant 'found: a table unlocked and locked again with no pause' ptebatch.c \
	'get_cycles() - start < HAND_OVER' 'false'
mutant 'found: a pause without PAUSE' ptebatch.c 'cpu_relax();' ';'
mutant 'found: a waiter that arrived during the call not seen' ptebatch.c \
	'refs > c->refs' '0'
mutant 'found: a hidden waiter left waiting' ptebatch.c \
	'++c->checks >= CHECKS_ALONE' '0'
mutant 'found: a table kept over many slow entries' ptebatch.c \
	'c->slow || ++c->checks' '++c->checks'
mutant 'found: a table unlocked where nobody waits for it' ptebatch.c \
	'c->page && must_hand_over(c)' 'c->page'
mutant 'found: changes of type that cost no more than other entries' \
	ptebatch.c 'c->work += WORK_RETYPE - WORK_SLOW;' ';'
mutant 'found: changes of table that cost nothing' ptebatch.c \
	'c->work += WORK_TABLE;' ''
mutant 'found: a long run whose first check ignores the work before it' \
	ptebatch.c \
	'left = PTEBATCH_PREEMPT - c->work;' 'left = PTEBATCH_PREEMPT;'
mutant 'found: progress lost where the calls are turned off' ptebatch.c \
	'likely(!(done | slots)) ) return -ENOSYS;' 'true ) return -ENOSYS;'
mutant 'found: a flush lost where the calls are turned off' ptebatch.c \
	'c->tlb = (struct ptebatch_tlb){ .who = PTEBATCH_TLB_ALL };
	tlb_flush(c);' ''
mutant 'found: a form that cannot be turned off' ptebatch.c \
	'if ( unlikely(!opt_ptebatch) ) return turned_off(count >> 32, (uint32_t)arg4);' ''
mutant 'found: XSM not asked' ptebatch.c \
	'int rc = xsm_mmu_update(' 'int rc = 0 && xsm_mmu_update('
mutant 'found: XSM asked about the caller, not about the owner of the tables' \
	ptebatch.c \
	'XSM_TARGET, current->domain, c->pt_owner,' \
	'XSM_TARGET, current->domain, current->domain,'
mutant 'found: XSM asked about the caller, not about the owner of the pages' \
	ptebatch.c \
	'c->pg_owner, needed | c->xsm_checked' \
	'current->domain, needed | c->xsm_checked'

tap_done
