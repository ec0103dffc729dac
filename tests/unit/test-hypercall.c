/* SPDX-License-Identifier: MIT */
/* How the backend hypercall uses the two calls, and what it does without them. */
#define _DEFAULT_SOURCE
#include <sys/mman.h>

#include "backends.h"

static uint64_t old[512];

static void probe_asks_each_call_by_itself(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		fake_reset(&env);
		fake.has_runs = i & 1;
		fake.has_values = i >> 1;
		assert_int_equal(ptebatch_hypercall.probe(&env), 0);
		assert_int_equal(env.have,
				 (i & 1 ? PTEBATCH_HAVE_RUNS : 0) |
					 (i >> 1 ? PTEBATCH_HAVE_VALUES : 0));
	}
	assert_int_equal(env.max_runs, 0); /* a batch holds no more */
	assert_int_equal(env.max_values, 0);
	fake.no_mmu_update = 1;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	fake.has_values = 0;
	assert_int_equal(ptebatch_hypercall.probe(&env), -PTEBATCH_ENOSYS);
}

/* What every other CPU could find in env->have while this one probes. */
static int64_t (*hypercall)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			    uint64_t a3, uint64_t a4, uint64_t a5);
static uint32_t seen;

static int64_t look(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		    uint64_t a3, uint64_t a4, uint64_t a5)
{
	seen &= env.have;
	return hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static void a_probe_hides_no_call_from_others_meanwhile(void **state)
{
	const uint32_t both = PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES;

	(void)state;
	start(&ptebatch_hypercall);
	hypercall = env.hypercall;
	env.hypercall = look;
	seen = both;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	assert_int_equal(seen & env.have, both);
}

/*
 * All CPUs share it; and a bit written away because it was not there could be
 * one that a probe has just found.
 */
static void a_call_known_to_be_missing_is_not_written_down_again(void **state)
{
	struct ptebatch_env *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	fake.has_runs = 0;
	fake.has_values = 0;
	start(&ptebatch_hypercall);
	*shared = env;
	assert_int_equal(mprotect(shared, 4096, PROT_READ), 0);
	b.env = shared;
	run(0, 1);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	run(1, 1);
	run(3, 1);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(2), ENTRY(2), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(munmap(shared, 4096), 0);
	check_ro(0, 4);
}

static void a_refused_request_blames_no_slot(void **state)
{
	static const int64_t no_domain = -PTEBATCH_ESRCH;
	int way;

	/* A run in registers, runs by a list, values. */
	for (way = 0; way < 3; way++) {
		setup(state);
		start(&ptebatch_hypercall);
		if (way < 2)
			run(0, 4);
		if (way == 1)
			run(8, 4);
		if (way == 2)
			assert_int_equal(ptebatch_add_set(&b, SLOT(0),
							    ENTRY(0), KEEP),
					 0);
		fake.answer = &no_domain;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_ESRCH);
		assert_int_equal(b.last.slot, 0);
		assert_int_equal(b.last.slots, 0);
		assert_int_equal(fake.tlbs, 0);
		fake.answer = NULL;
		fake.fail_after = 0;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slot, SLOT(0));
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(fake.tlbs, 1);
	}

	/* What mmu_update cannot do: flush TLBs for another domain's tables. */
	for (way = 0; way < 2; way++) {
		setup(state);
		fake.has_runs = 0;
		fake.has_values = 0;
		start(way ? &ptebatch_mmu_update : &ptebatch_hypercall);
		assert_int_equal(ptebatch_set_owner(&b, 1, 1), 0);
		assert_int_equal(ptebatch_add_set(&b, SLOT(0), ENTRY(0),
						    EXACT),
				 0);
		assert_int_equal(ptebatch_flush(&b, &all),
				 -PTEBATCH_EOPNOTSUPP);
		assert_int_equal(b.last.slot, 0);
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
	}
}

static void one_run_goes_in_registers(void **state)
{
	struct ptebatch_run r = { SLOT(3), 5, 0, RW, NX, 0 };
	struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, 0x5000, 1, 0 };
	struct ptebatch_progress p;

	(void)state;
	start(&ptebatch_hypercall);
	assert_int_equal(
		ptebatch_apply_flags(&ptebatch_hypercall, &env, &r, &page, &p),
		0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[0].a1, SLOT(3));
	assert_int_equal(fake.call[0].a2, 5);
	assert_int_equal(fake.call[0].a3, 0x5000 | 0x40 | 0x10);
	assert_int_equal(fake.call[0].a4, RW);
	assert_int_equal(fake.call[0].a5, NX);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(p.stats.hypercalls, 1);
	assert_int_equal(fake.table[0][7], ENTRY(7) | A | D | NX);
}

static void the_register_form_tells_every_simple_flush(void **state)
{
	static const struct {
		struct ptebatch_tlb tlb;
		uint64_t how;
	} cases[] = {
		{ { PTEBATCH_TLB_NONE, 0, 0, 0, 0 }, 0x00 },
		{ { PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 }, 0x10 },
		{ { PTEBATCH_TLB_ALL, 0, 0, 0, 0 }, 0x20 },
		{ { PTEBATCH_TLB_ALL, 0, 0xfffffffffffff000, 1, 0 },
		  0xfffffffffffff060 },
		{ { PTEBATCH_TLB_LOCAL, 0, 0, 1, 0 }, 0x50 },
		{ { PTEBATCH_TLB_LOCAL, 0, 0x5000, 2, 0 }, 0x50d0 },
		{ { PTEBATCH_TLB_ALL, 0, 0x5000, 32, 0 }, 0x5fe0 },
	};
	struct ptebatch_run r = { SLOT(3), 1, PTEBATCH_OP_CLEAR, 0, 0, 0 };
	struct ptebatch_progress p;
	unsigned int i;

	(void)state;
	start(&ptebatch_hypercall);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ptebatch_apply_clear(&ptebatch_hypercall, &env,
						      &r, &cases[i].tlb, &p),
				 0);
		assert_int_equal(fake.call[i].a3, cases[i].how | 1);
		assert_int_equal(p.stats.tlb_flushes, i > 0);
	}
}

static void all_else_goes_as_a_list(void **state)
{
	uint64_t mask = 1;
	struct ptebatch_tlb some = { PTEBATCH_TLB_VCPUS, 1, 0, 0,
				     (uintptr_t)&mask };
	struct ptebatch_tlb range = { PTEBATCH_TLB_ALL, 0, 0x5000, 33, 0 };

	(void)state;
	start(&ptebatch_hypercall);
	run(0, 1);
	assert_int_equal(ptebatch_flush(&b, &some), 0);
	assert_int_equal(fake.call[0].a1, (uintptr_t)storage);
	assert_int_equal(fake.call[0].a3, PTEBATCH_HOW_LIST | 0x30);
	assert_int_equal(fake.call[0].a4, PTEBATCH_DOMID_SELF);
	assert_memory_equal(&fake.call[0].tlb, &some, sizeof(some));
	run(1, 1);
	assert_int_equal(ptebatch_flush(&b, &range), 0);
	assert_memory_equal(&fake.call[1].tlb, &range, sizeof(range));
	assert_int_equal(ptebatch_add_clear(&b, SLOT(9), 1, old), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[2].a3, PTEBATCH_HOW_LIST | 0x20);
	assert_int_equal(fake.call[2].a5, 0);
	assert_int_equal(ptebatch_set_owner(&b, PTEBATCH_DOMID_SELF, 7), 0);
	run(2, 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.call[3].a3, PTEBATCH_HOW_LIST);
	assert_int_equal(fake.call[3].a4, 7);
	assert_int_equal(ptebatch_add_set(&b, SLOT(3), ENTRY(3), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[4].nr, VALUES);
	assert_int_equal(fake.call[4].a3, 0x20);
	assert_int_equal(fake.calls, 5);
}

static void a_tlb_flush_alone_is_an_empty_list(void **state)
{
	(void)state;
	start(&ptebatch_hypercall);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[0].a2, 0);
	assert_int_equal(fake.tlbs, 1);
	fake.has_runs = 0;
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.tlbs, 2);
	assert_int_equal(fake.call[2].nr, VALUES);
	assert_int_equal(env.have, PTEBATCH_HAVE_VALUES);
	fake.has_values = 0;
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[4].nr, 26);
	assert_int_equal(b.counters.tlb_flushes, 3);
	assert_int_equal(env.have, 0);
}

static void a_tlb_flush_alone_is_made_once(void **state)
{
	static const struct ptebatch_backend *const backends[] = {
		&ptebatch_native, &ptebatch_mmu_update, &ptebatch_hypercall,
	};
	struct ptebatch_progress p;
	int i, have, values;

	for (i = 0; i < 3; i++)
		for (have = 0; have < 4; have++)
			for (values = 0; values < 2; values++) {
				setup(state);
				env.tlb = flush_alone;
				fake.has_runs = have & 1;
				fake.has_values = have >> 1;
				start(backends[i]);
				memset(&p, 0, sizeof(p));
				if (values)
					backends[i]->values(&env, 0x7ff0, NULL,
							    0, &all, &p);
				else
					backends[i]->runs(&env, 0x7ff0, NULL, 0,
							  &all, &p);
				assert_int_equal(p.err, 0);
				assert_int_equal(fake.tlbs, 1);
				assert_int_equal(p.stats.tlb_flushes, 1);
			}
}

static void hypercall_fails_and_resumes_at_each_slot(void **state)
{
	int n;

	(void)state;
	for (n = 0; n < 300; n++)
		check_failure(&ptebatch_hypercall, n);
}

static void a_single_run_fails_and_resumes_at_each_slot(void **state)
{
	int n;

	for (n = 0; n < 512; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		run(0, 512);
		fake.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(b.counters.tlb_flushes, n != 0);
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(fake.applied, 512);
		check_ro(0, 512);
	}
}

static void calls_that_vanish_lose_and_repeat_nothing(void **state)
{
	int n, i;

	for (n = 0; n <= 60; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		/* Applied twice, this would not be undone: order shows. */
		run(0, 20);
		assert_int_equal(ptebatch_add_flags_old(&b, SLOT(30), 20, NX, NX,
						      old),
				 0);
		assert_int_equal(ptebatch_add_clear(&b, SLOT(60), 20, old + 20),
				 0);
		fake.gone_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(b.last.slots, 60);
		assert_int_equal(env.have,
				 n < 60 ? PTEBATCH_HAVE_VALUES
					: PTEBATCH_HAVE_VALUES |
						  PTEBATCH_HAVE_RUNS);
		assert_true(b.counters.tlb_flushes >= 1);
		assert_int_equal(b.counters.tlb_flushes, fake.tlbs);
		assert_int_equal(fake.call[fake.calls - 1].nr,
				 n < 60 ? 26 : RUNS);
		for (i = 0; i < 20; i++) {
			assert_int_equal(fake.table[0][i], ENTRY(i) | A | D);
			assert_int_equal(old[i], ENTRY(30 + i) | RW | A | D);
			assert_int_equal(fake.table[0][30 + i], old[i] | NX);
			assert_int_equal(old[20 + i],
					 ENTRY(60 + i) | RW | A | D);
			assert_int_equal(fake.table[0][60 + i], 0);
		}
	}
}

static void a_single_run_survives_a_call_that_vanishes(void **state)
{
	int n;

	for (n = 0; n <= 64; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		run(0, 64);
		fake.gone_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(b.last.records, 1);
		assert_int_equal(b.last.slots, 64);
		assert_int_equal(fake.applied, 64);
		check_ro(0, 64);
	}
}

static void values_survive_a_call_that_vanishes(void **state)
{
	int n, i;

	for (n = 0; n <= 30; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		for (i = 0; i < 30; i++)
			assert_int_equal(ptebatch_add_set(&b, SLOT(i),
							    ENTRY(i), KEEP),
					 0);
		fake.gone_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(b.last.slots, 30);
		assert_int_equal(fake.applied, 30);
		check_ro(0, 30);
	}
}

static void a_fallback_that_fails_tells_the_slot(void **state)
{
	int n;

	for (n = 11; n < 40; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		run(0, 20);
		run(30, 20);
		fake.gone_after = 10;
		fake.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(b.last.records, n / 20);
		assert_int_equal(b.last.slot, SLOT(n < 20 ? n : n + 10));
		assert_int_equal(fake.call[fake.calls - 1].nr, 26);
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(fake.applied, 40);
	}
}

static void with_one_call_only_the_other_kind_falls_back(void **state)
{
	(void)state;
	fake.has_values = 0;
	start(&ptebatch_hypercall);
	run(0, 1);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), ENTRY(1), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[1].nr, 1);

	fake_reset(&env);
	fake.has_runs = 0;
	start(&ptebatch_hypercall);
	run(0, 1);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), ENTRY(1), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(fake.call[0].nr, 1);
	assert_int_equal(fake.call[1].nr, VALUES);
	check_ro(0, 2);
}

static void a_limit_of_records_makes_several_calls(void **state)
{
	int i;

	(void)state;
	fake.most_records = 9;
	start(&ptebatch_hypercall);
	assert_int_equal(env.max_runs, 9);
	assert_int_equal(env.max_values, 9);
	for (i = 0; i < 20; i++)
		run(2 * i, 1);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.calls, 3);
	assert_int_equal(fake.call[0].a2, 9);
	assert_int_equal(fake.call[2].a2, 2);
	assert_int_equal(PTEBATCH_HOW_TLB_WHO(fake.call[1].a3), 0);
	assert_int_equal(PTEBATCH_HOW_TLB_WHO(fake.call[2].a3),
			 PTEBATCH_TLB_ALL);
	assert_int_equal(fake.tlbs, 1);
	assert_int_equal(b.last.slots, 20);
}

static void a_flush_owed_by_an_earlier_call_is_made_alone(void **state)
{
	int i, n;

	for (n = 1; n < 20; n++) {
		setup(state);
		fake.most_records = 8;
		start(&ptebatch_hypercall);
		for (i = 0; i < 20; i++)
			run(2 * i, 1);
		fake.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(fake.tlbs, 1);
		assert_int_equal(b.counters.tlb_flushes, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probe_asks_each_call_by_itself),
		TEST(a_probe_hides_no_call_from_others_meanwhile),
		TEST(a_call_known_to_be_missing_is_not_written_down_again),
		TEST(a_refused_request_blames_no_slot),
		TEST(one_run_goes_in_registers),
		TEST(the_register_form_tells_every_simple_flush),
		TEST(all_else_goes_as_a_list),
		TEST(a_tlb_flush_alone_is_an_empty_list),
		TEST(a_tlb_flush_alone_is_made_once),
		TEST(hypercall_fails_and_resumes_at_each_slot),
		TEST(a_single_run_fails_and_resumes_at_each_slot),
		TEST(calls_that_vanish_lose_and_repeat_nothing),
		TEST(a_single_run_survives_a_call_that_vanishes),
		TEST(values_survive_a_call_that_vanishes),
		TEST(a_fallback_that_fails_tells_the_slot),
		TEST(with_one_call_only_the_other_kind_falls_back),
		TEST(a_limit_of_records_makes_several_calls),
		TEST(a_flush_owed_by_an_earlier_call_is_made_alone),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
