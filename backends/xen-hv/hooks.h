/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where Xen's own code enters the engine for L1 entries (l1.h). Without
 * CONFIG_PTEBATCH nothing is left of it.
 */
#ifndef X86_PV_L1_HOOKS_H
#define X86_PV_L1_HOOKS_H

#include <xen/mm.h>
#include <xen/sched.h>

#include <asm/page.h>

#include <public/xen.h>

/* --- Parts that can be turned off ----------------------------------------- */

#ifdef CONFIG_PTEBATCH

#define L1_CALLS      1U        /* the two calls */
#define L1_UPDATES    2U        /* mmu_update and update_va_mapping */
#define L1_VALIDATION 4U        /* validation and devalidation of tables */
#define L1_TRAPS      8U        /* trapped writes */

extern uint8_t opt_ptebatch;

/*
 * The parts that are off for one domain; 0 when it is made. A build that cannot
 * add the field defines its own two.
 */
#ifndef ptebatch_parts_off
#define ptebatch_parts_off(d) ((d)->arch.pv.ptebatch_off)
#define ptebatch_set_parts_off(d, off) (ptebatch_parts_off(d) = (off), 0)
#endif

/* Two tests of memory; what is off for all domains costs one of them. */
static always_inline bool l1_part_on(const struct domain *d, unsigned int part)
{
    return (opt_ptebatch & part) && !(ptebatch_parts_off(d) & part);
}

#endif

/* --- The type count in place ---------------------------------------------- */

/* RW changes in place; argued at the function. False: nothing was done. */
#ifdef CONFIG_PTEBATCH
bool l1_in_place(l1_pgentry_t *pl1e, l1_pgentry_t ol1e, l1_pgentry_t nl1e,
                 bool preserve_ad, const struct domain *pt_owner,
                 const struct domain *pg_owner);
/* What is off costs Xen's own code no call. */
# define L1_IN_PLACE(pl1e, ol1e, nl1e, ad, pt_owner, pg_owner) \
    (l1_part_on(pt_owner, L1_UPDATES) && \
     l1_in_place(pl1e, ol1e, nl1e, ad, pt_owner, pg_owner))
#else
# define L1_IN_PLACE(pl1e, ol1e, nl1e, ad, pt_owner, pg_owner) false
#endif

/* --- Validation and devalidation ------------------------------------------ */

/* Loops over the slots of a table; see validate.c. table has the slots. */
#ifdef CONFIG_PTEBATCH
unsigned int l1_validate(struct domain *d, void *table);
unsigned int l1_devalidate(struct domain *d, const void *table);
unsigned int l1_next_used(const void *table, unsigned int i);
unsigned int l1_used_below(const void *table, unsigned int i);
# define L1_VALIDATING(d, call, off) \
    (likely(l1_part_on(d, L1_VALIDATION)) ? (call) : (off))
#else
# define L1_VALIDATING(d, call, off) (off)
#endif
#define L1_VALIDATE(d, table) L1_VALIDATING(d, l1_validate(d, table), 0U)
#define L1_DEVALIDATE(d, table) \
    ((d) ? L1_VALIDATING(d, l1_devalidate(d, table), 0U) : 0U)
#define L1_NEXT_USED(d, table, i) \
    L1_VALIDATING(d, l1_next_used(table, i), i)
#define L1_USED_BELOW(d, table, i) \
    L1_VALIDATING(d, l1_used_below(table, i), i)

/* --- Updates -------------------------------------------------------------- */

/* An mmu_update that began elsewhere. */
struct l1_begun {
    uint32_t asked;             /* what XSM has allowed */
    unsigned int done;          /* requests done, in earlier invocations too */
};

/* mmu_update as Xen does it. begun may be NULL. */
long mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs, unsigned int count,
                XEN_GUEST_HANDLE_PARAM(uint) pdone, unsigned int foreigndom,
                const struct l1_begun *begun);

/* mod_l1_entry() itself, for the calls, with the table's lock held. */
int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t gl1mfn,
                          unsigned int cmd, struct vcpu *pt_vcpu,
                          struct domain *pg_dom);

/*
 * mmu_update for a guest, with its own tables and pages: what the engine takes,
 * and the rest by mmu_update(). curr and d are the current ones.
 * update_va_mapping; -EAGAIN: the engine leaves it to Xen, untouched.
 */
#ifdef CONFIG_PTEBATCH
long l1_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
                   const struct vcpu *curr);
int l1_update_va_mapping(unsigned long va, uint64_t val, unsigned long flags,
                         struct domain *d);
/* self: a call for the domain's own tables and pages. */
# define L1_UPDATING(d, self) \
    ((opt_ptebatch & L1_UPDATES) && (self) && l1_part_on(d, L1_UPDATES))
#else
# define l1_mmu_update(ureqs, count, pdone, curr) ((void)(curr), -EAGAIN)
# define l1_update_va_mapping(va, val, flags, d) (-EAGAIN)
# define L1_UPDATING(d, self) false
#endif

/* --- Trapped writes ------------------------------------------------------- */

/* pv_ro_page_fault(), but for what the engine takes: see trap.c. */
#ifdef CONFIG_PTEBATCH
int l1_ro_page_fault(unsigned long addr, struct cpu_user_regs *regs);
# define L1_RO_PAGE_FAULT(addr, regs)                           \
    (unlikely(l1_part_on(current->domain, L1_TRAPS))            \
     ? l1_ro_page_fault(addr, regs) : pv_ro_page_fault(addr, regs))
#else
# define L1_RO_PAGE_FAULT(addr, regs) pv_ro_page_fault(addr, regs)
#endif

#endif /* X86_PV_L1_HOOKS_H */
