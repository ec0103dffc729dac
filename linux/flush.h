/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's TLB flush, folded into the hypercall that makes it necessary.
 *
 * It goes to the CPUs in mm_cpumask() at that moment. A CPU that enters the
 * address space puts itself into the mask before it can read an entry; so one
 * that has read an old entry and is not in the mask taken before the hypercall
 * is in it afterwards, and the mask is looked at again. CPUs that left and came
 * back have loaded CR3, which on PV flushes: Xen gives its guests no PCIDs. A
 * CPU that idles in the address space stays in the mask, and is flushed.
 */
#ifndef PTB_FLUSH_H
#define PTB_FLUSH_H

#include "ptebatch.h"

/*
 * More pages than these are flushed as all, on one CPU. An INVLPG costs between
 * 100 and 200 cycles, a whole flush some hundreds and then the refill of what
 * was still wanted, which is about as much again for 100 entries.
 */
#define PTB_FLUSH_PAGES 16

/* The CPUs that may hold entries of this address space, and how to reach them. */
static __always_inline void
ptb_flush_begin(struct mm_struct *mm, unsigned long addr, unsigned long pages,
		struct ptb_cpu *c, struct ptebatch_tlb *tlb)
{
	const unsigned long *mask = cpumask_bits(mm_cpumask(mm));
	unsigned int cpu = smp_processor_id(), i;
	u64 others = 0;

	for (i = 0; i < ptb_cpu_words; i++) {
		c->cpus[i] = READ_ONCE(mask[i]);
		others |= c->cpus[i] & ~(i == cpu / 64 ? 1UL << (cpu % 64) : 0);
	}
	tlb->addr = 0;
	tlb->pages = 0;
	tlb->nr_vcpus = 0;
	tlb->vcpus = 0;
	if (likely(!others)) {
		tlb->who = c->cpus[cpu / 64] ? PTEBATCH_TLB_LOCAL
					     : PTEBATCH_TLB_NONE;
		if (pages <= PTB_FLUSH_PAGES && tlb->who) {
			tlb->addr = addr;
			tlb->pages = pages;
		}
		return;
	}
	tlb->who = PTEBATCH_TLB_VCPUS;
	tlb->nr_vcpus = nr_cpu_ids;
	tlb->vcpus = (uintptr_t)c->cpus;
	if (pages == 1) {
		tlb->addr = addr;
		tlb->pages = 1;
	}
}

/* Whether a CPU has come in since that could have been too early for it. */
static __always_inline bool ptb_flush_missed(struct mm_struct *mm,
					     const struct ptb_cpu *c)
{
	const unsigned long *mask = cpumask_bits(mm_cpumask(mm));
	unsigned int i;

	for (i = 0; i < ptb_cpu_words; i++)
		if (unlikely(READ_ONCE(mask[i]) & ~c->cpus[i]))
			return true;
	return false;
}

#endif /* PTB_FLUSH_H */
