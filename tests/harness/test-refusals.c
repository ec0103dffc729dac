/* SPDX-License-Identifier: MIT */
/* The handlers refuse frames, arguments and TLB records that are not valid. */
#include "test-handler.h"

/* --- Frame numbers -------------------------------------------------------- */

/* Every frame number of the model, and some beyond. */
#define FOR_EACH_MFN(m) for (unsigned long m = 0; m < MFN_END + 0x200; m++)

static bool is_mine(unsigned long mfn)
{
	return mfn >= MFN_PAGE && mfn < MFN_PAGE + NR_PAGES;
}

/* With PDX compression, many a frame number is the index of another frame. */
static void frame_numbers(void)
{
	begin("each frame number maps the frame that it names, or none");
	FOR_EACH_MFN(m) {
		/* I/O memory, and a page that is no longer a table. */
		bool other = m == MFN_MMIO || m == MFN_MMIO_RO ||
			     m == MFN_IO_PAGE || m == MFN_HOLE ||
			     m == MFN_UNVALID;
		/* A page nearby; its window may or may not include frame m. */
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
		if (tap.reasons >= TAP_REASONS)
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
		if (tap.reasons >= TAP_REASONS)
			break;
	}
	end();

	begin("where memory ends within a group, the window ends as well");
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

	begin("another domain's page is not taken for one of the caller's");
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

/* --- Bad arguments -------------------------------------------------------- */

/* No entry was written, and no TLB was flushed. end() checks the counts. */
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

static void bad_arguments(void)
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

	begin("each reserved operation is refused, by both calls");
	for (unsigned int op = 1; op < PTEBATCH_HOW_PROBE; op++) {
		hx_set(0, 0, page(0, RW));
		hx_set(0, 511, page(1, RW));
		if (op > PTEBATCH_OP_TAKE && op != LIST)
			EQ(hx_call(RUNS, slot, 1, op | tlb, 0, 0),
			   (uint64_t)-EOPNOTSUPP);
		EQ(hx_call(VALUES, (uintptr_t)&v, 1, op | tlb, SELF, 0),
		   (uint64_t)-EOPNOTSUPP);
		nothing_done();
	}
	end();

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

	begin("a mask that exceeds the buffer flushes all");
	t.nr_vcpus = 8192;
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), ANS(1, 0, 0));
	EQ(hx.flushes, 1);
	EQ(hx.flush[0].cpus & 0xf, 0xf);
	end();

	begin("a mask may name vCPUs that do not exist");
	t.nr_vcpus = 1024;
	memset(mask, 0xff, sizeof(mask));
	EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST | TLB(VCPUS), SELF,
		   (uintptr_t)&t), ANS(1, 0, 0));
	EQ(hx.flush[0].cpus, 0xf);
	end();

	begin("a call without records still flushes");
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

void refusals(void)
{
	frame_numbers();
	bad_arguments();
	tlb_records();
}
