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

/*
 * Whose pages, and how to find them. owner: as struct page_info holds it, one
 * load to compare. limit: frames below it need no compression of their number
 * to find their page_info; 0 on machines that compress, which then pay for
 * mfn_valid() an entry.
 */
struct ptebatch_frames {
    typeof(((struct page_info *)NULL)->v.inuse._domain) owner;
    unsigned long limit;
};

static always_inline struct ptebatch_frames ptebatch_frames(
    const struct domain *d)
{
    return (struct ptebatch_frames){
        .owner = virt_to_pdx(d),
        .limit = likely(!pfn_pdx_hole_shift) ? max_page : 0,
    };
}

/*
 * The page that a PTE maps, if it is one of that owner's; else NULL, also for
 * I/O memory, of which Xen may keep no page_info. It is executed once an entry,
 * so mfn_valid() is spelt out where frame numbers are used as they are, with a
 * data dependency instead of a fence against running ahead of the check.
 */
static always_inline struct page_info *ptebatch_own_page(
    intpte_t pte, const struct ptebatch_frames *frames)
{
    /* Two shifts do what a mask and a shift do, without the constant. */
    unsigned long mfn = (pte << (64 - PADDR_BITS)) >>
                        (64 - PADDR_BITS + PAGE_SHIFT);
    struct page_info *page;

    if ( unlikely(mfn >= frames->limit) )
    {
        if ( likely(!pfn_pdx_hole_shift) || !mfn_valid(_mfn(mfn)) )
            return NULL;
        page = mfn_to_page(_mfn(mfn));
    }
    else
    {
        mfn = array_index_nospec(mfn, frames->limit);
        if ( unlikely(!test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid)) )
            return NULL;
        page = pdx_to_page(mfn);
    }

    return likely(page->v.inuse._domain == frames->owner) ? page : NULL;
}

/*
 * map_domain_page() of a table. In release builds that is the direct map, for
 * frames that it holds, found in a few dozen instructions; found here in four.
 */
static always_inline void *ptebatch_map_table(const struct page_info *page,
                                              mfn_t mfn)
{
#ifdef NDEBUG
    if ( likely(page_to_pdx(page) < PFN_DOWN(DIRECTMAP_SIZE)) )
        return page_to_virt(page);
#endif

    return map_domain_page(mfn);
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
