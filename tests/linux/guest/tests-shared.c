/* SPDX-License-Identifier: MIT */
/* Shared memory and files. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *map(int fd, size_t pages, int prot, int flags)
{
	char *p = mmap(place(pages * PAGE), pages * PAGE, prot,
		       flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* --- Two views of the same pages ----------------------------------------- */

struct views {
	struct range a, b;
};

static void other_process(void *arg)
{
	struct views *v = arg;

	CHECK(all_allow(&v->a, PROT_READ) && holds(&v->a, 3));
	CHECK(!protect(&v->a, RW));
	fill(&v->a, 4);
	CHECK(holds(&v->b, 4));
	CHECK(!protect(&v->b, PROT_NONE));
	CHECK(!protect(&v->a, PROT_NONE));
}

/* Each view has its own rights, and sees what the other view writes. */
static void views_agree(struct views *v)
{
	fill(&v->a, 1);
	CHECK(holds(&v->b, 1));
	CHECK(!protect(&v->a, PROT_READ));
	CHECK(all_allow(&v->a, PROT_READ) && all_allow(&v->b, RW));
	fill(&v->b, 2);
	CHECK(holds(&v->a, 2));
	CHECK(!protect(&v->b, PROT_NONE));
	CHECK(all_allow(&v->b, PROT_NONE) && holds(&v->a, 2));
	CHECK(!protect(&v->a, RW));
	fill(&v->a, 3);
	CHECK(all_allow(&v->b, PROT_NONE));
	CHECK(!protect(&v->b, RW));
	CHECK(holds(&v->b, 3));
	CHECK(!protect(&v->a, PROT_READ));
	in_child(other_process, v);
	CHECK(all_allow(&v->a, PROT_READ) && all_allow(&v->b, RW));
	CHECK(holds(&v->a, 4) && holds(&v->b, 4));
	/* Pages that one view discards are still in the other. */
	CHECK(!madvise(v->a.p, v->a.pages * PAGE, MADV_DONTNEED));
	CHECK(holds(&v->a, 4));
	CHECK(!munmap(v->b.p, v->b.pages * PAGE));
	CHECK(holds(&v->a, 4));
	CHECK(!protect(&v->a, RW));
	walk(&(struct walk){ v->a, true, 0 }, 200);
}

static void sysv(void)
{
	const size_t pages = 1100;
	int id = shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600);
	struct views v = { { NULL, pages, 1 }, { NULL, pages, 1 } };
	char *p;

	CHECK(id >= 0);
	v.a.p = shmat(id, place(pages * PAGE), 0);
	v.b.p = shmat(id, place(pages * PAGE), 0);
	p = shmat(id, NULL, SHM_RDONLY);
	CHECK(!shmctl(id, IPC_RMID, NULL));
	CHECK(mprotect(p, PAGE, RW) == -1 && errno == EACCES);
	CHECK(allowed(p) == PROT_READ);
	CHECK(!shmdt(p));
	views_agree(&v);
	CHECK(!shmdt(v.a.p));
	CHECK(read_faults(v.a.p));
}

static void two_maps(int fd, size_t pages)
{
	struct views v = { { map(fd, pages, RW, MAP_SHARED), pages, 1 },
			   { map(fd, pages, RW, MAP_SHARED), pages, 1 } };

	views_agree(&v);
	close(fd);
}

static void posix_shm(void)
{
	int fd = shm_open("/guest-test", O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && !ftruncate(fd, 700 * PAGE));
	CHECK(!shm_unlink("/guest-test"));
	two_maps(fd, 700);
}

static void tmpfs_file(void)
{
	two_maps(tmpfile_at("/tmp", 900 * PAGE), 900);
}

static void anonymous_shared(void)
{
	struct range r = { map(-1, 600, RW, MAP_SHARED | MAP_ANONYMOUS), 600,
			   1 };

	walk(&(struct walk){ r, true, 0 }, 200);
}

/* Pages are added to the object after the range was protected. */
static void appear_later(void)
{
	int fd = tmpfile_at("/dev/shm", 520 * PAGE);
	struct range a = { map(fd, 520, PROT_READ, MAP_SHARED), 520, 1 };
	struct range b = { map(fd, 520, RW, MAP_SHARED), 520, 1 };

	CHECK(!protect(&a, PROT_NONE));
	fill(&b, 1);
	CHECK(!protect(&a, PROT_READ));
	CHECK(all_allow(&a, PROT_READ) && holds(&a, 1));
	/* Pages are removed: beyond the file's new end, reads raise SIGBUS. */
	CHECK(!ftruncate(fd, 100 * PAGE));
	CHECK(!protect(&a, PROT_NONE));
	CHECK(!protect(&a, PROT_READ));
	CHECK(try_read(a.p + 99 * PAGE).signo == 0);
	CHECK(try_read(a.p + 100 * PAGE).signo == SIGBUS);
	CHECK(!ftruncate(fd, 520 * PAGE));
	CHECK(zero(&(struct range){ a.p + 100 * PAGE, 420, 1 }));
	close(fd);
}

/* --- Private mappings of files ------------------------------------------- */

static void private_file(void)
{
	const size_t pages = 800;
	int fd = tmpfile_at("/tmp", pages * PAGE);
	struct range shared = { map(fd, pages, RW, MAP_SHARED), pages, 1 };
	struct range mine = { map(fd, pages, PROT_READ, MAP_PRIVATE), pages,
			      1 };

	fill(&shared, 1);
	CHECK(holds(&mine, 1) && all_allow(&mine, PROT_READ));
	CHECK(!protect(&mine, RW));
	fill(&mine, 2);
	CHECK(holds(&mine, 2) && holds(&shared, 1));
	CHECK(!protect(&mine, PROT_READ));
	fill(&shared, 3);
	CHECK(holds(&mine, 2));
	CHECK(!madvise(mine.p, pages * PAGE, MADV_DONTNEED));
	CHECK(holds(&mine, 3) && all_allow(&mine, PROT_READ));
	/* Every second page is a private copy, the others are the file's. */
	CHECK(!protect(&mine, RW));
	fill(&(struct range){ mine.p, pages, 2 }, 4);
	CHECK(!protect(&mine, PROT_NONE));
	CHECK(!protect(&mine, RW));
	fill(&mine, 5);
	CHECK(holds(&mine, 5) && holds(&shared, 3));

	for (size_t i = 0; i < pages; i++)
		*(uint64_t *)(shared.p + i * PAGE + 40) = 1000 + i;
	CHECK(!madvise(mine.p, pages * PAGE, MADV_DONTNEED));
	walk(&(struct walk){ mine, false, 1000 }, 200);
	CHECK(holds(&shared, 3));
	close(fd);
}

static void dev_zero(void)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	for (int shared = 0; shared < 2; shared++) {
		struct range r = { map(fd, 300, RW,
				       shared ? MAP_SHARED : MAP_PRIVATE),
				   300, 1 };

		CHECK(!protect(&r, PROT_READ));
		CHECK(zero(&r));
		CHECK(!protect(&r, RW));
		walk(&(struct walk){ r, shared, 0 }, 100);
		CHECK(!munmap(r.p, r.pages * PAGE));
	}
	close(fd);
}

/* --- A filesystem with page_mkwrite, which is told of first writes ------- */

#define DISK "/dev/ram0"
#define BLOCK 1024
#define BLOCKS 16384

/* A minix filesystem, version 1, with an empty root. */
static bool make_filesystem(void)
{
	enum {
		SUPER = 1,
		INODE_MAP,
		ZONE_MAP,
		INODES = 5,
		ROOT = 7
	};
	static unsigned char image[ROOT + 1][BLOCK];
	const uint16_t super[12] = {
		64, BLOCKS, 1, 2, ROOT, 0, 0x1c00, 0x1008, 0x137f, 1,
	};
	const uint16_t root[16] = {
		S_IFDIR | 0755, 0, 32, 0, 0, 0, 2 << 8, ROOT
	};
	int fd = open(DISK, O_RDWR | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	memcpy(image[SUPER], super, sizeof(super));
	/* Bit 0 of each map and the bits beyond its end are marked as used. */
	memset(image[INODE_MAP], 0xff, BLOCK);
	memset(image[INODE_MAP], 0, 8);
	image[INODE_MAP][0] = 3;
	image[INODE_MAP][8] = 0xfe;
	image[ZONE_MAP][0] = 3;
	image[ZONE_MAP + 1][BLOCK - 1] = 0xfc;
	memcpy(image[INODES], root, sizeof(root));
	memcpy(image[ROOT], "\1\0.", 3);
	memcpy(image[ROOT] + 16, "\1\0..", 4);
	good = write(fd, image, sizeof(image)) == sizeof(image) && !fsync(fd);
	close(fd);
	return good;
}

static const char *disk_file(void)
{
	if (!own_machine)
		return "/var/tmp/guest-test";
	if (load_module("brd") || load_module("minix"))
		skip("no modules brd and minix");
	mkdir("/mnt", 0755);
	if (!make_filesystem() || mount(DISK, "/mnt", "minix", 0, NULL))
		die("a filesystem on " DISK);
	return "/mnt/file";
}

static long dirty(const struct range *r)
{
	return smaps(r->p, "Shared_Dirty") + smaps(r->p, "Private_Dirty");
}

/*
 * True if the first write to each page faults, so that the filesystem is asked.
 * On a filesystem with large folios, one fault can be for a whole folio.
 */
static bool notified(const struct range *r, uint64_t seed)
{
	long before = minor_faults(), least = own_machine ? r->pages : 1;

	fill(r, seed);
	before = minor_faults() - before;
	if (before < least)
		say("# %ld faults for %zu pages", before, r->pages);
	return before >= least;
}

static void write_notify(void)
{
	const size_t pages = 600;
	const char *path = disk_file();
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct range r = { NULL, pages, 1 }, copy = { anon(pages), pages, 1 };

	CHECK(fd >= 0);
	fill(&copy, 0);
	CHECK(write(fd, copy.p, pages * PAGE) == (ssize_t)(pages * PAGE));
	CHECK(!fsync(fd));
	r.p = map(fd, pages, RW, MAP_SHARED);
	CHECK(holds(&r, 0));
	CHECK(dirty(&r) == 0);
	fill(&r, 1);
	CHECK(dirty(&r) == (long)pages * 4);

	/* A clean page is write-protected, although the VMA is writable. */
	CHECK(!msync(r.p, pages * PAGE, MS_SYNC));
	CHECK(dirty(&r) == 0);
	CHECK(notified(&r, 2));
	CHECK(dirty(&r) == (long)pages * 4);
	/* The same after mprotect to read-only and back. */
	CHECK(!msync(r.p, pages * PAGE, MS_SYNC));
	CHECK(!protect(&r, PROT_READ));
	CHECK(!protect(&r, RW));
	CHECK(dirty(&r) == 0);
	CHECK(notified(&r, 3));
	CHECK(dirty(&r) == (long)pages * 4);
	CHECK(!msync(r.p, pages * PAGE, MS_SYNC));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(!protect(&r, RW));
	CHECK(holds(&r, 3)); /* maps the pages by reading them */
	CHECK(notified(&r, 4));

	/* mprotect keeps pages dirty, and msync cleans read-only ones too. */
	CHECK(!protect(&r, PROT_READ));
	CHECK(dirty(&r) == (long)pages * 4);
	CHECK(!msync(r.p, pages * PAGE, MS_SYNC));
	CHECK(dirty(&r) == 0);
	CHECK(!protect(&r, RW));
	CHECK(notified(&r, 5));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(dirty(&r) == (long)pages * 4);
	CHECK(!munmap(r.p, pages * PAGE));
	CHECK(!fsync(fd));
	close(fd);

	/* All writes are on the disk. */
	if (own_machine)
		CHECK(!umount("/mnt") &&
		      !mount(DISK, "/mnt", "minix", 0, NULL));
	fd = open(path, O_RDONLY | O_CLOEXEC | (own_machine ? 0 : O_DIRECT));
	CHECK(fd >= 0);
	CHECK(read(fd, copy.p, pages * PAGE) == (ssize_t)(pages * PAGE));
	CHECK(holds(&copy, 5));
	close(fd);

	/* Finally, random changes of pages read back from the disk. */
	fd = open(path, O_RDWR | O_CLOEXEC);
	r.p = map(fd, pages, RW, MAP_SHARED);
	for (size_t i = 0; i < pages; i++)
		*(uint64_t *)(r.p + i * PAGE + 40) = 0;
	walk(&(struct walk){ r, true, 0 }, 200);
	CHECK(!munmap(r.p, pages * PAGE));
	close(fd);
	unlink(path);
	if (own_machine)
		CHECK(!umount("/mnt"));
}

/* --- Unmapping ----------------------------------------------------------- */

/*
 * True if the process has about this many kB of a kind of memory. Linux updates
 * its counters late: after up to 64 faults, each of which can map 16 pages.
 * When the process ends, Linux warns if it has counted a page as the wrong
 * kind.
 */
static bool resident(const char *key, long kb)
{
	long is = field("/proc/self/status", key), late = 5000;

	if (labs(is - kb) <= late)
		return true;
	say("# %s is %ld kB instead of %ld", key, is, kb);
	return false;
}

static void counted(void)
{
	const size_t pages = 12000;
	int fd = tmpfile_at("/dev/shm", pages * PAGE);
	struct range shared = { map(fd, pages, RW, MAP_SHARED), pages, 1 };
	struct range mine = { map(fd, pages, RW, MAP_PRIVATE), pages, 1 };
	struct range own = { mine.p, pages / 2, 2 };
	long shmem = field("/proc/self/status", "RssShmem");
	long anonymous = field("/proc/self/status", "RssAnon");

	fill(&shared, 1);
	CHECK(resident("RssShmem", shmem + 4 * pages));
	CHECK(holds(&mine, 1));
	CHECK(resident("RssShmem", shmem + 8 * pages));
	/* In one half, every second page becomes a private copy. */
	fill(&own, 2);
	CHECK(resident("RssShmem", shmem + 8 * pages - pages));
	CHECK(resident("RssAnon", anonymous + pages));

	CHECK(!munmap(mine.p, pages / 4 * PAGE));
	CHECK(read_faults(mine.p));
	CHECK(resident("RssShmem", shmem + 8 * pages - pages - pages / 2));
	CHECK(resident("RssAnon", anonymous + pages / 2));
	CHECK(!madvise(mine.p + pages / 4 * PAGE, pages / 4 * 3 * PAGE,
		       MADV_DONTNEED));
	CHECK(resident("RssShmem", shmem + 4 * pages));
	CHECK(resident("RssAnon", anonymous));
	CHECK(holds(&shared, 1));
	CHECK(!ftruncate(fd, pages / 2 * PAGE));
	CHECK(resident("RssShmem", shmem + 2 * pages));
	CHECK(!munmap(shared.p, pages * PAGE));
	CHECK(resident("RssShmem", shmem));
	close(fd);
}

/* Runs in another address space, whose TLB flushes do not reach the writer. */
static void sync_on(void *arg)
{
	int *fd = arg;

	pin(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		CHECK(!fdatasync(*fd));
		CHECK(!posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED));
	}
}

/*
 * If a page were written to through a stale TLB entry after it was unmapped,
 * the kernel could find the page clean and evict it, and the write would be
 * lost. The unmapped range is much larger than the part that is written to,
 * which widens the window for this race.
 */
static void evicted(void)
{
	const char *path = disk_file();
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const size_t pages = 3000, few = 64;
	char *all = map(fd, pages, RW, MAP_SHARED);
	struct writer w = { .r = { all, few, 1 } };
	time_t until = race_end();
	pid_t syncing;

	CHECK(fd >= 0 && !ftruncate(fd, pages * PAGE));
	fill(&(struct range){ all + few * PAGE, pages - few, 1 }, 1);
	CHECK(!fdatasync(fd));
	syncing = spawn(sync_on, &fd);
	writer_start(&w);
	for (int i = 0; i < 300 && (i < 5 || time(NULL) < until); i++) {
		for (size_t k = few; k < pages; k += 16)
			read_faults(all + k * PAGE);
		CHECK(!madvise(all, pages * PAGE, MADV_DONTNEED));
	}
	writer_end(&w);
	kill(syncing, SIGKILL);
	CHECK(waitpid(syncing, NULL, 0) == syncing);
	CHECK(!munmap(all, pages * PAGE));
	close(fd);

	/* The file also has the last writes, made before the unmapping. */
	if (own_machine)
		CHECK(!umount("/mnt") &&
		      !mount(DISK, "/mnt", "minix", 0, NULL));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	all = map(fd, few, PROT_READ, MAP_SHARED);
	CHECK(written(&w, all));
	CHECK(!munmap(all, few * PAGE));
	close(fd);
	unlink(path);
	if (own_machine)
		CHECK(!umount("/mnt"));
}

const struct test tests_shared[] = {
	{ "SysV: attachments have rights of their own and the same contents",
	  sysv },
	{ "POSIX shm: mappings have rights of their own and the same contents",
	  posix_shm },
	{ "tmpfs: shared mappings have their own rights and the same contents",
	  tmpfs_file },
	{ "MAP_SHARED anonymous: random changes agree with a model",
	  anonymous_shared },
	{ "MAP_SHARED: pages that come and go after mprotect have its rights",
	  appear_later },
	{ "MAP_PRIVATE file: writes after RO and RW never reach the file",
	  private_file },
	{ "/dev/zero, private and shared, agrees with a model", dev_zero },
	{ "unmapped and truncated pages of a file are counted down, each as its sort",
	  counted },
	{ "no write is lost to a file that is unmapped, synced and evicted meanwhile",
	  evicted },
	{ "write-notify: clean pages of a file on disk stay write-protected",
	  write_notify },
	{ NULL, NULL },
};
