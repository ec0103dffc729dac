/* SPDX-License-Identifier: MIT */
/* State, hooks and checks of the modelled hypervisor; see harness.h. */
#include "harness-internal.h"

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
DEFINE_PER_CPU(cpumask_t *, scratch_cpumask);
struct param_hypfs hx_param;
static struct vcpu vcpus[4], foreign_vcpu;
static struct vcpu *vcpu_list[4] = {&vcpus[0], &vcpus[1], &vcpus[2],
				    &vcpus[3]};
static struct vcpu *foreign_list[1] = {&foreign_vcpu};
struct domain hx_self, hx_foreign, hx_io;

struct hx_tally hx_tally[NR_FRAMES];
intpte_t *hx_tables[NR_TABLES + 1];
HX_OWN struct page_info *hx_held;
HX_OWN unsigned int hx_maps;
HX_OWN unsigned int hx_in_model, hx_in_xen;
struct hx_kept hx_kept;
bool hx_restart;
uint64_t hx_restart_args[5];
intpte_t hx_last_read[NR_TABLES + 1][512];

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

/* --- Hooks of entries and counts ------------------------------------------ */

static unsigned long table_mfn(unsigned int t)
{
	return t == NR_TABLES ? MFN_F_TABLE : MFN_TABLE + t;
}

bool hx_find_slot(volatile void *p, unsigned int *t, unsigned int *s)
{
	for (*t = 0; *t <= NR_TABLES; ++*t) {
		uintptr_t off = (uintptr_t)p - (uintptr_t)hx_tables[*t];

		if (off < PAGE_SIZE) {
			*s = off / sizeof(intpte_t);
			return true;
		}
	}
	return false;
}

#ifndef HARNESS_BENCH
intpte_t hx_contents[NR_PAGES][512];
/* The data pages that were written. */
static bool is_written[NR_PAGES];
static unsigned int written[NR_PAGES], nr_written;

/* The data page that holds this quadword, or NR_PAGES. */
static unsigned int find_memory(volatile void *p)
{
	uintptr_t off = (uintptr_t)p - (uintptr_t)hx_contents;

	return off < sizeof(hx_contents) ? off / PAGE_SIZE : NR_PAGES;
}
#endif

/* The index of the page_info that has this member, or NR_FRAMES. */
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

unsigned long hx_counted(unsigned long mfn)
{
	const struct page_info *page = hx_page(mfn);

	return page && page->v.inuse._domain != hx_io.pdx ? page_to_pdx(page)
							  : NR_FRAMES;
}

void hx_check_page(unsigned long i)
{
#ifdef HARNESS_BENCH
	(void)i;
#else
	const struct page_info *page = &frame_table[i];
	unsigned long t = page->u.inuse.type_info, mfn = pdx_to_pfn(i);

	if ((t & PGT_type_mask) == PGT_writable_page) {
		if ((t & PGT_count_mask) <
		    hx_tally[i].writable + hx_tally[i].types)
			hx_rule("frame %lx: type count %lu below its %lu "
				"writable mappings", mfn, t & PGT_count_mask,
				hx_tally[i].writable + hx_tally[i].types);
	} else if (hx_tally[i].writable)
		hx_rule("frame %lx: type %lx with a writable mapping", mfn,
			t >> 61);
	if ((page->count_info & PGC_count_mask) <
	    hx_tally[i].present + hx_tally[i].refs)
		hx_rule("frame %lx: reference count below its mappings", mfn);
#endif
}

/* Adds an entry to the tally; returns its frame's index, or NR_FRAMES. */
static unsigned long share(intpte_t pte, int by)
{
	unsigned long i = NR_FRAMES;

	if (pte & _PAGE_PRESENT)
		i = hx_counted((pte & PADDR_MASK) >> PAGE_SHIFT);
	if (i == NR_FRAMES)
		return NR_FRAMES;
	hx_tally[i].present += by;
	if (pte & _PAGE_RW)
		hx_tally[i].writable += by;
	return i;
}

static void account(intpte_t old, intpte_t new)
{
	unsigned long came = share(new, 1), went = share(old, -1);

	if (came < NR_FRAMES)
		hx_check_page(came);
	if (went < NR_FRAMES)
		hx_check_page(went);
}

/*
 * Simulated hardware may walk this slot. In the worst case it waits until the
 * handler has read the entry, and sets every bit that it may before the write.
 */
static void hardware(unsigned int t, unsigned int s, bool write)
{
	intpte_t *p = &hx_tables[t][s], bits;

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

/* Adds or drops references that do not belong to an entry. */
static void refer(struct page_info *page, int by)
{
	page->count_info += by;
	hx_tally[page - frame_table].refs += by;
}

static void worked(unsigned int units)
{
	if (!hx_held || hx_in_xen)
		return;
	hx_kept.work += units;
	if (hx_kept.work > HX_KEPT_MAX)
		hx_rule("a table kept for %u units of work", hx_kept.work);
	/* Another CPU takes a reference and waits for the lock. */
	if (hx.visit_at && !--hx.visit_at) {
		if (!hx.hidden)
			refer(hx_held, 1);
		hx.waiting = true;
	}
	hx.waited += hx.waiting ? units : 0;
}

void hx_worked_slow(unsigned int weight)
{
	if (hx_held && !hx_in_xen && (hx_kept.slow += weight) > HX_KEPT_SLOW)
		hx_rule("a table kept for %u slow entries", hx_kept.slow);
	worked(1);
}

#ifndef HARNESS_BENCH
void hx_keep(struct page_info *page)
{
	if (page == hx_kept.page && !hx_in_xen &&
	    hx.cycles - hx_kept.cycles < HX_HAND_OVER)
		return;
	hx_kept.page = page;
	hx_kept.work = hx_kept.slow = 0;
	/* The other CPU has had the lock, and dropped its reference. */
	if (hx.waiting && !hx.hidden)
		refer(page, -1);
	hx.waiting = false;
}
#endif

static void entry_written(unsigned int t, unsigned int s, intpte_t old,
			  intpte_t new)
{
	if (hx_held != hx_page(table_mfn(t)))
		hx_rule("table %u slot %u written without its lock", t, s);
	if (!hx_in_model &&
	    (t == NR_TABLES ? &hx_foreign : &hx_self)->paging_mode)
		hx_rule("table %u slot %u written past the paging code", t, s);
	hx.last_update = hx.step;
	hx_last_read[t][s] = new;
	account(old, new);
	if (!hx_in_model)
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
	hx_check_page(i);
}

/* The handlers' own arithmetic on a reference count. */
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
		hx_rule("frame %lx: the reserved reference taken", mfn);
	hx_check_page(i);
}

/* The call that runs, as the guest made it or as it was continued. */
static struct {
	uint32_t nr;
	uint64_t a[5];
} running;

/* Has the guest said that A and D of this slot need not be kept? */
static bool gives_up(unsigned int t, unsigned int s)
{
	const uint64_t slot = table_mfn(t) * PAGE_SIZE + s * 8, *a = running.a;
	const struct ptebatch_value *v = (void *)a[0];
	const struct ptebatch_run *run = (void *)a[0];
	uint32_t n = a[1], i;

	switch (running.nr) {
	case __HYPERVISOR_ptebatch_runs:
		switch (PTEBATCH_HOW_OP(a[2])) {
		case PTEBATCH_OP_CLEAR:
			return true;
		case PTEBATCH_OP_SET:
			return a[0] % 8 == PTEBATCH_SET_EXACT;
		case PTEBATCH_HOW_LIST:
			for (i = 0; i < n; i++)
				if (run[i].op == PTEBATCH_OP_CLEAR &&
				    !run[i].old && slot - run[i].slot <
							   run[i].count * 8UL)
					return true;
		}
		return false;
	case __HYPERVISOR_update_va_mapping:
		return true;
	case __HYPERVISOR_mmu_update:
		n &= ~MMU_UPDATE_PREEMPTED;
		/* fallthrough */
	case __HYPERVISOR_ptebatch_values:
		for (i = 0; i < n; i++)
			if (v[i].slot == (slot | PTEBATCH_SET_EXACT))
				return true;
	}
	return false;
}

uint64_t hx_read(const volatile void *from)
{
	volatile void *p = (volatile void *)(uintptr_t)from;
	unsigned int t, s;

	hx.cycles += hx.read_cycles;
#ifndef HARNESS_BENCH
	if (find_memory(p) < NR_PAGES)
		hx_rule("memory of page %u read", find_memory(p));
#endif
	if (hx.ahead && find_type(p) == NR_FRAMES &&
	    find_count(p) == NR_FRAMES) {
		/* All eight bytes must lie in the same table. */
		hx.inside = hx_find_slot(p, &t, &s) &&
			    (uintptr_t)p + 7 - (uintptr_t)hx_tables[t] < PAGE_SIZE;
		hx_held = NULL;
		longjmp(*hx.ahead, 1);
	}
	if (hx_find_slot(p, &t, &s)) {
		hardware(t, s, false);
		hx_last_read[t][s] = *(volatile intpte_t *)p;
	}
	return *(volatile uint64_t *)p;
}

void hx_write(volatile void *ptr, uint64_t v)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	if (find_type(p) < NR_FRAMES)
		hx_rule("type_info written by a plain store");
	if (!hx_find_slot(p, &t, &s)) {
#ifndef HARNESS_BENCH
		unsigned int n = find_memory(p);

		if (n < NR_PAGES) {
			const struct page_info *page = hx_page(MFN_PAGE + n);
			unsigned long type = page->u.inuse.type_info;

			if ((type & PGT_type_mask) != PGT_writable_page ||
			    !(type & PGT_count_mask) ||
			    (!hx_in_xen && hx_held != page))
				hx_rule("memory of page %u written with type "
					"%lx, not locked", n, type);
			if (!is_written[n])
				written[nr_written++] = n;
			is_written[n] = true;
			hx.memory_writes++;
			hx.last_update = ++hx.step;
			worked(1);
		}
#endif
		*p = v;
		return;
	}
	hardware(t, s, true);
	old = *p;
	if ((old & AD & ~v & ~hx_last_read[t][s]) && !gives_up(t, s))
		hx_rule("table %u slot %u: A or D lost by a plain store", t, s);
	*p = v;
	hx.plain_stores++;
	if (!hx_in_model && (old & _PAGE_PRESENT) &&
	    ((old & ~v & (_PAGE_PRESENT | _PAGE_RW)) ||
	     ((old ^ v) & PTEBATCH_PTE_FRAME)))
		hx.buffered = (old & PTEBATCH_PTE_FRAME) >> 12;
	entry_written(t, s, old, v);
}

uint64_t hx_cmpxchg(volatile void *ptr, uint64_t o, uint64_t n)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned long types = find_type(p), counts = find_count(p);
	unsigned int t, s;
	bool slot = hx_find_slot(p, &t, &s);

	hx.buffered = 0;
#ifndef HARNESS_BENCH
	if (types < NR_FRAMES && (n & ~o & PGT_locked))
		return hx_lock_word(&frame_table[types], o, n);
#endif
	if (slot)
		hardware(t, s, true);
	if (hx.steal_mfn && counts == hx_counted(hx.steal_mfn))
		frame_table[counts].v.inuse._domain = hx_foreign.pdx;
	old = *p;
	if (slot) {
		hx.pte_atomics++;
		hx_last_read[t][s] = old;
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

/* For entries only. hx_last_read stays, since the handler read nothing. */
static void lock_to(volatile void *ptr, uint64_t and, uint64_t or)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	if (!hx_find_slot(p, &t, &s)) {
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

void hx_lock_sub(volatile void *p, uint64_t n)
{
	unsigned long frame = find_type(p);

	if (frame == NR_FRAMES || n != (1 | PGT_locked))
		hx_rule("a locked sub of something that is no lock");
	else
		page_unlock(&frame_table[frame]);
}

uint64_t hx_xchg(volatile void *ptr, uint64_t n)
{
	uint64_t *p = (uint64_t *)ptr, old;
	unsigned int t, s;

	hx.buffered = 0;
	if (find_type(p) < NR_FRAMES)
		hx_rule("type_info exchanged");
	if (!hx_find_slot(p, &t, &s)) {
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

void hx_flush(uint64_t cpus, uint64_t addr, uint64_t pages)
{
	if (hx_held)
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
	hx.buffered = 0;
	running.nr = nr;
	do {
		memcpy(running.a, a, sizeof(a));
		hx_restart = false;
		hx_kept.page = NULL; /* the guest has run since */
		if (nr == __HYPERVISOR_ptebatch_runs)
			ret = do_ptebatch_runs(a[0], a[1], a[2], a[3], a[4]);
		else if (nr == __HYPERVISOR_ptebatch_values)
			ret = do_ptebatch_values(a[0], a[1], a[2], a[3], a[4]);
#ifndef HARNESS_BENCH
		else if (nr == __HYPERVISOR_mmu_update)
			ret = do_mmu_update(
				(hx_handle_mmu_update_t){(void *)a[0]}, a[1],
				(hx_handle_uint){(void *)a[2]}, a[3]);
		else if (nr == __HYPERVISOR_update_va_mapping)
			ret = do_update_va_mapping(a[0], a[1], a[2]);
#endif
		else
			return -ENOSYS;
		if (hx_held)
			hx_rule("returned with a page locked");
		if (hx_maps)
			hx_rule("returned with a page mapped");
		if (hx_self.refs || hx_foreign.refs || hx_io.refs)
			hx_rule("returned with a domain referenced");
		if (hx_restart) {
			memcpy(a, hx_restart_args, sizeof(a));
			/* The tasklet that L1TF scheduled has run by now. */
			if (hx.l1tf != l1tf)
				hx_self.paging_mode |= PG_shadow;
			if (hx.meanwhile)
				hx.meanwhile(a);
			if (++rounds > 100000)
				hx_bug("a call that never ends", __FILE__,
				       __LINE__);
		}
	} while (hx_restart);
	return ret;
}

#ifndef HARNESS_BENCH
int hx_trap(unsigned long addr, struct cpu_user_regs *regs)
{
	int ret;

	memset(hx.hw_set, 0, sizeof(hx.hw_set));
	hx.hw_walks = 0;
	hx.buffered = 0;
	hx.emulated = hx.copies = hx.locks = hx.xsm_calls = 0;
	hx_kept.page = NULL;
	running.nr = __HYPERVISOR_mmu_update;
	memset(running.a, 0, sizeof(running.a));
	ret = hx_fault(addr, regs);
	if (hx_held)
		hx_rule("returned with a page locked");
	if (hx_maps)
		hx_rule("returned with a page mapped");
	return ret;
}
#endif

/* --- Setup and audit ------------------------------------------------------ */

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
	per_cpu(scratch_cpumask, 0) = &scratch;
	hx_parse("on");
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
	hx_tally[page_to_pdx(page)].refs = refs;
}

/* The tables of memory regions that Xen sets up when it boots. */
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
	hx.xen_state = SYS_STATE_active;
	hx_parse("no,on"); /* off, and what the default is */
	hx.has_nx = true;
	while (nr_written) {
		unsigned int n = written[--nr_written];

		is_written[n] = false;
		memset(hx_contents[n], 0, PAGE_SIZE);
	}
	hx.rng = 0x9e3779b97f4a7c15UL;
	if (!frame_table)
		frame_table = calloc(NR_FRAMES, sizeof(*frame_table));
	for (unsigned int t = 0; t <= NR_TABLES; t++) {
		/* One allocation a table, so that an overrun is detected. */
		if (!hx_tables[t])
			hx_tables[t] = aligned_alloc(4096, 4096);
		memset(hx_tables[t], 0, 4096);
	}
	memset(frame_table, 0, NR_FRAMES * sizeof(*frame_table));
	memset(hx_tally, 0, sizeof(hx_tally));
	memset(hx_last_read, 0, sizeof(hx_last_read));
	hx_held = NULL;
	hx_maps = 0;
	max_page = MFN_END;
	max_pdx = NR_FRAMES;
	if (!pdx_group_valid[0])
		memory_map();

	domain(&hx_self, 3, vcpu_list, 4, &dirty_self);
	domain(&hx_foreign, 5, foreign_list, 1, &dirty_foreign);
	domain(&hx_io, DOMID_IO, NULL, 0, NULL);
	hx_current = &vcpus[0];
	for (m = 0; m < HX_CPUS; m++)
		per_cpu(scratch_cpumask, m) = &scratch;
	for (m = 0; m < NR_TABLES; m++)
		hx.l2[m].l2 = (MFN_TABLE + m) << PAGE_SHIFT | 0x67;

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
	/* The hole's page_info looks valid, to catch code that reads it. */
	hole = mfn_to_page(_mfn(MFN_HOLE));
	page_set_owner(hole, &hx_self);
	hole->u.inuse.type_info = PGT_writable_page | PGT_validated;
	frame(MFN_IO_PAGE, &hx_io, PGT_writable_page | PGT_validated | 1, 2);
}

uint64_t hx_slot(unsigned int table, unsigned int slot)
{
	return table_mfn(table) * PAGE_SIZE + slot * sizeof(intpte_t);
}

uint64_t hx_memory(unsigned int page, unsigned int slot)
{
	return hx_contents[page][slot];
}

uint64_t hx_get(unsigned int table, unsigned int slot)
{
	return hx_tables[table][slot];
}

volatile uint64_t *hx_mapping(unsigned int table, unsigned int slot)
{
	return &hx_tables[table][slot];
}

void hx_set(unsigned int table, unsigned int slot, uint64_t entry)
{
	struct domain *d = table == NR_TABLES ? &hx_foreign : &hx_self;
	intpte_t old = hx_tables[table][slot];
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
	hx_tables[table][slot] = entry;
	account(old, entry);
	hx_in_model++;
	put_page_from_l1e(l1e_from_intpte(old), d);
	hx_in_model--;
	hx.full_validations = hx.generic_gets = hx.generic_puts = 0;
}

void hx_unvalidate(unsigned int t)
{
	hx.unvalidated[t] = true;
	memset(hx_tables[t], 0, PAGE_SIZE);
	hx_page(table_mfn(t))->u.inuse.type_info = PGT_l1_page_table | 1;
}

void hx_raw(unsigned int t, unsigned int s, uint64_t entry)
{
	hx_tables[t][s] = entry;
}

int hx_promote(unsigned int t, struct domain *d)
{
	int rc = hx_promote_l1(d, hx_tables[t]);

	if (rc)
		return rc;
	for (unsigned int s = 0; s < 512; s++)
		account(0, hx_tables[t][s]);
	hx_page(table_mfn(t))->u.inuse.type_info |= PGT_validated;
	hx.unvalidated[t] = false;
	return 0;
}

void hx_demote(unsigned int t, struct domain *d)
{
	for (unsigned int s = 0; s < 512; s++)
		account(hx_tables[t][s], 0);
	hx_page(table_mfn(t))->u.inuse.type_info &= ~PGT_validated;
	hx.unvalidated[t] = true;
	hx_demote_l1(d, hx_tables[t]);
}

void hx_hold(unsigned long mfn, unsigned long types)
{
	struct page_info *page = hx_page(mfn);

	page->count_info += types;
	page->u.inuse.type_info += types;
	hx_tally[page_to_pdx(page)].refs += types;
	hx_tally[page_to_pdx(page)].types += types;
}

void hx_release(unsigned long mfn)
{
	struct page_info *page = hx_page(mfn);

	page->count_info--;
	hx_tally[page_to_pdx(page)].refs--;
}

void hx_touch(unsigned int table, unsigned int slot, int write)
{
	intpte_t *p = &hx_tables[table][slot];

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
			intpte_t e = hx_tables[t][s];

			i = hx_counted((e & PADDR_MASK) >> PAGE_SHIFT);
			if (!(e & _PAGE_PRESENT) || i == NR_FRAMES ||
			    (t < NR_TABLES && hx.unvalidated[t]))
				continue;
			present[i]++;
			writable[i] += !!(e & _PAGE_RW);
		}
	for (i = 0; i < NR_FRAMES; i++) {
		const struct page_info *page = &frame_table[i];
		unsigned long c = page->count_info & PGC_count_mask;
		unsigned long x = page->u.inuse.type_info;

		m = pdx_to_pfn(i);
		if (c != present[i] + hx_tally[i].refs)
			hx_rule("frame %lx: %lu references, not %lu", m, c,
				present[i] + hx_tally[i].refs);
		if (x & PGT_locked)
			hx_rule("frame %lx left locked", m);
		if ((x & PGT_type_mask) == PGT_writable_page &&
		    m != MFN_IO_PAGE &&
		    (x & PGT_count_mask) != writable[i] + hx_tally[i].types)
			hx_rule("frame %lx: %lu type references, not %lu", m,
				x & PGT_count_mask,
				writable[i] + hx_tally[i].types);
		if ((x & PGT_type_mask) &&
		    (x & PGT_type_mask) != PGT_writable_page &&
		    m != MFN_UNVALID && (x & PGT_count_mask) != 1 &&
		    /* A page's former type means nothing. */
		    !(m - MFN_PAGE < NR_PAGES && !(x & PGT_count_mask)))
			hx_rule("frame %lx: table's type count is %lu", m,
				x & PGT_count_mask);
	}
}

#endif /* !HARNESS_BENCH */
