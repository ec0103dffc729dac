/* SPDX-License-Identifier: MIT */
/*
 * How a program in dom0 tells the minikernel, as a domU, what to do: a page that
 * both have mapped, and whose frame the minikernel prints. dom0 fills in the
 * request and counts "asked" up; the minikernel counts "done" up behind.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <ptebatch/port.h>

#define MAILBOX_SLOTS 512

struct mailbox {
	uint32_t asked, done;
	uint32_t what;	/* MAILBOX_* */
	uint32_t stock; /* by mmu_update, not by the new calls */
	int32_t line;	/* where the last request failed, or 0 */
	uint32_t table_pfn;
	uint64_t table; /* machine address of the L1 table in use */
	/* The pages that its slots map lie inside these. */
	uint32_t first_pfn, last_pfn;
	uint32_t pfn[MAILBOX_SLOTS];	/* of the page that a slot maps */
	uint8_t reached[MAILBOX_SLOTS]; /* MAILBOX_READ | _WRITTEN */
	uint64_t sum; /* of the table's entries, see mailbox_sum() */
};

/* Makes and takes away mappings, then writes through a part of them. */
#define MAILBOX_CHANGE 1u
/* Sums the table up as the minikernel sees it, and tries all its slots. */
#define MAILBOX_LOOK 2u
/* Is done with; powers off. */
#define MAILBOX_END 3u

#define MAILBOX_READ 1u
#define MAILBOX_WRITTEN 2u

/* FNV-1a, over 64-bit words. */
static inline uint64_t mailbox_sum(const volatile uint64_t *entry)
{
	uint64_t sum = 0xcbf29ce484222325ull;
	uint32_t i;

	for (i = 0; i < MAILBOX_SLOTS; i++)
		sum = (sum ^ entry[i]) * 0x100000001b3ull;
	return sum;
}

#endif /* MAILBOX_H */
