/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two calls have in common: whose tables and pages, the TLB flush, the
 * answer. The interface is public/arch-x86/xen-ptebatch.h.
 */
#ifndef X86_PV_PTEBATCH_CALLS_H
#define X86_PV_PTEBATCH_CALLS_H

#include <public/arch-x86/xen-ptebatch.h>

#include "l1.h"

/* vCPUs in a mask; a longer one means all. To be read before any update. */
#define MASK_WORDS  16U

#define RECORDS_MAX 0x7fffffffU

struct ptebatch_call {
    struct l1_batch b;
    struct ptebatch_tlb tlb;
    uint64_t mask[MASK_WORDS];  /* with PTEBATCH_TLB_VCPUS only */
};

/*
 * Who is who, and an XSM check before anything at all. Balanced by
 * ptebatch_call_end(), unless it fails.
 */
int ptebatch_call_begin(struct ptebatch_call *c, unsigned long owner);
void ptebatch_call_end(struct ptebatch_call *c, unsigned long owner);

/*
 * All of it is checked and copied before the first update. record: argument 5
 * is a TLB record's address, if anything.
 */
int ptebatch_parse_tlb(struct ptebatch_call *c, unsigned long how, bool record,
                       unsigned long arg);

/* A call for one page of this vCPU's TLB, or for no flush? */
static always_inline bool ptebatch_tlb_simple(unsigned long how)
{
    const unsigned long invlpg = PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) |
                                 PTEBATCH_HOW_TLB_PAGE;

    how &= ~0xfUL;

    return !how || ((how & ~PTEBATCH_HOW_TLB_ADDR) == invlpg &&
                    __addr_ok(how & PTEBATCH_HOW_TLB_ADDR));
}

/*
 * The answers. refuse: an argument is bad, or a domain is gone; a restarted call
 * still tells what it has done. finish: the end of all other calls, flushes.
 */
long ptebatch_refuse(struct ptebatch_call *c, unsigned int done,
                     unsigned int slots, int rc);
long ptebatch_finish(struct ptebatch_call *c, unsigned int count,
                     unsigned int done, unsigned int slots, int rc);
/* For a call that is turned off, perhaps after it had begun. */
long ptebatch_turned_off(unsigned int done, unsigned long owner);
long ptebatch_probe(unsigned long what, unsigned long item, uint64_t is);

/* One value, by whatever way it needs. */
int ptebatch_one_value(struct ptebatch_call *c, const mmu_update_t *v);

#endif /* X86_PV_PTEBATCH_CALLS_H */
