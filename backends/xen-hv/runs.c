/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The call ptebatch_runs: the same change of flags, or get-and-clear, of
 * neighbouring entries; and single entries in registers.
 */

#include <xen/event.h>
#include <xen/guest_access.h>

#include <asm/flushtlb.h>
#include <asm/paging.h>

#include <xsm/xsm.h>

#include "calls.h"

/* Records copied in one go, to the stack: 960 bytes. */
#define RUN_CHUNK 24U

static always_inline int check_run(const struct ptebatch_run *run)
{
    switch ( run->op )
    {
    case PTEBATCH_OP_FLAGS:
        if ( ((run->clear | run->set) & ~PTEBATCH_RUN_FLAGS) ||
             ((run->set & PTEBATCH_PTE_NX) && !cpu_has_nx) )
            return -EINVAL;
        break;

    case PTEBATCH_OP_CLEAR:
        if ( run->clear | run->set )
            return -EINVAL;
        break;

    default:
        return -EOPNOTSUPP;
    }

    /* Inside one table: count first, so that the sum cannot wrap. */
    if ( (run->slot & (sizeof(intpte_t) - 1)) ||
         !run->count || run->count > PTEBATCH_TABLE_SLOTS ||
         PAGE_OFFSET(run->slot) + run->count * sizeof(intpte_t) > PAGE_SIZE )
        return -EINVAL;

    return 0;
}

/* Of a flags run: as if of entries with all that it does not take away. */
static always_inline uint32_t run_needs(intpte_t clear, intpte_t set)
{
    return xsm_needed(set | PTEBATCH_PTE_P | (PTEBATCH_PTE_RW & ~clear));
}

/* --- What the engine leaves ----------------------------------------------- */

/* Any table, any owner: shadow code has to see the write. */
static intpte_t write_any(struct ptebatch_call *c, intpte_t *p, intpte_t pte,
                          intpte_t keep, intpte_t set)
{
    for ( ; ; )
    {
        intpte_t seen = paging_cmpxchg_guest_entry(c->pt_vcpu, p, pte,
                                                   (pte & keep) | set,
                                                   c->b.mfn);

        if ( likely(seen == pte) )
            return pte;

        /* The table is locked: nobody but hardware writes. */
        BUG_ON((seen ^ pte) & ~AD_BITS);
        pte = seen;
    }
}

/*
 * One entry of a run becomes (entry & keep) | set, which is present or 0, in the
 * order of mod_l1_entry(): references for the new entry, the entry, references
 * of the old one. mod_l1_entry() itself can neither clear A and D atomically nor
 * say what the entry was. *pte becomes that.
 */
static int update_any(struct ptebatch_call *c, intpte_t *p, intpte_t *pte,
                      intpte_t keep, intpte_t set)
{
    intpte_t new = (*pte & keep) | set;

    if ( *pte == new )
        return 0;

    l1_works_slow(&c->b, new);

    if ( new & _PAGE_PRESENT )
    {
        int rc;

        if ( !((*pte ^ new) & ~FREE_BITS) )
        {
            *pte = write_any(c, p, *pte, keep, set);
            return 0;
        }

        rc = get_page_from_l1e(l1e_from_intpte(new), c->b.pt_owner,
                               c->b.pg_owner);
        if ( rc < 0 )
            return rc;
        /* Flags that Xen wants different, for I/O memory: RW off, UC on. */
        if ( rc )
        {
            intpte_t flip = put_pte_flags(rc);

            keep &= ~flip;
            set = (set & ~flip) | ((new ^ flip) & flip);
        }
    }

    *pte = write_any(c, p, *pte, keep, set);
    put_page_from_l1e(l1e_from_intpte(*pte), c->b.pt_owner);

    return 0;
}

/* --- Runs ----------------------------------------------------------------- */

/* What a run asks of an entry, so that a loop need not ask it of each. */
enum run_kind {
    RUN_FREE,                   /* no reference can move; bits are cleared */
    RUN_FREE_SET,               /* the same; bits are set */
    RUN_GAIN,                   /* entries become writable */
    RUN_DROP,                   /* entries become read-only */
    RUN_CLEAR,                  /* entries become 0 */
    RUN_OTHER,                  /* nothing that a loop could assume */
};

static enum run_kind run_kind(const struct ptebatch_call *c,
                              const struct ptebatch_run *run)
{
    if ( !c->b.own || ((run->clear | run->set) & PTEBATCH_PTE_CACHE) )
        return RUN_OTHER;

    if ( run->op == PTEBATCH_OP_CLEAR )
        return RUN_CLEAR;

    if ( run->set & _PAGE_RW )
        return RUN_GAIN;

    if ( run->clear & _PAGE_RW )
        return RUN_DROP;

    return run->set ? RUN_FREE_SET : RUN_FREE;
}

/*
 * The slots of a run from i on, as long as the engine takes them, with
 * everything that is the same for all taken out of the loop. Returns the first
 * slot not done; *left says whether the engine left it. olds[0] belongs to slot
 * i. Without olds, the run has no bits to clear if it has any to set.
 */
static always_inline unsigned int run_loop(
    struct ptebatch_call *c, const struct ptebatch_run *run, enum run_kind kind,
    unsigned int i, unsigned int end, intpte_t *olds, bool *left)
{
    const bool free = kind == RUN_FREE || kind == RUN_FREE_SET;
    struct l1_change to = l1_change(
        kind == RUN_CLEAR ? 0 : ~run->clear, run->set,
        kind == RUN_CLEAR ? (olds ? WRITE_XCHG : WRITE_STORE) :
        olds ? WRITE_KEEP :
        kind == RUN_GAIN || kind == RUN_FREE_SET ? WRITE_OR : WRITE_AND);
    struct ptebatch_frames frames = c->b.frames;
    void *const l1 = c->b.l1;
    /*
     * i and the slot are the guest's. A CPU that runs ahead of their checks reads
     * an aligned entry inside the table.
     */
    intpte_t *p = l1 + ((run->slot + i * sizeof(*p)) & SLOT_MASK);

    if ( kind != RUN_CLEAR )
        OPTIMIZER_HIDE_VAR(to.ad); /* one register, outside the loop */

    while ( i < end )
    {
        intpte_t pte = ACCESS_ONCE(*p);
        enum l1_result res = L1_DONE;

        if ( kind == RUN_CLEAR )
            res = l1_clear(p, &pte, &to, &frames);
        else if ( likely(pte & _PAGE_PRESENT) )
            res = l1_flags(p, &pte, &to,
                           (kind == RUN_GAIN && !(pte & _PAGE_RW)) ||
                           (kind == RUN_DROP && (pte & _PAGE_RW)),
                           kind == RUN_GAIN, &frames);

        if ( unlikely(res == L1_LEFT) )
        {
            *left = true;
            break;
        }

        if ( olds )
            *olds++ = pte;
        i++;
        /*
         * A CPU that runs ahead of the end must not take what lies behind the
         * table for an entry and look up its frame.
         */
        p++;
        if ( !free )
            p = l1 + PAGE_OFFSET(p);

        if ( unlikely(res != L1_DONE) )
        {
            l1_worked(&c->b, res);
            break;
        }
    }

    return i;
}

/*
 * The slots of a run from *done to end, or until an error or until it is time
 * to look at preemption. The table is locked. olds: room for end - *done old
 * values, or NULL.
 */
static always_inline int run_slots(
    struct ptebatch_call *c, const struct ptebatch_run *run, enum run_kind kind,
    unsigned int *done, unsigned int end, intpte_t *olds)
{
    const bool clear = run->op == PTEBATCH_OP_CLEAR;
    intpte_t *const first = olds ? olds - *done : NULL;

    do {
        unsigned int i = *done;
        intpte_t *p, pte, *o = olds ? first + i : NULL;
        bool left = false;
        int rc;

        switch ( kind )
        {
        case RUN_FREE:
            i = run_loop(c, run, RUN_FREE, i, end, o, &left);
            break;

        case RUN_FREE_SET:
            i = run_loop(c, run, RUN_FREE_SET, i, end, o, &left);
            break;

        case RUN_GAIN:
            i = run_loop(c, run, RUN_GAIN, i, end, o, &left);
            break;

        case RUN_DROP:
            i = run_loop(c, run, RUN_DROP, i, end, o, &left);
            break;

        case RUN_CLEAR:
            i = run_loop(c, run, RUN_CLEAR, i, end, o, &left);
            break;

        case RUN_OTHER:
        default:
            left = true;
            break;
        }

        c->b.work += i - *done;
        *done = i;
        if ( !left )
            continue;

        p = c->b.l1 + ((run->slot + i * sizeof(*p)) & SLOT_MASK);
        pte = ACCESS_ONCE(*p);
        if ( clear || (pte & _PAGE_PRESENT) )
        {
            rc = update_any(c, p, &pte, clear ? 0 : ~(run->clear | run->set),
                            run->set);
            if ( unlikely(rc) )
                return rc;
        }

        if ( olds )
            first[i] = pte;
        c->b.work++;
        ++*done;
    } while ( *done < end && c->b.work < PTEBATCH_PREEMPT );

    return 0;
}

/* -ERESTART: to be preempted, *done says where. */
static int do_run(struct ptebatch_call *c, const struct ptebatch_run *run,
                  unsigned int *done)
{
    intpte_t olds[PTEBATCH_OLD_CHUNK];
    /* Both masks: not one "lock and" or "lock or", so as if asked for olds. */
    const bool want_olds = run->old ||
                           (run->set && (run->clear & ~run->set));
    enum run_kind kind;
    int rc = check_run(run);

    if ( unlikely(rc) )
        return rc;

    rc = l1_check_xsm(&c->b, run->op == PTEBATCH_OP_FLAGS
                             ? run_needs(run->clear, run->set)
                             : XSM_MMU_NORMAL_UPDATE);
    if ( unlikely(rc) )
        return rc;

    kind = run_kind(c, run);
    c->b.work += WORK_RECORD;

    while ( *done < run->count )
    {
        unsigned int start = *done, end;

        if ( l1_preempt(&c->b) )
            return -ERESTART;

        rc = l1_table_at(&c->b, run->slot);
        if ( unlikely(rc) )
            return rc;

        end = min(run->count, start + PTEBATCH_PREEMPT -
                              min(c->b.work, PTEBATCH_PREEMPT - 1));
        if ( want_olds )
        {
            end = min(end, start + PTEBATCH_OLD_CHUNK);
            rc = run_slots(c, run, kind, done, end, olds);
        }
        else
            rc = run_slots(c, run, kind, done, end, NULL);

        if ( run->old )
        {
            /* Never touch guest memory with a table locked. */
            l1_table_unlock(&c->b);
            if ( *done != start &&
                 raw_copy_to_guest((void *)run->old + start * sizeof(*olds),
                                   olds, (*done - start) * sizeof(*olds)) )
                return -EFAULT;
        }

        if ( unlikely(rc) )
            return rc;
    }

    return 0;
}

/*
 * The records of a list from i on, as long as each changes the flags of one
 * entry of the table at hand; the first that does not is returned.
 */
static always_inline unsigned int single_runs(
    struct ptebatch_call *c, const struct ptebatch_run *runs, unsigned int i,
    unsigned int n)
{
    struct ptebatch_frames frames = c->b.frames;
    const intpte_t ask = xsm_unasked(&c->b);
    void *l1;

    if ( !c->b.own || l1_table_at(&c->b, runs[i].slot) )
        return i;

    l1 = c->b.l1;
    for ( ; i < n; i++ )
    {
        const struct ptebatch_run *run = &runs[i];
        const intpte_t clear = run->clear, set = run->set;
        struct l1_change to = l1_change(~clear, set, WRITE_KEEP);
        intpte_t pte, *p = l1 + (run->slot & SLOT_MASK);
        enum l1_result res;

        if ( unlikely((run->slot & ~SLOT_MASK) != c->b.locked) ||
             unlikely(run->count != 1 || run->op != PTEBATCH_OP_FLAGS) ||
             unlikely(run->old) ||
             unlikely((clear | set) & ~PTEBATCH_FAST_FLAGS) ||
             unlikely((~clear | set) & ask) )
            break;

        pte = ACCESS_ONCE(*p);
        if ( unlikely(!(pte & _PAGE_PRESENT)) )
            continue;

        res = l1_flags(p, &pte, &to,
                       (((pte & ~clear) | set) ^ pte) & _PAGE_RW,
                       set & _PAGE_RW, &frames);
        if ( likely(res == L1_DONE) )
            continue;
        if ( res == L1_LEFT )
            break;
        l1_worked(&c->b, res);
        return i + 1;
    }

    return i;
}

/* --- The call ------------------------------------------------------------- */

/*
 * What most calls of mprotect(), and faults, come down to: one entry of the
 * caller's own, with its INVLPG or none. False: nothing was done, since it is
 * not that simple, or anything is wrong: what decides about that comes after.
 */
static always_inline bool one_entry(unsigned int op, unsigned long what,
                                    unsigned long how, unsigned long arg4,
                                    unsigned long arg5)
{
    struct domain *d = current->domain;
    unsigned int mode = 0;
    enum l1_result res;
    uint32_t needs;

    if ( unlikely(!ptebatch_tlb_simple(how)) || unlikely(!l1_simple(d)) )
        return false;

    switch ( op )
    {
    case PTEBATCH_OP_FLAGS:
        if ( (arg4 | arg5) & ~PTEBATCH_FAST_FLAGS )
            return false;
        needs = run_needs(arg4, arg5);
        break;

    case PTEBATCH_OP_CLEAR:
        if ( arg4 )
            return false;
        fallthrough;
    default:                    /* PTEBATCH_OP_SET */
        mode = what & (sizeof(intpte_t) - 1);
        if ( arg5 || (mode & ~PTEBATCH_SET_KEEP_AD) ||
             (mode && op == PTEBATCH_OP_CLEAR) )
            return false;
        needs = xsm_needed(arg4);
        break;
    }

    if ( unlikely(xsm_mmu_update(XSM_TARGET, d, d, d, needs)) )
        return false;

    res = op == PTEBATCH_OP_FLAGS
          ? l1_one_flags(what, arg4, arg5)
          : l1_one_value(what - mode, arg4, mode, false);
    if ( unlikely(res == L1_LEFT) )
        return false;

    l1_count(CALLS);
    if ( how & PTEBATCH_HOW_TLB_PAGE )
        flush_tlb_one_local(how & PTEBATCH_HOW_TLB_ADDR);

    return true;
}

/* A list of one whose record is the arguments. */
static long runs_registers(unsigned long what, unsigned long count,
                           unsigned long how, unsigned long arg4,
                           unsigned long arg5)
{
    struct ptebatch_call c;
    const unsigned int op = PTEBATCH_HOW_OP(how);
    const bool take = op == PTEBATCH_OP_TAKE;
    const struct ptebatch_run run = {
        .slot = what,
        .count = count,
        .op = take ? PTEBATCH_OP_CLEAR : op,
        .clear = take ? 0 : arg4,
        .set = arg5,
        .old = take ? arg4 : 0,
    };
    unsigned int done = count >> 32;
    int rc;

    if ( done > run.count || (op == PTEBATCH_OP_SET && run.count > 1) ||
         (take && !arg4) )
        return -EINVAL;

    rc = ptebatch_begin(&c, DOMID_SELF);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, 0, rc);

    rc = ptebatch_parse_tlb(&c, how, false, 0);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, 0, rc);

    if ( op == PTEBATCH_OP_SET && run.count != done )
    {
        const struct ptebatch_value value = { .slot = what, .pte = arg4 };

        rc = arg5 ? -EINVAL : l1_check_xsm(&c.b, xsm_needed(arg4))
                              ?: ptebatch_value(&c, &value);
        done += !rc;
    }
    else if ( likely(run.count != done) )
        rc = do_run(&c, &run, &done);

    if ( unlikely(rc == -ERESTART) )
    {
        l1_table_put(&c.b);
        return hypercall_create_continuation(
            __HYPERVISOR_ptebatch_runs, "lllll", what,
            run.count | ((unsigned long)done << 32), how, arg4, arg5);
    }

    return ptebatch_finish(&c, run.count, done, 0, rc);
}

static long runs_list(unsigned long what, unsigned long count,
                      unsigned long how, unsigned long arg4,
                      unsigned long arg5)
{
    struct ptebatch_call c;
    struct ptebatch_run runs[RUN_CHUNK];
    unsigned int nr = count, done = count >> 32;
    unsigned int slots = (arg4 >> 32) & 0xffff;
    unsigned long owner = (uint32_t)arg4;
    long ret;
    int rc;

    if ( nr > RECORDS_MAX || done > nr || (arg4 >> 48) )
        return -EINVAL;

    rc = ptebatch_begin(&c, owner);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, slots, rc);

    rc = ptebatch_parse_tlb(&c, how, true, arg5);
    if ( unlikely(rc) )
    {
        ret = ptebatch_refuse(&c, done, slots, rc);
        goto out;
    }

    while ( !rc && done < nr )
    {
        unsigned int i, n = min(nr - done, RUN_CHUNK);

        l1_table_unlock(&c.b);
        if ( raw_copy_from_guest(runs, (const void *)(what + done *
                                                      sizeof(*runs)),
                                 n * sizeof(*runs)) )
        {
            rc = -EFAULT;
            break;
        }

        for ( i = 0; i < n; i++, done++, slots = 0 )
        {
            if ( likely(!slots) )
            {
                unsigned int next;

                if ( l1_preempt(&c.b) )
                {
                    rc = -ERESTART;
                    break;
                }

                next = single_runs(&c, runs, i, n);
                c.b.work += (next - i) * (1 + WORK_RECORD);
                done += next - i;
                i = next;
                if ( i == n )
                    break;
            }

            /* Only forged progress can be at or past the end. */
            if ( unlikely(slots) && slots >= runs[i].count )
                rc = -EINVAL;
            else
                rc = do_run(&c, &runs[i], &slots);
            if ( unlikely(rc) )
                break;
        }
    }

    if ( unlikely(rc == -ERESTART) )
    {
        l1_table_put(&c.b);
        ret = hypercall_create_continuation(
            __HYPERVISOR_ptebatch_runs, "lllll", what,
            nr | ((unsigned long)done << 32), how,
            owner | ((unsigned long)slots << 32), arg5);
    }
    else
        ret = ptebatch_finish(&c, nr, done, slots, rc);

 out:
    ptebatch_end(&c, owner);

    return ret;
}

long do_ptebatch_runs(unsigned long what, unsigned long count,
                      unsigned long how, unsigned long arg4,
                      unsigned long arg5)
{
    const unsigned int op = PTEBATCH_HOW_OP(how);

    if ( unlikely(!l1_part_on(current->domain, L1_CALLS)) )
        return ptebatch_turned_off(count >> 32,
                                   op == PTEBATCH_HOW_LIST ? arg4 : DOMID_SELF);

    switch ( op )
    {
    case PTEBATCH_OP_FLAGS:
    case PTEBATCH_OP_CLEAR:
    case PTEBATCH_OP_SET:
        if ( count == 1 && one_entry(op, what, how, arg4, arg5) )
            return PTEBATCH_ANSWER(1, 0, 0);
        fallthrough;
    case PTEBATCH_OP_TAKE:
        return runs_registers(what, count, how, arg4, arg5);

    case PTEBATCH_HOW_LIST:
        return runs_list(what, count, how, arg4, arg5);

    case PTEBATCH_HOW_PROBE:
        return ptebatch_probe(what, count, PTEBATCH_IS_RUNS);

    default:
        return -EOPNOTSUPP;
    }
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
