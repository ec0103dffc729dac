/* SPDX-License-Identifier: MIT */
/* Runs change flags of present entries, clear A and D, and give old values. */
#include "suite.h"

/* ---- flags ---- */

static const char *flags_change_each_present_entry(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, RW, 0));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.slots == SLOTS && conf_batch.last.records == 1);
	CHECK(table_holds(w, 0, BASE));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, 0, RW));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(table_holds(w, 0, BASE | RW));
	return NULL;
}

static const char *flags_leave_slots_beside_a_run_alone(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 10), 3, RW, 0));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(holds(w, 0, 9, entry(w, 9, BASE | RW)));
	CHECK(holds(w, 0, 10, entry(w, 10, BASE)));
	CHECK(holds(w, 0, 12, entry(w, 12, BASE)));
	CHECK(holds(w, 0, 13, entry(w, 13, BASE | RW)));
	return NULL;
}

static const char *flags_set_wins_over_clear(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, BASE | RW));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 1, RW | AVAIL,
				  AVAIL));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | AVAIL)));
	return NULL;
}

static const char *flags_change_nx_and_available_bits(struct conf_world *w)
{
	fill(w, 0, BASE | NX);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, NX,
				  AVAIL));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(table_holds(w, 0, BASE | AVAIL));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, AVAIL,
				  NX));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(table_holds(w, 0, BASE | NX));
	return NULL;
}

static const char *flags_pass_absent_entries_over(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, BASE | RW));
	w->write(w, 0, 1, ABSENT);
	w->write(w, 0, 3, entry(w, 3, BASE | RW));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 4, RW, AVAIL));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(conf_batch.last.slots == 4);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | AVAIL)));
	CHECK(holds(w, 0, 1, ABSENT));
	CHECK(holds(w, 0, 2, 0));
	CHECK(holds(w, 0, 3, entry(w, 3, BASE | AVAIL)));
	return NULL;
}

static const char *flags_can_set_a_and_d(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, P | US));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 1, 0, A | D));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | A | D)));
	return NULL;
}

static const char *flags_keep_a_and_d_as_they_are(struct conf_world *w)
{
	w->write(w, 0, 0, entry(w, 0, P | US | RW));
	w->write(w, 0, 1, entry(w, 1, P | US | RW | A));
	w->write(w, 0, 2, entry(w, 2, P | US | RW | A | D));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 3, RW, 0));
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US)));
	CHECK(holds(w, 0, 1, entry(w, 1, P | US | A)));
	CHECK(holds(w, 0, 2, entry(w, 2, P | US | A | D)));
	return NULL;
}

static const char *flags_keep_what_hardware_set(struct conf_world *w)
{
	if (!w->touch)
		return conf_skipped;
	w->write(w, 0, 0, entry(w, 0, P | US | RW));
	w->write(w, 0, 1, entry(w, 1, P | US | RW));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 2, RW, 0));
	/* Bits that hardware sets while the change is queued must survive. */
	w->touch(w, 0, 0, 0);
	w->touch(w, 0, 1, 1);
	CHECK(w->read(w, 0, 0) & A);
	CHECK(w->read(w, 0, 1) & D);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(holds(w, 0, 0, entry(w, 0, P | US | A)));
	CHECK(holds(w, 0, 1, entry(w, 1, P | US | A | D)));
	return NULL;
}

static const char *sparse_runs_change_their_slots_only(struct conf_world *w)
{
	uint32_t i;

	fill(w, 0, BASE | RW);
	for (i = 0; i < SLOTS; i += 2)
		CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, i), 1, RW,
					  0));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
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
			CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, t, i),
						  1, NX, AVAIL));
	CHECK(ptebatch_pending(&conf_batch) == (uint64_t)tables * SLOTS);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.records == tables);
	CHECK(conf_batch.last.slots == (uint64_t)tables * SLOTS);
	CHECK(conf_batch.counters.tlb_flushes == 1);
	CHECK(conf_batch.counters.flushes[PTEBATCH_FLUSH_FULL] == 0);
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
		CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 2 * i), 1,
					  RW, 0));
	CHECK(conf_batch.counters.flushes[PTEBATCH_FLUSH_FULL] == 4);
	CHECK(ptebatch_pending(&conf_batch) == 4);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.counters.flushed == 20);
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
	CHECK(!ptebatch_add_flags_old(&conf_batch, slot_of(w, 0, 0), SLOTS, A,
				      0, conf_olds));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_OLD | CONF_NO_CLEAR_AD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
		CHECK(holds(w, 0, 1, entry(w, 1, P | US | RW | D | A)));
		return NULL;
	}
	CHECK(!err && conf_batch.last.slots == SLOTS);
	for (i = 0; i < SLOTS; i++) {
		uint64_t e = entry(w, i, P | US | RW | D);

		if (i % 5 == 4)
			e = 0;
		CHECK(holds(w, 0, i, e));
		CHECK(same(w, conf_olds[i], e ? e | (i % 3 ? A : 0) : 0));
	}
	return NULL;
}

static const char *a_and_d_can_be_cleared(struct conf_world *w)
{
	int err;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS,
				  A | D | RW, AVAIL));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_CLEAR_AD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
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
		return conf_skipped;
	w->write(w, 0, 0, entry(w, 0, P | US | RW | A));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 1, A, 0));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
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
	CHECK(!ptebatch_add_flags_old(&conf_batch, slot_of(w, 0, 0), 3, RW,
				      AVAIL, conf_olds));
	err = ptebatch_flush(&conf_batch, NULL);
	if (no(w, CONF_NO_OLD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
		return NULL;
	}
	CHECK(!err);
	CHECK(same(w, conf_olds[0], entry(w, 0, P | US | RW | A)));
	CHECK(conf_olds[1] == ABSENT);
	CHECK(same(w, conf_olds[2], entry(w, 2, P | US | A | D)));
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
		conf_olds[i] = ~0ull;
	CHECK(!ptebatch_add_clear(&conf_batch, slot_of(w, 0, 0), SLOTS,
				  conf_olds));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_OLD)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
		CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
		return NULL;
	}
	CHECK(!err && conf_batch.last.slots == SLOTS);
	for (i = 0; i < SLOTS; i++) {
		CHECK(holds(w, 0, i, 0));
		CHECK(same(w, conf_olds[i],
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
	CHECK(!ptebatch_add_clear(&conf_batch, slot_of(w, 0, 1), SLOTS - 2,
				  NULL));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_OLD) && err) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
		return NULL;
	}
	CHECK(!err);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
	for (i = 1; i < SLOTS - 1; i++)
		CHECK(holds(w, 0, i, 0));
	CHECK(holds(w, 0, SLOTS - 1, entry(w, SLOTS - 1, BASE | RW)));
	return NULL;
}

const struct conf_test conf_flags[] = {
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
	{ NULL, NULL, NULL },
};
