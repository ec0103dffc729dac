/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu_update and update_va_mapping: what the engine takes of them.
 *
 * Nothing that a guest can observe differs from what Xen's own functions do, but
 * for time. The engine does updates of L1 tables and of plain memory, those that
 * it leaves by mod_l1_entry(). At the first other request, or when it is time to
 * be preempted, it continues in Xen's function with the rest, as a preempted call
 * would: the number done is in the guest's "done", and MMU_UPDATE_PREEMPTED in
 * the count. So continuations are Xen's.
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

/*
 * The requests from the first on. Returns how many were done; *rc is the error
 * that the next one met, or L1_NO_TABLE if it is for Xen's function, as is all
 * that has to be preempted. *asked becomes what XSM has allowed.
 */
static noinline unsigned int update_many(const struct ptebatch_value *ureqs,
                                         unsigned int count, uint32_t *asked,
                                         int *rc)
{
    struct ptebatch_value reqs[L1_VALUES];
    struct vcpu *curr = current;
    struct l1_batch b;
    unsigned int i = 0;

    l1_batch_init(&b);
    b.pt_vcpu = curr;
    b.pt_owner = b.pg_owner = curr->domain;
    b.frames = ptebatch_frames(curr->domain);
    b.plain_ok = true;
    *rc = 0;

    while ( i < count && !*rc )
    {
        const struct ptebatch_value *v = reqs, *end;
        unsigned int n = min(count - i, L1_VALUES);

        l1_table_unlock(&b);
        /* One that cannot be read stops the call just where it is. */
        if ( raw_copy_from_guest(reqs, ureqs + i, n * sizeof(*reqs)) )
        {
            *rc = L1_NO_TABLE;
            break;
        }

        for ( end = reqs + n; v < end; )
        {
            const struct ptebatch_value *next;

            *rc = l1_preempt(&b) ? L1_NO_TABLE
                                 : l1_check_xsm(&b, xsm_needed(v->pte));
            if ( unlikely(*rc) )
                break;

            next = l1_values(&b, v, end);
            l1_count_add(UPDATES, next - v);
            if ( next == v )
            {
                /* Left, or in no such table, or no update of an entry at all. */
                *rc = b.locked != (v->slot & PAGE_MASK) || b.plain ||
                      (v->slot & (sizeof(intpte_t) - 1) &
                       ~MMU_PT_UPDATE_PRESERVE_AD)
                      ? L1_NO_TABLE : l1_value_slow(&b, v);
                if ( unlikely(*rc) )
                    break;
                l1_count(UPDATES_SLOW);
                next++;
            }
            v = next;
        }

        i += v - reqs;
    }

    l1_table_put(&b);
    *asked = b.xsm_checked;

    return i;
}

long l1_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
                   unsigned int foreigndom)
{
    const unsigned int nr = count & ~MMU_UPDATE_PREEMPTED;
    const struct vcpu *curr = current;
    struct domain *d = curr->domain;
    struct ptebatch_value req;
    const mmu_update_t *first = NULL;
    uint32_t asked = 0;
    unsigned int i = 0;
    int rc = L1_NO_TABLE;

    BUILD_BUG_ON(sizeof(req) != sizeof(mmu_update_t));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, slot) !=
                 offsetof(mmu_update_t, ptr));
    BUILD_BUG_ON(offsetof(struct ptebatch_value, pte) !=
                 offsetof(mmu_update_t, val));

    if ( unlikely(foreigndom != DOMID_SELF) ||
         unlikely(!l1_part_on(d, L1_UPDATES)) || unlikely(!l1_simple(d)) ||
         unlikely(curr->arch.old_guest_table) || unlikely(!nr) ||
         unlikely(!guest_handle_okay(ureqs, nr)) )
        return mmu_update(ureqs, count, pdone, foreigndom, NULL, 0);

    if ( nr > 1 )
        i = update_many((const struct ptebatch_value *)ureqs.p, nr, &asked, &rc);
    else if ( likely(!raw_copy_from_guest(&req, ureqs.p, sizeof(req))) )
    {
        const unsigned int mode = req.slot & (sizeof(intpte_t) - 1);

        first = (const mmu_update_t *)&req;
        if ( likely(!(mode & ~MMU_PT_UPDATE_PRESERVE_AD)) )
        {
            asked = xsm_needed(req.pte);
            rc = xsm_mmu_update(XSM_TARGET, d, d, d, asked);
            if ( likely(!rc) )
                rc = l1_one_value(req.slot - mode, req.pte, mode, true);
            i = !rc;
            l1_count_add(UPDATES, i);
        }
    }

    /* -ERESTART: L1TF. The domain is to be shadowed, and tries again. */
    if ( unlikely(rc == L1_NO_TABLE) || unlikely(rc == -ERESTART) )
    {
        l1_count(UPDATES_LEFT);
        if ( !i )
            return mmu_update(ureqs, count, pdone, foreigndom, first, asked);
    }

    perfc_add(num_page_updates, i);
    if ( !(count & MMU_UPDATE_PREEMPTED) )
        perfc_incr(calls_to_mmu_update);
    tell_done(pdone, count, i);

    if ( likely(rc <= 0) && likely(rc != -ERESTART) )
        return rc;

    guest_handle_add_offset(ureqs, i);

    return mmu_update(ureqs, (nr - i) | MMU_UPDATE_PREEMPTED, pdone, foreigndom,
                      NULL, asked);
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
    if ( likely(!rc) )
    {
        rc = l1_one_value((l2e_get_intpte(l2e) & PTEBATCH_PTE_FRAME) |
                          (l1_table_offset(va) * sizeof(intpte_t)),
                          val, MMU_NORMAL_PT_UPDATE, false);
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
