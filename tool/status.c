/* SPDX-License-Identifier: MIT */
/* What is loaded, and what went through each path. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define WATCH 'w'
#define COUNT 'n'
#define MOST 256 /* counters of Xen and of the module */

struct options {
	bool watch;
	uint64_t updates; /* 0: without an end */
};

static const struct argp_option options[] = {
	{ "watch", WATCH, NULL, 0,
	  "Show each second what went through each path", 0 },
	{ "count", COUNT, "N", 0, "With --watch: end after N seconds", 0 },
	{ 0 },
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case WATCH:
		o->watch = true;
		return 0;
	case COUNT:
		o->updates = parse_number(state, "--count", arg, 1, UINT32_MAX);
		return 0;
	default:
		return parse_no_more(key, arg, state);
	}
}

static const struct argp argp = {
	options,
	option,
	"",
	"Tell what is loaded, and what the engine and the module did.",
	common_options,
	NULL,
	NULL,
};

/* --- Counters of both ----------------------------------------------------- */

struct counter {
	char name[48];
	uint64_t value;
};

struct counters {
	struct counter all[MOST];
	unsigned int nr, of_xen;
	char backend[16]; /* of the module */
};

static void add(void *ctx, const char *name, const char *value)
{
	struct counters *c = ctx;
	char *end;
	uint64_t n = strtoull(value, &end, 10);

	if (!strcmp(name, "backend"))
		snprintf(c->backend, sizeof(c->backend), "%s", value);
	if (*end || c->nr == MOST)
		return;
	snprintf(c->all[c->nr].name, sizeof(c->all[c->nr].name), "%s", name);
	c->all[c->nr++].value = n;
}

static void read_all(struct host *h, struct counters *c)
{
	uint64_t of_xen[PTEBATCH_COUNTS];
	char text[24];

	memset(c, 0, sizeof(*c));
	if (host_counters(h, of_xen))
		for (int i = 0; i < (int)PTEBATCH_COUNTS; i++) {
			snprintf(text, sizeof(text), "%" PRIu64, of_xen[i]);
			add(c, counter_names[i], text);
		}
	c->of_xen = c->nr;
	module_status(add, c);
}

static uint64_t before(const struct counters *was, const char *name)
{
	for (unsigned int i = 0; i < was->nr; i++)
		if (!strcmp(was->all[i].name, name))
			return was->all[i].value;
	return 0;
}

static void show(const struct counters *c, bool of_xen)
{
	const unsigned int first = of_xen ? 0 : c->of_xen;
	const unsigned int end = of_xen ? c->of_xen : c->nr;

	if (first == end)
		return;
	out_object("counters");
	for (unsigned int i = first; i < end; i++)
		out_number(c->all[i].name, c->all[i].value);
	out_close();
}

/* --- Once, and each second ------------------------------------------------ */

static const char *attempt_text(char *text, size_t bytes)
{
	char when[64];

	switch (attempt_look(when, sizeof(when))) {
	case ATTEMPT_NOW:
		snprintf(text, bytes, "%s, not yet settled", when);
		break;
	case ATTEMPT_FAILED:
		snprintf(text, bytes, "%s, and the host went down", when);
		break;
	default:
		snprintf(text, bytes, "none");
	}
	return text;
}

static void once(struct host *h)
{
	static struct counters c;
	struct payloads p;
	char text[128];

	payload_look(h, &p);
	read_all(h, &c);
	out_begin();
	out_object("payload");
	out_string("state", payload_states[p.own]);
	if (*p.other)
		out_string("other_livepatch", p.other);
	out_string("open_attempt", attempt_text(text, sizeof(text)));
	out_close();
	out_object("engine");
	out_bool("calls", host_has_calls(h));
	if (host_parts(h, text, sizeof(text)))
		out_string("parts", text);
	show(&c, true);
	out_close();
	out_object("module");
	out_bool("loaded", module_loaded());
	if (*c.backend)
		out_string("backend", c.backend);
	else if (module_loaded())
		out_string("backend",
			   "unknown: debugfs is not mounted, or not readable");
	show(&c, false);
	out_close();
	out_end();
}

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* "PATH.on" of the module counts nothing. */
static bool is_switch(const char *name)
{
	const size_t n = strlen(name);

	return n > 3 && !strcmp(name + n - 3, ".on");
}

static void difference(const struct counters *was, const struct counters *c)
{
	unsigned int shown = 0;

	if (json) {
		out_begin();
		for (unsigned int i = 0; i < c->nr; i++)
			out_number(c->all[i].name,
				   c->all[i].value -
					   before(was, c->all[i].name));
		out_end();
		return;
	}
	/* Clear the screen, as top does. */
	if (isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	printf("%-24s  %12s  %16s\n", "path", "per second", "in all");
	for (unsigned int i = 0; i < c->nr; i++) {
		const struct counter *n = &c->all[i];

		if (!n->value || is_switch(n->name))
			continue;
		printf("%-24s  %12" PRIu64 "  %16" PRIu64 "\n", n->name,
		       n->value - before(was, n->name), n->value);
		shown++;
	}
	if (!shown)
		printf("%s\n",
		       c->nr ? "nothing went through any path yet"
			     : "neither the engine nor the module is loaded");
	fflush(stdout);
}

static void watch(struct host *h, uint64_t updates)
{
	static struct counters two[2];
	struct sigaction action = { .sa_handler = interrupt };
	uint64_t n = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	read_all(h, &two[0]);
	while (!interrupted) {
		sleep(1);
		if (interrupted)
			break;
		n++;
		read_all(h, &two[n & 1]);
		difference(&two[!(n & 1)], &two[n & 1]);
		if (n == updates || ferror(stdout))
			break;
	}
}

int status_command(int argc, char **argv)
{
	struct options o = { 0 };
	struct host h;
	int code;

	parse(&argp, argc, argv, &o);
	code = host_open(&h);
	if (code)
		return code;
	if (o.watch)
		watch(&h, o.updates);
	else
		once(&h);
	code = host_engine(&h) == ENGINE_ON ? TOOL_OK : TOOL_MISSING;
	host_close(&h);
	return code;
}
