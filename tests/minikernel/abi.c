/* SPDX-License-Identifier: MIT */
/*
 * Tests that issue the two hypercalls directly, without the library: arguments
 * that must be refused, buffers that fault part of the way, the forms compared
 * with each other, and calls inside a multicall.
 */
#include "tests.h"

#define EINVAL PTEBATCH_EINVAL
#define EFAULT PTEBATCH_EFAULT
#define ESRCH PTEBATCH_ESRCH
#define EOPNOTSUPP PTEBATCH_EOPNOTSUPP
#define SELF PTEBATCH_DOMID_SELF
#define DATA (P | US | A)
#define FLAGS PTEBATCH_OP_FLAGS
#define CLEAR PTEBATCH_OP_CLEAR
#define SET PTEBATCH_OP_SET
#define TAKE PTEBATCH_OP_TAKE
#define LIST PTEBATCH_HOW_LIST
#define BY_RECORD (LIST | PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS))
#define XENS_MEMORY 0xffff82d040000000ul
#define NOTHING_THERE (TEST_BASE + (1ul << 32))

static uint64_t addr(const volatile void *p)
{
	return (uint64_t)p;
}

/* True if a call returned this error and did nothing. */
static int refused(int64_t ret, int err)
{
	return ret == -err || (uint64_t)ret == PTEBATCH_ANSWER(0, 0, err);
}

static struct ptebatch_run run_of(uint32_t i, uint32_t count, uint64_t clear,
				  uint64_t set)
{
	struct ptebatch_run r = { slot_at(i), count, FLAGS, clear, set, 0 };

	return r;
}

/* Fills slots 0 to 511 with writable pages, and records their entries. */
static uint64_t entries[PTEBATCH_TABLE_SLOTS];

static void fill(void)
{
	uint32_t i;

	fill_entries(0, PTEBATCH_TABLE_SLOTS, 1, 0, DATA | RW);
	for (i = 0; i < PTEBATCH_TABLE_SLOTS; i++)
		entries[i] = *entry_at(i);
}

/* Where TAKE stores what it clears. */
static uint64_t olds[PTEBATCH_TABLE_SLOTS];

static int unchanged(void)
{
	uint32_t i, changed = 0;

	for (i = 0; i < PTEBATCH_TABLE_SLOTS; i++)
		changed += *entry_at(i) != entries[i];
	return !changed;
}

/* The number of read-only slots from 0 on; -1 if any other slot changed. */
static int read_only(void)
{
	uint32_t i, n = 0;

	while (n < PTEBATCH_TABLE_SLOTS && !(*entry_at(n) & RW))
		n++;
	for (i = n; i < PTEBATCH_TABLE_SLOTS; i++)
		if (*entry_at(i) != entries[i])
			return -1;
	return (int)n;
}

/* --- Arguments that are refused ------------------------------------------ */

static const char *probe_answers_to_the_magic_only(void)
{
	const uint64_t how = PTEBATCH_HOW_PROBE;

	CHECK((uint64_t)runs(PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION, how, 0, 0) ==
	      (PTEBATCH_IS_RUNS | PTEBATCH_ABI_VERSION));
	CHECK((uint64_t)values(PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION, how, 0,
			       0) == (PTEBATCH_IS_VALUES | PTEBATCH_ABI_VERSION));
	CHECK(runs(PTEBATCH_MAGIC + 1, PTEBATCH_ASK_VERSION, how, 0, 0) < 0);
	CHECK(values(0, PTEBATCH_ASK_VERSION, how, 0, 0) < 0);
	CHECK(runs(PTEBATCH_MAGIC, 99, how, 0, 0) == -EOPNOTSUPP);
	CHECK(runs(PTEBATCH_MAGIC, PTEBATCH_ASK_RECORDS, how, 0, 0) >= 512);
	CHECK((uint64_t)runs(PTEBATCH_MAGIC, PTEBATCH_ASK_FAST, how, 0, 0) ==
	      PTEBATCH_FAST_FLAGS);
	CHECK(runs(PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, how, 0, 0) ==
	      (1 << FLAGS | 1 << CLEAR | 1 << SET | 1 << TAKE));
	CHECK(values(PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, how, 0, 0) ==
	      -EOPNOTSUPP);
	return NULL;
}

static const char *only_dom0_may_ask_for_counters(void)
{
	const uint64_t how = PTEBATCH_HOW_PROBE;
	int64_t before, now;
	uint32_t i;

	for (i = 0; i < PTEBATCH_COUNTS; i++) {
		now = runs(PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(i), how, 0, 0);
		CHECK(start_info->flags & SIF_INITDOMAIN
			      ? now >= 0
			      : now == -PTEBATCH_EPERM);
	}
	CHECK(runs(PTEBATCH_MAGIC, 0x1000, how, 0, 0) == -EOPNOTSUPP);
	CHECK(runs(PTEBATCH_MAGIC, 0xffffffff, how, 0, 0) == -EOPNOTSUPP);
	CHECK(runs(PTEBATCH_MAGIC, 1ul << 32 | PTEBATCH_ASK_COUNT(0), how, 0,
		   0) == -EOPNOTSUPP);
	if (!(start_info->flags & SIF_INITDOMAIN))
		return NULL;
	fill();
	before = runs(PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(PTEBATCH_COUNT_CALLS),
		      how, 0, 0);
	for (i = 0; i < 8; i++)
		CHECK(runs(slot_at(i), 1, FLAGS, RW, 0) == 1);
	now = runs(PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(PTEBATCH_COUNT_CALLS),
		   how, 0, 0);
	CHECK(now >= before + 8);
	return NULL;
}

static const char *masks_with_other_bits_are_refused(void)
{
	struct ptebatch_run r;
	uint32_t bit;

	fill();
	for (bit = 0; bit < 64; bit++) {
		uint64_t mask = 1ul << bit;

		if (mask & PTEBATCH_RUN_FLAGS)
			continue;
		CHECK(refused(runs(slot_at(0), 1, FLAGS, mask, 0), EINVAL));
		CHECK(refused(runs(slot_at(0), 1, FLAGS, 0, mask), EINVAL));
		r = run_of(0, 1, RW | mask, 0);
		CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EINVAL));
		r = run_of(0, 1, RW, mask);
		CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EINVAL));
	}
	CHECK(refused(runs(slot_at(0), 1, CLEAR, RW, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), 1, CLEAR, 0, RW), EINVAL));
	CHECK(unchanged());
	return NULL;
}

static const char *a_run_past_its_table_is_refused(void)
{
	struct ptebatch_run r = run_of(511, 2, RW, 0);

	fill();
	CHECK(refused(runs(slot_at(511), 2, FLAGS, RW, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), 513, FLAGS, RW, 0), EINVAL));
	CHECK(refused(runs(slot_at(1), 512, CLEAR, 0, 0), EINVAL));
	CHECK(refused(runs(slot_at(511), 2, TAKE, addr(olds), 0), EINVAL));
	CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EINVAL));
	CHECK(unchanged());
	return NULL;
}

static const char *an_unaligned_slot_is_refused(void)
{
	struct ptebatch_value v;
	uint32_t i;

	fill();
	for (i = 1; i < 8; i++) {
		CHECK(refused(runs(slot_at(0) + i, 1, FLAGS, RW, 0),
			      EINVAL));
		CHECK(refused(runs(slot_at(0) + i, 1, CLEAR, 0, 0), EINVAL));
		CHECK(refused(runs(slot_at(0) + i, 1, TAKE, addr(olds), 0),
			      EINVAL));
		if (i != PTEBATCH_SET_KEEP_AD)
			CHECK(refused(runs(slot_at(0) + i, 1, SET, 0, 0),
				      EINVAL));
		v = (struct ptebatch_value){ slot_at(0) + i, 0 };
		if (i != PTEBATCH_SET_KEEP_AD)
			CHECK(refused(values(addr(&v), 1, 0, SELF, 0), EINVAL));
	}
	CHECK(unchanged());
	return NULL;
}

static const char *refused_everywhere(uint64_t slot)
{
	struct ptebatch_run r = { slot, 1, FLAGS, RW, 0, 0 };
	struct ptebatch_value v = { slot, 0 };

	CHECK(refused(runs(slot, 1, FLAGS, RW, 0), EINVAL));
	CHECK(refused(runs(slot, 1, CLEAR, 0, 0), EINVAL));
	CHECK(refused(runs(slot, 1, TAKE, addr(olds), 0), EINVAL));
	CHECK(refused(runs(slot, 1, SET, 0, 0), EINVAL));
	CHECK(refused(runs(slot | PTEBATCH_SET_KEEP_AD, 1, SET, 0, 0), EINVAL));
	CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EINVAL));
	CHECK(refused(values(addr(&v), 1, 0, SELF, 0), EINVAL));
	return NULL;
}

static const char *a_frame_that_is_not_there_is_refused(void)
{
	static const uint64_t absent[] = {
		1ul << 34, 1ul << 45, 1ul << 51, 0x000ffffffffff000, 1ul << 52,
		1ul << 62, 1ul << 63, ~0xffful, PTEBATCH_MAGIC & ~7ul,
	};
	uint32_t i;
	const char *why;

	for (i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		why = refused_everywhere(absent[i]);
		if (why)
			return why;
	}
	return NULL;
}

static const char *a_frame_of_somebody_else_is_refused(void)
{
	/* Machine frame 0 and the APIC never belong to a domain. */
	const char *why = refused_everywhere(0);

	return why ? why : refused_everywhere(0xfee00000);
}

static const char *a_frame_that_is_no_l1_table_is_refused(void)
{
	uint64_t l4 = virt_to_maddr((void *)start_info->pt_base), l3, l2;
	uint64_t seen, *data = page_virt(0);
	const char *why;

	*data = 0x1234567;
	why = refused_everywhere(page_maddr(0));
	if (why)
		return why;
	CHECK(*data == 0x1234567);
	*data = 0;

	/* The tables above TEST_BASE. */
	l3 = *maddr_to_virt(l4 + (TEST_BASE >> 36 & 0xff8)) & FRAME;
	l2 = *maddr_to_virt(l3 + (TEST_BASE >> 27 & 0xff8)) & FRAME;
	seen = *maddr_to_virt(l2);
	CHECK((seen & FRAME) == slot_at(0));
	why = refused_everywhere(l2);
	if (why)
		return why;
	CHECK(*maddr_to_virt(l2) == seen);
	why = refused_everywhere(l3);
	return why ? why : refused_everywhere(l4);
}

static const char *counts_of_0_and_of_2_to_the_32_minus_1(void)
{
	const uint64_t most = 0xffffffff;
	struct ptebatch_run r[2] = { run_of(0, 0, RW, 0), run_of(0, 1, RW, 0) };
	struct ptebatch_value v = { slot_at(0), 0 };

	fill();
	/* A call without records succeeds. */
	CHECK(runs(slot_at(0), 0, FLAGS, RW, 0) == 0);
	CHECK(runs(slot_at(0), 0, SET, 0, 0) == 0);
	CHECK(runs(slot_at(0), 0, TAKE, addr(olds), 0) == 0);
	CHECK(runs(addr(r), 0, LIST, SELF, 0) == 0);
	CHECK(values(addr(&v), 0, 0, SELF, 0) == 0);
	CHECK(refused(runs(addr(r), 1, LIST, SELF, 0), EINVAL));
	/* The greatest count. */
	CHECK(refused(runs(slot_at(0), most, FLAGS, RW, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), most, TAKE, addr(olds), 0), EINVAL));
	/* There is one value. */
	CHECK(refused(runs(slot_at(0), 2, SET, 0, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), most, SET, 0, 0), EINVAL));
	CHECK(refused(runs(addr(&r[1]), most, LIST, SELF, 0), EINVAL));
	CHECK(refused(values(addr(&v), most, 0, SELF, 0), EINVAL));
	r[0].count = 0xffffffff;
	CHECK(refused(runs(addr(r), 1, LIST, SELF, 0), EINVAL));
	CHECK(unchanged());
	return NULL;
}

static const char *forged_progress_passes_over_and_no_more(void)
{
	struct ptebatch_run r[3] = { run_of(0, 4, RW, 0), run_of(4, 4, RW, 0),
				     run_of(8, 4, RW, 0) };
	const uint64_t one_done = 1ul << 32;

	fill();
	CHECK(refused(runs(slot_at(0), 2 | 3 * one_done, FLAGS, RW, 0),
		      EINVAL));
	CHECK(refused(runs(slot_at(0), 1 | 2 * one_done, SET, 0, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), 1 | 2 * one_done, TAKE, addr(olds), 0),
		      EINVAL));
	CHECK(runs(slot_at(0), 1 | one_done, SET, 0, 0) == 1);
	CHECK(runs(slot_at(0), 1 | one_done, TAKE, addr(olds), 0) == 1);
	CHECK(refused(runs(addr(r), 1 | 2 * one_done, LIST, SELF, 0), EINVAL));
	CHECK(refused(values(addr(r), 1 | 2 * one_done, 0, SELF, 0), EINVAL));
	CHECK(runs(addr(r), 1, LIST, SELF | 4 * one_done, 0) != 1);
	CHECK(runs(addr(r), 1, LIST, SELF | 99 * one_done, 0) != 1);
	CHECK(unchanged());

	/* The last slot of record 1, and record 2. */
	CHECK(runs(addr(r), 3 | one_done, LIST, SELF | 3 * one_done, 0) == 3);
	CHECK(*entry_at(0) == entries[0]);
	CHECK(*entry_at(6) == entries[6]);
	CHECK(*entry_at(7) == (entries[7] & ~RW));
	CHECK(*entry_at(11) == (entries[11] & ~RW));
	CHECK(*entry_at(12) == entries[12]);
	return NULL;
}

static const char *reserved_bits_are_refused(void)
{
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v = { slot_at(0), 0 };
	uint32_t bit;

	fill();
	for (bit = 7; bit < 64; bit++) {
		uint64_t how = 1ul << bit;

		CHECK(refused(runs(slot_at(0), 1, FLAGS | how, RW, 0),
			      EINVAL));
		CHECK(refused(runs(slot_at(0), 1, CLEAR | how, 0, 0), EINVAL));
		CHECK(refused(runs(slot_at(0), 1, SET | how, 0, 0), EINVAL));
		CHECK(refused(runs(slot_at(0), 1, TAKE | how, addr(olds), 0),
			      EINVAL));
		CHECK(refused(runs(addr(&r), 1, LIST | how, SELF, 0), EINVAL));
		CHECK(refused(values(addr(&v), 1, how, SELF, 0), EINVAL));
	}
	for (bit = 0; bit < 64; bit++) {
		CHECK(refused(runs(slot_at(0), 1, SET, 0, 1ul << bit), EINVAL));
		CHECK(refused(runs(slot_at(0), 1, TAKE, addr(olds), 1ul << bit),
			      EINVAL));
	}
	for (bit = 48; bit < 64; bit++)
		CHECK(refused(runs(addr(&r), 1, LIST, SELF | 1ul << bit, 0),
			      EINVAL));
	for (bit = 32; bit < 64; bit++)
		CHECK(refused(values(addr(&v), 1, 0, SELF | 1ul << bit, 0),
			      EINVAL));
	/* A TLB record that "how" does not announce; a page, but no flush. */
	CHECK(refused(runs(addr(&r), 1, LIST, SELF, 8), EINVAL));
	CHECK(refused(values(addr(&v), 1, 0, SELF, 8), EINVAL));
	CHECK(refused(runs(slot_at(0), 1, PTEBATCH_HOW_TLB_PAGE, RW, 0),
		      EINVAL));
	CHECK(unchanged());
	return NULL;
}

static const char *an_operation_not_known_is_not_supported(void)
{
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v = { slot_at(0), 0 };
	uint32_t op;

	fill();
	for (op = 1; op < 15; op++) {
		if (op > PTEBATCH_OP_TAKE && op != LIST)
			CHECK(runs(slot_at(0), 1, op, RW, 0) == -EOPNOTSUPP);
		CHECK(values(addr(&v), 1, op, SELF, 0) == -EOPNOTSUPP);
	}
	/* SET and TAKE are in no record. */
	for (op = 2; op < 16; op++) {
		r.op = op;
		CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EOPNOTSUPP));
	}
	r.op = 0x80000000;
	CHECK(refused(runs(addr(&r), 1, LIST, SELF, 0), EOPNOTSUPP));
	CHECK(unchanged());
	return NULL;
}

static const char *an_owner_that_does_not_exist_is_refused(void)
{
	static const uint32_t owners[] = { 0x1234, 0x1235u << 16 | SELF,
					   0x1235u << 16 | 0x1234,
					   0xffffu << 16 | SELF };
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v = { slot_at(0), 0 };
	uint32_t i;

	fill();
	for (i = 0; i < sizeof(owners) / sizeof(*owners); i++) {
		CHECK(runs(addr(&r), 1, LIST, owners[i], 0) == -ESRCH);
		CHECK(values(addr(&v), 1, 0, owners[i], 0) == -ESRCH);
	}
	CHECK(unchanged());
	return NULL;
}

/* The result of mmu_update for one entry, whose value does not change. */
static int64_t stock_answer(uint64_t owner)
{
	mmu_update_t u = { slot_at(0) | MMU_PT_UPDATE_PRESERVE_AD,
			   *entry_at(0) };

	return hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0, owner,
			  0);
}

/* The caller's domain ID: 0 in dom0; elsewhere Xen refuses all other IDs. */
static uint32_t own_number(void)
{
	uint32_t n = 0;

	while (n < DOMID_FIRST_RESERVED &&
	       stock_answer((n + 1) << 16 | SELF))
		n++;
	return n;
}

static const char *oneself_can_be_named_by_number(void)
{
	uint32_t self = own_number();
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v;

	fill();
	v = (struct ptebatch_value){ slot_at(0), entries[0] };
	CHECK(!self == !!(start_info->flags & SIF_INITDOMAIN));
	CHECK(runs(addr(&r), 1, LIST, (self + 1) << 16 | SELF, 0) == 1);
	CHECK(*entry_at(0) == (entries[0] & ~RW));
	CHECK(values(addr(&v), 1, 0, (self + 1) << 16 | SELF, 0) == 1);
	CHECK(*entry_at(0) == entries[0]);
	return NULL;
}

/* Other domains own the tables, the pages or both; a domU also tries dom0. */
static const char *owners_are_refused_as_mmu_update_refuses_them(void)
{
	const uint32_t self = own_number(), who[] = {
		SELF, self, 0, self + 1, DOMID_IO, DOMID_XEN, DOMID_COW,
		DOMID_INVALID, 0x1234,
	};
	struct ptebatch_value v;
	struct ptebatch_run r;
	uint32_t pt, pg, refusals = 0;

	fill();
	r = run_of(0, 1, 0, RW);
	v = (struct ptebatch_value){ slot_at(0) | PTEBATCH_SET_KEEP_AD,
				     entries[0] };
	for (pt = 0; pt <= 5; pt++) {
		for (pg = 0; pg < sizeof(who) / sizeof(*who); pg++) {
			uint64_t owner = who[pg];
			int64_t stock;

			/* 0: the caller's tables; else domain pt - 1's. */
			owner |= (uint64_t)pt << 16;
			stock = stock_answer(owner);
			if (stock) {
				refusals++;
				CHECK(refused(runs(addr(&r), 1, LIST, owner, 0),
					      (int)-stock));
				CHECK(refused(values(addr(&v), 1, 0, owner, 0),
					      (int)-stock));
			} else {
				CHECK(runs(addr(&r), 1, LIST, owner, 0) == 1);
				CHECK(values(addr(&v), 1, 0, owner, 0) == 1);
			}
		}
	}
	CHECK(refusals);
	CHECK(unchanged());
	return NULL;
}

static const char *bad_tlb_records_are_refused(void)
{
	static const uint64_t mask = 1;
	const uint64_t good = (uint64_t)&mask;
	const struct ptebatch_tlb bad[] = {
		{ 4, 0, 0, 0, 0 },
		{ PTEBATCH_TLB_NONE, 0, 0, 1, 0 },
		{ PTEBATCH_TLB_ALL, 0, PAGE, 0, 0 },
		{ PTEBATCH_TLB_ALL, 0, 8, 1, 0 },
		{ PTEBATCH_TLB_ALL, 1, 0, 0, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 0, 0, good },
		{ PTEBATCH_TLB_LOCAL, 0, 0, ~0ul, 0 },
		{ PTEBATCH_TLB_LOCAL, 0, 1ul << 48, 1, 0 },
		{ PTEBATCH_TLB_VCPUS, 0, 0, 0, good },
	};
	struct ptebatch_tlb tlb = { PTEBATCH_TLB_VCPUS, 64, 0, 0,
				    NOTHING_THERE };
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v = { slot_at(0), 0 };
	const uint64_t by_record = PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS);
	uint32_t i;

	fill();
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK(runs(addr(&r), 1, BY_RECORD, SELF, addr(&bad[i])) ==
		      -EINVAL);
		CHECK(values(addr(&v), 1, by_record, SELF, addr(&bad[i])) ==
		      -EINVAL);
	}
	/* Records and masks in memory that is absent, or Xen's. */
	CHECK(runs(addr(&r), 1, BY_RECORD, SELF, 0) == -EFAULT);
	CHECK(runs(addr(&r), 1, BY_RECORD, SELF, NOTHING_THERE) == -EFAULT);
	CHECK(runs(addr(&r), 1, BY_RECORD, SELF, XENS_MEMORY) == -EFAULT);
	CHECK(runs(addr(&r), 1, BY_RECORD, SELF, addr(&tlb)) == -EFAULT);
	tlb.vcpus = XENS_MEMORY;
	CHECK(runs(addr(&r), 1, BY_RECORD, SELF, addr(&tlb)) == -EFAULT);
	/* The register form has no argument for a TLB record. */
	CHECK(runs(slot_at(0), 1, by_record, RW, 0) == -EINVAL);
	CHECK(runs(slot_at(0), 1, SET | by_record, 0, 0) == -EINVAL);
	CHECK(runs(slot_at(0), 1, TAKE | by_record, addr(olds), 0) == -EINVAL);
	CHECK(unchanged());
	return NULL;
}

/* --- Buffers that fault -------------------------------------------------- */

/* A buffer at the end of a page: slot 600 maps page 600, slot 601 is absent. */
static void *before_the_end(size_t bytes)
{
	fill_entries(600, 1, 1, 600, P | US | RW | A | D);
	return (char *)va_at(601) - bytes;
}

static const char *a_list_that_faults_half_way_stops_there(void)
{
	struct ptebatch_run *r = before_the_end(60 * sizeof(*r));
	uint32_t i, done;
	int64_t ret;

	fill();
	for (i = 0; i < 60; i++)
		r[i] = run_of(i, 1, RW, 0);
	ret = runs(addr(r), 120, LIST, SELF, 0);
	done = PTEBATCH_DONE(ret);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && ret > 0);
	CHECK(done > 0 && done <= 60 && !PTEBATCH_SLOTS(ret));
	CHECK(read_only() == (int)done);
	return NULL;
}

static const char *values_that_fault_half_way_stop_there(void)
{
	struct ptebatch_value *v = before_the_end(100 * sizeof(*v));
	uint32_t i, done;
	int64_t ret;

	fill();
	for (i = 0; i < 100; i++)
		v[i] = (struct ptebatch_value){
			slot_at(i) | PTEBATCH_SET_KEEP_AD, entries[i] & ~RW
		};
	ret = values(addr(v), 160, 0, SELF, 0);
	done = PTEBATCH_DONE(ret);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && ret > 0);
	CHECK(done > 0 && done <= 100);
	CHECK(read_only() == (int)done);
	return NULL;
}

static const char *old_values_that_fault_half_way_lose_one_chunk(void)
{
	struct ptebatch_run r = run_of(0, 512, RW, 0);
	uint64_t *old = before_the_end(200 * sizeof(*old));
	uint32_t i, slots;
	int64_t ret;

	fill();
	r.old = addr(old);
	ret = runs(addr(&r), 1, LIST, SELF, 0);
	slots = PTEBATCH_SLOTS(ret);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && !PTEBATCH_DONE(ret));
	/* The chunk whose old values did not fit is done, and is counted. */
	CHECK(slots > 200 && slots <= 200 + PTEBATCH_OLD_CHUNK);
	CHECK(read_only() == (int)slots);
	for (i = 0; i + PTEBATCH_OLD_CHUNK < slots; i++)
		CHECK(old[i] == entries[i]);

	/* The same in registers, where DONE counts slots. */
	old = before_the_end(200 * sizeof(*old));
	fill();
	ret = runs(slot_at(0), 512, TAKE, addr(old), 0);
	slots = PTEBATCH_DONE(ret);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && !PTEBATCH_SLOTS(ret));
	CHECK(slots > 200 && slots <= 200 + PTEBATCH_OLD_CHUNK);
	for (i = 0; i < 512; i++)
		CHECK(*entry_at(i) == (i < slots ? 0 : entries[i]));
	for (i = 0; i + PTEBATCH_OLD_CHUNK < slots; i++)
		CHECK(old[i] == entries[i]);
	return NULL;
}

static const char *xens_memory_is_no_buffer(void)
{
	static const uint64_t nowhere[] = { 0, NOTHING_THERE, XENS_MEMORY,
					    MACH2PHYS_VIRT_END,
					    1ul << 63, ~7ul };
	struct ptebatch_run r = run_of(0, 1, 0, 0);
	uint32_t i;

	fill();
	for (i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		CHECK(refused(runs(nowhere[i], 1, LIST, SELF, 0), EFAULT));
		CHECK(refused(values(nowhere[i], 1, 0, SELF, 0), EFAULT));
		r.old = nowhere[i];
		if (r.old)
			CHECK(PTEBATCH_ERRNO(runs(addr(&r), 1, LIST, SELF,
						  0)) == EFAULT);
	}
	CHECK(unchanged());
	CHECK(runs(slot_at(0), 1, TAKE, 0, 0) == -EINVAL);
	CHECK(unchanged());
	for (i = 1; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		CHECK((uint64_t)runs(slot_at(i), 1, TAKE, nowhere[i], 0) ==
		      PTEBATCH_ANSWER(1, 0, EFAULT));
		CHECK(*entry_at(i) == 0);
	}
	return NULL;
}

/*
 * Xen adds the progress, in records or slots, times their size to the address.
 * The address is allowed here, but the sum lies in Xen's memory.
 */
static const char *forged_progress_does_not_reach_xens_memory(void)
{
	const uint64_t done = 1000;
	struct ptebatch_run r = run_of(0, 512, RW, 0);
	int64_t ret;

	fill();
	CHECK(PTEBATCH_ERRNO(runs(XENS_MEMORY - done * sizeof(r),
				  (done << 32) | (done + 1), LIST, SELF, 0)) ==
	      EFAULT);
	CHECK(PTEBATCH_ERRNO(values(XENS_MEMORY -
					    done * sizeof(struct ptebatch_value),
				    (done << 32) | (done + 1), 0, SELF, 0)) ==
	      EFAULT);
	CHECK(unchanged());
	/*
	 * Old values from slot 256 on fault. One chunk of old values is lost,
	 * and no more slots are done.
	 */
	r.old = XENS_MEMORY - 256 * sizeof(uint64_t);
	ret = runs(addr(&r), 1, LIST, SELF | 256ul << 32, 0);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && !PTEBATCH_DONE(ret));
	CHECK(PTEBATCH_SLOTS(ret) > 256 && PTEBATCH_SLOTS(ret) <= 320);
	CHECK(*entry_at(255) == entries[255]);
	CHECK(*entry_at(320) == entries[320]);
	ret = runs(slot_at(0), 512 | 256ul << 32, TAKE, r.old, 0);
	CHECK(PTEBATCH_ERRNO(ret) == EFAULT && !PTEBATCH_SLOTS(ret));
	CHECK(PTEBATCH_DONE(ret) > 256 && PTEBATCH_DONE(ret) <= 320);
	CHECK(*entry_at(255) == entries[255]);
	CHECK(*entry_at(256) == 0);
	CHECK(*entry_at(320) == entries[320]);
	return NULL;
}

/*
 * Each way to fail is provoked many times, with a data page and a table that
 * nothing else uses. Afterwards Xen takes both pages back, which it does not do
 * while a reference remains.
 */
static const char *refused_calls_leave_no_reference_behind(void)
{
	const uint32_t page = WORLD_SLOTS, table = page + 1, pinned = page + 2;
	const uint64_t maddr = page_maddr(page), slots = page_maddr(table);
	const uint64_t good = maddr | DATA | RW;
	struct ptebatch_value bad[] = {
		{ slots, page_maddr(pinned) | DATA | RW }, /* maps a table */
		{ slots, good | 1ul << 51 },		   /* beyond memory */
		{ maddr, good },			   /* in a data page */
		{ slots | 1, good },			   /* no such mode */
	};
	struct ptebatch_value v[2] = { { slots + 8, good } }, clear[] = {
		{ slots, 0 }, { slots + 8, 0 } };
	struct ptebatch_run r = { slots, 1, FLAGS, 0, RW, NOTHING_THERE };
	struct ptebatch_tlb tlb = { 4, 0, 0, 0, 0 };
	uint32_t i, k;

	CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, slots >> 12, 0));
	CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(pinned) >> 12, 0));
	for (k = 0; k < 100; k++) {
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			v[1] = bad[i];
			CHECK(PTEBATCH_DONE(values(addr(v), 2, 0, SELF, 0)) ==
			      1);
			CHECK(PTEBATCH_ERRNO(values(addr(&bad[i]), 1, 0, SELF,
						    0)));
			CHECK(PTEBATCH_ERRNO(runs(bad[i].slot, 1, SET,
						  bad[i].pte, 0)));
			bad[i].slot |= PTEBATCH_SET_KEEP_AD;
			CHECK(PTEBATCH_ERRNO(runs(bad[i].slot, 1, SET,
						  bad[i].pte, 0)));
			bad[i].slot &= ~(uint64_t)PTEBATCH_SET_KEEP_AD;
		}
		/* The page does not belong to the named owner. */
		CHECK(values(addr(v), 1, 0, 0x7ff1, 0));
		CHECK(values(addr(v), 1, 0, 0x7ff2, 0));
		/* RW, which the page's type forbids; old values that fault. */
		CHECK(values(addr(&(struct ptebatch_value){
				     slots, page_maddr(pinned) | DATA }),
			     1, 0, SELF, 0) == 1);
		CHECK(runs(slots, 2, FLAGS, 0, RW) != 2);
		CHECK(PTEBATCH_ERRNO(runs(addr(&r), 1, LIST, SELF, 0)));
		CHECK(runs(slots, 1, FLAGS | PTEBATCH_HOW_TLB(3), RW, 0) < 0);
		CHECK(runs(addr(&r), 1, BY_RECORD, SELF, addr(&tlb)) < 0);
		CHECK(runs(maddr, 1, FLAGS, 0, RW) != 1);
		CHECK(runs(maddr, 1, TAKE, addr(olds), 0) != 1);
		CHECK(runs(slots, 2, TAKE, NOTHING_THERE, 0) != 2);
		CHECK(runs(slots + 8, 1, SET, good, 0) == 1);
		CHECK(values(addr(clear), 2, 0, SELF, 0) == 2);
	}
	CHECK(!mmuext(MMUEXT_UNPIN_TABLE, slots >> 12, 0));
	CHECK(!mmuext(MMUEXT_UNPIN_TABLE, page_maddr(pinned) >> 12, 0));
	for (i = page; i <= pinned; i++) {
		CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(i) >> 12, 0));
		CHECK(!mmuext(MMUEXT_UNPIN_TABLE, page_maddr(i) >> 12, 0));
		CHECK(!page_give(page_virt(i)));
		CHECK(!page_take(page_virt(i)));
		set_writable(page_virt(i), 0);
	}
	return NULL;
}

/* --- Forms --------------------------------------------------------------- */

/* Fills 64 slots with every kind of entry: absent, RO, RW, sole RW, A and D. */
static void mixture(uint32_t first, uint32_t sole)
{
	static const uint64_t flags[8] = {
		P | US, P | US | A, P | US | RW, P | US | RW | A, 0,
		P | US | RW | A | D, P | US | A | D | NX, P | US | RW | NX
	};
	uint32_t i;

	for (i = 0; i < 64; i++)
		fill_entries(first + i, 1, 1, i % 3 ? i : sole + i, flags[i % 8]);
}

static const char *the_register_form_does_what_the_list_form_does(void)
{
	static const struct {
		uint32_t op;
		uint64_t clear, set;
	} ops[] = {
		{ FLAGS, RW, 0 }, { FLAGS, 0, RW }, { FLAGS, NX, A },
		{ FLAGS, A | D, 0 }, { FLAGS, RW, RW | NX },
		{ FLAGS, RW | NX, PTEBATCH_PTE_AVAIL }, { FLAGS, 0, 0 },
		{ CLEAR, 0, 0 },
	};
	uint32_t i, k;

	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		struct ptebatch_run r = { slot_at(512), 64, ops[i].op,
					  ops[i].clear, ops[i].set, 0 };
		int64_t by_register, by_list;

		/* Each side has sole pages, so that type counts match too. */
		mixture(0, WORLD_SLOTS);
		mixture(512, WORLD_SLOTS + 64);
		by_register = runs(slot_at(0), 64, ops[i].op, ops[i].clear,
				   ops[i].set);
		by_list = runs(addr(&r), 1, LIST, SELF, 0);
		CHECK(by_register == 64);
		CHECK(by_list == 1);
		for (k = 0; k < 64; k++)
			CHECK((*entry_at(k) & ~FRAME) ==
			      (*entry_at(512 + k) & ~FRAME));
	}
	return NULL;
}

static const char *take_does_what_a_list_of_one_does(void)
{
	static uint64_t by_list[64];
	struct ptebatch_run r = { slot_at(512), 64, CLEAR, 0, 0,
				  addr(by_list) };
	uint32_t k, count;

	/* In one call, and slot by slot. */
	for (count = 64; count; count = count == 64) {
		mixture(0, WORLD_SLOTS);
		mixture(512, WORLD_SLOTS + 64);
		for (k = 0; k < 64; k++)
			entries[k] = *entry_at(k);
		for (k = 0; k < 64; k += count)
			CHECK(runs(slot_at(k), count, TAKE, addr(&olds[k]),
				   0) == count);
		CHECK(runs(addr(&r), 1, LIST, SELF, 0) == 1);
		for (k = 0; k < 64; k++) {
			CHECK(!*entry_at(k) && !*entry_at(512 + k));
			CHECK(olds[k] == entries[k]);
			CHECK((olds[k] & ~FRAME) == (by_list[k] & ~FRAME));
		}
	}
	return NULL;
}

/* From each kind of entry to each, in both modes, with each kind of flush. */
static const char *set_does_what_a_values_call_of_one_does(void)
{
	static const uint64_t flags[] = {
		0, P | US, P | US | RW, P | US | RW | A | D, P | US | NX | A,
		P | US | RW | PTEBATCH_PTE_CACHE, RW | A | D, P | RW,
	};
	const uint64_t how[] = {
		0, PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL),
		PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL),
		PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) | PTEBATCH_HOW_TLB_PAGE |
			(uint64_t)va_at(0),
		PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL) | PTEBATCH_HOW_TLB_PAGE |
			PTEBATCH_HOW_TLB_ADDR,
	};
	uint32_t i, k, frame, n = 0;

	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++)
	for (frame = 0; frame < 3; frame++)
	for (k = 0; k < 64; k++) {
		uint64_t mode = n & 1 ? PTEBATCH_SET_KEEP_AD :
					PTEBATCH_SET_EXACT;
		struct ptebatch_value v = { slot_at(512 + k) | mode,
					    flags[i] };
		int64_t by_register, by_list;
		uint64_t pte = flags[i];

		if (!(n % 64)) {
			mixture(0, WORLD_SLOTS);
			mixture(512, WORLD_SLOTS + 64);
		}
		/* The same frame, another, or none. */
		if (frame < 2 && flags[i] & P) {
			pte |= frame ? page_maddr(100) :
				       (*entry_at(k) & FRAME ? : page_maddr(0));
			v.pte |= frame ? page_maddr(100) :
					 (*entry_at(512 + k) & FRAME ? :
						 page_maddr(0));
		}
		by_register = runs(slot_at(k) | mode, 1,
				   SET | how[n % (sizeof(how) / sizeof(*how))],
				   pte, 0);
		by_list = values(addr(&v), 1,
				 how[n % (sizeof(how) / sizeof(*how))], SELF, 0);
		n++;
		CHECK(by_register == by_list);
		CHECK((*entry_at(k) & ~FRAME) == (*entry_at(512 + k) & ~FRAME));
		if (by_register == 1 && mode == PTEBATCH_SET_EXACT && pte & P)
			CHECK(((*entry_at(k) ^ pte) & (FRAME | P | A | D)) == 0);
	}
	CHECK(n == 8 * 3 * 64);
	return NULL;
}

static const char *a_plain_model_agrees_with_every_change(void)
{
	static const uint64_t masks[] = { 0, RW, NX, A, D, RW | A, RW | D | NX,
					  1ul << 9, 1ul << 58 };
	const uint32_t n = sizeof(masks) / sizeof(*masks);
	uint64_t before[64];
	uint32_t c, s, k;

	for (c = 0; c < n; c++)
		for (s = 0; s < n; s++) {
			mixture(0, WORLD_SLOTS);
			for (k = 0; k < 64; k++)
				before[k] = *entry_at(k);
			CHECK(runs(slot_at(0), 64, FLAGS, masks[c],
				   masks[s]) == 64);
			for (k = 0; k < 64; k++)
				CHECK(*entry_at(k) ==
				      (before[k] & P
					       ? (before[k] & ~masks[c]) |
							 masks[s]
					       : before[k]));
		}
	return NULL;
}

static const char *both_calls_work_inside_a_multicall(void)
{
	struct ptebatch_run r[2] = { run_of(0, 8, RW, 0), run_of(8, 8, RW, 0) };
	struct ptebatch_value v[2];
	multicall_entry_t calls[6] = {
		{ .op = __HYPERVISOR_ptebatch_runs,
		  .args = { addr(r), 2, LIST, SELF, 0 } },
		{ .op = __HYPERVISOR_ptebatch_values,
		  .args = { addr(v), 2, 0, SELF, 0 } },
		{ .op = __HYPERVISOR_ptebatch_runs,
		  .args = { slot_at(0), 4, CLEAR, 0, 0 } },
		{ .op = __HYPERVISOR_ptebatch_runs,
		  .args = { slot_at(511), 2, FLAGS, RW, 0 } },
		{ .op = __HYPERVISOR_ptebatch_runs,
		  .args = { slot_at(20), 1, SET, 0, 0 } },
		{ .op = __HYPERVISOR_ptebatch_runs,
		  .args = { slot_at(30), 2, TAKE, addr(olds), 0 } },
	};

	fill();
	v[0] = (struct ptebatch_value){ slot_at(14), entries[14] };
	v[1] = (struct ptebatch_value){ slot_at(15), 0 };
	CHECK(!hypercall5(__HYPERVISOR_multicall, addr(calls), 6, 0, 0, 0));
	CHECK(calls[0].result == 2);
	CHECK(calls[1].result == 2);
	CHECK(calls[2].result == 4);
	CHECK(refused((int64_t)calls[3].result, EINVAL));
	CHECK(calls[4].result == 1 && *entry_at(20) == 0);
	CHECK(calls[5].result == 2 && *entry_at(30) == 0 && *entry_at(31) == 0);
	CHECK(olds[0] == entries[30] && olds[1] == entries[31]);
	CHECK(*entry_at(0) == 0 && *entry_at(3) == 0);
	CHECK(*entry_at(4) == (entries[4] & ~RW));
	CHECK(*entry_at(13) == (entries[13] & ~RW));
	CHECK(*entry_at(14) == entries[14]);
	CHECK(*entry_at(15) == 0);
	CHECK(*entry_at(16) == entries[16]);
	return NULL;
}

static const char *a_list_stops_at_the_record_that_fails(void)
{
	struct ptebatch_run r[3] = { run_of(0, 4, RW, 0), run_of(4, 4, RW, 0),
				     run_of(8, 4, RW, 0) };
	int64_t ret;

	fill();
	r[1].clear |= P;
	ret = runs(addr(r), 3, LIST, SELF, 0);
	CHECK((uint64_t)ret == PTEBATCH_ANSWER(1, 0, EINVAL));
	CHECK(read_only() == 4);
	return NULL;
}

static const char *a_long_list_is_done_to_its_end(void)
{
	static struct ptebatch_run r[WORLD_SLOTS];
	uint32_t i, wrong = 0;

	fill_entries(0, WORLD_SLOTS, 1, 0, DATA | RW);
	for (i = 0; i < WORLD_SLOTS; i++)
		r[i] = run_of(i, 1, RW | A, NX);
	CHECK(runs(addr(r), WORLD_SLOTS, LIST, SELF, 0) == WORLD_SLOTS);
	for (i = 0; i < WORLD_SLOTS; i++)
		wrong += (*entry_at(i) & (P | RW | NX | A | D | FRAME)) !=
			 (page_maddr(i) | P | NX);
	CHECK(!wrong);
	return NULL;
}

static const char *the_calls_are_answered_enosys(void)
{
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	struct ptebatch_value v = { slot_at(0), 0 };

	fill();
	CHECK(runs(PTEBATCH_MAGIC, 0, PTEBATCH_HOW_PROBE, 0, 0) ==
	      -PTEBATCH_ENOSYS);
	CHECK(values(PTEBATCH_MAGIC, 0, PTEBATCH_HOW_PROBE, 0, 0) ==
	      -PTEBATCH_ENOSYS);
	CHECK(runs(addr(&r), 1, LIST, SELF, 0) == -PTEBATCH_ENOSYS);
	CHECK(values(addr(&v), 1, 0, SELF, 0) == -PTEBATCH_ENOSYS);
	CHECK(unchanged());
	return NULL;
}

static int is_dom0(void)
{
	return (start_info->flags & SIF_INITDOMAIN) != 0;
}

static const char *dom0_alone_turns_the_calls_off_and_on(void)
{
	static const char *const off[] = { "no-calls", "off",
					   "updates,no-calls,validation",
					   "dom0:no-calls" };
	static const char *const on[] = { "calls", "on", "yes", "dom0:on" };
	const char *why = NULL;
	struct ptebatch_run r = run_of(0, 1, RW, 0);
	uint32_t i;

	fill();
	if (!is_dom0()) {
		CHECK(set_parameter("off") < 0);
		CHECK(runs(addr(&r), 1, LIST, SELF, 0) == 1);
		return NULL;
	}
	for (i = 0; i < 4; i++) {
		CHECK(set_parameter(off[i]) == 0);
		if (runs(slot_at(0), 1, FLAGS, RW, 0) != -PTEBATCH_ENOSYS)
			why = "the register form is still there";
		else
			why = the_calls_are_answered_enosys();
		CHECK(set_parameter(on[i]) == 0);
		if (why)
			return why;
		fill();
		CHECK(runs(addr(&r), 1, LIST, SELF, 0) == 1);
	}
	return NULL;
}

static const char *a_list_of_parts_with_an_error_changes_nothing(void)
{
	static const char *const bad[] = { "no-calls,cals", "", ",", "dom0",
					   "dom0:", "dom", "domx:no-calls",
					   "dom0:no-calls,no-such",
					   "no-calls,", "dom32767:no-calls" };
	uint32_t i;

	if (!is_dom0()) {
		CHECK(set_parameter("calls") < 0);
		return NULL;
	}
	fill();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(set_parameter(bad[i]) < 0);
		CHECK(runs(PTEBATCH_MAGIC, 0, PTEBATCH_HOW_PROBE, 0, 0) > 0);
	}
	return NULL;
}

/* Without that part, mmu_update is Xen's own, and says so by its counter. */
static const char *updates_are_counted_and_can_be_turned_off(void)
{
	int64_t taken;

	CHECK(count_of(PTEBATCH_COUNTS) == -EOPNOTSUPP);
	if (!is_dom0()) {
		CHECK(count_of(PTEBATCH_COUNT_UPDATES) == -PTEBATCH_EPERM);
		return NULL;
	}
	fill();
	CHECK(set_parameter("on") == 0);
	taken = count_of(PTEBATCH_COUNT_UPDATES);
	CHECK(!update_pte(slot_at(0), page_maddr(0) | DATA));
	/* In a paging mode all of it is Xen's own as well. */
	taken += !is_shadowed;
	CHECK(count_of(PTEBATCH_COUNT_UPDATES) == taken);
	CHECK(set_parameter("no-updates") == 0);
	CHECK(!update_pte(slot_at(0), page_maddr(0) | DATA | RW));
	CHECK(set_parameter("updates") == 0);
	CHECK(count_of(PTEBATCH_COUNT_UPDATES) == taken);
	return NULL;
}

static const char *one_value_in_registers_is_set(void)
{
	uint64_t before, now = page_maddr(1) | DATA | RW;

	CHECK(runs(PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, PTEBATCH_HOW_PROBE, 0,
		   0) == PTEBATCH_OPS);
	CHECK(values(PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, PTEBATCH_HOW_PROBE, 0,
		     0) == -EOPNOTSUPP);
	fill();
	*(volatile uint64_t *)va_at(0) = 1; /* A and D */
	before = *entry_at(0);
	CHECK(before & D);
	CHECK(runs(slot_at(0) | PTEBATCH_SET_KEEP_AD, 1, PTEBATCH_OP_SET,
		   (before & ~(RW | A | D)), 0) == 1);
	CHECK((*entry_at(0) & (RW | A | D)) == (A | D));
	CHECK(runs(slot_at(0), 1, PTEBATCH_OP_SET | 0x10, now, 0) == 1);
	CHECK((*entry_at(0) & (FRAME | RW | D)) == (now & (FRAME | RW | D)));
	CHECK(runs(slot_at(0), 1, PTEBATCH_OP_SET, 0, 0) == 1);
	CHECK(!*entry_at(0));
	CHECK(runs(slot_at(0), 1, PTEBATCH_OP_SET, now, 0) == 1);
	/* Nothing asked for, more than one, a bad mode, argument 5. */
	CHECK(runs(slot_at(0), 0, PTEBATCH_OP_SET, 0, 0) == 0);
	CHECK(runs(slot_at(0), 2, PTEBATCH_OP_SET, 0, 0) == -EINVAL);
	CHECK(refused(runs(slot_at(0) | 1, 1, PTEBATCH_OP_SET, 0, 0), EINVAL));
	CHECK(refused(runs(slot_at(0), 1, PTEBATCH_OP_SET, 0, 1), EINVAL));
	/* What cannot be mapped, and where nothing can. */
	CHECK(refused(runs(slot_at(0), 1, PTEBATCH_OP_SET,
			   (slot_at(0) & FRAME) | P | US | RW, 0),
		      PTEBATCH_EBUSY));
	CHECK(refused(runs(page_maddr(0), 1, PTEBATCH_OP_SET, 0, 0), EINVAL));
	CHECK((*entry_at(0) & (FRAME | RW)) == (now & (FRAME | RW)));
	return NULL;
}

static const char *a_run_is_taken_in_registers(void)
{
	static uint64_t was[4];
	uint64_t before[4];
	uint32_t i;

	fill();
	for (i = 0; i < 4; i++)
		before[i] = *entry_at(i);
	CHECK(runs(slot_at(0), 4, PTEBATCH_OP_TAKE, 0, 0) == -EINVAL);
	CHECK(refused(runs(slot_at(0), 4, PTEBATCH_OP_TAKE, addr(was), 1),
		      EINVAL));
	CHECK(unchanged());
	CHECK(runs(slot_at(0), 4, PTEBATCH_OP_TAKE, addr(was), 0) == 4);
	for (i = 0; i < 4; i++)
		CHECK(!*entry_at(i) && was[i] == before[i]);
	CHECK(runs(slot_at(0), 1, PTEBATCH_OP_TAKE, addr(was), 0) == 1);
	CHECK(!was[0]);
	return NULL;
}

const struct test abi_tests[] = {
	TEST(probe_answers_to_the_magic_only),
	TEST(one_value_in_registers_is_set),
	TEST(a_run_is_taken_in_registers),
	TEST(only_dom0_may_ask_for_counters),
	TEST(masks_with_other_bits_are_refused),
	TEST(a_run_past_its_table_is_refused),
	TEST(an_unaligned_slot_is_refused),
	TEST(a_frame_that_is_not_there_is_refused),
	TEST(a_frame_of_somebody_else_is_refused),
	TEST(a_frame_that_is_no_l1_table_is_refused),
	TEST(counts_of_0_and_of_2_to_the_32_minus_1),
	TEST(forged_progress_passes_over_and_no_more),
	TEST(reserved_bits_are_refused),
	TEST(an_operation_not_known_is_not_supported),
	TEST(an_owner_that_does_not_exist_is_refused),
	TEST(oneself_can_be_named_by_number),
	TEST(owners_are_refused_as_mmu_update_refuses_them),
	TEST(bad_tlb_records_are_refused),
	TEST(a_list_that_faults_half_way_stops_there),
	TEST(values_that_fault_half_way_stop_there),
	TEST(old_values_that_fault_half_way_lose_one_chunk),
	TEST(xens_memory_is_no_buffer),
	TEST(forged_progress_does_not_reach_xens_memory),
	TEST(refused_calls_leave_no_reference_behind),
	TEST(the_register_form_does_what_the_list_form_does),
	TEST(take_does_what_a_list_of_one_does),
	TEST(set_does_what_a_values_call_of_one_does),
	TEST(a_plain_model_agrees_with_every_change),
	TEST(both_calls_work_inside_a_multicall),
	TEST(a_list_stops_at_the_record_that_fails),
	TEST(a_long_list_is_done_to_its_end),
	TEST(dom0_alone_turns_the_calls_off_and_on),
	TEST(a_list_of_parts_with_an_error_changes_nothing),
	TEST(updates_are_counted_and_can_be_turned_off),
	{ NULL, NULL, 0 },
};

const struct test abi_tests_stock[] = {
	TEST(the_calls_are_answered_enosys),
	{ NULL, NULL, 0 },
};
