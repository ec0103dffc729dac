/* SPDX-License-Identifier: MIT */
/*
 * Small batches, exhaustively: a failure at each slot with each errno, and the
 * new calls gone at each slot, on each backend, with each way to continue. The
 * oracle of ../fuzz/batch.h checks the results. One test per batch and backend.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/pte.h"
#include "../common/tap.h"
#include "../fuzz/batch.h"

#define ENTRY(n) ((0x800ull + (n)) << 12 | PTEBATCH_PTE_P)
#define MOST_OPS 8

static const struct {
	const char *name;
	struct batch_op op[MOST_OPS];
} batches[] = {
	{ "one slot", { { OP_FLAGS, 0, 3, 1, RW, 0 } } },
	{ "one value", { { OP_KEEP, 0, 3, 1, 0, ENTRY(8) | RW } } },
	{ "one get-and-clear", { { OP_CLEAR_OLD, 0, 2, 5, 0, 0 } } },
	{ "one run", { { OP_FLAGS, 0, 2, 9, RW, 0 } } },
	{ "runs of two tables",
	  { { OP_FLAGS, 0, 1, 3, RW, 0 },
	    { OP_FLAGS, 0, 8, 2, 0, NX },
	    { OP_FLAGS, 1, 0, 4, RW, NX } } },
	{ "values",
	  { { OP_KEEP, 0, 1, 1, 0, ENTRY(1) },
	    { OP_EXACT, 0, 2, 1, 0, ENTRY(2) | A },
	    { OP_KEEP, 1, 3, 1, 0, 0 },
	    { OP_KEEP, 1, 4, 1, 0, 5 << 12 },
	    { OP_EXACT, 0, 6, 1, 0, ENTRY(3) | RW } } },
	{ "runs and values in turn",
	  { { OP_FLAGS, 0, 1, 2, RW, 0 },
	    { OP_KEEP, 0, 2, 1, 0, ENTRY(4) },
	    { OP_EXACT, 0, 1, 1, 0, ENTRY(5) },
	    { OP_CLEAR, 0, 2, 3, 0, 0 },
	    { OP_KEEP, 0, 3, 1, 0, ENTRY(6) | RW } } },
	{ "old values",
	  { { OP_FLAGS_OLD, 0, 1, 3, A, 0 },
	    { OP_CLEAR_OLD, 1, 5, 3, 0, 0 },
	    { OP_FLAGS_OLD, 0, 1, 2, RW, D },
	    { OP_FLAGS, 1, 8, 2, A | D, 0 } } },
	/* The second run changes only slot 3, before the third run does. */
	{ "runs that overlap",
	  { { OP_FLAGS, 0, 4, 4, RW, 0 },
	    { OP_FLAGS, 0, 2, 6, RW, 0 },
	    { OP_FLAGS, 0, 4, 3, 0, NX } } },
	{ "one slot again and again",
	  { { OP_FLAGS, 0, 3, 1, RW, 0 },
	    { OP_FLAGS_OLD, 0, 3, 1, A, RW },
	    { OP_FLAGS, 0, 3, 1, RW, NX },
	    { OP_CLEAR_OLD, 0, 3, 1, 0, 0 },
	    { OP_FLAGS, 0, 3, 2, 0, NX },
	    { OP_KEEP, 0, 3, 1, 0, ENTRY(7) } } },
};

static const char *const backends[BATCH_BACKENDS] = {
	[BATCH_NATIVE] = "native",
	[BATCH_MMU_UPDATE] = "mmu-update",
	[BATCH_MMU_NO_AD] = "mmu-update without PRESERVE_AD",
	[BATCH_MMU_TRANSIENT] = "mmu-update, absent for a moment",
	[BATCH_HYPERCALL] = "hypercall",
	[BATCH_FEW_RECORDS] = "hypercall, two records a call",
	[BATCH_RUNS_ONLY] = "hypercall, runs alone",
	[BATCH_VALUES_ONLY] = "hypercall, values alone",
	[BATCH_OLDER] = "hypercall, an older Xen",
};

static const int errors[] = {
	PTEBATCH_EPERM, PTEBATCH_ESRCH,	 PTEBATCH_EFAULT,     PTEBATCH_EBUSY,
	PTEBATCH_EINVAL, PTEBATCH_ENOSYS, PTEBATCH_EOPNOTSUPP,
};

enum { AGAIN, SKIP, DISCARD, WAYS };

static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };
static char scenario[160];

static void wrong(const char *what)
{
	tap_result(NULL, scenario, what);
	tap_done();
	exit(1);
}

/* Continues after an error, as a caller does after one of flush. */
static void go_on(int way)
{
	batch_touch();
	if (way == SKIP)
		batch_skip();
	else if (way == DISCARD)
		batch_discard();
}

/* The calls vanish at slot gone_at; if that is FORGET, operations do. */
#define FORGET (-2)

static void one(unsigned int n, int64_t fail_at, int err, int64_t gone_at,
		int way)
{
	const struct batch_op *op = batches[n].op;
	unsigned int i;

	batch_fail(fail_at, err);
	if (gone_at == FORGET)
		batch_forget();
	else
		batch_vanish(gone_at);
	for (i = 0; i < MOST_OPS && op[i].count; i++)
		if (batch_add(&op[i])) {
			go_on(way);
			batch_add(&op[i]);
		}
	if (batch_flush(err & 1 ? &all : NULL))
		go_on(way);
	batch_finish();
}

int main(void)
{
	unsigned long scenarios, errs = sizeof(errors) / sizeof(errors[0]);
	unsigned int n, backend, e, r;
	int slots, i, gone, way;
	uint32_t records;

	batch_failed = wrong;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (n = 0; n < sizeof(batches) / sizeof(batches[0]); n++)
		for (backend = 0; backend < BATCH_BACKENDS; backend++) {
			slots = 0;
			for (i = 0; i < MOST_OPS; i++)
				slots += (int)batches[n].op[i].count;
			scenarios = 0;
			for (e = 0; e < errs; e++)
			for (i = -1; i <= slots; i++)
			for (gone = FORGET; gone < slots; gone++)
			for (r = 0; r < 3; r++)
			for (way = 0; way < WAYS; way++) {
				/* Some flush by themselves, one never. */
				static const uint32_t room[] = { 1, 2, 64 };

				records = room[r];
				snprintf(scenario, sizeof(scenario),
					 "%s, %s: error %d at %d, calls gone "
					 "at %d, %u records, way %d",
					 batches[n].name, backends[backend],
					 errors[e], i, gone, records, way);
				batch_start(backend, records);
				one(n, i, errors[e], gone, way);
				scenarios++;
			}
			snprintf(scenario, sizeof(scenario),
				 "%s, %s: %lu ways to fail lose and repeat nothing",
				 batches[n].name, backends[backend], scenarios);
			tap_result(NULL, scenario,
				   scenarios ? NULL : "there was none");
		}
	return tap_done() != 0;
}
