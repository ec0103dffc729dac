/* SPDX-License-Identifier: MIT */
/*
 * How the backends native and mmu-update change entries. That the entries are
 * right is shown by the conformance suite.
 */
#define _DEFAULT_SOURCE
#include "backends.h"

static uint64_t old[512];

/* ---- mmu-update ---- */

static void mmu_update_needs_a_hypercall(void **state)
{
	struct ptebatch_progress p = { 0 };

	(void)state;
	env.hypercall = NULL;
	assert_int_equal(ptebatch_mmu_update.probe(&env), -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_hypercall.probe(&env), -PTEBATCH_EINVAL);
	ptebatch_mmu_update.runs(&env, PTEBATCH_DOMID_SELF, NULL, 0, &all, &p);
	assert_int_equal(p.err, -PTEBATCH_EINVAL);
	fake_reset(&env);
	fake.no_mmu_update = 1;
	assert_int_equal(ptebatch_mmu_update.probe(&env), -PTEBATCH_ENOSYS);
}

static void mmu_update_continues_after_a_partial_done(void **state)
{
	int i;

	(void)state;
	start(&ptebatch_mmu_update);
	fake.mmu_most = 7;
	run(0, 512);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	check_ro(0, 512);
	for (i = 0; i < 20; i++)
		assert_int_equal(ptebatch_add_set(&b, SLOT(i),
						    ENTRY(i) | RW | A | D,
						    KEEP),
				 0);
	fake.calls = 0;
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 3);
	check_ro(20, 512);
}

static void mmu_update_that_does_nothing_is_an_error(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	fake.mmu_most = 0;
	run(0, 4);
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_pending(&b), 4);
}

static void mmu_update_takes_the_callers_values_as_they_are(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(ptebatch_add_set(&b, SLOT(0), ENTRY(0), KEEP), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), ENTRY(1), EXACT), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].a1, (uintptr_t)storage);
	assert_int_equal(fake.call[0].a2, 2);
	assert_int_equal(fake.table[0][0], ENTRY(0) | A | D);
	assert_int_equal(fake.table[0][1], ENTRY(1));
}

static void mmu_update_shares_a_call_between_sparse_runs(void **state)
{
	int i;

	(void)state;
	start(&ptebatch_mmu_update);
	for (i = 0; i < 60; i++)
		run(2 * i, 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].a2, 60);
}

static void mmu_update_is_not_called_for_what_does_not_change(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(0), 512, NX, RW), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 0);
	assert_int_equal(b.last.slots, 512);
}

static void mmu_update_reads_a_slot_after_writing_it(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	run(0, 8);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(4), 8, 0, NX), 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(0), 1, 0, RW), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.table[0][0], ENTRY(0) | RW | A | D);
	assert_int_equal(fake.table[0][4], ENTRY(4) | A | D | NX);
	assert_int_equal(fake.table[0][8], ENTRY(8) | RW | A | D | NX);
}

/*
 * Hardware sets D at one of the calls, after the entries were read: none of
 * the bits may be lost. Returns whether there was such a call.
 */
static int keeps_what_hardware_sets(unsigned int call)
{
	uint32_t features = env.features;
	int i;

	fake_reset(&env);
	env.features = features;
	start(&ptebatch_mmu_update);
	for (i = 0; i < 512; i++)
		fake.table[0][i] = ENTRY(i) | RW | (i & 1 ? A : 0);
	fake.hardware = D;
	fake.hardware_at = call;
	run(0, 200);
	for (i = 200; i < 204; i++)
		assert_int_equal(ptebatch_add_set(&b, SLOT(i), ENTRY(i),
						    KEEP),
				 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	for (i = 0; i < 204; i++)
		assert_int_equal(fake.table[0][i],
				 ENTRY(i) | (i & 1 ? A : 0) |
					 fake.touched[0][i]);
	return call < fake.calls;
}

static void mmu_update_loses_no_a_or_d_bit(void **state)
{
	unsigned int call = 0;

	(void)state;
	while (keeps_what_hardware_sets(call))
		call++;
	assert_in_range(call, 3, 4); /* chunks of the run, and the values */
}

static void mmu_update_fails_and_resumes_at_each_slot(void **state)
{
	int n;

	(void)state;
	for (n = 0; n < 300; n++)
		check_failure(&ptebatch_mmu_update, n);
}

static void mmu_update_fails_and_flushes_for_a_single_slot(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	run(0, 1);
	fake.fail_after = 0;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slots, 0);
	assert_int_equal(b.last.slot, SLOT(0));
	assert_int_equal(fake.tlbs, 0);
	check_ro(0, 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.tlbs, 1);
	check_ro(0, 1);
	fake.hardware = D;
	fake.table[0][1] &= ~(A | D);
	fake.hardware_at = fake.calls;
	run(1, 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.table[0][1], ENTRY(1) | D);
}

static void mmu_update_counts_absent_slots_before_a_failure(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	fake.table[0][0] = 0;
	fake.table[0][1] = 0;
	fake.table[0][4] = 0;
	run(0, 8);
	fake.fail_after = 2;
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slot, SLOT(5));
	assert_int_equal(b.last.slots, 5);
}

static void mmu_update_refuses_what_it_cannot_read(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	env.map = NULL;
	run(0, 8);
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(ptebatch_discard(&b), 8);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(0), 8, old), 0);
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(ptebatch_discard(&b), 8);
	assert_int_equal(fake.calls, 0);
	/* These need not be read. */
	assert_int_equal(ptebatch_add_clear(&b, SLOT(0), 8, NULL), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(8), 0, EXACT), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.table[0][7], 0);
	assert_int_equal(fake.table[0][8], 0);
}

/* The update of what is not A or D comes first, and sets them, too. */
static void mmu_update_hands_back_no_d_that_it_has_set(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	fake.table[0][0] = ENTRY(0) | RW | A;
	fake.table[0][1] = ENTRY(1) | RW | A | D;
	assert_int_equal(ptebatch_add_flags_old(&b, SLOT(0), 2, RW, D, old), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(old[0], ENTRY(0) | RW | A);
	assert_int_equal(old[1], ENTRY(1) | RW | A | D);
	assert_int_equal(fake.table[0][0], ENTRY(0) | A | D);
}

static void mmu_update_without_preserve_ad_loses_nothing_either(void **state)
{
	unsigned int call = 0;

	(void)state;
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	while (keeps_what_hardware_sets(call))
		call++;
	assert_int_equal(call, 204);
	/* In place: no call at all for hardware to interfere with. */
	env.features = 0;
	assert_int_equal(keeps_what_hardware_sets(0), 0);
}

static void mmu_update_without_preserve_ad_restores_a_refused_entry(void **state)
{
	(void)state;
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	start(&ptebatch_mmu_update);
	run(0, 2);
	fake.fail_after = 1;
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slot, SLOT(1));
	check_ro(0, 1);
}

static void mmu_update_without_preserve_ad_needs_a_mapping(void **state)
{
	(void)state;
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	start(&ptebatch_mmu_update);
	env.map = NULL;
	assert_int_equal(ptebatch_add_set(&b, SLOT(0), ENTRY(0), EXACT), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), ENTRY(1), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(b.last.slots, 1);
	assert_int_equal(b.last.slot, SLOT(1));
}

static void mmu_update_names_the_owner(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(ptebatch_set_owner(&b, 5, 5), 0);
	assert_int_equal(ptebatch_add_flags_old(&b, SLOT(0), 4, A | RW, 0, old),
			 0);
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(fake.calls, 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].a4, 0x60005);
	assert_int_equal(fake.table[0][3], ENTRY(3) | D);
	assert_int_equal(old[3], ENTRY(3) | RW | A | D);
}

static void mmu_update_clears_no_a_of_foreign_pages(void **state)
{
	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(ptebatch_set_owner(&b, PTEBATCH_DOMID_SELF, 5), 0);
	assert_int_equal(ptebatch_add_flags(&b, SLOT(0), 1, A, 0), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EOPNOTSUPP);
	ptebatch_discard(&b);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(0), 1, old), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(old[0], ENTRY(0) | RW | A | D);
	assert_int_equal(fake.table[0][0], 0);
}

static void flush_by_mmuext(const struct ptebatch_tlb *tlb, uint32_t cmd,
			    uint32_t ops, unsigned int calls)
{
	fake.calls = 0;
	assert_int_equal(ptebatch_flush(&b, tlb), 0);
	assert_int_equal(fake.calls, calls);
	assert_int_equal(fake.call[calls - 1].nr, 26);
	assert_int_equal(fake.call[calls - 1].cmd, cmd);
	assert_int_equal(fake.call[calls - 1].a2, ops);
	assert_int_equal(fake.call[calls - 1].a4, PTEBATCH_DOMID_SELF);
}

static void mmu_update_flushes_the_tlb_by_mmuext_op(void **state)
{
	uint64_t mask = 3;
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 };

	(void)state;
	start(&ptebatch_mmu_update);
	flush_by_mmuext(&tlb, 6, 1, 1);
	tlb.addr = 0x5000;
	tlb.pages = 1;
	flush_by_mmuext(&tlb, 7, 1, 1);
	assert_int_equal(fake.call[0].addr, 0x5000);
	tlb.pages = 32;
	flush_by_mmuext(&tlb, 7, 32, 1);
	tlb.pages = 33;
	flush_by_mmuext(&tlb, 6, 1, 1);
	tlb.who = PTEBATCH_TLB_ALL;
	flush_by_mmuext(&tlb, 10, 1, 1);
	tlb.pages = 1;
	flush_by_mmuext(&tlb, 11, 1, 1);
	tlb.who = PTEBATCH_TLB_VCPUS;
	tlb.nr_vcpus = 2;
	tlb.vcpus = (uintptr_t)&mask;
	flush_by_mmuext(&tlb, 9, 1, 1);
	tlb.pages = 2;
	flush_by_mmuext(&tlb, 8, 1, 1);
	/* A mask shorter than the domain faults: everybody, then. */
	fake.mmuext_err = -PTEBATCH_EINVAL;
	flush_by_mmuext(&tlb, 10, 1, 2);
}

/* ---- native ---- */

static void native_needs_a_mapping_and_a_tlb_flush(void **state)
{
	(void)state;
	env.hypercall = NULL;
	start(&ptebatch_native);
	run(0, 8);
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(b.last.slots, 0);
	assert_int_equal(b.last.slot, 0); /* no slot is to blame */
	check_ro(0, 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	check_ro(0, 8);
	assert_int_equal(ptebatch_add_flags(&b, 0x5000, 1, RW, 0), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(b.last.slot, 0x5000);
	env.map = NULL;
	assert_int_equal(ptebatch_native.probe(&env), -PTEBATCH_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(native_needs_a_mapping_and_a_tlb_flush),
		TEST(mmu_update_needs_a_hypercall),
		TEST(mmu_update_continues_after_a_partial_done),
		TEST(mmu_update_that_does_nothing_is_an_error),
		TEST(mmu_update_takes_the_callers_values_as_they_are),
		TEST(mmu_update_shares_a_call_between_sparse_runs),
		TEST(mmu_update_is_not_called_for_what_does_not_change),
		TEST(mmu_update_reads_a_slot_after_writing_it),
		TEST(mmu_update_loses_no_a_or_d_bit),
		TEST(mmu_update_fails_and_resumes_at_each_slot),
		TEST(mmu_update_fails_and_flushes_for_a_single_slot),
		TEST(mmu_update_counts_absent_slots_before_a_failure),
		TEST(mmu_update_refuses_what_it_cannot_read),
		TEST(mmu_update_hands_back_no_d_that_it_has_set),
		TEST(mmu_update_without_preserve_ad_loses_nothing_either),
		TEST(mmu_update_without_preserve_ad_restores_a_refused_entry),
		TEST(mmu_update_without_preserve_ad_needs_a_mapping),
		TEST(mmu_update_names_the_owner),
		TEST(mmu_update_clears_no_a_of_foreign_pages),
		TEST(mmu_update_flushes_the_tlb_by_mmuext_op),
	};

	return cmocka_run_group_tests_name("mmu-update", tests, NULL, NULL);
}
