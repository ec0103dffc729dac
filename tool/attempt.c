/* SPDX-License-Identifier: MIT */
/*
 * A payload that brings the host down must not be loaded again at the next
 * boot. So an attempt is on the disk before the payload is applied. The record
 * is cleared after five minutes, or when the payload is unloaded. A record of
 * another boot therefore says that the host went down before that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define SETTLED_SECONDS 300

static struct path record(void)
{
	return path_of("/var/lib/ptebatch/attempt");
}

static void this_boot(char *id, size_t bytes)
{
	read_text(path_of("/proc/sys/kernel/random/boot_id").text, id, bytes);
	id[strcspn(id, "\n")] = 0;
}

static int64_t uptime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

enum attempt attempt_look(char *when, size_t bytes)
{
	char text[512], boot[64], boot_then[64] = "", date[64] = "";
	int64_t then = 0;

	snprintf(when, bytes, "%s", "");
	if (read_text(record().text, text, sizeof(text)))
		return ATTEMPT_NONE;
	this_boot(boot, sizeof(boot));
	/* A record that cannot be read is one of a host that went down. */
	if (sscanf(text, "boot %63s\nuptime %" SCNd64 "\ndate %63[^\n]",
		   boot_then, &then, date) != 3) {
		snprintf(when, bytes, "an unknown time");
		return ATTEMPT_FAILED;
	}
	snprintf(when, bytes, "%s", date);
	if (strcmp(boot, boot_then))
		return ATTEMPT_FAILED;
	if (uptime() - then < SETTLED_SECONDS)
		return ATTEMPT_NOW;
	return ATTEMPT_NONE;
}

int attempt_record(const char *build_id)
{
	char text[512], boot[64], date[64];
	time_t now = time(NULL);
	struct tm tm;

	this_boot(boot, sizeof(boot));
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	snprintf(text, sizeof(text),
		 "boot %s\nuptime %" PRId64 "\ndate %s\nbuild-id %s\n", boot,
		 uptime(), date, build_id);
	if (write_text(record().text, text))
		return fail(TOOL_FAILED,
			    "the attempt cannot be recorded in %s: %s",
			    record().text, strerror(errno));
	return 0;
}

int attempt_settle(void)
{
	char when[64];

	if (attempt_look(when, sizeof(when)) == ATTEMPT_FAILED)
		return fail(
			TOOL_REFUSED,
			"the attempt of %s was before this boot, and the host did not survive it",
			when);
	return attempt_clear();
}

int attempt_clear(void)
{
	if (unlink(record().text) && errno != ENOENT)
		return fail(TOOL_FAILED, "%s: %s", record().text,
			    strerror(errno));
	return 0;
}
