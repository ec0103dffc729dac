/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of the module that stop half way, after some entries or in the
 * middle of a list. The test module hypercall.ko stops them, where Xen would if
 * it refused an entry. Memory must be as if nothing had happened.
 */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARAMETERS "/sys/module/hypercall/parameters/"
#define STATUS "/sys/kernel/debug/ptebatch/status"
#define MINE "/proc/self/status"

/* What is stopped; the numbers are those of hypercall.ko. */
enum calls {
	RUNS = 1,
	VALUES = 2,
	MMUEXT = 4
};

/* Where calls stop, and whether it is because old values cannot be stored. */
struct stop {
	unsigned int after;
	bool lost;
};

static const struct stop stops[] = {
	{ 0, false },	{ 1, false },	{ 17, false },
	{ 100, false }, { 300, false }, { 511, false },
	{ 1, true },	{ 64, true },	{ 512, true },
};
#define STOPS (sizeof(stops) / sizeof(*stops))

/*
 * all_allow() for every fifth page. A refused access is a signal, which takes
 * longer than all the rest, and what a stopped call has left is contiguous.
 */
static bool some_allow(const struct range *r, int prot)
{
	return all_allow(&(struct range){ r->p, r->pages, 5 }, prot);
}

/* The sum of all paths. */
static long failures(void)
{
	char buf[16384], *rest = buf, *line, *at;
	long sum = 0;

	slurp(STATUS, buf, sizeof(buf));
	while ((line = strsep(&rest, "\n"))) {
		at = strstr(line, ".failures ");
		sum += at ? atol(strchr(at, ' ')) : 0;
	}
	return sum;
}

static long stopped(void)
{
	char text[32];

	return atol(slurp(PARAMETERS "stopped", text, sizeof(text)));
}

static struct {
	const char *path;
	long failures, stopped;
	long of_path, of_all; /* of the whole test */
} now;

static long failures_of(const char *path)
{
	char name[40];

	snprintf(name, sizeof(name), "%s.failures ", path);
	return counter(name);
}

static void needs_stops(const char *path)
{
	needs_own_machine();
	if (!takes_all(path))
		skip("no calls that could be stopped");
	if (load_module("hypercall") || access(PARAMETERS "stop", W_OK))
		skip("no module hypercall");
	now.path = path;
	now.of_path = failures_of(path);
}

/* From here on, such calls of this process and of its children stop there. */
static void stop_calls(int calls, const struct stop *at)
{
	char text[64];

	now.failures = failures();
	now.stopped = stopped();
	snprintf(text, sizeof(text), "%d,%d,%u,%d", getpid(), calls, at->after,
		 at->lost);
	CHECK(!spit(PARAMETERS "stop", text));
}

/* Ends this. The module has counted each call that was stopped. */
static void let_calls_pass(void)
{
	long n;

	CHECK(!spit(PARAMETERS "stop", "0"));
	n = stopped() - now.stopped;
	if (failures() - now.failures != n)
		say("# %ld calls were stopped, the module counted %ld", n,
		    failures() - now.failures);
	CHECK(failures() - now.failures == n);
	now.of_all += n;
}

/* Ends the test: the path's own calls must have been among those stopped. */
static void stops_done(void)
{
	long n = failures_of(now.path) - now.of_path;

	say("# %ld calls of %s were stopped, of %ld", n, now.path, now.of_all);
	CHECK(n > 0);
}

static void needs_swap(void)
{
	const char *why = swap_on();

	if (why)
		skip(why);
}

static void page_out(const struct range *r)
{
	CHECK(!madvise(r->p, r->pages * PAGE, MADV_PAGEOUT));
}

/* Shared memory, all of which has been written to. */
static struct range shared(size_t pages, uint64_t seed)
{
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range r = { mmap(place(pages * PAGE), pages * PAGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			   pages, 1 };

	CHECK(r.p != MAP_FAILED);
	/* Pages that are mapped by a read are not dirty because of that. */
	CHECK(zero(&r));
	fill(&r, seed);
	close(fd);
	return r;
}

/* The same memory, mapped a second time. */
static struct range again(const struct range *r)
{
	struct range other = *r;

	other.p = mremap(r->p, 0, r->pages * PAGE, MREMAP_MAYMOVE);
	CHECK(other.p != MAP_FAILED);
	return other;
}

/* --- mprotect ------------------------------------------------------------- */

static void some_written(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
}

static void protects(void)
{
	struct range r = { anon(1500), 1500, 1 };
	struct range shm, two, one;

	needs_stops("mprotect");
	shm = shared(600, 1);
	two = (struct range){ r.p + 500 * PAGE, 40, 1 };
	one = (struct range){ r.p + 7 * PAGE, 1, 1 };
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		fill(&r, 1);
		/* A fork leaves all pages shared; writes take some back. */
		in_child(some_written, &r);
		fill(&(struct range){ r.p, 1500, 5 }, 1);
		stop_calls(RUNS | VALUES, &stops[i]);
		CHECK(!protect(&r, PROT_READ));
		CHECK(!protect(&shm, PROT_READ));
		let_calls_pass();
		CHECK(some_allow(&r, PROT_READ) && holds(&r, 1));
		CHECK(some_allow(&shm, PROT_READ) && holds(&shm, 1));

		stop_calls(RUNS | VALUES, &stops[i]);
		CHECK(!protect(&two, RW) && !protect(&one, RW));
		let_calls_pass();
		CHECK(all_allow(&two, RW) && all_allow(&one, RW));
		CHECK(allowed(two.p - PAGE) == PROT_READ);
		CHECK(allowed(two.p + 40 * PAGE) == PROT_READ);

		stop_calls(RUNS | VALUES, &stops[i]);
		CHECK(!protect(&r, PROT_NONE) && !protect(&shm, PROT_NONE));
		let_calls_pass();
		CHECK(some_allow(&r, PROT_NONE) && some_allow(&shm, PROT_NONE));

		stop_calls(RUNS | VALUES, &stops[i]);
		CHECK(!protect(&r, RW) && !protect(&shm, RW));
		let_calls_pass();
		CHECK(holds(&r, 1) && holds(&shm, 1));
		fill(&r, 2);
		fill(&shm, 1);
		CHECK(holds(&r, 2) && holds(&shm, 1));
	}
	stops_done();
}

/* --- mremap --------------------------------------------------------------- */

static void move(struct range *r)
{
	char *to = place((r->pages + 8) * PAGE) + 3 * PAGE;

	if (((uintptr_t)r->p ^ (uintptr_t)to) % (512 * PAGE) == 0)
		to += PAGE;
	CHECK(mremap(r->p, r->pages * PAGE, r->pages * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	r->p = to;
}

/* Moves the range while calls stop; nothing of it may change. */
static void moves_stopped(struct range *r, int calls, const struct stop *at)
{
	const char *old = r->p;
	const long rss = smaps(r->p, "Rss"), swap = smaps(r->p, "Swap:");
	const size_t there = pages_with(r, PM_PRESENT);
	const size_t out = pages_with(r, PM_SWAPPED);
	const size_t own = pages_with(r, PM_EXCLUSIVE);

	stop_calls(calls, at);
	move(r);
	let_calls_pass();
	CHECK(smaps(r->p, "Rss") == rss && smaps(r->p, "Swap:") == swap);
	CHECK(pages_with(r, PM_PRESENT) == there);
	CHECK(pages_with(r, PM_SWAPPED) == out);
	CHECK(pages_with(r, PM_EXCLUSIVE) == own);
	/* As some_allow(). */
	for (size_t i = 0; i < r->pages; i += 5)
		CHECK(read_faults(old + i * PAGE));
}

static void moves(void)
{
	static const int calls[] = { RUNS, VALUES, RUNS | VALUES };
	struct range r = { anon(700), 700, 1 };
	struct range most = { NULL, 700, 3 }, shm, other;

	needs_stops("mremap");
	needs_swap();
	shm = shared(600, 1);
	other = again(&shm);
	/* Each kind of call stops both ways. */
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		const struct stop *at = &stops[i];

		/* Pages that are written to, read, in swap, or not there. */
		CHECK(!madvise(r.p, r.pages * PAGE, MADV_DONTNEED));
		most.p = r.p;
		fill(&most, i);
		page_out(&most);
		CHECK(*(uint64_t *)r.p == i);
		for (size_t k = 1; k < r.pages; k += 3)
			CHECK(*(uint64_t *)(r.p + k * PAGE) == 0);
		fill(&(struct range){ r.p + 300 * PAGE, 400, 3 }, i + 300);
		if (!tap.reasons && i == 0)
			CHECK(pages_with(&r, PM_SWAPPED) > 50);
		moves_stopped(&r, calls[i % 3], at);
		most.p = r.p;
		CHECK(holds(&most, i));
		for (size_t k = 1; k < r.pages; k += 3)
			CHECK(*(uint64_t *)(r.p + k * PAGE) == 0);
		fill(&r, 1);
		CHECK(!protect(&r, PROT_NONE));
		moves_stopped(&r, calls[i % 3], at);
		CHECK(some_allow(&r, PROT_NONE));
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, 1));

		/* Only the entry tells that a page was written to. */
		CHECK(holds(&shm, i + 1));
		fill(&shm, i + 2);
		moves_stopped(&shm, calls[i % 3], at);
		CHECK(holds(&shm, i + 2));
		CHECK(!madvise(shm.p, shm.pages * PAGE, MADV_DONTNEED));
		page_out(&other);
		CHECK(pages_with(&other, PM_PRESENT) <= other.pages / 10);
	}
	CHECK(holds(&other, STOPS + 1));
	stops_done();
}

/* --- madvise and clear_refs ------------------------------------------------ */

static void advises(void)
{
	struct range r = { anon(900), 900, 1 };
	struct range even = { r.p, 900, 2 };
	size_t dropped;

	needs_stops("madvise");
	needs_swap();
	/* Advice about pages that another CPU has just added has no effect. */
	pin(0);
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		fill(&r, 1);
		settle();
		stop_calls(RUNS, &stops[i]);
		CHECK(!madvise(r.p, r.pages * PAGE, MADV_COLD));
		let_calls_pass();
		CHECK(smaps(r.p, "Referenced") == 0);
		CHECK(holds(&r, 1));

		settle();
		stop_calls(RUNS, &stops[i]);
		CHECK(!madvise(r.p, r.pages * PAGE, MADV_FREE));
		let_calls_pass();
		CHECK(holds(&r, 1));
		fill(&even, 2);
		page_out(&r);
		CHECK(holds(&even, 2));
		dropped = 0;
		for (size_t k = 1; k < r.pages; k += 2) {
			uint64_t got = *(uint64_t *)(r.p + k * PAGE);

			CHECK(got == 0 || got == 1 + k);
			dropped += !got;
		}
		CHECK(dropped >= 300);

		fill(&r, 3);
		settle();
		stop_calls(RUNS, &stops[i]);
		page_out(&r);
		let_calls_pass();
		CHECK(pages_with(&r, PM_SWAPPED) >= 800);
		CHECK(holds(&r, 3));
	}
	stops_done();
}

static void refs(void)
{
	struct range r = { anon(900), 900, 1 };
	bool tracks;

	needs_stops("refs");
	fill(&r, 1);
	tracks = pagemap(r.p) & PM_SOFT_DIRTY;
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		fill(&r, i);
		settle();
		stop_calls(RUNS, &stops[i]);
		CHECK(!spit("/proc/self/clear_refs", "1"));
		let_calls_pass();
		CHECK(smaps(r.p, "Referenced") == 0);
		CHECK(holds(&r, i));
		stop_calls(RUNS, &stops[i]);
		CHECK(!spit("/proc/self/clear_refs", "4"));
		let_calls_pass();
		CHECK(!tracks || pages_with(&r, PM_SOFT_DIRTY) == 0);
		fill(&(struct range){ r.p, 900, 3 }, i);
		CHECK(!tracks || pages_with(&r, PM_SOFT_DIRTY) == 300);
		CHECK(holds(&r, i));
	}
	stops_done();
}

static void singles(void)
{
	static const char path[] = "/sys/module/ptebatch/parameters/refs";
	struct range r = { anon(100), 100, 1 };

	needs_stops("young");
	fill(&r, 1);
	CHECK(!spit(path, "0"));
	for (size_t i = 0; i < STOPS; i++) {
		CHECK(holds(&r, 1));
		stop_calls(RUNS, &stops[i]);
		CHECK(!spit("/proc/self/clear_refs", "1"));
		let_calls_pass();
		CHECK(smaps(r.p, "Referenced") == 0);
	}
	CHECK(!spit(path, "1"));
	stops_done();
}

/* --- Copy on write, and other clears of one page ---------------------------- */

static void clears(void)
{
	struct range r = { anon(600), 600, 1 };
	struct range shm;

	needs_stops("clear");
	needs_swap();
	fill(&r, 1);
	shm = shared(600, 1);
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		stop_calls(RUNS, &stops[i]);
		in_child(copies_in_child, &r);
		let_calls_pass();
		CHECK(holds(&r, 1));

		/* Compaction moves the pages, and must not lose D. */
		fill(&shm, i);
		stop_calls(RUNS, &stops[i]);
		CHECK(!spit("/proc/sys/vm/compact_memory", "1"));
		let_calls_pass();
		CHECK(holds(&shm, i));
		page_out(&shm);
		CHECK(holds(&shm, i));
	}
	stops_done();
}

/* --- fork and exit --------------------------------------------------------- */

struct forks {
	struct range r;
	uint64_t seed;
};

static void forked(void *arg)
{
	struct forks *f = arg;

	CHECK(holds(&f->r, f->seed));
	fill(&f->r, 77);
	CHECK(holds(&f->r, 77));
}

static void forks(void)
{
	struct forks f = { { anon(1100), 1100, 1 }, 0 };

	needs_stops("fork");
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		pid_t child;

		f.seed = i;
		fill(&f.r, i);
		CHECK(!protect(&(struct range){ f.r.p, 50, 1 }, PROT_READ));
		CHECK(!protect(&(struct range){ f.r.p, 50, 1 }, RW));
		stop_calls(RUNS, &stops[i]);
		child = spawn(forked, &f);
		let_calls_pass();
		/* The child sees what was there when it was made. */
		fill(&f.r, i + 1000);
		join(child);
		CHECK(holds(&f.r, i + 1000));
	}
	stops_done();
}

#define TABLES 45

struct tables {
	char *p;
	struct turns turns;
};

static void has_tables(void *arg)
{
	struct tables *t = arg;

	for (size_t i = 0; i < TABLES; i++) {
		CHECK(t->p[i * 2 * MiB] == (char)(i + 1));
		t->p[i * 2 * MiB] = i;
	}
	for (size_t i = 0; i < TABLES; i++)
		CHECK(t->p[i * 2 * MiB] == (char)i);
	turns_give(&t->turns, 0);
	turns_wait(&t->turns, 1);
}

/* Calls stop while a process is made, or while it ends, or both. */
static void pins_stopped(struct tables *t, int calls, const struct stop *at,
			 int when)
{
	pid_t child;

	if (when & 1)
		stop_calls(calls, at);
	child = spawn(has_tables, t);
	turns_wait(&t->turns, 0);
	if (when & 1)
		let_calls_pass();
	if (when & 2)
		stop_calls(calls, at);
	turns_give(&t->turns, 1);
	join(child);
	if (when & 2)
		let_calls_pass();
	for (size_t i = 0; i < TABLES; i++)
		CHECK(t->p[i * 2 * MiB] == (char)(i + 1));
}

static void pins(void)
{
	struct tables t = { .p = place(TABLES * 2 * MiB) };

	needs_stops("pin");
	turns_init(&t.turns);
	CHECK(mmap(t.p, TABLES * 2 * MiB, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == t.p);
	for (size_t i = 0; i < TABLES; i++)
		t.p[i * 2 * MiB] = i + 1;
	for (size_t i = 0; i < 3 && !tap.reasons; i++)
		for (int when = 1; when <= 3; when++) {
			pins_stopped(&t, VALUES, &stops[i], when);
			pins_stopped(&t, MMUEXT, &stops[i], when);
			pins_stopped(&t, VALUES | MMUEXT, &stops[i], when);
		}
	stops_done();
}

/* --- Faults and munmap ------------------------------------------------------ */

static void faults(void)
{
	struct range r = { NULL, 700, 1 };
	struct range all;

	needs_stops("fault");
	all = shared(700, 1);
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		if (stops[i].lost)
			break;
		r = again(&all);
		CHECK(smaps(r.p, "Rss") == 0);
		stop_calls(VALUES, &stops[i]);
		for (size_t k = 0; k < r.pages; k++)
			*(volatile char *)(r.p + k * PAGE);
		let_calls_pass();
		CHECK(pages_with(&r, PM_PRESENT) == r.pages);
		CHECK(smaps(r.p, "Rss") == (long)r.pages * 4);
		CHECK(holds(&r, 1) && all_allow(&r, RW));
		CHECK(!munmap(r.p, r.pages * PAGE));
	}
	CHECK(!munmap(all.p, all.pages * PAGE));
	stops_done();
}

/*
 * Whether such a counter is right. The kernel updates it late, for some dozens of
 * faults at a time. When the process ends, it complains if a counter is not 0.
 */
static bool rss_is(const char *kind, long kb)
{
	const long got = field(MINE, kind);

	if (labs(got - kb) > 256)
		say("# %s is %ld instead of %ld kB", kind, got, kb);
	return labs(got - kb) <= 256;
}

static void unmaps(void)
{
	struct range r = { NULL, 900, 1 };
	struct range own, shm, other;

	needs_stops("munmap");
	needs_swap();
	other = shared(700, 0);
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		const long anonymous = field(MINE, "RssAnon");
		const long sharing = field(MINE, "RssShmem");

		settle();
		r.p = anon(r.pages);
		fill(&(struct range){ r.p, 900, 3 }, 1);
		for (size_t k = 1; k < r.pages; k += 3)
			CHECK(*(uint64_t *)(r.p + k * PAGE) == 0);
		/* Pages of a file beside copies of others, and holes. */
		own = other;
		own.p = mmap(place(700 * PAGE), 700 * PAGE, RW,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     -1, 0);
		CHECK(own.p != MAP_FAILED);
		fill(&(struct range){ own.p, 700, 2 }, 1);
		shm = again(&other);
		fill(&shm, i);

		stop_calls(RUNS, &stops[i]);
		CHECK(!madvise(r.p, 300 * PAGE, MADV_DONTNEED));
		CHECK(!munmap(r.p, r.pages * PAGE));
		CHECK(!munmap(own.p, own.pages * PAGE));
		CHECK(!munmap(shm.p, shm.pages * PAGE));
		let_calls_pass();
		for (size_t k = 0; k < 700; k += 7)
			CHECK(read_faults(r.p + k * PAGE) &&
			      read_faults(own.p + k * PAGE) &&
			      read_faults(shm.p + k * PAGE));
		CHECK(rss_is("RssAnon", anonymous));
		CHECK(rss_is("RssShmem", sharing));
		/* What was written by the mapping that is gone is kept. */
		page_out(&other);
		CHECK(holds(&other, i));
		page_out(&other);
	}
	stops_done();
}

/* --- Foreign pages ---------------------------------------------------------- */

/* An entry that Xen refuses is the only one that is not mapped. */
static void foreign(void)
{
	struct range all = { NULL, FOREIGN_PAGES, 1 };
	int domain;

	needs_stops("foreign");
	domain = foreign_domain();
	if (domain < 0)
		skip("no foreign pages");
	all.p = foreign_map(domain);
	fill(&all, 1);
	for (size_t i = 0; i < STOPS && !tap.reasons; i++) {
		size_t refused = 0, lacking = 0;
		char *p;

		if (stops[i].lost)
			break;
		stop_calls(VALUES, &stops[i]);
		p = foreign_map_some(domain, &refused);
		let_calls_pass();
		for (size_t k = 0; k < FOREIGN_PAGES; k++) {
			if (read_faults(p + k * PAGE)) {
				lacking++;
				continue;
			}
			CHECK(!memcmp(p + k * PAGE, all.p + k * PAGE, 64));
		}
		CHECK(lacking == refused);
		CHECK(stops[i].after >= 128 || refused > 0);
		CHECK(refused <= FOREIGN_PAGES);
		CHECK(!munmap(p, FOREIGN_PAGES * PAGE));
	}
	CHECK(holds(&all, 1));
	CHECK(!munmap(all.p, FOREIGN_PAGES * PAGE));
	CHECK(foreign_end(domain));
	stops_done();
}

const struct test tests_stop[] = {
	{ "a hypercall stops half way: mprotect", protects },
	{ "a hypercall stops half way: mremap", moves },
	{ "a hypercall stops half way: madvise", advises },
	{ "a hypercall stops half way: clear_refs", refs },
	{ "a hypercall stops half way: reclaim's question for one page",
	  singles },
	{ "a hypercall stops half way: copy on write and migration", clears },
	{ "a hypercall stops half way: fork", forks },
	{ "a hypercall stops half way: pinning tables", pins },
	{ "a hypercall stops half way: faults", faults },
	{ "a hypercall stops half way: munmap", unmaps },
	{ "a hypercall stops half way: foreign pages", foreign },
	{ NULL, NULL },
};
