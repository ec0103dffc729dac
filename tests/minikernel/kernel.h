/* SPDX-License-Identifier: MIT */
/*
 * The kernel that the tests on Xen boot, built over examples/minikernel:
 *
 *   main.c   runs what the command line requests, and powers off
 *   pages.c  hides pages, returns them to Xen and takes new ones
 *   probe.S  stores that may fault, and the markers of the benchmark
 *   world.c  L1 tables and data pages for tests and benchmarks
 *   tests.c  the conformance suite on Xen, and tests that need a real Xen
 *   abi.c    the two hypercalls without the library: bad arguments, forms,
 *            multicalls
 *   flask.c  rights under a security policy
 *   kinds.c  entries of other kinds, beside twins that mmu_update changes
 *   guest-*.c  Xen's own calls, as every guest uses them
 *   other.c  makes another domain, for the tests of its tables and pages
 *   events.c has Xen preempt every call wherever it looks
 *   trapped.c  instructions that change entries in place
 *   race.c   several vCPUs at the same time; race-*.c has the tests
 *   serve.c  as a domU: serves requests of dom0 (mailbox.h), or makes load
 *   bench.c  the cost of each method to change PTEs; bench-guest.c has those of a
 *            guest without the library
 *   fuzz.c   random operations, compared with those of stock mmu_update;
 *            fuzz-*.c makes and performs one
 *   trace.c  random operations by Xen's own calls, and a digest of what
 *            the guest sees, for two Xens to be compared
 *   twin.c   the paired tables and pages of fuzz.c
 *
 * The tables under test map their data pages from TEST_BASE on.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "minikernel.h"

#include "pte.h"

#define TEST_BASE 0xffffc00000000000ul
#define GUEST_KERNEL 0x0010000000000000ul /* bit 52, set by Xen */
/* Bits that Xen may add to entries. */
#define XENS_BITS (US | G | GUEST_KERNEL)

/* probe.S; each returns 0, or 1 if the access faulted */
int probe_write(volatile uint64_t *p, uint64_t value);
int probe_write_odd(volatile uint64_t *p, uint16_t value);
void bench_begin(void);
void bench_end(void);

/* pages.c */
int mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2);
void invlpg(uint64_t va);
/*
 * page_give returns a page to Xen, and fails if a reference to it remains.
 * page_take takes a page in its place, zeroed and mapped writable. Both return
 * 0 or the number of the step that failed.
 */
int page_give(void *page);
int page_take(void *page);
uint32_t virt_to_pfn(const void *p);
int is_own_page(uint64_t maddr); /* mapped or not */
void hide_page(void *page);	 /* unmaps it from the direct map */
/* Gives an unmapped page another machine frame; 0 or Xen's error. */
int exchange_page(void *page);
/* Returns the frame to Xen once its last mapping is gone; 0 or an error. */
int release_page(void *page);
void populate_page(void *page); /* gives a released page a frame */
uint64_t pages_reserved(void);	/* of the domain, counted by Xen */

/* world.c */
#define WORLD_TABLES 16u
#define WORLD_SLOTS (WORLD_TABLES * PTEBATCH_TABLE_SLOTS)
/* Pages without another writable mapping; WORLD_SLOTS others come first. */
#define WORLD_SOLE 512u
#define WORLD_PAGES (WORLD_SLOTS + WORLD_SOLE)
void world_init(void);
void world_reset(void);
uint64_t slot_at(uint32_t i);	   /* 0 .. WORLD_SLOTS - 1 */
volatile uint64_t *entry_at(uint32_t i); /* read-only mapping of it */
uint64_t *va_at(uint32_t i);		   /* what the slot maps */
void *page_virt(uint32_t page);
uint64_t page_maddr(uint32_t page);
/*
 * Sets nr entries, every stride-th slot from first on, to map consecutive
 * pages from page on with exactly these flags. With flags 0 the entries become
 * absent.
 */
void fill_entries(uint32_t first, uint32_t nr, uint32_t stride, uint32_t page,
		uint64_t flags);
void *table_virt(uint32_t table);

/* Whose code performs Xen's own calls: see entries_were() in tests.c. */
enum code {
	UNKNOWN,
	XENS_OWN,
	ENGINES
};

/* tests.c, race.c, fuzz.c; tests_end returns the number of failures */
void be_shadowed(void);
void flask_run(void); /* flask.c */
/* mmu_update may read ahead, though this Xen has none of the calls. */
extern int requests_are_read_ahead;
extern int counts_are_written_midway; /* "midway" on the command line */
extern int has_short_map; /* "high" on the command line */
void tests_run(int must_be_new, int must_be_old, int traps);
void trapped_run_tests(int traps); /* trapped.c */
void guest_run(void); /* Xen's own calls only, guest-*.c */
void race_run(uint64_t updates);
void race_guest_run(uint64_t updates);
void race_cost_run(uint64_t updates);
/* Runs operations first .. first + nr - 1 of this seed; prints them if show. */
void fuzz_run(uint64_t nr, uint64_t seed, uint64_t first, int show,
	      enum code mmu_update_is);
/* The same for trace.c; "switching" turns parts of a patched Xen off and on. */
void trace_run(uint64_t nr, uint64_t seed, uint64_t first, int show,
	       int switching, enum code entries_are);
unsigned int tests_end(void);
/* bench.c; returns the number of failures */
unsigned int bench_run(int all, int on_a_cpu);

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* serve.c */
unsigned int serve(void); /* the number of requests that failed */
void load(void) __attribute__((noreturn));

/* main.c */
void *memcpy(void *to, const void *from, size_t n);

#endif /* KERNEL_H */
