/* SPDX-License-Identifier: MIT */
/*
 * A batch on a fake Xen (../unit/fake-xen.h), which can fail, stop half way, or
 * lose its new hypercalls at a slot of the caller's choice. The oracle keeps a
 * list of the queued slots, in order, and the expected value of every PTE.
 * After each call of the library it checks:
 *
 * - The pending slots are the end of the list. All slots before them were
 *   applied once, in order.
 * - All returned old values are right.
 * - The slot that failed is reported.
 * - The TLB was flushed exactly if required, and after the last update.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdint.h>

#include "../unit/fake-xen.h"

enum batch_backend {
	BATCH_NATIVE,	   /* fails at a slot that is not mapped */
	BATCH_MMU_UPDATE,
	BATCH_MMU_NO_AD,   /* without PRESERVE_AD */
	BATCH_MMU_TRANSIENT, /* without it, but with TRANSIENT_OK */
	BATCH_HYPERCALL,
	BATCH_FEW_RECORDS, /* a Xen that takes two records per call */
	BATCH_RUNS_ONLY,
	BATCH_VALUES_ONLY,
	BATCH_OLDER,	   /* a Xen without SET and TAKE */
	BATCH_BACKENDS
};

struct batch_op {
	enum { OP_FLAGS, OP_FLAGS_OLD, OP_CLEAR, OP_CLEAR_OLD, OP_KEEP,
	       OP_EXACT, OP_KINDS } kind;
	uint32_t table, index, count; /* count: 1 for values */
	uint64_t clear, set;	     /* set is the value for KEEP and EXACT */
};

/*
 * Starts with a fresh fake Xen, PTEs, and an empty batch for "records" records.
 */
void batch_start(enum batch_backend backend, uint32_t records);
/*
 * Makes the update fail that comes after "after" more; -1: none. For native,
 * "after" is the index of the entry of table 0 that is not mapped.
 */
void batch_fail(int64_t after, int err);
void batch_vanish(int64_t after);
/* The operations SET and TAKE disappear, and the calls stay. */
void batch_forget(void);
/*
 * Each does the checks listed above. The first three return the library's
 * error.
 */
int batch_add(const struct batch_op *op);
int batch_flush(const struct ptebatch_tlb *tlb);
int batch_end(const struct ptebatch_tlb *tlb); /* no-op without a begin */
void batch_begin(void);
void batch_skip(void);
void batch_discard(void);
/* Acts as hardware: sets A in every present PTE, and D in the writable ones. */
void batch_touch(void);
/* Turns failures off and flushes, which must leave nothing queued. */
void batch_finish(void);
/* The oracle's number of queued slots. */
uint32_t batch_pending(void);

/* Called when a check fails. Must not return. */
extern void (*batch_failed)(const char *what);

#endif /* BATCH_H */
