/* SPDX-License-Identifier: MIT */
/* Accesses by the kernel and by other processes, and special mappings. */
#define _GNU_SOURCE
#include "tests.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- System calls that read and write memory ----------------------------- */

static void system_calls_refuse(void)
{
	struct range r = { anon(64), 64, 1 };
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), pipes[2];

	CHECK(fd >= 0 && !pipe(pipes));
	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	for (size_t i = 0; i < r.pages; i++)
		FAILS(read(fd, r.p + i * PAGE, 8), EFAULT);
	CHECK(holds(&r, 1));
	CHECK(write(pipes[1], r.p, 8) == 8);
	CHECK(!protect(&r, PROT_NONE));
	for (size_t i = 0; i < r.pages; i++)
		FAILS(write(pipes[1], r.p + i * PAGE, 8), EFAULT);
	CHECK(!protect(&r, RW));
	CHECK(!mprotect(r.p + 2 * PAGE, PAGE, PROT_READ));
	CHECK(read(fd, r.p, 4 * PAGE) == (ssize_t)(2 * PAGE));
	CHECK(*(uint64_t *)(r.p + 2 * PAGE) == 1 + 2);
	CHECK(zero(&(struct range){ r.p, 2, 1 }));
	CHECK(!mprotect(r.p + 2 * PAGE, PAGE, RW));
	CHECK(read(fd, r.p, 64 * PAGE) == (ssize_t)(64 * PAGE));
	CHECK(zero(&r));
}

static ssize_t vm_io(pid_t pid, char *remote, void *local, size_t n, bool to)
{
	struct iovec mine = { local, n }, theirs = { remote, n };

	return to ? process_vm_writev(pid, &mine, 1, &theirs, 1, 0)
		  : process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
}

static void process_vm_refuses(void)
{
	struct range r = { anon(64), 64, 1 };
	uint64_t value = 99;

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	for (size_t i = 0; i < r.pages; i++)
		FAILS(vm_io(getpid(), r.p + i * PAGE, &value, 8, true), EFAULT);
	CHECK(vm_io(getpid(), r.p + 9 * PAGE, &value, 8, false) == 8);
	CHECK(value == 1 + 9);
	CHECK(!protect(&r, PROT_NONE));
	for (size_t i = 0; i < r.pages; i++)
		FAILS(vm_io(getpid(), r.p + i * PAGE, &value, 8, false),
		      EFAULT);
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 1));
	value = 98;
	CHECK(vm_io(getpid(), r.p, &value, 8, true) == 8);
	CHECK(*(uint64_t *)r.p == 98);
}

/* --- Forced writes ------------------------------------------------------- */

static void still_old(void *arg)
{
	struct range *r = arg;

	turns_wait((struct turns *)r[1].p, 0);
	CHECK(holds(&r[0], 1));
	CHECK(all_allow(&r[0], PROT_READ));
}

/* A forced write to a read-only private page goes to a read-only copy. */
static void forced_writes(void)
{
	static struct turns turns;
	struct range r[2] = { { anon(64), 64, 1 }, { (char *)&turns, 0, 1 } };
	char *shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint64_t value;
	pid_t child;

	CHECK(fd >= 0);
	fill(&r[0], 1);
	CHECK(!protect(&r[0], PROT_READ));
	turns_init(&turns);
	child = spawn(still_old, r);
	for (size_t i = 0; i < 64; i += 2) {
		value = 1000 + i;
		if (pwrite(fd, &value, 8, (uintptr_t)r[0].p + i * PAGE) != 8)
			skip("the kernel forbids forced writes");
		CHECK(*(uint64_t *)(r[0].p + i * PAGE) == 1000 + i);
		CHECK(allowed(r[0].p + i * PAGE) == PROT_READ);
	}
	turns_give(&turns, 0);
	join(child);
	/* Forced reads of pages that the process may not read. */
	CHECK(!protect(&r[0], PROT_NONE));
	for (size_t i = 0; i < 64; i += 2) {
		CHECK(pread(fd, &value, 8, (uintptr_t)r[0].p + i * PAGE) == 8);
		CHECK(value == 1000 + i);
		CHECK(allowed(r[0].p + i * PAGE) == PROT_NONE);
	}
	CHECK(!protect(&r[0], RW));
	for (size_t i = 0; i < 64; i++)
		CHECK(*(uint64_t *)(r[0].p + i * PAGE) ==
		      (i & 1 ? 1 + i : 1000 + i));
	/* Shared memory has no copy to write into. */
	CHECK(shared != MAP_FAILED);
	*shared = 5;
	CHECK(!mprotect(shared, PAGE, PROT_READ));
	CHECK(pwrite(fd, &value, 8, (uintptr_t)shared) < 0);
	CHECK(*shared == 5);
	close(fd);
}

static void traced(void *arg)
{
	struct range *r = arg;

	CHECK(!ptrace(PTRACE_TRACEME, 0, 0, 0));
	raise(SIGSTOP);
	for (size_t i = 0; i < r->pages; i++) {
		CHECK(*(uint64_t *)(r->p + i * PAGE) == 500 + i);
		CHECK(allowed(r->p + i * PAGE) == PROT_READ);
	}
	CHECK(!protect(r, RW));
	fill(r, 3);
	CHECK(holds(r, 3));
}

static void ptrace_writes(void)
{
	struct range r = { anon(32), 32, 1 };
	pid_t child;
	int state;

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	child = spawn(traced, &r);
	CHECK(waitpid(child, &state, 0) == child && WIFSTOPPED(state));
	for (size_t i = 0; i < r.pages; i++) {
		errno = 0;
		CHECK(ptrace(PTRACE_PEEKDATA, child, r.p + i * PAGE, 0) ==
			      (long)(1 + i) &&
		      !errno);
		if (ptrace(PTRACE_POKEDATA, child, r.p + i * PAGE, 500 + i)) {
			kill(child, SIGKILL);
			skip("the kernel forbids forced writes");
		}
	}
	/* The child's accesses raise signals, which are passed on to it. */
	CHECK(!ptrace(PTRACE_CONT, child, 0, 0));
	while (waitpid(child, &state, 0) == child && WIFSTOPPED(state))
		CHECK(!ptrace(PTRACE_CONT, child, 0, WSTOPSIG(state)));
	CHECK(state == 0);
	CHECK(holds(&r, 1));
	CHECK(all_allow(&r, PROT_READ));
}

/* --- Pages that the kernel keeps references to --------------------------- */

static void spliced_pages(void)
{
	struct range r = { anon(8), 8, 1 }, got = { anon(8), 8, 1 };
	struct iovec iov = { r.p, 8 * PAGE };
	int pipes[2];

	CHECK(!pipe(pipes));
	fill(&r, 1);
	CHECK(vmsplice(pipes[1], &iov, 1, 0) == (ssize_t)(8 * PAGE));
	CHECK(!protect(&r, PROT_READ));
	CHECK(holds(&r, 1));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(!munmap(r.p, 2 * PAGE)); /* the pipe still has them */
	CHECK(read(pipes[0], got.p, 8 * PAGE) == (ssize_t)(8 * PAGE));
	CHECK(holds(&got, 1));
	CHECK(!protect(&(struct range){ r.p + 2 * PAGE, 6, 1 }, RW));
	CHECK(*(uint64_t *)(r.p + 7 * PAGE) == 1 + 7);
}

static struct range buffer;
static volatile bool over;
static volatile unsigned long flips;

static void *flip(void *arg)
{
	static const int prots[] = { PROT_READ, RW };

	(void)arg;
	for (int i = 0; !over; i++, flips++) {
		if (mprotect(buffer.p, buffer.pages * PAGE, prots[i & 1]))
			break;
		sched_yield();
	}
	mprotect(buffer.p, buffer.pages * PAGE, RW);
	return NULL;
}

/*
 * Direct I/O pins the pages. Whatever happens to their protection meanwhile,
 * the data of a read that succeeds arrive, and a read that fails gives EFAULT.
 */
static void direct_io(void)
{
	const size_t bytes = 16 * PAGE;
	struct range r = { anon(64), 64, 1 };
	unsigned int good = 0, refused = 0, tries;
	const char *path = "/dev/ram0";
	pthread_t thread;
	int fd;

	if (!own_machine)
		path = "/var/tmp/guest-direct";
	else if (load_module("brd"))
		skip("no module brd");
	fill(&r, 1);
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		skip("no direct I/O");
	CHECK(pwrite(fd, r.p, 64 * PAGE, 0) == (ssize_t)(64 * PAGE));
	CHECK(!protect(&r, PROT_READ));
	FAILS(pread(fd, r.p, bytes, 0), EFAULT);
	CHECK(!protect(&r, RW));
	buffer = (struct range){ anon(16), 16, 1 };
	CHECK(!pthread_create(&thread, NULL, flip, NULL));
	for (tries = 0; tries < 20000 && (good < 300 || refused < 30);
	     tries++) {
		size_t at = tries % 4 * 16;
		ssize_t n = pread(fd, buffer.p, bytes, at * PAGE);

		if (n == (ssize_t)bytes) {
			CHECK(holds(&buffer, 1 + at));
			good++;
		} else {
			/* Pages before the refused one may have been read. */
			CHECK(n >= 0 || errno == EFAULT);
			refused++;
		}
		sched_yield();
	}
	over = true;
	CHECK(!pthread_join(thread, NULL));
	say("# %u reads landed, %u were refused, %lu flips", good, refused,
	    flips);
	CHECK(good > 0 && flips > 0);
	CHECK(pread(fd, buffer.p, bytes, 0) == (ssize_t)bytes);
	CHECK(holds(&buffer, 1));
	close(fd);
	if (!own_machine)
		unlink(path);
}

/* --- Special mappings ---------------------------------------------------- */

/* The VMA with this name in /proc/self/maps. */
static struct range named(const char *name)
{
	FILE *file = fopen("/proc/self/maps", "re");
	struct range r = { NULL, 0, 1 };
	unsigned long from, to;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, name) &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2)
			r = (struct range){ (char *)from, (to - from) / PAGE,
					    1 };
	if (file)
		fclose(file);
	return r;
}

static bool clock_runs(void)
{
	struct timespec a, b;

	return !clock_gettime(CLOCK_MONOTONIC, &a) &&
	       !clock_gettime(CLOCK_MONOTONIC, &b) &&
	       (b.tv_sec > a.tv_sec ||
		(b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
}

static void vdso_clean(void *arg)
{
	struct range *r = arg;

	CHECK(!memcmp(r->p, ELFMAG, SELFMAG));
	CHECK(clock_runs());
}

static void vdso_and_vvar(void)
{
	struct range vdso = named("[vdso]"), vvar = named("[vvar]");
	static struct turns turns;
	char first;

	if (!vdso.p || !vvar.p)
		skip("no vdso");
	turns_init(&turns);
	/* The clock's page can never be written, and works after any change. */
	FAILS(protect(&vvar, RW), EACCES);
	CHECK(write_faults(vvar.p));
	CHECK(clock_runs());
	CHECK(!protect(&vvar, PROT_NONE));
	CHECK(read_faults(vvar.p));
	CHECK(!protect(&vvar, PROT_READ));
	CHECK(!read_faults(vvar.p) && write_faults(vvar.p));
	CHECK(clock_runs());
	/* Writes to the code go to a private copy. */
	first = *vdso.p;
	CHECK(write_faults(vdso.p));
	CHECK(!protect(&vdso, RW));
	*vdso.p = first ^ 1;
	CHECK(*vdso.p == (first ^ 1));
	*vdso.p = first;
	CHECK(!protect(&vdso, PROT_READ | PROT_EXEC));
	CHECK(write_faults(vdso.p));
	CHECK(clock_runs());
	in_child(vdso_clean, &vdso);
}

/* Writes of a process to its vdso reach no other process. */
static void vdso_break(void *arg)
{
	struct range *r = arg;

	CHECK(!protect(r, RW));
	memset(r->p, 0, 64);
	CHECK(!protect(r, PROT_READ | PROT_EXEC));
	CHECK(r->p[0] == 0);
}

static void vdso_is_private(void)
{
	struct range vdso = named("[vdso]");

	if (!vdso.p)
		skip("no vdso");
	in_child(vdso_break, &vdso);
	vdso_clean(&vdso);
}

/* The BIOS area, as an example of device memory. */
static void dev_mem(void)
{
	const size_t pages = 16;
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	static char copy[16 * PAGE];
	struct range r = { NULL, pages, 1 };

	if (fd < 0)
		skip("no /dev/mem");
	r.p = mmap(place(pages * PAGE), pages * PAGE, PROT_READ,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0xf0000);
	if (r.p == MAP_FAILED)
		skip("/dev/mem cannot be mapped");
	memcpy(copy, r.p, sizeof(copy));
	for (int i = 0; i < 2; i++) {
		CHECK(!protect(&r, PROT_NONE));
		CHECK(all_allow(&r, PROT_NONE));
		CHECK(!protect(&r, PROT_READ));
		CHECK(all_allow(&r, PROT_READ));
		CHECK(!memcmp(copy, r.p, sizeof(copy)));
	}
	FAILS(protect(&r, RW), EACCES);
	CHECK(!munmap(r.p, pages * PAGE));
	CHECK(read_faults(r.p));
	close(fd);
}

static void leave_mapped(void *arg)
{
	struct range r = { foreign_map(*(int *)arg), FOREIGN_PAGES, 1 };

	CHECK(holds(&r, 2));
	fill(&r, 3);
	CHECK(holds(&r, 3));
}

static void not_inherited(void *arg)
{
	CHECK(read_faults(((struct range *)arg)->p));
}

/*
 * Pages of another domain, which only dom0 can map. Their protection is not
 * tested, because Linux cannot change it: Xen refuses the PTEs that it writes.
 */
static void foreign_pages(void)
{
	int domain = foreign_domain();
	struct range r = { NULL, FOREIGN_PAGES, 1 };
	struct range again = r;

	if (domain < 0)
		skip("no foreign pages");
	r.p = foreign_map(domain);
	/* The contents of a new domain's memory are undefined. */
	fill(&r, 1);
	again.p = foreign_map(domain);
	CHECK(holds(&again, 1));
	fill(&again, 2);
	CHECK(holds(&r, 2));
	FAILS(munmap(r.p + 100 * PAGE, 200 * PAGE), EINVAL);
	CHECK(holds(&r, 2));
	in_child(not_inherited, &r);
	CHECK(!munmap(r.p, r.pages * PAGE));
	CHECK(read_faults(r.p) && read_faults(r.p + 4095 * PAGE));
	CHECK(holds(&again, 2));
	CHECK(!munmap(again.p, again.pages * PAGE));
	in_child(leave_mapped, &domain);
	CHECK(foreign_end(domain));
}

/* A page that is refused, at the ends of tables and of batches, or between. */
static void foreign_refused(void)
{
	static const size_t bad[] = { 0, 1, 16, 127, 128, 511, 512, 4095 };
	const long before = field("/sys/kernel/debug/ptebatch/status",
				  "foreign.ptes ");
	int domain = foreign_domain();
	struct range all = { NULL, FOREIGN_PAGES, 1 };
	size_t at = 0;
	bool told;
	char *p;

	if (domain < 0)
		skip("no foreign pages");
	all.p = foreign_map(domain);
	fill(&all, 1);
	p = foreign_map_but(domain, bad, 8, &told);
	CHECK(told);
	for (size_t i = 0; i < FOREIGN_PAGES; i++) {
		if (at < 8 && bad[at] == i) {
			CHECK(read_faults(p + i * PAGE));
			at++;
			continue;
		}
		CHECK(!memcmp(p + i * PAGE, all.p + i * PAGE, 64));
		p[i * PAGE + 100] = i;
		CHECK(all.p[i * PAGE + 100] == (char)i);
	}
	CHECK(!munmap(p, FOREIGN_PAGES * PAGE));
	CHECK(!munmap(all.p, FOREIGN_PAGES * PAGE));
	CHECK(foreign_end(domain));
	if (before >= 0 &&
	    field("/sys/kernel/debug/ptebatch/status", "foreign.on ") == 1)
		CHECK(field("/sys/kernel/debug/ptebatch/status",
			    "foreign.ptes ") -
			      before ==
		      2 * (long)FOREIGN_PAGES);
}

/* Pages that are mapped without any right are mapped, and can be unmapped. */
static void foreign_none(void)
{
	int domain = foreign_domain();
	struct range r = { NULL, FOREIGN_PAGES, 1 };

	if (domain < 0)
		skip("no foreign pages");
	r.p = foreign_map_as(domain, PROT_NONE);
	CHECK(all_allow(&r, PROT_NONE));
	CHECK(!munmap(r.p, r.pages * PAGE)); /* complains of a bad entry */
	CHECK(foreign_end(domain));
}

const struct test tests_kernel[] = {
	{ "system calls refuse memory that they may not read or write",
	  system_calls_refuse },
	{ "process_vm_writev and readv respect protections",
	  process_vm_refuses },
	{ "forced writes by /proc/self/mem go into a copy, still read-only",
	  forced_writes },
	{ "ptrace writes into a copy, still read-only", ptrace_writes },
	{ "vmsplice: pages in a pipe outlive their protection", spliced_pages },
	{ "direct I/O: a read that succeeds has landed, while rights change",
	  direct_io },
	{ "special mappings: vdso and vvar keep their rules", vdso_and_vvar },
	{ "special mappings: a vdso is written in a copy", vdso_is_private },
	{ "device memory is protected and comes back", dev_mem },
	{ "foreign pages are held while mapped, and let go by munmap and exit",
	  foreign_pages },
	{ "foreign pages: one that is refused has its error, the others are mapped",
	  foreign_refused },
	{ "foreign pages: those of PROT_NONE are mapped without any right",
	  foreign_none },
	{ NULL, NULL },
};
