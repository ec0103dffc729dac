// SPDX-License-Identifier: GPL-2.0-only
/*
 * In front of unmap_page_range(): munmap, MADV_DONTNEED, truncation, and the
 * end of mappings of other domains' memory.
 *
 * The kernel's own loop takes each entry away by an exchange, which traps. Here
 * one run clears a table, and the pages are let go afterwards, under the same
 * lock, as the original does: reverse mapping, counters, mmu_gather.
 *
 * Taken here: entries of ordinary small anonymous pages, which is all that
 * needs no word of whether they were dirty; and entries without a page that
 * Linux counts, as those of foreign memory. A table with anything else in it
 * is the original's. So is an address space at its end, whose tables Xen has
 * already been told to forget: there a store does.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/objtool.h>
#include <linux/sched.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

static void (*original)(struct mmu_gather *tlb, struct vm_area_struct *vma,
			unsigned long addr, unsigned long end,
			struct zap_details *details);
static void (*flush_gather)(struct mmu_gather *tlb);
static ptb_gather_page_t *gather_page;
static ptb_unmap_page_t *unmap_page;

int ptb_munmap_symbols(void)
{
	flush_gather = (void *)ptb_symbol("tlb_flush_mmu");
	gather_page = (void *)ptb_symbol("__tlb_remove_page_size");
	unmap_page = (void *)ptb_symbol(PTB_UNMAP_PAGE);
	return flush_gather && gather_page && unmap_page ? 0 : -ENOENT;
}

/* Areas of pages without a count, which must not outlive their mapping. */
static bool uncounted(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP);
}

/*
 * How many of the slots from the first on are ours, and their pages. Stops at
 * what is not, and where mmu_gather has no more room without asking for it.
 */
static __always_inline unsigned int
collect(const struct vm_area_struct *vma, const struct ptb_table *t,
	unsigned int room, struct page **pages, unsigned int *nr_pages,
	unsigned int *present)
{
	unsigned int i;

	*nr_pages = 0;
	*present = 0;
	for (i = 0; i < t->nr; i++) {
		u64 e = READ_ONCE(t->slots[i]);
		unsigned long pfn;
		struct page *page;

		if (!e)
			continue;
		if (unlikely(!(e & _PAGE_PRESENT)) ||
		    unlikely(e & _PAGE_DEVMAP))
			break;
		if (unlikely(!(e & _PAGE_SPECIAL))) {
			pfn = ptb_pfn(e);
			if (unlikely(pfn == PTB_NOFRAME))
				break;
			page = pfn_to_page(pfn);
			if (unlikely(!PageAnon(page)) ||
			    unlikely(PageCompound(page)) || *nr_pages == room)
				break;
			pages[(*nr_pages)++] = page;
		} else if (unlikely(e & PTB_DIRTY) && !uncounted(vma)) {
			break; /* KSM counts the zero pages that it maps */
		}
		++*present;
	}
	return i;
}

/* Returns how many slots are empty now. */
static unsigned int clear(const struct ptb_table *t, unsigned int nr)
{
	const struct ptebatch_run run = {
		.pte = t->maddr,
		.count = nr,
		.op = PTEBATCH_OP_CLEAR,
	};

	return ptb_apply(PTB_MUNMAP, &run);
}

/* Of pages collected, those whose entries are still there. */
static unsigned int still_mapped(const struct ptb_table *t, unsigned int from,
				 unsigned int nr)
{
	unsigned int i, pages = 0;

	for (i = from; i < nr; i++) {
		u64 e = READ_ONCE(t->slots[i]);

		pages += e && !(e & _PAGE_SPECIAL);
	}
	return pages;
}

/*
 * Slots of the table from the first on, under its lock. Returns how many are
 * done; *full: mmu_gather wants to be flushed before more.
 */
static __always_inline unsigned int
zap_some(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long addr,
	 const struct ptb_table *t, bool *full)
{
	struct page **pages = this_cpu_read(ptb_cpus)->pages;
	unsigned int nr, done, nr_pages, present, i;

	nr = collect(vma, t, ptb_gather_room(tlb), pages, &nr_pages, &present);
	if (!present)
		return nr;
	done = clear(t, nr);
	if (unlikely(done != nr))
		nr_pages -= still_mapped(t, done, nr);

	tlb_flush_pte_range(tlb, addr, (unsigned long)done << PAGE_SHIFT);
	for (i = 0; i < nr_pages; i++) {
		ptb_unmap_page(unmap_page, pages[i], vma);
		*full = ptb_gather_page(gather_page, tlb, pages[i]);
	}
	ptb_add_rss(vma->vm_mm, MM_ANONPAGES, -(long)nr_pages);
	return done;
}

/* The same of the table at addr; 0: it is the original's, or empty. */
static unsigned int zap_table(struct mmu_gather *tlb,
			      struct vm_area_struct *vma, unsigned long addr,
			      unsigned long end, unsigned long *next,
			      enum ptb_walk *walk, bool *full)
{
	struct ptb_table t;
	unsigned int done;
	spinlock_t *lock;

	ptb_tables_hold();
	*walk = ptb_walk(vma->vm_mm, addr, end, next, &t);
	if (unlikely(*walk != PTB_TABLE) ||
	    unlikely(!ptb_lock(vma->vm_mm, &t, &lock))) {
		ptb_tables_release();
		return 0;
	}
	ptb_tables_release();

	done = zap_some(tlb, vma, addr, &t, full);
	ptb_unlock(lock);
	return done;
}

/* Returns up to where that was, or where the original got. */
static unsigned long zap_next(struct mmu_gather *tlb,
			      struct vm_area_struct *vma, unsigned long addr,
			      unsigned long end, struct zap_details *details)
{
	enum ptb_walk walk;
	unsigned long next;
	unsigned int done;
	bool full = false;

	done = zap_table(tlb, vma, addr, end, &next, &walk, &full);
	if (full)
		flush_gather(tlb);
	if (likely(done)) {
		ptb_count(PTB_MUNMAP, tables, 1);
		ptb_count(PTB_MUNMAP, ptes, done);
		return addr + ((unsigned long)done << PAGE_SHIFT);
	}
	if (walk != PTB_EMPTY) {
		ptb_count(PTB_MUNMAP, odd, 1);
		original(tlb, vma, addr, next, details);
	}
	return next;
}

static void zap_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
		      unsigned long addr, unsigned long end,
		      struct zap_details *details)
{
	do {
		addr = zap_next(tlb, vma, addr, end, details);
		cond_resched();
	} while (addr != end);

	/* At its end the original flushes what must not wait for the caller. */
	if (unlikely(uncounted(vma)))
		original(tlb, vma, end - PAGE_SIZE, end, details);
}

static bool takes(const struct mmu_gather *tlb,
		  const struct vm_area_struct *vma,
		  const struct zap_details *details)
{
	return ptb_on[PTB_MUNMAP] && !tlb->fullmm &&
	       !(vma->vm_flags & (VM_HUGETLB | __VM_UFFD_FLAGS)) &&
	       !(vma->vm_ops && vma->vm_ops->find_special_page) &&
	       (!details || (!details->single_folio && details->even_cows)) &&
	       /* Without it each entry is a trap, as it is in the original. */
	       (READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS);
}

void ptb_unmap_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end,
			  struct zap_details *details);

void ptb_unmap_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end,
			  struct zap_details *details)
{
	ptb_enter();
	ptb_count(PTB_MUNMAP, calls, 1);
	if (takes(tlb, vma, details)) {
		zap_range(tlb, vma, addr, end, details);
	} else {
		ptb_count(PTB_MUNMAP, whole, 1);
		original(tlb, vma, addr, end, details);
	}
	ptb_leave();
}
PTB_TRAMPOLINE(ptb_unmap_page_range);

const struct ptb_hook_point ptb_munmap_hook = {
	.name = "unmap_page_range",
	.trampoline = ptb_unmap_page_range_trampoline,
	.original = (void **)&original,
};
