// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of unmap_page_range(): munmap, MADV_DONTNEED, truncation, the
 * teardown of mappings of other domains' memory, and the exit of a process.
 *
 * The kernel's own loop clears each entry by an exchange, which traps. This
 * hook clears a table with one run. Then, still under the lock, it releases the
 * pages as the original does: reverse mapping, counters, mmu_gather.
 *
 * When a process ends, its tables are no longer pinned, and no CPU uses them any
 * more. There this hook clears the entries by plain stores, as the original does,
 * and needs no TLB flush. It saves the original's translation of each entry, and
 * skips empty entries. This is a path of its own, "exit".
 *
 * It handles entries of ordinary small pages, whether anonymous, shared or of
 * files, and entries whose page Linux does not count, such as foreign memory.
 * It leaves tables with any other entry to the original.
 *
 * A page of a file or of shared memory outlives its mapping, and only the entry
 * records whether the page was written or used. So the run for such pages
 * returns the old entries. Once the reverse mapping of a page is removed, code
 * that cleans the page no longer looks for writers. So if a CPU could still
 * write to such a page through its TLB, the TLB is flushed before the lock is
 * released, by the hypercall that clears the table. mmu_gather flushes the
 * range again at its end, since it does more than flush TLBs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>
#include <linux/sched.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "flush.h"
#include "ptebatch.h"
#include "tables.h"

static void (*original)(struct mmu_gather *tlb, struct vm_area_struct *vma,
			unsigned long addr, unsigned long end,
			struct zap_details *details);
static void (*flush_gather)(struct mmu_gather *tlb);
static ptb_gather_page_t *gather_page;
static ptb_unmap_page_t *unmap_page;
static void (*before_unmap)(struct vm_area_struct *vma, unsigned long addr,
			    unsigned long end);

void (*ptb_flush_range)(struct mm_struct *mm, unsigned long start,
			unsigned long end, unsigned int stride_shift,
			bool freed_tables);

int ptb_munmap_symbols(void)
{
	flush_gather = (void *)ptb_symbol("tlb_flush_mmu");
	ptb_flush_range = (void *)ptb_symbol("flush_tlb_mm_range");
	gather_page = (void *)ptb_symbol("__tlb_remove_page_size");
	unmap_page = (void *)ptb_symbol(PTB_UNMAP_PAGE);
	if (PTB_BEFORE_UNMAP) {
		before_unmap = (void *)ptb_symbol(PTB_BEFORE_UNMAP);
		if (!before_unmap)
			return -ENOENT;
	}
	return flush_gather && ptb_flush_range && gather_page && unmap_page
		       ? 0
		       : -ENOENT;
}

/* mmu_gather is for all of an address space when a process ends. */
static enum ptb_path path_of(const struct mmu_gather *tlb)
{
	return tlb->fullmm ? PTB_EXIT : PTB_MUNMAP;
}

/*
 * Areas whose pages Linux does not count. Such a page can be reused as soon as
 * it is unmapped, so the TLB flush must not wait for the caller.
 */
static bool uncounted(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP);
}

/* The first slots of a table, which the hook can clear, and their pages. */
struct found {
	unsigned int nr;       /* slots */
	unsigned int present;  /* of these, slots that are not empty */
	unsigned int nr_pages; /* of these, with a page, in ptb_cpu.pages */
	bool files;	       /* a page among these outlives its mapping */
	bool writable;	       /* and a CPU may be able to write to it */
};

/*
 * Fills in *f, and copies the entries of the pages. Stops before an entry that is
 * left to the original, and when the pages fill mmu_gather.
 */
static __always_inline void collect(const struct vm_area_struct *vma,
				    const struct ptb_table *t,
				    unsigned int room, struct ptb_cpu *c,
				    struct found *f)
{
	u64 *const copies = c->records.copies;
	struct page **const pages = c->pages;
	u64 *const first = t->ptes, *const end = first + t->nr, *entry = first;
	unsigned int present = 0, nr_pages = 0;
	bool files = false;
	u64 flags = 0; /* of entries for pages of files */

	for (; (entry = ptb_used(entry, end)) != end; entry++, present++) {
		u64 pte = READ_ONCE(*entry);
		unsigned long pfn;
		struct page *page;

		if (unlikely(!(pte & _PAGE_PRESENT)) ||
		    unlikely(pte & _PAGE_DEVMAP))
			break;
		if (unlikely(!(pte & _PAGE_SPECIAL))) {
			pfn = ptb_pfn(pte);
			if (unlikely(pfn == PTB_NOFRAME))
				break;
			page = pfn_to_page(pfn);
			if (unlikely(PageCompound(page)) || nr_pages == room)
				break;
			if (!folio_test_anon((struct folio *)page)) {
				files = true;
				flags |= pte;
			}
			copies[nr_pages] = pte;
			pages[nr_pages++] = page;
		} else if (unlikely(pte & PTB_DIRTY) && !uncounted(vma)) {
			/*
			 * KSM's zero pages are marked so, and KSM counts them.
			 */
			break;
		}
	}
	f->nr = entry - first;
	f->present = present;
	f->nr_pages = nr_pages;
	f->files = files;
	f->writable = flags & (_PAGE_RW | PTB_DIRTY);
}

/* Clears nr slots. Returns how many are cleared. */
static unsigned int clear(const struct ptb_table *t, unsigned int nr, u64 *olds,
			  const struct ptebatch_tlb *tlb, bool *whole)
{
	const struct ptebatch_run run = {
		.slot = t->slot,
		.count = nr,
		.op = PTEBATCH_OP_CLEAR,
		.old = (uintptr_t)olds,
	};

	return ptb_apply(PTB_MUNMAP, &run, tlb, whole);
}

/* The same for a table that is ordinary memory, and that no CPU uses. */
static __always_inline unsigned int
clear_plain(const struct ptb_table *t, unsigned int nr, u64 *olds)
{
	u64 *const ptes = t->ptes;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		u64 pte = READ_ONCE(ptes[i]);

		if (olds)
			olds[i] = pte;
		if (pte)
			WRITE_ONCE(ptes[i], 0);
	}
	return nr;
}

/* Counts the collected pages whose slots, from .. nr - 1, are not cleared. */
static unsigned int still_mapped(const struct ptb_table *t, unsigned int from,
				 unsigned int nr)
{
	unsigned int i, pages = 0;

	for (i = from; i < nr; i++) {
		u64 pte = READ_ONCE(t->ptes[i]);

		pages += pte && !(pte & _PAGE_SPECIAL);
	}
	return pages;
}

/* Adds a range to mmu_gather. This must precede adding the range's pages. */
static __always_inline void gather_range(struct mmu_gather *tlb,
					 unsigned long addr, unsigned int nr)
{
	tlb_flush_pte_range(tlb, addr, (unsigned long)nr << PAGE_SHIFT);
}

/* Clears slots whose pages are all anonymous. Returns how many are cleared. */
static __always_inline unsigned int
zap_anon(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long addr,
	 const struct ptb_table *t, const struct found *f, struct page **pages,
	 bool *full)
{
	unsigned int nr_pages = f->nr_pages, done, i;
	bool whole = true;

	if (tlb->fullmm)
		done = clear_plain(t, f->nr, NULL);
	else
		done = clear(t, f->nr, NULL, NULL, &whole);
	gather_range(tlb, addr, done);
	if (unlikely(!whole))
		nr_pages -= still_mapped(t, done, f->nr);
	for (i = 0; i < nr_pages; i++) {
		ptb_unmap_page(unmap_page, pages[i], vma);
		*full = ptb_gather_page(gather_page, tlb, pages[i]);
	}
	ptb_add_rss(vma->vm_mm, MM_ANONPAGES, -(long)nr_pages);
	return done;
}

/* Clears slots. On return no CPU can write to a file's page through them. */
static unsigned int clear_and_flush(struct mm_struct *mm, unsigned long addr,
				    const struct ptb_table *t,
				    const struct found *f, struct ptb_cpu *c,
				    bool *whole)
{
	struct ptb_counters *n = &c->counters[PTB_MUNMAP];
	struct ptebatch_tlb flush;
	unsigned int done;
	bool missed;

	if (!f->writable)
		return clear(t, f->nr, c->olds, NULL, whole);

	ptb_flush_begin(mm, addr, f->nr, c, &flush);
	done = clear(t, f->nr, c->olds, &flush, whole);
	missed = ptb_flush_missed(mm, c);
	n->folded += *whole;
	n->late += missed && *whole;
	if (done && (unlikely(!*whole) || unlikely(missed)))
		ptb_flush_range(mm, addr,
				addr + ((unsigned long)done << PAGE_SHIFT),
				PAGE_SHIFT, false);
	return done;
}

/*
 * Xen may not have stored the old entries of the slots that it has cleared. Makes
 * those of the pages from their copies. Returns how many there are.
 */
static noinline unsigned int assume(const struct ptb_table *t,
				    unsigned int done, const struct found *f,
				    struct ptb_cpu *c)
{
	unsigned int i, nr = f->nr_pages - still_mapped(t, done, f->nr);

	for (i = 0; i < nr; i++)
		c->olds[i] = ptb_assumed(c->records.copies[i]);
	return nr;
}

/* As zap_anon(), for slots with pages of files or of shared memory. */
static noinline unsigned int
zap_files(struct mmu_gather *tlb, struct vm_area_struct *vma,
	  unsigned long addr, const struct ptb_table *t, const struct found *f,
	  struct ptb_cpu *c, bool *full)
{
	const bool used = ptb_counts_use(vma);
	long rss[NR_MM_COUNTERS] = {};
	struct page **next = c->pages;
	unsigned int done, olds, i;
	bool whole = true;

	if (tlb->fullmm)
		done = clear_plain(t, f->nr, c->olds);
	else
		done = clear_and_flush(vma->vm_mm, addr, t, f, c, &whole);
	gather_range(tlb, addr, done);
	olds = likely(whole) ? done : assume(t, done, f, c);
	for (i = 0; i < olds; i++) {
		u64 pte = c->olds[i];
		struct folio *folio;
		struct page *page;

		if (!pte || (pte & _PAGE_SPECIAL))
			continue;
		page = *next++;
		folio = (struct folio *)page; /* a small page */
		if (folio_test_anon(folio)) {
			rss[MM_ANONPAGES]--;
		} else {
			rss[folio_test_swapbacked(folio) ? MM_SHMEMPAGES
							 : MM_FILEPAGES]--;
			if (pte & PTB_DIRTY)
				folio_mark_dirty(folio);
			if ((pte & _PAGE_ACCESSED) && used)
				folio_mark_accessed(folio);
		}
		ptb_unmap_page(unmap_page, page, vma);
		*full = ptb_gather_page(gather_page, tlb, page);
	}
	for (i = 0; i < NR_MM_COUNTERS; i++)
		if (rss[i])
			ptb_add_rss(vma->vm_mm, i, rss[i]);
	return done;
}

/*
 * Clears the first slots of the table, under its lock. Returns how many are
 * done. *full tells whether mmu_gather must be flushed before it takes more
 * pages.
 */
static __always_inline unsigned int
zap_some(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long addr,
	 const struct ptb_table *t, bool *full)
{
	struct ptb_cpu *c = this_cpu_read(ptb_cpus);
	struct found f PTB_UNINITIALIZED;

	collect(vma, t, ptb_gather_room(tlb), c, &f);
	if (!f.present)
		return f.nr;
	if (likely(!f.files))
		return zap_anon(tlb, vma, addr, t, &f, c->pages, full);
	if (!f.writable || !mm_has_notifiers(vma->vm_mm))
		return zap_files(tlb, vma, addr, t, &f, c, full);
	/* The original tells those who mirror the memory, under this lock. */
	return 0;
}

/*
 * The same for the table at addr. Returns 0 if the table is missing or left to
 * the original.
 */
static unsigned int zap_table(struct mmu_gather *tlb,
			      struct vm_area_struct *vma, unsigned long addr,
			      unsigned long end, unsigned long *next,
			      enum ptb_walk *walk, bool *full)
{
	struct ptb_table t;
	unsigned int done;
	spinlock_t *lock;

	ptb_tables_hold();
	*walk = ptb_walk_to(vma->vm_mm, addr, end, next, &t, !tlb->fullmm);
	if (unlikely(*walk != PTB_TABLE) ||
	    unlikely(!ptb_lock_any(vma->vm_mm, &t, &lock, !tlb->fullmm))) {
		ptb_tables_release();
		return 0;
	}
	ptb_tables_release();

	done = zap_some(tlb, vma, addr, &t, full);
	ptb_unlock(lock);
	return done;
}

/*
 * Clears slots at addr, or has the original clear the table. Returns the
 * address to continue at.
 */
static unsigned long zap_next(struct mmu_gather *tlb,
			      struct vm_area_struct *vma, unsigned long addr,
			      unsigned long end, struct zap_details *details)
{
	const enum ptb_path path = path_of(tlb);
	enum ptb_walk walk;
	unsigned long next;
	unsigned int done;
	bool full = false;

	done = zap_table(tlb, vma, addr, end, &next, &walk, &full);
	if (full)
		flush_gather(tlb);
	if (likely(done)) {
		ptb_count(path, tables, 1);
		ptb_count(path, ptes, done);
		return addr + ((unsigned long)done << PAGE_SHIFT);
	}
	if (walk != PTB_EMPTY) {
		ptb_count(path, odd, 1);
		original(tlb, vma, addr, next, details);
	}
	return next;
}

/* Whether there is a table for the 2 MB from addr on, and it is empty. */
static bool table_is_empty(struct mm_struct *mm, unsigned long addr)
{
	struct ptb_table t;
	unsigned long next;
	bool empty;

	ptb_tables_hold();
	empty = ptb_walk(mm, addr, addr + PMD_SIZE, &next, &t) == PTB_TABLE &&
		ptb_used(t.ptes, t.ptes + t.nr) == t.ptes + t.nr;
	ptb_tables_release();
	return empty;
}

static void zap_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
		      unsigned long addr, unsigned long end,
		      struct zap_details *details)
{
	const unsigned long start = addr;

	if (before_unmap && vma->vm_file)
		before_unmap(vma, start, end);
	do {
		addr = zap_next(tlb, vma, addr, end, details);
		/*
		 * The original frees a table that it finds to be empty. What
		 * another thread has written there since then stays.
		 */
		if (ptb_frees_tables(details) && !(addr & ~PMD_MASK) &&
		    addr - start >= PMD_SIZE &&
		    table_is_empty(vma->vm_mm, addr - PMD_SIZE))
			original(tlb, vma, addr - PMD_SIZE, addr, details);
		cond_resched();
	} while (addr != end);

	/*
	 * For such areas the original flushes the TLB before it returns. Have
	 * it do so, by passing it the last page.
	 */
	if (unlikely(uncounted(vma)) && !tlb->fullmm)
		original(tlb, vma, end - PAGE_SIZE, end, details);
}

static bool takes(const struct mmu_gather *tlb,
		  const struct vm_area_struct *vma,
		  const struct zap_details *details)
{
	return ptb_on[path_of(tlb)] &&
	       !(vma->vm_flags & (VM_HUGETLB | __VM_UFFD_FLAGS)) &&
	       !(vma->vm_ops && vma->vm_ops->PTB_FIND_PAGE) &&
	       (!details || ptb_zaps_all(details)) &&
	       /* Without runs, each entry is a trap, as in the original. */
	       (tlb->fullmm || (READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS));
}

void ptb_unmap_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end,
			  struct zap_details *details);

void ptb_unmap_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end,
			  struct zap_details *details)
{
	const enum ptb_path path = path_of(tlb);

	ptb_enter();
	ptb_count(path, calls, 1);
	if (takes(tlb, vma, details)) {
		zap_range(tlb, vma, addr, end, details);
	} else {
		ptb_count(path, whole, 1);
		original(tlb, vma, addr, end, details);
	}
	ptb_leave();
}
PTB_TRAMPOLINE(ptb_unmap_page_range);

const struct ptb_hook_point ptb_munmap_hook = {
	.name = PTB_UNMAP_RANGE,
	.trampoline = ptb_unmap_page_range_trampoline,
	.original = (void **)&original,
};
