/* SPDX-License-Identifier: MIT */
/* Output, files, places in the address space, and accesses that may fault. */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/utsname.h>
#include <unistd.h>

unsigned int failed;

/* --- Output -------------------------------------------------------------- */

static void vsay(const char *before, const char *fmt, va_list args)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "%s", before);

	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	for (int done = 0, got; done < n; done += got) {
		got = write(1, line + done, n - done);
		if (got <= 0)
			break;
	}
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay("", fmt, args);
	va_end(args);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay("FAILED: ", fmt, args);
	va_end(args);
	failed++;
}

void die(const char *what)
{
	say("guest: %s: %s", what, strerror(errno));
	exit(99);
}

/* --- Machine and files --------------------------------------------------- */

unsigned int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

const char *slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;

	while (fd >= 0 && n < size - 1) {
		got = read(fd, buf + n, size - 1 - n);
		if (got <= 0)
			break;
		n += got;
	}
	if (fd >= 0)
		close(fd);
	buf[n] = 0;
	return buf;
}

int spit(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

unsigned int linux_major(void)
{
	struct utsname name;

	if (uname(&name))
		die("uname");
	return atoi(name.release);
}

long field(const char *path, const char *key)
{
	char buf[16384];
	const char *at = slurp(path, buf, sizeof(buf));
	size_t n = strlen(key);

	while (at && *at) {
		if (!strncmp(at, key, n))
			return strtol(at + n + strspn(at + n, ": \t"), NULL, 0);
		at = strchr(at, '\n');
		at += !!at;
	}
	return -1;
}

/*
 * Linux on Xen, with or without the module, prints this warning once when it
 * clears the PTE of a page in swap: it reads the PTE while the clearing is
 * still queued. The functions are those of Linux 6.1 and 6.12, as in
 * tests/linux/run.
 */
static bool known(const char *line)
{
	return strstr(line, "mm_inline.h") &&
	       (strstr(line, "unmap_page_range") ||
		strstr(line, "zap_install_uffd_wp_if_needed"));
}

unsigned int complaints(void)
{
	static const char *const signs[] = {
		"WARNING: CPU",
		"BUG: ",
		"Oops: ",
		"Bad page map",
		"Bad page state",
		"Bad swap file entry",
		"general protection fault",
		"multicall(s) failed",
		"blocked for more than",
		"rcu: INFO: ",
	};
	static unsigned int n;
	static int fd = -1;
	static pid_t whose;
	char line[8192];
	ssize_t got;

	if (!own_machine)
		return 0;
	if (whose != getpid()) {
		whose = getpid();
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		n = 0;
	}
	/*
	 * Each read gives one record; EPIPE means that some were overwritten.
	 */
	while ((got = read(fd, line, sizeof(line) - 1)) > 0 ||
	       (got < 0 && errno == EPIPE)) {
		line[got > 0 ? got : 0] = 0;
		for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
			if (strstr(line, signs[i]) && !known(line)) {
				n++;
				break;
			}
	}
	return n;
}

long smaps(const void *at, const char *key)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	unsigned long from, to;
	bool here = false;
	long kb = -1;

	while (file && kb < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)at >= from && (uintptr_t)at < to;
		else if (here && !strncmp(line, key, strlen(key)))
			kb = strtol(line + strlen(key) + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return kb;
}

/* --- Memory -------------------------------------------------------------- */

char *place(size_t bytes)
{
	static uintptr_t next = 1ul << 36;
	uintptr_t at = next;

	next = (at + bytes + 4 * MiB - 1) & ~(2 * MiB - 1);
	return (char *)at;
}

char *anon(size_t pages)
{
	char *p =
		mmap(place(pages * PAGE), pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of anonymous memory");
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

int tmpfile_at(const char *dir, size_t bytes)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, bytes))
		die(dir);
	return fd;
}

long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

#define SWAP "/dev/zram0"

const char *swap_on(void)
{
	static union {
		struct {
			char boot[1024];
			uint32_t version, last_page, bad_pages;
		} info;
		char page[PAGE];
	} head;
	char buf[256];
	int fd;

	if (strstr(slurp("/proc/swaps", buf, sizeof(buf)), SWAP))
		return NULL;
	if (load_module("zram"))
		return "no module zram";
	if (spit("/sys/block/zram0/disksize", "128M"))
		return "zram takes no size";
	head.info.version = 1;
	head.info.last_page = 128 * MiB / PAGE - 1;
	memcpy(head.page + PAGE - 10, "SWAPSPACE2", 10);
	fd = open(SWAP, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &head, PAGE) != PAGE || fsync(fd))
		die(SWAP);
	close(fd);
	if (swapon(SWAP, 0))
		die("swapon");
	return NULL;
}

const char *join_group(void)
{
	char self[32];

	mkdir("/sys/fs/cgroup", 0755);
	if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) &&
	    errno != EBUSY)
		return "no cgroup2";
	if (spit("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		return "no memory controller";
	mkdir(GROUP, 0755);
	snprintf(self, sizeof(self), "%d", getpid());
	return spit(GROUP "cgroup.procs", self) ? "no way into a cgroup" : NULL;
}

static uint64_t *word(const struct range *r, size_t page, int end)
{
	return (uint64_t *)(r->p + page * PAGE + (end ? PAGE - 8 : 0));
}

void fill(const struct range *r, uint64_t seed)
{
	for (size_t i = 0; i < r->pages; i += r->step) {
		*word(r, i, 0) = seed + i;
		*word(r, i, 1) = ~(seed + i);
	}
}

bool holds(const struct range *r, uint64_t seed)
{
	bool good = true;

	for (size_t i = 0; i < r->pages; i += r->step)
		good &= *word(r, i, 0) == seed + i &&
			*word(r, i, 1) == ~(seed + i);
	return good;
}

/* --- Accesses that may fault --------------------------------------------- */

static __thread sigjmp_buf out;
static __thread volatile bool armed;
static __thread struct fault met;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (!armed) {
		say("guest: unexpected signal %d, code %d, at %p", signo,
		    info->si_code, info->si_addr);
		signal(signo, SIG_DFL);
		return; /* the access faults again, and ends the process */
	}
	armed = false;
	met = (struct fault){ signo, info->si_code, info->si_addr };
	siglongjmp(out, 1);
}

static void arm(void)
{
	static volatile bool ready;

	if (!ready) {
		struct sigaction action = {
			.sa_sigaction = on_fault,
			.sa_flags = SA_SIGINFO | SA_NODEFER,
		};

		sigaction(SIGSEGV, &action, NULL);
		sigaction(SIGBUS, &action, NULL);
		ready = true;
	}
	met = (struct fault){ 0, 0, NULL };
	armed = true;
}

struct fault try_write(void *at, unsigned char value)
{
	arm();
	if (!sigsetjmp(out, 0))
		*(volatile unsigned char *)at = value;
	armed = false;
	return met;
}

struct fault try_read(const void *at)
{
	arm();
	if (!sigsetjmp(out, 0))
		(void)*(const volatile unsigned char *)at;
	armed = false;
	return met;
}

struct fault try_store(uint64_t *at, uint64_t value)
{
	arm();
	if (!sigsetjmp(out, 0))
		__atomic_store_n(at, value, __ATOMIC_RELAXED);
	armed = false;
	return met;
}

struct fault try_load(const uint64_t *at, uint64_t *value)
{
	arm();
	if (!sigsetjmp(out, 0))
		*value = __atomic_load_n(at, __ATOMIC_RELAXED);
	armed = false;
	return met;
}

struct fault try_call(int (*at)(void), int *result)
{
	arm();
	if (!sigsetjmp(out, 0))
		*result = at();
	armed = false;
	return met;
}
