/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's page-table work costs, seen from user space. A row:
 *
 *   csv,WORKLOAD,PAGES,VCPUS,DIRECTION,INSTRUCTIONS_PER_PTE,CHECKED
 *
 * A figure is one interval of rdtsc around the system call, each direction by
 * itself, the cheapest of some repetitions, divided by the pages (a call of
 * one page is a call). Pages are present and dirty before. After every
 * repetition the contents are compared and the protection is tried out, at
 * every page after the first and at a sample after the others; pages that were
 * made writable must take a write without a fault of any kind, so that no work
 * is put off to the other side of the clock.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool quick;

static void row(const char *workload, size_t pages, const char *direction,
		uint64_t instructions, uint64_t ptes, bool checked)
{
	say("csv,%s,%zu,%u,%s,%.1f,%s", workload, pages, cpus(), direction,
	    (double)instructions / ptes, checked ? "yes" : "no");
	failed += !checked;
}

static void least(uint64_t *best, uint64_t took)
{
	if (!*best || took < *best)
		*best = took;
}

/* --- mprotect there and back --------------------------------------------- */

/* Whether the range refuses writes, and reads too if it is PROT_NONE. */
static bool refuses(const struct range *r, int prot, bool every)
{
	for (size_t i = 0; i < r->pages; i++) {
		if (!every && i % 37 && i != r->pages - 1)
			continue;
		if (!write_faults(r->p + i * PAGE) ||
		    (prot == PROT_NONE && !read_faults(r->p + i * PAGE)))
			return false;
	}
	return true;
}

static void there_and_back(const char *workload, const struct range *r,
			   int prot, const char *there, const char *back)
{
	size_t bytes = r->pages * PAGE;
	int repeat = r->pages < 32 ? 40 : quick ? 4 : 8;
	uint64_t down = 0, up = 0, t;
	bool good_down = true, good_up = true;
	long faults;

	for (int i = 0; i < repeat; i++) {
		fill(r, i * 0x10001);
		t = rdtsc();
		good_down &= !mprotect(r->p, bytes, prot);
		least(&down, rdtsc() - t);
		good_down &= prot == PROT_NONE || holds(r, i * 0x10001);
		good_down &= refuses(r, prot, !i);
		t = rdtsc();
		good_up &= !mprotect(r->p, bytes, PROT_READ | PROT_WRITE);
		least(&up, rdtsc() - t);
		good_up &= holds(r, i * 0x10001);
		faults = minor_faults();
		fill(r, i);
		good_up &= holds(r, i) && minor_faults() == faults;
	}
	row(workload, r->pages, there, down, r->pages, good_down);
	row(workload, r->pages, back, up, r->pages, good_up);
}

static void ro_and_rw(const char *workload, char *p, size_t pages)
{
	struct range r = { p, pages, 1 };

	there_and_back(workload, &r, PROT_READ, "ro", "rw");
}

static void none_and_back(const char *workload, char *p, size_t pages)
{
	struct range r = { p, pages, 1 };

	there_and_back(workload, &r, PROT_NONE, "none", "back");
}

static char *shm(size_t pages)
{
	int id = shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600);
	char *p = id < 0 ? MAP_FAILED : shmat(id, place(pages * PAGE), 0);

	if (p == MAP_FAILED)
		die("SysV shared memory");
	shmctl(id, IPC_RMID, NULL);
	return p;
}

static char *file(size_t pages)
{
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	char *p =
		mmap(place(pages * PAGE), pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of a file");
	close(fd);
	return p;
}

/* Half of the pages in one page table, half in the next. */
static char *anon_across(size_t pages)
{
	const size_t table = 512 * PAGE;
	char *p = place(2 * table) + table - pages / 2 * PAGE;

	p = mmap(p, pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap of anonymous memory");
	return p;
}

static void mprotects(void)
{
	static const size_t sizes[] = { 4096, 512, 32, 1 };
	static const size_t others[] = { 2048, 128, 64, 16, 8, 4, 2 };
	char *p;

	for (int i = 0; i < 4; i++) {
		p = anon(sizes[i]);
		ro_and_rw("mprotect-anon", p, sizes[i]);
		munmap(p, sizes[i] * PAGE);
	}
	/* For the plot. */
	for (int i = 0; i < 7 && !quick; i++) {
		p = anon(others[i]);
		ro_and_rw("mprotect-anon", p, others[i]);
		munmap(p, others[i] * PAGE);
	}
	p = anon_across(32);
	ro_and_rw("mprotect-anon-across", p, 32);
	munmap(p, 32 * PAGE);
	/* A page amid others: the VMA is split and merged again. */
	p = anon(64);
	memset(p, 1, 64 * PAGE);
	ro_and_rw("mprotect-anon-amid", p + 32 * PAGE, 1);
	munmap(p, 64 * PAGE);
	for (int i = 0; i < (quick ? 2 : 4); i++) {
		p = shm(sizes[i]);
		ro_and_rw("mprotect-shm", p, sizes[i]);
		if (i < 2)
			none_and_back("none-shm", p, sizes[i]);
		shmdt(p);
	}
	for (int i = 0; i < 2; i++) {
		if (quick && i != 1)
			continue;
		p = file(sizes[i]);
		ro_and_rw("mprotect-file", p, sizes[i]);
		munmap(p, sizes[i] * PAGE);
		p = anon(sizes[i]);
		none_and_back("none-anon", p, sizes[i]);
		munmap(p, sizes[i] * PAGE);
	}
}

/* --- A process that runs on two CPUs ------------------------------------- */

static volatile bool leave;
static volatile uint64_t turns;

/*
 * In user mode all the time, with the address space loaded; PAUSE lets QEMU
 * turn to the next CPU, so that little of this is counted.
 */
static void *other_thread(void *page)
{
	pin(1);
	while (!leave) {
		(*(volatile uint64_t *)page)++;
		turns++;
		__builtin_ia32_pause();
	}
	return NULL;
}

void bench_threads(void)
{
	const size_t pages = 512;
	pthread_t thread;
	uint64_t before;
	char *p, *own;

	if (cpus() < 2) {
		fail("mprotect-anon-2threads needs 2 CPUs");
		return;
	}
	p = anon(pages);
	own = anon(1);
	memset(own, 0, PAGE);
	pin(0);
	leave = false;
	if (pthread_create(&thread, NULL, other_thread, own))
		die("pthread_create");
	while (turns < 100)
		__builtin_ia32_pause();
	before = turns;
	ro_and_rw("mprotect-anon-2threads", p, pages);
	if (turns == before)
		fail("the second thread did not run");
	leave = true;
	pthread_join(thread, NULL);
	munmap(p, pages * PAGE);
	munmap(own, PAGE);
}

/* --- Processes ----------------------------------------------------------- */

/* A child that does its part when it is told, and can be waited for. */
struct child {
	pid_t pid;
	int go[2], ready[2];
};

static void pipes(struct child *c)
{
	if (pipe(c->go) || pipe(c->ready))
		die("pipe");
}

static void unpipe(struct child *c)
{
	close(c->go[0]);
	close(c->go[1]);
	close(c->ready[0]);
	close(c->ready[1]);
}

static void hear(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		die("read of a pipe");
}

static void tell(int fd)
{
	if (write(fd, "", 1) != 1)
		die("write to a pipe");
}

static bool ends_well(struct child *c)
{
	int state;

	return waitpid(c->pid, &state, 0) == c->pid && !state;
}

/* Every 2nd page is shared with a child, as fork left it. */
static void cow_2nd(void)
{
	const size_t pages = 4096;
	struct range mine = { anon(pages), pages, 2 };
	struct range common = { mine.p + PAGE, pages, 2 };
	struct child c;
	bool good = true;

	common.pages--;
	memset(mine.p, 0, pages * PAGE);
	fill(&common, 7);
	pipes(&c);
	c.pid = fork();
	if (c.pid < 0)
		die("fork");
	if (!c.pid) {
		hear(c.go[0]);
		_exit(!holds(&common, 7));
	}
	there_and_back("cow-2nd", &mine, PROT_READ, "ro", "rw");
	good &= holds(&common, 7);
	fill(&common, 9);
	tell(c.go[1]);
	good &= ends_well(&c) && holds(&common, 9);
	if (!good)
		fail("cow-2nd: a write went through to the other process");
	unpipe(&c);
	munmap(mine.p, pages * PAGE);
}

static void forks(void)
{
	const size_t pages = 8192;
	struct range r = { anon(pages), pages, 1 };
	uint64_t best = 0, t;
	bool good = true;
	struct child c;

	for (int i = 0; i < (quick ? 2 : 4); i++) {
		fill(&r, i);
		pipes(&c);
		t = rdtsc();
		c.pid = fork();
		if (!c.pid) {
			hear(c.go[0]);
			_exit(!holds(&r, i));
		}
		least(&best, rdtsc() - t);
		if (c.pid < 0)
			die("fork");
		fill(&r, i + 100);
		tell(c.go[1]);
		good &= ends_well(&c) && holds(&r, i + 100);
		unpipe(&c);
	}
	row("fork", pages, "fork", best, pages, good);
	munmap(r.p, pages * PAGE);
}

/* A process without memory of its own to speak of, as a shell's. */
static void small_process(void)
{
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < 20; i++) {
		struct child c;

		t = rdtsc();
		c.pid = fork();
		if (!c.pid)
			_exit(0);
		if (c.pid < 0)
			die("fork");
		good &= ends_well(&c);
		least(&best, rdtsc() - t);
	}
	row("fork-exit", 1, "process", best, 1, good);
}

static void exits(void)
{
	const size_t pages = 8192;
	uint64_t best = 0, t;
	bool good = true;
	struct child c;

	for (int i = 0; i < (quick ? 2 : 4); i++) {
		pipes(&c);
		c.pid = fork();
		if (c.pid < 0)
			die("fork");
		if (!c.pid) {
			struct range r = { anon(pages), pages, 1 };

			fill(&r, i);
			tell(c.ready[1]);
			hear(c.go[0]);
			_exit(!holds(&r, i));
		}
		hear(c.ready[0]);
		t = rdtsc();
		tell(c.go[1]);
		good &= ends_well(&c);
		least(&best, rdtsc() - t);
		unpipe(&c);
	}
	row("exit", pages, "exit", best, pages, good);
}

/* --- Coming and going of pages ------------------------------------------- */

static bool all_zero(const char *p, size_t pages)
{
	bool good = true;

	for (size_t i = 0; i < pages; i++)
		good &= *(const uint64_t *)(p + i * PAGE) == 0;
	return good;
}

static void munmaps(const char *workload, char *(*memory)(size_t pages))
{
	const size_t pages = 8192;
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < (quick ? 2 : 4); i++) {
		struct range r = { memory(pages), pages, 1 };

		fill(&r, i);
		good &= holds(&r, i);
		t = rdtsc();
		good &= !munmap(r.p, pages * PAGE);
		least(&best, rdtsc() - t);
		for (size_t k = 0; k < pages; k += 511)
			good &= read_faults(r.p + k * PAGE);
	}
	row(workload, pages, "unmap", best, pages, good);
}

/*
 * Pages that move to another place. The distance is no multiple of a table, so
 * that entries move, and not tables.
 */
static void moves(void)
{
	const size_t pages = quick ? 2048 : 4096, bytes = pages * PAGE;
	char *at[2] = { anon(pages), place(bytes + PAGE) + PAGE };
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < 8; i++) {
		struct range r = { at[!(i & 1)], pages, 1 };
		long faults;

		fill(&(struct range){ at[i & 1], pages, 1 }, i);
		t = rdtsc();
		good &= mremap(at[i & 1], bytes, bytes,
			       MREMAP_MAYMOVE | MREMAP_FIXED, r.p) == r.p;
		least(&best, rdtsc() - t);
		faults = minor_faults();
		good &= holds(&r, i) && read_faults(at[i & 1]);
		fill(&r, i + 1);
		good &= holds(&r, i + 1) && minor_faults() - faults <= 1;
	}
	row("mremap", pages, "move", best, pages, good);
	munmap(at[0], bytes);
}

/*
 * Advice about pages that are present, dirty and accessed. The pages are new
 * each time, since advice moves a page to another list only once.
 */
static void advise(const char *workload, size_t pages, int advice)
{
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < (quick ? 2 : 4); i++) {
		struct range r = { anon(pages), pages, 1 };

		fill(&r, i);
		t = rdtsc();
		good &= !madvise(r.p, pages * PAGE, advice);
		least(&best, rdtsc() - t);
		good &= holds(&r, i);
		munmap(r.p, pages * PAGE);
	}
	row(workload, pages, "advice", best, pages, good);
}

/*
 * What a checkpoint does, or a tool that finds the working set. The range is
 * nearly all of the process's memory.
 */
static void clear_refs(const char *workload, const char *what)
{
	const size_t pages = 4096;
	struct range r = { anon(pages), pages, 1 };
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	uint64_t best = 0, t;
	bool good = fd >= 0;

	for (int i = 0; i < (quick ? 2 : 4); i++) {
		long faults = minor_faults();

		fill(&r, i);
		t = rdtsc();
		good &= write(fd, what, 1) == 1;
		least(&best, rdtsc() - t);
		if (*what == '1')
			good &= smaps(r.p, "Referenced") == 0;
		faults = minor_faults();
		fill(&r, i + 1);
		good &= holds(&r, i + 1);
		if (*what == '4')
			good &= minor_faults() - faults >= (long)pages;
	}
	row(workload, pages, "clear", best, pages, good);
	munmap(r.p, pages * PAGE);
	close(fd);
}

static void advices(void)
{
	advise("madv-free", 4096, MADV_FREE);
	advise("madv-cold", 4096, MADV_COLD);
	clear_refs("clear-refs-1", "1");
	clear_refs("clear-refs-4", "4");
	/* Last, since swap stays on. */
	if (!swap_on())
		advise("madv-pageout", 2048, MADV_PAGEOUT);
}

/* A process that leaves a database: the pages stay, with what it wrote. */
static void detaches(void)
{
	const size_t pages = 8192;
	int id = shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600);
	struct range other = { id < 0 ? MAP_FAILED : shmat(id, NULL, 0), pages,
			       1 };
	uint64_t best = 0, t;
	bool good = true;

	if (other.p == MAP_FAILED)
		die("SysV shared memory");
	for (int i = 0; i < (quick ? 2 : 4); i++) {
		struct range r = { shmat(id, place(pages * PAGE), 0), pages,
				   1 };

		fill(&r, i);
		t = rdtsc();
		good &= !shmdt(r.p);
		least(&best, rdtsc() - t);
		good &= read_faults(r.p) && holds(&other, i);
	}
	row("shmdt", pages, "unmap", best, pages, good);
	shmdt(other.p);
	shmctl(id, IPC_RMID, NULL);
}

static void touch(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		*(volatile uint64_t *)(p + i * PAGE + 8) = i;
}

static void faults(void)
{
	const size_t pages = 128; /* no tick comes into the shortest */
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < 40; i++) {
		char *p = anon(pages);
		long before = minor_faults();

		t = rdtsc();
		touch(p, pages);
		least(&best, rdtsc() - t);
		good &= minor_faults() - before == (long)pages &&
			all_zero(p, pages);
		munmap(p, pages * PAGE);
	}
	row("fault", pages, "touch", best, pages, good);
}

/* Reads a page of each fault's 16, in shared memory that is all there. */
static void read_faults_around(const char *workload, int flags)
{
	const size_t pages = 2048;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range all = { mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0),
			     pages, 1 };
	uint64_t best = 0, t;
	bool good = true;

	if (all.p == MAP_FAILED)
		die("mmap of a file");
	fill(&all, 1);
	for (int i = 0; i < 4; i++) {
		struct range r = { mmap(place(pages * PAGE), pages * PAGE,
					PROT_READ, flags | MAP_FIXED_NOREPLACE,
					fd, 0),
				   pages, 1 };
		long faults = minor_faults();

		if (r.p == MAP_FAILED)
			die("mmap of a file");
		t = rdtsc();
		for (size_t k = 0; k < pages; k += 16)
			*(volatile char *)(r.p + k * PAGE);
		least(&best, rdtsc() - t);
		good &= minor_faults() - faults <= (long)pages / 16 + 1 &&
			holds(&r, 1) &&
			minor_faults() - faults <= (long)pages / 16 + 1;
		munmap(r.p, pages * PAGE);
	}
	row(workload, pages, "read", best, pages, good);
	munmap(all.p, pages * PAGE);
	close(fd);
}

/* The pages of a parent that a child writes to. */
static void copies(void)
{
	const size_t pages = 128;
	struct range r = { anon(pages), pages, 1 };
	uint64_t best = 0, t;
	uint64_t *took = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = took != MAP_FAILED;

	fill(&r, 1);
	for (int i = 0; i < 20 && good; i++) {
		struct child c = { .pid = fork() };

		if (c.pid < 0)
			die("fork");
		if (!c.pid) {
			t = rdtsc();
			touch(r.p, pages);
			*took = rdtsc() - t;
			_exit(!holds(&r, 1));
		}
		good &= ends_well(&c) && holds(&r, 1);
		least(&best, *took);
	}
	for (size_t k = 0; k < pages; k++)
		good &= !*(uint64_t *)(r.p + k * PAGE + 8);
	row("cow", pages, "copy", best, pages, good);
	munmap(r.p, pages * PAGE);
	munmap(took, PAGE);
}

/* What malloc does with a block that is not small. */
static void small_blocks(void)
{
	const size_t pages = 16, rounds = 64;
	char *at = place(pages * PAGE);
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < 5; i++) {
		t = rdtsc();
		for (size_t k = 0; k < rounds; k++) {
			char *p = mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			touch(p, pages);
			good &= p == at && !munmap(p, pages * PAGE);
		}
		least(&best, rdtsc() - t);
		good &= read_faults(at);
	}
	row("mmap-touch-munmap", pages, "cycle", best, pages * rounds, good);
}

static void null_calls(void)
{
	const int calls = 1000;
	pid_t parent = getppid();
	uint64_t best = 0, t;
	bool good = true;

	for (int i = 0; i < 5; i++) {
		t = rdtsc();
		for (int k = 0; k < calls; k++)
			good &= syscall(SYS_getppid) == parent;
		least(&best, rdtsc() - t);
	}
	row("getppid", 1, "call", best, calls, good);
}

void bench(bool is_quick)
{
	quick = is_quick;
	null_calls();
	small_process();
	faults();
	read_faults_around("around-shared", MAP_SHARED);
	read_faults_around("around-private", MAP_PRIVATE);
	copies();
	small_blocks();
	mprotects();
	if (!quick)
		cow_2nd();
	forks();
	munmaps("munmap", anon);
	munmaps("munmap-shared", file);
	detaches();
	exits();
	moves();
	advices();
	if (!quick)
		bench_foreign();
}
