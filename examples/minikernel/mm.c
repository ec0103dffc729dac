/* SPDX-License-Identifier: MIT */
/*
 * Memory and page tables, by calls that every Xen has.
 *
 * Xen's domain builder maps the kernel, the p2m list and the first page tables
 * at VIRT_BASE, and some hundred KiB beyond. mm_init() extends this mapping to
 * MAPPED_PAGES, and takes the L1 tables for that from those hundred KiB. Xen
 * accepts a page as a page table only if no mapping of it is writable, so the
 * direct map's own mapping is made read-only first.
 */
#include "minikernel.h"

#include <xen/memory.h>

#define MAPPED_PAGES (128ul << 20 >> 12)
#define P PTEBATCH_PTE_P

/* A page of the image, whose slot comes to map Xen's shared info instead. */
static char shared_info_page[PAGE] __attribute__((aligned(4096)));
shared_info_t *shared_info = (shared_info_t *)shared_info_page;

start_info_t *start_info;
uint64_t *p2m;
static const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
static uint64_t max_mfn;
static uint64_t l4;		      /* machine address of the top table */
static uint64_t next_pfn, mapped_pfn; /* next free page; the map's end */

uint64_t virt_to_maddr(const void *va)
{
	return p2m[PFN(va)] << 12 | ((uint64_t)va & (PAGE - 1));
}

uint64_t maddr_to_pfn(uint64_t maddr)
{
	uint64_t mfn = maddr >> 12, pfn;

	if (mfn > max_mfn || probe_read(&m2p[mfn], &pfn) ||
	    pfn >= start_info->nr_pages || p2m[pfn] != mfn)
		return NO_PFN;
	return pfn;
}

volatile uint64_t *maddr_to_virt(uint64_t maddr)
{
	uint64_t pfn = maddr_to_pfn(maddr);

	if (pfn >= mapped_pfn)
		return NULL;
	return (uint64_t *)(VIRT_BASE + (pfn << 12) + (maddr & (PAGE - 1)));
}

/*
 * How the library makes hypercalls and reads slots; mm_init() adds the features.
 * The library asks for slots of our tables only, so reading m2p cannot fault.
 */
static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	uint64_t pfn = m2p[slot >> 12];

	(void)ctx;
	if (__builtin_expect(pfn >= mapped_pfn || p2m[pfn] != slot >> 12, 0))
		return NULL;
	return (uint64_t *)(VIRT_BASE + (pfn << 12) + (slot & (PAGE - 1)));
}

struct ptebatch_env xen_env = {
	.hypercall = ptebatch_guest_hypercall,
	.ctx = hypercall_page,
	.map = map_slot,
};

int update_pte(uint64_t slot, uint64_t pte)
{
	mmu_update_t u = { slot | MMU_NORMAL_PT_UPDATE, pte };

	return (int)hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
			       DOMID_SELF, 0);
}

int update_va(const void *va, uint64_t entry)
{
	return (int)hypercall5(__HYPERVISOR_update_va_mapping, (uint64_t)va,
			       entry, UVMF_INVLPG | UVMF_LOCAL, 0, 0);
}

void set_writable(void *page, int writable)
{
	if (update_va(page,
		      virt_to_maddr(page) | (writable ? PAGE_RW : PAGE_RO)))
		panic("page %lx cannot be remapped", (uint64_t)page);
}

void *page_alloc(void)
{
	void *page = (void *)(VIRT_BASE + (next_pfn << 12));

	if (next_pfn++ >= mapped_pfn)
		panic("out of memory");
	return memset(page, 0, PAGE);
}

static void install(uint64_t slot, void *table)
{
	set_writable(table, 0);
	if (update_pte(slot, virt_to_maddr(table) | PAGE_RW | PTEBATCH_PTE_US))
		panic("Xen refuses table %lx", (uint64_t)table);
}

/*
 * The machine address of the slot for va in a table of this level, 1 to 4.
 * Builds the tables above it that are missing.
 */
uint64_t slot_of(uint64_t va, int level)
{
	uint64_t table = l4;
	int i;

	for (i = 4;; i--) {
		uint64_t slot = table + (va >> (9 * i) & 0xff8);

		if (i == level)
			return slot;
		if (!(*maddr_to_virt(slot) & P))
			install(slot, page_alloc());
		table = *maddr_to_virt(slot) & PTEBATCH_PTE_FRAME;
	}
}

void install_table(uint64_t va, void *table)
{
	install(slot_of(va, 2), table);
}

void remove_table(uint64_t va)
{
	uint64_t slot = slot_of(va, 2);
	uint64_t table = *maddr_to_virt(slot) & PTEBATCH_PTE_FRAME;

	if (update_pte(slot, 0))
		panic("table of %lx cannot be removed", va);
	set_writable((void *)maddr_to_virt(table), 1);
}

void mm_init(start_info_t *si)
{
	struct xen_machphys_mapping mapping;
	uint64_t va, *table;
	unsigned int i;

	start_info = si;
	p2m = (uint64_t *)si->mfn_list;
	l4 = virt_to_maddr((void *)si->pt_base);
	/* In use: up to the boot stack, the page after the page tables. */
	next_pfn = PFN(si->pt_base) + si->nr_pt_frames + 1;
	if (hypercall5(__HYPERVISOR_memory_op, XENMEM_machphys_mapping,
		       (uint64_t)&mapping, 0, 0, 0))
		panic("no machine-to-physical table");
	max_mfn = mapping.max_mfn;

	/* What the builder mapped. All tables lie below next_pfn. */
	mapped_pfn = next_pfn;
	for (va = VIRT_BASE + (next_pfn << 12);
	     (*maddr_to_virt(slot_of(va, 2)) & P) &&
	     (*maddr_to_virt(slot_of(va, 1)) & P);
	     va += PAGE)
		mapped_pfn++;

	while (mapped_pfn < MAPPED_PAGES && mapped_pfn < si->nr_pages) {
		va = VIRT_BASE + (mapped_pfn << 12);
		if (va & (512 * PAGE - 1))
			panic("the builder's map ends inside a table");
		table = page_alloc();
		for (i = 0; i < 512 && mapped_pfn + i < si->nr_pages; i++)
			table[i] = p2m[mapped_pfn + i] << 12 | PAGE_RW;
		install_table(va, table);
		mapped_pfn += i;
	}

	/* Lets Xen emulate the library's writes to page tables. */
	if (hypercall5(__HYPERVISOR_vm_assist, VMASST_CMD_enable,
		       VMASST_TYPE_writable_pagetables, 0, 0, 0))
		panic("no emulation of writes to page tables");
	if (update_va(shared_info, si->shared_info | P | PTEBATCH_PTE_RW))
		panic("shared info not mapped");
	xen_env.features = ptebatch_guest_features(&xen_env);
}

void *memset(void *p, int c, size_t n)
{
	char *to = p;

	while (n--)
		*to++ = (char)c;
	return p;
}
