/* SPDX-License-Identifier: MIT */
/*
 * Processes with several threads that protect, fork, unmap, fault and write at
 * the same time, on private memory and on memory that all processes share.
 *
 * Each thread owns "slots", which are ranges of pages. Only the owner changes
 * the protection of a slot, one part at a time. Meanwhile the other threads of
 * its process, the slot's visitors, write to the pages and skip those that
 * refuse a write. Checked:
 *
 * - No write is lost. In each page each thread has a word to which no other
 *   thread stores. The word holds the thread's last store, whatever has
 *   happened to the page since.
 * - No write passes read-only memory. After mprotect has returned, none of the
 *   words changes that threads of this process store to.
 * - A child sees the memory's contents at the time of the fork. Its writes to
 *   private memory are seen by no other process, and those to shared memory by
 *   all.
 * - Memory that was unmapped and mapped again, or discarded, is zero.
 * - Memory that is moved to another address and back, or of which the kernel is
 *   told that it is not in use, keeps its contents.
 *
 * With swap, reclaim unmaps pages all the time.
 */
#define _GNU_SOURCE
#include "guest.h"
#include "../../common/random.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RW (PROT_READ | PROT_WRITE)
#define THREADS_MAX 4
#define PROCESSES_MAX 2
#define SLOT_PAGES 96u
#define AWAY (2 * MiB + 3 * PAGE) /* where a slot's pages move to and fro */
#define STUCK 120 /* seconds without progress that count as a failure */

enum kind {
	PRIVATE,
	REMAPPED,
	SHARED,
	KINDS
};
static const char *const kinds[] = { "private", "remapped", "shared" };

struct slot {
	char *p;
	enum kind kind;
	uint64_t stored[SLOT_PAGES]; /* by the owner */
};

/* Seen by all processes. */
static struct {
	bool over;
	uint64_t rounds, forks, remaps, moves, aged, landed, refused, failures;
} * all;

static unsigned int processes, threads;
static char *shared; /* memory of the shared slots, common to all processes */

/* State of one process. */
static unsigned int process;
static struct slot slots[THREADS_MAX][KINDS];
static pthread_barrier_t barrier;

/* State of one thread. */
static __thread unsigned int self;
static __thread int file; /* for stores that the kernel makes */
static __thread uint64_t random_state;
/* What this thread stored as a visitor. */
static __thread uint64_t visits[THREADS_MAX][KINDS][SLOT_PAGES];

static uint32_t pick(uint32_t below)
{
	return (xorshift64(&random_state) >> 32) % below;
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool over(void)
{
	return __atomic_load_n(&all->over, __ATOMIC_RELAXED);
}

static void wrong(const char *what, const struct slot *s, size_t page,
		  uint64_t expected, uint64_t got)
{
	if (__atomic_fetch_add(&all->failures, 1, __ATOMIC_RELAXED) < 20)
		say("# stress: %s: process %u, thread %u, a %s slot, page %zu: "
		    "expected %#lx, is %#lx",
		    what, process, self, kinds[s->kind], page, expected, got);
}

/*
 * The word of a thread. Shared slots have the same pages in every process, so
 * words of different processes differ too. The last word of a process is for
 * its children.
 */
static uint64_t *word(const struct slot *s, size_t page, unsigned int thread)
{
	size_t nr = process * (THREADS_MAX + 1) + thread;

	return (uint64_t *)(s->p + page * PAGE + nr * 128 + page % 16 * 8);
}

static uint64_t load_word(const struct slot *s, size_t page,
			  unsigned int thread)
{
	return __atomic_load_n(word(s, page, thread), __ATOMIC_RELAXED);
}

#define CHILDREN THREADS_MAX

/* --- The owner's part ---------------------------------------------------- */

struct part {
	size_t first, pages;
};

static struct part a_part(void)
{
	struct part part = { pick(SLOT_PAGES), 0 };

	part.pages = 1 + pick(SLOT_PAGES - part.first);
	return part;
}

static void protect(const struct slot *s, struct part part, int prot)
{
	if (mprotect(s->p + part.first * PAGE, part.pages * PAGE, prot))
		wrong("mprotect failed", s, part.first, 0, errno);
}

static void store_all(struct slot *s, struct part part)
{
	for (size_t i = part.first; i < part.first + part.pages; i++) {
		s->stored[i]++;
		__atomic_store_n(word(s, i, self), s->stored[i],
				 __ATOMIC_RELAXED);
	}
}

static void compare_all(const struct slot *s, struct part part)
{
	for (size_t i = part.first; i < part.first + part.pages; i++)
		if (load_word(s, i, self) != s->stored[i])
			wrong("the owner's write was lost", s, i, s->stored[i],
			      load_word(s, i, self));
}

/*
 * Compares all words of a read-only part twice, with time for visitors between.
 */
static void watch(const struct slot *s, struct part part)
{
	static __thread uint64_t seen[SLOT_PAGES][THREADS_MAX];

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < part.pages; i++) {
			for (unsigned int t = 0; t < threads; t++) {
				uint64_t now = load_word(s, part.first + i, t);

				if (pass && now != seen[i][t])
					wrong("a write through read-only memory",
					      s, part.first + i, seen[i][t],
					      now);
				seen[i][t] = now;
			}
		}
		for (uint32_t n = pick(8); n && !pass; n--)
			sched_yield();
	}
}

static void refuses(const struct slot *s, struct part part, int prot)
{
	size_t page = part.first + pick(part.pages);
	uint64_t got;

	if (!try_store(word(s, page, self), ~0ul).signo)
		wrong("the owner wrote to read-only memory", s, page, 0, prot);
	if (prot == PROT_NONE && !try_load(word(s, page, self), &got).signo)
		wrong("PROT_NONE was read", s, page, 0, got);
}

/* Runs in the child, where only the thread that called fork exists. */
static void child(struct slot *s, struct part part)
{
	const struct slot *common = &slots[self][SHARED];

	compare_all(s, part);
	protect(s, part, RW);
	for (size_t i = part.first; i < part.first + part.pages; i++) {
		__atomic_store_n(word(s, i, CHILDREN), 0xc0ffee,
				 __ATOMIC_RELAXED);
		if (s->kind != SHARED)
			__atomic_store_n(word(s, i, self), ~0ul,
					 __ATOMIC_RELAXED);
	}
	protect(common, (struct part){ 0, SLOT_PAGES }, RW);
	for (size_t i = 0; i < SLOT_PAGES; i++)
		__atomic_fetch_add(word(common, i, CHILDREN), 1,
				   __ATOMIC_RELAXED);
	if (pick(2))
		munmap(s->p, SLOT_PAGES * PAGE);
	_exit(0);
}

/* The part of the slot must be readable. */
static void fork_one(struct slot *s, struct part part)
{
	struct slot *common = &slots[self][SHARED];
	uint64_t before = load_word(common, 0, CHILDREN);
	pid_t pid;
	int state;

	if (s->kind == SHARED)
		return;
	pid = fork();
	if (pid < 0) {
		wrong("fork failed", s, 0, 0, errno);
		return;
	}
	if (!pid)
		child(s, part);
	store_all(common, (struct part){ 0, SLOT_PAGES });
	if (waitpid(pid, &state, 0) != pid || state)
		wrong("a child ended badly", s, 0, 0, state);
	for (size_t i = 0; i < SLOT_PAGES; i++)
		if (load_word(common, i, CHILDREN) != before + 1)
			wrong("the child's write was lost", common, i,
			      before + 1, load_word(common, i, CHILDREN));
	for (size_t i = part.first; i < part.first + part.pages; i++)
		if (load_word(s, i, CHILDREN))
			wrong("the child's write came through", s, i, 0,
			      load_word(s, i, CHILDREN));
	compare_all(s, part);
	compare_all(common, (struct part){ 0, SLOT_PAGES });
	count(&all->forks);
}

static void map_slot(struct slot *s)
{
	if (mmap(s->p, SLOT_PAGES * PAGE, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != s->p)
		die("mmap of a slot");
	madvise(s->p, SLOT_PAGES * PAGE, MADV_NOHUGEPAGE);
}

/* Visitors write meanwhile, so their words in such a slot are not compared. */
static void remap(struct slot *s)
{
	struct part part = { 0, SLOT_PAGES };

	switch (pick(3)) {
	case 0:
		munmap(s->p, SLOT_PAGES * PAGE);
		map_slot(s);
		break;
	case 1:
		map_slot(s); /* MAP_FIXED replaces the mapping */
		break;
	default:
		part = a_part();
		if (madvise(s->p + part.first * PAGE, part.pages * PAGE,
			    MADV_DONTNEED))
			wrong("madvise failed", s, part.first, 0, errno);
	}
	for (size_t i = part.first; i < part.first + part.pages; i++) {
		s->stored[i] = 0;
		if (load_word(s, i, self))
			wrong("new memory was not zero", s, i, 0,
			      load_word(s, i, self));
	}
	count(&all->remaps);
}

/*
 * Moves a part to another place and back. Meanwhile visitors' accesses fault.
 * The place is this slot's own.
 */
static void shift(const struct slot *s, struct part part)
{
	const size_t bytes = part.pages * PAGE;
	char *at = s->p + part.first * PAGE;
	struct slot there = *s;

	there.p = s->p + AWAY - part.first * PAGE;
	if (mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   s->p + AWAY) != s->p + AWAY) {
		/* The kernel has not merged all areas that mprotect made. */
		if (errno != EFAULT)
			wrong("mremap failed", s, part.first, 0, errno);
		return;
	}
	compare_all(&there, part);
	if (mremap(s->p + AWAY, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   at) != at)
		die("mremap of a slot");
	count(&all->moves);
}

/* Advice that changes no contents, and clears bits in entries. */
static void age(struct slot *s, struct part part)
{
	char *at = s->p + part.first * PAGE;

	switch (pick(4)) {
	case 0:
		madvise(at, part.pages * PAGE, MADV_COLD);
		break;
	case 1:
		if (s->kind != REMAPPED ||
		    madvise(at, part.pages * PAGE, MADV_FREE))
			break;
		/* From here on the pages are kept. */
		store_all(s, part);
		break;
	case 2:
		spit("/proc/self/clear_refs", "1");
		break;
	default:
		if (!pick(8))
			spit("/proc/self/clear_refs", "4");
	}
	count(&all->aged);
}

static void own_round(struct slot *s)
{
	struct part part = a_part();
	bool none = !pick(3), child_between = !pick(24);

	store_all(s, a_part());
	store_all(s, part);
	protect(s, part, none ? PROT_NONE : PROT_READ);
	refuses(s, part, none ? PROT_NONE : PROT_READ);
	if (none) {
		sched_yield();
		protect(s, part, PROT_READ);
	}
	compare_all(s, part);
	watch(s, part);
	if (child_between)
		fork_one(s, part);
	protect(s, part, RW);
	compare_all(s, part);
	if (!pick(4))
		shift(s, part);
	if (!pick(4))
		age(s, part);
	compare_all(s, part);
	if (s->kind == REMAPPED && !pick(3))
		remap(s);
}

/* --- The visitor's part -------------------------------------------------- */

/* Sometimes stores by a system call, since the kernel's stores can fail too. */
static bool store(uint64_t *at, uint64_t value)
{
	ssize_t n;

	if (pick(8))
		return !try_store(at, value).signo;
	if (pwrite(file, &value, 8, 0) != 8)
		die("write to a file");
	n = pread(file, at, 8, 0);
	return n == 8;
}

static void visit(const struct slot *s, uint64_t *stored)
{
	struct part part = a_part();
	uint64_t got;

	for (size_t i = part.first; i < part.first + part.pages; i++) {
		uint64_t *at = word(s, i, self);

		if (try_load(at, &got).signo) {
			count(&all->refused);
			continue;
		}
		if (s->kind != REMAPPED && got != stored[i])
			wrong("a visitor's write was lost", s, i, stored[i],
			      got);
		if (store(at, stored[i] + 1)) {
			stored[i]++;
			count(&all->landed);
		} else {
			count(&all->refused);
		}
	}
}

/* --- Threads and processes ----------------------------------------------- */

static void *work(void *arg)
{
	self = (uintptr_t)arg;
	random_state = 0x9e3779b97f4a7c15 * (1 + self + 16 * process);
	file = tmpfile_at("/tmp", 8);
	pthread_barrier_wait(&barrier);
	while (!over()) {
		unsigned int other = pick(threads), kind = pick(KINDS);

		own_round(&slots[self][pick(KINDS)]);
		if (other != self)
			visit(&slots[other][kind], visits[other][kind]);
		count(&all->rounds);
	}
	/* All slots are writable now, and no thread changes them any more. */
	pthread_barrier_wait(&barrier);
	for (int kind = 0; kind < KINDS; kind++) {
		compare_all(&slots[self][kind], (struct part){ 0, SLOT_PAGES });
		for (unsigned int t = 0; t < threads; t++)
			for (size_t i = 0; i < SLOT_PAGES; i++)
				if (t != self && kind != REMAPPED &&
				    load_word(&slots[t][kind], i, self) !=
					    visits[t][kind][i])
					wrong("a visitor's write was lost",
					      &slots[t][kind], i,
					      visits[t][kind][i],
					      load_word(&slots[t][kind], i,
							self));
	}
	return NULL;
}

static void run_process(void)
{
	pthread_t thread[THREADS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_barrier_init(&barrier, NULL, threads);
	for (unsigned int t = 0; t < threads; t++) {
		for (int kind = 0; kind < KINDS; kind++) {
			struct slot *s = &slots[t][kind];

			s->kind = kind;
			if (kind == SHARED) {
				s->p = shared + t * SLOT_PAGES * PAGE;
			} else {
				/* Let the slots cross L1 tables' boundaries. */
				s->p = place(8 * MiB) + 4 * MiB -
				       (7 + 13 * t) * PAGE;
				map_slot(s);
			}
		}
	}
	for (uintptr_t t = 0; t < threads; t++)
		if (pthread_create(&thread[t], NULL, work, (void *)t))
			die("pthread_create");
	for (unsigned int t = 0; t < threads; t++)
		pthread_join(thread[t], NULL);
	_exit(0);
}

static pid_t pids[PROCESSES_MAX];

static void begin(unsigned int nr_processes, unsigned int nr_threads)
{
	processes = nr_processes;
	threads = nr_threads;
	all = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared = mmap(place(THREADS_MAX * SLOT_PAGES * PAGE),
		      THREADS_MAX * SLOT_PAGES * PAGE, RW,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (all == MAP_FAILED || shared == MAP_FAILED)
		die("mmap");
	for (process = 0; process < processes; process++) {
		pids[process] = fork();
		if (pids[process] < 0)
			die("fork");
		if (!pids[process])
			run_process();
	}
}

static void end(void)
{
	int state;

	__atomic_store_n(&all->over, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < processes; i++) {
		for (int left = STUCK * 10; left; left--) {
			if (waitpid(pids[i], &state, WNOHANG) == pids[i])
				break;
			usleep(100000);
			if (left == 1) {
				fail("stress: process %u does not end", i);
				kill(pids[i], SIGKILL);
				waitpid(pids[i], &state, 0);
			}
		}
		if (state)
			fail("stress: process %u ended with status %#x", i,
			     state);
	}
	say("# stress: %u processes of %u threads: %lu rounds, %lu forks, "
	    "%lu remaps, %lu moves, %lu aged, %lu writes, %lu refused, "
	    "%lu failures",
	    processes, threads, all->rounds, all->forks, all->remaps,
	    all->moves, all->aged, all->landed, all->refused, all->failures);
	if (all->failures)
		fail("stress: %lu failures", all->failures);
	if (!all->rounds || !all->landed || !all->forks || !all->moves ||
	    !all->aged)
		fail("stress: not everything was tried");
	munmap(all, PAGE);
	munmap(shared, THREADS_MAX * SLOT_PAGES * PAGE);
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* False if no round has ended for STUCK calls, about one per second. */
static bool alive(void)
{
	static uint64_t last;
	static unsigned int still;

	still = all->rounds == last ? still + 1 : 0;
	last = all->rounds;
	return still < STUCK;
}

/*
 * Waits for a second. With swap, reclaim unmaps pages all that time, from
 * tables that the threads change.
 */
static void wait_a_second(bool swap)
{
	if (!swap) {
		sleep(1);
		return;
	}
	for (time_t until = seconds() + 1; seconds() < until;) {
		spit(GROUP "memory.reclaim", "4M");
		usleep(10000);
	}
}

static void run_for(unsigned int time, unsigned int nr_processes,
		    unsigned int nr_threads, bool swap)
{
	time_t until = seconds() + time;
	long out = field("/proc/vmstat", "pswpout");

	begin(nr_processes, nr_threads);
	while (seconds() < until) {
		wait_a_second(swap);
		if (!alive()) {
			fail("stress: stuck");
			break;
		}
	}
	end();
	if (!swap)
		return;
	out = field("/proc/vmstat", "pswpout") - out;
	say("# stress: %ld pages went to swap", out);
	if (out < 100)
		fail("stress: hardly a page went to swap");
}

void stress(unsigned int time, bool swap)
{
	const char *why = swap ? swap_on() : NULL;

	if (swap && !why)
		why = join_group();
	if (why) {
		fail("stress: %s", why);
		return;
	}
	run_for((time + 1) / 2, 1, 2, swap);
	run_for((time + 1) / 2, 2, 4, swap);
}

void load(unsigned int times)
{
	bool in = !access("/sys/module/ptebatch", F_OK), was = in;
	time_t said = seconds();
	int err;

	begin(2, 4);
	for (unsigned int i = 0; i < 2 * times; i++) {
		err = in ? unload_ptebatch() : load_ptebatch();
		if (err) {
			fail("%s %u of %u: %s", in ? "rmmod" : "insmod",
			     i / 2 + 1, times, strerror(err));
			break;
		}
		in = !in;
		if (seconds() >= said + 10) {
			said = seconds();
			say("# load: %u of %u, %lu rounds", (i + 1) / 2, times,
			    all->rounds);
		}
		usleep(i * 7919 % 5000);
	}
	end();
	if (in != was)
		fail("load: the module is %s", in ? "still there" : "gone");
}

/* The module's backend according to its status. Empty without the module. */
static const char *backend(void)
{
	static char buf[64];
	char *end;

	slurp("/sys/kernel/debug/ptebatch/status", buf, sizeof(buf));
	end = strchr(buf, '\n');
	if (!end || strncmp(buf, "backend ", 8))
		return "";
	*end = 0;
	return buf + 8;
}

/* Waits until the module uses this backend, while the stress continues. */
static bool comes_to_use(const char *other)
{
	for (time_t until = seconds() + STUCK; seconds() < until;) {
		if (!strcmp(backend(), other))
			return true;
		usleep(1000);
	}
	fail("flip: the module works by %s, not by %s", backend(), other);
	return false;
}

/*
 * Turns Xen's hypercalls for batches off and on. Every 64th time, checks that
 * the module switches backends. A write to the parameter makes the module probe
 * again (see its README).
 */
void flip_calls(unsigned int times)
{
	const char *parameter = "/sys/module/ptebatch/parameters/mprotect";
	time_t said = seconds();

	if (!privcmd_open() || !turn_calls(true)) {
		fail("flip: Xen's calls cannot be turned from here");
		return;
	}
	begin(2, 4);
	for (unsigned int i = 0; i < times; i++) {
		bool look = i % 64 == 63;

		if (!turn_calls(false) || (look && !comes_to_use("mmu-update")))
			break;
		usleep(i * 7919 % 2000);
		if (!turn_calls(true) || spit(parameter, "1") ||
		    (look && !comes_to_use("hypercall")))
			break;
		usleep(i * 104729 % 2000);
		if (i + 1 == times)
			say("# flip: %u times", times);
		if (seconds() >= said + 10) {
			said = seconds();
			say("# flip: %u of %u, %lu rounds", i + 1, times,
			    all->rounds);
		}
	}
	turn_calls(true);
	end();
}

void hold(void)
{
	uint64_t beat = 0;

	begin(2, 4);
	for (;;) {
		sleep(1);
		say("guest: beat %lu, %lu rounds, %lu failures%s, %s", ++beat,
		    all->rounds, all->failures, alive() ? "" : ", stuck",
		    backend());
	}
}
