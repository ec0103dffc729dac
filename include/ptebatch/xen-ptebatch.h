/* SPDX-License-Identifier: MIT */
/*
 * The two hypercalls: numbers, records, arguments and answers.
 *
 * The guest and the hypervisor use this one file. The library includes it after
 * <ptebatch/port.h>; the installer copies it into Xen as
 * public/arch-x86/xen-ptebatch.h. The file is C99 and C++11 and needs only
 * uint32_t and uint64_t. The calls exist for x86, for 64-bit PV guests. Every
 * other guest gets -ENOSYS.
 *
 * A slot is the machine address of an L1 page-table entry, a multiple of 8. A
 * pte is the value of an entry. A run is a number of neighbouring slots. It lies
 * inside one L1 table: it may end where the table ends, but never crosses it.
 *
 * Both calls take five arguments, in the registers rdi, rsi, rdx, r10 and r8:
 *
 *   call    form      1: what         2: count 3: how      4           5
 *   runs    register  first slot      slots    FLAGS, TLB  clear mask  set mask
 *   runs    register  first slot      slots    CLEAR, TLB  0           0
 *   runs    register  first slot      slots    TAKE, TLB   old values  0
 *   runs    register  slot | mode     1        SET, TLB    pte         0
 *   runs    list      run array       records  LIST, TLB   owner       TLB rec.
 *   values  -         value array     records  TLB         owner       TLB rec.
 *   either  probe     PTEBATCH_MAGIC  item     PROBE       0           0
 *
 * - The register form is for tables and pages of the caller's own domain.
 * - Arrays, records and old values are passed by their guest virtual address.
 * - "count" has the requested number in bits 0-31. Bits 32-63 say how many of
 *   them are done. A guest passes 0 there; Xen uses the bits when it restarts a
 *   call that it had preempted. All state of a preempted call is in its
 *   arguments.
 * - "owner" is PTEBATCH_OWNER() in bits 0-31. Bits 32-47 count the slots done of
 *   a half-done record; a guest passes 0, as above. Bits 48-63 are 0.
 * - "item" is one of PTEBATCH_ASK_*.
 *
 * The answer is a signed 64-bit number:
 * - Negative: an argument was refused. Nothing was changed, nothing flushed.
 *     -ENOSYS      this Xen does not have the call
 *     -EOPNOTSUPP  Xen does not know the operation or the item
 *     -EINVAL      an argument is malformed
 *     -EFAULT      the TLB record or its mask cannot be read
 *     -ESRCH       there is no such domain
 *     -EPERM       the caller has no rights over that domain (FLASK: -EACCES),
 *                  or only the control domain may ask for this item
 * - Otherwise: PTEBATCH_DONE() slots or records were done, in order. In the list
 *   form of runs, PTEBATCH_SLOTS() slots of the next record were done too. If
 *   PTEBATCH_ERRNO() is not 0, that error stopped the call at the slot that
 *   follows, and neither this slot nor any later one was changed.
 *
 * The requested TLB flush is done after the last change, also if a later slot
 * failed. It is left out only if slots were requested and none was done. A call
 * for 0 slots or records only flushes the TLB.
 */
#ifndef PTEBATCH_XEN_PTEBATCH_H
#define PTEBATCH_XEN_PTEBATCH_H

/* Xen's __HYPERVISOR_arch_2 and __HYPERVISOR_arch_3, unused up to Xen 4.22. */
#define __HYPERVISOR_ptebatch_runs   50
#define __HYPERVISOR_ptebatch_values 51

#define PTEBATCH_ABI_VERSION 2

/*
 * A run: the same change to "count" neighbouring slots of one L1 table.
 *
 * FLAGS: each present entry becomes (entry & ~clear) | set. The change is atomic
 *   against the accessed (A) and dirty (D) bits that hardware sets. A bit in
 *   both masks is set. Absent entries stay as they are and count as done. The
 *   masks may contain the bits of PTEBATCH_RUN_FLAGS and no others.
 * CLEAR: each entry becomes 0, atomically. Both masks must be 0.
 *
 * old: 0, or the virtual address of "count" uint64_t. They receive each entry as
 *   it was when it was changed, absent entries included. If Xen cannot store
 *   there, the call stops with EFAULT. The slots of the current chunk, at most
 *   PTEBATCH_OLD_CHUNK, are then done and counted, and their old values are
 *   lost. Array elements beyond the slots done may have been written.
 *
 * Clearing A needs care with entries that map a grant. Some versions of Xen
 * (XCP-ng's) unmap a grant without a TLB flush if A is clear in its entry,
 * because a page that was never accessed is in no TLB. A guest that clears A of
 * such an entry must flush that page itself before it unmaps the grant. The same
 * holds if mmu_update clears A.
 */
struct ptebatch_run {
    uint64_t slot;              /* IN: the first slot */
    uint32_t count;             /* IN: slots, 1 to 512, inside one table */
    uint32_t op;                /* IN: PTEBATCH_OP_FLAGS or _CLEAR */
    uint64_t clear;             /* IN: bits to clear */
    uint64_t set;               /* IN: bits to set */
    uint64_t old;               /* IN: where old values go (OUT), or 0 */
};

#define PTEBATCH_OP_FLAGS  0U
#define PTEBATCH_OP_CLEAR  1U

/*
 * Two operations exist in the register form only. An older Xen has neither of
 * them; PTEBATCH_ASK_OPS tells.
 *
 * SET: one value. Argument 1 is the slot | PTEBATCH_SET_*, argument 2 is 1,
 *   argument 4 is the pte. The entry becomes what a values call of this one
 *   record would make of it.
 * TAKE: CLEAR with old values. Argument 4 is the address that "old" has in a
 *   record, and is not 0. The rules for old values are those of a record.
 */
#define PTEBATCH_OP_SET    2U
#define PTEBATCH_OP_TAKE   3U

/* A Xen with all four gives this answer, which is signed, to ASK_OPS. */
#define PTEBATCH_OPS       0xf

/* Xen stores old values in chunks of this many slots. */
#define PTEBATCH_OLD_CHUNK 64U

/*
 * A value: a full pte for one slot. The layout is that of struct mmu_update,
 * with its command in the low three bits of the address. So an array that the
 * call refuses can be passed to mmu_update as it is.
 *
 * EXACT: the entry becomes pte, in one step. A and D are those of pte, whatever
 *   hardware has set.
 * KEEP_AD: the entry becomes pte, with the A and D bits that the entry has at
 *   that moment ORed in.
 */
struct ptebatch_value {
    uint64_t slot;              /* IN: the slot | PTEBATCH_SET_* */
    uint64_t pte;               /* IN: the new entry */
};

#define PTEBATCH_SET_EXACT   0U /* MMU_NORMAL_PT_UPDATE */
#define PTEBATCH_SET_KEEP_AD 2U /* MMU_PT_UPDATE_PRESERVE_AD */

/*
 * Whose tables and whose pages a list is about: two domain ids, each
 * PTEBATCH_DOMID_SELF for the caller. The result is what mmu_update calls
 * foreigndom: bits 0-15 name the domain that owns the pages, bits 16-31 are the
 * id of the domain that owns the tables, plus 1, or 0 for the caller.
 */
#define PTEBATCH_DOMID_SELF  0x7ff0U
#define PTEBATCH_OWNER(tables, pages) \
    (((tables) == PTEBATCH_DOMID_SELF \
      ? 0U : (uint32_t)(tables) + 1) << 16 | (uint32_t)(pages))

/*
 * A TLB flush. If pages is 0, the whole TLB is flushed, and addr must be 0.
 * Otherwise the flush covers "pages" pages from addr on. Xen may flush more than
 * requested. If another domain owns the tables, only ALL is accepted, and means
 * all vCPUs of that domain.
 */
struct ptebatch_tlb {
    uint32_t who;               /* IN: PTEBATCH_TLB_* */
    uint32_t nr_vcpus;          /* IN: bits in the mask (VCPUS), else 0 */
    uint64_t addr;              /* IN: first page, a multiple of 4096, or 0 */
    uint64_t pages;             /* IN: number of pages, or 0 for all */
    uint64_t vcpus;             /* IN: address of uint64_t[] (VCPUS), else 0 */
};

#define PTEBATCH_TLB_NONE  0U
#define PTEBATCH_TLB_LOCAL 1U   /* this vCPU */
#define PTEBATCH_TLB_ALL   2U   /* every vCPU of the domain */
#define PTEBATCH_TLB_VCPUS 3U   /* the vCPUs in the mask */

/*
 * Argument 3, "how":
 *   bits 0-3   the operation (register form), or the form of the call
 *   bits 4-5   PTEBATCH_TLB_*. VCPUS means here: as the TLB record says, whose
 *              address is argument 5. In all other cases argument 5 is 0. The
 *              register form does not take VCPUS.
 *   bit 6      with LOCAL or ALL: flush only the pages from the address in bits
 *              12-63 on
 *   bits 7-11  with bit 6: the number of these pages, minus 1
 * Without bit 6, bits 7-63 are 0.
 *
 * Numbers 4 to 7 and 9 to 14 in bits 0-3 of a runs call, and everything but 0
 * and PROBE there of a values call, are reserved for later operations and forms.
 * A Xen answers -EOPNOTSUPP to them, as to an item that it does not know. In a
 * record, op numbers from 2 on are reserved; such a record stops the call with
 * EOPNOTSUPP.
 *
 * Xen's parameter "ptebatch" says which parts are on. It is a list of words:
 * calls, updates, validation and traps, or a single boolean. "calls" is the two
 * hypercalls; while it is off, Xen answers -ENOSYS to both.
 *
 * Also kept free: names that begin with xen_ or XEN_; other words for that
 * parameter; and the argument registers of a call that is answered -ENOSYS. A
 * later version may let a caller read from these how far a preempted call was
 * when the call disappeared.
 */
#define PTEBATCH_HOW_OP(how)   ((how) & 0xfU)
#define PTEBATCH_HOW_LIST      8U
#define PTEBATCH_HOW_PROBE     15U
#define PTEBATCH_HOW_TLB_SHIFT 4
#define PTEBATCH_HOW_TLB(who) \
    ((uint64_t)(who) << PTEBATCH_HOW_TLB_SHIFT)
#define PTEBATCH_HOW_TLB_WHO(how) \
    (((how) >> PTEBATCH_HOW_TLB_SHIFT) & 3U)
#define PTEBATCH_HOW_TLB_PAGE  0x40U
#define PTEBATCH_HOW_TLB_ADDR  (~(uint64_t)0xfff)
#define PTEBATCH_HOW_TLB_MORE_SHIFT 7
#define PTEBATCH_HOW_TLB_PAGES_MAX  32U
#define PTEBATCH_HOW_TLB_PAGES(how) \
    (((how) >> PTEBATCH_HOW_TLB_MORE_SHIFT & 0x1fU) + 1)

/* The parts of an answer that is not negative. */
#define PTEBATCH_DONE(ret)  ((uint32_t)(ret))
#define PTEBATCH_SLOTS(ret) ((uint32_t)((uint64_t)(ret) >> 32) & 0xffffU)
#define PTEBATCH_ERRNO(ret) ((uint32_t)((uint64_t)(ret) >> 48) & 0x7fffU)
#define PTEBATCH_ANSWER(done, slots, err) \
    ((uint64_t)(done) | ((uint64_t)(slots) << 32) | ((uint64_t)(err) << 48))

/*
 * Probing. Another hypervisor may use the two numbers for something else.
 * Therefore PTEBATCH_MAGIC is neither a canonical address nor a machine address,
 * and only the exact answer to ASK_VERSION identifies the call. Each of the two
 * calls has to be probed.
 */
#define PTEBATCH_MAGIC       0x7074656261746368ULL /* "ptebatch" */
#define PTEBATCH_ASK_VERSION 0U /* PTEBATCH_IS_*, plus the version */
#define PTEBATCH_ASK_RECORDS 1U /* how many records a call takes at most */
#define PTEBATCH_ASK_FAST    2U /* bits that runs change on the fast path */
#define PTEBATCH_ASK_OPS     3U /* bit n: the register form knows op n */
#define PTEBATCH_IS_RUNS     0x7074625275000000ULL
#define PTEBATCH_IS_VALUES   0x7074625661000000ULL

/*
 * An older Xen answers -EOPNOTSUPP to ASK_OPS. Its register form knows FLAGS and
 * CLEAR.
 *
 * ASK_COUNT(n) is counter n, summed over all CPUs. Only the control domain may
 * ask, and a number without a counter is an unknown item. A counter of what was
 * "left" counts what Xen's own code did, because the part that counts could not.
 */
#define PTEBATCH_ASK_COUNT(n) (0x100U + (n))
#define PTEBATCH_COUNT_CALLS          0U /* ptebatch hypercalls */
#define PTEBATCH_COUNT_UPDATES        1U /* entries of mmu_update */
#define PTEBATCH_COUNT_UPDATES_LEFT   2U
#define PTEBATCH_COUNT_UPDATE_VA      3U /* update_va_mapping calls */
#define PTEBATCH_COUNT_UPDATE_VA_LEFT 4U
#define PTEBATCH_COUNT_VALIDATED      5U /* entries of validated tables */
#define PTEBATCH_COUNT_VALIDATED_LEFT 6U
#define PTEBATCH_COUNT_TRAPS          7U /* trapped writes */
#define PTEBATCH_COUNT_TRAPS_LEFT     8U
#define PTEBATCH_COUNT_UPDATES_SLOW   9U /* entries by mod_l1_entry() */
#define PTEBATCH_COUNTS              10U /* how many counters there are */

/*
 * Bits of an entry. A FLAGS run may change those of PTEBATCH_RUN_FLAGS. Except
 * for the cache attributes, it does so without validating the entry again;
 * PWT, PCD and PAT cost a full validation. Runs cannot change P, U/S, G, the
 * frame, bit 52 and bits 59-62; use values for these.
 */
#define PTEBATCH_PTE_P       0x001ULL
#define PTEBATCH_PTE_RW      0x002ULL
#define PTEBATCH_PTE_US      0x004ULL
#define PTEBATCH_PTE_CACHE   0x098ULL /* PWT (3), PCD (4), PAT (7) */
#define PTEBATCH_PTE_A       0x020ULL
#define PTEBATCH_PTE_D       0x040ULL
#define PTEBATCH_PTE_G       0x100ULL
#define PTEBATCH_PTE_AVAIL   0x07e0000000000e00ULL /* 9-11, 53-58 */
#define PTEBATCH_PTE_NX      0x8000000000000000ULL
#define PTEBATCH_PTE_FRAME   0x000ffffffffff000ULL
#define PTEBATCH_FAST_FLAGS \
    (PTEBATCH_PTE_RW | PTEBATCH_PTE_A | PTEBATCH_PTE_D | \
     PTEBATCH_PTE_AVAIL | PTEBATCH_PTE_NX)
#define PTEBATCH_RUN_FLAGS \
    (PTEBATCH_FAST_FLAGS | PTEBATCH_PTE_CACHE)

#define PTEBATCH_TABLE_SLOTS 512U

#endif /* PTEBATCH_XEN_PTEBATCH_H */
