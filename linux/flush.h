/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TLB flush of the guest, performed by the hypercall that makes the flush
 * necessary ("folded").
 *
 * The flush goes to a snapshot of mm_cpumask(), taken before the hypercall. A
 * CPU that enters the address space sets its bit in the mask before it can read
 * an entry. So a CPU that is not in the snapshot, but has read an old entry, is
 * in the mask after the hypercall: ptb_flush_missed() compares the two. A CPU
 * that left the address space and came back has loaded CR3, which flushes its
 * TLB, since Xen gives PV guests no PCIDs. A CPU that idles in the address
 * space stays in the mask, and is flushed.
 */
#ifndef PTB_FLUSH_H
#define PTB_FLUSH_H

#include "ptebatch.h"

/* The kernel's own flush, flush_tlb_mm_range(), for what a hypercall missed. */
extern void (*ptb_flush_range)(struct mm_struct *mm, unsigned long start,
			       unsigned long end, unsigned int stride_shift,
			       bool freed_tables);

/*
 * Up to this many pages are flushed one by one, if only this CPU needs the
 * flush. An INVLPG costs 100 to 200 cycles. A full flush costs some hundreds,
 * and about as much again to reload 100 entries that are still in use.
 */
#define PTB_FLUSH_PAGES 16

/*
 * Takes the snapshot of mm_cpumask() (c->cpus), and fills in *tlb: a flush of
 * the range on these CPUs.
 */
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

/*
 * Whether this CPU, and no other, has to be flushed. If it is not so any more
 * after the hypercall, a CPU has been missed.
 */
static __always_inline bool ptb_flush_here(struct mm_struct *mm)
{
	const unsigned long *mask = cpumask_bits(mm_cpumask(mm));
	const unsigned int cpu = smp_processor_id();
	unsigned int i;

	if (likely(ptb_cpu_words == 1))
		return READ_ONCE(*mask) == 1UL << cpu;
	for (i = 0; i < ptb_cpu_words; i++)
		if (READ_ONCE(mask[i]) != (i == cpu / 64 ? 1UL << cpu % 64 : 0))
			return false;
	return true;
}

/*
 * Called after the hypercall: whether a CPU that is not in the snapshot has
 * entered the address space. It may have read an old entry, and was not
 * flushed.
 */
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
