/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to page tables as the hardware and Xen see them. Entries are raw: they
 * hold machine frames. The kernel's own accessors translate each value twice,
 * through patched function pointers, which makes a walk expensive.
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
 * The bits of an entry that a change of protection keeps: Linux's
 * _PAGE_CHG_MASK without the encryption bit, which PV guests do not have.
 */
#define PTB_KEPT                                                       \
	(PTEBATCH_PTE_FRAME | PTB_DIRTY | _PAGE_ACCESSED | _PAGE_PCD | \
	 _PAGE_PWT | _PAGE_PAT | _PAGE_SPECIAL | _PAGE_SOFT_DIRTY |    \
	 _PAGE_DEVMAP | _PAGE_UFFD_WP)

/*
 * Returns the first entry that is not empty, or end. Both are addresses in the
 * same table.
 */
static __always_inline u64 *ptb_used(u64 *entry, u64 *end)
{
	while (entry != end && !READ_ONCE(*entry)) {
		entry++;
		if ((uintptr_t)entry & 63)
			continue;
		/* Whole cache lines */
		while (end - entry >= 8 &&
		       !(entry[0] | entry[1] | entry[2] | entry[3] | entry[4] |
			 entry[5] | entry[6] | entry[7]))
			entry += 8;
	}
	return entry;
}

/* The part of a range that lies in one L1 table of a pinned address space. */
struct ptb_table {
	u64 *ptes; /* the entries, mapped read-only */
	u64 slot;  /* the machine address of the first */
	unsigned int nr;
	struct page *page; /* of the table */
	u64 *pmd;	   /* the upper-level entry that refers to the table */
	u64 pmd_value;	   /* what it was before the lock was taken */
};

enum ptb_walk {
	PTB_TABLE, /* an ordinary table */
	PTB_EMPTY, /* nothing is mapped up to next */
	PTB_ODD,   /* anything else, which is left to the original */
};

static inline unsigned long ptb_mfn(u64 pte)
{
	return (pte & PTEBATCH_PTE_FRAME) >> PAGE_SHIFT;
}

/* The pfn of an entry that maps memory of this domain, or PTB_NOFRAME. */
static __always_inline unsigned long ptb_pfn(u64 pte)
{
	unsigned long mfn = ptb_mfn(pte), pfn;

	if (unlikely(mfn >= machine_to_phys_nr))
		return PTB_NOFRAME;
	pfn = machine_to_phys_mapping[mfn];
	/*
	 * For a frame of another domain, Xen's table holds that domain's pfn.
	 */
	if (unlikely(pfn >= xen_p2m_size) || unlikely(xen_p2m_addr[pfn] != mfn))
		return PTB_NOFRAME;
	return pfn;
}

/* The reverse; PTB_NOFRAME for a foreign or identity-mapped frame or a hole. */
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

/*
 * The table that a present upper-level entry refers to. Its frame is always
 * this domain's own.
 */
static __always_inline unsigned long ptb_lower_pfn(u64 entry)
{
	return machine_to_phys_mapping[ptb_mfn(entry)];
}

static __always_inline u64 *ptb_lower(u64 entry)
{
	return __va(ptb_lower_pfn(entry) << PAGE_SHIFT);
}

/* The slot of an entry, given its address in the kernel's mapping. */
static __always_inline u64 ptb_slot_of(const u64 *entry)
{
	return (u64)ptb_mfn_of(__pa(entry) >> PAGE_SHIFT) << PAGE_SHIFT |
	       offset_in_page(entry);
}

/*
 * What an entry was when it was cleared, if Xen has not stored that, and only a
 * copy from before is known. Its page may have been accessed since and, if that
 * was possible, written to.
 */
static inline u64 ptb_assumed(u64 copy)
{
	if (!(copy & _PAGE_PRESENT))
		return copy;
	return copy | _PAGE_ACCESSED | (copy & _PAGE_RW ? _PAGE_DIRTY : 0);
}

static __always_inline bool ptb_refers(u64 entry)
{
	return (entry & (_PAGE_PRESENT | _PAGE_PSE)) == _PAGE_PRESENT;
}

/*
 * Fills in *t for the table that *pmd refers to, and the range from addr to
 * next.
 *
 * The tables of an address space that is being built or torn down are not
 * pinned. They are ordinary memory to Xen. A table is PTB_ODD if it is not of
 * the kind that the caller asks for.
 */
static __always_inline enum ptb_walk ptb_table_of(u64 *pmd, unsigned long addr,
						  unsigned long next,
						  struct ptb_table *t,
						  bool pinned)
{
	u64 entry = READ_ONCE(*pmd);
	unsigned long pfn;

	if (unlikely(!ptb_refers(entry)))
		return entry ? PTB_ODD : PTB_EMPTY;
	pfn = ptb_lower_pfn(entry);
	t->pmd = pmd;
	t->pmd_value = entry;
	t->page = pfn_to_page(pfn);
	t->ptes = (u64 *)__va(pfn << PAGE_SHIFT) + pte_index(addr);
	t->slot = (entry & PTEBATCH_PTE_FRAME) + 8 * pte_index(addr);
	t->nr = (next - addr) >> PAGE_SHIFT;
	return likely(!!PagePinned(t->page) == pinned) ? PTB_TABLE : PTB_ODD;
}

static __always_inline enum ptb_walk ptb_table_at(u64 *pmd, unsigned long addr,
						  unsigned long next,
						  struct ptb_table *t)
{
	return ptb_table_of(pmd, addr, next, t, true);
}

/*
 * Finds the table for addr. *next is set to the start of the next table, or to
 * end. The caller holds mmap_lock. Under mmap_lock the table can still change,
 * for example be replaced by a huge page, so ptb_lock() checks it again.
 */
static __always_inline enum ptb_walk
ptb_walk_to(struct mm_struct *mm, unsigned long addr, unsigned long end,
	    unsigned long *next, struct ptb_table *t, bool pinned)
{
	u64 entry;

	entry = READ_ONCE(((u64 *)mm->pgd)[pgd_index(addr)]);
	if (unlikely(!ptb_refers(entry))) {
		*next = pgd_addr_end(addr, end);
		return entry ? PTB_ODD : PTB_EMPTY;
	}
	entry = READ_ONCE(ptb_lower(entry)[pud_index(addr)]);
	if (unlikely(!ptb_refers(entry))) {
		*next = pud_addr_end(addr, end);
		return entry ? PTB_ODD : PTB_EMPTY;
	}
	*next = pmd_addr_end(addr, end);
	return ptb_table_of(ptb_lower(entry) + pmd_index(addr), addr, *next, t,
			    pinned);
}

static __always_inline enum ptb_walk
ptb_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
	 unsigned long *next, struct ptb_table *t)
{
	return ptb_walk_to(mm, addr, end, next, t, true);
}

/*
 * Finds the table after *before. It begins at addr, and end lies within it.
 * Returns PTB_ODD, too, if a different upper-level table refers to it.
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
 * Called under the table's lock. Returns whether the table is still in place
 * and, if flushed is set, whether no TLB flush is pending: after reclaim has
 * unmapped a page, it leaves the flush to the next task that takes the lock.
 */
static __always_inline bool ptb_settled(struct mm_struct *mm,
					const struct ptb_table *t, bool flushed)
{
	int batched = 0;

	/*
	 * One half counts the flushes that reclaim requested, the other those
	 * done.
	 */
	if (flushed)
		batched = atomic_read(&mm->tlb_flush_batched);
	return likely(READ_ONCE(*t->pmd) == t->pmd_value) &&
	       likely(!batched || (batched & 0x7fff) == batched >> 16);
}

/*
 * Takes the table's lock. While it is held, only hardware changes the entries,
 * and the table stays in place. The caller prevents that the table is freed
 * between the walk and this call (ptb_tables_hold()). Returns false, without
 * the lock, if the table is not settled; it is then left to the original.
 */
static __always_inline bool ptb_lock_any(struct mm_struct *mm,
					 struct ptb_table *t, spinlock_t **lock,
					 bool flushed)
{
	*lock = ptb_lock_of(t->page);
	spin_lock(*lock);
	__release(*lock); /* sparse cannot follow a conditional lock */
	if (ptb_settled(mm, t, flushed))
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
 * The same for two tables. The caller holds the address space's mmap_lock for
 * writing. The locks are taken in the order of their addresses.
 *
 * Most other code that holds two such locks of one address space, for example
 * mremap, also holds mmap_lock for writing. Linux's Xen code that pins and
 * unpins an address space takes the locks of all its tables, but only while no
 * other task can hold mmap_lock: before the first use, after the last use, or
 * with all CPUs stopped. There is one exception. UFFDIO_MOVE (Linux 6.8 and
 * later) moves a page from one area to another, and holds only the locks of
 * these two areas. The areas are not the caller's, but their pages may be in
 * the same two tables. UFFDIO_MOVE takes the locks in the order of their
 * addresses, so this function must use the same order.
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
 * The same for fork, which need not wait for reclaim's flushes: it does not
 * copy unmapped pages. The kernel's own fork does not check for such flushes
 * either. With the check, one reclaim could make all later forks of the process
 * slow.
 */
static __always_inline bool ptb_lock_to_copy(struct ptb_table *t,
					     spinlock_t **lock)
{
	return ptb_lock_any(NULL, t, lock, false);
}

/*
 * The same for code that only fills empty slots: no TLB holds an entry of these.
 */
static __always_inline bool ptb_lock_to_fill(struct ptb_table *t,
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
