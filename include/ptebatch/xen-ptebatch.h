/* SPDX-License-Identifier: MIT */
/*
 * The two hypercalls: numbers, records, arguments and answers.
 *
 * One file serves both sides: the library includes it after <ptebatch/port.h>,
 * the installer copies it into Xen as public/arch-x86/xen-ptebatch.h. It is C99
 * and C++11, and needs nothing but uint32_t and uint64_t. x86, 64-bit PV guests only;
 * everybody else is answered -ENOSYS.
 *
 * Both calls take the same five arguments (registers rdi, rsi, rdx, r10, r8):
 *
 *   call    form      1: what         2: count         3: how     4           5
 *   runs    register  maddr of slot   slots            op, TLB    clear mask  set mask
 *   runs    list      run array       records          LIST, TLB  owner       TLB record
 *   values  -         value array     records          TLB        owner       TLB record
 *   either  probe     PTEBATCH_MAGIC  PTEBATCH_ASK_*   PROBE      0           0
 *
 * - "count" holds the number asked for in bits 0-31. Bits 32-63 hold how many
 *   are done already: zero from the guest, above zero only where Xen restarts
 *   a call that it preempted. Nothing else carries state across a preemption.
 * - "owner" is what mmu_update calls foreigndom, in bits 0-31: bits 0-15 the
 *   domain that owns the pages (DOMID_SELF 0x7ff0), bits 16-31 one more than
 *   the domain that owns the tables, or 0 for the caller. Bits 32-47 hold the
 *   slots done of a half-done record (Xen's, as above). Bits 48-63 are zero.
 * - A slot is named by its machine address, a multiple of 8. A run lies inside
 *   one L1 table: it may end at the table's end and never crosses it.
 *
 * The answer, a signed 64-bit number, is never ambiguous:
 *   negative: an argument was refused, nothing was done, nothing was flushed.
 *     -ENOSYS: this Xen has no such call.  -EOPNOTSUPP: it does not know the
 *     operation.  -EINVAL, -EFAULT, -ESRCH, -EPERM: the argument, or what XSM
 *     says of the owner (FLASK: -EACCES).
 *   else: PTEBATCH_DONE of it were done, in order; PTEBATCH_SLOTS more of the
 *     next record (list form of runs only); and PTEBATCH_ERRNO, if it is not
 *     zero, stopped the call at the next slot. Nothing beyond that was touched.
 * The requested TLB flush happens after the last update applied, also when a
 * later one failed. It is left out only if, of what was asked for, nothing at all
 * was done; a call for 0 slots or records is a TLB flush alone.
 */
#ifndef PTEBATCH_ABI_H
#define PTEBATCH_ABI_H

/* Xen's __HYPERVISOR_arch_2 and __HYPERVISOR_arch_3, unused up to Xen 4.20. */
#define __HYPERVISOR_ptebatch_runs   50
#define __HYPERVISOR_ptebatch_values 51

#define PTEBATCH_ABI_VERSION 2

/*
 * A run: the same change to "count" neighbouring slots of one L1 table.
 *
 * FLAGS: every present entry becomes (entry & ~clear) | set, atomically
 *   against the accessed and dirty bits that hardware sets; where both masks
 *   name a bit, it is set. Entries that are not present are passed over and
 *   count as done. The masks may hold PTEBATCH_RUN_FLAGS, nothing else.
 * CLEAR: every entry becomes 0; both masks must be 0.
 *
 * Some Xens (XCP-ng's) leave out the TLB flush when a grant is unmapped whose
 * entry has A clear: it was never accessed, so no TLB can hold it. A guest that
 * clears A of a grant's entry must flush that page itself before it unmaps the
 * grant, or a stale translation stays behind. The same holds for mmu_update,
 * which can clear A too.
 *
 * old: 0, or the caller's virtual address of "count" uint64_t that receive
 *   each entry as it was when it was changed, absent ones included. If storing
 *   there faults, the call stops with EFAULT; the slots of the chunk at hand
 *   (at most PTEBATCH_OLD_CHUNK) are done, counted, and their old values lost.
 *   Values beyond the slots done may or may not have been written.
 */
struct ptebatch_run {
    uint64_t slot;              /* IN: machine address of the first slot */
    uint32_t count;             /* IN: slots, 1 to 512, inside one table */
    uint32_t op;                /* IN: PTEBATCH_OP_FLAGS or _CLEAR */
    uint64_t clear;             /* IN: bits to clear */
    uint64_t set;               /* IN: bits to set */
    uint64_t old;               /* IN: where old values go (OUT), or 0 */
};

#define PTEBATCH_OP_FLAGS  0U
#define PTEBATCH_OP_CLEAR  1U

/* Slots whose old values are handed back in one go. */
#define PTEBATCH_OLD_CHUNK 64U

/*
 * A value: one entry, in the layout of struct mmu_update and with its
 * sub-commands in the low bits of ptr, so that a refused array can be handed
 * to mmu_update as it is.
 *
 * EXACT: the entry becomes val by an atomic exchange: A and D are as val says.
 * KEEP: the entry becomes val with the A and D bits that it has now ORed in.
 */
struct ptebatch_value {
    uint64_t slot;              /* IN: machine address of the slot | mode */
    uint64_t pte;               /* IN: the new entry */
};

#define PTEBATCH_SET_EXACT 0U /* MMU_NORMAL_PT_UPDATE */
#define PTEBATCH_SET_KEEP_AD  2U /* MMU_PT_UPDATE_PRESERVE_AD */

/*
 * A TLB flush. pages == 0 means the whole TLB (addr must be 0 then), else the
 * "pages" pages from addr on; Xen may flush more than asked. With a foreign
 * owner of the tables only ALL is taken, and means the vCPUs of that domain.
 */
struct ptebatch_tlb {
    uint32_t who;               /* IN: PTEBATCH_TLB_* */
    uint32_t nr_vcpus;          /* IN: bits in the mask (VCPUS), else 0 */
    uint64_t addr;              /* IN: first page, a multiple of 4096, or 0 */
    uint64_t pages;             /* IN: pages, or 0 for everything */
    uint64_t vcpus;             /* IN: address of a bitmap of uint64_t (VCPUS), else 0 */
};

#define PTEBATCH_TLB_NONE  0U
#define PTEBATCH_TLB_LOCAL 1U   /* this vCPU */
#define PTEBATCH_TLB_ALL   2U   /* every vCPU of the domain */
#define PTEBATCH_TLB_VCPUS 3U   /* those in the mask */

/*
 * Argument 3, "how".
 *   bits 0-3: the operation, or a form of the call
 *   bits 4-5: PTEBATCH_TLB_*; VCPUS here means: as the TLB record says, whose
 *     address is argument 5 (which is 0 otherwise). Not in the register form.
 *   bit 6: with LOCAL or ALL, only the pages from the address in bits 12-63 on
 *   bits 7-11: with bit 6, how many those are, less one
 *   bits 7-63: zero without bit 6
 */
#define PTEBATCH_HOW_OP(how)   ((how) & 0xfU)
#define PTEBATCH_HOW_LIST      8U
#define PTEBATCH_HOW_PROBE     15U
#define PTEBATCH_HOW_TLB_SHIFT 4
#define PTEBATCH_HOW_TLB(who)  ((uint64_t)(who) << PTEBATCH_HOW_TLB_SHIFT)
#define PTEBATCH_HOW_TLB_WHO(how) (((how) >> PTEBATCH_HOW_TLB_SHIFT) & 3U)
#define PTEBATCH_HOW_TLB_PAGE  0x40U
#define PTEBATCH_HOW_TLB_ADDR  (~(uint64_t)0xfff)
#define PTEBATCH_HOW_TLB_MORE_SHIFT 7
#define PTEBATCH_HOW_TLB_PAGES_MAX  32U
#define PTEBATCH_HOW_TLB_PAGES(how) \
    (((how) >> PTEBATCH_HOW_TLB_MORE_SHIFT & 0x1fU) + 1)

/* The answer's parts. */
#define PTEBATCH_DONE(ret)  ((uint32_t)(ret))
#define PTEBATCH_SLOTS(ret) ((uint32_t)((uint64_t)(ret) >> 32) & 0xffffU)
#define PTEBATCH_ERRNO(ret) ((uint32_t)((uint64_t)(ret) >> 48) & 0x7fffU)
#define PTEBATCH_ANSWER(done, slots, err) \
    ((uint64_t)(done) | ((uint64_t)(slots) << 32) | ((uint64_t)(err) << 48))

/*
 * Discovery. The numbers may mean something else to another hypervisor, so
 * the magic is neither a canonical address nor a machine address, and only
 * the exact answer to ASK_VERSION says that the call is this one. Each of the
 * two calls is asked by itself.
 */
#define PTEBATCH_MAGIC       0x7074656261746368ULL /* "ptebatch" */
#define PTEBATCH_ASK_VERSION 0U /* PTEBATCH_IS_RUNS or _VALUES + version */
#define PTEBATCH_ASK_RECORDS 1U /* most records that one call takes */
#define PTEBATCH_ASK_FAST    2U /* bits that runs change on the fast path */
#define PTEBATCH_IS_RUNS     0x7074625275000000ULL
#define PTEBATCH_IS_VALUES   0x7074625661000000ULL

/*
 * Bits that a FLAGS run may name. All but the cache attributes are changed
 * without validating the entry anew. Bits 7 (PAT) and 3-4 (PWT, PCD) cost a
 * full validation. Not to be changed by runs: P, U/S, G, the frame, bit 52 and
 * 59-62; use values.
 */
#define PTEBATCH_PTE_P       0x001ULL
#define PTEBATCH_PTE_RW      0x002ULL
#define PTEBATCH_PTE_US      0x004ULL
#define PTEBATCH_PTE_CACHE   0x098ULL /* PWT, PCD, PAT */
#define PTEBATCH_PTE_A       0x020ULL
#define PTEBATCH_PTE_D       0x040ULL
#define PTEBATCH_PTE_G       0x100ULL
#define PTEBATCH_PTE_AVAIL   0x07e0000000000e00ULL /* 9-11, 53-58 */
#define PTEBATCH_PTE_NX      0x8000000000000000ULL
#define PTEBATCH_PTE_FRAME   0x000ffffffffff000ULL
#define PTEBATCH_FAST_FLAGS \
    (PTEBATCH_PTE_RW | PTEBATCH_PTE_A | PTEBATCH_PTE_D | \
     PTEBATCH_PTE_AVAIL | PTEBATCH_PTE_NX)
#define PTEBATCH_RUN_FLAGS   (PTEBATCH_FAST_FLAGS | PTEBATCH_PTE_CACHE)

#define PTEBATCH_TABLE_SLOTS 512U
#define PTEBATCH_DOMID_SELF  0x7ff0U

#endif /* PTEBATCH_ABI_H */
