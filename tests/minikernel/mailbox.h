/* SPDX-License-Identifier: MIT */
/*
 * Requests of a program in dom0 to the minikernel, which runs as a domU. Both
 * map one page, whose frame number the minikernel prints. dom0 fills in the
 * request and increments "asked". The minikernel sets "done" to the same value
 * after it has served the request.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <ptebatch/port.h>

#define MAILBOX_SLOTS 512

struct mailbox {
	uint32_t asked, done;
	uint32_t what;	/* MAILBOX_* */
	uint32_t stock; /* use mmu_update, not the new calls */
	int32_t line;	/* source line of the last failure, or 0 */
	uint32_t table_pfn;
	uint64_t table; /* machine address of the L1 table in use */
	/* The range that contains the pages of its slots. */
	uint32_t first_pfn, last_pfn;
	uint32_t pfn[MAILBOX_SLOTS];	/* of the page that a slot maps */
	uint8_t reached[MAILBOX_SLOTS]; /* MAILBOX_READ | _WRITTEN */
	uint64_t sum; /* of the table's entries, see mailbox_sum() */
};

/* Adds and removes mappings, then writes through some of them. */
#define MAILBOX_CHANGE 1u
/* Computes the table's sum in the minikernel, and accesses all its slots. */
#define MAILBOX_LOOK 2u
/* Ends the service; the minikernel powers off. */
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
