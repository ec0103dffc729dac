/* SPDX-License-Identifier: MIT */
/*
 * A database on shared memory, as the report of 2007 had it: processes that
 * attach one SysV segment and roll windows of 256 pages in and out of it by
 * mprotect. A round takes one window down, to PROT_NONE in "db", to read-only
 * and some reads in "db-ro", takes it up again and writes some of its pages.
 *
 * The figure is what the whole machine did from the start of all processes'
 * rounds to the end of the last, divided by all their rounds. How many rounds
 * there are does not depend on time. Where the clock on the wall counts, it is
 * rounds per second, several times, in rows that begin with "wall".
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 256ul
#define ROUNDS 100
#define TOUCHED 16 /* pages of a window that a round reads, and writes */
#define PROCESSES_MAX 64u

static size_t windows;

/* A counter of process k's own in each page. */
static uint64_t *counter(char *segment, size_t page, unsigned int k)
{
	return (uint64_t *)(segment + page * PAGE) + k;
}

static size_t window_of(unsigned int k, int round)
{
	return (k * 5ul + round * 3ul) % windows;
}

static size_t page_of(unsigned int k, int round, int i)
{
	return window_of(k, round) * WINDOW + i * (WINDOW / TOUCHED) +
	       (k + round) % (WINDOW / TOUCHED);
}

/* The sum of what is read there, and not optimised away. */
static uint64_t one_round(char *segment, unsigned int k, int round, int down)
{
	char *window = segment + window_of(k, round) * WINDOW * PAGE;
	uint64_t sum = 0;

	if (mprotect(window, WINDOW * PAGE, down))
		return -1;
	for (int i = 0; i < TOUCHED && down != PROT_NONE; i++)
		sum += *counter(segment, page_of(k, round, i), k);
	if (mprotect(window, WINDOW * PAGE, PROT_READ | PROT_WRITE))
		return -1;
	for (int i = 0; i < TOUCHED; i++)
		++*(volatile uint64_t *)counter(segment, page_of(k, round, i),
						k);
	return sum;
}

/* Not measured: while a window is down, no page of it takes a write. */
static bool shielded(char *segment, unsigned int k, int down)
{
	char *window = segment + window_of(k, 0) * WINDOW * PAGE;
	bool good = !mprotect(window, WINDOW * PAGE, down);

	for (size_t i = 0; i < WINDOW; i++)
		good &= write_faults(window + i * PAGE) &&
			(down != PROT_NONE || read_faults(window + i * PAGE));
	return good && !mprotect(window, WINDOW * PAGE, PROT_READ | PROT_WRITE);
}

/* Attached, tables filled, and at the barrier; the rounds; at the next one. */
static int worker(int id, unsigned int k, int down, int ready, int go, int end)
{
	char *segment = shmat(id, NULL, 0), c;
	bool good = segment != MAP_FAILED;

	pin(k % cpus());
	for (size_t i = 0; good && i < windows * WINDOW; i++)
		*(volatile uint64_t *)counter(segment, i, k) = 0;
	good = good && shielded(segment, k, down);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 0)
		good = false;
	for (int r = 0; good && r < ROUNDS; r++)
		good = one_round(segment, k, r, down) != (uint64_t)-1;
	if (write(ready, "", 1) != 1 || read(end, &c, 1) != 0)
		good = false;
	return !good;
}

/* What all of them should have counted is in the segment, and nothing else. */
static bool complete(char *segment, unsigned int processes)
{
	for (unsigned int k = 0; k < processes; k++) {
		static uint32_t expected[32 * WINDOW];

		memset(expected, 0, windows * WINDOW * sizeof(*expected));
		for (int r = 0; r < ROUNDS; r++)
			for (int i = 0; i < TOUCHED; i++)
				expected[page_of(k, r, i)]++;
		for (size_t p = 0; p < windows * WINDOW; p++)
			if (*counter(segment, p, k) != expected[p])
				return false;
	}
	return true;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void run(const char *workload, unsigned int processes, int down,
		bool wall)
{
	int id = shmget(IPC_PRIVATE, windows * WINDOW * PAGE, IPC_CREAT | 0600);
	char *segment = id < 0 ? MAP_FAILED : shmat(id, NULL, 0), c;
	int go[2], end[2], ready[2], state;
	bool good = true;
	double took;
	uint64_t t;

	if (segment == MAP_FAILED || pipe(go) || pipe(end) || pipe(ready))
		die("a SysV segment");
	for (unsigned int k = 0; k < processes; k++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			close(go[1]);
			close(end[1]);
			shmdt(segment);
			_exit(worker(id, k, down, ready[1], go[0], end[0]));
		}
	}
	for (unsigned int k = 0; k < processes; k++)
		good &= read(ready[0], &c, 1) == 1;
	took = seconds();
	t = rdtsc();
	close(go[1]);
	for (unsigned int k = 0; k < processes; k++)
		good &= read(ready[0], &c, 1) == 1;
	t = rdtsc() - t;
	took = seconds() - took;
	close(end[1]);
	for (unsigned int k = 0; k < processes; k++)
		good &= wait(&state) > 0 && !state;
	good &= complete(segment, processes);
	say("%s,%s,%zu,%u,round,%.1f,%s", wall ? "wall" : "csv", workload,
	    WINDOW, processes,
	    wall ? processes * ROUNDS / took : (double)t / processes / ROUNDS,
	    good ? "yes" : "no");
	failed += !good;
	close(go[0]);
	close(end[0]);
	close(ready[0]);
	close(ready[1]);
	shmdt(segment);
	shmctl(id, IPC_RMID, NULL);
}

void db(unsigned int processes, bool wall)
{
	long kb = field("/proc/meminfo", "MemAvailable");

	/* 32 MiB, or what a small machine can give, tables included. */
	windows = kb / 4 / 4 / WINDOW;
	if (windows > 32)
		windows = 32;
	if (windows < 4 || processes > PROCESSES_MAX) {
		fail("db: %ld kB are too few, or %u processes too many", kb,
		     processes);
		return;
	}
	for (int i = 0; i < (wall ? 5 : 1); i++) {
		run("db", processes, PROT_NONE, wall);
		run("db-ro", processes, PROT_READ, wall);
	}
}
