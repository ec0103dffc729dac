/* SPDX-License-Identifier: MIT */
/* Models of the Xen functions that the handlers call, or that call them. */
#include "harness-internal.h"

#include <hooks.h>
#include <l1.h>

_Static_assert(HX_CALLS == L1_CALLS && HX_UPDATES == L1_UPDATES &&
	       HX_VALIDATION == L1_VALIDATION && HX_TRAPS == L1_TRAPS,
	       "the parts that can be turned off");

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
		if (!hx_in_model)
			hx_check_page(page_to_pdx(page));
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
/* Another thread may hold the lock. Like Xen's, this lock is not fair. */
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
	hx_held = page;
	return true;
}
#else
/* Somebody else is first. */
static unsigned long before_lock(struct page_info *page)
{
	void (*before)(struct page_info *) = hx.before_lock;

	hx.before_lock = NULL;
	if (before)
		before(page);
	if (hx_held)
		hx_rule("a second page lock taken");
	return page->u.inuse.type_info;
}

static bool lockable(unsigned long x)
{
	return (x & PGT_validated) && (x & PGT_count_mask) &&
	       ((x + 1) & PGT_count_mask);
}

static void locked(struct page_info *page, unsigned long x)
{
	/* Without a reference, the frame may have another owner by now. */
	unsigned long i = page_to_pdx(page);

	if ((page->count_info & PGC_count_mask) <=
	    hx_tally[i].refs + hx_tally[i].present)
		hx_rule("frame %lx: locked without a reference to it",
			pdx_to_pfn(i));
	__sync_val_compare_and_swap(&page->u.inuse.type_info, x,
				    x + (1 | PGT_locked));
	hx_held = page;
	hx.locks++;
	hx_keep(page);
}

bool page_lock_unsafe(struct page_info *page)
{
	unsigned long x = before_lock(page);

	if (x & PGT_locked)
		hx_bug("page_lock() would spin for ever", __FILE__, __LINE__);
	if (lockable(x))
		locked(page, x);
	return lockable(x);
}

unsigned long hx_lock_word(struct page_info *page, unsigned long o,
			   unsigned long n)
{
	unsigned long x;

	if (!lockable(o) || (o & PGT_locked) || n != o + (1 | PGT_locked))
		hx_rule("type word %lx locked as %lx", o, n);
	x = before_lock(page);
	if (x != o)
		return x;
	locked(page, x);
	hx.short_locks++;
	return x;
}
#endif

bool lock_evaluate_nospec(bool locked)
{
	hx.fences += locked;
	return locked;
}

void page_unlock(struct page_info *page)
{
	ASSERT(hx_held == page);
	ASSERT(page->u.inuse.type_info & PGT_locked);
	__sync_fetch_and_sub(&page->u.inuse.type_info, 1 | PGT_locked);
	hx_held = NULL;
	hx_kept.cycles = hx.cycles;
}

int get_page_type(struct page_info *page, unsigned long type)
{
	unsigned long x = page->u.inuse.type_info;

	hx.generic_gets++;
	/* A change of type may need an IPI or an IOMMU update. */
	hx_worked_slow((x & PGT_type_mask) == type ? 1 : HX_RETYPE);
	if (!((x + 1) & PGT_count_mask))
		return 0;
	if (!(x & PGT_count_mask)) {
		ASSERT(type == PGT_writable_page); /* no other is modelled */
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
	hx_worked_slow(1);
	ASSERT(hx_held != page);
	BUG_ON(x & PGT_partial);
	BUG_ON(!(x & PGT_validated));
	ASSERT(x & PGT_count_mask);
	if ((x & PGT_locked) && (x & PGT_count_mask) == 2)
		hx_bug("put_page_type() would spin for ever", __FILE__,
		       __LINE__);
	if ((x & PGT_count_mask) == 1)
		page->tlbflush_timestamp = ++hx.step;
	page->u.inuse.type_info = x - 1;
	hx_check_page(page_to_pdx(page));
}

/* A domain without devices may not choose cache attributes. */
static bool bad_flags(intpte_t pte, const struct domain *d)
{
	return ((pte & PAGE_CACHE_ATTRS) && !d->cache_attrs_ok) ||
	       ((pte & PTEBATCH_PTE_NX) && !hx.has_nx);
}

/* Returns 0, a negative error, or the entry's flags that must be flipped. */
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

	if (hx_counted(mfn) == NR_FRAMES) {
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
		hx_in_model++;
		put_page(page);
		hx_in_model--;
		return -EBUSY;
	}
	return 0;
}

void put_page_from_l1e(l1_pgentry_t e, struct domain *l1e_owner)
{
	unsigned long mfn = l1e_get_pfn(e);

	(void)l1e_owner;
	if (!(e.l1 & _PAGE_PRESENT) || hx_counted(mfn) == NR_FRAMES)
		return;
	if (e.l1 & _PAGE_RW)
		put_page_type(hx_page(mfn));
	put_page(hx_page(mfn));
}

l1_pgentry_t adjust_guest_l1e(l1_pgentry_t e, const struct domain *d)
{
	if ((e.l1 & _PAGE_PRESENT) && !d->arch.pv.is_32bit) {
		if (!(e.l1 & _PAGE_USER))
			e.l1 |= put_pte_flags(_PAGE_GUEST_KERNEL) | _PAGE_USER;
		if (!(e.l1 & put_pte_flags(_PAGE_GUEST_KERNEL)))
			e.l1 |= _PAGE_GLOBAL | _PAGE_USER;
	}
	return e;
}

void *map_domain_page(mfn_t mfn)
{
	hx_maps++;
#ifdef HARNESS_BENCH
	return hx_bench_tables + (mfn_x(mfn) - MFN_BENCH_TABLE) * PAGE_SIZE;
#else
	if (mfn_x(mfn) == MFN_F_TABLE)
		return hx_tables[NR_TABLES];
	if (mfn_x(mfn) - MFN_TABLE < NR_TABLES)
		return hx_tables[mfn_x(mfn) - MFN_TABLE];
	if (mfn_x(mfn) - MFN_PAGE < NR_PAGES)
		return hx_contents[mfn_x(mfn) - MFN_PAGE];
	/* For any other frame, contents that no handler should read. */
	static intpte_t other[512];

	return other;
#endif
}

void unmap_domain_page(const void *va)
{
	(void)va;
	hx_maps--;
}

intpte_t paging_cmpxchg_guest_entry(struct vcpu *v, intpte_t *p, intpte_t old,
				    intpte_t new, mfn_t mfn)
{
	(void)v, (void)mfn;
	hx_in_model++;
	hx.paging_writes++;
	old = cmpxchg(p, old, new);
	hx_in_model--;
	return old;
}

/* Schedules what puts the domain into shadow mode. */
static bool pv_l1tf_check_l1e(const struct domain *d, l1_pgentry_t e)
{
	if (!d->arch.pv.check_l1tf || paging_mode_enabled(d) ||
	    !(e.l1 & l1tf_addr_mask) ||
	    (e.l1 & l1tf_addr_mask) >= l1tf_safe_maddr)
		return false;
	hx.l1tf++;
	return true;
}

static void model_write(intpte_t *p, intpte_t old, intpte_t new, bool keep)
{
	unsigned int t, s;

	hx_in_model++;
	hx.paging_writes++;
	if (!keep) {
		/* The caller sets A and D itself, so losing them is correct. */
		if (hx_find_slot(p, &t, &s))
			hx_last_read[t][s] |= AD;
		write_atomic(p, new);
	} else
		for (;;) {
			intpte_t seen = cmpxchg(p, old, new | (old & AD));

			if (seen == old)
				break;
			old = seen;
		}
	hx_in_model--;
}

#define SAME_FRAME_FLAGS                                                      \
	(~(PTEBATCH_PTE_NX | 0x7ff0000000000000UL | 0xe00UL | 0x164UL))

static int mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t mfn,
			unsigned int cmd, struct vcpu *v,
			struct domain *pg_owner)
{
	bool keep = cmd == MMU_PT_UPDATE_PRESERVE_AD;
	intpte_t old = ACCESS_ONCE(pl1e->l1);
	struct domain *d = v->domain;

	(void)mfn;
	ASSERT(hx_held);
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
		if (!((old ^ nl1e.l1) & SAME_FRAME_FLAGS & ~PTEBATCH_PTE_RW) &&
		    L1_IN_PLACE(pl1e, l1e_from_intpte(old), nl1e, keep, d,
				pg_owner))
			return 0;
		rc = get_page_from_l1e(nl1e, d, pg_owner);
		if (rc < 0)
			return rc;
		nl1e.l1 ^= put_pte_flags((unsigned int)rc);
	} else if (pv_l1tf_check_l1e(d, nl1e))
		return -ERESTART;
	model_write(&pl1e->l1, old, nl1e.l1, keep);
	hx_in_model++;
	put_page_from_l1e(l1e_from_intpte(old), d);
	hx_in_model--;
	return 0;
}

int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t mfn,
			  unsigned int cmd, struct vcpu *v,
			  struct domain *pg_owner)
{
	return mod_l1_entry(pl1e, nl1e, mfn, cmd, v, pg_owner);
}

/* --- mmu_update and update_va_mapping -------------------------------------- */

#ifndef HARNESS_BENCH

/* One update of a table, or of memory that is none. */
static int update_page(struct page_info *page, uint64_t slot, uint64_t val,
		       unsigned int cmd, struct domain *pg_owner)
{
	mfn_t mfn = page_to_mfn(page);
	void *va = map_domain_page(mfn);
	int rc = -EINVAL;

	va = (char *)va + PAGE_OFFSET(slot);
	if (page_lock(page)) {
		switch (page->u.inuse.type_info & PGT_type_mask) {
		case PGT_l1_page_table:
			rc = mod_l1_entry(va, l1e_from_intpte(val), mfn, cmd,
					  current, pg_owner);
			break;
		case PGT_l2_page_table:
			if (pg_owner != current->domain)
				break;
			rc = hx.l2_rc;
			if (hx.l2_old)
				current->arch.old_guest_table = page;
			break;
		case PGT_writable_page:
			perfc_incr(writable_mmu_updates);
			write_atomic((intpte_t *)va, val);
			rc = 0;
			break;
		}
		page_unlock(page);
	} else if (get_page_type(page, PGT_writable_page)) {
		perfc_incr(writable_mmu_updates);
		write_atomic((intpte_t *)va, val);
		put_page_type(page);
		rc = 0;
	}
	unmap_domain_page(va);
	return rc;
}

/* The caller's own tables only. */
static long xen_mmu_update(mmu_update_t *ureqs, unsigned int count, uint *pdone,
			   unsigned int foreigndom,
			   const struct l1_begun *begun)
{
	const hx_handle_uint hdone = {pdone};
	unsigned int i, done = 0, needed = begun ? begun->asked : 0;
	unsigned int checked = needed;
	struct vcpu *curr = current;
	struct domain *d = curr->domain, *pg_owner;
	bool flush = false;
	int rc = 0;

	if (curr->arch.old_guest_table) {
		/* At most one preemption on the way. */
		curr->arch.old_guest_table = NULL;
		if (hypercall_preempt_check())
			return hypercall_create_continuation(
				__HYPERVISOR_mmu_update, "hihi", ureqs, count,
				pdone, foreigndom);
	}
	if (count == MMU_UPDATE_PREEMPTED && !ureqs)
		return (int)foreigndom;
	if (count & MMU_UPDATE_PREEMPTED) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (pdone)
			(void)copy_from_guest(&done, hdone, 1);
	} else
		perfc_incr(calls_to_mmu_update);
	if (begun)
		done = begun->done;
	if (!__addr_ok(ureqs + count))
		return -EFAULT;
	if (foreigndom >> 16)
		hx_bug("other domains' tables are not modelled", __FILE__,
		       __LINE__);
	pg_owner = get_pg_owner(foreigndom);
	if (!pg_owner)
		return -ESRCH;
	for (i = 0; i < count; i++, ureqs++) {
		mmu_update_t req;
		struct page_info *page;
		unsigned int cmd;

		if (curr->arch.old_guest_table ||
		    (i && hypercall_preempt_check())) {
			rc = -ERESTART;
			break;
		}
		if (raw_copy_from_guest(&req, ureqs, sizeof(req))) {
			rc = -EFAULT;
			break;
		}
		cmd = req.ptr % sizeof(l1_pgentry_t);
		req.ptr -= cmd;
		if (cmd == MMU_MACHPHYS_UPDATE || cmd > 3) {
			/* The former is modelled as one that is refused. */
			rc = cmd > 3 ? -ENOSYS : -EPERM;
			break;
		}
		rc = -EOPNOTSUPP;
		if (paging_mode_refcounts(d))
			break;
		rc = 0;
		needed |= XSM_MMU_NORMAL_UPDATE;
		if (req.val & _PAGE_PRESENT)
			needed |= XSM_MMU_UPDATE_READ |
				  (req.val & _PAGE_RW ? XSM_MMU_UPDATE_WRITE : 0);
		if (needed != checked) {
			rc = xsm_mmu_update(XSM_TARGET, d, d, pg_owner, needed);
			if (rc)
				break;
			checked = needed;
		}
		page = hx_page(req.ptr >> PAGE_SHIFT);
		rc = -EINVAL;
		if (!page || !get_page(page, d))
			break;
		rc = update_page(page, req.ptr, req.val, cmd, pg_owner);
		flush |= !rc && (page->u.inuse.type_info & PGT_type_mask) ==
					PGT_l2_page_table;
		put_page(page);
		if (rc)
			break;
	}
	if (rc == -ERESTART)
		rc = hypercall_create_continuation(
			__HYPERVISOR_mmu_update, "hihi", ureqs,
			(count - i) | MMU_UPDATE_PREEMPTED, pdone, foreigndom);
	else if (curr->arch.old_guest_table)
		rc = hypercall_create_continuation(
			__HYPERVISOR_mmu_update, "hihi", NULL,
			MMU_UPDATE_PREEMPTED, NULL, rc);
	put_pg_owner(pg_owner);
	if (flush)
		flush_tlb_mask(d->dirty_cpumask);
	perfc_add(num_page_updates, i);
	if (pdone) {
		done += i;
		copy_to_guest(hdone, &done, 1);
	}
	return rc;
}

long mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs, unsigned int count,
		XEN_GUEST_HANDLE_PARAM(uint) pdone, unsigned int foreigndom,
		const struct l1_begun *begun)
{
	long rc;

	if (hx_held)
		hx_rule("Xen's own mmu_update entered under a page lock");
	hx_in_xen++;
	rc = xen_mmu_update(ureqs.p, count, pdone.p, foreigndom, begun);
	hx_in_xen--;
	return rc;
}

long do_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
		   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
		   unsigned int foreigndom)
{
	if (L1_UPDATING(current->domain, foreigndom == DOMID_SELF))
		return l1_mmu_update(ureqs, count, pdone, current);
	return mmu_update(ureqs, count, pdone, foreigndom, NULL);
}

int hx_fault(unsigned long addr, struct cpu_user_regs *regs)
{
	return L1_RO_PAGE_FAULT(addr, regs);
}

l2_pgentry_t *const __linear_l2_table = (l2_pgentry_t *)0x100000000000UL;

bool hx_get_unsafe(l2_pgentry_t *to, const l2_pgentry_t *from)
{
	unsigned long i = from - __linear_l2_table - l2_linear_offset(HX_VA);

	if (i >= HX_L2S)
		return false;
	*to = hx.l2[i];
	return true;
}

static int xen_update_va_mapping(unsigned long va, uint64_t val,
				 unsigned long flags)
{
	struct domain *d = current->domain;
	cpumask_t mask = *d->dirty_cpumask;
	unsigned long type, whom;
	struct page_info *page;
	l2_pgentry_t l2e;
	int rc;

	perfc_incr(calls_to_update_va);
	rc = xsm_update_va_mapping(XSM_TARGET, d, d, l1e_from_intpte(val));
	if (rc)
		return rc;
	if (!__addr_ok(va) ||
	    get_unsafe(l2e, &__linear_l2_table[l2_linear_offset(va)]) ||
	    (l2e_get_flags(l2e) & (_PAGE_PRESENT | _PAGE_PSE)) != _PAGE_PRESENT)
		return -EINVAL;
	page = hx_page((l2e.l2 & PTEBATCH_PTE_FRAME) >> PAGE_SHIFT);
	if (!page || !get_page(page, d))
		return -EINVAL;
	rc = -EINVAL;
	if (page_lock(page)) {
		if ((page->u.inuse.type_info & PGT_type_mask) ==
		    PGT_l1_page_table) {
			l1_pgentry_t *l1 = map_domain_page(page_to_mfn(page));

			rc = mod_l1_entry(l1 + l1_table_offset(va),
					  l1e_from_intpte(val),
					  page_to_mfn(page),
					  MMU_NORMAL_PT_UPDATE, current, d);
			unmap_domain_page(l1);
		}
		page_unlock(page);
	}
	put_page(page);
	if (rc)
		return rc;
	type = flags & UVMF_FLUSHTYPE_MASK;
	whom = flags & ~UVMF_FLUSHTYPE_MASK;
	if (type != UVMF_TLB_FLUSH && type != UVMF_INVLPG)
		return 0;
	if (whom == UVMF_LOCAL) {
		if (type == UVMF_TLB_FLUSH)
			flush_tlb_local();
		else
			paging_invlpg(current, va);
		return 0;
	}
	/* Here a mask of vCPUs is always one that cannot be read. */
	if (whom != UVMF_ALL) {
		mask.bits = 0;
		rc = -EFAULT;
	}
	if (type == UVMF_TLB_FLUSH)
		flush_tlb_mask(&mask);
	else
		flush_tlb_one_mask(&mask, va);
	return rc;
}

long do_update_va_mapping(unsigned long va, uint64_t val, unsigned long flags)
{
	struct domain *d = current->domain;
	int rc = L1_UPDATING(d, true)
			 ? l1_update_va_mapping(va, val, flags, d) : -EAGAIN;

	if (rc == -EAGAIN) {
		hx_in_xen++;
		rc = xen_update_va_mapping(va, val, flags);
		hx_in_xen--;
	}
	if (rc == -ERESTART)
		return hypercall_create_continuation(
			__HYPERVISOR_update_va_mapping, "lll", va, val, flags);
	return rc;
}

#endif /* !HARNESS_BENCH */

/* --- Validation ------------------------------------------------------------ */

#ifndef HARNESS_BENCH

int hx_promote_l1(struct domain *d, intpte_t *table)
{
	l1_pgentry_t *pl1e = (l1_pgentry_t *)table;
	unsigned int i;
	int ret = 0;

	for (i = L1_VALIDATE(d, pl1e); i < 512; i++) {
		if (!(pl1e[i].l1 & _PAGE_PRESENT)) {
			ret = pv_l1tf_check_l1e(d, pl1e[i]) ? -EINTR : 0;
			if (ret)
				break;
		} else {
			ret = get_page_from_l1e(pl1e[i], d, d);
			if (ret < 0)
				break;
			pl1e[i].l1 ^= put_pte_flags((unsigned int)ret);
			ret = 0;
		}
		pl1e[i] = adjust_guest_l1e(pl1e[i], d);
	}
	if (ret)
		while (i-- > 0)
			put_page_from_l1e(pl1e[i], d);
	return ret;
}

void hx_demote_l1(struct domain *d, intpte_t *table)
{
	l1_pgentry_t *pl1e = (l1_pgentry_t *)table;

	for (unsigned int i = L1_DEVALIDATE(d, pl1e); i < 512; i++)
		put_page_from_l1e(pl1e[i], d);
}

unsigned int hx_next_used(struct domain *d, const uint64_t *table,
			  unsigned int i)
{
	return L1_NEXT_USED(d, table, i);
}

unsigned int hx_used_below(struct domain *d, const uint64_t *table,
			   unsigned int i)
{
	return L1_USED_BELOW(d, table, i);
}

/* An entry of a higher level, in the meaning of struct hx_upper. */
#define PARTIAL 1U

static int get_upper(struct hx_upper *u, unsigned int i, unsigned int partial)
{
	uint64_t *e = &u->entry[i];

	if (partial && !hx.held[i])
		hx_rule("slot %u resumed, and nothing held", i);
	if (*e & HX_REFUSED)
		return -EINVAL;
	if (*e & 0xe) { /* two references: that of a partial state, and all */
		*e -= 2;
		hx.held[i] = 1;
		return -ERESTART;
	}
	hx.held[i] = 2;
	return 0;
}

static int put_upper(struct hx_upper *u, unsigned int i, unsigned int partial)
{
	uint64_t *e = &u->entry[i];

	if (!(*e & P))
		return 1;
	if (hx.held[i] != (partial ? 1 : 2))
		hx_rule("slot %u let go with %u held, partial %u", i,
			hx.held[i], partial);
	if (*e & 0x1e00) { /* preempted so often */
		*e -= 0x200;
		hx.held[i] = 1;
		return -ERESTART;
	}
	hx.held[i] = 0;
	return 0;
}

/* As promote_l2_table() to promote_l4_table(). Level 4 does not ask itself. */
int hx_promote_upper(struct hx_upper *u, struct domain *d)
{
	unsigned int i, partial_flags = u->partial_flags;
	int rc = 0;

	for (i = u->nr_validated_ptes; i < 512;
	     i = L1_NEXT_USED(d, u->entry, i + 1), partial_flags = 0) {
		uint64_t e = u->entry[i];

		if (u->level < 4 && i > u->nr_validated_ptes &&
		    hypercall_preempt_check())
			rc = -EINTR;
		else if (e & HX_XEN_SLOT)
			continue;
		else if (!(e & P)) {
			if (!(e & HX_UNSAFE))
				continue;
			rc = -EINTR;
		} else
			rc = get_upper(u, i, partial_flags);
		if (rc == -ERESTART) {
			u->nr_validated_ptes = i;
			u->partial_flags = PARTIAL;
		} else if (rc < 0 && i) {
			u->nr_validated_ptes = i;
			u->partial_flags = partial_flags;
			rc = rc == -EINTR ? -ERESTART : rc;
		}
		if (rc < 0)
			break;
		u->entry[i] |= US;
	}
	return rc;
}

/* As demote_l2_table() to demote_l4_table(). */
int hx_demote_upper(struct hx_upper *u, struct domain *d)
{
	unsigned int partial_flags = u->partial_flags;
	unsigned int i = u->nr_validated_ptes - !(partial_flags & PARTIAL);
	int rc = 0;

	for (;;) {
		if (!(u->entry[i] & HX_XEN_SLOT))
			rc = put_upper(u, i, partial_flags);
		if (rc < 0)
			break;
		partial_flags = 0;
		i = L1_USED_BELOW(d, u->entry, i);
		if (!i--)
			break;
		if (u->level < 4 && hypercall_preempt_check()) {
			rc = -EINTR;
			break;
		}
	}
	if (rc >= 0)
		return 0;
	if (rc == -ERESTART) {
		u->nr_validated_ptes = i;
		u->partial_flags = PARTIAL;
	} else if (i < 511) {
		u->nr_validated_ptes = i + !(partial_flags & PARTIAL);
		u->partial_flags = partial_flags;
		rc = -ERESTART;
	}
	return rc;
}

#endif /* !HARNESS_BENCH */

/* --- Trapped writes -------------------------------------------------------- */

int pv_ro_page_fault(unsigned long addr, struct cpu_user_regs *regs)
{
	(void)addr, (void)regs;
	if (hx_held)
		hx_rule("the emulator entered under a page lock");
	hx.emulated++;
	return -77;
}

/* --- Xen's parameters ------------------------------------------------------ */

static bool word_is(const char *word, const char *s, const char *e)
{
	return strlen(word) == (size_t)(e - s) && !strncmp(word, s, e - s);
}

int parse_bool(const char *s, const char *e)
{
	static const char *const words[][2] = {
		{"0", "1"},	   {"no", "yes"},     {"off", "on"},
		{"false", "true"}, {"disable", "enable"},
	};

	if (!e)
		e = s + strlen(s);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(words); i++)
		if (word_is(words[i / 2][i % 2], s, e))
			return i % 2;
	return -1;
}

/* NAME, no-NAME or NAME=BOOLEAN; -2: another value. */
int parse_boolean(const char *name, const char *s, const char *e)
{
	size_t len = strlen(name);
	bool no = !strncmp(s, "no-", 3);
	int val;

	s += no ? 3 : 0;
	if (!e)
		e = s + strlen(s);
	ASSERT(e >= s);
	if (word_is(name, s, e))
		return !no;
	if (no || (size_t)(e - s) < len || strncmp(s, name, len) ||
	    s[len] != '=')
		return -1;
	val = parse_bool(s + len + 1, e);
	return val < 0 ? -2 : val;
}

unsigned long simple_strtoul(const char *s, const char **end, unsigned int base)
{
	char *e;
	unsigned long x = strtoul(s, &e, base);

	*end = e;
	return x;
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
	if (hx_held)
		hx_rule("XSM is asked under a page lock");
	if (action != XSM_TARGET || d != current->domain)
		hx_rule("XSM is asked about a call that is not the caller's");
	hx.xsm_calls++;
	hx.xsm_flags |= flags;
	hx.xsm_tables = t;
	hx.xsm_pages = f;
	return flags & hx.xsm_deny ? -EPERM : 0;
}

int xsm_update_va_mapping(int action, struct domain *d, struct domain *f,
			  l1_pgentry_t pte)
{
	if (hx_held)
		hx_rule("XSM is asked under a page lock");
	if (action != XSM_TARGET || d != current->domain)
		hx_rule("XSM is asked about a call that is not the caller's");
	hx.xsm_calls++;
	hx.xsm_tables = d;
	hx.xsm_pages = f;
	return hx.xsm_deny_va & (pte.l1 & _PAGE_RW ? 3 : 1) ? -EACCES : 0;
}

/* --- Guest memory, preemption, TLB ---------------------------------------- */

/* Copies up to the first byte that faults; returns the bytes left. */
static unsigned int copy(void *to, const void *from, unsigned int n,
			 uintptr_t guest)
{
	unsigned int good = n;

	if (hx_held)
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
	const bool ours = nr == __HYPERVISOR_ptebatch_runs ||
			  nr == __HYPERVISOR_ptebatch_values;
	va_list ap;

	if (strcmp(fmt, ours				     ? "lllll"
			: nr == __HYPERVISOR_mmu_update ? "hihi"
							     : "lll"))
		hx_rule("a continuation of another call");
	va_start(ap, fmt);
	for (int i = 0; fmt[i]; i++)
		hx_restart_args[i] = fmt[i] == 'i' ? va_arg(ap, unsigned int)
						   : va_arg(ap, unsigned long);
	va_end(ap);
	hx_restart = true;
	hx.continuations++;
	return nr;
}
