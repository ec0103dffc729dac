/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/pte.h"
#include "batch.h"

#define MOST 2048u

void (*batch_failed)(const char *what);

static struct ptebatch b;
static struct ptebatch_env env;
static enum batch_backend kind;
static uint64_t storage[64 * sizeof(struct ptebatch_run) / 8];
static volatile uint64_t *(*fake_map)(void *ctx, uint64_t slot);

/* The oracle: the queued slots, in order, and the expected PTEs. */
static struct {
	struct batch_op op;
	uint32_t table, index;
	uint64_t *old, before;
} queue[MOST];
static uint32_t head, end;
static uint64_t want[FAKE_TABLES][512];
static uint64_t olds[4 * MOST]; /* a ring, larger than the queue can need */
static uint32_t next_old;
static int touched;	 /* slots were applied since the last TLB flush */
static int inner, depth; /* inner: an inner batch_end() requested a flush */

static void fail(const char *fmt, ...)
{
	char what[200];
	va_list ap;
	int n = snprintf(what, sizeof(what), "backend %d: ", (int)kind);

	va_start(ap, fmt);
	vsnprintf(what + n, sizeof(what) - (size_t)n, fmt, ap);
	va_end(ap);
	batch_failed(what);
	abort();
}

static uint64_t slot_of(uint32_t table, uint32_t i)
{
	return FAKE_SLOT(table, i);
}

/* Native fails at a slot that is not mapped. After one failure it is mapped. */
static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	if (kind == BATCH_NATIVE && fake.fail_after >= 0 &&
	    slot == slot_of(0, (uint32_t)fake.fail_after)) {
		fake.fail_after = -1;
		fake.failed = 1;
		fake.err = PTEBATCH_EOPNOTSUPP;
		return NULL;
	}
	return fake_map(ctx, slot);
}

static int flush_native(void *ctx, const struct ptebatch_tlb *tlb)
{
	(void)ctx, (void)tlb;
	fake.tlbs++;
	fake.event[fake.events++ % FAKE_EVENTS] = FAKE_TLB;
	return 0;
}

/* The PTE that results from an operation on e. */
static uint64_t becomes(const struct batch_op *op, uint64_t e)
{
	switch (op->kind) {
	case OP_FLAGS:
	case OP_FLAGS_OLD:
		return e & P ? (e & ~op->clear) | op->set : e;
	case OP_KEEP:
		return op->set | (e & (A | D));
	case OP_EXACT:
		return op->set;
	default:
		return 0;
	}
}

/*
 * True if the slot may be applied without an event of the fake Xen: by the
 * backend through its mapping, or not at all because nothing changes.
 */
static int needs_no_event(uint32_t i)
{
	const struct batch_op *op = &queue[i].op;

	return kind == BATCH_NATIVE || op->kind == OP_FLAGS_OLD ||
	       op->kind == OP_CLEAR_OLD ||
	       (op->kind == OP_FLAGS && (op->clear & ~op->set & (A | D))) ||
	       becomes(op, queue[i].before) == queue[i].before;
}

/*
 * The events of the fake must match the applied part of the queue: each slot
 * once, in order, except slots that need no event. With several operations on
 * one slot an event can belong to any of them, so all possible assignments are
 * followed.
 */
static void check_events(uint32_t from, uint32_t to)
{
	/* reach[i]: the events so far can be assigned to the slots before i. */
	static char reach[MOST + 1], next[MOST + 1];
	uint32_t i, k;
	int open, any = 1;

	if (fake.events > FAKE_EVENTS)
		fail("more events than there is room for");
	memset(reach + from, 0, to + 1 - from);
	reach[from] = 1;
	for (k = 0; k < fake.events; k++) {
		if (fake.event[k] == FAKE_TLB)
			continue;
		open = any = 0;
		next[from] = 0;
		for (i = from; i < to; i++) {
			open = reach[i] ||
			       (open && needs_no_event(i - 1));
			next[i + 1] = open &&
				      fake.event[k] == slot_of(queue[i].table,
							       queue[i].index);
			any |= next[i + 1];
		}
		if (!any)
			fail("slot %#llx was written twice or out of turn",
			     (unsigned long long)fake.event[k]);
		memcpy(reach + from, next + from, to + 1 - from);
	}
	for (i = to; !reach[i]; i--)
		if (i == from || !needs_no_event(i - 1))
			fail("slot %u.%u was not written", queue[i - 1].table,
			     queue[i - 1].index);
}

/*
 * Checks after a call of the library that may have applied part of the queue.
 */
static void check(int err, uint32_t added, int flushing, int wants_tlb)
{
	uint64_t pending = ptebatch_pending(&b);
	uint32_t queued = end - head, applied, i;
	int flushed = fake.tlbs != 0;

	if (pending > queued + added)
		fail("%llu slots pending of %u",
		     (unsigned long long)pending, queued + added);
	/* Slots that were just added are not applied by the same call. */
	if (pending < added)
		fail("what was just queued is gone");
	applied = queued - (uint32_t)(pending - added);
	for (i = head; i < head + applied; i++) {
		uint64_t *e = &want[queue[i].table][queue[i].index];

		queue[i].before = *e;
		if (queue[i].old && *queue[i].old != *e)
			fail("old value of %u.%u is %#llx, not %#llx",
			     queue[i].table, queue[i].index,
			     (unsigned long long)*queue[i].old,
			     (unsigned long long)*e);
		*e = becomes(&queue[i].op, *e);
	}
	if (memcmp(want, fake.table, sizeof(want)))
		for (i = 0; i < 1024; i++)
			if (want[i / 512][i % 512] !=
			    fake.table[i / 512][i % 512])
				fail("entry %u.%u is %#llx, not %#llx", i / 512,
				     i % 512, (unsigned long long)
				     fake.table[i / 512][i % 512],
				     (unsigned long long)want[i / 512][i % 512]);
	/*
	 * Without PRESERVE_AD, mmu-update can write a slot twice to restore it.
	 */
	if (kind != BATCH_MMU_TRANSIENT && kind != BATCH_MMU_NO_AD)
		check_events(head, head + applied);
	head += applied;

	if (err && !fake.failed)
		fail("error %d, though nothing failed", err);
	if (err && err != -fake.err)
		fail("error %d, not %d", err, -fake.err);
	/* The hypercall backend replaces a call that is missing: no error. */
	if (!err && fake.failed &&
	    !(fake.err == PTEBATCH_ENOSYS && kind >= BATCH_HYPERCALL))
		fail("error %d is lost", -fake.err);
	if (err && head < end &&
	    b.last.slot != slot_of(queue[head].table, queue[head].index))
		fail("the failing slot is %u.%u, not %#llx", queue[head].table,
		     queue[head].index, (unsigned long long)b.last.slot);
	if (!err && flushing && head < end)
		fail("%u slots still queued, and no error", end - head);
	fake.failed = 0;

	/* A requested flush is due if a slot was applied or none was queued. */
	if (applied)
		touched = 1;
	if (flushed && !wants_tlb)
		fail("a TLB flush that nobody asked for");
	if (wants_tlb && flushed != (touched || !queued))
		fail(flushed ? "a TLB flush for nothing"
			     : "a TLB flush is missing");
	if (flushed && fake.events &&
	    fake.event[fake.events - 1] != FAKE_TLB)
		fail("the TLB was flushed before the last update");
	if (flushed)
		touched = 0;
	fake.tlbs = 0;
	fake.events = 0;
	if (head == end)
		head = end = 0;
}

void batch_start(enum batch_backend backend, uint32_t records)
{
	static const struct ptebatch_backend *const table[] = {
		&ptebatch_native,     &ptebatch_mmu_update,
		&ptebatch_mmu_update, &ptebatch_mmu_update,
		&ptebatch_hypercall,  &ptebatch_hypercall,
		&ptebatch_hypercall,  &ptebatch_hypercall,
		&ptebatch_hypercall,
	};
	uint32_t i;

	fake_reset(&env);
	kind = backend;
	fake_map = env.map;
	env.map = map_slot;
	env.tlb = flush_native;
	if (kind == BATCH_MMU_NO_AD || kind == BATCH_MMU_TRANSIENT)
		env.features = 0;
	if (kind == BATCH_MMU_TRANSIENT)
		env.features = PTEBATCH_ENV_TRANSIENT_OK;
	if (kind == BATCH_FEW_RECORDS)
		fake.most_records = 2;
	if (kind == BATCH_OLDER)
		fake.ops = FAKE_OLD_OPS;
	fake.has_runs = kind != BATCH_VALUES_ONLY;
	fake.has_values = kind != BATCH_RUNS_ONLY;
	for (i = 0; i < 1024; i++)
		if (i % 512 < 64) {
			uint64_t flags = (i & 1 ? RW : 0) | (i & 2 ? A : 0) |
					 (i % 4 == 3 ? D : 0);

			want[i / 512][i % 512] =
				i % 7 == 6 ? i % 3 << 12
					   : (0x100 + i) << 12 | P | flags;
		} else {
			want[i / 512][i % 512] = 0;
		}
	memcpy(fake.table, want, sizeof(want));
	if (table[kind]->probe(&env) ||
	    ptebatch_init(&b, sizeof(b), table[kind], &env, storage,
			  records * sizeof(struct ptebatch_run)))
		fail("the batch cannot be started");
	fake.calls = 0;
	head = end = 0;
	touched = inner = depth = 0;
	fake.tlbs = 0;
	fake.events = 0;
}

void batch_fail(int64_t after, int err)
{
	fake.fail_after = after;
	fake.err = err;
}

void batch_vanish(int64_t after)
{
	fake.gone_after = after < 0 ? -1 : after + fake.applied;
}

void batch_forget(void)
{
	fake.ops = FAKE_OLD_OPS;
}

static int add(const struct batch_op *op, uint64_t *old)
{
	uint64_t slot = slot_of(op->table, op->index);

	switch (op->kind) {
	case OP_FLAGS:
		return ptebatch_add_flags(&b, slot, op->count, op->clear,
					  op->set);
	case OP_FLAGS_OLD:
		return ptebatch_add_flags_old(&b, slot, op->count, op->clear,
					      op->set, old);
	case OP_CLEAR:
	case OP_CLEAR_OLD:
		return ptebatch_add_clear(&b, slot, op->count,
					  op->kind == OP_CLEAR ? NULL : old);
	default:
		return ptebatch_add_set(&b, slot, op->set,
					op->kind == OP_KEEP
						? PTEBATCH_SET_KEEP_AD
						: PTEBATCH_SET_EXACT);
	}
}

int batch_add(const struct batch_op *op)
{
	int wants_old = op->kind == OP_FLAGS_OLD || op->kind == OP_CLEAR_OLD;
	uint32_t i;
	uint64_t *old;
	int err;

	if (end + op->count > MOST)
		return 0;
	if (next_old + op->count > 4 * MOST)
		next_old = 0;
	old = olds + next_old;
	next_old += op->count;
	for (i = 0; i < op->count; i++)
		old[i] = 0xeeeeeeeeeeeeeeeeull; /* no PTE has this value */
	err = add(op, old);
	check(err, err ? 0 : op->count, 0, 0);
	if (err)
		return err;
	for (i = 0; i < op->count; i++, end++) {
		queue[end].op = *op;
		queue[end].table = op->table;
		queue[end].index = op->index + i;
		queue[end].old = wants_old ? old + i : NULL;
	}
	return 0;
}

int batch_flush(const struct ptebatch_tlb *tlb)
{
	int err = ptebatch_flush(&b, tlb);

	check(err, 0, 1, inner || (tlb && tlb->who));
	if (!err)
		inner = 0;
	return err;
}

void batch_begin(void)
{
	ptebatch_begin(&b);
	depth++;
}

int batch_end(const struct ptebatch_tlb *tlb)
{
	int err, wants = tlb && tlb->who;

	if (!depth)
		return 0;
	err = ptebatch_end(&b, tlb);
	if (--depth) {
		check(err, 0, 0, 0);
		inner |= wants;
		return err;
	}
	check(err, 0, 1, inner || wants);
	if (!err)
		inner = 0;
	return err;
}

void batch_skip(void)
{
	uint32_t had = end > head;

	if (ptebatch_skip(&b) != (int)had)
		fail("skip does not say whether there was a slot");
	head += had;
	check(0, 0, 0, 0);
}

void batch_discard(void)
{
	if (ptebatch_discard(&b) != end - head)
		fail("discard does not say how much there was");
	head = end = 0;
	check(0, 0, 0, 0);
}

void batch_touch(void)
{
	uint32_t i;

	for (i = 0; i < 1024; i++) {
		uint64_t *e = &want[i / 512][i % 512];

		if (*e & P)
			*e |= A | (*e & RW ? D : 0);
	}
	memcpy(fake.table, want, sizeof(want));
}

void batch_finish(void)
{
	static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

	batch_fail(-1, 0);
	while (depth)
		batch_end(NULL);
	if (batch_flush(&all))
		fail("a flush fails when nothing does");
}

uint32_t batch_pending(void)
{
	return end - head;
}
