/* SPDX-License-Identifier: MIT */
/*
 * Tests of the handlers' source in the harness: bad input, each exit path of a
 * call, and the order of its steps. After every test, each count of each frame
 * is compared with the entries that exist, and no rule of harness.h may have
 * been broken.
 *
 * The makefile builds the tests several times: without options, with
 * -DPTEBATCH_PREEMPT=1U so that a call is preempted at each entry, and for each
 * way in which Xen can number its frames. The arguments are the seed of the
 * random tests (default 1) and their rounds (20000), and "stop" to end with the
 * first test that fails; or "forged" to run only the tests of forged progress.
 */
#include "test-handler.h"

bool stop_at_failure;

int main(int argc, char **argv)
{
	unsigned int seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned int rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	harness_reset();
	stop_at_failure = argc > 3 && !strcmp(argv[3], "stop");
	if (argc > 1 && !strcmp(argv[1], "forged")) {
		forged_progress();
		return tap_done() != 0;
	}
	refusals();
	entries();
	values_come_and_go();
	calls_stop();
	trapped_writes();
	updates();
	validation();
	parts();
	differential(seed, rounds);
	return tap_done() != 0;
}
