/* SPDX-License-Identifier: MIT */
/* The modelled hypervisor; harness.h says what is checked. */
#include <harness.h>

#include "../common/pte.h"
#include "../common/random.h"

HX_OWN struct harness hx;
struct vcpu *hx_current;
unsigned long max_page = MFN_END, max_pdx = NR_FRAMES;
#ifdef HARNESS_PDX_OFFSET
unsigned long pdx_region_size = REGION_FRAMES, pfn_bases[PDX_LOOKUPS];
unsigned long pfn_pdx_lookup[PDX_LOOKUPS], pdx_pfn_lookup[NR_REGIONS];
#elif defined(HARNESS_PDX_MASK)
unsigned long pfn_hole_mask = 0x1800, pfn_pdx_bottom_mask = 0x7ff;
unsigned long pfn_top_mask = ~0x1fffUL;
unsigned int pfn_pdx_hole_shift = 2;
#elif !defined(HARNESS_PDX_NONE)
unsigned long pfn_hole_mask, pfn_pdx_bottom_mask = ~0UL, pfn_top_mask;
unsigned int pfn_pdx_hole_shift;
#endif
unsigned long pdx_group_valid[1024];
paddr_t l1tf_safe_maddr = 1UL << 33;
#ifndef HARNESS_BENCH
struct page_info *frame_table;
#endif

static cpumask_t scratch, dirty_self = {0x0f}, dirty_foreign = {0x30};
cpumask_t *hx_scratch_cpumask = &scratch;
static struct vcpu vcpus[4], foreign_vcpu;
static struct vcpu *vcpu_list[4] = {&vcpus[0], &vcpus[1], &vcpus[2],
				    &vcpus[3]};
static struct vcpu *foreign_list[1] = {&foreign_vcpu};
struct domain hx_self, hx_foreign, hx_io;

/* What the entries amount to, and what else holds a frame. */
static struct {
	unsigned int present, writable; /* mappings, over all entries */
	unsigned int refs, types;	/* held from elsewhere */
} tally[NR_FRAMES];

static intpte_t *tables[NR_TABLES + 1];
static intpte_t last_read[NR_TABLES + 1][512];
static HX_OWN struct page_info *held; /* the page locked */
static HX_OWN unsigned int maps;      /* domain pages mapped */
static HX_OWN unsigned int in_model;  /* Xen's own code is at work */
static bool restart;
static uint64_t restart_args[5];


void hx_rule(const char *fmt, ...)
{
	va_list ap;

	if (!hx.broken++) {
		va_start(ap, fmt);
		vsnprintf(hx.what, sizeof(hx.what), fmt, ap);
		va_end(ap);
	}
}

void hx_bug(const char *what, const char *file, int line)
{
	printf("Bail out! %s at %s:%d\n", what, file, line);
	fflush(stdout);
	abort();
}

uint64_t hx_random(void)
{
	return xorshift64(&hx.rng);
}

/* --- Entries and counts, watched ------------------------------------------ */

static unsigned long table_mfn(unsigned int t)
{
	return t == NR_TABLES ? MFN_F_TABLE : MFN_TABLE + t;
}

static bool find_slot(volatile void *p, unsigned int *t, unsigned int *s)
{
	for (*t = 0; *t <= NR_TABLES; ++*t) {
		uintptr_t off = (uintptr_t)p - (uintptr_t)tables[*t];

		if (off < PAGE_SIZE) {
			*s = off / sizeof(intpte_t);
			return true;
		}
	}
	return false;
}

/* The index of the page_info whose member this is, or NR_FRAMES. */
static unsigned long find_frame(volatile void *p, size_t member)
{
#ifdef HARNESS_BENCH
	(void)p, (void)member;
#else
	uintptr_t off = (uintptr_t)p - (uintptr_t)frame_table;

	if (off < NR_FRAMES * sizeof(struct page_info) &&
	    off % sizeof(struct page_info) == member)
		return off / sizeof(struct page_info);
#endif
	return NR_FRAMES;
}

static unsigned long find_type(volatile void *p)
{
	return find_frame(p, offsetof(struct page_info, u.inuse.type_info));
}

static unsigned long find_count(volatile void *p)
{
	return find_frame(p, offsetof(struct page_info, count_info));
}

#ifdef HARNESS_BENCH
struct page_info *hx_page(unsigned long mfn)
{
	return &frame_table[mfn];
}
#else
struct page_info *hx_page(unsigned long mfn)
{
	if (mfn >= max_page)
		return NULL;
	for (unsigned long r = 0; r < NR_REGIONS; r++) {
		unsigned long at = mfn - MFN_REGION(r);

		if ((r > 1 && r < 4) || at >= REGION_FRAMES)
			continue; /* no memory there, or another region */
		if (mfn / PDX_GROUP_COUNT == MFN_HOLE / PDX_GROUP_COUNT)
			break;
		return &frame_table[r * REGION_FRAMES + at];
	}
	return NULL;
}
#endif

/* Of what frame references are counted: its index, or NR_FRAMES. */
static unsigned long counted(unsigned long mfn)
{
	const struct page_info *page = hx_page(mfn);

	return page && page->v.inuse._domain != hx_io.pdx ? page_to_pdx(page)
							  : NR_FRAMES;
}

static void check_page(unsigned long i)
{
#ifdef HARNESS_BENCH
	(void)i;
#else
	const struct page_info *page = &frame_table[i];
	unsigned long t = page->u.inuse.type_info, mfn = pdx_to_pfn(i);

	if ((t & PGT_type_mask) == PGT_writable_page) {
		if ((t & PGT_count_mask) <
		    tally[i].writable + tally[i].types)
			hx_rule("frame %lx: type count %lu below its %u "
				"writable mappings", mfn, t & PGT_count_mask,
				tally[i].writable + tally[i].types);
	} else if (tally[i].writable)
		hx_rule("frame %lx: type %lx with a writable mapping", mfn,
			t >> 61);
	if ((page->count_info & PGC_count_mask) <
	    tally[i].present + tally[i].refs)
		hx_rule("frame %lx: reference count below its mappings", mfn);
#endif
}

/* An entry's share of the tally; returns its frame's index, or NR_FRAMES. */
static unsigned long share(intpte_t pte, int by)
{
	unsigned long i = NR_FRAMES;

	if (pte & _PAGE_PRESENT)
		i = counted((pte & PADDR_MASK) >> PAGE_SHIFT);
	if (i == NR_FRAMES)
		return NR_FRAMES;
	tally[i].present += by;
	if (pte & _PAGE_RW)
		tally[i].writable += by;
	return i;
}

static void account(intpte_t old, intpte_t new)
{
	unsigned long came = share(new, 1), went = share(old, -1);

	if (came < NR_FRAMES)
		check_page(came);
	if (went < NR_FRAMES)
		check_page(went);
}

/*
 * Hardware walks this slot, or not. At its worst it waits until the handler
 * has read the entry, and then sets all that it may before the write.
 */
static void hardware(unsigned int t, unsigned int s, bool write)
{
	intpte_t *p = &tables[t][s], bits;

	hx.step++;
	if (!hx.hw || (hx.hw == 1 && !write) ||
	    (hx.hw > 1 && hx_random() % hx.hw))
		return;
	if (!(*p & _PAGE_PRESENT))
		return;
	bits = _PAGE_ACCESSED | (*p & _PAGE_RW ? _PAGE_DIRTY : 0);
	if (hx.hw > 1)
		bits &= hx_random() & 1 ? bits : _PAGE_ACCESSED;
	if (bits & ~*p)
		hx.hw_walks++;
	hx.hw_set[t][s] |= bits & ~*p;
	*p |= bits;
}

/*
 * The table at hand since its lock could last be had by another CPU: how much
 * was done to it. A lock that is let go and taken again at once cannot be had.
 */
static struct {
	struct page_info *page;
	uint64_t cycles; /* when it was unlocked */
	unsigned int work, slow;
} kept;

/* A reference from elsewhere comes or goes. */
static void refer(struct page_info *page, int by)
{
	page->count_info += by;
	tally[page - frame_table].refs += by;
}

static void worked(unsigned int units)
{
	if (!held)
		return;
	kept.work += units;
	if (kept.work > HX_KEPT_MAX)
		hx_rule("a table kept for %u units of work", kept.work);
	/* Another CPU takes a reference, and waits for the lock. */
	if (hx.visit_at && !--hx.visit_at) {
		if (!hx.hidden)
			refer(held, 1);
		hx.waiting = true;
	}
	hx.waited += hx.waiting ? units : 0;
}

static void worked_slow(unsigned int weight)
{
	if (held && (kept.slow += weight) > HX_KEPT_SLOW)
		hx_rule("a table kept for %u slow entries", kept.slow);
	worked(1);
}

#ifndef HARNESS_BENCH
static void keep(struct page_info *page)
{
	if (page == kept.page && hx.cycles - kept.cycles < HX_HAND_OVER)
		return;
	kept.page = page;
	kept.work = kept.slow = 0;
	/* The other CPU had it meanwhile, and has gone. */
	if (hx.waiting && !hx.hidden)
		refer(page, -1);
	hx.waiting = false;
}
#endif

static void entry_written(unsigned int t, unsigned int s, intpte_t old,
			  intpte_t new)
{
	if (held != hx_page(table_mfn(t)))
		hx_rule("table %u slot %u written without its lock", t, s);
	if (!in_model && (t == NR_TABLES ? &hx_foreign : &hx_self)->paging_mode)
		hx_rule("table %u slot %u written past the paging code", t, s);
	hx.last_update = hx.step;
	last_read[t][s] = new;
	account(old, new);
	if (!in_model)
		worked(1);
}

/* The handlers' own arithmetic on a type count. */
static void type_written(unsigned long i, unsigned long old,
			 unsigned long new)
{
	unsigned long flags = old & ~PGT_count_mask, mfn = pdx_to_pfn(i);

	hx.type_atomics++;
	worked(1);
	if (flags != (new & ~PGT_count_mask) ||
	    flags != (PGT_writable_page | PGT_validated))
		hx_rule("frame %lx: type changed inline, %lx to %lx", mfn, old,
			new);
	if (new != old + 1 && new != old - 1)
		hx_rule("frame %lx: type count changed by more than 1", mfn);
	if (!(old & PGT_count_mask) || !(new & PGT_count_mask))
		hx_rule("frame %lx: type count to or from 0 inline", mfn);
	check_page(i);
}

/* And on a reference count. */
static void count_written(unsigned long i, unsigned long old,
			  unsigned long new)
{
	unsigned long mfn = pdx_to_pfn(i);

	hx.count_atomics++;
	if (new != old + 1 && new != old - 1)
		hx_rule("frame %lx: reference count changed by more than 1",
			mfn);
	if (!(old & PGC_count_mask) || !(new & PGC_count_mask))
		hx_rule("frame %lx: reference count to or from 0 inline", mfn);
	if ((new & PGC_count_mask) == PGC_count_mask)
		hx_rule("frame %lx: the reference kept back taken", mfn);
	check_page(i);
}

uint64_t hx_read(volatile void *p)
{
	unsigned int t, s;

	if (hx.ahead && find_type(p) == NR_FRAMES &&
	    find_count(p) == NR_FRAMES) {
		/* All eight bytes: the last one is in the same table. */
		hx.inside = find_slot(p, &t, &s) &&
			    (uintptr_t)p + 7 - (uintptr_t)tables[t] < PAGE_SIZE;
		held = NULL;
		longjmp(*hx.ahead, 1);
	}
	if (find_slot(p, &t, &s)) {
		hardware(t, s, false);
		last_read[t][s] = *(volatile intpte_t *)p;
	}
	return *(volatile uint64_t *)p;
}

void hx_write(volatile void *ptr, uint64_t v)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	if (find_type(p) < NR_FRAMES)
		hx_rule("type_info written by a plain store");
	if (!find_slot(p, &t, &s)) {
		*p = v;
		return;
	}
	hardware(t, s, true);
	old = *p;
	if (old & AD & ~v & ~last_read[t][s])
		hx_rule("table %u slot %u: A or D lost by a plain store", t, s);
	*p = v;
	hx.plain_stores++;
	if (!in_model && (old & _PAGE_PRESENT) &&
	    (old & ~v & (_PAGE_PRESENT | _PAGE_RW)))
		hx.buffered = (old & PTEBATCH_PTE_FRAME) >> 12;
	entry_written(t, s, old, v);
}

uint64_t hx_cmpxchg(volatile void *ptr, uint64_t o, uint64_t n)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned long types = find_type(p), counts = find_count(p);
	unsigned int t, s;
	bool slot = find_slot(p, &t, &s);

	hx.buffered = 0;
	if (slot)
		hardware(t, s, true);
	if (hx.steal_mfn && counts == counted(hx.steal_mfn))
		frame_table[counts].v.inuse._domain = hx_foreign.pdx;
	old = *p;
	if (slot) {
		hx.pte_atomics++;
		last_read[t][s] = old;
	}
	if (old != o)
		return old;
	*p = n;
	if (slot)
		entry_written(t, s, old, n);
	else if (types < NR_FRAMES)
		type_written(types, old, n);
	else if (counts < NR_FRAMES)
		count_written(counts, old, n);
	return old;
}

/* Of an entry alone; last_read stays, for nothing was read. */
static void lock_to(volatile void *ptr, uint64_t and, uint64_t or)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	if (!find_slot(p, &t, &s)) {
		hx_rule("a locked and/or of something that is no entry");
		return;
	}
	hx.buffered = 0;
	hardware(t, s, true);
	hx.pte_atomics++;
	old = *p;
	*p = (old & and) | or;
	entry_written(t, s, old, *p);
}

void hx_lock_and(volatile void *p, uint64_t mask)
{
	lock_to(p, mask, 0);
}

void hx_lock_or(volatile void *p, uint64_t mask)
{
	lock_to(p, ~0UL, mask);
}

uint64_t hx_xchg(volatile void *ptr, uint64_t n)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	hx.buffered = 0;
	if (find_type(p) < NR_FRAMES)
		hx_rule("type_info exchanged");
	if (!find_slot(p, &t, &s)) {
		old = *p;
		*p = n;
		return old;
	}
	hardware(t, s, true);
	old = *p;
	*p = n;
	hx.pte_atomics++;
	entry_written(t, s, old, n);
	return old;
}

/* --- References ----------------------------------------------------------- */

bool mfn_valid(mfn_t m)
{
	unsigned long mfn = mfn_x(m);

	if (mfn >= max_page)
		return false;
#ifdef HARNESS_PDX_OFFSET
	if (mfn < pfn_bases[PFN_TBL_IDX(mfn)] ||
	    mfn >= pfn_bases[PFN_TBL_IDX(mfn)] + pdx_region_size)
		return false;
#elif !defined(HARNESS_PDX_NONE)
	if (mfn & pfn_hole_mask)
		return false;
#endif
	return test_bit(pfn_to_pdx(mfn) / PDX_GROUP_COUNT, pdx_group_valid);
}

bool get_page(struct page_info *page, const struct domain *d)
{
	if (((page->count_info + 2) & PGC_count_mask) <= 2 ||
	    page->v.inuse._domain != d->pdx)
		return false;
	__sync_fetch_and_add(&page->count_info, 1);
	hx.page_gets++;
	return true;
}

void put_page(struct page_info *page)
{
	if ((__sync_fetch_and_sub(&page->count_info, 1) & PGC_count_mask) > 1) {
		if (!in_model)
			check_page(page_to_pdx(page));
	} else if (hx.may_free)
		hx.freed++;
	else
		hx_rule("frame %lx: last reference dropped",
			mfn_x(page_to_mfn(page)));
}

struct page_info *get_page_from_mfn(mfn_t mfn, struct domain *d)
{
	struct page_info *page = mfn_to_page(mfn);

	return mfn_valid(mfn) && get_page(page, d) ? page : NULL;
}

#ifdef HARNESS_BENCH
/* Another thread may hold it: as Xen's, which gives nobody his turn. */
bool page_lock_unsafe(struct page_info *page)
{
	unsigned long x;

	do {
		while ((x = ACCESS_ONCE(page->u.inuse.type_info)) & PGT_locked)
			cpu_relax();
		if (!(x & PGT_validated) || !(x & PGT_count_mask))
			return false;
	} while (cmpxchg(&page->u.inuse.type_info, x,
			 x + (1 | PGT_locked)) != x);
	held = page;
	return true;
}
#else
bool page_lock_unsafe(struct page_info *page)
{
	unsigned long x = page->u.inuse.type_info;

	if (held)
		hx_rule("a second page lock taken");
	if (x & PGT_locked)
		hx_bug("page_lock() would spin for ever", __FILE__, __LINE__);
	if (!(x & PGT_validated) || !(x & PGT_count_mask))
		return false;
	/* Without the reference, this frame could be anybody's by now. */
	unsigned long i = page_to_pdx(page);

	if ((page->count_info & PGC_count_mask) <=
	    tally[i].refs + tally[i].present)
		hx_rule("frame %lx: locked without a reference to it",
			pdx_to_pfn(i));
	__sync_val_compare_and_swap(&page->u.inuse.type_info, x,
				    x + (1 | PGT_locked));
	held = page;
	hx.locks++;
	keep(page);
	return true;
}
#endif

bool lock_evaluate_nospec(bool locked)
{
	hx.fences += locked;
	return locked;
}

void page_unlock(struct page_info *page)
{
	ASSERT(held == page);
	ASSERT(page->u.inuse.type_info & PGT_locked);
	__sync_fetch_and_sub(&page->u.inuse.type_info, 1 | PGT_locked);
	held = NULL;
	kept.cycles = hx.cycles;
}

int get_page_type(struct page_info *page, unsigned long type)
{
	unsigned long x = page->u.inuse.type_info;

	hx.generic_gets++;
	/* Another type may need an IPI, or the IOMMU. */
	worked_slow((x & PGT_type_mask) == type ? 1 : HX_RETYPE);
	if (!((x + 1) & PGT_count_mask))
		return 0;
	if (!(x & PGT_count_mask)) {
		ASSERT(type == PGT_writable_page); /* all that is modelled */
		x = (x & ~(PGT_type_mask | PGT_validated)) | type |
		    PGT_validated;
	} else if ((x & PGT_type_mask) != type)
		return 0;
	else if (!(x & PGT_validated))
		hx_bug("get_page_type() would spin for ever", __FILE__,
		       __LINE__);
	page->u.inuse.type_info = x + 1;
	return 1;
}

void put_page_type(struct page_info *page)
{
	unsigned long x = page->u.inuse.type_info;

	if (hx.buffered == mfn_x(page_to_mfn(page)))
		hx_rule("frame %lx: stamped before the entry's write is seen",
			hx.buffered);
	hx.generic_puts++;
	worked_slow(1);
	ASSERT(held != page);
	BUG_ON(x & PGT_partial);
	BUG_ON(!(x & PGT_validated));
	ASSERT(x & PGT_count_mask);
	if ((x & PGT_locked) && (x & PGT_count_mask) == 2)
		hx_bug("put_page_type() would spin for ever", __FILE__,
		       __LINE__);
	if ((x & PGT_count_mask) == 1)
		page->tlbflush_timestamp = ++hx.step;
	page->u.inuse.type_info = x - 1;
	check_page(page_to_pdx(page));
}

/* A domain without devices may not choose cache attributes. */
static bool bad_flags(intpte_t pte, const struct domain *d)
{
	return ((pte & PAGE_CACHE_ATTRS) && !d->cache_attrs_ok) ||
	       ((pte & PTEBATCH_PTE_NX) && !hx.has_nx);
}

/* 0, a negative error, or the flags of the entry to be flipped. */
int get_page_from_l1e(l1_pgentry_t e, struct domain *l1e_owner,
		      struct domain *pg_owner)
{
	unsigned long mfn = l1e_get_pfn(e);
	struct page_info *page = hx_page(mfn);
	int flip = 0;

	hx.full_validations++;
	ASSERT(e.l1 & _PAGE_PRESENT);
	if (bad_flags(e.l1, l1e_owner))
		return -EINVAL;

	if (counted(mfn) == NR_FRAMES) {
		if (mfn != MFN_MMIO && mfn != MFN_MMIO_RO &&
		    mfn != MFN_IO_PAGE && mfn != MFN_HOLE)
			return mfn == PADDR_MASK >> PAGE_SHIFT ? -EINVAL
							       : -EPERM;
		if (mfn == MFN_MMIO_RO && (e.l1 & _PAGE_RW))
			flip = _PAGE_RW;
		switch (e.l1 & PAGE_CACHE_ATTRS) {
		case 0:
			flip |= _PAGE_PWT | _PAGE_PCD;
			break;
		case _PAGE_PWT:
		case _PAGE_PWT | _PAGE_PAT:
			flip |= _PAGE_PCD | (e.l1 & _PAGE_PAT);
			break;
		}
		return flip;
	}

	if (!get_page(page, pg_owner))
		return -EBUSY;
	if ((e.l1 & _PAGE_RW) && !get_page_type(page, PGT_writable_page)) {
		in_model++;
		put_page(page);
		in_model--;
		return -EBUSY;
	}
	return 0;
}

void put_page_from_l1e(l1_pgentry_t e, struct domain *l1e_owner)
{
	unsigned long mfn = l1e_get_pfn(e);

	(void)l1e_owner;
	if (!(e.l1 & _PAGE_PRESENT) || counted(mfn) == NR_FRAMES)
		return;
	if (e.l1 & _PAGE_RW)
		put_page_type(hx_page(mfn));
	put_page(hx_page(mfn));
}

l1_pgentry_t adjust_guest_l1e(l1_pgentry_t e, const struct domain *d)
{
	(void)d;
	if (e.l1 & _PAGE_PRESENT) {
		if (!(e.l1 & _PAGE_USER))
			e.l1 |= put_pte_flags(_PAGE_GUEST_KERNEL) | _PAGE_USER;
		if (!(e.l1 & put_pte_flags(_PAGE_GUEST_KERNEL)))
			e.l1 |= _PAGE_GLOBAL | _PAGE_USER;
	}
	return e;
}

void *map_domain_page(mfn_t mfn)
{
	maps++;
#ifdef HARNESS_BENCH
	return hx_bench_tables + (mfn_x(mfn) - MFN_BENCH_TABLE) * PAGE_SIZE;
#endif
	if (mfn_x(mfn) == MFN_F_TABLE)
		return tables[NR_TABLES];
	if (mfn_x(mfn) - MFN_TABLE < NR_TABLES)
		return tables[mfn_x(mfn) - MFN_TABLE];
	/* Any other frame: contents that no handler should look at. */
	static intpte_t other[512];

	return other;
}

void unmap_domain_page(const void *va)
{
	(void)va;
	maps--;
}

intpte_t paging_cmpxchg_guest_entry(struct vcpu *v, intpte_t *p, intpte_t old,
				    intpte_t new, mfn_t mfn)
{
	(void)v, (void)mfn;
	in_model++;
	hx.paging_writes++;
	old = cmpxchg(p, old, new);
	in_model--;
	return old;
}

static void model_write(intpte_t *p, intpte_t old, intpte_t new, bool keep)
{
	unsigned int t, s;

	in_model++;
	hx.paging_writes++;
	if (!keep) {
		/* Loses A and D by intent: the caller said what they become. */
		if (find_slot(p, &t, &s))
			last_read[t][s] |= AD;
		write_atomic(p, new);
	} else
		for (;;) {
			intpte_t seen = cmpxchg(p, old, new | (old & AD));

			if (seen == old)
				break;
			old = seen;
		}
	in_model--;
}

#define SAME_FRAME_FLAGS                                                      \
	(~(PTEBATCH_PTE_NX | 0x7ff0000000000000UL | 0xe00UL | 0x164UL))

int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t mfn,
			  unsigned int cmd, struct vcpu *v,
			  struct domain *pg_owner)
{
	bool keep = cmd == MMU_PT_UPDATE_PRESERVE_AD;
	intpte_t old = ACCESS_ONCE(pl1e->l1);
	struct domain *d = v->domain;

	(void)mfn;
	ASSERT(held);
	if (nl1e.l1 & _PAGE_PRESENT) {
		int rc;

		if (bad_flags(nl1e.l1, d))
			return -EINVAL;
		nl1e = adjust_guest_l1e(nl1e, d);
		if ((old & _PAGE_PRESENT) &&
		    !((old ^ nl1e.l1) & SAME_FRAME_FLAGS)) {
			model_write(&pl1e->l1, old, nl1e.l1, keep);
			return 0;
		}
		rc = get_page_from_l1e(nl1e, d, pg_owner);
		if (rc < 0)
			return rc;
		nl1e.l1 ^= put_pte_flags((unsigned int)rc);
	} else if (d->arch.pv.check_l1tf && !paging_mode_enabled(d) &&
		   (nl1e.l1 & l1tf_addr_mask) &&
		   (nl1e.l1 & l1tf_addr_mask) < l1tf_safe_maddr) {
		hx.l1tf++;
		return -ERESTART;
	}
	model_write(&pl1e->l1, old, nl1e.l1, keep);
	in_model++;
	put_page_from_l1e(l1e_from_intpte(old), d);
	in_model--;
	return 0;
}

/* --- Domains -------------------------------------------------------------- */

struct domain *rcu_lock_domain_by_id(domid_t id)
{
	struct domain *d = id == hx_self.domain_id	? &hx_self
			   : id == hx_foreign.domain_id ? &hx_foreign
							: NULL;

	if (d)
		d->refs++;
	return d;
}

void rcu_unlock_domain(struct domain *d)
{
	d->refs--;
}

struct domain *get_pg_owner(domid_t id)
{
	if (id == DOMID_SELF)
		return rcu_lock_domain_by_id(current->domain->domain_id);
	if (id == current->domain->domain_id)
		return NULL;
	if (id == DOMID_IO) {
		hx_io.refs++;
		return &hx_io;
	}
	return rcu_lock_domain_by_id(id);
}

void put_pg_owner(struct domain *d)
{
	d->refs--;
}

int xsm_mmu_update(int action, struct domain *d, struct domain *t,
		   struct domain *f, uint32_t flags)
{
	if (action != XSM_TARGET || d != current->domain)
		hx_rule("XSM is asked about another's call");
	hx.xsm_calls++;
	hx.xsm_flags |= flags;
	hx.xsm_tables = t;
	hx.xsm_pages = f;
	return flags & hx.xsm_deny ? -EPERM : 0;
}

/* --- Guest memory, preemption, TLB ---------------------------------------- */

/* Copies up to what faults; returns the bytes left. */
static unsigned int copy(void *to, const void *from, unsigned int n,
			 uintptr_t guest)
{
	unsigned int good = n;

	if (held)
		hx_rule("guest memory touched under a page lock");
	hx.copies++;
	if (guest < hx.fault_end && guest + n > hx.fault)
		good = guest < hx.fault ? hx.fault - guest : 0;
	if (hx.fault_copy && !--hx.fault_copy && hx.fault_byte < good)
		good = hx.fault_byte;
	memcpy(to, from, good);
	return n - good;
}

unsigned int raw_copy_from_guest(void *to, const void *from, unsigned int n)
{
	unsigned int left = copy(to, from, n, (uintptr_t)from);

	memset((char *)to + n - left, 0, left);
	return left;
}

unsigned int raw_copy_to_guest(void *to, const void *from, unsigned int n)
{
	return copy(to, from, n, (uintptr_t)to);
}

bool hypercall_preempt_check(void)
{
	hx.checks++;
	return hx.preempt && hx.checks % hx.preempt == 0;
}

unsigned long hypercall_create_continuation(unsigned int nr, const char *fmt,
					    ...)
{
	va_list ap;

	if (strcmp(fmt, "lllll") || (nr != __HYPERVISOR_ptebatch_runs &&
				     nr != __HYPERVISOR_ptebatch_values))
		hx_rule("a continuation of another call");
	va_start(ap, fmt);
	for (int i = 0; i < 5; i++)
		restart_args[i] = va_arg(ap, unsigned long);
	va_end(ap);
	restart = true;
	hx.continuations++;
	return nr;
}

void hx_flush(uint64_t cpus, uint64_t addr, uint64_t pages)
{
	if (held)
		hx_rule("TLB flushed under a page lock");
	if (hx.flushes < ARRAY_SIZE(hx.flush))
		hx.flush[hx.flushes] =
			(struct hx_flush){cpus, addr, pages, ++hx.step};
	hx.flushes++;
}

int64_t hx_call(uint32_t nr, uint64_t a1, uint64_t a2, uint64_t a3,
		uint64_t a4, uint64_t a5)
{
	uint64_t a[5] = {a1, a2, a3, a4, a5};
	unsigned int l1tf = hx.l1tf, rounds = 0;
	int64_t ret;

	if (hx.hw_walks)
		memset(hx.hw_set, 0, sizeof(hx.hw_set));
	hx.hw_walks = 0;
	hx.flushes = 0;
	hx.last_update = 0;
	do {
		restart = false;
		kept.page = NULL; /* the guest has run */
		if (nr == __HYPERVISOR_ptebatch_runs)
			ret = do_ptebatch_runs(a[0], a[1], a[2], a[3], a[4]);
		else if (nr == __HYPERVISOR_ptebatch_values)
			ret = do_ptebatch_values(a[0], a[1], a[2], a[3], a[4]);
		else
			return -ENOSYS;
		if (held)
			hx_rule("returned with a page locked");
		if (maps)
			hx_rule("returned with a page mapped");
		if (hx_self.refs || hx_foreign.refs || hx_io.refs)
			hx_rule("returned with a domain referenced");
		if (restart) {
			memcpy(a, restart_args, sizeof(a));
			/* The tasklet that L1TF scheduled runs by now. */
			if (hx.l1tf != l1tf)
				hx_self.paging_mode |= PG_shadow;
			if (hx.meanwhile)
				hx.meanwhile(a);
			if (++rounds > 100000)
				hx_bug("a call that never ends", __FILE__,
				       __LINE__);
		}
	} while (restart);
	return ret;
}

/* --- The world ------------------------------------------------------------ */

static void domain(struct domain *d, domid_t id, struct vcpu **v,
		   unsigned int nr, cpumask_t *dirty)
{
	*d = (struct domain){.domain_id = id,
			     .pdx = 0x100 + id,
			     .is_pv = true,
			     .cache_attrs_ok = true,
			     .max_vcpus = nr,
			     .vcpu = v,
			     .dirty_cpumask = dirty};
	for (unsigned int i = 0; i < nr; i++)
		*v[i] = (struct vcpu){d, i, i};
}

#ifdef HARNESS_BENCH
char *hx_bench_tables;

void harness_bench(void *table_memory)
{
	memset(&hx, 0, sizeof(hx));
	hx.has_nx = true;
	hx_bench_tables = table_memory;
	max_page = max_pdx = MFN_BENCH_TABLE + NR_BENCH_TABLES;
	memset(pdx_group_valid, 0xff, sizeof(pdx_group_valid));
	domain(&hx_self, 3, vcpu_list, 4, &dirty_self);
	domain(&hx_foreign, 5, foreign_list, 1, &dirty_foreign);
	hx_current = &vcpus[0];
}
#endif

#ifndef HARNESS_BENCH

static void frame(unsigned long mfn, const struct domain *d,
		  unsigned long type, unsigned int refs)
{
	struct page_info *page = hx_page(mfn);

	page->count_info = PGC_allocated | refs;
	page->u.inuse.type_info = type;
	page_set_owner(page, d);
	tally[page_to_pdx(page)].refs = refs;
}

/* Where memory is, as Xen finds out when it boots. */
static void memory_map(void)
{
#ifdef HARNESS_PDX_OFFSET
	memset(pfn_bases, 0xff, sizeof(pfn_bases));
	for (unsigned long r = 0; r < NR_REGIONS; r++) {
		unsigned long i = PFN_TBL_IDX(MFN_REGION(r));

		pfn_bases[i] = MFN_REGION(r);
		pfn_pdx_lookup[i] = pdx_pfn_lookup[r] =
			MFN_REGION(r) - r * REGION_FRAMES;
	}
#endif
	for (unsigned long i = 0; i < NR_FRAMES; i++) {
		unsigned long mfn = pdx_to_pfn(i);
		struct page_info *page = hx_page(mfn);

		if (page)
			pdx_group_valid[i / PDX_GROUP_COUNT / 64] |=
				1UL << i / PDX_GROUP_COUNT % 64;
		if (mfn_valid(_mfn(mfn)) != !!page ||
		    (page && page_to_pdx(page) != i) || pfn_to_pdx(mfn) != i)
			hx_bug("the memory map", __FILE__, __LINE__);
	}
}

void harness_reset(void)
{
	struct page_info *hole;
	unsigned long m;

	memset(&hx, 0, sizeof(hx));
	*hx_switch = true;
	hx.has_nx = true;
	hx.rng = 0x9e3779b97f4a7c15UL;
	if (!frame_table)
		frame_table = calloc(NR_FRAMES, sizeof(*frame_table));
	for (unsigned int t = 0; t <= NR_TABLES; t++) {
		/* Each by itself, so that a step out of one is seen. */
		if (!tables[t])
			tables[t] = aligned_alloc(4096, 4096);
		memset(tables[t], 0, 4096);
	}
	memset(frame_table, 0, NR_FRAMES * sizeof(*frame_table));
	memset(tally, 0, sizeof(tally));
	memset(last_read, 0, sizeof(last_read));
	held = NULL;
	maps = 0;
	max_page = MFN_END;
	max_pdx = NR_FRAMES;
	if (!pdx_group_valid[0])
		memory_map();

	domain(&hx_self, 3, vcpu_list, 4, &dirty_self);
	domain(&hx_foreign, 5, foreign_list, 1, &dirty_foreign);
	domain(&hx_io, DOMID_IO, NULL, 0, NULL);
	hx_current = &vcpus[0];

	for (m = 0; m < NR_TABLES; m++)
		frame(MFN_TABLE + m, &hx_self,
		      PGT_l1_page_table | PGT_validated | 1, 2);
	frame(MFN_F_TABLE, &hx_foreign, PGT_l1_page_table | PGT_validated | 1,
	      2);
	frame(MFN_L2, &hx_self, PGT_l2_page_table | PGT_validated | 1, 2);
	frame(MFN_UNVALID, &hx_self, PGT_l1_page_table, 1);
	frame(MFN_SEG, &hx_self, PGT_seg_desc_page | PGT_validated | 1, 2);
	for (m = 0; m < NR_PAGES; m++)
		frame(MFN_PAGE + m, &hx_self, PGT_writable_page | PGT_validated,
		      1);
	for (m = 0; m < 64; m++)
		frame(MFN_F_PAGE + m, &hx_foreign,
		      PGT_writable_page | PGT_validated, 1);
	/* What would be read there, if anybody did, looks like a page. */
	hole = mfn_to_page(_mfn(MFN_HOLE));
	page_set_owner(hole, &hx_self);
	hole->u.inuse.type_info = PGT_writable_page | PGT_validated;
	frame(MFN_IO_PAGE, &hx_io, PGT_writable_page | PGT_validated | 1, 2);
}

uint64_t hx_slot(unsigned int table, unsigned int slot)
{
	return table_mfn(table) * PAGE_SIZE + slot * sizeof(intpte_t);
}

uint64_t hx_get(unsigned int table, unsigned int slot)
{
	return tables[table][slot];
}

volatile uint64_t *hx_mapping(unsigned int table, unsigned int slot)
{
	return &tables[table][slot];
}

void hx_set(unsigned int table, unsigned int slot, uint64_t entry)
{
	struct domain *d = table == NR_TABLES ? &hx_foreign : &hx_self;
	intpte_t old = tables[table][slot];
	int rc = 0;

	if (entry & _PAGE_PRESENT) {
		unsigned long mfn = (entry & PADDR_MASK) >> PAGE_SHIFT;
		struct domain *owner =
			hx_page(mfn) && hx_page(mfn)->v.inuse._domain ==
						hx_foreign.pdx
				? &hx_foreign : d;

		rc = get_page_from_l1e(l1e_from_intpte(entry), d, owner);
		if (rc < 0)
			hx_bug("a test sets an entry that Xen would refuse",
			       __FILE__, __LINE__);
		entry ^= put_pte_flags((unsigned int)rc);
	}
	tables[table][slot] = entry;
	account(old, entry);
	in_model++;
	put_page_from_l1e(l1e_from_intpte(old), d);
	in_model--;
	hx.full_validations = hx.generic_gets = hx.generic_puts = 0;
}

void hx_hold(unsigned long mfn, unsigned int types)
{
	struct page_info *page = hx_page(mfn);

	page->count_info += types;
	page->u.inuse.type_info += types;
	tally[page_to_pdx(page)].refs += types;
	tally[page_to_pdx(page)].types += types;
}

void hx_release(unsigned long mfn)
{
	struct page_info *page = hx_page(mfn);

	page->count_info--;
	tally[page_to_pdx(page)].refs--;
}

void hx_touch(unsigned int table, unsigned int slot, int write)
{
	intpte_t *p = &tables[table][slot];

	if (*p & _PAGE_PRESENT)
		*p |= _PAGE_ACCESSED |
		      (write && (*p & _PAGE_RW) ? _PAGE_DIRTY : 0);
}

void hx_audit(void)
{
	unsigned int present[NR_FRAMES] = {0}, writable[NR_FRAMES] = {0};
	unsigned long i, m;

	for (unsigned int t = 0; t <= NR_TABLES; t++)
		for (unsigned int s = 0; s < 512; s++) {
			intpte_t e = tables[t][s];

			i = counted((e & PADDR_MASK) >> PAGE_SHIFT);
			if (!(e & _PAGE_PRESENT) || i == NR_FRAMES)
				continue;
			present[i]++;
			writable[i] += !!(e & _PAGE_RW);
		}
	for (i = 0; i < NR_FRAMES; i++) {
		const struct page_info *page = &frame_table[i];
		unsigned long c = page->count_info & PGC_count_mask;
		unsigned long x = page->u.inuse.type_info;

		m = pdx_to_pfn(i);
		if (c != present[i] + tally[i].refs)
			hx_rule("frame %lx: %lu references, not %u", m, c,
				present[i] + tally[i].refs);
		if (x & PGT_locked)
			hx_rule("frame %lx left locked", m);
		if ((x & PGT_type_mask) == PGT_writable_page &&
		    m != MFN_IO_PAGE &&
		    (x & PGT_count_mask) != writable[i] + tally[i].types)
			hx_rule("frame %lx: %lu type references, not %u", m,
				x & PGT_count_mask,
				writable[i] + tally[i].types);
		if ((x & PGT_type_mask) &&
		    (x & PGT_type_mask) != PGT_writable_page &&
		    m != MFN_UNVALID && (x & PGT_count_mask) != 1)
			hx_rule("frame %lx: table's type count is %lu", m,
				x & PGT_count_mask);
	}
}

#endif /* !HARNESS_BENCH */
