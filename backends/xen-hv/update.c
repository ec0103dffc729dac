/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu_update and update_va_mapping: what the engine takes of them.
 *
 * Nothing that a guest can observe differs from what Xen's own functions do, but
 * for time. To that end the engine does only what succeeds. At the first request
 * that it leaves, or when it is time to be preempted, it continues in Xen's
 * function with the rest, as a preempted call would: the number done is in the
 * guest's "done", and MMU_UPDATE_PREEMPTED in the count. So errors and
 * continuations are Xen's.
 */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/perfc.h>

#include <asm/flushtlb.h>

#include <xsm/xsm.h>

#include "hooks.h"
#include "l1.h"

/* The number done goes to the guest, as Xen's function tells it. */
static void tell_done(XEN_GUEST_HANDLE_PARAM(uint) pdone, unsigned int count,
                      unsigned int i)
{
    unsigned int done = 0;

    if ( likely(guest_handle_is_null(pdone)) )
        return;

    if ( count & MMU_UPDATE_PREEMPTED )
        (void)copy_from_guest(&done, pdone, 1);
    done += i;
    (void)copy_to_guest(pdone, &done, 1);
}

/* One request. False: it is left. */
static bool update_one(const struct ptebatch_value *req)
{
    struct domain *d = current->domain;
    unsigned int mode = req->slot & (sizeof(intpte_t) - 1);

    return (mode == MMU_NORMAL_PT_UPDATE || mode == MMU_PT_UPDATE_PRESERVE_AD) &&
           !xsm_mmu_update(XSM_TARGET, d, d, d, xsm_needed(req->pte)) &&
           l1_one_value(req->slot - mode, req->pte, mode, true);
}

/* Returns how many requests from the first on were done. */
static noinline unsigned int update_many(const struct ptebatch_value *ureqs,
                                         unsigned int count)
{
    struct ptebatch_value reqs[L1_VALUES];
    struct domain *d = current->domain;
    struct l1_batch b;
    unsigned int i = 0;

    l1_batch_init(&b);
    b.pt_owner = b.pg_owner = d;
    b.frames = ptebatch_frames(d);
    b.plain_ok = true;

    do {
        const struct ptebatch_value *v = reqs, *end;
        unsigned int n = min(count - i, L1_VALUES);

        l1_table_unlock(&b);
        /* One that cannot be read stops the call just where it is. */
        if ( raw_copy_from_guest(reqs, ureqs + i, n * sizeof(*reqs)) )
            break;

        end = reqs + n;
        do {
            const struct ptebatch_value *next;

            if ( l1_preempt(&b) || l1_check_xsm(&b, xsm_needed(v->pte)) )
                break;

            next = l1_values(&b, v, end);
            if ( next == v )
                break;
            v = next;
        } while ( v < end );

        i += v - reqs;
        if ( v < end )
            break;
    } while ( i < count );

    l1_table_put(&b);

    return i;
}

long l1_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
                   unsigned int foreigndom)
{
    const unsigned int nr = count & ~MMU_UPDATE_PREEMPTED;
    const struct vcpu *curr = current;
    const struct domain *d = curr->domain;
    struct ptebatch_value req;
    const mmu_update_t *first = NULL;
    unsigned int i;

    BUILD_BUG_ON(sizeof(req) != sizeof(mmu_update_t));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, slot) !=
                 offsetof(mmu_update_t, ptr));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, pte) !=
                 offsetof(mmu_update_t, val));

    if ( unlikely(foreigndom != DOMID_SELF) ||
         unlikely(!l1_part_on(d, L1_UPDATES)) || unlikely(!l1_simple(d)) ||
         unlikely(curr->arch.old_guest_table) || unlikely(!nr) ||
         unlikely(!guest_handle_okay(ureqs, nr)) )
        return mmu_update(ureqs, count, pdone, foreigndom, NULL);

    if ( nr == 1 )
    {
        if ( unlikely(raw_copy_from_guest(&req, ureqs.p, sizeof(req))) )
            return mmu_update(ureqs, count, pdone, foreigndom, NULL);
        i = update_one(&req);
        first = (const mmu_update_t *)&req;
    }
    else
        i = update_many((const struct ptebatch_value *)ureqs.p, nr);

    l1_count_add(UPDATES, i);
    if ( unlikely(i < nr) )
    {
        l1_count(UPDATES_LEFT);
        if ( !i )
            return mmu_update(ureqs, count, pdone, foreigndom, first);
    }

    perfc_add(num_page_updates, i);
    if ( !(count & MMU_UPDATE_PREEMPTED) )
        perfc_incr(calls_to_mmu_update);
    tell_done(pdone, count, i);

    if ( likely(i == nr) )
        return 0;

    guest_handle_add_offset(ureqs, i);

    return mmu_update(ureqs, (nr - i) | MMU_UPDATE_PREEMPTED, pdone, foreigndom,
                      NULL);
}

/*
 * The table is found as Xen finds it: through the linear map of the current
 * page tables, with no lock. Another vCPU may replace the table meanwhile; what
 * the frame is then is decided under its lock.
 */
int l1_update_va_mapping(unsigned long va, uint64_t val, unsigned long flags)
{
    struct domain *d = current->domain;
    l2_pgentry_t l2e;
    int rc;

    if ( unlikely(!l1_part_on(d, L1_UPDATES)) || unlikely(!l1_simple(d)) ||
         unlikely(!__addr_ok(va)) )
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
    if ( unlikely(rc) )
        return rc;

    if ( unlikely(!l1_one_value((l2e_get_intpte(l2e) & PTEBATCH_PTE_FRAME) |
                                (l1_table_offset(va) * sizeof(intpte_t)),
                                val, MMU_NORMAL_PT_UPDATE, false)) )
    {
        l1_count(UPDATE_VA_LEFT);
        return -EAGAIN;
    }

    l1_count(UPDATE_VA);
    perfc_incr(calls_to_update_va);

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
