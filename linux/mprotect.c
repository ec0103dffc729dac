// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of change_protection(): mprotect() of small pages.
 *
 * It handles plain changes of protection (mprotect, pkey_mprotect with key 0
 * and the like) of private and shared memory, anonymous or of files, in address
 * spaces without mmu notifiers. It changes entries that are present or of
 * PROT_NONE, and skips empty and swapped-out entries. It leaves a table with
 * any other entry, such as a migration entry, to the original. The same holds
 * for areas of huge pages, devices and userfaultfd, and for NUMA hinting.
 *
 * There are three kinds of change to a table:
 *  - All present entries lose and gain the same flags. This is one run.
 *  - Whether an entry becomes writable depends on the entry (copy on write,
 *    dirty tracking). This is one run for each sequence of entries with equal
 *    changes.
 *  - The change is to PROT_NONE or back. This takes values: an entry that is
 *    not present holds its frame inverted, and as a pfn instead of an mfn.
 *
 * The hypercall for the last table also performs the TLB flush (flush.h). If it
 * cannot, or if a CPU was missed, the flush is left to the caller's mmu_gather,
 * as in the original.
 *
 * A change of protection can be applied twice without harm. So if a hypercall
 * fails, the original changes the whole table.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "flush.h"
#include "ptebatch.h"
#include "tables.h"

typedef long change_protection_t(struct mmu_gather *tlb,
				 struct vm_area_struct *vma,
				 unsigned long start, unsigned long end,
				 PTB_PROT_PARAM unsigned long cp_flags);

static change_protection_t *original;

/* The flags that a change sets or clears. Protections differ in these only. */
#define DECIDED (_PAGE_RW | _PAGE_NX)
/* All flags of an ordinary protection. */
#define ORDINARY                                                     \
	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY | \
	 _PAGE_PROTNONE | _PAGE_SOFT_DIRTY | DECIDED)

struct change {
	struct mmu_gather *tlb;
	struct vm_area_struct *vma;
	u64 prot;    /* the new protection, without PTB_KEPT */
	bool choose; /* decide per entry whether it becomes writable */
};

/* ---- One table ----------------------------------------------------------- */

/*
 * The kernel's rules for making an entry writable without waiting for a fault.
 * They depend on the entry's flags and, for private memory, on the page.
 */
static __always_inline bool flags_may_write(unsigned long vm_flags, u64 flags)
{
	const bool shared = vm_flags & VM_SHARED;

	if ((shared || PTB_PRIVATE_NEEDS_DIRTY) && !(flags & PTB_DIRTY))
		return false;
	/* Soft-dirty tracking needs a fault for the first write. */
	if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) &&
	    unlikely(!(vm_flags & VM_SOFTDIRTY)) && !(flags & _PAGE_SOFT_DIRTY))
		return false;
	return shared || !(flags & _PAGE_SPECIAL);
}

static __always_inline bool page_may_write(unsigned long pfn)
{
	struct page *page;

	if (unlikely(pfn == PTB_NOFRAME))
		return false;
	page = pfn_to_page(pfn);
	return PageAnon(page) && test_bit(PG_anon_exclusive, ptb_flags(page));
}

static __always_inline bool may_write(unsigned long vm_flags, u64 flags,
				      unsigned long pfn)
{
	return flags_may_write(vm_flags, flags) &&
	       ((vm_flags & VM_SHARED) || page_may_write(pfn));
}

/*
 * The same for a present entry. Device memory is never exclusive to a process,
 * and Xen's machine-to-physical table may not cover its frame.
 */
static __always_inline bool may_write_present(unsigned long vm_flags, u64 pte)
{
	return flags_may_write(vm_flags, pte) &&
	       ((vm_flags & VM_SHARED) || (likely(!(pte & _PAGE_DEVMAP)) &&
					   page_may_write(ptb_pfn(pte))));
}

/* Whether an entry that is neither present nor empty stays as it is. */
static bool stays(u64 pte)
{
	return !(pte & _PAGE_PROTNONE) &&
	       ptb_in_swap(native_make_pte(pte));
}

static __always_inline bool is_protnone(u64 pte)
{
	return (pte & (_PAGE_PRESENT | _PAGE_PROTNONE)) == _PAGE_PROTNONE;
}

/* The last run of a table, which can still grow. */
struct runs {
	struct ptebatch *batch;	 /* NULL: the table may have one run only */
	struct ptebatch_run run; /* count 0: none */
	bool queued;		 /* earlier runs are in the batch */
};

static int queue(struct runs *r)
{
	if (!r->batch)
		return -ENOSPC;
	r->queued = true;
	return ptebatch_add_flags(r->batch, r->run.slot, r->run.count,
				  r->run.clear, r->run.set);
}

/* What has been done to a table. */
struct outcome {
	bool any;    /* a change was requested from Xen */
	bool folded; /* its hypercall also performed the TLB flush */
	int err;
};

static void note(struct ptb_cpu *c, const struct ptebatch_tlb *tlb,
		 struct outcome *o)
{
	o->any = true;
	o->folded = tlb && !o->err;
	if (unlikely(o->err)) {
		c->counters[PTB_MPROTECT].failures++;
		ptebatch_discard(&c->batch);
	}
}

/*
 * Passes one run, or one run of each of two tables, directly to the backend.
 * The library's checks are not needed for runs that this file has made, and
 * would cost too much for a single page.
 */
static __always_inline int apply_runs(struct ptb_cpu *c,
				      const struct ptebatch_run *runs,
				      unsigned int nr,
				      const struct ptebatch_tlb *tlb)
{
	struct ptebatch_progress progress PTB_UNINITIALIZED;

	progress.stats.hypercalls = 0;
	progress.stats.tlb_flushes = 0;
	ptebatch_hypercall.runs(&ptb_env, PTEBATCH_DOMID_SELF, runs, nr, tlb,
				&progress);
	c->counters[PTB_MPROTECT].hypercalls += progress.stats.hypercalls;
	return progress.err;
}

static void apply_one(struct ptb_cpu *c, const struct ptebatch_run *run,
		      const struct ptebatch_tlb *tlb, struct outcome *o)
{
	o->err = apply_runs(c, run, 1, tlb);
	note(c, tlb, o);
}

static void apply_values(struct ptb_cpu *c, unsigned int nr,
			 const struct ptebatch_tlb *tlb, struct outcome *o)
{
	struct ptebatch_progress progress = {};

	ptebatch_hypercall.values(&ptb_env, PTEBATCH_DOMID_SELF,
				  c->records.values, nr, tlb, &progress);
	c->counters[PTB_MPROTECT].hypercalls += progress.stats.hypercalls;
	o->err = progress.err;
	note(c, tlb, o);
}

static void apply_queued(struct ptb_cpu *c, const struct ptebatch_tlb *tlb,
			 struct outcome *o)
{
	u64 before = c->batch.counters.hypercalls;

	if (!o->err)
		o->err = ptebatch_flush(&c->batch, tlb);
	c->counters[PTB_MPROTECT].hypercalls +=
		c->batch.counters.hypercalls - before;
	note(c, tlb, o);
}

/*
 * Whether eight entries are all present. These reads need no READ_ONCE(): only
 * the kernel changes P, under the lock that is held.
 */
static __always_inline bool eight_present(const u64 *ptes)
{
	return ptes[0] & ptes[1] & ptes[2] & ptes[3] & ptes[4] & ptes[5] &
	       ptes[6] & ptes[7] & _PAGE_PRESENT;
}

/*
 * Makes the run for a table whose present entries all change alike. Returns
 * false if the table has an entry that the hook does not handle.
 */
static __always_inline bool same_for_all(const struct change *change,
					 const struct ptb_table *t,
					 struct ptebatch_run *run)
{
	const u64 *p = t->ptes, *end = p + t->nr, *stop;
	unsigned int absent = 0;

	do {
		stop = end;
		if (likely(end - p >= 8)) {
			stop = p + 8;
			if (likely(eight_present(p)))
				continue;
		}
		do {
			u64 pte = READ_ONCE(*p);

			if (unlikely(!(pte & _PAGE_PRESENT))) {
				if (pte && !stays(pte))
					return false;
				absent++;
			}
		} while (++p != stop);
	} while (p = stop, p != end);

	run->slot = t->slot;
	run->count = absent == t->nr ? 0 : t->nr;
	run->op = PTEBATCH_OP_FLAGS;
	run->set = change->prot & DECIDED;
	run->clear = DECIDED & ~run->set;
	run->old = 0;
	return true;
}

static void set_run(struct runs *r, const struct ptb_table *t,
		    unsigned int first, unsigned int end, u64 set)
{
	r->run.slot = t->slot + 8 * first;
	r->run.count = end - first;
	r->run.set = set;
	r->run.clear = DECIDED & ~set;
}

/*
 * Makes the runs for a table whose entries decide whether they become writable:
 * one run for each sequence of entries with equal changes. Queues all but the
 * last. Returns false as same_for_all() does, or if the runs do not fit into
 * the batch; the caller must then discard the queued runs.
 */
static noinline bool each(const struct change *change,
			  const struct ptb_table *t, struct runs *r)
{
	const unsigned long vm_flags = change->vma->vm_flags;
	const u64 prot = change->prot & DECIDED;
	const u64 *ptes = t->ptes;
	const unsigned int nr = t->nr;
	unsigned int i, first = 0, end = 0; /* the run; none if end is 0 */
	u64 run_set = 0;

	for (i = 0; i < nr; i++) {
		u64 pte = READ_ONCE(ptes[i]), set = prot;

		if (!(pte & _PAGE_PRESENT)) {
			if (pte && !stays(pte))
				return false;
			continue;
		}
		if (may_write_present(vm_flags, pte))
			set |= _PAGE_RW;
		if (set == run_set && end) {
			end = i + 1;
			continue;
		}
		if (end) {
			set_run(r, t, first, end, run_set);
			if (queue(r))
				return false;
			first = end = 0;
		}
		/*
		 * An entry that needs no change starts no run. It still ends
		 * the run before it, whose change would be wrong for it.
		 */
		if ((pte & DECIDED) != set) {
			first = i;
			end = i + 1;
			run_set = set;
		}
	}
	set_run(r, t, first, end, run_set);
	return true;
}

/*
 * Makes the values for a change to PROT_NONE (none) or back, one for each slot
 * that changes. Entries of PROT_NONE hold their frame inverted, so that the CPU
 * does not speculate on the memory (L1TF). Returns the number of values, or -1
 * if the table has an entry that the hook does not handle.
 */
static __always_inline int values_of(const struct ptb_table *t,
				     struct ptebatch_value *values, u64 prot,
				     const bool none,
				     const struct vm_area_struct *choose)
{
	/*
	 * What to add to an entry's address for its slot and operation. Hardware
	 * can set A and D of present entries only.
	 */
	const u64 mode = none ? PTEBATCH_SET_KEEP_AD : PTEBATCH_SET_EXACT;
	const u64 to_slot = (t->slot | mode) - (uintptr_t)t->ptes;
	const u64 *p = t->ptes, *end = p + t->nr;
	struct ptebatch_value *value = values;

	for (; p != end; p++) {
		u64 pte = READ_ONCE(*p), kept;
		unsigned long pfn, mfn;

		kept = pte & PTB_KEPT & ~PTEBATCH_PTE_FRAME;
		if (none) {
			if (unlikely(!(pte & _PAGE_PRESENT))) {
				if (!pte || is_protnone(pte) || stays(pte))
					continue;
				return -1;
			}
			if (unlikely(pte & _PAGE_DEVMAP))
				return -1;
			pfn = ptb_pfn(pte);
			if (unlikely(pfn == PTB_NOFRAME))
				return -1;
			pte = ~(pfn << PAGE_SHIFT) & PTEBATCH_PTE_FRAME;
		} else {
			if (unlikely(!is_protnone(pte))) {
				if (!pte ||
				    (!(pte & _PAGE_PRESENT) && stays(pte)))
					continue;
				return -1;
			}
			pfn = ptb_mfn(~pte);
			mfn = ptb_mfn_of(pfn);
			if (unlikely(mfn == PTB_NOFRAME))
				return -1;
			pte = (u64)mfn << PAGE_SHIFT;
			if (choose && may_write(choose->vm_flags, kept, pfn))
				pte |= _PAGE_RW;
		}
		value->slot = (uintptr_t)p + to_slot;
		value->pte = pte | kept | prot;
		value++;
	}
	return value - values;
}

static noinline int values(const struct change *change,
			   const struct ptb_table *t,
			   struct ptebatch_value *values)
{
	if (!(change->prot & _PAGE_PRESENT))
		return values_of(t, values, change->prot, true, NULL);
	if (change->choose)
		return values_of(t, values, change->prot, false, change->vma);
	return values_of(t, values, change->prot, false, NULL);
}

/*
 * Changes the table, whose lock the caller holds. tlb: the TLB flush for the
 * hypercall to perform, or NULL. Returns false if the table is unchanged or
 * changed in part; the original must then change it.
 */
static __always_inline bool change_table(const struct change *change,
					 const struct ptb_table *t,
					 struct ptb_cpu *c,
					 const struct ptebatch_tlb *tlb,
					 struct outcome *o)
{
	struct runs r;
	int nr;

	if (likely(change->prot & _PAGE_PRESENT) && likely(!change->choose)) {
		if (likely(same_for_all(change, t, &r.run))) {
			if (r.run.count)
				apply_one(c, &r.run, tlb, o);
			return !o->err;
		}
	} else if (change->prot & _PAGE_PRESENT) {
		r = (struct runs){ .batch = &c->batch };
		if (each(change, t, &r)) {
			if (r.queued) {
				if (r.run.count)
					o->err = queue(&r);
				apply_queued(c, tlb, o);
			} else if (r.run.count) {
				apply_one(c, &r.run, tlb, o);
			}
			return !o->err;
		}
		ptebatch_discard(&c->batch);
	}

	nr = values(change, t, c->records.values);
	if (nr > 0)
		apply_values(c, nr, tlb, o);
	return nr >= 0 && !o->err;
}

/* ---- One page ------------------------------------------------------------ */

/*
 * Changes a single page whose entry is present, if only this CPU has to be
 * flushed. This does the same as change_range(), in fewer instructions: it
 * makes the library's call for a single run itself. Returns false if the page is
 * unchanged.
 */
static __always_inline bool change_one(struct mmu_gather *tlb,
				       struct vm_area_struct *vma, u64 prot,
				       bool choose, unsigned long addr)
{
	const u64 how = PTEBATCH_OP_FLAGS |
			PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) |
			PTEBATCH_HOW_TLB_PAGE | addr;
	struct mm_struct *mm = vma->vm_mm;
	struct ptb_table t PTB_UNINITIALIZED;
	struct ptb_counters *n;
	unsigned long next;
	spinlock_t *lock;
	bool done = false;
	u64 pte, set;

	ptb_tables_hold();
	if (unlikely(ptb_walk(mm, addr, addr + PAGE_SIZE, &next, &t) !=
		     PTB_TABLE) ||
	    unlikely(!ptb_lock(mm, &t, &lock))) {
		ptb_tables_release();
		return false;
	}
	ptb_tables_release();

	pte = READ_ONCE(*t.ptes);
	if (unlikely(!(pte & _PAGE_PRESENT)) ||
	    unlikely(!ptb_flush_here(mm)) ||
	    unlikely(!(READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS)))
		goto unlock;

	set = prot & DECIDED;
	if (choose && may_write_present(vma->vm_flags, pte))
		set |= _PAGE_RW;
	n = &this_cpu_read(ptb_cpus)->counters[PTB_MPROTECT];
	n->hypercalls++;
	/* Any other answer says that nothing is changed. */
	done = likely(ptb_hypercall(__HYPERVISOR_ptebatch_runs, t.slot, 1, how,
				    DECIDED & ~set, set) == 1);
	if (unlikely(!done)) {
		n->failures++;
		goto unlock;
	}
	n->singles++;
	if (unlikely(!ptb_flush_here(mm))) {
		tlb_flush_pte_range(tlb, addr, PAGE_SIZE);
		n->late++;
	}
unlock:
	ptb_unlock(lock);
	return done;
}

/* ---- Two tables ---------------------------------------------------------- */

/*
 * Makes the run for a table that needs only one. Its count is 0 if the table
 * needs none. Returns false if the table needs more, or has other entries.
 */
static __always_inline bool one_run(const struct change *change,
				    const struct ptb_table *t,
				    struct ptebatch_run *run)
{
	struct runs r PTB_UNINITIALIZED;

	if (!change->choose)
		return same_for_all(change, t, run);
	r = (struct runs){};
	if (!each(change, t, &r))
		return false;
	*run = r.run;
	return true;
}

/* Leaves the TLB flush of a range to the caller's mmu_gather. */
static void owe(struct mmu_gather *tlb, unsigned long start, unsigned long end)
{
	/*
	 * The size is a 32-bit parameter, which is too small for some ranges.
	 * Adding the first and the last page also adds all pages in between.
	 */
	tlb_flush_pte_range(tlb, start, PAGE_SIZE);
	tlb_flush_pte_range(tlb, end - PAGE_SIZE, PAGE_SIZE);
}

/*
 * Changes a range that lies in two tables but is not larger than one, if each
 * table needs one run, by one hypercall for both. The first table must stay
 * locked until the hypercall: after its lock is released, its slots can be
 * reused. So both locks are held, for at most as many slots as one table has.
 * Returns false if the range must still be changed table by table.
 */
static noinline bool change_two(const struct change *change,
				unsigned long start, unsigned long end)
{
	struct mm_struct *mm = change->vma->vm_mm;
	struct ptebatch_run runs[2] PTB_UNINITIALIZED;
	struct ptebatch_tlb tlb PTB_UNINITIALIZED;
	struct ptb_table t[2] PTB_UNINITIALIZED;
	spinlock_t *lock[2] PTB_UNINITIALIZED;
	unsigned long middle;
	struct ptb_counters *n;
	struct ptb_cpu *c;
	bool done, missed;

	ptb_tables_hold();
	done = ptb_walk(mm, start, end, &middle, &t[0]) == PTB_TABLE &&
	       ptb_walk_on(middle, end, &t[0], &t[1]) == PTB_TABLE &&
	       ptb_lock_two(mm, t, lock);
	ptb_tables_release();
	if (unlikely(!done))
		return false;

	if (!one_run(change, &t[0], &runs[0]) || !runs[0].count ||
	    !one_run(change, &t[1], &runs[1]) || !runs[1].count) {
		ptb_unlock(lock[1]);
		ptb_unlock(lock[0]);
		return false;
	}
	c = this_cpu_read(ptb_cpus);
	ptb_flush_begin(mm, start, (end - start) >> PAGE_SHIFT, c, &tlb);
	done = !apply_runs(c, runs, 2, &tlb);
	missed = ptb_flush_missed(mm, c);

	n = &c->counters[PTB_MPROTECT];
	n->tables += done ? 2 : 0;
	n->ptes += done ? t[0].nr + t[1].nr : 0;
	n->folded += done;
	n->late += done && missed;
	n->failures += !done;
	ptb_unlock(lock[1]);
	ptb_unlock(lock[0]);

	if (unlikely(!done || missed))
		owe(change->tlb, start, end);
	return done;
}

/* ---- The range ----------------------------------------------------------- */

static long give_back(const struct change *change, unsigned long addr,
		      unsigned long end, pgprot_t newprot,
		      unsigned long cp_flags)
{
	return original(change->tlb, change->vma, addr, end,
			PTB_PROT_ARG cp_flags);
}

static __always_inline bool takes(const struct vm_area_struct *vma, u64 prot,
				  unsigned long cp_flags)
{
	return likely(ptb_on[PTB_MPROTECT]) &&
	       !(cp_flags & ~(unsigned long)MM_CP_TRY_CHANGE_WRITABLE) &&
	       !(vma->vm_flags & (VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP | VM_IO |
				  __VM_UFFD_FLAGS)) &&
	       !(prot & ~(u64)ORDINARY) && !mm_has_notifiers(vma->vm_mm) &&
	       !cpu_feature_enabled(X86_FEATURE_OSPKE);
}

/*
 * Changes the table at addr, which is part of the range from start to end.
 * Returns false if the table is left to the original. *owed tells whether a TLB
 * flush of the range is still needed.
 */
static __always_inline bool change_next(const struct change *change,
					unsigned long start, unsigned long addr,
					unsigned long end, unsigned long *next,
					bool *owed)
{
	struct mm_struct *mm = change->vma->vm_mm;
	struct outcome o = { false, false, 0 };
	struct ptb_counters *n;
	struct ptebatch_tlb tlb;
	struct ptb_table t;
	struct ptb_cpu *c;
	enum ptb_walk walk;
	bool last, done, missed;
	spinlock_t *lock;

	ptb_tables_hold();
	walk = ptb_walk(mm, addr, end, next, &t);
	if (unlikely(walk != PTB_TABLE) || unlikely(!ptb_lock(mm, &t, &lock))) {
		ptb_tables_release();
		return walk == PTB_EMPTY;
	}
	ptb_tables_release();

	last = *next == end;
	c = this_cpu_read(ptb_cpus);
	if (last)
		ptb_flush_begin(mm, start, (end - start) >> PAGE_SHIFT, c,
				&tlb);
	done = change_table(change, &t, c, last ? &tlb : NULL, &o);
	missed = last && ptb_flush_missed(mm, c);

	n = &c->counters[PTB_MPROTECT];
	n->tables += done;
	n->ptes += done ? t.nr : 0;
	n->folded += o.folded;
	n->late += missed && o.folded;
	ptb_unlock(lock);

	*owed = (*owed || o.any) && (!o.folded || missed);
	return done;
}

/*
 * Returns a number of pages, as the original does. Callers ignore the number.
 */
static noinline long change_range(const struct change *change,
				  unsigned long start, unsigned long end,
				  pgprot_t newprot, unsigned long cp_flags)
{
	unsigned long addr = start, next;
	bool owed = false;
	long pages = 0, more;

	do {
		if (likely(change_next(change, start, addr, end, &next,
				       &owed))) {
			more = (next - addr) >> PAGE_SHIFT;
		} else {
			ptb_count(PTB_MPROTECT, odd, 1);
			more = give_back(change, addr, next, newprot, cp_flags);
			if (more < 0) {
				pages = more;
				break;
			}
		}
		pages += more;
		if (next != end)
			cond_resched();
	} while (addr = next, addr != end);

	if (unlikely(owed))
		owe(change->tlb, start, end);
	return pages;
}

long ptb_change_protection(struct mmu_gather *tlb, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end,
			   PTB_PROT_PARAM unsigned long cp_flags);

/* Whether the entry decides if its page becomes writable. */
static __always_inline bool chooses(u64 prot, unsigned long cp_flags)
{
	return (cp_flags & MM_CP_TRY_CHANGE_WRITABLE) &&
	       (prot & (_PAGE_RW | _PAGE_PRESENT)) == _PAGE_PRESENT;
}

static noinline long change_more(struct mmu_gather *tlb,
				 struct vm_area_struct *vma,
				 unsigned long start, unsigned long end,
				 pgprot_t prot, unsigned long cp_flags)
{
	const struct change change = {
		.tlb = tlb,
		.vma = vma,
		.prot = pgprot_val(prot) & ~PTB_KEPT,
		.choose = chooses(pgprot_val(prot), cp_flags),
	};

	if (end - start <= PMD_SIZE && ((start ^ (end - 1)) & PMD_MASK) &&
	    (change.prot & _PAGE_PRESENT) && change_two(&change, start, end))
		return (end - start) >> PAGE_SHIFT;
	return change_range(&change, start, end, prot, cp_flags);
}

long ptb_change_protection(struct mmu_gather *tlb, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end,
			   PTB_PROT_PARAM unsigned long cp_flags)
{
	const pgprot_t prot = PTB_PROT(vma);
	long pages = 1;

	ptb_enter();
	ptb_count(PTB_MPROTECT, calls, 1);
	if (unlikely(!takes(vma, pgprot_val(prot), cp_flags))) {
		ptb_count(PTB_MPROTECT, whole, 1);
		pages = original(tlb, vma, start, end, PTB_PROT_ARG cp_flags);
	} else if (end - start != PAGE_SIZE ||
		   !(pgprot_val(prot) & _PAGE_PRESENT) ||
		   unlikely(!change_one(tlb, vma, pgprot_val(prot),
					chooses(pgprot_val(prot), cp_flags),
					start))) {
		pages = change_more(tlb, vma, start, end, prot, cp_flags);
	}
	ptb_leave();
	return pages;
}
PTB_TRAMPOLINE(ptb_change_protection);

const struct ptb_hook_point ptb_mprotect_hook = {
	.name = "change_protection",
	.trampoline = ptb_change_protection_trampoline,
	.original = (void **)&original,
};
