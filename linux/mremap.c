// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of move_page_tables(): mremap() that moves pages to another address,
 * and exec, which moves the new program's stack.
 *
 * The kernel's own loop clears each entry by an exchange, which traps, and sets
 * each new entry by a hypercall. This hook clears the entries of a table by one
 * run that returns their old values, and sets the new slots by one list of
 * values. The TLB flush of the old addresses is part of the second hypercall.
 * Both tables stay locked from the first hypercall to the end of the second.
 *
 * An entry moves as it is, with all its flags, and is marked soft-dirty. This
 * holds for entries of pages in swap too, and for every other entry.
 *
 * The hook leaves to the original what moves as whole tables, huge pages,
 * devices, userfaultfd, and processes whose memory a device or another guest
 * mirrors (mmu notifiers).
 *
 * Between the two hypercalls, the pages are mapped nowhere, and only this CPU
 * knows their entries. A search that must find all mappings of a page takes the
 * lock of each table (PVMW_SYNC), and so finds the page at its new place. Other
 * searches, such as reclaim's, pass over a slot that they see empty, as they can
 * in the original too. They may miss the mapping, but then do not free the page,
 * because its count of mappings is not 0. If setting the slots fails, they are
 * set one by one, as the original does.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "flush.h"
#include "ptebatch.h"
#include "tables.h"

static ptb_move_tables_t *original;

/* ---- One table ----------------------------------------------------------- */

/*
 * The locks that keep code which looks for all mappings of a page from looking
 * at the new place before, and at the old place after the page has moved.
 */
static void lock_rmap(const struct ptb_move *m)
{
	if (!m->need_rmap_locks)
		return;
	if (m->vma->vm_file)
		i_mmap_lock_write(m->vma->vm_file->f_mapping);
	if (m->vma->anon_vma)
		down_write(&m->vma->anon_vma->root->rwsem);
}

static void unlock_rmap(const struct ptb_move *m)
{
	if (!m->need_rmap_locks)
		return;
	if (m->vma->anon_vma)
		up_write(&m->vma->anon_vma->root->rwsem);
	if (m->vma->vm_file)
		i_mmap_unlock_write(m->vma->vm_file->f_mapping);
}

/* The old and the new range may lie in the same table. */
static bool lock_both(struct mm_struct *mm, struct ptb_table t[2],
		      spinlock_t *lock[2])
{
	lock[1] = NULL;
	if (t[0].page == t[1].page)
		return ptb_lock(mm, &t[0], &lock[0]);
	return ptb_lock_two(mm, t, lock);
}

static void unlock_both(spinlock_t *lock[2])
{
	if (lock[1])
		ptb_unlock(lock[1]);
	ptb_unlock(lock[0]);
}

/* Whether the entry refers to a page, as Linux's pte_present(). */
static __always_inline bool has_page(u64 pte)
{
	return pte & (_PAGE_PRESENT | _PAGE_PROTNONE);
}

/*
 * Copies the entries, in case that Xen cannot store what they were when it
 * cleared them. Returns all bits that any of them has.
 */
static u64 copy(const struct ptb_table *t, struct ptb_cpu *c)
{
	unsigned int i;
	u64 any = 0;

	for (i = 0; i < t->nr; i++) {
		u64 pte = READ_ONCE(t->ptes[i]);

		c->records.values[i].pte = pte;
		any |= pte;
	}
	return any;
}

/*
 * Whether any of the copied entries refers to a page of a device. In the entry of
 * a page in swap, the same bit is part of the page's place in swap.
 */
static bool has_devices(const struct ptb_cpu *c, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		u64 pte = c->records.values[i].pte;

		if (has_page(pte) && (pte & _PAGE_DEVMAP))
			return true;
	}
	return false;
}

static __always_inline u64 soft_dirty(u64 pte)
{
	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		return pte;
	return pte | (likely(has_page(pte)) ? _PAGE_SOFT_DIRTY
					    : _PAGE_SWP_SOFT_DIRTY);
}

/*
 * Clears the slots, and stores their entries to c->olds. Returns how many slots
 * are cleared.
 */
static unsigned int take(const struct ptb_table *t, struct ptb_cpu *c)
{
	const struct ptebatch_run run = {
		.slot = t->slot,
		.count = t->nr,
		.op = PTEBATCH_OP_CLEAR,
		.old = (uintptr_t)c->olds,
	};
	unsigned int i, done;
	bool whole;

	done = ptb_apply(PTB_MREMAP, &run, NULL, &whole);
	for (i = 0; unlikely(!whole) && i < done; i++)
		c->olds[i] = ptb_assumed(c->records.values[i].pte);
	return done;
}

/*
 * Makes the values for the new slots. Returns how many there are. Some CPUs can
 * set A and D in an empty entry, which then still counts as empty.
 */
static unsigned int values_of(const struct ptb_table *to, unsigned int nr,
			      struct ptb_cpu *c)
{
	struct ptebatch_value *value = c->records.values;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		u64 pte = c->olds[i];

		if (pte_none(native_make_pte(pte)))
			continue;
		value->slot = (to->slot + 8 * i) | PTEBATCH_SET_EXACT;
		value->pte = soft_dirty(pte);
		value++;
	}
	return value - c->records.values;
}

/* Sets the new slots, and flushes the TLB of the pages from addr on. */
static void put(struct mm_struct *mm, unsigned long addr, unsigned int pages,
		const struct ptb_table *to, unsigned int nr, bool flush,
		struct ptb_cpu *c)
{
	struct ptb_counters *n = &c->counters[PTB_MREMAP];
	struct ptebatch_progress progress = {};
	struct ptebatch_tlb tlb;
	unsigned int i;

	/*
	 * A CPU that enters the address space from here on finds the old slots
	 * empty, so nobody is missed.
	 */
	if (flush)
		ptb_flush_begin(mm, addr, pages, c, &tlb);
	ptebatch_hypercall.values(&ptb_env, PTEBATCH_DOMID_SELF,
				  c->records.values, nr, flush ? &tlb : NULL,
				  &progress);
	n->hypercalls += progress.stats.hypercalls;
	n->folded += flush && !progress.err;
	if (likely(!progress.err))
		return;

	n->failures++;
	for (i = progress.records; i < nr; i++) {
		const struct ptebatch_value *value = &c->records.values[i];

		set_pte((pte_t *)to->ptes + (value->slot - to->slot) / 8,
			native_make_pte(value->pte));
	}
	if (flush)
		ptb_flush_range(mm, addr,
				addr + ((unsigned long)pages << PAGE_SHIFT),
				PAGE_SHIFT, false);
}

/* Moves the entries of t[0] to t[1]. Returns how many slots are done. */
static unsigned int move_entries(struct mm_struct *mm, unsigned long addr,
				 const struct ptb_table t[2])
{
	struct ptb_cpu *c = this_cpu_read(ptb_cpus);
	const u64 any = copy(&t[0], c);
	unsigned int done, nr;

	if (!any)
		return t[0].nr;
	if (unlikely(any & _PAGE_DEVMAP) && has_devices(c, t[0].nr))
		return 0;
	done = take(&t[0], c);
	nr = values_of(&t[1], done, c);
	if (likely(nr))
		put(mm, addr, done, &t[1], nr, has_page(any), c);
	c->counters[PTB_MREMAP].tables += done != 0;
	c->counters[PTB_MREMAP].ptes += done;
	return done;
}

/*
 * Moves a range that lies in one table, to one table. Returns how many bytes are
 * done; 0 if the range is left to the original. If nothing is mapped, this can
 * be more than the range, up to the end of all that is to be moved.
 */
static unsigned long move_part(const struct ptb_move *m, unsigned long old,
			       unsigned long new, unsigned long len,
			       unsigned long end)
{
	struct mm_struct *mm = m->vma->vm_mm;
	unsigned long next, done = 0;
	struct ptb_table t[2];
	spinlock_t *lock[2];
	enum ptb_walk walk;

	ptb_tables_hold();
	walk = ptb_walk(mm, old, end, &next, &t[0]);
	ptb_tables_release();
	if (walk == PTB_EMPTY)
		return next - old;
	if (walk == PTB_ODD || !ptb_alloc_pmd(mm, new))
		return 0;

	lock_rmap(m);
	ptb_tables_hold();
	if (likely(ptb_walk(mm, old, old + len, &next, &t[0]) == PTB_TABLE) &&
	    likely(ptb_walk(mm, new, new + len, &next, &t[1]) == PTB_TABLE) &&
	    likely(lock_both(mm, t, lock))) {
		ptb_tables_release();
		done = move_entries(mm, old, t);
		unlock_both(lock);
	} else {
		ptb_tables_release();
	}
	unlock_rmap(m);
	return done << PAGE_SHIFT;
}

/* ---- The range ----------------------------------------------------------- */

/* How many bytes, from the start on, the original can move as whole tables. */
static unsigned long in_tables(unsigned long old, unsigned long new,
			       unsigned long end)
{
	const unsigned long stop = end & PMD_MASK;

	if (((old ^ new) & ~PMD_MASK) || stop <= old ||
	    (!PTB_MOVE_ALIGNS && (old & ~PMD_MASK)))
		return 0;
	return stop - old;
}

static unsigned long in_one_table(unsigned long old, unsigned long new,
				  unsigned long end)
{
	const unsigned long left = end - old;

	return min(pmd_addr_end(old, end) - old,
		   pmd_addr_end(new, new + left) - new);
}

static bool takes(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP | VM_IO |
				  __VM_UFFD_FLAGS));
}

unsigned long ptb_move_page_tables(PTB_MOVE_PARAMS);

unsigned long ptb_move_page_tables(PTB_MOVE_PARAMS)
{
	const struct ptb_move m = ptb_move_of(PTB_MOVE_ARGS);
	unsigned long end = m.old + m.len, done = 0, part, moved;

	ptb_enter();
	ptb_count(PTB_MREMAP, calls, 1);
	if (!ptb_on[PTB_MREMAP] || !takes(m.vma) || !takes(m.new_vma) ||
	    mm_has_notifiers(m.vma->vm_mm) ||
	    /* Without runs, each clear is a trap, as in the original. */
	    !(READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS)) {
		ptb_count(PTB_MREMAP, whole, 1);
		done = original(PTB_MOVE_ARGS);
		ptb_leave();
		return done;
	}
	while (done < m.len) {
		const unsigned long old = m.old + done;
		const unsigned long new = m.new + done;

		cond_resched();
		part = in_tables(old, new, end);
		moved = 0;
		if (!part) {
			part = in_one_table(old, new, end);
			moved = move_part(&m, old, new, part, end);
		}
		if (!moved) {
			ptb_count(PTB_MREMAP, odd, 1);
			moved = ptb_move_tables(original, &m, old, new, part);
			if (moved != part) {
				done += moved;
				break;
			}
		}
		done += moved;
	}
	ptb_leave();
	return done;
}
PTB_TRAMPOLINE(ptb_move_page_tables);

const struct ptb_hook_point ptb_mremap_hook = {
	.name = "move_page_tables",
	.trampoline = ptb_move_page_tables_trampoline,
	.original = (void **)&original,
};
