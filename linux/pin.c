// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of __xen_pgd_walk(): the walk over all tables of an address space,
 * with which Xen's code in Linux pins them (fork, exec) and unpins them (exit,
 * exec).
 *
 * A small process has a dozen tables above its L1 tables or among them, whose
 * thousands of entries are nearly all empty. The original looks at each entry by
 * itself. This hook skips eight empty entries at a time. The tables that it
 * finds, and their order, are the original's.
 *
 * A page table must be read-only for the kernel while it is pinned. The original's
 * callbacks change the kernel's mapping of each table by a hypercall of its own.
 * This hook collects tables, and changes the mappings of all of them by one
 * hypercall. Another hypercall pins or unpins the L1 tables among them. Only the
 * caller pins and unpins the top level. Other callbacks are called for each table.
 *
 * Nobody else changes the entries above the L1 tables meanwhile: no task uses the
 * address space yet, or any more, and the caller holds a page_table_lock. It also
 * has interrupts off, so the working memory of this CPU is free to use.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/objtool.h>

#include <xen/interface/xen.h>
#include <asm/xen/hypercall.h>

#include "compat.h"
#include "ptebatch.h"
#include "tables.h"

/* The kernel's enum pt_level, which is in none of its headers for modules. */
enum level {
	LEVEL_PGD,
	LEVEL_P4D,
	LEVEL_PUD,
	LEVEL_PMD,
	LEVEL_PTE
};

typedef void callback_t(struct mm_struct *mm, struct page *page,
			enum level level);

static void (*original)(struct mm_struct *mm, pgd_t *pgd, callback_t *call,
			unsigned long limit);
static callback_t *pin, *unpin;
static void (*flush_multicalls)(void);

int ptb_pin_symbols(void)
{
	pin = (void *)ptb_symbol("xen_pin_page");
	unpin = (void *)ptb_symbol("xen_unpin_page");
	flush_multicalls = (void *)ptb_symbol("xen_mc_flush");
	return pin && unpin && flush_multicalls ? 0 : -ENOENT;
}

struct walk {
	struct mm_struct *mm;
	const u64 *pgd;
	callback_t *call;
	unsigned int tables;
	/* The tables that are collected in *c, or c is NULL. */
	struct ptb_cpu *c;
	unsigned int nr;    /* of mappings to change */
	unsigned int nr_l1; /* of L1 tables, which are locked */
};

/* Where the kernel's mapping of a page can be changed, or NULL. */
static u64 *mapping_of(const struct walk *w, unsigned long addr)
{
	u64 entry = w->pgd[pgd_index(addr)];

	if (unlikely(!ptb_refers(entry)))
		return NULL;
	entry = ptb_lower(entry)[pud_index(addr)];
	if (unlikely(!ptb_refers(entry)))
		return NULL;
	entry = ptb_lower(entry)[pmd_index(addr)];
	if (unlikely(!ptb_refers(entry)))
		return NULL;
	return ptb_lower(entry) + pte_index(addr);
}

/*
 * Pins or unpins the L1 tables. If Xen refuses one, the others are still done: a
 * table that stays pinned cannot be made writable again.
 */
static void pin_tables(const struct walk *w)
{
	struct mmuext_op *ops = w->c->records.pins.ops;
	unsigned int cmd = w->call == pin ? MMUEXT_PIN_L1_TABLE
					  : MMUEXT_UNPIN_TABLE;
	unsigned int i, done = 0;

	if (!w->nr_l1)
		return;
	for (i = 0; i < w->nr_l1; i++) {
		ops[i].cmd = cmd;
		ops[i].arg1.mfn = ptb_mfn_of(page_to_pfn(w->c->pages[i]));
	}
	w->c->counters[PTB_PIN].hypercalls++;
	if (likely(!ptb_env.hypercall(ptb_env.ctx, __HYPERVISOR_mmuext_op,
				      (uintptr_t)ops, w->nr_l1,
				      (uintptr_t)&done, DOMID_SELF, 0)))
		return;
	w->c->counters[PTB_PIN].failures++;
	/* Xen refuses only what is no such table, which would be a bug. */
	for (i = done; i < w->nr_l1; i++)
		WARN_ON(HYPERVISOR_mmuext_op(&ops[i], 1, NULL, DOMID_SELF));
}

/*
 * Changes the mappings. Tables that were used by others can be in a TLB of this
 * CPU as they were mapped before. As the original, flushes it for the top level.
 */
static void map_tables(const struct walk *w, bool last)
{
	const struct ptebatch_value *values = w->c->records.pins.values;
	const struct ptebatch_tlb here = { .who = PTEBATCH_TLB_LOCAL };
	struct ptebatch_progress progress = {};
	unsigned int i;

	ptebatch_hypercall.values(&ptb_env, PTEBATCH_DOMID_SELF, values, w->nr,
				  last ? &here : NULL, &progress);
	w->c->counters[PTB_PIN].hypercalls += progress.stats.hypercalls;
	w->c->counters[PTB_PIN].folded += last && !progress.err;
	if (likely(!progress.err))
		return;
	w->c->counters[PTB_PIN].failures++;
	for (i = progress.records; i < w->nr; i++) {
		unsigned long pfn = ptb_pfn(values[i].pte);

		WARN_ON(HYPERVISOR_update_va_mapping(
			(unsigned long)__va(pfn << PAGE_SHIFT),
			native_make_pte(values[i].pte), 0));
	}
	/* Also if only the flush failed. */
	if (last) {
		struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };

		WARN_ON(HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF));
	}
}

/*
 * Does all that is collected. An L1 table is read-only before it is pinned, and
 * until it is unpinned. It stays locked in between: nobody may change an entry of a
 * table that Xen does not know as such, but that cannot be written to.
 */
static void apply(struct walk *w, bool last)
{
	unsigned int i;

	/* The caller has unpinned the top level by a multicall. */
	flush_multicalls();
	if (w->call == pin) {
		map_tables(w, last);
		pin_tables(w);
	} else {
		pin_tables(w);
		map_tables(w, last);
	}
	for (i = 0; i < w->nr_l1; i++)
		ptb_unlock(ptb_lock_of(w->c->pages[i]));
	w->nr = w->nr_l1 = 0;
}

/* As xen_pin_page() and xen_unpin_page(). */
static void collect(struct walk *w, struct page *page, enum level level)
{
	struct ptebatch_value *value;
	u64 *entry;

	if (w->call == pin ? PagePinned(page) : !PagePinned(page))
		return;
	entry = mapping_of(w, (unsigned long)page_address(page));
	if (unlikely(!entry)) {
		w->call(w->mm, page, level);
		return;
	}
	value = &w->c->records.pins.values[w->nr++];
	value->slot = ptb_slot_of(entry) | PTEBATCH_SET_EXACT;
	/* An entry that is read-only and dirty has another meaning, for some. */
	value->pte = READ_ONCE(*entry) & ~(u64)(_PAGE_RW | _PAGE_DIRTY);
	if (level == LEVEL_PTE) {
		spinlock_t *lock = ptb_lock_of(page);

		spin_lock_nest_lock(lock, &w->mm->page_table_lock);
		__release(lock); /* sparse cannot follow it to apply() */
		w->c->pages[w->nr_l1++] = page;
	}
	if (w->call == pin) {
		SetPagePinned(page);
	} else {
		value->pte |= _PAGE_RW | _PAGE_DIRTY;
		ClearPagePinned(page);
	}
	if (w->nr == PTB_PINS)
		apply(w, level == LEVEL_PGD);
}

static __always_inline void visit(struct walk *w, u64 *table, enum level level)
{
	struct page *page = virt_to_page(table);

	w->tables++;
	if (likely(w->c))
		collect(w, page, level);
	else
		w->call(w->mm, page, level);
}

/*
 * Visits the tables that the entries refer to, and those below them. The L1
 * tables are not read.
 */
static __always_inline void each(struct walk *w, u64 *entries, unsigned int nr,
				 enum level level,
				 void (*below)(struct walk *w, u64 *table))
{
	u64 *end = entries + nr, *entry = entries;

	while ((entry = ptb_used(entry, end)) != end) {
		u64 value = *entry++, *table;

		/* Some CPUs can set A and D in an empty entry. */
		if (unlikely(!ptb_refers(value)))
			continue;
		table = ptb_lower(value);
		visit(w, table, level);
		if (below)
			below(w, table);
	}
}

static void each_of_pmd(struct walk *w, u64 *pmd)
{
	each(w, pmd, PTRS_PER_PMD, LEVEL_PTE, NULL);
}

static void each_of_pud(struct walk *w, u64 *pud)
{
	each(w, pud, PTRS_PER_PUD, LEVEL_PMD, each_of_pmd);
}

void ptb_pgd_walk(struct mm_struct *mm, pgd_t *pgd, callback_t *call,
		  unsigned long limit);

void ptb_pgd_walk(struct mm_struct *mm, pgd_t *pgd, callback_t *call,
		  unsigned long limit)
{
	struct walk w = { mm, (u64 *)pgd, call };

	ptb_enter();
	ptb_count(PTB_PIN, calls, 1);
	/* Whole upper-level tables of user space, none of them in part. */
	if (likely(ptb_on[PTB_PIN]) && limit <= GUARD_HOLE_BASE_ADDR &&
	    IS_ALIGNED(limit, PGDIR_SIZE)) {
		if (likely((call == pin || call == unpin) && irqs_disabled()))
			w.c = this_cpu_read(ptb_cpus);
		each(&w, (u64 *)pgd, limit >> PGDIR_SHIFT, LEVEL_PUD,
		     each_of_pud);
		/* The top level is the end of the walk, as in the original. */
		visit(&w, (u64 *)pgd, LEVEL_PGD);
		if (likely(w.nr))
			apply(&w, true);
		ptb_count(PTB_PIN, tables, w.tables);
	} else {
		ptb_count(PTB_PIN, whole, 1);
		original(mm, pgd, call, limit);
	}
	ptb_leave();
}
PTB_TRAMPOLINE(ptb_pgd_walk);

const struct ptb_hook_point ptb_pin_hook = {
	.name = "__xen_pgd_walk",
	.trampoline = ptb_pgd_walk_trampoline,
	.original = (void **)&original,
};
