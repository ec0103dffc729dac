/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls that the backends use: mmu_update, mmuext_op,
 * update_va_mapping and the two calls of <ptebatch/xen-ptebatch.h>, over two tables in
 * plain memory and a page that is no table.
 */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include <ptebatch/ptebatch.h>

#define FAKE_TABLES 2
#define FAKE_AT 0x10000000ull
#define FAKE_SLOT(table, i) (FAKE_AT + 4096ull * (table) + 8ull * (i))
/* The slot of this index maps that address: see update_va_mapping. */
#define FAKE_VA(index) (0x7f0000000000ull + 4096ull * (index))
#define FAKE_DATA 0x20000000ull /* a page that is no table */
#define FAKE_CALLS 4096
#define FAKE_EVENTS 1024
#define FAKE_OLD_OPS 0x3u /* FLAGS and CLEAR */
#define FAKE_TLB 1 /* the event of a TLB flush; not a valid slot address */

struct fake_call {
	uint32_t nr;
	uint64_t a1, a2, a3, a4, a5;
	struct ptebatch_tlb tlb; /* where a5 told of one */
	uint32_t cmd;            /* of the first mmuext op */
	uint64_t addr;
};

extern struct fake {
	uint64_t table[FAKE_TABLES][PTEBATCH_TABLE_SLOTS];
	uint64_t data[PTEBATCH_TABLE_SLOTS]; /* at FAKE_DATA */

	/* IN: what this Xen has. */
	int has_runs, has_values, no_mmu_update;
	/*
	 * IN: a bit for each operation that the register form knows. A Xen that
	 * knows neither SET nor TAKE does not know ASK_OPS either.
	 */
	uint32_t ops;
	uint64_t most_records;
	/* IN: slots to apply before one fails, -1 for none; with what. */
	int64_t fail_after;
	int err;
	/* IN: the new calls vanish for good when that many slots are done. */
	int64_t gone_after;
	/*
	 * IN: then Xen itself has lost them while the guest was preempted: no
	 * TLB flush, and the progress is in the arguments alone.
	 */
	int gone_raw;
	/* IN: mmu_update stops without an error after so many entries. */
	uint32_t mmu_most;
	int mmuext_err; /* IN: for masks only */
	int flush_err;	/* IN: for any other flush by mmuext_op */
	/* IN: can Xen store to this word? NULL: to all. */
	int (*backed)(const void *p);
	/* IN: the new calls' answer to anything but a probe, or NULL. */
	const int64_t *answer;
	/*
	 * IN: bits that hardware sets in every present entry, once, at the
	 * call of this number.
	 */
	uint64_t hardware;
	unsigned int hardware_at;
	/* OUT: where it did. */
	uint64_t touched[FAKE_TABLES][PTEBATCH_TABLE_SLOTS];

	unsigned int calls, applied, tlbs;
	/* OUT: slots in the order applied, and TLB flushes among them. */
	unsigned int events;
	uint64_t event[FAKE_EVENTS];
	/* OUT: an error was asked for and given. */
	int failed;
	struct fake_call call[FAKE_CALLS];
} fake;

void fake_reset(struct ptebatch_env *env);

#endif /* FAKE_XEN_H */
