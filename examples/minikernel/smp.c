/* SPDX-License-Identifier: MIT */
/*
 * More vCPUs. One without work is down, so it costs the others no time where
 * vCPUs take turns (QEMU's -icount).
 */
#include "minikernel.h"

#include <xen/vcpu.h>

#define STACK 16384ul

/* vCPU 0 uses the stack in boot.S, so the first of these is unused. */
static char stacks[SMP_MAX][STACK] __attribute__((aligned(16384)));

static void (*job)(unsigned int cpu);
static unsigned int job_cpus, arrived, finished, ready;

static int vcpu_op(int cmd, unsigned int cpu, void *arg)
{
	return (int)hypercall5(__HYPERVISOR_vcpu_op, (uint64_t)cmd, cpu,
			       (uint64_t)arg, 0, 0);
}

unsigned int smp_cpu(void)
{
	uint64_t off = (uint64_t)__builtin_frame_address(0) - (uint64_t)stacks;

	return off < sizeof(stacks) ? (unsigned int)(off / STACK) : 0;
}

unsigned int smp_cpus(void)
{
	unsigned int n = 1;

	while (n < SMP_MAX && vcpu_op(VCPUOP_is_up, n, NULL) >= 0)
		n++;
	return n;
}

static void run(unsigned int cpu)
{
	/* Wait for the others, so that all start together. */
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < job_cpus)
		smp_pause();
	job(cpu);
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void secondary_main(unsigned int cpu)
{
	for (;;) {
		run(cpu);
		if (vcpu_op(VCPUOP_down, cpu, NULL))
			panic("vCPU %u does not go down", cpu);
	}
}

static void initialise(unsigned int cpu)
{
	static vcpu_guest_context_t ctx; /* too large for a stack */
	const trap_info_t *t;

	memset(&ctx, 0, sizeof(ctx));
	ctx.flags = VGCF_in_kernel;
	ctx.user_regs.rip = (uint64_t)secondary_main;
	ctx.user_regs.rdi = cpu;
	/* As after a call: the stack is 8 bytes off its alignment. */
	ctx.user_regs.rsp = (uint64_t)stacks[cpu] + STACK - 8;
	ctx.user_regs.cs = FLAT_KERNEL_CS;
	ctx.user_regs.ss = FLAT_KERNEL_SS;
	ctx.kernel_ss = FLAT_KERNEL_SS;
	ctx.kernel_sp = (uint64_t)stacks[cpu] + STACK;
	ctx.ctrlreg[3] = virt_to_maddr((void *)start_info->pt_base);
	for (t = trap_table; t->address; t++)
		ctx.trap_ctxt[t->vector] = *t;
	shared_info->vcpu_info[cpu].evtchn_upcall_mask = 1;
	if (vcpu_op(VCPUOP_initialise, cpu, &ctx))
		panic("vCPU %u cannot be initialised", cpu);
}

void smp_each(unsigned int cpus, void (*fn)(unsigned int cpu))
{
	unsigned int cpu;

	for (; ready + 1 < cpus; ready++)
		initialise(ready + 1);
	/* A vCPU that has finished may still be about to go down. */
	for (cpu = 1; cpu < cpus; cpu++)
		while (vcpu_op(VCPUOP_is_up, cpu, NULL) > 0)
			smp_pause();
	job = fn;
	job_cpus = cpus;
	arrived = finished = 0;
	for (cpu = 1; cpu < cpus; cpu++)
		if (vcpu_op(VCPUOP_up, cpu, NULL))
			panic("vCPU %u does not come up", cpu);
	run(0);
	while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < cpus)
		smp_pause();
}
