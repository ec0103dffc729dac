/* SPDX-License-Identifier: MIT */
/*
 * The semantic tests. Each test is a function that runs in its own process. It
 * passes if every CHECK in it holds and the function runs to its end. A test's
 * name says what holds when it passes. A test that needs something the machine
 * lacks is skipped, with the reason. Behaviour that Linux does not promise is
 * not checked.
 */
#ifndef TESTS_H
#define TESTS_H

#include <time.h>

#define TAP_LINE(...) say(__VA_ARGS__)
#define CHECK_FAILED tap_fail

#include "guest.h"
#include "../../common/tap.h"

#include <pthread.h>
#include <sys/mman.h>

#define RW (PROT_READ | PROT_WRITE)

struct test {
	const char *name;
	void (*run)(void);
};

/* Each list ends with an entry without a name. */
extern const struct test tests_anon[], tests_shared[], tests_watch[],
	tests_swap[], tests_kernel[], tests_grant[], tests_fault[],
	tests_move[], tests_stop[], tests_module[];

#define FAILS(call, with) CHECK((call) == -1 && errno == (with))
void skip(const char *why) __attribute__((noreturn));
/* Skips the test unless the program is the machine's /init. */
void needs_own_machine(void);

/* Runs a part of the test in a child process, whose failures count. */
pid_t spawn(void (*part)(void *), void *arg);
void join(pid_t child);
void in_child(void (*part)(void *), void *arg);

/* Lets two processes take turns: each side waits until the other gives. */
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

/* The rights of a page, found by accesses that keep its contents. */
int allowed(void *at);
bool all_allow(const struct range *r, int prot);
bool zero(const struct range *r);

/* Flags of a page in /proc/self/pagemap. */
#define PM_SOFT_DIRTY (1ull << 55)
#define PM_EXCLUSIVE (1ull << 56)
#define PM_UFFD_WP (1ull << 57)
#define PM_SWAPPED (1ull << 62)
#define PM_PRESENT (1ull << 63)
uint64_t pagemap(const void *at);
size_t pages_with(const struct range *r, uint64_t flag);

/* A counter of the module. -1 without the module. */
long counter(const char *name);
/*
 * Whether the module does what this path is for: the path is on, and Xen has the
 * calls. For paths that are the kernel's without them.
 */
bool takes_all(const char *path);
/*
 * Has the kernel do the TLB flush that reclaim has left to the next who locks a
 * table of this process. A child inherits it. The module leaves the first table
 * to the kernel while such a flush is due, so a test that counts its entries
 * settles first.
 */
void settle(void);

/*
 * For in_child(): writes to every second page of a range that fill() has marked
 * with seed 1, and checks that these copies are its own, and counted once.
 */
void copies_in_child(void *range);

uint32_t prng(void);

/*
 * A thread on the last CPU that writes to a word of each page, in rounds. No
 * other thread writes to these words, and before each write the thread checks
 * that the word holds the previous round. writer_start() pins the caller to the
 * first CPU; writer_end() ends the thread and checks that no write was lost.
 */
struct writer {
	struct range r; /* step 1; zero at the start */
	pthread_t thread;
	bool end;
	uint64_t rounds, lost;
};
/*
 * When a race that began now is to end: after race_seconds, though not before the
 * few rounds that its test requires.
 */
time_t race_end(void);
void writer_start(struct writer *w);
void writer_end(struct writer *w);
/* True if the pages at "p", such as another mapping's, hold its last round. */
bool written(const struct writer *w, const char *p);

/*
 * Changes protections and contents at random and compares with a model. Before
 * the first write, a page holds base + its index, or 0 if base is 0.
 */
struct walk {
	struct range r;
	bool shared;
	uint64_t base;
};
void walk(const struct walk *w, unsigned int steps);

/*
 * foreign.c: makes a domain that never runs. Its number, or -1 if impossible.
 */
#define FOREIGN_PAGES 4096ul
int foreign_domain(void);
/* Maps all its pages. Such a mapping can be unmapped only as a whole. */
char *foreign_map(int domain);
char *foreign_map_as(int domain, int prot);
/*
 * The same, except that up to 8 of the pages are given frames that do not exist.
 * *told: whether exactly these were refused.
 */
char *foreign_map_but(int domain, const size_t *pages, size_t nr, bool *told);
/* The same, while any page may be refused. *refused: how many are. */
char *foreign_map_some(int domain, size_t *refused);
/* Destroys it. False if it is still there, because one of its pages is held. */
bool foreign_end(int domain);

#endif
