/* SPDX-License-Identifier: MIT */
/*
 * Pages change between table and data while batches run. Batches write to a
 * page only while it is a table, and no table is ever mapped writable.
 */
#include "race.h"

/* --- A page that becomes a table and data again -------------------------- */

#define NR_MAPPED 64u /* its entries map the first SOLE pages */

static uint64_t victim; /* the page's maddr */

/* Updates its slots, whether it is a table or not. */
static void batch_on_victim(unsigned int cpu)
{
	struct mine *m = &mine[cpu];

	while (!load(&race_over)) {
		uint32_t first, len = some_run(&first), i;
		uint64_t slot = load(&victim) + first * 8;
		struct ptebatch_run r;
		uint32_t err;

		switch (some(4)) {
		case 0:
			err = tally(runs(slot, len, FLAGS, RW, NX), len, 0);
			break;
		case 1:
			err = tally(runs(slot, len, FLAGS, NX, RW), len, 0);
			break;
		case 2:
			r = run_at(slot, len, CLEAR, 0, 0, m->olds);
			err = tally(by_list(&r, 0, NULL), len, 1);
			break;
		default:
			for (i = 0; i < len; i++) {
				m->values[i].slot = (slot + i * 8) |
						    (some(2) ? KEEP : EXACT);
				m->values[i].pte =
					page_maddr(SOLE + some(NR_MAPPED)) |
					(some(2) ? DATA : DATA | RW);
			}
			err = tally(values((uint64_t)m->values, len, 0, SELF,
					   0),
				    len, 0);
		}
		HOLDS(!err || err == PTEBATCH_EINVAL);
	}
}

static uint64_t *victim_page;
static uint64_t copy[SLOTS];

static void fill_victim(int data)
{
	uint64_t l4 = virt_to_maddr((void *)start_info->pt_base);
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		copy[i] = victim_page[i] =
			data ? l4 | DATA | RW | some(2) :
			some(2)
			     ? page_maddr(SOLE + some(NR_MAPPED)) | DATA |
				       (some(2) ? RW : 0)
			     : 0;
}

static int as_it_was(void)
{
	uint32_t i, differ = 0;

	linger(2000);
	for (i = 0; i < SLOTS; i++)
		differ += ((volatile uint64_t *)victim_page)[i] != copy[i];
	return !differ;
}

static void retype(unsigned int cpu)
{
	uint64_t rounds = 0, mfn;

	if (cpu) {
		batch_on_victim(cpu);
		return;
	}
	/* At least 64 rounds, even if the updates are done sooner. */
	for (; (SUM(updates) < race_wanted || rounds < 64) && !load(&race_over);
	     rounds++) {
		/* Data that, as entries, would map an L4 table writable. */
		fill_victim(1);
		HOLDS(as_it_was());
		/* A table, of level 1 or 2. */
		fill_victim(0);
		mfn = victim >> 12;
		if (some(4)) {
			set_writable(victim_page, 0);
			HOLDS(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
			linger(2000);
		} else {
			memset(victim_page, 0, PAGE);
			memset(copy, 0, PAGE);
			set_writable(victim_page, 0);
			HOLDS(!mmuext(MMUEXT_PIN_L2_TABLE, mfn, 0));
			HOLDS(as_it_was());
		}
		HOLDS(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
		/* The page is no longer a table. */
		memcpy(copy, victim_page, PAGE);
		HOLDS(as_it_was());
		/* Sometimes the page no longer belongs to the domain. */
		if (!some(4)) {
			HOLDS(!page_give(victim_page));
			linger(2000);
			HOLDS(!page_take(victim_page));
			store(&victim, virt_to_maddr(victim_page));
		} else {
			set_writable(victim_page, 1);
		}
	}
	store(&race_over, 1);
}

const char *a_page_is_written_only_while_it_is_a_table(void)
{
	uint32_t i;
	const char *why;

	victim_page = page_virt(WORLD_PAGES - 1);
	victim = virt_to_maddr(victim_page);
	set_writable(victim_page, 1);
	why = race(retype);
	if (why)
		return why;
	set_writable(victim_page, 0);
	CHECK(SUM(updates) && SUM(refusals));
	why = sole_pages_are_free_of_writers();
	/* No other reference is left either: Xen takes the pages back. */
	for (i = 0; i < NR_MAPPED && !why; i++) {
		CHECK(!page_give(page_virt(SOLE + i)));
		CHECK(!page_take(page_virt(SOLE + i)));
		set_writable(page_virt(SOLE + i), 0);
	}
	return why;
}

/* --- Pages that become tables under writable mappings -------------------- */

#define NR_PINNED 64u /* the first SOLE pages, by slots i and SLOTS + i */

/*
 * Writes bits 8 to 11 of a word, so that the word is always an absent entry.
 * The store is unaligned, since Xen would emulate an aligned store to a page
 * table.
 */
static int write_odd(uint32_t i, unsigned int cpu, uint64_t n)
{
	return probe_write_odd(va_at(some(2) * SLOTS + i) + cpu, n & 0xf);
}

static void make_writable_and_write(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint64_t n = 0;

	while (!load(&race_over)) {
		uint32_t first = some(NR_PINNED), len = 1 + some(8), i;
		uint32_t base = some(2) * SLOTS, err = 0, way = some(8);
		uint64_t slot, how = PTEBATCH_HOW_TLB(
				       some(8) ? PTEBATCH_TLB_NONE
					       : PTEBATCH_TLB_ALL);

		if (len > NR_PINNED - first)
			len = NR_PINNED - first;
		slot = slot_at(base + first);
		for (i = 0; i < 8; i++)
			if (write_odd(some(NR_PINNED), cpu, ++n))
				m->faults++;
			else
				m->stores++;
		switch (way) {
		case 0:
		case 1:
			err = tally(runs(slot, len, FLAGS | how, 0, RW), len,
				    0);
			break;
		case 2:
		case 3:
			err = tally(runs(slot, len, FLAGS | how, RW, 0), len,
				    0);
			break;
		case 4:
			err = tally(runs(slot, len, CLEAR | how, 0, 0), len, 0);
			break;
		default:
			for (i = 0; i < len; i++) {
				uint64_t val = page_maddr(SOLE + first + i) |
					       P | US | (way == 5 ? RW : 0);

				if (way == 7)
					val ^= FRAME | P | US;
				m->values[i].slot = (slot + i * 8) | KEEP;
				m->values[i].pte = val;
			}
			err = tally(values((uint64_t)m->values, len, how, SELF,
					   0),
				    len, 0);
		}
		HOLDS(!err || err == PTEBATCH_EBUSY || err == PTEBATCH_EINVAL);
	}
}

static uint64_t pinned;

static void pin_and_unpin(unsigned int cpu)
{
	uint32_t i, k;

	if (cpu) {
		make_writable_and_write(cpu);
		return;
	}
	for (pinned = 0; (SUM(updates) < race_wanted || pinned < 64) &&
			 !load(&race_over);) {
		volatile uint64_t *p;
		uint64_t before = 0, after = 0, seen = 0;

		i = some(NR_PINNED);
		p = page_virt(SOLE + i);
		if (mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(SOLE + i) >> 12, 0))
			continue;
		pinned++;
		HOLDS(!(*entry_at(i) & RW));
		HOLDS(!(*entry_at(SLOTS + i) & RW));
		for (k = 0; k < SMP_MAX; k++)
			before += p[k] << (k * 8);
		/* RW must never appear, while the other vCPUs keep trying. */
		for (k = some(4000); k--;)
			seen |= *entry_at(i) | *entry_at(SLOTS + i);
		HOLDS(!(seen & RW));
		for (k = 0; k < SMP_MAX; k++)
			after += p[k] << (k * 8);
		HOLDS(before == after);
		HOLDS(write_odd(i, 0, 0) && write_odd(i, 0, 0));
		HOLDS(!(*entry_at(i) & RW));
		HOLDS(!(*entry_at(SLOTS + i) & RW));
		HOLDS(!mmuext(MMUEXT_UNPIN_TABLE, page_maddr(SOLE + i) >> 12,
			      0));
	}
	store(&race_over, 1);
}

const char *a_page_table_is_never_mapped_writable(void)
{
	const char *why;

	fill_sole();
	fill_entries(0, SLOTS, 1, SOLE, DATA);
	fill_entries(SLOTS, NR_PINNED, 1, SOLE, DATA);
	why = race(pin_and_unpin);
	if (why)
		return why;
	print("# %lu times pinned\n", pinned);
	CHECK(pinned && SUM(updates) && SUM(refusals) && SUM(stores));
	world_reset();
	return sole_pages_are_free_of_writers();
}
