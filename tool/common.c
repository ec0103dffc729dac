/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define NO_PAYLOAD 0x100
#define NO_MODULE 0x101

bool quiet;
static bool unfinished; /* a line of progress is on the screen */

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print the result as JSON", 1 },
	{ "quiet", 'q', NULL, 0, "Print results and errors only", 1 },
	{ 0 },
};

static error_t common(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	if (key == 'j')
		json = true;
	else if (key == 'q')
		quiet = true;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static const struct argp common_argp = { options, common, NULL, NULL,
					 NULL,	  NULL,	  NULL };
const struct argp_child common_options[] = {
	{ &common_argp, 0, NULL, 0 },
	{ NULL, 0, NULL, 0 },
};

static const struct argp_option of_parts[] = {
	{ "retries", 'r', "N", 0,
	  "How often to try again while Xen is busy (50)", 0 },
	{ "no-payload", NO_PAYLOAD, NULL, 0, "Leave the payload as it is", 0 },
	{ "no-module", NO_MODULE, NULL, 0, "Leave the module as it is", 0 },
	{ 0 },
};

static error_t part(int key, char *arg, struct argp_state *state)
{
	struct parts *parts = state->input;

	switch (key) {
	case 'r':
		parts->retries = (unsigned int)parse_number(state, "--retries",
							    arg, 0, 10000);
		return 0;
	case NO_PAYLOAD:
		parts->no_payload = true;
		return 0;
	case NO_MODULE:
		parts->no_module = true;
		return 0;
	case ARGP_KEY_END:
		if (parts->no_payload && parts->no_module)
			argp_error(
				state,
				"with --no-payload and --no-module there is nothing to do");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parts_argp = { of_parts, part, NULL, NULL,
					NULL,	  NULL, NULL };
const struct argp_child parts_options[] = {
	{ &parts_argp, 0, NULL, 0 },
	{ &common_argp, 0, NULL, 0 },
	{ NULL, 0, NULL, 0 },
};

void parse_parts(struct argp_state *state, struct parts *parts)
{
	*parts = (struct parts){ .retries = 50 };
	state->child_inputs[0] = parts;
}

void parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = TOOL_USAGE;
	argp_parse(argp, argc, argv, 0, NULL, input);
}

error_t parse_no_more(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	argp_error(state, "\"%s\" is one argument too many", arg);
	return 0;
}

uint64_t parse_number(struct argp_state *state, const char *what,
		      const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || strchr(text, '-') ||
	    value < least || value > most)
		argp_error(
			state,
			"%s is a number from %llu to %llu, hexadecimal with 0x, not \"%s\"",
			what, (unsigned long long)least,
			(unsigned long long)most, text);
	return value;
}

static void say(const char *format, va_list args)
{
	progress_end();
	fprintf(stderr, "ptebatch: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
}

int fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return code;
}

void note(const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void progress(const char *format, ...)
{
	va_list args;

	if (quiet || !isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	fprintf(stderr, "\r\033[K");
	vfprintf(stderr, format, args);
	fflush(stderr);
	va_end(args);
	unfinished = true;
}

void progress_end(void)
{
	if (unfinished)
		fprintf(stderr, "\r\033[K");
	unfinished = false;
}
