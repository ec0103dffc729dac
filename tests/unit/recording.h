/* SPDX-License-Identifier: MIT */
/*
 * A backend that records each slot that it is asked to change, and that can
 * fail at any slot.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <ptebatch/ptebatch.h>

#define RECORDING_MAX 4096

struct recorded {
	uint64_t slot;
	int value; /* else a run's slot */
	uint32_t op, owner;
	uint64_t clear, set, old, pte; /* old: of this slot */
};

extern struct recording {
	/* IN: how many slots to apply before one fails; -1: none fails. */
	int64_t fail_after;
	int err;     /* IN: with what */
	int tlb_err; /* IN: what a TLB flush fails with, or 0 */

	unsigned int calls, slots, tlbs;
	uint32_t last_nr;
	struct ptebatch_tlb tlb; /* the last one */
	struct recorded slot[RECORDING_MAX];
} recording;

void recording_reset(void);

extern const struct ptebatch_backend recording_backend;

#endif /* RECORDING_H */
