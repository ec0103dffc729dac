/* SPDX-License-Identifier: MIT */
/* Features that track accesses: userfaultfd, soft-dirty, protection keys. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- userfaultfd --------------------------------------------------------- */

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

static int uffd;
static volatile unsigned long missing, protected;

/* Allows each write that faults, and fills each missing page with 0x5a. */
static void *answer(void *arg)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffd_msg msg;

	(void)arg;
	memset(page, 0x5a, PAGE);
	for (;;) {
		struct pollfd poller = { .fd = uffd, .events = POLLIN };
		uint64_t at;

		if (poll(&poller, 1, -1) < 0 ||
		    read(uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		at = msg.arg.pagefault.address & -PAGE;
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			struct uffdio_writeprotect wp = { { at, PAGE }, 0 };

			protected++;
			ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
		} else {
			struct uffdio_copy copy = { at, (uintptr_t)page, PAGE,
						    0, 0 };

			missing++;
			ioctl(uffd, UFFDIO_COPY, &copy);
		}
	}
	return NULL;
}

static void uffd_open(uint64_t features)
{
	struct uffdio_api api = { UFFD_API, features, 0 };
	pthread_t thread;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		skip("no userfaultfd");
	if (ioctl(uffd, UFFDIO_API, &api))
		skip("userfaultfd has no write-protection of this memory");
	CHECK(!pthread_create(&thread, NULL, answer, NULL));
}

static void uffd_register(const struct range *r, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)r->p, r->pages * PAGE },
		.mode = mode,
	};

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		skip("userfaultfd cannot watch this memory");
}

static void uffd_missing(void)
{
	struct range r = { anon(300), 300, 1 };
	struct range odd = { r.p + PAGE, 299, 2 }, even = { r.p, 300, 2 };

	uffd_open(0);
	uffd_register(&r, UFFDIO_REGISTER_MODE_MISSING);
	CHECK(!protect(&r, PROT_READ));
	for (size_t i = 0; i < odd.pages; i += 2)
		CHECK(odd.p[i * PAGE + 9] == 0x5a);
	CHECK(missing == 150);
	CHECK(all_allow(&odd, PROT_READ));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(all_allow(&r, PROT_NONE));
	CHECK(missing == 150);
	CHECK(!protect(&r, RW));
	fill(&odd, 1);
	CHECK(missing == 150);
	fill(&even, 2);
	CHECK(missing == 300);
	for (size_t i = 0; i < r.pages; i++)
		CHECK(r.p[i * PAGE + 9] == 0x5a);
	CHECK(holds(&odd, 1) && holds(&even, 2));
}

static void wp(const struct range *r)
{
	struct range odd = { r->p + PAGE, r->pages - 1, 2 };
	struct range even = { r->p, r->pages, 2 };
	struct uffdio_writeprotect all = {
		{ (uintptr_t)r->p, r->pages * PAGE },
		UFFDIO_WRITEPROTECT_MODE_WP,
	};
	unsigned long half = r->pages / 2;

	fill(r, 1);
	CHECK(protected == 0);
	CHECK(!ioctl(uffd, UFFDIO_WRITEPROTECT, &all));
	/* The VMA is writable, but the first write to each page is reported. */
	CHECK(!protect(r, PROT_READ));
	CHECK(all_allow(r, PROT_READ) && protected == 0);
	CHECK(!protect(r, RW));
	CHECK(holds(r, 1) && protected == 0);
	fill(&odd, 2);
	CHECK(protected == half);
	/* The pages written to stay writable, the others protected. */
	CHECK(!protect(r, PROT_NONE));
	CHECK(!protect(r, RW));
	fill(&odd, 3);
	CHECK(protected == half);
	CHECK(holds(&odd, 3) && holds(&even, 1));
	fill(&even, 4);
	CHECK(protected == r->pages);
	CHECK(holds(&odd, 3) && holds(&even, 4));
	/* Write protection set while the VMA is read-only. */
	CHECK(!protect(r, PROT_READ));
	CHECK(!ioctl(uffd, UFFDIO_WRITEPROTECT, &all));
	CHECK(!protect(r, RW));
	fill(r, 5);
	CHECK(protected == 2 * r->pages);
	CHECK(holds(r, 5));
}

static void uffd_wp_anon(void)
{
	struct range r = { anon(400), 400, 1 };

	uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	uffd_register(&r, UFFDIO_REGISTER_MODE_WP);
	wp(&r);
}

static void uffd_wp_shared(void)
{
	int fd = tmpfile_at("/dev/shm", 400 * PAGE);
	struct range r = { mmap(place(400 * PAGE), 400 * PAGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
			   400, 1 };

	CHECK(r.p != MAP_FAILED);
	uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
		  UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	uffd_register(&r, UFFDIO_REGISTER_MODE_WP);
	wp(&r);
}

/*
 * Nobody has asked for events of mremap, so the new place is not watched. Its
 * entries must not stay write-protected, or a write would wait forever.
 */
static void uffd_moves(void)
{
	struct range r = { anon(400), 400, 1 };
	struct range even = { r.p, 400, 2 };
	struct uffdio_writeprotect half = {
		{ (uintptr_t)r.p, r.pages / 2 * PAGE },
		UFFDIO_WRITEPROTECT_MODE_WP,
	};
	char *to = place(500 * PAGE) + PAGE;

	uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	uffd_register(&r, UFFDIO_REGISTER_MODE_WP);
	fill(&r, 1);
	CHECK(!ioctl(uffd, UFFDIO_WRITEPROTECT, &half));
	CHECK(mremap(r.p, r.pages * PAGE, r.pages * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	r.p = even.p = to;
	CHECK(holds(&r, 1));
	CHECK(pages_with(&r, PM_UFFD_WP) == 0);
	fill(&even, 2);
	CHECK(holds(&even, 2) && protected == 0);
}

/* --- Soft-dirty ---------------------------------------------------------- */

static void clear_soft_dirty(void)
{
	CHECK(!spit("/proc/self/clear_refs", "4"));
}

static void soft_dirty_of(const struct range *r)
{
	struct range odd = { r->p + PAGE, r->pages - 1, 2 };

	fill(r, 1);
	if (!pages_with(r, PM_SOFT_DIRTY))
		skip("the kernel has no soft-dirty");
	clear_soft_dirty();
	CHECK(pages_with(r, PM_SOFT_DIRTY) == 0);
	fill(&odd, 2);
	CHECK(pages_with(r, PM_SOFT_DIRTY) == r->pages / 2);

	/* mprotect sets no soft-dirty bit, and hides no later write. */
	clear_soft_dirty();
	CHECK(!protect(r, PROT_READ));
	CHECK(!protect(r, RW));
	CHECK(pages_with(r, PM_SOFT_DIRTY) == 0);
	CHECK(holds(&odd, 2));
	fill(&odd, 3);
	CHECK(pages_with(&odd, PM_SOFT_DIRTY) == r->pages / 2);
	CHECK(pages_with(r, PM_SOFT_DIRTY) == r->pages / 2);

	/* Soft-dirty pages stay so through PROT_READ, PROT_NONE and back. */
	CHECK(!protect(r, PROT_READ));
	CHECK(pages_with(r, PM_SOFT_DIRTY) == r->pages / 2);
	CHECK(!protect(r, PROT_NONE));
	CHECK(!protect(r, RW));
	CHECK(pages_with(&odd, PM_SOFT_DIRTY) == r->pages / 2);
	CHECK(pages_with(r, PM_SOFT_DIRTY) == r->pages / 2);

	/* Soft-dirty bits cleared while the VMA is read-only. */
	CHECK(!protect(r, PROT_READ));
	clear_soft_dirty();
	CHECK(!protect(r, RW));
	CHECK(pages_with(r, PM_SOFT_DIRTY) == 0);
	fill(r, 4);
	CHECK(pages_with(r, PM_SOFT_DIRTY) == r->pages);
	CHECK(holds(r, 4));
}

static void soft_dirty(void)
{
	int fd = tmpfile_at("/dev/shm", 300 * PAGE);
	struct range shared = { mmap(place(300 * PAGE), 300 * PAGE, RW,
				     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
				300, 1 };

	soft_dirty_of(&(struct range){ anon(600), 600, 1 });
	CHECK(shared.p != MAP_FAILED);
	soft_dirty_of(&shared);
}

/* --- Protection keys ----------------------------------------------------- */

static void keys(void)
{
	struct range r = { anon(64), 64, 1 };
	int key = pkey_alloc(0, 0);
	struct fault f;

	if (key < 0)
		skip("no protection keys");
	fill(&r, 1);
	CHECK(!pkey_mprotect(r.p, r.pages * PAGE, RW, key));
	fill(&r, 2);
	for (int round = 0; round < 2; round++) {
		/*
		 * A signal handler starts with default key rights, which the
		 * longjmp out of it keeps: set them before each access.
		 */
		for (size_t i = 0; i < r.pages; i++) {
			CHECK(!pkey_set(key, PKEY_DISABLE_WRITE));
			f = try_write(r.p + i * PAGE, 7);
			CHECK(f.signo == SIGSEGV && f.code == SEGV_PKUERR);
			CHECK(!pkey_set(key, PKEY_DISABLE_WRITE));
			CHECK(!try_read(r.p + i * PAGE).signo);
			CHECK(!pkey_set(key, PKEY_DISABLE_ACCESS));
			f = try_read(r.p + i * PAGE);
			CHECK(f.signo == SIGSEGV && f.code == SEGV_PKUERR);
		}
		CHECK(!pkey_set(key, 0));
		CHECK(holds(&r, 2));
		/* The key stays through an mprotect without one. */
		CHECK(!protect(&r, PROT_READ));
		f = try_write(r.p + 5 * PAGE, 7);
		CHECK(f.signo == SIGSEGV && f.code == SEGV_ACCERR);
		CHECK(!protect(&r, RW));
	}
	CHECK(!pkey_set(key, 0));
	CHECK(holds(&r, 2));
	CHECK(!pkey_mprotect(r.p, r.pages * PAGE, RW, 0));
	CHECK(!pkey_free(key));
	fill(&r, 3);
	CHECK(holds(&r, 3));
}

/* Execute-only memory is unreadable only on a CPU with protection keys. */
static void execute_only(void)
{
	struct range r = { anon(8), 8, 1 };
	int got = 0;

	for (size_t i = 0; i < r.pages; i++)
		memcpy(r.p + i * PAGE, "\xb8\x07\0\0\0\xc3", 6);
	CHECK(!protect(&r, PROT_EXEC));
	for (size_t i = 0; i < r.pages; i++) {
		CHECK(!try_call((int (*)(void))(r.p + i * PAGE), &got).signo);
		CHECK(got == 7);
		CHECK(write_faults(r.p + i * PAGE));
	}
	CHECK(!protect(&r, RW));
	CHECK(all_allow(&r, RW));
	CHECK(!memcmp(r.p + PAGE, "\xb8\x07\0\0\0\xc3", 6));
}

const struct test tests_watch[] = {
	{ "userfaultfd: missing pages are asked for under every protection",
	  uffd_missing },
	{ "userfaultfd: write-protected private pages tell the first write",
	  uffd_wp_anon },
	{ "userfaultfd: write-protected shared pages tell the first write",
	  uffd_wp_shared },
	{ "userfaultfd: pages that mremap moves are not watched any more",
	  uffd_moves },
	{ "soft-dirty: mprotect neither sets it nor lets a write go unseen",
	  soft_dirty },
	{ "protection keys stay with their pages through mprotect", keys },
	{ "PROT_EXEC alone: runs, and is not written", execute_only },
	{ NULL, NULL },
};
