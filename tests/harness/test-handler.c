/* SPDX-License-Identifier: MIT */
/*
 * The handlers' source over the harness: bad input, each way out, order.
 * After every test each count of each frame is compared with the entries
 * there are, and no rule of harness.h may have been broken.
 *
 *   gcc -std=gnu11 -g -fsanitize=address,undefined -Itests/harness \
 *     -Itests/harness/include -Iinclude -Ibackends/xen-hv \
 *     tests/harness/{harness,test-handler}.c backends/xen-hv/ptebatch.c
 *
 * once as it is and once with -DPTEBATCH_PREEMPT=1U: preempted at each entry.
 * Argument: seed of the random part (default 1), and its rounds (20000); or
 * "forged" for that test alone.
 */
#include <harness.h>

#include "../common/pte.h"

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
/* domain 5's tables and pages, as mmu_update names them */
#define FOREIGN (5UL | 6UL << 16)

static const char *test_name;
static unsigned int test_nr, test_failed, failed_before;

#define CHECK(c)                                                              \
	do {                                                                  \
		if (!(c)) {                                                   \
			test_failed++;                                        \
			printf("# %s:%d: %s\n", test_name, __LINE__, #c);     \
		}                                                             \
	} while (0)
#define EQ(a, b)                                                              \
	do {                                                                  \
		uint64_t _x = (a), _y = (b);                                  \
		if (_x != _y) {                                               \
			test_failed++;                                        \
			printf("# %s:%d: %s is %#lx, not %#lx\n", test_name,  \
			       __LINE__, #a, _x, _y);                         \
		}                                                             \
	} while (0)

static void begin(const char *name)
{
	test_name = name;
	failed_before = test_failed;
	harness_reset();
}

static void end(void)
{
	hx_audit();
	if (hx.broken) {
		test_failed++;
		printf("# %s: rule broken %u times: %s\n", test_name, hx.broken,
		       hx.what);
	}
	printf("%s %u - %s\n", test_failed == failed_before ? "ok" : "not ok",
	       ++test_nr, test_name);
}

static uint64_t pte(unsigned long mfn, uint64_t flags)
{
	return mfn << 12 | P | US | G | flags;
}
static uint64_t page(unsigned int n, uint64_t flags)
{
	return pte(MFN_PAGE + n, flags);
}

static int64_t flags(uint64_t slot, uint32_t n, uint64_t clear, uint64_t set)
{
	return hx_call(RUNS, slot, n, FLAGS, clear, set);
}

/* A list of one run, with old values. */
static int64_t with_old(uint64_t slot, uint32_t n, uint32_t op, uint64_t clear,
			uint64_t set, uint64_t *old)
{
	struct ptebatch_run run = {slot, n, op, clear, set, (uintptr_t)old};

	return hx_call(RUNS, (uintptr_t)&run, 1, LIST, SELF, 0);
}

static int64_t value(uint64_t slot, uint64_t val, unsigned int mode)
{
	struct ptebatch_value v = {slot | mode, val};

	return hx_call(VALUES, (uintptr_t)&v, 1, 0, SELF, 0);
}

/* 512 pages of the caller's, mapped writable here and "more" times elsewhere */
static void fill(unsigned int table, uint64_t f, unsigned int more)
{
	for (unsigned int i = 0; i < 512; i++) {
		hx_set(table, i, page(i, f));
		if (more)
			hx_hold(MFN_PAGE + i, more);
	}
}

static unsigned long type_count(unsigned long mfn)
{
	return hx_page(mfn)->u.inuse.type_info & PGT_count_mask;
}

/* --- Frame numbers -------------------------------------------------------- */

/* All that there are, and some behind them. */
#define FOR_EACH_MFN(m) for (unsigned long m = 0; m < MFN_END + 0x200; m++)

static bool is_mine(unsigned long mfn)
{
	return mfn >= MFN_PAGE && mfn < MFN_PAGE + NR_PAGES;
}

/* Where frame numbers are compressed, many of them are the index of another. */
static void frame_numbers(void)
{
	begin("each frame number maps the frame that it names, or none");
	FOR_EACH_MFN(m) {
		/* I/O memory, and a page that is no table any more. */
		bool other = m == MFN_MMIO || m == MFN_MMIO_RO ||
			     m == MFN_IO_PAGE || m == MFN_HOLE ||
			     m == MFN_UNVALID;
		/* Near it in memory: its window may hold the other, or not. */
		unsigned long mine = MFN_PAGE + (m - MFN_PAGE - 37) % NR_PAGES;
		struct ptebatch_value v[] = {{hx_slot(0, 0), pte(mine, RW)},
					     {hx_slot(0, 1), pte(m, RW)}};
		int64_t ret = hx_call(VALUES, (uintptr_t)v, 2, 0, SELF, 0);

		EQ(PTEBATCH_DONE(ret), 1 + (is_mine(m) || other));
		if (is_mine(m)) {
			EQ(hx_get(0, 1), pte(m, RW));
			EQ(type_count(m), 1 + (m == mine));
			EQ(flags(hx_slot(0, 0), 2, RW, 0), ANS(2, 0, 0));
			EQ(type_count(m), 0);
			EQ(flags(hx_slot(0, 0), 2, 0, RW), ANS(2, 0, 0));
			EQ(type_count(m), 1 + (m == mine));
		}
		EQ(hx_call(RUNS, hx_slot(0, 0), 2, CLEAR, 0, 0), ANS(2, 0, 0));
		if (test_failed > failed_before + 9)
			break;
	}
	end();

	begin("each frame number is the table that it names, or none");
	FOR_EACH_MFN(m) {
		bool mine = m >= MFN_TABLE && m < MFN_TABLE + NR_TABLES;

		EQ(flags(m << 12, 1, A, 0),
		   mine ? ANS(1, 0, 0) : ANS(0, 0, EINVAL));
		EQ(PTEBATCH_DONE(value(m << 12, page(0, 0), 0)), mine);
		EQ(PTEBATCH_DONE(value(m << 12, 0, 0)), mine);
		if (test_failed > failed_before + 9)
			break;
	}
	end();

	begin("where memory ends within a group, the window ends too");
	for (unsigned int i = NR_PAGES - 9; i < NR_PAGES; i++)
		hx_hold(MFN_PAGE + i, 2);
	max_page = MFN_PAGE + NR_PAGES - 8;
	max_pdx = pfn_to_pdx(max_page - 1) + 1;
	for (unsigned int i = NR_PAGES - 8; i < NR_PAGES; i++) {
		struct ptebatch_value v[] = {
			{hx_slot(0, 0), page(NR_PAGES - 9, RW)},
			{hx_slot(0, 1), page(i, RW)},
		};

		EQ(hx_call(VALUES, (uintptr_t)v, 2, 0, SELF, 0),
		   ANS(1, 0, EPERM));
	}
	end();

	begin("a page of another domain's is not taken for an own one");
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t old;

		hx_set(0, i, pte(MFN_F_PAGE + i, RW));
		hx_hold(MFN_PAGE + i, 2);
		EQ(flags(hx_slot(0, i), 1, RW, 0), ANS(0, 0, EBUSY));
		EQ(type_count(MFN_F_PAGE + i), 1);
		EQ(with_old(hx_slot(0, i), 1, CLEAR, 0, 0, &old),
		   ANS(1, 0, 0));
		EQ(old, pte(MFN_F_PAGE + i, RW));
		EQ(type_count(MFN_F_PAGE + i), 0);
		EQ(type_count(MFN_PAGE + i), 2);
	}
	end();
}

/* --- What is refused ------------------------------------------------------ */

/* Nothing done: neither an entry, nor a count, nor a TLB flush. */
static void nothing_done(void)
{
	EQ(hx.flushes, 0);
	EQ(hx.last_update, 0);
	EQ(hx_get(0, 0), page(0, RW));
	EQ(hx_get(0, 511), page(1, RW));
}

#define REFUSED(name, answer, ...)                                            \
	do {                                                                  \
		begin(name);                                                  \
		hx_set(0, 0, page(0, RW));                                    \
		hx_set(0, 511, page(1, RW));                                  \
		EQ(hx_call(__VA_ARGS__), (uint64_t)(answer));                 \
		nothing_done();                                               \
		end();                                                        \
	} while (0)

static void refusals(void)
{
	uint64_t slot = hx_slot(0, 0), last = hx_slot(0, 511);
	uint64_t tlb = TLB(ALL), inval = ANS(0, 0, EINVAL);
	struct ptebatch_run run = {slot, 1, FLAGS, RW, 0, 0};
	struct ptebatch_value v = {slot, 0};
	struct ptebatch_tlb t = {0};

	REFUSED("a run past its table is refused", inval, RUNS, last, 2,
		FLAGS | tlb, RW, 0);
	REFUSED("a run of 513 is refused", inval, RUNS, slot, 513, FLAGS | tlb,
		RW, 0);
	REFUSED("a count of 2^32-1 is refused", inval, RUNS, slot, 0xffffffff,
		FLAGS | tlb, RW, 0);
	REFUSED("progress beyond the count is refused", -EINVAL, RUNS, slot,
		1 | 2UL << 32, FLAGS | tlb, RW, 0);
	REFUSED("an unaligned slot is refused", inval, RUNS, slot + 4, 1,
		FLAGS | tlb, RW, 0);
	REFUSED("a slot in frame 0 is refused", inval, RUNS, 8, 1, FLAGS | tlb,
		RW, 0);
	REFUSED("a slot beyond all memory is refused", inval, RUNS,
		MFN_END << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("a slot beyond all addresses is refused", inval, RUNS,
		slot | 1UL << 60, 1, FLAGS | tlb, RW, 0);
	REFUSED("a slot in a hole of memory is refused", inval, RUNS,
		MFN_HOLE << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("a slot in a free frame is refused", inval, RUNS,
		MFN_FREE << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("an L2 table is refused", inval, RUNS, MFN_L2 << 12, 1,
		FLAGS | tlb, RW, 0);
	REFUSED("a descriptor table is refused", inval, RUNS, MFN_SEG << 12, 1,
		FLAGS | tlb, RW, 0);
	REFUSED("a data page is refused as a table", inval, RUNS,
		MFN_PAGE << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("a table not validated is refused", inval, RUNS,
		MFN_UNVALID << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("another domain's table is refused", inval, RUNS,
		MFN_F_TABLE << 12, 1, FLAGS | tlb, RW, 0);
	REFUSED("the frame is no flag", inval, RUNS, slot, 1, FLAGS | tlb,
		1UL << 12, 0);
	REFUSED("P is not to be cleared by a run", inval, RUNS, slot, 1,
		FLAGS | tlb, P, 0);
	REFUSED("P is not to be set by a run", inval, RUNS, slot, 1,
		FLAGS | tlb, 0, P);
	REFUSED("U/S is not to be changed by a run", inval, RUNS, slot, 1,
		FLAGS | tlb, US, 0);
	REFUSED("G is not to be changed by a run", inval, RUNS, slot, 1,
		FLAGS | tlb, 0, G);
	REFUSED("bit 52 is not to be changed by a run", inval, RUNS, slot, 1,
		FLAGS | tlb, 0, 1UL << 52);
	REFUSED("bits 59 to 62 are not to be changed by a run", inval, RUNS,
		slot, 1, FLAGS | tlb, 0, 1UL << 59);
	REFUSED("CLEAR takes no masks", inval, RUNS, slot, 1, CLEAR | tlb, RW,
		0);
	REFUSED("an unknown operation is refused", -EOPNOTSUPP, RUNS, slot, 1,
		5 | tlb, 0, 0);
	REFUSED("pages without their bit are refused", -EINVAL, RUNS, slot, 1,
		FLAGS | tlb | 0x80, RW, 0);
	REFUSED("pages without their bit are refused (values)", -EINVAL, VALUES,
		(uintptr_t)&v, 1, tlb | 0x80, SELF, 0);
	REFUSED("pages that end out of bounds are refused", -EINVAL, RUNS, slot,
		1, FLAGS | TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE | 0xf80 |
		0x7fffffff0000, RW, 0);
	REFUSED("an address without its bit is refused", -EINVAL, RUNS, slot,
		1, FLAGS | tlb | 0x1000, RW, 0);
	REFUSED("a page without a flush is refused", -EINVAL, RUNS, slot, 1,
		FLAGS | PTEBATCH_HOW_TLB_PAGE | 0x1000, RW, 0);
	REFUSED("the register form takes no TLB record", -EINVAL, RUNS, slot,
		1, FLAGS | TLB(VCPUS), RW, 0);
	REFUSED("an address out of bounds is refused", -EINVAL, RUNS, slot, 1,
		FLAGS | TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE | 1UL << 62, RW, 0);
	REFUSED("a TLB record not announced is refused", -EINVAL, RUNS,
		(uintptr_t)&run, 1, LIST | tlb, SELF, (uintptr_t)&t);
	REFUSED("reserved bits of owner are refused", -EINVAL, RUNS,
		(uintptr_t)&run, 1, LIST | tlb, SELF | 1UL << 48, 0);
	REFUSED("values have no half-done record", -EINVAL, VALUES,
		(uintptr_t)&v, 1, tlb, SELF | 1UL << 32, 0);
	REFUSED("an unknown owner is refused", -ESRCH, RUNS, (uintptr_t)&run,
		1, LIST | tlb, 99, 0);
	REFUSED("an unknown owner of tables is refused", -ESRCH, RUNS,
		(uintptr_t)&run, 1, LIST | tlb, SELF | 99UL << 16, 0);
	REFUSED("more records than there can be are refused", -EINVAL, VALUES,
		(uintptr_t)&v, 0xffffffff, tlb, SELF, 0);
	REFUSED("values know no operation", -EOPNOTSUPP, VALUES, (uintptr_t)&v,
		1, CLEAR | tlb, SELF, 0);

	v.slot = slot | 1;
	REFUSED("a value's unknown mode is refused", inval, VALUES,
		(uintptr_t)&v, 1, tlb, SELF, 0);
	v.slot = (MFN_L2 << 12) | PTEBATCH_SET_KEEP_AD;
	REFUSED("a value in an L2 table is refused", inval, VALUES,
		(uintptr_t)&v, 1, tlb, SELF, 0);
	v.slot = MFN_L2 << 12;
	REFUSED("an exact value in an L2 table is refused", inval, VALUES,
		(uintptr_t)&v, 1, tlb, SELF, 0);
	v.slot = 8;
	REFUSED("a value in frame 0 is refused", inval, VALUES, (uintptr_t)&v,
		1, tlb, SELF, 0);
	v = (struct ptebatch_value){slot, page(3, 0) | 1UL << 51};
	REFUSED("a value's frame beyond memory is refused", ANS(0, 0, EPERM),
		VALUES, (uintptr_t)&v, 1, tlb, SELF, 0);
	run.slot = MFN_L2 << 12;
	REFUSED("a record in an L2 table is refused", inval, RUNS,
		(uintptr_t)&run, 1, LIST | tlb, SELF, 0);
	run = (struct ptebatch_run){slot, 1, 7, RW, 0, 0};
	REFUSED("a record's unknown operation is refused",
		ANS(0, 0, EOPNOTSUPP), RUNS, (uintptr_t)&run, 1, LIST | tlb,
		SELF, 0);
	run = (struct ptebatch_run){slot, 0, FLAGS, RW, 0, 0};
	REFUSED("a run of no slots is refused", inval, RUNS, (uintptr_t)&run,
		1, LIST | tlb, SELF, 0);
	run.count = 1;

	begin("forged progress beyond a record does nothing");
	hx_set(0, 0, page(0, RW));
	EQ(PTEBATCH_ERRNO(hx_call(RUNS, (uintptr_t)&run, 1, LIST | tlb,
				  SELF | 1UL << 32, 0)), EINVAL);
	EQ(hx_get(0, 0), page(0, RW));
	EQ(hx.last_update, 0);
	end();
}

/* --- TLB records ---------------------------------------------------------- */

static void tlb_records(void)
{
	uint64_t mask[16] = {5}, slot = hx_slot(0, 0);
	struct ptebatch_run run = {slot, 1, FLAGS, RW, 0, 0};
	struct ptebatch_tlb t = {PTEBATCH_TLB_VCPUS, 64, 0, 0,
				 (uintptr_t)mask};
	static const struct {
		const char *name;
		struct ptebatch_tlb t;
	} bad[] = {
		{"an unknown kind", {4, 0, 0, 0, 0}},
		{"an address without pages", {2, 0, 0x1000, 0, 0}},
		{"an unaligned address", {2, 0, 0x1001, 1, 0}},
		{"an address out of bounds", {2, 0, 1UL << 60, 1, 0}},
		{"a range out of bounds", {2, 0, 0x1000, 1UL << 40, 0}},
		{"a range that wraps", {2, 0, 0x1000, ~0UL >> 12, 0}},
		{"pages to flush nowhere", {0, 0, 0, 1, 0}},
		{"vCPUs but no mask", {3, 0, 0, 0, 0}},
		{"a mask for all", {2, 64, 0, 0, 0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ptebatch_tlb b = bad[i].t;
		char name[80];

		snprintf(name, sizeof(name), "a TLB record with %s is refused",
			 bad[i].name);
		REFUSED(name, -EINVAL, RUNS, (uintptr_t)&run, 1,
			LIST | TLB(VCPUS), SELF, (uintptr_t)&b);
	}

	begin("a TLB record that faults is refused");
	hx.fault = (uintptr_t)&t + 8;
	hx.fault_end = (uintptr_t)(&t + 1);
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), (uint64_t)-EFAULT);
	EQ(hx.flushes, 0);
	end();

	begin("a mask that faults is refused");
	hx.fault = (uintptr_t)mask;
	hx.fault_end = hx.fault + 1;
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), (uint64_t)-EFAULT);
	EQ(hx.flushes, 0);
	end();

	begin("a mask flushes the CPUs of its vCPUs only, once, at the end");
	hx_set(0, 0, page(0, RW));
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), ANS(1, 0, 0));
	EQ(hx.flushes, 1);
	EQ(hx.flush[0].cpus, 5);
	CHECK(hx.flush[0].step > hx.last_update);
	end();

	begin("a mask beyond what there is room for flushes all");
	t.nr_vcpus = 8192;
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), ANS(1, 0, 0));
	EQ(hx.flushes, 1);
	EQ(hx.flush[0].cpus & 0xf, 0xf);
	end();

	begin("a mask that names vCPUs that are not there is no harm");
	t.nr_vcpus = 1024;
	memset(mask, 0xff, sizeof(mask));
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), ANS(1, 0, 0));
	EQ(hx.flush[0].cpus, 0xf);
	end();

	begin("a flush alone is a flush");
	EQ(hx_call(RUNS, 0, 0, TLB(ALL), 0, 0), 0);
	EQ(hx.flushes, 1);
	EQ(hx_call(VALUES, 0, 0, TLB(LOCAL), SELF, 0), 0);
	EQ(hx.flush[0].cpus, HX_LOCAL);
	end();

	begin("one page is flushed alone");
	hx_set(0, 0, page(0, RW));
	EQ(hx_call(RUNS, slot, 1, FLAGS | TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE |
		   0x7000, RW, 0), ANS(1, 0, 0));
	EQ(hx.flushes, 1);
	EQ(hx.flush[0].addr, 0x7000);
	EQ(hx.flush[0].pages, 1);
	CHECK(hx.flush[0].step > hx.last_update);
	end();

	begin("up to 32 pages are flushed, each alone, without a record");
	hx_set(0, 0, page(0, RW));
	EQ(hx_call(RUNS, slot, 1, FLAGS | TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE |
		   31 << 7 | 0x7000, RW, 0), ANS(1, 0, 0));
	EQ(hx.flushes, 32);
	EQ(hx.flush[0].addr, 0x7000);
	EQ(hx.flush[0].pages, 1);
	end();

	begin("entries that have the value already are flushed too");
	hx_set(0, 0, page(0, 0));
	EQ(hx_call(RUNS, slot, 1, FLAGS | TLB(ALL), RW, 0), ANS(1, 0, 0));
	EQ(hx.flushes, 1);
	end();

	begin("the flush follows the last update when a later one fails");
	hx_set(0, 0, page(0, RW));
	hx_set(0, 1, page(1, 0));
	hx_set(0, 2, pte(MFN_TABLE, 0));
	EQ(hx_call(RUNS, slot, 3, FLAGS | TLB(ALL), 0, RW), ANS(2, 0, EBUSY));
	EQ(hx.flushes, 1);
	CHECK(hx.flush[0].step > hx.last_update);
	EQ(hx_get(0, 1), page(1, RW));
	EQ(hx_get(0, 2), pte(MFN_TABLE, 0));
	end();
}

/* --- The type count ------------------------------------------------------- */

static void type_counts(void)
{
	const unsigned long max = PGT_count_mask;
	struct page_info *pg;
	uint64_t was;

	for (unsigned int more = 0; more < 3; more++)
		for (unsigned int hw = 0; hw < 2; hw++) {
			char name[80];

			snprintf(name, sizeof(name), "RW to RO and back, type "
				 "count %u elsewhere, hardware %s", more,
				 hw ? "at work" : "idle");
			begin(name);
			fill(0, RW, more);
			hx.hw = hw;
			EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
			for (unsigned int i = 0; i < 512; i++)
				EQ(hx_get(0, i),
				   page(i, hx.hw_set[0][i]));
			EQ(type_count(MFN_PAGE + 7), more);
			EQ(flags(hx_slot(0, 0), 512, 0, RW), ANS(512, 0, 0));
			EQ(type_count(MFN_PAGE + 7), more + 1);
			EQ(hx_get(0, 7) & ~(A | D), page(7, RW));
			EQ(hx.generic_gets, more ? 0 : 512);
			EQ(hx.generic_puts, more ? 0 : 512);
			EQ(hx.full_validations, 0);
			end();
		}

	begin("A and D set already: a plain store and one atomic an entry");
	fill(0, RW | A | D, 1);
	hx.hw = 1;
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	EQ(hx.plain_stores, 512);
	EQ(hx.pte_atomics, 0);
	EQ(hx.type_atomics, 512);
	EQ(hx_get(0, 3), page(3, A | D));
	end();

	begin("A or D to be cleared is never a plain store");
	fill(0, RW | A | D, 1);
	EQ(flags(hx_slot(0, 0), 512, A, 0), ANS(512, 0, 0));
	EQ(hx.plain_stores, 0);
	end();

	begin("a page at the greatest type count refuses one more, unchanged");
	hx_set(0, 0, page(0, 0));
	pg = hx_page(MFN_PAGE);
	pg->u.inuse.type_info |= max;
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), page(0, 0));
	EQ(type_count(MFN_PAGE), max);
	pg->u.inuse.type_info &= ~max;
	end();

	begin("a page one below the greatest type count takes one more");
	hx_set(0, 0, page(0, 0));
	pg = hx_page(MFN_PAGE);
	pg->u.inuse.type_info |= max - 1;
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(type_count(MFN_PAGE), max);
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	EQ(type_count(MFN_PAGE), max - 1);
	pg->u.inuse.type_info &= ~max;
	end();

	begin("a pinned writable page goes through Xen's own calls");
	hx_set(0, 0, page(0, RW));
	hx_hold(MFN_PAGE, 2);
	hx_page(MFN_PAGE)->u.inuse.type_info |= PGT_pinned;
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	EQ(hx.type_atomics, 0);
	EQ(hx.generic_puts, 1);
	hx_page(MFN_PAGE)->u.inuse.type_info &= ~PGT_pinned;
	end();

	begin("a non-coherent page goes through Xen's own calls");
	hx_set(0, 0, page(0, 0));
	hx_hold(MFN_PAGE, 2);
	hx_page(MFN_PAGE)->u.inuse.type_info |= PGT_non_coherent;
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx.type_atomics, 0);
	EQ(hx.generic_gets, 1);
	hx_page(MFN_PAGE)->u.inuse.type_info &= ~PGT_non_coherent;
	end();

	begin("a page of a locked type goes through Xen's own calls");
	hx_set(0, 0, page(0, RW));
	hx_hold(MFN_PAGE, 3);
	hx_page(MFN_PAGE)->u.inuse.type_info |= PGT_locked;
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	EQ(hx.type_atomics, 0);
	hx_page(MFN_PAGE)->u.inuse.type_info &= ~PGT_locked;
	end();

	begin("every lock of a table is taken with its fence");
	hx_set(0, 0, page(0, RW));
	hx_set(1, 0, page(1, RW));
	hx_hold(MFN_PAGE, 2);
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	EQ(flags(hx_slot(0, 0), 2, 0, RW), ANS(2, 0, 0));
	EQ(with_old(hx_slot(1, 0), 1, CLEAR, 0, 0, &was), ANS(1, 0, 0));
	EQ(value(hx_slot(0, 1), page(2, 0), 0), ANS(1, 0, 0));
	EQ(flags(MFN_L2 << 12, 1, RW, 0), ANS(0, 0, EINVAL));
	CHECK(hx.locks >= 5);
	EQ(hx.fences, hx.locks);
	end();

	begin("a page table does not become writable, an entry for itself too");
	hx_set(0, 0, pte(MFN_TABLE, 0));
	hx_set(0, 1, pte(MFN_L2, 0));
	hx_set(0, 2, pte(MFN_SEG, 0));
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t e = hx_get(0, i);

		EQ(flags(hx_slot(0, i), 1, 0, RW), ANS(0, 0, EBUSY));
		EQ(value(hx_slot(0, i), e | RW, PTEBATCH_SET_KEEP_AD),
		   ANS(0, 0, EBUSY));
		EQ(value(hx_slot(0, i), e | RW, PTEBATCH_SET_EXACT),
		   ANS(0, 0, EBUSY));
		EQ(hx_get(0, i), e);
	}
	end();
}

/* --- Odd entries ---------------------------------------------------------- */

static void odd_entries(void)
{
	uint64_t old[512];

	begin("a foreign page's flags change without RW, RW is refused");
	hx_set(0, 0, pte(MFN_F_PAGE, RW));
	EQ(flags(hx_slot(0, 0), 1, 0, NX | A), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_F_PAGE, RW | NX | A));
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), pte(MFN_F_PAGE, RW | NX | A));
	end();

	begin("a foreign page's RW changes for who names its owner");
	hx_set(0, 0, pte(MFN_F_PAGE, RW));
	{
		struct ptebatch_run run = {hx_slot(0, 0), 1, FLAGS, RW, 0, 0};

		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST, 5, 0), ANS(1, 0, 0));
		EQ(hx_get(0, 0), pte(MFN_F_PAGE, 0));
		EQ(type_count(MFN_F_PAGE), 0);
		CHECK(hx.xsm_tables == &hx_self);
		CHECK(hx.xsm_pages == &hx_foreign);
	}
	end();

	begin("foreign pages are cleared, old values handed back");
	for (unsigned int i = 0; i < 64; i++)
		hx_set(0, i, pte(MFN_F_PAGE + i, i & 1 ? RW : 0));
	EQ(with_old(hx_slot(0, 0), 64, CLEAR, 0, 0, old), ANS(1, 0, 0));
	for (unsigned int i = 0; i < 64; i++) {
		EQ(old[i], pte(MFN_F_PAGE + i, i & 1 ? RW : 0));
		EQ(hx_get(0, i), 0);
	}
	end();

	begin("another domain's table changes for who names it");
	hx_set(NR_TABLES, 0, pte(MFN_F_PAGE, RW));
	{
		struct ptebatch_run run = {hx_slot(NR_TABLES, 0), 1, FLAGS, RW,
					   0, 0};

		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(ALL), FOREIGN,
			   0), ANS(1, 0, 0));
		EQ(hx_get(NR_TABLES, 0), pte(MFN_F_PAGE, 0));
		CHECK(hx.xsm_tables == &hx_foreign);
		CHECK(hx.xsm_pages == &hx_foreign);
		EQ(hx.flushes, 1);
		EQ(hx.flush[0].cpus, 0x30);
		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(LOCAL), FOREIGN,
			   0), (uint64_t)-EINVAL);
	}
	end();

	begin("another domain's table in log-dirty mode: all writes are seen");
	hx_set(NR_TABLES, 0, pte(MFN_F_PAGE, RW));
	hx_set(NR_TABLES, 1, pte(MFN_F_PAGE + 1, RW | A | D));
	hx_foreign.paging_mode = PG_log_dirty | PG_shadow;
	{
		struct ptebatch_run run = {hx_slot(NR_TABLES, 0), 2, FLAGS, RW,
					   NX, 0};

		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST, FOREIGN, 0),
		   ANS(1, 0, 0));
		EQ(hx_get(NR_TABLES, 1), pte(MFN_F_PAGE + 1, A | D | NX));
		CHECK(hx.paging_writes >= 2);
	}
	end();

	for (unsigned int hw = 0; hw < 2; hw++) {
		begin(hw ? "in shadow mode too, with hardware at work"
			 : "in log-dirty or shadow mode all writes are seen");
		fill(0, RW, 1);
		hx.hw = hw;
		hx_self.paging_mode = PG_log_dirty | PG_shadow;
		EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
		EQ(flags(hx_slot(0, 0), 512, 0, NX), ANS(512, 0, 0));
		EQ(value(hx_slot(0, 1), page(1, RW), PTEBATCH_SET_KEEP_AD),
		   ANS(1, 0, 0));
		EQ(with_old(hx_slot(0, 0), 512, CLEAR, 0, 0, old),
		   ANS(1, 0, 0));
		EQ(old[9] & ~(A | D), page(9, NX));
		EQ(hx_get(0, 9), 0);
		CHECK(hx.paging_writes >= 1537);
		end();
	}

	begin("a domain whose counts Xen does not hold is refused");
	hx_self.paging_mode = PG_refcounts | PG_external;
	EQ(flags(hx_slot(0, 0), 1, RW, 0), (uint64_t)-EOPNOTSUPP);
	EQ(value(hx_slot(0, 0), 0, 0), (uint64_t)-EOPNOTSUPP);
	end();

	begin("a foreign domain that is not PV is refused");
	hx_foreign.is_pv = false;
	{
		struct ptebatch_run run = {hx_slot(NR_TABLES, 0), 1, FLAGS, RW,
					   0, 0};

		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST, FOREIGN, 0),
		   (uint64_t)-EOPNOTSUPP);
	}
	end();

	begin("I/O memory: NX and A change, RW keeps it uncached");
	hx_set(0, 0, pte(MFN_MMIO, RW | UC));
	hx_set(0, 1, pte(MFN_IO_PAGE, RW | UC));
	EQ(flags(hx_slot(0, 0), 2, 0, NX | A), ANS(2, 0, 0));
	EQ(flags(hx_slot(0, 0), 2, RW, 0), ANS(2, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO, UC | NX | A));
	EQ(flags(hx_slot(0, 0), 2, UC, RW), ANS(2, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO, RW | UC | NX | A));
	EQ(hx_get(0, 1), pte(MFN_IO_PAGE, RW | UC | NX | A));
	EQ(with_old(hx_slot(0, 0), 2, CLEAR, 0, 0, old), ANS(1, 0, 0));
	EQ(old[0], pte(MFN_MMIO, RW | UC | NX | A));
	end();

	begin("I/O memory among the frames is no page");
	hx_set(0, 0, pte(MFN_HOLE, UC));
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_HOLE, RW | UC));
	EQ(with_old(hx_slot(0, 0), 1, CLEAR, 0, 0, old), ANS(1, 0, 0));
	end();

	begin("I/O memory for reading stays so");
	hx_set(0, 0, pte(MFN_MMIO_RO, UC));
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO_RO, UC));
	EQ(value(hx_slot(0, 0), pte(MFN_MMIO_RO, RW | UC), 0), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO_RO, UC));
	end();

	begin("I/O memory of somebody else's is refused");
	EQ(value(hx_slot(0, 0), pte(MFN_MMIO_NO, RW | UC), 0),
	   ANS(0, 0, EPERM));
	EQ(hx_get(0, 0), 0);
	end();

	begin("cache attributes are validated, and refused to who has no device");
	hx_set(0, 0, page(0, RW));
	EQ(flags(hx_slot(0, 0), 1, 0, UC), ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(0, RW | UC));
	CHECK(hx.full_validations);
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	hx_self.cache_attrs_ok = false;
	EQ(flags(hx_slot(0, 0), 1, 0, 0x80), ANS(0, 0, EINVAL));
	EQ(hx_get(0, 0), page(0, UC));
	end();

	begin("G of a kernel's entry that is not write-back is validated, too");
	{
		const uint64_t was = page(0, UC | GUEST_KERNEL) & ~G;

		hx_set(0, 0, was);
		EQ(value(hx_slot(0, 0), was | G, PTEBATCH_SET_KEEP_AD),
		   ANS(1, 0, 0));
		EQ(hx_get(0, 0), was | G);
		hx_self.cache_attrs_ok = false;
		EQ(value(hx_slot(0, 0), was, PTEBATCH_SET_KEEP_AD),
		   ANS(0, 0, EINVAL));
		EQ(hx_get(0, 0), was | G);
		EQ(value(hx_slot(0, 0), was | G | NX, PTEBATCH_SET_KEEP_AD),
		   ANS(1, 0, 0));
	}
	end();

	begin("an entry that is not write-back gains RW by full validation only");
	hx_set(0, 0, page(0, UC));
	hx_hold(MFN_PAGE, 2);
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(0, RW | UC));
	EQ(hx.type_atomics, 0);
	CHECK(hx.full_validations);
	end();

	begin("NX is refused where the CPU has none");
	hx_set(0, 0, page(0, RW));
	hx.has_nx = false;
	EQ(flags(hx_slot(0, 0), 1, 0, NX), ANS(0, 0, EINVAL));
	EQ(value(hx_slot(0, 0), page(0, RW | NX), 0), ANS(0, 0, EINVAL));
	EQ(hx_get(0, 0), page(0, RW));
	end();

	begin("absent entries are passed over by FLAGS and cleared by CLEAR");
	hx_set(0, 1, 0xabc000);
	EQ(with_old(hx_slot(0, 0), 3, FLAGS, RW, NX, old), ANS(1, 0, 0));
	EQ(old[1], 0xabc000);
	EQ(hx_get(0, 1), 0xabc000);
	EQ(hx_get(0, 2), 0);
	EQ(with_old(hx_slot(0, 0), 3, CLEAR, 0, 0, old), ANS(1, 0, 0));
	EQ(old[1], 0xabc000);
	EQ(hx_get(0, 1), 0);
	end();

	for (unsigned int keep = 0; keep < 2; keep++) {
		begin(keep ? "L1TF: an unsafe value is applied once shadowed, keep"
			   : "L1TF: an unsafe value is applied once shadowed");
		hx_set(0, 0, page(0, RW));
		hx_self.arch.pv.check_l1tf = true;
		EQ(value(hx_slot(0, 0), 0xabc000, keep ? 2 : 0), ANS(1, 0, 0));
		EQ(hx.l1tf, 1);
		EQ(hx.continuations, 1);
		EQ(hx_get(0, 0), 0xabc000);
		EQ(hx_self.paging_mode, PG_shadow);
		end();
	}

	begin("XSM denies: nothing is done");
	hx_set(0, 0, page(0, RW));
	hx.xsm_deny = XSM_MMU_NORMAL_UPDATE;
	EQ(hx_call(RUNS, hx_slot(0, 0), 1, FLAGS | TLB(ALL), RW, 0),
	   ANS(0, 0, EPERM));
	EQ(value(hx_slot(0, 0), 0, 0), ANS(0, 0, EPERM));
	EQ(hx_get(0, 0), page(0, RW));
	EQ(hx.flushes, 0);
	end();

	begin("XSM is asked about writing where RW is set");
	hx_set(0, 0, page(0, 0));
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	EQ(hx.xsm_flags & XSM_MMU_UPDATE_WRITE, 0);
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx.xsm_flags & XSM_MMU_UPDATE_WRITE, XSM_MMU_UPDATE_WRITE);
	EQ(hx.xsm_flags & XSM_MMU_NORMAL_UPDATE, XSM_MMU_NORMAL_UPDATE);
	end();
}

/* --- Old values, values --------------------------------------------------- */

static void olds_and_values(void)
{
	uint64_t old[512];

	begin("old values: test-and-clear A loses nothing that hardware sets");
	fill(0, RW | A, 1);
	hx.hw = 1;
	EQ(with_old(hx_slot(0, 0), 512, FLAGS, A, 0, old), ANS(1, 0, 0));
	for (unsigned int i = 0; i < 512; i++) {
		CHECK(old[i] & A);
		CHECK((old[i] | hx_get(0, i)) & D);
		EQ(hx_get(0, i) & D, D);
	}
	end();

	begin("test-and-clear hands back an A that hardware just set");
	fill(0, RW, 1);
	hx.hw = 1;
	EQ(with_old(hx_slot(0, 0), 512, FLAGS, A, 0, old), ANS(1, 0, 0));
	for (unsigned int i = 0; i < 512; i++) {
		EQ(hx.hw_set[0][i], A | D);
		EQ(old[i], page(i, RW | A | D));
		EQ(hx_get(0, i), page(i, RW | D));
	}
	end();

	begin("get-and-clear hands back A and D that hardware just set");
	fill(0, RW, 0);
	hx.hw = 1;
	EQ(with_old(hx_slot(0, 0), 512, CLEAR, 0, 0, old), ANS(1, 0, 0));
	for (unsigned int i = 0; i < 512; i++) {
		EQ(old[i], page(i, RW | A | D));
		EQ(hx_get(0, i), 0);
	}
	end();

	/* Whatever copy of old values faults, and at whatever byte. */
	begin("old values that fault: done is exact, one chunk is lost at most");
	for (unsigned int nth = 1; nth <= 9; nth++)
		for (unsigned int byte = 0; byte < 512; byte += 37) {
			struct ptebatch_run run = {hx_slot(0, 0), 512, FLAGS,
						   RW, 0, (uintptr_t)old};
			unsigned int done;
			int64_t ret;

			harness_reset();
			fill(0, RW, 1);
			memset(old, 0, sizeof(old));
			hx.fault_copy = nth + 1; /* the first takes the run */
			hx.fault_byte = byte % 8;
			ret = hx_call(RUNS, (uintptr_t)&run, 1,
				      LIST | TLB(ALL), SELF, 0);
			if (!hx.fault_copy) {
				EQ(PTEBATCH_ERRNO(ret), EFAULT);
				done = PTEBATCH_DONE(ret)
					       ? 512 : PTEBATCH_SLOTS(ret);
				CHECK(done);
				EQ(hx.flushes, 1);
			} else {
				EQ(ret, ANS(1, 0, 0));
				done = 512;
			}
			for (unsigned int i = 0; i < 512; i++) {
				EQ(hx_get(0, i), page(i, i < done ? 0 : RW));
				if (hx.fault_copy ||
				    i + PTEBATCH_OLD_CHUNK < done)
					EQ(old[i], page(i, RW));
			}
			hx_audit();
			CHECK(!hx.broken);
		}
	end();

	begin("a run array that faults half way: done is exact, TLB is flushed");
	for (unsigned int good = 0; good < 40; good++) {
		static struct ptebatch_run runs[40];
		int64_t ret;

		harness_reset();
		fill(0, RW, 1);
		for (unsigned int i = 0; i < 40; i++)
			runs[i] = (struct ptebatch_run){hx_slot(0, i), 1, FLAGS,
							RW, 0, 0};
		hx.fault = (uintptr_t)&runs[good] + good % 40;
		hx.fault_end = (uintptr_t)&runs[40];
		ret = hx_call(RUNS, (uintptr_t)runs, 40, LIST | TLB(ALL), SELF,
			      0);
		EQ(PTEBATCH_ERRNO(ret), EFAULT);
		CHECK(PTEBATCH_DONE(ret) <= good);
		EQ(PTEBATCH_SLOTS(ret), 0);
		for (unsigned int i = 0; i < 40; i++)
			EQ(hx_get(0, i),
			   page(i, i < PTEBATCH_DONE(ret) ? 0 : RW));
		EQ(hx.flushes, PTEBATCH_DONE(ret) ? 1 : 0);
		hx_audit();
		CHECK(!hx.broken);
	}
	end();

	begin("a value array that faults half way: done is exact");
	for (unsigned int good = 0; good < 80; good += 7) {
		static struct ptebatch_value v[80];
		int64_t ret;

		harness_reset();
		for (unsigned int i = 0; i < 80; i++)
			v[i] = (struct ptebatch_value){hx_slot(1, i),
						       page(i, RW)};
		hx.fault = (uintptr_t)&v[good] + good % 16;
		hx.fault_end = (uintptr_t)&v[80];
		ret = hx_call(VALUES, (uintptr_t)v, 80, TLB(ALL), SELF, 0);
		EQ(PTEBATCH_ERRNO(ret), EFAULT);
		CHECK(PTEBATCH_DONE(ret) <= good);
		for (unsigned int i = 0; i < 80; i++)
			EQ(hx_get(1, i),
			   i < PTEBATCH_DONE(ret) ? page(i, RW) : 0);
		EQ(hx.flushes, PTEBATCH_DONE(ret) ? 1 : 0);
		hx_audit();
		CHECK(!hx.broken);
	}
	end();

	begin("values: keep ORs A and D in, exact replaces them");
	hx_set(0, 0, page(0, RW | A | D));
	EQ(value(hx_slot(0, 0), page(0, 0), PTEBATCH_SET_KEEP_AD), ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(0, A | D));
	EQ(value(hx_slot(0, 0), page(0, RW), PTEBATCH_SET_EXACT),
	   ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(0, RW));
	EQ(value(hx_slot(0, 0), page(1, RW), PTEBATCH_SET_KEEP_AD),
	   ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(1, RW));
	EQ(type_count(MFN_PAGE), 0);
	EQ(value(hx_slot(0, 0), 0, PTEBATCH_SET_EXACT), ANS(1, 0, 0));
	EQ(hx_get(0, 0), 0);
	end();

	begin("values: keep loses nothing that hardware sets");
	fill(0, RW, 1);
	hx.hw = 1;
	for (unsigned int i = 0; i < 512; i++) {
		EQ(value(hx_slot(0, i), page(i, 0), PTEBATCH_SET_KEEP_AD),
		   ANS(1, 0, 0));
		EQ(hx_get(0, i) & (A | D), A | D);
	}
	end();

	begin("values: exact is exact even where hardware is at work");
	fill(0, RW | A | D, 1);
	hx.hw = 1;
	for (unsigned int i = 0; i < 512; i++) {
		EQ(value(hx_slot(0, i), page(i, 0), PTEBATCH_SET_EXACT),
		   ANS(1, 0, 0));
		EQ(hx_get(0, i), page(i, 0));
	}
	end();

	begin("the calls say who they are, each by itself");
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION,
		   PTEBATCH_HOW_PROBE, 0, 0),
	   PTEBATCH_IS_RUNS | PTEBATCH_ABI_VERSION);
	EQ(hx_call(VALUES, PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION,
		   PTEBATCH_HOW_PROBE, 0, 0),
	   PTEBATCH_IS_VALUES | PTEBATCH_ABI_VERSION);
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_FAST, PTEBATCH_HOW_PROBE,
		   0, 0), PTEBATCH_FAST_FLAGS);
	CHECK(hx_call(RUNS, PTEBATCH_MAGIC, 77, PTEBATCH_HOW_PROBE, 0, 0) < 0);
	CHECK(hx_call(RUNS, 1, 0, PTEBATCH_HOW_PROBE, 0, 0) < 0);
	end();
}

/* --- Values that come and go ---------------------------------------------- */

#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT

/* As Linux's PROT_NONE: P clear, the frame inverted; safe against L1TF. */
static uint64_t hidden(uint64_t e)
{
	return (~e & PTEBATCH_PTE_FRAME) | G | (e & (A | D));
}

static int64_t values(unsigned int n, uint64_t (*val)(unsigned int i),
		      unsigned int mode)
{
	static struct ptebatch_value v[512];

	for (unsigned int i = 0; i < n; i++)
		v[i] = (struct ptebatch_value){hx_slot(0, i) | mode, val(i)};
	hx.generic_gets = hx.generic_puts = hx.full_validations = 0;
	return hx_call(VALUES, (uintptr_t)v, n, TLB(ALL), SELF, 0);
}

static uint64_t v_hidden(unsigned int i)
{
	return hidden(page(i, 0));
}
static uint64_t v_rw(unsigned int i)
{
	return (MFN_PAGE + i) << 12 | P | US | RW | A;
}
static uint64_t v_ro(unsigned int i)
{
	return (MFN_PAGE + i) << 12 | P | US | A;
}

static unsigned long count(unsigned long mfn)
{
	return hx_page(mfn)->count_info & PGC_count_mask;
}

/* From writable to absent and back, writable or not, with every count. */
static void come_and_go(unsigned int more, unsigned int hw, unsigned int mode)
{
	const unsigned long mfn = MFN_PAGE + 7, own = 1 + more;
	char name[120];

	snprintf(name, sizeof(name), "PROT_NONE and back, %s, type count %u "
		 "elsewhere, hardware %s", mode == KEEP ? "keep" : "exact",
		 more, hw ? "at work" : "idle");
	begin(name);
	fill(0, RW, more);
	hx.hw = hw;
	EQ(values(512, v_hidden, mode), ANS(512, 0, 0));
	for (unsigned int i = 0; i < 512; i++)
		EQ(hx_get(0, i), v_hidden(i) | (mode == KEEP ? hx.hw_set[0][i]
							      : 0));
	EQ(type_count(mfn), more);
	EQ(count(mfn), own);
	EQ(hx.generic_puts, more ? 0 : 512);
	EQ(hx.full_validations, 0);
	EQ(hx.flushes, 1);
	CHECK(hx.flush[0].step > hx.last_update);

	EQ(values(512, v_rw, mode), ANS(512, 0, 0));
	for (unsigned int i = 0; i < 512; i++)
		EQ(hx_get(0, i) & ~D, page(i, RW | A));
	/* What the absent entry had in the place of D is kept. */
	EQ(hx_get(0, 7) & D, mode == KEEP && hw ? D : 0);
	EQ(type_count(mfn), more + 1);
	EQ(count(mfn), own + 1);
	EQ(hx.generic_gets, more ? 0 : 512);
	EQ(hx.full_validations, 0);

	EQ(values(512, v_hidden, mode), ANS(512, 0, 0));
	EQ(values(512, v_ro, mode), ANS(512, 0, 0));
	EQ(hx_get(0, 7) & ~D, page(7, A));
	EQ(type_count(mfn), more);
	EQ(count(mfn), own + 1);
	EQ(hx.generic_gets, 0);
	EQ(hx.full_validations, 0);
	EQ(values(512, v_hidden, mode), ANS(512, 0, 0));
	EQ(count(mfn), own);
	EQ(hx.paging_writes, 0);
	end();
}

/* What an entry and all frames are after one value, and what it answered. */
static struct page_info frames[NR_FRAMES];
struct outcome {
	uint64_t entry;
	int err;
	unsigned int l1tf;
};

static struct outcome outcome(int err)
{
	memcpy(frames, frame_table, sizeof(frames));
	return (struct outcome){hx_get(0, 0), err, hx.l1tf};
}

static void set_up_one(uint64_t old, bool checked, bool device)
{
	harness_reset();
	hx_hold(MFN_PAGE + 1, 2);
	hx_hold(MFN_PAGE + 2, 1);
	if (old)
		hx_set(0, 0, old);
	hx_self.arch.pv.check_l1tf = checked;
	hx_self.cache_attrs_ok = device;
}

static struct outcome by_xen(uint64_t val, unsigned int mode)
{
	struct page_info *table = hx_page(MFN_TABLE);
	l1_pgentry_t *p = (void *)hx_mapping(0, 0);
	int rc;

	/* Again once shadowed, as a hypercall is. */
	do {
		if (!get_page(table, &hx_self) || !page_lock(table))
			hx_bug("the table is gone", __FILE__, __LINE__);
		rc = ptebatch_mod_l1_entry(p, l1e_from_intpte(val),
					   _mfn(MFN_TABLE), mode, hx_current,
					   &hx_self);
		page_unlock(table);
		put_page(table);
		if (rc == -ERESTART)
			hx_self.paging_mode |= PG_shadow;
	} while (rc == -ERESTART);
	return outcome(rc);
}

static void same_as_xen(uint64_t old, uint64_t val, unsigned int mode,
			bool checked, bool device)
{
	struct outcome want, is;
	static struct page_info xen[NR_FRAMES];
	int64_t ret;

	set_up_one(old, checked, device);
	want = by_xen(val, mode);
	memcpy(xen, frames, sizeof(xen));

	set_up_one(old, checked, device);
	ret = value(hx_slot(0, 0), val, mode);
	is = outcome(-(int)PTEBATCH_ERRNO(ret));
	for (unsigned int m = 0; m < NR_FRAMES; m++)
		xen[m].tlbflush_timestamp = frames[m].tlbflush_timestamp;
	if (is.entry != want.entry || is.err != want.err ||
	    is.l1tf != want.l1tf || memcmp(xen, frames, sizeof(xen))) {
		test_failed++;
		printf("# %#lx to %#lx, mode %u%s%s: entry %#lx, errno %d, "
		       "shadowed %u; mod_l1_entry: %#lx, %d, %u%s\n", old, val,
		       mode, checked ? ", L1TF" : "", device ? ", device" : "",
		       is.entry, -is.err, is.l1tf, want.entry, -want.err,
		       want.l1tf, memcmp(xen, frames, sizeof(xen))
					  ? "; counts differ" : "");
	}
	hx_audit();
}

static void come_and_go_tests(void)
{
	const uint64_t olds[] = {
		0, 0x60, 0xabc000, 0xabc062, hidden(page(1, 0)),
		hidden(page(1, A | D)), page(0, 0), page(0, RW),
		page(1, RW), page(1, RW | A), page(1, A | D),
		page(1, RW | A | D), page(2, RW | NX | 0x600), page(1, UC),
		page(1, RW | UC), page(0, 0x7eUL << 52),
		(page(1, RW) & ~G) | GUEST_KERNEL,
		page(1, RW) | GUEST_KERNEL, pte(MFN_TABLE, 0),
		pte(MFN_TABLE + 1, A), pte(MFN_F_PAGE, RW), pte(MFN_F_PAGE, 0),
		pte(MFN_MMIO, RW | UC), pte(MFN_HOLE, UC),
	};
	const uint64_t vals[] = {
		0, 0x20, 0x60, 0xabc000, 0xabc042, (1UL << 33) - 0x1000,
		1UL << 33, 1UL << 45, (1UL << 45) + 0x1000,
		hidden(page(1, 0)), hidden(page(1, A | D)),
		hidden(page(1, 0)) | NX | RW, page(0, 0), page(0, RW),
		page(1, 0), page(1, RW), page(1, A), page(1, RW | D),
		page(1, RW | NX | 0xe00 | 0x7eUL << 52),
		page(1, RW) & ~G, page(1, 0) & ~G, (page(1, RW) & ~(G | US)),
		page(1, 0) & ~US, (page(1, RW) & ~G) | GUEST_KERNEL,
		page(1, RW) | GUEST_KERNEL, page(1, RW | 0x08),
		page(1, RW | 0x10), page(1, 0x80), page(1, RW) | 1UL << 59,
		page(1, RW) | 1UL << 62, page(2, RW), page(3, RW),
		pte(MFN_TABLE, 0), pte(MFN_TABLE, RW), pte(MFN_L2, RW),
		pte(MFN_L2, 0), pte(MFN_F_PAGE, 0), pte(MFN_FREE, 0),
		pte(MFN_FREE, RW), pte(MFN_HOLE, RW), pte(MFN_MMIO, RW),
		pte(MFN_MMIO_NO, RW), pte(MFN_MMIO_RO, RW), pte(MFN_SEG, RW),
		pte(MFN_IO_PAGE, 0), page(1, RW) | 1UL << 51,
	};
	struct page_info *pg;

	for (unsigned int more = 0; more < 3; more++)
		for (unsigned int hw = 0; hw < 2; hw++) {
			come_and_go(more, hw, KEEP);
			come_and_go(more, hw, EXACT);
		}

	begin("any value over any entry does what mod_l1_entry() does");
	for (unsigned int i = 0; i < ARRAY_SIZE(olds); i++)
		for (unsigned int j = 0; j < ARRAY_SIZE(vals); j++)
			for (unsigned int k = 0; k < 8; k++)
				same_as_xen(olds[i], vals[j],
					    k & 1 ? KEEP : EXACT, k & 2, k & 4);
	end();

	begin("a page that gets another owner under way is not mapped");
	hx.steal_mfn = MFN_PAGE;
	EQ(value(hx_slot(0, 0), page(0, 0), EXACT), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), 0);
	EQ(count(MFN_PAGE), 1);
	end();

	begin("a free page that looks like an own one is not mapped");
	hx_page(MFN_FREE)->v.inuse._domain = hx_self.pdx;
	EQ(value(hx_slot(0, 0), pte(MFN_FREE, 0), EXACT), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), 0);
	EQ(count(MFN_FREE), 0);
	EQ(hx.count_atomics, 0);
	end();

	begin("a page with no reference left to give is not mapped");
	pg = hx_page(MFN_PAGE);
	pg->count_info += PGC_count_mask - 2; /* to the one kept back */
	EQ(value(hx_slot(0, 0), page(0, 0), EXACT), ANS(0, 0, EBUSY));
	pg->count_info -= 1;
	EQ(value(hx_slot(0, 0), page(0, 0), EXACT), ANS(1, 0, 0));
	EQ(count(MFN_PAGE), PGC_count_mask - 1);
	pg->count_info -= PGC_count_mask - 3;
	end();

	begin("a page that may not become writable holds no reference");
	EQ(value(hx_slot(0, 0), pte(MFN_L2, RW), KEEP), ANS(0, 0, EBUSY));
	EQ(count(MFN_L2), 2);
	end();

	begin("the first and the last writable reference are Xen's to count");
	fill(0, RW, 0);
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	EQ(hx.generic_puts, 512);
	EQ(flags(hx_slot(0, 0), 512, 0, RW), ANS(512, 0, 0));
	EQ(hx.generic_gets, 512);
	EQ(values(512, v_hidden, KEEP), ANS(512, 0, 0));
	EQ(hx.generic_puts, 512);
	EQ(hx.type_atomics, 0);
	end();

	begin("the last reference goes by Xen's own call");
	hx_set(0, 0, page(0, 0));
	hx_release(MFN_PAGE);
	hx.may_free = true;
	EQ(value(hx_slot(0, 0), hidden(page(0, 0)), KEEP), ANS(1, 0, 0));
	EQ(hx.freed, 1);
	EQ(hx.count_atomics, 0);
	end();

	begin("in a paging mode values that come and go are seen");
	fill(0, RW, 1);
	hx_self.paging_mode = PG_log_dirty | PG_shadow;
	EQ(values(512, v_hidden, KEEP), ANS(512, 0, 0));
	EQ(values(512, v_rw, EXACT), ANS(512, 0, 0));
	EQ(hx.paging_writes, 1024);
	end();

	begin("XSM is asked about writing by the value that comes first so");
	{
		struct ptebatch_value v[] = {
			{hx_slot(0, 0) | KEEP, hidden(page(0, 0))},
			{hx_slot(0, 1) | KEEP, page(1, 0)},
			{hx_slot(0, 2) | KEEP, page(2, RW)},
			{hx_slot(0, 0) | KEEP, page(0, RW)},
		};

		EQ(hx_call(VALUES, (uintptr_t)v, 1, 0, SELF, 0), ANS(1, 0, 0));
		EQ(hx.xsm_flags, XSM_MMU_NORMAL_UPDATE);
		EQ(hx_call(VALUES, (uintptr_t)v, 2, 0, SELF, 0), ANS(2, 0, 0));
		EQ(hx.xsm_flags, XSM_MMU_NORMAL_UPDATE | XSM_MMU_UPDATE_READ);
		EQ(hx_call(VALUES, (uintptr_t)v, 3, 0, SELF, 0), ANS(3, 0, 0));
		EQ(hx.xsm_flags, XSM_MMU_NORMAL_UPDATE | XSM_MMU_UPDATE_READ |
					 XSM_MMU_UPDATE_WRITE);

		for (unsigned int i = 0; i < 3; i++)
			hx_set(0, i, 0);
		hx.xsm_deny = XSM_MMU_UPDATE_WRITE;
		EQ(hx_call(VALUES, (uintptr_t)v, 4, 0, SELF, 0),
		   ANS(2, 0, EPERM));
		EQ(hx_get(0, 1), page(1, 0));
		EQ(hx_get(0, 2), 0);
		hx.xsm_deny = XSM_MMU_UPDATE_READ;
		EQ(hx_call(VALUES, (uintptr_t)v, 4, 0, SELF, 0),
		   ANS(1, 0, EPERM));
		hx.xsm_deny = XSM_MMU_NORMAL_UPDATE;
		EQ(hx_call(VALUES, (uintptr_t)v, 4, 0, SELF, 0),
		   ANS(0, 0, EPERM));
	}
	end();

	begin("values that come and go in turn, in three tables and two modes");
	{
		static struct ptebatch_value v[200];

		for (unsigned int i = 0; i < 200; i++) {
			hx_set(i % 3, i, i & 1 ? 0 : page(i, RW));
			v[i] = (struct ptebatch_value){
				hx_slot(i % 3, i) | (i & 2 ? KEEP : EXACT),
				i & 1 ? page(i, RW) : hidden(page(i, 0))};
		}
		hx.preempt = 1;
		EQ(hx_call(VALUES, (uintptr_t)v, 200, 0, SELF, 0),
		   ANS(200, 0, 0));
		for (unsigned int i = 0; i < 200; i++)
			EQ(hx_get(i % 3, i),
			   i & 1 ? page(i, RW) : hidden(page(i, 0)));
	}
	end();
}

/* --- Preemption ----------------------------------------------------------- */

/* The guest takes its table away while the call is preempted. */
static unsigned int taken_at;
static void take_table(uint64_t args[5])
{
	(void)args;
	if (hx.continuations == taken_at)
		hx_page(MFN_TABLE)->u.inuse.type_info &= ~PGT_validated;
}
static void give_table(void)
{
	hx_page(MFN_TABLE)->u.inuse.type_info |= PGT_validated;
}

static struct ptebatch_tlb moving_tlb;
static void lose_tlb(uint64_t args[5])
{
	(void)args;
	hx.fault = (uintptr_t)&moving_tlb;
	hx.fault_end = hx.fault + 1;
}

static void lose_owner(uint64_t *args)
{
	(void)args;
	hx_foreign.domain_id = 77;
}

/* --- Other CPUs that want the table --------------------------------------- */

static struct ptebatch_run whole[64]; /* a table, again and again */
static struct ptebatch_value every[8192];

static void whole_table(uint64_t bit, uint64_t *old)
{
	fill(0, RW, 1);
	for (unsigned int i = 0; i < 64; i++)
		whole[i] = (struct ptebatch_run){
			hx_slot(0, 0), 512, FLAGS, i & 1 ? 0 : bit,
			i & 1 ? bit : 0, (uintptr_t)old};
	for (unsigned int i = 0; i < ARRAY_SIZE(every); i++)
		every[i] = (struct ptebatch_value){
			hx_slot(0, i % 512) | KEEP,
			page(i % 512, RW) ^ (i / 512 & 1 ? 0 : bit)};
}

/* It came at the time, and got the table after so much work at most. */
static void handed_over(unsigned int within)
{
	EQ(hx.visit_at, 0);
	CHECK(!hx.waiting);
	CHECK(hx.waited > 0 && hx.waited <= within);
}

static void contention(void)
{
	static uint64_t old[512];
	static const uint64_t bits[] = {RW, NX};

	for (unsigned int b = 0; b < 2; b++) {
		begin(b ? "a CPU that waits for a table gets it, by a list, NX"
			: "a CPU that waits for a table gets it, by a list, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(512 + 64);
		end();

		begin(b ? "the same with old values, NX"
			: "the same with old values, RW");
		whole_table(bits[b], old);
		hx.visit_at = 5000;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(512 + 128);
		end();

		begin(b ? "the same of values, NX" : "the same of values, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		EQ(hx_call(VALUES, (uintptr_t)every, ARRAY_SIZE(every), 0, SELF,
			   0), ANS(ARRAY_SIZE(every), 0, 0));
		handed_over(512 + 128);
		end();

		begin(b ? "the same of one it cannot see, NX"
			: "the same of one it cannot see, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		hx.hidden = true;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(HX_KEPT_MAX);
		end();
	}

	begin("the same within a run of the whole table");
	whole_table(RW, NULL);
	hx.visit_at = 20;
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	handed_over(512 + 64);
	end();

	begin("the same where entries are slow");
	fill(0, RW, 1);
	hx_self.paging_mode = PG_shadow;
	hx.visit_at = 20;
	hx.hidden = true;
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	handed_over(HX_KEPT_SLOW);
	end();

	begin("a table that nobody waits for is locked once, with no pause");
	fill(0, RW, 1);
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	if (!PTEBATCH_PREEMPT_IS_1) {
		EQ(hx.locks, 1);
		EQ(hx.pauses, 0);
	}
	end();

	begin("nor is there a pause before another table");
	for (unsigned int i = 0; i < NR_TABLES; i++) {
		for (unsigned int n = 0; n < 512; n++)
			hx_set(i, n, page(n, RW));
		whole[i] = (struct ptebatch_run){hx_slot(i, 0), 512, FLAGS, NX,
						 0, 0};
	}
	EQ(hx_call(RUNS, (uintptr_t)whole, NR_TABLES, LIST, SELF, 0),
	   ANS(NR_TABLES, 0, 0));
	if (!PTEBATCH_PREEMPT_IS_1)
		EQ(hx.pauses, 0);
	end();
}

/*
 * Progress that is past the end. The calls refuse it. mutants.sh takes their
 * checks away, as a CPU does that runs ahead of them: the first entry looked at
 * must still lie in a table.
 */
static void forged_progress(void)
{
	static const struct {
		uint64_t clear, set;
		uint32_t op;
		unsigned int paging_mode;
	} ways[] = {
		{RW, 0, FLAGS, 0}, {0, RW, FLAGS, 0}, {NX, 0, FLAGS, 0},
		{0, NX, FLAGS, 0}, {0, 0, CLEAR, 0},  {UC, 0, FLAGS, 0},
		{RW, 0, FLAGS, PG_shadow},
	};
	static struct ptebatch_run run[1];
	jmp_buf back;

	begin("no progress leads to an entry outside its table");
	for (volatile unsigned int i = 0; i < 4 * ARRAY_SIZE(ways); i++) {
		const unsigned int w = i / 4;
		const uint64_t far = i & 1 ? 600 : 0xffff;

		harness_reset();
		fill(0, RW, 1);
		hx_self.paging_mode = ways[w].paging_mode;
		hx.ahead = &back;
		hx.inside = true;
		run[0] = (struct ptebatch_run){hx_slot(0, 500), 10, ways[w].op,
					       ways[w].clear, ways[w].set, 0};
		if (!setjmp(back)) {
			if (i & 2)
				hx_call(RUNS, run[0].slot, 10 | far << 32,
					run[0].op, run[0].clear, run[0].set);
			else
				hx_call(RUNS, (uintptr_t)run, 1, LIST,
					SELF | far << 32, 0);
		}
		CHECK(hx.inside);
	}
	harness_reset();
	end();
}

static void preemption(void)
{
	static struct ptebatch_run runs[80];
	uint64_t mask = 1;

	begin("a preempted call of 80 runs ends as one that was not");
	for (unsigned int i = 0; i < 512; i++)
		hx_set(i % NR_TABLES, i, page(i, i & 1 ? RW : A));
	for (unsigned int i = 0; i < 80; i++)
		runs[i] = (struct ptebatch_run){hx_slot(i % NR_TABLES, i * 6),
						6, FLAGS, RW, NX, 0};
	hx.preempt = 1;
	EQ(hx_call(RUNS, (uintptr_t)runs, 80, LIST | TLB(ALL), SELF, 0),
	   ANS(80, 0, 0));
	for (unsigned int i = 0; i < 480; i++)
		for (unsigned int t = 0; t < NR_TABLES; t++) {
			uint64_t was = i % NR_TABLES != t ? 0
				       : page(i, i & 1 ? RW : A);

			EQ(hx_get(t, i), i / 6 % NR_TABLES != t || !was
						 ? was : (was & ~RW) | NX);
		}
	EQ(hx.flushes, 1);
	CHECK(hx.flush[0].step > hx.last_update);
	if (PTEBATCH_PREEMPT_IS_1)
		CHECK(hx.continuations > 300);
	end();

	begin("a preempted register run ends as one that was not");
	fill(0, RW, 1);
	hx.preempt = 1;
	EQ(hx_call(RUNS, hx_slot(0, 0), 512, FLAGS | TLB(ALL), RW, 0),
	   ANS(512, 0, 0));
	for (unsigned int i = 0; i < 512; i++)
		EQ(hx_get(0, i), page(i, 0));
	EQ(hx.flushes, 1);
	if (PTEBATCH_PREEMPT_IS_1)
		EQ(hx.continuations, 511);
	end();

	begin("each change of table counts towards the next check");
	for (unsigned int i = 0; i < 80; i++) {
		hx_set(i % 2, i, page(i, A));
		runs[i] = (struct ptebatch_run){
			hx_slot(i % 2, i), 1, FLAGS, A, 0, 0};
	}
	EQ(hx_call(RUNS, (uintptr_t)runs, 80, LIST, SELF, 0), ANS(80, 0, 0));
	/* 16 units each, so 32 changes between two checks. */
	CHECK(hx.checks >= 2);
	end();

	begin("the same of values");
	{
		static struct ptebatch_value v[80];

		for (unsigned int i = 0; i < 80; i++) {
			hx_set(i % 2, i, page(i, A));
			v[i] = (struct ptebatch_value){hx_slot(i % 2, i) | KEEP,
						       page(i, 0)};
		}
		EQ(hx_call(VALUES, (uintptr_t)v, 80, 0, SELF, 0),
		   ANS(80, 0, 0));
		CHECK(hx.checks >= 2);
	}
	end();

	begin("no more than 512 fast or 32 slow entries without a check");
	fill(0, RW, 1);
	hx.preempt = 1;
	hx_self.paging_mode = PG_shadow;
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	CHECK(hx.continuations >= 15);
	end();

	for (unsigned int with = 0; with < 2; with++) {
		static uint64_t old[512];

		begin(with ? "the same of foreign pages cleared, with old values"
			   : "the same of foreign pages cleared");
		for (unsigned int i = 0; i < 512; i++)
			hx_set(0, i, i % 3 ? pte(MFN_F_PAGE + i % 64, RW)
					   : pte(MFN_MMIO, UC));
		hx.preempt = 1;
		if (with) {
			EQ(with_old(hx_slot(0, 0), 512, CLEAR, 0, 0, old),
			   ANS(1, 0, 0));
			for (unsigned int i = 0; i < 512; i++)
				EQ(old[i], i % 3 ? pte(MFN_F_PAGE + i % 64, RW)
						 : pte(MFN_MMIO, UC));
		} else
			EQ(hx_call(RUNS, hx_slot(0, 0), 512, CLEAR | TLB(ALL),
				   0, 0), ANS(512, 0, 0));
		for (unsigned int i = 0; i < 512; i++)
			EQ(hx_get(0, i), 0);
		CHECK(hx.continuations >= 15);
		EQ(hx.paging_writes, 0);
		end();
	}

	if (PTEBATCH_PREEMPT_IS_1) {
		begin("a table lost while preempted: done is exact, TLB flushed");
		fill(0, RW, 1);
		hx.preempt = 1;
		hx.meanwhile = take_table;
		taken_at = 100;
		EQ(hx_call(RUNS, hx_slot(0, 0), 512, FLAGS | TLB(ALL), RW, 0),
		   ANS(100, 0, EINVAL));
		EQ(hx_get(0, 99), page(99, 0));
		EQ(hx_get(0, 100), page(100, RW));
		EQ(hx.flushes, 1);
		give_table();
		end();

		begin("the pages' owner gone while preempted: TLB flushed");
		fill(0, RW, 1);
		runs[0] = (struct ptebatch_run){hx_slot(0, 0), 10, FLAGS, 0, NX,
						0};
		hx.preempt = 1;
		hx.meanwhile = lose_owner;
		EQ(hx_call(RUNS, (uintptr_t)runs, 1, LIST | TLB(LOCAL), 5, 0),
		   ANS(0, 1, ESRCH));
		EQ(hx_get(0, 0), page(0, RW | NX));
		EQ(hx_get(0, 1), page(1, RW));
		EQ(hx.flushes, 1);
		hx_foreign.domain_id = 5;
		end();

		begin("a TLB record lost while preempted: done is still told");
		fill(0, RW, 1);
		runs[0] = (struct ptebatch_run){hx_slot(0, 0), 10, FLAGS, RW, 0,
						0};
		moving_tlb = (struct ptebatch_tlb){PTEBATCH_TLB_VCPUS, 64, 0, 0,
						   (uintptr_t)&mask};
		hx.preempt = 1;
		hx.meanwhile = lose_tlb;
		EQ(hx_call(RUNS, (uintptr_t)runs, 1, LIST | TLB(VCPUS), SELF,
			   (uintptr_t)&moving_tlb), ANS(0, 1, EFAULT));
		EQ(hx_get(0, 0), page(0, 0));
		EQ(hx_get(0, 1), page(1, RW));
		EQ(hx.flushes, 1);
		end();
	}
}

/* --- Turned off ------------------------------------------------------------ */

static void turn_off(uint64_t *args)
{
	(void)args;
	*hx_switch = false;
}

static void turned_off(void)
{
	static struct ptebatch_run runs[2];
	static struct ptebatch_value v[2];
	const uint64_t how = PTEBATCH_HOW_PROBE;

	begin("turned off, every form answers as a call that is not there");
	fill(0, RW, 1);
	*hx_switch = false;
	runs[0] = (struct ptebatch_run){hx_slot(0, 0), 10, FLAGS, RW, 0, 0};
	v[0] = (struct ptebatch_value){hx_slot(0, 0), 0};
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, 0, how, 0, 0), -ENOSYS);
	EQ(hx_call(VALUES, PTEBATCH_MAGIC, 0, how, 0, 0), -ENOSYS);
	EQ(flags(hx_slot(0, 0), 1, RW, 0), -ENOSYS);
	EQ(flags(hx_slot(0, 0), 512, RW, 0), -ENOSYS);
	EQ(hx_call(RUNS, hx_slot(0, 0), 1, CLEAR | TLB(ALL), 0, 0), -ENOSYS);
	EQ(hx_call(RUNS, 0, 0, 7, 0, 0), -ENOSYS);
	EQ(hx_call(RUNS, (uintptr_t)runs, 1, LIST | TLB(ALL), SELF, 0), -ENOSYS);
	EQ(hx_call(VALUES, (uintptr_t)v, 1, TLB(ALL), SELF, 0), -ENOSYS);
	EQ(hx_call(VALUES, (uintptr_t)v, 1, 0, FOREIGN, 0), -ENOSYS);
	EQ(hx.flushes, 0);
	for (unsigned int i = 0; i < 512; i++)
		EQ(hx_get(0, i), page(i, RW));
	*hx_switch = true;
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	end();

	begin("turned off, forged progress touches nothing, and balances");
	fill(0, RW, 1);
	*hx_switch = false;
	EQ(hx_call(RUNS, hx_slot(0, 0), 10 | 3UL << 32, FLAGS, RW, 0),
	   ANS(3, 0, ENOSYS));
	EQ(hx_call(RUNS, (uintptr_t)runs, 2 | 1UL << 32, LIST,
		   SELF | 2UL << 32, 0), ANS(1, 2, ENOSYS));
	EQ(hx_call(VALUES, (uintptr_t)v, 2 | 1UL << 32, 0, FOREIGN, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx_call(VALUES, (uintptr_t)v, 2 | 1UL << 32, 0, 99UL << 16, 0),
	   ANS(1, 0, ESRCH));
	for (unsigned int i = 0; i < 512; i++)
		EQ(hx_get(0, i), page(i, RW));
	end();

	if (!PTEBATCH_PREEMPT_IS_1)
		return;

	begin("turned off while preempted: done is exact, TLB flushed");
	fill(0, RW, 1);
	hx.preempt = 1;
	hx.meanwhile = turn_off;
	EQ(hx_call(RUNS, hx_slot(0, 0), 512, FLAGS | TLB(ALL), RW, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx_get(0, 0), page(0, 0));
	EQ(hx_get(0, 1), page(1, RW));
	EQ(hx.flushes, 1);
	end();

	begin("the same of a list and of values");
	fill(0, RW, 1);
	hx.preempt = 1;
	hx.meanwhile = turn_off;
	runs[0] = (struct ptebatch_run){hx_slot(0, 0), 1, FLAGS, RW, 0, 0};
	runs[1] = (struct ptebatch_run){hx_slot(0, 1), 1, FLAGS, RW, 0, 0};
	EQ(hx_call(RUNS, (uintptr_t)runs, 2, LIST | TLB(ALL), SELF, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx.flushes, 1);
	*hx_switch = true;
	runs[0].count = 2;
	EQ(hx_call(RUNS, (uintptr_t)runs, 1, LIST | TLB(ALL), SELF, 0),
	   ANS(0, 1, ENOSYS));
	EQ(hx.flushes, 1);
	*hx_switch = true;
	v[0] = (struct ptebatch_value){hx_slot(0, 2), 0};
	v[1] = (struct ptebatch_value){hx_slot(0, 3), 0};
	EQ(hx_call(VALUES, (uintptr_t)v, 2, TLB(ALL), SELF, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx.flushes, 1);
	EQ(hx_get(0, 2), 0);
	EQ(hx_get(0, 3), page(3, RW));
	end();
}

/* --- Against a plain model of xen-ptebatch.h --------------------------------------- */

static uint64_t model[NR_TABLES][512];

static int model_new(uint64_t e, uint64_t *new, bool fresh)
{
	uint64_t diff = e ^ *new, mfn = (*new & PTEBATCH_PTE_FRAME) >> 12;
	uint64_t light = fresh ? US | G | 1UL << 52 : 0;

	light |= A | D | NX | 0x7ff0000000000e00UL;
	if (!(*new & P) || ((e & P) && !(diff & ~light)))
		return 0;
	if (mfn == MFN_MMIO || mfn == MFN_MMIO_RO || mfn == MFN_HOLE) {
		if (mfn == MFN_MMIO_RO)
			*new &= ~RW;
		switch (*new & CACHE) {
		case 0:
			*new |= UC;
			break;
		case 8: /* write-through */
			*new |= 0x10;
			break;
		case 0x88: /* write-protected */
			*new = (*new & ~CACHE) | UC;
			break;
		}
		return 0;
	}
	if (mfn >= MFN_PAGE && mfn < MFN_PAGE + NR_PAGES)
		return 0;
	if (mfn == MFN_L2 || mfn == MFN_TABLE)
		return *new & RW ? EBUSY : 0;
	if (mfn >= MFN_END)
		return EPERM;
	return EBUSY;
}

static uint64_t random_entry(void)
{
	static const unsigned long odd[] = {MFN_MMIO, MFN_MMIO_RO, MFN_HOLE,
					    MFN_L2, MFN_TABLE, MFN_F_PAGE};
	uint64_t r = hx_random(), f = r & (RW | A | D | NX | 0xe00);
	unsigned long mfn = MFN_PAGE + hx_random() % NR_PAGES;

	if (r % 11 == 0)
		return hx_random() & ~P & 0xffffffff;
	if (r % 13 == 0)
		mfn = odd[hx_random() % ARRAY_SIZE(odd)];
	if (mfn == MFN_L2 || mfn == MFN_TABLE || mfn == MFN_MMIO_RO)
		f &= ~RW;
	if (mfn == MFN_MMIO || mfn == MFN_MMIO_RO || mfn == MFN_HOLE)
		f |= UC;
	return pte(mfn, f);
}

static uint64_t random_mask(void)
{
	uint64_t m = hx_random() & hx_random() & PTEBATCH_RUN_FLAGS;

	switch (hx_random() % 8) {
	case 0:
		return m;
	case 1:
		return m | (hx_random() % 4 ? 0 : hx_random());
	case 2 ... 4:
		return hx_random() & RW;
	default:
		return m & PTEBATCH_FAST_FLAGS;
	}
}

#define MAX_RECORDS 30

/* Hardware sets A and D: bits that no record names must not get lost. */
static void compare(unsigned int round, uint64_t named)
{
	for (unsigned int t = 0; t < 2; t++)
		for (unsigned int s = 0; s < 512; s++) {
			uint64_t is = hx_get(t, s), ad = hx.hw ? A | D : 0;

			if ((is ^ model[t][s]) & ~ad) {
				printf("# round %u: table %u slot %u is %#lx, "
				       "not %#lx\n", round, t, s, is,
				       model[t][s]);
				test_failed++;
			}
			if ((is & P) && (model[t][s] & ad & ~named & ~is)) {
				printf("# round %u: table %u slot %u lost A or "
				       "D: %#lx\n", round, t, s, is);
				test_failed++;
			}
			model[t][s] = is;
		}
}

static void random_runs(unsigned int round)
{
	static struct ptebatch_run runs[MAX_RECORDS];
	static uint64_t old[MAX_RECORDS][512], want[MAX_RECORDS][512];
	unsigned int n = hx_random() % MAX_RECORDS + 1, r, s = 0;
	uint64_t named = 0;
	bool any = false;
	int err = 0;
	int64_t ret;

	for (r = 0; r < n; r++) {
		unsigned int first = hx_random() % 512;
		unsigned int max = 512 - first;
		bool wrong = hx_random() % 64 == 0;

		runs[r] = (struct ptebatch_run){
			.slot = hx_slot(hx_random() % 2, first) + 4 * (wrong && first & 1),
			.count = hx_random() % (max + wrong) % (hx_random() % 8 ? 40 : 512) + 1,
			.op = hx_random() % 8 ? FLAGS : CLEAR,
		};
		if (runs[r].op == FLAGS || wrong) {
			runs[r].clear = random_mask();
			runs[r].set = random_mask();
		}
		if (hx_random() % 3 == 0)
			runs[r].old = (uintptr_t)old[r];
		named |= runs[r].clear | (runs[r].op == CLEAR ? A | D : 0);
	}
	for (r = 0; r < n && !err; r++) {
		const struct ptebatch_run *u = &runs[r];
		unsigned int t = (u->slot >> 12) - MFN_TABLE;
		unsigned int at = (u->slot & 0xfff) / 8;

		s = 0;
		if ((u->slot & 7) || at + u->count > 512 ||
		    (u->op == FLAGS
			     ? (u->clear | u->set) & ~PTEBATCH_RUN_FLAGS
			     : u->clear | u->set)) {
			err = EINVAL;
			break;
		}
		for (; s < u->count; s++) {
			uint64_t *e = &model[t][at + s], new = 0;

			if (u->op == FLAGS)
				new = *e & P ? (*e & ~u->clear) | u->set : *e;
			if (new & P)
				err = model_new(*e, &new, false);
			if (err)
				break;
			want[r][s] = *e;
			*e = new;
			any = true;
		}
		if (err)
			break;
		s = 0;
	}
	memset(old, 0, sizeof(old));
	ret = hx_call(RUNS, (uintptr_t)runs, n, LIST | TLB(ALL), SELF, 0);
	if (ret != ANS(r, s, err)) {
		printf("# round %u: answer %#lx, not %#lx\n", round, ret,
		       ANS(r, s, err));
		test_failed++;
	}
	EQ(hx.flushes, any || r);
	CHECK(!hx.flushes || hx.flush[0].step > hx.last_update);
	for (unsigned int i = 0; i <= r && i < n; i++)
		for (unsigned int j = 0;
		     runs[i].old && j < (i < r ? runs[i].count : s); j++)
			if ((old[i][j] ^ want[i][j]) & ~(hx.hw ? A | D : 0)) {
				printf("# round %u: old %u.%u is %#lx not "
				       "%#lx\n", round, i, j, old[i][j],
				       want[i][j]);
				test_failed++;
			}
	compare(round, named);
}

static void random_values(unsigned int round)
{
	static struct ptebatch_value v[100];
	static const unsigned long refused[] = {MFN_FREE, MFN_FREE + 1, MFN_MMIO_NO,
						MFN_F_PAGE, MFN_SEG};
	unsigned int n = hx_random() % 100 + 1, r;
	uint64_t named = 0;
	int err = 0;
	int64_t ret;

	for (r = 0; r < n; r++) {
		unsigned int t = hx_random() % 2, s = hx_random() % 512;
		bool keep = hx_random() & 1;
		uint64_t val = random_entry();

		if (hx_random() % 2 && (model[t][s] & P))
			val = model[t][s] ^ (hx_random() & (RW | NX | A | D));
		if (hx_random() % 256 == 0)
			val = pte(refused[hx_random() % 5], RW);
		if (hx_random() % 16 == 0)
			val = 0;
		if (!keep)
			named |= A | D;
		v[r] = (struct ptebatch_value){hx_slot(t, s) | (keep ? 2 : 0),
					       val};
	}
	for (r = 0; r < n && !err; r++) {
		unsigned int t = (v[r].slot >> 12) - MFN_TABLE;
		uint64_t *e = &model[t][(v[r].slot & 0xfff) / 8];
		uint64_t new = v[r].pte;

		err = model_new(*e, &new, true);
		if (err)
			break;
		*e = new | (v[r].slot & 2 ? *e & (A | D) : 0);
	}
	ret = hx_call(VALUES, (uintptr_t)v, n, TLB(ALL), SELF, 0);
	if (ret != ANS(r, 0, err)) {
		printf("# round %u: answer %#lx, not %#lx\n", round, ret,
		       ANS(r, 0, err));
		test_failed++;
	}
	EQ(hx.flushes, r > 0);
	compare(round, named);
}

static void differential(unsigned int seed, unsigned int rounds)
{
	char name[80];

	snprintf(name, sizeof(name),
		 "%u random calls do what xen-ptebatch.h says (seed %u)", rounds, seed);
	begin(name);
	hx.rng += (uint64_t)seed * 0x2545f4914f6cdd1dUL;
	for (unsigned int i = 0; i < rounds && !hx.broken &&
				 test_failed == failed_before; i++) {
		if (i % 64 == 0) {
			uint64_t rng = hx.rng;

			hx_audit();
			if (hx.broken)
				break;
			harness_reset();
			hx.rng = rng;
			for (unsigned int t = 0; t < 2; t++)
				for (unsigned int s = 0; s < 512; s++) {
					model[t][s] = random_entry();
					hx_set(t, s, model[t][s]);
				}
			for (unsigned int p = 0; p < NR_PAGES; p += 3)
				hx_hold(MFN_PAGE + p, p % 2 + 1);
		}
		hx.hw = hx_random() % 4 ? 0 : hx_random() % 3 + 1;
		hx.preempt = hx_random() % 4;
		if (hx_random() & 1)
			random_runs(i);
		else
			random_values(i);
	}
	end();
}

int main(int argc, char **argv)
{
	unsigned int seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned int rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	harness_reset();
	if (argc > 1 && !strcmp(argv[1], "forged")) {
		forged_progress();
		return test_failed != 0;
	}
	frame_numbers();
	refusals();
	tlb_records();
	type_counts();
	odd_entries();
	olds_and_values();
	come_and_go_tests();
	preemption();
	contention();
	forged_progress();
	turned_off();
	differential(seed, rounds);
	printf("1..%u\n", test_nr);
	return test_failed != 0;
}
