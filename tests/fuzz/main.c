/* SPDX-License-Identifier: MIT */
/*
 * Runs a target without libFuzzer: for systems without clang, and for runs in
 * which speed matters more than coverage guidance.
 *
 *   TARGET FILE|FOLDER...
 *       runs each file once; "-" is stdin; works with AFL's @@
 *   TARGET --time S --seed N [FILE|FOLDER...]
 *       then runs inputs of random bytes and of these files for S seconds, or
 *       as many as --inputs gives; the same seed gives the same inputs
 *
 * Prints the number of operations and their rate. When an input fails, the
 * target aborts, and the input is kept in fuzz-failed-SEED or the file given by
 * --keep.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/random.h"
#include "fuzz.h"

#define MOST 4096u
#define MOST_FILES 64u

struct input {
	size_t size;
	uint8_t *data;
};

static struct input *corpus;
static size_t nr_corpus;
static uint64_t rng;
static uint8_t current[MOST];
static size_t current_size;
static char keep[256];

static uint64_t rnd(void)
{
	return xorshift64(&rng);
}

static void die(const char *what, const char *path)
{
	fprintf(stderr, "fuzz: %s: %s: %s\n", path, what, strerror(errno));
	exit(2);
}

static void load(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY) : 0;
	struct input in = {0, malloc(MOST)};
	ssize_t n;

	if (fd < 0)
		die("cannot be opened", path);
	while (in.size < MOST &&
	       (n = read(fd, in.data + in.size, MOST - in.size)) != 0) {
		if (n < 0)
			die("cannot be read", path);
		in.size += (size_t)n;
	}
	if (fd)
		close(fd);
	/* Shrink the buffer, so that ASan finds a read beyond the input. */
	in.data = realloc(in.data, in.size ? in.size : 1);
	corpus = realloc(corpus, (nr_corpus + 1) * sizeof(*corpus));
	corpus[nr_corpus++] = in;
}

static void load_all(const char *path)
{
	struct dirent **names;
	struct stat st;
	char name[4096];
	int n;

	if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode)) {
		load(path);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		die("cannot be listed", path);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path,
				 names[i]->d_name);
			load(name);
		}
		free(names[i]);
	}
	free(names);
}

/* Sanitizers and hx_bug() abort: keep the input that was running. */
static void on_abort(int signal)
{
	int fd = open(keep, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	(void)signal;
	if (fd >= 0 && write(fd, current, current_size) == (ssize_t)current_size)
		fprintf(stderr, "fuzz: the input is kept in %s\n", keep);
	_exit(1);
}

static void run(const uint8_t *data, size_t size)
{
	memmove(current, data, size);
	current_size = size;
	LLVMFuzzerTestOneInput(data, size);
}

/*
 * Makes an input: random bytes, or files of the corpus in a row with some bytes
 * changed. Each file is short and about one subject. In a row, a file meets the
 * state that the previous ones have left, and resetting the target's state,
 * which takes as long as some calls, is needed less often.
 */
static void make_input(void)
{
	const struct input *in;
	uint64_t r = rnd();
	size_t n, i;

	current_size = 0;
	if (!nr_corpus || r % 4 == 0) {
		current_size = 16 + r / 4 % (MOST - 16);
		for (i = 0; i < current_size; i += 8) {
			uint64_t x = rnd();

			memcpy(current + i, &x,
			       current_size - i < 8 ? current_size - i : 8);
		}
		return;
	}
	for (n = 1 + r / 4 % MOST_FILES; n; n--) {
		in = &corpus[rnd() % nr_corpus];
		i = in->size < MOST - current_size ? in->size
						   : MOST - current_size;
		memcpy(current + current_size, in->data, i);
		current_size += i;
	}
	for (n = 1 + r / 8 % 8; n && current_size; n--) {
		r = rnd();
		i = r % current_size;
		switch (r >> 32 & 3) {
		case 0:
			current[i] ^= 1 << (r >> 40 & 7);
			break;
		case 1:	/* cut out */
			if (current_size > 8 && i < current_size - 8) {
				memmove(current + i, current + i + 4,
					current_size - i - 4);
				current_size -= 4;
			}
			break;
		default:
			current[i] = (uint8_t)(r >> 40);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, most = 0;
	double seconds = 0, end, next;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--", 2) && i + 1 == argc) {
			fprintf(stderr, "fuzz: %s needs a value\n", argv[i]);
			return 2;
		}
		if (!strcmp(argv[i], "--time"))
			seconds = atof(argv[++i]);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--inputs"))
			most = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--keep"))
			snprintf(keep, sizeof(keep), "%s", argv[++i]);
		else
			load_all(argv[i]);
	}
	if (!nr_corpus && !seconds && !most) {
		fprintf(stderr, "usage: %s [--time S] [--inputs N] [--seed N] "
			"[--keep FILE] [FILE|FOLDER|-]...\n", argv[0]);
		return 2;
	}
	if (!keep[0])
		snprintf(keep, sizeof(keep), "fuzz-failed-%llu",
			 (unsigned long long)seed);
	signal(SIGABRT, on_abort);
	rng = 0x9e3779b97f4a7c15u ^ seed * 0x2545f4914f6cdd1du;

	LLVMFuzzerInitialize(&argc, &argv);
	for (size_t i = 0; i < nr_corpus; i++)
		run(corpus[i].data, corpus[i].size);
	end = fuzz_now() + seconds;
	next = fuzz_now() + 60;
	for (uint64_t n = 0; most ? n < most : fuzz_now() < end; n++) {
		make_input();
		run(current, current_size);
		if (n % 64 == 0 && fuzz_now() > next) {
			fuzz_tell();
			next += 60;
		}
	}
	for (size_t i = 0; i < nr_corpus; i++)
		free(corpus[i].data);
	free(corpus);
	return 0;
}
