/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping do what Xen's own functions do, with the
 * engine in front of them or without: each case runs twice, and everything that
 * a guest can observe is compared, and every count of Xen's.
 */
#include "test-handler.h"

#define MMU __HYPERVISOR_mmu_update
#define UPDATE_VA __HYPERVISOR_update_va_mapping
#define PREEMPTED MMU_UPDATE_PREEMPTED
#define FORGED 0x5a5a5a5aU

static uint64_t slot(unsigned int t, unsigned int s)
{
	return hx_slot(t, s);
}
static uint64_t memory(unsigned int n, unsigned int s)
{
	return (MFN_PAGE + n) << 12 | s * 8;
}

/* --- Two worlds ----------------------------------------------------------- */

/* What a guest, and Xen, see after a call. */
struct seen {
	int64_t ret;
	uint64_t tables[NR_TABLES + 1][512], memory[8][512];
	struct page_info frames[NR_FRAMES];
	uint32_t done;
	struct hx_perfc perfc;
	unsigned int flushes, l1tf, freed;
	struct hx_flush flush[4];
	uint32_t xsm;
	unsigned int paging_mode;
};
static struct seen want, is;

/* The requests of a case, and what else it sets up. */
static mmu_update_t reqs[600];
static uint32_t done;
struct update_case {
	const char *name;
	unsigned int nr;	   /* requests */
	uint32_t flags, foreign;   /* of count, and foreigndom (0: SELF) */
	unsigned int fault;	   /* this request faults, plus 1 */
	unsigned int pdone;	   /* 0 there, 1 null, 2 faults */
	uint32_t xsm_deny;
	int l2_rc;
	bool l2_old, l1tf, shadow, no_device, is_32bit;
};

/*
 * Pages 0 and 1 are ordinary memory, page 0 mapped writable; page 2 has no
 * writable mapping; page 3 is a descriptor table.
 */
static void world(void)
{
	harness_reset();
	for (unsigned int i = 0; i < 512; i++) {
		hx_set(0, i, i % 5 == 4 ? 0 : page(8 + i, i & 1 ? RW : A));
		if (i % 3)
			hx_hold(MFN_PAGE + 8 + i, i % 3);
	}
	hx_set(1, 7, pte(MFN_F_PAGE, RW));
	hx_set(1, 8, pte(MFN_MMIO, RW | UC));
	hx_set(1, 9, pte(MFN_TABLE, 0));
	hx_set(1, 10, (page(9, UC) & ~G) | GUEST_KERNEL);
	hx_hold(MFN_PAGE, 1);
	hx_hold(MFN_PAGE + 1, 2);
	hx_page(MFN_PAGE + 3)->u.inuse.type_info = PGT_seg_desc_page |
						   PGT_validated;
	hx_hold(MFN_PAGE + 3, 1);
}

static void look(struct seen *w, int64_t ret)
{
	w->ret = ret;
	for (unsigned int t = 0; t <= NR_TABLES; t++)
		for (unsigned int s = 0; s < 512; s++)
			w->tables[t][s] = hx_get(t, s);
	for (unsigned int n = 0; n < 8; n++)
		for (unsigned int s = 0; s < 512; s++)
			w->memory[n][s] = hx_memory(n, s);
	memcpy(w->frames, frame_table, sizeof(w->frames));
	for (unsigned int m = 0; m < NR_FRAMES; m++)
		w->frames[m].tlbflush_timestamp = 0;
	w->done = done;
	w->perfc = hx.perfc;
	w->flushes = hx.flushes;
	memset(w->flush, 0, sizeof(w->flush));
	for (unsigned int i = 0; i < hx.flushes && i < 4; i++) {
		w->flush[i] = hx.flush[i];
		w->flush[i].step = 0;
	}
	w->l1tf = !!hx.l1tf; /* to schedule a tasklet twice is no difference */
	w->freed = hx.freed;
	w->xsm = hx.xsm_flags;
	w->paging_mode = hx_self.paging_mode;
	hx_audit();
	if (hx.broken)
		TAP_CHECK(0, "rule broken: %s", hx.what);
}

static void same(const char *name)
{
	TAP_CHECK(is.ret == want.ret, "%s: answer %ld, not %ld", name, is.ret,
		  want.ret);
	TAP_CHECK(is.done == want.done, "%s: done %#x, not %#x", name, is.done,
		  want.done);
	for (unsigned int t = 0; t <= NR_TABLES; t++)
		for (unsigned int s = 0; s < 512; s++)
			TAP_CHECK(is.tables[t][s] == want.tables[t][s],
				  "%s: entry %u.%u is %#lx, not %#lx", name, t,
				  s, is.tables[t][s], want.tables[t][s]);
	TAP_CHECK(!memcmp(is.memory, want.memory, sizeof(is.memory)),
		  "%s: memory differs", name);
	TAP_CHECK(!memcmp(is.frames, want.frames, sizeof(is.frames)),
		  "%s: counts differ", name);
	TAP_CHECK(!memcmp(&is.perfc, &want.perfc, sizeof(is.perfc)),
		  "%s: counters %u %u %u %u, not %u %u %u %u", name,
		  is.perfc.calls_to_mmu_update, is.perfc.num_page_updates,
		  is.perfc.writable_mmu_updates, is.perfc.calls_to_update_va,
		  want.perfc.calls_to_mmu_update, want.perfc.num_page_updates,
		  want.perfc.writable_mmu_updates,
		  want.perfc.calls_to_update_va);
	TAP_CHECK(is.flushes == want.flushes &&
		  !memcmp(is.flush, want.flush, sizeof(is.flush)),
		  "%s: %u flushes, not %u, or others", name, is.flushes,
		  want.flushes);
	TAP_CHECK(is.l1tf == want.l1tf && is.freed == want.freed &&
		  is.xsm == want.xsm && is.paging_mode == want.paging_mode,
		  "%s: L1TF, pages freed, XSM or mode: %u %u %x %x, not "
		  "%u %u %x %x", name, is.l1tf, is.freed, is.xsm,
		  is.paging_mode, want.l1tf, want.freed, want.xsm,
		  want.paging_mode);
}

static int64_t update(const struct update_case *u, unsigned int preempt)
{
	hx.xsm_deny = u->xsm_deny;
	hx.l2_rc = u->l2_rc;
	hx.l2_old = u->l2_old;
	hx.preempt = preempt;
	hx.read_cycles = preempt == 2 ? 1000 : 0;
	hx.may_free = true;
	hx_self.arch.pv.check_l1tf = u->l1tf;
	hx_self.cache_attrs_ok = !u->no_device;
	hx_self.arch.pv.is_32bit = u->is_32bit;
	if (u->shadow)
		hx_self.paging_mode = PG_shadow | PG_log_dirty;
	if (u->fault) {
		hx.fault = (uintptr_t)&reqs[u->fault - 1] + 9;
		hx.fault_end = (uintptr_t)&reqs[600];
	} else if (u->pdone == 2) {
		hx.fault = (uintptr_t)&done;
		hx.fault_end = hx.fault + 1;
	}
	done = FORGED;
	return hx_call(MMU, (uintptr_t)reqs, u->nr | u->flags,
		       u->pdone == 1 ? 0 : (uintptr_t)&done,
		       u->foreign ? u->foreign : DOMID_SELF, 0);
}

/* The case with the engine, and without. Returns the entries that it took. */
static uint64_t both(const struct update_case *u)
{
	uint64_t taken = counter(PTEBATCH_COUNT_UPDATES);

	for (unsigned int preempt = 0; preempt < 3; preempt++) {
		world();
		opt_ptebatch = 0;
		look(&want, update(u, 0));
		EQ(counter(PTEBATCH_COUNT_UPDATES), -ENOSYS);
		world();
		look(&is, update(u, preempt));
		same(u->name);
	}
	return counter(PTEBATCH_COUNT_UPDATES) - taken;
}

/* --- mmu_update ----------------------------------------------------------- */

static uint64_t absent(unsigned int n)
{
	return (~page(n, 0) & PTEBATCH_PTE_FRAME) | G;
}

/* 64 requests of all kinds that succeed, over two tables and memory. */
static void good(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		switch (i % 8) {
		case 0: /* RW changes */
			reqs[i] = (mmu_update_t){slot(0, i),
						 hx_get(0, i) ^ RW};
			break;
		case 1: /* another frame */
			reqs[i] = (mmu_update_t){slot(0, i), page(900 - i, RW)};
			break;
		case 2:
			reqs[i] = (mmu_update_t){slot(0, i) | KEEP,
						 page(400 + i, D)};
			break;
		case 3:
			reqs[i] = (mmu_update_t){slot(0, i), absent(i)};
			break;
		case 4:
			reqs[i] = (mmu_update_t){slot(2, i), page(i, RW)};
			break;
		case 5:
			reqs[i] = (mmu_update_t){memory(0, i), page(3, RW)};
			break;
		case 6:
			reqs[i] = (mmu_update_t){memory(1, i) | KEEP,
						 0xabc062 + i};
			break;
		case 7: /* the slot that was just written */
			reqs[i] = (mmu_update_t){slot(2, i - 3),
						 i & 8 ? 0 : page(i - 3, A)};
			break;
		}
}

static const struct {
	const char *name;
	uint64_t ptr, val;
} bad[] = {
	{"an unknown command", 4, 0},
	{"an update of the machine-to-physical table", 1, 0},
	{"an untranslated one", 3, 0x8000},
	{"an L2 table", MFN_L2 << 12, 0},
	{"a table not validated", MFN_UNVALID << 12, 0},
	{"another domain's table", MFN_F_TABLE << 12, 0},
	{"a descriptor table", MFN_SEG << 12, 0},
	{"a hole of memory", MFN_HOLE << 12, 0},
	{"no memory", 1UL << 51, 0},
	{"no address", 1UL << 60, 0},
	{"a page of another domain to be mapped", MFN_TABLE << 12,
	 MFN_F_PAGE << 12 | P | US},
	{"a page table to be writable", MFN_TABLE << 12,
	 MFN_L2 << 12 | P | US | RW},
	{"I/O memory of others", MFN_TABLE << 12,
	 MFN_MMIO_NO << 12 | P | US},
	{"bad cache attributes", MFN_TABLE << 12,
	 MFN_PAGE << 12 | P | US | 0x80},
	{"a kernel's entry with attributes", MFN_TABLE << 12 | 0x1000,
	 MFN_PAGE << 12 | P},
	{"memory with no writable mapping", (MFN_PAGE + 2) << 12, 5},
	{"a foreign page let go", MFN_TABLE << 12 | 0x1038, 0},
	{"I/O memory let go", MFN_TABLE << 12 | 0x1040, 0},
	{"a table's mapping let go", MFN_TABLE << 12 | 0x1048, 0},
	{"a kernel's entry with other flags", MFN_TABLE << 12 | 0x1050,
	 ((MFN_PAGE + 9) << 12 | P | US | UC | A) | GUEST_KERNEL},
	{"an entry unsafe against L1TF", MFN_TABLE << 12 | 0x1058, 0xabc000},
};

static void failures(void)
{
	/* Of how many requests, and which is it? */
	static const unsigned int where[][2] = {
		{1, 0},	  {2, 0},   {2, 1},   {96, 0},	{96, 31},
		{96, 95}, {97, 96}, {194, 5}, {194, 96}, {194, 193},
	};

	unsigned int n = 0;

	for (unsigned int b = 0; b < ARRAY_SIZE(bad); b++) {
		char name[100];

		snprintf(name, sizeof(name), "mmu_update with %s is Xen's own",
			 bad[b].name);
		begin(name);
		for (unsigned int w = 0; w < ARRAY_SIZE(where); w++)
			for (unsigned int k = 0; k < 12; k++) {
				struct update_case u = {
					.name = bad[b].name,
					.nr = where[w][0],
					.pdone = k % 3,
					.l2_rc = k & 1 ? -EINVAL : 0,
					.l2_old = k / 3 == 1,
					.l1tf = k / 3 == 2,
					.no_device = k / 3 == 3,
				};

				if (left_out(&n))
					continue;
				world();
				good(where[w][0]);
				reqs[where[w][1]] = (mmu_update_t){
					bad[b].ptr, bad[b].val};
				both(&u);
				if (tap.reasons >= TAP_REASONS)
					goto out;
			}
	out:
		end();
	}
}

/* The nth call of XSM denies; all others allow. */
static void denials(void)
{
	static const uint32_t rights[] = {XSM_MMU_NORMAL_UPDATE,
					  XSM_MMU_UPDATE_READ,
					  XSM_MMU_UPDATE_WRITE};

	begin("mmu_update asks XSM about each request, memory's too");
	for (unsigned int r = 0; r < 3; r++)
		for (unsigned int at = 0; at < 20; at++)
			for (unsigned int kind = 0; kind < 4; kind++) {
				struct update_case u = {
					.name = "XSM denies",
					.nr = at == 19 ? 1 : 20,
					.xsm_deny = rights[r],
				};

				world();
				for (unsigned int i = 0; i < 20; i++)
					reqs[i] = (mmu_update_t){slot(0, i),
								 absent(i)};
				reqs[at % 19] = (mmu_update_t){
					kind & 1 ? memory(0, 9) : slot(0, at % 19),
					page(9, kind & 2 ? RW : 0)};
				both(&u);
			}
	end();

	begin("mmu_update asks XSM once for each right");
	world();
	for (unsigned int i = 0; i < 128; i++)
		reqs[i] = (mmu_update_t){slot(0, i), page(i, i < 64 ? 0 : RW)};
	hx.xsm_calls = 0;
	EQ(hx_call(MMU, (uintptr_t)reqs, 128, 0, DOMID_SELF, 0), 0);
	EQ(hx.xsm_calls, 2);
	/* Memory's values need the rights that an entry needs. */
	for (unsigned int i = 0; i < 64; i++)
		reqs[i] = (mmu_update_t){memory(0, i),
					 i < 40 ? absent(i) : page(i, RW)};
	hx.xsm_calls = 0;
	EQ(hx_call(MMU, (uintptr_t)reqs, 64, 0, DOMID_SELF, 0), 0);
	EQ(hx.xsm_calls, 2);
	/* What the engine has asked about, Xen's function does not ask again. */
	for (unsigned int i = 0; i < 4; i++)
		reqs[i] = (mmu_update_t){slot(0, i), page(i + 10, RW)};
	reqs[4] = (mmu_update_t){MFN_L2 << 12, page(0, RW)};
	hx.xsm_calls = 0;
	EQ(hx_call(MMU, (uintptr_t)reqs, 5, 0, DOMID_SELF, 0), 0);
	EQ(hx.xsm_calls, 1);
	/* A request that Xen's function does is asked about once as well. */
	reqs[0] = (mmu_update_t){MFN_L2 << 12, page(0, RW)};
	hx.xsm_calls = 0;
	EQ(hx_call(MMU, (uintptr_t)reqs, 1, 0, DOMID_SELF, 0), 0);
	EQ(hx.xsm_calls, 1);
	/* Where L1TF stops the engine, Xen's function asks in the continuation. */
	for (unsigned int on = 0; on < 2; on++) {
		world();
		if (!on)
			opt_ptebatch = 0;
		hx_self.arch.pv.check_l1tf = true;
		reqs[0] = (mmu_update_t){slot(1, 11), 0xabc000};
		hx.xsm_calls = 0;
		EQ(hx_call(MMU, (uintptr_t)reqs, 1, 0, DOMID_SELF, 0), 0);
		EQ(hx.xsm_calls, 2);
	}
	end();
}

static void counts(void)
{
	begin("mmu_update, taken by the engine");
	for (unsigned int nr = 1; nr < 512; nr += nr < 70 ? 1 : 97) {
		struct update_case u = {.name = "good", .nr = nr};

		world();
		good(nr);
		CHECK(both(&u) > 0);
		EQ(is.ret, 0);
		EQ(is.done, nr);
	}
	end();

	begin("mmu_update: done that is null, cannot be written, or forged");
	for (unsigned int k = 0; k < 24; k++) {
		struct update_case u = {
			.name = "done",
			.nr = k / 3 % 4 == 0 ? 0 : k / 3 % 4 == 1 ? 1 : 70,
			.pdone = k % 3,
			.flags = k & 1 ? PREEMPTED : 0,
		};

		world();
		good(u.nr);
		if (k / 3 % 4 == 3)
			reqs[40] = (mmu_update_t){4, 0};
		if (!u.nr && u.pdone == 1)
			u.pdone = 0;
		both(&u);
		if (!u.pdone && u.flags && u.nr == 1)
			EQ(is.done, FORGED + 1);
	}
	end();

	begin("mmu_update: requests that cannot be read");
	for (unsigned int at = 0; at < 140; at += at < 3 ? 1 : 17)
		for (unsigned int k = 0; k < 3; k++) {
			struct update_case u = {.name = "fault",
						.nr = k == 2 ? at + 1 : 140,
						.fault = at + 1,
						.pdone = k == 1};

			world();
			good(140);
			both(&u);
			EQ(is.ret, (uint64_t)-EFAULT);
		}
	end();

	begin("mmu_update of others, or in a paging mode, is Xen's own");
	for (unsigned int k = 0; k < 5; k++) {
		struct update_case u = {.name = "not the engine's",
					.nr = 64,
					.foreign = k == 0   ? 5
						   : k == 1 ? 3
						   : k == 2 ? 99
							    : 0,
					.shadow = k == 3,
					.is_32bit = k == 4};

		world();
		good(64);
		EQ(both(&u), 0);
	}
	end();

	begin("mmu_update with a table left over ends that first");
	world();
	good(64);
	hx_current->arch.old_guest_table = hx_page(MFN_L2);
	hx.preempt = 2;
	EQ(hx_call(MMU, (uintptr_t)reqs, 64, 0, DOMID_SELF, 0), 0);
	CHECK(!hx_current->arch.old_guest_table);
	CHECK(hx.continuations > 0);
	hx.preempt = 0;
	hx_current->arch.old_guest_table = hx_page(MFN_L2);
	EQ(hx_call(MMU, (uintptr_t)reqs, 1, 0, DOMID_SELF, 0), 0);
	CHECK(!hx_current->arch.old_guest_table);
	end();

	begin("mmu_update of nothing");
	EQ(hx_call(MMU, (uintptr_t)reqs, 0, 0, DOMID_SELF, 0), 0);
	EQ(hx_call(MMU, 0, PREEMPTED, 0, 7, 0), 7);
	EQ(hx_call(MMU, 1UL << 50, 1, 0, DOMID_SELF, 0), (uint64_t)-EFAULT);
	EQ(hx_call(MMU, 1UL << 50, 2, 0, DOMID_SELF, 0), (uint64_t)-EFAULT);
	end();
}

/* The order of what is done to one slot, or to memory and the table in turn. */
static void order(void)
{
	begin("mmu_update changes one slot several times, in order");
	for (unsigned int k = 0; k < 8; k++) {
		struct update_case u = {.name = "order", .nr = 60};

		world();
		for (unsigned int i = 0; i < 60; i++) {
			const uint64_t vals[] = {page(9, RW), page(10, A), 0,
						 absent(3), page(9, 0),
						 page(9, RW | NX)};

			reqs[i] = (mmu_update_t){
				(i & k & 1 ? memory(0, 4) : slot(0, k & 2 ? 9 : i % 2)) |
					(i & k & 4 ? KEEP : 0),
				vals[i * 5 % 6]};
		}
		both(&u);
	}
	end();

	begin("mmu_update finds its own requests as it copied them");
	world();
	/* The second request lies in memory that the first one writes. */
	reqs[0] = (mmu_update_t){slot(0, 1), page(9, RW)};
	reqs[1] = (mmu_update_t){slot(0, 2), page(9, RW)};
	EQ(hx_call(MMU, (uintptr_t)reqs, 2, 0, DOMID_SELF, 0), 0);
	EQ(hx_get(0, 2), page(9, RW));
	end();
}

/* Hardware at work: no A or D is lost where the request keeps them. */
static void hardware(void)
{
	for (unsigned int hw = 1; hw < 3; hw++) {
		begin("mmu_update loses no A or D that PRESERVE_AD keeps");
		world();
		for (unsigned int i = 0; i < 100; i++)
			reqs[i] = (mmu_update_t){slot(0, i) | KEEP,
						 (hx_get(0, i) & ~(A | D)) ^ RW};
		hx.hw = hw;
		EQ(hx_call(MMU, (uintptr_t)reqs, 100, 0, DOMID_SELF, 0), 0);
		for (unsigned int i = 0; i < 100; i++)
			EQ(hx.hw_set[0][i] & ~hx_get(0, i) & (A | D), 0);
		end();
	}
}

/* --- update_va_mapping ---------------------------------------------------- */

static void update_va(void)
{
	static const uint64_t vals[] = {
		0, 0xabc000, (1UL << 33) - 0x1000, MFN_L2 << 12 | P | US | RW,
		(MFN_PAGE + 9) << 12 | P | US, (MFN_PAGE + 9) << 12 | P | US | RW,
		(MFN_PAGE + 12) << 12 | P | US | RW, (MFN_PAGE + 12) << 12 | P,
		MFN_F_PAGE << 12 | P | US, MFN_MMIO << 12 | P | US | RW,
		(MFN_PAGE + 9) << 12 | P | US | UC | RW,
	};
	static const unsigned long l2s[] = {
		MFN_TABLE << 12 | 0x67, MFN_TABLE << 12 | 0x66, /* absent */
		MFN_TABLE << 12 | 0xe7,				/* PSE */
		MFN_UNVALID << 12 | 0x67, MFN_L2 << 12 | 0x67,
		MFN_PAGE << 12 | 0x67, (MFN_PAGE + 2) << 12 | 0x67,
		MFN_F_TABLE << 12 | 0x67, MFN_HOLE << 12 | 0x67,
		1UL << 50 | 0x67, NX | MFN_TABLE << 12 | 0x67,
	};
	static const unsigned long vas[] = {
		HX_VA + 9 * 4096, HX_VA + 9 * 4096 + 0x123, HX_VA + 14 * 4096,
		HX_VA + 4 * 4096, HX_VA + 511 * 4096,
		HX_VA + HX_L2S * (2UL << 20), (HX_VA + 9 * 4096) | 1UL << 50,
		0xffff800000000000UL,
	};
	static const unsigned long flags[] = {
		UVMF_NONE, UVMF_INVLPG, UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH,
		UVMF_TLB_FLUSH | UVMF_ALL, 3, 3 | UVMF_ALL, UVMF_ALL, 0x1000,
		0x1001, 0x1002, 0x1003, ~0UL,
	};
	const unsigned int taken = PTEBATCH_COUNT_UPDATE_VA;
	unsigned int n = 0;
	uint64_t before;

	begin("update_va_mapping, with the engine or without");
	before = counter(taken);
	for (unsigned int v = 0; v < ARRAY_SIZE(vals); v++)
		for (unsigned int l = 0; l < ARRAY_SIZE(l2s); l++)
			for (unsigned int a = 0; a < ARRAY_SIZE(vas); a++)
				for (unsigned int f = 0; f < ARRAY_SIZE(flags) * 5;
				     f++) {
					unsigned int k = f / ARRAY_SIZE(flags);
					char name[100];

					/* All of it only for the first. */
					if ((f % 13 && l && a) || left_out(&n))
						continue;
					for (unsigned int on = 0; on < 2; on++) {
						world();
						if (!on)
							opt_ptebatch = 0;
						hx.l2[0].l2 = l2s[l];
						hx_self.arch.pv.check_l1tf = k == 1;
						hx.xsm_deny_va = k == 2 || k == 3
									 ? k - 1 : 0;
						hx_self.paging_mode =
							k == 4 ? PG_shadow : 0;
						look(on ? &is : &want,
						     hx_call(UPDATE_VA, vas[a],
							     vals[v],
							     flags[f % ARRAY_SIZE(flags)],
							     0, 0));
						CHECK(!hx.flushes ||
						      hx.flush[0].step >
							      hx.last_update);
					}
					snprintf(name, sizeof(name),
						 "value %u, L2 %u, address %u, "
						 "flags %u", v, l, a, f);
					same(name);
					if (tap.reasons >= TAP_REASONS)
						goto out;
				}
	CHECK(counter(taken) > before);
out:
	end();

	begin("update_va_mapping writes no memory that is no table");
	world();
	hx.l2[0].l2 = MFN_PAGE << 12 | 0x67;
	EQ(hx_call(UPDATE_VA, HX_VA, 5, 0, 0, 0), (uint64_t)-EINVAL);
	EQ(hx_memory(0, 0), 0);
	end();
}

void updates(void)
{
	counts();
	order();
	hardware();
	denials();
	failures();
	update_va();
}
