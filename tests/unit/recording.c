/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "recording.h"

struct recording recording;

void recording_reset(void)
{
	memset(&recording, 0, sizeof(recording));
	recording.fail_after = -1;
	recording.err = -PTEBATCH_EBUSY;
}

/* Returns 1 where this slot is the one that fails. */
static int put(const struct recorded *slot)
{
	if (recording.fail_after == 0) {
		recording.fail_after = -1;
		return 1;
	}
	if (recording.fail_after > 0)
		recording.fail_after--;
	if (recording.slots < RECORDING_MAX)
		recording.slot[recording.slots] = *slot;
	recording.slots++;
	return 0;
}

static void flush_tlb(uint32_t nr, const struct ptebatch_tlb *tlb,
		      struct ptebatch_progress *progress)
{
	if (!tlb || (nr && !progress->records && !progress->slots))
		return;
	if (recording.tlb_err) {
		if (!progress->err)
			progress->err = recording.tlb_err;
		return;
	}
	recording.tlb = *tlb;
	recording.tlbs++;
	progress->stats.tlb_flushes++;
}

static void start(uint32_t nr, struct ptebatch_progress *progress)
{
	recording.calls++;
	recording.last_nr = nr;
	progress->records = 0;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	progress->stats.hypercalls++;
}

static void runs(struct ptebatch_env *env, uint32_t owner,
		 const struct ptebatch_run *runs, uint32_t nr,
		 const struct ptebatch_tlb *tlb,
		 struct ptebatch_progress *progress)
{
	uint32_t i, k;

	(void)env;
	start(nr, progress);
	for (i = 0; i < nr && !progress->err; i++) {
		for (k = 0; k < runs[i].count; k++) {
			struct recorded slot = {
				.slot = runs[i].slot + 8 * (uint64_t)k,
				.op = runs[i].op,
				.owner = owner,
				.clear = runs[i].clear,
				.set = runs[i].set,
				.old = runs[i].old ? runs[i].old + 8ull * k : 0,
			};

			if (put(&slot)) {
				progress->slots = k;
				progress->err = recording.err;
				break;
			}
		}
		if (!progress->err)
			progress->records++;
	}
	flush_tlb(nr, tlb, progress);
}

static void values(struct ptebatch_env *env, uint32_t owner,
		   const struct ptebatch_value *values, uint32_t nr,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	uint32_t i;

	(void)env;
	start(nr, progress);
	for (i = 0; i < nr; i++) {
		struct recorded slot = {
			.slot = values[i].slot & ~7ull,
			.value = 1,
			.op = (uint32_t)(values[i].slot & 7),
			.owner = owner,
			.pte = values[i].pte,
		};

		if (put(&slot)) {
			progress->err = recording.err;
			break;
		}
		progress->records++;
	}
	flush_tlb(nr, tlb, progress);
}

static int one_run(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_run *run,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats = (struct ptebatch_stats){ 0, 0 };
	runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static int one_set(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_value *value,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats = (struct ptebatch_stats){ 0, 0 };
	values(env, PTEBATCH_DOMID_SELF, value, 1, tlb, progress);
	return progress->err;
}

static int probe(struct ptebatch_env *env)
{
	env->have = 0;
	return 0;
}

const struct ptebatch_backend recording_backend = {
	PTEBATCH_BACKEND_VERSION,
	"recording",
	probe,
	runs,
	values,
	one_run,
	one_run,
	one_set,
};
