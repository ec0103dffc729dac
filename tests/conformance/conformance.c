/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: the behaviour that every backend must have in every
 * environment ("world").
 *
 * Operations that a world does not support (w->without) are tested too: they
 * must fail with -EOPNOTSUPP and change nothing. A test is skipped only where
 * the world has no way to perform it.
 */
#include "suite.h"

const char conf_skipped[] = "skipped";

struct ptebatch conf_batch;
uint64_t conf_storage[5 * 96];
uint64_t conf_olds[SLOTS];

static const char *run(struct conf_world *w, const struct conf_test *t)
{
	const char *why;

	w->reset(w);
	check_made = 0;
	if (init(w, sizeof(conf_storage)))
		return "init failed";
	why = t->run(w);
	return why || check_made ? why : "the test made no check";
}

unsigned int conformance_run(struct conf_world *w, unsigned int *count)
{
	static const struct conf_test *const parts[] = {
		conf_flags, conf_values, conf_calls, conf_failures, conf_random,
	};
	unsigned int i, failed = 0, all = 0;
	const struct conf_test *t;
	const char *why;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (t = parts[i]; t->name; t++) {
			why = run(w, t);
			all++;
			if (why == conf_skipped) {
				w->report(w, t->skip, NULL);
				continue;
			}
			w->report(w, t->name, why);
			failed += why != NULL;
		}
	w->reset(w);
	if (count)
		*count = all;
	return failed;
}
