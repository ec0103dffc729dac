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

/* Records copied in one go, to the stack: 1,920 bytes. */
#define RUN_CHUNK 48U

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
static always_inline uint32_t flags_need(intpte_t clear, intpte_t set)
{
    return xsm_needed(set | _PAGE_PRESENT | (_PAGE_RW & ~clear));
}

static always_inline uint32_t run_needs(const struct ptebatch_run *run)
{
    return run->op == PTEBATCH_OP_FLAGS ? flags_need(run->clear, run->set)
                                        : XSM_MMU_NORMAL_UPDATE;
}

/* --- What the engine leaves ----------------------------------------------- */

/* Any table, any owner: shadow code has to see the write. */
static intpte_t write_any(struct ptebatch_call *c, intpte_t *p, intpte_t pte,
                          intpte_t keep, intpte_t set)
{
    for ( ; ; )
    {
        intpte_t seen = paging_cmpxchg_guest_entry(c->b.pt_vcpu, p, pte,
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

/* Do the records ask the same of one slot each? b sets "set". */
static always_inline bool same_single(const struct ptebatch_run *a,
                                      const struct ptebatch_run *b,
                                      intpte_t set)
{
    /* count and op, as one: the compiler would make two comparisons of them. */
    typedef uint64_t __attribute__((__may_alias__)) both_t;

    return *(const both_t *)&a->count == *(const both_t *)&b->count &&
           a->clear == b->clear && a->set == set && !a->old;
}

/*
 * The slots of a run from i on, or with "list" the records from runs[i] on that
 * have one slot each and ask the same, as long as the table is the one that is
 * locked and the engine takes the entry. Everything that is the same for all is
 * outside the loop. Returns the first slot or record not done, with LEFT if it
 * was left. olds[0], with "old", belongs to i. Without, the run has no bits to
 * clear if it has any to set.
 */
#define LEFT 0x80000000U

static always_inline unsigned int run_loop(
    struct l1_batch *b, const struct ptebatch_run *runs, bool list,
    enum run_kind kind, bool old, unsigned int i, unsigned int end,
    intpte_t *olds)
{
    const struct ptebatch_run *run = list ? runs + i : runs;
    const struct ptebatch_run *const first = run;
    const bool clear = kind == RUN_CLEAR;
    const bool free = kind == RUN_FREE || kind == RUN_FREE_SET;
    struct l1_change to = l1_change(
        clear ? 0 : ~run->clear, run->set,
        clear ? (old ? WRITE_XCHG : WRITE_STORE) :
        old ? WRITE_KEEP :
        kind == RUN_GAIN || kind == RUN_FREE_SET ? WRITE_OR : WRITE_AND);
    struct l1_stretch s = {
        .frames = b->frames,
        .left = end - i,
        .end = end,
    };
    const uint64_t locked = b->locked;
    void *const l1 = b->l1;
    /*
     * i and the slot are the guest's. A CPU that runs ahead of their checks reads
     * an aligned entry inside the table.
     */
    intpte_t *p = l1 + ((run->slot + (list ? 0 : i) * sizeof(*p)) & SLOT_MASK);

    s.frames.once = false;      /* so that the compiler knows */
    if ( !clear )
        OPTIMIZER_HIDE_VAR(to.ad); /* one register, outside the loop */

    do {
        intpte_t pte;

        if ( list )
        {
            uint64_t offset = run->slot - locked;

            if ( unlikely(offset & ~SLOT_MASK) ||
                 unlikely(!same_single(run, first, to.set)) )
                break;
            OPTIMIZER_HIDE_VAR(offset); /* or the mask would be superfluous */
            p = l1 + (offset & SLOT_MASK);
        }

        pte = ACCESS_ONCE(*p);
        if ( unlikely(!(pte & _PAGE_PRESENT)) )
        {
            /* Hardware leaves it alone, and 0 is safe against L1TF. */
            if ( clear && pte )
                write_atomic(p, 0);
        }
        else if ( unlikely(!(clear ? l1_clear(p, &pte, &to, &s)
                                   : l1_flags(p, &pte, &to,
                                              (kind == RUN_GAIN &&
                                               !(pte & _PAGE_RW)) ||
                                              (kind == RUN_DROP &&
                                               (pte & _PAGE_RW)),
                                              kind == RUN_GAIN, &s))) )
            break;

        if ( old )
            *olds++ = pte;

        if ( list )
            run++;
        else
        {
            /*
             * A CPU that runs ahead of the end must not take what lies behind
             * the table for an entry and look up its frame.
             */
            p++;
            if ( !free )
                p = l1 + PAGE_OFFSET(p);
        }
    } while ( --s.left );

    l1_worked(b, s.work);

    return (s.end - s.left) | (s.left ? LEFT : 0);
}

/* Each loop gets all registers for itself. */
#define RUN_LOOP(name, list, kind, old)                                 \
static noinline unsigned int name(                                      \
    struct l1_batch *b, const struct ptebatch_run *runs,                \
    unsigned int i, unsigned int end, intpte_t *olds)                   \
{                                                                       \
    return run_loop(b, runs, list, kind, old, i, end, olds);            \
}
RUN_LOOP(run_free, false, RUN_FREE, false)
RUN_LOOP(run_free_set, false, RUN_FREE_SET, false)
RUN_LOOP(run_gain, false, RUN_GAIN, false)
RUN_LOOP(run_drop, false, RUN_DROP, false)
RUN_LOOP(run_clear, false, RUN_CLEAR, false)
RUN_LOOP(old_free, false, RUN_FREE, true)
RUN_LOOP(old_gain, false, RUN_GAIN, true)
RUN_LOOP(old_drop, false, RUN_DROP, true)
RUN_LOOP(old_clear, false, RUN_CLEAR, true)
RUN_LOOP(list_free, true, RUN_FREE, false)
RUN_LOOP(list_free_set, true, RUN_FREE_SET, false)
RUN_LOOP(list_gain, true, RUN_GAIN, false)
RUN_LOOP(list_drop, true, RUN_DROP, false)
RUN_LOOP(list_clear, true, RUN_CLEAR, false)

/* olds: for the old values, or NULL. */
static unsigned int fast_runs(struct l1_batch *b,
                              const struct ptebatch_run *runs, bool list,
                              enum run_kind kind, unsigned int i,
                              unsigned int end, intpte_t *olds)
{
    /*
     * Three direct calls, not one call of a function that is chosen: a call
     * through a pointer costs more, and needs functions that begin with endbr64.
     */
#define CALL_LOOP(in_list, with_olds, alone)                            \
    (list ? in_list(b, runs, i, end, olds)                              \
          : olds ? with_olds(b, runs, i, end, olds)                     \
                 : alone(b, runs, i, end, olds))

    switch ( kind )
    {
    case RUN_FREE:
        return CALL_LOOP(list_free, old_free, run_free);

    case RUN_FREE_SET:
        return CALL_LOOP(list_free_set, old_free, run_free_set);

    case RUN_GAIN:
        return CALL_LOOP(list_gain, old_gain, run_gain);

    case RUN_DROP:
        return CALL_LOOP(list_drop, old_drop, run_drop);

    case RUN_CLEAR:
        return CALL_LOOP(list_clear, old_clear, run_clear);

    default:
        return i | LEFT;
    }
#undef CALL_LOOP
}

static noinline void fetch_ahead(const struct l1_batch *b,
                                 const struct ptebatch_run *run,
                                 unsigned int i, unsigned int end)
{
    for ( ; i < end; i++ )
    {
        const intpte_t *p = b->l1 + ((run->slot + i * sizeof(*p)) & SLOT_MASK);

        l1_prefetch(ACCESS_ONCE(*p));
    }
}

/*
 * The slots of a run from *done to end, or until an error or until it is time
 * to look at preemption. The table is locked. olds: room for end - *done old
 * values, or NULL.
 */
static int run_slots(struct ptebatch_call *c,
                     const struct ptebatch_run *run, enum run_kind kind,
                     unsigned int *done, unsigned int end, intpte_t *olds)
{
    const bool clear = run->op == PTEBATCH_OP_CLEAR;
    const bool moves = kind == RUN_GAIN || kind == RUN_DROP ||
                       kind == RUN_CLEAR;
    struct l1_batch *b = &c->b;

    do {
        /* Slow entries leave less work for the rest of the run. */
        unsigned int stop = min(end, *done + PTEBATCH_PREEMPT -
                                     min(b->work, PTEBATCH_PREEMPT - 1));
        bool timing = moves && l1_must_time(b, stop - *done);
        cycles_t start = 0;
        unsigned int i, n;
        intpte_t *p, pte;

        if ( timing || unlikely(b->cold) )
            stop = min(stop, *done + COLD_SAMPLE);
        if ( timing )
            start = get_cycles();
        else if ( unlikely(b->cold) )
            fetch_ahead(b, run, *done, stop);

        i = fast_runs(b, run, false, kind, *done, stop, olds);
        n = (i & ~LEFT) - *done;
        if ( timing && i == stop )
            l1_time(b, start, COLD_RUN);

        if ( olds )
            olds += n;
        b->work += n;
        *done += n;
        if ( !(i & LEFT) )
            continue;

        p = b->l1 + ((run->slot + *done * sizeof(*p)) & SLOT_MASK);
        pte = ACCESS_ONCE(*p);
        if ( clear || (pte & _PAGE_PRESENT) )
        {
            int rc = update_any(c, p, &pte,
                                clear ? 0 : ~(run->clear | run->set), run->set);

            if ( unlikely(rc) )
                return rc;
        }

        if ( olds )
            *olds++ = pte;
        b->work++;
        ++*done;
    } while ( *done < end && b->work < PTEBATCH_PREEMPT );

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

    rc = l1_check_xsm(&c->b, run_needs(run));
    if ( unlikely(rc) )
        return rc;

    kind = run_kind(c, run);

    while ( *done < run->count )
    {
        unsigned int start = *done, end = run->count;

        if ( l1_preempt(&c->b) )
            return -ERESTART;

        rc = l1_table_at(&c->b, run->slot);
        if ( unlikely(rc) )
            return rc;

        if ( want_olds )
            end = min(end, start + PTEBATCH_OLD_CHUNK);
        rc = run_slots(c, run, kind, done, end, want_olds ? olds : NULL);

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

    /* Not sooner, or no slot would be done where a check follows each unit. */
    c->b.work += WORK_RECORD;

    return 0;
}

/*
 * The records of a list from i on that the loops above take; the first that they
 * leave is returned.
 */
static unsigned int single_runs(struct ptebatch_call *c,
                                const struct ptebatch_run *runs,
                                unsigned int i, unsigned int n)
{
    const struct ptebatch_run *run = runs + i;
    unsigned int next;

    /* Both masks: two kinds of write, which the loops have only with olds. */
    if ( run->count != 1 || run->old ||
         (run->set && (run->clear & ~run->set)) ||
         check_run(run) || (run_needs(run) & ~c->b.xsm_checked) ||
         l1_table_at(&c->b, run->slot) )
        return i;

    next = fast_runs(&c->b, runs, true, run_kind(c, run), i, n, NULL) & ~LEFT;
    c->b.work += (next - i) * (1 + WORK_RECORD);

    return next;
}

/* --- The call ------------------------------------------------------------- */

/*
 * What most calls of mprotect(), and faults, come down to: one entry of the
 * caller's own, with its INVLPG or none. Returns the answer, or 0: nothing was
 * done, since it is not that simple, or anything is wrong.
 */
static always_inline long one_entry(unsigned int op, unsigned long what,
                                    unsigned long how, unsigned long arg4,
                                    unsigned long arg5)
{
    struct domain *d = current->domain;
    unsigned int mode = 0;
    uint32_t needs;

    if ( unlikely(!ptebatch_tlb_simple(how)) || unlikely(!l1_simple(d)) )
        return 0;

    switch ( op )
    {
    case PTEBATCH_OP_FLAGS:
        if ( (arg4 | arg5) & ~PTEBATCH_FAST_FLAGS )
            return 0;
        needs = flags_need(arg4, arg5);
        break;

    case PTEBATCH_OP_CLEAR:
        if ( arg4 )
            return 0;
        fallthrough;
    default:                    /* PTEBATCH_OP_SET */
        mode = what & (sizeof(intpte_t) - 1);
        if ( arg5 || (mode & ~PTEBATCH_SET_KEEP_AD) ||
             (mode && op == PTEBATCH_OP_CLEAR) )
            return 0;
        needs = xsm_needed(arg4);
        break;
    }

    if ( unlikely(xsm_mmu_update(XSM_TARGET, d, d, d, needs)) ||
         unlikely(op == PTEBATCH_OP_FLAGS
                  ? !l1_one_flags(d, what, arg4, arg5)
                  : l1_one_value(d, what - mode, arg4, mode)) )
        return 0;

    l1_count(CALLS);
    if ( how & PTEBATCH_HOW_TLB_PAGE )
        flush_tlb_one_local(how & PTEBATCH_HOW_TLB_ADDR);

    return PTEBATCH_ANSWER(1, 0, 0);
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

    rc = ptebatch_call_begin(&c, DOMID_SELF);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, 0, rc);

    rc = ptebatch_parse_tlb(&c, how, false, 0);
    if ( unlikely(rc) )
        return ptebatch_refuse(&c, done, 0, rc);

    if ( op == PTEBATCH_OP_SET && run.count != done )
    {
        const mmu_update_t value = { .ptr = what, .val = arg4 };

        rc = arg5 ? -EINVAL : l1_check_xsm(&c.b, xsm_needed(arg4));
        if ( !rc && (!c.b.own ||
                     l1_values(&c.b, &value, &value + 1) == &value) )
            rc = ptebatch_one_value(&c, &value);
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

    rc = ptebatch_call_begin(&c, owner);
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
    ptebatch_call_end(&c, owner);

    return ret;
}

long do_ptebatch_runs(unsigned long what, unsigned long count,
                      unsigned long how, unsigned long arg4,
                      unsigned long arg5)
{
    const unsigned int op = PTEBATCH_HOW_OP(how);

    if ( unlikely(!l1_part_on(current->domain, L1_CALLS)) )
        return ptebatch_turned_off(count >> 32, op == PTEBATCH_HOW_LIST
                                                ? arg4 : DOMID_SELF);

    switch ( op )
    {
    case PTEBATCH_OP_FLAGS:
    case PTEBATCH_OP_CLEAR:
    case PTEBATCH_OP_SET:
        if ( count == 1 )
        {
            long ret = one_entry(op, what, how, arg4, arg5);

            if ( likely(ret) )
                return ret;
        }
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
