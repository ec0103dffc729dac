/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All differences between the kernels that the module supports. Compiling the
 * module for another kernel fails here. If a kernel lacks a symbol, loading the
 * module fails.
 */
#ifndef PTB_COMPAT_H
#define PTB_COMPAT_H

#include <linux/ftrace.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/notifier.h>
#include <linux/sched/coredump.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>

#include <xen/xen-ops.h>

/*
 * Inline functions in <asm/tlb.h> call this function, which kernels do not
 * export. The module uses none of them.
 */
void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start,
			unsigned long end, unsigned int stride_shift,
			bool freed_tables);
#include <asm/tlb.h>

#define PTB_LINUX(major, minor)                                   \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(major, (minor) + 1, 0))

#if PTB_LINUX(6, 1)

#define PTB_LOCK_PER_TABLE USE_SPLIT_PTE_PTLOCKS

/* change_protection() has a parameter for the protection. */
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

/* Whole tables are moved only if both ranges begin at a table's start. */
#define PTB_MOVE_ALIGNS false
#define PTB_MOVE_PARAM
#define PTB_MOVE_ARG
#define PTB_MOVE_STACK false

/* A page table is not freed while anybody holds mmap_lock. */
static inline void ptb_tables_hold(void)
{
}

static inline void ptb_tables_release(void)
{
}

/* In private mappings too, the first write to a clean page must fault. */
#define PTB_PRIVATE_NEEDS_DIRTY true
/* The bits that mark an entry as dirty, whether or not it is writable. */
#define PTB_DIRTY _PAGE_DIRTY

static inline void ptb_add_rss(struct mm_struct *mm, int counter, long n)
{
	atomic_long_add(n, &mm->rss_stat.count[counter]);
}

/* Removes one reverse mapping of a small page. */
#define PTB_UNMAP_PAGE "page_remove_rmap"
typedef void ptb_unmap_page_t(struct page *page, struct vm_area_struct *vma,
			      bool compound);

static inline void ptb_unmap_page(ptb_unmap_page_t *call, struct page *page,
				  struct vm_area_struct *vma)
{
	call(page, vma, false);
}

/* Adds the reverse mapping of a small page of a file or of shared memory. */
#define PTB_MAP_FILE_PAGE "page_add_file_rmap"
typedef void ptb_map_file_page_t(struct page *page, struct vm_area_struct *vma,
				 bool compound);

static inline void ptb_map_file_page(ptb_map_file_page_t *call,
				     struct page *page,
				     struct vm_area_struct *vma)
{
	call(page, vma, false);
}

/* Move a page to another list of reclaim. */
#define PTB_LAZYFREE "mark_page_lazyfree"
#define PTB_DEACTIVATE "deactivate_page"
typedef void ptb_move_page_t(struct page *page);

static inline struct page *ptb_moved(struct folio *folio)
{
	return &folio->page;
}

/* What MADV_COLD does with a page before it is moved. */
static inline void ptb_cools(struct folio *folio)
{
}

/* MADV_PAGEOUT clears A in the entry of each page that it reclaims. */
#define PTB_PAGEOUT_AGES true

/* Under rcu_read_lock(). */
static inline bool ptb_folio_try_get(struct folio *folio)
{
	return folio_try_get_rcu(folio);
}

/* Whether finding a page in the page cache shows that read-ahead pays. */
static inline bool ptb_counts_hit(const struct vm_fault *vmf,
				  const struct folio *folio, pgoff_t index)
{
	return true;
}

/* Whether an accessed entry of the area marks its page as in use. */
static inline bool ptb_counts_use(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & VM_SEQ_READ);
}

/* Returns true if mmu_gather must be flushed before it takes more pages. */
typedef bool ptb_gather_page_t(struct mmu_gather *tlb, struct page *page,
			       int page_size);

static inline bool ptb_gather_page(ptb_gather_page_t *call,
				   struct mmu_gather *tlb, struct page *page)
{
	return call(tlb, page, PAGE_SIZE);
}

/*
 * How many pages mmu_gather takes before it must be flushed or allocates
 * memory; at least one.
 */
static inline unsigned int ptb_gather_room(const struct mmu_gather *tlb)
{
	return tlb->active->max - tlb->active->nr;
}

#elif PTB_LINUX(6, 12) || PTB_LINUX(7, 2)

#define PTB_LOCK_PER_TABLE IS_ENABLED(CONFIG_SPLIT_PTE_PTLOCKS)

/* change_protection() reads the area's protection. */
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

/*
 * Whole tables are moved, too, if both ranges begin at the same place in a
 * table, and nothing else is mapped before them.
 */
#define PTB_MOVE_ALIGNS true
/* move_page_tables() is told whether it moves a stack that exec makes. */
#define PTB_MOVE_PARAM , bool for_stack
#define PTB_MOVE_ARG , for_stack
#define PTB_MOVE_STACK for_stack

/*
 * Page tables of file mappings can be freed without mmap_lock, but only after
 * an RCU grace period.
 */
static inline void ptb_tables_hold(void)
{
	rcu_read_lock();
}

static inline void ptb_tables_release(void)
{
	rcu_read_unlock();
}

#define PTB_PRIVATE_NEEDS_DIRTY false
/* A dirty entry that is read-only has SavedDirty set instead of D. */
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

#define PTB_MAP_FILE_PAGE "folio_add_file_rmap_ptes"
typedef void ptb_map_file_page_t(struct folio *folio, struct page *page, int nr,
				 struct vm_area_struct *vma);

static inline void ptb_map_file_page(ptb_map_file_page_t *call,
				     struct page *page,
				     struct vm_area_struct *vma)
{
	call(page_folio(page), page, 1, vma);
}

#define PTB_LAZYFREE "folio_mark_lazyfree"
#define PTB_DEACTIVATE "folio_deactivate"
typedef void ptb_move_page_t(struct folio *folio);

static inline struct folio *ptb_moved(struct folio *folio)
{
	return folio;
}

static inline void ptb_cools(struct folio *folio)
{
	if (folio_test_active(folio))
		folio_set_workingset(folio);
}

/* MADV_PAGEOUT reclaims pages whether or not they were accessed. */
#define PTB_PAGEOUT_AGES false

static inline bool ptb_folio_try_get(struct folio *folio)
{
	return folio_try_get(folio);
}

#if PTB_LINUX(6, 12)
static inline bool ptb_counts_hit(const struct vm_fault *vmf,
				  const struct folio *folio, pgoff_t index)
{
	return !folio_test_workingset(folio);
}
#else
static inline bool ptb_counts_hit(const struct vm_fault *vmf,
				  const struct folio *folio, pgoff_t index)
{
	return index == vmf->pgoff && !(vmf->flags & FAULT_FLAG_TRIED) &&
	       !folio_test_workingset(folio) &&
	       !(vmf->vma->vm_flags & (VM_SEQ_READ | VM_EXEC));
}
#endif

static inline bool ptb_counts_use(struct vm_area_struct *vma)
{
	return vma_has_recency(vma);
}

#if PTB_LINUX(6, 12)
typedef bool ptb_gather_page_t(struct mmu_gather *tlb, struct page *page,
			       bool delay_rmap, int page_size);

static inline bool ptb_gather_page(ptb_gather_page_t *call,
				   struct mmu_gather *tlb, struct page *page)
{
	return call(tlb, page, false, PAGE_SIZE);
}
#else
typedef bool ptb_gather_page_t(struct mmu_gather *tlb, struct page *page,
			       int page_size);

static inline bool ptb_gather_page(ptb_gather_page_t *call,
				   struct mmu_gather *tlb, struct page *page)
{
	return call(tlb, page, PAGE_SIZE);
}
#endif

/* mmu_gather keeps one place free, so that a page's count fits behind it. */
static inline unsigned int ptb_gather_room(const struct mmu_gather *tlb)
{
	return tlb->active->max - 1 - tlb->active->nr;
}

#else
#error ptebatch supports Linux 6.1, 6.12 and 7.2 only
#endif

/* It is called by its address, since it is not exported. */
static_assert(__same_type(ptb_gather_page_t, __tlb_remove_page_size));


/* What a call of move_page_tables() is about. The ranges can overlap. */
struct ptb_move {
	struct vm_area_struct *vma, *new_vma;
	unsigned long old, new, len;
	bool need_rmap_locks;
	bool for_stack; /* it moves a stack that exec makes */
};

#if !PTB_LINUX(7, 2)

/* Whether an entry that is neither present nor empty is of a page in swap. */
static inline bool ptb_in_swap(pte_t pte)
{
	return !non_swap_entry(pte_to_swp_entry(pte));
}

typedef int ptb_young_t;

static inline bool ptb_ever_pinned(const struct mm_struct *mm)
{
	return test_bit(MMF_HAS_PINNED, &mm->flags);
}

static inline unsigned long *ptb_flags(struct page *page)
{
	return &page->flags;
}

/* The function that unmaps an area or a part of it, whatever is mapped. */
#define PTB_UNMAP_RANGE "unmap_page_range"
/* With this, an area finds the pages of its entries that are special. */
#define PTB_FIND_PAGE find_special_page

static inline bool ptb_zaps_all(const struct zap_details *details)
{
	return !details->single_folio && details->even_cows;
}

/* Whether tables that become empty are freed. */
static inline bool ptb_frees_tables(const struct zap_details *details)
{
	return false;
}

/* The name of a function that is told what will be unmapped, or NULL. */
#define PTB_BEFORE_UNMAP NULL

/* The list of those who are called when the guest resumes, if it is needed. */
#define PTB_RESUME_CHAIN NULL

static inline void ptb_resume_unregister(struct raw_notifier_head *chain,
					 struct notifier_block *block)
{
	xen_resume_notifier_unregister(block);
}

typedef unsigned long
ptb_move_tables_t(struct vm_area_struct *vma, unsigned long old,
		  struct vm_area_struct *new_vma, unsigned long new,
		  unsigned long len, bool need_rmap_locks PTB_MOVE_PARAM);
#define PTB_MOVE_PARAMS                                                     \
	struct vm_area_struct *vma, unsigned long old,                      \
		struct vm_area_struct *new_vma, unsigned long new,          \
		unsigned long len, bool need_rmap_locks PTB_MOVE_PARAM
#define PTB_MOVE_ARGS vma, old, new_vma, new, len, need_rmap_locks PTB_MOVE_ARG

static inline struct ptb_move ptb_move_of(PTB_MOVE_PARAMS)
{
	return (struct ptb_move){ vma,	new_vma,	 old,		 new,
				  len,	need_rmap_locks, PTB_MOVE_STACK };
}

/* Moves a part of the range. */
static inline unsigned long ptb_move_tables(ptb_move_tables_t *call,
					    const struct ptb_move *m,
					    unsigned long old,
					    unsigned long new,
					    unsigned long len)
{
	const bool for_stack __maybe_unused = m->for_stack;

	return call(m->vma, old, m->new_vma, new, len,
		    m->need_rmap_locks PTB_MOVE_ARG);
}

#else

static inline bool ptb_in_swap(pte_t pte)
{
	return softleaf_is_swap(softleaf_from_pte(pte));
}

/* Pages of devices are ordinary pages, and their entries are not marked. */
#define _PAGE_DEVMAP 0ULL

typedef bool ptb_young_t;

static inline bool ptb_ever_pinned(const struct mm_struct *mm)
{
	return mm_flags_test(MMF_HAS_PINNED, mm);
}

static inline unsigned long *ptb_flags(struct page *page)
{
	return &page->flags.f;
}

#define PTB_UNMAP_RANGE "__zap_vma_range"
#define PTB_FIND_PAGE find_normal_page

static inline bool ptb_zaps_all(const struct zap_details *details)
{
	return !details->single_folio && !details->skip_cows &&
	       !details->reaping;
}

static inline bool ptb_frees_tables(const struct zap_details *details)
{
	return details && details->reclaim_pt;
}

#define PTB_BEFORE_UNMAP "uprobe_munmap"

/* The kernel has no function any more that takes an entry out of the list. */
#define PTB_RESUME_CHAIN "xen_resume_notifier"

static inline void ptb_resume_unregister(struct raw_notifier_head *chain,
					 struct notifier_block *block)
{
	raw_notifier_chain_unregister(chain, block);
}

/* It is in none of the kernel's headers for modules. */
struct pagetable_move_control {
	struct vm_area_struct *old, *new;
	unsigned long old_addr, old_end, new_addr, len_in;
	bool need_rmap_locks, for_stack;
};

typedef unsigned long ptb_move_tables_t(struct pagetable_move_control *pmc);
#define PTB_MOVE_PARAMS struct pagetable_move_control *pmc
#define PTB_MOVE_ARGS pmc

static inline struct ptb_move ptb_move_of(PTB_MOVE_PARAMS)
{
	return (struct ptb_move){
		.vma = pmc->old,
		.new_vma = pmc->new,
		.old = pmc->old_addr,
		.new = pmc->new_addr,
		.len = pmc->len_in,
		.need_rmap_locks = pmc->need_rmap_locks,
		.for_stack = pmc->for_stack,
	};
}

static inline unsigned long ptb_move_tables(ptb_move_tables_t *call,
					    const struct ptb_move *m,
					    unsigned long old,
					    unsigned long new,
					    unsigned long len)
{
	struct pagetable_move_control pmc = {
		.old = m->vma,
		.new = m->new_vma,
		.old_addr = old,
		.old_end = old + len,
		.new_addr = new,
		.len_in = len,
		.need_rmap_locks = m->need_rmap_locks,
		.for_stack = m->for_stack,
	};

	return call(&pmc);
}

#endif

#if !defined(CONFIG_XEN_PV) || !defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)
#error ptebatch needs a kernel with XEN_PV and DYNAMIC_FTRACE_WITH_DIRECT_CALLS
#endif
#ifdef CONFIG_PREEMPT_RT
#error ptebatch needs a kernel without PREEMPT_RT: page-table locks must disable preemption
#endif
#if !PTB_LOCK_PER_TABLE
#error ptebatch needs a kernel with a lock per page table
#endif

#endif /* PTB_COMPAT_H */
