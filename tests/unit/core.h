/* SPDX-License-Identifier: MIT */
/* What the tests of the core share: a batch over the recording backend. */
#ifndef CORE_H
#define CORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../common/pte.h"
#include "../common/single.h"
#include "recording.h"

#define TABLE 0x10000ull
#define SELF PTEBATCH_DOMID_SELF
#define SLOT(i) (TABLE + 8ull * (i))
#define RUNS 8
#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT

static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };
static const struct ptebatch_tlb local = { PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 };

static struct ptebatch_env env;
static struct ptebatch b;
static uint64_t storage[RUNS * sizeof(struct ptebatch_run) / 8];
static uint64_t old[512];
static uint64_t memory[1024];

static inline volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	(void)ctx;
	return slot >= TABLE && slot < TABLE + sizeof(memory)
		       ? &memory[(slot - TABLE) / 8]
		       : NULL;
}

static inline int setup(void **state)
{
	(void)state;
	recording_reset();
	memset(&env, 0, sizeof(env));
	memset(memory, 0, sizeof(memory));
	return ptebatch_init(&b, sizeof(b), &recording_backend, &env, storage,
			     sizeof(storage));
}

static inline void run(uint64_t slot, uint32_t count)
{
	assert_int_equal(ptebatch_add_flags(&b, slot, count, RW, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

#endif /* CORE_H */
