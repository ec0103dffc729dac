/* SPDX-License-Identifier: MIT */
/*
 * One vCPU protects and unprotects pages while the others access them. No A or
 * D bit is lost, and no store succeeds after the flush that follows protection.
 */
#include "race.h"

/*
 * vCPU 0 makes slots read-only or absent, and writable again with A and D
 * clear, or only clears A and D. The other vCPUs read and write the pages all
 * the time.
 *
 * seq is odd while no write may succeed: from the return of the flush until
 * just before the call that makes the slot writable. seq also changes when A
 * and D were cleared and flushed. So if a vCPU read the current seq before its
 * access, the access must have left A or D in the entry or in an old value.
 */
static struct {
	uint64_t seq;
	uint64_t wrote[SMP_MAX], read[SMP_MAX]; /* seq before access */
	uint64_t content; /* when D was last known to be clear */
	int a_flushed;	  /* nobody's TLB has an entry from before A went */
} state[SLOTS];

static uint32_t page_of(uint32_t i)
{
	return i & 1 ? SOLE + i : i;
}

static uint64_t entry_of(uint32_t i)
{
	return page_maddr(page_of(i)) | P | (i & 2 ? US : 0);
}

/* Each vCPU writes its own word; the sum changes with every write. */
static uint64_t content(uint32_t i)
{
	volatile uint64_t *p = page_virt(page_of(i));
	uint64_t n = 0;
	unsigned int cpu;

	for (cpu = 1; cpu < race_cpus; cpu++)
		n += p[cpu];
	return n;
}

/* The slots that vCPU 0 changes: first, end << 16, and a number of the turn. */
static uint64_t hot;
#define HOT(first, len, n)                                                     \
	((first) | ((first) + (len)) << 16 | (uint64_t)(n) << 32)

static void use(uint32_t i, unsigned int cpu, uint64_t n)
{
	struct mine *m = &mine[cpu];
	volatile uint64_t *va = va_at(i) + cpu;
	uint64_t seq = load(&state[i].seq), seen;

	if (!some(4)) {
		if (!probe_read(va, &seen))
			store(&state[i].read[cpu], seq);
		return;
	}
	if (probe_write(va, n)) {
		m->faults++;
		return;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (seq & 1 && load(&state[i].seq) == seq)
		fail("a store went through a read-only mapping after its "
		     "flush");
	store(&state[i].wrote[cpu], seq);
	m->stores++;
}

/*
 * Accesses random slots. While vCPU 0 removes RW from a range, accesses the
 * slots just ahead of the change, where hardware and hypervisor are most likely
 * to touch an entry at the same time.
 */
static void user(unsigned int cpu)
{
	uint64_t n = 0, seen = 0, now;

	while (!load(&race_over)) {
		uint32_t first, end, i;

		now = load(&hot);
		if (now == seen) {
			use(some(SLOTS), cpu, ++n);
			linger(64);
			continue;
		}
		seen = now;
		first = i = now & 0xffff;
		end = now >> 16 & 0xffff;
		while (i < end && load(&hot) == now && !load(&race_over)) {
			while (i < end && !(*entry_at(i) & RW))
				i++;
			if (i > first && i + 4 < end)
				use(i + some(4), cpu, ++n);
			else
				use(first + some(end - first), cpu, ++n);
		}
	}
}

static uint64_t must_have(uint32_t i)
{
	uint64_t seq = state[i].seq, bits = 0;
	unsigned int cpu;

	for (cpu = 1; cpu < race_cpus; cpu++) {
		if (load(&state[i].wrote[cpu]) == seq)
			bits |= A | D;
		if (state[i].a_flushed && load(&state[i].read[cpu]) == seq)
			bits |= A;
	}
	return bits | (content(i) != state[i].content ? A | D : 0);
}

/* Encodes a TLB request that reaches all vCPUs, in a random way. */
static uint64_t everywhere(uint32_t first, uint32_t len, int record,
			   const struct ptebatch_tlb **tlb)
{
	struct mine *m = &mine[0];
	uint64_t how;

	*tlb = NULL;
	switch (some(3)) {
	case 0:
		if (!record)
			break;
		m->mask = (1ul << race_cpus) - 1;
		m->tlb = (struct ptebatch_tlb){ PTEBATCH_TLB_VCPUS, SMP_MAX, 0,
						0, (uint64_t)&m->mask };
		if (some(2)) {
			m->tlb.addr = (uint64_t)va_at(first);
			m->tlb.pages = len;
		}
		*tlb = &m->tlb;
		return PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS);
	case 1:
		if (len > PTEBATCH_HOW_TLB_PAGES_MAX)
			break;
		how = PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL) |
		      PTEBATCH_HOW_TLB_PAGE | (uint64_t)va_at(first);
		return how | (uint64_t)(len - 1) << PTEBATCH_HOW_TLB_MORE_SHIFT;
	}
	return PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL);
}

static int64_t set_values(uint32_t first, uint32_t len, uint64_t flags,
			  uint32_t mode, uint64_t invert, uint64_t how,
			  const struct ptebatch_tlb *tlb)
{
	struct ptebatch_value *v = mine[0].values;
	uint32_t i;

	for (i = 0; i < len; i++) {
		v[i].slot = slot_at(first + i) | mode;
		v[i].pte = (entry_of(first + i) | flags) ^ invert;
	}
	return values((uint64_t)v, len, how, SELF, (uint64_t)tlb);
}

/* Prevents writes by a random method; *absent: by absent entries. */
static uint32_t protect(uint32_t first, uint32_t len, int *absent, int *olds)
{
	uint64_t slot = slot_at(first), how;
	const struct ptebatch_tlb *tlb;
	uint32_t way = some(5);
	struct ptebatch_run r;

	how = everywhere(first, len, way, &tlb);
	*absent = way >= 3;
	*olds = way == 1 || way == 3;
	switch (way) {
	case 0:
		return tally(runs(slot, len, FLAGS | how, RW, 0), len, 0);
	case 1:
		r = run_at(slot, len, FLAGS, RW, 0, mine[0].olds);
		return tally(by_list(&r, how, tlb), len, 1);
	case 2:
		return tally(set_values(first, len, 0, KEEP, 0, how, tlb), len,
			     0);
	case 3:
		r = run_at(slot, len, CLEAR, 0, 0, mine[0].olds);
		return tally(by_list(&r, how, tlb), len, 1);
	}
	/* As Linux does for PROT_NONE: absent, frame inverted. */
	return tally(set_values(first, len, 0, KEEP, FRAME | P, how, tlb), len,
		     0);
}

/* Makes slots writable, with A and D clear. */
static uint32_t allow(uint32_t first, uint32_t len, int absent, int flush)
{
	uint64_t slot = slot_at(first);
	uint64_t how = PTEBATCH_HOW_TLB(flush ? PTEBATCH_TLB_ALL
					      : PTEBATCH_TLB_NONE);
	struct ptebatch_run r;

	switch (absent ? 2 : some(3)) {
	case 0:
		return tally(runs(slot, len, FLAGS | how, A | D, RW), len, 0);
	case 1:
		r = run_at(slot, len, FLAGS, A | D, RW, mine[0].olds);
		return tally(by_list(&r, how, NULL), len, 1);
	}
	return tally(set_values(first, len, RW, EXACT, 0, how, NULL), len, 0);
}

/* Clears A and D, and leaves the entries unchanged otherwise. */
static void harvest(uint32_t first, uint32_t len)
{
	static uint64_t must[SLOTS];
	uint64_t *olds = mine[0].olds;
	const struct ptebatch_tlb *tlb;
	struct ptebatch_run r = run_at(slot_at(first), len, FLAGS, A | D, 0,
				       olds);
	uint64_t how = everywhere(first, len, 1, &tlb);
	uint32_t i;

	for (i = 0; i < len; i++)
		must[i] = must_have(first + i);
	HOLDS(!tally(by_list(&r, how, tlb), len, 1));
	for (i = 0; i < len; i++) {
		HOLDS(!(must[i] & ~olds[i] & D));
		HOLDS(!(must[i] & ~olds[i] & A));
		state[first + i].content = content(first + i);
		state[first + i].a_flushed = 1;
		store(&state[first + i].seq, state[first + i].seq + 2);
	}
}

static void protect_and_allow(uint32_t first, uint32_t len)
{
	static uint64_t must[SLOTS];
	int absent, olds, flush = !some(4);
	uint32_t i;

	for (i = first; i < first + len; i++)
		must[i] = must_have(i);
	HOLDS(!protect(first, len, &absent, &olds));
	for (i = first; i < first + len; i++) {
		uint64_t bits = absent && olds ? mine[0].olds[i - first]
					       : *entry_at(i);

		store(&state[i].seq, state[i].seq + 1);
		if (content(i) != state[i].content)
			must[i] |= A | D;
		HOLDS(!(*entry_at(i) & RW));
		HOLDS(!(must[i] & ~bits & D));
		HOLDS(!(must[i] & ~bits & A));
		if (olds)
			HOLDS(!(mine[0].olds[i - first] & ~bits & (A | D)));
		state[i].content = content(i);
	}
	linger(64);
	for (i = first; i < first + len; i++) {
		HOLDS(content(i) == state[i].content);
		state[i].a_flushed = 0;
		store(&state[i].seq, state[i].seq + 1);
	}
	HOLDS(!allow(first, len, absent, flush));
	for (i = first; i < first + len; i++) {
		HOLDS((*entry_at(i) & (P | RW | FRAME)) ==
		      ((entry_of(i) & (P | FRAME)) | RW));
		if (flush) {
			state[i].a_flushed = 1;
			store(&state[i].seq, state[i].seq + 2);
		}
	}
	linger(64);
}

static void a_and_d(unsigned int cpu)
{
	uint32_t turns = 0;

	if (cpu) {
		user(cpu);
		return;
	}
	while (mine[0].updates < race_wanted && !load(&race_over)) {
		uint32_t first, len = some_run(&first);

		store(&hot, HOT(first, len, ++turns));
		if (some(4))
			protect_and_allow(first, len);
		else
			harvest(first, len);
	}
	store(&race_over, 1);
}

const char *no_a_or_d_is_lost_and_no_store_passes_its_flush(void)
{
	uint32_t i;
	const char *why;

	memset(state, 0, sizeof(state));
	hot = 0;
	for (i = 0; i < SLOTS; i++) {
		CHECK(!update_pte(slot_at(i), entry_of(i) | RW));
		state[i].seq = 2;
		state[i].content = content(i);
	}
	why = race(a_and_d);
	if (why)
		return why;
	CHECK(SUM(updates) >= race_wanted);
	CHECK(SUM(stores) && SUM(faults));
	return NULL;
}
