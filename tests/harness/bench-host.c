/* SPDX-License-Identifier: MIT */
/*
 * Cost of the handlers on this CPU, next to one locked instruction a PTE.
 *
 *   gcc -std=gnu11 -O2 -DHARNESS_BENCH -Itests/harness \
 *     -Itests/harness/include -Iinclude -Ibackends/xen-hv \
 *     tests/harness/{harness,harness-xen,bench-host}.c \
 *     backends/xen-hv/{calls,l1,runs,update,validate,values}.c
 *
 * Two methods change the same entries in turn, in one run: the handlers' source
 * without the harness's hooks, and a loop of "lock and" or "lock or". The
 * figures are TSC cycles per PTE, the least of many rounds, without the entry
 * into a hypercall. Each data page has one more writable mapping elsewhere, so
 * its type count goes from 2 to 1 and back.
 *
 *   hot      512 entries of one table that map neighbouring frames
 *   random   2^21 entries of 4096 tables, one call a table; the frames are in
 *            random order, over 64 MiB of page descriptors
 *
 * The exit status is 0 whatever the figures are, and 77 if the machine lacks
 * the memory.
 */
#include <harness.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "../common/pte.h"
#include "../common/random.h"

#define NR_DATA (1UL << 21)

static uint64_t *ptes;

static uint64_t start(void)
{
	_mm_lfence();
	return __rdtsc();
}

static uint64_t stop(void)
{
	unsigned int aux;
	uint64_t t = __rdtscp(&aux);

	_mm_lfence();
	return t;
}

/* Each method changes one bit of every entry in n tables. */
static noinline void native(unsigned long n, uint64_t clear,
					     uint64_t set)
{
	for (uint64_t *p = ptes, *end = ptes + n * 512; p < end; p++)
		if (clear)
			__asm__ volatile("lock andq %1, %0"
					 : "+m"(*p) : "r"(~clear));
		else
			__asm__ volatile("lock orq %1, %0"
					 : "+m"(*p) : "r"(set));
}

static noinline void handler(unsigned long n, uint64_t clear,
					      uint64_t set)
{
	for (unsigned long t = 0; t < n; t++) {
		uint64_t slot = (MFN_BENCH_TABLE + t) << 12;

		if (do_ptebatch_runs(slot, 512, PTEBATCH_OP_FLAGS, clear,
				     set) != 512)
			hx_bug("a run failed", __FILE__, __LINE__);
	}
}

static double least(void (*f)(unsigned long, uint64_t, uint64_t),
		    unsigned long n, uint64_t bit, bool off, uint64_t *best)
{
	uint64_t t = start();

	f(n, off ? bit : 0, off ? 0 : bit);
	t = stop() - t;
	if (!*best || t < *best)
		*best = t;
	return (double)*best / (n * 512);
}

static void fill(unsigned long n, uint64_t flags, bool random)
{
	static uint32_t order[NR_DATA];
	uint64_t rng = 88172645463325252UL;

	for (unsigned long i = 0; i < NR_DATA; i++) {
		order[i] = i;
		frame_table[i] = (struct page_info){
			.count_info = PGC_allocated | 3,
			.u.inuse.type_info =
				PGT_writable_page | PGT_validated | 2,
			.v.inuse._domain = hx_self.pdx,
		};
	}
	for (unsigned long i = NR_DATA - 1; random && i; i--) {
		unsigned long j;
		uint32_t o = order[i];

		j = xorshift64(&rng) % (i + 1);
		order[i] = order[j];
		order[j] = o;
	}
	for (unsigned long t = 0; t < NR_BENCH_TABLES; t++)
		frame_table[MFN_BENCH_TABLE + t] = (struct page_info){
			.count_info = PGC_allocated | 2,
			.u.inuse.type_info =
				PGT_l1_page_table | PGT_validated | 1,
			.v.inuse._domain = hx_self.pdx,
		};
	for (unsigned long i = 0; i < n * 512; i++)
		ptes[i] = (uint64_t)order[i] << 12 | P | RW |
			  PTEBATCH_PTE_US | flags;
}

/* Every entry and count must be as before, or the figures mean nothing. */
static void check(unsigned long n, uint64_t flags)
{
	for (unsigned long i = 0; i < n * 512; i++) {
		uint64_t f = ptes[i] & ~PTEBATCH_PTE_FRAME;
		unsigned long m = (ptes[i] & PTEBATCH_PTE_FRAME) >> 12;

		if (f != (P | RW | PTEBATCH_PTE_US | flags) ||
		    (frame_table[m].u.inuse.type_info & PGT_count_mask) != 2 ||
		    (frame_table[m].count_info & PGC_count_mask) != 3)
			hx_bug("an entry or a count is wrong", __FILE__,
			       __LINE__);
	}
}

static void measure(const char *name, unsigned long n, uint64_t bit,
		    uint64_t flags, bool random, unsigned int rounds,
		    double bar)
{
	uint64_t best[4] = {0};
	double c[4];

	fill(n, flags, random);
	/* The native loop restores the bit, so the counts stay right. */
	for (unsigned int i = 0; i < rounds; i++) {
		bool first_off = bit == RW;

		/* Pause, since a thread that shares the core may be busy. */
		if (i % 500 == 499)
			usleep(5000);

		c[0] = least(native, n, bit, first_off, &best[0]);
		c[1] = least(native, n, bit, !first_off, &best[1]);
		c[2] = least(handler, n, bit, first_off, &best[2]);
		c[3] = least(handler, n, bit, !first_off, &best[3]);
	}
	check(n, flags);
	printf("%-34s %6.1f %6.1f %8.1f %6.1f  %5.2f %5.2f", name, c[0], c[1],
	       c[2], c[3], c[2] / c[0], c[3] / c[1]);
	if (bar)
		printf("  <= %.1f %s", bar,
		       c[2] / c[0] <= bar && c[3] / c[1] <= bar ? "met"
							      : "MISSED");
	printf("\n");
}

int main(void)
{
	const size_t bytes = (MFN_BENCH_TABLE + NR_BENCH_TABLES) *
			     sizeof(struct page_info);
	void *frames = mmap((void *)frame_table, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			    -1, 0);

	ptes = mmap(NULL, NR_BENCH_TABLES * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (frames == MAP_FAILED || ptes == MAP_FAILED) {
		printf("no memory for %zu MiB\n", (bytes >> 20) + 16);
		return 77;
	}
	/* Xen maps its frame table and all memory with large pages. */
	madvise(frames, bytes, MADV_HUGEPAGE);
	madvise(ptes, NR_BENCH_TABLES * 4096, MADV_HUGEPAGE);
	harness_bench(ptes);

	printf("cycles per PTE                      native          handler"
	       "     ratio\n"
	       "                                  there   back    there   back"
	       "  there  back\n");
	measure("hot, RW", 1, RW, 0, false, 20000, 2.2);
	measure("hot, RW, A and D set", 1, RW, AD, false, 20000, 1.3);
	measure("hot, NX", 1, NX, 0, false, 20000, 1.1);
	measure("hot, NX, A and D set", 1, NX, AD, false, 20000, 0);
	measure("random, RW", NR_BENCH_TABLES, RW, 0, true, 7, 0);
	measure("random, RW, A and D set", NR_BENCH_TABLES, RW, AD, true, 7, 0);
	measure("random, NX", NR_BENCH_TABLES, NX, 0, true, 7, 0);
	return 0;
}
