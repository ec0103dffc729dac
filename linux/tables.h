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
 * The table that an entry of the level above refers to, from addr up to next.
 *
 * Tables of an address space that is being built or torn down are not pinned:
 * they are ordinary memory to Xen, and the original's.
 */
static __always_inline enum ptb_walk ptb_table_at(u64 *pmd, unsigned long addr,
						  unsigned long next,
						  struct ptb_table *t)
{
	u64 e = READ_ONCE(*pmd);

	if (unlikely(!ptb_refers(e)))
		return e ? PTB_ODD : PTB_EMPTY;
	t->pmd = pmd;
	t->entry = e;
	t->slots = ptb_lower(e);
	t->page = virt_to_page(t->slots);
	t->slots += pte_index(addr);
	t->maddr = (e & PTEBATCH_PTE_FRAME) + 8 * pte_index(addr);
	t->nr = (next - addr) >> PAGE_SHIFT;
	return likely(PagePinned(t->page)) ? PTB_TABLE : PTB_ODD;
}

/*
 * Finds the table for addr. *next: where the next one begins, or end. The
 * caller holds mmap_lock; what may change all the same, as when the table is
 * replaced by a huge page, is looked at again by ptb_lock().
 */
static __always_inline enum ptb_walk
ptb_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
	 unsigned long *next, struct ptb_table *t)
{
	u64 e;

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
	return ptb_table_at(ptb_lower(e) + pmd_index(addr), addr, *next, t);
}

/*
 * The table after one that was found, up to end, which is in it; addr is where
 * it begins. PTB_ODD as well where another upper-level table refers to it.
 */
static __always_inline enum ptb_walk ptb_walk_on(unsigned long addr,
						 unsigned long end,
						 const struct ptb_table *before,
						 struct ptb_table *t)
{
	if (unlikely(!pmd_index(addr)))
		return PTB_ODD;
	return ptb_table_at(before->pmd + 1, addr, end, t);
}

/*
 * Under the table's lock: whether the table is still in its place and, if the
 * caller cares, whether no flush is due that reclaim has left to whoever takes
 * the lock after it has unmapped a page.
 */
static __always_inline bool ptb_settled(struct mm_struct *mm,
					const struct ptb_table *t, bool cares)
{
	int batched = 0;

	/* Flushes that reclaim asked for, and those done, in its two halves. */
	if (cares)
		batched = atomic_read(&mm->tlb_flush_batched);
	return likely(READ_ONCE(*t->pmd) == t->entry) &&
	       likely(!batched || (batched & 0x7fff) == batched >> 16);
}

/*
 * Takes the table's lock, under which nobody but hardware changes a slot, and
 * nobody at all the table's place. The caller holds tables in place from the
 * walk to here (ptb_tables_hold()). False, with the lock not taken: the table
 * is not settled, so it is the original's.
 */
static __always_inline bool ptb_lock_any(struct mm_struct *mm,
					 struct ptb_table *t, spinlock_t **lock,
					 bool cares)
{
	*lock = ptb_lock_of(t->page);
	spin_lock(*lock);
	__release(*lock); /* sparse does not follow a lock taken perhaps */
	if (ptb_settled(mm, t, cares))
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
 * The same for two tables of an address space whose mmap_lock the caller holds
 * for writing. The locks are taken in the order of their addresses.
 *
 * Nearly all others who hold two such locks of one address space, as mremap
 * does, hold mmap_lock for writing too. Xen's code that pins and unpins an
 * address space takes the locks of all its tables, but only while no other task
 * can have mmap_lock: before its first use, after its last, or with all CPUs
 * stopped. There is one exception: UFFDIO_MOVE (Linux 6.8 and later) moves a
 * page from one area to another and holds no more than the locks of these two
 * areas. They are not the caller's area, but may have their pages in the same
 * two tables. Its order is that of the addresses, so this one must be as well.
 */
static __always_inline bool ptb_lock_two(struct mm_struct *mm,
					 const struct ptb_table t[2],
					 spinlock_t *lock[2])
{
	lock[0] = ptb_lock_of(t[0].page);
	lock[1] = ptb_lock_of(t[1].page);
	if (lock[0] > lock[1])
		swap(lock[0], lock[1]);
	spin_lock(lock[0]);
	spin_lock_nested(lock[1], SINGLE_DEPTH_NESTING);
	__release(lock[1]);
	__release(lock[0]);
	if (ptb_settled(mm, &t[0], true) && ptb_settled(mm, &t[1], true))
		return true;
	__acquire(lock[0]);
	__acquire(lock[1]);
	spin_unlock(lock[1]);
	spin_unlock(lock[0]);
	return false;
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
