/* SPDX-License-Identifier: MIT */
/*
 * As a domU, serve the requests of a program in dom0 (mailbox.h), for tests in
 * which dom0 observes the domain or takes part. These use one L1 table, whose
 * slots map the pages without another writable mapping.
 *
 * As load, make changes of all kinds without an end, which dom0 interrupts.
 */
#include "mailbox.h"
#include "kernel.h"
#include "tests.h"

#include <xen/sched.h>

#define DATA (P | US | A | D)
#define TABLE 3u
#define SLOT(i) (TABLE * PTEBATCH_TABLE_SLOTS + (i))

static struct ptebatch_run storage[1024]; /* for long calls */
static struct mailbox box __attribute__((aligned(4096)));
static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

static void yield(void)
{
	hypercall5(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
}

static uint64_t entry_of(uint32_t i, uint64_t flags)
{
	return page_maddr(WORLD_SLOTS + i) | flags;
}

static int set(uint32_t i, uint64_t entry, uint32_t mode)
{
	return ptebatch_add_set(&batch, slot_at(SLOT(i)), entry, mode);
}

/* Seven ways to change a mapping, and the access that follows. */
enum way {
	READ_ONLY, /* stays so, and is read */
	AGAIN,	   /* writable again, and written */
	UNUSED,	   /* the same, but not written */
	KEPT,	   /* writable by a value that keeps A and D, and written */
	ABSENT,	   /* removed; a read faults */
	REMAPPED,  /* removed and mapped again, and written */
	HIDDEN,	   /* PROT_NONE and back, and read */
	WAYS
};

static int change(uint32_t round)
{
	uint32_t i, way;

	for (i = 0; i < MAILBOX_SLOTS; i++)
		if (!(*entry_at(SLOT(i)) & P) &&
		    set(i, entry_of(i, P | US | RW), PTEBATCH_SET_EXACT))
			return __LINE__;
	if (ptebatch_add_flags(&batch, slot_at(SLOT(0)), MAILBOX_SLOTS, RW,
			       0) ||
	    ptebatch_flush(&batch, &all))
		return __LINE__;
	for (i = 0; i < MAILBOX_SLOTS; i++)
		if (!probe_write(va_at(SLOT(i)), round))
			return __LINE__;

	for (i = 0; i < MAILBOX_SLOTS; i++) {
		way = (i + round) % WAYS;
		if (way == AGAIN || way == UNUSED) {
			if (ptebatch_add_flags(&batch, slot_at(SLOT(i)), 1,
					       0, RW))
				return __LINE__;
		} else if (way == ABSENT || way == REMAPPED) {
			if (ptebatch_add_clear(&batch, slot_at(SLOT(i)), 1,
					       NULL))
				return __LINE__;
		}
	}
	for (i = 0; i < MAILBOX_SLOTS; i++)
		if ((i + round) % WAYS == HIDDEN &&
		    set(i, (~entry_of(i, 0) & FRAME) | 0x100,
			PTEBATCH_SET_KEEP_AD))
			return __LINE__;
	for (i = 0; i < MAILBOX_SLOTS; i++) {
		way = (i + round) % WAYS;
		if ((way == KEPT || way == HIDDEN) &&
		    set(i, entry_of(i, P | US | RW), PTEBATCH_SET_KEEP_AD))
			return __LINE__;
		if (way == REMAPPED &&
		    set(i, entry_of(i, DATA | RW), PTEBATCH_SET_EXACT))
			return __LINE__;
	}
	return ptebatch_flush(&batch, &all) ? __LINE__ : 0;
}

/* Accesses each page directly; each access must do what its entry allows. */
static int use(uint32_t round)
{
	uint64_t seen;
	uint32_t i;

	for (i = 0; i < MAILBOX_SLOTS; i++) {
		uint32_t way = (i + round) % WAYS;

		box.reached[i] = 0;
		if (way == ABSENT) {
			if (!probe_read(va_at(SLOT(i)), &seen))
				return __LINE__;
			continue;
		}
		if (probe_read(va_at(SLOT(i)), &seen))
			return __LINE__;
		box.reached[i] = MAILBOX_READ;
		if (way != AGAIN && way != KEPT && way != REMAPPED)
			continue;
		if (probe_write(va_at(SLOT(i)), round))
			return __LINE__;
		box.reached[i] |= MAILBOX_WRITTEN;
	}
	return 0;
}

static void look(void)
{
	uint64_t seen;
	uint32_t i;

	box.sum = mailbox_sum(entry_at(SLOT(0)));
	for (i = 0; i < MAILBOX_SLOTS; i++) {
		box.reached[i] = 0;
		if (!probe_read(va_at(SLOT(i)), &seen))
			box.reached[i] |= MAILBOX_READ;
		if (!probe_write(va_at(SLOT(i)), 1))
			box.reached[i] |= MAILBOX_WRITTEN;
	}
}

unsigned int serve(void)
{
	const struct ptebatch_backend *by;
	uint32_t i, round = 0;
	unsigned int failed = 0;

	if (!use_new_calls())
		panic("no new calls");
	fill_entries(SLOT(0), MAILBOX_SLOTS, 1, WORLD_SLOTS, DATA | RW);
	for (i = 0; i < MAILBOX_SLOTS; i++)
		box.pfn[i] = virt_to_pfn(page_virt(WORLD_SLOTS + i));
	box.first_pfn = virt_to_pfn(page_virt(0));
	box.last_pfn = virt_to_pfn(page_virt(WORLD_PAGES - 1));
	box.table = slot_at(SLOT(0));
	box.table_pfn = virt_to_pfn(table_virt(TABLE));
	print("minikernel: mailbox %lu\n", virt_to_maddr(&box) >> 12);
	do {
		while (__atomic_load_n(&box.asked, __ATOMIC_ACQUIRE) ==
		       box.done)
			yield();
		by = box.stock ? &ptebatch_mmu_update : &ptebatch_hypercall;
		if (ptebatch_init(&batch, sizeof(batch), by, &env, storage, sizeof(storage)))
			panic("ptebatch_init failed");
		box.line = 0;
		if (box.what == MAILBOX_CHANGE) {
			box.line = change(++round);
			if (!box.line)
				box.line = use(round);
		} else if (box.what == MAILBOX_LOOK) {
			look();
		}
		failed += !!box.line;
		__atomic_store_n(&box.done, box.asked, __ATOMIC_RELEASE);
	} while (box.what != MAILBOX_END);
	return failed;
}

/* Also pins a table, which Xen frees with the domain. */
void load(void)
{
	uint32_t i, round;

	if (!use_new_calls())
		panic("no new calls");
	if (ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &env, storage,
			  sizeof(storage)))
		panic("ptebatch_init failed");
	if (mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(WORLD_PAGES - 1) >> 12, 0))
		panic("not pinned");
	print("minikernel: mailbox %lu\n", virt_to_maddr(&box) >> 12);
	for (round = 0;; round++) {
		for (i = 0; i < WORLD_SLOTS; i++)
			if (ptebatch_add_set(
				    &batch, slot_at(i),
				    page_maddr((i + round) % WORLD_SLOTS) |
					    DATA | RW,
				    round & 1 ? PTEBATCH_SET_KEEP_AD
					      : PTEBATCH_SET_EXACT))
				panic("line %u", __LINE__);
		for (i = 0; i < WORLD_TABLES; i++)
			if (ptebatch_add_flags(&batch, slot_at(i * 512), 512,
					       RW, 0) ||
			    ptebatch_add_flags(&batch, slot_at(i * 512), 512,
					       0, RW))
				panic("line %u", __LINE__);
		for (i = 0; i < WORLD_TABLES; i += 1 + round % 3)
			if (ptebatch_add_clear(&batch, slot_at(i * 512), 512,
					       NULL))
				panic("line %u", __LINE__);
		if (ptebatch_flush(&batch, &all))
			panic("line %u", __LINE__);
	}
}
