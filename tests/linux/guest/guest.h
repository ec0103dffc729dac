/* SPDX-License-Identifier: MIT */
/*
 * Interfaces between the parts of the guest program. The program is the only
 * process of a small Linux guest, and tests the kernel's memory management from
 * user space. Only xen.c and foreign.c know about Xen, and the program can only
 * load and unload the module, so its tests are the same for every kernel.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096ul
#define MiB (1ul << 20)
#define GiB (1ul << 30)

/* --- Jobs: each adds the number of its failures to "failed" -------------- */

extern unsigned int failed;

void bench(bool quick);
void bench_foreign(void);
void bench_threads(void); /* a process with threads on two CPUs */
void db(unsigned int processes, bool wall);
void programs(void);
void commands(const char *part_of_name); /* programs that start and end */
void stress(unsigned int seconds, bool swap);
void load(unsigned int times); /* loads and unloads the module under stress */
void flip_calls(unsigned int times); /* Xen's calls off and on under stress */
void hold(void);	       /* the stress without end, with a heartbeat */
void not_pv(void);	       /* for a kernel that is not a PV guest of Xen */
void test(const char *only);   /* only tests with this in their name, or NULL */
void test_module(const char *only); /* tests of loading and unloading, likewise */

/* --- init.c -------------------------------------------------------------- */

/* The program runs as /init, so it may change any setting of the machine. */
extern bool own_machine;
/* How long a test with a race runs at most, in seconds. */
extern unsigned int race_seconds;

/* Loads /modules/NAME.ko and the modules it depends on. 0 or an errno. */
int load_module(const char *name);
/* Loads /ptebatch.ko with the parameters of the command line. 0 or an errno. */
int load_ptebatch(void);
int unload_ptebatch(void);

/*
 * If the program is started by this name, it checks its arguments: number i is
 * EXEC_LENGTH times the letter 'a' + i. It returns 0 if they are right.
 */
#define EXEC_NAME "check-arguments"
#define EXEC_ARGUMENTS 20
#define EXEC_LENGTH 20000

/* --- xen.c --------------------------------------------------------------- */

/* Hypercalls through privcmd: Xen's result, or -1 and errno. */
extern int privcmd;
bool privcmd_open(void);
int hypercall(uint64_t nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
	      uint64_t a5);
/* Turns Xen's hypercalls for batches on or off. False if that is impossible. */
bool turn_calls(bool on);

/* --- lib.c --------------------------------------------------------------- */

/* Prints a line to the console, in a single write. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, and counts a failure. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program: something failed that is not under test. */
void die(const char *what) __attribute__((noreturn));

unsigned int cpus(void);
/* The 6 of Linux 6.12. */
unsigned int linux_major(void);
void pin(unsigned int cpu);
/* Reads a whole small file. Gives an empty string if there is no such file. */
const char *slurp(const char *path, char *buf, size_t size);
/* Writes to a file. 0 or an errno. */
int spit(const char *path, const char *text);
/* The number after "key" in a file of lines, or -1 without such a line. */
long field(const char *path, const char *key);

/* The kB after "key" for the VMA at "at" in /proc/self/smaps, or -1. */
long smaps(const void *at, const char *key);

/*
 * Counts warnings, oopses, stalls and the like in the kernel's log since boot.
 */
unsigned int complaints(void);

/*
 * Picks an unused, 2 MiB aligned range of addresses with a gap on either side.
 * No VMAs merge there, and the page tables are the same on every kernel.
 */
char *place(size_t bytes);
/* Maps private anonymous memory at such a place: small pages, read-write. */
char *anon(size_t pages);
/* Opens an unnamed file of this size on the tmpfs "dir". */
int tmpfile_at(const char *dir, size_t bytes);
long minor_faults(void);
/*
 * swap_on() sets up swap in compressed memory, since there is no disk.
 * join_group() moves the caller and its future children to a memory cgroup, so
 * that only these run short of memory. Each returns NULL, or why it failed.
 */
const char *swap_on(void);
const char *join_group(void);
#define GROUP "/sys/fs/cgroup/small/"

/*
 * Pages that fill() marks, with a word at the start and one at the end of each.
 */
struct range {
	char *p;
	size_t pages;
	size_t step; /* 1: every page is used, 2: every second, ... */
};

void fill(const struct range *r, uint64_t seed);
bool holds(const struct range *r, uint64_t seed);

/* The signal that an access raised. signo is 0 if the access succeeded. */
struct fault {
	int signo, code;
	void *addr;
};

/* Accesses that catch a SIGSEGV or SIGBUS of the calling thread. */
struct fault try_write(void *at, unsigned char value);
struct fault try_read(const void *at);
/* Atomic accesses of a word, for memory that other threads change meanwhile. */
struct fault try_store(uint64_t *at, uint64_t value);
struct fault try_load(const uint64_t *at, uint64_t *value);
struct fault try_call(int (*at)(void), int *result);

static inline bool write_faults(void *at)
{
	return try_write(at, 0xbd).signo != 0;
}

static inline bool read_faults(const void *at)
{
	return try_read(at).signo != 0;
}

/*
 * With QEMU's icount the TSC counts the instructions of the whole machine,
 * hypervisor included.
 */
static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
