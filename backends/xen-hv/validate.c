/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Validation and devalidation of page tables by the engine: empty slots are
 * skipped at all levels, and present L1 entries of ordinary pages of the table's
 * owner take the short way. Xen's own loops call this and do what it leaves, so
 * either can finish what the other began: the state between two slots is Xen's.
 *
 * A table that is being validated or devalidated is neither a page table nor
 * writable memory to anybody else, so no lock is held, and no paging mode hears
 * of its entries: Xen's loops do it alike. The table's owner need not be the
 * current domain: whether this part is on is asked of the owner, in hooks.h.
 */

#include "hooks.h"
#include "l1.h"

/* Slots looked at together: sixteen loads and one test. */
#define TOGETHER 16U

static always_inline bool all_empty(const intpte_t *t)
{
    return !(t[0] | t[1] | t[2] | t[3] | t[4] | t[5] | t[6] | t[7] |
             t[8] | t[9] | t[10] | t[11] | t[12] | t[13] | t[14] | t[15]);
}

/*
 * The first slot from i on that is not 0, or 512. Only 64 bits of zeros are
 * empty: whatever else is absent may have to be judged.
 */
static always_inline unsigned int next_used(const intpte_t *t, unsigned int i)
{
    for ( ; i % TOGETHER; i++ )
        if ( t[i] )
            return i;

    while ( i < L1_PAGETABLE_ENTRIES && all_empty(t + i) )
        i += TOGETHER;

    while ( i < L1_PAGETABLE_ENTRIES && !t[i] )
        i++;

    return i;
}

/* For the loops of levels 2 to 4. */
unsigned int l1_next_used(const void *table, unsigned int i)
{
    return next_used(table, i);
}

/* The same downwards: the number of slots up to the last used one below i. */
unsigned int l1_used_below(const void *table, unsigned int i)
{
    const intpte_t *t = table;

    for ( ; i % TOGETHER; i-- )
        if ( t[i - 1] )
            return i;

    while ( i && all_empty(t + i - TOGETHER) )
        i -= TOGETHER;

    while ( i && !t[i - 1] )
        i--;

    return i;
}

/* A CPU that runs ahead of a loop's end must not use what is past the table. */
static always_inline intpte_t entry_at(const intpte_t *t, unsigned int i)
{
    OPTIMIZER_HIDE_VAR(i);

    return t[i & (L1_PAGETABLE_ENTRIES - 1)];
}

/*
 * promote_l1_table(): takes what every entry needs, and gives it the flags that
 * Xen wants. Returns the first slot that it leaves, because it is refused, or
 * absent and unsafe; 512 if there is none. Xen's loop does that slot again, and
 * gives the guest its answer.
 */
unsigned int l1_validate(struct domain *d, void *table)
{
    struct l1_stretch s = {};
    intpte_t *const t = table;
    paddr_t l1tf;
    unsigned int i = 0, other = 0;

    if ( unlikely(!cpu_has_nx) || unlikely(is_pv_32bit_domain(d)) )
        return 0;

    s.frames = ptebatch_frames(d);
    s.frames.once = false;      /* so that the compiler knows */
    l1tf = ptebatch_l1tf_mask(d);

    for ( ; (i = next_used(t, i)) < L1_PAGETABLE_ENTRIES; i++ )
    {
        const intpte_t pte = entry_at(t, i);
        struct page_info *page;
        l1_pgentry_t new;
        int rc;

        if ( !(pte & _PAGE_PRESENT) )
        {
            if ( unlikely(ptebatch_l1tf_unsafe(l1tf, pte)) )
                break;
            continue;
        }

        if ( likely((pte & ODD_FLAGS) == (_PAGE_PRESENT | _PAGE_USER)) &&
             likely((page = ptebatch_own_page(pte, &s.frames)) != NULL) &&
             likely(entry_get(page, pte, &s)) )
        {
            if ( !(pte & _PAGE_GLOBAL) )
                t[i] = pte | _PAGE_GLOBAL;
            continue;
        }

        new = l1e_from_intpte(pte);
        rc = get_page_from_l1e(new, d, d);
        if ( rc < 0 )
            break;

        other++;
        /* Above 0: flags that Xen wants different, for I/O memory. */
        ASSERT(!(rc & ~(_PAGE_RW | PAGE_CACHE_ATTRS)));
        l1e_flip_flags(new, rc);
        new = adjust_guest_l1e(new, d);
        t[i] = l1e_get_intpte(new);
    }

    l1_count_add(VALIDATED, i - other);
    l1_count_add(VALIDATED_LEFT, other);

    return i;
}

/*
 * demote_l1_table(): what the entries hold is given back. They stay as they are.
 * Returns the first slot that is left, which is 512.
 */
unsigned int l1_devalidate(struct domain *d, const void *table)
{
    struct l1_stretch s = {};
    const intpte_t *const t = table;
    unsigned int i = 0, other = 0;

    s.frames = ptebatch_frames(d);
    s.frames.once = false;      /* so that the compiler knows */

    for ( ; (i = next_used(t, i)) < L1_PAGETABLE_ENTRIES; i++ )
    {
        const intpte_t pte = entry_at(t, i);
        struct page_info *page;

        if ( !(pte & _PAGE_PRESENT) )
            continue;

        page = l1_held(pte, &s.frames);
        if ( likely(page) )
            entry_put(page, pte, &s);
        else
        {
            other++;
            put_page_from_l1e(l1e_from_intpte(pte), d);
        }
    }

    l1_count_add(VALIDATED, i - other);
    l1_count_add(VALIDATED_LEFT, other);

    return i;
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
