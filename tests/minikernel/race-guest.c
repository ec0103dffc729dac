/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs use Xen's own calls at the same time: mmu_update on tables, on
 * memory and on pages that are one and then the other, update_va_mapping, and
 * pin and unpin. Xen's two new calls are not needed.
 */
#include "race.h"

#define SPARE (SOLE + 448) /* 64 pages that become tables or memory */
#define MANY 64u

/* Requests of each vCPU. */
static mmu_update_t lists[SMP_MAX][4 * MANY] __attribute__((aligned(4096)));

/* Updates of this vCPU; counts those done, and the calls that failed. */
static int64_t update(uint32_t nr)
{
	struct mine *m = &mine[smp_cpu()];
	volatile uint32_t done = 0;
	int64_t rc = hypercall5(__HYPERVISOR_mmu_update,
				addr(lists[smp_cpu()]), nr, addr(&done), SELF,
				0);

	m->updates += done;
	m->refusals += !!rc;
	if (!rc && done != nr)
		fail("a list without an error was not done");
	return rc;
}

static int64_t update_one_va(const volatile void *va, uint64_t pte,
			     uint64_t flags)
{
	struct mine *m = &mine[smp_cpu()];
	int64_t rc = hypercall5(__HYPERVISOR_update_va_mapping, addr(va), pte,
				flags, 0, 0);

	m->updates += !rc;
	m->refusals += !!rc;
	return rc;
}

static int over(void)
{
	return load(&race_over);
}

/* For vCPU 0, which ends the race after enough updates, and so many turns. */
static int goes_on(uint32_t turns, uint32_t at_least)
{
	if (SUM(updates) >= race_wanted && turns >= at_least)
		store(&race_over, 1);
	return !over();
}

const char *all_spares_are_free(void)
{
	uint32_t i;

	for (i = 0; i < MANY; i++) {
		set_writable(page_virt(SPARE + i), 1);
		memset(page_virt(SPARE + i), 0, PAGE);
		set_writable(page_virt(SPARE + i), 0);
		CHECK(!no_reference_to(SPARE + i));
	}
	return NULL;
}

/* --- One set of slots, by all ------------------------------------------------ */

/* Any value for any slot: each way of each call, all vCPUs on 96 slots. */
static void anything(unsigned int cpu)
{
	mmu_update_t *l = lists[cpu];

	while (cpu ? !over() : goes_on(0, 0)) {
		uint32_t nr = 1 + some(2) * some(4 * MANY - 1), i;

		for (i = 0; i < nr; i++) {
			const uint32_t slot = some(96);
			const uint64_t page = page_maddr(SPARE + some(16));

			l[i].ptr = slot_at(some(8) ? slot : SLOTS + slot) |
				   (some(2) ? KEEP : NORMAL);
			l[i].val = some(4) == 0 ? 0
				   : some(8) == 0
					   ? FRAME ^ page
					   : page | P | US | (some(2) ? RW : 0);
		}
		if (nr == 1 && some(2))
			HOLDS(!update_one_va(va_at(some(96)), l->val,
					     some(2) ? UVMF_INVLPG | UVMF_ALL
						     : UVMF_NONE));
		else
			HOLDS(!update(nr));
	}
}

const char *spares_are_mapped_as_counted(void)
{
	uint32_t i;

	/* Which pages are still mapped writable must be what Xen counts. */
	for (i = 0; i < 16; i++) {
		const uint64_t frame = page_maddr(SPARE + i);
		uint32_t k, writable = 0;

		for (k = 0; k < 2 * SLOTS; k++)
			writable += (*entry_at(k) & (P | RW)) == (P | RW) &&
				    (*entry_at(k) & FRAME) == frame;
		CHECK(!pin(1, frame) == !writable);
		CHECK(writable || !unpin(frame));
	}
	world_reset();
	return all_spares_are_free();
}

const char *updates_of_the_same_slots_keep_all_counts(void)
{
	const char *why = race(anything);

	return why ? why : spares_are_mapped_as_counted();
}

/* --- Pages that are tables now and memory then ------------------------------- */

/* What the others write: entries of a table, or just words. */
static void write_to_changing(unsigned int cpu)
{
	mmu_update_t *l = lists[cpu];

	while (!over()) {
		uint32_t nr = 1 + some(2) * some(4 * MANY - 1), i;
		int64_t rc;

		for (i = 0; i < nr; i++) {
			l[i].ptr = (page_maddr(SPARE + some(2)) +
				    8 * some(SLOTS)) |
				   (some(2) ? KEEP : NORMAL);
			l[i].val = some(8) ? page_maddr(SPARE + 8 + some(8)) |
						     P | US | (some(2) ? RW : 0)
				   : some(2) ? 0
					     : l4_maddr() | DATA | RW;
		}
		rc = update(nr);
		HOLDS(!rc || rc == -EINVAL || rc == -EBUSY);
	}
}

/*
 * A page is memory, then a table of a level, then memory. While it is a table,
 * none of its entries may map a table writable.
 */
static void turn(unsigned int cpu)
{
	const uint64_t l4 = l4_maddr();
	uint32_t i, turns = 0, tables = 0;

	if (cpu) {
		write_to_changing(cpu);
		return;
	}
	while (goes_on(tables, 32)) {
		const uint32_t page = SPARE + some(2);
		volatile uint64_t *t = page_virt(page);
		const int level = some(4) ? 1 : 2;
		int err;

		turns++;
		/* Empty, or filled by lists of the others as memory. */
		if (some(2)) {
			set_writable(page_virt(page), 1);
			memset(page_virt(page), 0, PAGE);
			set_writable(page_virt(page), 0);
		}
		linger(2000);
		err = pin(level, page_maddr(page));
		/* EBUSY, EINVAL: the words there are no entries. */
		HOLDS(!err || err == -EINVAL || err == -EBUSY);
		if (err)
			continue;
		tables++;
		linger(4000);
		for (i = 0; i < SLOTS; i++) {
			const uint64_t pte = t[i];

			HOLDS(level > 1 || !(pte & P) || (pte & US));
			HOLDS((pte & (P | RW | FRAME)) != (l4 | P | RW) ||
			      level > 1);
		}
		HOLDS(!unpin(page_maddr(page)));
	}
	print("# %u times a table, of %u\n", tables, turns);
}

const char *a_page_is_updated_as_what_it_is(void)
{
	const char *why = race(turn);

	if (why)
		return why;
	CHECK(SUM(updates) && SUM(refusals));
	return all_spares_are_free();
}

/* --- Data pages named as tables ---------------------------------------------- */

/*
 * Each vCPU writes to the data page of its neighbour as to memory, and in the
 * same list takes away and gives back the second mapping of its own. A vCPU must
 * not hold the lock of one page while it waits for the other page: the type
 * count of a locked page cannot be dropped to the one reference that the lock
 * holds, so two such vCPUs would wait for each other for ever.
 */
static void cross(unsigned int cpu)
{
	const uint64_t mine_maddr = page_maddr(SPARE + cpu);
	const uint64_t theirs =
		page_maddr(SPARE + (cpu + 1) % race_cpus);
	mmu_update_t *l = lists[cpu];
	uint32_t i;

	while (cpu ? !over() : goes_on(0, 0)) {
		uint32_t nr = 2 + 2 * some(2 * MANY - 1);
		const uint64_t mode = some(2) ? KEEP : NORMAL;

		for (i = 0; i < nr; i += 2) {
			/* One mapping goes, or none; in turn with the stores. */
			l[i] = update_of((theirs + 8 * some(SLOTS)) | mode,
					 l[i].val + 1);
			l[i + 1] = update_of(slot_at(cpu) | mode,
					     (mine_maddr | P | US | RW) ^
						     (some(2) ? RW : 0));
			if (some(4) == 0)
				l[i + 1].val = 0;
			if (some(4) == 0) /* its own page, too */
				l[i].ptr = (mine_maddr + 8 * some(SLOTS)) | mode;
			if (some(8) == 0) /* and the neighbour's mapping */
				l[i + 1].val = theirs | P | US | RW;
		}
		HOLDS(!update(nr));
		if (some(4) == 0)
			HOLDS(!update_one_va(va_at(cpu),
					     mine_maddr | P | US |
						     (some(2) ? RW : 0),
					     UVMF_INVLPG | UVMF_LOCAL));
	}
}

const char *data_pages_named_as_tables_by_each_other_do_not_hang(void)
{
	const char *why = race(cross);

	if (why)
		return why;
	world_reset();
	return all_spares_are_free();
}

/* --- A and D ------------------------------------------------------------------ */

#define HOT 48u /* slots that map pages which the others write */
static uint64_t wrote[HOT][SMP_MAX]; /* as each vCPU wrote them, by slot */

static void write_hot(unsigned int cpu)
{
	struct mine *m = &mine[cpu];

	while (!over()) {
		const uint32_t i = some(HOT);

		if (probe_write(va_at(i) + cpu, wrote[i][cpu] + 1)) {
			m->faults++;
			linger(256);
		} else {
			wrote[i][cpu]++;
			m->stores++;
		}
	}
}

static uint64_t content_of(uint32_t i)
{
	volatile uint64_t *p = page_virt(SPARE + i);
	uint64_t n = 0;
	unsigned int cpu;

	for (cpu = 1; cpu < race_cpus; cpu++)
		n += p[cpu];
	return n;
}

/* One list of all hot slots with these flags, and a flush of all TLBs. */
static void set_hot(uint64_t flags, uint32_t mode, int one_by_one)
{
	mmu_update_t *l = lists[0];
	uint32_t i;

	for (i = 0; i < HOT; i++)
		l[i] = update_of(slot_at(i) | mode,
				 page_maddr(SPARE + i) | P | US | flags);
	if (one_by_one)
		for (i = 0; i < HOT; i++)
			HOLDS(!hypercall5(__HYPERVISOR_mmu_update, addr(&l[i]),
					  1, 0, SELF, 0));
	else
		HOLDS(!update(HOT));
	mine[0].updates += one_by_one ? HOT : 0;
}

static void keep_a_and_d(unsigned int cpu)
{
	static uint64_t before[HOT];
	uint32_t i, n, rounds = 0, dirty = 0;

	if (cpu) {
		write_hot(cpu);
		return;
	}
	/* The others may have to wait for a CPU of the host. */
	while (goes_on(dirty && SUM(faults) ? rounds : 0, 64)) {
		rounds++;
		/* Clean and read-only, in every TLB; then the content is known. */
		set_hot(0, NORMAL, 0);
		HOLDS(!mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
		for (i = 0; i < HOT; i++)
			before[i] = content_of(i);
		set_hot(RW, some(2) ? KEEP : NORMAL, 0);
		linger(500);
		/* Updates that keep A and D, while they are being set. */
		for (n = 4 + some(24); n--;)
			set_hot(RW | (some(2) ? 1ul << 9 : 0) |
					(some(2) ? NX : 0),
				KEEP, (int)some(2));
		set_hot(some(2) ? 0 : NX, KEEP, (int)some(2));
		HOLDS(!mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
		for (i = 0; i < HOT; i++) {
			const int changed = content_of(i) != before[i];

			HOLDS(!changed || (*entry_at(i) & (A | D)) == (A | D));
			dirty += changed;
		}
	}
	print("# %u pages were written in %u rounds\n", dirty, rounds);
}

const char *no_a_or_d_is_lost_by_updates_that_keep_them(void)
{
	const char *why;
	uint32_t i;

	memset(wrote, 0, sizeof(wrote));
	for (i = 0; i < HOT; i++)
		CHECK(!update_pte(slot_at(i), page_maddr(SPARE + i) | DATA));
	why = race(keep_a_and_d);
	if (why)
		return why;
	CHECK(SUM(stores) && SUM(faults));
	world_reset();
	return all_spares_are_free();
}

/* --- Requests that change while they are performed ---------------------------- */

static uint32_t seen_writable; /* entries, by vCPU 0 */

/* Every state of a request is fine; half of each may be old, half new. */
static void rewrite_requests(unsigned int cpu)
{
	mmu_update_t *l = lists[0];

	if (cpu) {
		while (!over()) {
			mmu_update_t *r = &l[some(MANY)];
			static const uint64_t odd[] = { 1, 4, 7, 3, 2 };

			switch (some(8)) {
			case 0:
				store(&r->val, l4_maddr() | DATA | RW);
				break;
			case 1:
				store(&r->ptr, slot_at(some(SLOTS)) |
						       odd[some(5)]);
				break;
			case 2:
				store(&r->ptr, page_maddr(SPARE + 32) +
						       8 * some(SLOTS));
				break;
			case 3:
				store(&r->ptr, slot_of(TEST_BASE, 2) +
						       8 * 509);
				store(&r->val, 0);
				break;
			default:
				store(&r->ptr, slot_at(some(SLOTS)) |
						       (some(2) ? KEEP : 0));
				store(&r->val, page_maddr(SPARE + some(16)) |
						       P | US |
						       (some(2) ? RW : 0));
			}
		}
		return;
	}
	/* Until the others have changed the requests in both ways. */
	while (goes_on(seen_writable ? (uint32_t)SUM(refusals) : 0, 64)) {
		int64_t rc = update(1 + some(MANY));

		HOLDS(!rc || rc == -EINVAL || rc == -EBUSY || rc == -ENOSYS);
		seen_writable += (*entry_at(some(SLOTS)) & (P | RW)) == (P | RW);
	}
}

const char *requests_rewritten_meanwhile_are_whole_or_refused(void)
{
	const char *why;
	uint32_t i;

	for (i = 0; i < MANY; i++)
		lists[0][i] = update_of(slot_at(i), 0);
	seen_writable = 0;
	why = race(rewrite_requests);
	if (why)
		return why;
	CHECK(SUM(refusals));
	for (i = 0; i < SLOTS; i++) {
		const uint64_t pte = *entry_at(i);

		CHECK((pte & (P | RW | FRAME)) != (l4_maddr() | P | RW));
	}
	CHECK(seen_writable);
	world_reset();
	return all_spares_are_free();
}

/* --- A table whose place another vCPU gives to another ------------------------ */

static void change_places(unsigned int cpu)
{
	const uint64_t l2 = slot_of((uint64_t)va_at(WORLD_SLOTS), 2);
	uint32_t turns = 0;

	if (!cpu) {
		while (goes_on(turns, 64)) {
			const uint64_t table = page_maddr(SPARE + some(2));

			turns++;
			HOLDS(!update_pte(l2, some(4) ? table | P | RW | US
						      : 0));
			linger(300);
			if (!some(8)) { /* an unhooked table is memory, too */
				HOLDS(!update_pte(l2, 0));
				HOLDS(!update_pte(table + 8 * some(SLOTS),
						  page_maddr(SPARE + 9) | P |
							  US | RW));
			}
		}
		HOLDS(!update_pte(l2, 0));
		return;
	}
	while (!over()) {
		const uint64_t page = page_maddr(SPARE + 8 + some(8));
		int64_t rc = update_one_va(va_at(WORLD_SLOTS + some(SLOTS)),
					   some(3) ? page | P | US |
							     (some(2) ? RW : 0)
						   : 0,
					   some(64) ? some(4)
						    : UVMF_INVLPG | UVMF_ALL);

		HOLDS(!rc || rc == -EINVAL);
		if (rc) /* there is no table for the time being */
			linger(256);
	}
}

const char *a_table_replaced_meanwhile_is_updated_or_not(void)
{
	const char *why = race(change_places);
	uint32_t i;

	if (why)
		return why;
	CHECK(SUM(updates) && SUM(refusals));
	/* Both tables can be tables once more, with what is in them. */
	for (i = 0; i < 2; i++) {
		CHECK(!pin(1, page_maddr(SPARE + i)));
		CHECK(!unpin(page_maddr(SPARE + i)));
	}
	return all_spares_are_free();
}

/* --- Trees that are pinned while their entries change ------------------------- */

#define TREE_LEAVES 6u
static void pin_a_tree(unsigned int cpu)
{
	const uint32_t leaf = SPARE + 1, data = SPARE + 16;
	uint32_t i, turns = 0;

	if (cpu) {
		mmu_update_t *l = lists[cpu];

		while (!over()) {
			uint32_t nr = 1 + some(32);
			int64_t rc;

			for (i = 0; i < nr; i++)
				l[i] = update_of(
					(page_maddr(leaf + some(TREE_LEAVES)) +
					 8 * some(SLOTS)) |
						(some(2) ? KEEP : NORMAL),
					some(3) ? page_maddr(data + some(8)) |
							  P | US |
							  (some(2) ? RW : 0)
						: 0);
			/* EINVAL while a leaf is neither table nor memory. */
			rc = update(nr);
			HOLDS(!rc || rc == -EINVAL);
		}
		return;
	}
	while (goes_on(turns, 64)) {
		int err;

		/* EINVAL while another vCPU writes to a leaf as to memory. */
		if (some(3)) { /* the tree as a whole */
			err = pin(2, page_maddr(SPARE));
			HOLDS(!err || err == -EINVAL);
			if (err)
				continue;
			linger(1000);
			for (i = 0; i < TREE_LEAVES; i++)
				HOLDS(update_va(page_virt(leaf + i),
						page_maddr(leaf + i) |
							PAGE_RW) == -EBUSY);
			HOLDS(!unpin(page_maddr(SPARE)));
		} else {
			i = leaf + some(TREE_LEAVES);
			err = pin(1, page_maddr(i));
			HOLDS(!err || err == -EINVAL);
			if (err)
				continue;
			linger(500);
			HOLDS(!unpin(page_maddr(i)));
		}
		turns++;
		linger(500);
	}
}

const char *trees_are_pinned_while_their_entries_change(void)
{
	uint64_t *l2 = page_virt(SPARE);
	const char *why;
	uint32_t i;

	set_writable(l2, 1);
	for (i = 0; i < TREE_LEAVES; i++)
		l2[i * 100] = page_maddr(SPARE + 1 + i) | P | RW | US;
	set_writable(l2, 0);
	why = race(pin_a_tree);
	if (why)
		return why;
	CHECK(SUM(updates));
	return all_spares_are_free();
}
