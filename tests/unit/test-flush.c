/* SPDX-License-Identifier: MIT */
/*
 * The core flushes in order, resumes after a failure at any slot, and makes each
 * TLB flush that was requested.
 */
#define _DEFAULT_SOURCE
#include "core.h"

/* ---- order and automatic flushes ---- */

static void slots_apply_in_the_order_queued(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		run(SLOT(9), 1);
		assert_int_equal(ptebatch_add_set(&b, SLOT(9), i, KEEP), 0);
	}
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slots, 6);
	for (i = 0; i < 6; i++) {
		assert_int_equal(recording.slot[i].value, i & 1);
		if (i & 1)
			assert_int_equal(recording.slot[i].pte, i / 2);
	}
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_KIND], 5);
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_EXPLICIT], 1);
}

static void a_full_storage_flushes_without_a_tlb_flush(void **state)
{
	int i;

	(void)state;
	for (i = 0; i <= RUNS; i++)
		run(SLOT(2 * i), 1);
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_FULL], 1);
	assert_int_equal(recording.slots, RUNS);
	assert_int_equal(recording.tlbs, 0);
	assert_int_equal(ptebatch_pending(&b), 1);
}

static void values_use_all_of_the_storage(void **state)
{
	int i, max = RUNS * 40 / 16;

	(void)state;
	for (i = 0; i < max; i++)
		assert_int_equal(ptebatch_add_set(&b, SLOT(i), i, EXACT), 0);
	assert_int_equal(recording.calls, 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(i), i, EXACT), 0);
	assert_int_equal(recording.slots, max);
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_FULL], 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(b.counters.queued, max + 1);
}

static void a_failed_automatic_flush_queues_nothing(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < RUNS; i++)
		run(SLOT(2 * i), 1);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_add_flags(&b, SLOT(100), 1, RW, 0),
			 -PTEBATCH_EBUSY);
	assert_int_equal(ptebatch_pending(&b), RUNS);
	recording.fail_after = 3;
	assert_int_equal(ptebatch_add_set(&b, SLOT(100), 0, KEEP),
			 -PTEBATCH_EBUSY);
	assert_int_equal(ptebatch_pending(&b), RUNS - 3);
	assert_int_equal(b.last.slot, SLOT(6));
	recording.fail_after = 0;
	assert_int_equal(ptebatch_set_owner(&b, SELF, 1), -PTEBATCH_EBUSY);
	assert_int_equal(b.owner, PTEBATCH_DOMID_SELF);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slots, RUNS);
	assert_int_equal(b.counters.queued, RUNS);
	assert_int_equal(b.counters.failures, 3);
}

static void another_owner_flushes_first(void **state)
{
	(void)state;
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_set_owner(&b, SELF, SELF), 0);
	assert_int_equal(recording.calls, 0);
	assert_int_equal(ptebatch_set_owner(&b, SELF, 7), 0);
	assert_int_equal(recording.slots, 1);
	run(SLOT(1), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slot[0].owner, PTEBATCH_DOMID_SELF);
	assert_int_equal(recording.slot[1].owner, 7);
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_OWNER], 1);
}

static void an_owner_is_two_domain_ids(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_set_owner(&b, 5, 6), 0);
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_set_owner(&b, 0xfffe, SELF), 0);
	run(SLOT(1), 1);
	assert_int_equal(ptebatch_set_owner(&b, 0, 0xfffe), 0);
	run(SLOT(2), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slot[0].owner, 0x00060006);
	assert_int_equal(recording.slot[1].owner, 0xffff0000 | SELF);
	assert_int_equal(recording.slot[2].owner, 0x0001fffe);

	run(SLOT(3), 1);
	assert_int_equal(ptebatch_set_owner(&b, 0xffff, 6), -PTEBATCH_EINVAL);
	assert_int_equal(b.last.refused, 1);
	assert_int_equal(ptebatch_set_owner(&b, 5, 0x10000), -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_pending(&b), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slot[3].owner, 0x0001fffe);
}

static void another_owner_gets_no_tlb_flush_of_the_first(void **state)
{
	(void)state;
	ptebatch_begin(&b);
	ptebatch_begin(&b);
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_end(&b, &all), 0);
	assert_int_equal(ptebatch_set_owner(&b, SELF, 7), 0);
	assert_int_equal(recording.tlbs, 1);
	assert_int_equal(ptebatch_end(&b, NULL), 0);
	assert_int_equal(recording.tlbs, 1);
}

/* ---- failure at every entry ---- */

#define FAIL_SLOTS 14

static void queue_for_failure(void)
{
	run(SLOT(0), 5);
	assert_int_equal(ptebatch_add_flags_old(&b, SLOT(20), 3, A, 0, old), 0);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(40), 1, old + 10), 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(60), 5, 0, NX), 0);
}

static uint64_t fail_slot(int i)
{
	return i < 5	? SLOT(i)
	       : i < 8	? SLOT(20 + i - 5)
	       : i == 8 ? SLOT(40)
			: SLOT(60 + i - 9);
}

static uint64_t fail_old(int i)
{
	return i < 5	? 0
	       : i < 8	? (uintptr_t)(old + i - 5)
	       : i == 8 ? (uintptr_t)(old + 10)
			: 0;
}

static void check_order(int left_out)
{
	unsigned int k = 0;
	int i;

	for (i = 0; i < FAIL_SLOTS; i++) {
		if (i == left_out)
			continue;
		assert_int_equal(recording.slot[k].slot, fail_slot(i));
		assert_int_equal(recording.slot[k].old, fail_old(i));
		k++;
	}
	assert_int_equal(recording.slots, k);
}

static void a_failed_flush_resumes_at_each_slot(void **state)
{
	int n;

	for (n = 0; n < FAIL_SLOTS; n++) {
		setup(state);
		queue_for_failure();
		recording.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.err, -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(b.last.slot, fail_slot(n));
		assert_int_equal(ptebatch_pending(&b), FAIL_SLOTS - n);
		assert_int_equal(recording.tlbs, n ? 1 : 0);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		assert_int_equal(b.last.slots, FAIL_SLOTS - n);
		assert_int_equal(b.last.slot, 0);
		assert_int_equal(b.counters.flushed, FAIL_SLOTS);
		assert_int_equal(b.counters.failures, 1);
		check_order(-1);
	}
}

static void skip_drops_the_failing_slot_alone(void **state)
{
	int n;

	for (n = 0; n < FAIL_SLOTS; n++) {
		setup(state);
		queue_for_failure();
		recording.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
		assert_int_equal(ptebatch_skip(&b), 1);
		assert_int_equal(ptebatch_pending(&b), FAIL_SLOTS - n - 1);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		check_order(n);
	}
}

static void discard_drops_the_tail_at_each_slot(void **state)
{
	int n;

	for (n = 0; n < FAIL_SLOTS; n++) {
		setup(state);
		queue_for_failure();
		recording.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
		assert_int_equal(ptebatch_discard(&b), FAIL_SLOTS - n);
		assert_int_equal(ptebatch_pending(&b), 0);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		assert_int_equal(recording.slots, n);
	}
}

static void values_fail_and_resume_at_each_record(void **state)
{
	int n, i;

	for (n = 0; n < 6; n++) {
		setup(state);
		for (i = 0; i < 6; i++)
			assert_int_equal(ptebatch_add_set(&b, SLOT(i), i,
							    i & 1 ? KEEP
								  : EXACT),
					 0);
		recording.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.records, n);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(b.last.slot, SLOT(n));
		assert_int_equal(ptebatch_pending(&b), 6 - n);
		if (n & 1)
			assert_int_equal(ptebatch_skip(&b), 1);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		assert_int_equal(recording.slots, n & 1 ? 5 : 6);
		assert_int_equal(recording.slot[4].slot,
				 n & 1 && n < 5 ? SLOT(5) : SLOT(4));
	}
}

static void records_queue_behind_a_failed_tail(void **state)
{
	(void)state;
	queue_for_failure();
	recording.fail_after = 2;
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
	run(SLOT(100), 1); /* not merged, not lost */
	assert_int_equal(ptebatch_pending(&b), FAIL_SLOTS - 2 + 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slots, FAIL_SLOTS + 1);
	assert_int_equal(recording.slot[FAIL_SLOTS].slot, SLOT(100));
}

static void skip_and_discard_know_the_open_run(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_skip(&b), 0);
	assert_int_equal(ptebatch_discard(&b), 0);
	run(SLOT(0), 1);
	run(SLOT(1), 1);
	run(SLOT(2), 1);
	assert_int_equal(ptebatch_skip(&b), 1);
	assert_int_equal(ptebatch_pending(&b), 2);
	run(SLOT(3), 1);
	assert_int_equal(ptebatch_pending(&b), 3);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.slot[0].slot, SLOT(1));
	assert_int_equal(recording.slots, 3);
	run(SLOT(0), 1);
	run(SLOT(1), 1);
	assert_int_equal(ptebatch_discard(&b), 2);
	assert_int_equal(b.counters.queued, 6);
	assert_int_equal(b.counters.merged, 3);
}

/* ---- TLB requests ---- */

static void a_malformed_tlb_request_does_nothing(void **state)
{
	uint64_t mask = 1;
	const struct ptebatch_tlb bad[] = {
		{ 4, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_NONE, 0, 0x1000, 1, 0 },
		{ PTEBATCH_TLB_NONE, 1, 0, 0, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x1008, 0, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x1008, 1, 0 },
		{ PTEBATCH_TLB_LOCAL, 1, 0x1000, 1, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x1000, 1, (uintptr_t)&mask },
		{ PTEBATCH_TLB_ALL, 0, 0xfffffffffffff000, 2, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0, 1ull << 53, 0 },
		{ PTEBATCH_TLB_ALL, 1, 0, 0, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0, 0, (uintptr_t)&mask },
		{ PTEBATCH_TLB_VCPUS, 0, 0, 0, (uintptr_t)&mask },
		{ PTEBATCH_TLB_VCPUS, 1, 0, 0, 0 },
	};
	unsigned int i;

	(void)state;
	run(SLOT(0), 1);
	ptebatch_begin(&b);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ptebatch_flush(&b, &bad[i]), -PTEBATCH_EINVAL);
		assert_int_equal(ptebatch_end(&b, &bad[i]), -PTEBATCH_EINVAL);
	}
	assert_int_equal(recording.calls, 0);
	assert_int_equal(ptebatch_pending(&b), 1);
	assert_int_equal(ptebatch_end(&b, &all), 0);
	assert_int_equal(recording.tlbs, 1);
}

static void well_formed_tlb_requests_reach_the_backend(void **state)
{
	uint64_t mask[2] = { 1, 1 };
	const struct ptebatch_tlb good[] = {
		{ PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0xfffffffffffff000, 1, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0x5000, 1000, 0 },
		{ PTEBATCH_TLB_VCPUS, 100, 0x5000, 1, (uintptr_t)mask },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		run(SLOT(i), 1);
		assert_int_equal(ptebatch_flush(&b, &good[i]), 0);
		assert_memory_equal(&recording.tlb, &good[i], sizeof(good[i]));
	}
	assert_int_equal(recording.tlbs, i);
	assert_int_equal(recording.calls, i); /* they rode along */
}

static void an_empty_range_is_no_request(void **state)
{
	uint64_t mask = 1;
	const struct ptebatch_tlb empty[] = {
		{ PTEBATCH_TLB_NONE, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_NONE, 0, 0x1000, 0, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x1000, 0, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0xfffffffffffff000, 0, 0 },
		{ PTEBATCH_TLB_VCPUS, 1, 0x1000, 0, (uintptr_t)&mask },
	};
	struct ptebatch_run r = { TABLE, 1, 0, RW, 0, 0 };
	struct ptebatch_progress p;
	unsigned int i;

	for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		setup(state);
		assert_int_equal(ptebatch_flush(&b, &empty[i]), 0);
		assert_int_equal(recording.calls, 0);
		run(SLOT(0), 1);
		assert_int_equal(ptebatch_flush(&b, &empty[i]), 0);
		assert_int_equal(recording.slots, 1);
		ptebatch_begin(&b);
		ptebatch_begin(&b);
		run(SLOT(1), 1);
		assert_int_equal(ptebatch_end(&b, &empty[i]), 0);
		assert_int_equal(recording.slots, 1);
		assert_int_equal(ptebatch_end(&b, NULL), 0);
		assert_int_equal(recording.slots, 2);
		assert_int_equal(ptebatch_apply_flags(&recording_backend, &env,
						      &r, &empty[i], &p),
				 0);
		assert_int_equal(p.records, 1);
		assert_int_equal(recording.tlbs, 0);
		/* What another has asked for stays. */
		ptebatch_begin(&b);
		ptebatch_begin(&b);
		run(SLOT(2), 1);
		assert_int_equal(ptebatch_end(&b, &local), 0);
		assert_int_equal(ptebatch_end(&b, &empty[i]), 0);
		assert_int_equal(recording.tlbs, 1);
		assert_memory_equal(&recording.tlb, &local, sizeof(local));
	}
}

static void an_empty_flush_with_a_request_is_a_tlb_flush(void **state)
{
	const struct ptebatch_tlb none = { 0, 0, 0, 0, 0 };

	(void)state;
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(ptebatch_flush(&b, &none), 0);
	assert_int_equal(recording.calls, 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(recording.tlbs, 1);
	assert_int_equal(b.counters.tlb_flushes, 1);
}

static void no_tlb_flush_where_nothing_was_applied(void **state)
{
	(void)state;
	run(SLOT(0), 2);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(recording.tlbs, 0);
	recording.fail_after = 1;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(recording.tlbs, 1);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(recording.tlbs, 1);
}

static void a_tlb_flush_owed_by_an_earlier_flush_is_made(void **state)
{
	int i;

	(void)state;
	for (i = 0; i <= RUNS; i++) /* one automatic flush */
		run(SLOT(2 * i), 1);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slots, 0);
	assert_int_equal(recording.tlbs, 1);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(recording.tlbs, 1); /* once */
}

static void a_failing_tlb_flush_is_an_error(void **state)
{
	(void)state;
	run(SLOT(0), 1);
	recording.tlb_err = -PTEBATCH_EFAULT;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EFAULT);
	assert_int_equal(ptebatch_pending(&b), 0);
	assert_int_equal(b.last.slots, 1);
	assert_int_equal(b.last.slot, 0);
	assert_int_equal(b.counters.tlb_flushes, 0);
	recording.tlb_err = 0;
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(recording.tlbs, 1);
}

/* ---- sections ---- */

static void only_the_outermost_end_flushes(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_end(&b, NULL), -PTEBATCH_EINVAL);
	ptebatch_begin(&b);
	run(SLOT(0), 1);
	ptebatch_begin(&b);
	run(SLOT(1), 1);
	assert_int_equal(ptebatch_end(&b, &local), 0);
	assert_int_equal(recording.calls, 0);
	assert_int_equal(ptebatch_end(&b, NULL), 0);
	assert_int_equal(recording.slots, 2);
	assert_int_equal(recording.tlbs, 1);
	assert_int_equal(recording.tlb.who, PTEBATCH_TLB_LOCAL);
	assert_int_equal(b.counters.flushes[PTEBATCH_FLUSH_END], 1);
	assert_int_equal(ptebatch_end(&b, NULL), -PTEBATCH_EINVAL);
}

static void check_combined(const struct ptebatch_tlb *one,
			   const struct ptebatch_tlb *two, uint32_t who,
			   uint64_t addr, uint64_t pages)
{
	ptebatch_begin(&b);
	ptebatch_begin(&b);
	assert_int_equal(ptebatch_end(&b, one), 0);
	assert_int_equal(ptebatch_end(&b, two), 0);
	assert_int_equal(recording.tlb.who, who);
	assert_int_equal(recording.tlb.addr, addr);
	assert_int_equal(recording.tlb.pages, pages);
	assert_int_equal(recording.tlb.vcpus, 0);
	assert_int_equal(recording.tlb.nr_vcpus, 0);
}

static void inner_requests_combine_into_one_that_covers_all(void **state)
{
	uint64_t mask = 1;
	const struct ptebatch_tlb low = { PTEBATCH_TLB_LOCAL, 0, 0x5000, 2, 0 };
	const struct ptebatch_tlb high = { PTEBATCH_TLB_LOCAL, 0, 0x9000, 1,
					   0 };
	const struct ptebatch_tlb wide = { PTEBATCH_TLB_ALL, 0, 0x1000, 100,
					   0 };
	const struct ptebatch_tlb top = { PTEBATCH_TLB_ALL, 0,
					  0xfffffffffffff000, 1, 0 };
	const struct ptebatch_tlb some = { PTEBATCH_TLB_VCPUS, 1, 0x5000, 1,
					   (uintptr_t)&mask };

	(void)state;
	check_combined(&low, NULL, PTEBATCH_TLB_LOCAL, 0x5000, 2);
	check_combined(&low, &high, PTEBATCH_TLB_LOCAL, 0x5000, 5);
	check_combined(&high, &low, PTEBATCH_TLB_LOCAL, 0x5000, 5);
	check_combined(&wide, &low, PTEBATCH_TLB_ALL, 0x1000, 100);
	check_combined(&low, &wide, PTEBATCH_TLB_ALL, 0x1000, 100);
	check_combined(&low, &local, PTEBATCH_TLB_LOCAL, 0, 0);
	check_combined(&local, &wide, PTEBATCH_TLB_ALL, 0, 0);
	check_combined(&low, &top, PTEBATCH_TLB_ALL, 0x5000,
		       (1ull << 52) - 5);
	check_combined(&some, NULL, PTEBATCH_TLB_ALL, 0x5000, 1);
	check_combined(&low, &some, PTEBATCH_TLB_ALL, 0x5000, 2);
	assert_int_equal(recording.tlbs, 10);
}

static void a_request_serves_one_flush_only(void **state)
{
	(void)state;
	check_combined(&all, &all, PTEBATCH_TLB_ALL, 0, 0);
	run(SLOT(0), 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.tlbs, 1);
}

static void an_inner_request_outlives_a_failed_flush(void **state)
{
	(void)state;
	ptebatch_begin(&b);
	ptebatch_begin(&b);
	run(SLOT(0), 2);
	assert_int_equal(ptebatch_end(&b, &all), 0);
	recording.fail_after = 0;
	assert_int_equal(ptebatch_end(&b, NULL), -PTEBATCH_EBUSY);
	assert_int_equal(recording.tlbs, 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(recording.tlbs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slots_apply_in_the_order_queued),
		TEST(a_full_storage_flushes_without_a_tlb_flush),
		TEST(values_use_all_of_the_storage),
		TEST(a_failed_automatic_flush_queues_nothing),
		TEST(another_owner_flushes_first),
		TEST(an_owner_is_two_domain_ids),
		TEST(another_owner_gets_no_tlb_flush_of_the_first),
		TEST(a_failed_flush_resumes_at_each_slot),
		TEST(skip_drops_the_failing_slot_alone),
		TEST(discard_drops_the_tail_at_each_slot),
		TEST(values_fail_and_resume_at_each_record),
		TEST(records_queue_behind_a_failed_tail),
		TEST(skip_and_discard_know_the_open_run),
		TEST(a_malformed_tlb_request_does_nothing),
		TEST(well_formed_tlb_requests_reach_the_backend),
		TEST(an_empty_range_is_no_request),
		TEST(an_empty_flush_with_a_request_is_a_tlb_flush),
		TEST(no_tlb_flush_where_nothing_was_applied),
		TEST(a_tlb_flush_owed_by_an_earlier_flush_is_made),
		TEST(a_failing_tlb_flush_is_an_error),
		TEST(only_the_outermost_end_flushes),
		TEST(inner_requests_combine_into_one_that_covers_all),
		TEST(a_request_serves_one_flush_only),
		TEST(an_inner_request_outlives_a_failed_flush),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
