/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the guest program share. The program is the only process
 * of a small Linux guest and judges the kernel's memory management from user
 * space alone: it knows nothing of Xen but in xen.c and foreign.c, and nothing of the
 * module but how to load it, so that it says the same of every kernel.
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

/* --- Jobs: each adds what failed to "failed" ----------------------------- */

extern unsigned int failed;

void bench(bool quick);
void bench_foreign(void);
void bench_threads(void); /* of a process on two CPUs */
void db(unsigned int processes, bool wall);
void programs(void);
void stress(unsigned int seconds, bool swap);
void load(unsigned int times); /* the module, under that stress */
void flip_calls(unsigned int times); /* Xen's calls off and on, under it too */
void hold(void);	       /* the stress without an end, and a heartbeat */
void not_pv(void);	       /* where the kernel is no PV guest of Xen */
void test(const char *only);   /* NULL, or a part of the names to be run */
void test_module(const char *only); /* loading and unloading it, likewise */

/* --- init.c -------------------------------------------------------------- */

/* It is /init: the machine is its own, to be changed as it needs. */
extern bool own_machine;

/* Loads /modules/NAME.ko and what it depends on; 0 or an errno. */
int load_module(const char *name);
/* The module at hand, with the parameters of the command line. */
int load_ptebatch(void);
int unload_ptebatch(void);

/* --- xen.c --------------------------------------------------------------- */

/* Through privcmd; -1 and errno, or what Xen answered. */
extern int privcmd;
bool privcmd_open(void);
int hypercall(uint64_t nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
	      uint64_t a5);
/* Turns Xen's calls for batches off or on; false where that is not to be had. */
bool turn_calls(bool on);

/* --- lib.c --------------------------------------------------------------- */

/* A line to the console, in one write. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, and counts a failure. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* For what must work before there is anything to be tested. */
void die(const char *what) __attribute__((noreturn));

unsigned int cpus(void);
void pin(unsigned int cpu);
/* Reads a small file whole; an empty string where there is none. */
const char *slurp(const char *path, char *buf, size_t size);
/* 0 or an errno. */
int spit(const char *path, const char *text);
/* The number behind KEY in a file of lines, -1 where there is none. */
long field(const char *path, const char *key);

/* Warnings, oopses, stalls and the like in the kernel's log since boot */
unsigned int complaints(void);

/*
 * A fresh 2 MiB aligned place with nothing beside it, so that no VMA merges
 * and every kernel sees the same tables. The offset moves it off alignment.
 */
char *place(size_t bytes);
/* Anonymous private memory there, small pages, readable and writable. */
char *anon(size_t pages);
/* A file without a name on tmpfs. */
int tmpfile_at(const char *dir, size_t bytes);
long minor_faults(void);
/*
 * Swap in compressed memory, since there is no disk; and a group of which the
 * calling process and its children become, to run out of memory alone. NULL, or
 * why there is none.
 */
const char *swap_on(void);
const char *join_group(void);
#define GROUP "/sys/fs/cgroup/small/"

/* Pages with two words each, at their ends, that tell whose and when. */
struct range {
	char *p;
	size_t pages;
	size_t step; /* pages from one that is used to the next */
};

void fill(const struct range *r, uint64_t seed);
bool holds(const struct range *r, uint64_t seed);

/* What an access met; signo is 0 where it succeeded. */
struct fault {
	int signo, code;
	void *addr;
};

/* Done under a handler that is per thread; a SIGBUS is told as well. */
struct fault try_write(void *at, unsigned char value);
struct fault try_read(const void *at);
/* A word at once, for memory that others change meanwhile. */
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

/* Under QEMU's icount, instructions of the machine, hypervisor included. */
static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
