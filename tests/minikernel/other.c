/* SPDX-License-Identifier: MIT */
/* Another domain; see other.h. */
#define __XEN_TOOLS__ /* for domctl.h */
#include "other.h"

#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sched.h>

static int domctl(uint32_t cmd, domid_t who, struct xen_domctl *op)
{
	op->cmd = cmd;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = who;
	return (int)hypercall5(__HYPERVISOR_domctl, (uint64_t)op, 0, 0, 0, 0);
}

static void must(uint32_t cmd, domid_t who, struct xen_domctl *op)
{
	int err = domctl(cmd, who, op);

	if (err)
		panic("no other domain: domctl %u answers %d", cmd, err);
}

/* Xen answers for the domain with this number, or with the next one. */
static int exists(domid_t who)
{
	struct xen_domctl info = { 0 };

	return !domctl(XEN_DOMCTL_getdomaininfo, who, &info) &&
	       info.domain == who;
}

int other_can_be_made(void)
{
	return exists(0); /* dom0 itself */
}

domid_t other_make(uint32_t sid, uint32_t pages)
{
	struct xen_domctl create = {
		.u.createdomain = {
			.ssidref = sid,
			.max_vcpus = 1,
			.max_grant_frames = -1,
			.max_maptrack_frames = -1,
			.grant_opts = XEN_DOMCTL_GRANT_version(1),
		},
	};
	struct xen_domctl vcpus = { .u.max_vcpus.max = 1 };
	struct xen_domctl memory = {
		.u.max_mem.max_memkb = pages * PAGE / 1024,
	};

	must(XEN_DOMCTL_createdomain, 0, &create);
	/* Xen changes no tables of a domain without a vCPU. */
	must(XEN_DOMCTL_max_vcpus, create.domain, &vcpus);
	must(XEN_DOMCTL_max_mem, create.domain, &memory);
	return create.domain;
}

uint64_t other_page(domid_t who)
{
	static xen_pfn_t next;
	xen_pfn_t frame = next++;
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = who };

	set_xen_guest_handle(r.extent_start, &frame);
	if (hypercall5(__HYPERVISOR_memory_op, XENMEM_populate_physmap,
		       (uint64_t)&r, 0, 0, 0) != 1)
		panic("no page for the other domain");
	return frame << 12;
}

int other_destroy(domid_t who)
{
	struct xen_domctl op = { 0 };
	uint32_t tries;

	must(XEN_DOMCTL_destroydomain, who, &op);
	for (tries = 0; tries < 10000 && exists(who); tries++)
		hypercall5(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
	return !exists(who);
}
