/* SPDX-License-Identifier: MIT */
/*
 * The backends mmu-update and hypercall against a fake of what they call. What
 * they do to entries is the conformance suite's, which runs here too, in each
 * environment; the tests below are about how they do it.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../common/pte.h"
#include "conform.h"
#include "fake-xen.h"

#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT
#define SLOT(i) FAKE_SLOT(0, i)
#define ENTRY(i) ((0x1000ull * (i)) + 0x100000 + P)
#define RUNS __HYPERVISOR_ptebatch_runs
#define VALUES __HYPERVISOR_ptebatch_values

static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

static struct ptebatch_env env;
static struct ptebatch b;
static uint64_t storage[64 * sizeof(struct ptebatch_run) / 8];
static uint64_t old[512];

static void start(const struct ptebatch_backend *backend)
{
	int i;

	for (i = 0; i < 512; i++)
		fake.table[0][i] = ENTRY(i) | RW | A | D;
	assert_int_equal(backend->probe(&env), 0);
	assert_int_equal(ptebatch_init(&b, sizeof(b), backend, &env, storage,
				       sizeof(storage)),
			 0);
	fake.calls = 0;
}

static int setup(void **state)
{
	(void)state;
	fake_reset(&env);
	return 0;
}

static void run(uint32_t slot, uint32_t count)
{
	assert_int_equal(ptebatch_add_flags(&b, SLOT(slot), count, RW, 0), 0);
}

static void check_ro(uint32_t from, uint32_t to)
{
	uint32_t i;

	for (i = 0; i < 512; i++)
		assert_int_equal(fake.table[0][i],
				 ENTRY(i) | A | D |
					 (i >= from && i < to ? 0 : RW));
}

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

static void check_failure(const struct ptebatch_backend *backend, int n)
{
	fake_reset(&env);
	start(backend);
	/* 300 slots in three runs; each 7th absent, so some cost no update. */
	run(0, 100);
	run(150, 150);
	run(301, 50);
	fake.fail_after = n;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slots, n);
	assert_int_equal(ptebatch_pending(&b), 300 - n);
	assert_int_equal(b.last.slot, SLOT(n < 100   ? n
					  : n < 250 ? 50 + n
						    : 51 + n));
	assert_int_equal(fake.tlbs, n ? 1 : 0);
	assert_int_equal(fake.applied, n);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.applied, 300);
	assert_int_equal(fake.table[0][99], ENTRY(99) | A | D);
	assert_int_equal(fake.table[0][100], ENTRY(100) | RW | A | D);
	assert_int_equal(fake.table[0][299], ENTRY(299) | A | D);
	assert_int_equal(fake.table[0][350], ENTRY(350) | A | D);
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

/* Clears one slot, past any batch. */
static int apply_clear(const struct ptebatch_backend *backend,
		       struct ptebatch_env *env, uint64_t slot, uint64_t *old,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *p)
{
	const struct ptebatch_run run = { .slot = slot,
					  .count = 1,
					  .op = PTEBATCH_OP_CLEAR,
					  .old = (uintptr_t)old };

	return ptebatch_apply_clear(backend, env, &run, tlb, p);
}

/* ---- hypercall ---- */

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
		fake.refusal = -PTEBATCH_ESRCH;
		assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_ESRCH);
		assert_int_equal(b.last.slot, 0);
		assert_int_equal(b.last.slots, 0);
		assert_int_equal(fake.tlbs, 0);
		fake.refusal = 0;
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

static int flush_alone(void *ctx, const struct ptebatch_tlb *tlb)
{
	(void)ctx, (void)tlb;
	fake.tlbs++;
	return 0;
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

/* ---- single forms, and Xen without the calls ---- */

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

/* A page is backed by the first store to it, which must not be Xen's. */
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
	env.features |= PTEBATCH_ENV_SLOT_KNOWS_L1;
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

/* ---- the conformance suite over the fake ---- */

static void all_conform_where_the_env_knows_l1_tables(void **state)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		setup(state);
		env.features = PTEBATCH_ENV_SLOT_KNOWS_L1 |
			       (i & 1 ? PTEBATCH_ENV_PRESERVE_AD : 0) |
			       (i & 2 ? PTEBATCH_ENV_ADDR_OF_SLOT : 0);
		if (i & 4)
			conform(&ptebatch_mmu_update, &env,
				"mmu-update, L1 tables known");
		fake.has_runs = i & 1;
		fake.has_values = i >> 1 & 1;
		conform(&ptebatch_hypercall, &env,
			"hypercall, L1 tables known");
		env.tlb = flush_alone;
		conform(&ptebatch_native, &env, "native, L1 tables known");
	}
}

static void mmu_update_conforms_with_addresses_of_slots(void **state)
{
	(void)state;
	env.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	conform(&ptebatch_mmu_update, &env, "mmu-update, addresses promised");
	env.features = PTEBATCH_ENV_ADDR_OF_SLOT;
	conform(&ptebatch_mmu_update, &env,
		"mmu-update without PRESERVE_AD, addresses promised");
}


static void mmu_update_conforms(void **state)
{
	(void)state;
	conform(&ptebatch_mmu_update, &env, "mmu-update");
}

static void mmu_update_conforms_without_preserve_ad(void **state)
{
	(void)state;
	env.features = 0;
	conform(&ptebatch_mmu_update, &env, "mmu-update without PRESERVE_AD");
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	conform(&ptebatch_mmu_update, &env, "mmu-update, two steps");
}

static void hypercall_conforms(void **state)
{
	(void)state;
	conform(&ptebatch_hypercall, &env, "hypercall");
}

static void hypercall_conforms_with_one_call_or_none(void **state)
{
	(void)state;
	fake.has_runs = 0;
	conform(&ptebatch_hypercall, &env, "hypercall without runs");
	fake.has_values = 0;
	conform(&ptebatch_hypercall, &env, "hypercall without either");
	fake.has_runs = 1;
	conform(&ptebatch_hypercall, &env, "hypercall without values");
}

static void hypercall_conforms_with_few_records_a_call(void **state)
{
	(void)state;
	fake.most_records = 2;
	conform(&ptebatch_hypercall, &env, "hypercall of two records");
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

#define TEST(name) cmocka_unit_test_setup(name, setup)

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
		TEST(without_the_calls_nothing_asks_for_them),
		TEST(update_va_mapping_is_taken_only_where_it_loses_nothing),
		TEST(update_va_mapping_is_taken_only_for_the_slots_own_page),
		TEST(single_forms_lose_no_a_or_d_bit),
		TEST(a_single_form_that_fails_does_nothing),
		TEST(a_single_form_tells_of_a_failed_flush),
		TEST(single_forms_need_a_hypercall_and_may_need_a_mapping),
		TEST(old_values_reach_memory_not_backed_yet),
		TEST(only_an_env_that_knows_keeps_mmu_update_off_data),
		TEST(all_conform_where_the_env_knows_l1_tables),
		TEST(mmu_update_conforms_with_addresses_of_slots),
		TEST(mmu_update_conforms),
		TEST(mmu_update_conforms_without_preserve_ad),
		TEST(hypercall_conforms),
		TEST(hypercall_conforms_with_one_call_or_none),
		TEST(hypercall_conforms_with_few_records_a_call),
	};

	return cmocka_run_group_tests_name("backends", tests, NULL, NULL);
}
