/* SPDX-License-Identifier: MIT */
/* How the backend hypercall uses the two calls, and what it does without them. */
#define _DEFAULT_SOURCE
#include <sys/mman.h>

#include "backends.h"

#define ANY_RUNS (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_SET | PTEBATCH_HAVE_TAKE)
#define ALL_FORMS (ANY_RUNS | PTEBATCH_HAVE_VALUES)

static uint64_t old[512];

static const struct ptebatch_tlb a_page = { PTEBATCH_TLB_LOCAL, 0, 0x5000, 1,
					    0 };

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
				 (i & 1 ? ANY_RUNS : 0) |
					 (i >> 1 ? PTEBATCH_HAVE_VALUES : 0));
	}
	assert_int_equal(env.max_runs, 0); /* a batch holds no more */
	assert_int_equal(env.max_values, 0);
	fake.no_mmu_update = 1;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	fake.has_values = 0;
	assert_int_equal(ptebatch_hypercall.probe(&env), -PTEBATCH_ENOSYS);
}

static void probe_asks_which_operations_there_are(void **state)
{
	uint32_t ops, want;

	(void)state;
	for (ops = 0; ops < 64; ops++) {
		fake_reset(&env);
		fake.ops = ops;
		assert_int_equal(ptebatch_hypercall.probe(&env), 0);
		want = PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES;
		if (ops & 4)
			want |= PTEBATCH_HAVE_SET;
		if (ops & 8)
			want |= PTEBATCH_HAVE_TAKE;
		assert_int_equal(env.have, want);
	}
	/* The next probe finds what has been lost or has appeared. */
	fake.ops = FAKE_OLD_OPS;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	assert_int_equal(env.have, PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES);
	fake.ops = 15;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	assert_int_equal(env.have, ALL_FORMS);
}

/* One answer to everything, or to the question for operations alone. */
static int64_t (*hypercall)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			    uint64_t a3, uint64_t a4, uint64_t a5);
static int64_t one_answer;
static int to_everything;

static int64_t answers(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		       uint64_t a3, uint64_t a4, uint64_t a5)
{
	if ((to_everything && nr >= RUNS) ||
	    (a3 == PTEBATCH_HOW_PROBE && a2 == PTEBATCH_ASK_OPS))
		return one_answer;
	return hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static void only_an_answer_of_the_call_itself_tells_of_operations(void **state)
{
	(void)state;
	hypercall = env.hypercall;
	env.hypercall = answers;
	for (one_answer = -100; one_answer < 0; one_answer++) {
		to_everything = 0;
		assert_int_equal(ptebatch_hypercall.probe(&env), 0);
		assert_int_equal(env.have,
				 PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES);
		to_everything = 1;
		assert_int_equal(ptebatch_hypercall.probe(&env), 0);
		assert_int_equal(env.have, 0);
	}
	/* Another hypervisor's hypercall of that number. */
	one_answer = 15;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	assert_int_equal(env.have, 0);
}

/* What every other CPU could find in env->have while this one probes. */
static uint32_t seen;

static int64_t look(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		    uint64_t a3, uint64_t a4, uint64_t a5)
{
	seen &= env.have;
	return hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static void a_probe_hides_no_call_from_others_meanwhile(void **state)
{
	const uint32_t all_forms = ALL_FORMS;

	(void)state;
	start(&ptebatch_hypercall);
	hypercall = env.hypercall;
	env.hypercall = look;
	seen = all_forms;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	assert_int_equal(seen & env.have, all_forms);
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

	/* A run in registers, runs by a list, one value, several values. */
	for (way = 0; way < 4; way++) {
		setup(state);
		start(&ptebatch_hypercall);
		if (way < 2)
			run(0, 4);
		if (way == 1)
			run(8, 4);
		if (way >= 2)
			assert_int_equal(ptebatch_add_set(&b, SLOT(0),
							    ENTRY(0), KEEP),
					 0);
		if (way == 3)
			assert_int_equal(ptebatch_add_set(&b, SLOT(1),
							    ENTRY(1), KEEP),
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
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(3) };
	struct ptebatch_progress p;
	unsigned int i, form;

	(void)state;
	start(&ptebatch_hypercall);
	for (form = 0; form < 3; form++) {
		r.old = form == 2 ? (uintptr_t)old : 0;
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			fake.calls = 0;
			assert_int_equal(
				form == 1 ? ptebatch_apply_set(
						    &ptebatch_hypercall, &env,
						    &v, &cases[i].tlb, &p)
					  : ptebatch_apply_clear(
						    &ptebatch_hypercall, &env,
						    &r, &cases[i].tlb, &p),
				0);
			assert_int_equal(fake.calls, 1);
			assert_int_equal(fake.call[0].nr, RUNS);
			assert_int_equal(fake.call[0].a3,
					 cases[i].how | (form + 1));
			assert_int_equal(p.stats.tlb_flushes, i > 0);
			assert_int_equal(p.stats.hypercalls, 1);
		}
	}
}

static void one_value_goes_in_registers(void **state)
{
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;

	(void)state;
	start(&ptebatch_hypercall);
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v,
					    &a_page, &p),
			 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[0].a1, SLOT(3) | KEEP);
	assert_int_equal(fake.call[0].a2, 1);
	assert_int_equal(fake.call[0].a3, 0x5000 | 0x40 | 0x10 | 2);
	assert_int_equal(fake.call[0].a4, ENTRY(9));
	assert_int_equal(fake.call[0].a5, 0);
	assert_int_equal(p.records, 1);
	assert_int_equal(p.slots, 0);
	assert_int_equal(p.refused, 0);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(p.stats.hypercalls, 1);
	assert_int_equal(fake.table[0][3], ENTRY(9) | A | D);
	v.slot = SLOT(3) | EXACT;
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v, NULL,
					    &p),
			 0);
	assert_int_equal(p.stats.tlb_flushes, 0);
	assert_int_equal(fake.table[0][3], ENTRY(9));
	/* So does the only value of a batch. */
	assert_int_equal(ptebatch_add_set(&b, SLOT(4), ENTRY(8), EXACT), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.calls, 3);
	assert_int_equal(fake.call[2].a3, 0x20 | 2);
	assert_int_equal(b.counters.hypercalls, 1);
	assert_int_equal(b.counters.tlb_flushes, 1);
	assert_int_equal(fake.table[0][4], ENTRY(8));
	assert_int_equal(fake.tlbs, 2);
	/* It needs only the runs call. */
	fake.has_values = 0;
	assert_int_equal(ptebatch_hypercall.probe(&env), 0);
	fake.calls = 0;
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v, NULL,
					    &p),
			 0);
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v, &all,
					    &p),
			 0);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[1].nr, RUNS);
}

static void one_get_and_clear_goes_in_registers(void **state)
{
	struct ptebatch_run r = { SLOT(3), 1, PTEBATCH_OP_CLEAR, 0, 0,
				  (uintptr_t)old };
	struct ptebatch_progress p;
	int i;

	(void)state;
	start(&ptebatch_hypercall);
	assert_int_equal(ptebatch_apply_clear(&ptebatch_hypercall, &env, &r,
					      &a_page, &p),
			 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].nr, RUNS);
	assert_int_equal(fake.call[0].a1, SLOT(3));
	assert_int_equal(fake.call[0].a2, 1);
	assert_int_equal(fake.call[0].a3, 0x5000 | 0x40 | 0x10 | 3);
	assert_int_equal(fake.call[0].a4, (uintptr_t)old);
	assert_int_equal(fake.call[0].a5, 0);
	assert_int_equal(p.records, 1);
	assert_int_equal(p.slots, 0);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(p.stats.hypercalls, 1);
	assert_int_equal(old[0], ENTRY(3) | RW | A | D);
	assert_int_equal(fake.table[0][3], 0);
	/* So does one of many slots, and the only run of a batch. */
	r.slot = SLOT(10);
	r.count = 100;
	assert_int_equal(ptebatch_apply_clear(&ptebatch_hypercall, &env, &r,
					      NULL, &p),
			 0);
	assert_int_equal(fake.call[1].a2, 100);
	assert_int_equal(fake.call[1].a3, 3);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(200), 50, old + 100), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(b.last.slots, 50);
	assert_int_equal(b.counters.tlb_flushes, 1);
	assert_int_equal(fake.call[2].a3, 0x20 | 3);
	assert_int_equal(fake.calls, 3);
	for (i = 0; i < 150; i++)
		assert_int_equal(old[i],
				 ENTRY(i < 100 ? 10 + i : 100 + i) | RW | A | D);
}

static void an_older_xen_gets_lists_of_one(void **state)
{
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;

	(void)state;
	fake.ops = FAKE_OLD_OPS;
	start(&ptebatch_hypercall);
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v,
					    &a_page, &p),
			 0);
	assert_int_equal(p.records, 1);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(apply_clear(&ptebatch_hypercall, &env, SLOT(4), old,
				     &a_page, &p),
			 0);
	assert_int_equal(old[0], ENTRY(4) | RW | A | D);
	assert_int_equal(apply_clear(&ptebatch_hypercall, &env, SLOT(5), NULL,
				     &a_page, &p),
			 0);
	assert_int_equal(fake.calls, 3);
	assert_int_equal(fake.call[0].nr, VALUES);
	assert_int_equal(fake.call[0].a3, 0x5000 | 0x40 | 0x10);
	assert_int_equal(fake.call[1].nr, RUNS);
	assert_int_equal(fake.call[1].a3,
			 0x5000 | 0x40 | 0x10 | PTEBATCH_HOW_LIST);
	assert_int_equal(fake.call[2].a3,
			 0x5000 | 0x40 | 0x10 | PTEBATCH_OP_CLEAR);
	assert_int_equal(fake.tlbs, 3);
}

static void a_mask_of_vcpus_goes_in_no_register(void **state)
{
	uint64_t mask = 1;
	struct ptebatch_tlb some = { PTEBATCH_TLB_VCPUS, 1, 0x5000, 1,
				     (uintptr_t)&mask };
	struct ptebatch_run r = { SLOT(3), 1, PTEBATCH_OP_FLAGS, RW, 0, 0 };
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(3) };
	struct ptebatch_progress p;
	unsigned int i;

	(void)state;
	start(&ptebatch_hypercall);
	for (i = 0; i < 4; i++) {
		fake.calls = 0;
		assert_int_equal(
			i == 0	 ? ptebatch_apply_flags(&ptebatch_hypercall,
							&env, &r, &some, &p)
			: i == 1 ? ptebatch_apply_set(&ptebatch_hypercall, &env,
						      &v, &some, &p)
				 : apply_clear(&ptebatch_hypercall, &env,
					       SLOT(3), i == 2 ? NULL : old,
					       &some, &p),
			0);
		assert_int_equal(p.stats.tlb_flushes, 1);
		assert_int_equal(fake.calls, 1);
		assert_int_equal(fake.call[0].nr, i == 1 ? VALUES : RUNS);
		assert_int_equal(fake.call[0].a3,
				 0x30 | (i == 1 ? 0 : PTEBATCH_HOW_LIST));
		assert_memory_equal(&fake.call[0].tlb, &some, sizeof(some));
	}
}

/* As a backend's caller may do: the core does not. */
static void a_record_alone_adds_to_the_counts(void **state)
{
	static const struct ptebatch_tlb none = { 0, 0, 0, 0, 0 };
	const struct ptebatch_tlb *const requests[] = { NULL, &none, &a_page,
							&all };
	struct ptebatch_run r[] = {
		{ SLOT(3), 4, PTEBATCH_OP_FLAGS, RW, 0, 0 },
		{ SLOT(9), 4, PTEBATCH_OP_CLEAR, 0, 0, (uintptr_t)old },
	};
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(3) };
	struct ptebatch_progress p;
	unsigned int i, k;

	(void)state;
	start(&ptebatch_hypercall);
	for (i = 0; i < 4; i++)
		for (k = 0; k < 3; k++) {
			memset(&p, 0xff, sizeof(p));
			p.stats.hypercalls = 40;
			p.stats.tlb_flushes = 60;
			fake.tlbs = 0;
			fake.calls = 0;
			if (k < 2)
				ptebatch_hypercall.runs(&env,
							PTEBATCH_DOMID_SELF,
							&r[k], 1, requests[i],
							&p);
			else
				ptebatch_hypercall.values(&env,
							  PTEBATCH_DOMID_SELF,
							  &v, 1, requests[i],
							  &p);
			assert_int_equal(p.records, 1);
			assert_int_equal(p.slots, 0);
			assert_int_equal(p.err, 0);
			assert_int_equal(p.refused, 0);
			assert_int_equal(fake.calls, 1);
			assert_int_equal(fake.tlbs, i >= 2);
			assert_int_equal(p.stats.hypercalls, 41);
			assert_int_equal(p.stats.tlb_flushes, 60 + (i >= 2));
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
	assert_int_equal(ptebatch_add_flags_old(&b, SLOT(9), 1, RW, 0, old), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[2].a3, PTEBATCH_HOW_LIST | 0x20);
	assert_int_equal(fake.call[2].a5, 0);
	assert_int_equal(ptebatch_set_owner(&b, PTEBATCH_DOMID_SELF, 7), 0);
	run(2, 1);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.call[3].a3, PTEBATCH_HOW_LIST);
	assert_int_equal(fake.call[3].a4, 7);
	assert_int_equal(ptebatch_add_set(&b, SLOT(3), ENTRY(3), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.call[4].nr, VALUES);
	assert_int_equal(fake.call[4].a4, 7);
	assert_int_equal(ptebatch_add_clear(&b, SLOT(9), 1, old), 0);
	assert_int_equal(ptebatch_flush(&b, NULL), 0);
	assert_int_equal(fake.call[5].a3, PTEBATCH_HOW_LIST);
	assert_int_equal(ptebatch_set_owner(&b, PTEBATCH_DOMID_SELF,
					    PTEBATCH_DOMID_SELF),
			 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(3), ENTRY(3), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, &some), 0);
	assert_int_equal(fake.call[6].nr, VALUES);
	assert_memory_equal(&fake.call[6].tlb, &some, sizeof(some));
	assert_int_equal(ptebatch_add_clear(&b, SLOT(9), 1, old), 0);
	assert_int_equal(ptebatch_flush(&b, &range), 0);
	assert_int_equal(fake.call[7].a3, PTEBATCH_HOW_LIST | 0x30);
	assert_int_equal(ptebatch_add_set(&b, SLOT(3), ENTRY(3), KEEP), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(4), ENTRY(4), KEEP), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.call[8].nr, VALUES);
	assert_int_equal(fake.call[8].a3, 0x20);
	assert_int_equal(fake.calls, 9);
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

/*
 * The calls vanish when n slots are done: first Xen says so, and in a second
 * round, with n past the number of slots, a Xen without them answers.
 */
static void vanish_after(int n, int slots)
{
	fake.gone_after = n % (slots + 1);
	fake.gone_raw = n > slots;
}

static void calls_that_vanish_lose_and_repeat_nothing(void **state)
{
	int n, i;

	for (n = 0; n < 2 * 61; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		/* Applied twice, this would not be undone: order shows. */
		run(0, 20);
		assert_int_equal(ptebatch_add_flags_old(&b, SLOT(30), 20, NX, NX,
						      old),
				 0);
		assert_int_equal(ptebatch_add_clear(&b, SLOT(60), 20, old + 20),
				 0);
		vanish_after(n, 60);
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(b.last.slots, 60);
		assert_int_equal(env.have,
				 n % 61 < 60 ? PTEBATCH_HAVE_VALUES : ALL_FORMS);
		assert_true(b.counters.tlb_flushes >= 1);
		assert_int_equal(b.counters.tlb_flushes, fake.tlbs);
		assert_int_equal(fake.call[fake.calls - 1].nr,
				 n % 61 < 60 ? 26 : RUNS);
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

	for (n = 0; n < 2 * 65; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		run(0, 64);
		vanish_after(n, 64);
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

	for (n = 0; n < 2 * 31; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		for (i = 0; i < 30; i++)
			assert_int_equal(ptebatch_add_set(&b, SLOT(i),
							    ENTRY(i), KEEP),
					 0);
		vanish_after(n, 30);
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(b.last.slots, 30);
		assert_int_equal(fake.applied, 30);
		check_ro(0, 30);
	}
}

static void a_get_and_clear_survives_a_call_that_vanishes(void **state)
{
	struct ptebatch_run r = { SLOT(0), 64, PTEBATCH_OP_CLEAR, 0, 0,
				  (uintptr_t)old };
	struct ptebatch_progress p;
	int n, i;

	for (n = 0; n < 2 * 65; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		memset(old, 0, sizeof(old));
		vanish_after(n, 64);
		assert_int_equal(ptebatch_apply_clear(&ptebatch_hypercall, &env,
						      &r, &all, &p),
				 0);
		assert_int_equal(p.records, 1);
		assert_int_equal(p.slots, 0);
		assert_int_equal(p.stats.tlb_flushes, fake.tlbs);
		assert_true(fake.tlbs >= 1);
		assert_int_equal(p.stats.hypercalls, fake.calls);
		assert_int_equal(env.have,
				 n % 65 < 64 ? PTEBATCH_HAVE_VALUES : ALL_FORMS);
		for (i = 0; i < 64; i++) {
			assert_int_equal(old[i], ENTRY(i) | RW | A | D);
			assert_int_equal(fake.table[0][i], 0);
		}
	}
}

static void a_value_survives_a_call_that_vanishes(void **state)
{
	static const uint32_t then[] = { VALUES, 1 };
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;
	int way;

	/* The runs call alone vanishes, or both calls do. */
	for (way = 0; way < 2; way++) {
		setup(state);
		start(&ptebatch_hypercall);
		if (way)
			fake.gone_after = 0;
		else
			fake.has_runs = 0;
		assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env,
						    &v, &a_page, &p),
				 0);
		assert_int_equal(p.records, 1);
		assert_int_equal(p.refused, 0);
		assert_int_equal(p.stats.tlb_flushes, 1);
		assert_int_equal(p.stats.hypercalls, fake.calls);
		assert_int_equal(fake.tlbs, 1);
		assert_int_equal(fake.call[0].nr, RUNS);
		assert_int_equal(fake.call[way + 1].nr, then[way]);
		assert_int_equal(env.have, way ? 0 : PTEBATCH_HAVE_VALUES);
		assert_int_equal(fake.table[0][3], ENTRY(9) | A | D);
		assert_int_equal(fake.applied, 1);
	}
}

static void an_operation_that_vanishes_is_done_by_a_list(void **state)
{
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;
	int with_batch, i;

	for (with_batch = 0; with_batch < 2; with_batch++) {
		setup(state);
		start(&ptebatch_hypercall);
		fake.ops = FAKE_OLD_OPS;
		for (i = 0; i < 2; i++) {
			fake.calls = 0;
			if (with_batch) {
				assert_int_equal(ptebatch_add_set(&b, SLOT(3),
								  ENTRY(9),
								  KEEP),
						 0);
				assert_int_equal(ptebatch_flush(&b, &all), 0);
				assert_int_equal(b.last.slots, 1);
			} else {
				assert_int_equal(
					ptebatch_apply_set(&ptebatch_hypercall,
							   &env, &v, &all, &p),
					0);
				assert_int_equal(p.records, 1);
				assert_int_equal(p.refused, 0);
				assert_int_equal(p.stats.hypercalls,
						 fake.calls);
				assert_int_equal(p.stats.tlb_flushes, 1);
			}
			/* The second time, nothing asks for it. */
			assert_int_equal(fake.calls, 2 - i);
			assert_int_equal(fake.call[1 - i].nr, VALUES);
			assert_int_equal(fake.applied, i + 1);
			assert_int_equal(fake.tlbs, i + 1);
			assert_int_equal(env.have,
					 ALL_FORMS & ~PTEBATCH_HAVE_SET);
		}
		for (i = 0; i < 2; i++) {
			memset(old, 0, sizeof(old));
			fake.calls = 0;
			if (with_batch) {
				assert_int_equal(ptebatch_add_clear(
							 &b, SLOT(10 + i), 1,
							 old),
						 0);
				assert_int_equal(ptebatch_flush(&b, &all), 0);
				assert_int_equal(b.last.slots, 1);
			} else {
				assert_int_equal(
					apply_clear(&ptebatch_hypercall, &env,
						    SLOT(10 + i), old, &all,
						    &p),
					0);
				assert_int_equal(p.records, 1);
				assert_int_equal(p.stats.hypercalls,
						 fake.calls);
				assert_int_equal(p.stats.tlb_flushes, 1);
			}
			assert_int_equal(fake.calls, 2 - i);
			assert_int_equal(fake.call[1 - i].nr, RUNS);
			assert_int_equal(old[0], ENTRY(10 + i) | RW | A | D);
			assert_int_equal(fake.table[0][10 + i], 0);
			assert_int_equal(fake.applied, i + 3);
			assert_int_equal(fake.tlbs, i + 3);
			assert_int_equal(env.have,
					 PTEBATCH_HAVE_RUNS |
						 PTEBATCH_HAVE_VALUES);
		}
	}
}

/* A slot that fails with that error: the operation is still there. */
static void an_error_of_the_slot_loses_no_operation(void **state)
{
	static const int errors[] = { PTEBATCH_EPERM,  PTEBATCH_ESRCH,
				      PTEBATCH_EFAULT, PTEBATCH_EBUSY,
				      PTEBATCH_EINVAL, PTEBATCH_EOPNOTSUPP };
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;
	unsigned int i, take;
	int err;

	for (i = 0; i < 2 * sizeof(errors) / sizeof(errors[0]); i++) {
		setup(state);
		start(&ptebatch_hypercall);
		take = i & 1;
		fake.fail_after = 0;
		fake.err = errors[i / 2];
		err = take ? apply_clear(&ptebatch_hypercall, &env, SLOT(3),
					 old, &a_page, &p)
			   : ptebatch_apply_set(&ptebatch_hypercall, &env, &v,
						&a_page, &p);
		assert_int_equal(err, -errors[i / 2]);
		assert_int_equal(p.err, err);
		assert_int_equal(p.records, 0);
		assert_int_equal(p.slots, 0);
		assert_int_equal(p.refused, 0);
		assert_int_equal(p.stats.hypercalls, 1);
		assert_int_equal(p.stats.tlb_flushes, 0);
		assert_int_equal(fake.calls, 1);
		assert_int_equal(fake.tlbs, 0);
		assert_int_equal(fake.table[0][3], ENTRY(3) | RW | A | D);
		assert_int_equal(env.have, ALL_FORMS);
	}
}

static void a_get_and_clear_fails_and_resumes_at_each_slot(void **state)
{
	int n, i;

	for (n = 0; n < 70; n++) {
		setup(state);
		start(&ptebatch_hypercall);
		memset(old, 0, sizeof(old));
		assert_int_equal(ptebatch_add_clear(&b, SLOT(0), 70, old), 0);
		fake.fail_after = n;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
		assert_int_equal(b.last.slots, n);
		assert_int_equal(b.last.slot, SLOT(n));
		assert_int_equal(b.counters.tlb_flushes, n != 0);
		assert_int_equal(ptebatch_flush(&b, &all), 0);
		assert_int_equal(fake.applied, 70);
		for (i = 0; i < 70; i++)
			assert_int_equal(old[i], ENTRY(i) | RW | A | D);
	}
}

static int nothing_backed(const void *p)
{
	(void)p;
	return 0;
}

/* What was cleared counts as done, and its flush is made. */
static void an_old_value_that_cannot_be_stored_is_told(void **state)
{
	struct ptebatch_progress p;

	(void)state;
	start(&ptebatch_hypercall);
	fake.backed = nothing_backed;
	assert_int_equal(apply_clear(&ptebatch_hypercall, &env, SLOT(3), old,
				     &a_page, &p),
			 -PTEBATCH_EFAULT);
	assert_int_equal(p.records, 0);
	assert_int_equal(p.slots, 1);
	assert_int_equal(p.refused, 0);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(fake.tlbs, 1);
	assert_int_equal(fake.table[0][3], 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(env.have, ALL_FORMS);
}

static void a_refusal_or_a_broken_answer_is_no_success(void **state)
{
	static const int64_t answers[] = {
		-PTEBATCH_EINVAL,
		-PTEBATCH_EPERM,
		0,
		2,
		(int64_t)PTEBATCH_ANSWER(0, 1, 0),
		(int64_t)PTEBATCH_ANSWER(1, 1, 0),
		INT64_MAX,
	};
	struct ptebatch_run r = { SLOT(3), 1, 0, RW, 0, 0 };
	struct ptebatch_value v = { SLOT(3) | KEEP, ENTRY(9) };
	struct ptebatch_progress p;
	unsigned int i, form;
	int err;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (form = 0; form < 3; form++) {
			setup(state);
			start(&ptebatch_hypercall);
			fake.answer = &answers[i];
			err = form == 0	  ? ptebatch_apply_flags(
						    &ptebatch_hypercall, &env,
						    &r, NULL, &p)
			      : form == 1 ? ptebatch_apply_set(
						    &ptebatch_hypercall, &env,
						    &v, NULL, &p)
					  : apply_clear(&ptebatch_hypercall,
							&env, SLOT(3), old,
							NULL, &p);
			assert_true(err < 0);
			assert_int_equal(p.err, err);
			assert_int_equal(p.records, 0);
			assert_int_equal(p.refused, answers[i] < 0);
			if (answers[i] < 0)
				assert_int_equal(err, answers[i]);
			assert_int_equal(p.stats.hypercalls, 1);
			assert_int_equal(fake.calls, 1);
			assert_int_equal(env.have, ALL_FORMS);
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
	fake.ops = FAKE_OLD_OPS;
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
		TEST(probe_asks_which_operations_there_are),
		TEST(only_an_answer_of_the_call_itself_tells_of_operations),
		TEST(a_probe_hides_no_call_from_others_meanwhile),
		TEST(a_call_known_to_be_missing_is_not_written_down_again),
		TEST(a_refused_request_blames_no_slot),
		TEST(one_run_goes_in_registers),
		TEST(the_register_form_tells_every_simple_flush),
		TEST(one_value_goes_in_registers),
		TEST(one_get_and_clear_goes_in_registers),
		TEST(an_older_xen_gets_lists_of_one),
		TEST(a_mask_of_vcpus_goes_in_no_register),
		TEST(a_record_alone_adds_to_the_counts),
		TEST(all_else_goes_as_a_list),
		TEST(a_tlb_flush_alone_is_an_empty_list),
		TEST(a_tlb_flush_alone_is_made_once),
		TEST(hypercall_fails_and_resumes_at_each_slot),
		TEST(a_single_run_fails_and_resumes_at_each_slot),
		TEST(calls_that_vanish_lose_and_repeat_nothing),
		TEST(a_single_run_survives_a_call_that_vanishes),
		TEST(values_survive_a_call_that_vanishes),
		TEST(a_get_and_clear_survives_a_call_that_vanishes),
		TEST(a_value_survives_a_call_that_vanishes),
		TEST(an_operation_that_vanishes_is_done_by_a_list),
		TEST(an_error_of_the_slot_loses_no_operation),
		TEST(a_get_and_clear_fails_and_resumes_at_each_slot),
		TEST(an_old_value_that_cannot_be_stored_is_told),
		TEST(a_refusal_or_a_broken_answer_is_no_success),
		TEST(a_fallback_that_fails_tells_the_slot),
		TEST(with_one_call_only_the_other_kind_falls_back),
		TEST(a_limit_of_records_makes_several_calls),
		TEST(a_flush_owed_by_an_earlier_call_is_made_alone),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
