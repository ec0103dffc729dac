/* SPDX-License-Identifier: MIT */
/*
 * Memory and page tables, all by the calls that every Xen has.
 *
 * Xen's domain builder maps the kernel, the p2m list and the first page
 * tables at VIRT_BASE, and a few hundred KiB beyond. mm_init extends that
 * map to MAPPED_PAGES, with L1 tables taken from those few hundred. A page
 * that becomes a page table must have no writable mapping: it is made
 * read-only in the direct map first.
 */
#include "minikernel.h"

#include <xen/features.h>
#include <xen/memory.h>
#include <xen/version.h>

#define MAPPED_PAGES (128ul << 20 >> 12)
#define TABLE_FLAGS (P | RW | US | A | D)
#define PFN(va) (((uint64_t)(va) - VIRT_BASE) >> 12)

/* A page of the image, whose slot comes to map Xen's shared info instead. */
static char shared_info_page[PAGE] __attribute__((aligned(4096)));
shared_info_t *shared_info = (shared_info_t *)shared_info_page;

static uint64_t *p2m;		    /* mfn by pfn */
static const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
static uint64_t max_mfn;
static uint64_t l4;		    /* maddr of the top table */
static uint64_t next_pfn, mapped_pfn; /* next free page; end of the map */
static void *free_list;		    /* linked through the first word */

uint64_t virt_to_maddr(const void *va)
{
	return p2m[PFN(va)] << 12 | ((uint64_t)va & (PAGE - 1));
}

uint32_t virt_to_pfn(const void *va)
{
	return (uint32_t)PFN(va);
}

/* The pfn of an own page; past all of them if it is none. */
static uint64_t maddr_to_pfn(uint64_t maddr)
{
	uint64_t mfn = maddr >> 12, pfn;

	if (mfn > max_mfn || probe_read(&m2p[mfn], &pfn) ||
	    pfn >= start_info->nr_pages || p2m[pfn] != mfn)
		return ~0ul;
	return pfn;
}

int is_own_page(uint64_t maddr)
{
	return maddr_to_pfn(maddr) != ~0ul;
}

volatile uint64_t *maddr_to_virt(uint64_t maddr)
{
	uint64_t pfn = maddr_to_pfn(maddr);

	if (pfn >= mapped_pfn)
		return NULL;
	return (uint64_t *)(VIRT_BASE + (pfn << 12) + (maddr & (PAGE - 1)));
}

int update_pte(uint64_t maddr, uint64_t value)
{
	mmu_update_t u = { maddr | MMU_NORMAL_PT_UPDATE, value };

	return (int)hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
			       DOMID_SELF, 0);
}

int mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.linear_addr = arg1;
	set_xen_guest_handle(op.arg2.vcpumask, (void *)arg2);
	return (int)hypercall5(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0,
			       DOMID_SELF, 0);
}

void invlpg(uint64_t va)
{
	if (mmuext(MMUEXT_INVLPG_LOCAL, va, 0))
		panic("invlpg %lx", va);
}

static int update_va(const void *va, uint64_t entry)
{
	return (int)hypercall5(__HYPERVISOR_update_va_mapping, (uint64_t)va,
			       entry, UVMF_INVLPG | UVMF_LOCAL, 0, 0);
}

void set_writable(void *page, int writable)
{
	if (update_va(page, virt_to_maddr(page) | P | A | (writable ? RW | D : 0)))
		panic("page %lx cannot be made %s", (uint64_t)page,
		      writable ? "writable" : "read-only");
}

void hide_page(void *page)
{
	if (update_va(page, 0))
		panic("page %lx cannot be hidden", (uint64_t)page);
}

/* What memory_op takes for one page: its machine frame, or its place here. */
static struct xen_memory_reservation one(xen_pfn_t *frame)
{
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, frame);
	return r;
}

static int memory_op(unsigned int what, void *arg)
{
	return (int)hypercall5(__HYPERVISOR_memory_op, what, (uint64_t)arg, 0,
			       0, 0);
}

int exchange_page(void *page)
{
	xen_pfn_t in = p2m[PFN(page)], out = PFN(page);
	struct xen_memory_exchange e = { .in = one(&in), .out = one(&out) };
	int err = memory_op(XENMEM_exchange, &e);

	if (!err)
		p2m[PFN(page)] = out;
	return err;
}

int release_page(void *page)
{
	xen_pfn_t frame = p2m[PFN(page)];
	struct xen_memory_reservation r = one(&frame);

	return memory_op(XENMEM_decrease_reservation, &r) == 1 ? 0 : -1;
}

void populate_page(void *page)
{
	xen_pfn_t frame = PFN(page);
	struct xen_memory_reservation r = one(&frame);

	if (memory_op(XENMEM_populate_physmap, &r) != 1)
		panic("Xen has no page for %lx", (uint64_t)page);
	p2m[PFN(page)] = frame;
}

uint64_t pages_reserved(void)
{
	domid_t self = DOMID_SELF;

	return (uint64_t)memory_op(XENMEM_current_reservation, &self);
}

static void install(uint64_t slot, void *table)
{
	set_writable(table, 0);
	if (update_pte(slot, virt_to_maddr(table) | TABLE_FLAGS))
		panic("Xen refuses table %lx", (uint64_t)table);
}

/* The maddr of the entry at this level for va; builds the tables above it. */
static uint64_t walk(uint64_t va, int level)
{
	uint64_t table = l4;
	int i;

	for (i = 4;; i--) {
		uint64_t slot = table + (va >> (9 * i) & 0xff8);

		if (i == level)
			return slot;
		if (!(*maddr_to_virt(slot) & P))
			install(slot, page_alloc());
		table = *maddr_to_virt(slot) & FRAME;
	}
}

uint64_t table_slot(uint64_t va, int level)
{
	return walk(va, level + 1);
}

void install_table(uint64_t va, int level, void *table)
{
	install(table_slot(va, level), table);
}

void remove_table(uint64_t va)
{
	uint64_t slot = table_slot(va, 1);
	uint64_t table = *maddr_to_virt(slot) & FRAME;

	if (update_pte(slot, 0))
		panic("table of %lx cannot be removed", va);
	set_writable((void *)maddr_to_virt(table), 1);
}

void *page_alloc(void)
{
	void *page = free_list;
	unsigned int i;

	if (page)
		free_list = *(void **)page;
	else if (next_pfn < mapped_pfn)
		page = (void *)(VIRT_BASE + (next_pfn++ << 12));
	else
		panic("out of memory");
	for (i = 0; i < PAGE / 8; i++)
		((volatile uint64_t *)page)[i] = 0;
	return page;
}

void page_free(void *page)
{
	*(void **)page = free_list;
	free_list = page;
}

uint64_t pages_left(void)
{
	return mapped_pfn - next_pfn;
}

int page_give(void *page)
{
	uint64_t mfn = p2m[PFN(page)], tries;

	if (update_va(page, 0))
		return -1;
	if (release_page(page))
		return -2;
	/* Another vCPU's call may hold a reference for a moment. */
	for (tries = 0; tries < 10000; tries++) {
		if (update_va(page, mfn << 12 | P))
			return 0;
		if (update_va(page, 0))
			return -3;
	}
	return -4;
}

int page_take(void *page)
{
	populate_page(page);
	if (update_va(page, p2m[PFN(page)] << 12 | P | RW | A | D))
		return -1;
	memset(page, 0, PAGE);
	return 0;
}

uint32_t xen_features(void)
{
	struct xen_feature_info info = { .submap_idx = 0 };

	if (hypercall5(__HYPERVISOR_xen_version, XENVER_get_features,
		       (uint64_t)&info, 0, 0, 0))
		return 0;
	return info.submap;
}

/*
 * What the library asks for is in a table of ours, so nothing faults here. A
 * frame that is not ours has another pfn in m2p, or none.
 */
static volatile uint64_t *env_slot(void *ctx, uint64_t maddr)
{
	uint64_t pfn;

	(void)ctx;
	pfn = m2p[maddr >> 12];
	if (__builtin_expect(pfn >= mapped_pfn || p2m[pfn] != maddr >> 12, 0))
		return NULL;
	return (uint64_t *)(VIRT_BASE + (pfn << 12) + (maddr & (PAGE - 1)));
}

struct ptebatch_env xen_env = { .hypercall = env_hypercall, .slot = env_slot };

void mm_init(void)
{
	struct xen_machphys_mapping mapping;
	uint64_t end = start_info->nr_pages, va, *table;
	unsigned int i;

	p2m = (uint64_t *)start_info->mfn_list;
	l4 = virt_to_maddr((void *)start_info->pt_base);
	/* In use: up to the boot stack, the page after the page tables. */
	next_pfn = PFN(start_info->pt_base) + start_info->nr_pt_frames + 1;
	if (hypercall5(__HYPERVISOR_memory_op, XENMEM_machphys_mapping,
		       (uint64_t)&mapping, 0, 0, 0))
		panic("no machine-to-physical table");
	max_mfn = mapping.max_mfn;

	/* What the builder mapped; tables lie below next_pfn. */
	mapped_pfn = next_pfn;
	for (va = VIRT_BASE + (next_pfn << 12);
	     (*maddr_to_virt(walk(va, 2)) & P) &&
	     (*maddr_to_virt(walk(va, 1)) & P);
	     va += PAGE)
		mapped_pfn++;

	if (end > MAPPED_PAGES)
		end = MAPPED_PAGES;
	while (mapped_pfn < end) {
		va = VIRT_BASE + (mapped_pfn << 12);
		if (va & (512 * PAGE - 1))
			panic("the builder's map ends inside a table");
		table = page_alloc();
		for (i = 0; i < 512 && mapped_pfn + i < end; i++)
			table[i] = p2m[mapped_pfn + i] << 12 | P | RW | A | D;
		install_table(va, 1, table);
		mapped_pfn += i;
	}

	/* A domU has to ask for it: Xen emulates writes to page tables. */
	if (hypercall5(__HYPERVISOR_vm_assist, VMASST_CMD_enable,
		       VMASST_TYPE_writable_pagetables, 0, 0, 0))
		panic("no emulation of writes to page tables");
	if (update_va(shared_info, start_info->shared_info | P | RW))
		panic("shared info not mapped");
	if (xen_features() & 1u << XENFEAT_mmu_pt_update_preserve_ad)
		xen_env.features = PTEBATCH_ENV_PRESERVE_AD;
}
