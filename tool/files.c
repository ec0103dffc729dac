/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tool.h"

#define MOST_BYTES (64l << 20) /* of a payload; Xen takes 2 MiB */

const char *tool_root = "";

struct path path_of(const char *format, ...)
{
	struct path p;
	size_t n = (size_t)snprintf(p.text, sizeof(p.text), "%s", tool_root);
	va_list args;

	va_start(args, format);
	if (n < sizeof(p.text))
		vsnprintf(p.text + n, sizeof(p.text) - n, format, args);
	va_end(args);
	return p;
}

bool exists(const char *path)
{
	return !access(path, F_OK);
}

int read_text(const char *path, char *buffer, size_t bytes)
{
	size_t done = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buffer[0] = 0;
	if (fd < 0)
		return -1;
	while (done < bytes - 1) {
		n = read(fd, buffer + done, bytes - 1 - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	buffer[done] = 0;
	close(fd);
	return n < 0 ? -1 : 0;
}

int read_file(const char *path, void **data, size_t *bytes)
{
	FILE *file = fopen(path, "rbe");
	struct stat st;
	int err;

	*data = NULL;
	if (!file)
		return -1;
	errno = 0;
	if (fstat(fileno(file), &st))
		goto failed;
	errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
	if (!S_ISREG(st.st_mode) || st.st_size > MOST_BYTES)
		goto failed;
	*bytes = (size_t)st.st_size;
	*data = malloc(*bytes + 1);
	if (!*data)
		goto failed;
	errno = EIO;
	if (fread(*data, 1, *bytes, file) != *bytes)
		goto failed;
	fclose(file);
	return 0;
failed:
	err = errno;
	free(*data);
	*data = NULL;
	fclose(file);
	errno = err;
	return -1;
}

/* The folder too, since a new name must survive a crash. */
static int sync_folder(const char *path)
{
	char copy[sizeof(struct path)];
	int fd, err;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	err = fsync(fd);
	close(fd);
	return err;
}

int write_text(const char *path, const char *text)
{
	char copy[sizeof(struct path)];
	size_t bytes = strlen(text);
	int fd, bad;

	snprintf(copy, sizeof(copy), "%s", path);
	if (mkdir(dirname(copy), 0755) && errno != EEXIST)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	bad = write(fd, text, bytes) != (ssize_t)bytes || fsync(fd);
	bad |= close(fd);
	return bad || sync_folder(path) ? -1 : 0;
}

int lock(void)
{
	const struct path path = path_of("/run/lock/ptebatch");
	int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(errno == EACCES ? TOOL_DENIED : TOOL_FAILED,
			    "%s: %s", path.text, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0; /* fd stays open until the program ends */
	close(fd);
	return fail(TOOL_BUSY, "another ptebatch loads or unloads just now");
}

bool has_word(const char *text, const char *word)
{
	const size_t n = strlen(word);

	while (*text) {
		size_t len = strcspn(text, " \t\n");

		if (len == n && !strncmp(text, word, n))
			return true;
		text += len;
		text += strspn(text, " \t\n");
	}
	return false;
}

static void keep_last_line(int fd, char *said, size_t bytes)
{
	char line[256];
	FILE *file = fdopen(fd, "r");

	if (!file) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = 0;
		if (*line)
			snprintf(said, bytes, "%s", line);
	}
	fclose(file);
}

int run(char *const argv[], char *said, size_t bytes)
{
	int pipes[2], status, null;
	pid_t child;

	if (said)
		*said = 0;
	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	child = fork();
	if (child < 0) {
		close(pipes[0]);
		close(pipes[1]);
		return -1;
	}
	if (!child) {
		null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(said ? pipes[1] : null, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(pipes[1]);
	if (said)
		keep_last_line(pipes[0], said, bytes);
	else
		close(pipes[0]);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return -1;
	return WEXITSTATUS(status);
}
