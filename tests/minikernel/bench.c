/* SPDX-License-Identifier: MIT */
/*
 * Measures the cost of each method to change PTEs. It prints a line for each
 * case:
 *
 *   bench METHOD PAGES DIRECTION instructions=N hypercalls=N tlb_flushes=N
 *         region=N checked=yes|no
 *
 * Under QEMU's icount the TSC counts instructions, including the hypervisor's.
 * Each case is set up and measured REPEAT times. The result is the least
 * figure, since a timer interrupt may fall into any measurement. "region" is
 * the number of that measurement among the intervals between bench_begin and
 * bench_end; tests/xen/count uses it. Every PTE and every returned old value
 * is checked each time.
 *
 * On a CPU the TSC counts cycles, more or less. Then "cycles" stands in place of
 * "instructions", and each case has more rounds.
 *
 * The case measured is a guest that changes a range of pages and knows the
 * machine addresses of its tables. Calls into the library are included; the
 * setup of a batch and the reads of the clock are not. A method requests a TLB
 * flush only if its name says so.
 *
 * The pages belong to the domain, except with -foreign: those are pages of Xen
 * that every domain may read. With -sole, the slot under test is a page's only
 * writable mapping; all other pages have another one. Entries have A set and D
 * clear. With -ad both are set, so hardware has nothing left to set.
 */
#include "bench.h"

#include <xen/memory.h>

#define REPEAT 3
#define REPEAT_CYCLES 16 /* on a CPU, where other things happen meanwhile */
#define MARKERS 64u /* instructions between two clocks with a marker, at most */
#define PROT_NONE 0x100ul /* Linux's flag of an entry that only looks absent */

static const struct {
	const char *name;
	uint64_t start, clear, set;
} directions[DIRECTIONS] = {
	[DIR_RO] = { "ro", P | US | A | RW, RW, 0 },
	[DIR_RW] = { "rw", P | US | A, 0, RW },
	[DIR_NX] = { "nx", P | US | A | RW, 0, NX },
	[DIR_CLEAR] = { "clear", P | US | A | RW, 0, 0 },
	[DIR_YOUNG] = { "young", P | US | A | RW, A, 0 },
	[DIR_MAP] = { "map", P | US | A | RW, 0, 0 },
	[DIR_UNMAP] = { "unmap", P | US | A | RW, 0, 0 },
	[DIR_FRAME] = { "frame", P | US | A | RW, 0, 0 },
	[DIR_NONE] = { "none", P | US | A | RW, 0, 0 },
	[DIR_BACK] = { "back", P | US | A | RW, 0, 0 },
	[DIR_BACK_RO] = { "back-ro", P | US | A, 0, 0 },
	[DIR_FAULT] = { "fault", P | US | A, 0, 0 },
	[DIR_PRESENT] = { "present", 0, 0, 0 },
	[DIR_PRESENT_RO] = { "present-ro", 0, 0, 0 },
	[DIR_EMPTY_L1] = { "empty", 0, 0, 0 },
	[DIR_EMPTY_L2] = { "empty-l2", 0, 0, 0 },
	[DIR_EMPTY_L3] = { "empty-l3", 0, 0, 0 },
};

struct bench_case now;
static uint64_t plain[BENCH_PAGES];
static struct ptebatch_run one;
static struct ptebatch_progress progress; /* of direct calls of a backend */
static __typeof__(ptebatch_apply_flags) *apply; /* the function for one.op */

static struct ptebatch_run storage[BENCH_PAGES];
static struct ptebatch batch;
static struct ptebatch_env env, env_at;
static uint32_t region, failed;
static uint64_t overhead;
static int cycles; /* the TSC counts these, not instructions */

/* The number of pages from first on whose entries lie in one table. */
static uint32_t piece(uint32_t first)
{
	uint32_t n = PTEBATCH_TABLE_SLOTS - first % PTEBATCH_TABLE_SLOTS;

	return n < now.nr - first ? n : now.nr - first;
}

/* --- The methods --------------------------------------------------------- */

static int runs(void)
{
	uint32_t i, n;
	int err = 0;

	for (i = 0; i < now.nr && !err; i += n) {
		n = piece(i);
		err = now.dir == DIR_CLEAR
			      ? ptebatch_add_clear(&batch, now.slot[i], n, NULL)
			      : ptebatch_add_flags(&batch, now.slot[i], n,
						   now.clear, now.set);
	}
	return err ? err : ptebatch_flush(&batch, NULL);
}

/* Queues each PTE separately. Those of sparse cannot merge into runs. */
static int singles(void)
{
	const uint64_t c = now.clear, st = now.set, *s = now.slot,
		       *end = now.slot + now.nr;
	int err = 0;

	if (now.dir == DIR_CLEAR)
		for (; s < end && !err; s++)
			err = ptebatch_add_clear(&batch, *s, 1, NULL);
	else
		for (; s < end && !err; s++)
			err = ptebatch_add_flags(&batch, *s, 1, c, st);
	return err ? err : ptebatch_flush(&batch, NULL);
}

/* Whether no A or D bit that hardware sets meanwhile is to be kept. */
static int exact(void)
{
	return now.mode == MMU_NORMAL_PT_UPDATE;
}

/* The mode is a compile-time constant, as it is in a guest. */
static inline int queue_values(uint32_t mode)
{
	const uint64_t *s = now.slot, *t = now.target, *end = now.slot + now.nr;
	int err;

	while (s != end) {
		err = ptebatch_add_set(&batch, *s++, *t++, mode);
		if (err)
			return err;
	}
	return 0;
}

static int values(void)
{
	int err = exact() ? queue_values(PTEBATCH_SET_EXACT)
			  : queue_values(PTEBATCH_SET_KEEP_AD);

	return err ? err : ptebatch_flush(&batch, NULL);
}

static int with_old(void)
{
	uint32_t i, n;
	int err = 0;

	for (i = 0; i < now.nr && !err; i += n) {
		n = piece(i);
		err = now.dir == DIR_CLEAR
			      ? ptebatch_add_clear(&batch, now.slot[i], n,
						   &now.old[i])
			      : ptebatch_add_flags_old(&batch, now.slot[i], n,
						       now.clear, now.set,
						       &now.old[i]);
	}
	return err ? err : ptebatch_flush(&batch, NULL);
}

static const struct ptebatch_tlb page = { PTEBATCH_TLB_LOCAL, 0, TEST_BASE, 1,
					  0 };

static int straight(void)
{
	return apply(batch.backend, &env, &one, NULL, &progress);
}

static int straight_invlpg(void)
{
	return apply(batch.backend, &env, &one, &page, &progress);
}

/* The same, with an env that declares that the slot maps the flushed page. */
static int straight_invlpg_at(void)
{
	return apply(batch.backend, &env_at, &one, &page, &progress);
}

static int value_of(struct ptebatch_env *e, const struct ptebatch_tlb *tlb)
{
	const uint32_t mode =
		exact() ? PTEBATCH_SET_EXACT : PTEBATCH_SET_KEEP_AD;
	const struct ptebatch_value value = { now.slot[0] | mode,
					      now.target[0] };

	return ptebatch_apply_set(batch.backend, e, &value, tlb, &progress);
}

static int one_value(void)
{
	return value_of(&env, NULL);
}

static int one_value_invlpg(void)
{
	return value_of(&env, &page);
}

static int one_value_invlpg_at(void)
{
	return value_of(&env_at, &page);
}

/* The register form of the call without the library. */
static int raw(uint64_t op, uint64_t slot, uint64_t pte, int invlpg)
{
	const uint64_t flush = PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) |
			       PTEBATCH_HOW_TLB_PAGE | TEST_BASE;

	now.calls++;
	now.flushes += invlpg;
	return hypercall5(__HYPERVISOR_ptebatch_runs, slot, 1,
			  op | (invlpg ? flush : 0), pte,
			  0) != (int64_t)PTEBATCH_ANSWER(1, 0, 0);
}

static int raw_set(void)
{
	return raw(PTEBATCH_OP_SET, now.slot[0] | PTEBATCH_SET_EXACT,
		   now.target[0], 0);
}

static int raw_set_invlpg(void)
{
	return raw(PTEBATCH_OP_SET, now.slot[0] | PTEBATCH_SET_EXACT,
		   now.target[0], 1);
}

static int raw_clear(void)
{
	return raw(PTEBATCH_OP_CLEAR, now.slot[0], 0, 0);
}

static int raw_clear_invlpg(void)
{
	return raw(PTEBATCH_OP_CLEAR, now.slot[0], 0, 1);
}

static int raw_take_invlpg(void)
{
	return raw(PTEBATCH_OP_TAKE, now.slot[0], (uint64_t)now.old, 1);
}

/* One locked instruction for each of as many entries in plain memory. */
static int floor_loop(void)
{
	uint64_t keep = now.dir == DIR_CLEAR ? 0 : ~now.clear, *p = plain;

	if (now.set)
		for (; p < plain + now.nr; p++)
			__asm__ volatile("lock orq %1, %0"
					 : "+m"(*p)
					 : "r"(now.set)
					 : "cc");
	else
		for (; p < plain + now.nr; p++)
			__asm__ volatile("lock andq %1, %0"
					 : "+m"(*p)
					 : "r"(keep)
					 : "cc");
	return 0;
}

static const struct method methods[] = {
	{ "flags", runs, &ptebatch_hypercall, EVERY, 0, 0, NULL, NULL },
	{ "values", values, &ptebatch_hypercall, EVERY, 0, 0, NULL, NULL },
	{ "exchange", with_old, &ptebatch_hypercall, BIT(DIR_CLEAR), OLD, 0,
	  NULL, NULL },
	{ "age", with_old, &ptebatch_hypercall, BIT(DIR_YOUNG), OLD, 0, NULL,
	  NULL },
	{ "sparse", singles, &ptebatch_hypercall, EVERY, SPARSE, 0, NULL,
	  NULL },
	{ "mmu-update", runs, &ptebatch_mmu_update, EVERY, 0, 0, NULL, NULL },
	{ "mmu-update-one", mmu_update_one, NULL, EVERY, 0, 0, NULL, NULL },
	{ "trapped", trapped, NULL, EVERY, 0, 0, NULL, NULL },
	{ "floor", floor_loop, NULL, EVERY, FLOOR, 0, NULL, NULL },
	/* Further methods, outside the figures table. */
	{ "x-flags-ad", runs, &ptebatch_hypercall, RO_RW, AD_SET, 512, NULL,
	  NULL },
	{ "x-flags-sole", runs, &ptebatch_hypercall, RO_RW, SOLE, 512, NULL,
	  NULL },
	{ "x-exchange-foreign", with_old, &ptebatch_hypercall, BIT(DIR_CLEAR),
	  OLD | FOREIGN, 512, NULL, NULL },
	{ "x-flags-queued", singles, &ptebatch_hypercall, RO_RW, 0, 512, NULL,
	  NULL },
	{ "x-values", values, &ptebatch_hypercall,
	  ABSENT | COMES_GOES | BIT(DIR_FRAME), 0, 512, NULL, NULL },
	{ "x-values-ad", values, &ptebatch_hypercall, RO_RW, AD_SET, 512, NULL,
	  NULL },
	{ "x-sparse", singles, &ptebatch_hypercall, EVERY, SPARSE, 256, NULL,
	  NULL },
	{ "x-one", straight, &ptebatch_hypercall, EVERY, 0, 1, NULL, NULL },
	{ "x-one-invlpg", straight_invlpg, &ptebatch_hypercall, EVERY, 0, 1,
	  NULL, NULL },
	{ "x-one-invlpg-at", straight_invlpg_at, &ptebatch_hypercall, EVERY, 0,
	  1, NULL, NULL },
	{ "x-one-invlpg-at-ad", straight_invlpg_at, &ptebatch_hypercall, EVERY,
	  AD_SET, 1, NULL, NULL },
	{ "x-value", one_value, &ptebatch_hypercall,
	  RO_RW | COMES_GOES | BIT(DIR_FRAME), 0, 1, NULL, NULL },
	{ "x-value-invlpg", one_value_invlpg, &ptebatch_hypercall,
	  RO_RW | COMES_GOES | BIT(DIR_FRAME), 0, 1, NULL, NULL },
	{ "x-value-invlpg-at-ad", one_value_invlpg_at, &ptebatch_hypercall,
	  RO_RW, AD_SET, 1, NULL, NULL },
	{ "x-raw-set", raw_set, NULL, RO_RW | COMES_GOES, RAW, 1, NULL, NULL },
	{ "x-raw-set-invlpg", raw_set_invlpg, NULL, RO_RW | COMES_GOES, RAW, 1,
	  NULL, NULL },
	{ "x-raw-clear", raw_clear, NULL, BIT(DIR_UNMAP), RAW, 1, NULL, NULL },
	{ "x-raw-clear-invlpg", raw_clear_invlpg, NULL, BIT(DIR_UNMAP), RAW, 1,
	  NULL, NULL },
	{ "x-raw-take-invlpg", raw_take_invlpg, NULL, BIT(DIR_UNMAP), RAW | OLD,
	  1, NULL, NULL },
	{ "x-mmu-one", straight, &ptebatch_mmu_update, RO_RW, 0, 1, NULL,
	  NULL },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL },
};

/* --- One case ------------------------------------------------------------ */

/* The entry that Linux writes for PROT_NONE; safe against L1TF. */
static uint64_t hidden(uint64_t pte)
{
	return (~pte & FRAME) | PROT_NONE | A;
}

/* Maps the frames of the machine-to-physical table, which belong to Xen. */
static void map_foreign(void)
{
	static xen_pfn_t first; /* of the first 2 MiB */
	struct xen_machphys_mfn_list list = { .max_extents = 1 };
	uint32_t i;

	set_xen_guest_handle(list.extent_start, &first);
	if (!first &&
	    hypercall5(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list,
		       (uint64_t)&list, 0, 0, 0))
		panic("Xen does not name its machine-to-physical table");
	for (i = 0; i < now.nr; i++) {
		mmu_update_t u = { slot_at(i) | MMU_NORMAL_PT_UPDATE,
				   (first + i % 512) << 12 | P | US | A };

		if (hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
			       DOMID_XEN, 0))
			panic("Xen refuses its own page %lx", u.val);
	}
}

/* Maps frames of a device that every PC has, the old graphics memory. */
static void map_io(uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++)
		if (update_pte(slot_at(i), (0xa0 + i % 32) << 12 | flags))
			panic("Xen refuses the graphics memory");
}

static uint64_t target(uint32_t i)
{
	switch (now.dir) {
	case DIR_CLEAR:
	case DIR_UNMAP:
		return 0;
	case DIR_NONE:
		return hidden(now.before[i]);
	case DIR_FRAME:
		return (now.before[i] & ~FRAME) | page_maddr(i + BENCH_PAGES);
	default:
		return (now.before[i] & ~now.clear) | now.set;
	}
}

static void set_up(const struct method *m)
{
	uint64_t flags = directions[now.dir].start | (m->how & AD_SET ? D : 0);
	uint32_t i, page0 = m->how & SOLE ? WORLD_SLOTS : 0;

	now.stride = m->how & SPARSE ? 2 : 1;
	now.clear = directions[now.dir].clear;
	now.set = directions[now.dir].set;
	now.mode = BIT(now.dir) & (BIT(DIR_CLEAR) | BIT(DIR_YOUNG) |
				   COMES_GOES | BIT(DIR_FRAME))
			   ? MMU_NORMAL_PT_UPDATE
			   : MMU_PT_UPDATE_PRESERVE_AD;
	fill_entries(0, now.nr, now.stride, page0, flags);
	if (now.stride == 2)
		fill_entries(1, now.nr, now.stride, 0, 0);
	if (m->how & MIXED)
		fill_entries(1, now.nr / 2, 2, page0, flags & ~US);
	else if (m->how & KERNEL)
		fill_entries(0, now.nr, 1, page0, flags & ~US);
	if (m->how & FOREIGN)
		map_foreign();
	if (m->how & IO)
		map_io(flags);
	for (i = 0; i < now.nr; i++) {
		now.entry[i] = entry_at(i * now.stride);
		now.slot[i] = slot_at(i * now.stride);
		now.old[i] = ~0ul;
	}
	for (i = 0; i < now.nr; i++) {
		now.before[i] = plain[i] = *now.entry[i];
		now.target[i] = target(i);
		if (!(BIT(now.dir) &
		      (BIT(DIR_MAP) | BIT(DIR_BACK) | BIT(DIR_BACK_RO))))
			continue;
		now.before[i] = now.dir == DIR_MAP ? 0 : hidden(now.target[i]);
		if (update_pte(now.slot[i], now.before[i]))
			panic("Xen refuses %lx", now.before[i]);
	}
	one = (struct ptebatch_run){
		now.slot[0],
		1,
		now.dir == DIR_CLEAR ? PTEBATCH_OP_CLEAR : PTEBATCH_OP_FLAGS,
		now.clear,
		now.set,
		0,
	};
	apply = now.dir == DIR_CLEAR ? ptebatch_apply_clear
				     : ptebatch_apply_flags;
}

/* The number of entries and returned old values that are wrong. */
static uint32_t wrong_entries(const struct method *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < now.nr; i++) {
		if ((m->how & FLOOR ? plain[i] : *now.entry[i]) !=
		    now.target[i])
			n++;
		if ((m->how & OLD) && now.old[i] != now.before[i])
			n++;
		/* The slot between two sparse slots stays absent. */
		if (now.stride == 2 && *entry_at(2 * i + 1))
			n++;
	}
	if (n)
		print("# first entry %lx, not %lx\n", *now.entry[0],
		      now.target[0]);
	return n;
}

static uint32_t rounds(void)
{
	return cycles ? REPEAT_CYCLES : REPEAT;
}

static void measure(const struct method *m, uint32_t pages, enum direction d)
{
	uint64_t best = ~0ul, best_region = 0, hypercalls = 0, tlb_flushes = 0;
	int checked = 1, err = 0;
	uint32_t i = 0, wrong;

	now.nr = pages;
	now.dir = d;
	while (i < rounds() && checked) {
		uint64_t begin, before_tsc, after_tsc, end;
		int quiet;

		if (m->prepare)
			m->prepare();
		else
			set_up(m);
		now.calls = now.flushes = 0;
		progress = (struct ptebatch_progress){ 0 };
		if (m->backend &&
		    ptebatch_init(&batch, sizeof(batch), m->backend, &env,
				  storage, sizeof(storage)))
			panic("ptebatch_init failed");

		begin = rdtsc();
		bench_begin();
		before_tsc = rdtsc();
		err = m->run();
		after_tsc = rdtsc();
		bench_end();
		end = rdtsc();
		/* The trace has an interrupt there, but the TSC has not. */
		quiet = cycles ||
			before_tsc - begin + end - after_tsc < MARKERS;

		if (err) {
			print("# %s: error %d at slot %lx\n", m->name, err,
			      m->backend ? batch.last.slot : 0);
			checked = 0;
		} else {
			wrong = m->wrong ? m->wrong() : wrong_entries(m);
			if (wrong)
				print("# %s %s: %u wrong\n", m->name,
				      directions[d].name, wrong);
			checked = !wrong;
		}
		if (quiet && after_tsc - before_tsc < best) {
			best = after_tsc - before_tsc;
			best_region = region;
			hypercalls = now.calls + progress.stats.hypercalls;
			tlb_flushes = now.flushes + progress.stats.tlb_flushes;
			if (m->backend) {
				hypercalls += batch.counters.hypercalls;
				tlb_flushes += batch.counters.tlb_flushes;
			}
		}
		region++;
		i += quiet;
	}
	print("bench %s %u %s %s=%lu hypercalls=%lu tlb_flushes=%lu "
	      "region=%lu checked=%s\n",
	      m->name, pages, directions[d].name,
	      cycles ? "cycles" : "instructions", best - overhead, hypercalls,
	      tlb_flushes, best_region, checked ? "yes" : "no");
	failed += !checked;
}

static int nothing(void)
{
	return 0;
}

/* The cost of the measurement itself, which is subtracted. */
static uint64_t calibrate(void)
{
	static const struct method m = { .run = nothing };
	const struct method *volatile p = &m;
	uint64_t from, to, best = ~0ul;
	uint32_t i;

	for (i = 0; i < rounds(); i++) {
		from = rdtsc();
		p->run();
		to = rdtsc();
		if (to - from < best)
			best = to - from;
	}
	return best;
}

static int sets_in_registers(void)
{
	int64_t ops = hypercall5(__HYPERVISOR_ptebatch_runs, PTEBATCH_MAGIC,
				 PTEBATCH_ASK_OPS, PTEBATCH_HOW_PROBE, 0, 0);

	return ops > 0 && (ops & 1 << PTEBATCH_OP_SET);
}

static void measure_all(const struct method *m, int all)
{
	uint32_t pages, d;

	for (; m->name; m++) {
		if ((m->how & RAW) && !sets_in_registers())
			continue;
		/* A domU has no right to these pages. */
		if ((m->how & (FOREIGN | IO)) &&
		    !(start_info->flags & SIF_INITDOMAIN))
			continue;
		print("# measuring %s\n", m->name);
		for (pages = 1; pages <= BENCH_PAGES; pages *= 2)
			for (d = 0; d < DIRECTIONS; d++) {
				if (!(m->directions & BIT(d)))
					continue;
				if (m->only ? m->only != pages
					    : !all && pages != 1 &&
						      pages != 512 &&
						      pages != 4096)
					continue;
				if (cycles && pages > 512)
					continue;
				measure(m, pages, d);
			}
	}
}

unsigned int bench_run(int all, int on_a_cpu)
{
	cycles = on_a_cpu;
	env = xen_env;
	if (ptebatch_hypercall.probe(&env))
		panic("the hypercall backend cannot work here");
	env_at = env;
	env_at.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	print("# bench: new calls: runs %s, values %s\n",
	      env.have & PTEBATCH_HAVE_RUNS ? "yes" : "no",
	      env.have & PTEBATCH_HAVE_VALUES ? "yes" : "no");
	overhead = calibrate();
	print("# measuring takes %lu %s, not counted\n", overhead,
	      cycles ? "cycles" : "instructions");
	world_reset();
	measure_all(methods, all);
	measure_all(guest_methods, all);
	world_reset();
	return failed;
}
