/* SPDX-License-Identifier: MIT */
/* Several vCPUs change one table at the same time; no change is lost. */
#include "race.h"

/* Stores a number in an entry's available bits. */
static uint64_t with_count(uint64_t entry, uint32_t n)
{
	return (entry & ~PTEBATCH_PTE_AVAIL) | (uint64_t)(n & 7) << 9 |
	       (uint64_t)(n >> 3 & 0x3f) << 53;
}

static uint32_t count_in(uint64_t entry)
{
	return (uint32_t)(entry >> 9 & 7) | (uint32_t)(entry >> 53 & 0x3f) << 3;
}

/* The vCPUs share the slots out, and each checks its own after every call. */
static void disjoint(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	static uint64_t model[SLOTS];
	static struct ptebatch_run lists[SMP_MAX][SLOTS];
	struct ptebatch_run *r = lists[cpu];
	uint32_t i;

	for (i = cpu; i < SLOTS; i += race_cpus)
		model[i] = *entry_at(i);
	while (m->updates < race_wanted / race_cpus && !load(&race_over)) {
		uint32_t n = 0, k, skip = some(2), way = some(3);
		int64_t ret;

		for (i = cpu; i < SLOTS; i += race_cpus) {
			uint32_t count = some(512);
			uint64_t new;

			if (skip && some(2))
				continue;
			if (way == 0) {
				new = model[i] & RW ? 0 : RW;
				r[n] = run_at(slot_at(i), 1, FLAGS,
					      (RW | NX | PTEBATCH_PTE_AVAIL) &
						      ~new,
					      new | with_count(0, count), NULL);
				new = (model[i] & ~r[n].clear) | r[n].set;
			} else {
				new = with_count(model[i], count) ^ RW;
				m->values[n].slot = slot_at(i) |
						   (way == 1 ? KEEP : EXACT);
				m->values[n].pte = new;
			}
			model[i] = new;
			n++;
		}
		ret = way ? values((uint64_t)m->values, n, 0, SELF, 0)
			  : runs((uint64_t)r, n, LIST, SELF, 0);
		HOLDS(ret == n);
		m->updates += n;
		for (i = cpu, k = 0; i < SLOTS; i += race_cpus)
			k += *entry_at(i) != model[i];
		HOLDS(!k);
	}
}

/* Maps each SOLE page by one slot of the first table, and zeroes the pages. */
void fill_sole(void)
{
	uint32_t i;

	fill_entries(0, SLOTS, 1, SOLE, DATA | RW);
	for (i = 0; i < SLOTS; i++)
		memset(va_at(i), 0, PAGE);
}

/* Once the slots are read-only or absent, each page can become a table. */
const char *sole_pages_are_free_of_writers(void)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		uint64_t mfn = page_maddr(SOLE + i) >> 12;

		CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
		CHECK(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
	}
	return NULL;
}

const char *batches_on_slots_side_by_side_do_not_mix(void)
{
	const char *why;

	fill_sole();
	why = race(disjoint);
	if (why)
		return why;
	CHECK(SUM(updates) >= race_wanted / race_cpus * race_cpus);
	CHECK(runs(slot_at(0), SLOTS, FLAGS, RW, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}

/* Each vCPU has its own bit in every slot, and all of them change RW. */
static void same_slots(unsigned int cpu)
{
	static const uint64_t bits[SMP_MAX] = { 1ul << 9,  1ul << 10, 1ul << 11,
						1ul << 53, 1ul << 54, 1ul << 55,
						1ul << 56, 1ul << 57 };
	static unsigned char set[SMP_MAX][SLOTS];
	uint64_t bit = bits[cpu];
	struct mine *m = &mine[cpu];
	uint32_t i, wrong;

	memset(set[cpu], 0, SLOTS);
	while (m->updates < race_wanted / race_cpus && !load(&race_over)) {
		uint32_t first, len = some_run(&first);
		uint64_t mask = some(2) ? bit | RW : bit;
		int on = (int)some(2), olds = (int)some(2);
		struct ptebatch_run r = run_at(slot_at(first), len, FLAGS,
					       on ? 0 : mask, on ? mask : 0,
					       m->olds);

		if (olds)
			HOLDS(!tally(by_list(&r, 0, NULL), len, 1));
		else
			HOLDS(!tally(runs(r.slot, len, FLAGS, r.clear, r.set),
				     len, 0));
		for (i = wrong = 0; i < len; i++) {
			unsigned char *was = &set[cpu][first + i];

			if (olds)
				wrong += !!(m->olds[i] & bit) != *was;
			*was = (unsigned char)on;
			wrong += !!(*entry_at(first + i) & bit) != on;
		}
		HOLDS(!wrong);
	}
}

const char *batches_on_the_same_slots_keep_each_others_bits(void)
{
	uint32_t i;
	const char *why;

	fill_sole();
	why = race(same_slots);
	if (why)
		return why;
	for (i = 0; i < SLOTS; i++)
		CHECK((*entry_at(i) & FRAME) == page_maddr(SOLE + i));
	CHECK(runs(slot_at(0), SLOTS, FLAGS, RW, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}

/*
 * Each vCPU takes the entries out of random slots, and writes each back with
 * its number incremented. If two vCPUs took the same entry, its number would
 * be too small.
 */
static uint32_t takes[SMP_MAX][SLOTS];

static void take(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint32_t i, n;

	memset(takes[cpu], 0, sizeof(takes[cpu]));
	while (m->updates < race_wanted / race_cpus && !load(&race_over)) {
		uint32_t first, len = some_run(&first);
		struct ptebatch_run r = run_at(slot_at(first), len, CLEAR, 0,
					       0, m->olds);

		HOLDS(!tally(by_list(&r, 0, NULL), len, 1));
		for (i = n = 0; i < len; i++) {
			if (!m->olds[i])
				continue;
			takes[cpu][first + i]++;
			m->values[n].slot = slot_at(first + i) |
					   (some(2) ? KEEP : EXACT);
			m->values[n++].pte = with_count(
				m->olds[i], count_in(m->olds[i]) + 1);
		}
		HOLDS(!tally(values((uint64_t)m->values, n, 0, SELF, 0), n, 0));
	}
}

const char *what_is_taken_out_of_a_slot_only_one_gets(void)
{
	uint32_t i, cpu, taken = 0;
	const char *why;

	fill_sole();
	/* A third are absent; bits 1 and 2 mark such a slot as not empty. */
	for (i = 0; i < SLOTS; i += 3)
		CHECK(!update_pte(slot_at(i), RW | US));
	why = race(take);
	if (why)
		return why;
	for (i = 0; i < SLOTS; i++) {
		uint32_t all = 0;

		for (cpu = 0; cpu < race_cpus; cpu++)
			all += takes[cpu][i];
		CHECK(count_in(*entry_at(i)) == all % 512);
		taken += !!all;
		CHECK((*entry_at(i) & FRAME) ==
		      (i % 3 ? page_maddr(SOLE + i) : 0));
	}
	CHECK(taken > SLOTS / 2);
	CHECK(runs(slot_at(0), SLOTS, CLEAR, 0, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}
