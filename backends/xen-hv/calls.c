/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two calls have in common: see calls.h. */

#include <xen/guest_access.h>
#include <xen/init.h>

#include <asm/flushtlb.h>

#include <xsm/xsm.h>

#include "calls.h"

/* --- TLB ------------------------------------------------------------------ */

int ptebatch_parse_tlb(struct ptebatch_call *c, unsigned long how, bool record,
                       unsigned long arg)
{
    struct ptebatch_tlb *tlb = &c->tlb;

    tlb->who = PTEBATCH_HOW_TLB_WHO(how);
    if ( how & PTEBATCH_HOW_TLB_PAGE )
    {
        if ( tlb->who != PTEBATCH_TLB_LOCAL &&
             tlb->who != PTEBATCH_TLB_ALL )
            return -EINVAL;
        tlb->addr = how & PTEBATCH_HOW_TLB_ADDR;
        tlb->pages = PTEBATCH_HOW_TLB_PAGES(how);
    }
    else if ( how >> PTEBATCH_HOW_TLB_MORE_SHIFT )
        return -EINVAL;

    if ( tlb->who == PTEBATCH_TLB_VCPUS )
    {
        if ( !record )
            return -EINVAL;
        if ( raw_copy_from_guest(tlb, (const void *)arg, sizeof(*tlb)) )
            return -EFAULT;
    }
    else if ( record && arg )
        return -EINVAL;

    if ( tlb->who > PTEBATCH_TLB_VCPUS ||
         (tlb->who == PTEBATCH_TLB_NONE && tlb->pages) ||
         (!tlb->pages && tlb->addr) ||
         (tlb->addr & ~PAGE_MASK) ||
         tlb->pages > PFN_DOWN(1UL << VADDR_BITS) ||
         (tlb->pages &&
          (!__addr_ok(tlb->addr) ||
           !__addr_ok(tlb->addr + ((tlb->pages - 1) << PAGE_SHIFT)))) )
        return -EINVAL;

    if ( tlb->who != PTEBATCH_TLB_VCPUS )
    {
        if ( tlb->nr_vcpus || tlb->vcpus )
            return -EINVAL;
        if ( c->b.pt_owner != current->domain &&
             tlb->who == PTEBATCH_TLB_LOCAL )
            return -EINVAL;
        return 0;
    }

    if ( c->b.pt_owner != current->domain || !tlb->nr_vcpus )
        return -EINVAL;

    if ( tlb->nr_vcpus > MASK_WORDS * 64 )
        tlb->who = PTEBATCH_TLB_ALL;
    else if ( raw_copy_from_guest(c->mask, (const void *)tlb->vcpus,
                                  DIV_ROUND_UP(tlb->nr_vcpus, 64) *
                                  sizeof(*c->mask)) )
        return -EFAULT;

    return 0;
}

static void tlb_flush_mask(const cpumask_t *mask,
                           const struct ptebatch_tlb *tlb)
{
    /* More than one page is one flush of everything, to send one IPI. */
    if ( tlb->pages == 1 )
        flush_tlb_one_mask(mask, tlb->addr);
    else
        flush_tlb_mask(mask);
}

static void tlb_flush(const struct ptebatch_call *c)
{
    const struct ptebatch_tlb *tlb = &c->tlb;
    struct domain *d = c->b.pt_owner;
    cpumask_t *mask;
    unsigned long i;

    switch ( tlb->who )
    {
    case PTEBATCH_TLB_LOCAL:
        if ( !tlb->pages || tlb->pages > PTEBATCH_HOW_TLB_PAGES_MAX )
            flush_tlb_local();
        else if ( paging_mode_enabled(d) )
            for ( i = 0; i < tlb->pages; i++ )
                paging_invlpg(current, tlb->addr + (i << PAGE_SHIFT));
        else
            for ( i = 0; i < tlb->pages; i++ )
                flush_tlb_one_local(tlb->addr + (i << PAGE_SHIFT));
        break;

    case PTEBATCH_TLB_ALL:
        tlb_flush_mask(d->dirty_cpumask, tlb);
        break;

    case PTEBATCH_TLB_VCPUS:
        mask = this_cpu(scratch_cpumask);
        cpumask_clear(mask);
        for ( i = 0; i < tlb->nr_vcpus && i < d->max_vcpus; i++ )
        {
            const struct vcpu *v;
            unsigned int cpu;

            if ( !(c->mask[i / 64] & (1UL << (i % 64))) )
                continue;
            v = d->vcpu[array_index_nospec(i, d->max_vcpus)];
            if ( !v )
                continue;
            cpu = read_atomic(&v->dirty_cpu);
            if ( is_vcpu_dirty_cpu(cpu) )
                __cpumask_set_cpu(cpu, mask);
        }
        tlb_flush_mask(mask, tlb);
        break;

    default:
        ASSERT_UNREACHABLE();
        break;
    }
}

/* --- Domains -------------------------------------------------------------- */

/*
 * Who is who. For a foreign pt_owner, as for mmu_update, the domain is meant
 * to be paused; its first vCPU stands for it in the paging code.
 */
static int begin_foreign(struct ptebatch_call *c, unsigned long owner)
{
    struct domain *currd = current->domain, *d = currd;
    unsigned int pt = (owner >> 16) & 0xffff;
    int rc;

    if ( pt && pt - 1 != currd->domain_id )
    {
        d = rcu_lock_domain_by_id(pt - 1);
        if ( !d )
            return -ESRCH;

        rc = -EINVAL;
        if ( !d->vcpu || !d->vcpu[0] )
            goto out;

        c->b.pt_owner = d;
        c->b.frames = ptebatch_frames(d);
        c->b.pt_vcpu = d->vcpu[0];
    }

    rc = -ESRCH;
    c->b.pg_owner = get_pg_owner((uint16_t)owner);
    if ( !c->b.pg_owner )
        goto out;

    c->b.own = c->b.own && d == currd && c->b.pg_owner == currd;

    /* Before anything at all: even a TLB flush alone is an act on others. */
    rc = l1_check_xsm(&c->b, XSM_MMU_NORMAL_UPDATE);
    /* Not sooner, or anybody could learn what kind of domain another one is. */
    if ( !rc && (!is_pv_domain(d) || paging_mode_refcounts(d)) )
        rc = -EOPNOTSUPP;
    if ( !rc )
        return 0;

    put_pg_owner(c->b.pg_owner);

 out:
    if ( d != currd )
    {
        c->b.pt_owner = currd;  /* ptebatch_refuse() may still flush */
        rcu_unlock_domain(d);
    }

    return rc;
}

int ptebatch_call_begin(struct ptebatch_call *c, unsigned long owner)
{
    struct vcpu *curr = current;
    struct domain *d = curr->domain;

    l1_batch_init(&c->b);
    /* All but the mask, which only ptebatch_parse_tlb() fills. */
    c->tlb = (struct ptebatch_tlb){};

    c->b.pt_owner = d;          /* whom ptebatch_refuse() flushes */
    if ( unlikely(paging_mode_refcounts(d)) )
        return -EOPNOTSUPP;

    c->b.pt_vcpu = curr;
    c->b.pg_owner = d;
    c->b.frames = ptebatch_frames(d);
    c->b.own = l1_simple(d);

    return likely(owner == DOMID_SELF) ? 0 : begin_foreign(c, owner);
}

void ptebatch_call_end(struct ptebatch_call *c, unsigned long owner)
{
    if ( likely(owner == DOMID_SELF) )
        return;

    put_pg_owner(c->b.pg_owner);
    if ( c->b.pt_owner != current->domain )
        rcu_unlock_domain(c->b.pt_owner);
}

/* --- Answers -------------------------------------------------------------- */

long ptebatch_refuse(struct ptebatch_call *c, unsigned int done,
                     unsigned int slots, int rc)
{
    if ( likely(!(done | slots)) )
        return rc;

    /* The guest changed something meanwhile: what it asked for is not known. */
    c->tlb = (struct ptebatch_tlb){ .who = PTEBATCH_TLB_ALL };
    tlb_flush(c);

    return PTEBATCH_ANSWER(done, slots, -rc);
}

long ptebatch_finish(struct ptebatch_call *c, unsigned int count,
                     unsigned int done, unsigned int slots, int rc)
{
    l1_table_put(&c->b);
    l1_count(CALLS);

    /* If anything was done, now or before, or nothing was asked for. */
    if ( c->tlb.who != PTEBATCH_TLB_NONE && (done || slots || !count) )
        tlb_flush(c);

    return PTEBATCH_ANSWER(done, slots, -rc);
}

/* No entry is touched, so forged progress brings a guest nothing. */
long ptebatch_turned_off(unsigned int done, unsigned long owner)
{
    struct ptebatch_call c;
    unsigned int slots = (owner >> 32) & 0xffff;
    long ret;
    int rc;

    if ( likely(!(done | slots)) )
        return -ENOSYS;

    owner = (uint32_t)owner;
    rc = ptebatch_call_begin(&c, owner);
    ret = ptebatch_refuse(&c, done, slots, rc ?: -ENOSYS);
    if ( !rc )
        ptebatch_call_end(&c, owner);

    return ret;
}

static long probe_count(unsigned int what)
{
    unsigned long sum = 0;
    unsigned int cpu;

    if ( what >= PTEBATCH_COUNTS )
        return -EOPNOTSUPP;
    if ( !is_control_domain(current->domain) )
        return -EPERM;

    what = array_index_nospec(what, PTEBATCH_COUNTS);
    for_each_online_cpu ( cpu )
        sum += l1_counts_of(cpu)[what];

    return sum & LONG_MAX;
}

long ptebatch_probe(unsigned long what, unsigned long item, uint64_t is)
{
    if ( what != PTEBATCH_MAGIC )
        return -EINVAL;

    switch ( item )
    {
    case PTEBATCH_ASK_VERSION:
        return is | PTEBATCH_ABI_VERSION;

    case PTEBATCH_ASK_RECORDS:
        return RECORDS_MAX;

    case PTEBATCH_ASK_FAST:
        return PTEBATCH_FAST_FLAGS;

    case PTEBATCH_ASK_OPS:
        return is == PTEBATCH_IS_RUNS ? (long)PTEBATCH_OPS
                                      : -EOPNOTSUPP;

    default:
        return item >= PTEBATCH_ASK_COUNT(0) && item <= UINT_MAX
               ? probe_count(item - PTEBATCH_ASK_COUNT(0)) : -EOPNOTSUPP;
    }
}

/* --- One value ------------------------------------------------------------ */

int ptebatch_one_value(struct ptebatch_call *c, const mmu_update_t *v)
{
    unsigned int mode = v->ptr & (sizeof(intpte_t) - 1);
    int rc;

    if ( mode != PTEBATCH_SET_EXACT && mode != PTEBATCH_SET_KEEP_AD )
        return -EINVAL;

    rc = l1_table_at(&c->b, v->ptr - mode);
    if ( unlikely(rc) )
        return rc;

    return l1_value_slow(&c->b, v);
}

/*
 * The public header has numbers of its own, so that guests need no other, and
 * the fast paths know how Xen lays out its counts. All of that must be Xen's.
 */
static void __init __maybe_unused build_assertions(void)
{
/* put_pte_flags() as a constant. */
#define PTE_FLAGS(x) ((((x) & ~0xfffUL) << 40) | ((x) & 0xfffUL))
    BUILD_BUG_ON(sizeof(struct ptebatch_value) != sizeof(mmu_update_t));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, slot) !=
                 offsetof(mmu_update_t, ptr));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, pte) !=
                 offsetof(mmu_update_t, val));
    BUILD_BUG_ON(PTEBATCH_COUNTS != L1_COUNTS + 0U);
    BUILD_BUG_ON(PTEBATCH_COUNT_UPDATES_SLOW != L1_COUNT_UPDATES_SLOW + 0U);
    BUILD_BUG_ON(PTEBATCH_SET_EXACT != MMU_NORMAL_PT_UPDATE);
    BUILD_BUG_ON(PTEBATCH_SET_KEEP_AD != MMU_PT_UPDATE_PRESERVE_AD);
    BUILD_BUG_ON(PTEBATCH_DOMID_SELF != DOMID_SELF);

    BUILD_BUG_ON(PTEBATCH_PTE_P != _PAGE_PRESENT);
    BUILD_BUG_ON(PTEBATCH_PTE_RW != _PAGE_RW);
    BUILD_BUG_ON(PTEBATCH_PTE_US != _PAGE_USER);
    BUILD_BUG_ON(PTEBATCH_PTE_CACHE != PAGE_CACHE_ATTRS);
    BUILD_BUG_ON(PTEBATCH_PTE_A != _PAGE_ACCESSED);
    BUILD_BUG_ON(PTEBATCH_PTE_D != _PAGE_DIRTY);
    BUILD_BUG_ON(PTEBATCH_PTE_G != _PAGE_GLOBAL);
    BUILD_BUG_ON(PTEBATCH_PTE_NX != PTE_FLAGS(_PAGE_NX_BIT));
    BUILD_BUG_ON(PTEBATCH_PTE_FRAME != FRAME_BITS);
    BUILD_BUG_ON(PTEBATCH_FAST_FLAGS != FAST_BITS);
    BUILD_BUG_ON(PTEBATCH_TABLE_SLOTS * sizeof(intpte_t) != PAGE_SIZE);

    /* Software's bits, and none that Xen has a meaning for. */
    BUILD_BUG_ON(PTEBATCH_PTE_AVAIL &
                 ~PTE_FLAGS(_PAGE_AVAIL | _PAGE_AVAIL_HIGH));
    BUILD_BUG_ON(PTEBATCH_PTE_AVAIL &
                 PTE_FLAGS(_PAGE_GUEST_KERNEL | _PAGE_GNTTAB));
    /* What mod_l1_entry() changes with no reference moving. */
    BUILD_BUG_ON(FREE_BITS & ~PTE_FLAGS(_PAGE_NX_BIT | _PAGE_AVAIL_HIGH |
                                        _PAGE_AVAIL | _PAGE_DIRTY |
                                        _PAGE_ACCESSED));

    /*
     * TYPE_IS_WRITABLE(): the count is the low end, and every state but
     * "writable, validated" is a bit above it that has to be 0.
     */
    BUILD_BUG_ON(PGT_count_mask != (1UL << PGT_count_width) - 1);
    BUILD_BUG_ON(PGT_writable_page != PGT_type_mask);
    BUILD_BUG_ON(TYPE_WRITABLE(0) & PGT_count_mask);
    BUILD_BUG_ON((PGT_locked | PGT_pinned | PGT_partial | PGT_non_coherent) &
                 (TYPE_WRITABLE(0) | (PGT_count_mask >> 1)));

    /* COUNT_UP(): the same of the general count. */
    BUILD_BUG_ON(PGC_count_mask != (1UL << PGC_count_width) - 1);

    /* ptebatch_map_table() gives out what is in a PV domain's L4 tables. */
    BUILD_BUG_ON(l4_table_offset(DIRECTMAP_VIRT_START +
                                 (PTEBATCH_DIRECTMAP_FRAMES << PAGE_SHIFT) -
                                 1) > ROOT_PAGETABLE_LAST_XEN_SLOT);
#undef PTE_FLAGS
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
