/* SPDX-License-Identifier: MIT */
/*
 * Pages of another domain mapped by grants, as a backend maps its frontend's.
 * Xen lets only grant operations change the PTEs of such a mapping. An MMU
 * notifier tells the gntdev driver when the mapping is about to change, and the
 * driver then unmaps the grants. In these tests both domains are dom0.
 */
#define _GNU_SOURCE
#include "tests.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 64

struct alloc_gref {
	uint16_t domain, flags; /* 1: writable */
	uint32_t count;
	uint64_t index;
	uint32_t refs[PAGES];
};

struct map_grant_ref {
	uint32_t count, pad;
	uint64_t index;
	struct {
		uint32_t domain, ref;
	} refs[PAGES];
};

/* The size in the ioctl numbers is that of a request for one reference. */
#define ALLOC_GREF _IOC(_IOC_NONE, 'G', 5, 24)
#define MAP_GRANT_REF _IOC(_IOC_NONE, 'G', 0, 24)

static struct alloc_gref granted = { .flags = 1, .count = PAGES };

static int device(const char *module, const char *path)
{
	int fd;

	if (access("/sys/hypervisor/type", R_OK))
		skip("no Xen, so no grants");
	if (load_module(module))
		skip("no modules for grants");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip(path);
	return fd;
}

static struct range map(int fd, uint64_t index)
{
	struct range r = { place(PAGES * PAGE), PAGES, 1 };

	CHECK(mmap(r.p, PAGES * PAGE, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		   index) == r.p);
	return r;
}

/* Maps pages that are granted to domain 0, in the granting domain. */
static struct range give(void)
{
	int fd = device("xen-gntalloc", "/dev/xen/gntalloc");
	struct range r;

	if (ioctl(fd, ALLOC_GREF, &granted))
		skip("no grants to be had");
	r = map(fd, granted.index);
	close(fd);
	return r;
}

/* Maps the granted pages by their grants. The granting domain is number 0. */
static struct range take(void)
{
	struct map_grant_ref refs = { .count = PAGES };
	int fd = device("xen-gntdev", "/dev/xen/gntdev");
	struct range r;

	for (int i = 0; i < PAGES; i++)
		refs.refs[i].ref = granted.refs[i];
	CHECK(!ioctl(fd, MAP_GRANT_REF, &refs));
	r.p = mmap(place(PAGES * PAGE), PAGES * PAGE, RW, MAP_SHARED, fd,
		   refs.index);
	if (r.p == MAP_FAILED)
		skip("grants cannot be mapped: this is not dom0");
	r.pages = PAGES;
	r.step = 1;
	close(fd);
	return r;
}

static void not_inherited(void *arg)
{
	struct range *r = arg;

	CHECK(read_faults(r->p) && read_faults(r->p + (PAGES - 1) * PAGE));
}

static void inherited(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 4));
	CHECK(!protect(r, PROT_READ));
	CHECK(all_allow(r, PROT_READ));
}

/* The granting side's mapping has rights of its own. */
static void rights(const struct range *given, const struct range *taken)
{
	fill(given, 1);
	CHECK(!protect(given, PROT_READ));
	CHECK(all_allow(given, PROT_READ));
	if (taken) {
		CHECK(holds(taken, 1));
		fill(taken, 2);
		CHECK(holds(given, 2));
	}
	CHECK(!protect(given, PROT_NONE));
	CHECK(all_allow(given, PROT_NONE));
	CHECK(!protect(given, RW));
	fill(given, 3);
	CHECK(all_allow(given, RW) && holds(given, 3));
}

static void leave_taken(void *arg)
{
	struct range r = take();

	(void)arg;
	fill(&r, 7);
}

static void grants(void)
{
	struct range given = give(), taken, part, r = { anon(600), 600, 1 };

	rights(&given, NULL);
	taken = take();
	rights(&given, &taken);
	/* Other memory of a process that has an MMU notifier. */
	walk(&(struct walk){ r, false, 0 }, 100);
	fill(&taken, 4);
	in_child(not_inherited, &taken);
	in_child(inherited, &given);
	CHECK(all_allow(&given, RW) && holds(&taken, 4));
	/* The grants of the changed part are unmapped, and no others. */
	part = (struct range){ taken.p + 8 * PAGE, 8, 1 };
	CHECK(!protect(&part, PROT_READ));
	CHECK(try_read(part.p).signo == SIGBUS);
	CHECK(try_read(part.p + 7 * PAGE).signo == SIGBUS);
	part = (struct range){ taken.p + 16 * PAGE, PAGES - 16, 1 };
	fill(&part, 5);
	CHECK(holds(&(struct range){ given.p + 16 * PAGE, PAGES - 16, 1 }, 5));
	CHECK(holds(&(struct range){ given.p, 16, 1 }, 4));
	CHECK(!munmap(taken.p, PAGES * PAGE));
	CHECK(read_faults(taken.p) && read_faults(part.p));
	/*
	 * The pages can be mapped again, also after a process exited with them.
	 */
	in_child(leave_taken, NULL);
	CHECK(holds(&given, 7));
	in_child(leave_taken, NULL);
	rights(&given, NULL);
	CHECK(!munmap(given.p, PAGES * PAGE));
}

const struct test tests_grant[] = {
	{ "grants: mprotect unmaps the grants of its range, and no others",
	  grants },
	{ NULL, NULL },
};
