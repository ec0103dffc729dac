/* SPDX-License-Identifier: MIT */
/*
 * Tests with several vCPUs at the same time. The tests are races if QEMU runs
 * the vCPUs in parallel threads (tests/xen/run --parallel). With -icount the
 * vCPUs take turns.
 *
 * All tests need at least two vCPUs, but no right that a domU lacks. Those of
 * Xen's own calls, and the last, do not need the new calls. Each test counts the events that it provoked,
 * prints the counts, and fails if one is zero: a race that did not happen shows
 * nothing. "updates" is the number of slots that a test has changed, without
 * the refused ones.
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

/* --- How long a vCPU waits for a table that another one changes ----------- */

#define WAITS 4000u
#define LAST (SLOTS - 1) /* vCPU 1 updates this slot, vCPU 0 all others */
#define NR (16 * SLOTS)

static const char *const ways[] = { "nobody", "mmu_update", "runs", "values" };
static uint32_t way; /* of vCPU 0 */
static struct ptebatch_run list[64];
static struct ptebatch_value value[NR]; /* mmu_update takes them too */
static uint64_t ticks[WAITS]; /* that each call of vCPU 1 took, sorted */

static int mmu_update(const struct ptebatch_value *v, uint64_t n)
{
	mine[smp_cpu()].updates += n;
	return !hypercall5(__HYPERVISOR_mmu_update, (uint64_t)v, n, 0, SELF, 0);
}

static void change_or_wait(unsigned int cpu)
{
	struct ptebatch_value v = { slot_at(LAST) | KEEP,
				    *entry_at(LAST) };
	uint32_t i, k;

	while (!cpu && !load(&race_over))
		if (way == 1)
			HOLDS(mmu_update(value, SLOTS) &&
			      mmu_update(value + SLOTS, SLOTS));
		else if (way == 2)
			HOLDS(!tally(runs((uint64_t)list, 64, LIST, SELF, 0),
				     64 * LAST, 1));
		else if (way == 3)
			HOLDS(!tally(values((uint64_t)value, NR, 0, SELF, 0),
				     NR, 0));
	for (i = 0; cpu && i < WAITS && !load(&race_over); i++) {
		uint64_t t = rdtsc();

		v.pte ^= 1u << 9;
		HOLDS(mmu_update(&v, 1));
		t = rdtsc() - t;
		HOLDS(*entry_at(LAST) == v.pte);
		for (k = i; k && ticks[k - 1] > t; k--)
			ticks[k] = ticks[k - 1];
		ticks[k] = t;
		linger(2048);
	}
	store(&race_over, 1);
}

/* On a busy host a wait includes the time that a vCPU's thread does not run. */
static const char *single_updates_beside_large_calls_are_made(void)
{
	uint32_t i, nr_ways = use_new_calls() ? 4 : 2;
	uint64_t alone = 0;
	const char *why;

	for (i = 0; i < 64; i++)
		list[i] = run_at(slot_at(0), LAST, FLAGS, i & 1 ? 0 : RW,
				 i & 1 ? RW : 0, NULL);
	for (i = 0; i < NR; i++) {
		value[i].slot = slot_at(i % SLOTS % LAST) | KEEP;
		value[i].pte = page_maddr(i % SLOTS % LAST) | DATA |
			       (i & SLOTS ? RW : 0);
	}
	for (way = 0; way < nr_ways; way++) {
		fill_entries(0, SLOTS, 1, 0, DATA);
		why = race(change_or_wait);
		if (why)
			return why;
		for (i = 0; i < SLOTS; i++)
			CHECK((*entry_at(i) | XENS_BITS) ==
			      (page_maddr(i) | DATA | XENS_BITS |
			       (way && i != LAST ? RW : 0)));
		print("# an update beside %s: ticks%s: median %ld, "
		      "99th percentile %ld, longest %ld\n",
		      ways[way], way ? " waited" : "", ticks[WAITS / 2] - alone,
		      ticks[WAITS / 100 * 99] - alone,
		      ticks[WAITS - 1] - alone);
		alone = way ? alone : ticks[WAITS / 2];
	}
	return NULL;
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

static const struct test guest_race_tests[] = {
	TEST(updates_of_the_same_slots_keep_all_counts),
	TEST(a_page_is_updated_as_what_it_is),
	TEST(data_pages_named_as_tables_by_each_other_do_not_hang),
	TEST(no_a_or_d_is_lost_by_updates_that_keep_them),
	TEST(requests_rewritten_meanwhile_are_whole_or_refused),
	TEST(a_table_replaced_meanwhile_is_updated_or_not),
	TEST(trees_are_pinned_while_their_entries_change),
	TEST(no_d_is_lost_by_trapped_writes),
	TEST(trapped_writes_of_the_same_slots_keep_all_counts),
	{ NULL, NULL, 0 },
};

static const struct test cost_tests[] = {
	TEST(two_batches_on_one_table_get_on),
	TEST(single_updates_beside_large_calls_are_made), /* on stock Xen too */
	{ NULL, NULL, 0 },
};

static int race_begins(uint64_t n)
{
	race_cpus = smp_cpus();
	race_wanted = n;
	tap_result("race", "there are at least two vCPUs",
		   race_cpus < 2 ? "there is one" : NULL);
	return race_cpus > 1;
}

void race_run(uint64_t n)
{
	int is_new = use_new_calls();

	tap_result("race", "Xen has the new calls", is_new ? NULL : "no");
	if (race_begins(n) && is_new)
		run_tests("race", race_tests);
}

void race_guest_run(uint64_t n)
{
	use_new_calls();
	if (race_begins(n))
		run_tests("race of Xen's own calls", guest_race_tests);
}

void race_cost_run(uint64_t n)
{
	int is_new = use_new_calls();

	if (!race_begins(n))
		return;
	race_cpus = 2;
	run_tests("race", &cost_tests[!is_new]);
}
