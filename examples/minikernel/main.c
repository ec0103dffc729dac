/* SPDX-License-Identifier: MIT */
/*
 * libptebatch in a kernel. The question is which of 1024 pages are written: map
 * them, write-protect them by one batch, let each vCPU write three of them, and
 * make a page writable again when it is written. The dirty bits that the unmap
 * hands back must tell the same. In between, Xen refuses a batch.
 *
 * With two vCPUs, on a Xen that has the new calls, the console shows
 *
 *   minikernel: Xen has the new calls; 2 vCPUs
 *   minikernel: vCPU 0: 3 write faults
 *   minikernel: vCPU 1: 3 write faults
 *   minikernel: stopped: no such domain (-3), 1 dropped
 *   minikernel: 6 of 1024 pages were dirty
 *   minikernel: 3072 entries by 11 hypercalls, 3 TLB flushes
 *   minikernel: done, 0 failed
 *
 * and on stock Xen, where mmu_update does the same,
 *
 *   minikernel: Xen has mmu_update only; 2 vCPUs
 *   ...
 *   minikernel: 3072 entries by 1035 hypercalls, 3 TLB flushes
 *   minikernel: done, 0 failed
 */
#include "minikernel.h"

#include <xen/sched.h>

#define BASE 0xffffc00000000000ul /* where the pages are mapped */
#define TABLES 2u
#define SLOTS PTEBATCH_TABLE_SLOTS
#define PAGES (TABLES * SLOTS)
#define WRITES 3u /* pages that each vCPU writes */

static void *table[TABLES]; /* L1 tables, for PAGES pages from BASE on */
static unsigned int faults[SMP_MAX], failed;

/*
 * A batch belongs to one vCPU at a time; this one is vCPU 0's. It flushes by
 * itself when its storage is full. A kernel with locks takes the lock of the
 * page tables before it queues, and holds it until the flush has returned.
 */
static struct ptebatch batch;
static struct ptebatch_run storage[64];

static uint64_t slot(unsigned int page)
{
	return virt_to_maddr((uint64_t *)table[page / SLOTS] + page % SLOTS);
}

/*
 * Ends each use of the batch; err is the error of queueing. A flush stops at
 * the first entry that fails, and the rest stays queued: drop the rest, or the
 * next flush would apply it. Give the batch its usual owner back, which cannot
 * fail with nothing queued. Then flush the TLBs for the entries applied before
 * the error: a full batch that flushes by itself asks for no TLB flush.
 */
static int finish(int err, const struct ptebatch_tlb *tlb)
{
	if (!err)
		err = ptebatch_flush(&batch, tlb);
	if (err)
		print("minikernel: stopped: %s (%d), %lu dropped\n",
		      ptebatch_strerror(err), err, ptebatch_discard(&batch));
	ptebatch_set_owner(&batch, PTEBATCH_DOMID_SELF, PTEBATCH_DOMID_SELF);
	if (err && tlb && ptebatch_flush(&batch, tlb))
		panic("no TLB flush");
	return err;
}

/* Full values. The entries were absent, so no TLB has them. */
static int map_pages(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PAGES && !err; i++)
		err = ptebatch_add_set(&batch, slot(i),
				       virt_to_maddr(page_alloc()) | PAGE_RW,
				       PTEBATCH_SET_EXACT);
	return finish(err, NULL);
}

/* A change of flags: one record a table, and a TLB flush on all vCPUs. */
static int protect_pages(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PAGES && !err; i += SLOTS)
		err = ptebatch_add_flags(&batch, slot(i), SLOTS,
					 PTEBATCH_PTE_RW | PTEBATCH_PTE_D, 0);
	return finish(err, &ptebatch_tlb_all);
}

/* Takes the mappings away and counts the dirty bits of the old entries. */
static int unmap_pages(unsigned int *dirty)
{
	static uint64_t old[PAGES]; /* must stay until the flush has returned */
	unsigned int i;
	int err = 0;

	for (i = 0; i < PAGES && !err; i += SLOTS)
		err = ptebatch_add_clear(&batch, slot(i), SLOTS, &old[i]);
	err = finish(err, &ptebatch_tlb_all);
	for (i = 0; i < PAGES && !err; i++)
		*dirty += (old[i] & PTEBATCH_PTE_D) != 0;
	return err;
}

/* Maps a page of another domain. Xen refuses if there is no such domain. */
static int map_foreign(uint32_t domain, uint64_t entry)
{
	int err = ptebatch_set_owner(&batch, PTEBATCH_DOMID_SELF, domain);

	if (!err)
		err = ptebatch_add_set(&batch, slot(0), entry,
				       PTEBATCH_SET_EXACT);
	return finish(err, &ptebatch_tlb_all);
}

/*
 * A single entry takes the single form, which leaves the batch alone: the fault
 * may come while this vCPU has records queued. Only this vCPU's TLB is flushed.
 * Another vCPU that still has the read-only entry in its TLB takes a fault too,
 * sets the same bit again and continues.
 */
static int write_fault(struct regs *r, uint64_t va)
{
	struct ptebatch_run run = { .count = 1, .set = PTEBATCH_PTE_RW };
	struct ptebatch_tlb here = ptebatch_tlb_page(PTEBATCH_TLB_LOCAL, va);
	struct ptebatch_progress progress;

	if (r->vector != 14 || (r->error & 3) != 3 || va - BASE >= PAGES * PAGE)
		return 0; /* not a write to one of the pages */
	faults[smp_cpu()]++;
	run.slot = slot((unsigned int)((va - BASE) / PAGE));
	return !ptebatch_apply_flags(&ptebatch_hypercall, &xen_env, &run, &here,
				     &progress);
}

static void write_pages(unsigned int cpu)
{
	unsigned int i;

	for (i = cpu * WRITES; i < (cpu + 1) * WRITES; i++)
		*(volatile uint64_t *)(BASE + i * PAGE) = cpu;
}

void kernel_main(start_info_t *si)
{
	const struct ptebatch_counters *c = &batch.counters;
	unsigned int i, cpus, dirty = 0;

	mm_init(si);
	console_init();
	traps_init();
	fault_handler = write_fault;
	cpus = smp_cpus();

	/* Without the new calls, this backend uses mmu_update. */
	if (ptebatch_hypercall.probe(&xen_env) ||
	    ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &xen_env, storage,
			  sizeof(storage)))
		panic("the library does not start");
	print("minikernel: Xen has %s; %u vCPUs\n",
	      xen_env.have ? "the new calls" : "mmu_update only", cpus);

	for (i = 0; i < TABLES; i++) {
		table[i] = page_alloc();
		install_table(BASE + i * SLOTS * PAGE, table[i]);
	}
	failed += map_pages() != 0;
	smp_each(cpus, write_pages); /* leaves writable entries in the TLBs */
	failed += protect_pages() != 0;
	smp_each(cpus, write_pages);
	for (i = 0; i < cpus; i++) {
		print("minikernel: vCPU %u: %u write faults\n", i, faults[i]);
		failed += faults[i] != WRITES;
	}
	failed += map_foreign(0x1234, PAGE_RW) != -PTEBATCH_ESRCH;
	failed += unmap_pages(&dirty) != 0;
	print("minikernel: %u of %u pages were dirty\n", dirty, PAGES);
	failed += dirty != cpus * WRITES;

	/*
	 * Flush before you hook, pin, unpin or free a table. A record names its
	 * slot by machine address. Applied after the table is gone, the record
	 * fails, or changes whatever table that page has become.
	 */
	failed += ptebatch_pending(&batch) != 0;
	for (i = 0; i < TABLES; i++)
		remove_table(BASE + i * SLOTS * PAGE);

	print("minikernel: %lu entries by %lu hypercalls, %lu TLB flushes\n",
	      c->flushed, c->hypercalls, c->tlb_flushes);
	print("minikernel: done, %u failed\n", failed);
	shutdown(SHUTDOWN_poweroff);
}
