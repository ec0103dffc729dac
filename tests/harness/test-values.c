/* SPDX-License-Identifier: MIT */
/*
 * The handlers write full values, present and absent, at every type count, with
 * the same result as Xen's own mod_l1_entry().
 */
#include "test-handler.h"

/* As Linux does for PROT_NONE: P clear, frame inverted; safe against L1TF. */
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

/* Entries go from writable to absent and back; the counts must follow. */
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
	/* The absent entry's bit in the position of D is kept. */
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

/* The entry and all frames after one value, and the result of the call. */
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

	opt_ptebatch = 0; /* or mod_l1_entry() would enter the engine */
	/* Retry after the switch to shadow mode, as a continuation does. */
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
	TAP_CHECK(is.entry == want.entry && is.err == want.err &&
		  is.l1tf == want.l1tf && !memcmp(xen, frames, sizeof(xen)),
		  "%#lx to %#lx, mode %u%s%s: entry %#lx, errno %d, shadowed %u; "
		  "mod_l1_entry: %#lx, %d, %u%s", old, val, mode,
		  checked ? ", L1TF" : "", device ? ", device" : "", is.entry,
		  -is.err, is.l1tf, want.entry, -want.err, want.l1tf,
		  memcmp(xen, frames, sizeof(xen)) ? "; counts differ" : "");
	hx_audit();
}

void values_come_and_go(void)
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

	begin("a page that gets another owner during the call is not mapped");
	hx.steal_mfn = MFN_PAGE;
	EQ(value(hx_slot(0, 0), page(0, 0), EXACT), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), 0);
	EQ(count(MFN_PAGE), 1);
	end();

	begin("a free page that looks like the caller's is not mapped");
	hx_page(MFN_FREE)->v.inuse._domain = hx_self.pdx;
	EQ(value(hx_slot(0, 0), pte(MFN_FREE, 0), EXACT), ANS(0, 0, EBUSY));
	EQ(hx_get(0, 0), 0);
	EQ(count(MFN_FREE), 0);
	EQ(hx.count_atomics, 0);
	end();

	begin("a page with no reference left to give is not mapped");
	pg = hx_page(MFN_PAGE);
	pg->count_info += PGC_count_mask - 2; /* all but the reserved one */
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

	begin("Xen's own call drops the last reference");
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

	begin("XSM is asked about each right at the first value that needs it");
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
