/* SPDX-License-Identifier: MIT */
/*
 * Pages that move to other addresses (mremap), and entries whose accessed and
 * dirty bits are cleared (MADV_FREE, MADV_COLD, clear_refs).
 */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- mremap --------------------------------------------------------------- */

static void needs_swap(void)
{
	const char *why;

	needs_own_machine();
	why = swap_on();
	if (why)
		skip(why);
}

/* Moves the range to 'to', and lets the range name the new place. */
static void move(struct range *r, char *to)
{
	CHECK(mremap(r->p, r->pages * PAGE, r->pages * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	r->p = to;
}

static bool gone(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (!read_faults(p + i * PAGE))
			return false;
	return true;
}

/*
 * Every third page is used, every third is only read, and the others are not
 * there. 'from' and 'by' are where the range starts in a table, and how far
 * away it moves, both in pages.
 */
static void moves_whole(size_t pages, size_t from, size_t by)
{
	char *area = place((pages + from + by) * PAGE) + from * PAGE;
	struct range r = { area, pages, 1 }, used = { area, pages, 3 };
	struct range old = r;
	long moved = counter("mremap.ptes "), rss;
	size_t there;

	settle();
	CHECK(mmap(r.p, pages * PAGE, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == r.p);
	madvise(r.p, pages * PAGE, MADV_NOHUGEPAGE);
	fill(&used, 1);
	for (size_t i = 1; i < pages; i += 3)
		CHECK(*(uint64_t *)(r.p + i * PAGE) == 0);
	rss = smaps(r.p, "Rss");
	there = pages_with(&r, PM_PRESENT);

	move(&r, area + by * PAGE);
	used.p = r.p;
	if (takes_all("mremap") && by % 512)
		CHECK(counter("mremap.ptes ") - moved >= (long)pages);
	CHECK(smaps(r.p, "Rss") == rss);
	CHECK(pages_with(&r, PM_PRESENT) == there);
	CHECK(gone(old.p, by < pages ? by : pages));
	CHECK(holds(&used, 1));
	for (size_t i = 0; i < pages; i++)
		if (i % 3)
			CHECK(*(uint64_t *)(r.p + i * PAGE) == 0);
	fill(&r, 2);
	CHECK(holds(&r, 2));
	/* What is mapped at the old place is new. */
	CHECK(mmap(old.p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == old.p);
	CHECK(zero(&(struct range){ old.p, 1, 1 }));
	CHECK(!munmap(old.p, PAGE) && !munmap(r.p, pages * PAGE));
}

static void moves(void)
{
	moves_whole(1, 0, 1);
	moves_whole(1, 511, 1);
	moves_whole(100, 3, 300);   /* within one table */
	moves_whole(100, 450, 101); /* from two tables to one */
	moves_whole(100, 3, 450);   /* from one table to two */
	moves_whole(700, 0, 701);
	moves_whole(1500, 77, 1555);
	moves_whole(1024, 0, 1024);  /* as whole tables */
	moves_whole(1500, 77, 2048); /* whole tables amid */
	moves_whole(300, 77, 512);   /* in one table each, at the same place */
}

static void moves_beside_child(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
	move(r, place((r->pages + 1) * PAGE) + PAGE);
	CHECK(holds(r, 1));
	fill(r, 2);
	CHECK(holds(r, 2) && pages_with(r, PM_EXCLUSIVE) == r->pages);
}

/* Pages that a fork shares stay shared, and writes stay on their side. */
static void moves_cow(void)
{
	struct range r = { anon(700), 700, 1 };

	fill(&r, 1);
	in_child(moves_beside_child, &r);
	CHECK(holds(&r, 1));
	move(&r, place(800 * PAGE) + 5 * PAGE);
	CHECK(holds(&r, 1));
	fill(&r, 3);
	CHECK(holds(&r, 3));

	/* Pages of PROT_NONE hold their contents. */
	CHECK(!protect(&r, PROT_NONE));
	move(&r, place(800 * PAGE) + 9 * PAGE);
	CHECK(all_allow(&r, PROT_NONE));
	CHECK(!protect(&r, PROT_READ));
	CHECK(all_allow(&r, PROT_READ) && holds(&r, 3));
}

/*
 * exec moves the new program's stack, with the arguments, to a place that it
 * chooses at random.
 */
static void finds_arguments(void *arg)
{
	static char text[EXEC_ARGUMENTS][EXEC_LENGTH + 1];
	char *argv[EXEC_ARGUMENTS + 2] = { EXEC_NAME };
	char *none[] = { NULL };

	(void)arg;
	for (int i = 0; i < EXEC_ARGUMENTS; i++) {
		memset(text[i], 'a' + i, EXEC_LENGTH);
		argv[i + 1] = text[i];
	}
	execve("/proc/self/exe", argv, none);
	die("execve");
}

static void exec_moves(void)
{
	long moved = counter("mremap.ptes ");

	for (int i = 0; i < 20; i++)
		in_child(finds_arguments, NULL);
	if (takes_all("mremap"))
		CHECK(counter("mremap.ptes ") > moved);
}

static void moves_swapped(void)
{
	struct range r = { anon(700), 700, 1 };
	struct range odd = { r.p + PAGE, 699, 2 };
	long swapped, moved;

	needs_swap();
	fill(&r, 1);
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_PAGEOUT));
	CHECK(holds(&odd, 2)); /* half of them come back */
	swapped = pages_with(&r, PM_SWAPPED);
	CHECK(swapped >= 200);
	/* Performs TLB flushes that reclaim has put off, as a move would do. */
	CHECK(!protect(&r, PROT_READ) && !protect(&r, RW));
	moved = counter("mremap.ptes ");
	move(&r, place(800 * PAGE) + 3 * PAGE);
	if (takes_all("mremap"))
		CHECK(counter("mremap.ptes ") - moved >= (long)r.pages);
	CHECK((long)pages_with(&r, PM_SWAPPED) == swapped);
	CHECK(smaps(r.p, "Swap:") == swapped * 4);
	CHECK(holds(&r, 1));
	fill(&r, 2);
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_PAGEOUT));
	move(&r, place(800 * PAGE) + 7 * PAGE);
	CHECK(!munmap(r.p, r.pages * PAGE));
}

/*
 * Most of a range is not there: parts of tables, and tables of every level. The
 * distance is no multiple of a table, so that entries move.
 */
static void moves_sparse(void)
{
	static const uint64_t at[] = { 0,	   100,	      512,
				       262143,	   262144,    262144 * 5 + 9,
				       1ul << 27,  (1ul << 27) + 512,
				       (1ul << 29) - 1 };
	const size_t n = sizeof(at) / sizeof(*at), bytes = 1ul << 41;
	char *area = place(bytes), *to = place(bytes + PAGE) + PAGE;

	for (int i = 0; i < 2; i++) {
		char *p = area + i * 3 * PAGE;

		CHECK(mmap(p, bytes, RW,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				   MAP_FIXED_NOREPLACE,
			   -1, 0) == p);
		madvise(p, bytes, MADV_NOHUGEPAGE);
		for (size_t k = 0; k < n; k++)
			*(uint64_t *)(p + at[k] * PAGE) = k + 1;
		CHECK(mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to) == to);
		for (size_t k = 0; k < n; k++) {
			CHECK(*(uint64_t *)(to + at[k] * PAGE) == k + 1);
			CHECK(read_faults(p + at[k] * PAGE));
		}
		CHECK(smaps(to, "Rss") == (long)n * 4);
		CHECK(!munmap(to, bytes));
	}
}

/*
 * Only the entries tell that the pages were written to, so they must keep their
 * D bit. Otherwise reclaim drops the pages.
 */
static void moves_shared(void)
{
	const size_t pages = 600;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range r = { mmap(place(pages * PAGE), pages * PAGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			   pages, 1 };
	struct range other = { mmap(place(pages * PAGE), pages * PAGE, RW,
				    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			       pages, 1 };

	CHECK(r.p != MAP_FAILED && other.p != MAP_FAILED);
	needs_swap();
	CHECK(zero(&r));
	fill(&r, 1);
	move(&r, place(700 * PAGE) + 11 * PAGE);
	CHECK(holds(&r, 1) && holds(&other, 1));
	CHECK(!munmap(r.p, pages * PAGE));
	CHECK(!madvise(other.p, pages * PAGE, MADV_PAGEOUT));
	CHECK(pages_with(&other, PM_PRESENT) <= pages / 10);
	CHECK(holds(&other, 1));
	close(fd);
}

static bool clear_refs(const char *what)
{
	return !spit("/proc/self/clear_refs", what);
}

/* With soft-dirty bits, new memory counts as written to. */
static void needs_soft_dirty(void)
{
	char *p = anon(1);

	*p = 1;
	if (!(pagemap(p) & PM_SOFT_DIRTY))
		skip("the kernel has no soft-dirty");
}

/* The kernel marks all entries that it moves. */
static void moves_soft_dirty(void)
{
	struct range r = { anon(700), 700, 1 };

	needs_soft_dirty();
	fill(&r, 1);
	CHECK(clear_refs("4"));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == 0);
	move(&r, place(800 * PAGE) + 3 * PAGE);
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == r.pages);
	CHECK(holds(&r, 1));

	/* The entries of pages in swap have a soft-dirty bit of their own. */
	needs_swap();
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_PAGEOUT));
	CHECK(pages_with(&r, PM_SWAPPED) >= r.pages * 9 / 10);
	CHECK(clear_refs("4"));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == 0);
	move(&r, place(800 * PAGE) + 7 * PAGE);
	CHECK(pages_with(&r, PM_SWAPPED) >= r.pages * 9 / 10);
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == r.pages);
	CHECK(holds(&r, 1));
}

/* --- Two CPUs ------------------------------------------------------------- */

/*
 * A thread on the last CPU, which does a job when it is told to. It waits in
 * user mode, so that its CPU keeps what it has in its TLB.
 */
struct partner {
	pthread_t thread;
	void (*job)(void *);
	void *arg;
	unsigned int asked, done;
	bool end;
};

static void *partner(void *arg)
{
	struct partner *p = arg;
	unsigned int asked;

	pin(cpus() - 1);
	while (!__atomic_load_n(&p->end, __ATOMIC_ACQUIRE)) {
		asked = __atomic_load_n(&p->asked, __ATOMIC_ACQUIRE);
		if (asked != p->done) {
			p->job(p->arg);
			__atomic_store_n(&p->done, asked, __ATOMIC_RELEASE);
		}
		__builtin_ia32_pause();
	}
	return NULL;
}

static void partner_start(struct partner *p)
{
	if (cpus() < 2)
		skip("one CPU");
	pin(0);
	CHECK(!pthread_create(&p->thread, NULL, partner, p));
}

/* Has the partner do the job, and waits until it is done. */
static void partner_do(struct partner *p, void (*job)(void *), void *arg)
{
	p->job = job;
	p->arg = arg;
	__atomic_store_n(&p->asked, p->asked + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&p->done, __ATOMIC_ACQUIRE) != p->asked)
		__builtin_ia32_pause();
}

static void partner_end(struct partner *p)
{
	__atomic_store_n(&p->end, true, __ATOMIC_RELEASE);
	CHECK(!pthread_join(p->thread, NULL));
}

/* A job: writes the seed's words to the pages. Stops at a fault. */
struct stores {
	struct range r;
	uint64_t seed;
	size_t landed;
};

static void store_all(void *arg)
{
	struct stores *s = arg;

	for (s->landed = 0; s->landed < s->r.pages; s->landed++)
		if (try_store((uint64_t *)(s->r.p + s->landed * PAGE + 8),
			      s->seed + s->landed)
			    .signo)
			break;
}

static bool stored(const struct stores *s, const char *p)
{
	bool good = true;

	for (size_t i = 0; i < s->r.pages; i++)
		good &= *(uint64_t *)(p + i * PAGE + 8) == s->seed + i;
	return good;
}

/*
 * Once mremap has returned, no CPU may write to a page by its old address. What
 * was written before is in the page. Both places have neighbours, so that their
 * tables stay: a table that is freed has the TLB flushed.
 */
static void moves_for_all(void)
{
	const size_t pages = 40;
	char *at[2] = { anon(200) + 50 * PAGE, anon(200) + 55 * PAGE };
	struct stores s = { .r = { at[0], pages, 1 } };
	time_t until = race_end();
	struct partner p = {};

	partner_start(&p);
	for (int i = 0;
	     i < 400 && (i < 5 || time(NULL) < until) && !tap.reasons; i++) {
		struct range r = s.r;

		s.seed = i * pages;
		partner_do(&p, store_all, &s);
		CHECK(s.landed == pages);
		move(&r, at[!(i & 1)]);
		CHECK(stored(&s, r.p));
		s.seed += 1000000;
		partner_do(&p, store_all, &s);
		CHECK(s.landed == 0);
		s.r = r;
	}
	partner_end(&p);
}

/* --- MADV_FREE ------------------------------------------------------------ */

/* Reclaims all pages that can be. */
static void page_out(const struct range *r)
{
	CHECK(!madvise(r->p, r->pages * PAGE, MADV_PAGEOUT));
}

static size_t dropped(const struct range *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->pages; i += r->step)
		n += *(uint64_t *)(r->p + i * PAGE) == 0;
	return n;
}

static void holds_after(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
	page_out(r);
	CHECK(holds(r, 1));
}

static void freed_in_child(void *arg)
{
	struct range *r = arg;

	CHECK(!madvise(r->p, r->pages * PAGE, MADV_FREE));
	page_out(r);
}

/* Pages that were freed are dropped, but not those written to since. */
static void freed(void)
{
	struct range r = { anon(900), 900, 1 };
	struct range even = { r.p, 900, 2 };
	struct range odd = { r.p + PAGE, 899, 2 };
	long changed = counter("madvise.ptes ");
	size_t n;

	needs_swap();
	fill(&r, 1);
	settle();
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_FREE));
	CHECK(holds(&r, 1)); /* there is no shortage of memory */
	if (takes_all("madvise"))
		CHECK(counter("madvise.ptes ") - changed >= (long)r.pages);
	fill(&even, 2);
	page_out(&r);
	CHECK(holds(&even, 2));
	n = dropped(&odd);
	say("# %zu pages were dropped", n);
	CHECK(n >= 300);
	for (size_t i = 1; i < r.pages; i += 2) {
		uint64_t got = *(uint64_t *)(r.p + i * PAGE);

		CHECK(got == 0 || got == 1 + i);
	}

	/* Pages in swap are freed with it. */
	fill(&r, 3);
	page_out(&r);
	CHECK(pages_with(&r, PM_SWAPPED) >= 800);
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_FREE));
	CHECK(pages_with(&r, PM_SWAPPED) == 0);
	CHECK(dropped(&r) >= 800);

	/* What a child frees, its parent keeps, and the other way round. */
	fill(&r, 1);
	in_child(freed_in_child, &r);
	page_out(&r);
	CHECK(holds(&r, 1));
	fill(&r, 1);
	in_child(holds_after, &r);
}

/* A page that any CPU writes to after MADV_FREE is kept. */
static void freed_for_all(void)
{
	const size_t pages = 64;
	struct stores s = { .r = { anon(pages), pages, 1 } };
	time_t until = race_end();
	struct partner p = {};

	needs_swap();
	partner_start(&p);
	for (int i = 0;
	     i < 200 && (i < 5 || time(NULL) < until) && !tap.reasons; i++) {
		s.seed = 2 * i * pages + 1;
		partner_do(&p, store_all, &s);
		CHECK(!madvise(s.r.p, pages * PAGE, MADV_FREE));
		s.seed += pages;
		partner_do(&p, store_all, &s);
		page_out(&s.r);
		CHECK(stored(&s, s.r.p));
		CHECK(!madvise(s.r.p, pages * PAGE, MADV_DONTNEED));
	}
	partner_end(&p);
}

/* --- MADV_COLD ------------------------------------------------------------ */

static void read_all(void *arg)
{
	const struct range *r = arg;

	for (size_t i = 0; i < r->pages; i++)
		*(volatile char *)(r->p + i * PAGE);
}

static void cold_in_child(void *arg)
{
	struct range *r = arg;

	read_all(r);
	CHECK(!madvise(r->p, r->pages * PAGE, MADV_COLD));
	CHECK(smaps(r->p, "Referenced") >= (long)r->pages * 4);
	CHECK(holds(r, 1));
}

static void cold(void)
{
	struct range r = { anon(1000), 1000, 1 };

	fill(&r, 1);
	CHECK(!protect(&(struct range){ r.p, 100, 1 }, PROT_READ));
	CHECK(smaps(r.p + 100 * PAGE, "Referenced") == 3600);
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_COLD));
	CHECK(smaps(r.p, "Referenced") == 0);
	CHECK(smaps(r.p + 100 * PAGE, "Referenced") == 0);
	CHECK(holds(&r, 1));
	CHECK(smaps(r.p + 100 * PAGE, "Referenced") == 3600);
	CHECK(!protect(&r, RW));
	/* Advice about pages that others map, too, does nothing. */
	in_child(cold_in_child, &r);
	CHECK(holds(&r, 1));
}

/* Flags of a page's frame in /proc/kpageflags. */
#define KPF_REFERENCED (1ull << 2)
#define KPF_ACTIVE (1ull << 6)

/* How many pages of the range are present and have the flag. */
static size_t frames_with(const struct range *r, uint64_t flag)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		skip("no /proc/kpageflags");
	for (size_t i = 0; i < r->pages; i += r->step) {
		const uint64_t page = pagemap(r->p + i * PAGE);
		const uint64_t frame = page & ((1ull << 55) - 1);
		uint64_t flags = 0;

		CHECK(page & PM_PRESENT);
		CHECK(pread(fd, &flags, 8, frame * 8) == 8);
		n += !!(flags & flag);
	}
	close(fd);
	return n;
}

/*
 * Maps a file of which each page was read so many times by read(): once makes a
 * page referenced, and twice moves it to the active list.
 */
static struct range read_file(size_t pages, int times)
{
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range r = { mmap(place(pages * PAGE), pages * PAGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			   pages, 1 };
	char buf[PAGE];

	fill(&r, 1);
	for (int i = 0; i < times; i++) {
		CHECK(lseek(fd, 0, SEEK_SET) == 0);
		for (size_t k = 0; k < pages; k++)
			CHECK(read(fd, buf, PAGE) == (ssize_t)PAGE);
	}
	close(fd);
	return r;
}

/* The multi-generational LRU has no active list. */
#define GENERATIONS "/sys/kernel/mm/lru_gen/enabled"

/*
 * Pages move between the lists by the dozen, so the last ones can be late. They
 * are an eighth of these pages at most.
 */
static void cold_moves(void)
{
	const size_t pages = 400;
	struct range r;
	char was[32];

	needs_own_machine();
	slurp(GENERATIONS, was, sizeof(was));
	if (*was)
		CHECK(!spit(GENERATIONS, "0"));
	r = read_file(pages, 3);
	CHECK(frames_with(&r, KPF_ACTIVE) >= pages * 7 / 8);
	CHECK(!madvise(r.p, pages * PAGE, MADV_COLD));
	CHECK(frames_with(&r, KPF_ACTIVE) <= pages / 8);
	CHECK(frames_with(&r, KPF_REFERENCED) <= pages / 8);
	CHECK(holds(&r, 1));
	if (*was)
		CHECK(!spit(GENERATIONS, was));
}

static void refs_referenced(void)
{
	const size_t pages = 400;
	struct range r;

	needs_own_machine();
	r = read_file(pages, 1);
	CHECK(frames_with(&r, KPF_REFERENCED) >= pages * 7 / 8);
	CHECK(clear_refs("1"));
	CHECK(frames_with(&r, KPF_REFERENCED) == 0);
	CHECK(holds(&r, 1));
}

/* A page that any CPU uses after MADV_COLD counts as used. */
static void cold_for_all(void)
{
	struct range r = { anon(64), 64, 1 };
	time_t until = race_end();
	struct partner p = {};

	partner_start(&p);
	fill(&r, 1);
	for (int i = 0;
	     i < 200 && (i < 5 || time(NULL) < until) && !tap.reasons; i++) {
		partner_do(&p, read_all, &r);
		CHECK(!madvise(r.p, r.pages * PAGE, MADV_COLD));
		partner_do(&p, read_all, &r);
		CHECK(smaps(r.p, "Referenced") == 256);
	}
	CHECK(holds(&r, 1));
	partner_end(&p);
}

/* --- clear_refs ----------------------------------------------------------- */

/*
 * clear_refs leaves entries in the TLB, by which a page is used unseen. A change
 * of rights flushes them.
 */
static bool clear_used(const char *what, const struct range *a,
		       const struct range *b)
{
	return clear_refs(what) && !protect(a, PROT_READ) && !protect(a, RW) &&
	       !protect(b, PROT_READ) && !protect(b, RW);
}

static void refs_used(void)
{
	struct range r = { anon(1000), 1000, 1 };
	int fd = tmpfile_at("/dev/shm", 600 * PAGE);
	struct range file = { mmap(place(600 * PAGE), 600 * PAGE, RW,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			      600, 1 };
	long changed = counter("refs.ptes ");

	fill(&r, 1);
	fill(&file, 2);
	CHECK(smaps(r.p, "Referenced") == 4000);
	settle();
	CHECK(clear_used("1", &r, &file));
	if (takes_all("refs"))
		CHECK(counter("refs.ptes ") - changed >= 1600);
	CHECK(smaps(r.p, "Referenced") == 0);
	CHECK(smaps(file.p, "Referenced") == 0);
	CHECK(holds(&(struct range){ r.p, 1000, 4 }, 1));
	CHECK(holds(&file, 2));
	CHECK(smaps(r.p, "Referenced") == 1000);
	CHECK(smaps(file.p, "Referenced") == 2400);
	CHECK(clear_used("2", &r, &file)); /* anonymous memory */
	CHECK(smaps(r.p, "Referenced") == 0);
	CHECK(smaps(file.p, "Referenced") == 2400);
	CHECK(clear_used("3", &r, &file)); /* files */
	CHECK(smaps(file.p, "Referenced") == 0);
	CHECK(holds(&r, 1) && holds(&file, 2));
	/* Pages without any right are not used, and stay without. */
	CHECK(!protect(&r, PROT_NONE));
	CHECK(clear_refs("1"));
	CHECK(smaps(r.p, "Referenced") == 0);
	CHECK(all_allow(&(struct range){ r.p, 1000, 50 }, PROT_NONE));
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 1));
	close(fd);
}

/*
 * The same with the module's path for clear_refs off. The kernel then asks for
 * one entry at a time whether it was accessed, as reclaim does.
 */
static void refs_single(void)
{
	static const char path[] = "/sys/module/ptebatch/parameters/refs";
	const bool on = counter("refs.on ") == 1;
	long changed = counter("young.singles ");

	if (on) {
		needs_own_machine();
		CHECK(!spit(path, "0"));
	}
	refs_used();
	if (takes_all("young"))
		CHECK(counter("young.singles ") - changed >= 1600);
	if (on)
		CHECK(!spit(path, "1"));
}

static void refs_child(void *arg)
{
	struct range *r = arg;

	CHECK(clear_refs("4"));
	CHECK(holds(r, 3));
	fill(r, 5);
	CHECK(holds(r, 5) && pages_with(r, PM_SOFT_DIRTY) == r->pages);
}

static bool third_written(const struct range *r)
{
	for (size_t i = 0; i < r->pages; i++)
		if (!(pagemap(r->p + i * PAGE) & PM_SOFT_DIRTY) != !!(i % 3))
			return false;
	return true;
}

static void refs_written(void)
{
	struct range r = { anon(1000), 1000, 1 };
	int fd = tmpfile_at("/dev/shm", 600 * PAGE);
	struct range file = { mmap(place(600 * PAGE), 600 * PAGE, RW,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			      600, 1 };

	needs_soft_dirty();
	CHECK(zero(&file));
	fill(&r, 1);
	fill(&file, 1);
	CHECK(clear_refs("4"));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == 0);
	CHECK(pages_with(&file, PM_SOFT_DIRTY) == 0);
	CHECK(holds(&r, 1) && holds(&file, 1));
	fill(&(struct range){ r.p, 1000, 3 }, 2);
	fill(&(struct range){ file.p, 600, 3 }, 2);
	CHECK(third_written(&r) && third_written(&file));
	/* Read-only pages stay so, and a change of rights is no write. */
	CHECK(clear_refs("4"));
	CHECK(!protect(&r, PROT_READ));
	CHECK(all_allow(&r, PROT_READ));
	CHECK(clear_refs("4"));
	CHECK(!protect(&r, RW));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == 0);
	fill(&(struct range){ r.p, 1000, 3 }, 2);
	CHECK(third_written(&r));
	/* Pages that a fork shares. */
	fill(&r, 3);
	in_child(refs_child, &r);
	CHECK(holds(&r, 3));
}

/* What was written to shared memory before is kept, though its entry is clean. */
static void refs_keep_writes(void)
{
	const size_t pages = 600;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range r = { mmap(place(pages * PAGE), pages * PAGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			   pages, 1 };

	needs_soft_dirty();
	needs_swap();
	CHECK(zero(&r));
	fill(&r, 1);
	CHECK(clear_refs("4") && clear_refs("1"));
	page_out(&r);
	CHECK(pages_with(&r, PM_PRESENT) <= pages / 10);
	CHECK(holds(&r, 1));

	/* Entries of pages in swap are marked as well. */
	r.p = anon(pages);
	fill(&r, 1);
	page_out(&r);
	CHECK(pages_with(&r, PM_SWAPPED) >= pages * 9 / 10);
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == pages);
	CHECK(clear_refs("4"));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == 0);
	CHECK(holds(&r, 1));
	close(fd);
}

/* Pins the pages until the process ends. False if the kernel refuses. */
static bool pin_pages(const struct range *r)
{
	struct iovec buffer = { r->p, r->pages * PAGE };
	struct io_uring_params params = {};
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	return fd >= 0 && !syscall(SYS_io_uring_register, fd,
				   IORING_REGISTER_BUFFERS, &buffer, 1);
}

/*
 * A device can write to pinned pages at any time, so they count as written to,
 * and no write to them faults.
 */
static void refs_pinned(void)
{
	struct range r = { anon(300), 300, 1 };
	struct range other = { anon(300), 300, 1 };
	long faults;

	needs_soft_dirty();
	fill(&r, 1);
	fill(&other, 1);
	if (!pin_pages(&r))
		skip("no io_uring");
	CHECK(clear_refs("4"));
	CHECK(pages_with(&r, PM_SOFT_DIRTY) == r.pages);
	CHECK(pages_with(&other, PM_SOFT_DIRTY) == 0);
	faults = minor_faults();
	fill(&r, 2);
	CHECK(minor_faults() == faults);
	CHECK(holds(&r, 2) && holds(&other, 1));

	/* Pinned pages move, and stay the pages that were pinned. */
	move(&r, place(400 * PAGE) + 7 * PAGE);
	faults = minor_faults();
	fill(&r, 3);
	CHECK(minor_faults() == faults && holds(&r, 3));
}

static void refs_for_all(void)
{
	const size_t pages = 64;
	struct stores s = { .r = { anon(pages), pages, 1 } };
	time_t until = race_end();
	struct partner p = {};

	needs_soft_dirty();
	partner_start(&p);
	for (int i = 0;
	     i < 200 && (i < 5 || time(NULL) < until) && !tap.reasons; i++) {
		s.seed = 2 * i * pages + 1;
		partner_do(&p, store_all, &s);
		CHECK(clear_refs("4"));
		CHECK(pages_with(&s.r, PM_SOFT_DIRTY) == 0);
		s.seed += pages;
		partner_do(&p, store_all, &s);
		CHECK(pages_with(&s.r, PM_SOFT_DIRTY) == pages);
		CHECK(stored(&s, s.r.p));
	}
	partner_end(&p);
}

const struct test tests_move[] = {
	{ "mremap: pages move as they are, and leave nothing behind", moves },
	{ "mremap: pages far from each other move, too", moves_sparse },
	{ "mremap: pages that a fork shares stay shared until a write",
	  moves_cow },
	{ "exec: a program finds its arguments where its stack is",
	  exec_moves },
	{ "mremap: pages in swap move, and come back at the new place",
	  moves_swapped },
	{ "mremap: no write is lost to shared memory that moves",
	  moves_shared },
	{ "mremap: pages that move count as written to (soft-dirty)",
	  moves_soft_dirty },
	{ "mremap: no CPU writes to a page by its old address", moves_for_all },
	{ "MADV_FREE: pages are dropped, and those written to since are not",
	  freed },
	{ "MADV_FREE: what any CPU writes afterwards is kept", freed_for_all },
	{ "MADV_COLD: pages count as not used until they are used", cold },
	{ "MADV_COLD: pages leave the active list", cold_moves },
	{ "MADV_COLD: any CPU's use afterwards is seen", cold_for_all },
	{ "clear_refs: pages count as not used until they are used",
	  refs_used },
	{ "clear_refs: pages are no longer marked as referenced",
	  refs_referenced },
	{ "clear_refs: single entries count as not used until they are used",
	  refs_single },
	{ "clear_refs: pages count as clean until they are written to",
	  refs_written },
	{ "clear_refs: what was written to shared memory is kept",
	  refs_keep_writes },
	{ "clear_refs: pages that a device may write to stay writable",
	  refs_pinned },
	{ "clear_refs: any CPU's write afterwards is seen", refs_for_all },
	{ NULL, NULL },
};
