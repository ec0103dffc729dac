/* SPDX-License-Identifier: MIT */
/*
 * The batch: an ordered log of records in the caller's storage.
 *
 * - Records [head, tail) are queued; they are of one kind and one owner, so a
 *   flush is one call of the backend, and the TLB request rides in it.
 * - The last record is "open" while it can still grow: b->next is where. The
 *   inline ptebatch_add_run moves b->next alone, so the count of the open
 *   record and the counters queued and merged are brought up to date by
 *   close_run(), before anything else looks at records. b->next is 1, which no
 *   slot's address is, and b->limit 0, while nothing is open.
 * - Records that hand old values back, and clears, are never open.
 * - An automatic flush (full, kind, owner) carries no TLB request of its own;
 *   b->touched remembers that one is owed for the slots that it applied.
 * - What inner ends ask for is kept in b->tlb until a flush succeeds.
 */
#include <ptebatch/ptebatch.h>

#define MADDR_BITS (PTEBATCH_PTE_FRAME | 0xff8)
#define AD_BITS (PTEBATCH_PTE_A | PTEBATCH_PTE_D)
#define TABLE_BYTES (8 * (uint64_t)PTEBATCH_TABLE_SLOTS)
#define PAGE_SHIFT 12
#define MOST_RECORDS 0x7fffffffu

enum { KIND_RUNS, KIND_VALUES };

static int bad_maddr(uint64_t pte)
{
	return (pte & ~MADDR_BITS) != 0;
}

static uint64_t table_end(uint64_t pte)
{
	return (pte | (TABLE_BYTES - 1)) + 1;
}

static int bad_range(uint64_t pte, uint32_t count)
{
	return bad_maddr(pte) || !count ||
	       pte + 8 * (uint64_t)count > table_end(pte);
}

static int bad_masks(uint64_t clear, uint64_t set)
{
	return ((clear | set) & ~PTEBATCH_RUN_FLAGS) != 0;
}

static int bad_tlb(const struct ptebatch_tlb *tlb)
{
	uint64_t first = tlb->addr >> PAGE_SHIFT;

	if (tlb->who > PTEBATCH_TLB_VCPUS)
		return 1;
	if (tlb->who == PTEBATCH_TLB_NONE && (tlb->addr || tlb->pages))
		return 1;
	if (tlb->who == PTEBATCH_TLB_VCPUS ? !tlb->vcpus || !tlb->nr_vcpus
					   : tlb->vcpus || tlb->nr_vcpus)
		return 1;
	if (!tlb->pages)
		return tlb->addr != 0;
	return (tlb->addr & ((1 << PAGE_SHIFT) - 1)) ||
	       tlb->pages > ((uint64_t)1 << (64 - PAGE_SHIFT)) - first;
}

/* Widens *to so that it also covers more; the pages are last + 1 - first. */
static void cover(struct ptebatch_tlb *to, const struct ptebatch_tlb *more)
{
	uint64_t first, end, more_end;

	if (more->who == PTEBATCH_TLB_NONE)
		return;
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
	/* The caller's mask need not outlive its call, so none is kept. */
	if (to->who != PTEBATCH_TLB_LOCAL || more->who != PTEBATCH_TLB_LOCAL)
		to->who = PTEBATCH_TLB_ALL;
	to->nr_vcpus = 0;
	to->vcpus = 0;
}

/* A record's slots, also of the open one. */
static uint32_t slots_of(const struct ptebatch *b, uint32_t i)
{
	if (b->kind == KIND_VALUES)
		return 1;
	if (b->next != 1 && i == b->tail - 1)
		return (uint32_t)((b->next - b->u.runs[i].pte) / 8);
	return b->u.runs[i].count;
}

/* Gives the open record its count; the caller says what is open next. */
static inline void close_at(struct ptebatch *b, struct ptebatch_run *run)
{
	uint32_t count = (uint32_t)((b->next - run->pte) / 8);
	uint32_t more = count - run->count;

	run->count = count;
	b->counters.queued += more;
	b->counters.merged += more;
}

static void close_run(struct ptebatch *b)
{
	if (b->next == 1)
		return;
	close_at(b, &b->u.runs[b->tail - 1]);
	b->next = 1;
	b->limit = 0;
}

static void rewind_if_empty(struct ptebatch *b)
{
	if (b->head == b->tail) {
		b->head = 0;
		b->tail = 0;
	}
}

/* Takes the first slots of the first record away. */
static void drop_slots(struct ptebatch *b, uint32_t slots)
{
	struct ptebatch_run *run = &b->u.runs[b->head];

	if (!slots)
		return;
	if (slots_of(b, b->head) == slots) {
		b->head++;
		return;
	}
	run->pte += 8 * (uint64_t)slots;
	run->count -= slots;
	if (run->old)
		run->old += 8 * (uint64_t)slots;
}

static void call_backend(struct ptebatch *b, uint32_t nr,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *p)
{
	p->records = 0;
	p->slots = 0;
	p->err = 0;
	if (b->kind == KIND_VALUES && nr)
		b->backend->values(b->env, b->owner, b->u.values + b->head, nr,
				   tlb, p);
	else
		b->backend->runs(b->env, b->owner, b->u.runs + b->head, nr, tlb,
				 p);
}

/* Flushes with exactly this TLB request; b->last says what came of it. */
static int apply(struct ptebatch *b, const struct ptebatch_tlb *tlb,
		 enum ptebatch_reason reason)
{
	struct ptebatch_progress p = { 0, 0, 0, 0, 0 };
	uint32_t nr, i;

	close_run(b);
	b->last.records = 0;
	b->last.slots = 0;
	b->last.pte = 0;
	b->last.err = 0;
	nr = b->tail - b->head;
	if (!nr && !tlb)
		return 0;

	b->counters.flushes[reason]++;
	call_backend(b, nr, tlb, &p);
	b->last.err = p.err;
	b->last.records = p.records;
	for (i = 0; i < p.records; i++)
		b->last.slots += slots_of(b, b->head + i);
	b->last.slots += p.slots;
	b->head += p.records;
	drop_slots(b, p.slots);
	if (b->head != b->tail)
		b->last.pte = b->kind == KIND_VALUES
				      ? b->u.values[b->head].ptr & ~(uint64_t)7
				      : b->u.runs[b->head].pte;
	rewind_if_empty(b);

	if (tlb && nr && !b->last.slots && b->touched && !p.tlb_flushes) {
		/* This call applied nothing, but an earlier flush did. */
		call_backend(b, 0, tlb, &p);
		if (!b->last.err)
			b->last.err = p.err;
	}
	if (p.tlb_flushes)
		b->touched = 0;
	else if (b->last.slots)
		b->touched = 1;

	b->counters.flushed += b->last.slots;
	b->counters.hypercalls += p.hypercalls;
	b->counters.tlb_flushes += p.tlb_flushes;
	if (b->last.err)
		b->counters.failures++;
	return b->last.err;
}

/* Flushes with what is asked for now and what inner ends have asked for. */
static int flush(struct ptebatch *b, const struct ptebatch_tlb *tlb,
		 enum ptebatch_reason reason)
{
	int err;

	if (tlb && tlb->who == PTEBATCH_TLB_NONE)
		tlb = NULL;
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

/* Makes room for one record of the kind, and closes the open one. */
static int make_room(struct ptebatch *b, uint32_t kind)
{
	int err = 0;

	close_run(b);
	if (b->kind != kind) {
		if (b->head != b->tail)
			err = apply(b, NULL, PTEBATCH_FLUSH_KIND);
		if (err)
			return err;
		b->kind = kind;
	}
	if (b->tail == (kind == KIND_RUNS ? b->max_runs : b->max_values))
		err = apply(b, NULL, PTEBATCH_FLUSH_FULL);
	return err;
}

static int queue_run(struct ptebatch *b, uint64_t pte, uint32_t count,
		     uint32_t op, uint64_t clear, uint64_t set, uint64_t old)
{
	struct ptebatch_run *run;
	int err;

	if (bad_range(pte, count) || bad_masks(clear, set))
		return -PTEBATCH_EINVAL;
	err = make_room(b, KIND_RUNS);
	if (err)
		return err;
	run = &b->u.runs[b->tail++];
	run->pte = pte;
	run->count = count;
	run->op = op;
	run->clear = clear;
	run->set = set;
	run->old = old;
	b->counters.queued += count;
	return 0;
}

int ptebatch_init(struct ptebatch *b, const struct ptebatch_backend *backend,
		  struct ptebatch_env *env, void *storage, size_t bytes)
{
	size_t runs = bytes / sizeof(struct ptebatch_run);
	size_t values = bytes / sizeof(struct ptebatch_value);
	unsigned int i;

	if (!b || !backend || !env || !storage || !runs ||
	    ((uintptr_t)storage & 7))
		return -PTEBATCH_EINVAL;
	if (backend->version < 1 || !backend->name || !backend->probe ||
	    !backend->runs || !backend->values)
		return -PTEBATCH_EINVAL;

	/* Member by member: a compiler may make a memset of anything else. */
	b->backend = backend;
	b->env = env;
	b->next = 1;
	b->limit = 0;
	b->clear = 0;
	b->set = 0;
	b->u.storage = storage;
	b->max_runs = runs > MOST_RECORDS ? MOST_RECORDS : (uint32_t)runs;
	b->max_values = values > MOST_RECORDS ? MOST_RECORDS : (uint32_t)values;
	b->head = 0;
	b->tail = 0;
	b->kind = KIND_RUNS;
	b->depth = 0;
	b->owner = PTEBATCH_DOMID_SELF;
	b->touched = 0;
	b->tlb.who = PTEBATCH_TLB_NONE;
	b->last.records = 0;
	b->last.slots = 0;
	b->last.pte = 0;
	b->last.err = 0;
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

int ptebatch_set_owner(struct ptebatch *b, uint32_t owner)
{
	int err = 0;

	if (owner == b->owner)
		return 0;
	/* The old owner's TLB flush cannot ride with the new owner's updates */
	close_run(b);
	if (b->head != b->tail || b->tlb.who != PTEBATCH_TLB_NONE)
		err = flush(b, NULL, PTEBATCH_FLUSH_OWNER);
	if (!err)
		b->owner = owner;
	return err;
}

static __attribute__((noinline)) int open_run_after_flush(struct ptebatch *b,
							   uint64_t pte,
							   uint32_t count,
							   uint64_t clear,
							   uint64_t set)
{
	int err = make_room(b, KIND_RUNS);

	return err ? err : ptebatch_open_run(b, pte, count, clear, set);
}

/*
 * The hot path: a new record where there is room, written out so that nothing
 * is called (but at its end) and no register saved.
 */
int ptebatch_open_run(struct ptebatch *b, uint64_t pte, uint32_t count,
		      uint64_t clear, uint64_t set)
{
	uint64_t end = pte + 8 * (uint64_t)count;
	uint64_t limit = table_end(pte);
	struct ptebatch_run *run;

	if (bad_masks(clear, set) || bad_maddr(pte) || !count || end > limit)
		return -PTEBATCH_EINVAL;
	if (b->kind != KIND_RUNS || b->tail >= b->max_runs)
		return open_run_after_flush(b, pte, count, clear, set);
	run = &b->u.runs[b->tail];
	if (b->next != 1)
		close_at(b, run - 1);
	run->pte = pte;
	run->count = count;
	run->op = PTEBATCH_OP_FLAGS;
	run->clear = clear;
	run->set = set;
	run->old = 0;
	b->tail++;
	b->counters.queued += count;
	b->next = end;
	b->limit = limit;
	b->clear = clear;
	b->set = set;
	return 0;
}

int ptebatch_add_run_old(struct ptebatch *b, uint64_t pte, uint32_t count,
			 uint64_t clear, uint64_t set, uint64_t *old)
{
	if (!old)
		return -PTEBATCH_EINVAL;
	return queue_run(b, pte, count, PTEBATCH_OP_FLAGS, clear, set,
			 (uintptr_t)old);
}

int ptebatch_add_clear(struct ptebatch *b, uint64_t pte, uint32_t count,
		       uint64_t *old)
{
	return queue_run(b, pte, count, PTEBATCH_OP_CLEAR, 0, 0,
			 (uintptr_t)old);
}

int ptebatch_add_value(struct ptebatch *b, uint64_t pte, uint64_t val,
		       uint32_t mode)
{
	struct ptebatch_value *value;
	int err;

	if (bad_maddr(pte) ||
	    (mode != PTEBATCH_VALUE_KEEP && mode != PTEBATCH_VALUE_EXACT))
		return -PTEBATCH_EINVAL;
	err = make_room(b, KIND_VALUES);
	if (err)
		return err;
	value = &b->u.values[b->tail++];
	value->ptr = pte | mode;
	value->val = val;
	b->counters.queued++;
	return 0;
}

int ptebatch_flush(struct ptebatch *b, const struct ptebatch_tlb *tlb)
{
	if (tlb && bad_tlb(tlb))
		return -PTEBATCH_EINVAL;
	return flush(b, tlb, PTEBATCH_FLUSH_EXPLICIT);
}

void ptebatch_begin(struct ptebatch *b)
{
	b->depth++;
}

int ptebatch_end(struct ptebatch *b, const struct ptebatch_tlb *tlb)
{
	if (!b->depth || (tlb && bad_tlb(tlb)))
		return -PTEBATCH_EINVAL;
	if (!--b->depth)
		return flush(b, tlb, PTEBATCH_FLUSH_END);
	if (tlb)
		cover(&b->tlb, tlb);
	return 0;
}

int ptebatch_peek(const struct ptebatch *b, uint64_t pte, uint64_t *entry)
{
	volatile uint64_t *slot = NULL;
	uint64_t e;
	uint32_t i;

	if (bad_maddr(pte))
		return -PTEBATCH_EINVAL;
	if (b->env->slot)
		slot = b->env->slot(b->env->ctx, pte);
	if (!slot)
		return -PTEBATCH_EOPNOTSUPP;

	e = *slot;
	for (i = b->head; i < b->tail; i++) {
		if (b->kind == KIND_VALUES) {
			const struct ptebatch_value *v = &b->u.values[i];

			if ((v->ptr & ~(uint64_t)7) != pte)
				continue;
			e = v->val |
			    ((v->ptr & 7) == PTEBATCH_VALUE_KEEP ? e & AD_BITS
								 : 0);
		} else {
			const struct ptebatch_run *run = &b->u.runs[i];

			if (pte < run->pte ||
			    pte >= run->pte + 8 * (uint64_t)slots_of(b, i))
				continue;
			if (run->op == PTEBATCH_OP_CLEAR)
				e = 0;
			else if (e & PTEBATCH_PTE_P)
				e = (e & ~run->clear) | run->set;
		}
	}
	*entry = e;
	return 0;
}

int ptebatch_skip(struct ptebatch *b)
{
	close_run(b);
	if (b->head == b->tail)
		return 0;
	drop_slots(b, 1);
	rewind_if_empty(b);
	return 1;
}

uint64_t ptebatch_discard(struct ptebatch *b)
{
	uint64_t slots = ptebatch_pending(b);

	close_run(b);
	b->head = b->tail;
	rewind_if_empty(b);
	return slots;
}

uint64_t ptebatch_pending(const struct ptebatch *b)
{
	uint64_t slots = 0;
	uint32_t i;

	for (i = b->head; i < b->tail; i++)
		slots += slots_of(b, i);
	return slots;
}

int ptebatch_apply_run(const struct ptebatch_backend *backend,
		       struct ptebatch_env *env, const struct ptebatch_run *run,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *progress)
{
	progress->hypercalls = 0;
	progress->tlb_flushes = 0;
	if (bad_range(run->pte, run->count) ||
	    bad_masks(run->clear, run->set) ||
	    (run->op && (run->op != PTEBATCH_OP_CLEAR || run->clear ||
			 run->set)) ||
	    (tlb && bad_tlb(tlb))) {
		progress->records = 0;
		progress->slots = 0;
		progress->err = -PTEBATCH_EINVAL;
		return -PTEBATCH_EINVAL;
	}
	backend->runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
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
