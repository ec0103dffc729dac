/* SPDX-License-Identifier: MIT */
/*
 * Foreign pages in dom0, as a migration maps and unmaps them by the thousand.
 *
 * The foreign domain has memory but never runs. It is created through privcmd,
 * by the hypercalls that the toolstack makes. The structures below name only
 * fields that are set to something; these have the same offsets in all versions
 * of the interface.
 */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES FOREIGN_PAGES
#define NO_FRAME 0xfffffffffull /* device memory, to Xen */

struct privcmd_mmapbatch_v2 {
	uint32_t num;
	uint16_t dom;
	uint64_t addr;
	const uint64_t *arr;
	int *err;
};

#define PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, 32)

#define HYPERVISOR_MEMORY_OP 12
#define HYPERVISOR_DOMCTL 36
#define MEMORY_POPULATE_PHYSMAP 6
#define DOMCTL_CREATE 1
#define DOMCTL_DESTROY 2
#define DOMCTL_GETINFO 5
#define DOMCTL_MAX_MEM 11

struct domctl {
	uint32_t cmd, version;
	uint16_t domain, pad[3];
	union {
		struct {
			uint32_t ssidref;
			uint8_t handle[16];
			uint32_t flags, iommu_opts, max_vcpus, max_evtchn_port;
			int32_t max_grant_frames, max_maptrack_frames;
			uint32_t grant_opts;
		} create;
		uint64_t max_memkb;
		uint8_t pad[256];
	} u;
};

struct reservation {
	uint64_t *extents;
	uint64_t nr;
	uint32_t order, flags;
	uint16_t domain;
};

/* Xen accesses these directly, so their pages must be present. */
static struct domctl op;
static struct reservation reservation;
static uint64_t frames[PAGES];
static int errors[PAGES];

static int domctl(uint32_t cmd)
{
	static uint32_t version;

	op.cmd = cmd;
	if (version) {
		op.version = version;
		return hypercall(HYPERVISOR_DOMCTL, (uintptr_t)&op, 0, 0, 0, 0);
	}
	for (op.version = 0x15; op.version < 0x20; op.version++) {
		int ret = hypercall(HYPERVISOR_DOMCTL, (uintptr_t)&op, 0, 0, 0, 0);

		if (ret >= 0 || errno != EACCES) {
			version = op.version;
			return ret;
		}
	}
	return -1;
}

/* Makes the domain. Returns its number, or -1. */
static int make_domain(void)
{
	int domain;

	memset(&op, 0, sizeof(op));
	memset(frames, 0, sizeof(frames));
	memset(errors, 0, sizeof(errors));
	op.u.create.max_vcpus = 1;
	op.u.create.max_evtchn_port = 127;
	op.u.create.max_grant_frames = op.u.create.max_maptrack_frames = -1;
	op.u.create.grant_opts = 1; /* the version of grant tables */
	op.u.create.handle[0] = 1;
	if (domctl(DOMCTL_CREATE) < 0)
		return -1;
	domain = op.domain;
	memset(&op.u, 0, sizeof(op.u));
	op.u.max_memkb = (PAGES + 1024) * 4;
	if (domctl(DOMCTL_MAX_MEM) < 0)
		goto failed;
	for (size_t i = 0; i < PAGES; i++)
		frames[i] = i;
	reservation = (struct reservation){ frames, PAGES, 0, 0, domain };
	if (hypercall(HYPERVISOR_MEMORY_OP, MEMORY_POPULATE_PHYSMAP,
		      (uintptr_t)&reservation, 0, 0, 0) == (int)PAGES)
		return domain;
failed:
	domctl(DOMCTL_DESTROY);
	return -1;
}

/* Maps all pages that Xen does not refuse. */
static int map_at(char *p, int domain, int prot)
{
	struct privcmd_mmapbatch_v2 batch = {
		.num = PAGES,
		.dom = domain,
		.addr = (uintptr_t)p,
		.arr = frames,
		.err = errors,
	};

	if (mmap(p, PAGES * PAGE, prot, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 privcmd, 0) != p)
		die("a foreign mapping");
	return ioctl(privcmd, PRIVCMD_MMAPBATCH_V2, &batch);
}

char *foreign_map_as(int domain, int prot)
{
	char *p = place(PAGES * PAGE);

	if (map_at(p, domain, prot))
		die("a foreign mapping");
	return p;
}

char *foreign_map_some(int domain, size_t *refused)
{
	char *p = place(PAGES * PAGE);

	memset(errors, 0, sizeof(errors));
	map_at(p, domain, RW);
	*refused = 0;
	for (size_t i = 0; i < PAGES; i++)
		*refused += errors[i] != 0;
	return p;
}

char *foreign_map(int domain)
{
	return foreign_map_as(domain, RW);
}

char *foreign_map_but(int domain, const size_t *pages, size_t nr, bool *told)
{
	uint64_t was[8];
	char *p;

	for (size_t i = 0; i < nr && i < 8; i++) {
		was[i] = frames[pages[i]];
		frames[pages[i]] = NO_FRAME;
	}
	memset(errors, 0x55, sizeof(errors));
	p = foreign_map(domain);
	*told = true;
	for (size_t i = 0; i < PAGES; i++) {
		int expected = frames[i] == NO_FRAME ? -EPERM : 0;

		if (errors[i] != expected)
			say("# foreign page %zu: error %d", i, errors[i]);
		*told &= errors[i] == expected;
	}
	for (size_t i = 0; i < nr && i < 8; i++)
		frames[pages[i]] = was[i];
	return p;
}

static void measure(int domain)
{
	uint64_t down = 0, up = 0, t, took;
	bool good = true;

	for (int i = 0; i < 5; i++) {
		struct range r = { NULL, PAGES, 1 };

		t = rdtsc();
		r.p = foreign_map(domain);
		took = rdtsc() - t;
		up = !up || took < up ? took : up;
		/* The pages still hold what the previous mapping wrote. */
		good &= !i || holds(&r, i - 1);
		fill(&r, i);
		good &= holds(&r, i);
		t = rdtsc();
		good &= !munmap(r.p, PAGES * PAGE);
		took = rdtsc() - t;
		down = !down || took < down ? took : down;
		for (size_t k = 0; k < PAGES; k += 511)
			good &= read_faults(r.p + k * PAGE);
	}
	say("csv,foreign,%zu,%u,map,%.1f,%s", PAGES, cpus(), (double)up / PAGES,
	    good ? "yes" : "no");
	say("csv,foreign,%zu,%u,unmap,%.1f,%s", PAGES, cpus(),
	    (double)down / PAGES, good ? "yes" : "no");
	failed += !good;
}

int foreign_domain(void)
{
	return privcmd_open() ? make_domain() : -1;
}

/* GETINFO for a domain that is gone gives the next existing one. */
static bool gone(int domain)
{
	op.domain = domain;
	return domctl(DOMCTL_GETINFO) < 0 || op.domain != domain;
}

bool foreign_end(int domain)
{
	bool ended = false;

	if (gone(domain))
		return false;
	for (int left = 2000; left && !ended; left--) {
		op.domain = domain;
		ended = domctl(DOMCTL_DESTROY) >= 0 || errno == ESRCH;
		usleep(1000);
	}
	ended = false;
	for (int left = 2000; left && !ended; left--) {
		ended = gone(domain);
		usleep(1000);
	}
	return ended;
}

void bench_foreign(void)
{
	int domain = foreign_domain();

	if (domain < 0) {
		say("# foreign: no domU");
		return;
	}
	measure(domain);
	if (!foreign_end(domain))
		fail("foreign: the domain does not go away");
}
