/* SPDX-License-Identifier: MIT */
/*
 * The vCPUs against each other. Where QEMU runs them in parallel threads
 * (tests/xen/run --parallel) these are races; with -icount they take turns.
 *
 * All need the new calls, at least two vCPUs, and no right that a domU has not.
 * Each counts what it has provoked, prints that, and fails if it is nothing: a
 * race that did not happen has shown nothing. "updates" is how many slots each
 * test has changed, refused ones not counted.
 */
#include "random.h"
#include "tests.h"

#define SELF PTEBATCH_DOMID_SELF
#define FLAGS PTEBATCH_OP_FLAGS
#define CLEAR PTEBATCH_OP_CLEAR
#define LIST PTEBATCH_HOW_LIST
#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT
#define SLOTS PTEBATCH_TABLE_SLOTS
#define SOLE WORLD_SLOTS
#define DATA (P | US | A | D)

static unsigned int cpus; /* that take part */
static uint64_t updates;  /* to be done */

static int over;
static const char *failure; /* the first one's */

/* What a vCPU has for itself, on cache lines of its own. */
static struct mine {
	uint64_t rng;
	uint64_t updates;  /* done */
	uint64_t stores;   /* that went through */
	uint64_t faults;   /* and that did not */
	uint64_t refusals; /* by a call */
	struct ptebatch_run run;
	struct ptebatch_tlb tlb;
	uint64_t mask;
	uint64_t olds[SLOTS];
	struct ptebatch_value values[SLOTS];
} __attribute__((aligned(4096))) mine[SMP_MAX];

#define load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

static uint32_t some(uint32_t below)
{
	return (uint32_t)(xorshift64(&mine[smp_cpu()].rng) >> 20) % below;
}

/* A run of slots; that of a table's first is not rare. */
static uint32_t some_run(uint32_t *first)
{
	uint32_t len = 1 + some(SLOTS);

	*first = some(4) ? some(SLOTS - len + 1) : 0;
	return len;
}

static void linger(uint32_t below)
{
	uint32_t n = some(below);

	while (n--)
		smp_pause();
}

static void fail(const char *why)
{
	const char *none = NULL;

	__atomic_compare_exchange_n(&failure, &none, why, 0, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	store(&over, 1);
}

/* As CHECK, on any vCPU. */
#define HOLDS(x) CHECK_OR(x, return fail)

static uint64_t sum(size_t member)
{
	uint64_t n = 0;
	unsigned int cpu;

	for (cpu = 0; cpu < cpus; cpu++)
		n += *(uint64_t *)((char *)&mine[cpu] + member);
	return n;
}
#define SUM(member) sum(__builtin_offsetof(struct mine, member))

/* On all vCPUs, to its end; what it has done is printed. */
static const char *race(void (*fn)(unsigned int cpu))
{
	unsigned int cpu;

	for (cpu = 0; cpu < cpus; cpu++) {
		memset(&mine[cpu], 0, sizeof(mine[cpu]));
		mine[cpu].rng = 0x9e3779b97f4a7c15 * (cpu + 1) + rdtsc();
	}
	failure = NULL;
	over = 0;
	smp_each(cpus, fn);
	print("# %u vCPUs: %lu updates, %lu refused; %lu stores, %lu faulted\n",
	      cpus, SUM(updates), SUM(refusals), SUM(stores), SUM(faults));
	return failure;
}

/* A slot's address in the first table or any other, and a run of it. */
static struct ptebatch_run run_at(uint64_t pte, uint32_t count, uint32_t op,
				  uint64_t clear, uint64_t set, uint64_t *olds)
{
	return (struct ptebatch_run){ pte, count, op, clear, set,
				      (uint64_t)olds };
}

static int64_t by_list(const struct ptebatch_run *r, uint64_t how,
		       const struct ptebatch_tlb *tlb)
{
	return runs((uint64_t)r, 1, LIST | how, SELF, (uint64_t)tlb);
}

/*
 * Counts what a call has done, of how many slots (of a list of one run, or of
 * registers or values); returns the error that stopped it.
 */
static uint32_t tally(int64_t ret, uint32_t slots, int list)
{
	struct mine *m = &mine[smp_cpu()];
	uint32_t done;

	if (ret < 0) {
		m->refusals++;
		return (uint32_t)-ret;
	}
	done = list ? PTEBATCH_DONE(ret) ? slots : PTEBATCH_SLOTS(ret)
		    : PTEBATCH_DONE(ret);
	m->updates += done;
	if (!PTEBATCH_ERRNO(ret) && done != slots)
		return ~0u; /* neither done nor refused */
	m->refusals += !!PTEBATCH_ERRNO(ret);
	return PTEBATCH_ERRNO(ret);
}

/* --- Accessed and dirty, and read-only ----------------------------------- */

/*
 * vCPU 0 makes slots read-only or absent, and writable again with A and D
 * clear; or takes A and D away only. The others write to and read from the
 * pages all the time.
 *
 * seq is odd while no write may go through, from the moment that the flush has
 * returned until before the call that gives the right back. It changes too
 * where A and D were taken and flushed. So what a vCPU did after it saw the seq
 * of now must have left its A or D in the entry or in an old value.
 */
static struct {
	uint64_t seq;
	uint64_t wrote[SMP_MAX], read[SMP_MAX]; /* the seq seen before */
	uint64_t content; /* when D was last known to be clear */
	int a_flushed;	  /* nobody's TLB has an entry from before A went */
} slot[SLOTS];

static uint32_t page_of(uint32_t i)
{
	return i & 1 ? SOLE + i : i;
}

static uint64_t entry_of(uint32_t i)
{
	return page_maddr(page_of(i)) | P | (i & 2 ? US : 0);
}

/* One word is each vCPU's; only the sum of all that was written is needed. */
static uint64_t content(uint32_t i)
{
	volatile uint64_t *p = page_virt(page_of(i));
	uint64_t n = 0;
	unsigned int cpu;

	for (cpu = 1; cpu < cpus; cpu++)
		n += p[cpu];
	return n;
}

/* The slots whose turn it is: first, end << 16; and another number each time. */
static uint64_t hot;
#define HOT(first, len, n)                                                     \
	((first) | ((first) + (len)) << 16 | (uint64_t)(n) << 32)

static void use(uint32_t i, unsigned int cpu, uint64_t n)
{
	struct mine *m = &mine[cpu];
	volatile uint64_t *va = slot_va(i) + cpu;
	uint64_t seq = load(&slot[i].seq), seen;

	if (!some(4)) {
		if (!probe_read(va, &seen))
			store(&slot[i].read[cpu], seq);
		return;
	}
	if (probe_write(va, n)) {
		m->faults++;
		return;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (seq & 1 && load(&slot[i].seq) == seq)
		fail("a store went through a read-only mapping after its "
		     "flush");
	store(&slot[i].wrote[cpu], seq);
	m->stores++;
}

/*
 * Now here, now there; and while vCPU 0 goes through a range and takes RW away,
 * just in front of it, where an entry is about to change: that is where hardware
 * and hypervisor meet.
 */
static void user(unsigned int cpu)
{
	uint64_t n = 0, seen = 0, now;

	while (!load(&over)) {
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
		while (i < end && load(&hot) == now && !load(&over)) {
			while (i < end && !(*slot_entry(i) & RW))
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
	uint64_t seq = slot[i].seq, bits = 0;
	unsigned int cpu;

	for (cpu = 1; cpu < cpus; cpu++) {
		if (load(&slot[i].wrote[cpu]) == seq)
			bits |= A | D;
		if (slot[i].a_flushed && load(&slot[i].read[cpu]) == seq)
			bits |= A;
	}
	return bits | (content(i) != slot[i].content ? A | D : 0);
}

/* A request that reaches all vCPUs, in one of the ways to say so. */
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
		m->mask = (1ul << cpus) - 1;
		m->tlb = (struct ptebatch_tlb){ PTEBATCH_TLB_VCPUS, SMP_MAX, 0,
						0, (uint64_t)&m->mask };
		if (some(2)) {
			m->tlb.addr = (uint64_t)slot_va(first);
			m->tlb.pages = len;
		}
		*tlb = &m->tlb;
		return PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS);
	case 1:
		if (len > PTEBATCH_HOW_TLB_PAGES_MAX)
			break;
		how = PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL) |
		      PTEBATCH_HOW_TLB_PAGE | (uint64_t)slot_va(first);
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
		v[i].slot = slot_maddr(first + i) | mode;
		v[i].pte = (entry_of(first + i) | flags) ^ invert;
	}
	return values((uint64_t)v, len, how, SELF, (uint64_t)tlb);
}

/* No write goes through afterwards; *absent: because nothing is there. */
static uint32_t protect(uint32_t first, uint32_t len, int *absent, int *olds)
{
	uint64_t pte = slot_maddr(first), how;
	const struct ptebatch_tlb *tlb;
	uint32_t way = some(5);
	struct ptebatch_run r;

	how = everywhere(first, len, way, &tlb);
	*absent = way >= 3;
	*olds = way == 1 || way == 3;
	switch (way) {
	case 0:
		return tally(runs(pte, len, FLAGS | how, RW, 0), len, 0);
	case 1:
		r = run_at(pte, len, FLAGS, RW, 0, mine[0].olds);
		return tally(by_list(&r, how, tlb), len, 1);
	case 2:
		return tally(set_values(first, len, 0, KEEP, 0, how, tlb), len,
			     0);
	case 3:
		r = run_at(pte, len, CLEAR, 0, 0, mine[0].olds);
		return tally(by_list(&r, how, tlb), len, 1);
	}
	/* As Linux's PROT_NONE: absent, the frame inverted. */
	return tally(set_values(first, len, 0, KEEP, FRAME | P, how, tlb), len,
		     0);
}

/* Writable, A and D clear. */
static uint32_t allow(uint32_t first, uint32_t len, int absent, int flush)
{
	uint64_t pte = slot_maddr(first);
	uint64_t how = PTEBATCH_HOW_TLB(flush ? PTEBATCH_TLB_ALL
					      : PTEBATCH_TLB_NONE);
	struct ptebatch_run r;

	switch (absent ? 2 : some(3)) {
	case 0:
		return tally(runs(pte, len, FLAGS | how, A | D, RW), len, 0);
	case 1:
		r = run_at(pte, len, FLAGS, A | D, RW, mine[0].olds);
		return tally(by_list(&r, how, NULL), len, 1);
	}
	return tally(set_values(first, len, RW, EXACT, 0, how, NULL), len, 0);
}

/* A and D are taken, and the entries stay as they are otherwise. */
static void harvest(uint32_t first, uint32_t len)
{
	static uint64_t must[SLOTS];
	uint64_t *olds = mine[0].olds;
	const struct ptebatch_tlb *tlb;
	struct ptebatch_run r = run_at(slot_maddr(first), len, FLAGS, A | D, 0,
				       olds);
	uint64_t how = everywhere(first, len, 1, &tlb);
	uint32_t i;

	for (i = 0; i < len; i++)
		must[i] = must_have(first + i);
	HOLDS(!tally(by_list(&r, how, tlb), len, 1));
	for (i = 0; i < len; i++) {
		HOLDS(!(must[i] & ~olds[i] & D));
		HOLDS(!(must[i] & ~olds[i] & A));
		slot[first + i].content = content(first + i);
		slot[first + i].a_flushed = 1;
		store(&slot[first + i].seq, slot[first + i].seq + 2);
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
					       : *slot_entry(i);

		store(&slot[i].seq, slot[i].seq + 1);
		if (content(i) != slot[i].content)
			must[i] |= A | D;
		HOLDS(!(*slot_entry(i) & RW));
		HOLDS(!(must[i] & ~bits & D));
		HOLDS(!(must[i] & ~bits & A));
		if (olds)
			HOLDS(!(mine[0].olds[i - first] & ~bits & (A | D)));
		slot[i].content = content(i);
	}
	linger(64);
	for (i = first; i < first + len; i++) {
		HOLDS(content(i) == slot[i].content);
		slot[i].a_flushed = 0;
		store(&slot[i].seq, slot[i].seq + 1);
	}
	HOLDS(!allow(first, len, absent, flush));
	for (i = first; i < first + len; i++) {
		HOLDS((*slot_entry(i) & (P | RW | FRAME)) ==
		      ((entry_of(i) & (P | FRAME)) | RW));
		if (flush) {
			slot[i].a_flushed = 1;
			store(&slot[i].seq, slot[i].seq + 2);
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
	while (mine[0].updates < updates && !load(&over)) {
		uint32_t first, len = some_run(&first);

		store(&hot, HOT(first, len, ++turns));
		if (some(4))
			protect_and_allow(first, len);
		else
			harvest(first, len);
	}
	store(&over, 1);
}

static const char *no_a_or_d_is_lost_and_no_store_passes_its_flush(void)
{
	uint32_t i;
	const char *why;

	memset(slot, 0, sizeof(slot));
	hot = 0;
	for (i = 0; i < SLOTS; i++) {
		CHECK(!update_pte(slot_maddr(i), entry_of(i) | RW));
		slot[i].seq = 2;
		slot[i].content = content(i);
	}
	why = race(a_and_d);
	if (why)
		return why;
	CHECK(SUM(updates) >= updates);
	CHECK(SUM(stores) && SUM(faults));
	return NULL;
}

/* --- All on one table ---------------------------------------------------- */

/* A number in an entry's available bits. */
static uint64_t with_count(uint64_t entry, uint32_t n)
{
	return (entry & ~PTEBATCH_PTE_AVAIL) | (uint64_t)(n & 7) << 9 |
	       (uint64_t)(n >> 3 & 0x3f) << 53;
}

static uint32_t count_in(uint64_t entry)
{
	return (uint32_t)(entry >> 9 & 7) | (uint32_t)(entry >> 53 & 0x3f) << 3;
}

/* Each vCPU has each cpus-th slot, and looks after each call what is there. */
static void disjoint(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	static uint64_t model[SLOTS];
	static struct ptebatch_run lists[SMP_MAX][SLOTS];
	struct ptebatch_run *r = lists[cpu];
	uint32_t i;

	for (i = cpu; i < SLOTS; i += cpus)
		model[i] = *slot_entry(i);
	while (m->updates < updates / cpus && !load(&over)) {
		uint32_t n = 0, k, skip = some(2), way = some(3);
		int64_t ret;

		for (i = cpu; i < SLOTS; i += cpus) {
			uint32_t count = some(512);
			uint64_t new;

			if (skip && some(2))
				continue;
			if (way == 0) {
				new = model[i] & RW ? 0 : RW;
				r[n] = run_at(slot_maddr(i), 1, FLAGS,
					      (RW | NX | PTEBATCH_PTE_AVAIL) &
						      ~new,
					      new | with_count(0, count), NULL);
				new = (model[i] & ~r[n].clear) | r[n].set;
			} else {
				new = with_count(model[i], count) ^ RW;
				m->values[n].slot = slot_maddr(i) |
						   (way == 1 ? KEEP : EXACT);
				m->values[n].pte = new;
			}
			model[i] = new;
			n++;
		}
		ret = way ? values((uint64_t)m->values, n, 0, SELF, 0)
			  : runs((uint64_t)r, n, LIST, SELF, 0);
		HOLDS(ret == n);
		m->updates += n;
		for (i = cpu, k = 0; i < SLOTS; i += cpus)
			k += *slot_entry(i) != model[i];
		HOLDS(!k);
	}
}

/* All the SOLE pages, each in one slot of the first table, and zeroed. */
static void fill_sole(void)
{
	uint32_t i;

	slots_fill(0, SLOTS, 1, SOLE, DATA | RW);
	for (i = 0; i < SLOTS; i++)
		memset(slot_va(i), 0, PAGE);
}

/* With these slots read-only or absent, nothing writable is left of a page. */
static const char *sole_pages_are_free_of_writers(void)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		uint64_t mfn = page_maddr(SOLE + i) >> 12;

		CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
		CHECK(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
	}
	return NULL;
}

static const char *batches_on_slots_side_by_side_do_not_mix(void)
{
	const char *why;

	fill_sole();
	why = race(disjoint);
	if (why)
		return why;
	CHECK(SUM(updates) >= updates / cpus * cpus);
	CHECK(runs(slot_maddr(0), SLOTS, FLAGS, RW, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}

/* Each vCPU has a bit of its own in every slot; RW is everybody's. */
static void same_slots(unsigned int cpu)
{
	static const uint64_t bits[SMP_MAX] = { 1ul << 9,  1ul << 10, 1ul << 11,
						1ul << 53, 1ul << 54, 1ul << 55,
						1ul << 56, 1ul << 57 };
	static unsigned char set[SMP_MAX][SLOTS];
	uint64_t bit = bits[cpu];
	struct mine *m = &mine[cpu];
	uint32_t i, wrong;

	memset(set[cpu], 0, SLOTS);
	while (m->updates < updates / cpus && !load(&over)) {
		uint32_t first, len = some_run(&first);
		uint64_t mask = some(2) ? bit | RW : bit;
		int on = (int)some(2), olds = (int)some(2);
		struct ptebatch_run r = run_at(slot_maddr(first), len, FLAGS,
					       on ? 0 : mask, on ? mask : 0,
					       m->olds);

		if (olds)
			HOLDS(!tally(by_list(&r, 0, NULL), len, 1));
		else
			HOLDS(!tally(runs(r.slot, len, FLAGS, r.clear, r.set),
				     len, 0));
		for (i = wrong = 0; i < len; i++) {
			unsigned char *was = &set[cpu][first + i];

			if (olds)
				wrong += !!(m->olds[i] & bit) != *was;
			*was = (unsigned char)on;
			wrong += !!(*slot_entry(first + i) & bit) != on;
		}
		HOLDS(!wrong);
	}
}

static const char *batches_on_the_same_slots_keep_each_others_bits(void)
{
	uint32_t i;
	const char *why;

	fill_sole();
	why = race(same_slots);
	if (why)
		return why;
	for (i = 0; i < SLOTS; i++)
		CHECK((*slot_entry(i) & FRAME) == page_maddr(SOLE + i));
	CHECK(runs(slot_maddr(0), SLOTS, FLAGS, RW, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}

/*
 * Everybody takes what is there, of any slots, and puts it back counted up by
 * one. What two had got would be counted once only.
 */
static uint32_t takes[SMP_MAX][SLOTS];

static void take(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint32_t i, n;

	memset(takes[cpu], 0, sizeof(takes[cpu]));
	while (m->updates < updates / cpus && !load(&over)) {
		uint32_t first, len = some_run(&first);
		struct ptebatch_run r = run_at(slot_maddr(first), len, CLEAR, 0,
					       0, m->olds);

		HOLDS(!tally(by_list(&r, 0, NULL), len, 1));
		for (i = n = 0; i < len; i++) {
			if (!m->olds[i])
				continue;
			takes[cpu][first + i]++;
			m->values[n].slot = slot_maddr(first + i) |
					   (some(2) ? KEEP : EXACT);
			m->values[n++].pte = with_count(
				m->olds[i], count_in(m->olds[i]) + 1);
		}
		HOLDS(!tally(values((uint64_t)m->values, n, 0, SELF, 0), n, 0));
	}
}

static const char *what_is_taken_out_of_a_slot_only_one_gets(void)
{
	uint32_t i, cpu, taken = 0;
	const char *why;

	fill_sole();
	/* A third absent, bits 1 and 2 say that it is there all the same. */
	for (i = 0; i < SLOTS; i += 3)
		CHECK(!update_pte(slot_maddr(i), RW | US));
	why = race(take);
	if (why)
		return why;
	for (i = 0; i < SLOTS; i++) {
		uint32_t all = 0;

		for (cpu = 0; cpu < cpus; cpu++)
			all += takes[cpu][i];
		CHECK(count_in(*slot_entry(i)) == all % 512);
		taken += !!all;
		CHECK((*slot_entry(i) & FRAME) ==
		      (i % 3 ? page_maddr(SOLE + i) : 0));
	}
	CHECK(taken > SLOTS / 2);
	CHECK(runs(slot_maddr(0), SLOTS, CLEAR, 0, 0) == SLOTS);
	return sole_pages_are_free_of_writers();
}

/* --- What it costs ------------------------------------------------------- */

static uint32_t cost_table[SMP_MAX]; /* where each works */
static uint64_t cost_ticks, cost_updates; /* while vCPU 0 was at work */

static void cost(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint64_t pte = slot_maddr(cost_table[cpu] * SLOTS + cpu * 64);
	uint64_t began = rdtsc(), before = SUM(updates);

	while (!load(&over)) {
		HOLDS(runs(pte, 64, FLAGS, RW, 0) == 64);
		HOLDS(runs(pte, 64, FLAGS, 0, RW) == 64);
		m->updates += 128;
		if (!cpu && m->updates >= updates)
			store(&over, 1);
	}
	if (!cpu) {
		cost_ticks = rdtsc() - began;
		cost_updates = SUM(updates) - before;
	}
}

/* Entries per million ticks of the TSC, all vCPUs together. */
static const char *cost_of(const char *what, unsigned int n, int same)
{
	unsigned int all = cpus, cpu;
	const char *why;

	for (cpu = 0; cpu < n; cpu++)
		cost_table[cpu] = same ? 0 : cpu;
	cpus = n;
	why = race(cost);
	print("# cost: %s: %lu entries per million ticks, vCPU 0 alone %lu\n",
	      what, cost_updates * 1000000 / cost_ticks,
	      mine[0].updates * 1000000 / cost_ticks);
	cpus = all;
	return why;
}

static const char *two_batches_on_one_table_get_on(void)
{
	const char *why;

	slots_fill(0, WORLD_SLOTS / 2, 1, 0, DATA | RW);
	why = cost_of("one vCPU", 1, 0);
	if (!why)
		why = cost_of("two vCPUs, a table each", 2, 0);
	if (!why)
		why = cost_of("two vCPUs, one table", 2, 1);
	return why;
}

/* --- A table that comes and goes ----------------------------------------- */

#define NR_MAPPED 64u /* pages that its entries map: the first of the SOLE */

static uint64_t victim; /* its maddr */

/* What batches do to it while it is one, or is not. */
static void batch_on_victim(unsigned int cpu)
{
	struct mine *m = &mine[cpu];

	while (!load(&over)) {
		uint32_t first, len = some_run(&first), i;
		uint64_t pte = load(&victim) + first * 8;
		struct ptebatch_run r;
		uint32_t err;

		switch (some(4)) {
		case 0:
			err = tally(runs(pte, len, FLAGS, RW, NX), len, 0);
			break;
		case 1:
			err = tally(runs(pte, len, FLAGS, NX, RW), len, 0);
			break;
		case 2:
			r = run_at(pte, len, CLEAR, 0, 0, m->olds);
			err = tally(by_list(&r, 0, NULL), len, 1);
			break;
		default:
			for (i = 0; i < len; i++) {
				m->values[i].slot = (pte + i * 8) |
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
	/* Each round is worth a table of updates, if it is done or not. */
	for (; (SUM(updates) < updates || rounds < 64) && !load(&over);
	     rounds++) {
		/* Data that would let a table be written, were it one. */
		fill_victim(1);
		HOLDS(as_it_was());
		/* A table, of this level or that. */
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
		/* No table any more. */
		memcpy(copy, victim_page, PAGE);
		HOLDS(as_it_was());
		/* And not the domain's any more. */
		if (!some(4)) {
			HOLDS(!page_give(victim_page));
			linger(2000);
			HOLDS(!page_take(victim_page));
			store(&victim, virt_to_maddr(victim_page));
		} else {
			set_writable(victim_page, 1);
		}
	}
	store(&over, 1);
}

static const char *a_page_is_written_only_while_it_is_a_table(void)
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
	/* Nor is another reference left: Xen takes them back. */
	for (i = 0; i < NR_MAPPED && !why; i++) {
		CHECK(!page_give(page_virt(SOLE + i)));
		CHECK(!page_take(page_virt(SOLE + i)));
		set_writable(page_virt(SOLE + i), 0);
	}
	return why;
}

/* --- Pages that become tables under writable mappings -------------------- */

#define NR_PINNED 64u /* the first of the SOLE, by slots i and SLOTS + i */

/*
 * To bits 8 to 11 of a word, so that it is an absent entry whenever Xen looks
 * at it. Aligned stores to a page table Xen would emulate.
 */
static int write_odd(uint32_t i, unsigned int cpu, uint64_t n)
{
	return probe_write_odd(slot_va(some(2) * SLOTS + i) + cpu, n & 0xf);
}

static void make_writable_and_write(unsigned int cpu)
{
	struct mine *m = &mine[cpu];
	uint64_t n = 0;

	while (!load(&over)) {
		uint32_t first = some(NR_PINNED), len = 1 + some(8), i;
		uint32_t base = some(2) * SLOTS, err = 0, way = some(8);
		uint64_t pte, how = PTEBATCH_HOW_TLB(
				      some(8) ? PTEBATCH_TLB_NONE
					      : PTEBATCH_TLB_ALL);

		if (len > NR_PINNED - first)
			len = NR_PINNED - first;
		pte = slot_maddr(base + first);
		for (i = 0; i < 8; i++)
			if (write_odd(some(NR_PINNED), cpu, ++n))
				m->faults++;
			else
				m->stores++;
		switch (way) {
		case 0:
		case 1:
			err = tally(runs(pte, len, FLAGS | how, 0, RW), len, 0);
			break;
		case 2:
		case 3:
			err = tally(runs(pte, len, FLAGS | how, RW, 0), len, 0);
			break;
		case 4:
			err = tally(runs(pte, len, CLEAR | how, 0, 0), len, 0);
			break;
		default:
			for (i = 0; i < len; i++) {
				uint64_t val = page_maddr(SOLE + first + i) |
					       P | US | (way == 5 ? RW : 0);

				if (way == 7)
					val ^= FRAME | P | US;
				m->values[i].slot = (pte + i * 8) | KEEP;
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

static void pin(unsigned int cpu)
{
	uint32_t i, k;

	if (cpu) {
		make_writable_and_write(cpu);
		return;
	}
	for (pinned = 0; (SUM(updates) < updates || pinned < 64) &&
			 !load(&over);) {
		volatile uint64_t *p;
		uint64_t before = 0, after = 0, seen = 0;

		i = some(NR_PINNED);
		p = page_virt(SOLE + i);
		if (mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(SOLE + i) >> 12, 0))
			continue;
		pinned++;
		HOLDS(!(*slot_entry(i) & RW));
		HOLDS(!(*slot_entry(SLOTS + i) & RW));
		for (k = 0; k < SMP_MAX; k++)
			before += p[k] << (k * 8);
		/* Not for a moment: all the time somebody tries. */
		for (k = some(4000); k--;)
			seen |= *slot_entry(i) | *slot_entry(SLOTS + i);
		HOLDS(!(seen & RW));
		for (k = 0; k < SMP_MAX; k++)
			after += p[k] << (k * 8);
		HOLDS(before == after);
		HOLDS(write_odd(i, 0, 0) && write_odd(i, 0, 0));
		HOLDS(!(*slot_entry(i) & RW));
		HOLDS(!(*slot_entry(SLOTS + i) & RW));
		HOLDS(!mmuext(MMUEXT_UNPIN_TABLE, page_maddr(SOLE + i) >> 12,
			      0));
	}
	store(&over, 1);
}

static const char *a_page_table_is_never_mapped_writable(void)
{
	const char *why;

	fill_sole();
	slots_fill(0, SLOTS, 1, SOLE, DATA);
	slots_fill(SLOTS, NR_PINNED, 1, SOLE, DATA);
	why = race(pin);
	if (why)
		return why;
	print("# %lu times pinned\n", pinned);
	CHECK(pinned && SUM(updates) && SUM(refusals) && SUM(stores));
	world_reset();
	return sole_pages_are_free_of_writers();
}

static const struct test race_tests[] = {
	TEST(no_a_or_d_is_lost_and_no_store_passes_its_flush),
	TEST(batches_on_slots_side_by_side_do_not_mix),
	TEST(batches_on_the_same_slots_keep_each_others_bits),
	TEST(what_is_taken_out_of_a_slot_only_one_gets),
	TEST(a_page_is_written_only_while_it_is_a_table),
	TEST(a_page_table_is_never_mapped_writable),
	TEST(two_batches_on_one_table_get_on),
	{ NULL, NULL, 0 },
};

static const struct test cost_tests[] = {
	TEST(two_batches_on_one_table_get_on),
	{ NULL, NULL, 0 },
};

void race_run(uint64_t n, int cost_alone)
{
	unsigned int all = smp_cpus();

	updates = n;
	tap_result("race", "there are two vCPUs at least",
		   all < 2 ? "there is one" : NULL);
	tap_result("race", "Xen has the new calls",
		   use_new_calls() ? NULL : "no");
	if (all < 2 || !use_new_calls())
		return;
	cpus = all;
	run_tests("race", cost_alone ? cost_tests : race_tests);
}
