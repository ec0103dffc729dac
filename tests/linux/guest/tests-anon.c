/* SPDX-License-Identifier: MIT */
/* Private anonymous memory, and what mprotect promises for any memory. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void read_only_refuses(void)
{
	static const size_t sizes[] = { 1,   2,	  31,  32,   33,
					511, 512, 513, 1025, 4096 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct range r = { anon(sizes[i]), sizes[i], 1 };

		fill(&r, i);
		for (int round = 0; round < 2; round++) {
			CHECK(!protect(&r, PROT_READ));
			CHECK(all_allow(&r, PROT_READ));
			CHECK(holds(&r, i + round));
			CHECK(!protect(&r, RW));
			CHECK(holds(&r, i + round));
			fill(&r, i + round + 1);
			CHECK(holds(&r, i + round + 1));
		}
		CHECK(!munmap(r.p, r.pages * PAGE));
		CHECK(read_faults(r.p));
	}
}

static void untouched_stays_zero(void)
{
	struct range r = { anon(600), 600, 1 }, odd = { r.p + PAGE, 599, 2 };
	struct range even = { r.p, 600, 2 };

	CHECK(!protect(&r, PROT_READ));
	CHECK(zero(&odd)); /* every second PTE maps the zero page */
	CHECK(!protect(&r, RW));
	CHECK(zero(&odd));
	fill(&r, 3);
	CHECK(holds(&r, 3));
	CHECK(!munmap(r.p, 600 * PAGE));

	r.p = even.p = anon(600);
	CHECK(!protect(&r, PROT_NONE));
	CHECK(all_allow(&r, PROT_NONE));
	CHECK(!protect(&r, RW));
	CHECK(zero(&r));
	fill(&even, 4);
	CHECK(holds(&even, 4));
}

/* A page that was only read maps the zero page, which no write may reach. */
static void zero_page_is_kept(void)
{
	struct range a = { anon(64), 64, 1 }, b = { anon(64), 64, 1 };

	CHECK(zero(&a) && zero(&b));
	CHECK(!protect(&a, PROT_READ));
	CHECK(!protect(&a, RW));
	fill(&a, 77);
	CHECK(holds(&a, 77));
	CHECK(zero(&b));
}

static void none_and_back(void)
{
	struct range r = { anon(1500), 1500, 1 };

	fill(&r, 5);
	for (int i = 0; i < 3; i++) {
		CHECK(!protect(&r, PROT_NONE));
		CHECK(all_allow(&r, PROT_NONE));
		CHECK(!protect(&r, i & 1 ? PROT_READ : RW));
		CHECK(holds(&r, 5 + i));
		CHECK(all_allow(&r, i & 1 ? PROT_READ : RW));
		CHECK(!protect(&r, RW));
		fill(&r, 6 + i);
	}
	CHECK(holds(&r, 8));
	/*
	 * PROT_NONE memory can be unmapped without being made readable first.
	 */
	CHECK(!protect(&r, PROT_NONE));
	CHECK(!munmap(r.p, r.pages * PAGE));
	CHECK(read_faults(r.p));
}

/* --- COW ----------------------------------------------------------------- */

static struct range cow;
static struct turns turns;

static void cow_child(void *arg)
{
	(void)arg;
	CHECK(holds(&cow, 1));
	CHECK(all_allow(&(struct range){ cow.p, cow.pages, 37 }, PROT_READ));
	turns_give(&turns, 0);
	turns_wait(&turns, 1); /* the parent writes */
	CHECK(holds(&cow, 1));
	CHECK(!protect(&cow, RW));
	CHECK(holds(&cow, 1));
	fill(&cow, 3);
	CHECK(holds(&cow, 3));
	turns_give(&turns, 0);
	turns_wait(&turns, 1);
	CHECK(holds(&cow, 3));
}

static void cow_stays_apart(void)
{
	pid_t child;

	cow = (struct range){ anon(1100), 1100, 1 };
	turns_init(&turns);
	fill(&cow, 1);
	CHECK(!protect(&cow, PROT_READ));
	child = spawn(cow_child, NULL);
	turns_wait(&turns, 0);
	CHECK(!protect(&cow, RW));
	CHECK(holds(&cow, 1));
	fill(&cow, 2);
	CHECK(holds(&cow, 2));
	turns_give(&turns, 1);
	turns_wait(&turns, 0); /* the child has written */
	CHECK(holds(&cow, 2));
	turns_give(&turns, 1);
	join(child);
	CHECK(holds(&cow, 2));
	/* The child is gone. Pages that COW left read-only become writable. */
	CHECK(!protect(&cow, PROT_READ));
	CHECK(!protect(&cow, RW));
	fill(&cow, 4);
	CHECK(holds(&cow, 4));
}

static void write_all(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
	CHECK(!protect(r, PROT_READ));
	CHECK(!protect(r, RW));
	fill(r, 9);
	CHECK(holds(r, 9));
}

/* The child writes first, while the parent changes nothing. */
static void cow_child_first(void)
{
	struct range r = { anon(700), 700, 1 };

	fill(&r, 1);
	for (int i = 0; i < 3; i++) {
		in_child(write_all, &r);
		CHECK(holds(&r, 1));
		CHECK(!protect(&r, PROT_NONE));
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, 1));
	}
}

static void inherited(void *arg)
{
	struct range *r = arg;

	CHECK(all_allow(&r[0], PROT_READ));
	CHECK(all_allow(&r[1], PROT_NONE));
	CHECK(!protect(&r[0], RW));
	CHECK(!protect(&r[1], RW));
	CHECK(holds(&r[0], 1) && holds(&r[1], 2));
	fill(&r[0], 3);
	fill(&r[1], 4);
	CHECK(!protect(&r[0], PROT_NONE));
}

static void fork_inherits_protection(void)
{
	struct range r[2] = { { anon(300), 300, 1 }, { anon(300), 300, 1 } };

	fill(&r[0], 1);
	fill(&r[1], 2);
	CHECK(!protect(&r[0], PROT_READ));
	CHECK(!protect(&r[1], PROT_NONE));
	for (int i = 0; i < 4; i++)
		in_child(inherited, r);
	CHECK(all_allow(&r[0], PROT_READ) && holds(&r[0], 1));
	CHECK(all_allow(&r[1], PROT_NONE));
	CHECK(!protect(&r[1], PROT_READ));
	CHECK(holds(&r[1], 2));
}

static void not_there(void *arg)
{
	struct range *r = arg;

	CHECK(all_allow(&r[0], PROT_NONE));
	CHECK(zero(&r[1]));
}

static void advised_fork(void)
{
	struct range r[2] = { { anon(40), 40, 1 }, { anon(40), 40, 1 } };

	fill(&r[0], 1);
	fill(&r[1], 2);
	CHECK(!madvise(r[0].p, 40 * PAGE, MADV_DONTFORK));
	CHECK(!madvise(r[1].p, 40 * PAGE, MADV_WIPEONFORK));
	CHECK(!protect(&r[1], PROT_READ));
	in_child(not_there, r);
	CHECK(holds(&r[0], 1) && holds(&r[1], 2));
}

/* --- Fragments ----------------------------------------------------------- */

static void hold_cow(void *arg)
{
	struct range *r = arg;

	turns_give(&turns, 0);
	turns_wait(&turns, 1);
	CHECK(holds(r, 1));
}

/*
 * Of each five pages, the first is present and dirty, the third maps the zero
 * page, the fifth is shared with a child, and the others are absent. Ranges
 * with various bounds among them are then protected.
 */
static void fragments(void)
{
	const size_t pages = 1200;
	char *p = anon(pages);
	struct range shared = { p + 4 * PAGE, pages - 4, 5 };
	pid_t child;

	turns_init(&turns);
	fill(&(struct range){ p, pages, 1 }, 1);
	fill(&shared, 1);
	for (size_t i = 0; i < pages; i++)
		if (i % 5 >= 1 && i % 5 <= 3)
			CHECK(!madvise(p + i * PAGE, PAGE, MADV_DONTNEED));
	child = spawn(hold_cow, &shared);
	turns_wait(&turns, 0);
	for (size_t i = 0; i < pages; i++) {
		if (i % 5 == 2)
			CHECK(p[i * PAGE] == 0);
		else if (i % 5 == 0)
			*(uint64_t *)(p + i * PAGE) = i;
	}
	for (size_t first = 0; first < 15; first += 7) {
		for (size_t last = pages - 9; last <= pages; last += 3) {
			struct range r = { p + first * PAGE, last - first, 1 };

			CHECK(!protect(&r, PROT_READ));
			for (size_t i = first; i < last; i += 41)
				CHECK(allowed(p + i * PAGE) == PROT_READ);
			for (size_t i = 0; i < first; i++)
				CHECK(allowed(p + i * PAGE) == RW);
			CHECK(!protect(&r, PROT_NONE));
			CHECK(allowed(r.p) == PROT_NONE);
			CHECK(!protect(&r, RW));
		}
	}
	for (size_t i = 0; i < pages; i++) {
		uint64_t *at = (uint64_t *)(p + i * PAGE);

		if (i % 5 == 0)
			CHECK(*at == i);
		else if (i % 5 == 4)
			CHECK(*at == i - 4 + 1);
		else
			CHECK(*at == 0);
	}
	fill(&(struct range){ p, pages, 1 }, 50);
	CHECK(holds(&(struct range){ p, pages, 1 }, 50));
	turns_give(&turns, 1);
	join(child);
}

static char *anon_at(uintptr_t at, size_t pages)
{
	char *p =
		mmap((void *)at, pages * PAGE, RW,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap at a boundary");
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void random_private(void)
{
	walk(&(struct walk){ { anon(1100), 1100, 1 }, false, 0 }, 400);
}

static void random_boundaries(void)
{
	const uintptr_t far = 1ul << 41;

	walk(&(struct walk){ { anon_at(far + 2 * MiB - 77 * PAGE, 700), 700,
			       1 },
			     false,
			     0 },
	     150);
	walk(&(struct walk){ { anon_at(far + GiB - 301 * PAGE, 650), 650, 1 },
			     false,
			     0 },
	     150);
	walk(&(struct walk){ { anon_at(far + 512 * GiB - 33 * PAGE, 90), 90,
			       1 },
			     false,
			     0 },
	     150);
}

/* A huge range with only a few present pages. */
static void sparse(void)
{
	const size_t bytes = 3 * GiB;
	char *p = mmap((void *)(1ul << 42), bytes, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			       MAP_FIXED_NOREPLACE,
		       -1, 0);

	CHECK(p != MAP_FAILED);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < bytes; at += 333 * MiB + 3 * PAGE)
		p[at] = 'a';
	CHECK(!mprotect(p, bytes, PROT_READ));
	for (size_t at = 0; at < bytes; at += 333 * MiB + 3 * PAGE) {
		CHECK(allowed(p + at) == PROT_READ && p[at] == 'a');
		CHECK(allowed(p + at + PAGE) == PROT_READ && !p[at + PAGE]);
	}
	CHECK(!mprotect(p, bytes, RW));
	for (size_t at = 0; at < bytes; at += 333 * MiB + 3 * PAGE) {
		CHECK(p[at]++ == 'a');
		CHECK(p[at] == 'b');
	}
	CHECK(!munmap(p, bytes));
}

/* --- Code ---------------------------------------------------------------- */

/* mov eax, VALUE; ret */
static void emit(char *at, uint32_t value)
{
	at[0] = (char)0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = (char)0xc3;
}

static void code_runs_only_if_exec(void)
{
	struct range r = { anon(40), 40, 1 };
	struct fault f;
	int got = 0;

	for (int round = 1; round < 4; round++) {
		for (size_t i = 0; i < r.pages; i++)
			emit(r.p + i * PAGE, round * 1000 + i);
		for (size_t i = 0; i < r.pages; i++) {
			f = try_call((int (*)(void))(r.p + i * PAGE), &got);
			CHECK(f.signo == SIGSEGV && f.code == SEGV_ACCERR &&
			      f.addr == r.p + i * PAGE);
		}
		CHECK(!protect(&r, PROT_READ | PROT_EXEC));
		for (size_t i = 0; i < r.pages; i++) {
			f = try_call((int (*)(void))(r.p + i * PAGE), &got);
			CHECK(!f.signo && got == (int)(round * 1000 + i));
			CHECK(write_faults(r.p + i * PAGE));
		}
		CHECK(!protect(&r, round & 1 ? PROT_READ : PROT_NONE));
		f = try_call((int (*)(void))(r.p + 7 * PAGE), &got);
		CHECK(f.signo == SIGSEGV && f.code == SEGV_ACCERR);
		CHECK(!protect(&r, RW));
	}
	CHECK(!protect(&r, RW | PROT_EXEC));
	emit(r.p, 42);
	f = try_call((int (*)(void))r.p, &got);
	CHECK(!f.signo && got == 42);
}

/* --- Signals and errors -------------------------------------------------- */

static void signals_tell(void)
{
	struct range r = { anon(100), 100, 1 };
	struct fault f;

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	f = try_write(r.p + 33 * PAGE + 123, 1);
	CHECK(f.signo == SIGSEGV && f.code == SEGV_ACCERR &&
	      f.addr == r.p + 33 * PAGE + 123);
	CHECK(!protect(&r, PROT_NONE));
	f = try_read(r.p + 99 * PAGE + 4095);
	CHECK(f.signo == SIGSEGV && f.code == SEGV_ACCERR &&
	      f.addr == r.p + 99 * PAGE + 4095);
	CHECK(!munmap(r.p, 100 * PAGE));
	f = try_read(r.p + 5);
	CHECK(f.signo == SIGSEGV && f.code == SEGV_MAPERR && f.addr == r.p + 5);
}

static void errors_are_linux_own(void)
{
	struct range r = { anon(64), 64, 1 };
	struct range before = { r.p, 20, 1 },
		     after = { r.p + 24 * PAGE, 40, 1 };
	int fd;
	char *p;

	fill(&r, 1);
	FAILS(mprotect(r.p + 1, PAGE, PROT_READ), EINVAL);
	FAILS(mprotect(r.p, PAGE, 0x40000), EINVAL);
	FAILS(mprotect(r.p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP),
	      EINVAL);
	FAILS(mprotect(r.p, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
	FAILS(mprotect(r.p, -PAGE, PROT_READ), ENOMEM);
	FAILS(mprotect((void *)0xffff800000000000, PAGE, PROT_READ), ENOMEM);
	CHECK(!mprotect(r.p, 0, PROT_NONE));
	CHECK(!mprotect(r.p, 3 * PAGE - 1, PROT_READ)); /* rounded up */
	CHECK(allowed(r.p + 2 * PAGE) == PROT_READ &&
	      allowed(r.p + 3 * PAGE) == RW);
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 1));

	/* Pages before a hole are changed, those behind it are not. */
	CHECK(!munmap(r.p + 20 * PAGE, 4 * PAGE));
	FAILS(protect(&r, PROT_READ), ENOMEM);
	CHECK(all_allow(&before, PROT_READ) && all_allow(&after, RW));
	FAILS(mprotect(r.p + 20 * PAGE, 10 * PAGE, PROT_READ), ENOMEM);
	CHECK(all_allow(&after, RW));
	FAILS(mprotect(r.p + 50 * PAGE, 20 * PAGE, PROT_NONE), ENOMEM);
	CHECK(allowed(r.p + 49 * PAGE) == RW &&
	      allowed(r.p + 50 * PAGE) == PROT_NONE &&
	      allowed(r.p + 63 * PAGE) == PROT_NONE);

	/* A shared file opened for reading cannot be made writable. */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	p = mmap(place(8 * PAGE), 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	FAILS(mprotect(p, 8 * PAGE, RW), EACCES);
	CHECK(allowed(p) == PROT_READ);
	CHECK(!mprotect(p, 8 * PAGE, PROT_NONE));
	CHECK(!mprotect(p, 8 * PAGE, PROT_READ));
	close(fd);
}

static void grows_down(void)
{
	const size_t pages = 16;
	char *p = place(4 * MiB) + 2 * MiB;

	p = mmap(p, pages * PAGE, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN |
			 MAP_FIXED_NOREPLACE,
		 -1, 0);
	CHECK(p != MAP_FAILED);
	memset(p, 1, pages * PAGE);
	CHECK(!mprotect(p + (pages - 1) * PAGE, PAGE,
			PROT_READ | PROT_GROWSDOWN));
	CHECK(all_allow(&(struct range){ p, pages, 1 }, PROT_READ));
}

/* --- mremap -------------------------------------------------------------- */

static void mremap_takes_along(void)
{
	struct range r = { anon(600), 600, 1 }, half, moved;
	char *to = place(4 * MiB);

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	CHECK(mremap(r.p, 600 * PAGE, 600 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	CHECK(read_faults(r.p) && read_faults(r.p + 599 * PAGE));
	moved = (struct range){ to, 600, 1 };
	CHECK(holds(&moved, 1) && all_allow(&moved, PROT_READ));
	CHECK(!protect(&moved, RW));
	fill(&moved, 2);
	CHECK(holds(&moved, 2));

	/* PROT_NONE pages move with their contents; added pages are zero. */
	CHECK(!protect(&moved, PROT_NONE));
	to = place(4 * MiB);
	CHECK(mremap(moved.p, 600 * PAGE, 700 * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	moved.p = to;
	CHECK(all_allow(&moved, PROT_NONE));
	CHECK(!mprotect(to, 700 * PAGE, RW));
	CHECK(holds(&moved, 2));
	CHECK(zero(&(struct range){ to + 600 * PAGE, 100, 1 }));

	/* A mapping that shrinks loses its end. */
	CHECK(!mprotect(to, 700 * PAGE, PROT_READ));
	CHECK(mremap(to, 700 * PAGE, 300 * PAGE, 0) == to);
	half = (struct range){ to, 300, 1 };
	CHECK(holds(&half, 2) && read_faults(to + 300 * PAGE));
	CHECK(all_allow(&half, PROT_READ));

	/* MREMAP_DONTUNMAP keeps the old range mapped, but empty. */
	moved.p = place(4 * MiB);
	moved.pages = 300;
	if (mremap(to, 300 * PAGE, 300 * PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   moved.p) == moved.p) {
		CHECK(zero(&half) && holds(&moved, 2));
		CHECK(!protect(&half, RW) && !protect(&moved, RW));
		fill(&half, 5);
		CHECK(holds(&half, 5) && holds(&moved, 2));
	}
}

/* --- madvise ------------------------------------------------------------- */

static void madvise_and_protection(void)
{
	struct range r = { anon(900), 900, 1 };
	struct range part = { r.p + 100 * PAGE, 500, 1 };
	struct range rest = { r.p + 600 * PAGE, 300, 1 };

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	CHECK(!madvise(part.p, 500 * PAGE, MADV_DONTNEED));
	CHECK(zero(&part));
	CHECK(all_allow(&part, PROT_READ));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(!madvise(part.p, 500 * PAGE, MADV_DONTNEED));
	CHECK(!protect(&r, RW));
	CHECK(zero(&part));
	fill(&r, 2);
	CHECK(holds(&r, 2));

	/* COLD and PAGEOUT change no contents. */
	CHECK(!protect(&r, PROT_READ));
	madvise(r.p, r.pages * PAGE, MADV_COLD);
	CHECK(all_allow(&r, PROT_READ) && holds(&r, 2));
	madvise(r.p, r.pages * PAGE, MADV_PAGEOUT);
	CHECK(holds(&r, 2));
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 2));

	/* FREE discards whole pages or nothing, and no page written since. */
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_FREE));
	CHECK(!protect(&r, PROT_READ));
	CHECK(!protect(&r, RW));
	for (size_t i = 0; i < r.pages; i++) {
		uint64_t got = *(uint64_t *)(r.p + i * PAGE);

		CHECK(got == 0 || got == 2 + i);
	}
	fill(&rest, 9);
	madvise(r.p, r.pages * PAGE, MADV_PAGEOUT);
	CHECK(holds(&rest, 9));
}

/* --- Huge pages ---------------------------------------------------------- */

static void thp_boundaries(void)
{
	const size_t pages = 2048;
	char *p = place(pages * PAGE);
	struct range r = { p, pages, 1 };
	long huge;

	CHECK(mmap(p, pages * PAGE, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
	madvise(p, pages * PAGE, MADV_HUGEPAGE);
	fill(&r, 1);
	huge = smaps(p, "AnonHugePages");
	say("# %ld kB in huge pages", huge);
	CHECK(!protect(&r, PROT_READ));
	CHECK(all_allow(&r, PROT_READ) && holds(&r, 1));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(all_allow(&(struct range){ p, pages, 13 }, PROT_NONE));
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 1));
	fill(&r, 2);
	CHECK(holds(&r, 2));
	/* Inside a huge page, at its edge, and across two: each one splits. */
	CHECK(!mprotect(p + 100 * PAGE, PAGE, PROT_READ));
	CHECK(!mprotect(p + 512 * PAGE, PAGE, PROT_NONE));
	CHECK(!mprotect(p + 1500 * PAGE, 100 * PAGE, PROT_READ));
	for (size_t i = 0; i < pages; i++)
		CHECK(allowed(p + i * PAGE) ==
		      (i == 100 || (i >= 1500 && i < 1600) ? PROT_READ
		       : i == 512			   ? PROT_NONE
							   : RW));
	CHECK(!protect(&r, PROT_READ));
	CHECK(holds(&r, 2));
	CHECK(!protect(&r, RW));
	fill(&r, 3);
	CHECK(holds(&r, 3));
	fill(&r, 1);
	in_child(write_all, &r);
	CHECK(holds(&r, 1));
	/* Huge and small side by side. */
	walk(&(struct walk){ { p, 1024, 1 }, false, 0 }, 60);
	CHECK(!madvise(p + 700 * PAGE, 50 * PAGE, MADV_DONTNEED));
	CHECK(!protect(&r, PROT_READ));
	CHECK(zero(&(struct range){ p + 700 * PAGE, 50, 1 }));
	CHECK(!munmap(p + 300 * PAGE, 300 * PAGE));
	CHECK(allowed(p + 299 * PAGE) == PROT_READ &&
	      read_faults(p + 300 * PAGE));
}

static void hugetlb(void)
{
	const size_t bytes = 8 * MiB;
	char *p;
	bool shared = false;

	if (own_machine)
		spit("/proc/sys/vm/nr_hugepages", "8");
	do {
		struct range r = { NULL, bytes / PAGE, 1 };

		p = mmap(NULL, bytes, RW,
			 (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS |
				 MAP_HUGETLB,
			 -1, 0);
		if (p == MAP_FAILED)
			skip("no huge pages can be had");
		r.p = p;
		fill(&r, 1);
		CHECK(!protect(&r, PROT_READ));
		CHECK(all_allow(&(struct range){ p, r.pages, 31 }, PROT_READ));
		CHECK(holds(&r, 1));
		FAILS(mprotect(p + PAGE, PAGE, RW), EINVAL);
		CHECK(!mprotect(p + 2 * MiB, 2 * MiB, RW));
		CHECK(allowed(p + 2 * MiB) == RW && allowed(p) == PROT_READ);
		CHECK(!protect(&r, PROT_NONE));
		CHECK(allowed(p + 5 * MiB) == PROT_NONE);
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, 1));
		fill(&r, 2);
		CHECK(holds(&r, 2));
		CHECK(!munmap(p, bytes));
		shared = !shared;
	} while (shared);
}

/* --- Locked memory ------------------------------------------------------- */

static size_t resident(const struct range *r)
{
	unsigned char in[4096];
	size_t n = 0;

	CHECK(r->pages <= sizeof(in) && !mincore(r->p, r->pages * PAGE, in));
	for (size_t i = 0; i < r->pages; i++)
		n += in[i] & 1;
	return n;
}

static void locked_stays(void)
{
	struct range r = { anon(800), 800, 1 }, future;
	char path[] = "/tmp/guest-XXXXXX";
	long faults;
	int fd;

	if (mlock(r.p, r.pages * PAGE))
		skip("memory cannot be locked");
	CHECK(resident(&r) == r.pages);
	fill(&r, 1);
	for (int prot = PROT_NONE; prot <= PROT_READ; prot++) {
		CHECK(!protect(&r, prot));
		CHECK(all_allow(&(struct range){ r.p, r.pages, 7 }, prot));
		CHECK(!protect(&r, RW));
		CHECK(holds(&r, 1));
		CHECK(resident(&r) == r.pages);
		CHECK(smaps(r.p, "Locked") == (long)(r.pages * 4));
	}
	FAILS(madvise(r.p, r.pages * PAGE, MADV_DONTNEED), EINVAL);

	/* A locked private file that becomes writable is copied at once. */
	fd = mkstemp(path);
	CHECK(fd >= 0 && !unlink(path) && !ftruncate(fd, 64 * PAGE));
	r = (struct range){
		mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0), 64, 1
	};
	CHECK(r.p != MAP_FAILED && !mlock(r.p, 64 * PAGE));
	CHECK(!protect(&r, RW));
	faults = minor_faults();
	fill(&r, 5);
	CHECK(minor_faults() == faults);
	CHECK(holds(&r, 5));
	close(fd);

	CHECK(!mlockall(MCL_FUTURE));
	future = (struct range){ anon(50), 50, 1 };
	CHECK(resident(&future) == 50);
	CHECK(!protect(&future, PROT_READ));
	CHECK(zero(&future));
	CHECK(!munlockall());
}

/* --- Threads ------------------------------------------------------------- */

static struct range common;
static volatile bool over;
static volatile unsigned long entered, refused;

/* Writes a new value to every page in each round; counts refused writes. */
static void *writer(void *arg)
{
	unsigned char value = 0;

	(void)arg;
	while (!over) {
		for (size_t i = 0; i < common.pages; i++)
			refused += !!try_write(common.p + i * PAGE + 64, value)
					     .signo;
		value++;
		entered++;
	}
	return NULL;
}

/* Waits until the writer has begun and finished a whole round. */
static void let_it_go_round(void)
{
	unsigned long before = entered;

	while (entered < before + 2)
		sched_yield();
}

/* No write of another thread lands once mprotect has returned. */
static void threads_see_it(void)
{
	unsigned char seen[130];
	pthread_t thread;

	common = (struct range){ anon(130), 130, 1 };
	fill(&common, 0);
	CHECK(!pthread_create(&thread, NULL, writer, NULL));
	for (int i = 0; i < 40; i++) {
		let_it_go_round();
		CHECK(!protect(&common, i & 1 ? PROT_READ : PROT_NONE));
		if (i & 1)
			for (size_t k = 0; k < common.pages; k++)
				seen[k] = common.p[k * PAGE + 64];
		let_it_go_round();
		if (i & 1)
			for (size_t k = 0; k < common.pages; k++)
				CHECK(seen[k] ==
				      (unsigned char)common.p[k * PAGE + 64]);
		CHECK(!protect(&common, RW));
	}
	over = true;
	CHECK(!pthread_join(thread, NULL));
	CHECK(refused > 40 * common.pages);
}

/* A thread writes to the sixth page of a range that mprotect protects whole. */
static void no_write_lands_within(size_t bytes, bool to_its_end)
{
	char *p = mmap(NULL, bytes, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	time_t until = race_end();
	pthread_t thread;
	unsigned char seen;
	unsigned long i;

	CHECK(p != MAP_FAILED);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	common = (struct range){ p + 5 * PAGE, 1, 1 };
	over = false;
	refused = 0;
	CHECK(!pthread_create(&thread, NULL, writer, NULL));
	/* A stale TLB entry may last only until the next interrupt: repeat. */
	for (i = 0; i < 1000 && (i < 50 || time(NULL) < until); i++) {
		p[0] = (char)i;
		if (to_its_end)
			p[bytes - PAGE] = (char)i;
		let_it_go_round();
		CHECK(!mprotect(p, bytes, PROT_READ));
		seen = common.p[64];
		let_it_go_round();
		CHECK(seen == (unsigned char)common.p[64]);
		CHECK(!mprotect(p, bytes, RW));
	}
	over = true;
	CHECK(!pthread_join(thread, NULL));
	CHECK(refused >= i);
	CHECK(!munmap(p, bytes));
}

/* 2^32 + 1 pages: a 32-bit page count would flush only one of them. */
static void threads_see_16_tib(void)
{
	no_write_lands_within((1ul << 44) + PAGE, true);
}

/*
 * 2^32 bytes, a length that is 0 in 32 bits, without a present page at its end.
 */
static void threads_see_4_gib(void)
{
	no_write_lands_within(1ul << 32, false);
}

/* --- Across two tables --------------------------------------------------- */

#define TABLE_PAGES 512ul

/* Some of the pages on both sides of a boundary, the boundary itself amid. */
static struct range across(char *table, size_t before, size_t after)
{
	return (struct range){ table - before * PAGE, before + after, 1 };
}

static void across_child(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
	CHECK(!protect(r, PROT_READ));
	CHECK(all_allow(r, PROT_READ));
	CHECK(!protect(r, RW));
	CHECK(holds(r, 1));
	fill(r, 5);
	CHECK(holds(r, 5));
}

/*
 * Each side from one page to most of a table; full, with holes on one side or
 * on both, and with pages that a child shares, so that entries differ.
 */
static void across_tables(void)
{
	static const size_t sides[] = { 1, 7, 8, 9, 16, 300 };
	const size_t n = sizeof(sides) / sizeof(*sides);

	for (size_t k = 0; k < n * n; k++) {
		const size_t before = sides[k / n], after = sides[k % n];
		char *p = anon(2 * TABLE_PAGES);
		struct range all = { p, 2 * TABLE_PAGES, 1 };
		struct range r = across(p + TABLE_PAGES * PAGE, before, after);
		struct range part = r;

		/* Holes: nothing at all, then one side, then every third. */
		CHECK(!protect(&r, PROT_READ) && !protect(&r, RW));
		part.pages = before;
		fill(&part, 1);
		CHECK(!protect(&r, PROT_READ));
		CHECK(holds(&part, 1) && all_allow(&part, PROT_READ));
		CHECK(!protect(&r, RW));
		CHECK(!madvise(all.p, all.pages * PAGE, MADV_DONTNEED));
		part = (struct range){ r.p, r.pages, 3 };
		fill(&part, 1);
		CHECK(!protect(&r, PROT_READ));
		CHECK(holds(&part, 1) && all_allow(&part, PROT_READ));
		CHECK(!protect(&r, RW));
		CHECK(all_allow(&part, RW));
		/* Full; the neighbours keep their rights. */
		fill(&all, 3);
		fill(&r, 1);
		CHECK(!protect(&r, PROT_READ));
		CHECK(all_allow(&r, PROT_READ) && holds(&r, 1));
		CHECK(allowed(r.p - PAGE) == RW &&
		      allowed(r.p + r.pages * PAGE) == RW);
		CHECK(!protect(&r, RW));
		CHECK(all_allow(&r, RW) && holds(&r, 1));
		/* Of a child's, and after it some pages are our own again. */
		in_child(across_child, &r);
		CHECK(holds(&r, 1));
		fill(&part, 1);
		CHECK(!protect(&r, PROT_READ));
		CHECK(all_allow(&r, PROT_READ) && holds(&r, 1));
		CHECK(!protect(&r, PROT_NONE));
		CHECK(all_allow(&r, PROT_NONE));
		CHECK(!protect(&r, RW));
		CHECK(all_allow(&r, RW) && holds(&r, 1));
		CHECK(!munmap(all.p, all.pages * PAGE));
	}
}

/* Another CPU writes into both tables while their rights change. */
static void across_written(void)
{
	char *p = anon(2 * TABLE_PAGES);
	struct writer w = { .r = across(p + TABLE_PAGES * PAGE, 16, 16) };
	struct range beside = across(p + TABLE_PAGES * PAGE, 48, 48);
	time_t until = race_end();

	writer_start(&w);
	for (int i = 0; i < 4000 && (i < 50 || time(NULL) < until); i++) {
		/* Not the pages that are written, but their neighbours. */
		struct range left = { beside.p, 32, 1 };
		struct range right = { w.r.p + 32 * PAGE, 32, 1 };

		CHECK(!protect(&left, i & 1 ? RW : PROT_READ));
		CHECK(!protect(&right, i & 1 ? RW : PROT_READ));
		/* And those: a change that takes no right away. */
		CHECK(!mprotect(w.r.p, w.r.pages * PAGE,
				i & 1 ? RW : RW | PROT_EXEC));
	}
	writer_end(&w);
	CHECK(written(&w, w.r.p));
}

/*
 * Linux 7.2 frees a table that MADV_DONTNEED has emptied as a whole. Linux 6.1
 * and 6.12 keep it.
 */
static void dontneed_and_tables(void)
{
	const size_t tables = 8, pages = tables * 512;
	const long freed = linux_major() < 7 ? 0 : (tables - 2) * PAGE / 1024;
	struct range r = { anon(pages), pages, 1 };
	long before, after;

	fill(&r, 2);
	before = field("/proc/self/status", "VmPTE");
	CHECK(!madvise(r.p + PAGE, (pages - 2) * PAGE, MADV_DONTNEED));
	after = field("/proc/self/status", "VmPTE");
	CHECK(before - after == freed);
	CHECK(!r.p[PAGE] && !r.p[(pages - 2) * PAGE]);
	CHECK(r.p[0] && r.p[(pages - 1) * PAGE]);
	fill(&r, 3);
	CHECK(holds(&r, 3));
	CHECK(field("/proc/self/status", "VmPTE") == before);
	CHECK(!munmap(r.p, pages * PAGE));
}

const struct test tests_anon[] = {
	{ "private memory that is read-only refuses writes and keeps contents",
	  read_only_refuses },
	{ "private memory never touched is zero after mprotect",
	  untouched_stays_zero },
	{ "writes after mprotect do not reach the zero page",
	  zero_page_is_kept },
	{ "PROT_NONE and back keeps contents", none_and_back },
	{ "COW: after RO and RW, writes stay on their side of a fork",
	  cow_stays_apart },
	{ "COW: a child that writes first changes nothing for its parent",
	  cow_child_first },
	{ "fork: children inherit protections and cannot change the parent's",
	  fork_inherits_protection },
	{ "fork: MADV_DONTFORK and MADV_WIPEONFORK hold", advised_fork },
	{ "fragmented ranges: each page keeps its kind and contents",
	  fragments },
	{ "random changes of private memory agree with a model",
	  random_private },
	{ "random changes across table boundaries agree with a model",
	  random_boundaries },
	{ "a sparse range of gigabytes is protected as a whole", sparse },
	{ "PROT_EXEC: code runs if and only if it is executable",
	  code_runs_only_if_exec },
	{ "signals tell address and reason of a violation", signals_tell },
	{ "errors: holes, bad arguments and forbidden rights",
	  errors_are_linux_own },
	{ "PROT_GROWSDOWN reaches down to the mapping's start", grows_down },
	{ "mremap takes protection and contents along", mremap_takes_along },
	{ "madvise under every protection gives what it promises",
	  madvise_and_protection },
	{ "MADV_DONTNEED frees empty tables, if the kernel does",
	  dontneed_and_tables },
	{ "huge page boundaries: parts are protected by themselves",
	  thp_boundaries },
	{ "hugetlbfs: huge pages are protected and come back", hugetlb },
	{ "mlock: locked memory stays resident through mprotect",
	  locked_stays },
	{ "threads: no write lands after mprotect has returned",
	  threads_see_it },
	{ "threads: no write lands in a range of 16 TiB after mprotect",
	  threads_see_16_tib },
	{ "threads: no write lands in a range of 4 GiB with an empty end",
	  threads_see_4_gib },
	{ "mprotect across two tables changes these pages and no others",
	  across_tables },
	{ "mprotect across two tables loses no write of another CPU",
	  across_written },
	{ NULL, NULL },
};
