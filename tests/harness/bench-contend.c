/* SPDX-License-Identifier: MIT */
/*
 * How long one CPU waits for an L1 table while another CPU updates it.
 *
 *   gcc -std=gnu11 -O2 -pthread -DHARNESS_BENCH -Itests/harness \
 *     -Itests/harness/include -Iinclude -Ibackends/xen-hv \
 *     tests/harness/{harness,harness-xen,bench-contend}.c \
 *     backends/xen-hv/{calls,l1,runs,update,validate,values}.c
 *
 * Two threads on two CPUs share one table. The first thread changes RW of all
 * 512 entries again and again, by the method under test. The second thread
 * takes the table's lock for one entry, as mmu_update does, and then stays
 * away for a random time. The time it waits for the lock is measured in TSC
 * cycles: median, 99th percentile, longest.
 *
 *   stock     one lock and one full validation an entry, as in do_mmu_update()
 *   calls     one register call after the other. This program enters and leaves
 *             no hypervisor, so the table is free between two calls for a
 *             shorter time than it is in a guest.
 *   list      64 runs of the whole table in one call
 *   olds      the same, with old values
 *   values    8192 values in one call
 *   hidden    as list, with a waiter that holds no reference to the table
 *
 * The last two columns are the first CPU's cost of an entry, in cycles: without
 * a waiter, and with one.
 *
 * The exit status is 0 whatever the figures are, and 77 if the machine lacks
 * two CPUs or the memory.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <harness.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "../common/pte.h"
#include "../common/random.h"

#define SLOTS 512UL
#define RUNS 64UL
#define WAITS 4000U
#define IDLE_MAX 8192U	/* most cycles between two locks of the waiter */
#define TABLE (&frame_table[MFN_BENCH_TABLE])

static uint64_t *ptes;
static struct ptebatch_run runs[RUNS];
static struct ptebatch_value values[16 * SLOTS];
static uint64_t olds[SLOTS];
static int ready, begun, over;
static bool hidden; /* the waiter holds no reference to the table */

static void must(bool done)
{
	if (!done)
		hx_bug("a batch failed", __FILE__, __LINE__);
}

static uint64_t entry(unsigned long i, bool writable)
{
	return i << 12 | P | US | G | (writable ? RW : 0);
}

/* --- Methods to change all entries there and back ------------------------- */

/* As do_mmu_update() changes each entry, with the harness's validation. */
static unsigned long stock(void)
{
	for (unsigned int on = 0; on < 2; on++)
		for (unsigned long i = 0; i < SLOTS; i++) {
			l1_pgentry_t *p = (l1_pgentry_t *)&ptes[i];

			must(get_page(TABLE, &hx_self));
			must(page_lock(TABLE));
			must(!ptebatch_mod_l1_entry(
				p, l1e_from_intpte(entry(i, on)),
				_mfn(MFN_BENCH_TABLE), MMU_PT_UPDATE_PRESERVE_AD,
				hx_current, &hx_self));
			page_unlock(TABLE);
			put_page(TABLE);
		}
	return 2 * SLOTS;
}

static unsigned long calls(void)
{
	uint64_t slot = MFN_BENCH_TABLE << 12;

	must(do_ptebatch_runs(slot, SLOTS, PTEBATCH_OP_FLAGS, RW, 0) == SLOTS);
	syscall(SYS_getppid);
	must(do_ptebatch_runs(slot, SLOTS, PTEBATCH_OP_FLAGS, 0, RW) == SLOTS);
	syscall(SYS_getppid);
	return 2 * SLOTS;
}

static unsigned long list_of(uint64_t *old)
{
	for (unsigned int i = 0; i < RUNS; i++)
		runs[i].old = (uintptr_t)old;
	must(do_ptebatch_runs((uintptr_t)runs, RUNS, PTEBATCH_HOW_LIST,
			      PTEBATCH_DOMID_SELF, 0) == RUNS);
	return RUNS * SLOTS;
}

static unsigned long list(void)
{
	return list_of(NULL);
}

static unsigned long with_olds(void)
{
	return list_of(olds);
}

static unsigned long by_values(void)
{
	const unsigned long n = ARRAY_SIZE(values);

	must(do_ptebatch_values((uintptr_t)values, n, 0, PTEBATCH_DOMID_SELF,
				0) == (long)n);
	return n;
}

/* --- The waiter ----------------------------------------------------------- */

static void on_cpu(int cpu)
{
	struct sched_param prio = {.sched_priority = 1};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	/*
	 * Xen has no other thread to run meanwhile. Without root this fails,
	 * and the longest waits include those of the host's scheduler.
	 */
	sched_setscheduler(0, SCHED_FIFO, &prio);
}

static void *waiter(void *arg)
{
	uint64_t *wait = arg, rng = 88172645463325252UL;

	on_cpu(1);
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE))
		_mm_pause();
	for (unsigned int i = 0; i < WAITS; i++) {
		uint64_t t = __rdtsc();

		if (!hidden)
			must(get_page(TABLE, &hx_self));
		must(page_lock(TABLE));
		wait[i] = __rdtsc() - t;
		/* One update: the last slot's software bit. */
		__sync_fetch_and_or(&ptes[SLOTS - 1], 1UL << 9);
		page_unlock(TABLE);
		if (!hidden)
			put_page(TABLE);
		t = __rdtsc() + xorshift64(&rng) % IDLE_MAX;
		while (__rdtsc() < t)
			_mm_pause();
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void fill(void)
{
	for (unsigned long i = 0; i < SLOTS; i++) {
		frame_table[i] = (struct page_info){
			.count_info = PGC_allocated | 3,
			.u.inuse.type_info =
				PGT_writable_page | PGT_validated | 2,
			.v.inuse._domain = hx_self.pdx,
		};
		ptes[i] = entry(i, true);
	}
	for (unsigned int i = 0; i < RUNS; i++)
		runs[i] = (struct ptebatch_run){
			MFN_BENCH_TABLE << 12, SLOTS,  PTEBATCH_OP_FLAGS,
			i & 1 ? 0 : RW,	       i & 1 ? RW : 0, 0};
	for (unsigned long i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = (struct ptebatch_value){
			MFN_BENCH_TABLE << 12 | i % SLOTS * 8 |
				PTEBATCH_SET_KEEP_AD,
			entry(i % SLOTS, i / SLOTS & 1)};
	*TABLE = (struct page_info){
		.count_info = PGC_allocated | 2,
		.u.inuse.type_info = PGT_l1_page_table | PGT_validated | 1,
		.v.inuse._domain = hx_self.pdx,
	};
}

static void measure(const char *name, unsigned long (*way)(void), bool barred)
{
	static uint64_t wait[WAITS];
	unsigned long n = 0;
	uint64_t t, alone = ~0UL, median, late;
	pthread_t thread;

	fill();
	for (unsigned int i = 0; i < 20; i++) {
		t = __rdtsc();
		n = way();
		t = __rdtsc() - t;
		alone = t < alone ? t : alone;
	}
	printf("%-8s", name);
	ready = begun = over = 0;
	pthread_create(&thread, NULL, waiter, wait);
	/* Sleep, since the thread starts on this CPU. */
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
	alone = alone * 10 / n;
	n = 0;
	t = __rdtsc();
	do
		n += way();
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE));
	t = __rdtsc() - t;
	pthread_join(thread, NULL);
	if ((TABLE->u.inuse.type_info & PGT_count_mask) != 1)
		hx_bug("a lock was lost", __FILE__, __LINE__);
	qsort(wait, WAITS, sizeof(*wait), by_size);
	median = wait[WAITS / 2];
	late = wait[WAITS * 99UL / 100];
	printf(" %9lu %9lu %9lu %7lu.%lu %5.1f", median, late, wait[WAITS - 1],
	       alone / 10, alone % 10, (double)t / n);
	if (barred)
		printf("  %s", median <= 10000 && late <= 50000 ? "met"
								: "MISSED");
	printf("\n");
}

int main(void)
{
	const size_t bytes = (MFN_BENCH_TABLE + 1) * sizeof(struct page_info);
	void *frames = mmap((void *)frame_table, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				    MAP_FIXED_NOREPLACE,
			    -1, 0);
	cpu_set_t set;

	ptes = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (frames == MAP_FAILED || ptes == MAP_FAILED) {
		printf("no memory for %zu MiB\n", bytes >> 20);
		return 77;
	}
	if (sched_getaffinity(0, sizeof(set), &set) || !CPU_ISSET(0, &set) ||
	    !CPU_ISSET(1, &set)) {
		printf("CPUs 0 and 1 are not both available\n");
		return 77;
	}
	harness_bench(ptes);
	on_cpu(0);
	printf("\ncycles that a CPU waits for a table while another CPU"
	       " changes it\n"
	       "           median      99th   longest   entry, alone and"
	       " contended\n");
	measure("stock", stock, false);
	measure("calls", calls, true);
	measure("list", list, true);
	measure("olds", with_olds, true);
	measure("values", by_values, true);
	hidden = true;
	measure("hidden", list, true);
	printf("bar: median 10000, 99th percentile 50000\n");
	return 0;
}
