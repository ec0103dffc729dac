/* SPDX-License-Identifier: MIT */
/*
 * Tests with several vCPUs at the same time. The tests are races if QEMU runs
 * the vCPUs in parallel threads (tests/xen/run --parallel). With -icount the
 * vCPUs take turns.
 *
 * All tests need the new calls and at least two vCPUs, but no right that a domU
 * lacks. Each test counts the events that it provoked, prints the counts, and
 * fails if one is zero, since a race that did not happen shows nothing.
 * "updates" is the number of slots that a test has changed, without the refused
 * ones.
 */
#include "race.h"

unsigned int race_cpus;
uint64_t race_wanted;
int race_over;
const char *race_failure;
struct mine mine[SMP_MAX];

const char *race(void (*fn)(unsigned int cpu))
{
	unsigned int cpu;

	for (cpu = 0; cpu < race_cpus; cpu++) {
		memset(&mine[cpu], 0, sizeof(mine[cpu]));
		mine[cpu].rng = 0x9e3779b97f4a7c15 * (cpu + 1) + rdtsc();
	}
	race_failure = NULL;
	race_over = 0;
	smp_each(race_cpus, fn);
	print("# %u vCPUs: %lu updates, %lu refused; %lu stores, %lu faulted\n",
	      race_cpus, SUM(updates), SUM(refusals), SUM(stores), SUM(faults));
	return race_failure;
}

/* --- Cost ---------------------------------------------------------------- */

static uint32_t cost_table[SMP_MAX]; /* each vCPU's table */
static uint64_t cost_ticks, cost_updates; /* while vCPU 0 ran */

static void cost(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint64_t slot = slot_at(cost_table[cpu] * SLOTS + cpu * 64);
	uint64_t began = rdtsc(), before = SUM(updates);

	while (!load(&race_over)) {
		HOLDS(runs(slot, 64, FLAGS, RW, 0) == 64);
		HOLDS(runs(slot, 64, FLAGS, 0, RW) == 64);
		m->updates += 128;
		if (!cpu && m->updates >= race_wanted)
			store(&race_over, 1);
	}
	if (!cpu) {
		cost_ticks = rdtsc() - began;
		cost_updates = SUM(updates) - before;
	}
}

/* Entries per million ticks of the TSC, all vCPUs together. */
static const char *cost_of(const char *what, unsigned int n, int same)
{
	unsigned int all = race_cpus, cpu;
	const char *why;

	for (cpu = 0; cpu < n; cpu++)
		cost_table[cpu] = same ? 0 : cpu;
	race_cpus = n;
	why = race(cost);
	print("# cost: %s: %lu entries per million ticks, vCPU 0 alone %lu\n",
	      what, cost_updates * 1000000 / cost_ticks,
	      mine[0].updates * 1000000 / cost_ticks);
	race_cpus = all;
	return why;
}

static const char *two_batches_on_one_table_get_on(void)
{
	const char *why;

	fill_entries(0, WORLD_SLOTS / 2, 1, 0, DATA | RW);
	why = cost_of("one vCPU", 1, 0);
	if (!why)
		why = cost_of("two vCPUs, a table each", 2, 0);
	if (!why)
		why = cost_of("two vCPUs, one table", 2, 1);
	return why;
}

static const struct test race_tests[] = {
	TEST(no_a_or_d_is_lost_and_no_store_passes_its_flush),
	TEST(batches_on_slots_side_by_side_do_not_mix),
	TEST(batches_on_the_same_slots_keep_each_others_bits),
	TEST(what_is_taken_out_of_a_slot_only_one_gets),
	TEST(a_page_is_written_only_while_it_is_a_table),
	TEST(a_page_table_is_never_mapped_writable),
	TEST(two_batches_on_one_table_get_on),
	{ NULL, NULL, 0 },
};

static const struct test cost_tests[] = {
	TEST(two_batches_on_one_table_get_on),
	{ NULL, NULL, 0 },
};

void race_run(uint64_t n, int cost_alone)
{
	unsigned int all = smp_cpus();

	race_wanted = n;
	tap_result("race", "there are at least two vCPUs",
		   all < 2 ? "there is one" : NULL);
	tap_result("race", "Xen has the new calls",
		   use_new_calls() ? NULL : "no");
	if (all < 2 || !use_new_calls())
		return;
	race_cpus = all;
	run_tests("race", cost_alone ? cost_tests : race_tests);
}
