/* SPDX-License-Identifier: MIT */
/*
 * The parts of the benchmark:
 *
 *   bench.c        the library's methods, and how a case is measured
 *   bench-guest.c  what a guest without the library does
 */
#ifndef BENCH_H
#define BENCH_H

#include "kernel.h"

#define BENCH_PAGES 4096u

/* What happens to each entry. bench.c has the names and flags. */
enum direction {
	DIR_RO,
	DIR_RW,
	DIR_NX,
	DIR_CLEAR,
	DIR_YOUNG,
	DIR_MAP,     /* 0 to present and writable */
	DIR_UNMAP,   /* present and writable to 0 */
	DIR_FRAME,   /* from one frame to another, present and writable */
	DIR_NONE,    /* as Linux does for PROT_NONE: P clear, frame inverted */
	DIR_BACK,    /* PROT_NONE to present and writable */
	DIR_BACK_RO, /* PROT_NONE to present and read-only */
	DIR_FAULT,   /* read-only, and stays so */
	/* Of a table to be pinned: what all its entries are. */
	DIR_PRESENT,    /* an L1 table's; they map writable pages */
	DIR_PRESENT_RO, /* an L1 table's; they map read-only pages */
	DIR_EMPTY_L1,
	DIR_EMPTY_L2,
	DIR_EMPTY_L3,
	DIRECTIONS
};

#define BIT(dir) (1u << (dir))
#define RO_RW (BIT(DIR_RO) | BIT(DIR_RW))
#define EVERY (RO_RW | BIT(DIR_NX) | BIT(DIR_CLEAR) | BIT(DIR_YOUNG))
#define COMES_GOES (BIT(DIR_MAP) | BIT(DIR_UNMAP))
#define EVERY_GUEST (EVERY | COMES_GOES | BIT(DIR_FRAME))
#define ABSENT (BIT(DIR_NONE) | BIT(DIR_BACK) | BIT(DIR_BACK_RO))
#define TABLES (BIT(DIR_PRESENT) | BIT(DIR_PRESENT_RO) | BIT(DIR_EMPTY_L1) | \
		BIT(DIR_EMPTY_L2) | BIT(DIR_EMPTY_L3))

/* The current case, prepared before the clock starts. */
struct bench_case {
	enum direction dir;
	uint32_t nr, stride;
	uint64_t clear, set;
	uint64_t mode; /* mmu_update's: PRESERVE_AD where the page stays */
	uint64_t slot[BENCH_PAGES], target[BENCH_PAGES], before[BENCH_PAGES];
	volatile uint64_t *entry[BENCH_PAGES];
	uint64_t old[BENCH_PAGES];
	/* Counted by methods that do not use a batch. */
	uint64_t calls, flushes;
};
extern struct bench_case now;

/* Properties of a method: what is checked, and the kind of its pages. */
enum {
	OLD = 1,
	SPARSE = 2,
	FLOOR = 4,
	SOLE = 8,
	AD_SET = 16,
	FOREIGN = 32, /* pages of Xen that every domain may read */
	KERNEL = 64,  /* entries without U/S, which Xen marks as the kernel's */
	IO = 128,     /* frames of a device */
	MIXED = 256,  /* with KERNEL: every second entry only */
	RAW = 512,    /* needs a Xen that sets an entry in registers */
};

struct method {
	const char *name;
	int (*run)(void); /* 0 or an error */
	const struct ptebatch_backend *backend;
	uint32_t directions, how;
	uint32_t only; /* the number of pages; 0: each batch size */
	/* In place of those for L1 entries of the world's tables (world.c). */
	void (*prepare)(void);
	uint32_t (*wrong)(void); /* the number of entries that are wrong */
};

extern const struct method guest_methods[]; /* the last has no name */

/* bench-guest.c; bench.c has methods of these, too. */
int mmu_update_one(void);
int mmu_update_bulk(void);
int trapped(void);

#endif /* BENCH_H */
