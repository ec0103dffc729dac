/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

bool module_loaded(void)
{
	return exists(path_of("/sys/module/ptebatch").text);
}

/* modprobe knows all places in which a module can be. */
bool module_installed(void)
{
	char *const argv[] = { "modprobe", "-n", "-q", "ptebatch", NULL };

	return run(argv, NULL, 0) == 0;
}

static int modprobe(char *const argv[], const char *what)
{
	char said[256];
	int status = run(argv, said, sizeof(said));

	if (!status)
		return 0;
	if (status < 0)
		return fail(TOOL_MISSING, "modprobe cannot be run");
	return fail(TOOL_FAILED,
		    "%s the module: %s; the kernel's log tells more", what,
		    *said ? said : "modprobe failed");
}

int module_load(void)
{
	char *const argv[] = { "modprobe", "ptebatch", NULL };

	return modprobe(argv, "loading");
}

int module_unload(void)
{
	char *const argv[] = { "modprobe", "-r", "ptebatch", NULL };

	return modprobe(argv, "unloading");
}

bool module_status(void (*see)(void *ctx, const char *name, const char *value),
		   void *ctx)
{
	char text[16384], *line, *next;

	if (read_text(path_of("/sys/kernel/debug/ptebatch/status").text, text,
		      sizeof(text)))
		return false;
	for (line = strtok_r(text, "\n", &next); line;
	     line = strtok_r(NULL, "\n", &next)) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = 0;
		see(ctx, line, value);
	}
	return true;
}
