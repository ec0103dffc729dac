/* SPDX-License-Identifier: MIT */
/*
 * The kernel that the tests on Xen boot, built over examples/minikernel:
 *
 *   main.c   does what the command line asks for, and powers off
 *   pages.c  more of memory: pages given to Xen and taken from it
 *   probe.S  stores that may fault, and the markers of the benchmark
 *   world.c  L1 tables and data pages for tests and benchmarks
 *   tests.c  the conformance suite on Xen, and what only Xen can show
 *   abi.c    the two hypercalls by hand: bad arguments, forms, multicalls
 *   flask.c  what a security policy allows and denies
 *   kinds.c  entries of other kinds, beside twins that mmu_update changes
 *   race.c   several vCPUs against each other; race-*.c has the tests
 *   serve.c  as a domU: what dom0 asks for (mailbox.h), and load without end
 *   bench.c  what each way of changing PTEs costs
 *   fuzz.c   random operations, compared with stock mmu_update's; fuzz-*.c makes
 *            and performs one
 *   twin.c   the tables and pages, in pairs, that fuzz.c works on
 *
 * The tables under test map their data pages from TEST_BASE on.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "minikernel.h"

#include "pte.h"

#define TEST_BASE 0xffffc00000000000ul
#define GUEST_KERNEL 0x0010000000000000ul /* Xen's mark, bit 52 */
/* What Xen adds to entries by itself. */
#define XENS_BITS (US | G | GUEST_KERNEL)

/* probe.S: 0, or 1 if the access faulted */
int probe_write(volatile uint64_t *p, uint64_t value);
int probe_write_odd(volatile uint64_t *p, uint16_t value);
void bench_begin(void);
void bench_end(void);

/* pages.c */
int mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2);
void invlpg(uint64_t va);
/*
 * Gives a page back to Xen, and takes another in its place, which is zeroed
 * and mapped writable. 0, or what went wrong: page_give fails if somebody holds
 * a reference still.
 */
int page_give(void *page);
int page_take(void *page);
uint32_t virt_to_pfn(const void *p);
int is_own_page(uint64_t maddr); /* mapped or not */
void hide_page(void *page);	 /* no longer in the direct map at all */
/* A page that nothing maps gets another machine frame; 0 or Xen's error. */
int exchange_page(void *page);
/* Its frame goes back to Xen once nothing maps it; 0 or an error. */
int release_page(void *page);
void populate_page(void *page); /* one released gets a new frame */
uint64_t pages_reserved(void);	/* that the domain has, by Xen's count */

/* world.c */
#define WORLD_TABLES 16u
#define WORLD_SLOTS (WORLD_TABLES * PTEBATCH_TABLE_SLOTS)
/* Pages of which no other mapping is writable, after the WORLD_SLOTS others. */
#define WORLD_SOLE 512u
#define WORLD_PAGES (WORLD_SLOTS + WORLD_SOLE)
void world_init(void);
void world_reset(void);
uint64_t slot_maddr(uint32_t slot);	    /* 0 .. WORLD_SLOTS - 1 */
volatile uint64_t *slot_entry(uint32_t slot); /* read-only mapping of it */
uint64_t *slot_va(uint32_t slot);	    /* what the slot maps */
void *page_virt(uint32_t page);
uint64_t page_maddr(uint32_t page);
/*
 * nr entries from first on, each stride-th, become the pages from page on with
 * these flags, A and D as they say; absent if flags is 0.
 */
void slots_fill(uint32_t first, uint32_t nr, uint32_t stride, uint32_t page,
		uint64_t flags);
void *table_virt(uint32_t table);

/* tests.c, race.c, fuzz.c; tests_end says how many failed */
void be_shadowed(void);
void flask_run(void); /* flask.c */
void tests_run(int must_be_new, int must_be_old);
void race_run(uint64_t updates, int cost_alone);
/* Operations first .. first + nr - 1 of this seed, printed if show. */
void fuzz_run(uint64_t nr, uint64_t seed, uint64_t first, int show);
unsigned int tests_end(void);
/* bench.c: how many failed */
unsigned int bench_run(int all);

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* serve.c */
unsigned int serve(void); /* how many requests failed */
void load(void) __attribute__((noreturn));

/* main.c */
void *memcpy(void *to, const void *from, size_t n);

#endif /* KERNEL_H */
