/* SPDX-License-Identifier: MIT */
/*
 * The command line is a list of words:
 *   test    the conformance suite and the tests that need a real Xen
 *   new     with test: this Xen must have the new calls
 *   old     with test: it must not
 *   bench   the figures, as lines that begin with "bench " (see bench.c)
 *   quick   with bench: only the figures table, not every batch size
 *   serve   as a domU: does what a program in dom0 asks for (see serve.c)
 *   load    as a domU: changes page tables until it is destroyed
 *   flask   with test: before it, as dom0, what a policy of FLASK's denies
 *   l1tf    with test: before it, an entry for which Xen shadows the domain
 * The last line printed is "minikernel: done, N failed".
 */
#include "minikernel.h"

#include <xen/sched.h>

start_info_t *start_info;

void kernel_main(start_info_t *si);

void shutdown(unsigned int reason)
{
	struct sched_shutdown s = { .reason = reason };

	console_flush();
	for (;;)
		hypercall5(__HYPERVISOR_sched_op, SCHEDOP_shutdown,
			   (uint64_t)&s, 0, 0, 0);
}

static int has_word(const char *word)
{
	const char *s = (const char *)start_info->cmd_line;

	while (*s) {
		const char *w = word;

		while (*w && *s == *w) {
			s++;
			w++;
		}
		if (!*w && (*s == ' ' || !*s))
			return 1;
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	return 0;
}

void kernel_main(start_info_t *si)
{
	unsigned int failed = 0;

	start_info = si;
	mm_init();
	console_init();
	traps_init();
	print("minikernel: %s, %lu pages, %lu free, command line: %s\n",
	      si->magic, si->nr_pages, pages_left(), (char *)si->cmd_line);
	world_init();
	if (has_word("l1tf"))
		be_shadowed();
	if (has_word("flask"))
		flask_run();
	if (has_word("test"))
		failed += tests_run(has_word("new"), has_word("old"));
	if (has_word("bench"))
		failed += bench_run(!has_word("quick"));
	if (has_word("serve"))
		failed += serve();
	if (has_word("load"))
		load();
	print("minikernel: done, %u failed\n", failed);
	shutdown(SHUTDOWN_poweroff);
}

void *memset(void *p, int c, size_t n)
{
	char *to = p;

	while (n--)
		*to++ = (char)c;
	return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}
