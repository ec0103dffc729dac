/* SPDX-License-Identifier: MIT */
/*
 * hypercall: the two calls of <ptebatch/xen-ptebatch.h>, if Xen has them.
 *
 * - If Xen lacks the call for a record, the mmu-update backend applies it.
 * - A single run of the caller's own domain, without old values, is passed in
 *   registers. So are, if Xen knows the operations, a single value and a single
 *   clear with old values. Everything else is passed as the caller's array;
 *   nothing is converted or copied.
 * - The last call does the TLB flush. If the last call was not made or applied
 *   nothing, but an earlier one did, a further call only flushes the TLB.
 * - A call that probe did not find, or that answers -ENOSYS later, is not made
 *   again until the next probe: its PTEBATCH_HAVE_* bit is cleared. The
 *   mmu-update backend applies the rest, from the slot that was reached. That
 *   is also so if Xen loses the call while a guest has it preempted.
 * - An operation that answers -EOPNOTSUPP later has done nothing. It loses its
 *   bit too, and the record goes as a list of one.
 * - A Xen that takes fewer records per call than a batch can hold has its
 *   limits in env->max_runs and env->max_values.
 */
#include <ptebatch/ptebatch.h>

#define MOST_RECORDS 0x7fffffffu

/* The bits of "have" that go when the runs call goes. */
#define RUNS_FORMS (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_SET | PTEBATCH_HAVE_TAKE)

/*
 * The code for a list that one call can apply is inline. The code for all other
 * cases is in functions of its own, off that path.
 */
#define INLINE inline __attribute__((__always_inline__))
#define NOINLINE __attribute__((__noinline__))
/* Takes the arguments in the registers in which a caller has them, too. */
#define TAIL __attribute__((__noinline__, __used__))

struct call {
	uint32_t nr;
	uint32_t have;
	uint32_t forms; /* the bits of all forms of the call */
	uint32_t size;	/* of a record */
	uint32_t how;
	uint64_t magic;
};

static const struct call runs_call = {
	.nr = __HYPERVISOR_ptebatch_runs,
	.have = PTEBATCH_HAVE_RUNS,
	.forms = RUNS_FORMS,
	.size = sizeof(struct ptebatch_run),
	.how = PTEBATCH_HOW_LIST,
	.magic = PTEBATCH_IS_RUNS,
};

static const struct call values_call = {
	.nr = __HYPERVISOR_ptebatch_values,
	.have = PTEBATCH_HAVE_VALUES,
	.forms = PTEBATCH_HAVE_VALUES,
	.size = sizeof(struct ptebatch_value),
	.how = 0,
	.magic = PTEBATCH_IS_VALUES,
};

static INLINE int has_form(const struct ptebatch_env *env, uint32_t form)
{
	return (__atomic_load_n(&env->have, __ATOMIC_ACQUIRE) & form) != 0;
}

static int has(const struct ptebatch_env *env, const struct call *call)
{
	return has_form(env, call->have);
}

static uint32_t *max_records(struct ptebatch_env *env, const struct call *call)
{
	return call->have == PTEBATCH_HAVE_RUNS ? &env->max_runs
						: &env->max_values;
}

static void lose(struct ptebatch_env *env, uint32_t forms)
{
	__atomic_fetch_and(&env->have, ~forms, __ATOMIC_RELAXED);
}

/* The error of an answer that tells progress. */
static int error_of(int64_t ret)
{
	int err = (int)PTEBATCH_ERRNO(ret);

	return err == PTEBATCH_GONE ? -PTEBATCH_ENOSYS : -err;
}

/* Did such a call flush the TLB, if it was asked to? */
static INLINE int flushed(int64_t ret)
{
	return PTEBATCH_ERRNO(ret) != PTEBATCH_GONE;
}

static int wanted(const struct ptebatch_tlb *tlb)
{
	return tlb && tlb->who != PTEBATCH_TLB_NONE;
}

/* Does the request fit into argument 3, without a TLB record? */
static int is_simple(const struct ptebatch_tlb *tlb)
{
	return tlb->who != PTEBATCH_TLB_VCPUS &&
	       tlb->pages <= PTEBATCH_HOW_TLB_PAGES_MAX;
}

/* The bits of such a request. The core has checked that NONE has no pages. */
static INLINE uint64_t how_simple(const struct ptebatch_tlb *tlb)
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
	if (!is_simple(tlb))
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

	if (wanted(tlb) && !is_simple(tlb))
		record = (uintptr_t)tlb;
	ret = w->env->hypercall(w->env->ctx, call->nr, (uintptr_t)records, nr,
				call->how | how_tlb(tlb), w->owner, record);
	w->progress->stats.hypercalls++;
	if (ret >= 0) {
		int applied = PTEBATCH_DONE(ret) || PTEBATCH_SLOTS(ret);

		note(w, applied,
		     wanted(tlb) && (applied || !nr) && flushed(ret));
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
		p->err = error_of(ret);
		if (!p->err && PTEBATCH_DONE(ret) != now)
			p->err = -PTEBATCH_EINVAL; /* a broken answer */
	}
	/*
	 * Only after Xen's own answer. If the bit was clear above, a probe on
	 * another CPU may have set it since.
	 */
	if (p->err == -PTEBATCH_ENOSYS)
		lose(w->env, call->forms);
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
		p->err = ret < 0 ? (int)ret : error_of(ret);
		if (p->err != -PTEBATCH_ENOSYS)
			break;
		lose(w->env, calls[i]->forms);
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
static NOINLINE int run_stopped(struct ptebatch_env *env, const void *record,
				const struct ptebatch_tlb *tlb,
				struct ptebatch_progress *progress, int64_t ret)
{
	struct work w = { env, tlb, progress, PTEBATCH_DOMID_SELF, 0 };
	const struct ptebatch_run *run = record;

	progress->stats.tlb_flushes -= wanted(tlb);
	if (ret == -PTEBATCH_EOPNOTSUPP && run->old) {
		lose(env, PTEBATCH_HAVE_TAKE);
		many_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
		return progress->err;
	}
	progress->records = 0;
	progress->slots = 0;
	progress->refused = ret < 0;
	if (ret < 0) {
		progress->err = (int)ret;
	} else {
		progress->slots = PTEBATCH_DONE(ret);
		progress->err = error_of(ret);
		if (!progress->err)
			progress->err = -PTEBATCH_EINVAL; /* a broken answer */
		note(&w, progress->slots != 0,
		     wanted(tlb) && progress->slots && flushed(ret));
	}
	if (progress->err == -PTEBATCH_ENOSYS) {
		lose(env, RUNS_FORMS);
		legacy_rest(&w, run, 1);
	}
	finish(&w, 1);
	return progress->err;
}

static NOINLINE void many_values(struct ptebatch_env *env, uint32_t owner,
				 const struct ptebatch_value *values,
				 uint32_t nr, const struct ptebatch_tlb *tlb,
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

/* The register form did not apply the value. */
static NOINLINE int value_stopped(struct ptebatch_env *env, const void *record,
				  const struct ptebatch_tlb *tlb,
				  struct ptebatch_progress *progress,
				  int64_t ret)
{
	uint32_t gone = 0;

	progress->records = 0;
	progress->slots = 0;
	progress->stats.tlb_flushes -= wanted(tlb);
	progress->refused = ret < 0;
	progress->err = ret < 0 ? (int)ret : error_of(ret);
	if (progress->err == -PTEBATCH_ENOSYS)
		gone = RUNS_FORMS;
	else if (ret == -PTEBATCH_EOPNOTSUPP)
		gone = PTEBATCH_HAVE_SET;
	else if (!progress->err)
		progress->err = -PTEBATCH_EINVAL; /* a broken answer */
	if (gone) {
		lose(env, gone);
		many_values(env, PTEBATCH_DOMID_SELF, record, 1, tlb, progress);
	}
	return progress->err;
}

/* What to do after any answer but success. */
typedef int stopped(struct ptebatch_env *env, const void *record,
		    const struct ptebatch_tlb *tlb,
		    struct ptebatch_progress *progress, int64_t ret);

/* One hypercall applies the one record. */
static INLINE void expect_success(struct ptebatch_progress *progress,
				  uint32_t tlb_flushes)
{
	progress->records = 1;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	progress->stats.hypercalls = 1;
	progress->stats.tlb_flushes = tlb_flushes;
}

/*
 * The hot path of a single page: one record in registers. The caller has stored
 * that it succeeds, in all of *progress: constants need no register after the
 * call.
 */
static INLINE int in_registers(struct ptebatch_env *env, const void *record,
			       const struct ptebatch_tlb *tlb,
			       struct ptebatch_progress *progress,
			       uint64_t slot, uint64_t count, uint64_t how,
			       uint64_t a4, uint64_t a5, stopped *otherwise)
{
	/*
	 * Only a failure needs these after the call. Storing them takes fewer
	 * instructions than saving, setting and restoring as many registers.
	 * Each has an initialiser, so that a kernel that clears the variables
	 * on its stack does not clear these first.
	 */
	struct ptebatch_env *volatile its_env = env;
	const void *volatile its_record = record;
	const struct ptebatch_tlb *volatile its_tlb = tlb;
	struct ptebatch_progress *volatile its_progress = progress;
	volatile uint64_t its_count = count;
	int64_t ret;

	ret = env->hypercall(env->ctx, __HYPERVISOR_ptebatch_runs, slot, count,
			     how, a4, a5);
	if (__builtin_expect((uint64_t)ret != its_count, 0))
		return otherwise(its_env, its_record, its_tlb, its_progress,
				 ret);
	return 0;
}

/* In these functions, "how" has the TLB request and not yet the operation. */
static NOINLINE int run_in_registers(uint64_t how, struct ptebatch_env *env,
				     const struct ptebatch_run *run,
				     const struct ptebatch_tlb *tlb,
				     struct ptebatch_progress *progress)
{
	return in_registers(env, run, tlb, progress, run->slot, run->count,
			    how | run->op, run->clear, run->set, run_stopped);
}

static NOINLINE int take_in_registers(uint64_t how, struct ptebatch_env *env,
				      const struct ptebatch_run *run,
				      const struct ptebatch_tlb *tlb,
				      struct ptebatch_progress *progress)
{
	return in_registers(env, run, tlb, progress, run->slot, run->count,
			    how | PTEBATCH_OP_TAKE, run->old, 0, run_stopped);
}

static NOINLINE int value_in_registers(uint64_t how, struct ptebatch_env *env,
				       const struct ptebatch_value *value,
				       const struct ptebatch_tlb *tlb,
				       struct ptebatch_progress *progress)
{
	return in_registers(env, value, tlb, progress, value->slot, 1,
			    how | PTEBATCH_OP_SET, value->pte, 0,
			    value_stopped);
}

/* Can the register forms take this record and this request? */
static INLINE int fits(uint32_t owner, uint32_t nr,
		       const struct ptebatch_tlb *tlb)
{
	return nr == 1 && owner == PTEBATCH_DOMID_SELF &&
	       (!tlb || is_simple(tlb));
}

/* Such a request as bits of "how". Adds that the call succeeds. */
static INLINE uint64_t how_alone(const struct ptebatch_tlb *tlb,
				 struct ptebatch_progress *progress)
{
	progress->records = 1;
	progress->slots = 0;
	progress->err = 0;
	progress->refused = 0;
	progress->stats.hypercalls++;
	if (!tlb)
		return 0;
	progress->stats.tlb_flushes += tlb->who != PTEBATCH_TLB_NONE;
	return how_simple(tlb);
}

static void hypercall_runs(struct ptebatch_env *env, uint32_t owner,
			   const struct ptebatch_run *runs, uint32_t nr,
			   const struct ptebatch_tlb *tlb,
			   struct ptebatch_progress *progress)
{
	if (nr && !has(env, &runs_call)) {
		ptebatch_mmu_update.runs(env, owner, runs, nr, tlb, progress);
	} else if (fits(owner, nr, tlb) && !runs->old) {
		run_in_registers(how_alone(tlb, progress), env, runs, tlb,
				 progress);
	} else if (fits(owner, nr, tlb) && runs->op == PTEBATCH_OP_CLEAR &&
		   has_form(env, PTEBATCH_HAVE_TAKE)) {
		take_in_registers(how_alone(tlb, progress), env, runs, tlb,
				  progress);
	} else {
		many_runs(env, owner, runs, nr, tlb, progress);
	}
}

static void hypercall_values(struct ptebatch_env *env, uint32_t owner,
			     const struct ptebatch_value *values, uint32_t nr,
			     const struct ptebatch_tlb *tlb,
			     struct ptebatch_progress *progress)
{
	if (fits(owner, nr, tlb) && has_form(env, PTEBATCH_HAVE_SET)) {
		value_in_registers(how_alone(tlb, progress), env, values, tlb,
				   progress);
	} else {
		many_values(env, owner, values, nr, tlb, progress);
	}
}

/*
 * The single forms. Their hot path saves no registers before it is clear that
 * Xen has the operation and that the TLB request is none, or one page.
 */
static INLINE int is_none_or_page(const struct ptebatch_tlb *tlb)
{
	return !tlb || (tlb->pages == 1 && tlb->who != PTEBATCH_TLB_VCPUS);
}

/* Such a request as bits of "how". Stores that the call succeeds. */
static INLINE uint64_t how_page(const struct ptebatch_tlb *tlb,
				struct ptebatch_progress *progress)
{
	if (!tlb) {
		expect_success(progress, 0);
		return 0;
	}
	expect_success(progress, 1);
	return tlb->addr | PTEBATCH_HOW_TLB_PAGE | PTEBATCH_HOW_TLB(tlb->who);
}

static TAIL int other_run(const struct ptebatch_backend *self,
			  struct ptebatch_env *env,
			  const struct ptebatch_run *run,
			  const struct ptebatch_tlb *tlb,
			  struct ptebatch_progress *progress)
{
	(void)self;
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	hypercall_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static TAIL int other_value(const struct ptebatch_backend *self,
			    struct ptebatch_env *env,
			    const struct ptebatch_value *value,
			    const struct ptebatch_tlb *tlb,
			    struct ptebatch_progress *progress)
{
	if (!has_form(env, PTEBATCH_HAVE_SET | PTEBATCH_HAVE_VALUES))
		return ptebatch_mmu_update.one_set(self, env, value, tlb,
						   progress);
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	hypercall_values(env, PTEBATCH_DOMID_SELF, value, 1, tlb, progress);
	return progress->err;
}

static int one_flags(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	if (!has(env, &runs_call))
		return ptebatch_mmu_update.one_flags(self, env, run, tlb,
						     progress);
	if (!is_none_or_page(tlb))
		return other_run(self, env, run, tlb, progress);
	return run_in_registers(how_page(tlb, progress), env, run, tlb,
				progress);
}

static int one_clear(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	uint32_t have = __atomic_load_n(&env->have, __ATOMIC_ACQUIRE);

	if (!(have & PTEBATCH_HAVE_RUNS))
		return ptebatch_mmu_update.one_clear(self, env, run, tlb,
						     progress);
	if (!is_none_or_page(tlb) || (run->old && !(have & PTEBATCH_HAVE_TAKE)))
		return other_run(self, env, run, tlb, progress);
	return run->old ? take_in_registers(how_page(tlb, progress), env, run,
					    tlb, progress)
			: run_in_registers(how_page(tlb, progress), env, run,
					   tlb, progress);
}

static int one_set(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_value *value,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	if (!has_form(env, PTEBATCH_HAVE_SET) || !is_none_or_page(tlb))
		return other_value(self, env, value, tlb, progress);
	return value_in_registers(how_page(tlb, progress), env, value, tlb,
				  progress);
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

/* Returns the bits of the operations that only some Xens have. */
static uint32_t probe_operations(struct ptebatch_env *env)
{
	int64_t ops = env->hypercall(env->ctx, __HYPERVISOR_ptebatch_runs,
				     PTEBATCH_MAGIC, PTEBATCH_ASK_OPS,
				     PTEBATCH_HOW_PROBE, 0, 0);

	if (ops < 0) /* -EOPNOTSUPP: a Xen that does not know the item */
		return 0;
	return (ops >> PTEBATCH_OP_SET & 1 ? PTEBATCH_HAVE_SET : 0) |
	       (ops >> PTEBATCH_OP_TAKE & 1 ? PTEBATCH_HAVE_TAKE : 0);
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
	if (have & PTEBATCH_HAVE_RUNS)
		have |= probe_operations(env);
	__atomic_store_n(&env->have, have, __ATOMIC_RELEASE);
	/* Without one of the new calls, mmu_update has to work. */
	return have & PTEBATCH_HAVE_RUNS && have & PTEBATCH_HAVE_VALUES ? 0
									: err;
}

const struct ptebatch_backend ptebatch_hypercall = {
	PTEBATCH_BACKEND_VERSION, "hypercall", hypercall_probe, hypercall_runs,
	hypercall_values,	  one_flags,   one_clear,	one_set,
};
