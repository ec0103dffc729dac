/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: the behaviour that every backend must have in every
 * environment ("world").
 *
 * A test writes PTEs directly, changes them through the library, and reads them
 * directly again. It returns NULL, or a description of the failure. Operations
 * that a world does not support (w->without) are tested too: they must fail
 * with -EOPNOTSUPP and change nothing. A test is skipped only where the world
 * has no way to perform it.
 */
#include "../common/check.h"
#include "../common/pte.h"
#include "../common/random.h"
#include "conformance.h"

#define BASE (P | US | A | D)
#define AVAIL 0x200ull /* bit 9 */
#define SLOTS PTEBATCH_TABLE_SLOTS
#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT

/* A non-present PTE that is not vulnerable to L1TF. */
#define ABSENT ((uint64_t)0x400)

/* The result of a test that the world cannot perform. */
static const char skipped[] = "skipped";

static struct ptebatch batch;
static uint64_t storage[5 * 96];
static uint64_t olds[SLOTS];

static const struct ptebatch_tlb flush_all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };
static const struct ptebatch_tlb flush_local = { PTEBATCH_TLB_LOCAL, 0, 0, 0,
						 0 };

static uint64_t maddr(struct conf_world *w, uint32_t table, uint32_t slot)
{
	return w->maddr(w, table, slot);
}

static uint64_t entry(struct conf_world *w, uint32_t page, uint64_t flags)
{
	return w->page(w, page % w->pages) | flags;
}

static int same(struct conf_world *w, uint64_t a, uint64_t b)
{
	uint64_t ignore = a & b & P ? w->ignore : 0;

	return ((a ^ b) & ~ignore) == 0;
}

static int holds(struct conf_world *w, uint32_t table, uint32_t slot,
		 uint64_t e)
{
	return same(w, w->read(w, table, slot), e);
}

static void fill(struct conf_world *w, uint32_t table, uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		w->write(w, table, i, entry(w, i, flags));
}

static int table_holds(struct conf_world *w, uint32_t table, uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		if (!holds(w, table, i, entry(w, i, flags)))
			return 0;
	return 1;
}

static int init(struct conf_world *w, size_t bytes)
{
	return ptebatch_init(&batch, sizeof(batch), w->backend, w->env, storage, bytes);
}

static int no(struct conf_world *w, uint32_t what)
{
	return (w->without & what) != 0;
}

/* ---- flags ---- */

static const char *flags_change_each_present_entry(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, RW, 0));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.slots == SLOTS && batch.last.records == 1);
	CHECK(table_holds(w, 0, BASE));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, 0, RW));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(table_holds(w, 0, BASE | RW));
	return NULL;
}

static const char *flags_leave_slots_beside_a_run_alone(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 10), 3, RW, 0));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(holds(w, 0, 9, entry(w, 9, BASE | RW)));
	CHECK(holds(w, 0, 10, entry(w, 10, BASE)));
	CHECK(holds(w, 0, 12, entry(w, 12, BASE)));
	CHECK(holds(w, 0, 13, entry(w, 13, BASE | RW)));
	return NULL;
}

static const char *flags_set_wins_over_clear(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, BASE | RW));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 1, RW | AVAIL, AVAIL));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | AVAIL)));
	return NULL;
}

static const char *flags_change_nx_and_available_bits(struct conf_world *w)
{
	fill(w, 0, BASE | NX);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, NX, AVAIL));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(table_holds(w, 0, BASE | AVAIL));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, AVAIL, NX));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(table_holds(w, 0, BASE | NX));
	return NULL;
}

static const char *flags_pass_absent_entries_over(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, BASE | RW));
	w->write(w, 0, 1, ABSENT);
	w->write(w, 0, 3, entry(w, 3, BASE | RW));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 4, RW, AVAIL));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(batch.last.slots == 4);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | AVAIL)));
	CHECK(holds(w, 0, 1, ABSENT));
	CHECK(holds(w, 0, 2, 0));
	CHECK(holds(w, 0, 3, entry(w, 3, BASE | AVAIL)));
	return NULL;
}

static const char *flags_can_set_a_and_d(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, P | US));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 1, 0, A | D));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | A | D)));
	return NULL;
}

static const char *flags_keep_a_and_d_as_they_are(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, P | US | RW));
	w->write(w, 0, 1, entry(w, 1, P | US | RW | A));
	w->write(w, 0, 2, entry(w, 2, P | US | RW | A | D));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 3, RW, 0));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US)));
	CHECK(holds(w, 0, 1, entry(w, 1, P | US | A)));
	CHECK(holds(w, 0, 2, entry(w, 2, P | US | A | D)));
	return NULL;
}

static const char *flags_keep_what_hardware_set(struct conf_world *w)
{
	if (!w->touch)
		return skipped;
	w->write(w, 0, 0, entry(w, 0, P | US | RW));
	w->write(w, 0, 1, entry(w, 1, P | US | RW));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 2, RW, 0));
	/* Bits that hardware sets while the change is queued must survive. */
	w->touch(w, 0, 0, 0);
	w->touch(w, 0, 1, 1);
	CHECK(w->read(w, 0, 0) & A);
	CHECK(w->read(w, 0, 1) & D);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | A)));
	CHECK(holds(w, 0, 1, entry(w, 1, P | US | A | D)));
	return NULL;
}

static const char *sparse_runs_change_their_slots_only(struct conf_world *w)
{
	uint32_t i;

	fill(w, 0, BASE | RW);
	for (i = 0; i < SLOTS; i += 2)
		CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, i), 1, RW, 0));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i & 1 ? RW : 0))));
	return NULL;
}

static const char *many_tables_go_in_one_flush(struct conf_world *w)
{
	uint32_t t, i, tables = w->tables < 8 ? w->tables : 8;

	for (t = 0; t < tables; t++)
		fill(w, t, BASE | NX);
	for (t = 0; t < tables; t++)
		for (i = 0; i < SLOTS; i++)
			CHECK(!ptebatch_add_flags(&batch, maddr(w, t, i), 1, NX,
						AVAIL));
	CHECK(ptebatch_pending(&batch) == (uint64_t)tables * SLOTS);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.records == tables);
	CHECK(batch.last.slots == (uint64_t)tables * SLOTS);
	CHECK(batch.counters.tlb_flushes == 1);
	CHECK(batch.counters.flushes[PTEBATCH_FLUSH_FULL] == 0);
	for (t = 0; t < tables; t++)
		CHECK(table_holds(w, t, BASE | AVAIL));
	return NULL;
}

static const char *a_full_storage_flushes_by_itself(struct conf_world *w)
{
	uint32_t i;

	CHECK(!init(w, 4 * sizeof(struct ptebatch_run)));
	fill(w, 0, BASE | RW);
	for (i = 0; i < 20; i++)
		CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 2 * i), 1, RW, 0));
	CHECK(batch.counters.flushes[PTEBATCH_FLUSH_FULL] == 4);
	CHECK(ptebatch_pending(&batch) == 4);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.counters.flushed == 20);
	for (i = 0; i < 40; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i & 1 ? RW : 0))));
	return NULL;
}

/* ---- clearing A and D, old values ---- */

static const char *ageing_clears_a_and_hands_it_back(struct conf_world *w)
{
	uint32_t i;
	int err;

	for (i = 0; i < SLOTS; i++)
		w->write(w, 0, i,
			 i % 5 == 4 ? 0
				    : entry(w, i, P | US | RW | D |
							  (i % 3 ? A : 0)));
	CHECK(!ptebatch_add_flags_old(&batch, maddr(w, 0, 0), SLOTS, A, 0, olds));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_OLD | CONF_NO_CLEAR_AD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		CHECK(holds(w, 0, 1, entry(w, 1, P | US | RW | D | A)));
		return NULL;
	}
	CHECK(!err && batch.last.slots == SLOTS);
	for (i = 0; i < SLOTS; i++) {
		uint64_t e = entry(w, i, P | US | RW | D);

		if (i % 5 == 4)
			e = 0;
		CHECK(holds(w, 0, i, e));
		CHECK(same(w, olds[i], e ? e | (i % 3 ? A : 0) : 0));
	}
	return NULL;
}

static const char *a_and_d_can_be_cleared(struct conf_world *w)
{
	int err;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, A | D | RW,
				AVAIL));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_CLEAR_AD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		CHECK(table_holds(w, 0, BASE | RW));
		return NULL;
	}
	CHECK(!err);
	CHECK(table_holds(w, 0, P | US | AVAIL));
	return NULL;
}

static const char *hardware_sets_a_again_after_ageing(struct conf_world *w)
{
	if (!w->touch || no(w, CONF_NO_CLEAR_AD))
		return skipped;
	w->write(w, 0, 0, entry(w, 0, P | US | RW | A));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 1, A, 0));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | RW)));
	w->touch(w, 0, 0, 1);
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | RW | A | D)));
	return NULL;
}

static const char *flags_hand_back_what_entries_were(struct conf_world *w)
{
	int err;

	w->write(w, 0, 0, entry(w, 0, P | US | RW | A));
	w->write(w, 0, 1, ABSENT);
	w->write(w, 0, 2, entry(w, 2, P | US | A | D));
	CHECK(!ptebatch_add_flags_old(&batch, maddr(w, 0, 0), 3, RW, AVAIL,
				    olds));
	err = ptebatch_flush(&batch, NULL);
	if (no(w, CONF_NO_OLD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		return NULL;
	}
	CHECK(!err);
	CHECK(same(w, olds[0], entry(w, 0, P | US | RW | A)));
	CHECK(olds[1] == ABSENT);
	CHECK(same(w, olds[2], entry(w, 2, P | US | A | D)));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | AVAIL | A)));
	CHECK(holds(w, 0, 1, ABSENT));
	CHECK(holds(w, 0, 2, entry(w, 2, P | US | AVAIL | A | D)));
	return NULL;
}

static const char *clear_takes_entries_and_hands_them_back(struct conf_world *w)
{
	uint32_t i;
	int err;

	fill(w, 0, BASE | RW);
	w->write(w, 0, 7, ABSENT);
	w->write(w, 0, 8, 0);
	w->write(w, 0, 9, entry(w, 9, P | US));
	for (i = 0; i < SLOTS; i++)
		olds[i] = ~0ull;
	CHECK(!ptebatch_add_clear(&batch, maddr(w, 0, 0), SLOTS, olds));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_OLD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
		return NULL;
	}
	CHECK(!err && batch.last.slots == SLOTS);
	for (i = 0; i < SLOTS; i++) {
		CHECK(holds(w, 0, i, 0));
		CHECK(same(w, olds[i],
			   i == 7   ? ABSENT
			   : i == 8 ? 0
				    : entry(w, i,
					    i == 9 ? P | US : BASE | RW)));
	}
	return NULL;
}

static const char *clear_needs_no_old_values(struct conf_world *w)
{
	uint32_t i;
	int err;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_clear(&batch, maddr(w, 0, 1), SLOTS - 2, NULL));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_OLD) && err) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		return NULL;
	}
	CHECK(!err);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
	for (i = 1; i < SLOTS - 1; i++)
		CHECK(holds(w, 0, i, 0));
	CHECK(holds(w, 0, SLOTS - 1, entry(w, SLOTS - 1, BASE | RW)));
	return NULL;
}

/* ---- values ---- */

static const char *keep_values_keep_a_and_d(struct conf_world *w)
{
	uint32_t i;

	for (i = 0; i < 4; i++)
		w->write(w, 0, i,
			 entry(w, i, P | US | RW | (i & 1 ? A : 0) |
					     (i & 2 ? D : 0)));
	for (i = 0; i < 4; i++)
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i),
					  entry(w, i, P | US), KEEP));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.records == 4 && batch.last.slots == 4);
	for (i = 0; i < 4; i++)
		CHECK(holds(w, 0, i,
			    entry(w, i, P | US | (i & 1 ? A : 0) |
						(i & 2 ? D : 0))));
	return NULL;
}

static const char *exact_values_set_a_and_d_as_they_say(struct conf_world *w)
{
	int err;

	w->write(w, 0, 0, entry(w, 0, BASE | RW));
	w->write(w, 0, 1, entry(w, 1, P | US | RW));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 0),
				  entry(w, 0, P | US | RW), EXACT));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 1),
				  entry(w, 1, BASE | RW), EXACT));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_EXACT)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		return NULL;
	}
	CHECK(!err);
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | RW)));
	CHECK(holds(w, 0, 1, entry(w, 1, BASE | RW)));
	return NULL;
}

static const char *values_change_frames_and_presence(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	w->write(w, 0, 3, 0);
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 0), 0, EXACT));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 1),
				  entry(w, 100, BASE | RW), KEEP));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 2),
				  entry(w, 101, BASE), KEEP));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 3),
				  entry(w, 102, BASE | RW), KEEP));
	if (no(w, CONF_NO_EXACT))
		CHECK(ptebatch_skip(&batch) == 1);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	if (!no(w, CONF_NO_EXACT))
		CHECK(holds(w, 0, 0, 0));
	CHECK(holds(w, 0, 1, entry(w, 100, BASE | RW)));
	CHECK(holds(w, 0, 2, entry(w, 101, BASE)));
	CHECK(holds(w, 0, 3, entry(w, 102, BASE | RW)));
	return NULL;
}

/* Like Linux's PROT_NONE: non-present, with the frame inverted against L1TF. */
static uint64_t hidden(struct conf_world *w, uint32_t page)
{
	return (~entry(w, page, 0) & PTEBATCH_PTE_FRAME) | 0x100;
}

static const char *keep_values_hide_entries_and_bring_them_back(
	struct conf_world *w)
{
	const uint64_t ad[4] = { 0, A, D, A | D };
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		w->write(w, 0, i, entry(w, i, P | US | RW | ad[i % 4]));
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i), hidden(w, i),
					  KEEP));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.counters.flushed == SLOTS);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, hidden(w, i) | ad[i % 4]));
	/*
	 * Writable, read-only, writable with more flags, or still not present.
	 */
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(
			&batch, maddr(w, 0, i),
			i % 8 == 7  ? hidden(w, i + 1)
			: i % 3 == 0 ? entry(w, i, P | US | RW)
			: i % 3 == 1 ? entry(w, i, P | US)
				     : entry(w, i, BASE | RW | NX | AVAIL),
			KEEP));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i,
			    ad[i % 4] |
				    (i % 8 == 7   ? hidden(w, i + 1)
				     : i % 3 == 0 ? entry(w, i, P | US | RW)
				     : i % 3 == 1 ? entry(w, i, P | US)
						  : entry(w, i, BASE | RW | NX |
								  AVAIL))));
	return NULL;
}

static const char *exact_values_hide_entries_and_bring_them_back(
	struct conf_world *w)
{
	uint32_t i;
	int err;

	fill(w, 0, BASE | RW);
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i),
					  hidden(w, i) | (i & 1 ? A : 0),
					  EXACT));
	err = ptebatch_flush(&batch, &flush_all);
	if (no(w, CONF_NO_EXACT)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !batch.last.slots);
		CHECK(table_holds(w, 0, BASE | RW));
		return NULL;
	}
	CHECK(!err);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, hidden(w, i) | (i & 1 ? A : 0)));
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i),
					  entry(w, i, P | US | RW), EXACT));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(table_holds(w, 0, P | US | RW));
	return NULL;
}

static const char *values_fill_whole_tables(struct conf_world *w)
{
	uint32_t i;

	fill(w, 1, BASE | RW);
	for (i = 0; i < SLOTS; i++) {
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i),
					  entry(w, i, BASE | RW), KEEP));
		CHECK(!ptebatch_add_set(&batch, maddr(w, 1, i),
					  entry(w, i, BASE), KEEP));
	}
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.counters.flushed == 2 * SLOTS);
	CHECK(table_holds(w, 0, BASE | RW));
	CHECK(table_holds(w, 1, BASE));
	return NULL;
}

/* ---- order ---- */

static const char *runs_over_one_slot_apply_in_order(struct conf_world *w)
{
	uint32_t i;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, RW, AVAIL));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 16), 16, AVAIL, RW));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 24), 16, 0, AVAIL));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 24), 1, RW | AVAIL, NX));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	for (i = 0; i < SLOTS; i++) {
		uint64_t flags = i < 16 || i >= 40 ? AVAIL
				 : i < 24          ? RW
				 : i < 32          ? RW | AVAIL
						   : AVAIL;

		if (i == 24)
			flags = NX;
		CHECK(holds(w, 0, i, entry(w, i, BASE | flags)));
	}
	return NULL;
}

static const char *order_per_slot_holds_across_kinds(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 5), 1, RW, AVAIL));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 5),
				  entry(w, 50, BASE | RW), KEEP));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 5), 1, 0, NX));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 6),
				  entry(w, 60, BASE), KEEP));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 6), 1, 0, AVAIL));
	CHECK(batch.counters.flushes[PTEBATCH_FLUSH_KIND] == 4);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(holds(w, 0, 5, entry(w, 50, BASE | RW | NX)));
	CHECK(holds(w, 0, 6, entry(w, 60, BASE | AVAIL)));
	return NULL;
}

static const char *a_value_twice_leaves_the_later_one(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 5),
				  entry(w, 50, BASE | RW), KEEP));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 5),
				  entry(w, 51, BASE), KEEP));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.slots == 2);
	CHECK(holds(w, 0, 5, entry(w, 51, BASE)));
	return NULL;
}

static const char *peek_tells_what_a_flush_gives(struct conf_world *w)
{
	uint64_t seen[4], e;
	uint32_t i;

	fill(w, 0, BASE | RW);
	w->write(w, 0, 2, ABSENT);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 3, RW, AVAIL));
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 1), 3, AVAIL, NX));
	if (!w->env->map) {
		CHECK(ptebatch_peek(&batch, maddr(w, 0, 0), &e) ==
		      -PTEBATCH_EOPNOTSUPP);
		return NULL;
	}
	for (i = 0; i < 4; i++)
		CHECK(!ptebatch_peek(&batch, maddr(w, 0, i), &seen[i]));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW))); /* unchanged */
	CHECK(!ptebatch_flush(&batch, NULL));
	for (i = 0; i < 4; i++)
		CHECK(holds(w, 0, i, seen[i]));
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 0), entry(w, 9, P | US),
				  KEEP));
	CHECK(!ptebatch_peek(&batch, maddr(w, 0, 0), &e));
	CHECK(same(w, e, entry(w, 9, BASE)));
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(holds(w, 0, 0, e));
	return NULL;
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

/* ---- apply_flags, TLB flushes, sections --------------------------------- */

static struct ptebatch_tlb page_of(struct conf_world *w, uint32_t slot)
{
	struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, 0x400000, 1, 0 };

	if (w->va)
		page.addr = w->va(w, 0, slot);
	return page;
}

static const char *apply_flags_changes_one_page(struct conf_world *w)
{
	struct ptebatch_run run = { maddr(w, 0, 3), 1, PTEBATCH_OP_FLAGS, RW,
				    0,              0 };
	struct ptebatch_tlb page = page_of(w, 3);
	struct ptebatch_progress p;
	uint64_t ad[] = { 0, A, D, A | D };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		fill(w, 0, P | US | RW | ad[i]);
		run.clear = RW;
		run.set = 0;
		CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, NULL,
					    &p));
		CHECK(p.records == 1 && !p.slots && !p.err && !p.stats.tlb_flushes);
		CHECK(holds(w, 0, 3, entry(w, 3, P | US | ad[i])));
		CHECK(holds(w, 0, 4, entry(w, 4, P | US | RW | ad[i])));
		run.clear = 0;
		run.set = RW;
		CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &page,
					    &p));
		CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == 1);
		CHECK(holds(w, 0, 3, entry(w, 3, P | US | RW | ad[i])));
		/*
		 * A run that changes nothing, and one over an absent PTE,
		 * flush.
		 */
		CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &page,
					    &p));
		CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == 1);
		CHECK(table_holds(w, 0, P | US | RW | ad[i]));
	}
	w->write(w, 0, 3, ABSENT);
	CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &page, &p));
	CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == 1);
	CHECK(holds(w, 0, 3, ABSENT));
	return NULL;
}

static const char *apply_flags_clears_a_or_d_of_one_page(struct conf_world *w)
{
	struct ptebatch_run run = { maddr(w, 0, 3), 1, PTEBATCH_OP_FLAGS, A,
				    0,              0 };
	struct ptebatch_tlb page = page_of(w, 3);
	struct ptebatch_progress p;
	uint64_t ad[] = { 0, A, D, A | D };
	unsigned int i, with_old;

	if (no(w, CONF_NO_CLEAR_AD | CONF_NO_OLD))
		return skipped;
	for (i = 0; i < 8; i++) {
		with_old = i / 4;
		run.old = with_old ? (uintptr_t)olds : 0;
		fill(w, 0, P | US | RW | ad[i % 4]);
		CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &page,
					    &p));
		CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == 1);
		CHECK(holds(w, 0, 3, entry(w, 3, P | US | RW | (ad[i % 4] & D))));
		CHECK(holds(w, 0, 4, entry(w, 4, P | US | RW | ad[i % 4])));
		if (with_old)
			CHECK(same(w, olds[0],
				   entry(w, 3, P | US | RW | ad[i % 4])));
	}
	return NULL;
}

static const char *apply_clear_takes_one_page(struct conf_world *w)
{
	struct ptebatch_tlb page = page_of(w, 3);
	struct ptebatch_progress p;
	uint64_t ad[] = { 0, A, D, A | D }, old, e;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		fill(w, 0, BASE | RW);
		e = i == 4 ? ABSENT : i == 5 ? 0
					     : entry(w, 3, P | US | RW | ad[i]);
		w->write(w, 0, 3, e);
		if (no(w, CONF_NO_OLD))
			return skipped;
		old = ~0ull;
		CHECK(!apply_clear(w->backend, w->env, maddr(w, 0, 3), &old,
				   i & 1 ? NULL : &page, &p));
		CHECK(p.records == 1 && !p.slots && !p.err);
		CHECK(p.stats.tlb_flushes == !(i & 1));
		CHECK(same(w, old, e));
		CHECK(holds(w, 0, 3, 0));
		w->write(w, 0, 3, e);
		CHECK(!apply_clear(w->backend, w->env, maddr(w, 0, 3), NULL,
				   i & 1 ? &page : NULL, &p));
		CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == (i & 1));
		CHECK(holds(w, 0, 3, 0));
		CHECK(holds(w, 0, 2, entry(w, 2, BASE | RW)));
		CHECK(holds(w, 0, 4, entry(w, 4, BASE | RW)));
	}
	return NULL;
}

static const char *apply_set_changes_one_page(struct conf_world *w)
{
	struct ptebatch_tlb page = page_of(w, 3), none = { 0, 0, 0, 0, 0 };
	struct ptebatch_value value;
	struct ptebatch_progress p;
	uint64_t ad[] = { 0, A, D, A | D };
	unsigned int i;
	int err;

	for (i = 0; i < 16; i++) {
		fill(w, 0, BASE | RW);
		w->write(w, 0, 3, entry(w, 3, P | US | RW | ad[i % 4]));
		value.slot = maddr(w, 0, 3) | KEEP;
		value.pte = entry(w, 9, P | US | ad[i / 4]);
		CHECK(!ptebatch_apply_set(w->backend, w->env, &value,
					    i & 1 ? &none : &page, &p));
		CHECK(p.records == 1 && !p.slots && !p.err);
		CHECK(p.stats.tlb_flushes == !(i & 1));
		CHECK(holds(w, 0, 3,
			    entry(w, 9, P | US | ad[i / 4] | ad[i % 4])));
		value.slot = maddr(w, 0, 3) | EXACT;
		value.pte = entry(w, 3, P | US | RW | ad[i / 4]);
		err = ptebatch_apply_set(w->backend, w->env, &value, &page,
					   &p);
		if (no(w, CONF_NO_EXACT)) {
			CHECK(err == -PTEBATCH_EOPNOTSUPP && !p.records);
			continue;
		}
		CHECK(!err && p.records == 1 && p.stats.tlb_flushes == 1);
		CHECK(holds(w, 0, 3, entry(w, 3, P | US | RW | ad[i / 4])));
		/* The same in a slot that is not present. */
		w->write(w, 0, 3, ABSENT | ad[i % 4]);
		value.slot = maddr(w, 0, 3) | KEEP;
		CHECK(!ptebatch_apply_set(w->backend, w->env, &value, &page,
					    &p));
		CHECK(holds(w, 0, 3,
			    entry(w, 3, P | US | RW | ad[i / 4] | ad[i % 4])));
		CHECK(holds(w, 0, 2, entry(w, 2, BASE | RW)));
		CHECK(holds(w, 0, 4, entry(w, 4, BASE | RW)));
	}
	return NULL;
}

/* The register form of a run of several slots, and its fallback. */
static const char *apply_flags_changes_many_slots(struct conf_world *w)
{
	struct ptebatch_run run = { maddr(w, 0, 3), 5, PTEBATCH_OP_FLAGS, RW,
				    0,              0 };
	struct ptebatch_progress p;
	uint32_t i;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &flush_all, &p));
	CHECK(p.records == 1 && !p.slots && !p.err && p.stats.tlb_flushes == 1);
	for (i = 0; i < 10; i++)
		CHECK(holds(w, 0, i,
			    entry(w, i, i < 3 || i >= 8 ? BASE | RW : BASE)));
	return NULL;
}

static const char *an_empty_range_flushes_nothing(struct conf_world *w)
{
	const struct ptebatch_tlb empty = { PTEBATCH_TLB_ALL, 0, 0x400000, 0,
					    0 };
	struct ptebatch_run run = { maddr(w, 0, 3), 1, PTEBATCH_OP_FLAGS, RW,
				    0,              0 };
	struct ptebatch_value value = { maddr(w, 0, 4) | KEEP,
					entry(w, 4, BASE) };
	struct ptebatch_progress p;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 2, RW, 0));
	CHECK(!ptebatch_flush(&batch, &empty));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
	CHECK(!ptebatch_flush(&batch, &empty));
	ptebatch_begin(&batch);
	CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 1),
				  entry(w, 1, BASE | RW), KEEP));
	CHECK(!ptebatch_end(&batch, &empty));
	CHECK(holds(w, 0, 1, entry(w, 1, BASE | RW)));
	CHECK(!batch.counters.tlb_flushes);
	CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &empty, &p));
	CHECK(p.records == 1 && !p.stats.tlb_flushes);
	CHECK(holds(w, 0, 3, entry(w, 3, BASE)));
	CHECK(!ptebatch_apply_set(w->backend, w->env, &value, &empty, &p));
	CHECK(p.records == 1 && !p.stats.tlb_flushes);
	CHECK(holds(w, 0, 4, entry(w, 4, BASE)));
	CHECK(!apply_clear(w->backend, w->env, maddr(w, 0, 4), NULL, &empty,
			   &p));
	CHECK(p.records == 1 && !p.stats.tlb_flushes);
	CHECK(holds(w, 0, 4, 0));
	return NULL;
}

static const char *a_tlb_flush_can_go_alone(struct conf_world *w)
{
	(void)w;
	uint64_t mask[16] = { 1 };
	const struct ptebatch_tlb requests[] = {
		{ PTEBATCH_TLB_LOCAL, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x400000, 1, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x400000, 7, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0x400000, 10000, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0x400000, 1, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0x400000, 7, 0 },
		{ PTEBATCH_TLB_VCPUS, 1, 0, 0, (uintptr_t)mask },
		{ PTEBATCH_TLB_VCPUS, 1000, 0, 0, (uintptr_t)mask },
		{ PTEBATCH_TLB_VCPUS, 64, 0x400000, 1, (uintptr_t)mask },
		{ PTEBATCH_TLB_VCPUS, 64, 0x400000, 7, (uintptr_t)mask },
	};
	unsigned int i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		CHECK(!ptebatch_flush(&batch, &requests[i]));
		CHECK(batch.counters.tlb_flushes == i + 1);
	}
	return NULL;
}

static const char *every_tlb_request_rides_with_updates(struct conf_world *w)
{
	uint64_t mask[16] = { 1 };
	const struct ptebatch_tlb requests[] = {
		{ PTEBATCH_TLB_LOCAL, 0, 0x400000, 7, 0 },
		{ PTEBATCH_TLB_ALL, 0, 0x400000, 1, 0 },
		{ PTEBATCH_TLB_VCPUS, 64, 0, 0, (uintptr_t)mask },
		{ PTEBATCH_TLB_VCPUS, 1000, 0x400000, 2, (uintptr_t)mask },
	};
	unsigned int i;

	fill(w, 0, BASE | RW);
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, i), 1, RW, 0));
		CHECK(!ptebatch_flush(&batch, &requests[i]));
		CHECK(batch.counters.tlb_flushes == 2 * i + 1);
		CHECK(holds(w, 0, i, entry(w, i, BASE)));
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i),
					  entry(w, i, BASE | RW), KEEP));
		CHECK(!ptebatch_flush(&batch, &requests[i]));
		CHECK(batch.counters.tlb_flushes == 2 * i + 2);
		CHECK(holds(w, 0, i, entry(w, i, BASE | RW)));
	}
	return NULL;
}

static const char *unchanged_entries_still_flush_the_tlb(struct conf_world *w)
{
	fill(w, 0, BASE);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, RW, 0));
	CHECK(!ptebatch_flush(&batch, &flush_local));
	CHECK(batch.last.slots == SLOTS);
	CHECK(batch.counters.tlb_flushes == 1);
	CHECK(table_holds(w, 0, BASE));
	return NULL;
}

static const char *sections_nest_and_flush_once(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	ptebatch_begin(&batch);
	ptebatch_begin(&batch);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), 8, RW, 0));
	CHECK(!ptebatch_end(&batch, &flush_local));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
	CHECK(!ptebatch_end(&batch, NULL));
	CHECK(batch.counters.tlb_flushes == 1);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
	return NULL;
}

/* ---- failure ---- */

static const char *a_bad_value_stops_exactly_there(struct conf_world *w)
{
	uint32_t i;

	if (no(w, CONF_NO_CHECKS) || !w->not_a_table)
		return skipped;
	fill(w, 0, BASE | RW);
	for (i = 0; i < 10; i++) {
		/* A page of page tables must not become writable. */
		uint64_t val = entry(w, i, BASE);

		if (i == 6)
			val = (maddr(w, 1, 0) & PTEBATCH_PTE_FRAME) | BASE | RW;
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, i), val, KEEP));
	}
	CHECK(ptebatch_flush(&batch, &flush_all) < 0);
	CHECK(batch.last.records == 6 && batch.last.slots == 6);
	CHECK(batch.last.slot == maddr(w, 0, 6));
	CHECK(batch.last.err < 0);
	CHECK(batch.counters.tlb_flushes == 1);
	CHECK(ptebatch_pending(&batch) == 4);
	for (i = 0; i < 10; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i < 6 ? 0 : RW))));

	/* A second flush stops at once, without a needless TLB flush. */
	CHECK(ptebatch_flush(&batch, &flush_all) < 0);
	CHECK(batch.last.slots == 0 && ptebatch_pending(&batch) == 4);
	CHECK(batch.counters.tlb_flushes == 1);

	CHECK(ptebatch_skip(&batch) == 1);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.slots == 3 && ptebatch_pending(&batch) == 0);
	CHECK(batch.counters.tlb_flushes == 2);
	for (i = 0; i < 10; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i == 6 ? RW : 0))));
	return NULL;
}

static const char *a_bad_slot_stops_a_run_in_its_middle(struct conf_world *w)
{
	uint64_t table = maddr(w, 1, 0) & PTEBATCH_PTE_FRAME;
	uint32_t i;

	if (no(w, CONF_NO_CHECKS) || !w->not_a_table)
		return skipped;
	fill(w, 0, BASE);
	/*
	 * A page table may be mapped read-only; the run would make it writable.
	 */
	w->write(w, 0, 200, table | BASE);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, 0, RW));
	CHECK(ptebatch_flush(&batch, &flush_all) < 0);
	CHECK(batch.last.slots == 200 && batch.last.records == 0);
	CHECK(batch.last.slot == maddr(w, 0, 200));
	CHECK(batch.counters.tlb_flushes == 1);
	CHECK(ptebatch_pending(&batch) == SLOTS - 200);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i,
			    i == 200 ? table | BASE
				     : entry(w, i, BASE | (i < 200 ? RW : 0))));
	CHECK(ptebatch_skip(&batch) == 1);
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.last.slots == SLOTS - 201);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i,
			    i == 200 ? table | BASE : entry(w, i, BASE | RW)));
	return NULL;
}

/* Every backend gives the same error for a slot that is not in an L1 table. */
static const char *what_is_not_a_table_is_not_touched(struct conf_world *w)
{
	struct ptebatch_run run = { w->not_a_table, 1, PTEBATCH_OP_CLEAR, 0,
				    0,              0 };
	struct ptebatch_value value = { w->not_a_table, 0 };
	struct ptebatch_progress p;
	unsigned int i;

	if (!w->not_a_table)
		return skipped;
	fill(w, 0, BASE | RW);
	for (i = 0; i < 4; i++) {
		run.old = i & 1 ? (uintptr_t)olds : 0;
		run.op = i & 2 ? PTEBATCH_OP_FLAGS : PTEBATCH_OP_CLEAR;
		run.set = i & 2 ? RW : 0;
		CHECK((i & 2 ? ptebatch_apply_flags : ptebatch_apply_clear)(
			      w->backend, w->env, &run, &flush_all, &p) ==
		      -PTEBATCH_EINVAL);
		CHECK(!p.records && !p.slots && !p.stats.tlb_flushes);
	}
	for (i = 0; i < 2; i++) {
		value.slot = w->not_a_table | (i ? KEEP : EXACT);
		CHECK(ptebatch_apply_set(w->backend, w->env, &value,
					   &flush_all, &p) ==
		      -PTEBATCH_EINVAL);
		CHECK(!p.records && !p.slots && !p.stats.tlb_flushes);
	}

	for (i = 0; i < 2; i++) {
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 0),
					  entry(w, 0, BASE), KEEP));
		CHECK(!ptebatch_add_set(&batch, w->not_a_table, 0,
					  i ? KEEP : EXACT));
		CHECK(!ptebatch_add_set(&batch, maddr(w, 0, 1),
					  entry(w, 1, BASE), KEEP));
		CHECK(ptebatch_flush(&batch, NULL) == -PTEBATCH_EINVAL);
		CHECK(batch.last.slots == 1 && batch.last.slot == w->not_a_table);
		CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
		CHECK(holds(w, 0, 1, entry(w, 1, BASE | RW)));
		CHECK(ptebatch_discard(&batch) == 2);
	}

	for (i = 0; i < 2; i++) {
		CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 2), 2, RW, 0));
		if (i)
			CHECK(!ptebatch_add_clear(&batch, w->not_a_table, 1,
						  NULL));
		else
			CHECK(!ptebatch_add_flags(&batch, w->not_a_table, 1, RW,
						0));
		CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 4), 2, RW, 0));
		CHECK(ptebatch_flush(&batch, &flush_all) == -PTEBATCH_EINVAL);
		CHECK(batch.last.slots == 2 && batch.last.slot == w->not_a_table);
		CHECK(holds(w, 0, 3, entry(w, 3, BASE)));
		CHECK(holds(w, 0, 4, entry(w, 4, BASE | RW)));
		CHECK(ptebatch_discard(&batch) == 3);
	}
	return NULL;
}

static const char *a_fault_of_old_values_is_counted(struct conf_world *w)
{
	uint32_t i, done;
	int err;

	if (!w->bad_address || no(w, CONF_NO_OLD))
		return skipped;
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_clear(&batch, maddr(w, 0, 0), 8, olds));
	CHECK(!ptebatch_add_clear(&batch, maddr(w, 0, 8), SLOTS - 8,
				  w->bad_address));
	err = ptebatch_flush(&batch, &flush_all);
	CHECK(err == -PTEBATCH_EFAULT);
	CHECK(batch.last.records == 1);
	CHECK(batch.last.slots >= 8 &&
	      batch.last.slots <= 8 + PTEBATCH_OLD_CHUNK);
	done = (uint32_t)batch.last.slots;
	CHECK(ptebatch_pending(&batch) == SLOTS - done);
	CHECK(batch.last.slot == maddr(w, 0, done));
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, i < done ? 0 : entry(w, i, BASE | RW)));
	CHECK(ptebatch_discard(&batch) == SLOTS - done);
	return NULL;
}

static const char *discarded_updates_leave_no_trace(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&batch, maddr(w, 0, 0), SLOTS, RW, 0));
	CHECK(ptebatch_discard(&batch) == SLOTS);
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(table_holds(w, 0, BASE | RW));
	return NULL;
}

/* ---- random, against a model ---- */

static uint64_t seed;

static uint32_t random32(void)
{
	return (uint32_t)(xorshift64(&seed) >> 16);
}

static uint64_t model[2][SLOTS];

static uint64_t random_flags(void)
{
	return P | US | (random32() & (RW | A | D | AVAIL)) |
	       (random32() & 1 ? NX : 0);
}

static const char *random_step(struct conf_world *w)
{
	uint64_t masks = RW | AVAIL | NX, clear, set, pte, val, e;
	uint32_t t = random32() % 2, s = random32() % SLOTS, i;
	uint32_t count = 1 + random32() % 40;
	uint32_t mode;

	if (count > SLOTS - s)
		count = SLOTS - s;
	if (!no(w, CONF_NO_CLEAR_AD))
		masks |= A | D;
	pte = maddr(w, t, s);
	switch (random32() % 8) {
	case 0:
		if (no(w, CONF_NO_OLD | CONF_NO_EXACT))
			return NULL;
		CHECK(!ptebatch_add_clear(&batch, pte, count, NULL));
		for (i = 0; i < count; i++)
			model[t][s + i] = 0;
		return NULL;
	case 1:
	case 2:
		mode = random32() & 1 && !no(w, CONF_NO_EXACT) ? EXACT : KEEP;
		val = random32() % 8 ? entry(w, random32(), random_flags())
				     : 0;
		if (!val)
			mode = no(w, CONF_NO_EXACT) ? KEEP : EXACT;
		e = model[t][s];
		CHECK(!ptebatch_add_set(&batch, pte, val, mode));
		model[t][s] = mode == KEEP ? val | (e & (A | D)) : val;
		return NULL;
	case 3:
		if (random32() % 4)
			return NULL;
		CHECK(!ptebatch_flush(&batch,
				      random32() & 1 ? &flush_local : NULL));
		return NULL;
	default:
		clear = random32() & masks;
		set = random32() & masks;
		if (random32() & 1)
			clear |= NX;
		CHECK(!ptebatch_add_flags(&batch, pte, count, clear, set));
		for (i = 0; i < count; i++) {
			e = model[t][s + i];
			if (e & P)
				model[t][s + i] = (e & ~clear) | set;
		}
		return NULL;
	}
}

static const char *random_batches_match_the_model(struct conf_world *w)
{
	const char *why;
	uint32_t t, i, step;
	uint64_t e;

	CHECK(!init(w, 16 * sizeof(struct ptebatch_run)));
	seed = 0x9e3779b97f4a7c15ull;
	for (t = 0; t < 2; t++)
		for (i = 0; i < SLOTS; i++) {
			e = random32() % 4 ? entry(w, i, random_flags()) : 0;
			w->write(w, t, i, e);
			model[t][i] = e;
		}
	for (step = 0; step < 2000; step++) {
		why = random_step(w);
		if (why)
			return why;
		if (step % 16 || !w->env->map)
			continue;
		t = random32() % 2;
		i = random32() % SLOTS;
		CHECK(!ptebatch_peek(&batch, maddr(w, t, i), &e));
		CHECK(same(w, e, model[t][i]));
	}
	CHECK(!ptebatch_flush(&batch, &flush_all));
	CHECK(batch.counters.queued == batch.counters.flushed);
	for (t = 0; t < 2; t++)
		for (i = 0; i < SLOTS; i++)
			CHECK(holds(w, t, i, model[t][i]));
	return NULL;
}

#define TEST(name) { #name, #name " # SKIP not possible here", name }

static const struct {
	const char *name, *skip; /* skip: the name with a TAP directive */
	const char *(*run)(struct conf_world *w);
} tests[] = {
	TEST(flags_change_each_present_entry),
	TEST(flags_leave_slots_beside_a_run_alone),
	TEST(flags_set_wins_over_clear),
	TEST(flags_change_nx_and_available_bits),
	TEST(flags_pass_absent_entries_over),
	TEST(flags_can_set_a_and_d),
	TEST(flags_keep_a_and_d_as_they_are),
	TEST(flags_keep_what_hardware_set),
	TEST(sparse_runs_change_their_slots_only),
	TEST(many_tables_go_in_one_flush),
	TEST(a_full_storage_flushes_by_itself),
	TEST(ageing_clears_a_and_hands_it_back),
	TEST(a_and_d_can_be_cleared),
	TEST(hardware_sets_a_again_after_ageing),
	TEST(flags_hand_back_what_entries_were),
	TEST(clear_takes_entries_and_hands_them_back),
	TEST(clear_needs_no_old_values),
	TEST(keep_values_keep_a_and_d),
	TEST(exact_values_set_a_and_d_as_they_say),
	TEST(values_change_frames_and_presence),
	TEST(keep_values_hide_entries_and_bring_them_back),
	TEST(exact_values_hide_entries_and_bring_them_back),
	TEST(values_fill_whole_tables),
	TEST(runs_over_one_slot_apply_in_order),
	TEST(order_per_slot_holds_across_kinds),
	TEST(a_value_twice_leaves_the_later_one),
	TEST(peek_tells_what_a_flush_gives),
	TEST(apply_flags_changes_one_page),
	TEST(apply_flags_clears_a_or_d_of_one_page),
	TEST(apply_clear_takes_one_page),
	TEST(apply_set_changes_one_page),
	TEST(apply_flags_changes_many_slots),
	TEST(an_empty_range_flushes_nothing),
	TEST(a_tlb_flush_can_go_alone),
	TEST(every_tlb_request_rides_with_updates),
	TEST(unchanged_entries_still_flush_the_tlb),
	TEST(sections_nest_and_flush_once),
	TEST(a_bad_value_stops_exactly_there),
	TEST(a_bad_slot_stops_a_run_in_its_middle),
	TEST(what_is_not_a_table_is_not_touched),
	TEST(a_fault_of_old_values_is_counted),
	TEST(discarded_updates_leave_no_trace),
	TEST(random_batches_match_the_model),
};

unsigned int conformance_run(struct conf_world *w, unsigned int *count)
{
	unsigned int i, failed = 0, all = sizeof(tests) / sizeof(tests[0]);
	const char *why;

	for (i = 0; i < all; i++) {
		w->reset(w);
		check_made = 0;
		why = init(w, sizeof(storage)) ? "init failed"
					       : tests[i].run(w);
		if (why == skipped) {
			w->report(w, tests[i].skip, NULL);
			continue;
		}
		if (!why && !check_made)
			why = "the test made no check";
		w->report(w, tests[i].name, why);
		failed += why != NULL;
	}
	w->reset(w);
	if (count)
		*count = all;
	return failed;
}
