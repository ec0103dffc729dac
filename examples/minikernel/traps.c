/* SPDX-License-Identifier: MIT */
/*
 * Traps. A fault at an instruction listed in the exception table goes on at
 * the address given there; any other ends the run with a register dump.
 */
#include "minikernel.h"

struct regs {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct ex_entry {
	uint64_t fault, fixup;
};

extern const struct ex_entry ex_table_start[], ex_table_end[];
extern char trap_0[], trap_3[], trap_6[], trap_13[], trap_14[];

uint64_t faults;

void trap(struct regs *r);
void trap(struct regs *r)
{
	uint64_t cr2 = shared_info->vcpu_info[smp_cpu()].arch.cr2;
	const struct ex_entry *e;

	if (r->vector == 13 || r->vector == 14) {
		for (e = ex_table_start; e < ex_table_end; e++) {
			if (e->fault == r->rip) {
				r->rip = e->fixup;
				__atomic_fetch_add(&faults, 1,
						   __ATOMIC_RELAXED);
				return;
			}
		}
	}
	print("\ntrap %lu error %lx rip %016lx cs %lx rflags %lx cr2 %016lx\n",
	      r->vector, r->error, r->rip, r->cs, r->rflags, cr2);
	print("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx,
	      r->rcx, r->rdx);
	print("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r->rsi, r->rdi,
	      r->rbp, r->rsp);
	print("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9,
	      r->r10, r->r11);
	print("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13,
	      r->r14, r->r15);
	panic("unexpected trap");
}

const trap_info_t trap_table[] = {
	{ 0, 0, FLAT_KERNEL_CS, (unsigned long)trap_0 },
	{ 3, 0, FLAT_KERNEL_CS, (unsigned long)trap_3 },
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
