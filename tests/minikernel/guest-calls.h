/* SPDX-License-Identifier: MIT */
/*
 * For the tests of Xen's own calls (guest-*.c): calls with all that Xen answers,
 * and the value that Xen stores for a value that it was given. What these tests
 * expect was read in Xen's source and seen on stock Xen. They run on every Xen,
 * and know nothing of how a patched Xen does the same.
 */
#ifndef GUEST_CALLS_H
#define GUEST_CALLS_H

#include "tests.h"

#define EPERM 1
#define ESRCH PTEBATCH_ESRCH
#define EFAULT PTEBATCH_EFAULT
#define EBUSY PTEBATCH_EBUSY
#define EINVAL PTEBATCH_EINVAL
#define ENOSYS PTEBATCH_ENOSYS

#define SELF PTEBATCH_DOMID_SELF
#define SLOTS PTEBATCH_TABLE_SLOTS
#define SOLE WORLD_SLOTS /* the first page without another writable mapping */
#define NORMAL MMU_NORMAL_PT_UPDATE
#define MACHPHYS MMU_MACHPHYS_UPDATE
#define KEEP MMU_PT_UPDATE_PRESERVE_AD
#define NO_TRANSLATE 3u
#define PREEMPTED (1u << 31) /* in a count: the call is a continuation */
#define DATA (P | US | A | D)
#define NOTHING_THERE (TEST_BASE + (1ul << 32))
#define XENS_MEMORY 0xffff82d040000000ul
#define NOT_CANONICAL 0x0000900000000000ul
#define UNTOUCHED 0xdeadbeefu /* a done count that Xen has not written */

static inline uint64_t addr(const volatile void *p)
{
	return (uint64_t)p;
}

/* A call's result, and the done count as the call has left it. */
struct said {
	int64_t rc;
	uint32_t done;
};

static inline struct said updates_of(uint64_t list, uint32_t count,
				     uint32_t before, uint32_t who)
{
	static volatile uint32_t done;
	struct said s;

	done = before;
	s.rc = hypercall5(__HYPERVISOR_mmu_update, list, count, addr(&done),
			  who, 0);
	s.done = done;
	return s;
}

static inline struct said updates(const mmu_update_t *list, uint32_t count)
{
	return updates_of(addr(list), count, UNTOUCHED, SELF);
}

/* True if the call ended so; otherwise prints how it ended. */
static inline int is(struct said s, int64_t rc, uint32_t done)
{
	if (s.rc == rc && s.done == done)
		return 1;
	print("# result %ld, done %u (%x); expected %ld and %u\n", s.rc, s.done,
	      s.done, rc, done);
	return 0;
}

/* What Xen stores for a value given to it: flags of its own, if present. */
static inline uint64_t stored(uint64_t pte)
{
	if (!(pte & P))
		return pte;
	return pte | US | (pte & US ? 0 : GUEST_KERNEL) |
	       (pte & US && !(pte & GUEST_KERNEL) ? G : 0);
}

/*
 * An absent value, one of many. Its frame is inverted: where Xen guards against
 * L1TF, any other value would turn the domain to shadow page tables.
 */
static inline uint64_t absent(uint64_t n)
{
	return FRAME ^ (n & 0xffff) << 12 ^ (n & 7) << 9;
}

/* True if the entry is what Xen stores for this value. */
static inline int holds(uint32_t slot, uint64_t pte)
{
	uint64_t now = *entry_at(slot);

	if (now == stored(pte))
		return 1;
	print("# slot %u is %016lx, expected %016lx\n", slot, now, stored(pte));
	return 0;
}

static inline mmu_update_t update_of(uint64_t slot, uint64_t pte)
{
	return (mmu_update_t){ slot, pte };
}

/* Page tables above the L1 tables under test. */
static inline uint64_t l4_maddr(void)
{
	return virt_to_maddr((void *)start_info->pt_base);
}

static inline uint64_t table_above(int level) /* 2 or 3 */
{
	return slot_of(TEST_BASE, level) & FRAME;
}

static inline int pin(int level, uint64_t maddr)
{
	static const uint32_t cmd[] = { 0, MMUEXT_PIN_L1_TABLE,
					MMUEXT_PIN_L2_TABLE,
					MMUEXT_PIN_L3_TABLE,
					MMUEXT_PIN_L4_TABLE };

	return mmuext(cmd[level], maddr >> 12, 0);
}

static inline int unpin(uint64_t maddr)
{
	return mmuext(MMUEXT_UNPIN_TABLE, maddr >> 12, 0);
}

/* NULL if no writable reference to the page is left: it can become a table. */
static inline const char *no_writer_of(uint32_t page)
{
	int err = pin(1, page_maddr(page));

	if (!err)
		err = unpin(page_maddr(page));
	if (!err)
		return NULL;
	print("# page %u cannot become a table: %d\n", page, err);
	return "a page kept a writable reference";
}

/*
 * NULL if no reference at all is left, and none is missing: Xen takes the page
 * back. The page must be zero, and not mapped writable by the direct map.
 */
static inline const char *no_reference_to(uint32_t page)
{
	const char *why = no_writer_of(page);
	int step;

	if (why)
		return why;
	step = page_give(page_virt(page));
	if (!step)
		step = page_take(page_virt(page));
	if (step) {
		print("# page %u cannot be given back: step %d\n", page, step);
		return "a page kept a reference";
	}
	set_writable(page_virt(page), 0);
	return NULL;
}

/*
 * events.c: between the two calls, an event stays pending and is not masked.
 * Xen then preempts each call wherever it looks. Each time the kernel runs
 * "hook", if it is not NULL, with the registers of the interrupted call. The
 * second call returns how often that was.
 */
void preempt_calls(void (*hook)(struct regs *r));
uint32_t preempt_no_more(void);

extern int calls_are_preempted; /* tests.c: so does the whole test run */
extern int is_shadowed; /* tests.c: Xen shadows the page tables of this domain */

/*
 * Xen's slots in an L4 table of this domain: 256 up to this one, without it. A
 * Xen that is built for the suite "high" has fewer of them, see guest-high.c.
 */
#define L4_XEN_END (has_short_map ? 263u : 272u)
#define GUEST_L4(i) ((i) < 256 || (i) >= L4_XEN_END)

/* guest-*.c */
extern const struct test updates_tests[], update_va_tests[], validate_tests[],
	preempted_tests[], other_domain_tests[], high_tests[];

#endif /* GUEST_CALLS_H */
