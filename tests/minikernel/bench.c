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
#include "kernel.h"

#include <xen/memory.h>

#define REPEAT 3
#define PAGES_MAX 4096u
#define PROT_NONE 0x100ul /* Linux's flag of an entry that only looks absent */

enum direction {
	DIR_RO,
	DIR_RW,
	DIR_NX,
	DIR_CLEAR,
	DIR_YOUNG,
	DIR_NONE,   /* as Linux does for PROT_NONE: P clear, frame inverted */
	DIR_MAP,    /* PROT_NONE to present and writable */
	DIR_MAP_RO, /* PROT_NONE to present and read-only */
	DIRECTIONS
};

static const struct {
	const char *name;
	uint64_t start, clear, set;
} directions[DIRECTIONS] = {
	[DIR_RO] = { "ro", P | US | A | RW, RW, 0 },
	[DIR_RW] = { "rw", P | US | A, 0, RW },
	[DIR_NX] = { "nx", P | US | A | RW, 0, NX },
	[DIR_CLEAR] = { "clear", P | US | A | RW, 0, 0 },
	[DIR_YOUNG] = { "young", P | US | A | RW, A, 0 },
	[DIR_NONE] = { "none", P | US | A | RW, 0, 0 },
	[DIR_MAP] = { "map", P | US | A | RW, 0, 0 },
	[DIR_MAP_RO] = { "map-ro", P | US | A, 0, 0 },
};

#define RO_RW (1u << DIR_RO | 1u << DIR_RW)
#define ABSENT (1u << DIR_NONE | 1u << DIR_MAP | 1u << DIR_MAP_RO)
#define EVERY (RO_RW | 1u << DIR_NX | 1u << DIR_CLEAR | 1u << DIR_YOUNG)

/* The current case, prepared before the clock starts. */
static enum direction dir;
static uint32_t nr, stride;
static uint64_t clear, set;
static uint64_t slot[PAGES_MAX], target[PAGES_MAX], before[PAGES_MAX];
static volatile uint64_t *entry[PAGES_MAX];
static uint64_t old[PAGES_MAX], plain[PAGES_MAX];
static struct ptebatch_run one;
static uint64_t calls, flushes; /* of methods that do not use a batch */
static struct ptebatch_progress progress; /* of direct calls of a backend */
static __typeof__(ptebatch_apply_flags) *apply; /* the function for one.op */

static struct ptebatch_run storage[PAGES_MAX];
static struct ptebatch batch;
static struct ptebatch_env env, env_at;
static uint32_t region, failed;
static uint64_t overhead;

/* The number of pages from first on whose entries lie in one table. */
static uint32_t piece(uint32_t first)
{
	uint32_t n = PTEBATCH_TABLE_SLOTS - first % PTEBATCH_TABLE_SLOTS;

	return n < nr - first ? n : nr - first;
}

/* --- The methods --------------------------------------------------------- */

static int runs(void)
{
	uint32_t i, n;
	int err = 0;

	for (i = 0; i < nr && !err; i += n) {
		n = piece(i);
		err = dir == DIR_CLEAR
			? ptebatch_add_clear(&batch, slot[i], n, NULL)
			: ptebatch_add_flags(&batch, slot[i], n, clear, set);
	}
	return err ? err : ptebatch_flush(&batch, NULL);
}

/* Queues each PTE separately. Those of sparse cannot merge into runs. */
static int singles(void)
{
	const uint64_t c = clear, st = set, *s = slot, *end = slot + nr;
	int err = 0;

	if (dir == DIR_CLEAR)
		for (; s < end && !err; s++)
			err = ptebatch_add_clear(&batch, *s, 1, NULL);
	else
		for (; s < end && !err; s++)
			err = ptebatch_add_flags(&batch, *s, 1, c, st);
	return err ? err : ptebatch_flush(&batch, NULL);
}

/* The mode is a compile-time constant, as it is in a guest. */
static inline int queue_values(uint32_t mode)
{
	const uint64_t *s = slot, *t = target, *end = slot + nr;
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
	int err = dir == DIR_CLEAR || dir == DIR_YOUNG
			  ? queue_values(PTEBATCH_SET_EXACT)
			  : queue_values(PTEBATCH_SET_KEEP_AD);

	return err ? err : ptebatch_flush(&batch, NULL);
}

static int with_old(void)
{
	uint32_t i, n;
	int err = 0;

	for (i = 0; i < nr && !err; i += n) {
		n = piece(i);
		err = dir == DIR_CLEAR
			? ptebatch_add_clear(&batch, slot[i], n, &old[i])
			: ptebatch_add_flags_old(&batch, slot[i], n, clear, set,
					       &old[i]);
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

static int one_value_invlpg_at(void)
{
	const struct ptebatch_value value = { slot[0] | PTEBATCH_SET_KEEP_AD,
					      target[0] };

	return ptebatch_apply_set(batch.backend, &env_at, &value, &page,
				    &progress);
}

static int update_va_invlpg(void)
{
	calls++;
	flushes++;
	return (int)hypercall5(__HYPERVISOR_update_va_mapping,
			       (uint64_t)va_at(0), target[0],
			       UVMF_INVLPG | UVMF_LOCAL, 0, 0);
}

static int multicall_invlpg(void)
{
	mmu_update_t u = { slot[0] | MMU_PT_UPDATE_PRESERVE_AD, target[0] };
	struct mmuext_op op = { .cmd = MMUEXT_INVLPG_LOCAL };
	multicall_entry_t m[2];

	op.arg1.linear_addr = (uint64_t)va_at(0);
	m[0].op = __HYPERVISOR_mmu_update;
	m[0].args[0] = (uint64_t)&u;
	m[0].args[1] = 1;
	m[0].args[2] = 0;
	m[0].args[3] = DOMID_SELF;
	m[1].op = __HYPERVISOR_mmuext_op;
	m[1].args[0] = (uint64_t)&op;
	m[1].args[1] = 1;
	m[1].args[2] = 0;
	m[1].args[3] = DOMID_SELF;
	calls++;
	flushes++;
	if (hypercall5(__HYPERVISOR_multicall, (uint64_t)m, 2, 0, 0, 0))
		return -PTEBATCH_EINVAL;
	return (int)(m[0].result ? m[0].result : m[1].result);
}

/* Without the library, as in a guest that does not batch. */
static int mmu_update_one(void)
{
	uint64_t mode = dir == DIR_YOUNG || dir == DIR_CLEAR
				? MMU_NORMAL_PT_UPDATE
				: MMU_PT_UPDATE_PRESERVE_AD;
	int64_t err = 0;
	uint32_t i;

	for (i = 0; i < nr && !err; i++) {
		mmu_update_t u = { slot[i] | mode, target[i] };

		err = hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
				 DOMID_SELF, 0);
		calls++;
	}
	return (int)err;
}

static int mmu_update_invlpg(void)
{
	int err = mmu_update_one();

	calls++;
	flushes++;
	return err ? err : mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)va_at(0), 0);
}

static int mmu_update_raw(void)
{
	static mmu_update_t u[PAGES_MAX];
	uint32_t i;

	for (i = 0; i < nr; i++) {
		u[i].ptr = slot[i] | MMU_PT_UPDATE_PRESERVE_AD;
		u[i].val = target[i];
	}
	calls++;
	return (int)hypercall5(__HYPERVISOR_mmu_update, (uint64_t)u, nr, 0,
			       DOMID_SELF, 0);
}

/* Writes to the table through its read-only mapping, which Xen emulates. */
static int trapped(void)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint64_t seen = before[i];

		if (dir == DIR_CLEAR)
			old[i] = __atomic_exchange_n(entry[i], 0,
						     __ATOMIC_SEQ_CST);
		else if (dir != DIR_YOUNG)
			*entry[i] = target[i];
		else if (!__atomic_compare_exchange_n(entry[i], &seen,
						      target[i], 0,
						      __ATOMIC_SEQ_CST,
						      __ATOMIC_SEQ_CST))
			return -PTEBATCH_EBUSY;
	}
	return 0;
}

/* As Linux on Xen did in 2007: clear the entry, then write the new one. */
static int trapped_twice(void)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		old[i] = __atomic_exchange_n(entry[i], 0, __ATOMIC_SEQ_CST);
		*entry[i] = target[i];
	}
	return 0;
}

/* One locked instruction for each of as many entries in plain memory. */
static int floor_loop(void)
{
	uint64_t keep = dir == DIR_CLEAR ? 0 : ~clear, *p = plain;

	if (set)
		for (; p < plain + nr; p++)
			__asm__ volatile("lock orq %1, %0"
					 : "+m"(*p) : "r"(set) : "cc");
	else
		for (; p < plain + nr; p++)
			__asm__ volatile("lock andq %1, %0"
					 : "+m"(*p) : "r"(keep) : "cc");
	return 0;
}

/* Properties of a method: what is checked, and the kind of its pages. */
enum { OLD = 1, SPARSE = 2, FLOOR = 4, SOLE = 8, AD_SET = 16, FOREIGN = 32 };

static const struct method {
	const char *name;
	int (*run)(void);
	const struct ptebatch_backend *backend;
	uint32_t directions, how;
	uint32_t only; /* the number of pages; 0: each batch size */
} methods[] = {
	{ "flags", runs, &ptebatch_hypercall, EVERY, 0, 0 },
	{ "values", values, &ptebatch_hypercall, EVERY, 0, 0 },
	{ "exchange", with_old, &ptebatch_hypercall, 1u << DIR_CLEAR, OLD, 0 },
	{ "age", with_old, &ptebatch_hypercall, 1u << DIR_YOUNG, OLD, 0 },
	{ "sparse", singles, &ptebatch_hypercall, EVERY, SPARSE, 0 },
	{ "mmu-update", runs, &ptebatch_mmu_update, EVERY, 0, 0 },
	{ "mmu-update-one", mmu_update_one, NULL, EVERY, 0, 0 },
	{ "trapped", trapped, NULL, EVERY, 0, 0 },
	{ "floor", floor_loop, NULL, EVERY, FLOOR, 0 },
	/* Further methods, outside the figures table. */
	{ "x-flags-ad", runs, &ptebatch_hypercall, RO_RW, AD_SET, 512 },
	{ "x-flags-sole", runs, &ptebatch_hypercall, RO_RW, SOLE, 512 },
	{ "x-exchange-foreign", with_old, &ptebatch_hypercall, 1u << DIR_CLEAR,
	  OLD | FOREIGN, 512 },
	{ "x-trapped-foreign", trapped, NULL, 1u << DIR_CLEAR, FOREIGN, 512 },
	{ "x-flags-queued", singles, &ptebatch_hypercall, RO_RW, 0, 512 },
	{ "x-values", values, &ptebatch_hypercall, ABSENT, 0, 512 },
	{ "x-values-ad", values, &ptebatch_hypercall, RO_RW, AD_SET, 512 },
	{ "x-sparse", singles, &ptebatch_hypercall, EVERY, SPARSE, 256 },
	{ "x-one", straight, &ptebatch_hypercall, EVERY, 0, 1 },
	{ "x-one-invlpg", straight_invlpg, &ptebatch_hypercall, EVERY, 0, 1 },
	{ "x-one-invlpg-at", straight_invlpg_at, &ptebatch_hypercall, EVERY, 0,
	  1 },
	{ "x-one-invlpg-at-ad", straight_invlpg_at, &ptebatch_hypercall, EVERY,
	  AD_SET, 1 },
	{ "x-value-invlpg-at-ad", one_value_invlpg_at, &ptebatch_hypercall,
	  RO_RW, AD_SET, 1 },
	{ "x-update-va-invlpg", update_va_invlpg, NULL, EVERY, 0, 1 },
	{ "x-multicall-invlpg", multicall_invlpg, NULL, RO_RW, 0, 1 },
	{ "x-mmu-sole", mmu_update_raw, NULL, RO_RW, SOLE, 512 },
	{ "x-mmu-raw", mmu_update_raw, NULL, RO_RW | 1u << DIR_NX | ABSENT, 0,
	  512 },
	{ "x-mmu-one", straight, &ptebatch_mmu_update, RO_RW, 0, 1 },
	{ "x-mmu-one-invlpg", mmu_update_invlpg, NULL, RO_RW, 0, 1 },
	{ "x-trapped-twice", trapped_twice, NULL, RO_RW, OLD, 512 },
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
	if (!first && hypercall5(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list,
				 (uint64_t)&list, 0, 0, 0))
		panic("Xen does not name its machine-to-physical table");
	for (i = 0; i < nr; i++) {
		mmu_update_t u = { slot_at(i) | MMU_NORMAL_PT_UPDATE,
				   (first + i % 512) << 12 | P | US | A };

		if (hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
			       DOMID_XEN, 0))
			panic("Xen refuses its own page %lx", u.val);
	}
}

static void set_up(const struct method *m)
{
	uint64_t flags = directions[dir].start | (m->how & AD_SET ? D : 0);
	uint32_t i, page0 = m->how & SOLE ? WORLD_SLOTS : 0;

	stride = m->how & SPARSE ? 2 : 1;
	clear = directions[dir].clear;
	set = directions[dir].set;
	fill_entries(0, nr, stride, page0, flags);
	if (stride == 2)
		fill_entries(1, nr, stride, 0, 0);
	if (m->how & FOREIGN)
		map_foreign();
	for (i = 0; i < nr; i++) {
		entry[i] = entry_at(i * stride);
		slot[i] = slot_at(i * stride);
		old[i] = ~0ul;
	}
	for (i = 0; i < nr; i++) {
		before[i] = plain[i] = *entry[i];
		target[i] = dir == DIR_CLEAR  ? 0
			    : dir == DIR_NONE ? hidden(before[i])
					      : (before[i] & ~clear) | set;
		if (dir != DIR_MAP && dir != DIR_MAP_RO)
			continue;
		before[i] = hidden(target[i]);
		if (update_pte(slot[i], before[i]))
			panic("Xen refuses %lx", before[i]);
	}
	one = (struct ptebatch_run){
		slot[0], 1,
		dir == DIR_CLEAR ? PTEBATCH_OP_CLEAR : PTEBATCH_OP_FLAGS,
		clear, set, 0,
	};
	apply = dir == DIR_CLEAR ? ptebatch_apply_clear : ptebatch_apply_flags;
}

static int is_right(const struct method *m)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < nr; i++) {
		if ((m->how & FLOOR ? plain[i] : *entry[i]) != target[i])
			wrong++;
		if ((m->how & OLD) && old[i] != before[i])
			wrong++;
		/* The slot between two sparse slots stays absent. */
		if (stride == 2 && *entry_at(2 * i + 1))
			wrong++;
	}
	if (wrong)
		print("# %s %s: %u of %u wrong, first entry %lx, not %lx\n",
		      m->name, directions[dir].name, wrong, nr, *entry[0],
		      target[0]);
	return !wrong;
}

static void measure(const struct method *m, uint32_t pages, enum direction d)
{
	uint64_t best = ~0ul, best_region = 0, hypercalls = 0, tlb_flushes = 0;
	int checked = 1, err = 0;
	uint32_t i;

	nr = pages;
	dir = d;
	for (i = 0; i < REPEAT && checked; i++) {
		uint64_t before_tsc, after_tsc;

		set_up(m);
		calls = flushes = 0;
		progress = (struct ptebatch_progress){ 0 };
		if (m->backend &&
		    ptebatch_init(&batch, sizeof(batch), m->backend, &env, storage,
				  sizeof(storage)))
			panic("ptebatch_init failed");

		bench_begin();
		before_tsc = rdtsc();
		err = m->run();
		after_tsc = rdtsc();
		bench_end();

		if (err) {
			print("# %s: error %d at slot %lx\n", m->name, err,
			      m->backend ? batch.last.slot : 0);
			checked = 0;
		} else {
			checked = is_right(m);
		}
		if (after_tsc - before_tsc < best) {
			best = after_tsc - before_tsc;
			best_region = region;
			hypercalls = calls + progress.stats.hypercalls;
			tlb_flushes = flushes + progress.stats.tlb_flushes;
			if (m->backend) {
				hypercalls += batch.counters.hypercalls;
				tlb_flushes += batch.counters.tlb_flushes;
			}
		}
		region++;
	}
	print("bench %s %u %s instructions=%lu hypercalls=%lu tlb_flushes=%lu "
	      "region=%lu checked=%s\n",
	      m->name, pages, directions[d].name, best - overhead, hypercalls,
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

	for (i = 0; i < REPEAT; i++) {
		from = rdtsc();
		p->run();
		to = rdtsc();
		if (to - from < best)
			best = to - from;
	}
	return best;
}

unsigned int bench_run(int all)
{
	const struct method *m, *end = methods + sizeof(methods) / sizeof(*m);
	uint32_t pages, d;

	env = xen_env;
	if (ptebatch_hypercall.probe(&env))
		panic("the hypercall backend cannot work here");
	env_at = env;
	env_at.features |= PTEBATCH_ENV_ADDR_OF_SLOT;
	print("# bench: new calls: runs %s, values %s\n",
	      env.have & PTEBATCH_HAVE_RUNS ? "yes" : "no",
	      env.have & PTEBATCH_HAVE_VALUES ? "yes" : "no");
	overhead = calibrate();
	print("# measuring takes %lu instructions, not counted\n", overhead);
	world_reset();
	for (m = methods; m < end; m++) {
		print("# measuring %s\n", m->name);
		for (pages = 1; pages <= PAGES_MAX; pages *= 2)
			for (d = 0; d < DIRECTIONS; d++) {
				if (!(m->directions & 1u << d))
					continue;
				if (m->only ? m->only != pages
					    : !all && pages != 1 &&
						      pages != 512 &&
						      pages != 4096)
					continue;
				measure(m, pages, d);
			}
	}
	world_reset();
	return failed;
}
