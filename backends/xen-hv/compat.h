/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ptebatch.c takes from the Xen tree it is built in, where trees differ
 * or where the name is private to mm.c. Installed as arch/x86/pv/ptebatch.h.
 *
 * Known trees: 4.17, 4.20. Xen coding style. What differs is found by what the
 * tree defines, not by its version.
 */
#ifndef X86_PV_PTEBATCH_H
#define X86_PV_PTEBATCH_H

#include <xen/mm.h>
#include <xen/nospec.h>
#include <xen/pdx.h>

#include <asm/spec_ctrl.h>

/* mm.c: mod_l1_entry(), which is static there. The page lock is held. */
int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t gl1mfn,
                          unsigned int cmd, struct vcpu *pt_vcpu,
                          struct domain *pg_dom);

/*
 * Whose pages, and where they were found last. owner: as struct page_info
 * holds it, one load to compare. The window: nr frames from first on, both
 * shifted to where ptebatch_own_page() has them, whose page_info begin at
 * base; it is a group of frames that mfn_valid() knows as one, so inside it
 * nothing is left of mfn_valid() but a comparison, whether frame numbers are
 * compressed on this machine or not.
 */
struct ptebatch_frames {
    typeof(((struct page_info *)NULL)->v.inuse._domain) owner;
    unsigned long first, nr;
    struct page_info *base;
};

/* An entry's high flags are shifted out; its low ones stay below the frame. */
#define PTEBATCH_FRAME_UP    (64 - PADDR_BITS)
#define PTEBATCH_FRAME_SHIFT (PTEBATCH_FRAME_UP + PAGE_SHIFT)

static always_inline struct ptebatch_frames ptebatch_frames(
    const struct domain *d)
{
    return (struct ptebatch_frames){ .owner = virt_to_pdx(d) };
}

/* Two shifts do what a mask and a shift do, without the constant. */
static always_inline unsigned long ptebatch_frame(intpte_t pte)
{
    return (pte << PTEBATCH_FRAME_UP) >> PTEBATCH_FRAME_SHIFT;
}

/*
 * Whether frame numbers are compressed on this machine: 4.17 is always built
 * for it, later trees as configured, and on x86 not by default.
 */
static always_inline bool ptebatch_compressed(void)
{
#if defined(CONFIG_HAS_PDX) || defined(CONFIG_PDX_COMPRESSION)
    return pfn_pdx_hole_shift;
#else
    return false;
#endif
}

/*
 * mfn_valid() and mfn_to_page() in one; NULL for what Xen keeps no page_info
 * of. Inline, and with a data dependency instead of a fence against running
 * ahead of the check, where frame numbers are not compressed.
 */
static always_inline struct page_info *ptebatch_find_page(unsigned long mfn)
{
    unsigned long limit = max_page;

    if ( unlikely(mfn >= limit) )
        return NULL;

    if ( unlikely(ptebatch_compressed()) )
        return mfn_valid(_mfn(mfn)) ? mfn_to_page(_mfn(mfn)) : NULL;

    mfn = array_index_nospec(mfn, limit);

    return likely(test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid))
           ? pdx_to_page(mfn) : NULL;
}

/*
 * The page that a PTE maps, if it is one of that owner's; else NULL, also for
 * I/O memory. It is executed once an entry.
 *
 * Groups are aligned in frame numbers: compression leaves more low bits alone
 * than a group has. The window ends at max_page. A CPU that runs ahead of the
 * comparison still stays inside the group, all of whose page_info are mapped.
 */
static always_inline struct page_info *ptebatch_own_page(
    intpte_t pte, struct ptebatch_frames *frames)
{
    unsigned long i = (pte << PTEBATCH_FRAME_UP) - frames->first;
    struct page_info *page;

    BUILD_BUG_ON(PDX_GROUP_COUNT & (PDX_GROUP_COUNT - 1));

    if ( unlikely(i >= frames->nr) )
    {
        unsigned long mfn, first;

        OPTIMIZER_HIDE_VAR(pte);    /* so that above nothing is kept of it */
        mfn = ptebatch_frame(pte);
        page = ptebatch_find_page(mfn);
        if ( !page )
            return NULL;

        i = mfn & (PDX_GROUP_COUNT - 1);
        first = mfn - i;
        frames->base = page - i;
        frames->first = first << PTEBATCH_FRAME_SHIFT;
        frames->nr = min(max_page - first, PDX_GROUP_COUNT + 0UL)
                     << PTEBATCH_FRAME_SHIFT;
        i <<= PTEBATCH_FRAME_SHIFT;
    }

    i >>= PTEBATCH_FRAME_SHIFT;
    OPTIMIZER_HIDE_VAR(i);      /* or the mask would be found superfluous */
    page = frames->base + (i & (PDX_GROUP_COUNT - 1));

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

static always_inline void ptebatch_unmap_table(void *l1)
{
#ifdef NDEBUG
    if ( likely((unsigned long)l1 >= DIRECTMAP_VIRT_START) )
        return;
#endif

    unmap_domain_page(l1);
}

#ifndef ptebatch_try_cmpxchg
/*
 * cmpxchg() that answers by the flag, and by *old if it failed: two
 * instructions less each time. And what changes bits with no answer at all.
 */
static always_inline void ptebatch_lock_and(uint64_t *p, uint64_t mask)
{
    asm volatile ( "lock and %[mask], %[p]"
                   : [p] "+m" (*p) : [mask] "r" (mask) : "memory" );
}

static always_inline void ptebatch_lock_or(uint64_t *p, uint64_t mask)
{
    asm volatile ( "lock or %[mask], %[p]"
                   : [p] "+m" (*p) : [mask] "r" (mask) : "memory" );
}

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

/*
 * pv_l1tf_check_l1e() without what it does where the check fails, for domains
 * in no paging mode: an absent entry is unsafe if its address, unless 0, may
 * be that of memory. mask: the address bits, or 0 for a domain not checked.
 */
static always_inline paddr_t ptebatch_l1tf_mask(const struct domain *d)
{
    return d->arch.pv.check_l1tf ? l1tf_addr_mask : 0;
}

static always_inline bool ptebatch_l1tf_unsafe(paddr_t mask, intpte_t pte)
{
    if ( likely(!(pte & mask)) )
        return false;

    OPTIMIZER_HIDE_VAR(pte);    /* or more than a test would be done above */

    return (pte & mask) < l1tf_safe_maddr;
}

#endif /* X86_PV_PTEBATCH_H */
