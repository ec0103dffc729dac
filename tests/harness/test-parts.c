/* SPDX-License-Identifier: MIT */
/*
 * Parts that can be turned off, counters, single entries in registers, and the
 * type count that mod_l1_entry() changes in place.
 */
#include "test-handler.h"

#define MMU __HYPERVISOR_mmu_update
#define UPDATE_VA __HYPERVISOR_update_va_mapping
#define SET PTEBATCH_OP_SET
#define TAKE PTEBATCH_OP_TAKE
#define ALL_PARTS (HX_CALLS | HX_UPDATES | HX_VALIDATION)

/* --- The switch ------------------------------------------------------------ */

static void lists(void)
{
	static const struct {
		const char *list;
		int rc;
		unsigned int from, to;
	} cases[] = {
		{"on", 0, 0, ALL_PARTS},
		{"yes", 0, HX_TRAPS, 15},
		{"1", 0, HX_CALLS, ALL_PARTS},
		{"true", 0, 0, ALL_PARTS},
		{"enable", 0, 0, ALL_PARTS},
		{"off", 0, 15, 0},
		{"no", 0, 15, 0},
		{"0", 0, 15, 0},
		{"false", 0, 15, 0},
		{"disable", 0, 15, 0},
		{"calls", 0, 0, HX_CALLS},
		{"no-calls", 0, 15, 14},
		{"updates", 0, 0, HX_UPDATES},
		{"no-updates", 0, 15, 13},
		{"validation", 0, 0, HX_VALIDATION},
		{"no-validation", 0, 15, 11},
		{"traps", 0, 0, HX_TRAPS},
		{"no-traps", 0, 15, 7},
		{"calls=off", 0, 15, 14},
		{"traps=on", 0, 0, HX_TRAPS},
		{"off,calls", 0, 15, HX_CALLS},
		{"on,no-calls,traps", 0, 0, 14},
		{"calls,no-calls", 0, 0, 0},
		{"no-calls,no-updates,no-validation,no-traps", 0, 15, 0},
		{"calls,updates,validation,traps", 0, 0, 15},
		{"", -EINVAL, 5, 5},
		{",", -EINVAL, 5, 5},
		{"off,", -EINVAL, 5, 5},
		{"calls,,updates", -EINVAL, 5, 5},
		{"call", -EINVAL, 5, 5},
		{"callsx", -EINVAL, 5, 5},
		{"off,nonsense", -EINVAL, 5, 5},
		{"no-", -EINVAL, 5, 5},
		{"no-no-calls", -EINVAL, 5, 5},
		{"calls=maybe", -EINVAL, 5, 5},
		{"no-calls=on", -EINVAL, 5, 5},
		{" calls", -EINVAL, 5, 5},
		{"dom", -EINVAL, 5, 5},
		{"dom5", -EINVAL, 5, 5},
		{"dom99:off", -ESRCH, 5, 5},
		{"dom32752:off", -EINVAL, 5, 5}, /* DOMID_SELF */
		{"dom-1:off", -EINVAL, 5, 5},
		{"dom5:", -EINVAL, 5, 5},
		{"dom5:nonsense", -EINVAL, 5, 5},
		{"dom5:dom3:off", -EINVAL, 5, 5},
		{"off,dom5:off", -EINVAL, 5, 5},
	};

	begin("the parameter turns parts on and off");
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		opt_ptebatch = cases[i].from;
		TAP_CHECK(hx_parse(cases[i].list) == cases[i].rc,
			  "\"%s\" is not answered %d", cases[i].list,
			  cases[i].rc);
		TAP_CHECK(opt_ptebatch == cases[i].to,
			  "\"%s\" over %u gives %u, not %u", cases[i].list,
			  cases[i].from, opt_ptebatch, cases[i].to);
		EQ(hx_self.arch.pv.ptebatch_off, 0);
		EQ(hx_foreign.arch.pv.ptebatch_off, 0);
	}
	EQ(hx_self.refs + hx_foreign.refs, 0);
	end();

	begin("the parameter is shown as the list that it is");
	for (unsigned int n = 0; n < 16; n++) {
		char list[64];

		snprintf(list, sizeof(list), "%scalls,%supdates,%svalidation,%straps",
			 n & 1 ? "" : "no-", n & 2 ? "" : "no-",
			 n & 4 ? "" : "no-", n & 8 ? "" : "no-");
		opt_ptebatch = ~n;
		EQ(hx_parse(list), 0);
		EQ(opt_ptebatch & 15, n);
		TAP_CHECK(hx_param.content && !strcmp(hx_param.content, list),
			  "\"%s\" is shown for \"%s\"", hx_param.content, list);
		EQ(hx_param.size, strlen(list) + 1);
		CHECK(hx_param.size <= hx_param.max_size);
	}
	end();

	begin("a list is one domain's own");
	opt_ptebatch = 15;
	EQ(hx_parse("dom5:no-calls"), 0);
	EQ(hx_foreign.arch.pv.ptebatch_off, HX_CALLS);
	EQ(hx_parse("dom5:no-traps"), 0);
	EQ(hx_foreign.arch.pv.ptebatch_off, HX_CALLS | HX_TRAPS);
	EQ(hx_parse("dom5:on"), 0);
	EQ(hx_foreign.arch.pv.ptebatch_off & 15, HX_TRAPS);
	EQ(hx_parse("dom5:off"), 0);
	EQ(hx_foreign.arch.pv.ptebatch_off & 15, 15);
	EQ(hx_parse("dom5:calls,traps"), 0);
	EQ(hx_foreign.arch.pv.ptebatch_off & 15, HX_UPDATES | HX_VALIDATION);
	EQ(hx_parse("dom5:off,nonsense"), (uint64_t)-EINVAL);
	EQ(hx_foreign.arch.pv.ptebatch_off & 15, HX_UPDATES | HX_VALIDATION);
	EQ(opt_ptebatch, 15);
	EQ(hx_self.arch.pv.ptebatch_off, 0);
	hx_foreign.is_pv = false;
	EQ(hx_parse("dom5:off"), (uint64_t)-EOPNOTSUPP);
	hx_foreign.is_pv = true;
	hx.xen_state = SYS_STATE_boot; /* there are no domains yet */
	EQ(hx_parse("dom5:off"), (uint64_t)-EINVAL);
	EQ(hx_parse("off"), 0);
	EQ(hx_self.refs + hx_foreign.refs, 0);
	end();
}

/* The same, also while the calls are off. */
static uint64_t any_counter(unsigned int n)
{
	unsigned int on = opt_ptebatch, off = hx_self.arch.pv.ptebatch_off;
	uint64_t c;

	opt_ptebatch |= HX_CALLS;
	hx_self.arch.pv.ptebatch_off = 0;
	c = counter(n);
	opt_ptebatch = on;
	hx_self.arch.pv.ptebatch_off = off;
	return c;
}

/* Calls of each kind; each bit of the answer is a part that took entries. */
static unsigned int who_works(void)
{
	static const unsigned int kinds[] = {PTEBATCH_COUNT_CALLS,
					     PTEBATCH_COUNT_UPDATES,
					     PTEBATCH_COUNT_UPDATE_VA,
					     PTEBATCH_COUNT_VALIDATED};
	mmu_update_t req[2] = {{hx_slot(0, 0), page(1, RW)},
			       {hx_slot(0, 1), page(2, RW)}};
	uint64_t was[4];
	unsigned int work = 0;

	for (unsigned int i = 0; i < 4; i++)
		was[i] = any_counter(kinds[i]);
	flags(hx_slot(0, 2), 3, RW, 0);
	EQ(hx_call(MMU, (uintptr_t)req, 2, 0, DOMID_SELF, 0), 0);
	EQ(hx_call(MMU, (uintptr_t)req, 1, 0, DOMID_SELF, 0), 0);
	EQ(hx_call(UPDATE_VA, HX_VA + 4096, page(3, RW), UVMF_INVLPG, 0, 0), 0);
	EQ(hx.flushes, 1);
	if (hx.unvalidated[1]) {
		EQ(hx_promote(1, &hx_self), 0);
		hx_demote(1, &hx_self);
	}
	for (unsigned int i = 0; i < 4; i++)
		work |= (any_counter(kinds[i]) != was[i]) << i;
	return work;
}

static void switched(void)
{
	begin("each part is off for all, or for one domain, and no other is");
	for (unsigned int n = 0; n < 64; n++) {
		unsigned int on = n & 7 & ~(n / 8);

		harness_reset();
		fill(0, RW, 1);
		hx_unvalidate(1);
		hx_raw(1, 3, page(4, RW));
		opt_ptebatch = n & 7;
		hx_self.arch.pv.ptebatch_off = n / 8;
		EQ(who_works(), (on & HX_CALLS ? 1 : 0) |
				(on & HX_UPDATES ? 2 | 4 : 0) |
				(on & HX_VALIDATION ? 8 : 0));
		hx_audit();
	}
	end();
}

/* Parts are turned on and off each time that a call is preempted. */
static unsigned int flips;
static void flip(uint64_t args[5])
{
	(void)args;
	opt_ptebatch = HX_CALLS | (hx_random() & 6);
	flips++;
}

static void flipped(void)
{
	static mmu_update_t req[512];
	static struct ptebatch_value v[512];

	begin("parts flip in mid-call, and nothing is lost or done twice");
	for (unsigned int way = 0; way < 3; way++) {
		harness_reset();
		fill(0, RW, 1);
		fill(1, 0, 1);
		for (unsigned int i = 0; i < 512; i++) {
			req[i] = (mmu_update_t){hx_slot(i & 1, i) | (i & 2),
						page(i ^ 1, i & 4 ? RW : 0)};
			v[i] = (struct ptebatch_value){req[i].ptr, req[i].val};
		}
		hx.preempt = 1 + way;
		hx.meanwhile = flip;
		flips = 0;
		if (way == 1)
			EQ(hx_call(VALUES, (uintptr_t)v, 512, 0, SELF, 0),
			   ANS(512, 0, 0));
		else
			EQ(hx_call(MMU, (uintptr_t)req, 512, 0, DOMID_SELF, 0),
			   0);
		CHECK(flips > 0);
		for (unsigned int i = 0; i < 512; i++)
			EQ(hx_get(i & 1, i), page(i ^ 1, i & 4 ? RW : 0));
		hx_audit();
	}
	end();
}

/* --- Counters -------------------------------------------------------------- */

static void counters(void)
{
	mmu_update_t req[3] = {{hx_slot(0, 0), page(1, RW)},
			       {hx_slot(0, 1), 0},
			       {hx_slot(0, 2), pte(MFN_L2, 0)}};
	uint64_t was[PTEBATCH_COUNTS];

	begin("counters are the control domain's to read, each of its own");
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(0),
		   PTEBATCH_HOW_PROBE, 0, 0), (uint64_t)-EPERM);
	hx_self.is_privileged = true;
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(PTEBATCH_COUNTS),
		   PTEBATCH_HOW_PROBE, 0, 0), (uint64_t)-EOPNOTSUPP);
	EQ(hx_call(VALUES, PTEBATCH_MAGIC, PTEBATCH_ASK_COUNT(1UL << 32),
		   PTEBATCH_HOW_PROBE, 0, 0), (uint64_t)-EOPNOTSUPP);
	EQ(hx_call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, PTEBATCH_HOW_PROBE,
		   0, 0), PTEBATCH_OPS);
	EQ(hx_call(VALUES, PTEBATCH_MAGIC, PTEBATCH_ASK_OPS, PTEBATCH_HOW_PROBE,
		   0, 0), (uint64_t)-EOPNOTSUPP);
	end();

	begin("counters are summed over the CPUs");
	fill(0, RW, 1);
	for (unsigned int i = 0; i < PTEBATCH_COUNTS; i++)
		was[i] = any_counter(i);
	for (hx.cpu = 0; hx.cpu < HX_CPUS; hx.cpu++) {
		EQ(flags(hx_slot(0, 0), 1, NX, 0), ANS(1, 0, 0));
		EQ(flags(hx_slot(0, 0), 5, NX, 0), ANS(5, 0, 0));
		EQ(value(hx_slot(0, 9), page(9, RW), 0), ANS(1, 0, 0));
		EQ(hx_call(MMU, (uintptr_t)req, 3, 0, DOMID_SELF, 0), 0);
		EQ(hx_call(MMU, (uintptr_t)req, 1, 0, DOMID_SELF, 0), 0);
		req[2].ptr = MFN_L2 << 12;
		EQ(hx_call(MMU, (uintptr_t)req, 3, 0, DOMID_SELF, 0), 0);
		req[2].ptr = hx_slot(0, 2);
		EQ(hx_call(UPDATE_VA, HX_VA, page(1, 0), 0, 0, 0), 0);
		hx.l2[1].l2 = MFN_PAGE << 12 | 0x67;
		EQ(hx_call(UPDATE_VA, HX_VA + (2UL << 20), 0, 0, 0, 0),
		   (uint64_t)-EINVAL);
	}
	hx.cpu = 2;
	EQ(any_counter(PTEBATCH_COUNT_CALLS) - was[0], 3 * HX_CPUS);
	/* The mapping of a table is Xen's to make, once; then it is there. */
	EQ(any_counter(PTEBATCH_COUNT_UPDATES) +
	   any_counter(PTEBATCH_COUNT_UPDATES_SLOW) - was[1] -
	   was[PTEBATCH_COUNT_UPDATES_SLOW], 6 * HX_CPUS);
	EQ(any_counter(PTEBATCH_COUNT_UPDATES_LEFT) - was[2], HX_CPUS);
	EQ(any_counter(PTEBATCH_COUNT_UPDATE_VA) - was[3], HX_CPUS);
	EQ(any_counter(PTEBATCH_COUNT_UPDATE_VA_LEFT) - was[4], HX_CPUS);
	end();
}

/* --- Single entries in registers ------------------------------------------ */

static const uint64_t hows[] = {
	0, TLB(LOCAL), TLB(ALL), TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE | 0x7000,
	TLB(ALL) | PTEBATCH_HOW_TLB_PAGE | 0x7000,
	TLB(LOCAL) | PTEBATCH_HOW_TLB_PAGE | 0x80 | 0x7000,
};

/* A call and a list of one that mean the same, in two worlds. */
static void as_list(unsigned int op, uint64_t slot, uint64_t val, uint64_t how,
		    uint64_t entry, unsigned int modes)
{
	static struct page_info frames[NR_FRAMES];
	struct hx_flush flush[2];
	struct ptebatch_value v = {slot, val};
	struct ptebatch_run run = {slot, 1, CLEAR, 0, 0, 0};
	uint64_t old[2] = {0x1234, 0x1234}, e[2];
	int64_t ret[2];

	for (unsigned int way = 0; way < 2; way++) {
		harness_reset();
		hx_hold(MFN_PAGE + 1, 2);
		hx_page(MFN_PAGE + 5)->u.inuse.type_info =
			PGT_seg_desc_page | PGT_validated;
		if (entry)
			hx_set(0, 3, entry);
		hx_self.arch.pv.check_l1tf = modes & 1;
		hx_self.cache_attrs_ok = !(modes & 2);
		hx_self.paging_mode = modes & 4 ? PG_shadow : 0;
		hx.xsm_deny = modes & 8 ? XSM_MMU_UPDATE_WRITE : 0;
		run.old = op == TAKE ? (uintptr_t)&old[way] : 0;
		if (!way)
			ret[way] = op == SET ? hx_call(VALUES, (uintptr_t)&v, 1,
						       how, SELF, 0)
					     : hx_call(RUNS, (uintptr_t)&run, 1,
						       how | LIST, SELF, 0);
		else
			ret[way] = hx_call(RUNS, slot, 1, how | op,
					   op == SET	? val
					   : op == TAKE ? (uintptr_t)&old[way]
							: 0, 0);
		e[way] = hx_get(0, 3);
		for (unsigned int m = 0; m < NR_FRAMES; m++)
			frame_table[m].tlbflush_timestamp = 0;
		if (!way) {
			memcpy(frames, frame_table, sizeof(frames));
		} else
			TAP_CHECK(!memcmp(frames, frame_table, sizeof(frames)),
				  "op %u, %#lx over %#lx, how %#lx, modes %u: "
				  "counts differ", op, val, entry, how, modes);
		flush[way] = hx.flush[0];
		flush[way].step = hx.flushes;
		if (!hx.flushes)
			memset(&flush[way], 0, sizeof(flush[way]));
		hx_audit();
	}
	TAP_CHECK(ret[0] == ret[1] && e[0] == e[1] && old[0] == old[1] &&
		  !memcmp(&flush[0], &flush[1], sizeof(flush[0])),
		  "op %u, %#lx over %#lx, how %#lx, modes %u: %#lx, %#lx, %#lx, "
		  "%lu flushes; not %#lx, %#lx, %#lx, %lu", op, val, entry, how,
		  modes, ret[1], e[1], old[1], flush[1].step, ret[0], e[0],
		  old[0], flush[0].step);
}

static void registers(void)
{
	const uint64_t entries[] = {
		0, 0xabc000, page(1, RW), page(1, A | D), page(2, RW),
		page(1, UC), pte(MFN_F_PAGE, RW), pte(MFN_MMIO, RW | UC),
		pte(MFN_TABLE, 0), (page(1, UC) & ~G) | GUEST_KERNEL,
	};
	const uint64_t vals[] = {
		0, 0xabc000, page(1, RW) & ~G, page(1, 0), page(1, UC),
		page(1, UC | NX), page(2, RW | D), page(5, RW),
		pte(MFN_L2, RW), pte(MFN_F_PAGE, 0), pte(MFN_MMIO, RW),
		page(3, 0) & ~(US | G), page(1, UC | A) & ~G,
		((page(1, UC | A) & ~G) | GUEST_KERNEL), pte(MFN_FREE, 0),
	};
	const uint64_t slots[] = {
		0, KEEP, 1, 4, 3, (MFN_L2 - MFN_TABLE) << 12,
		(MFN_PAGE - MFN_TABLE) << 12, (MFN_UNVALID - MFN_TABLE) << 12,
		1UL << 60, 1UL << 51,
	};
	unsigned int n = 0;
	uint64_t old = 7;

	begin("SET, CLEAR and TAKE in registers mean what lists of one mean");
	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++)
		for (unsigned int h = 0; h < ARRAY_SIZE(hows); h++)
			for (unsigned int m = 0; m < 16; m++)
				for (unsigned int s = 0; s < ARRAY_SIZE(slots);
				     s++) {
					uint64_t at = hx_slot(0, 3) + slots[s];

					if ((s > 1 && (m || i > 2)) || left_out(&n))
						continue;
					for (unsigned int j = 0;
					     j < ARRAY_SIZE(vals); j++)
						as_list(SET, at, vals[j],
							hows[h], entries[i], m);
					as_list(CLEAR, at, 0, hows[h],
						entries[i], m);
					as_list(TAKE, at, 0, hows[h],
						entries[i], m);
				}
	end();

	begin("SET, CLEAR and TAKE in registers: arguments that are refused");
	hx_set(0, 3, page(1, RW));
	EQ(hx_call(RUNS, hx_slot(0, 3), 2, SET, 0, 0), (uint64_t)-EINVAL);
	EQ(hx_call(RUNS, hx_slot(0, 3), 1 | 2UL << 32, SET, 0, 0),
	   (uint64_t)-EINVAL);
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, SET, 0, 1), ANS(0, 0, EINVAL));
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, SET | TLB(VCPUS), 0, 0),
	   (uint64_t)-EINVAL);
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, TAKE, 0, 0), (uint64_t)-EINVAL);
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, TAKE, (uintptr_t)&old, 1),
	   ANS(0, 0, EINVAL));
	EQ(hx_call(RUNS, hx_slot(0, 3), 510, TAKE, (uintptr_t)&old, 0),
	   ANS(0, 0, EINVAL));
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, CLEAR, 1, 0), ANS(0, 0, EINVAL));
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, CLEAR, 0, 1), ANS(0, 0, EINVAL));
	/* Memory that is no table, though the guest itself may write to it. */
	EQ(hx_call(RUNS, (MFN_PAGE + 7) << 12, 1, SET, 0x4710, 0),
	   ANS(0, 0, EINVAL));
	EQ(hx_memory(7, 0), 0);
	EQ(hx_get(0, 3), page(1, RW));
	EQ(old, 7);
	EQ(hx_call(RUNS, hx_slot(0, 3), 0, SET | TLB(ALL), 0, 0), 0);
	EQ(hx.flushes, 1);
	EQ(hx_call(RUNS, hx_slot(0, 3), 1 | 1UL << 32, SET | TLB(ALL), 5, 0),
	   ANS(1, 0, 0));
	EQ(hx_get(0, 3), page(1, RW));
	end();

	begin("TAKE of a whole table, with hardware at work, and a fault");
	{
		static uint64_t olds[512];

		fill(0, RW, 1);
		hx.hw = 1;
		hx.preempt = 1;
		EQ(hx_call(RUNS, hx_slot(0, 0), 512, TAKE | TLB(ALL),
			   (uintptr_t)olds, 0), ANS(512, 0, 0));
		for (unsigned int i = 0; i < 512; i++)
			EQ(olds[i], page(i, RW | A | D));
		EQ(hx.flushes, 1);
		hx.hw = 0;
		fill(0, RW, 0);
		hx.fault = (uintptr_t)&olds[100];
		hx.fault_end = hx.fault + 8;
		EQ(PTEBATCH_ERRNO(hx_call(RUNS, hx_slot(0, 0), 512, TAKE,
					  (uintptr_t)olds, 0)), EFAULT);
		CHECK(hx_get(0, 0) == 0 && hx_get(0, 200) == page(200, RW));
	}
	end();

	begin("a single entry in registers costs one lock and no preemption");
	fill(0, RW, 1);
	hx.locks = hx.checks = 0;
	EQ(hx_call(RUNS, hx_slot(0, 0), 1, SET | hows[3], page(9, RW), 0),
	   ANS(1, 0, 0));
	EQ(hx_call(RUNS, hx_slot(0, 1), 1, CLEAR | hows[3], 0, 0), ANS(1, 0, 0));
	EQ(hx.locks, 2);
	EQ(hx.checks, 0);
	EQ(hx.full_validations, 0);
	end();
}

/* Another CPU makes the table one of a higher level, or memory. */
static unsigned long new_type;
static void retype(struct page_info *page)
{
	page->u.inuse.type_info = new_type | PGT_validated | 1;
}

static void unlock(struct page_info *page)
{
	page->u.inuse.type_info = PGT_l1_page_table | PGT_validated | 1;
}

/* The type word of a table as another CPU, or many mappings, may leave it. */
static void odd_locks(void)
{
	mmu_update_t req = {hx_slot(0, 3), page(1, RW)};
	struct page_info *table;

	begin("a table that another CPU has locked is waited for");
	hx_set(0, 3, page(1, RW));
	hx_hold(MFN_PAGE + 1, 3);
	table = hx_page(MFN_TABLE);
	table->u.inuse.type_info |= PGT_locked;
	hx.before_lock = unlock;
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, CLEAR, 0, 0), ANS(1, 0, 0));
	CHECK(!hx.before_lock);
	EQ(hx_get(0, 3), 0);
	end();

	begin("a table with no type reference left to take is refused");
	hx_set(0, 3, page(1, RW));
	hx_hold(MFN_PAGE + 1, 3);
	table = hx_page(MFN_TABLE);
	table->u.inuse.type_info |= PGT_count_mask;
	EQ(hx_call(RUNS, hx_slot(0, 3), 1, CLEAR, 0, 0), ANS(0, 0, EINVAL));
	hx.l2_rc = -EINVAL;
	EQ(hx_call(MMU, (uintptr_t)&req, 1, 0, DOMID_SELF, 0),
	   (uint64_t)-EINVAL);
	EQ(hx_get(0, 3), page(1, RW));
	unlock(table);
	end();
}

static void type_races(void)
{
	static const unsigned long types[] = {PGT_l2_page_table,
					      PGT_seg_desc_page,
					      PGT_writable_page};
	mmu_update_t req = {hx_slot(0, 3), page(1, RW)};

	begin("a table that becomes another page before its lock is not written");
	for (unsigned int t = 0; t < ARRAY_SIZE(types); t++)
		for (unsigned int way = 0; way < 7; way++) {
			harness_reset();
			hx_set(0, 3, page(1, A));
			new_type = types[t];
			hx.before_lock = retype;
			hx.l2_rc = -EINVAL;
			switch (way) {
			case 0:
				EQ(flags(hx_slot(0, 3), 1, 0, NX),
				   ANS(0, 0, EINVAL));
				break;
			case 1:
				EQ(hx_call(RUNS, hx_slot(0, 3), 1, SET, 0, 0),
				   ANS(0, 0, EINVAL));
				break;
			case 2:
				EQ(hx_call(RUNS, hx_slot(0, 3), 1, CLEAR, 0, 0),
				   ANS(0, 0, EINVAL));
				break;
			case 3:
				EQ(flags(hx_slot(0, 3), 2, 0, NX),
				   ANS(0, 0, EINVAL));
				break;
			case 4:
				EQ(value(hx_slot(0, 3), 0, 0),
				   ANS(0, 0, EINVAL));
				break;
			case 5:
				EQ(hx_call(UPDATE_VA, HX_VA + 3 * 4096, 0, 0, 0,
					   0), (uint64_t)-EINVAL);
				break;
			case 6:
				if (new_type == PGT_writable_page)
					continue; /* which may be written */
				EQ(hx_call(MMU, (uintptr_t)&req, 1, 0,
					   DOMID_SELF, 0), (uint64_t)-EINVAL);
				break;
			}
			CHECK(!hx.before_lock);
			EQ(hx_get(0, 3), page(1, A));
			hx_page(MFN_TABLE)->u.inuse.type_info =
				PGT_l1_page_table | PGT_validated | 1;
			hx_audit();
		}
	end();
}

/* --- The type count in place ---------------------------------------------- */

/* One value by mod_l1_entry(), as mmu_update of foreigndom's pages reaches it. */
static int by_xen(uint64_t val, unsigned int mode, struct vcpu *v,
		  struct domain *pages)
{
	struct page_info *table = hx_page(MFN_TABLE);
	int rc;

	if (!get_page(table, &hx_self) || !page_lock(table))
		hx_bug("the table is gone", __FILE__, __LINE__);
	rc = ptebatch_mod_l1_entry((void *)hx_mapping(0, 0),
				   l1e_from_intpte(val), _mfn(MFN_TABLE), mode,
				   v, pages);
	page_unlock(table);
	put_page(table);
	return rc;
}

static void in_place(void)
{
	const uint64_t entries[] = {page(1, RW), page(1, 0), page(1, RW | A | D),
				    page(2, 0), page(2, RW), page(1, UC),
				    page(1, RW | UC), pte(MFN_TABLE, 0),
				    pte(MFN_F_PAGE, RW), pte(MFN_MMIO, RW | UC),
				    page(1, RW | GUEST_KERNEL)};
	static const unsigned long types[] = {
		0, PGT_pinned, PGT_non_coherent, PGT_locked, ~0UL,
	};

	for (unsigned int k = 0; k < 2; k++) {
		begin(k ? "RW in place gives what mod_l1_entry() gives, with A and D"
			: "RW in place gives what mod_l1_entry() gives");
		for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++)
			for (unsigned int t = 0; t < ARRAY_SIZE(types); t++)
				for (unsigned int m = 0; m < 24; m++) {
					unsigned long counts[2], refs[2];
					uint64_t e[2];
					int rc[2];

					for (unsigned int on = 0; on < 2; on++) {
						struct page_info *pg;

						harness_reset();
						hx_hold(MFN_PAGE + 1,
							types[t] == ~0UL
								? PGT_count_mask - 1
								: 2);
						hx_set(0, 0, entries[i]);
						pg = hx_page((entries[i] & FRAME) >> 12);
						if (pg && types[t] != ~0UL)
							pg->u.inuse.type_info |=
								types[t] & (pg == hx_page(MFN_TABLE)
										    ? 0 : ~0UL);
						hx_self.cache_attrs_ok = m & 1;
						hx_self.paging_mode =
							m & 2 ? PG_shadow : 0;
						opt_ptebatch = on ? HX_UPDATES : 0;
						rc[on] = by_xen(
							entries[i] ^ RW ^
								(m & 4 ? NX | A : 0),
							k ? KEEP : EXACT,
							hx_current,
							m >= 16	  ? &hx_foreign
							: m >= 8 ? &hx_io
								 : &hx_self);
						e[on] = hx_get(0, 0);
						counts[on] = pg ? pg->u.inuse.type_info : 0;
						refs[on] = pg ? pg->count_info : 0;
						if (pg && types[t] != ~0UL)
							pg->u.inuse.type_info &= ~types[t];
						hx_audit();
					}
					TAP_CHECK(rc[0] == rc[1] && e[0] == e[1] &&
						  counts[0] == counts[1] &&
						  refs[0] == refs[1],
						  "entry %u, type %u, modes %u: "
						  "%d, %#lx, %#lx; not %d, %#lx, %#lx",
						  i, t, m, rc[1], e[1], counts[1],
						  rc[0], e[0], counts[0]);
				}
		end();
	}

	begin("RW in place takes one atomic and no validation");
	hx_hold(MFN_PAGE + 1, 2);
	hx_set(0, 0, page(1, RW));
	EQ(by_xen(page(1, 0), EXACT, hx_current, &hx_self), 0);
	EQ(by_xen(page(1, RW), KEEP, hx_current, &hx_self), 0);
	EQ(hx.type_atomics, 2);
	EQ(hx.full_validations + hx.generic_gets + hx.generic_puts, 0);
	end();
}

void parts(void)
{
	lists();
	switched();
	flipped();
	counters();
	registers();
	type_races();
	odd_locks();
	in_place();
}
