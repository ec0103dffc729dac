/* SPDX-License-Identifier: GPL-2.0-only */
/* The call ptebatch_values: full values, as mmu_update takes them. */

#include <xen/event.h>
#include <xen/guest_access.h>

#include "calls.h"

long do_ptebatch_values(unsigned long what, unsigned long count,
                        unsigned long how, unsigned long arg4,
                        unsigned long arg5)
{
    struct ptebatch_call c;
    mmu_update_t values[L1_VALUES];
    unsigned int nr = count, done = count >> 32;
    long ret;
    int rc;

    if ( unlikely(!l1_part_on(current->domain, L1_CALLS)) )
        return ptebatch_turned_off(done, (uint32_t)arg4);

    if ( PTEBATCH_HOW_OP(how) == PTEBATCH_HOW_PROBE )
        return ptebatch_probe(what, count, PTEBATCH_IS_VALUES);
    if ( PTEBATCH_HOW_OP(how) )
        return -EOPNOTSUPP;

    if ( nr > RECORDS_MAX || done > nr || (arg4 >> 32) )
        return -EINVAL;

    rc = ptebatch_call_begin(&c, arg4);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, 0, rc);

    rc = ptebatch_parse_tlb(&c, how, true, arg5);
    if ( unlikely(rc) )
    {
        ret = ptebatch_refuse(&c, done, 0, rc);
        goto out;
    }

    while ( likely(!rc) && done < nr )
    {
        const mmu_update_t *v = values, *end;
        unsigned int n = min(nr - done, L1_VALUES);

        l1_table_unlock(&c.b);
        if ( raw_copy_from_guest(values, (const void *)(what + done *
                                                        sizeof(*values)),
                                 n * sizeof(*values)) )
        {
            rc = -EFAULT;
            break;
        }

        for ( end = values + n; v < end; )
        {
            const mmu_update_t *next = v;

            if ( l1_preempt(&c.b) )
                rc = -ERESTART;
            else
                rc = l1_check_xsm(&c.b, xsm_needed(v->val));
            if ( unlikely(rc) )
                break;

            if ( likely(c.b.own) )
                next = l1_values(&c.b, v, end);
            if ( next == v )
            {
                rc = ptebatch_one_value(&c, v);
                if ( unlikely(rc) )
                    break;
                next++;
            }
            v = next;
        }
        done += v - values;
    }

    if ( rc == -ERESTART )
    {
        l1_table_put(&c.b);
        ret = hypercall_create_continuation(
            __HYPERVISOR_ptebatch_values, "lllll", what,
            nr | ((unsigned long)done << 32), how, arg4, arg5);
    }
    else
        ret = ptebatch_finish(&c, nr, done, 0, rc);

 out:
    ptebatch_call_end(&c, arg4);

    return ret;
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
