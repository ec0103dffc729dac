/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine takes from the Xen tree it is built in, where trees differ.
 *
 * Known trees: 4.17 to 4.22, the start of 4.23, XCP-ng 8.3, Qubes' 4.19. What
 * differs is found by what the tree defines, not by its version. A symbol that a
 * tree does not have looks like one that is turned off, so a short cut is never
 * taken because a symbol is missing: either the tree shows that the short cut is
 * right, or Xen's own function does the work, or the build fails.
 */
#ifndef X86_PV_PTEBATCH_TREE_H
#define X86_PV_PTEBATCH_TREE_H

#include <xen/mm.h>
#include <xen/nospec.h>
#include <xen/pdx.h>

#include <asm/spec_ctrl.h>

/* --- Frames --------------------------------------------------------------- */

/*
 * Frame numbers (mfn) and indices into the frame table (pdx).
 *
 * A mfn comes from a guest. Its page_info is found by its pdx, and Xen can be
 * built to make the two differ, so that holes in the memory map cost no frame
 * table. Taking a mfn for a pdx on such a machine hands out the page_info of
 * another frame: a guest could map memory of Xen's and of other domains'.
 * Three models are known. Each is recognised by a symbol that the build has,
 * and each names the variable by which that model says whether it is at work
 * on this machine; a model that has another one does not compile.
 *
 *  - Offsets (4.21 and later, XenServer 8's 4.17): RAM is divided into regions,
 *    and a table says by how much each is displaced. pdx_region_size is the
 *    size of a region, all ones while nothing is displaced.
 *  - Mask (4.17, where every build has it; an option later): a range of bits
 *    that are 0 in every address of RAM is cut out. pfn_pdx_hole_shift is the
 *    number of these bits, 0 while none are cut out.
 *  - None (4.18 to 4.20 on x86, an option later): pfn_to_pdx() is a macro that
 *    gives back its argument. The compiler proves it, in ptebatch_compressed().
 *
 * All that is left is a tree that cannot be judged here, and fails to build.
 */
#if defined(CONFIG_PDX_OFFSET_COMPRESSION) + \
    defined(CONFIG_PDX_MASK_COMPRESSION) + defined(CONFIG_PDX_NONE) > 1
# error "ptebatch: this tree has two models of PDX compression at once"
#elif defined(CONFIG_PDX_OFFSET_COMPRESSION)
# define PTEBATCH_PDX_DIFFERS (pdx_region_size != ~0UL)
#elif defined(CONFIG_PDX_MASK_COMPRESSION) || \
      defined(CONFIG_PDX_COMPRESSION) || defined(CONFIG_HAS_PDX)
# define PTEBATCH_PDX_DIFFERS (pfn_pdx_hole_shift != 0)
#elif defined(pfn_to_pdx)
# define PTEBATCH_PDX_DIFFERS false
# define PTEBATCH_PDX_IS_MFN
#else
# error "ptebatch: this tree's model of PDX compression is not known"
#endif

/* Whether a mfn can differ from its pdx on this machine. */
static always_inline bool ptebatch_compressed(void)
{
#ifdef PTEBATCH_PDX_IS_MFN
    /*
     * Not a constant expression unless pfn_to_pdx() is a macro, and not these
     * values if it moves any bit of an address or adds anything.
     */
    BUILD_BUG_ON(pfn_to_pdx(0UL) != 0 ||
                 pfn_to_pdx(PFN_DOWN(PADDR_MASK)) != PFN_DOWN(PADDR_MASK));
#endif

    return PTEBATCH_PDX_DIFFERS;
}

/*
 * Whose pages, and where they were found last. owner: as struct page_info
 * holds it, one load to compare. The window: nr frames from first on, both
 * shifted to where ptebatch_own_page() has them, whose page_info begin at
 * base. The window is a group: PDX_GROUP_COUNT frames, aligned by their mfn,
 * or less of them at the end of memory. If mfn_valid() holds for one frame of
 * a group, it holds for all of them below max_page, and their page_info lie
 * side by side. So inside the window a comparison is all that is left of
 * mfn_valid(), and a subtraction of mfn_to_page(). The argument, by model:
 *
 *  - Every model leaves the low MAX_ORDER bits of a frame number alone, since
 *    Xen's allocator does arithmetic on the page_info of 2^MAX_ORDER aligned
 *    frames. A group is no larger than that (ptebatch_own_page() has the
 *    BUILD_BUG_ON), so its frames have consecutive pdx, and these begin at a
 *    multiple of the group's size, as its mfn do. The bit in pdx_group_valid
 *    is therefore one and the same for the whole group. Without compression
 *    nothing else but max_page is looked at, and the argument ends here.
 *  - Mask: mfn_valid() also wants the bits that are cut out to be 0. They are
 *    at MAX_ORDER or above, and all frames of a group agree in these bits.
 *  - Offsets: mfn_valid() also wants the frame to be inside the region that
 *    the table names for it. The table's index is taken from bits at MAX_ORDER
 *    or above, so one entry serves the whole group. A region begins at a
 *    multiple of 2^MAX_ORDER, and its size is a power of 2 and no less than
 *    that: a group is inside as a whole or outside as a whole. What is
 *    subtracted is the region's beginning less a multiple of its size, so a
 *    multiple of 2^MAX_ORDER too.
 *
 * max_page cuts a group off where memory ends, so the window is cut off there.
 * Nothing of the models changes after boot. max_page grows when memory is
 * added at run time; the frames that then come are not in a window that was
 * made before.
 */
struct ptebatch_frames {
    typeof(((struct page_info *)NULL)->v.inuse._domain) owner;
    bool once;                  /* no window: a constant, for one entry alone */
    unsigned long first, nr;
    struct page_info *base;
};

/* An entry's high flags are shifted out; its low ones stay below the frame. */
#define PTEBATCH_FRAME_UP    (64 - PADDR_BITS)
#define PTEBATCH_FRAME_SHIFT (PTEBATCH_FRAME_UP + PAGE_SHIFT)

static always_inline struct ptebatch_frames ptebatch_frames(
    const struct domain *d)
{
    struct page_info page;

    ASSERT(d);
    page_set_owner(&page, d);   /* in whatever form that tree keeps it */

    return (struct ptebatch_frames){ .owner = page.v.inuse._domain };
}

/* Two shifts do what a mask and a shift do, without the constant. */
static always_inline unsigned long ptebatch_frame(intpte_t pte)
{
    return (pte << PTEBATCH_FRAME_UP) >> PTEBATCH_FRAME_SHIFT;
}

/*
 * mfn_valid() and mfn_to_page() in one; NULL for what Xen keeps no page_info
 * of. Where mfn and pdx are the same, it is inline, and the mask is a data
 * dependency in place of mfn_valid()'s fence against running ahead of the
 * check. Not array_index_nospec(), which does nothing in some configurations.
 * The bound is max_pdx, which is max_page there: a CPU that takes this way by
 * a wrong prediction still stays inside the frame table.
 */
static always_inline struct page_info *ptebatch_find_page(unsigned long mfn)
{
    unsigned long limit = max_pdx;

    if ( unlikely(ptebatch_compressed()) )
        return mfn_valid(_mfn(mfn)) ? mfn_to_page(_mfn(mfn)) : NULL;

    if ( unlikely(mfn >= limit) )
        return NULL;

    mfn &= array_index_mask_nospec(mfn, limit);
    ASSERT(mfn_to_page(_mfn(mfn)) == pdx_to_page(mfn));

    return likely(test_bit(mfn / PDX_GROUP_COUNT, pdx_group_valid))
           ? pdx_to_page(mfn) : NULL;
}

/*
 * The page that a PTE maps, if it is one of that owner's; else NULL, also for
 * I/O memory. It is executed once an entry.
 *
 * The window is argued at struct ptebatch_frames. A CPU that runs ahead of the
 * comparison still stays inside the group, all of whose page_info are mapped.
 */
static always_inline struct page_info *ptebatch_own_page(
    intpte_t pte, struct ptebatch_frames *frames)
{
    unsigned long i = (pte << PTEBATCH_FRAME_UP) - frames->first;
    struct page_info *page;

    BUILD_BUG_ON(PDX_GROUP_COUNT & (PDX_GROUP_COUNT - 1));
    BUILD_BUG_ON(PDX_GROUP_COUNT > (1UL << MAX_ORDER));

    if ( frames->once || unlikely(i >= frames->nr) )
    {
        unsigned long mfn, first;

        OPTIMIZER_HIDE_VAR(pte);    /* so that above nothing is kept of it */
        mfn = ptebatch_frame(pte);
        page = ptebatch_find_page(mfn);
        if ( !page )
            return NULL;

        if ( frames->once )
            return likely(page->v.inuse._domain == frames->owner) ? page : NULL;

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

/* --- Atomic changes ------------------------------------------------------- */

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

static always_inline void ptebatch_lock_sub(uint64_t *p, uint64_t n)
{
    asm volatile ( "lock sub %[n], %[p]"
                   : [p] "+m" (*p) : [n] "r" (n) : "memory" );
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

/* --- Tables --------------------------------------------------------------- */

/*
 * What of the direct map is in the page tables of PV domains. The rest, up to
 * DIRECTMAP_SIZE, is in those of Xen alone: above HYPERVISOR_VIRT_END are the
 * guest's own addresses.
 */
#define PTEBATCH_DIRECTMAP_FRAMES \
    PFN_DOWN(HYPERVISOR_VIRT_END - DIRECTMAP_VIRT_START)

/*
 * map_domain_page() of a table. In a release that is the direct map, which has
 * all frames that Xen keeps a page_info of, by their pdx; map_domain_page()
 * finds it in a few dozen instructions, this function in four. Nothing that a
 * tree defines shows that it still has that rule, so install looks at the
 * function itself. Without NDEBUG, Xen's functions do the work.
 */
static always_inline void *ptebatch_map_table(const struct page_info *page,
                                              mfn_t mfn)
{
#ifdef NDEBUG
    if ( likely(page_to_pdx(page) < PTEBATCH_DIRECTMAP_FRAMES) )
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

/*
 * page_lock_unsafe() of a table whose type_info was x a moment ago, where nothing
 * about it is out of the ordinary: it is validated and neither locked nor partial,
 * and its count is neither 0 nor at its end. The compare and exchange shows that
 * this still holds, the type included. False: the table is not locked. The caller
 * provides the fence.
 *
 * A debug build of Xen notes who holds a lock, so that its own functions have to
 * do all of it. What they do is looked at by install.
 */
#if defined(NDEBUG) && !defined(PTEBATCH_SHORT_LOCK)
# define PTEBATCH_SHORT_LOCK
#endif

static always_inline bool ptebatch_try_lock(struct page_info *page,
                                            unsigned long x)
{
#ifdef PTEBATCH_SHORT_LOCK
    if ( likely((x & ~(PGT_type_mask | PGT_pinned | (PGT_count_mask >> 1))) ==
                PGT_validated) && likely(x & PGT_count_mask) )
        return ptebatch_try_cmpxchg(&page->u.inuse.type_info, &x,
                                    x + (1 | PGT_locked));
#endif

    return false;
}

static always_inline void ptebatch_unlock(struct page_info *page)
{
#ifdef PTEBATCH_SHORT_LOCK
    /* The lock is held, and a type reference with it: neither can borrow. */
    ptebatch_lock_sub(&page->u.inuse.type_info, 1 | PGT_locked);
#else
    page_unlock(page);
#endif
}

/* --- L1TF ----------------------------------------------------------------- */

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

#endif /* X86_PV_PTEBATCH_TREE_H */
