/* SPDX-License-Identifier: MIT */
/*
 * The handlers change the flags of entries of every kind, hand back the old
 * values, and keep the counts of types and references right.
 */
#include "test-handler.h"

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
	EQ(hx.fences, hx.locks - 1); /* the last is no table, and unlocked */
#ifdef PTEBATCH_SHORT_LOCK
	CHECK(hx.short_locks);
#else
	EQ(hx.short_locks, 0);
#endif
	end();

	begin("no mapping of a page table becomes writable, not even its own");
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

/* --- Entries of other kinds ----------------------------------------------- */

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

	begin("a foreign page's RW changes if the call names its owner");
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

	begin("another domain's table changes if the call names that domain");
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
		begin(hw ? "in shadow mode all writes are seen, with hardware at work"
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
		/* What it is, is told to those alone who may ask. */
		hx.xsm_deny = XSM_MMU_NORMAL_UPDATE;
		EQ(hx_call(RUNS, (uintptr_t)&run, 1, LIST, FOREIGN, 0),
		   (uint64_t)-EPERM);
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

	begin("I/O memory below the end of memory is not taken for a page");
	hx_set(0, 0, pte(MFN_HOLE, UC));
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_HOLE, RW | UC));
	EQ(with_old(hx_slot(0, 0), 1, CLEAR, 0, 0, old), ANS(1, 0, 0));
	end();

	begin("read-only I/O memory stays read-only");
	hx_set(0, 0, pte(MFN_MMIO_RO, UC));
	EQ(flags(hx_slot(0, 0), 1, 0, RW), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO_RO, UC));
	EQ(value(hx_slot(0, 0), pte(MFN_MMIO_RO, RW | UC), 0), ANS(1, 0, 0));
	EQ(hx_get(0, 0), pte(MFN_MMIO_RO, UC));
	end();

	begin("I/O memory that the domain may not map is refused");
	EQ(value(hx_slot(0, 0), pte(MFN_MMIO_NO, RW | UC), 0),
	   ANS(0, 0, EPERM));
	EQ(hx_get(0, 0), 0);
	end();

	begin("cache attributes are validated, and need a device");
	hx_set(0, 0, page(0, RW));
	EQ(flags(hx_slot(0, 0), 1, 0, UC), ANS(1, 0, 0));
	EQ(hx_get(0, 0), page(0, RW | UC));
	CHECK(hx.full_validations);
	EQ(flags(hx_slot(0, 0), 1, RW, 0), ANS(1, 0, 0));
	hx_self.cache_attrs_ok = false;
	EQ(flags(hx_slot(0, 0), 1, 0, 0x80), ANS(0, 0, EINVAL));
	EQ(hx_get(0, 0), page(0, UC));
	end();

	begin("a kernel entry that is not write-back is validated, as by mmu_update");
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
		   ANS(0, 0, EINVAL));
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

	/* Each copy of old values faults in turn, at each byte. */
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
			hx.fault_copy = nth + 1; /* copy 1 reads the run */
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

	begin("each call identifies itself");
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

void entries(void)
{
	type_counts();
	odd_entries();
	olds_and_values();
}
