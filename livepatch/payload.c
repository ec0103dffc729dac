/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine as a livepatch payload: what stands between Xen's own functions and
 * the engine's, and the hooks that Xen calls when it applies and reverts it.
 */

#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/livepatch.h>
#include <xen/livepatch_payload.h>
#include <xen/time.h>

#include <asm/pv/mm.h>

#include <public/sysctl.h>

/* Made by build: XEN_BUILD_ID, XEN_VERSION, REPLACED. */
#include "binary.h"
#include "hooks.h"
#include "l1.h"

unsigned long payload_counts[NR_CPUS][16] __cacheline_aligned;

/* --- Updates -------------------------------------------------------------- */

/*
 * What the engine leaves of an mmu_update, by Xen's own function. It is told of
 * what was done before in the way of its own continuations: the number of
 * requests is in *pdone, and the count says that there is one. So a call that is
 * preempted later continues even if the payload is gone by then.
 *
 * A guest can make a call that claims to be a continuation, with a number of its
 * choice. If that wraps to 0, Xen's function has to read 0, and not the number
 * from before. So *pdone is written for every continuation.
 *
 * Nothing was done of the next request. Xen's function reads it again and asks
 * XSM again, so nothing depends on whether the guest has changed it meanwhile.
 */
long mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs, unsigned int count,
                XEN_GUEST_HANDLE_PARAM(uint) pdone, unsigned int foreigndom,
                const struct l1_begun *begun)
{
    if ( begun && (begun->done || (count & MMU_UPDATE_PREEMPTED)) )
    {
        count |= MMU_UPDATE_PREEMPTED;
        if ( !guest_handle_is_null(pdone) )
            (void)copy_to_guest(pdone, &begun->done, 1);
    }

    return do_mmu_update(ureqs, count, pdone, foreigndom);
}

/* As the engine's lines in mm.c and traps.c, of which a payload has neither. */
long payload_do_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                           unsigned int count,
                           XEN_GUEST_HANDLE_PARAM(uint) pdone,
                           unsigned int foreigndom);
long payload_do_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
                           unsigned int count,
                           XEN_GUEST_HANDLE_PARAM(uint) pdone,
                           unsigned int foreigndom)
{
    struct vcpu *curr = current;

    return L1_UPDATING(curr->domain, foreigndom == DOMID_SELF)
           ? l1_mmu_update(ureqs, count, pdone, curr)
           : do_mmu_update(ureqs, count, pdone, foreigndom);
}

/* -ERESTART: L1TF. Nothing was done, and Xen's function finds the same. */
long payload_update_va_mapping(unsigned long va, uint64_t val,
                               unsigned long flags);
long payload_update_va_mapping(unsigned long va, uint64_t val,
                               unsigned long flags)
{
    struct domain *d = current->domain;
    int rc = L1_UPDATING(d, true) ? l1_update_va_mapping(va, val, flags, d)
                                  : -EAGAIN;

    return likely(rc != -EAGAIN && rc != -ERESTART)
           ? rc : do_update_va_mapping(va, val, flags);
}

int payload_fault(unsigned long addr, struct cpu_user_regs *regs);
int payload_fault(unsigned long addr, struct cpu_user_regs *regs)
{
    return L1_RO_PAGE_FAULT(addr, regs);
}

/* --- The parameter -------------------------------------------------------- */

/* Xen's own directory /params. */
extern struct hypfs_entry_dir payload_params;

static unsigned int entry_size;

/*
 * These two are called with all CPUs in their idle loops, so nobody else uses
 * hypfs. Xen has no function that takes an entry out.
 */
static void cf_check payload_load(void)
{
    unsigned int before = payload_params.e.size;

    BUILD_BUG_ON(ARRAY_SIZE(payload_counts[0]) < L1_COUNTS + 0U);

    printk("ptebatch " PAYLOAD_VERSION ": applied as a livepatch\n");
    payload_param.init_leaf(&payload_param);
    if ( hypfs_add_leaf(&payload_params, &payload_param.hypfs, false) )
        printk(XENLOG_WARNING "ptebatch: no parameter in hypfs\n");
    else
        entry_size = payload_params.e.size - before;
}

static void cf_check payload_unload(void)
{
    printk("ptebatch " PAYLOAD_VERSION ": reverted\n");
    if ( entry_size )
        list_del(&payload_param.hypfs.e.list);
    payload_params.e.size -= entry_size;
    entry_size = 0;
}

LIVEPATCH_LOAD_HOOK(payload_load);
LIVEPATCH_UNLOAD_HOOK(payload_unload);

/* --- Revert --------------------------------------------------------------- */

/*
 * A call that was preempted has its progress in its arguments. Xen without the
 * payload answers such a call -ENOSYS, and leaves its arguments alone. A guest
 * that does not look at them repeats what was done already, which is harmless for
 * some changes and wrong for others.
 *
 * Therefore a revert first turns the calls off, after which none is preempted
 * again: one that comes back is told its progress. As long as the last call was
 * preempted less than this time ago, it may not have come back, and the revert is
 * refused. So guests have this much time, and cannot prolong it.
 */
#define COME_BACK MILLISECS(500)

static s_time_t preempted_at = -COME_BACK;

void payload_preempted(void)
{
    write_atomic(&preempted_at, NOW());
}

static int cf_check payload_revert(livepatch_payload_t *payload)
{
    /* With the parameter's text, for those who read it after a refusal. */
    opt_ptebatch &= ~L1_CALLS;
    payload_param.init_leaf(&payload_param);

#ifndef PAYLOAD_NO_VETO
    if ( NOW() - preempted_at < COME_BACK )
    {
        printk(XENLOG_WARNING "ptebatch: the calls are off; try again when "
               "those that were preempted have come back\n");
        return -EBUSY;
    }
#endif

    return revert_payload(payload);
}
LIVEPATCH_REVERT_HOOK(payload_revert);

/* --- The functions that are replaced -------------------------------------- */

enum mc_disposition pv_do_multicall_call(struct mc_state *state);
int _get_page_type(struct page_info *page, unsigned long type,
                   bool preemptible);

/* The bytes that Xen compares before it applies the payload. */
#define REPLACE(old, new, size, ...)                \
    {                                               \
        .name = old,                                \
        .new_addr = new,                            \
        .new_size = size,                           \
        .old_size = size,                           \
        .version = LIVEPATCH_PAYLOAD_VERSION,       \
        .expect = {                                 \
            .enabled = 1,                           \
            .len = sizeof((uint8_t[]){__VA_ARGS__}), \
            .data = { __VA_ARGS__ },                \
        },                                          \
    },

static struct livepatch_func __used_section(".livepatch.funcs") replaced[] = {
    REPLACED
};

/* The binary: what the payload is applied to, with no other payload between. */
#define NOTE { { 4, 20, 3 }, "GNU", { XEN_BUILD_ID } }
struct note {
    uint32_t head[3];
    char name[4];
    uint8_t id[20];
};
static const struct note __used_section(".livepatch.depends") depends = NOTE;
static const struct note __used_section(".livepatch.xen_depends")
    xen_depends = NOTE;

/* For Xen's log, for tools that list payloads, and for debian/rules. */
static const char __used_section(".modinfo") modinfo[] =
    "ptebatch " PAYLOAD_VERSION " for Xen " XEN_VERSION;

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
