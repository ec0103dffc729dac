/* SPDX-License-Identifier: MIT */
/*
 * Measures programs from Debian that change page tables a lot. A figure is
 * the number of the machine's instructions in an interval, divided by the units
 * of work that the program did in it. Each program runs once, since a run is
 * long.
 *
 *   redis-bgsave  A Redis server with 100 MB of data forks to save them. While
 *                 the child saves, the server gets WRITES writes. One figure is
 *                 for the fork, by Redis's own clock, per page of data. The
 *                 other is for the whole interval until the child has finished,
 *                 per write. Checked: the server has every write, and a server
 *                 that loads the saved data has none of them.
 *   gc            A Lisp whose collector uses mprotect to detect writes.
 *   jit           A JIT compiler that protects the code it generates.
 *
 * Commands are the opposite: programs that start, do little, and end, so that
 * their cost is in fork, exec, page faults and exit. A command runs a few times,
 * and the least figure counts. The first run has brought its files into the page
 * cache.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT "/tmp/output"

/* Whom the programs run as: PostgreSQL refuses to run as root. */
static uid_t user;

/* Starts a program with stdout and stderr to a file. */
static pid_t start_to(const char *path, char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		if (user &&
		    (setgroups(0, NULL) || setgid(user) || setuid(user)))
			die("setuid");
		execv(argv[0], argv);
		die(argv[0]);
	}
	return pid;
}

static pid_t start(char *const argv[])
{
	return start_to(OUTPUT, argv);
}

static bool ends_well(pid_t pid)
{
	int state;

	return waitpid(pid, &state, 0) == pid && !state;
}

static void show_output(void)
{
	char buf[4096], *rest = buf, *line;

	slurp(OUTPUT, buf, sizeof(buf));
	while ((line = strsep(&rest, "\n")))
		if (*line)
			say("# %s", line);
}

static void row(const char *workload, size_t pages, const char *direction,
		double figure, bool checked)
{
	say("csv,%s,%zu,%u,%s,%.1f,%s", workload, pages, cpus(), direction,
	    figure, checked ? "yes" : "no");
	failed += !checked;
}

/* The part of a workload's name that this run is limited to, or NULL. */
static const char *only;

static bool wanted(const char *workload)
{
	return !only || strstr(workload, only);
}

/*
 * Runs a program, and checks its output: whether it is what is expected, or with
 * part, contains that. Returns the instructions of the cheapest run.
 */
static uint64_t least_of_runs(char *const argv[], const char *expected,
			      bool part, unsigned int repeat, bool *good)
{
	char buf[4096];
	uint64_t best = -1, t;

	while (repeat--) {
		t = rdtsc();
		*good &= ends_well(start(argv));
		t = rdtsc() - t;
		if (t < best)
			best = t;
		slurp(OUTPUT, buf, sizeof(buf));
		*good &= part ? !!strstr(buf, expected)
			      : !strcmp(buf, expected);
		if (!*good) {
			show_output();
			break;
		}
	}
	return best;
}

static void whole_runs(const char *workload, const char *each, unsigned int nr,
		       char *const argv[], const char *expected, bool part,
		       unsigned int repeat)
{
	bool good = true;
	uint64_t best;

	if (!wanted(workload))
		return;
	best = least_of_runs(argv, expected, part, repeat, &good);
	row(workload, 1, each, (double)best / nr, good);
}

static void whole_run(const char *workload, const char *each, unsigned int nr,
		      char *const argv[], const char *expected)
{
	whole_runs(workload, each, nr, argv, expected, false, 1);
}

/* --- Redis ---------------------------------------------------------------- */

#define SOCKET "/tmp/redis/socket"
#define KEYS 25000u /* a multiple of AT_ONCE */
#define VALUE 4000u /* with its header it takes a page */
#define WRITES 12500u
#define AT_ONCE 20u

static pid_t server;
static FILE *to, *from;

static void connect_redis(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (int tries = 0; connect(fd, (struct sockaddr *)&at, sizeof(at));
	     tries++) {
		if (tries > 6000) {
			show_output();
			die("connecting to redis-server");
		}
		usleep(10000);
	}
	to = fdopen(fd, "w");
	from = fdopen(dup(fd), "r");
	if (!to || !from)
		die("fdopen");
}

/*
 * The server accepts connections at once, but data commands only once loaded.
 */
static void start_redis(void)
{
	char *argv[] = { "/bin/redis-server",
			 "--port",
			 "0",
			 "--unixsocket",
			 SOCKET,
			 "--dir",
			 "/tmp/redis",
			 "--save",
			 "",
			 "--hz",
			 "100",
			 NULL };

	server = start(argv);
	connect_redis();
}

static void answer(char *line, size_t size)
{
	if (fflush(to) || !fgets(line, size, from))
		die("redis-server's answer");
}

static bool command(const char *text, const char *expected)
{
	char line[256];

	fprintf(to, "%s\r\n", text);
	answer(line, sizeof(line));
	if (!strncmp(line, expected, strlen(expected)))
		return true;
	say("# redis: %s: %s", text, line);
	return false;
}

/* A number from INFO, which Redis answers with one string of a given length. */
static long info(const char *key)
{
	static char all[16384];
	char line[64];
	const char *at;
	size_t n;

	fprintf(to, "INFO\r\n");
	answer(line, sizeof(line));
	n = strtoul(line + 1, NULL, 10) + 2;
	if (*line != '$' || n >= sizeof(all) || fread(all, 1, n, from) != n)
		die("redis-server's INFO");
	all[n] = 0;
	at = strstr(all, key);
	return at && at[strlen(key)] == ':' ? atol(at + strlen(key) + 1) : -1;
}

static void stop_redis(void)
{
	fprintf(to, "SHUTDOWN NOSAVE\r\n");
	fclose(to);
	fclose(from);
	if (!ends_well(server))
		fail("redis-server ended badly");
}

/* All values differ. They compress to some degree, as most data do. */
static const char *value(unsigned int key, unsigned int version)
{
	static char text[VALUE + 1];
	uint32_t hash = (key * 4 + version) * 2654435761u;

	if (!*text)
		memset(text, ' ', VALUE);
	for (unsigned int i = 0; i < VALUE; i += 40, hash += 2654435761u)
		for (int k = 0; k < 8; k++)
			text[i + k] = 'a' + (hash >> 4 * k & 15);
	return text;
}

static bool set(const unsigned int keys[], unsigned int nr,
		unsigned int version)
{
	bool good = true;
	char line[64];

	for (unsigned int i = 0; i < nr; i++)
		fprintf(to, "*3\r\n$3\r\nSET\r\n$8\r\n%08u\r\n$%u\r\n%s\r\n",
			keys[i], VALUE, value(keys[i], version));
	for (unsigned int i = 0; i < nr; i++) {
		answer(line, sizeof(line));
		good &= !strcmp(line, "+OK\r\n");
	}
	return good;
}

static bool all_set(unsigned int nr, unsigned int factor, unsigned int version)
{
	unsigned int keys[AT_ONCE];
	bool good = true;

	for (unsigned int i = 0; i < nr; i += AT_ONCE) {
		for (unsigned int k = 0; k < AT_ONCE; k++)
			keys[k] = (i + k) * factor % KEYS;
		good &= set(keys, AT_ONCE, version);
	}
	return good;
}

/* True if the version of each key k is versions[k]. */
static bool all_get(const unsigned char *versions)
{
	static char got[VALUE + 2];
	char line[64];
	bool good = true;

	for (unsigned int key = 0; key < KEYS; key++) {
		for (unsigned int k = 0; k < AT_ONCE && !(key % AT_ONCE); k++)
			fprintf(to, "GET %08u\r\n", key + k);
		answer(line, sizeof(line));
		if (*line != '$' || strtoul(line + 1, NULL, 10) != VALUE ||
		    fread(got, 1, sizeof(got), from) != sizeof(got))
			return false;
		good &= !memcmp(got, value(key, versions[key]), VALUE);
	}
	return good;
}

static void redis(void)
{
	static unsigned char before[KEYS], after[KEYS];
	const unsigned int stride = 7919; /* scatters the writes over memory */
	bool good = true, in_time;
	uint64_t t;
	long fork_us;

	mkdir("/tmp/redis", 0700);
	start_redis();
	good &= all_set(KEYS, 1, 1);
	memset(before, 1, KEYS);
	memset(after, 1, KEYS);
	for (unsigned int i = 0; i < WRITES; i++)
		after[i * stride % KEYS] = 2;

	t = rdtsc();
	good &= command("BGSAVE", "+Background saving started");
	good &= all_set(WRITES, stride, 2);
	in_time = info("rdb_bgsave_in_progress") == 1;
	while (info("rdb_bgsave_in_progress") == 1)
		usleep(10000);
	t = rdtsc() - t;
	fork_us = info("latest_fork_usec");

	if (!in_time)
		say("# redis: the saving ended before the writes");
	good &= fork_us > 0 && all_get(after);
	stop_redis();
	start_redis();
	while (info("loading") == 1)
		usleep(100000);
	good &= all_get(before);
	stop_redis();
	unlink("/tmp/redis/dump.rdb");
	/* With icount, a microsecond is 1000 instructions. */
	row("redis-bgsave", KEYS, "fork", fork_us * 1e3 / KEYS, good);
	row("redis-bgsave", KEYS, "write", (double)t / WRITES, good && in_time);
}

void programs(void)
{
	char *lisp[] = { "/bin/ecl", "--norc", "--shell", "/programs/gc.lisp",
			 NULL };
	char *lua[] = { "/bin/luajit", "/programs/jit.lua", NULL };

	setenv("GC_ENABLE_INCREMENTAL", "1", 1);
	redis();
	whole_run("gc", "round", 40, lisp, "131071 174020\n");
	whole_run("jit", "function", 5000, lua, "65638125000\n");
}

/* --- Commands -------------------------------------------------------------- */

#define POSTGRES "/usr/lib/postgresql/15/bin/"
#define DATA "/tmp/postgres"
#define NOBODY 65534
#define LOOP(times, command) \
	"i=0; while [ $i -lt " #times " ]; do " command "; i=$((i+1)); done"

static void shell(const char *workload, unsigned int nr, char *script,
		  const char *expected)
{
	char *argv[] = { "/bin/dash", "-c", script, NULL };

	whole_runs(workload, "command", nr, argv, expected, false, 4);
}

static pid_t start_postgres(void)
{
	char *initdb[] = { POSTGRES "initdb", "-D",	    DATA, "-N", "-A",
			   "trust",	      "--locale=C", NULL };
	char *server[] = { POSTGRES "postgres",
			   "-D",
			   DATA,
			   "-k",
			   "/tmp",
			   "-c",
			   "listen_addresses=",
			   "-c",
			   "fsync=off",
			   "-c",
			   "shared_buffers=16MB",
			   "-c",
			   "autovacuum=off",
			   "-c",
			   "jit=off",
			   NULL };
	pid_t pid;

	/* initdb asks for its user's name. */
	mkdir("/etc", 0755);
	close(open("/etc/passwd", O_WRONLY | O_CREAT, 0644));
	spit("/etc/passwd", "nobody:x:65534:65534::/tmp:/bin/sh\n");
	user = NOBODY;
	if (!ends_well(start(initdb))) {
		show_output();
		die("initdb");
	}
	pid = start_to("/tmp/postgres.log", server);
	for (int tries = 0; access("/tmp/.s.PGSQL.5432", F_OK); tries++) {
		if (tries > 6000)
			die("starting postgres");
		usleep(10000);
	}
	return pid;
}

/*
 * Transactions on connections that stay open, as the difference of a long run and a
 * short one: to start pgbench and to connect costs the same in both. 10^9 divided
 * by the figure is the number of transactions for so many instructions.
 */
static void transactions(const char *workload, char *clients)
{
	const unsigned int few = 100, many = 600, nr = strtoul(clients, NULL, 10);
	char each[16], processed[64];
	char *pgbench[] = { POSTGRES "pgbench",
			    "-h",
			    "/tmp",
			    "-n",
			    "-c",
			    clients,
			    "-t",
			    each,
			    "-f",
			    "/programs/one.sql",
			    "postgres",
			    NULL };
	uint64_t took[2];
	bool good = true;

	if (!wanted(workload))
		return;
	for (int i = 0; i < 2; i++) {
		unsigned int n = i ? many : few;

		snprintf(each, sizeof(each), "%u", n);
		snprintf(processed, sizeof(processed), "processed: %u/%u\n",
			 n * nr, n * nr);
		took[i] = least_of_runs(pgbench, processed, true, 3, &good);
	}
	row(workload, 1, "transaction",
	    (double)(took[1] - took[0]) / ((many - few) * nr),
	    good && took[1] > took[0]);
}

static void postgres(void)
{
	char *psql[] = { POSTGRES "psql", "-h",	      "/tmp", "-At", "-c",
			 "select 1",	  "postgres", NULL };
	char *pgbench[] = { POSTGRES "pgbench",
			    "-h",
			    "/tmp",
			    "-n",
			    "-C",
			    "-t",
			    "20",
			    "-f",
			    "/programs/one.sql",
			    "postgres",
			    NULL };
	pid_t server = start_postgres();

	/* The socket is there before connections are accepted. */
	for (int tries = 0; !ends_well(start(psql)) && tries < 100; tries++)
		usleep(100000);
	whole_runs("psql", "select", 1, psql, "1\n", false, 4);
	whole_runs("pgbench", "connection", 20, pgbench, "processed: 20/20\n",
		   true, 3);
	transactions("pgbench-1-client", "1");
	transactions("pgbench-2-clients", "2");
	kill(server, SIGINT);
	if (!ends_well(server))
		fail("postgres ended badly");
	user = 0;
}

void commands(const char *part_of_name)
{
	char *gcc[] = { "/usr/bin/gcc-12", "-o", "/tmp/hello",
			"/programs/hello.c", NULL };
	char *hello[] = { "/tmp/hello", NULL };
	char *python[] = { "/usr/bin/python3.11", "-c", "pass", NULL };

	only = part_of_name;
	setenv("PATH", "/bin:/usr/bin", 1);
	setenv("LC_ALL", "C", 1);
	setenv("HOME", "/tmp", 1);
	setenv("PYTHONHASHSEED", "0", 1);
	shell("sh-true", 20, LOOP(20, "/bin/true"), "");
	shell("sh-substitution", 20, LOOP(20, "x=$(echo)"), "");
	shell("sh-pipeline", 4,
	      LOOP(4,
		   "cat /programs/gc.lisp | tr a-z A-Z | sort | uniq | wc -l"),
	      "25\n25\n25\n25\n");
	whole_runs("gcc", "hello", 1, gcc, "", false, 3);
	whole_run("hello", "run", 1, hello, "hello\n");
	whole_runs("python", "pass", 1, python, "", false, 4);
	if (wanted("psql") || wanted("pgbench"))
		postgres();
}
