/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine for updates of L1 entries: what is not inline. See l1.h.
 */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/param.h>
#include <xen/perfc.h>
#include <xen/softirq.h>
#include <xen/time.h>

#include <asm/flushtlb.h>
#include <asm/shadow.h>

#include <xsm/xsm.h>

#include "hooks.h"
#include "l1.h"

/* --- The switch ----------------------------------------------------------- */

/*
 * "ptebatch" on Xen's command line, and at run time: which parts are on. A part
 * that is turned off answers as if it were not there. A call that is under way
 * ends, or is stopped at its next preemption.
 */
uint8_t __read_mostly opt_ptebatch = L1_CALLS | L1_UPDATES | L1_VALIDATION;

#ifndef l1_counts_own
DEFINE_PER_CPU(unsigned long [L1_COUNTS], l1_counts);
#endif

static const struct {
    const char *name;
    uint8_t part;
} parts[] = {
    { "calls", L1_CALLS },
    { "updates", L1_UPDATES },
    { "validation", L1_VALIDATION },
    { "traps", L1_TRAPS },
};

#ifdef CONFIG_HYPFS
static char param_text[48];

static void cf_check update_param(struct param_hypfs *par)
{
    unsigned int i, at = 0;

    for ( i = 0; i < ARRAY_SIZE(parts); i++ )
        at += snprintf(param_text + at, sizeof(param_text) - at, "%s%s%s",
                       i ? "," : "", opt_ptebatch & parts[i].part ? "" : "no-",
                       parts[i].name);
    custom_runtime_set_var(par, param_text);
}
#else
# define update_param(par) ((void)0)
#endif

static int cf_check parse_ptebatch(const char *s);
custom_runtime_param("ptebatch", parse_ptebatch, update_param);

/* With set 0 a boolean turns everything off, with 1 all parts but traps on. */
static int parse_list(const char *s, uint8_t *on)
{
    const char *end;

    do {
        int val;
        unsigned int i;

        end = strchr(s, ',') ?: strchr(s, '\0');

        if ( (val = parse_bool(s, end)) >= 0 )
            *on = val ? *on | L1_CALLS | L1_UPDATES | L1_VALIDATION : 0;
        else
        {
            for ( i = 0; i < ARRAY_SIZE(parts); i++ )
                if ( (val = parse_boolean(parts[i].name, s, end)) >= 0 )
                    break;
            if ( val < 0 )
                return -EINVAL;
            *on = val ? *on | parts[i].part : *on & ~parts[i].part;
        }

        s = end + 1;
    } while ( *end );

    return 0;
}

/* A list of parts; at run time "domN:" before it makes it that domain's own. */
static int cf_check parse_ptebatch(const char *s)
{
    uint8_t on = opt_ptebatch;
    int rc;

    if ( !strncmp(s, "dom", 3) )
    {
        unsigned long id = simple_strtoul(s + 3, &s, 10);
        struct domain *d;

        if ( *s != ':' || id >= DOMID_FIRST_RESERVED ||
             system_state < SYS_STATE_active )
            return -EINVAL;

        d = rcu_lock_domain_by_id(id);
        if ( !d )
            return -ESRCH;

        on = ~ptebatch_parts_off(d);
        rc = is_pv_domain(d) ? parse_list(s + 1, &on) : -EOPNOTSUPP;
        if ( !rc )
            rc = ptebatch_set_parts_off(d, ~on);
        rcu_unlock_domain(d);

        return rc;
    }

    rc = parse_list(s, &on);
    if ( !rc )
    {
        opt_ptebatch = on;
        update_param(param_2_parfs(parse_ptebatch));
    }

    return rc;
}

/* --- The count of writable mappings --------------------------------------- */

unsigned int l1_type_get_slow(struct page_info *page)
{
    bool other = (ACCESS_ONCE(page->u.inuse.type_info) & PGT_type_mask) !=
                 PGT_writable_page;

    if ( !get_page_type(page, PGT_writable_page) )
        return 0;

    return other ? WORK_RETYPE : WORK_SLOW;
}

void l1_type_put_slow(struct page_info *page)
{
    /*
     * It reads the TLB clock before its first locked instruction. The entry may
     * have been written by a plain store, which others must see by then.
     */
    smp_mb();
    put_page_type(page);
}

/* --- The table ------------------------------------------------------------ */

void l1_works_slow(struct l1_batch *b, intpte_t pte)
{
    struct page_info *page;

    b->slow = true;
    b->work += WORK_SLOW;

    /*
     * A writable entry of a page that has another type makes Xen change the
     * type. Only time depends on the answer, so nothing keeps the type as it is
     * until then, and it does not matter whose the page is.
     */
    if ( (pte & (_PAGE_PRESENT | _PAGE_RW)) == (_PAGE_PRESENT | _PAGE_RW) &&
         (page = ptebatch_find_page(ptebatch_frame(pte))) != NULL &&
         (ACCESS_ONCE(page->u.inuse.type_info) & PGT_type_mask) !=
         PGT_writable_page )
        b->work += WORK_RETYPE - WORK_SLOW;
}

/* Checks with no other user of the table seen before it is handed over. */
#define CHECKS_ALONE     8U
/* TSC cycles between unlock and lock, for a waiter to lock. */
#define HAND_OVER        1000U

/* Whether to let another CPU have the table: "The lock" in the design. */
static bool must_hand_over(struct l1_batch *b)
{
    unsigned long refs = ACCESS_ONCE(b->page->count_info);

    if ( refs > b->refs )
        return true;

    b->refs = refs;             /* a former user is gone */

    return b->slow || ++b->checks >= CHECKS_ALONE;
}

bool l1_check(struct l1_batch *b)
{
    b->work = 0;
    if ( hypercall_preempt_check() )
        return true;

    if ( b->page && must_hand_over(b) )
    {
        l1_table_unlock(b);
        b->hand_over = true;
    }

    return false;
}

void l1_table_put(struct l1_batch *b)
{
    l1_table_unlock(b);

    if ( b->page )
    {
        ptebatch_unmap_table(b->l1);
        put_page(b->page);
        b->page = NULL;
    }
}

int l1_table_lock(struct l1_batch *b, uint64_t slot)
{
    mfn_t mfn = maddr_to_mfn(slot);
    unsigned long type;

    l1_table_unlock(b);

    if ( b->page && !mfn_eq(mfn, b->mfn) )
    {
        l1_table_put(b);
        b->work += WORK_TABLE;
    }

    if ( !b->page )
    {
        struct page_info *page;

        if ( unlikely(slot & ~PADDR_MASK) )
            return -EINVAL;

        page = ptebatch_own_page(slot, &b->frames);
        if ( unlikely(!page) || unlikely(!get_page(page, b->pt_owner)) )
            return -EINVAL;
        b->page = page;
        b->refs = ACCESS_ONCE(page->count_info);
        /* Its holder has a reference as well. */
        if ( ACCESS_ONCE(page->u.inuse.type_info) & PGT_locked )
            b->refs--;
        b->checks = 0;
        b->slow = b->hand_over = false;
        b->mfn = mfn;
        b->l1 = ptebatch_map_table(page, mfn);
    }

    if ( unlikely(b->hand_over) )
    {
        cycles_t start = get_cycles();

        b->checks = 0;
        b->slow = b->hand_over = false;
        do {
            cpu_relax();
        } while ( get_cycles() - start < HAND_OVER );
    }

    /* The fence is l1_table_at()'s, where the answer is used. */
    type = ACCESS_ONCE(b->page->u.inuse.type_info);
    if ( unlikely(!ptebatch_try_lock(b->page, type)) &&
         unlikely(!page_lock_unsafe(b->page)) )
        return -EINVAL;

    type = b->page->u.inuse.type_info & PGT_type_mask;
    b->plain = type == PGT_writable_page;
    if ( unlikely(type != PGT_l1_page_table) &&
         !(b->plain && b->plain_ok) )
    {
        ptebatch_unlock(b->page);
        return -EINVAL;
    }

    /* Only now: this is what all others take for "a locked table". */
    b->locked = slot & PAGE_MASK;

    return 0;
}

int l1_ask_xsm(struct l1_batch *b, uint32_t needed)
{
    int rc;

    l1_table_unlock(b);         /* a policy may take long to answer */
    rc = xsm_mmu_update(XSM_TARGET, current->domain, b->pt_owner, b->pg_owner,
                        needed | b->xsm_checked);
    if ( !rc )
        b->xsm_checked |= needed;

    return rc;
}

/* --- Many values ---------------------------------------------------------- */

static always_inline const mmu_update_t *values(
    struct l1_batch *b, const mmu_update_t *v, const mmu_update_t *end,
    unsigned int mode)
{
    const struct l1_rules rules = {
        .ask = xsm_unasked(b),
        .l1tf = ptebatch_l1tf_mask(b->pt_owner),
    };
    const intpte_t keep = mode == MMU_PT_UPDATE_PRESERVE_AD ? AD_BITS : 0;
    const uint64_t first = b->locked | mode;
    void *const l1 = b->l1;
    struct l1_stretch s = { .frames = b->frames, .left = end - v };

    s.frames.once = false;      /* so that the compiler knows */
    do {
        uint64_t offset;
        intpte_t *p;

        OPTIMIZER_HIDE_VAR(v);      /* or v + 1 would be kept as well */
        offset = v->ptr - first;

        /* The locked table, and the mode: nothing else is left of slot. */
        if ( unlikely(offset & ~SLOT_MASK) )
            break;

        OPTIMIZER_HIDE_VAR(offset); /* or the mask would be superfluous */
        p = l1 + (offset & SLOT_MASK);
        if ( unlikely(!l1_value(p, ACCESS_ONCE(*p), v->val, keep, &rules, &s)) )
            break;

        v++;
    } while ( --s.left );

    l1_worked(b, s.work);

    return v;
}

/* Each loop gets all registers for itself. */
static noinline const mmu_update_t *keep_values(
    struct l1_batch *b, const mmu_update_t *v, const mmu_update_t *end)
{
    return values(b, v, end, MMU_PT_UPDATE_PRESERVE_AD);
}

static noinline const mmu_update_t *exact_values(
    struct l1_batch *b, const mmu_update_t *v, const mmu_update_t *end)
{
    return values(b, v, end, MMU_NORMAL_PT_UPDATE);
}

/*
 * Memory that is no page table, or is not one yet: it takes the values as they
 * are. It is locked, so that it stays what it is, and is only written.
 */
static const mmu_update_t *plain_values(
    struct l1_batch *b, const mmu_update_t *v, const mmu_update_t *end,
    unsigned int mode)
{
    const intpte_t ask = xsm_unasked(b);

    for ( ; v < end; v++ )
    {
        uint64_t offset = v->ptr - (b->locked | mode);

        if ( unlikely(offset & ~SLOT_MASK) ||
             unlikely((v->val & _PAGE_PRESENT) && (v->val & ask)) )
            break;

        OPTIMIZER_HIDE_VAR(offset);
        write_atomic((intpte_t *)(b->l1 + (offset & SLOT_MASK)), v->val);
        perfc_incr(writable_mmu_updates);
    }

    return v;
}

/* For the pages that are mapped, and those that were. */
static noinline void fetch_ahead(const struct l1_batch *b,
                                 const mmu_update_t *v,
                                 const mmu_update_t *end)
{
    for ( ; v < end; v++ )
    {
        const intpte_t *p = b->l1 + (v->ptr & SLOT_MASK);

        l1_prefetch(v->val);
        l1_prefetch(ACCESS_ONCE(*p));
    }
}

const mmu_update_t *l1_values(struct l1_batch *b, const mmu_update_t *v,
                              const mmu_update_t *end)
{
    unsigned int mode = v->ptr & (sizeof(intpte_t) - 1);
    const mmu_update_t *next;

    if ( (mode != MMU_PT_UPDATE_PRESERVE_AD && mode != MMU_NORMAL_PT_UPDATE) ||
         l1_table_at(b, v->ptr - mode) )
        return v;

    if ( unlikely(b->plain) )
        next = plain_values(b, v, end, mode);
    else
    {
        bool timing = l1_must_time(b, end - v);
        cycles_t start = 0;

        if ( (timing || unlikely(b->cold)) && end - v > COLD_SAMPLE )
            end = v + COLD_SAMPLE;
        if ( unlikely(b->cold) )
            fetch_ahead(b, v, end);
        else if ( timing )
            start = get_cycles();

        next = mode == MMU_PT_UPDATE_PRESERVE_AD ? keep_values(b, v, end)
                                            : exact_values(b, v, end);
        if ( timing && next == end )
            l1_time(b, start, COLD_VALUE);
    }
    b->work += next - v;

    return next;
}

int l1_value_slow(struct l1_batch *b, const mmu_update_t *v)
{
    l1_works_slow(b, v->val);

    return ptebatch_mod_l1_entry(b->l1 + (v->ptr & SLOT_MASK),
                                 l1e_from_intpte(v->val), b->mfn,
                                 v->ptr & (sizeof(intpte_t) - 1), b->pt_vcpu,
                                 b->pg_owner);
}

/* --- One entry alone ------------------------------------------------------ */

bool l1_one_lock_slow(struct page_info *table, unsigned long info)
{
    if ( page_lock_unsafe(table) )
    {
        /* This is the type: it stays as long as the lock is held. */
        if ( likely(!((table->u.inuse.type_info ^ info) & PGT_type_mask)) )
            return true;

        page_unlock(table);
    }
    page_put(table);

    return false;
}

int l1_one_value(struct domain *d, uint64_t slot, intpte_t val,
                 unsigned int mode)
{
    const struct ptebatch_frames frames = ptebatch_frames(d);
    unsigned long info;
    struct page_info *table = l1_one_look(slot, &frames, false, &info);

    return likely(table)
           ? l1_one_found(d, &frames, table, info, slot, val, mode)
           : L1_NO_TABLE;
}

/* --- The flags of one entry alone ----------------------------------------- */

bool l1_one_flags(struct domain *d, uint64_t slot, intpte_t clear,
                  intpte_t set)
{
    struct l1_stretch s = { .frames = ptebatch_frames(d) };
    const struct l1_change to = l1_change(~clear, set, WRITE_KEEP);
    unsigned long info;
    struct page_info *table = l1_one_look(slot, &s.frames, false, &info);
    bool done = true;
    intpte_t pte, *p;

    if ( unlikely(!table) || unlikely(!l1_one_lock(table, &s.frames, info)) )
        return false;

    s.frames.once = true;
    p = l1_one_map(table, slot);
    pte = ACCESS_ONCE(*p);
    if ( likely(pte & _PAGE_PRESENT) )
        done = l1_flags(p, &pte, &to, (((pte & ~clear) | set) ^ pte) & _PAGE_RW,
                        set & _PAGE_RW, &s);

    l1_one_unlock(table, p);

    return done;
}

/* --- The type count in place ---------------------------------------------- */

/*
 * For mod_l1_entry(), once it has checked the new value's flags: RW changes on
 * the same frame, and nothing that would have to be validated again. Then the
 * entry's general reference stays, and one type reference comes or goes. False:
 * nothing was done.
 */
bool l1_in_place(l1_pgentry_t *pl1e, l1_pgentry_t ol1e, l1_pgentry_t nl1e,
                 bool preserve_ad, const struct domain *pt_owner,
                 const struct domain *pg_owner)
{
    const struct domain *d = current->domain;
    intpte_t pte = l1e_get_intpte(ol1e);
    struct l1_stretch s = {};
    struct l1_change to;

    if ( pt_owner != d || pg_owner != d || !l1_simple(d) ||
         !(pte & _PAGE_PRESENT) )
        return false;

    s.frames = ptebatch_frames(d);
    s.frames.once = true;
    to = preserve_ad
         ? l1_change(AD_BITS, l1e_get_intpte(nl1e), WRITE_KEEP)
         : l1_change(0, l1e_get_intpte(nl1e), WRITE_STORE);

    return l1_flags(&l1e_get_intpte(*pl1e), &pte, &to, true, to.set & _PAGE_RW,
                    &s);
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
