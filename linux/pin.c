// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of __xen_pgd_walk(): the search for all tables of an address space,
 * which Xen's code in Linux makes to pin them (fork, exec) and to unpin them
 * (exit, exec).
 *
 * A small process has a dozen tables above its L1 tables or among them, whose
 * thousands of entries are nearly all empty. The original looks at each entry by
 * itself. This hook skips eight empty entries at a time. The tables that it
 * finds, and their order, are the original's. What is done to them is done by the
 * original's callback.
 *
 * The callback pins or unpins, which changes no entry. Nobody else changes the
 * entries above the L1 tables meanwhile: no task uses the address space yet, or
 * any more, and the caller holds its page_table_lock.
 */
#include <linux/mm.h>
#include <linux/objtool.h>

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

struct walk {
	struct mm_struct *mm;
	callback_t *call;
	unsigned int tables;
};

/*
 * Calls the callback for the tables that the entries refer to, and for those
 * below them. The L1 tables are not read.
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
		w->call(w->mm, virt_to_page(table), level);
		w->tables++;
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
	struct walk w = { mm, call, 0 };

	ptb_enter();
	ptb_count(PTB_PIN, calls, 1);
	/* Whole upper-level tables of user space, none of them in part. */
	if (likely(ptb_on[PTB_PIN]) && limit <= GUARD_HOLE_BASE_ADDR &&
	    IS_ALIGNED(limit, PGDIR_SIZE)) {
		each(&w, (u64 *)pgd, limit >> PGDIR_SHIFT, LEVEL_PUD,
		     each_of_pud);
		/* The callback takes the top level for the end of the walk. */
		call(mm, virt_to_page(pgd), LEVEL_PGD);
		ptb_count(PTB_PIN, tables, w.tables + 1);
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
