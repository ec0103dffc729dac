/* SPDX-License-Identifier: MIT */
/* Updates of a single slot, and of memory that is not backed yet. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backends.h"

static uint64_t old[512];

#define VA(i) FAKE_VA(i)
#define UPDATE_VA 14

static struct ptebatch_tlb page_at(uint64_t addr)
{
	struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, addr, 1, 0 };

	return page;
}

static void without_the_calls_nothing_asks_for_them(void **state)
{
	struct ptebatch_run r = { SLOT(0), 1, 0, RW, 0, 0 };
	struct ptebatch_value v = { SLOT(1) | KEEP, ENTRY(1) };
	struct ptebatch_progress p;
	unsigned int i;

	(void)state;
	fake.has_runs = 0;
	fake.has_values = 0;
	start(&ptebatch_hypercall);
	assert_int_equal(
		ptebatch_apply_flags(&ptebatch_hypercall, &env, &r, &all, &p),
		0);
	assert_int_equal(p.stats.hypercalls, 2);
	assert_int_equal(ptebatch_apply_set(&ptebatch_hypercall, &env, &v,
					      &all, &p),
			 0);
	assert_int_equal(p.stats.hypercalls, 2);
	assert_int_equal(
		apply_clear(&ptebatch_hypercall, &env, SLOT(2), NULL, NULL, &p),
		0);
	assert_int_equal(p.stats.hypercalls, 1);
	run(3, 1);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(b.counters.hypercalls, 2);
	run(4, 2);
	run(8, 2);
	assert_int_equal(ptebatch_add_set(&b, SLOT(12), 0, EXACT), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(b.counters.hypercalls, 6);
	assert_int_equal(fake.calls, 11);
	for (i = 0; i < fake.calls; i++)
		assert_true(fake.call[i].nr == 1 || fake.call[i].nr == 26);
	assert_int_equal(fake.tlbs, 5);
}

/* One slot by each single form; the number of the first hypercall made. */
static uint32_t first_call(const struct ptebatch_tlb *tlb, uint64_t entry,
			   uint32_t op, uint64_t clear, uint64_t set,
			   uint64_t val, uint64_t *was)
{
	struct ptebatch_run r = { SLOT(5), 1, op, clear, set, 0 };
	struct ptebatch_value v = { SLOT(5) | clear, val };
	struct ptebatch_progress p;
	uint32_t nr;

	fake.table[0][5] = entry;
	fake.calls = 0;
	fake.tlbs = 0;
	assert_int_equal(op == 2 ? ptebatch_apply_set(&ptebatch_mmu_update,
						      &env, &v, tlb, &p)
			 : op == PTEBATCH_OP_CLEAR
				 ? apply_clear(&ptebatch_mmu_update, &env,
					       SLOT(5), was, tlb, &p)
				 : ptebatch_apply_flags(&ptebatch_mmu_update,
							&env, &r, tlb, &p),
			 0);
	nr = fake.calls ? fake.call[0].nr : 0;
	assert_int_equal(p.records, 1);
	assert_int_equal(p.stats.hypercalls, fake.calls);
	assert_int_equal(p.stats.tlb_flushes, 1);
	assert_int_equal(fake.tlbs, 1);
	return nr;
}

#define FLAGS(e, clear, set) first_call(&page, e, 0, clear, set, 0, NULL)
#define VALUE(e, mode, val) first_call(&page, e, 2, mode, 0, val, NULL)

static void update_va_mapping_is_taken_only_where_it_loses_nothing(void **state)
{
	struct ptebatch_tlb page = page_at(VA(5));
	const uint64_t e = ENTRY(5) | RW;
	uint64_t was;

	(void)state;
	env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	start(&ptebatch_mmu_update);

	/* Flags: both A and D are set, or are set or cleared on purpose. */
	assert_int_equal(FLAGS(e | A | D, RW, 0), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(5) | A | D);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.call[0].a1, VA(5));
	assert_int_equal(fake.call[0].a3, 2); /* INVLPG, LOCAL */
	assert_int_equal(FLAGS(e | A, RW, 0), 1);
	assert_int_equal(FLAGS(e | D, RW, 0), 1);
	assert_int_equal(FLAGS(e, RW, 0), 1);
	assert_int_equal(FLAGS(ENTRY(5) | A, 0, RW), 1); /* not writable */
	assert_int_equal(FLAGS(e, RW, A | D), UPDATE_VA);
	assert_int_equal(FLAGS(e | A, RW, D), UPDATE_VA);
	assert_int_equal(FLAGS(e | A, RW | A | D, 0), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(5));
	assert_int_equal(FLAGS(e | A, A | RW, 0), 1); /* and cmpxchg */
	assert_int_equal(fake.table[0][5], ENTRY(5));
	assert_int_equal(FLAGS(e | D, A | RW, 0), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(5) | D);
	assert_int_equal(FLAGS(e | A | D, A, 0), UPDATE_VA);
	assert_int_equal(fake.table[0][5], e | D);
	/* Nothing changes; nothing is there. */
	assert_int_equal(FLAGS(ENTRY(5) | A | D, RW, 0), 26);
	assert_int_equal(FLAGS(0x1000, RW, A | D), 26);

	/* Clear: of old values that are asked for, those that are certain. */
	assert_int_equal(first_call(&page, e, 1, 0, 0, 0, NULL), UPDATE_VA);
	assert_int_equal(fake.table[0][5], 0);
	assert_int_equal(first_call(&page, e | A | D, 1, 0, 0, 0, &was),
			 UPDATE_VA);
	assert_int_equal(was, e | A | D);
	assert_int_equal(first_call(&page, 0x1000, 1, 0, 0, 0, &was), UPDATE_VA);
	assert_int_equal(was, 0x1000);
	assert_int_equal(first_call(&page, 0, 1, 0, 0, 0, &was), 26);
	assert_int_equal(was, 0);
	assert_int_equal(first_call(&page, e | A, 1, 0, 0, 0, &was), 26);
	assert_int_equal(was, e | A);
	assert_int_equal(fake.table[0][5], 0);

	/* Values. */
	assert_int_equal(VALUE(e | A, EXACT, ENTRY(6)), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(6));
	assert_int_equal(VALUE(e | A, KEEP, ENTRY(6)), 1);
	assert_int_equal(fake.table[0][5], ENTRY(6) | A);
	assert_int_equal(VALUE(e | A, KEEP, ENTRY(6) | A), 1);
	assert_int_equal(VALUE(e, KEEP, ENTRY(6) | A | D), UPDATE_VA);
	assert_int_equal(VALUE(e | A | D, KEEP, ENTRY(6)), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(6) | A | D);
	assert_int_equal(VALUE(0x1000 | D, KEEP, ENTRY(6)), UPDATE_VA);
	assert_int_equal(fake.table[0][5], ENTRY(6) | D);
	env.map = NULL; /* then only what the value says is certain */
	assert_int_equal(VALUE(0, KEEP, ENTRY(6)), 1);
	assert_int_equal(VALUE(e, KEEP, ENTRY(6) | A | D), UPDATE_VA);
}

static void update_va_mapping_is_taken_only_for_the_slots_own_page(void **state)
{
	struct ptebatch_tlb page = page_at(VA(5));
	uint64_t mask = 1, e = ENTRY(5) | RW | A | D;

	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(FLAGS(e, RW, 0), 1); /* nothing is promised */
	env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	page.who = PTEBATCH_TLB_ALL;
	assert_int_equal(FLAGS(e, RW, 0), UPDATE_VA);
	assert_int_equal(fake.call[0].a3, 2 | 4);
	/* Another slot of any table has this address. */
	page = page_at(VA(6));
	assert_int_equal(FLAGS(e, RW, 0), 1);
	assert_int_equal(VALUE(e, EXACT, 0), 1);
	assert_int_equal(first_call(&page, e, 1, 0, 0, 0, NULL), 1);
	page = page_at(VA(5));
	page.pages = 2;
	assert_int_equal(FLAGS(e, RW, 0), 1);
	page.pages = 0;
	page.addr = 0;
	assert_int_equal(FLAGS(e, RW, 0), 1);
	page = page_at(VA(5));
	page.who = PTEBATCH_TLB_VCPUS;
	page.nr_vcpus = 1;
	page.vcpus = (uintptr_t)&mask;
	assert_int_equal(FLAGS(e, RW, 0), 1);
	/* A batch's request can be about another slot. */
	page = page_at(VA(5));
	fake.calls = 0;
	fake.table[0][5] = e;
	run(5, 1);
	assert_int_equal(ptebatch_flush(&b, &page), 0);
	assert_int_equal(fake.call[0].nr, 1);
	assert_int_equal(ptebatch_add_set(&b, SLOT(5), e, EXACT), 0);
	assert_int_equal(ptebatch_flush(&b, &page), 0);
	assert_int_equal(fake.calls, 4);
	assert_int_equal(fake.call[2].nr, 1);
}

/*
 * Hardware sets A, D or both at each hypercall of each single form, from each
 * state of the entry: nothing is lost but what the operation clears.
 */
static void single_forms_lose_no_a_or_d_bit(void **state)
{
	static const uint64_t ad[4] = { 0, A, D, A | D };
	struct ptebatch_tlb page = page_at(VA(5));
	unsigned int before, hw, call, form, promise;
	struct ptebatch_progress p;
	uint64_t was, want, got;
	unsigned int n = 0;

	for (before = 0; before < 4; before++)
	for (hw = 1; hw < 4; hw++)
	for (call = 0; call < 3; call++)
	for (promise = 0; promise < 2; promise++)
	for (form = 0; form < 6; form++) {
		struct ptebatch_run r = { SLOT(5), 1, 0, form ? A : RW, 0, 0 };
		struct ptebatch_value v = { SLOT(5) | KEEP, ENTRY(6) };
		uint64_t touched;

		setup(state);
		if (promise)
			env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
		start(&ptebatch_mmu_update);
		memset(fake.table, 0, sizeof(fake.table));
		fake.table[0][5] = ENTRY(5) | RW | ad[before];
		fake.hardware = ad[hw];
		fake.hardware_at = call;
		was = 0;
		if (form == 2)
			r.clear |= RW;
		switch (form) {
		case 0: /* flags that leave A and D alone */
		case 1: /* clears A */
		case 2: /* clears A and RW */
			ptebatch_apply_flags(&ptebatch_mmu_update, &env, &r,
					     &page, &p);
			break;
		case 3:
			ptebatch_apply_set(&ptebatch_mmu_update, &env, &v,
					     &page, &p);
			break;
		case 4:
			apply_clear(&ptebatch_mmu_update, &env, SLOT(5), &was,
				    &page, &p);
			break;
		default:
			r.old = (uintptr_t)&was;
			ptebatch_apply_flags(&ptebatch_mmu_update, &env, &r,
					     &page, &p);
		}
		assert_int_equal(p.err, 0);
		touched = fake.touched[0][5];
		/* A is allowed to be there or not where it is cleared. */
		want = ad[before] | touched;
		got = (fake.table[0][5] | was) & (A | D);
		if (form == 0 || form >= 3)
			assert_int_equal(got, want);
		else
			assert_int_equal(got & D, want & D);
		n++;
	}
	assert_int_equal(n, 4 * 3 * 3 * 2 * 6);
}

static void a_single_form_that_fails_does_nothing(void **state)
{
	struct ptebatch_tlb page = page_at(VA(5));
	struct ptebatch_run r = { SLOT(5), 1, 0, RW, 0, 0 };
	struct ptebatch_value v = { SLOT(5) | EXACT, 0 };
	struct ptebatch_progress p;
	int way, err;

	for (way = 0; way < 6; way++) {
		setup(state);
		if (way & 1)
			env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
		start(&ptebatch_mmu_update);
		fake.fail_after = 0;
		err = way < 2 ? ptebatch_apply_flags(&ptebatch_mmu_update, &env,
						     &r, &page, &p)
		      : way < 4 ? ptebatch_apply_set(&ptebatch_mmu_update, &env,
						     &v, &page, &p)
				: apply_clear(&ptebatch_mmu_update, &env,
					      SLOT(5), NULL, &page, &p);
		assert_int_equal(err, -PTEBATCH_EBUSY);
		assert_int_equal(p.err, -PTEBATCH_EBUSY);
		assert_int_equal(p.records, 0);
		assert_int_equal(p.slots, 0);
		assert_int_equal(p.refused, 0);
		assert_int_equal(p.stats.hypercalls, 1);
		assert_int_equal(p.stats.tlb_flushes, 0);
		assert_int_equal(fake.tlbs, 0);
		assert_int_equal(fake.table[0][5], ENTRY(5) | RW | A | D);
	}
}

static void a_single_form_tells_of_a_failed_flush(void **state)
{
	struct ptebatch_tlb page = page_at(VA(5));
	struct ptebatch_run r = { SLOT(5), 1, 0, RW, 0, 0 };
	struct ptebatch_progress p;
	int way;

	(void)state;
	start(&ptebatch_mmu_update);
	fake.flush_err = -PTEBATCH_EINVAL;
	for (way = 0; way < 4; way++) {
		if (way == 2)
			page.who = PTEBATCH_TLB_ALL;
		/* The second time, nothing is left to change. */
		assert_int_equal(ptebatch_apply_flags(&ptebatch_mmu_update,
						      &env, &r, &page, &p),
				 -PTEBATCH_EINVAL);
		assert_int_equal(p.err, -PTEBATCH_EINVAL);
		assert_int_equal(p.records, 1);
		assert_int_equal(p.stats.tlb_flushes, 0);
		assert_int_equal(p.stats.hypercalls, way % 2 ? 1 : 2);
		assert_int_equal(fake.table[0][5], ENTRY(5) | A | D);
		if (way % 2)
			fake.table[0][5] |= RW;
	}
}

static void single_forms_need_a_hypercall_and_may_need_a_mapping(void **state)
{
	struct ptebatch_run r = { SLOT(5), 1, 0, RW, 0, 0 };
	struct ptebatch_value v = { SLOT(5) | KEEP, ENTRY(5) };
	struct ptebatch_progress p;

	(void)state;
	start(&ptebatch_mmu_update);
	env.map = NULL;
	assert_int_equal(
		ptebatch_apply_flags(&ptebatch_mmu_update, &env, &r, NULL, &p),
		-PTEBATCH_EOPNOTSUPP);
	assert_int_equal(
		apply_clear(&ptebatch_mmu_update, &env, SLOT(5), old, NULL, &p),
		-PTEBATCH_EOPNOTSUPP);
	env.features = 0;
	assert_int_equal(ptebatch_apply_set(&ptebatch_mmu_update, &env, &v,
					      NULL, &p),
			 -PTEBATCH_EOPNOTSUPP);
	assert_int_equal(fake.calls, 0);
	assert_int_equal(apply_clear(&ptebatch_mmu_update, &env, SLOT(5), NULL,
				     NULL, &p),
			 0);
	fake_reset(&env);
	env.map = NULL;
	env.hypercall = NULL;
	assert_int_equal(
		ptebatch_apply_flags(&ptebatch_mmu_update, &env, &r, NULL, &p),
		-PTEBATCH_EINVAL);
	assert_int_equal(ptebatch_apply_set(&ptebatch_mmu_update, &env, &v,
					      NULL, &p),
			 -PTEBATCH_EINVAL);
	assert_int_equal(apply_clear(&ptebatch_mmu_update, &env, SLOT(5), NULL,
				     NULL, &p),
			 -PTEBATCH_EINVAL);
	assert_int_equal(p.refused, 1);
}

/* The first store to a page backs it, and Xen must not make that store. */
static uint8_t *lazy;
static int is_backed[2];

static int backed(const void *p)
{
	size_t page = (size_t)((const uint8_t *)p - lazy) / 4096;

	return page < 2 && is_backed[page];
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;
	size_t page = (size_t)(at - lazy) / 4096;

	(void)sig;
	(void)context;
	if (!lazy || at < lazy || page >= 2)
		abort();
	is_backed[page] = 1;
	if (mprotect(lazy + 4096 * page, 4096, PROT_READ | PROT_WRITE))
		abort();
}

static void check_old_values(const uint64_t *olds)
{
	int i;

	for (i = 0; i < 512; i++) {
		assert_int_equal(olds[i], ENTRY(i) | RW | A | D);
		assert_int_equal(fake.table[0][i], 0);
	}
}

static void old_values_reach_memory_not_backed_yet(void **state)
{
	static const struct ptebatch_backend *const backends[] = {
		&ptebatch_mmu_update, &ptebatch_hypercall,
	};
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO },
			 before;
	struct ptebatch_run r = { SLOT(0), 512, PTEBATCH_OP_CLEAR, 0, 0, 0 };
	struct ptebatch_progress p;
	uint64_t *olds;
	int i, way;

	lazy = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(lazy, MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	olds = (uint64_t *)(lazy + 800); /* into the second page */
	for (i = 0; i < 2; i++)
		for (way = 0; way < 2; way++) {
			setup(state);
			fake.backed = backed;
			start(backends[i]);
			is_backed[0] = is_backed[1] = 0;
			assert_int_equal(mprotect(lazy, 2 * 4096, PROT_NONE),
					 0);
			r.old = (uintptr_t)olds;
			if (way) {
				assert_int_equal(
					ptebatch_apply_clear(backends[i], &env,
							     &r, &all, &p),
					0);
			} else {
				assert_int_equal(ptebatch_add_clear(&b, SLOT(0),
								    512, olds),
						 0);
				assert_int_equal(ptebatch_flush(&b, &all), 0);
			}
			check_old_values(olds);
		}
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(munmap(lazy, 2 * 4096), 0);
	lazy = NULL;
}

/* An env that does not know lets mmu_update write where it should not. */
static void only_an_env_that_knows_keeps_mmu_update_off_data(void **state)
{
	struct ptebatch_value v = { FAKE_DATA | EXACT, 5 };
	struct ptebatch_progress p;

	(void)state;
	start(&ptebatch_mmu_update);
	assert_int_equal(ptebatch_apply_set(&ptebatch_mmu_update, &env, &v,
					      NULL, &p),
			 0);
	assert_int_equal(fake.data[0], 5);
	env.features |= PTEBATCH_ENV_MAP_KNOWS_L1;
	v.pte = 6;
	assert_int_equal(ptebatch_apply_set(&ptebatch_mmu_update, &env, &v,
					      NULL, &p),
			 -PTEBATCH_EINVAL);
	assert_int_equal(fake.data[0], 5);
	/* Of values, once a table. */
	assert_int_equal(ptebatch_add_set(&b, SLOT(0), 0, EXACT), 0);
	assert_int_equal(ptebatch_add_set(&b, SLOT(1), 0, EXACT), 0);
	assert_int_equal(ptebatch_add_set(&b, FAKE_DATA, 6, EXACT), 0);
	fake.calls = 0;
	assert_int_equal(ptebatch_flush(&b, NULL), -PTEBATCH_EINVAL);
	assert_int_equal(b.last.slots, 2);
	assert_int_equal(b.last.slot, FAKE_DATA);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.data[0], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_the_calls_nothing_asks_for_them),
		TEST(update_va_mapping_is_taken_only_where_it_loses_nothing),
		TEST(update_va_mapping_is_taken_only_for_the_slots_own_page),
		TEST(single_forms_lose_no_a_or_d_bit),
		TEST(a_single_form_that_fails_does_nothing),
		TEST(a_single_form_tells_of_a_failed_flush),
		TEST(single_forms_need_a_hypercall_and_may_need_a_mapping),
		TEST(old_values_reach_memory_not_backed_yet),
		TEST(only_an_env_that_knows_keeps_mmu_update_off_data),
	};

	return cmocka_run_group_tests_name("single", tests, NULL, NULL);
}
