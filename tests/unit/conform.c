/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../conformance/conformance.h"
#include "conform.h"
#include "fake-xen.h"

static void w_reset(struct conf_world *w)
{
	(void)w;
	memset(fake.table, 0, sizeof(fake.table));
}

static uint64_t w_slot(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return FAKE_SLOT(table, i);
}

static uint64_t w_read(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return fake.table[table][i];
}

static void w_write(struct conf_world *w, uint32_t table, uint32_t i,
		    uint64_t entry)
{
	(void)w;
	fake.table[table][i] = entry;
}

static uint64_t w_page(struct conf_world *w, uint32_t page)
{
	(void)w;
	return 0x20000000 + 4096ull * page;
}

static uint64_t w_va(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return FAKE_VA(table * PTEBATCH_TABLE_SLOTS + i);
}

static void w_touch(struct conf_world *w, uint32_t table, uint32_t i, int write)
{
	(void)w;
	fake.table[table][i] |= PTEBATCH_PTE_A | (write ? PTEBATCH_PTE_D : 0);
}

static void w_report(struct conf_world *w, const char *test, const char *why)
{
	if (why)
		print_error("%s: %s: %s\n", w->name, test, why);
}

void conform(const struct ptebatch_backend *backend, struct ptebatch_env *env,
	     const char *name)
{
	struct conf_world w = {
		.name = name,
		.backend = backend,
		.env = env,
		.tables = FAKE_TABLES,
		.pages = 512,
		.without = CONF_NO_CHECKS,
		.reset = w_reset,
		.slot = w_slot,
		.read = w_read,
		.write = w_write,
		.page = w_page,
		.touch = w_touch,
		.report = w_report,
		.va = w_va,
	};
	unsigned int count;

	/* Where the env cannot tell, mmu_update writes to it. */
	if (env->features & PTEBATCH_ENV_MAP_KNOWS_L1)
		w.not_a_table = FAKE_DATA + 8;
	fake.data[1] = 0x123;

	assert_int_equal(backend->probe(env), 0);
	assert_int_equal(conformance_run(&w, &count), 0);
	assert_true(count > 30);
	assert_int_equal(fake.data[1], 0x123);
}
