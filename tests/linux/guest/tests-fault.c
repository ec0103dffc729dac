/* SPDX-License-Identifier: MIT */
/* Page faults: what a fault maps, and what it leaves alone. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AROUND 16 /* pages that a read fault maps at most */

/* --- Fault-around --------------------------------------------------------- */

static char *map(int fd, size_t pages, int prot, int flags)
{
	char *p = mmap(place(pages * PAGE), pages * PAGE, prot,
		       flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* A file of the tmpfs, with marked pages. */
static int marked(size_t pages, uint64_t seed)
{
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range r = { map(fd, pages, RW, MAP_SHARED), pages, 1 };

	fill(&r, seed);
	if (munmap(r.p, pages * PAGE))
		die("munmap");
	return fd;
}

static void maps_around(int prot, int flags)
{
	const size_t pages = 1000;
	int fd = marked(pages, 7);
	struct range r = { map(fd, pages, prot, flags), pages, 1 };
	long mapped = counter("fault.ptes "), faults;

	CHECK(smaps(r.p, "Rss") == 0);
	faults = minor_faults();
	CHECK(holds(&r, 7));
	faults = minor_faults() - faults;
	CHECK(faults <= (long)pages / AROUND + 2);
	if (mapped >= 0 && counter("fault.on ") == 1)
		CHECK(counter("fault.ptes ") - mapped >= (long)pages);
	CHECK(smaps(r.p, "Rss") == (long)pages * 4);
	CHECK(pages_with(&r, PM_PRESENT) == pages);
	CHECK(all_allow(&r, prot));
	CHECK(holds(&r, 7));
	CHECK(!munmap(r.p, pages * PAGE));
	close(fd);
}

static void around_shared(void)
{
	maps_around(PROT_READ, MAP_SHARED);
	maps_around(RW, MAP_SHARED);
}

static void around_private(void)
{
	maps_around(PROT_READ, MAP_PRIVATE);
	maps_around(RW, MAP_PRIVATE);
}

static int seven(void)
{
	return 7;
}

/* Code that is mapped around a fault can be executed, and no other page can. */
static void around_code(void)
{
	int fd = tmpfile_at("/dev/shm", 32 * PAGE), got = 0;
	char *w = map(fd, 32, RW, MAP_SHARED), *x, *ro;

	for (size_t i = 0; i < 32; i++)
		memcpy(w + i * PAGE, (const void *)seven, 64);
	x = map(fd, 32, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ro = map(fd, 32, PROT_READ, MAP_PRIVATE);
	for (size_t i = 0; i < 32; i++) {
		CHECK(!read_faults(ro + i * PAGE));
		CHECK(!try_call((int (*)(void))(x + i * PAGE), &got).signo);
		CHECK(got == 7);
		got = 0;
		CHECK(try_call((int (*)(void))(ro + i * PAGE), &got).signo ==
		      SIGSEGV);
	}
	close(fd);
}

/* Entries that exist already stay: private copies, and other rights. */
static void around_keeps(void)
{
	const size_t pages = 256;
	int fd = marked(pages, 1);
	struct range mine = { map(fd, pages, RW, MAP_PRIVATE), pages, 1 };
	struct range copies = { mine.p + PAGE, pages - 1, 4 };
	struct range all = { map(fd, pages, RW, MAP_SHARED), pages, 1 };

	fill(&copies, 2);
	CHECK(pages_with(&mine, PM_PRESENT) == pages / 4);
	for (size_t i = 0; i < pages; i += 4)
		CHECK(!read_faults(mine.p + i * PAGE));
	CHECK(pages_with(&mine, PM_PRESENT) == pages);
	CHECK(holds(&copies, 2) && holds(&all, 1));
	fill(&all, 3);
	CHECK(holds(&copies, 2));
	for (size_t i = 2; i < pages; i += 4)
		CHECK(*(uint64_t *)(mine.p + i * PAGE) ==
		      *(uint64_t *)(all.p + i * PAGE));
	close(fd);
}

/* Holes are not mapped, and nothing beyond the end of the file is. */
static void around_ends(void)
{
	const size_t pages = 64;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	char *w = map(fd, pages, RW, MAP_SHARED);
	struct range r = { NULL, pages, 1 };

	for (size_t i = 0; i < pages; i += 2)
		w[i * PAGE] = 'a' + i % 26;
	CHECK(!ftruncate(fd, 40 * PAGE + 100));
	r.p = map(fd, pages, PROT_READ, MAP_SHARED);
	for (size_t i = 0; i <= 40; i += 2)
		CHECK(r.p[i * PAGE] == (char)('a' + i % 26));
	CHECK(pages_with(&r, PM_PRESENT) == 21);
	CHECK(r.p[40 * PAGE + 100] == 0);
	CHECK(try_read(r.p + 41 * PAGE).signo == SIGBUS);
	CHECK(try_read(r.p + 63 * PAGE).signo == SIGBUS);
	CHECK(!ftruncate(fd, pages * PAGE));
	CHECK(zero(&(struct range){ r.p + 41 * PAGE, pages - 41, 1 }));
	close(fd);
}

/* The area is smaller than what a fault maps, and lies across two tables. */
static void around_bounds(void)
{
	const size_t table = 512 * PAGE;
	int fd = marked(1024, 5);
	char *p = place(2 * table), *at = p + table - 3 * PAGE;

	CHECK(mmap(at, 6 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
		   500 * PAGE) == at);
	for (int i = 0; i < 6; i++)
		CHECK(*(uint64_t *)(at + i * PAGE) != 0);
	CHECK(smaps(at, "Rss") == 24);
	CHECK(read_faults(at - PAGE) && read_faults(at + 6 * PAGE));
	close(fd);
}

/* A new process maps the pages that its parent has, by faults of its own. */
static void reads_in_child(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 9));
	CHECK(smaps(r->p, "Rss") == (long)r->pages * 4);
	CHECK(all_allow(r, PROT_READ));
}

static void around_child(void)
{
	const size_t pages = 700;
	int fd = marked(pages, 9);
	struct range r = { map(fd, pages, PROT_READ, MAP_SHARED), pages, 1 };

	in_child(reads_in_child, &r);
	CHECK(holds(&r, 9));
	in_child(reads_in_child, &r);
	close(fd);
}

/* --- Faults and removal at a time -------------------------------------- */

struct generations {
	int fd;
	size_t pages;
	char *p; /* shared by both processes: the generation that is written */
};

/*
 * Removes all pages of the file and writes it again, each time with a higher
 * number. The file's old pages are freed, and are given to others.
 */
static void write_generations(void *arg)
{
	struct generations *g = arg;
	uint64_t *now = (uint64_t *)g->p;
	static uint64_t page[PAGE / 8];
	char *other = anon(g->pages);

	pin(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t n = 1;; n++) {
		/* Only truncation unmaps the pages a second time, at its end. */
		CHECK(n % 8 ? !fallocate(g->fd,
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 0, g->pages * PAGE)
			    : !ftruncate(g->fd, 0));
		/* From here on no reader may see an older generation. */
		__atomic_store_n(now, n, __ATOMIC_SEQ_CST);
		memset(other, 0xff, g->pages * PAGE);
		for (size_t i = 0; i < g->pages; i++) {
			page[0] = page[511] = n;
			CHECK(pwrite(g->fd, page, PAGE, i * PAGE) == PAGE);
		}
		CHECK(!madvise(other, g->pages * PAGE, MADV_DONTNEED));
	}
}

/*
 * A page that is removed from a file while a fault maps it must not stay mapped: the
 * reader would see a page of an older generation, or of somebody else.
 */
static void removed_meanwhile(void)
{
	struct generations g = { .pages = 64 };
	time_t until = race_end();
	uint64_t least, seen, last, read = 0;
	pid_t writer;
	char *p;

	g.fd = tmpfile_at("/dev/shm", g.pages * PAGE);
	g.p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(g.p != MAP_FAILED);
	p = map(g.fd, g.pages, PROT_READ, MAP_SHARED);
	writer = spawn(write_generations, &g);
	pin(cpus() - 1);
	while (time(NULL) < until && !tap.reasons) {
		for (size_t i = 0; i < g.pages; i++) {
			least = __atomic_load_n((uint64_t *)g.p,
						__ATOMIC_SEQ_CST);
			if (try_load((uint64_t *)(p + i * PAGE), &seen).signo)
				continue; /* SIGBUS: beyond the end */
			if (!seen)
				continue; /* a hole */
			/*
			 * The kernel may copy byte by byte into a page that is
			 * mapped already, as a hole: the first word then has
			 * some of its bytes, and the last word has none yet.
			 */
			if (try_load((uint64_t *)(p + i * PAGE) + 511, &last)
				    .signo ||
			    last != seen)
				continue;
			read++;
			if (seen < least)
				say("# page %zu: %#lx, not %#lx or later", i,
				    seen, least);
			CHECK(seen >= least && seen < 1ul << 40);
		}
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	CHECK(read > 100);
	close(g.fd);
}

/* What both processes of the next test know. */
struct rounds {
	uint64_t written; /* the file has all its pages, of this round */
	uint64_t started; /* the reader is about to map them */
	uint64_t removed; /* and none of them any more */
	uint64_t checked; /* and the reader has seen so */
};

struct removal {
	int fd;
	size_t pages;
	struct rounds *rounds;
};

static void wait_for(const uint64_t *round, uint64_t n)
{
	while (__atomic_load_n(round, __ATOMIC_ACQUIRE) != n)
		__builtin_ia32_pause();
}

static void write_and_remove(void *arg)
{
	struct removal *r = arg;
	const size_t size = r->pages * PAGE;
	char *data = anon(r->pages);

	pin(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t n = 1;; n++) {
		for (size_t i = 0; i < r->pages; i++)
			*(uint64_t *)(data + i * PAGE) = n;
		CHECK(pwrite(r->fd, data, size, 0) == (ssize_t)size);
		__atomic_store_n(&r->rounds->written, n, __ATOMIC_RELEASE);
		wait_for(&r->rounds->started, n);
		CHECK(!fallocate(r->fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				 size));
		__atomic_store_n(&r->rounds->removed, n, __ATOMIC_RELEASE);
		wait_for(&r->rounds->checked, n);
	}
}

/* Whether no page that is mapped is one of those that were removed. */
static bool all_gone(char *p, size_t pages)
{
	static uint64_t entries[512];
	static int fd = -1;
	bool gone = true;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	CHECK(pread(fd, entries, pages * 8, (uintptr_t)p / PAGE * 8) ==
	      (ssize_t)pages * 8);
	for (size_t i = 0; i < pages; i++) {
		uint64_t seen = 0;

		if (entries[i] & PM_PRESENT)
			try_load((uint64_t *)(p + i * PAGE), &seen);
		if (seen)
			say("# page %zu of round %lu is still mapped", i, seen);
		gone &= !seen;
	}
	return gone;
}

/*
 * Each round has one fault, which maps a whole table of pages, while the same
 * pages are removed. Between finding the first page and setting its entry there
 * is time to remove this page, unless the fault keeps the page locked.
 */
static void removed_in_between(void)
{
	static const char bytes[] = "/sys/kernel/debug/fault_around_bytes";
	struct removal r = { .pages = 256 };
	time_t until = race_end();
	char before[32] = "", all[32], *p;
	uint64_t n, mapped = 0;
	pid_t writer;

	needs_own_machine();
	if (cpus() < 2)
		skip("one CPU");
	slurp(bytes, before, sizeof(before));
	snprintf(all, sizeof(all), "%lu", 512 * PAGE);
	CHECK(!spit(bytes, all));
	r.fd = tmpfile_at("/dev/shm", r.pages * PAGE);
	r.rounds = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(r.rounds != MAP_FAILED);
	p = map(r.fd, r.pages, PROT_READ, MAP_SHARED);
	writer = spawn(write_and_remove, &r);
	pin(cpus() - 1);
	for (n = 1; time(NULL) < until && !tap.reasons; n++) {
		wait_for(&r.rounds->written, n);
		__atomic_store_n(&r.rounds->started, n, __ATOMIC_RELEASE);
		for (uint64_t i = 0; i < n % 50 * 20; i++)
			__builtin_ia32_pause();
		mapped += *(volatile uint64_t *)p != 0;
		wait_for(&r.rounds->removed, n);
		CHECK(all_gone(p, r.pages));
		CHECK(!madvise(p, r.pages * PAGE, MADV_DONTNEED));
		__atomic_store_n(&r.rounds->checked, n, __ATOMIC_RELEASE);
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	say("# %lu rounds, in %lu the fault came first", n - 1, mapped);
	CHECK(mapped > 0);
	CHECK(!spit(bytes, before));
	close(r.fd);
}

/* --- Copy on write --------------------------------------------------------- */

struct copies {
	struct range r;
	uint64_t ready;	  /* round whose pages are as in the file */
	uint64_t read;	  /* round whose pages the reader has read */
	uint64_t checked; /* and has read again, after they were written to */
	uint64_t written; /* pages that have been written to, in all rounds */
	bool end;
};

static uint64_t *count_of(const struct copies *c, size_t page)
{
	return (uint64_t *)(c->r.p + page * PAGE + 64);
}

/*
 * In each round reads all pages, which are the file's, so that they are in the
 * TLB of this CPU. Then waits for one page after the other to be written to, and
 * reads it again.
 */
static void *reads_again(void *arg)
{
	struct copies *c = arg;
	uint64_t round = 0, sum = 0;

	pin(cpus() - 1);
	while (!__atomic_load_n(&c->end, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&c->ready, __ATOMIC_ACQUIRE) == round) {
			__builtin_ia32_pause();
			continue;
		}
		round++;
		for (size_t i = 0; i < c->r.pages; i++)
			sum += *(volatile uint64_t *)count_of(c, i);
		__atomic_store_n(&c->read, round, __ATOMIC_RELEASE);
		for (size_t i = 0; i < c->r.pages; i++) {
			uint64_t due = (round - 1) * c->r.pages + i + 1, got;

			while (__atomic_load_n(&c->written, __ATOMIC_ACQUIRE) <
				       due &&
			       !__atomic_load_n(&c->end, __ATOMIC_ACQUIRE))
				__builtin_ia32_pause();
			got = *(volatile uint64_t *)count_of(c, i);
			if (__atomic_load_n(&c->end, __ATOMIC_ACQUIRE))
				break;
			if (got != due)
				say("# page %zu: %lu instead of %lu", i, got,
				    due);
			CHECK(got == due);
		}
		__atomic_store_n(&c->checked, round, __ATOMIC_RELEASE);
	}
	return (void *)sum;
}

/*
 * When a page is copied for a write, all CPUs must use the copy from then on. A
 * CPU that still has the old page in its TLB would not see the write.
 */
static void copies_are_seen(void)
{
	const size_t pages = 128;
	int fd = marked(pages, 1);
	struct copies c = { .r = { map(fd, pages, RW, MAP_PRIVATE), pages,
				   1 } };
	time_t until = race_end();
	pthread_t reader;
	uint64_t round = 0;

	if (cpus() < 2)
		skip("one CPU");
	pin(0);
	CHECK(!pthread_create(&reader, NULL, reads_again, &c));
	while (round < 400 && (round < 5 || time(NULL) < until) &&
	       !tap.reasons) {
		CHECK(!madvise(c.r.p, pages * PAGE, MADV_DONTNEED));
		__atomic_store_n(&c.ready, ++round, __ATOMIC_RELEASE);
		while (__atomic_load_n(&c.read, __ATOMIC_ACQUIRE) < round)
			__builtin_ia32_pause();
		for (size_t i = 0; i < pages; i++) {
			*(volatile uint64_t *)count_of(&c, i) = c.written + 1;
			__atomic_store_n(&c.written, c.written + 1,
					 __ATOMIC_RELEASE);
		}
		while (__atomic_load_n(&c.checked, __ATOMIC_ACQUIRE) < round)
			__builtin_ia32_pause();
	}
	__atomic_store_n(&c.end, true, __ATOMIC_RELEASE);
	CHECK(!pthread_join(reader, NULL));
	close(fd);
}

void copies_in_child(void *arg)
{
	struct range *r = arg;
	long anonymous = field("/proc/self/status", "RssAnon");

	CHECK(holds(r, 1));
	for (size_t i = 0; i < r->pages; i += 2)
		*(uint64_t *)(r->p + i * PAGE + 64) = i;
	CHECK(holds(r, 1));
	for (size_t i = 0; i < r->pages; i++)
		CHECK(*(uint64_t *)(r->p + i * PAGE + 64) == (i % 2 ? 0 : i));
	CHECK(pages_with(r, PM_EXCLUSIVE) >= r->pages / 2);
	CHECK(field("/proc/self/status", "RssAnon") <= anonymous + 64);
	CHECK(all_allow(r, RW));
}

/* A child's copies are its own, and take the place of the parent's pages. */
static void copies_are_own(void)
{
	const size_t pages = 600;
	struct range r = { anon(pages), pages, 1 };
	long cleared = counter("clear.singles ");

	fill(&r, 1);
	for (int i = 0; i < 3; i++) {
		in_child(copies_in_child, &r);
		CHECK(holds(&r, 1));
		for (size_t k = 0; k < pages; k++)
			CHECK(!*(uint64_t *)(r.p + k * PAGE + 64));
	}
	if (cleared >= 0 && counter("clear.on ") == 1 &&
	    counter("clear.hypercalls ") > 0)
		CHECK(counter("clear.singles ") - cleared >= (long)pages);
}

/* --- The tables of new and ending processes ------------------------------- */

#define SPREAD 30

static void spread_child(void *arg)
{
	struct range *r = arg;

	for (int i = 0; i < SPREAD; i++) {
		CHECK(holds(&r[i], i));
		fill(&r[i], i + 100);
		CHECK(holds(&r[i], i + 100));
	}
	/* New tables beside those that came by fork. */
	for (int i = 0; i < SPREAD; i += 2)
		CHECK(!munmap(r[i].p, r[i].pages * PAGE));
	*(volatile char *)anon(1) = 1;
}

/*
 * Mappings all over the address space: in the first and last slots of tables of
 * every level, and in slots between. If one table were not found when a process
 * is made or ends, Xen would refuse to pin the tables, and Linux would complain.
 */
static void spread(void)
{
	static const size_t at[3][SPREAD / 3] = {
		{ 0, 1, 7, 8, 9, 63, 64, 255, 510, 511 },
		{ 0, 1, 7, 8, 9, 63, 64, 255, 510, 511 },
		{ 1, 2, 7, 8, 9, 15, 16, 200, 253, 254 },
	};
	struct range r[SPREAD];
	long tables = counter("pin.tables "), calls = counter("pin.hypercalls ");
	int n = 0;

	for (int level = 0; level < 3; level++) {
		const size_t each = PAGE << 9 * (level + 1);
		/* An address that no other mapping is near, or 0. */
		const size_t base =
			level < 2 ? 0x100000000000 + (each << 9) : 0;

		for (int i = 0; i < SPREAD / 3; i++, n++) {
			r[n] = (struct range){ NULL, 2, 1 };
			r[n].p = mmap((void *)(base + at[level][i] * each),
				      2 * PAGE, RW,
				      MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_FIXED_NOREPLACE,
				      -1, 0);
			CHECK(r[n].p != MAP_FAILED);
			fill(&r[n], n);
		}
	}
	for (int i = 0; i < 20; i++)
		in_child(spread_child, r);
	for (int i = 0; i < SPREAD; i++)
		CHECK(holds(&r[i], i));
	/* A walk of many tables takes a few hypercalls. */
	if (tables >= 0 && counter("pin.on ") == 1) {
		tables = counter("pin.tables ") - tables;
		calls = counter("pin.hypercalls ") - calls;
		CHECK(tables > 20 * 2 * SPREAD);
		CHECK(calls > 0 && calls * 8 < tables);
	}
}

static void nothing(void *arg)
{
	(void)arg;
}

/*
 * A table that becomes read-only or writable can be in the TLB as it was mapped
 * before. So each walk ends with a flush, however many tables there are.
 */
static void walks_flush(void)
{
	const size_t tables = 40; /* more than the module collects */
	char *p = place(tables * 2 * MiB);
	long walks, flushes;

	if (counter("pin.on ") != 1)
		skip("no module that pins tables");
	CHECK(mmap(p, tables * 2 * MiB, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
	for (size_t i = 0; i < tables; i++) {
		p[i * 2 * MiB] = 1;
		walks = counter("pin.calls ") - counter("pin.whole ");
		flushes = counter("pin.folded ");
		in_child(nothing, NULL);
		walks = counter("pin.calls ") - counter("pin.whole ") - walks;
		flushes = counter("pin.folded ") - flushes;
		if (walks != flushes)
			say("# with %zu tables more: %ld walks, %ld flushes",
			    i + 1, walks, flushes);
		CHECK(walks >= 2 && flushes == walks);
	}
}

const struct test tests_fault[] = {
	{ "fault-around: a shared mapping has the file's contents and its rights",
	  around_shared },
	{ "fault-around: a private mapping has the file's contents and its rights",
	  around_private },
	{ "fault-around: code can be executed only where it is mapped so",
	  around_code },
	{ "fault-around: entries that exist already stay", around_keeps },
	{ "fault-around: holes and the end of the file are not mapped",
	  around_ends },
	{ "fault-around: nothing is mapped outside the area", around_bounds },
	{ "fault-around: a child maps its pages by itself", around_child },
	{ "fault-around: no page stays mapped that is removed meanwhile",
	  removed_meanwhile },
	{ "fault-around: no page stays mapped that is removed before its entry is set",
	  removed_in_between },
	{ "copy on write: every CPU sees the first write to a copy",
	  copies_are_seen },
	{ "copy on write: a child's copies are its own, and are counted once",
	  copies_are_own },
	{ "fork and exit: tables all over the address space are found",
	  spread },
	{ "fork and exit: each walk of the tables ends with a TLB flush",
	  walks_flush },
	{ NULL, NULL },
};
