/* SPDX-License-Identifier: MIT */
/*
 * The guest program's main(). As /init the program mounts file systems, runs
 * the jobs that the kernel's command line names, and powers off. As any other
 * process it runs the jobs that its arguments name, and changes nothing of the
 * machine.
 *
 *   guest=JOB[+JOB...]   bench, bench-quick, bench-threads, bench-foreign,
 *                        programs, commands[:PART-OF-NAME],
 *                        db:PROCESSES, db-wall:PROCESSES,
 *                        test[:PART-OF-NAME], test-module[:PART-OF-NAME],
 *                        stress:SECONDS, stress-swap:SECONDS, load:TIMES,
 *                        flip:TIMES, hold, not-pv
 *   ptebatch=on          loads /ptebatch.ko first
 *   ptebatch.opts="..."  the module's parameters, with + in place of spaces
 *   races=SECONDS        how long each test with a race runs at most (20)
 *
 * Last line: "guest: done, N failed".
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS "/sys/kernel/debug/ptebatch/status"

bool own_machine;
unsigned int race_seconds = 20;

static char opts[256];

static void mounts(void)
{
	static const struct {
		const char *type, *at;
	} each[] = {
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
		{ "devtmpfs", "/dev" },
		{ "tmpfs", "/dev/shm" },
		{ "tmpfs", "/tmp" },
		{ "tmpfs", "/run" },
		{ "debugfs", "/sys/kernel/debug" },
		{ "tracefs", "/sys/kernel/tracing" },
	};

	for (size_t i = 0; i < sizeof(each) / sizeof(*each); i++) {
		mkdir(each[i].at, 0755);
		if (mount(each[i].type, each[i].at, each[i].type, 0, NULL) &&
		    errno != EBUSY)
			fail("mount of %s: %s", each[i].at, strerror(errno));
	}
	/* Show warnings on the console, also after a quiet boot. */
	klogctl(8, NULL, 5);
	/* Without /dev/console in the initramfs, init has no open files. */
	if (fcntl(1, F_GETFD) < 0) {
		int fd = open("/dev/console", O_RDWR);

		for (int i = 0; fd >= 0 && i < 3; i++)
			dup2(fd, i);
	}
}

/*
 * Brings up the CPUs that maxcpus=1 left offline. With icount, QEMU runs the
 * next vCPU when the current one executes PAUSE. The kernel only reschedules
 * while it waits for the new CPU, so a process that executes PAUSE runs beside
 * it.
 */
static void bring_up_cpus(void)
{
	const int all = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set;
	pid_t pid;

	if (all == sysconf(_SC_NPROCESSORS_ONLN))
		return;
	pin(0);
	pid = fork();
	if (pid < 0)
		die("fork");
	while (!pid) {
		__builtin_ia32_pause();
		sched_yield();
	}
	for (int cpu = 1; cpu < all; cpu++) {
		char path[64];
		int err;

		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/online", cpu);
		err = spit(path, "1");
		if (err)
			fail("CPU %d does not come up: %s", cpu, strerror(err));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

/* --- Modules ------------------------------------------------------------- */

static int insert(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (syscall(SYS_finit_module, fd, params, 0) && errno != EEXIST)
		err = errno;
	close(fd);
	return err;
}

/* Loads the modules that a module depends on, as listed in its file. */
static int load_needed(const char *path)
{
	static const char key[] = "\0depends=";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *all, *at, names[256] = "", *rest = names, *name;
	int err = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) || !(all = malloc(st.st_size)))
		die(path);
	if (read(fd, all, st.st_size) != st.st_size)
		die(path);
	close(fd);
	at = memmem(all, st.st_size, key, sizeof(key) - 1);
	if (at)
		snprintf(names, sizeof(names), "%s", at + sizeof(key) - 1);
	free(all);
	while (!err && (name = strsep(&rest, ",")))
		if (*name)
			err = load_module(name);
	return err;
}

int load_module(const char *name)
{
	char path[128], other[64];
	int err;

	/* Where a module's name has '_', its file's name may have '-'. */
	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	if (access(path, R_OK)) {
		snprintf(other, sizeof(other), "%s", name);
		for (char *c = other; *c; c++)
			if (*c == '_')
				*c = '-';
		snprintf(path, sizeof(path), "/modules/%s.ko", other);
	}
	err = load_needed(path);
	return err ? err : insert(path, "");
}

int load_ptebatch(void)
{
	return insert("/ptebatch.ko", opts);
}

int unload_ptebatch(void)
{
	return syscall(SYS_delete_module, "ptebatch", 0) ? errno : 0;
}

/* --- Jobs ---------------------------------------------------------------- */

static void status(void)
{
	char buf[16384], *rest = buf, *line;

	slurp(STATUS, buf, sizeof(buf));
	while ((line = strsep(&rest, "\n")))
		if (*line)
			say("# %s", line);
}

static void run(const char *job)
{
	const char *arg = strchr(job, ':');
	size_t n = arg ? (size_t)(arg++ - job) : strlen(job);
	unsigned int number = arg ? strtoul(arg, NULL, 10) : 0;

#define IS(name) (n == sizeof(name) - 1 && !strncmp(job, name, n))
	say("# job %s", job);
	if (IS("bench") || IS("bench-quick"))
		bench(n > 5);
	else if (IS("bench-threads"))
		bench_threads();
	else if (IS("bench-foreign"))
		bench_foreign();
	else if ((IS("db") || IS("db-wall")) && number)
		db(number, n > 2);
	else if (IS("programs"))
		programs();
	else if (IS("commands"))
		commands(arg);
	else if (IS("test"))
		test(arg);
	else if (IS("test-module"))
		test_module(arg);
	else if ((IS("stress") || IS("stress-swap")) && number)
		stress(number, n > 6);
	else if (IS("load") && number)
		load(number);
	else if (IS("flip") && number)
		flip_calls(number);
	else if (IS("not-pv"))
		not_pv();
	else if (IS("hold"))
		hold();
	else
		fail("no such job: %s", job);
	status();
#undef IS
}

/*
 * Each job runs in its own process, so that it starts with a fresh address
 * space and its crash does not end the others.
 */
static void start(const char *job)
{
	unsigned int before = failed;
	int state;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		failed = 0;
		run(job);
		exit(failed > 90 ? 90 : failed);
	}
	while (waitpid(pid, &state, 0) != pid)
		;
	if (WIFEXITED(state) && WEXITSTATUS(state) <= 90)
		failed = before + WEXITSTATUS(state);
	else
		fail("job %s ended with status %#x", job, state);
}

/* The next word. A quoted part of a word, quotes removed, can hold spaces. */
static char *word(char **rest)
{
	char *from = *rest, *to, *start;
	bool quoted = false;

	while (*from == ' ' || *from == '\n')
		from++;
	for (start = to = from; *from; from++) {
		if (*from == '"')
			quoted = !quoted;
		else if (!quoted && (*from == ' ' || *from == '\n'))
			break;
		else
			*to++ = *from;
	}
	*rest = from + !!*from;
	*to = 0;
	return *start ? start : NULL;
}

/* See EXEC_NAME. */
static int check_arguments(int argc, char **argv)
{
	bool good = argc == EXEC_ARGUMENTS + 1;

	for (int i = 0; good && i < EXEC_ARGUMENTS; i++) {
		good = strlen(argv[i + 1]) == EXEC_LENGTH;
		for (size_t k = 0; good && k < EXEC_LENGTH; k++)
			good = argv[i + 1][k] == 'a' + i;
	}
	return !good;
}

int main(int argc, char **argv)
{
	char line[4096] = "", jobs[1024] = "", *rest = line, *job;
	bool with = false;
	unsigned int before;

	if (argc && !strcmp(argv[0], EXEC_NAME))
		return check_arguments(argc, argv);
	own_machine = getpid() == 1;
	if (own_machine) {
		mounts();
		bring_up_cpus();
		slurp("/proc/cmdline", line, sizeof(line));
	}
	for (int i = 1; i < argc && !own_machine; i++) {
		strncat(line, argv[i], sizeof(line) - strlen(line) - 2);
		strcat(line, " ");
	}
	for (char *w; (w = word(&rest));) {
		if (!strncmp(w, "guest=", 6))
			snprintf(jobs, sizeof(jobs), "%s", w + 6);
		else if (!strcmp(w, "ptebatch=on"))
			with = true;
		else if (!strncmp(w, "ptebatch.opts=", 14))
			snprintf(opts, sizeof(opts), "%s", w + 14);
		else if (!strncmp(w, "races=", 6))
			race_seconds = strtoul(w + 6, NULL, 10);
	}
	for (char *c = opts; *c; c++)
		if (*c == '+')
			*c = ' ';

	before = complaints();
	if (with) {
		int err = load_ptebatch();

		if (err)
			fail("insmod /ptebatch.ko: %s (errno %d)",
			     strerror(err), err);
		else
			say("# ptebatch loaded");
		status();
	}
	rest = jobs;
	while ((job = strsep(&rest, "+")))
		if (*job)
			start(job);
	if (complaints() != before)
		fail("the kernel complained, see above");
	say("guest: done, %u failed", failed);
	if (!own_machine)
		return failed ? 1 : 0;
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
