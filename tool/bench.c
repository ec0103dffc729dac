/* SPDX-License-Identifier: MIT */
/*
 * Measures this host, by the test kernel as a small PV domain. It reads the
 * time stamp counter around each case, and the least of several rounds counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/wait.h>

#include "tool.h"

#define KERNEL 'k'
#define SVG 's'
#define TIMEOUT 't'

struct options {
	const char *kernel, *svg;
	unsigned int timeout;
};

static const struct argp_option options[] = {
	{ "svg", SVG, "FILE", 0, "Write the plot to FILE, too", 0 },
	{ "kernel", KERNEL, "FILE", 0,
	  "Boot this test kernel, not the installed one", 0 },
	{ "timeout", TIMEOUT, "SECONDS", 0, "Give up after that time (300)",
	  0 },
	{ 0 },
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KERNEL:
		o->kernel = arg;
		return 0;
	case SVG:
		o->svg = arg;
		return 0;
	case TIMEOUT:
		o->timeout = (unsigned int)parse_number(state, "--timeout", arg,
							1, 86400);
		return 0;
	default:
		return parse_no_more(key, arg, state);
	}
}

static const struct argp argp = {
	options,
	option,
	"",
	"Measure this host: boot a test kernel as a PV domain of 64 MiB, and tell what changes of page tables cost.",
	common_options,
	NULL,
	NULL,
};

/* --- The figures ---------------------------------------------------------- */

static const struct row {
	const char *label;
	unsigned int pages;
	struct {
		const char *method, *direction;
	} by[2]; /* Xen's own call, and the new one */
} rows[] = {
	{ "512 pages, RW to RO",
	  512,
	  { { "guest-mmu-update", "ro" }, { "flags", "ro" } } },
	{ "512 pages, RO to RW",
	  512,
	  { { "guest-mmu-update", "rw" }, { "flags", "rw" } } },
	{ "512 pages, map",
	  512,
	  { { "guest-mmu-update", "map" }, { "x-values", "map" } } },
	{ "512 pages, unmap",
	  512,
	  { { "guest-mmu-update", "unmap" }, { "flags", "clear" } } },
	{ "512 pages, other frames",
	  512,
	  { { "guest-mmu-update", "frame" }, { "x-values", "frame" } } },
	{ "one page, RW to RO",
	  1,
	  { { "guest-update-va", "ro" }, { "x-one-invlpg", "ro" } } },
	{ "one page, unmap",
	  1,
	  { { "guest-update-va", "unmap" }, { "x-value-invlpg", "unmap" } } },
};
#define ROWS (sizeof(rows) / sizeof(*rows))

struct result {
	struct bar bars[ROWS];
	unsigned int seen; /* methods that were begun */
	bool ended, failed;
};

/* The methods that the test kernel begins; only the progress depends on it. */
#define METHODS 53u

static void show_progress(unsigned int seen)
{
	char bar[] = "..............................";
	unsigned int part = seen < METHODS ? seen * 30 / METHODS : 30;

	memset(bar, '#', part);
	progress("measuring [%s] %u%%", bar, part * 100 / 30);
}

static void take_line(struct result *r, char *line)
{
	char method[40], direction[16];
	unsigned int pages;
	unsigned long long cycles;

	line[strcspn(line, "\r\n")] = 0;
	while (*line == '\r')
		line++;
	if (!strncmp(line, "# measuring ", 12))
		show_progress(++r->seen);
	if (!strncmp(line, "minikernel: done", 16)) {
		r->ended = true;
		r->failed |= !strstr(line, ", 0 failed");
	}
	if (!strncmp(line, "PANIC", 5))
		r->failed = true;
	if (sscanf(line, "bench %39s %u %15s cycles=%llu", method, &pages,
		   direction, &cycles) != 4 ||
	    !pages || !strstr(line, "checked=yes"))
		return;
	for (size_t i = 0; i < ROWS; i++)
		for (int j = 0; j < 2; j++)
			if (rows[i].pages == pages &&
			    !strcmp(rows[i].by[j].method, method) &&
			    !strcmp(rows[i].by[j].direction, direction))
				r->bars[i].value[j] = (double)cycles / pages;
}

/* --- The domain ----------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

struct guest {
	char name[40], config[64];
	pid_t console;
	int output, input;
};

static int xl(const char *verb, const char *option, const char *what)
{
	char *const argv[] = { "xl", (char *)verb, (char *)option, (char *)what,
			       NULL };
	char *const plain[] = { "xl", (char *)verb, (char *)what, NULL };
	char line[256];
	int status = run(option ? argv : plain, line, sizeof(line));

	if (!status)
		return 0;
	if (status < 0)
		return fail(TOOL_MISSING, "xl cannot be run");
	return fail(TOOL_FAILED, "xl %s: %s", verb, *line ? line : "it failed");
}

static int write_config(struct guest *g, const char *kernel)
{
	int fd;
	FILE *f;

	snprintf(g->name, sizeof(g->name), "ptebatch-bench-%d", getpid());
	snprintf(g->config, sizeof(g->config), "/tmp/ptebatch-bench.XXXXXX");
	fd = mkostemp(g->config, O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		if (fd >= 0)
			close(fd);
		g->config[0] = 0;
		return fail(TOOL_FAILED, "a file in /tmp: %s", strerror(errno));
	}
	fprintf(f,
		"name = \"%s\"\ntype = \"pv\"\nkernel = \"%s\"\n"
		"memory = 64\nvcpus = 1\ntsc_mode = \"native\"\n"
		"extra = \"bench quick cycles\"\n"
		"on_poweroff = \"destroy\"\non_reboot = \"destroy\"\n"
		"on_crash = \"destroy\"\n",
		g->name, kernel);
	if (fclose(f))
		return fail(TOOL_FAILED, "%s: %s", g->config, strerror(errno));
	return 0;
}

/* "xl console" ends when its input does, so it gets a pipe that stays open. */
static int open_console(struct guest *g)
{
	int in[2], out[2], null;

	if (pipe2(in, O_CLOEXEC))
		return fail(TOOL_FAILED, "pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return fail(TOOL_FAILED, "pipe: %s", strerror(errno));
	}
	g->console = fork();
	if (!g->console) {
		char *const argv[] = { "xl", "console", g->name, NULL };

		null = open("/dev/null", O_WRONLY);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	g->input = in[1];
	g->output = out[0];
	return g->console < 0 ? fail(TOOL_FAILED, "fork: %s", strerror(errno))
			      : 0;
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int read_console(struct guest *g, const struct options *o,
			struct result *r)
{
	const time_t end = seconds() + o->timeout;
	char text[1024];
	size_t used = 0;

	show_progress(0);
	while (!r->ended && !interrupted) {
		struct pollfd p = { .fd = g->output, .events = POLLIN };
		char *newline;
		ssize_t n;

		if (seconds() >= end)
			return fail(
				TOOL_FAILED,
				"the test kernel did not finish within %u seconds",
				o->timeout);
		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(g->output, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		text[used] = 0;
		while ((newline = strchr(text, '\n'))) {
			*newline = 0;
			take_line(r, text);
			used -= (size_t)(newline + 1 - text);
			memmove(text, newline + 1, used + 1);
		}
		if (used == sizeof(text) - 1) /* no line of the kernel's */
			used = 0;
	}
	progress_end();
	if (interrupted)
		return fail(TOOL_FAILED, "interrupted");
	if (!r->ended)
		return fail(TOOL_FAILED, "the console of %s ended early",
			    g->name);
	if (r->failed)
		return fail(TOOL_FAILED,
			    "the test kernel found entries that are wrong");
	return 0;
}

/* The domain may have ended on its own, or not have begun. */
static void take_down(struct guest *g)
{
	char *const argv[] = { "xl", "destroy", g->name, NULL };

	if (*g->config)
		run(argv, NULL, 0);
	if (g->console > 0) {
		close(g->input);
		close(g->output);
		kill(g->console, SIGTERM);
		waitpid(g->console, NULL, 0);
	}
	if (*g->config)
		unlink(g->config);
}

static int measure(const struct options *o, struct result *r)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct guest g = { .console = 0 };
	int code;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	code = write_config(&g, o->kernel);
	if (!code) {
		progress("starting the test kernel");
		code = xl("create", "-pq", g.config);
	}
	if (!code)
		code = open_console(&g);
	if (!code)
		code = xl("unpause", NULL, g.name);
	if (!code)
		code = read_console(&g, o, r);
	take_down(&g);
	return code;
}

/* --- The command ---------------------------------------------------------- */

/* An emulated CPU has a time stamp counter, but no cycles. */
static bool emulated(void)
{
	static char text[8192];

	return !read_text(path_of("/proc/cpuinfo").text, text, sizeof(text)) &&
	       strstr(text, "QEMU");
}

static void print(struct host *h, const struct result *r, const char *unit)
{
	char parts[64];

	if (!host_parts(h, parts, sizeof(parts)))
		snprintf(parts, sizeof(parts), "none");
	if (!json) {
		printf("Xen %s, parts of the engine that are on: %s\n\n",
		       h->version, parts);
		plot_text(r->bars, ROWS, unit);
		return;
	}
	out_begin();
	out_string("xen", h->version);
	out_string("parts", parts);
	out_string("unit", unit);
	out_array("rows");
	for (size_t i = 0; i < ROWS; i++) {
		out_object(NULL);
		out_string("what", rows[i].label);
		if (r->bars[i].value[0] >= 0)
			out_number("own_calls",
				   (uint64_t)(r->bars[i].value[0] + 0.5));
		if (r->bars[i].value[1] >= 0)
			out_number("new_calls",
				   (uint64_t)(r->bars[i].value[1] + 0.5));
		out_close();
	}
	out_close();
	out_end();
}

static int may(const struct host *h, const struct options *o)
{
	if (!h->control)
		return fail(
			TOOL_DENIED,
			"a guest cannot start the test kernel, so nothing is measured: neither the cost of Xen's own calls nor that of the new ones. Run this in dom0");
	if (!exists(o->kernel))
		return fail(TOOL_MISSING,
			    "the test kernel is not installed: there is no %s",
			    o->kernel);
	return 0;
}

int bench_command(int argc, char **argv)
{
	struct path kernel = path_of("%s/minikernel", TOOL_FOLDER);
	struct options o = { .kernel = kernel.text, .timeout = 300 };
	struct result r = { .seen = 0 };
	const char *unit = emulated() ? "ticks of an emulated CPU per page"
				      : "cycles per page";
	char title[96];
	struct host h;
	int code;

	parse(&argp, argc, argv, &o);
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(r.bars[i].label, sizeof(r.bars[i].label), "%s",
			 rows[i].label);
		r.bars[i].group = rows[i].pages;
		r.bars[i].value[0] = r.bars[i].value[1] = -1;
	}
	code = host_open(&h);
	if (code == TOOL_DENIED)
		note("without these rights nothing can be measured: neither Xen's own calls nor the new ones");
	if (code)
		return code;
	code = may(&h, &o);
	if (!code)
		code = measure(&o, &r);
	/* The test kernel then measures what the library does without them. */
	for (size_t i = 0; i < ROWS && !host_has_calls(&h); i++)
		r.bars[i].value[1] = -1;
	if (!code) {
		print(&h, &r, unit);
		snprintf(title, sizeof(title), "Changing page tables on Xen %s",
			 h.version);
		if (o.svg)
			code = plot_svg(o.svg, r.bars, ROWS, title, unit);
	}
	host_close(&h);
	return code;
}
