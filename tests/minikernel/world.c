/* SPDX-License-Identifier: MIT */
/*
 * Tables and pages for tests and benchmarks. WORLD_TABLES L1 tables are
 * installed one after the other from TEST_BASE on, and can be read through the
 * direct map. WORLD_PAGES data pages belong to the domain.
 *
 * The direct map also maps the first WORLD_SLOTS pages writable, so a writable
 * slot takes their type count from 1 to 2. The direct map does not map the
 * WORLD_SOLE pages after them writable, so there a slot takes the type count
 * from 0 to 1.
 */
#include "kernel.h"

static void *table[WORLD_TABLES];
static void *page[WORLD_PAGES];
static mmu_update_t batch[PTEBATCH_TABLE_SLOTS];

void world_init(void)
{
	uint32_t i;

	for (i = 0; i < WORLD_TABLES; i++) {
		table[i] = page_alloc();
		install_table(TEST_BASE + i * (PAGE << 9), table[i]);
	}
	for (i = 0; i < WORLD_PAGES; i++) {
		page[i] = page_alloc();
		if (i >= WORLD_SLOTS)
			set_writable(page[i], 0);
	}
}

void *table_virt(uint32_t t)
{
	return table[t];
}

uint64_t slot_at(uint32_t i)
{
	return virt_to_maddr((void *)entry_at(i));
}

volatile uint64_t *entry_at(uint32_t i)
{
	return (uint64_t *)table[i / PTEBATCH_TABLE_SLOTS] +
	       i % PTEBATCH_TABLE_SLOTS;
}

uint64_t *va_at(uint32_t i)
{
	return (uint64_t *)(TEST_BASE + i * PAGE);
}

void *page_virt(uint32_t p)
{
	return page[p];
}

uint64_t page_maddr(uint32_t p)
{
	return virt_to_maddr(page[p]);
}

static void apply(uint32_t nr)
{
	uint32_t done = 0;

	if (!nr)
		return;
	if (hypercall5(__HYPERVISOR_mmu_update, (uint64_t)batch, nr,
		       (uint64_t)&done, DOMID_SELF, 0) ||
	    done != nr)
		panic("mmu_update stopped at %u of %u: %lx = %lx", done, nr,
		      batch[done].ptr, batch[done].val);
}

void fill_entries(uint32_t first, uint32_t nr, uint32_t stride, uint32_t p,
		uint64_t flags)
{
	uint32_t i, used = 0;

	for (i = 0; i < nr; i++) {
		uint64_t entry = flags ? page_maddr(p + i) | flags : 0;
		uint32_t index = first + i * stride;

		if (*entry_at(index) == entry)
			continue;
		batch[used].ptr = slot_at(index) | MMU_NORMAL_PT_UPDATE;
		batch[used].val = entry;
		if (++used == PTEBATCH_TABLE_SLOTS) {
			apply(used);
			used = 0;
		}
	}
	apply(used);
	/* With stale TLB entries, hardware would not set A and D again. */
	if (mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0))
		panic("no TLB flush");
}

void world_reset(void)
{
	fill_entries(0, WORLD_SLOTS, 1, 0, 0);
}
