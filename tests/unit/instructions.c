/* SPDX-License-Identifier: MIT */
/*
 * What instructions.sh counts: "times" repetitions of one operation, each
 * in a function of its own, so that callgrind can tell them from the loop.
 */
#include <stdlib.h>
#include <string.h>

#include <ptebatch/ptebatch.h>

#include "../common/pte.h"

#define CALLED __attribute__((noinline))

static uint64_t storage[5 * 8192];
static struct ptebatch b;
static struct ptebatch_env env;

/* The shortest hypercall there can be; it says that all is done. */
CALLED static int64_t hypercall(void *ctx, uint32_t nr, uint64_t a1,
				uint64_t a2, uint64_t a3, uint64_t a4,
				uint64_t a5)
{
	(void)ctx;
	(void)nr;
	(void)a1;
	(void)a3;
	(void)a4;
	(void)a5;
	return (int64_t)a2;
}

/* One instruction, ret: what a call of "empty" costs its caller is known. */
CALLED static int empty(struct ptebatch *b, uint64_t slot, uint32_t count)
{
	(void)b;
	(void)slot;
	(void)count;
	__asm__ volatile("");
	return 0;
}

CALLED static int merge_one(struct ptebatch *b, uint64_t slot, uint32_t count)
{
	(void)count;
	return ptebatch_add_flags(b, slot, 1, RW, 0);
}

CALLED static int merge(struct ptebatch *b, uint64_t slot, uint32_t count)
{
	return ptebatch_add_flags(b, slot, count, RW, 0);
}

CALLED static int record(struct ptebatch *b, uint64_t slot, uint32_t count)
{
	return ptebatch_internal_open_flags(b, slot, count, RW, 0);
}

/* Single entries, each without and with the INVLPG of its page. */

static struct ptebatch_env with_calls = {
	.hypercall = hypercall,
	.have = PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES | PTEBATCH_HAVE_SET |
		PTEBATCH_HAVE_TAKE,
};
static const struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, 0x5000, 1, 0 };
static uint64_t old_value;
static const struct ptebatch_run flags_run = { 0x1000, 1, PTEBATCH_OP_FLAGS,
					       RW, 0, 0 };
static const struct ptebatch_run clear_run = { 0x1000, 1, PTEBATCH_OP_CLEAR,
					       0, 0, 0 };
static const struct ptebatch_value one_value = {
	0x1000 | PTEBATCH_SET_KEEP_AD, 0x2000 | P
};
static struct ptebatch_run take_run;
static struct ptebatch_progress progress;

#define SINGLE(name, function, record, tlb)                            \
	CALLED static int name(struct ptebatch *b, uint64_t slot,      \
			       uint32_t count)                         \
	{                                                              \
		(void)b;                                               \
		(void)slot;                                            \
		(void)count;                                           \
		return function(&ptebatch_hypercall, &with_calls,      \
				record, tlb, &progress);               \
	}

SINGLE(flags, ptebatch_apply_flags, &flags_run, NULL)
SINGLE(flags_page, ptebatch_apply_flags, &flags_run, &page)
SINGLE(clear, ptebatch_apply_clear, &clear_run, NULL)
SINGLE(clear_page, ptebatch_apply_clear, &clear_run, &page)
SINGLE(take, ptebatch_apply_clear, &take_run, NULL)
SINGLE(take_page, ptebatch_apply_clear, &take_run, &page)
SINGLE(set, ptebatch_apply_set, &one_value, NULL)
SINGLE(set_page, ptebatch_apply_set, &one_value, &page)

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*once)(struct ptebatch *b, uint64_t slot, uint32_t count);
		uint64_t step;
	} all[] = {
		{ "empty", empty, 8 },	       { "merge_one", merge_one, 8 },
		{ "merge", merge, 8 },	       { "record", record, 16 },
		{ "flags", flags, 8 },	       { "flags_page", flags_page, 8 },
		{ "clear", clear, 8 },	       { "clear_page", clear_page, 8 },
		{ "take", take, 8 },	       { "take_page", take_page, 8 },
		{ "set", set, 8 },	       { "set_page", set_page, 8 },
	};
	uint64_t slot = 0x1000;
	unsigned int i, times;

	if (argc != 3 || ptebatch_init(&b, sizeof(b), &ptebatch_hypercall, &env,
				       storage, sizeof(storage)))
		return 99;
	take_run = clear_run;
	take_run.old = (uintptr_t)&old_value;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name))
			break;
	if (i == sizeof(all) / sizeof(all[0]))
		return 99;
	for (times = (unsigned int)atoi(argv[2]); times; times--) {
		if (all[i].once(&b, slot, 1))
			return 1;
		slot += all[i].step;
	}
	return 0;
}
