/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables as the hardware and Xen see them: entries are raw, their frames
 * machine frames. This is what makes a walk cheap: the kernel's accessors
 * translate each value by a call through a patched function pointer, twice.
 */
#ifndef PTB_TABLES_H
#define PTB_TABLES_H

#include <linux/mm.h>
#include <linux/spinlock.h>

#include <xen/xen.h>
#include <asm/xen/page.h>

#include "compat.h"
#include "ptebatch.h"

#define PTB_NOFRAME (~0UL)

/*
 * What of an entry no change of protection changes: Linux's _PAGE_CHG_MASK
 * without the encryption bit, which no PV guest has.
 */
#define PTB_KEPT                                                       \
	(PTEBATCH_PTE_FRAME | PTB_DIRTY | _PAGE_ACCESSED | _PAGE_PCD | \
	 _PAGE_PWT | _PAGE_PAT | _PAGE_SPECIAL | _PAGE_SOFT_DIRTY |    \
	 _PAGE_DEVMAP | _PAGE_UFFD_WP)

/* An L1 table of a live, pinned address space, and its slots of a range. */
struct ptb_table {
	u64 *slots; /* the first of the range, mapped read-only */
	u64 maddr;  /* its machine address */
	unsigned int nr;
	struct page *page;
	u64 *pmd;  /* the entry that refers to the table, */
	u64 entry; /* and what it held before the lock was taken */
};

enum ptb_walk {
	PTB_TABLE, /* an ordinary table */
	PTB_EMPTY, /* nothing is mapped up to next */
	PTB_ODD,   /* something else: the original shall see to it */
};

static inline unsigned long ptb_mfn(u64 entry)
{
	return (entry & PTEBATCH_PTE_FRAME) >> PAGE_SHIFT;
}

/* The frame of an entry that maps memory of this domain, else PTB_NOFRAME. */
static __always_inline unsigned long ptb_pfn(u64 entry)
{
	unsigned long mfn = ptb_mfn(entry), pfn;

	if (unlikely(mfn >= machine_to_phys_nr))
		return PTB_NOFRAME;
	pfn = machine_to_phys_mapping[mfn];
	/* The table is the hypervisor's: another domain's frame, its word. */
	if (unlikely(pfn >= xen_p2m_size) || unlikely(xen_p2m_addr[pfn] != mfn))
		return PTB_NOFRAME;
	return pfn;
}

/* And back; PTB_NOFRAME for what is foreign, an identity, or a hole. */
static __always_inline unsigned long ptb_mfn_of(unsigned long pfn)
{
	unsigned long mfn;

	if (unlikely(pfn >= xen_p2m_size))
		return PTB_NOFRAME;
	mfn = xen_p2m_addr[pfn];
	if (unlikely(mfn & (FOREIGN_FRAME_BIT | IDENTITY_FRAME_BIT)))
		return PTB_NOFRAME;
	return mfn;
}

/* The table that a present upper-level entry refers to; always our own. */
static __always_inline u64 *ptb_lower(u64 entry)
{
	return __va(machine_to_phys_mapping[ptb_mfn(entry)] << PAGE_SHIFT);
}

static __always_inline bool ptb_refers(u64 entry)
{
	return (entry & (_PAGE_PRESENT | _PAGE_PSE)) == _PAGE_PRESENT;
}

/*
 * Finds the table for addr. *next: where the next one begins, or end. The
 * caller holds mmap_lock; what may change all the same, as when the table is
 * replaced by a huge page, is looked at again by ptb_lock().
 *
 * Tables of an address space that is being built or torn down are not pinned:
 * they are ordinary memory to Xen, and the original's.
 */
static __always_inline enum ptb_walk
ptb_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
	 unsigned long *next, struct ptb_table *t)
{
	u64 *p, e;

	e = READ_ONCE(((u64 *)mm->pgd)[pgd_index(addr)]);
	if (unlikely(!ptb_refers(e))) {
		*next = pgd_addr_end(addr, end);
		return e ? PTB_ODD : PTB_EMPTY;
	}
	e = READ_ONCE(ptb_lower(e)[pud_index(addr)]);
	if (unlikely(!ptb_refers(e))) {
		*next = pud_addr_end(addr, end);
		return e ? PTB_ODD : PTB_EMPTY;
	}
	*next = pmd_addr_end(addr, end);
	p = ptb_lower(e) + pmd_index(addr);
	e = READ_ONCE(*p);
	if (unlikely(!ptb_refers(e)))
		return e ? PTB_ODD : PTB_EMPTY;

	t->pmd = p;
	t->entry = e;
	t->slots = ptb_lower(e);
	t->page = virt_to_page(t->slots);
	t->slots += pte_index(addr);
	t->maddr = (e & PTEBATCH_PTE_FRAME) + 8 * pte_index(addr);
	t->nr = (*next - addr) >> PAGE_SHIFT;
	return likely(PagePinned(t->page)) ? PTB_TABLE : PTB_ODD;
}

/*
 * Takes the table's lock, under which nobody but hardware changes a slot, and
 * nobody at all the table's place. The caller holds tables in place from the
 * walk to here (ptb_tables_hold()). False, with the lock not taken: the original
 * shall see to it, since the table is gone, or, if the caller cares, reclaim
 * has left the flush of what it unmapped to whoever takes the lock next.
 */
static __always_inline bool ptb_lock_any(struct mm_struct *mm,
					 struct ptb_table *t, spinlock_t **lock,
					 bool cares)
{
	int batched = 0;

	*lock = ptb_lock_of(t->page);
	spin_lock(*lock);
	__release(*lock); /* sparse does not follow a lock taken perhaps */
	/* Flushes that reclaim asked for, and those done, in its two halves. */
	if (cares)
		batched = atomic_read(&mm->tlb_flush_batched);
	if (likely(READ_ONCE(*t->pmd) == t->entry) &&
	    likely(!batched || (batched & 0x7fff) == batched >> 16))
		return true;
	__acquire(*lock);
	spin_unlock(*lock);
	return false;
}

static __always_inline bool ptb_lock(struct mm_struct *mm, struct ptb_table *t,
				     spinlock_t **lock)
{
	return ptb_lock_any(mm, t, lock, true);
}

/*
 * For fork, which is not where the kernel makes up for reclaim's flushes either:
 * what was unmapped is not copied. A process that reclaim has been at once may
 * stay so for all its forks.
 */
static __always_inline bool ptb_lock_to_copy(struct ptb_table *t,
					     spinlock_t **lock)
{
	return ptb_lock_any(NULL, t, lock, false);
}

static __always_inline void ptb_unlock(spinlock_t *lock)
{
	__acquire(lock);
	spin_unlock(lock);
}

#endif /* PTB_TABLES_H */
