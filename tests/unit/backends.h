/* SPDX-License-Identifier: MIT */
/* What the tests of backends share: a batch over the tables of fake-xen. */
#ifndef BACKENDS_H
#define BACKENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../common/pte.h"
#include "../common/single.h"
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

static inline void start(const struct ptebatch_backend *backend)
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

static inline int setup(void **state)
{
	(void)state;
	fake_reset(&env);
	return 0;
}

static inline void run(uint32_t i, uint32_t count)
{
	assert_int_equal(ptebatch_add_flags(&b, SLOT(i), count, RW, 0), 0);
}

static inline void check_ro(uint32_t from, uint32_t to)
{
	uint32_t i;

	for (i = 0; i < 512; i++)
		assert_int_equal(fake.table[0][i],
				 ENTRY(i) | A | D |
					 (i >= from && i < to ? 0 : RW));
}

static inline void check_failure(const struct ptebatch_backend *backend, int n)
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

static inline int flush_alone(void *ctx, const struct ptebatch_tlb *tlb)
{
	(void)ctx, (void)tlb;
	fake.tlbs++;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

#endif /* BACKENDS_H */
