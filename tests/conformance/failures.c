/* SPDX-License-Identifier: MIT */
/* A call that fails stops exactly at the slot that is refused. */
#include "suite.h"

static const char *a_bad_value_stops_exactly_there(struct conf_world *w)
{
	uint32_t i;

	if (no(w, CONF_NO_CHECKS) || !w->not_a_table)
		return conf_skipped;
	fill(w, 0, BASE | RW);
	for (i = 0; i < 10; i++) {
		/* A page of page tables must not become writable. */
		uint64_t val = entry(w, i, BASE);

		if (i == 6)
			val = (slot_of(w, 1, 0) & PTEBATCH_PTE_FRAME) | BASE |
			      RW;
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i), val,
					KEEP));
	}
	CHECK(ptebatch_flush(&conf_batch, &flush_all) < 0);
	CHECK(conf_batch.last.records == 6 && conf_batch.last.slots == 6);
	CHECK(conf_batch.last.slot == slot_of(w, 0, 6));
	CHECK(conf_batch.last.err < 0);
	CHECK(conf_batch.counters.tlb_flushes == 1);
	CHECK(ptebatch_pending(&conf_batch) == 4);
	for (i = 0; i < 10; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i < 6 ? 0 : RW))));

	/* A second flush stops at once, without a needless TLB flush. */
	CHECK(ptebatch_flush(&conf_batch, &flush_all) < 0);
	CHECK(conf_batch.last.slots == 0 && ptebatch_pending(&conf_batch) == 4);
	CHECK(conf_batch.counters.tlb_flushes == 1);

	CHECK(ptebatch_skip(&conf_batch) == 1);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.slots == 3 && ptebatch_pending(&conf_batch) == 0);
	CHECK(conf_batch.counters.tlb_flushes == 2);
	for (i = 0; i < 10; i++)
		CHECK(holds(w, 0, i, entry(w, i, BASE | (i == 6 ? RW : 0))));
	return NULL;
}

static const char *a_bad_slot_stops_a_run_in_its_middle(struct conf_world *w)
{
	uint64_t table = slot_of(w, 1, 0) & PTEBATCH_PTE_FRAME;
	uint32_t i;

	if (no(w, CONF_NO_CHECKS) || !w->not_a_table)
		return conf_skipped;
	fill(w, 0, BASE);
	/*
	 * A page table may be mapped read-only; the run would make it writable.
	 */
	w->write(w, 0, 200, table | BASE);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, 0, RW));
	CHECK(ptebatch_flush(&conf_batch, &flush_all) < 0);
	CHECK(conf_batch.last.slots == 200 && conf_batch.last.records == 0);
	CHECK(conf_batch.last.slot == slot_of(w, 0, 200));
	CHECK(conf_batch.counters.tlb_flushes == 1);
	CHECK(ptebatch_pending(&conf_batch) == SLOTS - 200);
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i,
			    i == 200 ? table | BASE
				     : entry(w, i, BASE | (i < 200 ? RW : 0))));
	CHECK(ptebatch_skip(&conf_batch) == 1);
	CHECK(!ptebatch_flush(&conf_batch, &flush_all));
	CHECK(conf_batch.last.slots == SLOTS - 201);
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
		return conf_skipped;
	fill(w, 0, BASE | RW);
	for (i = 0; i < 4; i++) {
		run.old = i & 1 ? (uintptr_t)conf_olds : 0;
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
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 0),
					entry(w, 0, BASE), KEEP));
		CHECK(!ptebatch_add_set(&conf_batch, w->not_a_table, 0,
					  i ? KEEP : EXACT));
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 1),
					entry(w, 1, BASE), KEEP));
		CHECK(ptebatch_flush(&conf_batch, NULL) == -PTEBATCH_EINVAL);
		CHECK(conf_batch.last.slots == 1 &&
		      conf_batch.last.slot == w->not_a_table);
		CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
		CHECK(holds(w, 0, 1, entry(w, 1, BASE | RW)));
		CHECK(ptebatch_discard(&conf_batch) == 2);
	}

	for (i = 0; i < 2; i++) {
		CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 2), 2, RW,
					  0));
		if (i)
			CHECK(!ptebatch_add_clear(&conf_batch, w->not_a_table,
						  1, NULL));
		else
			CHECK(!ptebatch_add_flags(&conf_batch, w->not_a_table,
						  1, RW, 0));
		CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 4), 2, RW,
					  0));
		CHECK(ptebatch_flush(&conf_batch, &flush_all) ==
		      -PTEBATCH_EINVAL);
		CHECK(conf_batch.last.slots == 2 &&
		      conf_batch.last.slot == w->not_a_table);
		CHECK(holds(w, 0, 3, entry(w, 3, BASE)));
		CHECK(holds(w, 0, 4, entry(w, 4, BASE | RW)));
		CHECK(ptebatch_discard(&conf_batch) == 3);
	}
	return NULL;
}

static const char *a_fault_of_old_values_is_counted(struct conf_world *w)
{
	uint32_t i, done;
	int err;

	if (!w->bad_address || no(w, CONF_NO_OLD))
		return conf_skipped;
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_clear(&conf_batch, slot_of(w, 0, 0), 8, conf_olds));
	CHECK(!ptebatch_add_clear(&conf_batch, slot_of(w, 0, 8), SLOTS - 8,
				  w->bad_address));
	err = ptebatch_flush(&conf_batch, &flush_all);
	CHECK(err == -PTEBATCH_EFAULT);
	CHECK(conf_batch.last.records == 1);
	CHECK(conf_batch.last.slots >= 8 &&
	      conf_batch.last.slots <= 8 + PTEBATCH_OLD_CHUNK);
	done = (uint32_t)conf_batch.last.slots;
	CHECK(ptebatch_pending(&conf_batch) == SLOTS - done);
	CHECK(conf_batch.last.slot == slot_of(w, 0, done));
	for (i = 0; i < SLOTS; i++)
		CHECK(holds(w, 0, i, i < done ? 0 : entry(w, i, BASE | RW)));
	CHECK(ptebatch_discard(&conf_batch) == SLOTS - done);
	return NULL;
}

static const char *discarded_updates_leave_no_trace(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, RW, 0));
	CHECK(ptebatch_discard(&conf_batch) == SLOTS);
	CHECK(!ptebatch_flush(&conf_batch, NULL));
	CHECK(table_holds(w, 0, BASE | RW));
	return NULL;
}

const struct conf_test conf_failures[] = {
	TEST(a_bad_value_stops_exactly_there),
	TEST(a_bad_slot_stops_a_run_in_its_middle),
	TEST(what_is_not_a_table_is_not_touched),
	TEST(a_fault_of_old_values_is_counted),
	TEST(discarded_updates_leave_no_trace),
	{ NULL, NULL, NULL },
};
