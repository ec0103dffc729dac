// SPDX-License-Identifier: GPL-2.0-only
/*
 * In front of change_protection(): mprotect() of small pages.
 *
 * Taken here: plain changes of protection (mprotect, pkey_mprotect with key 0,
 * munlock's like) of private and shared memory, anonymous or of files, in
 * address spaces that nobody else mirrors. Of its entries, present ones and
 * those of PROT_NONE are changed, absent and swapped-out ones stay. A table
 * that holds anything else, migration entries say, is the original's, and so
 * are whole areas of huge pages, of devices, of userfaultfd, and NUMA hinting.
 *
 * What one table needs is one of three things:
 *  - all present entries lose and gain the same flags: one run;
 *  - which become writable depends on each (copy on write, dirty tracking):
 *    a run for each stretch of equal ones;
 *  - to PROT_NONE or back: values, since Linux hides the frame of an entry
 *    that is not present, and hides its own number of it, not the machine's.
 *
 * The TLB flush rides with the last table, to the CPUs in mm_cpumask() at that
 * moment. A CPU that enters the address space later puts itself into the mask
 * before it can read an entry; so one that has read an old entry and is not in
 * the mask taken before the hypercall is in it afterwards, and the mask is
 * looked at again. If so, and wherever the flush could not ride, it is left to
 * the caller's mmu_gather, as the original does.
 *
 * Applying a change of protection again does no harm, so whatever a hypercall
 * did not do is done by the original for the whole table.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>
#include <linux/swap.h>
#include <linux/swapops.h>
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

/* Flags that a protection decides; RW and NX are all it may differ in. */
#define DECIDED (_PAGE_RW | _PAGE_NX)
/* What else an ordinary protection holds. */
#define ORDINARY                                                     \
	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY | \
	 _PAGE_PROTNONE | _PAGE_SOFT_DIRTY | DECIDED)

struct change {
	struct mmu_gather *tlb;
	struct vm_area_struct *vma;
	u64 prot;    /* the new protection's flags that are not kept */
	bool choose; /* whether an entry becomes writable depends on it */
};

/* ---- One table --------------------------------------------------------------- */

/*
 * As the kernel decides whether an entry may become writable without a fault:
 * by its flags, and by the page, if the memory is private.
 */
static __always_inline bool flags_may_write(unsigned long vm_flags, u64 flags)
{
	const bool shared = vm_flags & VM_SHARED;

	if ((shared || PTB_PRIVATE_NEEDS_DIRTY) && !(flags & PTB_DIRTY))
		return false;
	/* Someone wants to hear of each first write. */
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
	return PageAnon(page) && test_bit(PG_anon_exclusive, &page->flags);
}

static __always_inline bool may_write(unsigned long vm_flags, u64 flags,
				      unsigned long pfn)
{
	return flags_may_write(vm_flags, flags) &&
	       ((vm_flags & VM_SHARED) || page_may_write(pfn));
}

/*
 * The same of a present entry. One of a device's memory is nobody's own, and
 * Xen's table of frames may have no place for its frame.
 */
static __always_inline bool may_write_present(unsigned long vm_flags, u64 e)
{
	return flags_may_write(vm_flags, e) &&
	       ((vm_flags & VM_SHARED) ||
		(likely(!(e & _PAGE_DEVMAP)) && page_may_write(ptb_pfn(e))));
}

/* An entry that is neither present nor none: may it stay as it is? */
static bool stays(u64 entry)
{
	return !(entry & _PAGE_PROTNONE) &&
	       !non_swap_entry(pte_to_swp_entry(native_make_pte(entry)));
}

static __always_inline bool is_protnone(u64 entry)
{
	return (entry & (_PAGE_PRESENT | _PAGE_PROTNONE)) == _PAGE_PROTNONE;
}

/* The run that is growing, and whether others are queued before it. */
struct runs {
	struct ptebatch *batch;
	struct ptebatch_run run; /* count 0: none */
	bool queued;
};

/* Without a batch there is no second run. */
static int queue(struct runs *r)
{
	if (!r->batch)
		return -ENOSPC;
	r->queued = true;
	return ptebatch_add_flags(r->batch, r->run.slot, r->run.count,
				r->run.clear, r->run.set);
}

/* The outcome of a table. */
struct outcome {
	bool any;    /* something was asked for */
	bool folded; /* and the TLB flush rode along */
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
 * One run, or one of each of two tables, goes straight to the backend, which
 * need not be asked to check what was made here: one page must not pay for more.
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

/* Whether all of eight slots are present, which only the kernel changes. */
static __always_inline bool eight_present(const u64 *slot)
{
	return slot[0] & slot[1] & slot[2] & slot[3] & slot[4] & slot[5] &
	       slot[6] & slot[7] & _PAGE_PRESENT;
}

/* All entries alike. Returns false if the table holds something unusual. */
static __always_inline bool same_for_all(const struct change *change,
					 const struct ptb_table *t,
					 struct ptebatch_run *run)
{
	const u64 *slot = t->ptes, *end = slot + t->nr, *stop;
	unsigned int absent = 0;

	do {
		stop = end;
		if (likely(end - slot >= 8)) {
			stop = slot + 8;
			if (likely(eight_present(slot)))
				continue;
		}
		do {
			u64 e = READ_ONCE(*slot);

			if (unlikely(!(e & _PAGE_PRESENT))) {
				if (e && !stays(e))
					return false;
				absent++;
			}
		} while (++slot != stop);
	} while (slot = stop, slot != end);

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
 * Whether an entry becomes writable depends on it: a run for each stretch of
 * equal ones. Queues all but the last. Returns false as above; then nothing
 * that was queued is to be applied.
 */
static noinline bool each(const struct change *change,
			  const struct ptb_table *t, struct runs *r)
{
	const unsigned long vm_flags = change->vma->vm_flags;
	const u64 prot = change->prot & DECIDED;
	const u64 *slots = t->ptes;
	const unsigned int nr = t->nr;
	unsigned int i, first = 0, end = 0; /* of the run; end 0: none */
	u64 run_set = 0;

	for (i = 0; i < nr; i++) {
		u64 e = READ_ONCE(slots[i]), set = prot;

		if (!(e & _PAGE_PRESENT)) {
			if (e && !stays(e))
				return false;
			continue;
		}
		if (may_write_present(vm_flags, e))
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
		/* Else it is as it should be, but not for the run before it. */
		if ((e & DECIDED) != set) {
			first = i;
			end = i + 1;
			run_set = set;
		}
	}
	set_run(r, t, first, end, run_set);
	return true;
}

/*
 * To PROT_NONE, or from it: values for all slots of a table that change. A
 * frame that is not present is inverted, so that it names no memory to
 * speculate on. Returns how many there are, or -1 if the table holds something
 * unusual.
 */
static __always_inline int values_of(const struct ptb_table *t,
				     struct ptebatch_value *values, u64 prot,
				     const bool none,
				     const struct vm_area_struct *choose)
{
	const u64 to_ptr =
		(t->slot | PTEBATCH_SET_KEEP_AD) - (uintptr_t)t->ptes;
	const u64 *slot = t->ptes, *end = slot + t->nr;
	struct ptebatch_value *value = values;

	for (; slot != end; slot++) {
		u64 e = READ_ONCE(*slot), kept;
		unsigned long pfn, mfn;

		kept = e & PTB_KEPT & ~PTEBATCH_PTE_FRAME;
		if (none) {
			if (unlikely(!(e & _PAGE_PRESENT))) {
				if (!e || is_protnone(e) || stays(e))
					continue;
				return -1;
			}
			if (unlikely(e & _PAGE_DEVMAP))
				return -1;
			pfn = ptb_pfn(e);
			if (unlikely(pfn == PTB_NOFRAME))
				return -1;
			e = ~(pfn << PAGE_SHIFT) & PTEBATCH_PTE_FRAME;
		} else {
			if (unlikely(!is_protnone(e))) {
				if (!e || (!(e & _PAGE_PRESENT) && stays(e)))
					continue;
				return -1;
			}
			pfn = ptb_mfn(~e);
			mfn = ptb_mfn_of(pfn);
			if (unlikely(mfn == PTB_NOFRAME))
				return -1;
			e = (u64)mfn << PAGE_SHIFT;
			if (choose && may_write(choose->vm_flags, kept, pfn))
				e |= _PAGE_RW;
		}
		value->slot = (uintptr_t)slot + to_ptr;
		value->pte = e | kept | prot;
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
 * Finds out what the table needs, and does it. False if the original has to,
 * for nothing or not all was done. The lock is held. tlb: the flush to send
 * along, or NULL.
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

/* ---- One page ------------------------------------------------------------------ */

/*
 * A present entry, alone: the whole of the way above in as few instructions as
 * it takes. False: nothing was done.
 */
static __always_inline bool change_one(struct mmu_gather *tlb,
				       struct vm_area_struct *vma, u64 prot,
				       bool choose, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	struct ptebatch_tlb flush PTB_UNINITIALIZED;
	struct ptebatch_run run PTB_UNINITIALIZED;
	struct ptb_table t PTB_UNINITIALIZED;
	unsigned long next;
	struct ptb_cpu *c;
	spinlock_t *lock;
	bool done = false;
	u64 e;

	ptb_tables_hold();
	if (unlikely(ptb_walk(mm, addr, addr + PAGE_SIZE, &next, &t) !=
		     PTB_TABLE) ||
	    unlikely(!ptb_lock(mm, &t, &lock))) {
		ptb_tables_release();
		return false;
	}
	ptb_tables_release();

	e = READ_ONCE(*t.ptes);
	if (unlikely(!(e & _PAGE_PRESENT)))
		goto unlock;

	run.slot = t.slot;
	run.count = 1;
	run.op = PTEBATCH_OP_FLAGS;
	run.set = prot & DECIDED;
	if (choose && may_write_present(vma->vm_flags, e))
		run.set |= _PAGE_RW;
	run.clear = DECIDED & ~run.set;
	run.old = 0;

	c = this_cpu_read(ptb_cpus);
	ptb_flush_begin(mm, addr, 1, c, &flush);
	done = likely(!apply_runs(c, &run, 1, &flush));
	if (unlikely(ptb_flush_missed(mm, c))) {
		tlb_flush_pte_range(tlb, addr, PAGE_SIZE);
		c->counters[PTB_MPROTECT].late++;
	}
	c->counters[PTB_MPROTECT].failures += !done;
	c->counters[PTB_MPROTECT].singles += done;
unlock:
	ptb_unlock(lock);
	return done;
}

/* ---- Two tables ---------------------------------------------------------------- */

/* The run that is all a table needs, or a count of 0. False: it needs more. */
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

static void owe(struct mmu_gather *tlb, unsigned long start, unsigned long end)
{
	/* It takes the size as 32 bits: the first page and the last. */
	tlb_flush_pte_range(tlb, start, PAGE_SIZE);
	tlb_flush_pte_range(tlb, end - PAGE_SIZE, PAGE_SIZE);
}

/*
 * A range that lies in two tables but is no longer than one, where each table
 * needs one run: both in one hypercall. The first table's run cannot wait for
 * the second's after the first lock is released, since its slots may be others'
 * by then. So both locks are held, over no more slots than one table has.
 * False: the range is still to be done, table by table.
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

/* ---- The range ---------------------------------------------------------------- */

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
 * The table at addr, of the range from start to end. False: it is the
 * original's. *owed: whether a TLB flush of the range is still to be made.
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

/* Returns a number of pages, as the original does, which nobody looks at. */
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

long ptb_change_protection(struct mmu_gather *tlb, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end,
			   PTB_PROT_PARAM unsigned long cp_flags)
{
	pgprot_t prot = PTB_PROT(vma);
	struct change change PTB_UNINITIALIZED;
	long pages;

	ptb_enter();
	if (likely(takes(vma, pgprot_val(prot), cp_flags))) {
		change.tlb = tlb;
		change.vma = vma;
		change.prot = pgprot_val(prot) & ~PTB_KEPT;
		change.choose = (cp_flags & MM_CP_TRY_CHANGE_WRITABLE) &&
				!(change.prot & _PAGE_RW) &&
				(change.prot & _PAGE_PRESENT);
		if (end - start == PAGE_SIZE && (change.prot & _PAGE_PRESENT) &&
		    likely(change_one(tlb, vma, change.prot, change.choose,
				      start)))
			pages = 1;
		else if (end - start <= PMD_SIZE &&
			 ((start ^ (end - 1)) & PMD_MASK) &&
			 (change.prot & _PAGE_PRESENT) &&
			 change_two(&change, start, end))
			pages = (end - start) >> PAGE_SHIFT;
		else
			pages = change_range(&change, start, end, prot,
					     cp_flags);
	} else {
		ptb_count(PTB_MPROTECT, whole, 1);
		pages = original(tlb, vma, start, end, PTB_PROT_ARG cp_flags);
	}
	ptb_count(PTB_MPROTECT, calls, 1);
	ptb_leave();
	return pages;
}
PTB_TRAMPOLINE(ptb_change_protection);

const struct ptb_hook_point ptb_mprotect_hook = {
	.name = "change_protection",
	.trampoline = ptb_change_protection_trampoline,
	.original = (void **)&original,
};
