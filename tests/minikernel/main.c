/* SPDX-License-Identifier: MIT */
/*
 * The command line is a list of words:
 *   test    the conformance suite and the tests that need a real Xen
 *   guest   the tests of Xen's own calls alone
 *   trapped  the tests of instructions that change entries in place alone
 *   traps   with test or trapped: Xen has a short way for them, which is on
 *   new     with test: this Xen must have the new calls
 *   old     with test: this Xen must not have the new calls
 *   high    with test: this Xen maps only 512 GiB of memory in the tables of PV
 *           guests, and this domain's memory is beyond (see guest-high.c)
 *   ahead   with test: Xen may read requests of mmu_update ahead, even if it has
 *           none of the new calls
 *   race=N  tests with several vCPUs, N updates a test (see race.c)
 *   race-guest=N  the same with Xen's own calls only
 *   contend=N  only the cost of two vCPUs on one table, with N updates, and how
 *           long one of them waits; on a stock Xen the latter alone. With
 *           -icount, the TSC ticks count instructions of both vCPUs
 *   bench   the figures, as lines that begin with "bench " (see bench.c)
 *   midway  Xen writes mmu_update's done count in the middle of a list, too:
 *           where a payload's engine hands it over, or preempts it on shadow
 *           page tables, where it takes long
 *   quick   with bench: only the figures table, not every batch size
 *   cycles  with bench: this is a CPU, where the TSC counts cycles; only what a
 *           domU may do, up to 512 pages
 *   fuzz=N  N random operations (see fuzz.c)
 *   trace=N  N random operations by Xen's own calls (see trace.c)
 *   own, engine  with fuzz or trace: whose code performs Xen's own calls, by
 *           Xen's counters: its own alone, or also the engine's
 *   switch  with trace: parts of Xen are turned off and on meanwhile
 *   seed=N  with fuzz or trace: another sequence of operations
 *   skip=N  with them: start at that operation
 *   show    with them: print each operation before it is performed
 *   serve   as a domU: serve requests of a program in dom0 (see serve.c)
 *   load    as a domU: change page tables until the domain is destroyed
 *   flask   as dom0: test the rights under a FLASK policy
 *   l1tf    first of all, write an entry that makes Xen shadow the domain
 * The last line printed is "minikernel: done, N failed".
 */
#include "kernel.h"

#include <xen/sched.h>

/* Finds a word that is name followed by next, '=' or 0; returns name's end. */
static const char *find_word(const char *name, char next)
{
	const char *s = (const char *)start_info->cmd_line;

	while (*s) {
		const char *n = name;

		while (*n && *s == *n) {
			s++;
			n++;
		}
		if (!*n && (*s == next || (!next && *s == ' ')))
			return s;
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	return NULL;
}

static int has_word(const char *word)
{
	return find_word(word, 0) != NULL;
}

/* The number after "name=", or the default if the word is missing. */
static uint64_t value_of(const char *name, uint64_t otherwise)
{
	const char *s = find_word(name, '=');

	if (!s)
		return otherwise;
	for (otherwise = 0, s++; *s >= '0' && *s <= '9'; s++)
		otherwise = otherwise * 10 + (uint64_t)(*s - '0');
	if (*s && *s != ' ')
		panic("%s= takes a decimal number", name);
	return otherwise;
}

/* Makes a probe (probe.S) return 1 if its first instruction faulted. */
static int probes_fault(struct regs *r, uint64_t va)
{
	(void)va;
	if (r->rip != (uint64_t)probe_write &&
	    r->rip != (uint64_t)probe_write_odd)
		return 0;
	r->rip = (uint64_t)probe_failed;
	return 1;
}

void kernel_main(start_info_t *si)
{
	unsigned int failed;
	uint64_t updates, fuzz, trace;
	enum code whose;

	mm_init(si);
	whose = has_word("own") ? XENS_OWN : has_word("engine") ? ENGINES
								 : UNKNOWN;
	console_init();
	traps_init();
	fault_handler = probes_fault;
	print("minikernel: %s, %lu pages, command line: %s\n", si->magic,
	      si->nr_pages, (char *)si->cmd_line);
	world_init();
	if (has_word("l1tf"))
		be_shadowed();
	if (has_word("flask"))
		flask_run();
	requests_are_read_ahead = has_word("ahead");
	counts_are_written_midway = has_word("midway");
	has_short_map = has_word("high");
	if (has_word("test"))
		tests_run(has_word("new"), has_word("old"), has_word("traps"));
	if (has_word("guest"))
		guest_run();
	if (has_word("trapped"))
		trapped_run_tests(has_word("traps"));
	updates = value_of("race", 0);
	if (updates)
		race_run(updates);
	updates = value_of("race-guest", 0);
	if (updates)
		race_guest_run(updates);
	updates = value_of("contend", 0);
	if (updates)
		race_cost_run(updates);
	fuzz = value_of("fuzz", 0);
	if (fuzz)
		fuzz_run(fuzz, value_of("seed", 1), value_of("skip", 0),
			 has_word("show"), whose);
	trace = value_of("trace", 0);
	if (trace)
		trace_run(trace, value_of("seed", 1), value_of("skip", 0),
			  has_word("show"), has_word("switch"), whose);
	failed = tests_end();
	if (has_word("bench"))
		failed += bench_run(!has_word("quick"), has_word("cycles"));
	if (has_word("serve"))
		failed += serve();
	if (has_word("load"))
		load();
	print("minikernel: done, %u failed\n", failed);
	shutdown(SHUTDOWN_poweroff);
}

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}
