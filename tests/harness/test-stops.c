/* SPDX-License-Identifier: MIT */
/*
 * A call that is preempted, hands its table over, is continued with forged
 * progress, or is turned off, loses nothing and repeats nothing.
 */
#include "test-handler.h"

/* --- Preemption ----------------------------------------------------------- */

/* The guest frees its table while the call is preempted. */
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

/* The slots of a register run that were done at the first preemption. */
static unsigned int done_at_check;
static void first_check(uint64_t args[5])
{
	if (!done_at_check)
		done_at_check = args[1] >> 32;
}

static void lose_owner(uint64_t *args)
{
	(void)args;
	hx_foreign.domain_id = 77;
}

/* --- Other CPUs that wait for the table ----------------------------------- */

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

/* The other CPU came, and got the table within so many units of work. */
static void handed_over(unsigned int within)
{
	EQ(hx.visit_at, 0);
	CHECK(!hx.waiting);
	CHECK(hx.waited > 0 && hx.waited <= within);
	CHECK(hx.pauses > 0); /* which let a sibling thread run */
}

static void contention(void)
{
	static uint64_t old[512];
	static const uint64_t bits[] = {RW, NX};

	for (unsigned int b = 0; b < 2; b++) {
		begin(b ? "a CPU that waits for a table gets it: list, NX"
			: "a CPU that waits for a table gets it: list, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(512 + 64);
		end();

		begin(b ? "a CPU that waits for a table gets it: old values, NX"
			: "a CPU that waits for a table gets it: old values, RW");
		whole_table(bits[b], old);
		hx.visit_at = 5000;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(512 + 128);
		end();

		begin(b ? "a CPU that waits for a table gets it: values, NX"
			: "a CPU that waits for a table gets it: values, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		EQ(hx_call(VALUES, (uintptr_t)every, ARRAY_SIZE(every), 0, SELF,
			   0), ANS(ARRAY_SIZE(every), 0, 0));
		handed_over(512 + 128);
		end();

		begin(b ? "a waiting CPU that holds no reference gets the table, NX"
			: "a waiting CPU that holds no reference gets the table, RW");
		whole_table(bits[b], NULL);
		hx.visit_at = 5000;
		hx.hidden = true;
		EQ(hx_call(RUNS, (uintptr_t)whole, 64, LIST, SELF, 0),
		   ANS(64, 0, 0));
		handed_over(HX_KEPT_MAX);
		end();
	}

	begin("a waiting CPU gets the table within a run of the whole table");
	whole_table(RW, NULL);
	hx.visit_at = 20;
	EQ(flags(hx_slot(0, 0), 512, RW, 0), ANS(512, 0, 0));
	handed_over(512 + 64);
	end();

	begin("a waiting CPU gets the table sooner where entries are slow");
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

	begin("there is no pause before another table");
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
 * Progress beyond the end, and unaligned slots. The calls refuse both.
 * mutants.sh removes the checks, since a speculating CPU may run ahead of them.
 * The first entry that is read must lie in a table even then.
 */
void forged_progress(void)
{
	static const uint64_t counts[] = {1, 2, 512};
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

	begin("no slot leads to an entry across the end of its table");
	for (volatile unsigned int i = 0; i < 6 * ARRAY_SIZE(ways); i++) {
		const unsigned int w = i / 6;

		harness_reset();
		fill(0, RW, 1);
		hx_self.paging_mode = ways[w].paging_mode;
		hx.ahead = &back;
		hx.inside = true;
		run[0] = (struct ptebatch_run){hx_slot(0, 511) + 7,
					       counts[i / 2 % 3], ways[w].op,
					       ways[w].clear, ways[w].set, 0};
		if (!setjmp(back)) {
			if (i & 1)
				hx_call(RUNS, run[0].slot, run[0].count,
					run[0].op, run[0].clear, run[0].set);
			else
				hx_call(RUNS, (uintptr_t)run, 1, LIST, SELF, 0);
		}
		CHECK(hx.inside);
	}
	harness_reset();
	end();
}

/*
 * The first n entries of a run are slow: their pages are foreign, or have no
 * other writable mapping. The work up to the first check, on slow and on fast
 * entries together, must stay within its bound.
 */
static void slow_then_fast(const char *what, uint32_t op, uint64_t clear,
			   uint64_t set)
{
	/*
	 * Units of work: a slow entry has 9, a fast one 1. A check follows the
	 * entry at which 256 are full.
	 */
	const unsigned int slow = 8 + 1;
	char name[80];

	snprintf(name, sizeof(name), "slow entries leave less work for fast ones: %s",
		 what);
	begin(name);
	for (unsigned int n = 1; n < 32; n++) {
		unsigned int first, work;

		harness_reset();
		for (unsigned int i = 0; i < 512; i++) {
			if (op == CLEAR && i < n)
				hx_set(0, i, pte(MFN_F_PAGE + i, RW));
			else
				hx_set(0, i, page(i, clear ? RW : 0));
			if (i >= n)
				hx_hold(MFN_PAGE + i, 1);
		}
		hx.preempt = 1;
		hx.meanwhile = first_check;
		done_at_check = 0;
		EQ(hx_call(RUNS, hx_slot(0, 0), 512, op, clear, set),
		   ANS(512, 0, 0));
		CHECK(done_at_check > 0);
		first = done_at_check < n ? done_at_check : n;
		work = first * slow + (done_at_check - first);
		CHECK(work < 256 + slow);
		if (!PTEBATCH_PREEMPT_IS_1)
			CHECK(work >= 256);
		hx_audit();
	}
	end();
}

/* Pages of another type become writable, Xen's most expensive operation. */
static void retypes(const char *what, bool by_values, uint64_t us,
		    unsigned int paging_mode)
{
	static struct ptebatch_value v[512];
	char name[80];

	snprintf(name, sizeof(name), "no more than 8 changes of type without a check: %s",
		 what);
	begin(name);
	for (unsigned int i = 0; i < 512; i++) {
		hx_page(MFN_PAGE + i)->u.inuse.type_info =
			PGT_seg_desc_page | PGT_validated;
		if (!by_values)
			hx_set(0, i, page(i, 0));
		v[i] = (struct ptebatch_value){hx_slot(0, i),
					       page(i, RW) & ~(US ^ us)};
	}
	hx.preempt = 1;
	hx_self.paging_mode = paging_mode;
	if (by_values)
		EQ(hx_call(VALUES, (uintptr_t)v, 512, 0, SELF, 0),
		   ANS(512, 0, 0));
	else
		EQ(flags(hx_slot(0, 0), 512, 0, RW), ANS(512, 0, 0));
	CHECK(hx.continuations >= 512 / 8 - 1);
	if (!PTEBATCH_PREEMPT_IS_1)
		CHECK(hx.continuations < 512 / 4);
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
	/* A change counts 16 units, so a check follows after 32 changes. */
	CHECK(hx.checks >= 2);
	end();

	begin("each change of table counts towards the next check: values");
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

		begin(with ? "32 foreign pages cleared at most to a check, old values"
			   : "32 foreign pages cleared at most to a check");
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
		end();
	}

	slow_then_fast("RW to RO", FLAGS, RW, 0);
	slow_then_fast("RO to RW", FLAGS, 0, RW);
	slow_then_fast("a clear", CLEAR, 0, 0);
	retypes("RO to RW", false, US, 0);
	retypes("RO to RW, in shadow mode", false, US, PG_shadow);
	retypes("values", true, US, 0);
	retypes("values of kernel entries", true, 0, 0);

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

		begin("a TLB record lost while preempted: done is still exact");
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
	opt_ptebatch = 0;
}

static void turned_off(void)
{
	static struct ptebatch_run runs[2];
	static struct ptebatch_value v[2];
	const uint64_t how = PTEBATCH_HOW_PROBE;

	begin("turned off, every form answers as a call that does not exist");
	fill(0, RW, 1);
	opt_ptebatch = 0;
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
	opt_ptebatch = HX_CALLS;
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	end();

	begin("turned off, forged progress changes no entry and no count");
	fill(0, RW, 1);
	opt_ptebatch = 0;
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

	begin("turned off while preempted: done is exact, list and values");
	fill(0, RW, 1);
	hx.preempt = 1;
	hx.meanwhile = turn_off;
	runs[0] = (struct ptebatch_run){hx_slot(0, 0), 1, FLAGS, RW, 0, 0};
	runs[1] = (struct ptebatch_run){hx_slot(0, 1), 1, FLAGS, RW, 0, 0};
	EQ(hx_call(RUNS, (uintptr_t)runs, 2, LIST | TLB(ALL), SELF, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx.flushes, 1);
	opt_ptebatch = HX_CALLS;
	runs[0].count = 2;
	EQ(hx_call(RUNS, (uintptr_t)runs, 1, LIST | TLB(ALL), SELF, 0),
	   ANS(0, 1, ENOSYS));
	EQ(hx.flushes, 1);
	opt_ptebatch = HX_CALLS;
	v[0] = (struct ptebatch_value){hx_slot(0, 2), 0};
	v[1] = (struct ptebatch_value){hx_slot(0, 3), 0};
	EQ(hx_call(VALUES, (uintptr_t)v, 2, TLB(ALL), SELF, 0),
	   ANS(1, 0, ENOSYS));
	EQ(hx.flushes, 1);
	EQ(hx_get(0, 2), 0);
	EQ(hx_get(0, 3), page(3, RW));
	end();
}

void calls_stop(void)
{
	preemption();
	contention();
	forged_progress();
	turned_off();
}
