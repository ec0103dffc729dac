// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of filemap_map_pages(): a read fault in a mapped file or in shared
 * memory, which also maps the neighbouring pages that are in the page cache
 * ("fault-around"). Programs that start take most of their faults here.
 *
 * The kernel's own loop sets each entry by a hypercall. This hook collects the
 * entries of all the pages, and sets them by one hypercall, under the table's
 * lock.
 *
 * A page stays locked until its entry is set and counted. Code that holds a
 * page's lock, for example to truncate or to migrate it, can look for entries
 * without the table's lock, so it must not find the page between the two.
 *
 * Pages are counted as mapped after their entries are set, so that a failed
 * hypercall needs no undoing: an entry that is not set is as if its page had not
 * been in the page cache, and the kernel's own code sets it if it is the one
 * that the fault is about. Code that relies on the count holds the lock of the
 * page or of the table.
 *
 * The hook leaves huge pages and userfaultfd to the original, and tables that
 * are not pinned.
 */
#include <linux/mm.h>
#include <linux/objtool.h>
#include <linux/pagemap.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

static vm_fault_t (*original)(struct vm_fault *vmf, pgoff_t first,
			      pgoff_t last);
static void (*install_table)(struct mm_struct *mm, pmd_t *pmd,
			     pgtable_t *table);
static ptb_map_file_page_t *map_file_page;

int ptb_fault_symbols(void)
{
	install_table = (void *)ptb_symbol("pmd_install");
	map_file_page = (void *)ptb_symbol(PTB_MAP_FILE_PAGE);
	return install_table && map_file_page ? 0 : -ENOENT;
}

/* What a call is about. */
struct around {
	struct vm_fault *vmf;
	struct address_space *mapping;
	pgoff_t first, last;
	unsigned int hits; /* pages that read-ahead has brought in time */
};

static pgoff_t pages_of(const struct inode *inode)
{
	return DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE);
}

/*
 * Returns the next folio that can be mapped at once, locked and with a
 * reference, or NULL. Skips folios that would have to be waited for.
 */
static __always_inline struct folio *next_folio(struct xa_state *xas,
						const struct around *a)
{
	struct folio *folio;

	while ((folio = xas_next_entry(xas, a->last))) {
		if (xas_retry(xas, folio) || xa_is_value(folio) ||
		    folio_test_locked(folio) || !ptb_folio_try_get(folio))
			continue;
		if (likely(folio == xas_reload(xas)) &&
		    likely(!folio_test_readahead(folio)) &&
		    likely(folio_trylock(folio))) {
			/* Truncation may have come before the lock. */
			if (likely(folio->mapping == a->mapping) &&
			    likely(folio_test_uptodate(folio)))
				return folio;
			folio_unlock(folio);
		}
		folio_put(folio);
	}
	return NULL;
}

/*
 * Makes the values for all empty slots whose pages can be mapped. These pages
 * are put into c->pages, each with a reference, and stay locked. Returns how
 * many there are.
 */
static __always_inline unsigned int collect(struct around *a,
					    const struct ptb_table *t,
					    struct ptb_cpu *c)
{
	const u64 prot =
		pgprot_val(a->vmf->vma->vm_page_prot) & __supported_pte_mask;
	XA_STATE(xas, &a->mapping->i_pages, a->first);
	struct ptebatch_value *values = c->records.values;
	unsigned int nr = 0;
	struct folio *folio;

	while ((folio = next_folio(&xas, a))) {
		pgoff_t index = xas.xa_index;
		/*
		 * Truncation may have come before the lock, and a large folio
		 * can outlive one in its middle.
		 */
		pgoff_t end = min3(a->last + 1, folio_next_index(folio),
				   pages_of(a->mapping->host));
		unsigned int before = nr;

		for (; index < end; index++) {
			struct page *page =
				folio_page(folio, index - folio->index);
			unsigned int i = index - a->first;
			unsigned long mfn;

			if (unlikely(PageHWPoison(page)))
				continue;
			a->hits += ptb_counts_hit(a->vmf, folio, index);
			if (READ_ONCE(t->ptes[i]))
				continue;
			mfn = ptb_mfn_of(page_to_pfn(page));
			if (unlikely(mfn == PTB_NOFRAME))
				continue;
			values[nr].slot =
				(t->slot + 8 * i) | PTEBATCH_SET_EXACT;
			values[nr].pte = (u64)mfn << PAGE_SHIFT | prot;
			c->pages[nr++] = page;
		}
		if (nr == before) {
			folio_unlock(folio);
			folio_put(folio);
		} else if (nr - before > 1) {
			folio_ref_add(folio, nr - before - 1);
		}
	}
	return nr;
}

/* Counts the first pages as mapped, releases the others, and unlocks all. */
static void settle(struct vm_area_struct *vma, struct page **pages,
		   unsigned int nr, unsigned int mapped)
{
	unsigned int i;

	if (mapped)
		ptb_add_rss(vma->vm_mm,
			    folio_test_swapbacked(page_folio(pages[0]))
				    ? MM_SHMEMPAGES
				    : MM_FILEPAGES,
			    mapped);
	for (i = 0; i < nr; i++) {
		struct folio *folio = page_folio(pages[i]);

		if (likely(i < mapped))
			ptb_map_file_page(map_file_page, pages[i], vma);
		if (i + 1 == nr || page_folio(pages[i + 1]) != folio)
			folio_unlock(folio);
		if (unlikely(i >= mapped))
			folio_put(folio);
	}
}

static unsigned int set(struct ptb_cpu *c, unsigned int nr)
{
	struct ptebatch_progress progress = {};

	ptebatch_hypercall.values(&ptb_env, PTEBATCH_DOMID_SELF,
				  c->records.values, nr, NULL, &progress);
	c->counters[PTB_FAULT].hypercalls += progress.stats.hypercalls;
	if (likely(!progress.err))
		return nr;
	c->counters[PTB_FAULT].failures++;
	return progress.records;
}

/* Finds the table, and takes its lock. */
static bool lock_table(const struct around *a, unsigned long addr,
		       struct ptb_table *t, spinlock_t **lock)
{
	struct vm_fault *vmf = a->vmf;
	unsigned long end = addr + ((a->last - a->first + 1) << PAGE_SHIFT);

	if (vmf->prealloc_pte && pmd_none(*vmf->pmd))
		install_table(vmf->vma->vm_mm, vmf->pmd, &vmf->prealloc_pte);
	return ptb_table_at((u64 *)vmf->pmd, addr, end, t) == PTB_TABLE &&
	       ptb_lock_to_fill(t, lock);
}

/* Returns false if the call is left to the original, and nothing is done. */
static bool map_around(struct around *a, vm_fault_t *ret)
{
	struct vm_area_struct *vma = a->vmf->vma;
	unsigned long addr =
		vma->vm_start + ((a->first - vma->vm_pgoff) << PAGE_SHIFT);
	struct ptb_table t PTB_UNINITIALIZED;
	unsigned int nr, mapped = 0;
	spinlock_t *lock;
	struct ptb_cpu *c;

	if (unlikely(!lock_table(a, addr, &t, &lock)))
		return false;
	c = this_cpu_read(ptb_cpus);
	nr = collect(a, &t, c);
	if (likely(nr)) {
		mapped = set(c, nr);
		settle(vma, c->pages, nr, mapped);
	}
	/* The fault is over if its own entry is there, no matter who has set it. */
	if (READ_ONCE(t.ptes[(a->vmf->address - addr) >> PAGE_SHIFT]) &
	    _PAGE_PRESENT)
		*ret = VM_FAULT_NOPAGE;
	c->counters[PTB_FAULT].tables++;
	c->counters[PTB_FAULT].ptes += mapped;
	ptb_unlock(lock);
	return true;
}

/* The kernel maps around read faults alone, and within one table. */
static bool takes(const struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	const struct vm_area_struct *vma = vmf->vma;

	return ptb_on[PTB_FAULT] && !(vmf->flags & FAULT_FLAG_WRITE) &&
	       first <= last && last - first < PTRS_PER_PTE &&
	       !(vma->vm_flags &
		 (VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP | __VM_UFFD_FLAGS)) &&
	       (pgprot_val(vma->vm_page_prot) & _PAGE_PRESENT);
}

/* The original's heuristic: whether reading ahead of this file pays. */
static void note_hits(struct file *file, unsigned int hits)
{
	unsigned int miss = READ_ONCE(file->f_ra.mmap_miss);

	WRITE_ONCE(file->f_ra.mmap_miss, miss - min(hits, miss));
}

vm_fault_t ptb_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last);

vm_fault_t ptb_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	struct file *file = vmf->vma->vm_file;
	struct around a = {
		.vmf = vmf,
		.mapping = file->f_mapping,
		.first = first,
	};
	vm_fault_t ret = 0;

	ptb_enter();
	ptb_count(PTB_FAULT, calls, 1);
	if (likely(takes(vmf, first, last))) {
		a.last = min(last, pages_of(a.mapping->host) - 1);
		rcu_read_lock();
		if (likely(map_around(&a, &ret))) {
			rcu_read_unlock();
			note_hits(file, a.hits);
		} else {
			rcu_read_unlock();
			ptb_count(PTB_FAULT, odd, 1);
			ret = original(vmf, first, last);
		}
	} else {
		ptb_count(PTB_FAULT, whole, 1);
		ret = original(vmf, first, last);
	}
	ptb_leave();
	return ret;
}
PTB_TRAMPOLINE(ptb_map_pages);

const struct ptb_hook_point ptb_fault_hook = {
	.name = "filemap_map_pages",
	.trampoline = ptb_map_pages_trampoline,
	.original = (void **)&original,
};
