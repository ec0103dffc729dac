/* SPDX-License-Identifier: MIT */
/* Pages that move: swap, memory pressure, KSM, migration, NUMA hinting. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

/* --- Swap ---------------------------------------------------------------- */

/* Sets up swap, which stays on for the following tests. */
static void needs_swap(void)
{
	const char *why;

	needs_own_machine();
	why = swap_on();
	if (why)
		skip(why);
}

static void page_out(const struct range *r)
{
	CHECK(!madvise(r->p, r->pages * PAGE, MADV_PAGEOUT));
}

static bool mostly_out(const struct range *r)
{
	size_t n = pages_with(r, PM_SWAPPED);

	if (n < r->pages * 9 / 10)
		say("# %zu of %zu pages are in swap", n, r->pages);
	return n >= r->pages * 9 / 10;
}

static void swapped_child(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 3));
	CHECK(!protect(r, PROT_READ));
	CHECK(!protect(r, RW));
	fill(r, 9);
	page_out(r);
	CHECK(!protect(r, PROT_NONE));
	CHECK(!protect(r, PROT_READ));
	CHECK(holds(r, 9));
}

static void swapped(void)
{
	struct range r = { anon(1100), 1100, 1 };
	struct range odd = { r.p + PAGE, 1099, 2 };

	needs_swap();
	fill(&r, 1);
	page_out(&r);
	CHECK(mostly_out(&r));
	CHECK(!protect(&r, PROT_READ));
	CHECK(mostly_out(&r)); /* mprotect reads nothing back */
	CHECK(all_allow(&r, PROT_READ) && holds(&r, 1));
	page_out(&r);
	CHECK(mostly_out(&r));
	CHECK(!protect(&r, RW));
	fill(&odd, 2);
	CHECK(!protect(&r, PROT_NONE));
	CHECK(all_allow(&(struct range){ r.p, r.pages, 7 }, PROT_NONE));
	CHECK(!protect(&r, PROT_READ));
	CHECK(holds(&odd, 2) && holds(&(struct range){ r.p, 1100, 2 }, 1));
	CHECK(!protect(&r, RW));
	/* Pages go to swap while they are PROT_NONE. */
	CHECK(!protect(&r, PROT_NONE));
	page_out(&r);
	CHECK(!protect(&r, RW));
	fill(&r, 3);
	/* COW of pages in swap. */
	page_out(&r);
	in_child(swapped_child, &r);
	CHECK(holds(&r, 3));
	page_out(&r);
	walk(&(struct walk){ r, false, 0 }, 100);
	page_out(&r);
	CHECK(!munmap(r.p, r.pages * PAGE));
}

static void swapped_shared(void)
{
	int id = shmget(IPC_PRIVATE, 700 * PAGE, IPC_CREAT | 0600);
	struct range r = { shmat(id, NULL, 0), 700, 1 };

	CHECK(!shmctl(id, IPC_RMID, NULL));
	needs_swap();
	for (int round = 0; round < 3; round++) {
		fill(&r, round);
		page_out(&r);
		CHECK(!protect(&r, round & 1 ? PROT_NONE : PROT_READ));
		page_out(&r);
		CHECK(all_allow(&(struct range){ r.p, r.pages, 3 },
				round & 1 ? PROT_NONE : PROT_READ));
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, round));
	}
	CHECK(!shmdt(r.p));
}

/* Private copies of a file's pages are discarded while they are in swap. */
static void dropped_copies(void)
{
	const size_t pages = 300;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range file = { mmap(NULL, pages * PAGE, RW, MAP_SHARED, fd, 0),
			      pages, 1 };
	struct range r = { mmap(place(pages * PAGE), pages * PAGE, RW,
				MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0),
			   pages, 1 };

	needs_swap();
	CHECK(file.p != MAP_FAILED && r.p != MAP_FAILED);
	fill(&file, 1);
	fill(&r, 2);
	page_out(&r);
	CHECK(mostly_out(&r));
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_DONTNEED));
	CHECK(holds(&r, 1) && holds(&file, 1));
	CHECK(!protect(&r, PROT_READ));
	CHECK(!protect(&r, RW));
	fill(&r, 3);
	page_out(&r);
	CHECK(holds(&r, 3) && holds(&file, 1));
	page_out(&r);
	CHECK(!munmap(r.p, r.pages * PAGE));
	CHECK(holds(&file, 1));
}

/*
 * Only the PTE's D bit records that a page of shared memory was written to. If
 * the bit were lost when the page is unmapped, reclaim would discard the page
 * as empty.
 */
static void unmapped_shared(void)
{
	int id = shmget(IPC_PRIVATE, 100 * PAGE, IPC_CREAT | 0600);
	struct writer w = { .r = { shmat(id, NULL, 0), 100, 1 } };
	struct range other = { shmat(id, NULL, 0), 100, 1 };
	time_t until = race_end();
	long out;

	CHECK(!shmctl(id, IPC_RMID, NULL));
	needs_swap();
	out = field("/proc/vmstat", "pswpout");
	writer_start(&w);
	for (int i = 0; i < 400 && (i < 5 || time(NULL) < until); i++) {
		CHECK(!madvise(w.r.p, w.r.pages * PAGE, MADV_DONTNEED));
		for (size_t k = 0; i % 2 && k < other.pages; k++)
			read_faults(other.p + k * PAGE);
		page_out(&other);
	}
	writer_end(&w);
	out = field("/proc/vmstat", "pswpout") - out;
	say("# %ld pages went to swap", out);
	CHECK(out >= 100);

	/* The last writes are kept when the writer's mapping goes. */
	CHECK(!shmdt(w.r.p));
	page_out(&other);
	CHECK(written(&w, other.p));
	CHECK(!shmdt(other.p));
}

/*
 * More memory than the group may have, so that reclaim gets every kind of page.
 */
/* Ends with the memory attached. */
static void writes_and_exits(void *arg)
{
	struct range r = { shmat(*(int *)arg, NULL, 0), 600, 1 };
	long faults;

	CHECK(zero(&r));
	faults = minor_faults();
	fill(&r, 5);
	CHECK(minor_faults() - faults < (long)r.pages / 2);
	CHECK(holds(&r, 5));
}

/*
 * A write to a page that was mapped by a read takes no fault. Then only the
 * writer's entry tells that the page is not to be dropped, but to be paged out.
 */
static void exit_keeps_writes(void)
{
	int id = shmget(IPC_PRIVATE, 600 * PAGE, IPC_CREAT | 0600);
	struct range other = { shmat(id, NULL, 0), 600, 1 };

	CHECK(!shmctl(id, IPC_RMID, NULL));
	needs_swap();
	in_child(writes_and_exits, &id);
	CHECK(holds(&other, 5));
	page_out(&other);
	CHECK(pages_with(&other, PM_PRESENT) <= other.pages / 10);
	CHECK(holds(&other, 5));
	CHECK(!shmdt(other.p));
}

static void pressure(void)
{
	struct range r = { NULL, 6144, 1 };
	const char *why;
	long before, young = counter("young.singles ");

	needs_swap();
	why = join_group();
	if (why)
		skip(why);
	CHECK(!spit(GROUP "memory.max", "12M"));
	before = field("/proc/vmstat", "pswpout");
	r.p = anon(r.pages);
	for (int round = 0; round < 2; round++) {
		fill(&r, round);
		for (size_t at = 0; at < r.pages; at += 256) {
			struct range w = { r.p + at * PAGE, 256, 1 };

			CHECK(!protect(&w, at & 256 ? PROT_NONE : PROT_READ));
			CHECK(allowed(w.p + 77 * PAGE) ==
			      (at & 256 ? PROT_NONE : PROT_READ));
		}
		CHECK(!protect(&r, PROT_READ));
		CHECK(holds(&r, round));
		CHECK(!protect(&r, RW));
	}
	walk(&(struct walk){ { r.p, 2048, 1 }, false, 0 }, 60);
	before = field("/proc/vmstat", "pswpout") - before;
	say("# %ld pages went to swap", before);
	CHECK(before > 1000);
	/* Reclaim has asked which pages were used. */
	if (takes_all("young"))
		CHECK(counter("young.singles ") - young > 1000);
	CHECK(!munmap(r.p, r.pages * PAGE));
}

/* --- KSM ----------------------------------------------------------------- */

#define KSM "/sys/kernel/mm/ksm/"

static long ksm(const char *what)
{
	char path[64], buf[32];
	long n = -1;

	snprintf(path, sizeof(path), KSM "%s", what);
	sscanf(slurp(path, buf, sizeof(buf)), "%ld", &n);
	return n;
}

static void same_pages(void)
{
	struct range a = { anon(300), 300, 1 }, b = { anon(300), 300, 1 };
	struct range odd = { a.p + PAGE, 299, 2 };
	long merged = 0;

	needs_own_machine();
	memset(a.p, 0x77, 300 * PAGE);
	memset(b.p, 0x77, 300 * PAGE);
	if (madvise(a.p, 300 * PAGE, MADV_MERGEABLE) ||
	    madvise(b.p, 300 * PAGE, MADV_MERGEABLE))
		skip("no KSM");
	CHECK(!spit(KSM "sleep_millisecs", "5"));
	CHECK(!spit(KSM "pages_to_scan", "1000"));
	CHECK(!spit(KSM "run", "1"));
	for (int i = 0; i < 3000 && (merged = ksm("pages_sharing")) < 500; i++)
		usleep(10000);
	CHECK(merged >= 500);
	CHECK(!protect(&a, PROT_READ));
	CHECK(all_allow(&a, PROT_READ));
	CHECK(!protect(&a, RW));
	fill(&odd, 5); /* each page that is written to is copied */
	CHECK(holds(&odd, 5));
	for (size_t i = 0; i < 300; i++) {
		CHECK(b.p[i * PAGE] == 0x77 && b.p[i * PAGE + 4095] == 0x77);
		CHECK(a.p[i * PAGE + 8] == 0x77);
		if (!(i & 1))
			CHECK(a.p[i * PAGE] == 0x77);
	}
	CHECK(!protect(&b, PROT_NONE));
	CHECK(!protect(&b, RW));
	CHECK(b.p[7 * PAGE] == 0x77);
	b.p[7 * PAGE] = 1;
	CHECK(b.p[8 * PAGE] == 0x77 && a.p[8 * PAGE] == 0x77);
	CHECK(!spit(KSM "run", "2")); /* unmerge all */
	CHECK(holds(&odd, 5) && b.p[9 * PAGE] == 0x77);
	CHECK(!spit(KSM "run", "0"));
}

/* --- Migration ----------------------------------------------------------- */

static volatile bool over;

static void *compact(void *arg)
{
	(void)arg;
	while (!over)
		spit("/proc/sys/vm/compact_memory", "1");
	return NULL;
}

/*
 * Every second page of a large range is freed, so that compaction has holes to
 * fill, and migrates this process's pages.
 */
static void migrated(void)
{
	const size_t many = 16384;
	struct range r;
	pthread_t thread;
	long before;
	char *p;

	needs_own_machine();
	before = field("/proc/vmstat", "pgmigrate_success");
	if (before < 0 || spit("/proc/sys/vm/compact_memory", "1"))
		skip("no compaction");
	p = anon(many);
	memset(p, 0, many * PAGE);
	r = (struct range){ p + (many - 2048) * PAGE, 2048, 1 };
	for (size_t i = 0; i < many - 2048; i += 2)
		CHECK(!madvise(p + i * PAGE, PAGE, MADV_DONTNEED));
	CHECK(!pthread_create(&thread, NULL, compact, NULL));
	walk(&(struct walk){ r, false, 0 }, 300);
	over = true;
	CHECK(!pthread_join(thread, NULL));
	before = field("/proc/vmstat", "pgmigrate_success") - before;
	say("# %ld pages migrated", before);
	CHECK(before > 0);
}

/* --- NUMA hinting -------------------------------------------------------- */

#define NUMA "/sys/kernel/debug/sched/numa_balancing/"

static long hinted(void)
{
	return field("/proc/vmstat", "numa_pte_updates");
}

static void *beside(void *arg)
{
	while (!over)
		usleep(1000);
	return arg;
}

/*
 * The second thread is needed: the kernel sets no hints on local pages of a
 * process with a single thread.
 */
static void under_hints(void *arg)
{
	struct range r = { anon(2048), 2048, 1 };
	struct range odd = { r.p + PAGE, 2047, 2 };
	long before = hinted(), seed = 0;
	pthread_t thread;

	(void)arg;
	over = false;
	CHECK(!pthread_create(&thread, NULL, beside, NULL));
	for (int i = 0; i < 20000 && hinted() < before + 500; i++) {
		fill(&r, ++seed);
		CHECK(!protect(&r, i & 1 ? PROT_NONE : PROT_READ));
		CHECK(!protect(&odd, i & 2 ? PROT_READ : RW));
		CHECK(allowed(odd.p) == (i & 2 ? PROT_READ : RW));
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, seed));
	}
	before = hinted() - before;
	say("# %ld PTEs were made to fault", before);
	CHECK(before >= 500);
	walk(&(struct walk){ r, false, 0 }, 200);
	over = true;
	CHECK(!pthread_join(thread, NULL));
}

static void numa_hinting(void)
{
	needs_own_machine();
	if (access("/sys/devices/system/node/node1", F_OK))
		skip("one NUMA node");
	if (spit("/proc/sys/kernel/numa_balancing", "1"))
		skip("no NUMA balancing");
	/* Only processes forked from now on use these settings. */
	CHECK(!spit(NUMA "scan_delay_ms", "1"));
	CHECK(!spit(NUMA "scan_period_max_ms", "10"));
	CHECK(!spit(NUMA "scan_period_min_ms", "1"));
	in_child(under_hints, NULL);
}

const struct test tests_swap[] = {
	{ "swap: pages in swap keep contents and take the new protection",
	  swapped },
	{ "swap: shared memory keeps contents and takes the new protection",
	  swapped_shared },
	{ "swap: copies of a file's pages are dropped from it",
	  dropped_copies },
	{ "swap: no write is lost to shared memory that is unmapped meanwhile",
	  unmapped_shared },
	{ "swap: what a process wrote to shared memory is kept after its exit",
	  exit_keeps_writes },
	{ "memory pressure: protections and contents survive reclaim",
	  pressure },
	{ "KSM: merged pages are copied before a write", same_pages },
	{ "migration: random changes agree with a model while pages move",
	  migrated },
	{ "NUMA hinting: hints and protections do not mix", numa_hinting },
	{ NULL, NULL },
};
