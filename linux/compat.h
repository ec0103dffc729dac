/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the kernels that the module is known to fit. A
 * kernel that is not among them is refused when the module is compiled; one
 * that lacks a symbol, when it is loaded.
 */
#ifndef PTB_COMPAT_H
#define PTB_COMPAT_H

#include <linux/ftrace.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/version.h>

/* mmu_gather's inline functions name it, though none that is used here does. */
void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start,
			unsigned long end, unsigned int stride_shift,
			bool freed_tables);
#include <asm/tlb.h>

#define PTB_LINUX(major, minor)                                   \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(major, (minor) + 1, 0))

#if PTB_LINUX(6, 1)

#define PTB_LOCK_PER_TABLE USE_SPLIT_PTE_PTLOCKS

/* change_protection() is handed the protection; later it is the area's. */
#define PTB_PROT_PARAM pgprot_t newprot,
#define PTB_PROT_ARG newprot,
#define PTB_PROT(vma) newprot

static inline int ptb_ftrace_register(struct ftrace_ops *ops, void *trampoline)
{
	return register_ftrace_direct_multi(ops, (unsigned long)trampoline);
}

static inline int ptb_ftrace_unregister(struct ftrace_ops *ops,
					void *trampoline)
{
	return unregister_ftrace_direct_multi(ops, (unsigned long)trampoline);
}

static inline spinlock_t *ptb_lock_of(struct page *table)
{
	return ptlock_ptr(table);
}

/* Nobody frees a page table of an area whose mmap_lock somebody holds. */
static inline void ptb_tables_hold(void)
{
}

static inline void ptb_tables_release(void)
{
}

/* A clean page of a private mapping has its first write seen. */
#define PTB_PRIVATE_NEEDS_DIRTY true
/* Where D of a read-only entry is kept: in D itself. */
#define PTB_DIRTY _PAGE_DIRTY

static inline void ptb_add_rss(struct mm_struct *mm, int counter, long n)
{
	atomic_long_add(n, &mm->rss_stat.count[counter]);
}

/* The reverse mapping of a small page, one less. */
#define PTB_UNMAP_PAGE "page_remove_rmap"
typedef void ptb_unmap_page_t(struct page *page, struct vm_area_struct *vma,
			      bool compound);

static inline void ptb_unmap_page(ptb_unmap_page_t *call, struct page *page,
				  struct vm_area_struct *vma)
{
	call(page, vma, false);
}

/* Whether the A bit of its entries says that a page is in use. */
static inline bool ptb_counts_use(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & VM_SEQ_READ);
}

/* True: mmu_gather is to be flushed before it is given more. */
typedef bool ptb_gather_page_t(struct mmu_gather *tlb, struct page *page,
			       int page_size);

static inline bool ptb_gather_page(ptb_gather_page_t *call,
				   struct mmu_gather *tlb, struct page *page)
{
	return call(tlb, page, PAGE_SIZE);
}

/* Pages it takes before it says so or looks for memory; always some. */
static inline unsigned int ptb_gather_room(const struct mmu_gather *tlb)
{
	return tlb->active->max - tlb->active->nr;
}

#elif PTB_LINUX(6, 12)

#define PTB_LOCK_PER_TABLE IS_ENABLED(CONFIG_SPLIT_PTE_PTLOCKS)

#define PTB_PROT_PARAM
#define PTB_PROT_ARG
#define PTB_PROT(vma) ((vma)->vm_page_prot)

static inline int ptb_ftrace_register(struct ftrace_ops *ops, void *trampoline)
{
	return register_ftrace_direct(ops, (unsigned long)trampoline);
}

static inline int ptb_ftrace_unregister(struct ftrace_ops *ops,
					void *trampoline)
{
	return unregister_ftrace_direct(ops, (unsigned long)trampoline, false);
}

static inline spinlock_t *ptb_lock_of(struct page *table)
{
	return ptlock_ptr(page_ptdesc(table));
}

/* Page tables of files may be freed with no mmap_lock held, but by RCU. */
static inline void ptb_tables_hold(void)
{
	rcu_read_lock();
}

static inline void ptb_tables_release(void)
{
	rcu_read_unlock();
}

#define PTB_PRIVATE_NEEDS_DIRTY false
#define PTB_DIRTY (_PAGE_DIRTY | _PAGE_SAVED_DIRTY)

static inline void ptb_add_rss(struct mm_struct *mm, int counter, long n)
{
	percpu_counter_add(&mm->rss_stat[counter], n);
}

#define PTB_UNMAP_PAGE "folio_remove_rmap_ptes"
typedef void ptb_unmap_page_t(struct folio *folio, struct page *page, int nr,
			      struct vm_area_struct *vma);

static inline void ptb_unmap_page(ptb_unmap_page_t *call, struct page *page,
				  struct vm_area_struct *vma)
{
	call((struct folio *)page, page, 1, vma);
}

static inline bool ptb_counts_use(struct vm_area_struct *vma)
{
	return vma_has_recency(vma);
}

typedef bool ptb_gather_page_t(struct mmu_gather *tlb, struct page *page,
			       bool delay_rmap, int page_size);

static inline bool ptb_gather_page(ptb_gather_page_t *call,
				   struct mmu_gather *tlb, struct page *page)
{
	return call(tlb, page, false, PAGE_SIZE);
}

/* It always leaves room for a page and a count of pages. */
static inline unsigned int ptb_gather_room(const struct mmu_gather *tlb)
{
	return tlb->active->max - 1 - tlb->active->nr;
}

#else
#error ptebatch is known to fit Linux 6.1 and 6.12, not this one
#endif

#if !defined(CONFIG_XEN_PV) || !defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)
#error ptebatch needs a kernel with XEN_PV and DYNAMIC_FTRACE_WITH_DIRECT_CALLS
#endif
#ifdef CONFIG_PREEMPT_RT
#error ptebatch needs a kernel that is not preempted under a page-table lock
#endif
#if !PTB_LOCK_PER_TABLE
#error ptebatch needs a kernel with a lock per page table
#endif

#endif /* PTB_COMPAT_H */
