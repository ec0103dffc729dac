/* SPDX-License-Identifier: MIT */
/* Shared helpers of the handlers' tests in the harness. */
#ifndef TEST_HANDLER_H
#define TEST_HANDLER_H

#include <harness.h>

#include "../common/pte.h"
#define CHECK_FAILED tap_fail /* a test continues after a failure */
#include "../common/tap.h"

#ifdef PTEBATCH_PREEMPT
#define PTEBATCH_PREEMPT_IS_1 1
#else
#define PTEBATCH_PREEMPT_IS_1 0
#endif

#define UC 0x18UL /* PCD, PWT */
#define GUEST_KERNEL (1UL << 52)
#define ADJ (US | G | GUEST_KERNEL) /* bits that Xen adds */

#define RUNS __HYPERVISOR_ptebatch_runs
#define VALUES __HYPERVISOR_ptebatch_values
#define FLAGS PTEBATCH_OP_FLAGS
#define CLEAR PTEBATCH_OP_CLEAR
#define LIST PTEBATCH_HOW_LIST
#define SELF PTEBATCH_DOMID_SELF
#define TLB(who) PTEBATCH_HOW_TLB(PTEBATCH_TLB_##who)
#define ANS(done, slots, err) ((int64_t)PTEBATCH_ANSWER(done, slots, err))
/* Domain 5's tables and pages, encoded as for mmu_update. */
#define FOREIGN (5UL | 6UL << 16)

#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT

#define EQ(a, b)                                                              \
	do {                                                                  \
		uint64_t _x = (a), _y = (b);                                  \
									      \
		TAP_CHECK(_x == _y, "%s:%d: %s is %#lx, not %#lx", __FILE__,  \
			  __LINE__, #a, _x, _y);                              \
	} while (0)

/* Each group is a file of tests. */
void refusals(void);        /* test-refusals.c */
void entries(void);         /* test-entries.c */
void values_come_and_go(void); /* test-values.c */
void calls_stop(void);      /* test-stops.c */
void updates(void);         /* test-updates.c */
void trapped_writes(void);  /* test-traps.c */
void validation(void);      /* test-validation.c */
void parts(void);           /* test-parts.c */
void forged_progress(void); /* run alone for the mutants */
void differential(unsigned int seed, unsigned int rounds); /* test-random.c */

/*
 * For the mutants: the first failure is enough, and so is a seventh of the cases
 * of which there are thousands.
 */
extern bool stop_at_failure;
static inline bool left_out(unsigned int *n)
{
	return stop_at_failure && ++*n % 7;
}

static inline void begin(const char *name)
{
	tap_begin(NULL, name);
	harness_reset();
}

/* Ends a test after a check of all counts and rules of the harness. */
static inline void end(void)
{
	hx_audit();
	if (hx.broken)
		TAP_CHECK(0, "rule broken %u times: %s", hx.broken, hx.what);
	tap_end(NULL);
	if (tap.reasons && stop_at_failure)
		exit(1);
}

static inline uint64_t pte(unsigned long mfn, uint64_t flags)
{
	return mfn << 12 | P | US | G | flags;
}
static inline uint64_t page(unsigned int n, uint64_t flags)
{
	return pte(MFN_PAGE + n, flags);
}

static inline int64_t flags(uint64_t slot, uint32_t n, uint64_t clear, uint64_t set)
{
	return hx_call(RUNS, slot, n, FLAGS, clear, set);
}

/* A list of one run, with old values. */
static inline int64_t with_old(uint64_t slot, uint32_t n, uint32_t op, uint64_t clear,
			uint64_t set, uint64_t *old)
{
	struct ptebatch_run run = {slot, n, op, clear, set, (uintptr_t)old};

	return hx_call(RUNS, (uintptr_t)&run, 1, LIST, SELF, 0);
}

static inline int64_t value(uint64_t slot, uint64_t val, unsigned int mode)
{
	struct ptebatch_value v = {slot | mode, val};

	return hx_call(VALUES, (uintptr_t)&v, 1, 0, SELF, 0);
}

/* Counter n, as dom0 reads it. */
static inline uint64_t counter(unsigned int n)
{
	uint64_t c;

	hx_self.is_privileged = true;
	c = hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(n),
		    PTEBATCH_HOW_PROBE, 0, 0);
	hx_self.is_privileged = false;
	return c;
}

/* Maps 512 of the caller's pages; "more" writable mappings are elsewhere. */
static inline void fill(unsigned int table, uint64_t f, unsigned int more)
{
	for (unsigned int i = 0; i < 512; i++) {
		hx_set(table, i, page(i, f));
		if (more)
			hx_hold(MFN_PAGE + i, more);
	}
}

static inline unsigned long type_count(unsigned long mfn)
{
	return hx_page(mfn)->u.inuse.type_info & PGT_count_mask;
}

#endif /* TEST_HANDLER_H */
