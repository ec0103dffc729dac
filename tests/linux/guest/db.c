/* SPDX-License-Identifier: MIT */
/*
 * A database on shared memory, the workload of a report of 2007. Processes
 * attach one SysV segment and protect windows of 256 pages in it by mprotect. A
 * round takes away a window's rights (PROT_NONE in "db"; read-only in "db-ro",
 * which then reads some pages), makes the window writable again, and writes to
 * some of its pages.
 *
 * The figure is the number of the whole machine's instructions from the common
 * start of all processes to the end of the last, per round of any process. The
 * number of rounds is fixed. In wall-time runs the figure is rounds per second,
 * measured several times, in rows that begin with "wall".
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

/* The counter in each page that only process k uses. */
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

/*
 * Returns the sum of the words it reads, so that the reads are not optimised
 * out.
 */
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

/*
 * Checks, unmeasured, that no page can be written while a window is protected.
 */
static bool shielded(char *segment, unsigned int k, int down)
{
	char *window = segment + window_of(k, 0) * WINDOW * PAGE;
	bool good = !mprotect(window, WINDOW * PAGE, down);

	for (size_t i = 0; i < WINDOW; i++)
		good &= write_faults(window + i * PAGE) &&
			(down != PROT_NONE || read_faults(window + i * PAGE));
	return good && !mprotect(window, WINDOW * PAGE, PROT_READ | PROT_WRITE);
}

/*
 * Attaches, touches every page, waits for "go", does its rounds, waits for
 * "end".
 */
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

/* True if every counter of every process has its expected value. */
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

	/*
	 * 32 windows (32 MiB); fewer where memory, with page tables, is short.
	 */
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
