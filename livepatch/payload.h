/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a livepatch payload cannot have, for the engine's own files, each of which
 * is compiled with this header before it: fields of its own in Xen's structures,
 * per-CPU variables, and parameters that Xen collects at boot.
 */
#ifndef X86_PV_PTEBATCH_PAYLOAD_H
#define X86_PV_PTEBATCH_PAYLOAD_H

#include <xen/hypercall.h>
#include <xen/hypfs.h>
#include <xen/param.h>
#include <xen/smp.h>

/* No field in struct pv_domain: parts are on or off for all domains alike. */
#define ptebatch_parts_off(d) ((void)(d), 0)
#define ptebatch_set_parts_off(d, off) ((void)(off), -EOPNOTSUPP)

/* Counters by CPU number, two cache lines for each CPU. */
#define l1_counts_own
extern unsigned long payload_counts[NR_CPUS][16];
#define l1_counts_of(cpu) payload_counts[cpu]
#define l1_counts_here l1_counts_of(smp_processor_id())

/*
 * The parameter is part of /params in hypfs while the payload is applied. There
 * is no command line for it.
 */
#undef custom_runtime_param
#define custom_runtime_param(nam, variable, initfunc) \
    struct param_hypfs payload_param = { \
        .hypfs.e.type = XEN_HYPFS_TYPE_STRING, \
        .hypfs.e.encoding = XEN_HYPFS_ENC_PLAIN, \
        .hypfs.e.name = (nam), \
        .hypfs.e.funcs = &hypfs_custom_wr_funcs, \
        .init_leaf = (initfunc), \
        .func = (variable), \
    }
#undef param_2_parfs
#define param_2_parfs(variable) (&payload_param)
extern struct param_hypfs payload_param;

#ifdef PAYLOAD_PREEMPT          /* for tests */
#include <xen/event.h>
#undef hypercall_preempt_check
#define hypercall_preempt_check() true
#endif

/* The revert hook wants to know when a call was last preempted. */
void payload_preempted(void);
#define hypercall_create_continuation(nr, ...) \
    (payload_preempted(), (hypercall_create_continuation)(nr, __VA_ARGS__))

#endif /* X86_PV_PTEBATCH_PAYLOAD_H */
