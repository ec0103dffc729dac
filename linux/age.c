// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks of walks that clear A, D or soft-dirty in the entries of a range:
 * MADV_FREE, MADV_COLD and MADV_PAGEOUT, and /proc/PID/clear_refs, with which
 * checkpoints find the pages that were written to. Reclaim asks for one entry
 * at a time whether it was accessed: ptep_clear_flush_young(), or
 * ptep_test_and_clear_young() in the multi-generational LRU. On x86 the first does
 * what the second does, without a flush, and has its own copy of the code.
 *
 * In the kernel's own loops, each of these changes traps, or is a trap and a
 * hypercall. These hooks change a table by one run, which is atomic against the
 * A and D bits that hardware sets.
 *
 * The kernel decides for each page whether to change its entry, and whether to
 * move the page to another list. The hooks apply its rules to ordinary small
 * pages, under the table's lock. From the first entry that is of another kind,
 * they leave the rest of the table to the original. MADV_PAGEOUT is the
 * original's work; there the hook only clears A before.
 *
 * The callers flush the TLB: madvise by its mmu_gather, to which the hooks add
 * what they have changed, and clear_refs for the whole process. Where A alone is
 * cleared, clear_refs and reclaim do without a flush.
 */
#include <linux/mm.h>
#include <linux/objtool.h>
#include <linux/page_idle.h>
#include <linux/pagewalk.h>
#include <linux/sched/coredump.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

typedef int pmd_entry_t(pmd_t *pmd, unsigned long addr, unsigned long end,
			struct mm_walk *walk);

static pmd_entry_t *original_free, *original_cold, *original_refs;
typedef ptb_young_t young_t(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *pte);

/* Two hooks share it, since their originals do the same. */
static young_t *original_young;
static_assert(__same_type(young_t, ptep_test_and_clear_young));
static_assert(__same_type(young_t, ptep_clear_flush_young));
static ptb_move_page_t *lazyfree, *deactivate;

int ptb_age_symbols(void)
{
	lazyfree = (void *)ptb_symbol(PTB_LAZYFREE);
	deactivate = (void *)ptb_symbol(PTB_DEACTIVATE);
	return lazyfree && deactivate ? 0 : -ENOENT;
}

/* What a walk does. */
enum what {
	FREE,	  /* pages may be dropped until they are written to again */
	COLD,	  /* pages are to be reclaimed first */
	PAGEOUT,  /* pages are reclaimed now, by the original */
	UNUSED,	  /* pages count as not accessed */
	UNWRITTEN /* pages count as not written to (soft-dirty) */
};

static __always_inline u64 clears(const enum what what)
{
	switch (what) {
	case FREE:
		return _PAGE_ACCESSED | PTB_DIRTY;
	case UNWRITTEN:
		return _PAGE_RW | _PAGE_SOFT_DIRTY;
	default:
		return _PAGE_ACCESSED;
	}
}

/* ---- One table ----------------------------------------------------------- */

enum verdict {
	CHANGES,
	STAYS,
	OTHER /* the original has to look at it */
};

/*
 * What the kernel does with an entry that is not empty. Does what is to be done
 * with its page.
 */
static __always_inline enum verdict judge(const enum what what, u64 pte)
{
	unsigned long pfn;
	struct page *page;
	struct folio *folio;

	if (unlikely(!(pte & _PAGE_PRESENT))) {
		/* A run leaves entries alone that are not present. */
		if (what == FREE || what == UNWRITTEN || (pte & _PAGE_PROTNONE))
			return OTHER;
		return CHANGES;
	}
	if (what == UNWRITTEN)
		return CHANGES;
	if (unlikely(pte & _PAGE_DEVMAP))
		return OTHER;
	if (unlikely(pte & _PAGE_SPECIAL))
		return STAYS;
	pfn = ptb_pfn(pte);
	if (unlikely(pfn == PTB_NOFRAME))
		return OTHER;
	page = pfn_to_page(pfn);
	if (unlikely(PageCompound(page)))
		return OTHER;
	folio = (struct folio *)page;

	switch (what) {
	case FREE:
		if (folio_test_swapcache(folio) || folio_test_dirty(folio))
			return OTHER;
		lazyfree(ptb_moved(folio));
		return CHANGES;
	case COLD:
	case PAGEOUT:
		/* A page that others map as well stays as it is. */
		if (!folio_test_lru(folio) ||
		    atomic_read(&page->_mapcount) != 0)
			return STAYS;
		if (what == PAGEOUT)
			return CHANGES;
		folio_clear_referenced(folio);
		folio_test_clear_young(folio);
		ptb_cools(folio);
		deactivate(ptb_moved(folio));
		return CHANGES;
	default:
		folio_test_clear_young(folio);
		folio_clear_referenced(folio);
		return CHANGES;
	}
}

/*
 * Changes slots from 'first' on, up to one that stays or is of another kind.
 * *stop is set to that slot, or to the end. Returns false if the slots, from
 * 'first' on, are left to the original.
 */
static __always_inline bool change_some(const enum what what,
					enum ptb_path path,
					const struct ptb_table *t,
					unsigned int first, unsigned int *stop,
					u64 *any, enum verdict *verdict)
{
	struct ptebatch_run run = {
		.slot = t->slot + 8 * first,
		.op = PTEBATCH_OP_FLAGS,
		.clear = clears(what),
	};
	bool whole;
	unsigned int i;

	*any = 0;
	*verdict = CHANGES;
	for (i = first; i < t->nr; i++) {
		u64 pte = READ_ONCE(t->ptes[i]);

		if (!pte)
			continue;
		*verdict = judge(what, pte);
		if (unlikely(*verdict != CHANGES))
			break;
		if (pte & _PAGE_PRESENT)
			*any |= pte;
	}
	*stop = i;
	*any &= run.clear;
	run.count = i - first;
	if (!*any)
		return true;
	ptb_apply(path, &run, NULL, &whole);
	return likely(whole);
}

/*
 * Changes the table's slots. Returns how many are done; the others are left to
 * the original. tlb: where to add what has to be flushed, or NULL.
 */
static __always_inline unsigned int change_table(const enum what what,
						 enum ptb_path path,
						 const struct ptb_table *t,
						 unsigned long addr,
						 struct mmu_gather *tlb)
{
	unsigned int i = 0, stop;
	enum verdict verdict;
	bool done;
	u64 any;

	while (i < t->nr) {
		done = change_some(what, path, t, i, &stop, &any, &verdict);
		if (any && tlb)
			tlb_flush_pte_range(tlb, addr + i * PAGE_SIZE,
					    (stop - i) * PAGE_SIZE);
		if (unlikely(!done))
			break;
		i = stop + (verdict == STAYS);
		if (verdict == OTHER)
			break;
	}
	return i;
}

/* Returns how many slots of the range are done. */
static __always_inline unsigned int
change(const enum what what, enum ptb_path path, struct mm_struct *mm,
       pmd_t *pmd, unsigned long addr, unsigned long end,
       struct mmu_gather *tlb)
{
	struct ptb_table t;
	unsigned int done;
	spinlock_t *lock;

	ptb_tables_hold();
	if (unlikely(ptb_table_at((u64 *)pmd, addr, end, &t) != PTB_TABLE) ||
	    unlikely(!ptb_lock(mm, &t, &lock))) {
		ptb_tables_release();
		return 0;
	}
	ptb_tables_release();
	done = change_table(what, path, &t, addr, tlb);
	ptb_count(path, tables, 1);
	ptb_count(path, ptes, done);
	ptb_unlock(lock);
	return done;
}

/*
 * Changes the range, and has the original change what is left of it. Nothing is
 * left of an empty table.
 */
static __always_inline int
change_or_pass(const enum what what, enum ptb_path path, pmd_t *pmd,
	       unsigned long addr, unsigned long end, struct mm_walk *walk,
	       struct mmu_gather *tlb, pmd_entry_t *original)
{
	unsigned int done;

	done = change(what, path, walk->mm, pmd, addr, end, tlb);
	if (what == PAGEOUT)
		return original(pmd, addr, end, walk);
	addr += (unsigned long)done << PAGE_SHIFT;
	if (unlikely(addr != end)) {
		ptb_count(path, odd, 1);
		return original(pmd, addr, end, walk);
	}
	cond_resched();
	return 0;
}

static bool takes(enum ptb_path path, const struct mm_walk *walk)
{
	return ptb_on[path] &&
	       !(walk->vma->vm_flags &
		 (VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP | VM_IO)) &&
	       /* Without runs, each change is a trap, as in the original. */
	       (READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS);
}

/* ---- madvise ------------------------------------------------------------- */

int ptb_free_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk);

int ptb_free_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk)
{
	int err;

	ptb_enter();
	ptb_count(PTB_MADVISE, calls, 1);
	if (likely(takes(PTB_MADVISE, walk))) {
		err = change_or_pass(FREE, PTB_MADVISE, pmd, addr, end, walk,
				     walk->private, original_free);
	} else {
		ptb_count(PTB_MADVISE, whole, 1);
		err = original_free(pmd, addr, end, walk);
	}
	ptb_leave();
	return err;
}
PTB_TRAMPOLINE(ptb_free_range);

/* The kernel's struct madvise_walk_private, which is in none of its headers. */
struct madvise_walk {
	struct mmu_gather *tlb;
	bool pageout;
};

int ptb_cold_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk);

int ptb_cold_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk)
{
	const struct madvise_walk *m = walk->private;
	int err;

	ptb_enter();
	ptb_count(PTB_MADVISE, calls, 1);
	if (unlikely(!takes(PTB_MADVISE, walk)) ||
	    unlikely(fatal_signal_pending(current)) ||
	    (m->pageout && !PTB_PAGEOUT_AGES)) {
		ptb_count(PTB_MADVISE, whole, 1);
		err = original_cold(pmd, addr, end, walk);
	} else if (m->pageout) {
		err = change_or_pass(PAGEOUT, PTB_MADVISE, pmd, addr, end, walk,
				     m->tlb, original_cold);
	} else {
		err = change_or_pass(COLD, PTB_MADVISE, pmd, addr, end, walk,
				     m->tlb, original_cold);
	}
	ptb_leave();
	return err;
}
PTB_TRAMPOLINE(ptb_cold_range);

/* ---- clear_refs ---------------------------------------------------------- */

/* What is written to the file; the first member of the walk's private data. */
#define CLEAR_SOFT_DIRTY 4

int ptb_refs_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk);

int ptb_refs_range(pmd_t *pmd, unsigned long addr, unsigned long end,
		   struct mm_walk *walk)
{
	const bool writes = *(const int *)walk->private == CLEAR_SOFT_DIRTY;
	int err;

	ptb_enter();
	ptb_count(PTB_REFS, calls, 1);
	if (unlikely(!takes(PTB_REFS, walk)) ||
	    /* Without soft-dirty bits, nothing is done. */
	    (writes && !IS_ENABLED(CONFIG_MEM_SOFT_DIRTY)) ||
	    /* Pages that a device writes to must stay writable. */
	    (writes && ptb_ever_pinned(walk->mm))) {
		ptb_count(PTB_REFS, whole, 1);
		err = original_refs(pmd, addr, end, walk);
	} else if (writes) {
		err = change_or_pass(UNWRITTEN, PTB_REFS, pmd, addr, end, walk,
				     NULL, original_refs);
	} else {
		err = change_or_pass(UNUSED, PTB_REFS, pmd, addr, end, walk,
				     NULL, original_refs);
	}
	ptb_leave();
	return err;
}
PTB_TRAMPOLINE(ptb_refs_range);

/* ---- One entry ----------------------------------------------------------- */

/* Returns false if nothing is done. */
static bool clear_young(u64 slot)
{
	const struct ptebatch_run run = {
		.slot = slot,
		.count = 1,
		.op = PTEBATCH_OP_FLAGS,
		.clear = _PAGE_ACCESSED,
	};
	struct ptebatch_progress progress PTB_UNINITIALIZED;
	int err = ptebatch_hypercall.one_flags(&ptebatch_hypercall, &ptb_env,
					       &run, NULL, &progress);

	ptb_count(PTB_YOUNG, hypercalls, progress.stats.hypercalls);
	ptb_count(PTB_YOUNG, failures, err != 0);
	ptb_count(PTB_YOUNG, singles, !err);
	return !err;
}

ptb_young_t ptb_test_and_clear_young(struct vm_area_struct *vma,
				     unsigned long addr, pte_t *pte);

ptb_young_t ptb_test_and_clear_young(struct vm_area_struct *vma,
				     unsigned long addr, pte_t *pte)
{
	const u64 *entry = (const u64 *)pte;
	const u64 young = _PAGE_PRESENT | _PAGE_ACCESSED;
	ptb_young_t ret = 1;

	ptb_enter();
	ptb_count(PTB_YOUNG, calls, 1);
	if (!ptb_on[PTB_YOUNG] || (READ_ONCE(*entry) & young) != young ||
	    !(READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS) ||
	    !PagePinned(virt_to_page(entry)) ||
	    !clear_young(ptb_slot_of(entry))) {
		ptb_count(PTB_YOUNG, whole, 1);
		ret = original_young(vma, addr, pte);
	}
	ptb_leave();
	return ret;
}
PTB_TRAMPOLINE(ptb_test_and_clear_young);

const struct ptb_hook_point ptb_free_hook = {
	.name = "madvise_free_pte_range",
	.trampoline = ptb_free_range_trampoline,
	.original = (void **)&original_free,
};

const struct ptb_hook_point ptb_cold_hook = {
	.name = "madvise_cold_or_pageout_pte_range",
	.trampoline = ptb_cold_range_trampoline,
	.original = (void **)&original_cold,
};

const struct ptb_hook_point ptb_refs_hook = {
	.name = "clear_refs_pte_range",
	.trampoline = ptb_refs_range_trampoline,
	.original = (void **)&original_refs,
};

const struct ptb_hook_point ptb_young_hook = {
	.name = "ptep_test_and_clear_young",
	.trampoline = ptb_test_and_clear_young_trampoline,
	.original = (void **)&original_young,
};

const struct ptb_hook_point ptb_flush_young_hook = {
	.name = "ptep_clear_flush_young",
	.trampoline = ptb_test_and_clear_young_trampoline,
	.original = (void **)&original_young,
};
