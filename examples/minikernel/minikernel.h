/* SPDX-License-Identifier: MIT */
/*
 * The minikernel: a PV64 guest for Xen, to be read in one sitting.
 *
 *   boot.S     entry, hypercall page, trap stubs
 *   main.c     picks what the command line asks for, and powers off
 *   console.c  printing, to Xen's console, or as a domU to its own
 *   traps.c    traps: expected ones are fixed up, others end the run
 *   mm.c       memory, page tables, and how the library reaches them
 *   smp.c      more vCPUs
 *   world.c    L1 tables and data pages for tests and benchmarks
 *   tests.c    the conformance suite on Xen, and what only Xen can show
 *   abi.c      the two hypercalls by hand: bad arguments, forms, multicalls
 *   flask.c    what a security policy allows and denies
 *   kinds.c    entries of other kinds, beside twins that mmu_update changes
 *   race.c     several vCPUs against each other
 *   serve.c    as a domU: what dom0 asks for (mailbox.h), and load without end
 *   bench.c    what each way of changing PTEs costs
 *   fuzz.c     random operations, compared with stock mmu_update's
 *   twin.c     what they work on: tables and pages in pairs
 *
 * Memory: every page that is used is mapped at VIRT_BASE + its (guest)
 * physical address, the "direct map". TEST_BASE is where the tables under test
 * map their data pages.
 */
#ifndef MINIKERNEL_H
#define MINIKERNEL_H

#include <ptebatch/ptebatch.h>
#include <xen/xen.h>

#define VIRT_BASE 0xffffffff80000000ul
#define TEST_BASE 0xffffc00000000000ul
#define PAGE 4096ul

/* PTE bits by the names that x86 gives them. */
#define P PTEBATCH_PTE_P
#define RW PTEBATCH_PTE_RW
#define US PTEBATCH_PTE_US
#define A PTEBATCH_PTE_A
#define D PTEBATCH_PTE_D
#define G PTEBATCH_PTE_G
#define NX PTEBATCH_PTE_NX
#define FRAME PTEBATCH_PTE_FRAME
#define GUEST_KERNEL 0x0010000000000000ul /* Xen's mark, bit 52 */
/* What Xen adds to entries by itself. */
#define XENS_BITS (US | G | GUEST_KERNEL)

/* boot.S */
int64_t hypercall5(uint32_t nr, uint64_t a1, uint64_t a2, uint64_t a3,
		   uint64_t a4, uint64_t a5);
int64_t env_hypercall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		      uint64_t a3, uint64_t a4, uint64_t a5);
int probe_read(const volatile uint64_t *p, uint64_t *value);
int probe_write(volatile uint64_t *p, uint64_t value);
int probe_write_odd(volatile uint64_t *p, uint16_t value);
void bench_begin(void);
void bench_end(void);
extern shared_info_t *shared_info;
extern start_info_t *start_info;

/* console.c: init once memory is mapped, flush before the end */
void console_init(void);
void console_flush(void);
void yield(void); /* to other domains */
/* %s %c %d %u %x %lu %ld %lx, widths as in %016lx and %4u */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void puts_raw(const char *s);

/* traps.c */
void traps_init(void);
extern uint64_t faults; /* page faults fixed up so far */
extern const trap_info_t trap_table[]; /* ends with an address of 0 */

/* smp.c */
#define SMP_MAX 8u
unsigned int smp_cpus(void); /* that the domain has, at most SMP_MAX */
unsigned int smp_cpu(void);  /* which one this is */
/* Runs fn on the vCPUs 0 to cpus - 1 at once; the caller is vCPU 0. */
void smp_each(unsigned int cpus, void (*fn)(unsigned int cpu));
#define smp_pause() __builtin_ia32_pause()

/* main.c */
void shutdown(unsigned int reason) __attribute__((noreturn));
#define panic(...) (print("PANIC: " __VA_ARGS__), print("\n"), shutdown(3))

/* mm.c */
void mm_init(void);
void *page_alloc(void); /* zeroed, mapped writable; never NULL */
void page_free(void *page);
uint64_t pages_left(void);
/*
 * Gives a page back to Xen, and takes another in its place, which is zeroed
 * and mapped writable. 0, or what went wrong: page_give fails if somebody holds
 * a reference still.
 */
int page_give(void *page);
int page_take(void *page);
uint64_t virt_to_maddr(const void *p); /* of a direct-map address */
uint32_t virt_to_pfn(const void *p);
volatile uint64_t *maddr_to_virt(uint64_t maddr); /* NULL if not mapped */
int is_own_page(uint64_t maddr);		  /* mapped or not */
void set_writable(void *page, int writable);	  /* in the direct map */
void hide_page(void *page);			  /* no longer in it at all */
int update_pte(uint64_t maddr, uint64_t value);	  /* by stock mmu_update */
/* A page that nothing maps gets another machine frame; 0 or Xen's error. */
int exchange_page(void *page);
/* Its frame goes back to Xen once nothing maps it; 0 or an error. */
int release_page(void *page);
void populate_page(void *page); /* one released gets a new frame */
uint64_t pages_reserved(void);	/* that the domain has, by Xen's count */
/* Builds the levels above va and installs table, which becomes read-only. */
void install_table(uint64_t va, int level, void *table);
uint64_t table_slot(uint64_t va, int level); /* where that table is entered */
void remove_table(uint64_t va);			  /* an L1; writable again */
void invlpg(uint64_t va);
int mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2);
uint32_t xen_features(void);
extern struct ptebatch_env xen_env; /* stock features, slots by direct map */

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

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

#endif /* MINIKERNEL_H */
