/* SPDX-License-Identifier: MIT */
#include "../common/pte.h"
#include "model.h"
#include "preempt.h"

#define KERNEL (1UL << 52)
/* Bits that can change without a change of references. */
#define LIGHT_RUN (PTEBATCH_FAST_FLAGS & ~RW)
#define LIGHT_VALUE (NX | 0x7ff0000000000000UL | 0xe00UL | US | AD | G)

/*
 * A non-present PTE is vulnerable to L1TF if its address bits are an address
 * below L1TF_MEMORY (harness.h: 45 bits, 8 GiB).
 */
#define L1TF_ADDRESS 0x1ffffffff000UL
#define L1TF_MEMORY 0x200000000UL

/*
 * The limit in xen-ptebatch.h; the number of records that the handlers may
 * copy ahead.
 */
#define MOST_RECORDS 0x7fffffffU
#define AHEAD 96U

#define RESTART 85

struct model model;
void (*model_meanwhile)(void);
uint64_t model_slots;

/* --- One entry ------------------------------------------------------------ */

/* The current call, decoded from its arguments. */
static struct {
	bool values, list;
	/*
	 * Xen's own calls. They judge some flags that the engine passes over,
	 * and it depends on how a call is divided which of them does an entry.
	 */
	bool mmu, va;
	const struct ptebatch_run *runs;
	const struct ptebatch_value *value;
	struct ptebatch_run one;
	uint32_t nr;	      /* records */
	uint32_t done, slots; /* the progress that the model is at */
	struct domain *tables, *pages;
	struct ptebatch_tlb tlb;
	uint64_t cpus;	      /* CPUs of the TLB flush */
	int refused;	      /* error that the arguments give, or 0 */
	bool known;	      /* if refused: "tables" and "cpus" are valid */
	const struct model_frame *held; /* table with a reference by the call */
} c;

static uint32_t call_nr;
static uint64_t args[5];

static void fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! the model: ");
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# in call %u(%#lx, %#lx, %#lx, %#lx, %#lx), at %u.%u of %u\n",
	       call_nr, args[0], args[1], args[2], args[3], args[4], c.done,
	       c.slots, c.nr);
	if (c.done < c.nr && c.values)
		printf("# value %#lx %#lx\n", c.value[c.done].slot,
		       c.value[c.done].pte);
	else if (c.done < c.nr)
		printf("# run %#lx %u %u %#lx %#lx %#lx\n",
		       c.runs[c.done].slot, c.runs[c.done].count,
		       c.runs[c.done].op, c.runs[c.done].clear,
		       c.runs[c.done].set, c.runs[c.done].old);
	printf("# TLB %u %u %#lx %#lx; modes %u, %u; XSM %u; NX %u, cache %u\n",
	       c.tlb.who, c.tlb.nr_vcpus, c.tlb.addr, c.tlb.pages,
	       hx_self.paging_mode, hx_foreign.paging_mode, hx.xsm_deny,
	       hx.has_nx, hx_self.cache_attrs_ok);
	fflush(stdout);
	abort();
}

/* A and D bits that hardware may have set since the last comparison. */
static uint64_t unsure[MODEL_TABLES][512]; /* may be set by now */
static uint64_t dropped[MODEL_TABLES][512]; /* cleared as requested */
static uint64_t handed[MODEL_TABLES][512]; /* returned in old values */
static bool touched[MODEL_TABLES][512];
static struct {
	unsigned int t, s;
} list[8192];
static unsigned int nr_touched;

/*
 * The number of expensive slots (hundreds of instructions each) since the call
 * began or continued, and the value of model_slots at that time.
 */
static unsigned int expensive;
static uint64_t slots_before;

static bool own(void)
{
	return c.tables == &hx_self && c.pages == &hx_self &&
	       !hx_self.paging_mode && hx.has_nx;
}

static bool is_on(unsigned int part)
{
	return opt_ptebatch & ~hx_self.arch.pv.ptebatch_off & part;
}

static unsigned int owner_of(const struct domain *d)
{
	return d == &hx_self ? OWN : d == &hx_foreign ? FOREIGN : IO;
}

static uint64_t mfn_of(uint64_t entry)
{
	return (entry & PTEBATCH_PTE_FRAME) >> 12;
}

/* The page to which an entry holds references, or NULL. */
static struct model_frame *page_of(uint64_t entry)
{
	uint64_t mfn = mfn_of(entry);

	if (mfn >= NR_FRAMES || (mfn / 64 == MFN_HOLE / 64) ||
	    model.frame[mfn].owner == IO)
		return NULL;
	return &model.frame[mfn];
}

static bool no_type(const struct model_frame *f)
{
	return (f->types && !f->writable) || f->types == PGT_count_mask;
}

static void hold(uint64_t entry)
{
	struct model_frame *f = page_of(entry);

	if (!(entry & P) || !f)
		return;
	f->refs++;
	if (entry & RW) {
		f->types++;
		f->writable = true;
	}
}

static void let_go(uint64_t entry)
{
	struct model_frame *f = page_of(entry);

	if (!(entry & P) || !f)
		return;
	if (entry & RW)
		f->types--;
	if (!--f->refs)
		model.freed++;
}

/* Checks an entry for I/O memory. 0 or an error; adjusts *e as Xen does. */
static int io_rule(uint64_t *e)
{
	uint64_t mfn = mfn_of(*e);

	if (mfn != MFN_MMIO && mfn != MFN_MMIO_RO && mfn != MFN_IO_PAGE &&
	    mfn != MFN_HOLE)
		return mfn == PTEBATCH_PTE_FRAME >> 12 ? EINVAL : EPERM;
	if (mfn == MFN_MMIO_RO)
		*e &= ~RW;
	if (!(*e & CACHE) || (*e & CACHE) == 0x88) /* WB, WP */
		*e = (*e & ~CACHE) | 0x18;
	else if ((*e & CACHE) == 0x08) /* WT */
		*e |= 0x10;
	return 0;
}

static bool bad_flags(uint64_t e, const struct domain *d)
{
	return ((e & CACHE) && !d->cache_attrs_ok) || ((e & NX) && !hx.has_nx);
}

/* A PV kernel runs in user mode: Xen sets US in its entries, and marks them. */
static uint64_t adjusted(uint64_t e)
{
	if (!(e & US))
		e |= US | KERNEL;
	return e & KERNEL ? e : e | G;
}

/* Full validation of *e in d's tables, for a page of "from". Adjusts *e. */
static int full_rule(uint64_t *e, const struct domain *d, unsigned int from)
{
	struct model_frame *f = page_of(*e);

	if (bad_flags(*e, d))
		return EINVAL;
	if (!f)
		return io_rule(e);
	if (f->owner != from || !f->refs ||
	    f->refs + (f == c.held) >= PGC_count_mask - 1)
		return EBUSY;
	return (*e & RW) && no_type(f) ? EBUSY : 0;
}

/*
 * 0 or an error for a change of "was" to *new. Adjusts *new as Xen does. Bits of
 * "light" need no reference, those of "short_way" a type reference at most.
 */
static int entry_rule(uint64_t was, uint64_t *new, uint64_t light,
		      uint64_t short_way)
{
	struct model_frame *f = page_of(was);
	uint64_t diff = was ^ *new;

	if (!(*new & P))
		return 0;
	if ((was & P) && !(diff & ~light))
		return 0;
	/* For an own page, only a type reference is needed. */
	if (own() && (was & P) && !(diff & ~short_way) && f &&
	    f->owner == OWN) {
		if (!(*new & RW))
			return 0;
		if (!(was & CACHE))
			return no_type(f) ? EBUSY : 0;
	}
	return full_rule(new, c.tables, owner_of(c.pages));
}

static void touch(unsigned int t, unsigned int s)
{
	if (!touched[t][s]) {
		touched[t][s] = true;
		if (nr_touched == ARRAY_SIZE(list))
			fail("more slots than there are");
		list[nr_touched].t = t;
		list[nr_touched++].s = s;
		unsure[t][s] = hx.hw_set[t][s] & ~model.entry[t][s];
	}
}

/* Sets the entry to "new". A and D bits in "keep" stay if hardware set them. */
static void change(unsigned int t, unsigned int s, uint64_t new, uint64_t keep,
		   const uint64_t *old)
{
	uint64_t was = model.entry[t][s], gone = AD & ~keep & ~new;
	const struct model_frame *f = page_of(was & P ? was : new);
	bool moves = ((was | new) & P) &&
		     ((was ^ new) & ~(LIGHT_RUN | LIGHT_VALUE));

	/* Hardware may have set A or D already, so these alone cost nothing. */
	expensive += ((was ^ new) & ~AD) &&
		(!own() || (moves && (!f || f->owner != OWN)));
	if (old) {
		if ((*old ^ was) & ~unsure[t][s])
			fail("old value %#lx of %u.%u is not %#lx", *old, t, s,
			     was);
		handed[t][s] |= *old & gone;
	} else
		dropped[t][s] |= gone;
	hold(new);
	let_go(was);
	model.entry[t][s] = new;
	/* Hardware can set bits again after this, if the entry is present. */
	unsure[t][s] = (hx.hw_set[t][s] & ~new) & AD;
	if (!(new & P))
		unsure[t][s] &= keep;
	model_slots++;
}

/* --- Records ------------------------------------------------------------- */

static bool faults(const void *p, size_t bytes)
{
	return (uintptr_t)p < hx.fault_end && (uintptr_t)p + bytes > hx.fault;
}

static int table_of(uint64_t slot, unsigned int *t)
{
	uint64_t mfn = slot >> 12, refs;

	if (c.tables == &hx_foreign)
		*t = mfn == MFN_F_TABLE ? NR_TABLES : MODEL_TABLES;
	else
		*t = mfn >= MFN_TABLE && mfn < MFN_TABLE + NR_TABLES
			     ? mfn - MFN_TABLE
			     : MODEL_TABLES;
	if (*t == MODEL_TABLES || model.no_table[*t])
		return EINVAL;
	refs = model.frame[mfn].refs;
	if (!refs || refs >= PGC_count_mask - 1)
		return EINVAL;
	c.held = &model.frame[mfn];
	return 0;
}

static uint32_t xsm_of(uint64_t entry)
{
	return XSM_MMU_NORMAL_UPDATE | (entry & P ? XSM_MMU_UPDATE_READ : 0) |
	       ((entry & (P | RW)) == (P | RW) ? XSM_MMU_UPDATE_WRITE : 0);
}

static int run_rule(const struct ptebatch_run *r, unsigned int *t)
{
	uint64_t masks = r->clear | r->set;
	uint32_t xsm;

	if (r->op > PTEBATCH_OP_CLEAR)
		return EOPNOTSUPP;
	if (r->op == PTEBATCH_OP_FLAGS
		    ? (masks & ~PTEBATCH_RUN_FLAGS) ||
			      ((r->set & NX) && !hx.has_nx)
		    : masks != 0)
		return EINVAL;
	if (r->slot % 8 || !r->count || r->count > 512 ||
	    r->slot % 4096 / 8 + r->count > 512)
		return EINVAL;
	xsm = r->op == PTEBATCH_OP_FLAGS
		      ? xsm_of(r->set | P | (RW & ~r->clear))
		      : xsm_of(0);
	if (xsm & hx.xsm_deny)
		return EPERM;
	return c.slots == r->count ? 0 : table_of(r->slot, t);
}

static int one_value(const struct ptebatch_value *v, bool apply);

/* The run's slot at the current progress. If !apply, only returns the error. */
static int run_slot(const struct ptebatch_run *r, bool apply)
{
	const uint64_t *old = NULL;
	uint64_t was, new, keep;
	unsigned int t = 0, s;
	int err;

	if (c.slots && c.slots >= r->count)
		return EINVAL;
	if (!c.list && r->op == PTEBATCH_OP_SET) {
		struct ptebatch_value v = {r->slot, r->clear};

		return r->set ? EINVAL : one_value(&v, apply);
	}
	err = run_rule(r, &t);
	if (err)
		return err;
	s = r->slot % 4096 / 8 + c.slots;
	was = model.entry[t][s];
	if (r->op == PTEBATCH_OP_CLEAR) {
		new = keep = 0;
	} else {
		keep = ~r->clear;
		new = was & P ? (was & keep) | r->set : was;
		if (!(was & P))
			keep = ~0UL;
		else if (new != was)
			err = entry_rule(was, &new, LIGHT_RUN,
					 (r->clear | r->set) & CACHE
						 ? 0 : PTEBATCH_FAST_FLAGS);
		else
			new = was;
	}
	if (err || !apply)
		return err;
	touch(t, s);
	if (r->old) {
		const unsigned int chunk = PTEBATCH_OLD_CHUNK;
		unsigned int from = c.slots < chunk ? 0 : c.slots - chunk;

		/* A fault can lose all old values of its chunk. */
		old = (uint64_t *)r->old + c.slots;
		if (faults((uint64_t *)r->old + from, 2 * chunk * 8))
			old = NULL;
	}
	change(t, s, new, keep, old);
	return 0;
}

/* What mmu_update wrote to memory that is no table. */
static struct {
	unsigned int page, i;
	uint64_t val;
} written[4096];
static unsigned int nr_written;

/* An update by mmu_update of what is no L1 table. */
static int memory_rule(const struct ptebatch_value *v, bool apply)
{
	uint64_t mfn = v->slot >> 12;
	struct model_frame *f;

	if (mfn >= NR_FRAMES || mfn / 64 == MFN_HOLE / 64)
		return EINVAL;
	f = &model.frame[mfn];
	if (f->owner != OWN || !f->refs || f->refs >= PGC_count_mask - 1 ||
	    no_type(f))
		return EINVAL;
	if (!apply)
		return 0;
	f->writable = true;
	model_slots++;
	if (mfn < MFN_PAGE || mfn >= MFN_PAGE + NR_PAGES)
		return 0;
	for (unsigned int i = 0; i < nr_written; i++)
		if (written[i].page == mfn - MFN_PAGE &&
		    written[i].i == v->slot % 4096 / 8) {
			written[i].val = v->pte;
			return 0;
		}
	if (nr_written < ARRAY_SIZE(written)) {
		written[nr_written].page = mfn - MFN_PAGE;
		written[nr_written].i = v->slot % 4096 / 8;
		written[nr_written++].val = v->pte;
	}
	return 0;
}

static int one_value(const struct ptebatch_value *v, bool apply)
{
	unsigned int t = 0, s, mode = v->slot % 8;
	uint64_t was, new = v->pte, keep = 0;
	int err;

	if (c.mmu) {
		if (mode == MMU_MACHPHYS_UPDATE)
			return EPERM;
		if (mode > MMU_PT_UPDATE_NO_TRANSLATE)
			return ENOSYS;
		if (hx_self.paging_mode & PG_refcounts)
			return EOPNOTSUPP;
	}
	if (!c.va && (xsm_of(v->pte) & hx.xsm_deny))
		return EPERM;
	if (c.mmu && table_of(v->slot, &t))
		return memory_rule(&(struct ptebatch_value){v->slot - mode,
							    v->pte}, apply);
	if (mode == MMU_PT_UPDATE_NO_TRANSLATE && c.mmu)
		mode = PTEBATCH_SET_EXACT;
	if (mode != PTEBATCH_SET_EXACT && mode != PTEBATCH_SET_KEEP_AD)
		return EINVAL;
	err = table_of(v->slot, &t);
	if (err)
		return err;
	s = v->slot % 4096 / 8;
	was = model.entry[t][s];
	if (new & P) {
		bool bad = bad_flags(new, c.tables);

		new = adjusted(new);
		/*
		 * An entry of user mode keeps cache attributes that Xen chose,
		 * also in a domain that may not choose any itself. (mmu_update
		 * fails in this case.)
		 */
		if (own() && (was & P) && !(new & KERNEL) &&
		    !((was ^ new) & ~PTEBATCH_FAST_FLAGS) &&
		    (apply || !(c.mmu || c.va)))
			bad = false;
		if (bad)
			return EINVAL;
		/*
		 * mod_l1_entry() changes RW in place if updates are on. The
		 * calls leave a kernel's entry to it if US has to be added, or
		 * if the entry has cache attributes.
		 */
		err = entry_rule(was, &new, LIGHT_VALUE,
				 is_on(HX_UPDATES) ? LIGHT_VALUE | RW
				 : c.mmu || c.va ||
						 (new & KERNEL &&
						  (new & CACHE ||
						   !(v->pte & US)))
					 ? 0
					 : PTEBATCH_FAST_FLAGS);
	} else if (c.tables->arch.pv.check_l1tf && !c.tables->paging_mode &&
		   (new & L1TF_ADDRESS) && (new & L1TF_ADDRESS) < L1TF_MEMORY)
		err = RESTART;
	if (err || !apply)
		return err;
	touch(t, s);
	if (mode == PTEBATCH_SET_KEEP_AD) {
		keep = AD;
		new |= was & AD;
	}
	change(t, s, new, keep, NULL);
	return 0;
}

static const void *record(uint32_t i)
{
	return c.values ? (const void *)(c.value + i) : c.runs + i;
}

static size_t record_size(void)
{
	return c.values ? sizeof(*c.value) : sizeof(*c.runs);
}

/* The error that stops the call at the current progress; 0 at its end. */
static int stop_rule(void)
{
	if (c.done == c.nr)
		return 0;
	if (c.mmu && faults(record(c.done), record_size()))
		return EFAULT;
	if (!c.list && !c.va && c.slots == c.one.count)
		return 0;
	return c.values ? one_value(c.value + c.done, false)
			: run_slot(c.runs + c.done, false);
}

/* True if a faulting record is so near that the handlers may copy it now. */
static bool near_fault(void)
{
	if (!c.list)
		return false;
	for (uint32_t i = c.done; i < c.nr && i < c.done + AHEAD; i++)
		if (faults(record(i), record_size()))
			return true;
	return false;
}

static uint32_t behind_fault; /* slots done since a fault of an old value */
static bool old_faulted;

/* Applies all slots up to this progress. */
static void advance(uint32_t done, uint32_t slots)
{
	if (done > c.nr || done < c.done || (done == c.done && slots < c.slots))
		fail("progress from %u.%u to %u.%u of %u", c.done, c.slots,
		     done, slots, c.nr);
	old_faulted = false;
	while (c.done < done || c.slots < slots) {
		int err;

		if (c.list && faults(record(c.done), record_size()))
			fail("record %u was read where it faults", c.done);
		if (c.values) {
			err = one_value(c.value + c.done, true);
			c.done += !err;
		} else {
			const struct ptebatch_run *r = c.runs + c.done;

			err = run_slot(r, true);
			if (!err && r->old &&
			    faults((uint64_t *)r->old + c.slots, 8)) {
				if (!old_faulted)
					behind_fault = 0;
				old_faulted = true;
			}
			behind_fault++;
			c.slots += !err;
			if (!err && c.slots == r->count && c.done < done) {
				if (old_faulted)
					fail("record %u is done, though an old "
					     "value faulted", c.done);
				c.done++;
				c.slots = 0;
			}
		}
		if (err)
			fail("%u.%u of %u were done, but %u.%u is error %d",
			     done, slots, c.nr, c.done, c.slots, err);
	}
}

/* --- The arguments -------------------------------------------------------- */

static int owners(uint32_t owner)
{
	unsigned int tables = owner >> 16, pages = owner & 0xffff;

	if (hx_self.paging_mode & PG_refcounts)
		return EOPNOTSUPP;
	c.tables = c.pages = &hx_self;
	if (owner == PTEBATCH_DOMID_SELF)
		return 0;
	if (tables && tables - 1 != hx_self.domain_id) {
		if (tables - 1 != hx_foreign.domain_id)
			return ESRCH;
		c.tables = &hx_foreign;
	}
	if (pages == DOMID_IO)
		c.pages = &hx_io;
	else if (pages == hx_foreign.domain_id)
		c.pages = &hx_foreign;
	else if (pages != PTEBATCH_DOMID_SELF)
		return ESRCH;
	if (hx.xsm_deny & XSM_MMU_NORMAL_UPDATE)
		return EPERM;
	return !c.tables->is_pv || (c.tables->paging_mode & PG_refcounts)
		       ? EOPNOTSUPP : 0;
}

static bool bad_address(uint64_t a)
{
	return a >= 1UL << 47 && a < 0xffff880000000000UL;
}

static int tlb(uint64_t how, uint64_t arg)
{
	uint32_t who = how >> 4 & 3;

	c.tlb = (struct ptebatch_tlb){.who = who};
	if (how & PTEBATCH_HOW_TLB_PAGE) {
		if (who != PTEBATCH_TLB_LOCAL && who != PTEBATCH_TLB_ALL)
			return EINVAL;
		c.tlb.addr = how & ~0xfffUL;
		c.tlb.pages = (how >> 7 & 31) + 1;
	} else if (how >> 7)
		return EINVAL;
	if (who == PTEBATCH_TLB_VCPUS) {
		if (!c.list)
			return EINVAL;
		if (faults((void *)arg, sizeof(c.tlb)))
			return EFAULT;
		memcpy(&c.tlb, (void *)arg, sizeof(c.tlb));
	} else if (c.list && arg)
		return EINVAL;
	who = c.tlb.who;
	if (who > PTEBATCH_TLB_VCPUS || (!who && c.tlb.pages) ||
	    (!c.tlb.pages && c.tlb.addr) || c.tlb.addr % 4096 ||
	    c.tlb.pages > 1UL << 36)
		return EINVAL;
	if (c.tlb.pages &&
	    (bad_address(c.tlb.addr) ||
	     bad_address(c.tlb.addr + (c.tlb.pages - 1) * 4096)))
		return EINVAL;
	if (who != PTEBATCH_TLB_VCPUS && (c.tlb.nr_vcpus || c.tlb.vcpus))
		return EINVAL;
	if (c.tables != &hx_self &&
	    (who == PTEBATCH_TLB_LOCAL || who == PTEBATCH_TLB_VCPUS))
		return EINVAL;
	if (who == PTEBATCH_TLB_VCPUS) {
		if (!c.tlb.nr_vcpus)
			return EINVAL;
		if (c.tlb.nr_vcpus > 1024)
			c.tlb.who = PTEBATCH_TLB_ALL;
		else if (faults((void *)c.tlb.vcpus,
				(c.tlb.nr_vcpus + 63UL) / 64 * 8))
			return EFAULT;
	}
	return 0;
}

/* The CPUs that the harness's vCPUs have run on: 0 to 3, and 4 and 5. */
static void flush_whom(void)
{
	c.cpus = 0;
	if (c.tlb.who == PTEBATCH_TLB_LOCAL)
		c.cpus = HX_LOCAL;
	else if (c.tlb.who == PTEBATCH_TLB_ALL)
		c.cpus = c.tables == &hx_self ? 0xf : 0x30;
	else if (c.tlb.who == PTEBATCH_TLB_VCPUS)
		for (uint32_t i = 0; i < c.tlb.nr_vcpus && i < 4; i++)
			c.cpus |= *(uint64_t *)c.tlb.vcpus & 1UL << i;
}

/* mmu_update of the caller's own tables, or update_va_mapping. */
static void decode_update(uint32_t nr, const uint64_t a[5])
{
	static struct ptebatch_value one;

	c.values = true;
	c.mmu = c.list = nr == __HYPERVISOR_mmu_update;
	c.va = !c.mmu;
	c.tables = c.pages = &hx_self;
	c.known = true;
	if (c.mmu) {
		c.value = (void *)args[0];
		c.nr = (uint32_t)args[1];
		c.done = (a[0] - args[0]) / sizeof(*c.value);
		return;
	}
	one.slot = (hx.l2[(a[0] - HX_VA) >> 21].l2 & PTEBATCH_PTE_FRAME) |
		   (a[0] >> 12 & 511) * 8;
	one.pte = a[1];
	c.value = &one;
	c.nr = 1;
	if (a[2] & UVMF_FLUSHTYPE_MASK)
		c.tlb.who = a[2] & UVMF_ALL ? PTEBATCH_TLB_ALL
					    : PTEBATCH_TLB_LOCAL;
	if ((a[2] & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG) {
		c.tlb.addr = a[0];
		c.tlb.pages = 1;
	}
	flush_whom();
}

/* Decodes the arguments, as the handlers do on entry and after a preemption. */
static void decode(uint32_t nr, const uint64_t a[5])
{
	uint64_t how = a[2], left = 0;
	uint32_t progress = a[1] >> 32, op = how & 15, given = a[1];
	int err;

	memset(&c, 0, sizeof(c));
	if (nr == __HYPERVISOR_mmu_update ||
	    nr == __HYPERVISOR_update_va_mapping) {
		decode_update(nr, a);
		return;
	}
	c.values = nr == __HYPERVISOR_ptebatch_values;
	c.list = c.values || op == PTEBATCH_HOW_LIST;
	c.nr = given;
	c.done = progress;
	c.runs = (void *)a[0];
	c.value = (void *)a[0];
	if (!is_on(HX_CALLS)) {
		/* Calls are off: only report earlier progress. */
		if (c.values || !c.list)
			c.slots = c.values ? 0 : progress;
		else
			c.slots = a[3] >> 32 & 0xffff;
		if (!c.list)
			c.done = 0;
		c.refused = ENOSYS;
		if (c.done || c.slots) {
			err = owners(c.list ? (uint32_t)a[3]
					    : PTEBATCH_DOMID_SELF);
			if (err) {
				c.refused = err;
				c.tables = &hx_self;
			}
			c.known = true;
			c.tlb = (struct ptebatch_tlb){.who = PTEBATCH_TLB_ALL};
			flush_whom();
		}
		return;
	}
	if (c.values ? op : op > PTEBATCH_OP_TAKE && op != PTEBATCH_HOW_LIST) {
		c.refused = EOPNOTSUPP;
		c.done = 0;
		return;
	}
	if (c.list) {
		left = c.values ? a[3] >> 32 : a[3] >> 48;
		if (!c.values)
			c.slots = a[3] >> 32;
	} else {
		c.one = (struct ptebatch_run){a[0], given, op, a[3], a[4], 0};
		if (op == PTEBATCH_OP_TAKE)
			c.one = (struct ptebatch_run){
				a[0], given, PTEBATCH_OP_CLEAR, 0, a[4], a[3]};
		c.runs = &c.one;
		c.nr = !!given;
		c.done = 0;
		c.slots = progress;
	}
	if (progress > given || left || (c.list && given > MOST_RECORDS) ||
	    (!c.list && ((op == PTEBATCH_OP_SET && given > 1) ||
			 (op == PTEBATCH_OP_TAKE && !a[3])))) {
		c.refused = EINVAL;
		c.done = c.slots = 0;
		return;
	}
	err = owners(c.list ? (uint32_t)a[3] : PTEBATCH_DOMID_SELF);
	if (!err) {
		c.known = true;
		if (c.list || how & ~15UL)
			err = tlb(how, c.list ? a[4] : 0);
		flush_whom();
	}
	c.refused = err;
	if (err && (c.done || c.slots)) {
		if (!c.known) /* then the caller's own TLBs are flushed */
			c.tables = &hx_self;
		c.known = true;
		c.tlb = (struct ptebatch_tlb){.who = PTEBATCH_TLB_ALL};
		flush_whom();
	}
}

/* --- Comparing ----------------------------------------------------------- */

static void compare(unsigned int t, unsigned int s)
{
	uint64_t is = hx_get(t, s), must = hx.hw_set[t][s];
	uint64_t want = model.entry[t][s];

	if ((is ^ want) & ~unsure[t][s])
		fail("entry %u.%u is %#lx, not %#lx", t, s, is, want);
	must &= ~dropped[t][s] & ~handed[t][s];
	if (must & ~is)
		fail("entry %u.%u is %#lx: hardware set %#lx", t, s, is, must);
	model.entry[t][s] = is;
	unsure[t][s] = dropped[t][s] = handed[t][s] = hx.hw_set[t][s] = 0;
	touched[t][s] = false;
}

static void compare_touched(void)
{
	for (unsigned int i = 0; i < nr_touched; i++)
		compare(list[i].t, list[i].s);
	nr_touched = 0;
	if (!hx.hw_walks)
		return;
	hx.hw_walks = 0;
	/* Hardware also walks entries that a call only read. */
	for (unsigned int t = 0; t < MODEL_TABLES; t++)
		for (unsigned int s = 0; s < 512; s++)
			if (hx.hw_set[t][s]) {
				model.entry[t][s] |= hx.hw_set[t][s];
				if (hx_get(t, s) != model.entry[t][s])
					fail("entry %u.%u is %#lx, not %#lx",
					     t, s, hx_get(t, s),
					     model.entry[t][s]);
				hx.hw_set[t][s] = 0;
			}
}

static void check_rules(void)
{
	if (hx.broken)
		fail("a rule of the harness is broken: %s", hx.what);
}

static inline void compare_frame(unsigned long m)
{
	const struct model_frame *f = &model.frame[m];
	uint64_t refs = frame_table[m].count_info & PGC_count_mask;
	uint64_t x = frame_table[m].u.inuse.type_info;

	if (refs != f->refs)
		fail("frame %lx has %lu references, not %lu", m, refs, f->refs);
	if ((x & PGT_count_mask) != f->types)
		fail("frame %lx has %lu type references, not %lu", m,
		     x & PGT_count_mask, f->types);
	if (x & PGT_locked)
		fail("frame %lx is left locked", m);
	if (f->types && f->writable != ((x & PGT_type_mask) ==
					PGT_writable_page))
		fail("frame %lx has type %lx", m, x >> 61);
}

void model_compare_all(void)
{
	for (unsigned int t = 0; t < MODEL_TABLES; t++) {
		if (!memcmp((void *)hx_mapping(t, 0), model.entry[t],
			    sizeof(model.entry[t])))
			continue;
		for (unsigned int s = 0; s < 512; s++)
			compare(t, s);
	}
	for (unsigned long m = 0; m < NR_FRAMES; m++)
		compare_frame(m);
	if (hx.freed != model.freed)
		fail("%u pages freed, not %u", hx.freed, model.freed);
	check_rules();
}

/* True if the page, or everything ("all"), was flushed on all of c.cpus. */
static bool flushed(uint64_t addr, bool all)
{
	uint64_t cpus = 0;

	for (unsigned int i = 0; i < hx.flushes && i < ARRAY_SIZE(hx.flush);
	     i++) {
		const struct hx_flush *f = &hx.flush[i];

		if (f->step <= hx.last_update)
			fail("a TLB flush before the last update");
		if (!f->pages || (!all && f->addr == addr))
			cpus |= f->cpus;
	}
	return !(c.cpus & ~cpus);
}

static void check_flushes(bool wanted)
{
	if (!wanted || c.tlb.who == PTEBATCH_TLB_NONE) {
		if (hx.flushes)
			fail("a TLB flush that nobody asked for");
		return;
	}
	if (!hx.flushes || hx.flushes > PTEBATCH_HOW_TLB_PAGES_MAX)
		fail("%u TLB flushes", hx.flushes);
	if (flushed(0, true))
		return;
	if (!c.tlb.pages || c.tlb.pages > ARRAY_SIZE(hx.flush))
		fail("a TLB flush of everything is missing");
	for (uint64_t i = 0; i < c.tlb.pages; i++)
		if (!flushed(c.tlb.addr + i * 4096, false))
			fail("page %lu of the TLB flush is missing", i);
}

/* --- A call --------------------------------------------------------------- */

static unsigned int l1tf, validations, xsm_calls;
static uint64_t stolen_refs;

/*
 * If every preemption check asks for preemption, a call may not process many
 * more slots than the interval between two checks. An expensive slot counts as
 * 8. A loop is not stopped among the records that were copied ahead.
 */
static void check_work(void)
{
	uint64_t cost = model_slots - slots_before + 7UL * expensive;

	if (hx.preempt == 1 && cost > fuzz_preempt + AHEAD + 8)
		fail("%lu slots, %u of them expensive, between two checks",
		     model_slots - slots_before, expensive);
	slots_before = model_slots;
	expensive = 0;
}

/*
 * True if the page was given to another domain just before the call took a
 * reference to it. The call must not keep that reference. The page may be
 * mapped if a full validation ran before.
 */
static bool is_stolen(void)
{
	return hx.steal_mfn &&
	       model.frame[hx.steal_mfn].owner == OWN &&
	       frame_table[hx.steal_mfn].v.inuse._domain == hx_foreign.pdx;
}

static void check_stolen(void)
{
	struct model_frame *f = &model.frame[hx.steal_mfn];

	if (!is_stolen())
		return;
	if (f->refs > stolen_refs && hx.full_validations == validations)
		fail("page %lx was given away and is mapped", hx.steal_mfn);
	f->owner = FOREIGN;
}

static void begin_part(void)
{
	validations = hx.full_validations;
	stolen_refs = model.frame[hx.steal_mfn].refs;
}

static void at_preemption(uint64_t a[5])
{
	uint32_t done = a[1] >> 32, slots = 0;
	uint64_t mask1 = ~0U, mask3 = ~0UL;

	if (c.mmu || c.va) {
		done = c.mmu ? (a[0] - args[0]) / sizeof(*c.value) : 0;
		if (c.mmu && ((uint32_t)a[1] & ~MMU_UPDATE_PREEMPTED) !=
				     c.nr - done)
			fail("%u of %u done, and %lx left", done, c.nr, a[1]);
		goto known;
	}
	if (c.refused)
		fail("a call continues though its arguments give error %d",
		     c.refused);
	if (c.list && !c.values) {
		slots = a[3] >> 32;
		mask3 = ~(0xffffUL << 32);
	} else if (!c.list) {
		slots = done;
		done = 0;
	}
	if (a[0] != args[0] || ((a[1] ^ args[1]) & mask1) || a[2] != args[2] ||
	    ((a[3] ^ args[3]) & mask3) || a[4] != args[4])
		fail("a preempted call's arguments change");
known:
	if (hx.l1tf != l1tf) {
		/* The entry was judged in the mode before the shadowing. */
		l1tf = hx.l1tf;
		hx_self.paging_mode = 0;
		advance(done, slots);
		if (stop_rule() != RESTART)
			fail("the domain was shadowed without a reason");
		hx_self.paging_mode = PG_shadow;
	} else {
		if (done == c.done && slots == c.slots)
			fail("a preempted call made no progress");
		advance(done, slots);
	}
	if (old_faulted)
		fail("a fault of an old value is lost in a preemption");
	check_stolen();
	check_work();
	if (hx.flushes)
		fail("a preempted call flushes");
	compare_touched();
	check_rules();
	c.held = NULL;
	if (model_meanwhile)
		model_meanwhile();
	/* The guest may have mapped the page meanwhile. */
	if (model.frame[hx.steal_mfn].refs != 1)
		hx.steal_mfn = 0;
	begin_part();
	decode(call_nr, a);
}

/* Of Xen's own calls: an error, and in *pdone the number of requests done. */
static void check_update(int64_t ret)
{
	uint32_t done = c.mmu ? *(uint32_t *)args[2] : ret ? 0 : 1;
	int stop;

	if (c.done != done)
		advance(done, 0);
	check_stolen();
	check_work();
	stop = stop_rule();
	if (-ret != stop)
		fail("answer %ld, where the next is %d", ret, stop);
	check_flushes(c.va && !ret);
	for (unsigned int i = 0; i < nr_written; i++)
		if (hx_memory(written[i].page, written[i].i) != written[i].val)
			fail("memory %u.%u is %#lx, not %#lx", written[i].page,
			     written[i].i,
			     hx_memory(written[i].page, written[i].i),
			     written[i].val);
}

static void check_answer(int64_t ret)
{
	uint32_t done = PTEBATCH_DONE(ret), slots = PTEBATCH_SLOTS(ret);
	int err = PTEBATCH_ERRNO(ret), stop;
	bool any;

	if (c.refused && !(c.done | c.slots)) {
		if (ret != -c.refused)
			fail("answer %#lx, not -%d", ret, c.refused);
		check_flushes(false);
		return;
	}
	if (ret < 0)
		fail("answer %ld, though arguments are good", ret);
	if (!c.list) {
		if (slots)
			fail("answer %#lx tells slots in the register form",
			     ret);
		slots = done;
		done = 0;
	}
	if (c.refused) {
		if (done != c.done || slots != c.slots || err != c.refused)
			fail("answer %#lx, not %u.%u and %d", ret, c.done,
			     c.slots, c.refused);
		check_flushes(c.known);
		return;
	}
	if (c.done != done || c.slots != slots)
		advance(done, slots);
	check_stolen();
	check_work();
	any = c.done || c.slots || !c.nr;
	stop = stop_rule();
	if (old_faulted) {
		if (err != EFAULT || behind_fault > PTEBATCH_OLD_CHUNK)
			fail("answer %#lx, %u slots behind an old value that "
			     "faulted", ret, behind_fault);
	} else if (err != stop && !(err == EFAULT && near_fault()))
		fail("answer %#lx, where the next is %d", ret, stop);
	check_flushes(any);
}

void model_call(uint32_t nr, const uint64_t a[5])
{
	int64_t ret;

	call_nr = nr;
	memcpy(args, a, sizeof(args));
	l1tf = hx.l1tf;
	xsm_calls = hx.xsm_calls;
	model_slots = slots_before = expensive = 0;
	begin_part();
	old_faulted = false;
	hx.meanwhile = at_preemption;
	decode(nr, a);
	ret = hx_call(nr, a[0], a[1], a[2], a[3], a[4]);
	check_rules();
	if (hx.xsm_calls != xsm_calls && !c.refused &&
	    (hx.xsm_tables != c.tables || hx.xsm_pages != c.pages))
		fail("XSM was asked about other domains than the call's");
	if (c.mmu || c.va)
		check_update(ret);
	else
		check_answer(ret);
	c.held = NULL;
	compare_touched();
}

void model_validate(unsigned int t, const uint64_t entries[512])
{
	const unsigned long steal = hx.steal_mfn;
	int want = 0, rc;

	if (model.no_table[t])
		return;
	hx.steal_mfn = 0;
	hx_demote(t, &hx_self);
	for (unsigned int s = 0; s < 512; s++) {
		let_go(model.entry[t][s]);
		model.entry[t][s] = 0;
		hx_raw(t, s, entries[s]);
	}
	l1tf = hx.l1tf;
	rc = hx_promote(t, &hx_self);
	for (unsigned int s = 0; s < 512 && !want; s++) {
		uint64_t e = entries[s];

		if (!(e & P)) {
			if (hx_self.arch.pv.check_l1tf && !hx_self.paging_mode &&
			    (e & L1TF_ADDRESS) && (e & L1TF_ADDRESS) < L1TF_MEMORY)
				want = -EINTR;
		} else {
			want = -full_rule(&e, &hx_self, OWN);
			e = adjusted(e);
		}
		if (want)
			break;
		hold(e);
		model.entry[t][s] = e;
	}
	if (rc != want)
		fail("table %u is validated with %d, not %d", t, rc, want);
	if (rc) {
		for (unsigned int s = 0; s < 512; s++) {
			let_go(model.entry[t][s]);
			model.entry[t][s] = 0;
			hx_raw(t, s, 0);
		}
		if (hx_promote(t, &hx_self))
			fail("an empty table is not validated");
	}
	hx.l1tf = l1tf; /* nothing is made of it here */
	for (unsigned int s = 0; s < 512; s++)
		compare(t, s);
	check_rules();
	hx.steal_mfn = steal;
}

/* --- Setup --------------------------------------------------------------- */

bool model_set(unsigned int t, unsigned int s, uint64_t entry)
{
	uint64_t e = entry & P ? adjusted(entry) : entry;
	uint64_t was = model.entry[t][s];
	struct model_frame *f = page_of(e);

	entry = e;
	if ((e & P) && full_rule(&e, t == NR_TABLES ? &hx_foreign : &hx_self,
				 t == NR_TABLES || (f && f->owner == FOREIGN)
					 ? FOREIGN
					 : OWN))
		return false;
	hx_set(t, s, entry);
	hold(e);
	let_go(was);
	model.entry[t][s] = e;
	compare(t, s);
	return true;
}

static void frames(unsigned long from, unsigned int nr, unsigned int owner,
		   bool writable, uint64_t refs, uint64_t types)
{
	for (unsigned int i = 0; i < nr; i++)
		model.frame[from + i] =
			(struct model_frame){owner, writable, refs, types};
}

void model_reset(void)
{
	static struct model fresh;

	harness_reset();
	hx.may_free = true;
	hx.l2_rc = -EINVAL;
	nr_written = 0;
	if (fresh.frame[MFN_L2].refs) {
		model = fresh;
		return;
	}
	frames(MFN_TABLE, NR_TABLES, OWN, false, 2, 1);
	frames(MFN_F_TABLE, 1, FOREIGN, false, 2, 1);
	frames(MFN_L2, 1, OWN, false, 2, 1);
	frames(MFN_UNVALID, 1, OWN, false, 1, 0);
	frames(MFN_SEG, 1, OWN, false, 2, 1);
	frames(MFN_PAGE, NR_PAGES, OWN, true, 1, 0);
	frames(MFN_F_PAGE, 64, FOREIGN, true, 1, 0);
	frames(MFN_IO_PAGE, 1, IO, true, 2, 1);
	fresh = model;
}
