/* SPDX-License-Identifier: MIT */
/*
 * Tables that Xen's direct map does not reach while a PV guest runs. Xen maps all
 * memory in order, from DIRECT_MAP on. The tables of a PV guest have only the
 * beginning of this map. The addresses behind it are the guest's own. A Xen that
 * takes such an address for a table of the guest reads and writes what the guest
 * has put there. It has to map the table instead.
 *
 * The beginning is 5 TiB, more than QEMU can have. tests/xen/high.sh builds a
 * Xen in which it is 512 GiB, the single L4 slot 262, and gives this domain
 * memory at 600 GiB.
 */
#include "guest-calls.h"

#define DIRECT_MAP 0xffff830000000000ul
#define REACH (1ul << 39)
#define TABLE (SOLE + 60) /* a page that becomes a table */
#define FAKE (SOLE + 61)  /* a page where Xen must not look */
#define DATA_PAGE (SOLE + 62)

static uint64_t *fake;

/* Maps FAKE, filled with a value, at the address of a table in the direct map. */
static int pretend(uint64_t table, uint64_t pte)
{
	uint32_t i;

	set_writable(page_virt(FAKE), 1);
	fake = page_virt(FAKE);
	for (i = 0; i < SLOTS; i++)
		fake[i] = pte;
	if (update_pte(slot_of(DIRECT_MAP + table, 1),
		       page_maddr(FAKE) | DATA | RW))
		return 0;
	return *(volatile uint64_t *)(DIRECT_MAP + table) == pte;
}

/* True if FAKE is as it was; it is unmapped then. */
static int untouched(uint64_t table, uint64_t pte)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		if (fake[i] == pte)
			continue;
		print("# slot %u of the guest's page: %lx\n", i, fake[i]);
		return 0;
	}
	if (update_pte(slot_of(DIRECT_MAP + table, 1), 0))
		return 0;
	memset(fake, 0, PAGE);
	set_writable(page_virt(FAKE), 0);
	return 1;
}

static const char *the_tables_are_beyond_the_direct_map(void)
{
	uint32_t i;

	for (i = 0; i < WORLD_SLOTS; i += SLOTS)
		CHECK((slot_at(i) & FRAME) >= REACH);
	CHECK(page_maddr(TABLE) >= REACH);
	/* L4 slot 263 is the guest's. */
	CHECK((DIRECT_MAP + page_maddr(TABLE)) >> 39 ==
	      (DIRECT_MAP >> 39) + 1);
	return NULL;
}

/* The requests of Xen's own calls: one, a list, and an update_va_mapping. */
static const char *updates_change_the_table_and_not_the_guests_page(void)
{
	const uint64_t table = slot_at(0) & FRAME;
	const uint64_t lie = page_maddr(DATA_PAGE) | DATA | RW;
	mmu_update_t list[40];
	uint32_t i;

	fill_entries(0, 40, 1, 0, DATA | RW);
	CHECK(pretend(table, lie));
	CHECK(!update_pte(slot_at(7), 0));
	CHECK(!update_pte(slot_at(8), page_maddr(8) | DATA));
	CHECK(!update_va(va_at(9), page_maddr(9) | DATA));
	for (i = 10; i < 40; i++)
		list[i] = update_of(slot_at(i), page_maddr(i) | DATA);
	CHECK(is(updates(list + 10, 30), 0, 30));
	CHECK(untouched(table, lie));
	CHECK(holds(6, page_maddr(6) | DATA | RW));
	CHECK(holds(7, 0));
	for (i = 8; i < 40; i++)
		CHECK(holds(i, page_maddr(i) | DATA));
	/* The page that the lie names has lost no reference, and none is left. */
	return no_reference_to(DATA_PAGE);
}

static const char *new_calls_change_the_table_and_not_the_guests_page(void)
{
	const uint64_t table = slot_at(0) & FRAME;
	const uint64_t lie = page_maddr(DATA_PAGE) | DATA | RW;
	struct ptebatch_run run = { .slot = slot_at(4), .count = 8,
				    .clear = RW };
	struct ptebatch_progress progress;
	uint64_t old[8];
	uint32_t i;

	CHECK(use_new_calls());
	fill_entries(0, 32, 1, 0, DATA | RW);
	CHECK(pretend(table, lie));
	CHECK(!ptebatch_apply_flags(&ptebatch_hypercall, &env, &run, NULL,
				    &progress));
	CHECK(!ptebatch_add_flags(&batch, slot_at(12), 4, RW, 0));
	CHECK(!ptebatch_add_clear(&batch, slot_at(16), 8, old));
	CHECK(!ptebatch_flush(&batch, NULL));
	for (i = 24; i < 32; i++)
		CHECK(!ptebatch_add_set(&batch, slot_at(i),
					page_maddr(i + 1) | DATA,
					PTEBATCH_SET_EXACT));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(untouched(table, lie));
	for (i = 0; i < 32; i++)
		CHECK(holds(i, i < 4    ? page_maddr(i) | DATA | RW
			       : i < 16 ? page_maddr(i) | DATA
			       : i < 24 ? 0
					: page_maddr(i + 1) | DATA));
	for (i = 0; i < 8; i++)
		CHECK(old[i] == stored(page_maddr(16 + i) | DATA | RW));
	return no_reference_to(DATA_PAGE);
}

/* The table has a forbidden entry. What the guest shows has none. */
static const char *validation_reads_the_table_and_not_the_guests_page(void)
{
	const uint64_t maddr = page_maddr(TABLE);
	uint64_t *t = page_virt(TABLE);

	set_writable(t, 1);
	memset(t, 0, PAGE);
	t[100] = l4_maddr() | DATA | RW;
	set_writable(t, 0);
	CHECK(pretend(maddr, 0));
	CHECK(pin(1, maddr) == -EBUSY);
	CHECK(untouched(maddr, 0));

	/* The reverse: a table that is valid, which comes and goes. */
	set_writable(t, 1);
	t[100] = page_maddr(DATA_PAGE) | DATA | RW;
	set_writable(t, 0);
	CHECK(pretend(maddr, l4_maddr() | DATA | RW));
	CHECK(!pin(1, maddr));
	CHECK(pin(1, page_maddr(DATA_PAGE)));
	CHECK(!unpin(maddr));
	CHECK(untouched(maddr, l4_maddr() | DATA | RW));
	CHECK(!no_reference_to(DATA_PAGE));
	set_writable(t, 1);
	memset(t, 0, PAGE);
	set_writable(t, 0);
	return no_reference_to(TABLE);
}

const struct test high_tests[] = {
	TEST(the_tables_are_beyond_the_direct_map),
	TEST(updates_change_the_table_and_not_the_guests_page),
	TEST(new_calls_change_the_table_and_not_the_guests_page),
	TEST(validation_reads_the_table_and_not_the_guests_page),
	{ NULL, NULL, 0 },
};
