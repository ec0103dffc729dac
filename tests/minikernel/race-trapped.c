/* SPDX-License-Identifier: MIT */
/*
 * Instructions that change entries in place, which trap, while other vCPUs use
 * the pages or do the same. The new calls are not needed.
 */
#include "race.h"

#define SPARE (SOLE + 448) /* pages without another writable mapping */

static void lock_and(volatile uint64_t *p, uint8_t mask)
{
	__asm__ volatile("lock andb %1, %0" : "+m"(*(volatile uint8_t *)p)
			 : "q"(mask) : "cc", "memory");
}

static void lock_or(volatile uint64_t *p, uint8_t mask)
{
	__asm__ volatile("lock orb %1, %0" : "+m"(*(volatile uint8_t *)p)
			 : "q"(mask) : "cc", "memory");
}

/* These three with immediates, as kernels have them. */
static void remove_rw(volatile uint64_t *p)
{
	__asm__ volatile("lock andb $0xfd, %0" : "+m"(*(volatile uint8_t *)p)
			 : : "cc", "memory");
}

static void add_rw(volatile uint64_t *p)
{
	__asm__ volatile("lock orb $2, %0" : "+m"(*(volatile uint8_t *)p)
			 : : "cc", "memory");
}

static int test_and_clear_d(volatile uint64_t *p)
{
	char was;

	__asm__ volatile("lock btrq $6, %0; setc %1" : "+m"(*p), "=q"(was)
			 : : "cc", "memory");
	return was;
}

static uint64_t cmpxchg(volatile uint64_t *p, uint64_t old, uint64_t new)
{
	__atomic_compare_exchange_n(p, &old, new, 0, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return old;
}

/* --- A and D ------------------------------------------------------------- */

#define HOT 8u

static void flush_everywhere(void)
{
	if (mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0))
		fail("no TLB flush");
}

/* One turn on a slot; what was stored to the page must show in D. */
static void turn(uint32_t i, uint32_t way)
{
	const uint64_t pte = page_maddr(SPARE + i) | P | US | RW;
	volatile uint64_t *p = entry_at(i), *page = page_virt(SPARE + i);
	uint64_t before, seen, d;

	HOLDS(!update_pte(slot_at(i), pte));
	flush_everywhere();
	before = load(page);
	linger(4096);
	switch (way) {
	case 0:
		d = __atomic_exchange_n(p, 0, __ATOMIC_SEQ_CST);
		break;
	case 1:
		do {
			seen = *p;
		} while (cmpxchg(p, seen, seen & ~RW) != seen);
		d = *p;
		break;
	case 2:
		remove_rw(p);
		d = *p;
		break;
	default:
		d = test_and_clear_d(p) ? D : 0;
		flush_everywhere();
		d |= *p;
	}
	flush_everywhere();
	if (way == 3)
		d |= __atomic_exchange_n(p, 0, __ATOMIC_SEQ_CST);
	flush_everywhere();
	if (load(page) != before) {
		HOLDS(d & D);
		mine[0].refusals++; /* turns in which a store was caught */
	}
	mine[0].updates++;
}

static void lose_d(unsigned int cpu)
{
	uint64_t n = 0;

	while (!load(&race_over)) {
		if (cpu) {
			if (probe_write(va_at(some(HOT)), n++ * SMP_MAX + cpu))
				mine[cpu].faults++;
			else
				mine[cpu].stores++;
			continue;
		}
		turn(some(HOT), some(4));
		/* The others may have to wait for a CPU of the host. */
		if (mine[0].updates >= race_wanted / 8 && SUM(stores))
			store(&race_over, 1);
	}
}

const char *no_d_is_lost_by_trapped_writes(void)
{
	const char *why;

	fill_entries(0, HOT, 1, SPARE, P | US);
	why = race(lose_d);
	if (why)
		return why;
	CHECK(mine[0].refusals);
	CHECK(SUM(stores));
	world_reset();
	return all_spares_are_free();
}

/* --- References ------------------------------------------------------------ */

/* Any form on any of 96 slots, by all vCPUs. */
static void change_anything(unsigned int cpu)
{
	while (!load(&race_over)) {
		volatile uint64_t *p = entry_at(some(96));
		const uint64_t frame = page_maddr(SPARE + some(16));
		const uint64_t pte = some(4) == 0 ? 0
				     : some(8) == 0
					     ? FRAME ^ frame
					     : frame | P | US |
						       (some(2) ? RW : 0);
		const uint64_t seen = *p;

		switch (some(7)) {
		case 0:
			*p = pte;
			break;
		case 1:
			__atomic_exchange_n(p, pte, __ATOMIC_SEQ_CST);
			break;
		case 2:
			cmpxchg(p, seen, pte);
			break;
		case 3:
			remove_rw(p);
			break;
		case 4:
			add_rw(p);
			break;
		case 5:
			lock_and(p, (uint8_t)~(A | D));
			break;
		default:
			lock_or(p, A | D);
		}
		mine[cpu].updates++;
		if (!cpu && SUM(updates) >= race_wanted)
			store(&race_over, 1);
	}
}

const char *trapped_writes_of_the_same_slots_keep_all_counts(void)
{
	const char *why = race(change_anything);

	return why ? why : spares_are_mapped_as_counted();
}
