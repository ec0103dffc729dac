/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine for updates of L1 page tables of PV guests: one table at a time,
 * one entry by the cheapest safe way, everything unusual left to Xen's own
 * routines. docs/designs/pv-l1-engine.md argues why it is safe; the words used
 * here are explained there.
 *
 * The engine changes entries of tables of the caller's own, outside any paging
 * mode. It takes an entry or leaves it: an entry that is left was not changed,
 * and nothing is held for it.
 */
#ifndef X86_PV_L1_H
#define X86_PV_L1_H

#include <xen/hypercall.h>
#include <xen/prefetch.h>
#include <xen/sched.h>
#include <xen/time.h>

#include <asm/paging.h>

#include <public/xen.h>

#include "../mm.h"
#include "hooks.h"
#include "tree.h"

/* --- Whose entries, and what is counted ----------------------------------- */

/*
 * Whether the short ways may be used for the current domain's own tables. Its
 * mode cannot change while one of its vCPUs is in Xen, because the domain is
 * paused before a change.
 */
static always_inline bool l1_simple(const struct domain *d)
{
    return !paging_mode_enabled(d) && cpu_has_nx && !is_pv_32bit_domain(d);
}

/* By CPU. dom0 can read the sums through the calls, in this order. */
enum {
    L1_COUNT_CALLS,
    L1_COUNT_UPDATES,
    L1_COUNT_UPDATES_LEFT,
    L1_COUNT_UPDATE_VA,
    L1_COUNT_UPDATE_VA_LEFT,
    L1_COUNT_VALIDATED,
    L1_COUNT_VALIDATED_LEFT,
    L1_COUNT_TRAPS,
    L1_COUNT_TRAPS_LEFT,
    L1_COUNT_UPDATES_SLOW,
    L1_COUNTS,
};
/* A build that cannot have per-CPU variables defines its own two. */
#ifndef l1_counts_own
DECLARE_PER_CPU(unsigned long [L1_COUNTS], l1_counts);
#define l1_counts_of(cpu) per_cpu(l1_counts, cpu)
#define l1_counts_here this_cpu(l1_counts)
#endif

#define l1_count_add(what, n) (l1_counts_here[L1_COUNT_ ## what] += (n))
#define l1_count(what) l1_count_add(what, 1)

/* --- Constants ------------------------------------------------------------ */

/* Entries between two checks for preemption; a test build makes it 1. */
#ifndef PTEBATCH_PREEMPT
#define PTEBATCH_PREEMPT 256U
#endif
/* What counts towards that, in units of an entry that the engine takes. */
#define WORK_SLOW        8U     /* Xen's own routines did it */
#define WORK_RETYPE      32U    /* a change of type: IPI, IOTLB flush */
#define WORK_RECORD      2U
#define WORK_TABLE       8U     /* giving one table back, taking the next */

/* Records copied in one go, to the stack: 1,536 bytes. */
#define L1_VALUES        (PTEBATCH_PREEMPT < 96U ? PTEBATCH_PREEMPT : 96U)

/* Of a slot's address, what is inside its table. */
#define SLOT_MASK        (PAGE_SIZE - sizeof(intpte_t))
/* Not the address of a page, so equal to none, whatever the guest names. */
#define NOWHERE          1UL

/*
 * Bits of an entry, all of 64 bits, so that they can be inverted. FREE_BITS may
 * differ with no reference moving: A, D, NX, and those of software's bits (9 to
 * 11, 53 to 58) that Xen has no meaning for. RW besides them moves no more than
 * a type reference.
 */
#define FRAME_BITS       ((intpte_t)(PADDR_MASK & PAGE_MASK))
#define AD_BITS          ((intpte_t)(_PAGE_ACCESSED | _PAGE_DIRTY))
#define FREE_BITS        (AD_BITS | 0x87e0000000000e00UL)
#define FAST_BITS        (FREE_BITS | _PAGE_RW)
/* Of an entry that comes, what must be P and U/S alone. */
#define ODD_FLAGS        (~(FAST_BITS | FRAME_BITS | _PAGE_GLOBAL))

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

/* --- The count of writable mappings --------------------------------------- */

/*
 * Entries that are done one after the other, with the lock of one table. left:
 * those still to be done. One that needs a routine of Xen's is the last of its
 * stretch, so that a loop has nothing to ask about it; end - left is then still
 * the number of those done.
 */
struct l1_stretch {
    struct ptebatch_frames frames; /* the owner's of table and pages */
    unsigned int left, end;
    unsigned int work;          /* of Xen's routines */
};

static always_inline void stretch_ends(struct l1_stretch *s, unsigned int work)
{
    s->work += work;
    s->end -= s->left - 1;
    s->left = 1;
}

/*
 * get_page_type() of a writable page, where the count is 0 or the state odd.
 * Returns the work that it was, or 0 if it refused.
 */
unsigned int l1_type_get_slow(struct page_info *page);
/* put_page_type(), where the count becomes 0 or the state is odd. */
void l1_type_put_slow(struct page_info *page);

/*
 * A writable type reference, for an entry about to become writable. While the
 * type is writable and its count is at least 1, before and after, one atomic
 * increment is all that get_page_type() does. False: it is refused.
 */
static always_inline bool type_get(struct page_info *page,
                                   struct l1_stretch *s)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    do {
        if ( unlikely(!TYPE_IS_WRITABLE(x, 1UL)) )
        {
            unsigned int work = l1_type_get_slow(page);

            if ( !work )
                return false;
            stretch_ends(s, work);
            break;
        }
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->u.inuse.type_info, &x,
                                             x + 1)) );

    return true;
}

/* The reference of an entry that was writable. The entry has been written. */
static always_inline void type_put(struct page_info *page,
                                   struct l1_stretch *s)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    do {
        if ( unlikely(!TYPE_IS_WRITABLE(x, 2UL)) )
        {
            l1_type_put_slow(page);
            stretch_ends(s, WORK_SLOW);
            break;
        }
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->u.inuse.type_info, &x,
                                             x - 1)) );
}

/* --- Both references of an entry ------------------------------------------ */

/*
 * A general reference to a page that was the owner's a moment ago; as
 * get_page(). False: none is held.
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

/* As put_page(), which drops the last one. False: it was the last. */
static always_inline bool page_put(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->count_info);

    do {
        ASSERT(x & PGC_count_mask);
        if ( unlikely(!COUNT_UP(x - 1)) )
        {
            put_page(page);
            return false;
        }
    } while ( unlikely(!ptebatch_try_cmpxchg(&page->count_info, &x, x - 1)) );

    return true;
}

/* Both references that an entry is about to hold. False: none is held. */
static always_inline bool entry_get(struct page_info *page, intpte_t pte,
                                    struct l1_stretch *s)
{
    if ( unlikely(!page_get(page, &s->frames)) )
        return false;

    if ( !(pte & _PAGE_RW) || likely(type_get(page, s)) )
        return true;

    put_page(page);

    return false;
}

/* Those that an entry held; the general reference has to outlive the type's. */
static always_inline void entry_put(struct page_info *page, intpte_t pte,
                                    struct l1_stretch *s)
{
    if ( pte & _PAGE_RW )
        type_put(page, s);

    if ( unlikely(!page_put(page)) )
        stretch_ends(s, WORK_SLOW);
}

/*
 * The own page that a present entry holds references of, for the entry to give
 * them up; NULL if Xen's routines have to do that. Theirs are I/O memory and
 * other domains' pages, and grants, which they want to hear of.
 */
static always_inline struct page_info *l1_held(intpte_t pte,
                                               struct ptebatch_frames *frames)
{
    return (pte & put_pte_flags(_PAGE_GNTTAB)) ? NULL
                                               : ptebatch_own_page(pte, frames);
}

/* --- The flags of an entry ------------------------------------------------ */

/* How to write, known at compile time. */
enum l1_write {
    WRITE_KEEP,                 /* A and D that hardware sets are not lost */
    WRITE_STORE,                /* nothing of the entry is kept */
    WRITE_XCHG,                 /* nor kept, but the old value is wanted */
    WRITE_AND,                  /* set is 0, the old value is not wanted */
    WRITE_OR,                   /* keep has all bits set has not; the same */
    WRITE_EXACT,                /* only if the entry is what it was read as */
};

/* What an entry becomes: (entry & keep) | set. */
struct l1_change {
    intpte_t keep, set;
    intpte_t ad;                /* those of A and D that it keeps if it has */
    enum l1_write write;
};

static always_inline struct l1_change l1_change(intpte_t keep, intpte_t set,
                                                enum l1_write write)
{
    return (struct l1_change){
        .keep = keep,
        .set = set,
        .ad = (keep | set) & AD_BITS,
        .write = write,
    };
}

/*
 * Writes a present entry. *pte is a recent value of it: only A and D may have
 * been set since. With WRITE_KEEP and WRITE_XCHG *pte becomes what it was.
 * False: WRITE_EXACT found that hardware had set one of them, and wrote nothing.
 */
static always_inline bool l1_write(intpte_t *p, intpte_t *pte,
                                   const struct l1_change *to)
{
    intpte_t seen = *pte;

    if ( to->write == WRITE_EXACT )
        return ptebatch_try_cmpxchg(p, &seen, (seen & to->keep) | to->set);

    /* Nothing for hardware to set, before or after, and nobody else writes. */
    if ( to->write == WRITE_STORE ||
         (to->write != WRITE_XCHG && (seen & to->ad) == AD_BITS) )
        write_atomic(p, (seen & to->keep) | to->set);
    else if ( to->write == WRITE_AND )
        ptebatch_lock_and(p, to->keep);
    else if ( to->write == WRITE_OR )
        ptebatch_lock_or(p, to->set);
    else if ( to->write == WRITE_XCHG )
        *pte = xchg(p, to->set);
    else
    {
        while ( unlikely(!ptebatch_try_cmpxchg(p, &seen, (seen & to->keep) |
                                                         to->set)) )
            /* The table is locked: nobody but hardware writes. */
            BUG_ON((seen ^ *pte) & ~AD_BITS);
        *pte = seen;
    }

    return true;
}

/*
 * A present entry, of which only flags of FAST_BITS and G change.
 * moves: RW does; gain: it is set. This and what follows is false if the entry
 * is left.
 */
static always_inline bool l1_flags(intpte_t *p, intpte_t *pte,
                                   const struct l1_change *to, bool moves,
                                   bool gain, struct l1_stretch *s)
{
    struct page_info *page;
    bool done;

    if ( !moves )
        return l1_write(p, pte, to);

    page = ptebatch_own_page(*pte, &s->frames);
    if ( unlikely(!page) )
        return false;

    /* Write-combining pages have a state of their own. */
    if ( gain && (unlikely(*pte & PAGE_CACHE_ATTRS) ||
                  unlikely(!type_get(page, s))) )
        return false;

    done = l1_write(p, pte, to);
    /* What the entry had, or what it would have had. */
    if ( !gain ? likely(done) : unlikely(!done) )
        type_put(page, s);

    return done;
}

/* --- The value of an entry ------------------------------------------------ */

/* A present entry becomes an absent one. */
static always_inline bool l1_clear(intpte_t *p, intpte_t *pte,
                                   const struct l1_change *to,
                                   struct l1_stretch *s)
{
    struct page_info *page = l1_held(*pte, &s->frames);

    if ( unlikely(!page) || unlikely(!l1_write(p, pte, to)) )
        return false;

    entry_put(page, *pte, s);

    return true;
}

/* What an update may map, and how, for one stretch of values. */
struct l1_rules {
    intpte_t ask;               /* a present entry has none of these */
    paddr_t l1tf;
};

/*
 * An entry becomes a full value, with the bits of keep (A and D, or none) that
 * it has ORed in. Like mod_l1_entry(), for values as guests commonly have them.
 */
static always_inline bool l1_value_how(intpte_t *p, intpte_t pte, intpte_t val,
                                       intpte_t keep, enum l1_write how,
                                       const struct l1_rules *rules,
                                       struct l1_stretch *s)
{
    struct page_info *page, *held = NULL;
    struct l1_change to;

    if ( !(val & _PAGE_PRESENT) )
    {
        if ( unlikely(ptebatch_l1tf_unsafe(rules->l1tf, val)) )
            return false;

        if ( !(pte & _PAGE_PRESENT) )
        {
            write_atomic(p, (pte & keep) | val);
            return true;
        }

        to = l1_change(keep, val, how);

        return l1_clear(p, &pte, &to, s);
    }

    if ( unlikely(val & rules->ask) )
        return false;

    /* Both have U/S, or neither: what Xen adds differs by G alone. */
    if ( (pte & _PAGE_PRESENT) &&
         likely(!((pte ^ val) & ~(FAST_BITS | _PAGE_GLOBAL))) )
    {
        bool moves = (pte ^ val) & _PAGE_RW;

        /* Debug builds refuse such values; this is 0 in others. */
        if ( val & put_pte_flags(_PAGE_GNTTAB) )
            return false;

        OPTIMIZER_HIDE_VAR(val);    /* two tests are shorter than one */
        if ( likely(!(val & put_pte_flags(_PAGE_GUEST_KERNEL))) )
            val |= _PAGE_GLOBAL;
        else if ( val & PAGE_CACHE_ATTRS )
            return false; /* G may change, and the attributes be forbidden */

        to = l1_change(keep, val, how);

        return l1_flags(p, &pte, &to, moves, val & _PAGE_RW, s);
    }

    if ( unlikely((val & ODD_FLAGS) != (_PAGE_PRESENT | _PAGE_USER)) )
        return false;

    /* A present entry that comes to map another page. */
    if ( pte & _PAGE_PRESENT )
    {
        /* A window of its own would cost all entries registers. */
        struct ptebatch_frames any = s->frames;

        any.once = true;
        held = l1_held(pte, &any);
        if ( unlikely(!held) )
            return false;
    }

    page = ptebatch_own_page(val, &s->frames);
    if ( unlikely(!page) || unlikely(!entry_get(page, val, s)) )
        return false;

    val |= _PAGE_GLOBAL;        /* as adjust_guest_l1e() */
    if ( held )
    {
        to = l1_change(keep, val, how);
        if ( unlikely(!l1_write(p, &pte, &to)) )
        {
            entry_put(page, val, s);
            return false;
        }
        entry_put(held, pte, s);
    }
    else
        /* No A or D to be lost; not before the locked instructions above. */
        write_atomic(p, (pte & keep) | val);

    return true;
}

static always_inline bool l1_value(intpte_t *p, intpte_t pte, intpte_t val,
                                   intpte_t keep, const struct l1_rules *rules,
                                   struct l1_stretch *s)
{
    return l1_value_how(p, pte, val, keep, keep ? WRITE_KEEP : WRITE_STORE,
                        rules, s);
}

/* --- One table ------------------------------------------------------------ */

/*
 * Updates of many entries. The table at hand is referenced and mapped, and
 * locked except while guest memory is accessed.
 */
struct l1_batch {
    struct domain *pt_owner;    /* whose tables */
    struct domain *pg_owner;    /* whose pages */
    struct vcpu *pt_vcpu;       /* stands for pt_owner in the paging code */
    struct ptebatch_frames frames; /* pt_owner's */
    bool own;                   /* all the caller's, and no paging mode */
    bool plain_ok;              /* memory that is no page table will do, too */

    struct page_info *page;     /* the table at hand, or NULL */
    void *l1;
    mfn_t mfn;
    uint64_t locked;            /* its address while locked, else NOWHERE */
    bool plain;                 /* and whether it is no page table */

    /* When to hand it over: "The lock" in the design. */
    unsigned long refs;         /* the fewest that it had */
    unsigned int checks;        /* since it was handed over */
    bool slow;                  /* and whether any entry was slow since */
    bool hand_over;             /* before it is locked again */

    unsigned int work;          /* since the last check for preemption */
    uint32_t xsm_checked;

    bool timed, cold;           /* see l1_time() */
};

static always_inline void l1_batch_init(struct l1_batch *b)
{
    b->plain_ok = false;
    b->page = NULL;
    b->locked = NOWHERE;
    b->work = 0;
    b->xsm_checked = 0;
    b->timed = b->cold = false;
}

static always_inline void l1_table_unlock(struct l1_batch *b)
{
    if ( b->locked != NOWHERE )
    {
        ptebatch_unlock(b->page);
        b->locked = NOWHERE;
    }
}

/*
 * Locks the table that holds a slot, if it is an L1 table of pt_owner. The
 * reference and the mapping stay when the lock is dropped for a copy; the type
 * does not, and is looked at again. -EINVAL: it is none.
 */
int l1_table_lock(struct l1_batch *b, uint64_t slot);
void l1_table_put(struct l1_batch *b);

/* The same, where it mostly is the table of the slot before. */
static always_inline int l1_table_at(struct l1_batch *b, uint64_t slot)
{
    if ( likely((slot & PAGE_MASK) == b->locked) )
        return 0;

    return lock_evaluate_nospec(!l1_table_lock(b, slot)) ? 0 : -EINVAL;
}

/*
 * Between two entries, and never before the first of an invocation, so that a
 * restarted call always makes progress: is it time to let others run? Callers
 * then give up the table. Otherwise a waiter may get it here.
 */
bool l1_check(struct l1_batch *b);

static always_inline bool l1_preempt(struct l1_batch *b)
{
    return unlikely(b->work >= PTEBATCH_PREEMPT) && l1_check(b);
}

/* What a stretch did. */
static always_inline void l1_worked(struct l1_batch *b, unsigned int work)
{
    if ( unlikely(work) )
        b->slow = true;
    b->work += work;
}

/* The same, of an entry that Xen's routines are about to make pte. */
void l1_works_slow(struct l1_batch *b, intpte_t pte);

/* A value that the engine leaves, by mod_l1_entry(). The table is locked. */
int l1_value_slow(struct l1_batch *b, const mmu_update_t *v);

/*
 * Page descriptors that are in no cache cost several times what is done with
 * them. Whether that is so is measured once a call, with the first COLD_SAMPLE
 * entries of a long enough stretch; if it is, the descriptors of the entries
 * that come next are fetched ahead. To fetch them always would cost a third of
 * an entry's instructions.
 */
#define COLD_SAMPLE 16U
/* An entry that takes longer is cold; where all is cached, it takes a third. */
#define COLD_RUN    60U
#define COLD_VALUE  150U

static always_inline bool l1_must_time(const struct l1_batch *b,
                                       unsigned int n)
{
    return !b->timed && n >= 2 * COLD_SAMPLE;
}

static always_inline void l1_time(struct l1_batch *b, cycles_t start,
                                  unsigned int cycles)
{
    b->timed = true;
    b->cold = get_cycles() - start > COLD_SAMPLE * cycles;
}

/*
 * Fetches the descriptor of the page of a present entry. The entry need not have
 * been judged: the frame number is bounded by a data dependency, and that of an
 * absent entry, which a guest may choose freely, is masked to 0.
 */
static always_inline void l1_prefetch(intpte_t pte)
{
    struct page_info *page =
        ptebatch_find_page(ptebatch_frame(pte & -(pte & _PAGE_PRESENT)));

    if ( likely(page) )
        prefetchw(&page->u.inuse.type_info);
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

/* Of P and RW, those for which it has not been asked yet. */
static always_inline intpte_t xsm_unasked(const struct l1_batch *b)
{
    return ((b->xsm_checked & XSM_MMU_UPDATE_READ) ? 0 : _PAGE_PRESENT) |
           ((b->xsm_checked & XSM_MMU_UPDATE_WRITE) ? 0 : _PAGE_RW);
}

int l1_ask_xsm(struct l1_batch *b, uint32_t needed);

static always_inline int l1_check_xsm(struct l1_batch *b, uint32_t needed)
{
    return likely(!(needed & ~b->xsm_checked)) ? 0 : l1_ask_xsm(b, needed);
}

/*
 * The values from v on, as long as the engine takes them, the table is that of
 * the first, and so is the mode; the first that is left is returned. XSM has
 * been asked about the first.
 */
const mmu_update_t *l1_values(struct l1_batch *b, const mmu_update_t *v,
                              const mmu_update_t *end);

/* --- One entry alone ------------------------------------------------------ */

/*
 * References and locks a table of the owner's whose type_info was that a moment
 * ago. False: its type is not what it was. The slow way is for tables that others
 * have locked and for odd states, and does without the reference if it returns
 * false. One fence, where the answer is used, serves both ways: a CPU must not run
 * ahead into a table that is not locked.
 */
bool l1_one_lock_slow(struct page_info *table, unsigned long info);

static always_inline bool l1_one_lock(struct page_info *table,
                                      const struct ptebatch_frames *frames,
                                      unsigned long info)
{
    return likely(page_get(table, frames)) &&
           lock_evaluate_nospec(likely(ptebatch_try_lock(table, info)) ||
                                l1_one_lock_slow(table, info));
}

static always_inline void l1_one_unlock(struct page_info *table, intpte_t *p)
{
    ptebatch_unmap_table(p);
    ptebatch_unlock(table);
    page_put(table);
}

/*
 * The table of one slot of the current domain, and its type_info. This is only
 * a look: nothing is held, and the type is decided when the table is locked.
 * NULL if the slot is in no table for the engine. plain: memory that is no page
 * table will do, too.
 */
static always_inline struct page_info *l1_one_look(
    uint64_t slot, const struct ptebatch_frames *frames, bool plain,
    unsigned long *info)
{
    struct page_info *table;
    unsigned long type;

    if ( unlikely(slot & (~PADDR_MASK | (sizeof(intpte_t) - 1))) )
        return NULL;

    table = ptebatch_find_page(ptebatch_frame(slot));

    /*
     * The owner first: how long a call takes must not depend on the type of
     * what is another domain's.
     */
    if ( unlikely(!table) ||
         unlikely(table->v.inuse._domain != frames->owner) )
        return NULL;

    *info = ACCESS_ONCE(table->u.inuse.type_info);
    type = *info & PGT_type_mask;

    return type == PGT_l1_page_table || (plain && type == PGT_writable_page)
           ? table : NULL;
}

static always_inline intpte_t *l1_one_map(const struct page_info *table,
                                          uint64_t slot)
{
    return ptebatch_map_table(table, maddr_to_mfn(slot)) + (slot & SLOT_MASK);
}

/*
 * A value for the slot of a table that was found; frames are the owner's, the
 * current domain d. Returns what mod_l1_entry() says of a value that the engine
 * leaves, or L1_NO_TABLE if the table is not what it was.
 */
#define L1_NO_TABLE 1
static always_inline int l1_one_found(
    struct domain *d, const struct ptebatch_frames *frames,
    struct page_info *table, unsigned long info, uint64_t slot, intpte_t val,
    unsigned int mode)
{
    struct l1_stretch s = { .frames = *frames };
    const struct l1_rules rules = { .l1tf = ptebatch_l1tf_mask(d) };
    intpte_t *p;
    int rc = 0;

    if ( unlikely(!l1_one_lock(table, frames, info)) )
        return L1_NO_TABLE;

    s.frames.once = true;
    p = l1_one_map(table, slot);
    if ( unlikely((info & PGT_type_mask) == PGT_writable_page) )
    {
        write_atomic(p, val);
        perfc_incr(writable_mmu_updates);
    }
    else if ( unlikely(!l1_value(p, ACCESS_ONCE(*p), val,
                                 mode == MMU_PT_UPDATE_PRESERVE_AD
                                 ? AD_BITS : 0, &rules, &s)) )
        rc = ptebatch_mod_l1_entry((l1_pgentry_t *)p, l1e_from_intpte(val),
                                   maddr_to_mfn(slot), mode, current, d);

    l1_one_unlock(table, p);

    return rc;
}

/* The same for a slot of which nothing is known, in L1 tables alone. */
int l1_one_value(struct domain *d, uint64_t slot, intpte_t val,
                 unsigned int mode);

/* --- The flags of one entry alone ----------------------------------------- */

/* The same for flags, as a run of one changes them. False: nothing was done. */
bool l1_one_flags(struct domain *d, uint64_t slot, intpte_t clear,
                  intpte_t set);

#endif /* X86_PV_L1_H */
