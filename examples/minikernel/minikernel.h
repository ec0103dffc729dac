/* SPDX-License-Identifier: MIT */
/*
 * The minikernel: a PV64 guest for Xen, to be read in one sitting.
 *
 *   boot.S     entry, hypercall page, trap stubs
 *   main.c     picks what the command line asks for, and powers off
 *   console.c  printing, to Xen's console, or as a domU to its own
 *   traps.c    traps: expected ones are fixed up, others end the run
 *   mm.c       memory, page tables, and how the library reaches them
 *   world.c    L1 tables and data pages for tests and benchmarks
 *   tests.c    the conformance suite on Xen, and what only Xen can show
 *   abi.c      the two hypercalls by hand: bad arguments, forms, multicalls
 *   flask.c    what a security policy allows and denies
 *   serve.c    as a domU: what dom0 asks for (mailbox.h), and load without end
 *   bench.c    what each way of changing PTEs costs
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

/* main.c */
void shutdown(unsigned int reason) __attribute__((noreturn));
#define panic(...) (print("PANIC: " __VA_ARGS__), print("\n"), shutdown(3))

/* mm.c */
void mm_init(void);
void *page_alloc(void); /* zeroed, mapped writable; never NULL */
void page_free(void *page);
uint64_t pages_left(void);
uint64_t virt_to_maddr(const void *p); /* of a direct-map address */
uint32_t virt_to_pfn(const void *p);
volatile uint64_t *maddr_to_virt(uint64_t maddr); /* NULL if not mapped */
void set_writable(void *page, int writable);	  /* in the direct map */
int update_pte(uint64_t maddr, uint64_t value);	  /* by stock mmu_update */
/* Builds the levels above va and installs table, which becomes read-only. */
void install_table(uint64_t va, int level, void *table);
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

/* tests.c, bench.c: how many failed */
/* Counted by tests_run(); these come before it. */
void be_shadowed(void);
void flask_run(void); /* flask.c */
unsigned int tests_run(int must_be_new, int must_be_old);
unsigned int bench_run(int all);

/* serve.c */
unsigned int serve(void); /* how many requests failed */
void load(void) __attribute__((noreturn));

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

#endif /* MINIKERNEL_H */
