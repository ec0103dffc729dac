/* SPDX-License-Identifier: GPL-2.0-only */
/******************************************************************************
 * arch/x86/pv/ptebatch.c
 *
 * Batched updates of L1 page tables: two hypercalls for 64-bit PV guests.
 * The interface is public/arch-x86/xen-ptebatch.h; this file says why it is safe.
 *
 * Everything a guest can ask for, of one entry, is
 *
 *     new = (old & keep) | set
 *
 * done atomically against the A and D bits that hardware sets. Five things can
 * follow from the pair (old, new), and update_slot() and fast_values() tell
 * them apart:
 *
 *  1. No reference moves (only NX, A, D or available bits differ): write it.
 *     This is mod_l1_entry()'s own fast path with a narrower list of bits.
 *  2. RW differs, the page is the domain's own and mapped write-back: the
 *     entry goes on holding its general reference; one writable type reference
 *     is taken or dropped. See "The type count" below.
 *  3. A present entry of the domain's own page becomes absent (0, or by values
 *     anything else, as Linux's PROT_NONE does): as 2, and the general
 *     reference is dropped. See "Entries that come and go".
 *  4. By values, an absent entry comes to map a page of the domain's own, for
 *     user mode, write-back, with no flag out of the ordinary: the general
 *     reference is taken, and for RW the type. An absent one stays absent:
 *     nothing is taken.
 *  5. All else: get_page_from_l1e() and put_page_from_l1e(), or mod_l1_entry()
 *     itself, as mmu_update uses them. So is everything when the tables or the
 *     pages are a foreign domain's, or when the domain is in a paging mode
 *     (shadow, log-dirty): mode is sampled once for the caller's own domain,
 *     which cannot change while one of its vCPUs is in a hypercall, since
 *     changing it pauses the domain.
 *
 * The table. get_page() keeps the frame allocated and the domain's, page_lock()
 * then proves it validated, keeps its last type reference from being dropped,
 * and keeps everybody else from writing its entries; its type is looked at
 * only under that lock, each time anew. So under the lock nothing but hardware
 * changes an entry, and hardware only sets A and D. One table is locked at a
 * time. Guest memory is copied with no table locked. The get_page() cannot be
 * saved: until page_lock() has succeeded nothing else keeps the frame from
 * being freed, and a free frame's type_info is not a type.
 *
 * The type count. A present RW entry of an own page holds one reference of
 * type PGT_writable_page on its page (get_page_from_l1e()), an RO entry none;
 * what must never be is a frame of another type with a writable mapping, in a
 * table or in a TLB. While the type is writable and its count stays at least
 * one on both sides of the change, the type cannot change at any moment in
 * between, no matter who else takes or drops references, so all that the
 * general routines do beyond adding one is not needed, and this file adds one
 * by itself (type_get(), type_put()):
 *  - RW to RO: the entry is written first, the reference dropped after. The
 *    other order would let the page be retyped while the entry is writable.
 *  - RO to RW: the reference is taken first, the entry written after, for the
 *    same reason.
 *  - A CPU may hold a stale writable TLB entry after RW to RO. Retyping a page
 *    flushes every CPU of the domain that has not flushed since the page's time
 *    stamp. put_page_type() takes that stamp in two steps: it sees a count of 1,
 *    reads the TLB clock into the page, and then drops the count to 0 by a
 *    cmpxchg that insists on what it saw. A stamp that is older than the write
 *    that took the mapping away would spare a CPU its flush. So the clock must
 *    be read after that write, as others see it. A locked instruction, or
 *    smp_mb() where the write was a plain store, lies between our write and our
 *    drop. The drop to 0 is later still or is ours, and put_page_type() reads
 *    the clock inside. No flush that Xen needs is left to the guest.
 *  - A count of 0 on either side goes through get_page_type() and
 *    put_page_type(), and with it the stamp, the retyping, the IOMMU's map.
 *  - type_get()/type_put() insist on the exact state "writable, validated, not
 *    locked, not pinned, not partial, not non-coherent" and otherwise leave
 *    it to the general routines.
 *
 * Entries that come and go. An absent entry holds nothing, and hardware leaves
 * it alone: under the lock it does not change until it is written. The page of
 * a present one cannot change hands as long as that holds its reference.
 *  - One comes: the general reference is taken first, as get_page() takes it:
 *    from a count that is neither 0 nor at its end, and with another look at
 *    the owner once it is held, since until then the page may be freed and
 *    given to somebody else. Then the type, in the order above and for its
 *    reason; where it is refused the reference goes back, and mod_l1_entry()
 *    says what the guest has to hear. Then the entry is written, by a plain
 *    store: there is no A or D to be lost, and x86 does not let it overtake
 *    the locked instructions before it. Bits 5 and 6 of the absent entry are
 *    ORed in by KEEP, as by PRESERVE_AD.
 *  - What comes has P and U/S, and beyond those and the frame at most the fast
 *    flags and G. l1_disallow_mask() lets every domain have these, and has all
 *    cache attributes and the grant bit outside; adjust_guest_l1e() adds G to
 *    them and nothing else; and for an own page that is mapped so, the two
 *    references are all that get_page_from_l1e() is about.
 *  - One goes: the entry is written first, then the type is dropped as from RW
 *    to RO, then the general reference, which a type reference may not outlive.
 *    If that was the last, stale TLB entries may outlive the page's time in
 *    this domain; Xen stamps a page that it frees, as above, and flushes before
 *    the next owner gets it. Here too the stamp is later than our write.
 *  - An absent entry that is not 0 may be followed by a CPU that runs ahead
 *    (L1TF), so its address must not be that of memory. Who is checked is fixed
 *    when a domain is made. A value that fails goes to mod_l1_entry(), and the
 *    -ERESTART that this answers, with the domain about to be shadowed, makes a
 *    continuation like any other. What KEEP ORs in is no part of the address.
 *
 * XSM is asked before the first value that needs a permission not yet had, by
 * what mmu_update would ask of it.
 *
 * A plain store replaces the cmpxchg of a present entry only where it has A and
 * D both set, and keeps both: then hardware has nothing left to set in it,
 * before or after, and nobody else may write.
 *
 * Preemption. Work is counted in entries that move no reference (WORK_*).
 * Between two checks for preemption pass 512 units of it, and at most one chunk
 * of records more: 512 such entries, or 256 that move references, or 32 that
 * cost what one of mmu_update's does, or 8 that make a page of another type
 * writable, with an IPI and an IOTLB flush at worst. A loop exceeds the bound by
 * its last entry at most. Records and changes of table count as well.
 * A restarted call has its progress in its arguments (bits 32-63 of count, 32-47
 * of owner), and all arguments are checked again. A guest that forges them gains
 * only that entries are passed over. The slot that they lead to is reduced to an
 * aligned one of its table before it is read. So this also holds for a CPU that
 * runs ahead of the checks, including that of the slot's alignment.
 *
 * The lock. Who waits in page_lock() serves nobody else meanwhile, and
 * page_lock() is not fair: a CPU that unlocks a table and locks it again at once
 * nearly always gets it. To hand a table over, a call unlocks it, and lets
 * HAND_OVER cycles pass before it locks it again. That must outlast a waiter's
 * PAUSE (up to some 140 cycles) and two transfers of the cache line, one for the
 * waiter to see the lock free and one to take it (each some 400 cycles between
 * two sockets, half of that inside one). A number of PAUSEs would not do: one
 * takes from 10 cycles to 140, by the CPU. A TSC that is set meanwhile only makes
 * the pause shorter: a difference below 0 is a large unsigned one. The pause costs
 * as much as dozens of entries, so must_hand_over() decides at each check whether
 * it is due:
 *  - All callers of page_lock() hold a general reference to the table. So more
 *    references than the fewest that were seen since the call took its own mean
 *    a possible waiter. If another CPU had the lock at that time, one is taken
 *    off for that CPU. The number is only an estimate: references come and go
 *    for other reasons, and that CPU can be gone, or others can be waiting
 *    already. An estimate that is too low costs a pause. One that is too high
 *    hides a waiter, like the next case.
 *  - A guest can hide a waiter, by dropping another reference to the table at
 *    the same time. So each CHECKS_ALONE-th check hands over in any case.
 *  - So does each check that follows a slow entry. The pause is short compared
 *    with what was done, and waiters have waited long.
 * Nothing but the time of others depends on this count.
 */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/init.h>
#include <xen/param.h>
#include <xen/sched.h>
#include <xen/softirq.h>
#include <xen/time.h>

#include <asm/flushtlb.h>
#include <asm/paging.h>
#include <asm/shadow.h>

#include <public/arch-x86/xen-ptebatch.h>

#include <xsm/xsm.h>

#include "mm.h"
#include "ptebatch.h"

/*
 * "ptebatch" on Xen's command line, and at run time. While it is off the calls
 * answer as if they were not there, the probe too. A call that is under way
 * ends, or is stopped at its next preemption.
 */
static bool __read_mostly opt_ptebatch = true;
boolean_runtime_param("ptebatch", opt_ptebatch);

/* Entries between two checks for preemption; a test build makes it 1. */
#ifndef PTEBATCH_PREEMPT
#define PTEBATCH_PREEMPT 512U
#endif
/* What counts towards that, in units of an entry that moves no reference. */
#define WORK_FAST        1U
#define WORK_MOVE        2U
#define WORK_SLOW        16U
#define WORK_RETYPE      64U    /* a change of type: IPI, IOTLB flush */
#define WORK_RECORD      4U
#define WORK_TABLE       16U    /* giving one table back, taking the next */

/* Checks with no other user of the table seen before it is handed over. */
#define CHECKS_ALONE     4U
/* TSC cycles between unlock and lock, for a waiter to lock: see "The lock". */
#define HAND_OVER        1000U

/* Records copied in one go, to the stack: 960 and 1024 bytes. */
#define RUN_CHUNK        24U
#define VALUE_CHUNK      (PTEBATCH_PREEMPT < 64U ? PTEBATCH_PREEMPT : 64U)

/* vCPUs in a mask; a longer one means all. To be read before any update. */
#define MASK_WORDS       16U

#define RECORDS_MAX      0x7fffffffU

/* Not the address of a page, so equal to none, whatever the guest names. */
#define NOWHERE          1UL

/* Of a slot's address, what is inside its table. */
#define SLOT_MASK        (PAGE_SIZE - sizeof(intpte_t))

#define AD_BITS          (PTEBATCH_PTE_A | PTEBATCH_PTE_D)
/* Bits that may differ with no reference moving. */
#define FREE_BITS        (PTEBATCH_FAST_FLAGS & ~PTEBATCH_PTE_RW)

/*
 * Is this the type_info of an own page mapped writable, as the fast path wants
 * it, with at least that many references, and at most half of what there can
 * be (or one or two more)? One range check, by one constant.
 */
#define TYPE_WRITABLE(count) (PGT_writable_page | PGT_validated | (count))
#define TYPE_IS_WRITABLE(x, count) \
    (!(((x) - TYPE_WRITABLE(count)) >> (PGT_count_width - 1)))

/* The count of a count_info alone, shifted up, which needs no constant. */
#define COUNT_UP(x) ((x) << (BITS_PER_LONG - PGC_count_width))

struct ptebatch_call {
    struct domain *pt_owner;    /* whose tables */
    struct domain *pg_owner;    /* whose pages */
    struct vcpu *pt_vcpu;
    struct ptebatch_frames frames; /* pt_owner's */
    bool own;                   /* all the caller's, and no paging mode */

    /* The table at hand, referenced and mapped; none if page is NULL. */
    struct page_info *page;
    void *l1;
    mfn_t mfn;
    uint64_t locked;            /* its address while locked, else NOWHERE */
    unsigned long refs;         /* the fewest that it had: see "The lock" */
    unsigned int checks;        /* since it was handed over */
    bool slow;                  /* and whether any entry was slow since */
    bool hand_over;             /* before it is locked again */

    unsigned int work;          /* since the last check for preemption */
    uint32_t xsm_checked;

    struct ptebatch_tlb tlb;
    uint64_t mask[MASK_WORDS];  /* with PTEBATCH_TLB_VCPUS only */
};

/* All but the mask, which only tlb_parse() fills: 128 bytes a call to save. */
static always_inline void call_init(struct ptebatch_call *c)
{
    c->page = NULL;
    c->locked = NOWHERE;
    c->work = 0;
    c->xsm_checked = 0;
    c->tlb = (struct ptebatch_tlb){};
}

/* --- The table ----------------------------------------------------------- */

static void table_unlock(struct ptebatch_call *c)
{
    if ( c->locked != NOWHERE )
    {
        page_unlock(c->page);
        c->locked = NOWHERE;
    }
}

/* An entry took as long as one of mmu_update's, or longer. */
static void worked_slow(struct ptebatch_call *c)
{
    c->work += WORK_SLOW;
    c->slow = true;
}

/*
 * The same of an entry that is about to become pte. A writable one of a page that
 * has another type makes Xen change the type, for which it may flush TLBs by IPI
 * and the IOMMU's. Only time depends on the answer, so nothing keeps the type as
 * it is until then, and it does not matter whose the page is.
 */
static noinline void worked_slow_to(struct ptebatch_call *c, intpte_t pte)
{
    worked_slow(c);

    if ( (pte & _PAGE_PRESENT) && (pte & _PAGE_RW) )
    {
        struct page_info *page = ptebatch_find_page(ptebatch_frame(pte));

        if ( page && (ACCESS_ONCE(page->u.inuse.type_info) & PGT_type_mask) !=
                     PGT_writable_page )
            c->work += WORK_RETYPE - WORK_SLOW;
    }
}

/* Whether to let another CPU have the table: see "The lock" above. */
static bool must_hand_over(struct ptebatch_call *c)
{
    unsigned long refs = ACCESS_ONCE(c->page->count_info);

    if ( refs > c->refs )
        return true;

    c->refs = refs;             /* a former user is gone */

    return c->slow || ++c->checks >= CHECKS_ALONE;
}

/*
 * Between two entries, and never before the first of an invocation, so that a
 * restarted call always makes progress: is it time to let others run? Callers
 * then give up the table. Otherwise a waiter may get it here.
 */
static bool preempt(struct ptebatch_call *c)
{
    if ( likely(c->work < PTEBATCH_PREEMPT) )
        return false;

    c->work = 0;
    if ( hypercall_preempt_check() )
        return true;

    if ( c->page && must_hand_over(c) )
    {
        table_unlock(c);
        c->hand_over = true;
    }

    return false;
}

static void table_put(struct ptebatch_call *c)
{
    table_unlock(c);

    if ( c->page )
    {
        ptebatch_unmap_table(c->l1);
        put_page(c->page);
        c->page = NULL;
    }
}

/*
 * Locks the table that holds a slot, if it is an L1 table of pt_owner. The
 * reference and the mapping stay when the lock is dropped for a copy; the
 * type does not, and is looked at again.
 */
static int table_lock(struct ptebatch_call *c, uint64_t slot)
{
    mfn_t mfn = maddr_to_mfn(slot);

    if ( c->page && !mfn_eq(mfn, c->mfn) )
    {
        table_put(c);
        c->work += WORK_TABLE;
    }

    if ( !c->page )
    {
        struct page_info *page;

        if ( unlikely(slot & ~PADDR_MASK) )
            return -EINVAL;

        page = ptebatch_own_page(slot, &c->frames);
        if ( unlikely(!page) || unlikely(!get_page(page, c->pt_owner)) )
            return -EINVAL;
        c->page = page;
        c->refs = ACCESS_ONCE(page->count_info);
        /* Its holder has a reference as well. */
        if ( ACCESS_ONCE(page->u.inuse.type_info) & PGT_locked )
            c->refs--;
        c->checks = 0;
        c->slow = c->hand_over = false;
        c->mfn = mfn;
        c->l1 = ptebatch_map_table(page, mfn);
    }

    if ( unlikely(c->hand_over) )
    {
        cycles_t start = get_cycles();

        c->checks = 0;
        c->slow = c->hand_over = false;
        do {
            cpu_relax();
        } while ( get_cycles() - start < HAND_OVER );
    }

    if ( unlikely(!page_lock(c->page)) )
        return -EINVAL;

    if ( unlikely((c->page->u.inuse.type_info & PGT_type_mask) !=
                  PGT_l1_page_table) )
    {
        page_unlock(c->page);
        return -EINVAL;
    }

    /* Only now: this is what all others take for "a locked L1 table". */
    c->locked = slot & PAGE_MASK;

    return 0;
}

/* The same, where it mostly is the table of the slot before. */
static always_inline int table_at(struct ptebatch_call *c, uint64_t slot)
{
    if ( likely((slot & PAGE_MASK) == c->locked) )
        return 0;

    table_unlock(c);

    return table_lock(c, slot);
}

/* --- References of one entry --------------------------------------------- */

/*
 * A writable type reference, for an entry about to become writable, if there
 * is one already. False: nothing was done, get_page_type() has to decide.
 */
static always_inline bool type_get(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    do {
        if ( unlikely(!TYPE_IS_WRITABLE(x, 1UL)) )
            return false;
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->u.inuse.type_info, &x,
                                             x + 1)) );

    return true;
}

/*
 * The reference of an entry that was writable. Likewise, and the count stays
 * above 0. False: nothing was done, put_page_type() has to.
 */
static always_inline bool type_put(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    do {
        if ( unlikely(!TYPE_IS_WRITABLE(x, 2UL)) )
            return false;
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->u.inuse.type_info, &x,
                                             x - 1)) );

    return true;
}

/*
 * A general reference, for an entry about to map this page, which was the
 * owner's a moment ago; as get_page(). False: none is held, mod_l1_entry() has
 * to say why.
 */
static always_inline bool page_get(struct page_info *page,
                                   const struct ptebatch_frames *frames)
{
    unsigned long x = ACCESS_ONCE(page->count_info);

    do {
        /* Free, or no more to be had: the last one is kept back by Xen. */
        if ( unlikely(COUNT_UP(x + 2) <= COUNT_UP(2UL)) )
            return false;
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->count_info, &x, x + 1)) );

    if ( likely(page->v.inuse._domain == frames->owner) )
        return true;

    put_page(page);

    return false;
}

/*
 * The reference of an entry that is gone, unless it is the page's last. False:
 * nothing was done, put_page() has to.
 */
static always_inline bool page_put(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->count_info);

    do {
        ASSERT(x & PGC_count_mask);
        if ( unlikely(!COUNT_UP(x - 1)) )
            return false;
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->count_info, &x, x - 1)) );

    return true;
}

/*
 * What an entry held that no longer is writable, or no longer is at all. True
 * if that took long: the last of its kind, so that the page changed its state
 * or was freed.
 */
static always_inline bool drop_writable(struct ptebatch_call *c,
                                        struct page_info *page)
{
    if ( likely(type_put(page)) )
        return false;

    /*
     * It reads the TLB clock before its first locked instruction. A plain store
     * to the entry must be seen by then: see "The type count".
     */
    smp_mb();
    put_page_type(page);
    worked_slow(c);

    return true;
}

static always_inline bool drop_entry(struct ptebatch_call *c,
                                     struct page_info *page, intpte_t pte)
{
    if ( (pte & _PAGE_RW) && unlikely(drop_writable(c, page)) )
    {
        put_page(page);
        return true;
    }

    if ( likely(page_put(page)) )
        return false;

    put_page(page);
    worked_slow(c);

    return true;
}

/* How to write, known at compile time. */
enum write {
    WRITE_ANY,                  /* the old value is wanted, or both masks */
    WRITE_ALL,                  /* the old value is wanted, keep is 0 */
    WRITE_AND,                  /* set is 0 */
    WRITE_OR,                   /* keep has all bits that set has not */
};

/* What an entry becomes: (entry & keep) | set. */
struct change {
    intpte_t keep, set;
    intpte_t ad;                /* those of A and D that it keeps if it has */
    enum write write;
    bool gain;                  /* RW is set, if it changes */
};

static always_inline struct change change_to(intpte_t keep, intpte_t set)
{
    return (struct change){
        .keep = keep,
        .set = set,
        .ad = (keep | set) & AD_BITS,
        .write = WRITE_ANY,
        .gain = set & _PAGE_RW,
    };
}

/* It becomes set, whatever it was. */
static always_inline struct change change_all(intpte_t set)
{
    struct change to = change_to(0, set);

    to.write = WRITE_ALL;

    return to;
}

/*
 * Writes an entry of an own table outside any paging mode; returns what it
 * was (with WRITE_ANY and WRITE_ALL, exactly). pte is a recent value of it:
 * only A and D may have been set since.
 */
static always_inline intpte_t write_pte(intpte_t *p, intpte_t pte,
                                        const struct change *to)
{
    intpte_t seen = pte, new = (pte & to->keep) | to->set;

    if ( (pte & to->ad) == AD_BITS )
    {
        write_atomic(p, new);
        return pte;
    }

    switch ( to->write )
    {
    case WRITE_AND:
        ptebatch_lock_and(p, to->keep);
        return pte;

    case WRITE_OR:
        ptebatch_lock_or(p, to->set);
        return pte;

    case WRITE_ALL:
        return xchg(p, to->set);

    case WRITE_ANY:
    default:
        break;
    }

    while ( unlikely(!ptebatch_try_cmpxchg(p, &seen, new)) )
    {
        /* The table is locked: nobody but hardware writes. */
        BUG_ON((seen ^ pte) & ~AD_BITS);
        new = (seen & to->keep) | to->set;
    }

    return seen;
}

/*
 * The cases 1 and 2 of a present entry of such a table. moves: RW changes.
 * False: nothing was done, a longer way is needed. Else *pte is what the entry
 * was, and *drop the page whose writable reference the caller has to drop, or
 * NULL.
 */
static always_inline bool change_entry(
    intpte_t *p, intpte_t *pte, const struct change *to, bool moves,
    struct ptebatch_frames *frames, struct page_info **drop)
{
    *drop = NULL;

    if ( likely(moves) )
    {
        struct page_info *page = ptebatch_own_page(*pte, frames);

        if ( unlikely(!page) )
            return false;

        if ( !to->gain )
            *drop = page;
        else if ( unlikely(*pte & PTEBATCH_PTE_CACHE) ||
                  unlikely(!type_get(page)) )
            return false;
    }

    *pte = write_pte(p, *pte, to);

    return true;
}

/*
 * The case 3, of a present entry of such a table. NULL: nothing was done, a
 * longer way is needed. Else *pte is what the entry was, and the caller has to
 * drop_entry() what it held of the page returned.
 */
static always_inline struct page_info *take_entry(
    intpte_t *p, intpte_t *pte, const struct change *to,
    struct ptebatch_frames *frames)
{
    struct page_info *page = ptebatch_own_page(*pte, frames);

    /* put_page_from_l1e() knows about implicit unmaps of grants. */
    if ( unlikely(!page) || (*pte & put_pte_flags(_PAGE_GNTTAB)) )
        return NULL;

    *pte = write_pte(p, *pte, to);

    return page;
}

/* The same for any table: shadow code has to see the write. */
static intpte_t write_pte_slow(struct ptebatch_call *c, intpte_t *p,
                               intpte_t pte, intpte_t keep, intpte_t set)
{
    for ( ; ; )
    {
        intpte_t seen = paging_cmpxchg_guest_entry(c->pt_vcpu, p, pte,
                                                   (pte & keep) | set, c->mfn);

        if ( likely(seen == pte) )
            return pte;

        BUG_ON((seen ^ pte) & ~AD_BITS);
        pte = seen;
    }
}

/*
 * Whatever update_slot() has no short way for. The order of mod_l1_entry():
 * references for the new entry, the entry, references of the old one.
 */
static int update_slow(struct ptebatch_call *c, intpte_t *p, intpte_t pte,
                       intpte_t keep, intpte_t set, intpte_t *old)
{
    intpte_t new = (pte & keep) | set;

    worked_slow_to(c, new);

    if ( new & _PAGE_PRESENT )
    {
        int rc;

        if ( (pte & _PAGE_PRESENT) && !((pte ^ new) & ~FREE_BITS) )
        {
            *old = write_pte_slow(c, p, pte, keep, set);
            return 0;
        }

        rc = get_page_from_l1e(l1e_from_intpte(new), c->pt_owner, c->pg_owner);
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

    pte = write_pte_slow(c, p, pte, keep, set);
    put_page_from_l1e(l1e_from_intpte(pte), c->pt_owner);
    *old = pte;

    return 0;
}

/*
 * Of an own table outside any paging mode, a present entry that take_entry()
 * leaves alone, for it maps I/O memory or somebody else's page: becomes 0; the
 * order is update_slow()'s.
 */
static noinline void clear_other(struct ptebatch_call *c, intpte_t *p,
                                 intpte_t *pte)
{
    *pte = xchg(p, 0);
    put_page_from_l1e(l1e_from_intpte(*pte), c->pt_owner);
    worked_slow(c);
}

/*
 * One entry becomes (entry & keep) | set, which is either present or 0, by the
 * shortest safe way. The table is locked, *old receives the entry as it was.
 */
static int update_slot(struct ptebatch_call *c, intpte_t *p, intpte_t pte,
                       intpte_t keep, intpte_t set, intpte_t *old)
{
    intpte_t new = (pte & keep) | set, diff = pte ^ new;
    struct page_info *page;

    *old = pte;
    if ( !diff )
        return 0;

    if ( unlikely(!c->own) || unlikely(!(pte & _PAGE_PRESENT)) )
        return update_slow(c, p, pte, keep, set, old);

    if ( !(diff & ~PTEBATCH_FAST_FLAGS) )
    {
        struct change to = change_to(keep, set);

        to.gain = new & _PAGE_RW;
        if ( likely(change_entry(p, old, &to, diff & _PAGE_RW, &c->frames,
                                 &page)) )
        {
            if ( page )
                drop_writable(c, page);
            return 0;
        }

        /* An own page not yet writable needs one reference more, not two. */
        page = ptebatch_own_page(pte, &c->frames);
        if ( page && !(pte & PTEBATCH_PTE_CACHE) )
        {
            worked_slow_to(c, new);
            if ( !get_page_type(page, PGT_writable_page) )
                return -EBUSY;
            *old = write_pte(p, pte, &to);
            return 0;
        }
    }

    return update_slow(c, p, pte, keep, set, old);
}

/* --- Runs ---------------------------------------------------------------- */

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

static int ask_xsm(struct ptebatch_call *c, uint32_t needed)
{
    int rc = xsm_mmu_update(XSM_TARGET, current->domain, c->pt_owner,
                            c->pg_owner, needed | c->xsm_checked);

    if ( !rc )
        c->xsm_checked |= needed;

    return rc;
}

static always_inline int check_xsm(struct ptebatch_call *c, uint32_t needed)
{
    return likely(!(needed & ~c->xsm_checked)) ? 0 : ask_xsm(c, needed);
}

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
    if ( !c->own || ((run->clear | run->set) & PTEBATCH_PTE_CACHE) )
        return RUN_OTHER;

    if ( run->op == PTEBATCH_OP_CLEAR )
        return RUN_CLEAR;

    if ( run->set & _PAGE_RW )
        return RUN_GAIN;

    if ( run->clear & _PAGE_RW )
        return RUN_DROP;

    return run->set ? RUN_FREE_SET : RUN_FREE;
}

static always_inline unsigned int run_cost(enum run_kind kind)
{
    return kind == RUN_FREE || kind == RUN_FREE_SET ? WORK_FAST : WORK_MOVE;
}

/* The end of the slots from done on that pass before the next check. */
static always_inline unsigned int slots_to_check(
    const struct ptebatch_call *c, enum run_kind kind, unsigned int done,
    unsigned int end)
{
    const unsigned int left = PTEBATCH_PREEMPT - c->work;

    /* By constants, which need no division. */
    return min(end, done + (run_cost(kind) == WORK_FAST
                            ? DIV_ROUND_UP(left, WORK_FAST)
                            : DIV_ROUND_UP(left, WORK_MOVE)));
}

/* Whether a flags run changes RW of this entry. */
static always_inline bool run_moves(intpte_t pte, intpte_t clear, intpte_t set)
{
    return (((pte & ~clear) | set) ^ pte) & _PAGE_RW;
}

/*
 * After a slow entry of a loop, whose slots were all counted as work before it:
 * how many of the last slots no longer fit before the next check. The work of
 * these is taken back.
 */
static noinline unsigned int slots_over(struct ptebatch_call *c,
                                        unsigned int left)
{
    unsigned int n;

    if ( c->work <= PTEBATCH_PREEMPT )
        return 0;

    n = min(left, (c->work - PTEBATCH_PREEMPT) / WORK_MOVE);
    c->work -= n * WORK_MOVE;

    return n;
}

/*
 * The slots of a run from i on, as long as update_slot()'s short ways do, with
 * everything that is the same for all taken out of the loop. Returns the first
 * slot not done. The table is locked; olds[0] belongs to slot i. Without olds,
 * the run has no bits to clear if it has any to set.
 */
static always_inline unsigned int fast_slots(
    struct ptebatch_call *c, const struct ptebatch_run *run, enum run_kind kind,
    unsigned int i, unsigned int end, intpte_t *olds)
{
    const bool free = kind == RUN_FREE || kind == RUN_FREE_SET;
    const unsigned int cost = run_cost(kind);
    struct change to = change_to(~run->clear, run->set);
    struct ptebatch_frames frames = c->frames;
    void *const l1 = c->l1;
    /*
     * i and the slot are the guest's. A CPU that runs ahead of their checks reads
     * an aligned entry inside the table.
     */
    intpte_t *p = l1 + ((run->slot + i * sizeof(*p)) & SLOT_MASK);
    unsigned int left;

    to.gain = kind == RUN_GAIN;
    if ( kind == RUN_CLEAR )
        to = change_all(0);
    else if ( !olds )
        to.write = kind == RUN_GAIN || kind == RUN_FREE_SET ? WRITE_OR
                                                            : WRITE_AND;
    if ( kind != RUN_CLEAR )
        OPTIMIZER_HIDE_VAR(to.ad); /* one register, outside the loop */

    c->work += (end - i) * cost;
    for ( left = end - i; left; left-- )
    {
        intpte_t pte = ACCESS_ONCE(*p);
        struct page_info *page = NULL;

        if ( unlikely(!(pte & _PAGE_PRESENT)) )
        {
            /* Hardware leaves it alone, and 0 is safe against L1TF. */
            if ( kind == RUN_CLEAR && pte )
                write_atomic(p, 0);
        }
        else if ( kind == RUN_CLEAR )
        {
            page = take_entry(p, &pte, &to, &frames);
            if ( unlikely(!page) )
            {
                unsigned int over;

                clear_other(c, p, &pte);
                over = slots_over(c, left - 1);
                end -= over;
                left -= over;
            }
        }
        else
        {
            bool moves = (kind == RUN_GAIN && !(pte & _PAGE_RW)) ||
                         (kind == RUN_DROP && (pte & _PAGE_RW));

            if ( unlikely(!change_entry(p, &pte, &to, moves, &frames,
                                        &page)) )
                break;
        }

        if ( olds )
            *olds++ = pte;

        if ( (kind == RUN_DROP && likely(page) && drop_writable(c, page)) ||
             (kind == RUN_CLEAR && likely(page) && drop_entry(c, page, pte)) )
        {
            unsigned int over = slots_over(c, left - 1);

            end -= over;
            left -= over;
        }

        /*
         * A CPU that runs ahead of the end must not take what lies behind the
         * table for an entry and look up its frame.
         */
        p++;
        if ( !free )
            p = l1 + PAGE_OFFSET(p);
    }
    c->work -= left * cost;

    return end - left;
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
    const bool flags = run->op == PTEBATCH_OP_FLAGS;
    const unsigned int start = *done;

    do {
        unsigned int i = *done;
        intpte_t *p, *o = olds ? olds + (i - start) : NULL, old;
        int rc;

        switch ( kind )
        {
        case RUN_FREE:
            *done = fast_slots(c, run, RUN_FREE, i, end, o);
            break;

        case RUN_FREE_SET:
            *done = fast_slots(c, run, RUN_FREE_SET, i, end, o);
            break;

        case RUN_GAIN:
            *done = fast_slots(c, run, RUN_GAIN, i, end, o);
            break;

        case RUN_DROP:
            *done = fast_slots(c, run, RUN_DROP, i, end, o);
            break;

        case RUN_CLEAR:
            *done = fast_slots(c, run, RUN_CLEAR, i, end, o);
            break;

        case RUN_OTHER:
        default:
            break;
        }

        if ( *done == end || c->work >= PTEBATCH_PREEMPT )
            break;

        /* The slot that stopped the loop, one way or another. */
        p = c->l1 + ((run->slot + *done * sizeof(*p)) & SLOT_MASK);
        old = ACCESS_ONCE(*p);
        rc = !flags || (old & _PAGE_PRESENT)
             ? update_slot(c, p, old, flags ? ~(run->clear | run->set) : 0,
                           run->set, &old)
             : 0;
        if ( unlikely(rc) )
            return rc;

        if ( olds )
            olds[*done - start] = old;
        c->work += WORK_FAST;
        ++*done;
        if ( c->work >= PTEBATCH_PREEMPT )
            break;

        end = slots_to_check(c, kind, *done, end);
    } while ( *done < end );

    return 0;
}

/* Flags of an entry for which XSM has not been asked yet. */
static always_inline intpte_t xsm_unasked(const struct ptebatch_call *c)
{
    return ((c->xsm_checked & XSM_MMU_UPDATE_READ) ? 0 : _PAGE_PRESENT) |
           ((c->xsm_checked & XSM_MMU_UPDATE_WRITE) ? 0 : _PAGE_RW);
}

/* What of mmu_update's permissions an entry needs. */
static always_inline uint32_t xsm_needed(intpte_t pte)
{
    uint32_t needed = XSM_MMU_NORMAL_UPDATE;

    if ( pte & _PAGE_PRESENT )
        needed |= XSM_MMU_UPDATE_READ |
                  ((pte & _PAGE_RW) ? XSM_MMU_UPDATE_WRITE : 0);

    return needed;
}

/* Many slots, or old values, from *done on. */
static int do_slots(struct ptebatch_call *c, const struct ptebatch_run *run,
                    unsigned int *done)
{
    intpte_t olds[PTEBATCH_OLD_CHUNK];
    /* Both masks: not one "lock and" or "lock or", so as if asked for olds. */
    const bool want_olds = run->old ||
                           (run->set && (run->clear & ~run->set));
    const enum run_kind kind = run_kind(c, run);

    while ( *done < run->count )
    {
        unsigned int start = *done, end;
        int rc;

        if ( preempt(c) )
            return -ERESTART;

        end = slots_to_check(c, kind, start, run->count);

        rc = table_at(c, run->slot);
        if ( unlikely(rc) )
            return rc;

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
            table_unlock(c);
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

/* -ERESTART: to be preempted, *done says where. */
static int do_run(struct ptebatch_call *c, const struct ptebatch_run *run,
                  unsigned int *done)
{
    int rc = check_run(run);

    if ( unlikely(rc) )
        return rc;

    /* Of a flags run: as if of entries with all that it does not take away. */
    rc = check_xsm(c, run->op == PTEBATCH_OP_FLAGS
                      ? xsm_needed(run->set | PTEBATCH_PTE_P |
                                   (PTEBATCH_PTE_RW & ~run->clear))
                      : XSM_MMU_NORMAL_UPDATE);
    if ( unlikely(rc) )
        return rc;

    rc = do_slots(c, run, done);
    c->work += WORK_RECORD;

    return rc;
}

/*
 * The records of a list from i on, as long as each changes the flags of one
 * present entry of the table at hand; the first that does not is returned.
 */
static always_inline unsigned int fast_singles(
    struct ptebatch_call *c, const struct ptebatch_run *runs, unsigned int i,
    unsigned int n)
{
    struct ptebatch_frames frames = c->frames;
    const intpte_t ask = xsm_unasked(c);
    void *l1;

    if ( !c->own || table_at(c, runs[i].slot) )
        return i;

    l1 = c->l1;
    for ( ; i < n; i++ )
    {
        const struct ptebatch_run *run = &runs[i];
        const intpte_t clear = run->clear, set = run->set;
        intpte_t pte, *p = l1 + (run->slot & SLOT_MASK);
        struct page_info *drop;
        struct change to;

        if ( unlikely((run->slot & ~SLOT_MASK) != c->locked) ||
             unlikely(run->count != 1 || run->op != PTEBATCH_OP_FLAGS) ||
             unlikely(run->old) ||
             unlikely((clear | set) & ~PTEBATCH_FAST_FLAGS) ||
             unlikely((~clear | set) & ask) )
            break;

        pte = ACCESS_ONCE(*p);
        to = change_to(~clear, set);
        if ( unlikely(!(pte & _PAGE_PRESENT)) ||
             unlikely(!change_entry(p, &pte, &to, run_moves(pte, clear, set),
                                    &frames, &drop)) )
            break;

        if ( drop && unlikely(drop_writable(c, drop)) )
            return i + 1;
    }

    return i;
}

/* --- Values -------------------------------------------------------------- */

static always_inline int do_value(struct ptebatch_call *c,
                                  const struct ptebatch_value *v)
{
    unsigned int mode = v->slot & (sizeof(intpte_t) - 1);
    intpte_t val = v->pte, keep, old, *p;
    int rc;

    if ( mode == PTEBATCH_SET_KEEP_AD )
        keep = AD_BITS;
    else if ( mode == PTEBATCH_SET_EXACT )
        keep = 0;
    else
        return -EINVAL;

    rc = table_at(c, v->slot - mode);
    if ( unlikely(rc) )
        return rc;

    p = c->l1 + (v->slot & SLOT_MASK);

    if ( likely(c->own) )
    {
        intpte_t pte = ACCESS_ONCE(*p);
        intpte_t new = l1e_get_intpte(adjust_guest_l1e(l1e_from_intpte(val),
                                                       c->pt_owner));

        /* What update_slot() takes: the same frame, flags that it knows. */
        if ( (pte & _PAGE_PRESENT) && !((pte ^ new) & ~PTEBATCH_FAST_FLAGS) )
            return update_slot(c, p, pte, keep, new, &old);
    }

    worked_slow_to(c, val);

    return ptebatch_mod_l1_entry((l1_pgentry_t *)p, l1e_from_intpte(val),
                                 c->mfn, mode, c->pt_vcpu, c->pg_owner);
}

/*
 * The values from v on, as long as the table is that of the first, the mode
 * this one, and each makes an entry absent, maps an own page where nothing
 * was, or changes flags only; the first that does not is returned. XSM has
 * been asked about a value that maps nothing at least.
 */
static always_inline const struct ptebatch_value *fast_values(
    struct ptebatch_call *c, const struct ptebatch_value *v,
    const struct ptebatch_value *end, unsigned int mode)
{
    const intpte_t ask = xsm_unasked(c);
    const intpte_t keep = mode == PTEBATCH_SET_KEEP_AD ? AD_BITS : 0;
    /* Of an entry that comes, what must be P and U/S alone; 0: none can. */
    const intpte_t odd = (ask & _PAGE_PRESENT)
                         ? 0 : ~(PTEBATCH_FAST_FLAGS | PTEBATCH_PTE_FRAME |
                                 PTEBATCH_PTE_G) | (ask & _PAGE_RW);
    const paddr_t l1tf = ptebatch_l1tf_mask(c->pt_owner);
    struct ptebatch_frames frames = c->frames;
    uint64_t first;
    void *l1;

    if ( !c->own || table_at(c, v->slot) )
        return v;

    l1 = c->l1;
    first = c->locked | mode;
    for ( ; v < end; v++ )
    {
        struct page_info *page;
        intpte_t val, pte, diff, *p;
        struct change to;
        uint64_t offset;

        OPTIMIZER_HIDE_VAR(v);      /* or v + 1 would be kept as well */
        offset = v->slot - first;
        val = v->pte;

        /* The locked table, and the mode: nothing else is left of ptr. */
        if ( unlikely(offset & ~SLOT_MASK) )
            break;

        OPTIMIZER_HIDE_VAR(offset); /* or the mask would be superfluous */
        p = l1 + (offset & SLOT_MASK);
        pte = ACCESS_ONCE(*p);
        if ( !(val & _PAGE_PRESENT) )
        {
            if ( unlikely(ptebatch_l1tf_unsafe(l1tf, val)) )
                break;

            if ( !(pte & _PAGE_PRESENT) )
            {
                write_atomic(p, (pte & keep) | val);
                continue;
            }

            to = keep ? change_to(keep, val) : change_all(val);
            page = take_entry(p, &pte, &to, &frames);
            if ( unlikely(!page) )
                break;
            if ( unlikely(drop_entry(c, page, pte)) )
                return v + 1;
            continue;
        }

        if ( !(pte & _PAGE_PRESENT) )
        {
            if ( unlikely((val & odd) != (_PAGE_PRESENT | _PAGE_USER)) )
                break;

            page = ptebatch_own_page(val, &frames);
            if ( unlikely(!page) || unlikely(!page_get(page, &frames)) )
                break;

            if ( (val & _PAGE_RW) && unlikely(!type_get(page)) )
            {
                worked_slow_to(c, val);
                if ( !get_page_type(page, PGT_writable_page) )
                {
                    put_page(page);
                    break;
                }
                end = v + 1;
            }

            /* Xen adds G to user entries; adjust_guest_l1e() does no more. */
            write_atomic(p, (pte & keep) | val | PTEBATCH_PTE_G);
            continue;
        }

        /* Both have U/S, then, so that G is all that it would add here. */
        diff = pte ^ val;
        if ( unlikely(diff & ~(PTEBATCH_FAST_FLAGS | PTEBATCH_PTE_G)) )
            break;

        OPTIMIZER_HIDE_VAR(val);    /* two tests are shorter than one */
        if ( unlikely(val & ask) )
            break;

        if ( likely(!(val & put_pte_flags(_PAGE_GUEST_KERNEL))) )
            val |= PTEBATCH_PTE_G;
        else if ( val & PTEBATCH_PTE_CACHE )
            break; /* G may change, and the domain not be allowed those */

        to = keep ? change_to(keep, val) : change_all(val);
        if ( unlikely(!change_entry(p, &pte, &to, diff & _PAGE_RW, &frames,
                                    &page)) )
            break;

        if ( page && unlikely(drop_writable(c, page)) )
            return v + 1;
    }

    return v;
}

/* Each loop gets all registers for itself. */
static noinline const struct ptebatch_value *keep_values(
    struct ptebatch_call *c, const struct ptebatch_value *v,
    const struct ptebatch_value *end)
{
    return fast_values(c, v, end, PTEBATCH_SET_KEEP_AD);
}

static noinline const struct ptebatch_value *exact_values(
    struct ptebatch_call *c, const struct ptebatch_value *v,
    const struct ptebatch_value *end)
{
    return fast_values(c, v, end, PTEBATCH_SET_EXACT);
}

/* --- TLB ----------------------------------------------------------------- */

/*
 * All of it is checked and copied before the first update. record: argument 5
 * is a TLB record's address, if anything.
 */
static int tlb_parse(struct ptebatch_call *c, unsigned long how, bool record,
                     unsigned long arg)
{
    struct ptebatch_tlb *tlb = &c->tlb;

    tlb->who = PTEBATCH_HOW_TLB_WHO(how);
    if ( how & PTEBATCH_HOW_TLB_PAGE )
    {
        if ( tlb->who != PTEBATCH_TLB_LOCAL && tlb->who != PTEBATCH_TLB_ALL )
            return -EINVAL;
        tlb->addr = how & PTEBATCH_HOW_TLB_ADDR;
        tlb->pages = PTEBATCH_HOW_TLB_PAGES(how);
    }
    else if ( how >> PTEBATCH_HOW_TLB_MORE_SHIFT )
        return -EINVAL;

    if ( tlb->who == PTEBATCH_TLB_VCPUS )
    {
        if ( !record )
            return -EINVAL;
        if ( raw_copy_from_guest(tlb, (const void *)arg, sizeof(*tlb)) )
            return -EFAULT;
    }
    else if ( record && arg )
        return -EINVAL;

    if ( tlb->who > PTEBATCH_TLB_VCPUS ||
         (tlb->who == PTEBATCH_TLB_NONE && tlb->pages) ||
         (!tlb->pages && tlb->addr) ||
         (tlb->addr & ~PAGE_MASK) ||
         tlb->pages > PFN_DOWN(1UL << VADDR_BITS) ||
         (tlb->pages &&
          (!__addr_ok(tlb->addr) ||
           !__addr_ok(tlb->addr + ((tlb->pages - 1) << PAGE_SHIFT)))) )
        return -EINVAL;

    if ( tlb->who != PTEBATCH_TLB_VCPUS )
    {
        if ( tlb->nr_vcpus || tlb->vcpus )
            return -EINVAL;
        if ( c->pt_owner != current->domain &&
             tlb->who == PTEBATCH_TLB_LOCAL )
            return -EINVAL;
        return 0;
    }

    if ( c->pt_owner != current->domain || !tlb->nr_vcpus )
        return -EINVAL;

    if ( tlb->nr_vcpus > MASK_WORDS * 64 )
        tlb->who = PTEBATCH_TLB_ALL;
    else if ( raw_copy_from_guest(c->mask, (const void *)tlb->vcpus,
                                  DIV_ROUND_UP(tlb->nr_vcpus, 64) *
                                  sizeof(*c->mask)) )
        return -EFAULT;

    return 0;
}

static void tlb_flush_mask(const cpumask_t *mask,
                           const struct ptebatch_tlb *tlb)
{
    /* More than one page is one flush of everything, to send one IPI. */
    if ( tlb->pages == 1 )
        flush_tlb_one_mask(mask, tlb->addr);
    else
        flush_tlb_mask(mask);
}

static void tlb_flush(const struct ptebatch_call *c)
{
    const struct ptebatch_tlb *tlb = &c->tlb;
    struct domain *d = c->pt_owner;
    cpumask_t *mask;
    unsigned long i;

    switch ( tlb->who )
    {
    case PTEBATCH_TLB_LOCAL:
        if ( !tlb->pages || tlb->pages > PTEBATCH_HOW_TLB_PAGES_MAX )
            flush_tlb_local();
        else if ( paging_mode_enabled(d) )
            for ( i = 0; i < tlb->pages; i++ )
                paging_invlpg(current, tlb->addr + (i << PAGE_SHIFT));
        else
            for ( i = 0; i < tlb->pages; i++ )
                flush_tlb_one_local(tlb->addr + (i << PAGE_SHIFT));
        break;

    case PTEBATCH_TLB_ALL:
        tlb_flush_mask(d->dirty_cpumask, tlb);
        break;

    case PTEBATCH_TLB_VCPUS:
        mask = this_cpu(scratch_cpumask);
        cpumask_clear(mask);
        for ( i = 0; i < tlb->nr_vcpus && i < d->max_vcpus; i++ )
        {
            const struct vcpu *v;
            unsigned int cpu;

            if ( !(c->mask[i / 64] & (1UL << (i % 64))) )
                continue;
            v = d->vcpu[array_index_nospec(i, d->max_vcpus)];
            if ( !v )
                continue;
            cpu = read_atomic(&v->dirty_cpu);
            if ( is_vcpu_dirty_cpu(cpu) )
                __cpumask_set_cpu(cpu, mask);
        }
        tlb_flush_mask(mask, tlb);
        break;

    default:
        ASSERT_UNREACHABLE();
        break;
    }
}

/* --- The calls ----------------------------------------------------------- */

static long probe(unsigned long what, unsigned long item, uint64_t is)
{
    if ( what != PTEBATCH_MAGIC )
        return -EINVAL;

    switch ( item )
    {
    case PTEBATCH_ASK_VERSION:
        return is | PTEBATCH_ABI_VERSION;

    case PTEBATCH_ASK_RECORDS:
        return RECORDS_MAX;

    case PTEBATCH_ASK_FAST:
        return PTEBATCH_FAST_FLAGS;

    default:
        return -EOPNOTSUPP;
    }
}

/*
 * Who is who. For a foreign pt_owner, as for mmu_update, the domain is meant
 * to be paused; its first vCPU stands for it in the paging code.
 */
static int owners_get_foreign(struct ptebatch_call *c, unsigned long owner)
{
    struct domain *currd = current->domain, *d = currd;
    unsigned int pt = (owner >> 16) & 0xffff;
    int rc;

    if ( pt && pt - 1 != currd->domain_id )
    {
        d = rcu_lock_domain_by_id(pt - 1);
        if ( !d )
            return -ESRCH;

        rc = -EOPNOTSUPP;
        if ( !is_pv_domain(d) || paging_mode_refcounts(d) )
            goto out;

        rc = -EINVAL;
        if ( !d->vcpu || !d->vcpu[0] )
            goto out;

        c->pt_owner = d;
        c->frames = ptebatch_frames(d);
        c->pt_vcpu = d->vcpu[0];
    }

    rc = -ESRCH;
    c->pg_owner = get_pg_owner((uint16_t)owner);
    if ( !c->pg_owner )
        goto out;

    c->own = c->own && d == currd && c->pg_owner == currd;

    /* Before anything at all: even a TLB flush alone is an act on others. */
    rc = check_xsm(c, XSM_MMU_NORMAL_UPDATE);
    if ( !rc )
        return 0;

    put_pg_owner(c->pg_owner);

 out:
    if ( d != currd )
    {
        c->pt_owner = currd;    /* refuse() may still flush */
        rcu_unlock_domain(d);
    }

    return rc;
}

static always_inline int owners_get(struct ptebatch_call *c,
                                    unsigned long owner)
{
    struct vcpu *curr = current;
    struct domain *d = curr->domain;

    c->pt_owner = d;            /* whom refuse() flushes */
    if ( unlikely(paging_mode_refcounts(d)) )
        return -EOPNOTSUPP;

    c->pt_vcpu = curr;
    c->pg_owner = d;
    c->frames = ptebatch_frames(d);
    c->own = !paging_mode_enabled(d) && cpu_has_nx;

    return likely(owner == DOMID_SELF) ? 0 : owners_get_foreign(c, owner);
}

static void owners_put(struct ptebatch_call *c, unsigned long owner)
{
    if ( likely(owner == DOMID_SELF) )
        return;

    put_pg_owner(c->pg_owner);
    if ( c->pt_owner != current->domain )
        rcu_unlock_domain(c->pt_owner);
}

/*
 * An argument was refused, or a domain is gone. Of a restarted call, whose
 * guest changed something meanwhile, what it has done must still be told, and
 * since the request that was made is no longer known, all is flushed.
 */
static long refuse(struct ptebatch_call *c, unsigned int done,
                   unsigned int slots, int rc)
{
    if ( likely(!(done | slots)) )
        return rc;

    c->tlb = (struct ptebatch_tlb){ .who = PTEBATCH_TLB_ALL };
    tlb_flush(c);

    return PTEBATCH_ANSWER(done, slots, -rc);
}

/*
 * The end of a call that got past its arguments: drops the table, then flushes
 * if anything was done, now or before a preemption, or nothing was asked for.
 */
static long finish(struct ptebatch_call *c, unsigned int count,
                   unsigned int done, unsigned int slots, int rc)
{
    table_put(c);

    if ( c->tlb.who != PTEBATCH_TLB_NONE && (done || slots || !count) )
        tlb_flush(c);

    return PTEBATCH_ANSWER(done, slots, -rc);
}

/*
 * What most calls of mprotect() come down to: the flags of one entry of the
 * caller's own, with its INVLPG or none. The steps are those of table_lock(),
 * fast_slots() and finish(), with everything that cannot happen here left out.
 * Returns 0 if it is not that simple, or if anything is wrong: then nothing
 * was done, and runs_registers() decides.
 */
static always_inline long one_slot(unsigned long what, unsigned long how,
                                   unsigned long clear, unsigned long set)
{
    const unsigned long invlpg = PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) |
                                 PTEBATCH_HOW_TLB_PAGE;
    struct domain *d = current->domain;
    struct ptebatch_frames frames = ptebatch_frames(d);
    const struct change to = change_to(~clear, set);
    struct page_info *table, *drop = NULL;
    intpte_t pte, *p;
    long ret = 0;

    if ( paging_mode_enabled(d) || !cpu_has_nx ||
         ((clear | set) & ~PTEBATCH_FAST_FLAGS) ||
         (what & (~PADDR_MASK | (sizeof(*p) - 1))) ||
         (how && ((how & ~PTEBATCH_HOW_TLB_ADDR) != invlpg ||
                  !__addr_ok(how & PTEBATCH_HOW_TLB_ADDR))) )
        return 0;

    if ( xsm_mmu_update(XSM_TARGET, d, d, d,
                        xsm_needed(set | PTEBATCH_PTE_P |
                                   (PTEBATCH_PTE_RW & ~clear))) )
        return 0;

    table = ptebatch_find_page(ptebatch_frame(what));
    if ( unlikely(!table) ||
         unlikely(table->v.inuse._domain != frames.owner) ||
         unlikely(!get_page(table, d)) )
        return 0;

    if ( unlikely(!page_lock(table)) )
        goto put;

    if ( unlikely((table->u.inuse.type_info & PGT_type_mask) !=
                  PGT_l1_page_table) )
        goto unlock;

    p = ptebatch_map_table(table, maddr_to_mfn(what)) + (what & SLOT_MASK);
    pte = ACCESS_ONCE(*p);
    if ( unlikely(!(pte & _PAGE_PRESENT)) ||
         likely(change_entry(p, &pte, &to, run_moves(pte, clear, set),
                             &frames, &drop)) )
    {
        ret = PTEBATCH_ANSWER(1, 0, 0);
        if ( drop && unlikely(!type_put(drop)) )
        {
            smp_mb();           /* as in drop_writable() */
            put_page_type(drop);
        }
    }
    ptebatch_unmap_table(p);

 unlock:
    page_unlock(table);
 put:
    put_page(table);

    /* No paging mode has to hear of it. */
    if ( ret && how )
        flush_tlb_one_local(how & PTEBATCH_HOW_TLB_ADDR);

    return ret;
}

/* A list of one whose record is the arguments. */
static long runs_registers(unsigned long what, unsigned long count,
                           unsigned long how, unsigned long clear,
                           unsigned long set)
{
    struct ptebatch_call c;
    const struct ptebatch_run run = {
        .slot = what,
        .count = count,
        .op = PTEBATCH_HOW_OP(how),
        .clear = clear,
        .set = set,
    };
    unsigned int done = count >> 32;
    int rc;

    if ( done > run.count )
        return -EINVAL;

    call_init(&c);
    rc = owners_get(&c, DOMID_SELF);
    if ( unlikely(rc) )
        return refuse(&c, done, 0, rc);

    if ( how & ~0xfUL )
        rc = tlb_parse(&c, how, false, 0);
    if ( unlikely(rc) )
        return refuse(&c, done, 0, rc);

    if ( likely(run.count) )
        rc = do_run(&c, &run, &done);

    if ( unlikely(rc == -ERESTART) )
    {
        table_put(&c);
        return hypercall_create_continuation(
            __HYPERVISOR_ptebatch_runs, "lllll", what,
            run.count | ((unsigned long)done << 32), how, clear, set);
    }

    return finish(&c, run.count, done, 0, rc);
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

    call_init(&c);
    rc = owners_get(&c, owner);
    if ( unlikely(rc) )
        return refuse(&c, done, slots, rc);

    rc = tlb_parse(&c, how, true, arg5);
    if ( unlikely(rc) )
    {
        ret = refuse(&c, done, slots, rc);
        goto out;
    }

    while ( !rc && done < nr )
    {
        unsigned int i, n = min(nr - done, RUN_CHUNK);

        table_unlock(&c);
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

                if ( preempt(&c) )
                {
                    rc = -ERESTART;
                    break;
                }

                next = fast_singles(&c, runs, i, n);
                c.work += (next - i) * (WORK_MOVE + WORK_RECORD);
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
        table_put(&c);
        ret = hypercall_create_continuation(
            __HYPERVISOR_ptebatch_runs, "lllll", what,
            nr | ((unsigned long)done << 32), how,
            owner | ((unsigned long)slots << 32), arg5);
    }
    else
        ret = finish(&c, nr, done, slots, rc);

 out:
    owners_put(&c, owner);

    return ret;
}

/*
 * Turned off. A call that was preempted before must not lose what it has done:
 * it tells it, and flushes, as refuse() argues; the caller goes on by other
 * means. No entry is touched, so forged progress brings a guest nothing.
 */
static noinline long turned_off(unsigned int done, unsigned long owner)
{
    struct ptebatch_call c;
    unsigned int slots = (owner >> 32) & 0xffff;
    long ret;
    int rc;

    if ( likely(!(done | slots)) )
        return -ENOSYS;

    owner = (uint32_t)owner;
    call_init(&c);
    rc = owners_get(&c, owner);
    ret = refuse(&c, done, slots, rc ?: -ENOSYS);
    if ( !rc )
        owners_put(&c, owner);

    return ret;
}

long do_ptebatch_runs(unsigned long what, unsigned long count,
                      unsigned long how, unsigned long arg4,
                      unsigned long arg5)
{
    if ( unlikely(!opt_ptebatch) )
        return turned_off(count >> 32,
                          PTEBATCH_HOW_OP(how) == PTEBATCH_HOW_LIST
                          ? arg4 : DOMID_SELF);

    switch ( PTEBATCH_HOW_OP(how) )
    {
    case PTEBATCH_OP_FLAGS:
        if ( count == 1 )
        {
            long ret = one_slot(what, how, arg4, arg5);

            if ( likely(ret) )
                return ret;
        }
        fallthrough;
    case PTEBATCH_OP_CLEAR:
        return runs_registers(what, count, how, arg4, arg5);

    case PTEBATCH_HOW_LIST:
        return runs_list(what, count, how, arg4, arg5);

    case PTEBATCH_HOW_PROBE:
        return probe(what, count, PTEBATCH_IS_RUNS);

    default:
        return -EOPNOTSUPP;
    }
}

long do_ptebatch_values(unsigned long what, unsigned long count,
                        unsigned long how, unsigned long arg4,
                        unsigned long arg5)
{
    struct ptebatch_call c;
    struct ptebatch_value values[VALUE_CHUNK];
    unsigned int nr = count, done = count >> 32;
    long ret;
    int rc;

    if ( unlikely(!opt_ptebatch) )
        return turned_off(count >> 32, (uint32_t)arg4);

    if ( PTEBATCH_HOW_OP(how) == PTEBATCH_HOW_PROBE )
        return probe(what, count, PTEBATCH_IS_VALUES);
    if ( PTEBATCH_HOW_OP(how) )
        return -EOPNOTSUPP;

    if ( nr > RECORDS_MAX || done > nr || (arg4 >> 32) )
        return -EINVAL;

    call_init(&c);
    rc = owners_get(&c, arg4);
    if ( unlikely(rc) )
        return refuse(&c, done, 0, rc);

    rc = tlb_parse(&c, how, true, arg5);
    if ( unlikely(rc) )
    {
        ret = refuse(&c, done, 0, rc);
        goto out;
    }

    while ( likely(!rc) && done < nr )
    {
        const struct ptebatch_value *v, *end;
        unsigned int n = min(nr - done, VALUE_CHUNK);

        table_unlock(&c);
        if ( raw_copy_from_guest(values, (const void *)(what + done *
                                                        sizeof(*values)),
                                 n * sizeof(*values)) )
        {
            rc = -EFAULT;
            break;
        }

        for ( v = values, end = values + n; v < end; )
        {
            const struct ptebatch_value *next;

            if ( preempt(&c) )
            {
                rc = -ERESTART;
                break;
            }

            rc = check_xsm(&c, xsm_needed(v->pte));
            if ( unlikely(rc) )
                break;

            next = v->slot & PTEBATCH_SET_KEEP_AD ? keep_values(&c, v, end)
                                                : exact_values(&c, v, end);
            c.work += (next - v) * WORK_MOVE;
            if ( next != v )
            {
                v = next;
                continue;
            }

            rc = do_value(&c, v);
            if ( unlikely(rc) )
                break;
            c.work += WORK_RECORD;
            v++;
        }
        done += v - values;
    }

    if ( rc == -ERESTART )
    {
        table_put(&c);
        ret = hypercall_create_continuation(
            __HYPERVISOR_ptebatch_values, "lllll", what,
            nr | ((unsigned long)done << 32), how, arg4, arg5);
    }
    else
        ret = finish(&c, nr, done, 0, rc);

 out:
    owners_put(&c, arg4);

    return ret;
}

/*
 * The public header has numbers of its own, so that guests need no other, and
 * the fast paths know how Xen lays out its counts. All of that must be Xen's.
 */
static void __init __maybe_unused build_assertions(void)
{
/* put_pte_flags() as a constant. */
#define PTE_FLAGS(x) ((((x) & ~0xfffUL) << 40) | ((x) & 0xfffUL))
    BUILD_BUG_ON(PTEBATCH_SET_EXACT != MMU_NORMAL_PT_UPDATE);
    BUILD_BUG_ON(PTEBATCH_SET_KEEP_AD != MMU_PT_UPDATE_PRESERVE_AD);
    BUILD_BUG_ON(PTEBATCH_DOMID_SELF != DOMID_SELF);

    BUILD_BUG_ON(PTEBATCH_PTE_P != _PAGE_PRESENT);
    BUILD_BUG_ON(PTEBATCH_PTE_RW != _PAGE_RW);
    BUILD_BUG_ON(PTEBATCH_PTE_US != _PAGE_USER);
    BUILD_BUG_ON(PTEBATCH_PTE_CACHE != PAGE_CACHE_ATTRS);
    BUILD_BUG_ON(PTEBATCH_PTE_A != _PAGE_ACCESSED);
    BUILD_BUG_ON(PTEBATCH_PTE_D != _PAGE_DIRTY);
    BUILD_BUG_ON(PTEBATCH_PTE_G != _PAGE_GLOBAL);
    BUILD_BUG_ON(PTEBATCH_PTE_NX != PTE_FLAGS(_PAGE_NX_BIT));
    BUILD_BUG_ON(PTEBATCH_PTE_FRAME != (PADDR_MASK & PAGE_MASK));
    BUILD_BUG_ON(PTEBATCH_TABLE_SLOTS * sizeof(intpte_t) != PAGE_SIZE);

    /* Software's bits, and none that Xen has a meaning for. */
    BUILD_BUG_ON(PTEBATCH_PTE_AVAIL &
                 ~PTE_FLAGS(_PAGE_AVAIL | _PAGE_AVAIL_HIGH));
    BUILD_BUG_ON(PTEBATCH_PTE_AVAIL &
                 PTE_FLAGS(_PAGE_GUEST_KERNEL | _PAGE_GNTTAB));
    /* What mod_l1_entry() changes with no reference moving. */
    BUILD_BUG_ON(FREE_BITS & ~PTE_FLAGS(_PAGE_NX_BIT | _PAGE_AVAIL_HIGH |
                                        _PAGE_AVAIL | _PAGE_DIRTY |
                                        _PAGE_ACCESSED));

    /*
     * TYPE_IS_WRITABLE(): the count is the low end, and every state but
     * "writable, validated" is a bit above it that has to be 0.
     */
    BUILD_BUG_ON(PGT_count_mask != (1UL << PGT_count_width) - 1);
    BUILD_BUG_ON(PGT_writable_page != PGT_type_mask);
    BUILD_BUG_ON(TYPE_WRITABLE(0) & PGT_count_mask);
    BUILD_BUG_ON((PGT_locked | PGT_pinned | PGT_partial | PGT_non_coherent) &
                 (TYPE_WRITABLE(0) | (PGT_count_mask >> 1)));

    /* COUNT_UP(): the same of the general count. */
    BUILD_BUG_ON(PGC_count_mask != (1UL << PGC_count_width) - 1);
#undef PTE_FLAGS
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
