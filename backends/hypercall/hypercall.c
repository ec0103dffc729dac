/* SPDX-License-Identifier: MIT */
/*
 * hypercall: the two calls of <ptebatch/xen-ptebatch.h>, if Xen has them.
 *
 * - If Xen lacks the call for a record, the mmu-update backend applies it.
 * - A single run of the caller's own domain, without old values, is passed in
 *   registers. Everything else is passed as the caller's array; nothing is
 *   converted or copied.
 * - The last call does the TLB flush. If the last call was not made or applied
 *   nothing, but an earlier one did, a further call only flushes the TLB.
 * - A call that probe did not find, or that answers -ENOSYS later, is not made
 *   again until the next probe: its PTEBATCH_HAVE_* bit is cleared. The
 *   mmu-update backend applies the rest, from the slot that was reached.
 * - A Xen that takes fewer records per call than a batch can hold has its
 *   limits in env->max_runs and env->max_values.
 */
#include <ptebatch/ptebatch.h>

#define MOST_RECORDS 0x7fffffffu

/*
 * The code for a list that one call can apply is inline. The code for all other
 * cases is in functions of its own, off that path.
 */
#define INLINE inline __attribute__((__always_inline__))
#define NOINLINE __attribute__((__noinline__))

struct call {
	uint32_t nr;
	uint32_t have;
	uint32_t size; /* of a record */
	uint32_t how;
	uint64_t magic;
};

static const struct call runs_call = {
	__HYPERVISOR_ptebatch_runs,  PTEBATCH_HAVE_RUNS,
	sizeof(struct ptebatch_run), PTEBATCH_HOW_LIST,
	PTEBATCH_IS_RUNS,
};

static const struct call values_call = {
	__HYPERVISOR_ptebatch_values,  PTEBATCH_HAVE_VALUES,
	sizeof(struct ptebatch_value), 0,
	PTEBATCH_IS_VALUES,
};

static int has(const struct ptebatch_env *env, const struct call *call)
{
	return (__atomic_load_n(&env->have, __ATOMIC_ACQUIRE) & call->have) !=
	       0;
}

static uint32_t *max_records(struct ptebatch_env *env, const struct call *call)
{
	return call->have == PTEBATCH_HAVE_RUNS ? &env->max_runs
						: &env->max_values;
}

static void lose(struct ptebatch_env *env, const struct call *call)
{
	__atomic_fetch_and(&env->have, ~call->have, __ATOMIC_RELAXED);
}

static int wanted(const struct ptebatch_tlb *tlb)
{
	return tlb && tlb->who != PTEBATCH_TLB_NONE;
}

/* Does the request fit into argument 3, without a TLB record? */
static int in_registers(const struct ptebatch_tlb *tlb)
{
	return tlb->who != PTEBATCH_TLB_VCPUS &&
	       tlb->pages <= PTEBATCH_HOW_TLB_PAGES_MAX;
}

/* The bits of such a request. The core has checked that NONE has no pages. */
static uint64_t how_simple(const struct ptebatch_tlb *tlb)
{
	if (!tlb->pages)
		return PTEBATCH_HOW_TLB(tlb->who);
	return PTEBATCH_HOW_TLB(tlb->who) | PTEBATCH_HOW_TLB_PAGE |
	       (tlb->pages - 1) << PTEBATCH_HOW_TLB_MORE_SHIFT | tlb->addr;
}

static INLINE uint64_t how_tlb(const struct ptebatch_tlb *tlb)
{
	if (!wanted(tlb))
		return 0;
	if (!in_registers(tlb))
		return PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS);
	return how_simple(tlb);
}

/* One call of the backend, and how far it got. */
struct work {
	struct ptebatch_env *env;
	const struct ptebatch_tlb *tlb;
	struct ptebatch_progress *progress;
	uint32_t owner;
	int owed; /* slots were applied after the last TLB flush */
};

static void note(struct work *w, int applied, uint32_t flushes)
{
	w->progress->stats.tlb_flushes += flushes;
	if (flushes)
		w->owed = 0;
	else if (applied)
		w->owed = 1;
}

static INLINE int64_t list_call(struct work *w, const struct call *call,
				const void *records, uint32_t nr,
				const struct ptebatch_tlb *tlb)
{
	uint64_t record = 0;
	int64_t ret;

	if (wanted(tlb) && !in_registers(tlb))
		record = (uintptr_t)tlb;
	ret = w->env->hypercall(w->env->ctx, call->nr, (uintptr_t)records, nr,
				call->how | how_tlb(tlb), w->owner, record);
	w->progress->stats.hypercalls++;
	if (ret >= 0) {
		int applied = PTEBATCH_DONE(ret) || PTEBATCH_SLOTS(ret);

		note(w, applied, wanted(tlb) && (applied || !nr));
	}
	return ret;
}

/* Continues at the record that was reached, until an error or the end. */
static INLINE void list(struct work *w, const struct call *call,
			const void *records, uint32_t nr)
{
	struct ptebatch_progress *p = w->progress;
	uint32_t now, limit;
	int64_t ret;

	if (!has(w->env, call)) {
		p->err = -PTEBATCH_ENOSYS;
		return;
	}
	/* probe stores the limit before it says that the call is there. */
	limit = __atomic_load_n(max_records(w->env, call), __ATOMIC_RELAXED);
	if (!limit)
		limit = MOST_RECORDS;
	while (p->records < nr && !p->err) {
		now = nr - p->records;
		if (now > limit)
			now = limit;
		ret = list_call(w, call,
				(const char *)records +
					(size_t)p->records * call->size,
				now, now == nr - p->records ? w->tlb : NULL);
		if (ret < 0) {
			p->err = (int)ret;
			p->refused = 1;
			break;
		}
		p->records += PTEBATCH_DONE(ret);
		p->slots = PTEBATCH_SLOTS(ret);
		p->err = -(int)PTEBATCH_ERRNO(ret);
		if (!p->err && PTEBATCH_DONE(ret) != now)
			p->err = -PTEBATCH_EINVAL; /* a broken answer */
	}
	/*
	 * Only after Xen's own answer. If the bit was clear above, a probe on
	 * another CPU may have set it since.
	 */
	if (p->err == -PTEBATCH_ENOSYS)
		lose(w->env, call);
}

static void take_over(struct work *w, const struct ptebatch_progress *now)
{
	if (now->records)
		w->progress->slots = 0;
	w->progress->records += now->records;
	w->progress->slots += now->slots;
	w->progress->err = now->err;
	w->progress->refused = now->refused;
	w->progress->stats.hypercalls += now->stats.hypercalls;
	note(w, now->records || now->slots, now->stats.tlb_flushes);
}

static void legacy_runs(struct work *w, const struct ptebatch_run *runs,
			uint32_t nr, const struct ptebatch_tlb *tlb)
{
	struct ptebatch_progress now = { 0, 0, 0, 0, { 0, 0 } };

	ptebatch_mmu_update.runs(w->env, w->owner, runs, nr, tlb, &now);
	take_over(w, &now);
}

static void legacy_values(struct work *w, const struct ptebatch_value *values,
			  uint32_t nr)
{
	struct ptebatch_progress now = { 0, 0, 0, 0, { 0, 0 } };

	ptebatch_mmu_update.values(w->env, w->owner, values, nr, w->tlb, &now);
	take_over(w, &now);
}

/* Applies the rest: first what is left of a half-done run, then the others. */
static void legacy_rest(struct work *w, const struct ptebatch_run *runs,
			uint32_t nr)
{
	struct ptebatch_progress *p = w->progress;
	struct ptebatch_run rest;

	p->err = 0;
	p->refused = 0;
	if (p->slots) {
		rest = runs[p->records];
		rest.slot += 8 * (uint64_t)p->slots;
		rest.count -= p->slots;
		if (rest.old)
			rest.old += 8 * (uint64_t)p->slots;
		legacy_runs(w, &rest, 1, p->records + 1 < nr ? NULL : w->tlb);
	}
	if (!p->err && p->records < nr)
		legacy_runs(w, runs + p->records, nr - p->records, w->tlb);
}

/* Only flushes the TLB, through whichever call is available. */
static NOINLINE void flush_alone(struct work *w)
{
	const struct call *calls[] = { &runs_call, &values_call };
	struct ptebatch_progress *p = w->progress;
	int before = p->err;
	unsigned int i;
	int64_t ret;

	p->err = 0;
	for (i = 0; i < 2; i++) {
		if (!has(w->env, calls[i]))
			continue;
		ret = list_call(w, calls[i], NULL, 0, w->tlb);
		p->err = ret < 0 ? (int)ret : -(int)PTEBATCH_ERRNO(ret);
		if (p->err != -PTEBATCH_ENOSYS)
			break;
		lose(w->env, calls[i]);
		p->err = 0;
	}
	if (i == 2)
		legacy_runs(w, NULL, 0, w->tlb);
	if (before)
		p->err = before;
}

/* Flushes the TLB if the flush is still due. */
static INLINE void finish(struct work *w, uint32_t nr)
{
	if (wanted(w->tlb) && (w->owed || !nr))
		flush_alone(w);
}

static NOINLINE void many_runs(struct ptebatch_env *env, uint32_t owner,
			       const struct ptebatch_run *runs, uint32_t nr,
			       const struct ptebatch_tlb *tlb,
			       struct ptebatch_progress *progress)
{
	struct work w = { env, tlb, progress, owner, 0 };

	progress->records = 0;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	list(&w, &runs_call, runs, nr);
	if (progress->err == -PTEBATCH_ENOSYS)
		legacy_rest(&w, runs, nr);
	finish(&w, nr);
}

/* The register form did not apply the whole run. */
static NOINLINE void one_run_stopped(struct ptebatch_env *env,
				     const struct ptebatch_run *run,
				     const struct ptebatch_tlb *tlb,
				     struct ptebatch_progress *progress,
				     int64_t ret)
{
	struct work w = { env, tlb, progress, PTEBATCH_DOMID_SELF, 0 };

	progress->records = 0;
	progress->slots = 0;
	progress->refused = ret < 0;
	if (ret < 0) {
		progress->err = (int)ret;
	} else {
		progress->slots = PTEBATCH_DONE(ret);
		progress->err = -(int)PTEBATCH_ERRNO(ret);
		if (!progress->err)
			progress->err = -PTEBATCH_EINVAL; /* a broken answer */
		note(&w, progress->slots != 0, wanted(tlb) && progress->slots);
	}
	if (progress->err == -PTEBATCH_ENOSYS) {
		lose(env, &runs_call);
		legacy_rest(&w, run, 1);
	}
	finish(&w, 1);
}

static void hypercall_values(struct ptebatch_env *env, uint32_t owner,
			     const struct ptebatch_value *values, uint32_t nr,
			     const struct ptebatch_tlb *tlb,
			     struct ptebatch_progress *progress)
{
	struct work w = { env, tlb, progress, owner, 0 };

	if (nr && !has(env, &values_call)) {
		ptebatch_mmu_update.values(env, owner, values, nr, tlb,
					   progress);
		return;
	}
	progress->records = 0;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	/*
	 * With no records to apply, finish() still issues the requested TLB
	 * flush, through whichever call is available.
	 */
	if (nr)
		list(&w, &values_call, values, nr);
	if (progress->err == -PTEBATCH_ENOSYS) {
		progress->err = 0;
		legacy_values(&w, values + progress->records,
			      nr - progress->records);
	}
	finish(&w, nr);
}

/* The hot path of a single page: one run in registers, with nothing to call. */
static inline int alone(struct ptebatch_env *env,
			const struct ptebatch_run *run,
			const struct ptebatch_tlb *tlb,
			struct ptebatch_progress *progress)
{
	uint64_t how = run->op;
	int64_t ret;

	if (tlb)
		how |= how_simple(tlb);
	ret = env->hypercall(env->ctx, __HYPERVISOR_ptebatch_runs, run->slot,
			     run->count, how, run->clear, run->set);
	progress->stats.hypercalls++;
	if (ret != run->count) {
		one_run_stopped(env, run, tlb, progress, ret);
		return progress->err;
	}
	progress->records = 1;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	if (tlb && tlb->who != PTEBATCH_TLB_NONE)
		progress->stats.tlb_flushes++;
	return 0;
}

static void hypercall_runs(struct ptebatch_env *env, uint32_t owner,
			   const struct ptebatch_run *runs, uint32_t nr,
			   const struct ptebatch_tlb *tlb,
			   struct ptebatch_progress *progress)
{
	if (nr && !has(env, &runs_call))
		ptebatch_mmu_update.runs(env, owner, runs, nr, tlb, progress);
	else if (nr == 1 && owner == PTEBATCH_DOMID_SELF && !runs->old &&
		 (!tlb || in_registers(tlb)))
		alone(env, runs, tlb, progress);
	else
		many_runs(env, owner, runs, nr, tlb, progress);
}

/*
 * A function of its own, so that one_flags saves no registers before it finds
 * that the call is missing. "used" keeps the compiler from changing the
 * argument registers.
 */
static __attribute__((__noinline__, __used__)) int
new_flags(const struct ptebatch_backend *self, struct ptebatch_env *env,
	  const struct ptebatch_run *run, const struct ptebatch_tlb *tlb,
	  struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	if (!tlb || in_registers(tlb))
		return alone(env, run, tlb, progress);
	many_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static int one_flags(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	return has(env, &runs_call)
		       ? new_flags(self, env, run, tlb, progress)
		       : ptebatch_mmu_update.one_flags(self, env, run, tlb,
						       progress);
}

static int one_clear(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	if (!has(env, &runs_call))
		return ptebatch_mmu_update.one_clear(self, env, run, tlb,
						     progress);
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	if (!run->old && (!tlb || in_registers(tlb)))
		return alone(env, run, tlb, progress);
	many_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static int one_set(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_value *value,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	if (!has(env, &values_call))
		return ptebatch_mmu_update.one_set(self, env, value, tlb,
						   progress);
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	hypercall_values(env, PTEBATCH_DOMID_SELF, value, 1, tlb, progress);
	return progress->err;
}

/* Returns the call's bit of "have" if Xen has the call; stores its limit. */
static uint32_t probe_call(struct ptebatch_env *env, const struct call *call)
{
	int64_t most;

	if (env->hypercall(env->ctx, call->nr, PTEBATCH_MAGIC,
			   PTEBATCH_ASK_VERSION, PTEBATCH_HOW_PROBE, 0, 0) !=
	    (int64_t)(call->magic + PTEBATCH_ABI_VERSION))
		return 0;
	most = env->hypercall(env->ctx, call->nr, PTEBATCH_MAGIC,
			      PTEBATCH_ASK_RECORDS, PTEBATCH_HOW_PROBE, 0, 0);
	if (most < 1)
		return 0;
	__atomic_store_n(max_records(env, call),
			 most < MOST_RECORDS ? (uint32_t)most : 0,
			 __ATOMIC_RELAXED);
	return call->have;
}

/*
 * Other CPUs may have batches under way. So each member is stored once, "have"
 * last, and mmu-update's probe gets a copy of env to write to.
 */
static int hypercall_probe(struct ptebatch_env *env)
{
	struct ptebatch_env copy = *env;
	int err = ptebatch_mmu_update.probe(&copy);
	uint32_t have = 0;

	if (env->hypercall)
		have = probe_call(env, &runs_call) |
		       probe_call(env, &values_call);
	__atomic_store_n(&env->have, have, __ATOMIC_RELEASE);
	/* Without one of the new calls, mmu_update has to work. */
	return have & PTEBATCH_HAVE_RUNS && have & PTEBATCH_HAVE_VALUES ? 0
									: err;
}

const struct ptebatch_backend ptebatch_hypercall = {
	PTEBATCH_BACKEND_VERSION, "hypercall", hypercall_probe, hypercall_runs,
	hypercall_values,	  one_flags,   one_clear,	one_set,
};
