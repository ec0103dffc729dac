/* SPDX-License-Identifier: MIT */
/*
 * What a guest without the library does with page tables, by the calls and
 * instructions that every Xen has: guest-* are the cases in which the handlers
 * in Xen can help, x-* others. A guest adds hypercalls of one entry and traps,
 * so these are repeated for each page.
 *
 * guest-pin and guest-unpin measure a whole table. x-pin-typed and
 * x-unpin-typed measure the same call on a table that another entry keeps
 * validated. The difference between the two is what its 512 entries cost;
 * tests/xen/bench subtracts.
 */
#include "bench.h"

/* --- Hypercalls ---------------------------------------------------------- */

int mmu_update_one(void)
{
	uint64_t how = now.mode;
	int64_t err = 0;
	uint32_t i;

	for (i = 0; i < now.nr && !err; i++) {
		mmu_update_t u = { now.slot[i] | how, now.target[i] };

		err = hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
				 DOMID_SELF, 0);
	}
	now.calls += i;
	return (int)err;
}

static mmu_update_t updates[BENCH_PAGES];

/* Writes the requests for nr entries from first on. */
static inline void fill_updates(uint32_t first, uint32_t nr)
{
	const uint64_t *s = now.slot + first, *t = now.target + first;
	const uint64_t how = now.mode;
	mmu_update_t *u, *end = updates + nr;

	for (u = updates; u < end; u++) {
		u->ptr = *s++ | how;
		u->val = *t++;
	}
}

static int mmu_update_chunks(uint32_t most, uint64_t owner)
{
	int64_t err = 0;
	uint32_t i, n;

	for (i = 0; i < now.nr && !err; i += n) {
		n = now.nr - i < most ? now.nr - i : most;
		fill_updates(i, n);
		err = hypercall5(__HYPERVISOR_mmu_update, (uint64_t)updates, n,
				 0, owner, 0);
		now.calls++;
	}
	return (int)err;
}

int mmu_update_bulk(void)
{
	return mmu_update_chunks(BENCH_PAGES, DOMID_SELF);
}

static int mmu_update_32(void)
{
	return mmu_update_chunks(32, DOMID_SELF);
}

/* Xen's pages are mapped in Xen's name, and unmapped in the guest's own. */
static int mmu_update_foreign(void)
{
	return mmu_update_chunks(BENCH_PAGES,
				 now.dir == DIR_MAP ? DOMID_XEN : DOMID_SELF);
}

/* As Linux in lazy mode, where it cannot merge the updates. */
static int multicall_32(void)
{
	static multicall_entry_t m[32];
	uint32_t i, k, n;

	for (i = 0; i < now.nr; i += n) {
		n = now.nr - i < 32 ? now.nr - i : 32;
		fill_updates(i, n);
		for (k = 0; k < n; k++) {
			m[k].op = __HYPERVISOR_mmu_update;
			m[k].args[0] = (uint64_t)&updates[k];
			m[k].args[1] = 1;
			m[k].args[2] = 0;
			m[k].args[3] = DOMID_SELF;
		}
		now.calls++;
		if (hypercall5(__HYPERVISOR_multicall, (uint64_t)m, n, 0, 0, 0))
			return -PTEBATCH_EINVAL;
		for (k = 0; k < n; k++)
			if (m[k].result)
				return (int)m[k].result;
	}
	return 0;
}

static int update_va_invlpg(void)
{
	int64_t err = 0;
	uint32_t i;

	for (i = 0; i < now.nr && !err; i++)
		err = hypercall5(__HYPERVISOR_update_va_mapping,
				 TEST_BASE + i * PAGE, now.target[i],
				 UVMF_INVLPG | UVMF_LOCAL, 0, 0);
	now.calls += i;
	now.flushes += i;
	return (int)err;
}

static int mmu_update_invlpg(void)
{
	int err = mmu_update_one();

	now.calls++;
	now.flushes++;
	return err ? err : mmuext(MMUEXT_INVLPG_LOCAL, TEST_BASE, 0);
}

static int multicall_invlpg(void)
{
	mmu_update_t u = { now.slot[0] | now.mode, now.target[0] };
	struct mmuext_op op = { .cmd = MMUEXT_INVLPG_LOCAL };
	multicall_entry_t m[2];

	op.arg1.linear_addr = TEST_BASE;
	m[0].op = __HYPERVISOR_mmu_update;
	m[0].args[0] = (uint64_t)&u;
	m[0].args[1] = 1;
	m[0].args[2] = 0;
	m[0].args[3] = DOMID_SELF;
	m[1].op = __HYPERVISOR_mmuext_op;
	m[1].args[0] = (uint64_t)&op;
	m[1].args[1] = 1;
	m[1].args[2] = 0;
	m[1].args[3] = DOMID_SELF;
	now.calls++;
	now.flushes++;
	if (hypercall5(__HYPERVISOR_multicall, (uint64_t)m, 2, 0, 0, 0))
		return -PTEBATCH_EINVAL;
	return (int)(m[0].result ? m[0].result : m[1].result);
}

/* --- Instructions that trap ---------------------------------------------- */

/* A table's mapping is read-only, so Xen emulates each of these. */
static int trapped_mov(void)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++)
		*now.entry[i] = now.target[i];
	return 0;
}

static int trapped_xchg(void)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++)
		now.old[i] = __atomic_exchange_n(now.entry[i], now.target[i],
						 __ATOMIC_SEQ_CST);
	return 0;
}

/* As Linux 6.12 takes RW away. */
static int trapped_cmpxchg(void)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++) {
		now.old[i] = now.before[i];
		if (!__atomic_compare_exchange_n(
			    now.entry[i], &now.old[i], now.target[i], 0,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return -PTEBATCH_EBUSY;
	}
	return 0;
}

/* As Linux 6.1 clears RW of a byte, and tests and clears A of the entry. */
static int trapped_bit(void)
{
	uint32_t i;

	if (now.dir == DIR_RO)
		for (i = 0; i < now.nr; i++)
			__asm__ volatile(
				"lock andb %1, %0"
				: "+m"(*(volatile uint8_t *)now.entry[i])
				: "i"((int8_t)~RW)
				: "cc");
	else
		for (i = 0; i < now.nr; i++)
			__asm__ volatile("lock btrq $5, %0"
					 : "+m"(*now.entry[i])
					 :
					 : "cc");
	return 0;
}

int trapped(void)
{
	return now.dir == DIR_CLEAR   ? trapped_xchg()
	       : now.dir == DIR_YOUNG ? trapped_cmpxchg()
				      : trapped_mov();
}

/* As Linux on Xen did in 2007: clear the entry, then write the new one. */
static int trapped_twice(void)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++) {
		now.old[i] =
			__atomic_exchange_n(now.entry[i], 0, __ATOMIC_SEQ_CST);
		*now.entry[i] = now.target[i];
	}
	return 0;
}

/*
 * A kernel's write to a read-only page of data, such as copy on write. Xen
 * looks whether the page is a table before it gives the fault to the guest,
 * which ends it by a hypercall.
 */
static int fault(void)
{
	uint32_t i;

	for (i = 0; i < now.nr; i++) {
		if (!probe_write(va_at(i), 0))
			return -PTEBATCH_EFAULT;
		now.calls++;
	}
	return 0;
}

/* --- Tables -------------------------------------------------------------- */

/* Where a table of this level can be hooked, and nothing else is mapped. */
#define SPARE_BASE (TEST_BASE + ((uint64_t)level << 39))

static uint64_t *table; /* of the current case, at first ordinary memory */
static int level;
static int typed; /* an entry of a higher table keeps it validated */
static uint64_t values[PTEBATCH_TABLE_SLOTS];

static void set_table(uint64_t flags, uint64_t frame)
{
	uint32_t i;

	if (!table)
		table = page_alloc();
	for (i = 0; i < PTEBATCH_TABLE_SLOTS; i++)
		table[i] = values[i] =
			flags ? (frame ? frame : page_maddr(i)) | flags : 0;
	set_writable(table, 0);
}

static void hook(int hooked)
{
	if (update_pte(slot_of(SPARE_BASE, level + 1),
		       hooked ? virt_to_maddr(table) | PAGE_RW | US : 0))
		panic("Xen does not take the table of level %d", level);
}

static int pin(void)
{
	const uint32_t cmds[] = { 0, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
				  MMUEXT_PIN_L3_TABLE };

	now.calls++;
	return mmuext(cmds[level], virt_to_maddr(table) >> 12, 0);
}

static int unpin(void)
{
	now.calls++;
	return mmuext(MMUEXT_UNPIN_TABLE, virt_to_maddr(table) >> 12, 0);
}

/* The TLB flush spares the table's validation one of its own. */
static void make_table(int is_typed)
{
	level = now.dir == DIR_EMPTY_L2 ? 2 : now.dir == DIR_EMPTY_L3 ? 3 : 1;
	typed = is_typed;
	set_table(now.dir == DIR_PRESENT      ? P | US | A | RW
		  : now.dir == DIR_PRESENT_RO ? P | US | A
					      : 0,
		  0);
	if (typed)
		hook(1);
	if (mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0))
		panic("no TLB flush");
}

static void prepare_pin(void)
{
	make_table(0);
}

static void prepare_pin_typed(void)
{
	make_table(1);
}

static void prepare_unpin(void)
{
	make_table(0);
	if (pin())
		panic("Xen does not pin the table");
}

static void prepare_unpin_typed(void)
{
	make_table(1);
	if (pin())
		panic("Xen does not pin the table");
}

/* A pinned table cannot be written, and has the entries that it was given. */
static uint32_t wrong_entries(int pinned)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < PTEBATCH_TABLE_SLOTS; i++)
		wrong += (table[i] & ~XENS_BITS) != (values[i] & ~XENS_BITS);
	if (pinned) {
		wrong += !update_va(table, virt_to_maddr(table) | PAGE_RW);
		wrong += mmuext(MMUEXT_UNPIN_TABLE, virt_to_maddr(table) >> 12,
				0) != 0;
	}
	if (typed)
		hook(0);
	/* Panics if the page is still a table. */
	set_writable(table, 1);
	return wrong;
}

static uint32_t wrong_pinned(void)
{
	return wrong_entries(1);
}

static uint32_t wrong_unpinned(void)
{
	return wrong_entries(0);
}

/* Entries of an L2 table that all name one L1 table of the world. */
static void prepare_l2(void)
{
	const uint64_t pte = virt_to_maddr(table_virt(0)) | P | US | A | RW;
	uint32_t i;

	level = 2;
	typed = 1;
	now.mode = MMU_NORMAL_PT_UPDATE;
	set_table(now.dir == DIR_MAP ? 0 : P | US | A | RW,
		  virt_to_maddr(table_virt(0)));
	hook(1);
	for (i = 0; i < now.nr; i++) {
		now.slot[i] = virt_to_maddr(&table[i]);
		values[i] = now.target[i] = now.dir == DIR_MAP ? pte : 0;
	}
	if (mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0))
		panic("no TLB flush");
}

/* Xen restarts the call after each L1 table that an entry gives back. */
static int mmu_update_l2(void)
{
	if (now.dir == DIR_UNMAP)
		now.calls += now.nr;
	return mmu_update_bulk();
}

/* --- The list ------------------------------------------------------------ */

#define TRAPPED (RO_RW | COMES_GOES | BIT(DIR_FRAME))

const struct method guest_methods[] = {
	{ "guest-mmu-update", mmu_update_bulk, NULL, EVERY_GUEST | ABSENT, 0, 0,
	  NULL, NULL },
	{ "guest-mmu-update-32", mmu_update_32, NULL, EVERY_GUEST, 0, 512, NULL,
	  NULL },
	{ "guest-mmu-update-one", mmu_update_one, NULL, EVERY_GUEST, 0, 0, NULL,
	  NULL },
	{ "guest-update-va", update_va_invlpg, NULL, EVERY_GUEST, 0, 0, NULL,
	  NULL },
	{ "guest-trapped-mov", trapped_mov, NULL, TRAPPED, 0, 0, NULL, NULL },
	{ "guest-trapped-xchg", trapped_xchg, NULL, TRAPPED, OLD, 0, NULL,
	  NULL },
	{ "guest-pin", pin, NULL, TABLES, 0, 512, prepare_pin, wrong_pinned },
	{ "x-pin-typed", pin, NULL, TABLES, 0, 512, prepare_pin_typed,
	  wrong_pinned },
	{ "guest-unpin", unpin, NULL, TABLES, 0, 512, prepare_unpin,
	  wrong_unpinned },
	{ "x-unpin-typed", unpin, NULL, TABLES, 0, 512, prepare_unpin_typed,
	  wrong_unpinned },
	{ "x-trapped-bit", trapped_bit, NULL, BIT(DIR_RO) | BIT(DIR_YOUNG), 0,
	  512, NULL, NULL },
	{ "x-trapped-cmpxchg", trapped_cmpxchg, NULL, RO_RW | BIT(DIR_YOUNG),
	  OLD, 512, NULL, NULL },
	{ "x-trapped-twice", trapped_twice, NULL, RO_RW, OLD, 512, NULL, NULL },
	{ "x-trapped-foreign", trapped, NULL, BIT(DIR_CLEAR), FOREIGN, 512,
	  NULL, NULL },
	{ "x-multicall-32", multicall_32, NULL, RO_RW | COMES_GOES, 0, 512,
	  NULL, NULL },
	{ "x-multicall-invlpg", multicall_invlpg, NULL, RO_RW, 0, 1, NULL,
	  NULL },
	{ "x-mmu-one-invlpg", mmu_update_invlpg, NULL, RO_RW, 0, 1, NULL,
	  NULL },
	{ "x-mmu-sole", mmu_update_bulk, NULL, RO_RW, SOLE, 512, NULL, NULL },
	/* What the handlers leave to Xen's own functions. */
	{ "x-mmu-foreign", mmu_update_foreign, NULL, COMES_GOES, FOREIGN, 512,
	  NULL, NULL },
	{ "x-mmu-foreign", mmu_update_foreign, NULL, COMES_GOES, FOREIGN, 1,
	  NULL, NULL },
	{ "x-mmu-io", mmu_update_bulk, NULL, COMES_GOES, IO, 512, NULL, NULL },
	{ "x-mmu-io", mmu_update_bulk, NULL, COMES_GOES, IO, 1, NULL, NULL },
	{ "x-mmu-kernel", mmu_update_bulk, NULL, RO_RW | COMES_GOES, KERNEL,
	  512, NULL, NULL },
	{ "x-mmu-kernel", mmu_update_bulk, NULL, RO_RW | COMES_GOES, KERNEL, 1,
	  NULL, NULL },
	{ "x-mmu-mixed", mmu_update_bulk, NULL, RO_RW | COMES_GOES,
	  KERNEL | MIXED, 512, NULL, NULL },
	{ "x-mmu-l2", mmu_update_l2, NULL, COMES_GOES, 0, 512, prepare_l2,
	  wrong_unpinned },
	{ "x-mmu-l2", mmu_update_l2, NULL, COMES_GOES, 0, 1, prepare_l2,
	  wrong_unpinned },
	{ "x-update-va-kernel", update_va_invlpg, NULL, RO_RW | COMES_GOES,
	  KERNEL, 512, NULL, NULL },
	{ "x-trapped-kernel", trapped_mov, NULL, RO_RW | COMES_GOES, KERNEL,
	  512, NULL, NULL },
	{ "x-fault", fault, NULL, BIT(DIR_FAULT), 0, 512, NULL, NULL },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL },
};
