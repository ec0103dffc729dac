/* SPDX-License-Identifier: MIT */
/*
 * A batch over a fake Xen (../unit/fake-xen.h) that fails, stops half way, or
 * loses its new calls at a slot of the caller's choice; and the oracle: a list
 * of slots queued, in order, and the entries as they have to be. After each
 * call of the library: what it says is pending is the end of that list, all
 * before it is applied once and in order, all old values are right, the entry
 * that failed is named, and the TLB is flushed if and when it must be.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdint.h>

#include "../unit/fake-xen.h"

enum batch_backend {
	BATCH_NATIVE,	   /* fails where a slot is not mapped */
	BATCH_MMU_UPDATE,
	BATCH_MMU_NO_AD,   /* without PRESERVE_AD */
	BATCH_MMU_TRANSIENT, /* the same, and may be absent for a moment */
	BATCH_HYPERCALL,
	BATCH_FEW_RECORDS, /* a Xen that takes two records a call */
	BATCH_RUNS_ONLY,
	BATCH_VALUES_ONLY,
	BATCH_BACKENDS
};

struct batch_op {
	enum { OP_FLAGS, OP_FLAGS_OLD, OP_CLEAR, OP_CLEAR_OLD, OP_KEEP,
	       OP_EXACT, OP_KINDS } kind;
	uint32_t table, slot, count; /* count: 1 for values */
	uint64_t clear, set;	     /* set: the value */
};

/* From here on: a fresh world, entries, an empty batch of so many records. */
void batch_start(enum batch_backend backend, uint32_t records);
/* -1: none. native: the slot of table 0 that is not mapped. */
void batch_fail(int64_t after, int err);
void batch_vanish(int64_t after);
/* These check all that is said above. They return the library's error. */
int batch_add(const struct batch_op *op);
int batch_flush(const struct ptebatch_tlb *tlb);
int batch_end(const struct ptebatch_tlb *tlb); /* of a begin */
void batch_begin(void);
void batch_skip(void);
void batch_discard(void);
/* Hardware sets A, and D where it may, in every present entry. */
void batch_touch(void);
/* Nothing fails any more; flushes, which leaves nothing queued. */
void batch_finish(void);
/* Slots queued, as the oracle counts. */
uint32_t batch_pending(void);

/* What to do where something is wrong, which must not return. */
extern void (*batch_failed)(const char *what);

#endif /* BATCH_H */
