/* SPDX-License-Identifier: MIT */
/*
 * Tests with TAP output. The conformance suite runs on real page tables, with
 * each backend and with environments that lack a feature. Then the tests that
 * need a real Xen run with each backend: faults, flushes, page types.
 *
 * A CHECK that fails ends its test. The tables are cleared before each test.
 */
#include "kernel.h"

#include "guest-calls.h"
#include "other.h"
#include "report.h"

#include <xen/hypfs.h>

struct ptebatch batch;
struct ptebatch_env env;

static struct ptebatch_run storage[64];

/* --- Callbacks of the conformance suite ---------------------------------- */

static void w_reset(struct conf_world *w)
{
	(void)w;
	world_reset();
}

static uint64_t w_slot(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return slot_at(table * PTEBATCH_TABLE_SLOTS + i);
}

static uint64_t w_read(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return *entry_at(table * PTEBATCH_TABLE_SLOTS + i);
}

static void w_write(struct conf_world *w, uint32_t table, uint32_t i,
		    uint64_t entry)
{
	uint64_t slot = w_slot(w, table, i);
	int err = update_pte(slot, entry);

	if (err)
		panic("test broken: entry %lx refused: %d", entry, err);
}

static uint64_t w_page(struct conf_world *w, uint32_t page)
{
	(void)w;
	return page_maddr(page);
}

static void w_touch(struct conf_world *w, uint32_t table, uint32_t i, int write)
{
	uint64_t *va = va_at(table * PTEBATCH_TABLE_SLOTS + i), seen;

	(void)w;
	invlpg((uint64_t)va);
	if (write ? probe_write(va, 0) : probe_read(va, &seen))
		panic("test broken: access to %lx faults", (uint64_t)va);
}

static uint64_t w_va(struct conf_world *w, uint32_t table, uint32_t i)
{
	(void)w;
	return (uint64_t)va_at(table * PTEBATCH_TABLE_SLOTS + i);
}

/* Maps a slot only if it lies in one of the L1 tables of world.c. */
static volatile uint64_t *map_l1_slot(void *ctx, uint64_t slot)
{
	volatile uint64_t *p = xen_env.map(ctx, slot);
	uint32_t i;

	for (i = 0; i < WORLD_TABLES; i++)
		if (((uint64_t)p & ~(PAGE - 1)) == (uint64_t)table_virt(i))
			return p;
	return NULL;
}

/* Hide one of the two calls from the hypercall backend, or both. */
static int64_t without_runs(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			    uint64_t a3, uint64_t a4, uint64_t a5)
{
	return nr == __HYPERVISOR_ptebatch_runs
		       ? -PTEBATCH_ENOSYS
		       : xen_env.hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static int64_t without_values(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			      uint64_t a3, uint64_t a4, uint64_t a5)
{
	return nr == __HYPERVISOR_ptebatch_values
		       ? -PTEBATCH_ENOSYS
		       : xen_env.hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static int64_t without_both(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			    uint64_t a3, uint64_t a4, uint64_t a5)
{
	return nr == __HYPERVISOR_ptebatch_runs
		       ? -PTEBATCH_ENOSYS
		       : without_values(ctx, nr, a1, a2, a3, a4, a5);
}

/* An older Xen, whose register form has FLAGS and CLEAR only. */
static int64_t without_operations(void *ctx, uint32_t nr, uint64_t a1,
				  uint64_t a2, uint64_t a3, uint64_t a4,
				  uint64_t a5)
{
	uint32_t op = PTEBATCH_HOW_OP(a3);

	if (nr == __HYPERVISOR_ptebatch_runs &&
	    (op == PTEBATCH_OP_SET || op == PTEBATCH_OP_TAKE ||
	     (op == PTEBATCH_HOW_PROBE && a2 == PTEBATCH_ASK_OPS)))
		return -PTEBATCH_EOPNOTSUPP;
	return xen_env.hypercall(ctx, nr, a1, a2, a3, a4, a5);
}

static const struct variant {
	const char *name;
	const struct ptebatch_backend *backend;
	int64_t (*hypercall)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			     uint64_t a3, uint64_t a4, uint64_t a5);
	uint32_t features; /* removed (no real Xen lacks them) or added */
	uint32_t have;	   /* expected of probe on a Xen with the new calls */
} variants[] = {
#define BOTH (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES)
	{ "mmu-update", &ptebatch_mmu_update, NULL, 0, 0 },
	{ "mmu-update, slots by address", &ptebatch_mmu_update, NULL,
	  PTEBATCH_ENV_ADDR_OF_SLOT, 0 },
	{ "mmu-update without PRESERVE_AD", &ptebatch_mmu_update, NULL,
	  PTEBATCH_ENV_PRESERVE_AD, 0 },
	{ "mmu-update without PRESERVE_AD, transient ok",
	  &ptebatch_mmu_update, NULL,
	  PTEBATCH_ENV_PRESERVE_AD | PTEBATCH_ENV_TRANSIENT_OK, 0 },
	{ "hypercall", &ptebatch_hypercall, NULL, 0, BOTH },
	{ "hypercall without operations", &ptebatch_hypercall,
	  without_operations, 0, BOTH },
	{ "hypercall with values only", &ptebatch_hypercall, without_runs, 0,
	  PTEBATCH_HAVE_VALUES },
	{ "hypercall with runs only", &ptebatch_hypercall, without_values, 0,
	  PTEBATCH_HAVE_RUNS },
	{ "hypercall with neither", &ptebatch_hypercall, without_both, 0, 0 },
};

static void conformance(const struct variant *v)
{
	struct conf_world w = {
		.name = v->name,
		.backend = v->backend,
		.env = &env,
		.tables = WORLD_TABLES,
		.pages = WORLD_PAGES,
		.ignore = XENS_BITS,
		.reset = w_reset,
		.slot = w_slot,
		.read = w_read,
		.write = w_write,
		.page = w_page,
		.touch = w_touch,
		.report = conformance_report,
		/* A data page of this domain; mmu_update would write to it. */
		.not_a_table = page_maddr(0),
		.va = w_va,
	};
	unsigned int count = 0, bad;

	/* The library then gets a page fault where Xen refuses an entry. */
	if ((env.have & BOTH) != BOTH && !(env.features & PTEBATCH_ENV_PRESERVE_AD))
		w.without = CONF_NO_CHECKS;
	bad = conformance_run(&w, &count);
	print("# %s: conformance, %u tests, %u failed\n", v->name, count, bad);
	if (!count)
		tap_result(v->name, "the conformance suite runs", "no test");
}

/* --- Faults and flushes, with any backend -------------------------------- */

/* Type counts decide what a page can become; see world.c. */
static int pin_l1(uint32_t page)
{
	return pin(1, page_maddr(page));
}

static int unpin_l1(uint32_t page)
{
	return unpin(page_maddr(page));
}

static int flush_all(void)
{
	static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

	return ptebatch_flush(&batch, &all);
}

static const char *store_faults(const struct ptebatch_tlb *tlb)
{
	uint64_t *va = va_at(7), *direct = page_virt(7);

	fill_entries(7, 1, 1, 7, DATA | RW);
	CHECK(!probe_write(va, 1));
	CHECK(!ptebatch_add_flags(&batch, slot_at(7), 1, RW, 0));
	CHECK(!ptebatch_flush(&batch, tlb));
	CHECK(probe_write(va, 2));
	CHECK(*direct == 1);
	CHECK(!ptebatch_add_flags(&batch, slot_at(7), 1, 0, RW));
	CHECK(!ptebatch_flush(&batch, tlb));
	CHECK(!probe_write(va, 3));
	CHECK(*direct == 3);
	CHECK(!ptebatch_add_clear(&batch, slot_at(7), 1, NULL));
	CHECK(!ptebatch_flush(&batch, tlb));
	CHECK(probe_write(va, 4));
	CHECK(*direct == 3);
	*direct = 0;
	return NULL;
}

static const char *stores_obey_after_a_local_flush_of_one_page(void)
{
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_LOCAL, 0,
				    (uint64_t)va_at(7), 1, 0 };

	return store_faults(&tlb);
}

static const char *stores_obey_after_a_local_flush(void)
{
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 };

	return store_faults(&tlb);
}

static const char *stores_obey_after_a_flush_of_all_vcpus(void)
{
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

	return store_faults(&tlb);
}

static const char *stores_obey_after_a_range_flush(void)
{
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_ALL, 0, (uint64_t)va_at(0),
				    64, 0 };

	return store_faults(&tlb);
}

static const char *stores_obey_after_a_flush_by_vcpu_mask(void)
{
	uint64_t mask[2] = { 1, 0 };
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_VCPUS, 64, 0, 0,
				    (uint64_t)mask };
	const char *why = store_faults(&tlb);

	if (why)
		return why;
	/* More than 64 bits, most of them beyond the existing vCPUs. */
	mask[0] = mask[1] = ~0ul;
	tlb.nr_vcpus = 128;
	return store_faults(&tlb);
}

/* --- Reference counts, as the guest can observe them --------------------- */

static const char *a_cleared_page_can_become_a_table_and_data_again(void)
{
	uint64_t entry = page_maddr(SOLE) | DATA;

	fill_entries(0, 1, 1, SOLE, DATA | RW);
	CHECK(pin_l1(SOLE));
	CHECK(!ptebatch_add_clear(&batch, slot_at(0), 1, NULL));
	CHECK(!flush_all());
	CHECK(!pin_l1(SOLE));

	/* The page is a table now, so no mapping of it can be writable. */
	CHECK(!ptebatch_add_set(&batch, slot_at(0), entry | RW,
				  PTEBATCH_SET_EXACT));
	CHECK(flush_all() < 0);
	CHECK(batch.last.slot == slot_at(0));
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(*entry_at(0) == 0);
	CHECK(!ptebatch_add_set(&batch, slot_at(0), entry,
				  PTEBATCH_SET_EXACT));
	CHECK(!flush_all());
	CHECK(!unpin_l1(SOLE));

	/* The page is data again. */
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, 0, RW));
	CHECK(!flush_all());
	CHECK(!probe_write(va_at(0), 0));
	CHECK(pin_l1(SOLE));
	return NULL;
}

static const char *a_read_only_page_can_become_a_table(void)
{
	uint64_t before;

	fill_entries(0, 2, 1, SOLE, DATA | RW);
	CHECK(pin_l1(SOLE));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 2, RW, 0));
	CHECK(!flush_all());
	CHECK(!pin_l1(SOLE));
	before = *entry_at(0);
	CHECK(!(before & RW));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, 0, RW));
	CHECK(flush_all() < 0);
	CHECK(batch.last.slot == slot_at(0));
	CHECK(*entry_at(0) == before);
	CHECK(!unpin_l1(SOLE));
	CHECK(!flush_all()); /* the same record, now allowed */
	CHECK(*entry_at(0) == (before | RW));
	return NULL;
}

/* As Linux does for PROT_NONE: P clear, frame inverted. */
static uint64_t hidden(uint32_t page)
{
	return (~page_maddr(page) & FRAME) | 0x100;
}

static int set_value(uint32_t slot, uint64_t val)
{
	int err = ptebatch_add_set(&batch, slot_at(slot), val,
				     PTEBATCH_SET_KEEP_AD);

	return err ? err : flush_all();
}

static const char *a_hidden_page_is_out_of_reach_until_it_is_back(void)
{
	uint64_t *direct = page_virt(7), seen;

	fill_entries(7, 1, 1, 7, DATA | RW);
	CHECK(!probe_write(va_at(7), 1));
	CHECK(!set_value(7, hidden(7)));
	CHECK(*entry_at(7) == (hidden(7) | A | D));
	CHECK(probe_write(va_at(7), 2));
	CHECK(probe_read(va_at(7), &seen));
	CHECK(!set_value(7, page_maddr(7) | P | US));
	CHECK((*entry_at(7) & ~XENS_BITS) == (page_maddr(7) | P | A | D));
	CHECK(!probe_read(va_at(7), &seen) && seen == 1);
	CHECK(probe_write(va_at(7), 3));
	CHECK(!set_value(7, hidden(7)));
	CHECK(!set_value(7, page_maddr(7) | P | US | RW));
	CHECK(!probe_write(va_at(7), 4) && *direct == 4);
	*direct = 0;
	return NULL;
}

static const char *a_hidden_page_can_become_a_table_and_data_again(void)
{
	uint64_t entry = page_maddr(SOLE) | P | US;

	fill_entries(0, 1, 1, SOLE, DATA | RW);
	CHECK(pin_l1(SOLE));
	CHECK(!set_value(0, hidden(SOLE)));
	CHECK(!pin_l1(SOLE));

	/* The page is a table now, so only read-only mappings are allowed. */
	CHECK(set_value(0, entry | RW) < 0);
	CHECK(batch.last.slot == slot_at(0));
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(*entry_at(0) == (hidden(SOLE) | A | D));
	CHECK(!set_value(0, entry));
	CHECK(!set_value(0, hidden(SOLE)));
	CHECK(!unpin_l1(SOLE));

	CHECK(!set_value(0, entry | RW));
	CHECK(!probe_write(va_at(0), 0));
	CHECK(pin_l1(SOLE));
	return NULL;
}

static const char *a_page_that_is_nobodys_is_not_mapped(void)
{
	/* A frame beyond the end of memory. */
	CHECK(set_value(0, 0xffffffffff000ul | P | US | RW) < 0);
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(*entry_at(0) == 0);
	return NULL;
}

static const char *a_refused_slot_is_named_and_can_be_skipped(void)
{
	fill_entries(0, 5, 1, SOLE, DATA);
	CHECK(!pin_l1(SOLE + 2));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 5, 0, RW));
	CHECK(flush_all() < 0);
	CHECK(batch.last.slots == 2);
	CHECK(batch.last.slot == slot_at(2));
	CHECK(ptebatch_pending(&batch) == 3);
	CHECK(*entry_at(1) & RW);
	CHECK(!(*entry_at(2) & RW));
	CHECK(!(*entry_at(3) & RW));
	CHECK(ptebatch_skip(&batch) == 1);
	CHECK(!flush_all());
	CHECK(!(*entry_at(2) & RW));
	CHECK(*entry_at(3) & RW);
	CHECK(*entry_at(4) & RW);
	CHECK(!unpin_l1(SOLE + 2));
	return NULL;
}

static const char *two_writable_mappings_are_two_references(void)
{
	fill_entries(0, 1, 1, SOLE, DATA | RW);
	fill_entries(600, 1, 1, SOLE, DATA | RW);
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, RW, 0));
	CHECK(!flush_all());
	CHECK(pin_l1(SOLE));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, 0, RW));
	CHECK(!ptebatch_add_clear(&batch, slot_at(600), 1, NULL));
	CHECK(!flush_all());
	CHECK(pin_l1(SOLE));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, RW, 0));
	CHECK(!flush_all());
	CHECK(!pin_l1(SOLE));
	CHECK(!unpin_l1(SOLE));
	return NULL;
}

static const char *all_pages_can_change_type_after_many_updates(void)
{
	uint32_t i, round;

	for (round = 0; round < 8; round++) {
		fill_entries(0, 64, 1, SOLE, DATA | RW);
		CHECK(!ptebatch_add_flags(&batch, slot_at(0), 64, RW, NX));
		CHECK(!ptebatch_add_flags(&batch, slot_at(0), 64, NX | A, RW));
		CHECK(!ptebatch_add_flags(&batch, slot_at(32), 32, RW | D, 0));
		CHECK(!ptebatch_add_clear(&batch, slot_at(0), 64, NULL));
		CHECK(!flush_all());
	}
	for (i = 0; i < 64; i++) {
		CHECK(!pin_l1(SOLE + i));
		CHECK(!unpin_l1(SOLE + i));
	}
	return NULL;
}

static const char *a_cleared_table_can_be_removed_and_reused(void)
{
	uint32_t last = WORLD_TABLES - 1, first = last * PTEBATCH_TABLE_SLOTS;
	uint64_t va = (uint64_t)va_at(first);

	fill_entries(first, PTEBATCH_TABLE_SLOTS, 1, 0, DATA | RW);
	CHECK(!ptebatch_add_clear(&batch, slot_at(first),
				  PTEBATCH_TABLE_SLOTS, NULL));
	CHECK(!flush_all());
	remove_table(va);
	CHECK(!probe_write(table_virt(last), 1));
	CHECK(!probe_write(table_virt(last), 0));
	install_table(va, table_virt(last));
	fill_entries(first, 1, 1, 0, DATA | RW);
	CHECK(!probe_write(va_at(first), 0));
	return NULL;
}

static const char *a_table_mapped_by_itself_stays_read_only(void)
{
	uint64_t entry = virt_to_maddr(table_virt(0)) | P | US | A;

	CHECK(!update_pte(slot_at(3), entry));
	CHECK(!ptebatch_add_flags(&batch, slot_at(3), 1, 0, RW));
	CHECK(flush_all() < 0);
	CHECK(batch.last.slot == slot_at(3));
	CHECK(!(*entry_at(3) & RW));
	ptebatch_discard(&batch);
	CHECK(!ptebatch_add_flags(&batch, slot_at(3), 1, 0, NX));
	CHECK(!ptebatch_add_clear(&batch, slot_at(3), 1, NULL));
	CHECK(!flush_all());
	return NULL;
}

/* --- Other tests, with any backend --------------------------------------- */

static const char *eight_tables_go_in_one_flush(void)
{
	uint32_t i, wrong = 0;

	fill_entries(0, 4096, 1, 0, DATA | RW);
	for (i = 0; i < 8; i++)
		CHECK(!ptebatch_add_flags(&batch, slot_at(i * 512), 512, RW,
					NX));
	CHECK(!flush_all());
	for (i = 0; i < 4096; i++)
		wrong += (*entry_at(i) & (P | RW | NX | A | D | FRAME)) !=
			 (page_maddr(i) | P | NX | A | D);
	CHECK(!wrong);
	for (i = 0; i < 8; i++)
		CHECK(probe_write(va_at(i * 512 + i), 1));
	CHECK(batch.counters.flushed == 4096);
	CHECK(batch.counters.tlb_flushes == 1);
	if (env.have & PTEBATCH_HAVE_RUNS)
		CHECK(batch.counters.hypercalls == 1);
	return NULL;
}

static const char *an_owner_that_does_not_exist_is_refused(void)
{
	const uint32_t nobody = 0x1234;
	uint64_t before;

	fill_entries(0, 1, 1, 0, DATA | RW);
	before = *entry_at(0);
	CHECK(!ptebatch_set_owner(&batch, PTEBATCH_DOMID_SELF, nobody));
	CHECK(!ptebatch_add_flags(&batch, slot_at(0), 1, RW, 0));
	CHECK(ptebatch_flush(&batch, NULL) == -PTEBATCH_ESRCH);
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(!ptebatch_set_owner(&batch, nobody, nobody));
	CHECK(!ptebatch_add_set(&batch, slot_at(0), 0,
				  PTEBATCH_SET_EXACT));
	CHECK(ptebatch_flush(&batch, NULL) == -PTEBATCH_ESRCH);
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(*entry_at(0) == before);
	return NULL;
}

static const char *a_slot_of_an_l2_table_is_refused_by_every_backend(void)
{
	uint64_t slot = slot_of(TEST_BASE, 2);
	volatile uint64_t *l2 = maddr_to_virt(slot);
	struct ptebatch_value value = { slot | PTEBATCH_SET_KEEP_AD, 0 };
	struct ptebatch_run run = { .count = 1, .op = PTEBATCH_OP_CLEAR };
	struct ptebatch_progress p;
	uint64_t before = *l2, old;

	CHECK(before & P);
	value.pte = before & ~(A | D);
	CHECK(ptebatch_apply_set(batch.backend, &env, &value, NULL, &p) ==
	      -PTEBATCH_EINVAL);
	run.slot = slot;
	CHECK(ptebatch_apply_clear(batch.backend, &env, &run, NULL, &p) ==
	      -PTEBATCH_EINVAL);
	run.old = (uint64_t)&old;
	CHECK(ptebatch_apply_clear(batch.backend, &env, &run, NULL, &p) ==
	      -PTEBATCH_EINVAL);
	CHECK(!ptebatch_add_flags(&batch, slot, 1, 0, PTEBATCH_PTE_AVAIL));
	CHECK(flush_all() == -PTEBATCH_EINVAL);
	CHECK(batch.last.slot == slot);
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(!ptebatch_add_set(&batch, slot, before, PTEBATCH_SET_KEEP_AD));
	CHECK(flush_all() == -PTEBATCH_EINVAL);
	CHECK(ptebatch_discard(&batch) == 1);
	CHECK(*l2 == before);
	return NULL;
}

static const char *hardware_sets_a_and_d_anew_after_a_flush(void)
{
	uint64_t old = 0;

	fill_entries(0, 1, 1, 0, DATA | RW);
	CHECK(!ptebatch_add_flags_old(&batch, slot_at(0), 1, A | D, 0, &old));
	CHECK(!flush_all());
	CHECK((old & (A | D)) == (A | D));
	CHECK(!(*entry_at(0) & (A | D)));
	CHECK(!probe_read(va_at(0), &old));
	CHECK((*entry_at(0) & (A | D)) == A);
	CHECK(!probe_write(va_at(0), 0));
	CHECK((*entry_at(0) & (A | D)) == (A | D));
	return NULL;
}

static const struct test on_xen[] = {
	TEST(stores_obey_after_a_local_flush_of_one_page),
	TEST(stores_obey_after_a_local_flush),
	TEST(stores_obey_after_a_flush_of_all_vcpus),
	TEST(stores_obey_after_a_range_flush),
	TEST(stores_obey_after_a_flush_by_vcpu_mask),
	TEST(a_cleared_page_can_become_a_table_and_data_again),
	TEST(a_read_only_page_can_become_a_table),
	TEST(a_hidden_page_is_out_of_reach_until_it_is_back),
	TEST(a_hidden_page_can_become_a_table_and_data_again),
	TEST(a_page_that_is_nobodys_is_not_mapped),
	TEST(a_refused_slot_is_named_and_can_be_skipped),
	TEST(two_writable_mappings_are_two_references),
	TEST(all_pages_can_change_type_after_many_updates),
	TEST(a_cleared_table_can_be_removed_and_reused),
	TEST(a_table_mapped_by_itself_stays_read_only),
	TEST(eight_tables_go_in_one_flush),
	TEST(an_owner_that_does_not_exist_is_refused),
	TEST(a_slot_of_an_l2_table_is_refused_by_every_backend),
	TEST(hardware_sets_a_and_d_anew_after_a_flush),
	{ NULL, NULL, 0 },
};

static const struct ptebatch_backend *backend;

int calls_are_preempted; /* while each test runs */
int counts_are_written_midway;
int has_short_map;
int requests_are_read_ahead;
int is_shadowed;
static uint32_t preemptions;

void run_tests(const char *where, const struct test *t)
{
	const char *why;

	for (; t->name; t++) {
		if (t->dom0 && !(start_info->flags & SIF_INITDOMAIN)) {
			tap_skip(where, t->name, "the domain is not dom0");
			continue;
		}
		world_reset();
		if (ptebatch_init(&batch, sizeof(batch), backend, &env, storage,
				  sizeof(storage)))
			panic("ptebatch_init failed");
		tap_begin(where, t->name);
		if (calls_are_preempted)
			preempt_calls(NULL);
		why = t->run();
		if (calls_are_preempted)
			preemptions += preempt_no_more();
		tap_end(why);
	}
	world_reset();
}

int use_new_calls(void)
{
	env = xen_env;
	backend = &ptebatch_hypercall;
	return !backend->probe(&env) && (env.have & BOTH) == BOTH;
}

int64_t set_parameter(const char *parts)
{
	static const char path[] = "/params/ptebatch";
	uint32_t size = 1;

	while (parts[size - 1])
		size++;
	return hypercall5(__HYPERVISOR_hypfs_op, XEN_HYPFS_OP_write_contents,
			  addr(path), sizeof(path), addr(parts), size);
}

int64_t count_of(uint32_t what)
{
	return runs(PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(what),
		    PTEBATCH_HOW_PROBE, 0, 0);
}

/*
 * Whose code has performed mmu_update and update_va_mapping, and validated page
 * tables, since Xen was started: Xen's own, or also the engine's. Returns NULL,
 * or which part it was not. Needs the new calls, and the rights of dom0.
 */
const char *entries_were(enum code whose)
{
	static const struct {
		uint32_t what;
		const char *name;
	} parts[] = {
		{ PTEBATCH_COUNT_UPDATES, "mmu_update" },
		{ PTEBATCH_COUNT_UPDATE_VA, "update_va_mapping" },
		{ PTEBATCH_COUNT_VALIDATED, "validation" },
	};
	uint32_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		int64_t n = count_of(parts[i].what);

		if (n < 0)
			return "Xen does not count entries";
		if (!n != (whose == XENS_OWN))
			return parts[i].name;
	}
	return NULL;
}

unsigned int tests_end(void)
{
	return tap.number ? tap_done() : 0;
}

/*
 * With pv-l1tf on, a frame hidden without inversion makes Xen switch the domain
 * to shadow mode, and the call then completes. dom0 checks that Xen did switch.
 */
static const char *an_entry_unsafe_against_l1tf_is_written(void)
{
	uint64_t unsafe = page_maddr(0) | US | RW;

	fill_entries(0, 4, 1, 0, DATA | RW);
	CHECK(!set_value(0, page_maddr(0) | P | US));
	CHECK(!set_value(1, unsafe));
	CHECK(*entry_at(1) == (unsafe | A | D));
	CHECK(!set_value(2, unsafe));
	CHECK(probe_write(va_at(1), 1));
	CHECK(!probe_write(va_at(3), 0));
	return NULL;
}

void be_shadowed(void)
{
	static const struct test shadowing[] = {
		TEST(an_entry_unsafe_against_l1tf_is_written),
		{ NULL, NULL, 0 },
	};

	if (!use_new_calls())
		panic("no new calls");
	run_tests("l1tf", shadowing);
	is_shadowed = 1;
}

void guest_run(void)
{
	env = xen_env;
	backend = &ptebatch_mmu_update;
	run_tests("mmu_update", updates_tests);
	run_tests("update_va_mapping", update_va_tests);
	run_tests("validation", validate_tests);
	if (has_short_map)
		run_tests("memory beyond the direct map", high_tests);
	if (start_info->flags & SIF_INITDOMAIN && other_can_be_made())
		run_tests("another domain", other_domain_tests);
	else
		tap_skip("another domain", "its tables",
			 "this domain cannot make one");
	run_tests("preempted", preempted_tests);
	/* The same tests with each call preempted wherever Xen looks. */
	calls_are_preempted = 1;
	preemptions = 0;
	run_tests("mmu_update, preempted", updates_tests);
	tap_result("mmu_update, preempted", "calls were preempted",
		   preemptions ? NULL : "no");
	preemptions = 0;
	run_tests("validation, preempted", validate_tests);
	tap_result("validation, preempted", "calls were preempted",
		   preemptions ? NULL : "no");
	calls_are_preempted = 0;
	if (use_new_calls() && start_info->flags & SIF_INITDOMAIN)
		tap_result("Xen's own calls", "the engine did a part of them",
			   entries_were(ENGINES));
}

void tests_run(int must_be_new, int must_be_old, int traps)
{
	const struct variant *v = variants;
	int is_new = use_new_calls();
	/* A Xen that is patched in part may have one of them. */
	uint32_t known = env.have & BOTH;

	print("# new calls: %s\n", is_new ? "yes" : known ? "one" : "no");
	if (must_be_new)
		tap_result("xen", "it has the new calls", is_new ? NULL : "no");
	if (must_be_old)
		tap_result("xen", "it has no new calls",
			   known ? "it has" : NULL);

	for (; v < variants + sizeof(variants) / sizeof(*v); v++) {
		env = xen_env;
		env.features ^= v->features;
		env.features |= PTEBATCH_ENV_MAP_KNOWS_L1;
		env.map = map_l1_slot;
		if (v->hypercall)
			env.hypercall = v->hypercall;
		/* Without the calls, all these variants are the same. */
		if (v->have && v->hypercall && !is_new)
			continue;
		backend = v->backend;
		if (backend->probe(&env) ||
		    (env.have & BOTH) != (v->have & known) ||
		    (v->hypercall == without_operations &&
		     env.have & ~BOTH)) {
			tap_result(v->name, "probe", "finds the wrong calls");
			continue;
		}
		conformance(v);
		/*
		 * These tests make Xen refuse entries. Without PRESERVE_AD,
		 * each refusal would be a page fault in the library.
		 */
		if (env.features & PTEBATCH_ENV_PRESERVE_AD)
			run_tests(v->name, on_xen);
	}

	use_new_calls();
	if (is_new || !known)
		run_tests("abi", is_new ? abi_tests : abi_tests_stock);
	if (is_new)
		run_tests("kinds", kinds_tests);
	guest_run();
	trapped_run_tests(traps);
}
