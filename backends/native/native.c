/* SPDX-License-Identifier: MIT */
/*
 * native: writes entries in place, for a kernel that owns its page tables.
 *
 * Each change is one atomic read-modify-write, so no A or D bit is lost that
 * hardware sets at the same moment. A change that only clears bits or only sets
 * bits is one "lock and" or "lock or", if no old value is to be returned. An
 * entry that would stay the same is not written.
 *
 * env->map is called once per run, because the slots of a table are neighbours
 * in its mapping too. The caller's lock keeps other CPUs from changing entries.
 * Hardware sets only A and D, so the P bit cannot change between a read and the
 * write that follows it.
 */
#include <ptebatch/ptebatch.h>

#define AD_BITS (PTEBATCH_PTE_A | PTEBATCH_PTE_D)

typedef volatile uint64_t entry_t;

/* *p becomes (*p & keep) | set. Returns the old entry. */
static uint64_t exchange(entry_t *p, uint64_t keep, uint64_t set)
{
	uint64_t e = *p;

	while (!__atomic_compare_exchange_n(p, &e, (e & keep) | set, 1,
					    __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	return e;
}

static void change(entry_t *p, uint32_t count, uint64_t clear, uint64_t set)
{
	uint64_t e, n;

	for (; count--; p++) {
		e = *p;
		n = (e & ~clear) | set;
		if (!(e & PTEBATCH_PTE_P))
			continue;
		/*
		 * Hardware may set A or D after the read, although this change
		 * clears the bit. That is the same as if it did so after the
		 * change.
		 */
		if (n == e)
			continue;
		if (!set)
			__atomic_fetch_and(p, ~clear, __ATOMIC_SEQ_CST);
		else if (!(e & clear))
			__atomic_fetch_or(p, set, __ATOMIC_SEQ_CST);
		else
			exchange(p, ~clear, set);
	}
}

static void change_old(entry_t *p, uint32_t count, uint64_t clear, uint64_t set,
		       volatile uint64_t *old)
{
	uint64_t e;

	for (; count--; p++) {
		e = *p;
		if ((e & PTEBATCH_PTE_P) && ((e & ~clear) | set) != e)
			e = exchange(p, ~clear, set);
		*old++ = e;
	}
}

static void clear_run(entry_t *p, uint32_t count, volatile uint64_t *old)
{
	uint64_t e;

	for (; count--; p++) {
		e = *p ? __atomic_exchange_n(p, 0, __ATOMIC_SEQ_CST) : 0;
		if (old)
			*old++ = e;
	}
}

/* Returns the entry's address, or NULL with an error in progress. */
static entry_t *reach(struct ptebatch_env *env, uint64_t slot,
		      struct ptebatch_progress *progress)
{
	entry_t *p = env->map(env->ctx, slot);

	if (!p)
		progress->err = env->features & PTEBATCH_ENV_MAP_KNOWS_L1
					? -PTEBATCH_EINVAL
					: -PTEBATCH_EOPNOTSUPP;
	return p;
}

/* Before the first change: an error if the whole request cannot be done. */
static int refused(struct ptebatch_env *env, const struct ptebatch_tlb *tlb)
{
	if (!env->map)
		return -PTEBATCH_EINVAL;
	if (tlb && tlb->who != PTEBATCH_TLB_NONE && !env->tlb)
		return -PTEBATCH_EOPNOTSUPP;
	return 0;
}

/* Only if a record was applied, or none was given. */
static void flush_tlb(struct ptebatch_env *env, uint32_t nr,
		      const struct ptebatch_tlb *tlb,
		      struct ptebatch_progress *progress)
{
	int err;

	if (!tlb || tlb->who == PTEBATCH_TLB_NONE ||
	    (nr && !progress->records))
		return;
	err = env->tlb(env->ctx, tlb);
	if (!err)
		progress->stats.tlb_flushes++;
	else if (!progress->err)
		progress->err = err;
}

static void native_runs(struct ptebatch_env *env, uint32_t owner,
			const struct ptebatch_run *runs, uint32_t nr,
			const struct ptebatch_tlb *tlb,
			struct ptebatch_progress *progress)
{
	const struct ptebatch_run *run;
	entry_t *p;

	(void)owner; /* bare metal has one owner */
	progress->records = 0;
	progress->slots = 0;
	progress->err = refused(env, tlb);
	progress->refused = progress->err != 0;
	if (progress->err)
		return;
	for (run = runs; progress->records < nr; run++) {
		p = reach(env, run->slot, progress);
		if (!p)
			break;
		if (run->op == PTEBATCH_OP_CLEAR)
			clear_run(p, run->count,
				  (uint64_t *)(uintptr_t)run->old);
		else if (run->old)
			change_old(p, run->count, run->clear, run->set,
				   (uint64_t *)(uintptr_t)run->old);
		else
			change(p, run->count, run->clear & ~run->set, run->set);
		progress->records++;
	}
	flush_tlb(env, nr, tlb, progress);
}

static void native_values(struct ptebatch_env *env, uint32_t owner,
			  const struct ptebatch_value *values, uint32_t nr,
			  const struct ptebatch_tlb *tlb,
			  struct ptebatch_progress *progress)
{
	const struct ptebatch_value *value;
	entry_t *p;

	(void)owner;
	progress->records = 0;
	progress->slots = 0;
	progress->err = refused(env, tlb);
	progress->refused = progress->err != 0;
	if (progress->err)
		return;
	for (value = values; progress->records < nr; value++) {
		p = reach(env, value->slot & ~(uint64_t)7, progress);
		if (!p)
			break;
		if ((value->slot & 7) == PTEBATCH_SET_KEEP_AD)
			exchange(p, AD_BITS, value->pte);
		else
			__atomic_store_n(p, value->pte, __ATOMIC_SEQ_CST);
		progress->records++;
	}
	flush_tlb(env, nr, tlb, progress);
}

static int one_run(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_run *run,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	native_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static int one_set(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_value *value,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	native_values(env, PTEBATCH_DOMID_SELF, value, 1, tlb, progress);
	return progress->err;
}

static int native_probe(struct ptebatch_env *env)
{
	env->have = 0;
	return env->map ? 0 : -PTEBATCH_EINVAL;
}

const struct ptebatch_backend ptebatch_native = {
	PTEBATCH_BACKEND_VERSION,
	"native",
	native_probe,
	native_runs,
	native_values,
	one_run,
	one_run,
	one_set,
};
