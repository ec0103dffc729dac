/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu_update and update_va_mapping: what the engine takes of them.
 *
 * Nothing that a guest can observe differs from what Xen's own functions do, but
 * for time. The engine does updates of L1 tables and of plain memory, those that
 * it leaves by mod_l1_entry(). At the first other request, or when it is time to
 * be preempted, it continues in Xen's function with the rest, and tells it what
 * was done before (struct l1_begun). So continuations are Xen's.
 */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/perfc.h>

#include <asm/flushtlb.h>

#include <xsm/xsm.h>

#include "hooks.h"
#include "l1.h"

/*
 * What a preempted call has done before, in the guest's memory: as Xen's
 * function, it is read before any request is done.
 */
static always_inline unsigned int done_before(
    XEN_GUEST_HANDLE_PARAM(uint) pdone, unsigned int count)
{
    unsigned int done = 0;

    if ( unlikely(count & MMU_UPDATE_PREEMPTED) &&
         unlikely(!guest_handle_is_null(pdone)) )
        (void)copy_from_guest(&done, pdone, 1);

    return done;
}

/* As Xen's function, whatever becomes of it. */
static noinline void copy_done(XEN_GUEST_HANDLE_PARAM(uint) pdone,
                               unsigned int done)
{
    (void)copy_to_guest(pdone, &done, 1);
}

/* The end of a call of which nothing is left for Xen's function. */
static always_inline void tell_done(XEN_GUEST_HANDLE_PARAM(uint) pdone,
                                    unsigned int count, unsigned int done,
                                    unsigned int i)
{
    perfc_add(num_page_updates, i);
    if ( !(count & MMU_UPDATE_PREEMPTED) )
        perfc_incr(calls_to_mmu_update);

    if ( unlikely(!guest_handle_is_null(pdone)) )
        copy_done(pdone, done + i);
}

/* Is anything left? -ERESTART: L1TF. Xen's function makes the continuation. */
static always_inline bool is_left(int rc)
{
    return unlikely(rc == L1_NO_TABLE) || unlikely(rc == -ERESTART);
}

/* A command that is an update of an entry, with or without its A and D? */
static always_inline bool is_update(uint64_t ptr)
{
    return !(ptr & (sizeof(intpte_t) - 1) & ~MMU_PT_UPDATE_PRESERVE_AD);
}

/*
 * One request alone, of a call that was not preempted before. Two loads are all
 * that there is to copy. What the first one names is looked at before anything
 * else is done, so that updates of higher tables cost little more than in Xen's
 * function alone. That reads the request again, and decides everything itself.
 */
static noinline long update_single(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                                   XEN_GUEST_HANDLE_PARAM(uint) pdone,
                                   struct domain *d)
{
    const struct ptebatch_frames frames = ptebatch_frames(d);
    struct l1_begun begun = {};
    struct page_info *table;
    unsigned long info;
    uint64_t ptr, val;

    if ( likely(guest_handle_okay(ureqs, 1)) &&
         likely(!__get_guest(ptr, &ureqs.p->ptr)) && likely(is_update(ptr)) )
    {
        const unsigned int mode = ptr & (sizeof(intpte_t) - 1);

        ptr -= mode;
        table = l1_one_look(ptr, &frames, true, &info);
        if ( likely(table) && likely(!__get_guest(val, &ureqs.p->val)) )
        {
            int rc;

            begun.asked = xsm_needed(val);
            rc = xsm_mmu_update(XSM_TARGET, d, d, d, begun.asked);
            if ( likely(!rc) )
                rc = l1_one_found(d, &frames, table, info, ptr, val, mode);

            if ( likely(!rc) || !is_left(rc) )
            {
                l1_count(UPDATES);
                tell_done(pdone, 1, 0, !rc);
                return rc;
            }
        }
    }

    l1_count(UPDATES_LEFT);

    return mmu_update(ureqs, 1, pdone, DOMID_SELF, &begun);
}

/*
 * The requests from the first on. Adds to *begun how many were done, and what
 * XSM has allowed. The result is what the next one met; L1_NO_TABLE if it is for
 * Xen's function, or if it is time for that to be preempted. A function of its
 * own, for its frame is large.
 */
static noinline int update_many(const mmu_update_t *ureqs, unsigned int nr,
                                struct l1_begun *begun)
{
    mmu_update_t reqs[L1_VALUES];
    struct vcpu *curr = current;
    struct l1_batch b;
    unsigned int i = 0;
    int rc = 0;

    l1_batch_init(&b);
    b.pt_vcpu = curr;
    b.pt_owner = b.pg_owner = curr->domain;
    b.frames = ptebatch_frames(curr->domain);
    b.plain_ok = true;

    while ( i < nr && !rc )
    {
        const mmu_update_t *v = reqs, *end;
        unsigned int n = min(nr - i, L1_VALUES);

        l1_table_unlock(&b);
        /* One that cannot be read stops the call just where it is. */
        if ( raw_copy_from_guest(reqs, ureqs + i, n * sizeof(*reqs)) )
        {
            rc = L1_NO_TABLE;
            break;
        }

        for ( end = reqs + n; v < end; )
        {
            const mmu_update_t *next;

            rc = l1_preempt(&b) || unlikely(!is_update(v->ptr))
                 ? L1_NO_TABLE : l1_check_xsm(&b, xsm_needed(v->val));
            if ( unlikely(rc) )
                break;

            next = l1_values(&b, v, end);
            l1_count_add(UPDATES, next - v);
            if ( next == v )
            {
                /* Left, or not in such a table. */
                rc = b.locked != (v->ptr & PAGE_MASK) || b.plain
                     ? L1_NO_TABLE : l1_value_slow(&b, v);
                if ( unlikely(rc) )
                    break;
                l1_count(UPDATES_SLOW);
                next++;
            }
            v = next;
        }

        i += v - reqs;
    }

    l1_table_put(&b);
    begun->asked = b.xsm_checked;
    begun->done += i;

    return rc;
}

static noinline long update_list(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                                 unsigned int count,
                                 XEN_GUEST_HANDLE_PARAM(uint) pdone)
{
    const unsigned int nr = count & ~MMU_UPDATE_PREEMPTED;
    const unsigned int before = done_before(pdone, count);
    struct l1_begun begun = { .done = before };
    int rc = update_many(ureqs.p, nr, &begun);
    unsigned int i = begun.done - before;

    if ( !is_left(rc) )
    {
        tell_done(pdone, count, before, i);
        return rc;
    }

    l1_count(UPDATES_LEFT);
    perfc_add(num_page_updates, i);
    guest_handle_add_offset(ureqs, i);

    return mmu_update(ureqs, (nr - i) | (count & MMU_UPDATE_PREEMPTED), pdone,
                      DOMID_SELF, &begun);
}

long l1_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
                   const struct vcpu *curr)
{
    const unsigned int nr = count & ~MMU_UPDATE_PREEMPTED;

    if ( likely(l1_simple(curr->domain)) &&
         likely(!curr->arch.old_guest_table) )
    {
        if ( count == 1 )
            return update_single(ureqs, pdone, curr->domain);

        if ( likely(nr) && likely(guest_handle_okay(ureqs, nr)) )
            return update_list(ureqs, count, pdone);
    }

    return mmu_update(ureqs, count, pdone, DOMID_SELF, NULL);
}

/*
 * The table is found as Xen finds it: through the linear map of the current
 * page tables, with no lock. Another vCPU may replace the table meanwhile; what
 * the frame is then is decided under its lock.
 */
int l1_update_va_mapping(unsigned long va, uint64_t val, unsigned long flags,
                         struct domain *d)
{
    l2_pgentry_t l2e;
    int rc;

    if ( unlikely(!l1_simple(d)) || unlikely(!__addr_ok(va)) )
        return -EAGAIN;

    switch ( flags )
    {
    case UVMF_NONE:
    case UVMF_INVLPG | UVMF_LOCAL:
    case UVMF_INVLPG | UVMF_ALL:
    case UVMF_TLB_FLUSH | UVMF_LOCAL:
    case UVMF_TLB_FLUSH | UVMF_ALL:
        break;

    default:
        return -EAGAIN;
    }

    if ( get_unsafe(l2e, &__linear_l2_table[l2_linear_offset(va)]) ||
         (l2e_get_flags(l2e) & (_PAGE_PRESENT | _PAGE_PSE)) != _PAGE_PRESENT )
        return -EAGAIN;

    rc = xsm_update_va_mapping(XSM_TARGET, d, d, l1e_from_intpte(val));
    if ( likely(!rc) )
    {
        rc = l1_one_value(d, (l2e_get_intpte(l2e) & FRAME_BITS) |
                             (l1_table_offset(va) * sizeof(intpte_t)),
                          val, MMU_NORMAL_PT_UPDATE);
        if ( unlikely(rc == L1_NO_TABLE) )
        {
            l1_count(UPDATE_VA_LEFT);
            return -EAGAIN;
        }
        l1_count(UPDATE_VA);
    }

    perfc_incr(calls_to_update_va);
    if ( unlikely(rc) )
        return rc;

    switch ( flags )
    {
    case UVMF_INVLPG | UVMF_LOCAL:
        flush_tlb_one_local(va);
        break;

    case UVMF_INVLPG | UVMF_ALL:
        flush_tlb_one_mask(d->dirty_cpumask, va);
        break;

    case UVMF_TLB_FLUSH | UVMF_LOCAL:
        flush_tlb_local();
        break;

    case UVMF_TLB_FLUSH | UVMF_ALL:
        flush_tlb_mask(d->dirty_cpumask);
        break;
    }

    return 0;
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
