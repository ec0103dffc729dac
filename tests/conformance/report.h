/* SPDX-License-Identifier: MIT */
/* Reports the conformance suite's results as TAP. */
#ifndef CONFORMANCE_REPORT_H
#define CONFORMANCE_REPORT_H

#include "../common/tap.h"
#include "conformance.h"

/*
 * A test that a backend cannot perform ("# SKIP" in the name) is reported as a
 * comment without a number: nothing that could be installed would change it.
 */
static inline void conformance_report(struct conf_world *w, const char *test,
				      const char *why)
{
	const char *s = test;

	while (*s && *s != '#')
		s++;
	if (*s)
		TAP_LINE("# no test of %s: %s", w->name, test);
	else
		tap_result(w->name, test, why);
}

#endif /* CONFORMANCE_REPORT_H */
