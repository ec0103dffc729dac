// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of xen_remap_pfn(): dom0 maps pages of another domain, to build it, to
 * save it, or to migrate it.
 *
 * The kernel's own loop sets sixteen entries by a hypercall, and at its end flushes
 * all TLBs of the guest. This hook sets as many entries by one hypercall as it
 * handles at a time. It fills empty slots only, which no TLB can hold, so it
 * needs no flush.
 *
 * It leaves to the original what is not such a mapping of pages: resources of
 * Xen, contiguous frames, mappings of PROT_NONE, and slots that are in use.
 */
#include <linux/mm.h>
#include <linux/objtool.h>
#include <linux/sched.h>

#include <xen/interface/xen.h>
#include <xen/xen-ops.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

/*
 * How many pages are mapped under one lock. Xen's own routines validate each, which
 * takes some hundred instructions.
 */
#define PAGES_AT_ONCE 128u

typedef int remap_pfn_t(struct vm_area_struct *vma, unsigned long addr,
			xen_pfn_t *pfn, int nr, int *errors, pgprot_t prot,
			unsigned int domid, bool no_translate);

static remap_pfn_t *original;
static_assert(__same_type(remap_pfn_t, xen_remap_pfn));

/* The pages of one call. */
struct remap {
	struct vm_area_struct *vma;
	u64 prot;
	u32 owner;
	int mapped;
	int last; /* the error of the last page, or 0 */
};

/*
 * Fills the slots. A page that Xen refuses has its error stored, and is skipped.
 * Errors may be stored where the frames are: they are smaller, and the frames of
 * these slots have been read.
 */
static void fill(struct remap *r, struct ptb_cpu *c, unsigned int nr,
		 int *errors)
{
	struct ptb_counters *n = &c->counters[PTB_FOREIGN];
	unsigned int done = 0;

	while (done < nr) {
		struct ptebatch_progress progress = {};
		unsigned int end;

		ptebatch_hypercall.values(&ptb_env, r->owner,
					  c->records.values + done, nr - done,
					  NULL, &progress);
		n->hypercalls += progress.stats.hypercalls;
		r->mapped += progress.records;
		r->last = progress.err;
		for (end = done + progress.records; done < end; done++)
			errors[done] = 0;
		if (unlikely(progress.err)) {
			n->failures++;
			errors[done++] = progress.err;
		}
	}
}

/* Whether the first slots of the table are all empty. */
static bool is_empty(const struct ptb_table *t, unsigned int nr)
{
	return ptb_used(t->ptes, t->ptes + nr) == t->ptes + nr;
}

/*
 * Maps pages that lie in one table. Returns 0 if they are left to the original, or
 * -ENOMEM.
 */
static int map_some(struct remap *r, unsigned long addr, const xen_pfn_t *pfns,
		    int nr, int *errors)
{
	unsigned long end = addr + ((unsigned long)nr << PAGE_SHIFT);
	struct ptb_table t;
	spinlock_t *lock;
	struct ptb_cpu *c;
	bool locked;
	pmd_t *pmd;
	int i;

	pmd = ptb_alloc_pmd(r->vma->vm_mm, addr);
	if (!pmd)
		return -ENOMEM;
	ptb_tables_hold();
	locked = ptb_table_at((u64 *)pmd, addr, end, &t) == PTB_TABLE &&
		 ptb_lock_to_fill(&t, &lock);
	ptb_tables_release();
	if (unlikely(!locked))
		return 0;
	if (unlikely(!is_empty(&t, nr))) {
		ptb_unlock(lock);
		return 0;
	}
	c = this_cpu_read(ptb_cpus);
	for (i = 0; i < nr; i++) {
		c->records.values[i].slot = (t.slot + 8 * i) |
					    PTEBATCH_SET_EXACT;
		c->records.values[i].pte = (u64)pfns[i] << PAGE_SHIFT |
					   r->prot;
	}
	fill(r, c, nr, errors);
	c->counters[PTB_FOREIGN].tables++;
	c->counters[PTB_FOREIGN].ptes += nr;
	ptb_unlock(lock);
	return nr;
}

/*
 * __supported_pte_mask applies to present entries only. It lacks _PAGE_GLOBAL,
 * which marks an entry as PROT_NONE if the entry is not present.
 */
static bool takes(const struct vm_area_struct *vma, const int *errors,
		  pgprot_t prot, unsigned int domid, bool no_translate)
{
	return ptb_on[PTB_FOREIGN] && errors && !no_translate &&
	       domid < DOMID_FIRST_RESERVED &&
	       (pgprot_val(prot) & _PAGE_PRESENT) &&
	       (vma->vm_flags & (VM_PFNMAP | VM_IO)) == (VM_PFNMAP | VM_IO);
}

static int remap(struct vm_area_struct *vma, unsigned long addr,
		 xen_pfn_t *pfns, int nr, int *errors, pgprot_t prot,
		 unsigned int domid)
{
	struct remap r = {
		.vma = vma,
		.prot = (pgprot_val(prot) & __supported_pte_mask) |
			_PAGE_SPECIAL,
		.owner = PTEBATCH_OWNER(PTEBATCH_DOMID_SELF, domid),
	};

	while (nr) {
		int some = min3((unsigned int)nr, PAGES_AT_ONCE,
				(unsigned int)(PTRS_PER_PTE - pte_index(addr)));
		int done = map_some(&r, addr, pfns, some, errors);

		if (done < 0)
			return done;
		if (unlikely(!done)) {
			ptb_count(PTB_FOREIGN, odd, 1);
			done = original(vma, addr, pfns, some, errors, prot,
					domid, false);
			r.last = min(done, 0);
			r.mapped += max(done, 0);
		}
		addr += (unsigned long)some << PAGE_SHIFT;
		pfns += some;
		errors += some;
		nr -= some;
		cond_resched();
	}
	/* As the original does: the callers look for the error of the last. */
	return r.last ?: r.mapped;
}

int ptb_remap_pfn(struct vm_area_struct *vma, unsigned long addr,
		  xen_pfn_t *pfns, int nr, int *errors, pgprot_t prot,
		  unsigned int domid, bool no_translate);

int ptb_remap_pfn(struct vm_area_struct *vma, unsigned long addr,
		  xen_pfn_t *pfns, int nr, int *errors, pgprot_t prot,
		  unsigned int domid, bool no_translate)
{
	int ret;

	ptb_enter();
	ptb_count(PTB_FOREIGN, calls, 1);
	if (likely(takes(vma, errors, prot, domid, no_translate))) {
		ret = remap(vma, addr, pfns, nr, errors, prot, domid);
	} else {
		ptb_count(PTB_FOREIGN, whole, 1);
		ret = original(vma, addr, pfns, nr, errors, prot, domid,
			       no_translate);
	}
	ptb_leave();
	return ret;
}
PTB_TRAMPOLINE(ptb_remap_pfn);

const struct ptb_hook_point ptb_foreign_hook = {
	.name = "xen_remap_pfn",
	.trampoline = ptb_remap_pfn_trampoline,
	.original = (void **)&original,
};
