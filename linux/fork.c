// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of copy_page_range(), which copies page tables for fork().
 *
 * The kernel's own loop makes each writable entry of the parent read-only,
 * which traps, and sets each entry of the child by a hypercall, although Xen
 * does not treat the child's tables as page tables yet. This hook removes RW
 * from a whole table of the parent with one run, and writes the child's entries
 * directly.
 *
 * It handles private memory whose entries are empty or map ordinary small pages
 * of this domain, including file pages and the zero page. It leaves to the
 * original each table with any other entry, such as a swapped-out page, and
 * address spaces that have ever had pages pinned for devices.
 *
 * The caller flushes the parent's TLBs once all areas are copied.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>
#include <linux/sched/coredump.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

static int (*original)(struct vm_area_struct *dst, struct vm_area_struct *src);
static int (*alloc_pud)(struct mm_struct *mm, p4d_t *p4d, unsigned long addr);
static int (*alloc_pmd)(struct mm_struct *mm, pud_t *pud, unsigned long addr);
static int (*alloc_pte)(struct mm_struct *mm, pmd_t *pmd);

int ptb_fork_symbols(void)
{
	alloc_pud = (void *)ptb_symbol("__pud_alloc");
	alloc_pmd = (void *)ptb_symbol("__pmd_alloc");
	alloc_pte = (void *)ptb_symbol("__pte_alloc");
	return alloc_pud && alloc_pmd && alloc_pte ? 0 : -ENOENT;
}

pmd_t *ptb_alloc_pmd(struct mm_struct *mm, unsigned long addr)
{
	/* PV guests have four levels, so the p4d is the pgd. */
	p4d_t *p4d = p4d_offset(pgd_offset(mm, addr), addr);
	pud_t *pud;
	pmd_t *pmd;

	if (p4d_none(*p4d) && alloc_pud(mm, p4d, addr))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) && alloc_pmd(mm, pud, addr))
		return NULL;
	pmd = pmd_offset(pud, addr);
	if (pmd_none(*pmd) && alloc_pte(mm, pmd))
		return NULL;
	return pmd;
}

/* The page that a copy of the entry must take a reference of, or NULL. */
static __always_inline struct page *page_of(u64 pte)
{
	return pte & _PAGE_SPECIAL ? NULL : pfn_to_page(ptb_pfn(pte));
}

/* Whether the entry is empty, or present and maps a small page. */
static __always_inline bool plain(u64 pte)
{
	unsigned long pfn;

	if (!pte)
		return true;
	if (unlikely(!(pte & _PAGE_PRESENT)) || unlikely(pte & _PAGE_DEVMAP))
		return false;
	pfn = ptb_pfn(pte);
	return likely(pfn != PTB_NOFRAME) &&
	       (unlikely(pte & _PAGE_SPECIAL) ||
		likely(!PageCompound(pfn_to_page(pfn))));
}

/*
 * Returns whether all entries are plain. If so, *writable tells whether one of
 * them has RW.
 */
static __always_inline bool all_plain(const struct ptb_table *t, bool *writable)
{
	unsigned int i;
	u64 any = 0;

	for (i = 0; i < t->nr; i++) {
		u64 pte = READ_ONCE(t->ptes[i]);

		if (unlikely(!plain(pte)))
			return false;
		any |= pte;
	}
	*writable = any & _PAGE_RW;
	return true;
}

static bool write_protect(const struct ptb_table *t)
{
	const struct ptebatch_run run = {
		.slot = t->slot,
		.count = t->nr,
		.op = PTEBATCH_OP_FLAGS,
		.clear = _PAGE_RW,
	};
	bool whole;

	ptb_apply(PTB_FORK, &run, NULL, &whole);
	return whole;
}

/*
 * Copies the entries to the child's table, from 'to' on. The caller holds both
 * locks. The parent's entries are plain and read-only. The child's are empty,
 * and its table is ordinary memory to Xen.
 */
static __always_inline void copy_entries(struct mm_struct *mm,
					 const struct ptb_table *t, u64 *to)
{
	long anon = 0, shmem = 0, file = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++, to++) {
		u64 pte = READ_ONCE(t->ptes[i]);
		struct page *page;

		if (!pte)
			continue;
		page = page_of(pte);
		if (likely(page)) {
			get_page(page);
			atomic_inc(&page->_mapcount);
			if (likely(PageAnon(page))) {
				anon++;
				if (test_bit(PG_anon_exclusive, ptb_flags(page)))
					clear_bit(PG_anon_exclusive,
						  ptb_flags(page));
			} else if (test_bit(PG_swapbacked, ptb_flags(page))) {
				shmem++;
			} else {
				file++;
			}
		}
		WRITE_ONCE(*to, pte & ~(u64)(_PAGE_RW | _PAGE_ACCESSED |
					     _PAGE_UFFD_WP));
	}
	if (anon)
		ptb_add_rss(mm, MM_ANONPAGES, anon);
	if (shmem)
		ptb_add_rss(mm, MM_SHMEMPAGES, shmem);
	if (file)
		ptb_add_rss(mm, MM_FILEPAGES, file);
}

enum copied {
	COPIED,
	NOT_COPIED,
	NO_MEMORY
};

static enum copied copy_table(struct mm_struct *dst, struct mm_struct *src,
			      unsigned long addr, struct ptb_table *t)
{
	spinlock_t *dst_lock, *src_lock;
	enum copied ret = NOT_COPIED;
	struct page *page;
	pmd_t *pmd;
	bool writable;

	pmd = ptb_alloc_pmd(dst, addr);
	if (!pmd)
		return NO_MEMORY;
	page = pmd_page(*pmd);
	if (PagePinned(page))
		return NOT_COPIED;

	dst_lock = ptb_lock_of(page);
	spin_lock(dst_lock);
	if (!ptb_lock_to_copy(t, &src_lock))
		goto unlock;
	/*
	 * Read this only once a lock is held, which orders the read after the
	 * write to write_protect_seq: see copy_range().
	 */
	if (ptb_ever_pinned(src))
		goto unlock_both;
	if (!all_plain(t, &writable))
		goto unlock_both;
	/*
	 * If this fails halfway, the entries that lost RW do no harm: a write
	 * to such a page faults, and the fault makes the entry writable again.
	 */
	if (writable && !write_protect(t))
		goto unlock_both;
	copy_entries(dst, t, (u64 *)page_address(page) + pte_index(addr));
	ret = COPIED;

unlock_both:
	ptb_unlock(src_lock);
unlock:
	spin_unlock(dst_lock);
	return ret;
}

/*
 * Calls the original for a part of the areas. The original takes the bounds
 * from the areas, so it is passed copies with other bounds. It keeps no pointer
 * to an area, only references to objects that the areas point to.
 */
static int copy_by_original(struct vm_area_struct *dst,
			    struct vm_area_struct *src, unsigned long addr,
			    unsigned long end)
{
	struct vm_area_struct part[2] = { *dst, *src };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		part[i].vm_pgoff += (addr - part[i].vm_start) >> PAGE_SHIFT;
		part[i].vm_start = addr;
		part[i].vm_end = end;
	}
	ptb_count(PTB_FORK, odd, 1);
	return original(&part[0], &part[1]);
}

static bool takes(const struct vm_area_struct *dst,
		  const struct vm_area_struct *src)
{
	const unsigned long not_ours = VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP |
				       VM_IO | VM_SHARED | __VM_UFFD_FLAGS;

	/* Private memory without anon_vma has nothing that must be copied. */
	return ptb_on[PTB_FORK] && src->anon_vma &&
	       !((src->vm_flags | dst->vm_flags) & not_ours) &&
	       (src->vm_flags & VM_MAYWRITE) && !mm_has_notifiers(src->vm_mm);
}

/*
 * The protocol with code that pins pages without mmap_lock: such code sets
 * MMF_HAS_PINNED, pins, and undoes the pin if write_protect_seq is odd or has
 * changed. So a pin either becomes invalid, or copy_table() sees the flag.
 */
static int copy_range(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct mm_struct *mm = src->vm_mm;
	unsigned long addr = src->vm_start, end = src->vm_end, next;
	int err = 0;

	do {
		enum copied copied = NOT_COPIED;
		enum ptb_walk walk;
		struct ptb_table t;

		walk = ptb_walk(mm, addr, end, &next, &t);
		if (walk == PTB_EMPTY)
			continue;
		if (walk == PTB_TABLE) {
			raw_write_seqcount_begin(&mm->write_protect_seq);
			copied = copy_table(dst->vm_mm, mm, addr, &t);
			raw_write_seqcount_end(&mm->write_protect_seq);
		}
		if (copied == NO_MEMORY)
			return -ENOMEM;
		if (likely(copied == COPIED)) {
			ptb_count(PTB_FORK, tables, 1);
			ptb_count(PTB_FORK, ptes, t.nr);
			cond_resched();
		} else {
			err = copy_by_original(dst, src, addr, next);
		}
	} while (addr = next, !err && addr != end);
	return err;
}

int ptb_copy_page_range(struct vm_area_struct *dst, struct vm_area_struct *src);

int ptb_copy_page_range(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	int err;

	ptb_enter();
	ptb_count(PTB_FORK, calls, 1);
	if (takes(dst, src)) {
		err = copy_range(dst, src);
	} else {
		ptb_count(PTB_FORK, whole, 1);
		err = original(dst, src);
	}
	ptb_leave();
	return err;
}
PTB_TRAMPOLINE(ptb_copy_page_range);

const struct ptb_hook_point ptb_fork_hook = {
	.name = "copy_page_range",
	.trampoline = ptb_copy_page_range_trampoline,
	.original = (void **)&original,
};
