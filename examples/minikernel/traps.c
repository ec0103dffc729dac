/* SPDX-License-Identifier: MIT */
/*
 * Traps. A fault in probe_read() (boot.S) makes it return 1; the kernel's own
 * handler looks at every other page fault and general protection fault. What
 * is left ends the run.
 */
#include "minikernel.h"

extern char trap_6[], trap_13[], trap_14[];

int (*fault_handler)(struct regs *r, uint64_t va);

void trap(struct regs *r)
{
	uint64_t cr2 = shared_info->vcpu_info[smp_cpu()].arch.cr2;

	if (r->vector >= 13) {
		if (r->rip == (uint64_t)probe_read) {
			r->rip = (uint64_t)probe_failed;
			return;
		}
		if (fault_handler && fault_handler(r, cr2))
			return;
	}
	panic("trap %lu error %lx rip %016lx rsp %016lx cr2 %016lx", r->vector,
	      r->error, r->rip, r->rsp, cr2);
}

const trap_info_t trap_table[] = {
	{ 6, 0, FLAT_KERNEL_CS, (unsigned long)trap_6 },
	{ 13, 0, FLAT_KERNEL_CS, (unsigned long)trap_13 },
	{ 14, 0, FLAT_KERNEL_CS, (unsigned long)trap_14 },
	{ 0, 0, 0, 0 },
};

void traps_init(void)
{
	if (hypercall5(__HYPERVISOR_set_trap_table, (uint64_t)trap_table, 0, 0,
		       0, 0))
		panic("set_trap_table failed");
}
