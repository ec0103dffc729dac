// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of ptep_clear_flush(): an entry is cleared, and its page is flushed
 * from all TLBs. The kernel does so before it maps a copy of a page (copy on
 * write), and when it unmaps a page for migration, for KSM, or for reclaim of a
 * page that cannot wait for its flush.
 *
 * The original clears the entry by an exchange, which traps, and flushes by a
 * hypercall of its own. This hook clears the entry, receives its old value and
 * flushes by one hypercall (flush.h).
 *
 * It leaves entries that are not present to the original, as it does those of
 * processes whose memory a device or another guest mirrors (mmu notifiers).
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/objtool.h>

#include "compat.h"
#include "flush.h"
#include "ptebatch.h"
#include "tables.h"

static pte_t (*original)(struct vm_area_struct *vma, unsigned long addr,
			 pte_t *ptep);

/*
 * Clears the slot, under its table's lock, and flushes the page. Returns false
 * if nothing is done.
 */
static bool clear_and_flush(struct mm_struct *mm, unsigned long addr,
			    u64 *entry, u64 slot, u64 *old)
{
	const struct ptebatch_run run = {
		.slot = slot,
		.count = 1,
		.op = PTEBATCH_OP_CLEAR,
		.old = (uintptr_t)old,
	};
	struct ptb_cpu *c = this_cpu_read(ptb_cpus);
	struct ptb_counters *n = &c->counters[PTB_CLEAR];
	struct ptebatch_progress progress PTB_UNINITIALIZED;
	struct ptebatch_tlb flush PTB_UNINITIALIZED;
	u64 was = READ_ONCE(*entry);
	int err;

	ptb_flush_begin(mm, addr, 1, c, &flush);
	err = ptebatch_hypercall.one_clear(&ptebatch_hypercall, &ptb_env, &run,
					   &flush, &progress);
	n->hypercalls += progress.stats.hypercalls;
	if (unlikely(err)) {
		n->failures++;
		if (READ_ONCE(*entry))
			return false;
		/* The entry is cleared, but its old value was not stored. */
		*old = ptb_assumed(was);
	}
	n->singles++;
	n->folded += !err;
	if (unlikely(err) || unlikely(ptb_flush_missed(mm, c))) {
		n->late += !err;
		ptb_flush_range(mm, addr, addr + PAGE_SIZE, PAGE_SHIFT, false);
	}
	return true;
}

static bool takes(const struct vm_area_struct *vma, const u64 *entry)
{
	return ptb_on[PTB_CLEAR] && PagePinned(virt_to_page(entry)) &&
	       (READ_ONCE(*entry) & _PAGE_PRESENT) &&
	       !mm_has_notifiers(vma->vm_mm) &&
	       /* Without runs, the clear is a trap, as in the original. */
	       (READ_ONCE(ptb_env.have) & PTEBATCH_HAVE_RUNS);
}

pte_t ptb_ptep_clear_flush(struct vm_area_struct *vma, unsigned long addr,
			   pte_t *ptep);

pte_t ptb_ptep_clear_flush(struct vm_area_struct *vma, unsigned long addr,
			   pte_t *ptep)
{
	u64 *entry = (u64 *)ptep;
	u64 old PTB_UNINITIALIZED;

	ptb_enter();
	ptb_count(PTB_CLEAR, calls, 1);
	if (unlikely(!takes(vma, entry)) ||
	    unlikely(!clear_and_flush(vma->vm_mm, addr & PAGE_MASK, entry,
				      ptb_slot_of(entry), &old))) {
		ptb_count(PTB_CLEAR, whole, 1);
		old = original(vma, addr, ptep).pte;
	}
	ptb_leave();
	return native_make_pte(old);
}
PTB_TRAMPOLINE(ptb_ptep_clear_flush);

const struct ptb_hook_point ptb_clear_hook = {
	.name = "ptep_clear_flush",
	.trampoline = ptb_ptep_clear_flush_trampoline,
	.original = (void **)&original,
};
