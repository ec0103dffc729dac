/* SPDX-License-Identifier: MIT */
/* The core refuses bad arguments, merges records, and reads what is queued. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core.h"

/* Like a kernel's lazily backed memory: a page appears at the first access. */
static uint8_t *unbacked;
static int faulted;

static void back(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;

	(void)sig;
	(void)context;
	if (!unbacked || at < unbacked || at >= unbacked + 2 * 4096)
		abort();
	faulted++;
	if (mprotect(unbacked + (at - unbacked) / 4096 * 4096, 4096,
		     PROT_READ | PROT_WRITE))
		abort();
}

/* ---- init ---- */

static void init_refuses_a_batch_without_storage(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, &env, NULL, 80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, &env, storage,
				       0),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, &env, storage,
				       sizeof(struct ptebatch_run) - 1),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, &env,
				       (char *)storage + 4, 80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, &env, storage,
				       sizeof(struct ptebatch_run)),
			 0);
}

static void init_refuses_a_batch_of_another_size(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_init(&b, sizeof(b) - 8, &recording_backend,
				       &env, storage, 80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b) + 8, &recording_backend,
				       &env, storage, 80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_version(), PTEBATCH_VERSION);
	assert_int_equal(PTEBATCH_VERSION >> 16, PTEBATCH_VERSION_MAJOR);
}

static void init_refuses_null_arguments_and_operations(void **state)
{
	struct ptebatch_backend bad;
	int i;

	(void)state;
	assert_int_equal(ptebatch_init(NULL, sizeof(b), &recording_backend, &env, storage,
				       80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), NULL, &env, storage, 80),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_init(&b, sizeof(b), &recording_backend, NULL, storage,
				       80),
			 -PTEBATCH_EINVAL);
	for (i = 0; i < 8; i++) {
		bad = recording_backend;
		if (i >= 5) {
			bad = ptebatch_hypercall;
			assert_int_equal(ptebatch_init(&b, sizeof(b), &bad, &env, storage,
						       80),
					 0);
		}
		if (i == 5)
			bad.one_flags = NULL;
		if (i == 6)
			bad.one_clear = NULL;
		if (i == 7)
			bad.one_set = NULL;
		if (i == 0)
			bad.version = PTEBATCH_BACKEND_VERSION - 1;
		if (i == 1)
			bad.name = NULL;
		if (i == 2)
			bad.probe = NULL;
		if (i == 3)
			bad.runs = NULL;
		if (i == 4)
			bad.values = NULL;
		assert_int_equal(ptebatch_init(&b, sizeof(b), &bad, &env, storage, 80),
				 -PTEBATCH_EINVAL);
	}
}

/* ---- bad records queue nothing ---- */

static void refuse_run(uint64_t slot, uint32_t count, uint64_t clear,
		       uint64_t set)
{
	struct ptebatch_run r = { slot, count, 0, clear, set, 0 };
	struct ptebatch_progress p;
	uint64_t pending = ptebatch_pending(&b);

	assert_int_equal(ptebatch_add_flags(&b, slot, count, clear, set),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_add_flags_old(&b, slot, count, clear, set, old),
			 -PTEBATCH_EINVAL);
	assert_int_equal(
		ptebatch_apply_flags(&recording_backend, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	assert_int_equal(p.err, -PTEBATCH_EINVAL);
	assert_int_equal(p.records, 0);
	if (!clear && !set) {
		assert_int_equal(ptebatch_add_clear(&b, slot, count, old),
				 -PTEBATCH_EINVAL);
		assert_int_equal(ptebatch_add_clear(&b, slot, count, NULL),
				 -PTEBATCH_EINVAL);
	}
	assert_int_equal(ptebatch_pending(&b), pending);
	assert_int_equal(recording.calls, 0);
}

static void a_count_of_zero_or_too_many_is_refused(void **state)
{
	(void)state;
	refuse_run(TABLE, 0, 0, 0);
	refuse_run(TABLE, 513, 0, 0);
	refuse_run(TABLE, 0xffffffffu, 0, 0);
	refuse_run(TABLE, 0x20000000u, 0, 0);
}

static void a_count_of_zero_is_refused_beside_an_open_run(void **state)
{
	(void)state;
	run(SLOT(0), 4);
	refuse_run(SLOT(4), 0, RW, 0);
	refuse_run(SLOT(4), 0xffffffffu, RW, 0);
	refuse_run(SLOT(4), 509, RW, 0);
	assert_int_equal(ptebatch_pending(&b), 4);
}

static void a_run_past_its_table_is_refused(void **state)
{
	(void)state;
	refuse_run(SLOT(511), 2, 0, 0);
	refuse_run(SLOT(1), 512, 0, 0);
	run(SLOT(511), 1);
	run(SLOT(0), 512);
}

static void an_unaligned_or_absent_slot_is_refused(void **state)
{
	int i;

	(void)state;
	for (i = 1; i < 8; i++)
		refuse_run(TABLE + i, 1, 0, 0);
	refuse_run(1ull << 52, 1, 0, 0);
	refuse_run(~7ull, 1, 0, 0);
	refuse_run(~0ull, 1, 0, 0);
	assert_int_equal(ptebatch_add_set(&b, TABLE + 4, 0, KEEP),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_add_set(&b, 1ull << 52, 0, KEEP),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_pending(&b), 0);
	run((1ull << 52) - 8, 1); /* the last slot there can be */
}

static void the_first_slot_1_does_not_extend_nothing(void **state)
{
	(void)state;
	/* 1 is what the batch remembers while no run is open. */
	assert_int_equal(ptebatch_add_flags(&b, 1, 1, 0, 0), -PTEBATCH_EINVAL);
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(ptebatch_add_flags(&b, 1, 1, RW, 0), -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_pending(&b), 0);
}

static void mask_bits_not_allowed_are_refused(void **state)
{
	int bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		uint64_t mask = 1ull << bit;

		if (mask & PTEBATCH_RUN_FLAGS)
			continue;
		refuse_run(TABLE, 1, mask, 0);
		refuse_run(TABLE, 1, 0, mask);
		refuse_run(TABLE, 1, RW, RW | mask);
	}
	assert_int_equal(ptebatch_add_flags(&b, TABLE, 1, PTEBATCH_RUN_FLAGS,
					  PTEBATCH_RUN_FLAGS),
			 0);
}

static void old_values_need_an_array(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_add_flags_old(&b, TABLE, 1, A, 0, NULL),
			 -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_add_clear(&b, TABLE, 1, NULL), 0);
}

/* The array is in memory before Xen stores to it: its first and last word. */
static void old_values_are_touched_when_queued(void **state)
{
	struct ptebatch_run r = { TABLE, 512, 0, RW, 0, (uintptr_t)old };
	struct ptebatch_progress p;
	uint8_t *pages = mmap(NULL, 2 * 4096, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *far = (uint64_t *)(pages + 4096 - 16);
	struct sigaction action = { .sa_sigaction = back,
				    .sa_flags = SA_SIGINFO },
			 before;
	int way;

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	for (way = 0; way < 4; way++) {
		assert_int_equal(mprotect(pages, 2 * 4096, PROT_NONE), 0);
		faulted = 0;
		unbacked = pages;
		switch (way) {
		case 0:
			assert_int_equal(ptebatch_add_clear(&b, TABLE, 512,
							    far), 0);
			break;
		case 1:
			assert_int_equal(ptebatch_add_flags_old(&b, TABLE, 512, A,
							      0, far), 0);
			break;
		case 2:
			r.old = (uintptr_t)far;
			assert_int_equal(
				ptebatch_apply_flags(&recording_backend, &env,
						     &r, NULL, &p),
				0);
			break;
		default:
			assert_int_equal(apply_clear(&recording_backend, &env,
						     TABLE, far, NULL, &p),
					 0);
		}
		/* 2 words in one page, the others in the next. */
		assert_int_equal(faulted, way == 3 ? 1 : 2);
	}
	unbacked = NULL;
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(munmap(pages, 2 * 4096), 0);
}

static void a_value_mode_not_known_is_refused(void **state)
{
	uint32_t mode;

	(void)state;
	for (mode = 0; mode < 16; mode++)
		assert_int_equal(ptebatch_add_set(&b, TABLE, 0, mode),
				 mode == KEEP || mode == EXACT
					 ? 0
					 : -PTEBATCH_EINVAL);
}

/* Each function that refuses its arguments, while slots are queued. */
static int refused_call(int which)
{
	const struct ptebatch_tlb bad = { 9, 0, 0, 0, 0 };

	switch (which) {
	case 0:
		return ptebatch_add_flags(&b, TABLE + 1, 1, RW, 0);
	case 1:
		return ptebatch_add_flags(&b, SLOT(9), 1, PTEBATCH_PTE_P, 0);
	case 2:
		return ptebatch_add_flags(&b, SLOT(9), 0, RW, 0);
	case 3:
		return ptebatch_add_flags_old(&b, SLOT(9), 1, A, 0, NULL);
	case 4:
		return ptebatch_add_flags_old(&b, SLOT(511), 2, A, 0, old);
	case 5:
		return ptebatch_add_clear(&b, SLOT(9), 513, NULL);
	case 6:
		return ptebatch_add_set(&b, SLOT(9), 0, 1);
	case 7:
		return ptebatch_flush(&b, &bad);
	case 8:
		return ptebatch_end(&b, NULL); /* without a begin */
	default:
		return 1;
	}
}

static void refused_arguments_blame_no_queued_slot(void **state)
{
	int which;

	for (which = 0; which < 9; which++) {
		setup(state);
		/* What an earlier flush told does not stay. */
		run(SLOT(0), 2);
		recording.fail_after = 1;
		assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slot, SLOT(1));
		assert_int_equal(b.last.refused, 0);
		assert_int_equal(refused_call(which), -PTEBATCH_EINVAL);
		assert_int_equal(b.last.refused, 1);
		assert_int_equal(b.last.err, -PTEBATCH_EINVAL);
		assert_int_equal(b.last.slot, 0);
		assert_int_equal(b.last.slots, 0);
		assert_int_equal(b.last.records, 0);
		assert_int_equal(ptebatch_pending(&b), 1);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		assert_int_equal(b.last.refused, 0);
	}
	assert_int_equal(refused_call(which), 1);
}

/* As refused, and with no room for the record, so that it is also flushed. */
static void bad_masks_are_refused_where_there_is_no_room_too(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < RUNS; i++)
		run(SLOT(2 * i), 1);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(100), 1, PTEBATCH_PTE_P, 0),
			 -PTEBATCH_EINVAL);
	assert_int_equal(b.last.refused, 1);
	assert_int_equal(ptebatch_pending(&b), RUNS);
	assert_int_equal(recording.calls, 0);
}

/*
 * Records one by one, each of which may be refused or make a flush fail. The
 * loop of a caller who wants all that can be had: skip what is to blame.
 */
static void flush_skip_go_on_skips_no_innocent_slot(void **state)
{
	unsigned int i, bad = 0, skipped = 0;
	int err;

	(void)state;
	recording.err = -PTEBATCH_EINVAL; /* as for a bad argument */
	recording.fail_after = 3;
	for (i = 0; i < 40; i++) {
		/* Every 7th has a mask that runs may not have. */
		uint64_t mask = i % 7 == 6 ? PTEBATCH_PTE_P : RW;

		if (i % 6 == 5 && ptebatch_flush(&b, NULL)) {
			assert_int_equal(ptebatch_skip(&b), 1);
			skipped++; /* and on, with others still queued */
		}
		for (;;) {
			err = ptebatch_add_flags(&b, SLOT(2 * i), 1, mask, 0);
			if (!err)
				break;
			assert_int_equal(err, -PTEBATCH_EINVAL);
			if (!b.last.slot) { /* this one */
				bad++;
				break;
			}
			assert_int_equal(ptebatch_skip(&b), 1);
			skipped++;
		}
	}
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(bad, 5);
	assert_int_equal(skipped, 1);
	assert_int_equal(recording.slots, 40 - 5 - 1);
}

static void apply_set_and_clear_check_their_arguments(void **state)
{
	const struct ptebatch_tlb bad = { 9, 0, 0, 0, 0 };
	const struct ptebatch_tlb page = { PTEBATCH_TLB_ALL, 0, 0x5000, 1, 0 };
	const struct ptebatch_tlb *const requests[] = { &local, &page, NULL };
	struct ptebatch_value v = { TABLE, 7 };
	struct ptebatch_progress p;
	uint32_t mode, i;

	(void)state;
	for (mode = 0; mode < 8; mode++)
		for (i = 0; i < 3; i++) {
			int good = mode == KEEP || mode == EXACT;

			v.slot = TABLE + mode;
			memset(&p, 0xff, sizeof(p));
			assert_int_equal(ptebatch_apply_set(&recording_backend,
							    &env, &v,
							    requests[i], &p),
					 good ? 0 : -PTEBATCH_EINVAL);
			assert_int_equal(p.refused, !good);
			assert_int_equal(p.records, good);
			assert_int_equal(p.stats.tlb_flushes,
					 good && requests[i]);
			assert_int_equal(apply_clear(&recording_backend, &env,
						     TABLE + mode, NULL,
						     requests[i], &p),
					 mode ? -PTEBATCH_EINVAL : 0);
			assert_int_equal(p.records, !mode);
		}
	assert_int_equal(recording.slots, 3 * 3);
	assert_int_equal(recording.slot[0].slot, TABLE);
	assert_int_equal(recording.slot[0].pte, 7);
	assert_int_equal(recording.slot[0].owner, PTEBATCH_DOMID_SELF);
	v.slot = 1ull << 52;
	assert_int_equal(ptebatch_apply_set(&recording_backend, &env, &v,
					      NULL, &p),
			 -PTEBATCH_EINVAL);
	v.slot = TABLE;
	assert_int_equal(ptebatch_apply_set(&recording_backend, &env, &v,
					      &bad, &p),
			 -PTEBATCH_EINVAL);
	assert_int_equal(
		apply_clear(&recording_backend, &env, TABLE, NULL, &bad, &p),
		-PTEBATCH_EINVAL);
	assert_int_equal(apply_clear(&recording_backend, &env, TABLE + 4, NULL,
				     NULL, &p),
			 -PTEBATCH_EINVAL);
	assert_int_equal(p.refused, 1);
	assert_int_equal(recording.slots, 9);
	assert_int_equal(
		apply_clear(&recording_backend, &env, TABLE, old, &all, &p), 0);
	assert_int_equal(recording.slot[9].op, PTEBATCH_OP_CLEAR);
	assert_int_equal(recording.slot[9].old, (uintptr_t)old);
	assert_int_equal(p.stats.tlb_flushes, 1);
	recording.fail_after = 0;
	assert_int_equal(
		apply_clear(&recording_backend, &env, TABLE, NULL, &all, &p),
		-PTEBATCH_EBUSY);
}

static void apply_flags_refuses_a_bad_operation(void **state)
{
	struct ptebatch_run r = { TABLE, 1, 2, 0, 0, 0 };
	struct ptebatch_tlb bad = { 9, 0, 0, 0, 0 };
	struct ptebatch_progress p;

	(void)state;
	assert_int_equal(
		ptebatch_apply_flags(&recording_backend, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	assert_int_equal(
		ptebatch_apply_clear(&recording_backend, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	r.op = PTEBATCH_OP_CLEAR;
	assert_int_equal(
		ptebatch_apply_flags(&recording_backend, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	r.clear = RW;
	assert_int_equal(
		ptebatch_apply_clear(&recording_backend, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	r.clear = 0;
	assert_int_equal(
		ptebatch_apply_clear(&recording_backend, &env, &r, &bad, &p),
		-PTEBATCH_EINVAL);
	assert_int_equal(recording.calls, 0);
	assert_int_equal(
		ptebatch_apply_clear(&recording_backend, &env, &r, &all, &p),
		0);
	assert_int_equal(p.records, 1);
	assert_int_equal(recording.slot[0].owner, PTEBATCH_DOMID_SELF);
	assert_int_equal(recording.tlbs, 1);
}

/* ---- merging ---- */

static void adjacent_alike_runs_become_one_record(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 512; i++)
		run(SLOT(i), 1);
	assert_int_equal(ptebatch_pending(&b), 512);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.last_nr, 1);
	assert_int_equal(recording.slots, 512);
	for (i = 0; i < 512; i++)
		assert_int_equal(recording.slot[i].slot, SLOT(i));
	assert_int_equal(b.counters.queued, 512);
	assert_int_equal(b.counters.merged, 511);
	assert_int_equal(b.counters.flushed, 512);
}

static void runs_of_several_slots_merge_too(void **state)
{
	(void)state;
	run(SLOT(0), 5);
	run(SLOT(5), 7);
	run(SLOT(12), 500);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.last_nr, 1);
	assert_int_equal(recording.slots, 512);
	assert_int_equal(b.counters.merged, 507);
}

static void a_run_never_grows_into_the_next_table(void **state)
{
	(void)state;
	run(SLOT(510), 2);
	run(SLOT(512), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.last_nr, 2);
	assert_int_equal(b.counters.merged, 0);
}

static void other_masks_open_another_record(void **state)
{
	(void)state;
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(1), 1, RW, NX), 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(2), 1, 0, NX), 0);
	run(SLOT(5), 1);
	run(SLOT(4), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.last_nr, 5);
}

static void old_values_and_clears_never_merge(void **state)
{
	(void)state;
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_add_flags_old(&b, SLOT(1), 1, RW, 0, old), 0);
	run(SLOT(2), 1);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(3), 1, NULL), 0);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(4), 1, NULL), 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(5), 1, 0, 0), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.last_nr, 6);
	assert_int_equal(recording.slot[1].old, (uintptr_t)old);
	assert_int_equal(recording.slot[2].old, 0);
	assert_int_equal(recording.slot[3].op, PTEBATCH_OP_CLEAR);
	assert_int_equal(recording.slot[5].op, PTEBATCH_OP_FLAGS);
}

static void nothing_merges_into_what_was_flushed(void **state)
{
	(void)state;
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	run(SLOT(1), 1);
	assert_int_equal(ptebatch_pending(&b), 1);
	assert_int_equal(ptebatch_discard(&b), 1);
	run(SLOT(2), 1);
	assert_int_equal(ptebatch_skip(&b), 1);
	run(SLOT(3), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slots, 2);
	assert_int_equal(recording.slot[1].slot, SLOT(3));
}

/* ---- peek ---- */

static void peek_walks_what_is_queued(void **state)
{
	uint64_t e;

	(void)state;
	env.map = map_slot;
	memory[1] = 0x1067;
	memory[2] = 0x2066;
	run(SLOT(0), 1);
	run(SLOT(1), 1); /* in the open run */
	run(SLOT(2), 1);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
	assert_int_equal(e, 0x1065);
	assert_int_equal(ptebatch_peek(&b, SLOT(2), &e), 0);
	assert_int_equal(e, 0x2066); /* absent: passed over */
	assert_int_equal(ptebatch_peek(&b, SLOT(3), &e), 0);
	assert_int_equal(e, 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(1), 1, 0, NX), 0);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
	assert_int_equal(e, 0x1065 | NX);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(1), 1, NULL), 0);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
	assert_int_equal(e, 0);
	ptebatch_discard(&b);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), 0x3001, KEEP), 0);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
	assert_int_equal(e, 0x3061);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), 0x4001, EXACT), 0);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
	assert_int_equal(e, 0x4001);
	assert_int_equal(recording.calls, 0);
}

static void peek_needs_a_mapping_of_an_aligned_slot(void **state)
{
	uint64_t e;

	(void)state;
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), -PTEBATCH_EOPNOTSUPP);
	env.map = map_slot;
	assert_int_equal(ptebatch_peek(&b, SLOT(1) + 1, &e), -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_peek(&b, 0x900000, &e), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(ptebatch_peek(&b, SLOT(1), &e), 0);
}

static void every_error_has_a_word(void **state)
{
	static const int errors[] = {
		0,
		PTEBATCH_EPERM,
		PTEBATCH_ESRCH,
		PTEBATCH_EACCES,
		PTEBATCH_EFAULT,
		PTEBATCH_EBUSY,
		PTEBATCH_EINVAL,
		PTEBATCH_ENOSYS,
		PTEBATCH_EOPNOTSUPP,
	};
	const char *unknown = ptebatch_strerror(-9999);
	unsigned int i;

	(void)state;
	assert_non_null(unknown);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_non_null(ptebatch_strerror(-errors[i]));
		assert_string_not_equal(ptebatch_strerror(-errors[i]), unknown);
	}
	assert_string_equal(ptebatch_strerror(PTEBATCH_EINVAL), unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(init_refuses_a_batch_without_storage),
		TEST(init_refuses_a_batch_of_another_size),
		TEST(init_refuses_null_arguments_and_operations),
		TEST(a_count_of_zero_or_too_many_is_refused),
		TEST(a_count_of_zero_is_refused_beside_an_open_run),
		TEST(a_run_past_its_table_is_refused),
		TEST(an_unaligned_or_absent_slot_is_refused),
		TEST(the_first_slot_1_does_not_extend_nothing),
		TEST(mask_bits_not_allowed_are_refused),
		TEST(old_values_need_an_array),
		TEST(old_values_are_touched_when_queued),
		TEST(refused_arguments_blame_no_queued_slot),
		TEST(bad_masks_are_refused_where_there_is_no_room_too),
		TEST(flush_skip_go_on_skips_no_innocent_slot),
		TEST(apply_set_and_clear_check_their_arguments),
		TEST(a_value_mode_not_known_is_refused),
		TEST(apply_flags_refuses_a_bad_operation),
		TEST(adjacent_alike_runs_become_one_record),
		TEST(runs_of_several_slots_merge_too),
		TEST(a_run_never_grows_into_the_next_table),
		TEST(other_masks_open_another_record),
		TEST(old_values_and_clears_never_merge),
		TEST(nothing_merges_into_what_was_flushed),
		TEST(peek_walks_what_is_queued),
		TEST(peek_needs_a_mapping_of_an_aligned_slot),
		TEST(every_error_has_a_word),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
