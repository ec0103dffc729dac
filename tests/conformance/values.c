/* SPDX-License-Identifier: MIT */
/* Full values are written, and updates of one slot apply in order. */
#include "suite.h"

/* ---- values ---- */

static const char *keep_values_keep_a_and_d(struct conf_world *w)
{
	uint32_t i;

	for (i = 0; i < 4; i++)
		w->write(w, 0, i,
			 entry(w, i, P | US | RW | (i & 1 ? A : 0) |
					     (i & 2 ? D : 0)));
	for (i = 0; i < 4; i++)
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					entry(w, i, P | US), KEEP));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.records == 4 && conf_batch.last.slots == 4);
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
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 0),
				entry(w, 0, P | US | RW), EXACT));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 1),
				entry(w, 1, BASE | RW), EXACT));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_EXACT)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
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
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 0), 0, EXACT));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 1),
				entry(w, 100, BASE | RW), KEEP));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 2),
				entry(w, 101, BASE), KEEP));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 3),
				entry(w, 102, BASE | RW), KEEP));
	if (no(w, CONF_NO_EXACT))
		CHECK(ptebatch_skip(&conf_batch) == 1);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
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
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					hidden(w, i), KEEP));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.counters.flushed == SLOTS);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, hidden(w, i) | ad[i % 4]));
	/*
	 * Writable, read-only, writable with more flags, or still not present.
	 */
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(
			&conf_batch, slot_of(w, 0, i),
			i % 8 == 7   ? hidden(w, i + 1)
			: i % 3 == 0 ? entry(w, i, P | US | RW)
			: i % 3 == 1 ? entry(w, i, P | US)
				     : entry(w, i, BASE | RW | NX | AVAIL),
			KEEP));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
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
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					hidden(w, i) | (i & 1 ? A : 0), EXACT));
	err = ptebatch_flush(&conf_batch, &flush_all);
	if (no(w, CONF_NO_EXACT)) {
		CHECK(err == -PTEBATCH_EOPNOTSUPP && !conf_batch.last.slots);
		CHECK(table_holds(w, 0, BASE | RW));
		return NULL;
	}
	CHECK(!err);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, hidden(w, i) | (i & 1 ? A : 0)));
	for (i = 0; i < SLOTS; i++)
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					entry(w, i, P | US | RW), EXACT));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(table_holds(w, 0, P | US | RW));
	return NULL;
}

static const char *values_fill_whole_tables(struct conf_world *w)
{
	uint32_t i;

	fill(w, 1, BASE | RW);
	for (i = 0; i < SLOTS; i++) {
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					entry(w, i, BASE | RW), KEEP));
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 1, i),
					entry(w, i, BASE), KEEP));
	}
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.counters.flushed == 2 * SLOTS);
	CHECK(table_holds(w, 0, BASE | RW));
	CHECK(table_holds(w, 1, BASE));
	return NULL;
}

/* ---- order ---- */

static const char *runs_over_one_slot_apply_in_order(struct conf_world *w)
{
	uint32_t i;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, RW,
				  AVAIL));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 16), 16, AVAIL,
				  RW));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 24), 16, 0,
				  AVAIL));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 24), 1, RW | AVAIL,
				  NX));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
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
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 5), 1, RW, AVAIL));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 5),
				entry(w, 50, BASE | RW), KEEP));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 5), 1, 0, NX));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 6),
				entry(w, 60, BASE), KEEP));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 6), 1, 0, AVAIL));
	CHECK(conf_batch.counters.flushes[PTEBATCH_FLUSH_KIND] == 4);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(holds(w, 0, 5, entry(w, 50, BASE | RW | NX)));
	CHECK(holds(w, 0, 6, entry(w, 60, BASE | AVAIL)));
	return NULL;
}

static const char *a_value_twice_leaves_the_later_one(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 5),
				entry(w, 50, BASE | RW), KEEP));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 5),
				entry(w, 51, BASE), KEEP));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.slots == 2);
	CHECK(holds(w, 0, 5, entry(w, 51, BASE)));
	return NULL;
}

static const char *peek_tells_what_a_flush_gives(struct conf_world *w)
{
	uint64_t seen[4], e;
	uint32_t i;

	fill(w, 0, BASE | RW);
	w->write(w, 0, 2, ABSENT);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 3, RW, AVAIL));
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 1), 3, AVAIL, NX));
	if (!w->env->map) {
		CHECK(ptebatch_peek(&conf_batch, slot_of(w, 0, 0), &e) ==
		      -PTEBATCH_EOPNOTSUPP);
		return NULL;
	}
	for (i = 0; i < 4; i++)
		CHECK(!ptebatch_peek(&conf_batch, slot_of(w, 0, i), &seen[i]));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW))); /* unchanged */
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	for (i = 0; i < 4; i++)
		CHECK(holds(w, 0, i, seen[i]));
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 0),
				entry(w, 9, P | US), KEEP));
	CHECK(!ptebatch_peek(&conf_batch, slot_of(w, 0, 0), &e));
	CHECK(same(w, e, entry(w, 9, BASE)));
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(holds(w, 0, 0, e));
	return NULL;
}

const struct conf_test conf_values[] = {
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
	{ NULL, NULL, NULL },
};
