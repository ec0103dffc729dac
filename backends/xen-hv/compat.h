/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ptebatch.c takes from the Xen tree it is built in, where trees differ
 * or where the name is private to mm.c. Installed as arch/x86/pv/ptebatch.h.
 *
 * Known trees: 4.17. Xen coding style.
 */
#ifndef X86_PV_PTEBATCH_H
#define X86_PV_PTEBATCH_H

#include <xen/mm.h>
#include <xen/nospec.h>
#include <xen/pdx.h>

/* mm.c: mod_l1_entry(), which is static there. The page lock is held. */
int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t gl1mfn,
                          unsigned int cmd, struct vcpu *pt_vcpu,
                          struct domain *pg_dom);

/* The owner of a page as struct page_info holds it: one load to compare. */
typedef typeof(((struct page_info *)NULL)->v.inuse._domain) ptebatch_owner_t;

static inline ptebatch_owner_t ptebatch_owner(const struct domain *d)
{
    return virt_to_pdx(d);
}

/*
 * The frame that a PTE maps, if it is a page of this owner; else NULL, also for
 * I/O memory, of which Xen may keep no page_info. mfn_valid() and
 * page_get_owner() in one, for it is executed once an entry: a data dependency
 * instead of a fence against running ahead of the bounds check, and no
 * compression of the frame number on machines that need none.
 */
static always_inline struct page_info *ptebatch_own_page(
    intpte_t pte, ptebatch_owner_t owner)
{
    /* Two shifts do what a mask and a shift do, without the constant. */
    unsigned long mfn = (pte << (64 - PADDR_BITS)) >>
                        (64 - PADDR_BITS + PAGE_SHIFT);
    struct page_info *page;

    if ( unlikely(mfn >= max_page) )
        return NULL;

    mfn = array_index_nospec(mfn, max_page);
    if ( unlikely(pfn_pdx_hole_shift) )
    {
        if ( mfn & pfn_hole_mask )
            return NULL;
        mfn = pfn_to_pdx(mfn);
    }

    if ( unlikely(!test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid)) )
        return NULL;

    page = pdx_to_page(mfn);

    return likely(page->v.inuse._domain == owner) ? page : NULL;
}

/*
 * cmpxchg() that answers by the flag, and by *old if it failed: two
 * instructions less each time.
 */
#ifndef ptebatch_try_cmpxchg
static always_inline bool ptebatch_try_cmpxchg(
    uint64_t *p, uint64_t *old, uint64_t new)
{
    bool done;

    asm volatile ( "lock cmpxchg %[new], %[p]"
                   ASM_FLAG_OUT(, "; setz %[done]")
                   : [p] "+m" (*p), "+a" (*old),
                     [done] ASM_FLAG_OUT("=@ccz", "=qm") (done)
                   : [new] "r" (new)
                   : "memory" );

    return done;
}
#endif

#endif /* X86_PV_PTEBATCH_H */
