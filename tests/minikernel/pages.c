/* SPDX-License-Identifier: MIT */
/*
 * Memory functions of the tests beyond the example's mm.c: hide pages, return
 * them to Xen, and take new ones.
 */
#include "kernel.h"

#include <xen/memory.h>

uint32_t virt_to_pfn(const void *va)
{
	return (uint32_t)PFN(va);
}

int is_own_page(uint64_t maddr)
{
	return maddr_to_pfn(maddr) != NO_PFN;
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

void hide_page(void *page)
{
	if (update_va(page, 0))
		panic("page %lx cannot be hidden", (uint64_t)page);
}

/* The argument of memory_op for one page: its machine or its guest frame. */
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

int page_give(void *page)
{
	uint64_t mfn = p2m[PFN(page)], tries;

	if (update_va(page, 0))
		return -1;
	if (release_page(page))
		return -2;
	/* Another vCPU's call may hold a reference for a short time. */
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
	if (update_va(page, p2m[PFN(page)] << 12 | PAGE_RW))
		return -1;
	memset(page, 0, PAGE);
	return 0;
}
