/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite for the native backend, in process, on plain memory.
 * The other backends need a hypervisor: see tests/harness and tests/xen.
 */
#include <string.h>

#include "report.h"

#define TABLES 8
#define TABLES_AT 0x10000000ull
#define PAGES_AT 0x20000000ull

static uint64_t tables[TABLES][PTEBATCH_TABLE_SLOTS]
	__attribute__((aligned(4096)));

static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	uint64_t at = slot - TABLES_AT;

	(void)ctx;
	return at < sizeof(tables) ? &tables[0][0] + at / 8 : NULL;
}

static int tlb(void *ctx, const struct ptebatch_tlb *tlb)
{
	(void)ctx;
	(void)tlb; /* plain memory has no TLB to flush */
	return 0;
}

static void reset(struct conf_world *w)
{
	(void)w;
	memset(tables, 0, sizeof(tables));
}

static uint64_t slot_of(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return TABLES_AT + 4096ull * table + 8 * i;
}

static uint64_t read_entry(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return tables[table][i];
}

static void write_entry(struct conf_world *w, uint32_t table, uint32_t i,
			uint64_t entry)
{
	(void)w;
	tables[table][i] = entry;
}

static uint64_t page(struct conf_world *w, uint32_t page)
{
	(void)w;
	return PAGES_AT + 4096ull * page;
}

static void touch(struct conf_world *w, uint32_t table, uint32_t i, int write)
{
	(void)w;
	tables[table][i] |= PTEBATCH_PTE_A | (write ? PTEBATCH_PTE_D : 0);
}

int main(void)
{
	struct ptebatch_env env = { .map = map_slot,
				    .tlb = tlb,
				    .features = PTEBATCH_ENV_MAP_KNOWS_L1 };
	struct conf_world w = {
		.name = "native in process",
		.backend = &ptebatch_native,
		.env = &env,
		.tables = TABLES,
		.pages = 512,
		.without = CONF_NO_CHECKS,
		.reset = reset,
		.slot = slot_of,
		.read = read_entry,
		.write = write_entry,
		.page = page,
		.touch = touch,
		.report = conformance_report,
		.not_a_table = PAGES_AT,
	};

	if (w.backend->probe(&env))
		return 99;
	conformance_run(&w, NULL);
	return tap_done() != 0;
}
