/* SPDX-License-Identifier: MIT */
/* Finds the command that the command line names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "probe", probe_command, "tell what this host and this domain have" },
	{ "load", load_command, "load the payload into Xen, and the module" },
	{ "unload", unload_command, "take out the module and the payload" },
	{ "status", status_command, "tell what is loaded, and what it did" },
	{ "bench", bench_command, "measure this host" },
	{ "walk", walk_command, "show page-table entries of a PV domain" },
	{ "protect", protect_command, "change entries of a paused PV domain" },
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void usage(FILE *to)
{
	fprintf(to, "Usage: ptebatch COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s  %s\n", commands[i].name,
			commands[i].about);
	fprintf(to, "\n\"ptebatch COMMAND --help\" describes a command, and "
		    "ptebatch(8) all of them.\n");
}

/* A result that did not reach the reader is a failure. */
static int written(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		fail(TOOL_FAILED, "standard output: %s", strerror(errno));
		return code ? code : TOOL_FAILED;
	}
	return code;
}

int ptebatch_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	char prog[64];

	if (!strcmp(name, "--help") || !strcmp(name, "-?") ||
	    !strcmp(name, "help")) {
		usage(stdout);
		return written(TOOL_OK);
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		printf("ptebatch %d.%d.%d\n", PTEBATCH_VERSION_MAJOR,
		       PTEBATCH_VERSION_MINOR, PTEBATCH_VERSION_PATCH);
		return written(TOOL_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(name, commands[i].name)) {
			snprintf(prog, sizeof(prog), "ptebatch %s", name);
			argv[1] = prog;
			return written(commands[i].run(argc - 1, argv + 1));
		}
	if (!*name)
		usage(stderr);
	else if (*name == '-')
		fail(TOOL_USAGE,
		     "\"%s\" is not a command; options follow the command", name);
	else
		fail(TOOL_USAGE,
		     "there is no command \"%s\"; \"ptebatch --help\" lists them",
		     name);
	return TOOL_USAGE;
}
