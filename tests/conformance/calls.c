/* SPDX-License-Identifier: MIT */
/* Updates without a batch, TLB flushes, and sections. */
#include "../common/single.h"
#include "suite.h"

static const struct ptebatch_tlb flush_local = { PTEBATCH_TLB_LOCAL, 0, 0, 0,
						 0 };

static struct ptebatch_tlb page_of(struct conf_world *w, uint32_t i)
{
	struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, 0x400000, 1, 0 };

	if (w->va)
		page.addr = w->va(w, 0, i);
	return page;
}

static const char *apply_flags_changes_one_page(struct conf_world *w)
{
	struct ptebatch_run run = {
		slot_of(w, 0, 3), 1, PTEBATCH_OP_FLAGS, RW, 0, 0
	};
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
	struct ptebatch_run run = {
		slot_of(w, 0, 3), 1, PTEBATCH_OP_FLAGS, A, 0, 0
	};
	struct ptebatch_tlb page = page_of(w, 3);
	struct ptebatch_progress p;
	uint64_t ad[] = { 0, A, D, A | D };
	unsigned int i, with_old;

	if (no(w, CONF_NO_CLEAR_AD | CONF_NO_OLD))
		return conf_skipped;
	for (i = 0; i < 8; i++) {
		with_old = i / 4;
		run.old = with_old ? (uintptr_t)conf_olds : 0;
		fill(w, 0, P | US | RW | ad[i % 4]);
		CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &page,
					    &p));
		CHECK(p.records == 1 && !p.err && p.stats.tlb_flushes == 1);
		CHECK(holds(w, 0, 3, entry(w, 3, P | US | RW | (ad[i % 4] & D))));
		CHECK(holds(w, 0, 4, entry(w, 4, P | US | RW | ad[i % 4])));
		if (with_old)
			CHECK(same(w, conf_olds[0],
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
			return conf_skipped;
		old = ~0ull;
		CHECK(!apply_clear(w->backend, w->env, slot_of(w, 0, 3), &old,
				   i & 1 ? NULL : &page, &p));
		CHECK(p.records == 1 && !p.slots && !p.err);
		CHECK(p.stats.tlb_flushes == !(i & 1));
		CHECK(same(w, old, e));
		CHECK(holds(w, 0, 3, 0));
		w->write(w, 0, 3, e);
		CHECK(!apply_clear(w->backend, w->env, slot_of(w, 0, 3), NULL,
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
		value.slot = slot_of(w, 0, 3) | KEEP;
		value.pte = entry(w, 9, P | US | ad[i / 4]);
		CHECK(!ptebatch_apply_set(w->backend, w->env, &value,
					    i & 1 ? &none : &page, &p));
		CHECK(p.records == 1 && !p.slots && !p.err);
		CHECK(p.stats.tlb_flushes == !(i & 1));
		CHECK(holds(w, 0, 3,
			    entry(w, 9, P | US | ad[i / 4] | ad[i % 4])));
		value.slot = slot_of(w, 0, 3) | EXACT;
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
		value.slot = slot_of(w, 0, 3) | KEEP;
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
	struct ptebatch_run run = {
		slot_of(w, 0, 3), 5, PTEBATCH_OP_FLAGS, RW, 0, 0
	};
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
	struct ptebatch_run run = {
		slot_of(w, 0, 3), 1, PTEBATCH_OP_FLAGS, RW, 0, 0
	};
	struct ptebatch_value value = { slot_of(w, 0, 4) | KEEP,
					entry(w, 4, BASE) };
	struct ptebatch_progress p;

	fill(w, 0, BASE | RW);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 2, RW, 0));
	CHECK(!ptebatch_flush(&conf_batch, &empty));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
	CHECK(!ptebatch_flush(&conf_batch, &empty));
	ptebatch_begin(&conf_batch);
	CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, 1),
				entry(w, 1, BASE | RW), KEEP));
	CHECK(!ptebatch_end(&conf_batch, &empty));
	CHECK(holds(w, 0, 1, entry(w, 1, BASE | RW)));
	CHECK(!conf_batch.counters.tlb_flushes);
	CHECK(!ptebatch_apply_flags(w->backend, w->env, &run, &empty, &p));
	CHECK(p.records == 1 && !p.stats.tlb_flushes);
	CHECK(holds(w, 0, 3, entry(w, 3, BASE)));
	CHECK(!ptebatch_apply_set(w->backend, w->env, &value, &empty, &p));
	CHECK(p.records == 1 && !p.stats.tlb_flushes);
	CHECK(holds(w, 0, 4, entry(w, 4, BASE)));
	CHECK(!apply_clear(w->backend, w->env, slot_of(w, 0, 4), NULL, &empty,
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
		CHECK(!ptebatch_flush(&conf_batch, &requests[i]));
		CHECK(conf_batch.counters.tlb_flushes == i + 1);
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
		CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, i), 1, RW,
					  0));
		CHECK(!ptebatch_flush(&conf_batch, &requests[i]));
		CHECK(conf_batch.counters.tlb_flushes == 2 * i + 1);
		CHECK(holds(w, 0, i, entry(w, i, BASE)));
		CHECK(!ptebatch_add_set(&conf_batch, slot_of(w, 0, i),
					entry(w, i, BASE | RW), KEEP));
		CHECK(!ptebatch_flush(&conf_batch, &requests[i]));
		CHECK(conf_batch.counters.tlb_flushes == 2 * i + 2);
		CHECK(holds(w, 0, i, entry(w, i, BASE | RW)));
	}
	return NULL;
}

static const char *unchanged_entries_still_flush_the_tlb(struct conf_world *w)
{
	fill(w, 0, BASE);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), SLOTS, RW, 0));
	CHECK(!ptebatch_flush(&conf_batch, &flush_local));
	CHECK(conf_batch.last.slots == SLOTS);
	CHECK(conf_batch.counters.tlb_flushes == 1);
	CHECK(table_holds(w, 0, BASE));
	return NULL;
}

static const char *sections_nest_and_flush_once(struct conf_world *w)
{
	fill(w, 0, BASE | RW);
	ptebatch_begin(&conf_batch);
	ptebatch_begin(&conf_batch);
	CHECK(!ptebatch_add_flags(&conf_batch, slot_of(w, 0, 0), 8, RW, 0));
	CHECK(!ptebatch_end(&conf_batch, &flush_local));
	CHECK(holds(w, 0, 0, entry(w, 0, BASE | RW)));
	CHECK(!ptebatch_end(&conf_batch, NULL));
	CHECK(conf_batch.counters.tlb_flushes == 1);
	CHECK(holds(w, 0, 0, entry(w, 0, BASE)));
	return NULL;
}

const struct conf_test conf_calls[] = {
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
	{ NULL, NULL, NULL },
};
