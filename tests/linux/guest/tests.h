/* SPDX-License-Identifier: MIT */
/*
 * The semantic tests. Each is a function that runs in a process of its own;
 * it has passed when every CHECK in it held and it did not end before its end.
 * A name says what holds then. What a machine has not got is skipped by name;
 * a difference between kernels that Linux does not promise is not checked.
 */
#ifndef TESTS_H
#define TESTS_H

#include "guest.h"

#include <pthread.h>
#include <sys/mman.h>

#define RW (PROT_READ | PROT_WRITE)

struct test {
	const char *name;
	void (*run)(void);
};

/* Ended by one without a name. */
extern const struct test tests_anon[], tests_shared[], tests_watch[],
	tests_swap[], tests_kernel[], tests_grant[], tests_module[];

#define CHECK(held) check(held, __FILE__, __LINE__, #held)
#define FAILS(call, with) CHECK((call) == -1 && errno == (with))
bool check(bool held, const char *file, int line, const char *what);
void skip(const char *why) __attribute__((noreturn));
/* Skips where the program is a guest and not all of the machine. */
void needs_own_machine(void);

/* Runs a part of the test in a child, whose failures count. */
pid_t spawn(void (*part)(void *), void *arg);
void join(pid_t child);
void in_child(void (*part)(void *), void *arg);

/* Processes that take turns: each side waits for the other's. */
struct turns {
	int pipe[2][2];
};
void turns_init(struct turns *t);
void turns_give(struct turns *t, int side);
void turns_wait(struct turns *t, int side);

static inline int protect(const struct range *r, int prot)
{
	return mprotect(r->p, r->pages * PAGE, prot);
}

/* PROT_READ and PROT_WRITE as tried out; the contents stay. */
int allowed(void *at);
bool all_allow(const struct range *r, int prot);
bool zero(const struct range *r);

/* Flags of a page in /proc/self/pagemap. */
#define PM_SOFT_DIRTY (1ull << 55)
#define PM_EXCLUSIVE (1ull << 56)
#define PM_SWAPPED (1ull << 62)
#define PM_PRESENT (1ull << 63)
uint64_t pagemap(const void *at);
size_t pages_with(const struct range *r, uint64_t flag);
/* kB behind KEY of the VMA at hand in /proc/self/smaps, -1 if there is none */
long smaps(const void *at, const char *key);

uint32_t prng(void);

/*
 * A thread on the last CPU that alone writes to a word of each page, round by
 * round, and looks whether it holds what it wrote before. The caller is put on
 * the first. End it to have that checked.
 */
struct writer {
	struct range r; /* step 1; zero at the start */
	pthread_t thread;
	bool end;
	uint64_t rounds, lost;
};
#define WRITER_SECONDS 20 /* enough, where a machine is slow */
void writer_start(struct writer *w);
void writer_end(struct writer *w);
/* Whether the pages at hand, another mapping's say, hold its last round. */
bool written(const struct writer *w, const char *p);

/*
 * Changes protections and contents at random and compares with a model; what
 * a page holds before the first write is base + its index, or 0.
 */
struct walk {
	struct range r;
	bool shared;
	uint64_t base;
};
void walk(const struct walk *w, unsigned int steps);

/* foreign.c: a domain that never runs, or -1 where there cannot be any. */
#define FOREIGN_PAGES 4096ul
int foreign_domain(void);
/* Its pages, in a fresh mapping that must be unmapped as a whole. */
char *foreign_map(int domain);
/* Destroys it; whether it is gone, as it cannot be while a page is held. */
bool foreign_end(int domain);

#endif
