/* SPDX-License-Identifier: MIT */
/*
 * The batch: an ordered log of records in the caller's storage.
 *
 * - The records from head up to put are queued. They are of one kind and have
 *   one owner, so a flush is one call of the backend, which does the TLB flush
 *   too.
 * - The last record is open if it can grow. Then b->next is the slot that would
 *   extend it. Otherwise b->next is 1, which is no slot's address, and b->limit
 *   is 0. Runs that return old values and clears are never open.
 * - b->runs_end and b->values_end say where the room for records ends. The end
 *   of the kind that is not queued is the start of the storage. So one
 *   comparison finds out whether the kind is right and whether there is room.
 * - account() computes the counters queued and merged, off the hot path.
 * - A flush for one of the reasons full, kind and owner has no TLB request of
 *   its own. b->touched says that such a flush has changed slots, so a TLB flush
 *   is due for them.
 * - b->tlb has the requests of inner ends until a flush succeeds.
 */
#include <ptebatch/ptebatch.h>

#define SLOT_BITS (PTEBATCH_PTE_FRAME | 0xff8)
#define AD_BITS (PTEBATCH_PTE_A | PTEBATCH_PTE_D)
#define TABLE_BYTES (8 * (uint64_t)PTEBATCH_TABLE_SLOTS)
#define PAGE_SHIFT 12
#define MOST_RECORDS 0x7fffffffu
#define MOST_DOMID 0xfffeu /* plus 1 it fits into 16 bits */

enum { KIND_RUNS, KIND_VALUES };

static int bad_slot(uint64_t slot)
{
	return (slot & ~SLOT_BITS) != 0;
}

/* A slot with its mode. EXACT has no bit, KEEP_AD one: no other can be set. */
static int bad_value_slot(uint64_t slot_mode)
{
	return (slot_mode & ~(SLOT_BITS | PTEBATCH_SET_KEEP_AD)) != 0;
}

static uint64_t table_end(uint64_t slot)
{
	return (slot | (TABLE_BYTES - 1)) + 1;
}

static int bad_range(uint64_t slot, uint32_t count)
{
	return bad_slot(slot) || !count ||
	       slot + 8 * (uint64_t)count > table_end(slot);
}

static int bad_masks(uint64_t clear, uint64_t set)
{
	return ((clear | set) & ~PTEBATCH_RUN_FLAGS) != 0;
}

/* check_tlb() returns its address for a malformed request. */
static const struct ptebatch_tlb bad_tlb;

static __attribute__((__noinline__)) const struct ptebatch_tlb *
check_tlb_fully(const struct ptebatch_tlb *tlb)
{
	uint64_t first = tlb->addr >> PAGE_SHIFT;

	if (tlb->who > PTEBATCH_TLB_VCPUS)
		return &bad_tlb;
	if (tlb->who == PTEBATCH_TLB_VCPUS ? !tlb->vcpus || !tlb->nr_vcpus
					   : tlb->vcpus || tlb->nr_vcpus)
		return &bad_tlb;
	if ((tlb->addr & ((1 << PAGE_SHIFT) - 1)) ||
	    tlb->pages > ((uint64_t)1 << (64 - PAGE_SHIFT)) - first)
		return &bad_tlb;
	if (tlb->who == PTEBATCH_TLB_NONE)
		return tlb->pages ? &bad_tlb : NULL;
	return tlb->addr && !tlb->pages ? NULL : tlb;
}

/* None, or one page on this vCPU or on all: the requests of the hot paths. */
static inline int is_good_tlb(const struct ptebatch_tlb *tlb)
{
	uint64_t who_and_nr; /* one load; nr_vcpus must be 0 */

	if (!tlb)
		return 1;
	__builtin_memcpy(&who_and_nr, tlb, sizeof(who_and_nr));
	return who_and_nr - PTEBATCH_TLB_LOCAL <=
		       PTEBATCH_TLB_ALL - PTEBATCH_TLB_LOCAL &&
	       tlb->pages == 1 && !tlb->vcpus &&
	       !(tlb->addr & ((1 << PAGE_SHIFT) - 1));
}

/* Returns the request, or NULL if it is for nothing: NONE, or an empty range. */
static const struct ptebatch_tlb *check_tlb(const struct ptebatch_tlb *tlb)
{
	return is_good_tlb(tlb) ? tlb : check_tlb_fully(tlb);
}

/*
 * Reports in b->last that a function refuses its arguments. No slot is named
 * there, so the caller does not blame, and skip, a slot that is queued.
 */
static __attribute__((__noinline__)) int refuse(struct ptebatch *b)
{
	b->last.records = 0;
	b->last.slots = 0;
	b->last.slot = 0;
	b->last.err = -PTEBATCH_EINVAL;
	b->last.refused = 1;
	return -PTEBATCH_EINVAL;
}

/*
 * Makes the guest back the pages of the caller's array. While Xen stores old
 * values, the guest's fault handler cannot run, so values for a page that is
 * not yet backed would be lost. The array is no longer than a page, so each of
 * its pages has its first word or its last.
 */
static __attribute__((__noinline__)) int touch(uint64_t old, uint32_t count)
{
	volatile uint64_t *p = (uint64_t *)(uintptr_t)old;

	p[0] = p[0];
	p[count - 1] = p[count - 1];
	return 0;
}

/* Extends *to so that it also covers *more. */
static void cover(struct ptebatch_tlb *to, const struct ptebatch_tlb *more)
{
	uint64_t first, end, more_end;

	if (to->who == PTEBATCH_TLB_NONE) {
		*to = *more;
	} else if (!to->pages || !more->pages) {
		to->addr = 0;
		to->pages = 0;
	} else {
		end = (to->addr >> PAGE_SHIFT) + to->pages;
		more_end = (more->addr >> PAGE_SHIFT) + more->pages;
		if (more_end > end)
			end = more_end;
		if (more->addr < to->addr)
			to->addr = more->addr;
		first = to->addr >> PAGE_SHIFT;
		to->pages = end - first;
	}
	/* The caller's mask may be gone by the time of the flush. */
	if (to->who != PTEBATCH_TLB_LOCAL || more->who != PTEBATCH_TLB_LOCAL)
		to->who = PTEBATCH_TLB_ALL;
	to->nr_vcpus = 0;
	to->vcpus = 0;
}

/*
 * The last record grows no more. Set both: a caller could pass slot address 1,
 * so next alone is not a safe sentinel.
 */
static void close_run(struct ptebatch *b)
{
	b->next = 1;
	b->limit = 0;
}

/* Records queued. */
static uint32_t records(const struct ptebatch *b)
{
	uint32_t end = b->kind == KIND_VALUES
			       ? (struct ptebatch_value *)b->put - b->u.values
			       : (struct ptebatch_run *)b->put - b->u.runs;

	return end - b->head;
}

/* The slots of the first nr of them. */
static uint64_t slots_of(const struct ptebatch *b, uint32_t nr)
{
	const struct ptebatch_run *run = b->u.runs + b->head;
	uint64_t slots = 0;

	if (b->kind == KIND_VALUES)
		return nr;
	for (; nr; nr--)
		slots += run++->count;
	return slots;
}

/*
 * Brings the counters up to date, before records are removed. Returns how many
 * slots are queued.
 */
static uint64_t account(struct ptebatch *b)
{
	uint64_t slots = slots_of(b, records(b)), more = slots - b->pending;

	b->counters.queued += more;
	if (b->kind == KIND_RUNS)
		b->counters.merged += more - b->opened;
	b->opened = 0;
	b->pending = slots;
	return slots;
}

static void make_empty(struct ptebatch *b)
{
	close_run(b);
	b->head = 0;
	b->put = b->u.storage;
	b->pending = 0;
}

/* Removes the first slots, after account(). */
static void drop(struct ptebatch *b, uint32_t whole, uint32_t slots)
{
	struct ptebatch_run *run;

	close_run(b);
	b->pending -= slots_of(b, whole) + slots;
	b->head += whole;
	if (slots) {
		run = &b->u.runs[b->head];
		run->slot += 8 * (uint64_t)slots;
		run->count -= slots;
		if (run->old)
			run->old += 8 * (uint64_t)slots;
		if (!run->count)
			b->head++;
	}
	if (!records(b))
		make_empty(b);
}

static void set_kind(struct ptebatch *b, uint32_t kind)
{
	b->kind = kind;
	b->runs_end = b->u.runs + (kind == KIND_RUNS ? b->max_runs : 0);
	b->values_end = b->u.values + (kind == KIND_VALUES ? b->max_values : 0);
}

static void call_backend(struct ptebatch *b, uint32_t nr,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *p)
{
	p->records = 0;
	p->slots = 0;
	p->err = 0;
	p->refused = 0;
	if (b->kind == KIND_VALUES && nr)
		b->backend->values(b->env, b->owner, b->u.values + b->head, nr,
				   tlb, p);
	else
		b->backend->runs(b->env, b->owner, b->u.runs + b->head, nr, tlb,
				 p);
}

/* Flushes with this TLB request alone. The result is in b->last. */
static int apply(struct ptebatch *b, const struct ptebatch_tlb *tlb,
		 enum ptebatch_reason reason)
{
	struct ptebatch_progress p = { 0, 0, 0, 0, { 0, 0 } };
	uint32_t nr = records(b);
	uint64_t before = account(b);

	close_run(b);
	b->last.records = 0;
	b->last.slots = 0;
	b->last.slot = 0;
	b->last.err = 0;
	b->last.refused = 0;
	if (!nr && !tlb)
		return 0;

	b->counters.flushes[reason]++;
	call_backend(b, nr, tlb, &p);
	b->last.err = p.err;
	b->last.records = p.records;
	if (p.records == nr)
		make_empty(b);
	else
		drop(b, p.records, p.slots);
	b->last.slots = before - b->pending;
	if (b->pending && !p.refused)
		b->last.slot = b->kind == KIND_VALUES
				      ? b->u.values[b->head].slot & ~(uint64_t)7
				      : b->u.runs[b->head].slot;

	if (tlb && nr && !b->last.slots && b->touched && !p.stats.tlb_flushes) {
		/* Nothing was applied now, but something earlier. */
		call_backend(b, 0, tlb, &p);
		if (!b->last.err)
			b->last.err = p.err;
	}
	if (p.stats.tlb_flushes)
		b->touched = 0;
	else if (b->last.slots)
		b->touched = 1;

	b->counters.flushed += b->last.slots;
	b->counters.hypercalls += p.stats.hypercalls;
	b->counters.tlb_flushes += p.stats.tlb_flushes;
	if (b->last.err)
		b->counters.failures++;
	return b->last.err;
}

/* Flushes with this TLB request and those of inner ends. */
static int flush(struct ptebatch *b, const struct ptebatch_tlb *tlb,
		 enum ptebatch_reason reason)
{
	int err;

	if (b->tlb.who != PTEBATCH_TLB_NONE) {
		if (tlb)
			cover(&b->tlb, tlb);
		tlb = &b->tlb;
	}
	err = apply(b, tlb, reason);
	if (!err)
		b->tlb.who = PTEBATCH_TLB_NONE;
	return err;
}

/* Makes room for a record of this kind. The last record can no longer grow. */
static int make_room(struct ptebatch *b, uint32_t kind)
{
	int err = 0;

	close_run(b);
	if (b->kind != kind) {
		if (records(b))
			err = apply(b, NULL, PTEBATCH_FLUSH_KIND);
		if (err)
			return err;
		set_kind(b, kind);
	}
	if (b->put == (kind == KIND_RUNS ? b->runs_end : b->values_end))
		err = apply(b, NULL, PTEBATCH_FLUSH_FULL);
	return err;
}

/* Appends a run that has been checked, where there is room. */
static inline void append_run(struct ptebatch *b, uint64_t slot, uint32_t count,
			      uint32_t op, uint64_t clear, uint64_t set,
			      uint64_t old)
{
	struct ptebatch_run *run = b->put;

	run->slot = slot;
	run->count = count;
	run->op = op;
	run->clear = clear;
	run->set = set;
	run->old = old;
	b->opened += count;
	b->put = run + 1;
}

/* Lets the last run grow from next on. */
static inline void open_run(struct ptebatch *b, uint64_t next, uint64_t limit)
{
	b->next = next;
	b->limit = limit;
}

/* Checks any run, makes room if necessary, and appends the run. */
static int queue_run(struct ptebatch *b, uint64_t slot, uint32_t count,
		     uint32_t op, uint64_t clear, uint64_t set, uint64_t old)
{
	int err;

	if (bad_range(slot, count) || bad_masks(clear, set))
		return refuse(b);
	err = make_room(b, KIND_RUNS);
	if (err)
		return err;
	append_run(b, slot, count, op, clear, set, old);
	return old ? touch(old, count) : 0;
}

int ptebatch_init(struct ptebatch *b, size_t size,
		  const struct ptebatch_backend *backend,
		  struct ptebatch_env *env, void *storage, size_t bytes)
{
	size_t runs = bytes / sizeof(struct ptebatch_run);
	size_t values = bytes / sizeof(struct ptebatch_value);
	unsigned int i;

	if (!b || size != sizeof(*b) || !backend || !env || !storage || !runs ||
	    ((uintptr_t)storage & 7))
		return -PTEBATCH_EINVAL;
	if (backend->version < PTEBATCH_BACKEND_VERSION || !backend->name ||
	    !backend->probe || !backend->runs || !backend->values ||
	    !backend->one_flags || !backend->one_clear || !backend->one_set)
		return -PTEBATCH_EINVAL;

	/* By member: for anything else, a compiler may call memset. */
	b->backend = backend;
	b->env = env;
	close_run(b);
	b->clear = 0;
	b->set = 0;
	b->u.storage = storage;
	b->max_runs = runs > MOST_RECORDS ? MOST_RECORDS : (uint32_t)runs;
	b->max_values = values > MOST_RECORDS ? MOST_RECORDS : (uint32_t)values;
	b->head = 0;
	b->put = storage;
	set_kind(b, KIND_RUNS);
	b->opened = 0;
	b->pending = 0;
	b->depth = 0;
	b->owner = PTEBATCH_DOMID_SELF;
	b->touched = 0;
	b->tlb.who = PTEBATCH_TLB_NONE;
	b->last.records = 0;
	b->last.slots = 0;
	b->last.slot = 0;
	b->last.err = 0;
	b->last.refused = 0;
	b->counters.queued = 0;
	b->counters.merged = 0;
	b->counters.flushed = 0;
	b->counters.hypercalls = 0;
	b->counters.tlb_flushes = 0;
	b->counters.failures = 0;
	for (i = 0; i < PTEBATCH_FLUSH_REASONS; i++)
		*(volatile uint64_t *)&b->counters.flushes[i] = 0;
	return 0;
}

int ptebatch_set_owner(struct ptebatch *b, uint32_t tables, uint32_t pages)
{
	uint32_t owner = PTEBATCH_OWNER(tables, pages);
	int err = 0;

	if (tables > MOST_DOMID || pages > MOST_DOMID)
		return refuse(b);
	if (owner == b->owner)
		return 0;
	/* A flush with the new owner cannot flush the old owner's TLBs. */
	if (records(b) || b->tlb.who != PTEBATCH_TLB_NONE)
		err = flush(b, NULL, PTEBATCH_FLUSH_OWNER);
	if (!err)
		b->owner = owner;
	return err;
}

/* A flags run with other masks than the last, or for which no room is left. */
static __attribute__((__noinline__)) int
open_flags_slowly(struct ptebatch *b, uint64_t slot, uint32_t count,
		  uint64_t clear, uint64_t set)
{
	int err = queue_run(b, slot, count, PTEBATCH_OP_FLAGS, clear, set, 0);

	if (err)
		return err;
	open_run(b, slot + 8 * (uint64_t)count, table_end(slot));
	b->clear = clear;
	b->set = set;
	return 0;
}

/*
 * The hot path: a new record where there is room. It calls nothing and saves no
 * register. The masks need no check if they are those of the last flags run.
 */
int ptebatch_internal_open_flags(struct ptebatch *b, uint64_t slot,
				 uint32_t count, uint64_t clear, uint64_t set)
{
	uint64_t end = slot + 8 * (uint64_t)count, limit = table_end(slot);

	if (bad_slot(slot) || !count || end > limit)
		return refuse(b);
	if (b->put >= b->runs_end || clear != b->clear || set != b->set)
		return open_flags_slowly(b, slot, count, clear, set);
	append_run(b, slot, count, PTEBATCH_OP_FLAGS, clear, set, 0);
	open_run(b, end, limit);
	return 0;
}

_Static_assert(__builtin_offsetof(struct ptebatch_tlb, who) == 0 &&
		       __builtin_offsetof(struct ptebatch_tlb, nr_vcpus) == 4,
	       "who and nr_vcpus are one little-endian word");

int ptebatch_add_flags_old(struct ptebatch *b, uint64_t slot, uint32_t count,
			 uint64_t clear, uint64_t set, uint64_t *old)
{
	if (!old)
		return refuse(b);
	return queue_run(b, slot, count, PTEBATCH_OP_FLAGS, clear, set,
			 (uintptr_t)old);
}

int ptebatch_add_clear(struct ptebatch *b, uint64_t slot, uint32_t count,
		       uint64_t *old)
{
	return queue_run(b, slot, count, PTEBATCH_OP_CLEAR, 0, 0,
			 (uintptr_t)old);
}

int ptebatch_internal_open_set(struct ptebatch *b, uint64_t slot, uint64_t pte,
			uint32_t mode)
{
	int err;

	if (bad_slot(slot) ||
	    (mode != PTEBATCH_SET_KEEP_AD && mode != PTEBATCH_SET_EXACT))
		return refuse(b);
	err = make_room(b, KIND_VALUES);
	return err ? err : ptebatch_add_set(b, slot, pte, mode);
}

int ptebatch_flush(struct ptebatch *b, const struct ptebatch_tlb *tlb)
{
	tlb = check_tlb(tlb);
	if (tlb == &bad_tlb)
		return refuse(b);
	return flush(b, tlb, PTEBATCH_FLUSH_EXPLICIT);
}

void ptebatch_begin(struct ptebatch *b)
{
	b->depth++;
}

int ptebatch_end(struct ptebatch *b, const struct ptebatch_tlb *tlb)
{
	tlb = check_tlb(tlb);
	if (!b->depth || tlb == &bad_tlb)
		return refuse(b);
	if (!--b->depth)
		return flush(b, tlb, PTEBATCH_FLUSH_END);
	if (tlb)
		cover(&b->tlb, tlb);
	return 0;
}

int ptebatch_peek(const struct ptebatch *b, uint64_t slot, uint64_t *pte)
{
	volatile uint64_t *entry = NULL;
	uint32_t i, nr = records(b);
	uint64_t e;

	if (bad_slot(slot))
		return -PTEBATCH_EINVAL;
	if (b->env->map)
		entry = b->env->map(b->env->ctx, slot);
	if (!entry)
		return -PTEBATCH_EOPNOTSUPP;

	e = *entry;
	for (i = b->head; nr; nr--, i++) {
		if (b->kind == KIND_VALUES) {
			const struct ptebatch_value *v = &b->u.values[i];

			if ((v->slot & ~(uint64_t)7) != slot)
				continue;
			e = v->pte |
			    ((v->slot & 7) == PTEBATCH_SET_KEEP_AD ? e & AD_BITS
								 : 0);
		} else {
			const struct ptebatch_run *run = &b->u.runs[i];

			if (slot < run->slot ||
			    slot >= run->slot + 8 * (uint64_t)run->count)
				continue;
			if (run->op == PTEBATCH_OP_CLEAR)
				e = 0;
			else if (e & PTEBATCH_PTE_P)
				e = (e & ~run->clear) | run->set;
		}
	}
	*pte = e;
	return 0;
}

int ptebatch_skip(struct ptebatch *b)
{
	if (!records(b))
		return 0;
	account(b);
	if (b->kind == KIND_VALUES)
		drop(b, 1, 0);
	else
		drop(b, 0, 1);
	return 1;
}

uint64_t ptebatch_discard(struct ptebatch *b)
{
	uint64_t slots = account(b);

	make_empty(b);
	return slots;
}

uint64_t ptebatch_pending(const struct ptebatch *b)
{
	return slots_of(b, records(b));
}

static int apply_refused(struct ptebatch_progress *progress)
{
	progress->records = 0;
	progress->slots = 0;
	progress->refused = 1;
	progress->err = -PTEBATCH_EINVAL;
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	return -PTEBATCH_EINVAL;
}

/* Any run of the operation op, with any request. */
static __attribute__((__noinline__)) int
apply_run(const struct ptebatch_backend *backend, struct ptebatch_env *env,
	  const struct ptebatch_run *run, const struct ptebatch_tlb *tlb,
	  struct ptebatch_progress *progress, uint32_t op)
{
	tlb = check_tlb(tlb);
	if (run->op != op || bad_range(run->slot, run->count) ||
	    bad_masks(run->clear, run->set) ||
	    (op == PTEBATCH_OP_CLEAR && (run->clear | run->set)) ||
	    tlb == &bad_tlb)
		return apply_refused(progress);
	if (run->old)
		touch(run->old, run->count);
	if (run->count == 1 && op == PTEBATCH_OP_CLEAR)
		return backend->one_clear(backend, env, run, tlb, progress);
	if (run->count == 1 && !run->old)
		return backend->one_flags(backend, env, run, tlb, progress);
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	backend->runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

/*
 * The hot path: flags of one slot. It calls nothing itself and saves no
 * register. An aligned slot cannot cross the end of its table.
 */
int ptebatch_apply_flags(const struct ptebatch_backend *backend,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress)
{
	if (__builtin_expect(run->count != 1 || run->op != PTEBATCH_OP_FLAGS ||
				     run->old || bad_slot(run->slot) ||
				     bad_masks(run->clear, run->set) ||
				     !is_good_tlb(tlb),
			     0))
		return apply_run(backend, env, run, tlb, progress,
				 PTEBATCH_OP_FLAGS);
	return backend->one_flags(backend, env, run, tlb, progress);
}

/* The same for a clear of one slot. */
int ptebatch_apply_clear(const struct ptebatch_backend *backend,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress)
{
	volatile uint64_t *old = (uint64_t *)(uintptr_t)run->old;

	if (__builtin_expect(run->count != 1 || run->op != PTEBATCH_OP_CLEAR ||
				     (run->clear | run->set) ||
				     bad_slot(run->slot) || !is_good_tlb(tlb),
			     0))
		return apply_run(backend, env, run, tlb, progress,
				 PTEBATCH_OP_CLEAR);
	if (old)
		*old = *old; /* as touch() does */
	return backend->one_clear(backend, env, run, tlb, progress);
}

/* Any value, with any request. */
static __attribute__((__noinline__)) int
apply_value(const struct ptebatch_backend *backend, struct ptebatch_env *env,
	    const struct ptebatch_value *value, const struct ptebatch_tlb *tlb,
	    struct ptebatch_progress *progress)
{
	tlb = check_tlb(tlb);
	if (bad_value_slot(value->slot) || tlb == &bad_tlb)
		return apply_refused(progress);
	return backend->one_set(backend, env, value, tlb, progress);
}

/* The same for one value. */
int ptebatch_apply_set(const struct ptebatch_backend *backend,
		       struct ptebatch_env *env,
		       const struct ptebatch_value *value,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *progress)
{
	if (__builtin_expect(bad_value_slot(value->slot) || !is_good_tlb(tlb),
			     0))
		return apply_value(backend, env, value, tlb, progress);
	return backend->one_set(backend, env, value, tlb, progress);
}

uint32_t ptebatch_version(void)
{
	return PTEBATCH_VERSION;
}

const char *ptebatch_strerror(int err)
{
	switch (-err) {
	case 0:
		return "success";
	case PTEBATCH_EPERM:
		return "not permitted";
	case PTEBATCH_ESRCH:
		return "no such domain";
	case PTEBATCH_EACCES:
		return "denied by the hypervisor's policy";
	case PTEBATCH_EFAULT:
		return "bad address of a buffer";
	case PTEBATCH_EBUSY:
		return "busy";
	case PTEBATCH_EINVAL:
		return "invalid argument or entry";
	case PTEBATCH_ENOSYS:
		return "no such hypercall";
	case PTEBATCH_EOPNOTSUPP:
		return "not supported by this backend here";
	}
	return "unknown error";
}
