/* SPDX-License-Identifier: MIT */
/* Runs the tests, prints TAP to the console, and has the tests' common code. */
#define _GNU_SOURCE
#include "tests.h"
#include "../../common/random.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define TIME_LIMIT 300 /* in seconds of guest time */

static const struct test *const rooms[] = { tests_anon,	  tests_shared,
					    tests_watch,  tests_swap,
					    tests_kernel, tests_grant,
					    tests_fault,  tests_move,
					    tests_stop };

/* The reason of a skipped test, in memory shared with the runner. */
static char *reason;

void skip(const char *why)
{
	snprintf(reason, PAGE, "%s", why);
	exit(tap.reasons ? 1 : SKIPPED);
}

void needs_own_machine(void)
{
	if (!own_machine)
		skip("would change the machine, which is not a guest");
}

/* --- Processes ----------------------------------------------------------- */

pid_t spawn(void (*part)(void *), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		tap.reasons = 0;
		part(arg);
		_exit(tap.reasons != 0);
	}
	return pid;
}

void join(pid_t child)
{
	int state = -1;

	CHECK(waitpid(child, &state, 0) == child);
	CHECK(state == 0);
}

void in_child(void (*part)(void *), void *arg)
{
	join(spawn(part, arg));
}

void turns_init(struct turns *t)
{
	if (pipe(t->pipe[0]) || pipe(t->pipe[1]))
		die("pipe");
}

void turns_give(struct turns *t, int side)
{
	if (write(t->pipe[side][1], "", 1) != 1)
		die("write to a pipe");
}

void turns_wait(struct turns *t, int side)
{
	char c;

	if (read(t->pipe[side][0], &c, 1) != 1)
		die("read of a pipe");
}

/* --- Rights and contents of a page --------------------------------------- */

int allowed(void *at)
{
	unsigned char was;

	if (read_faults(at))
		return write_faults(at) ? PROT_NONE : PROT_WRITE;
	was = *(volatile unsigned char *)at;
	return try_write(at, was).signo ? PROT_READ : RW;
}

bool all_allow(const struct range *r, int prot)
{
	for (size_t i = 0; i < r->pages; i += r->step) {
		int got = allowed(r->p + i * PAGE);

		if (got != prot) {
			say("# page %zu allows %d instead of %d", i, got, prot);
			return false;
		}
	}
	return true;
}

bool zero(const struct range *r)
{
	for (size_t i = 0; i < r->pages; i += r->step)
		for (size_t k = 0; k < PAGE; k += 8)
			if (*(uint64_t *)(r->p + i * PAGE + k))
				return false;
	return true;
}

uint64_t pagemap(const void *at)
{
	static int fd = -1;
	static pid_t whose;
	uint64_t entry = 0;

	if (whose != getpid()) {
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		whose = getpid();
	}
	if (pread(fd, &entry, 8, (uintptr_t)at / PAGE * 8) != 8)
		die("/proc/self/pagemap");
	return entry;
}

size_t pages_with(const struct range *r, uint64_t flag)
{
	size_t n = 0;

	for (size_t i = 0; i < r->pages; i += r->step)
		n += !!(pagemap(r->p + i * PAGE) & flag);
	return n;
}

long counter(const char *name)
{
	return field("/sys/kernel/debug/ptebatch/status", name);
}

bool takes_all(const char *path)
{
	char on[32], status[64] = "";

	snprintf(on, sizeof(on), "%s.on ", path);
	slurp("/sys/kernel/debug/ptebatch/status", status, sizeof(status));
	return counter(on) == 1 && !strncmp(status, "backend hypercall", 17);
}

void settle(void)
{
	char *page = anon(1);

	*(volatile char *)page = 1;
	CHECK(!munmap(page, PAGE));
}

/* --- Random changes, and a model to compare with ------------------------- */

/* Gives the same numbers in every run. */
uint32_t prng(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	return xorshift64(&state) >> 32;
}

time_t race_end(void)
{
	return time(NULL) + race_seconds;
}

/* The word in each page to which only a writer thread writes. */
static uint64_t *word(const char *p, size_t page)
{
	return (uint64_t *)(p + page * PAGE) + 7;
}

static void *write_on(void *arg)
{
	struct writer *w = arg;

	pin(cpus() - 1);
	while (!__atomic_load_n(&w->end, __ATOMIC_RELAXED)) {
		for (size_t i = 0; i < w->r.pages; i++) {
			uint64_t *at = word(w->r.p, i);

			w->lost += __atomic_load_n(at, __ATOMIC_RELAXED) !=
				   w->rounds;
			__atomic_store_n(at, w->rounds + 1, __ATOMIC_RELAXED);
		}
		w->rounds++;
	}
	return NULL;
}

void writer_start(struct writer *w)
{
	pin(0);
	if (pthread_create(&w->thread, NULL, write_on, w))
		die("pthread_create");
}

void writer_end(struct writer *w)
{
	__atomic_store_n(&w->end, true, __ATOMIC_RELAXED);
	CHECK(!pthread_join(w->thread, NULL));
	if (w->lost)
		say("# %lu writes were lost in %lu rounds", w->lost, w->rounds);
	CHECK(w->lost == 0 && w->rounds >= 10);
}

bool written(const struct writer *w, const char *p)
{
	size_t wrong = 0;

	for (size_t i = 0; i < w->r.pages; i++)
		wrong += *word(p, i) != w->rounds;
	if (wrong)
		say("# %zu of %zu pages lack round %lu", wrong, w->r.pages,
		    w->rounds);
	return !wrong;
}

#define WALK_PAGES 2048

static struct {
	unsigned char prot;
	uint64_t holds;
} model[WALK_PAGES];

static uint64_t *mark(const struct walk *w, size_t page)
{
	return (uint64_t *)(w->r.p + page * PAGE + 40);
}

static uint64_t initial(const struct walk *w, size_t page)
{
	return w->base ? w->base + page : 0;
}

static bool agrees(const struct walk *w, size_t page)
{
	int got = allowed(w->r.p + page * PAGE);
	bool good = got == model[page].prot &&
		    (!(got & PROT_READ) || *mark(w, page) == model[page].holds);

	if (!good)
		say("# page %zu allows %d, expected %d; holds %#lx, expected %#lx",
		    page, got, model[page].prot,
		    got & PROT_READ ? *mark(w, page) : 0, model[page].holds);
	return good;
}

/*
 * A child sees the parent's pages; its writes to private memory stay its own.
 */
static void walk_in_child(void *arg)
{
	const struct walk *w = arg;

	for (size_t i = prng() % 16; i < w->r.pages; i += 16) {
		CHECK(agrees(w, i));
		if (w->shared || model[i].prot != RW)
			continue;
		*mark(w, i) = ~0ul;
		CHECK(*mark(w, i) == ~0ul);
	}
	CHECK(!mprotect(w->r.p, w->r.pages * PAGE, RW));
}

static void walk_step(const struct walk *w)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW,
				     PROT_READ | PROT_EXEC };
	size_t first = prng() % w->r.pages, n;
	uint32_t what = prng() % 100;
	int prot;

	/* Half of the lengths are short. */
	n = 1 + prng() % (prng() % 2 ? 8 : w->r.pages / 2);
	n = n > w->r.pages - first ? w->r.pages - first : n;
	if (what < 50) {
		prot = prots[prng() % 5];
		CHECK(!mprotect(w->r.p + first * PAGE, n * PAGE, prot));
		for (size_t i = first; i < first + n; i++)
			model[i].prot = prot & RW;
		/* A range with wrong bounds shows at its borders. */
		CHECK(agrees(w, first) && agrees(w, first + n - 1));
		if (first)
			CHECK(agrees(w, first - 1));
		if (first + n < w->r.pages)
			CHECK(agrees(w, first + n));
	} else if (what < 85) {
		for (size_t i = first; i < first + n; i += 1 + prng() % 5) {
			if (model[i].prot != RW)
				continue;
			*mark(w, i) = model[i].holds = prng();
		}
	} else if (what < 95) {
		CHECK(!madvise(w->r.p + first * PAGE, n * PAGE, MADV_DONTNEED));
		for (size_t i = first; i < first + n && !w->shared; i++)
			model[i].holds = initial(w, i);
	} else {
		in_child(walk_in_child, (void *)w);
	}
}

void walk(const struct walk *w, unsigned int steps)
{
	for (size_t i = 0; i < w->r.pages; i++) {
		model[i].prot = RW;
		model[i].holds = initial(w, i);
	}
	while (steps-- && !tap.reasons)
		walk_step(w);
	for (size_t i = 0; i < w->r.pages && !tap.reasons; i++)
		CHECK(agrees(w, i));
	CHECK(!mprotect(w->r.p, w->r.pages * PAGE, PROT_READ));
	for (size_t i = 0; i < w->r.pages && !tap.reasons; i++) {
		model[i].prot = PROT_READ;
		CHECK(agrees(w, i));
	}
	CHECK(!mprotect(w->r.p, w->r.pages * PAGE, RW));
	fill(&w->r, 11);
	CHECK(holds(&w->r, 11));
}

/* --- The runner ---------------------------------------------------------- */

static void run_test(const struct test *t)
{
	unsigned int before = complaints();
	char signal[40];
	int state;
	pid_t pid;

	*reason = 0;
	tap_begin(NULL, t->name);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		setpgid(0, 0);
		alarm(TIME_LIMIT);
		t->run();
		if (!check_made)
			tap_fail("the test made no check");
		exit(tap.reasons != 0);
	}
	while (waitpid(pid, &state, 0) != pid)
		;
	kill(-pid, SIGKILL); /* processes that the test left running */
	if (complaints() != before) {
		tap_result(NULL, t->name, "the kernel complained");
	} else if (WIFEXITED(state) && WEXITSTATUS(state) == SKIPPED) {
		tap_skip(NULL, t->name, reason);
	} else if (WIFSIGNALED(state)) {
		snprintf(signal, sizeof(signal), "ended by signal %d%s",
			 WTERMSIG(state),
			 WTERMSIG(state) == SIGALRM ? ", its time was up" : "");
		tap_result(NULL, t->name, signal);
	} else {
		/* The test has printed its reasons itself. */
		tap_result(NULL, t->name, state ? "it failed" : NULL);
	}
}

static void run_all(const struct test *const *from, size_t n, const char *only)
{
	reason = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reason == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < n; i++)
		for (const struct test *t = from[i]; t->name; t++)
			if (!only || strcasestr(t->name, only))
				run_test(t);
	if (tap.number)
		failed += tap_done();
	else
		fail("no test has \"%s\" in its name", only);
}

void test(const char *only)
{
	run_all(rooms, sizeof(rooms) / sizeof(*rooms), only);
}

void test_module(const char *only)
{
	static const struct test *const from[] = { tests_module };

	run_all(from, 1, only);
}
