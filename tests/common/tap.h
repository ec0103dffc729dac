/* SPDX-License-Identifier: MIT */
/*
 * TAP output of tests in C:
 *
 *	tap_begin("suite", "what holds");
 *	CHECK(x == 1);
 *	tap_end(NULL);
 *	return tap_done() != 0;
 *
 * A test fails if tap_fail() was called, if tap_end() is given a reason, or if
 * it made no check. A program without printf defines TAP_LINE before it
 * includes this file, to print a line of the given format and arguments.
 */
#ifndef TAP_H
#define TAP_H

#include "check.h"

#ifndef TAP_LINE
#include <stdio.h>
#define TAP_LINE(format, ...) printf(format "\n", __VA_ARGS__)
#endif

#define TAP_REASONS 10u /* at most so many are printed for one test */

/* One for the whole program, in whichever of its files. */
__attribute__((weak)) struct tap {
	const char *suite; /* part of the names of its tests, or NULL */
	const char *name;  /* what holds if the test passes */
	unsigned int reasons; /* why the current test failed, so far */
	unsigned int number, failed; /* of tests */
} tap;

static inline void tap_begin(const char *suite, const char *name)
{
	tap.suite = suite;
	tap.name = name;
	tap.reasons = 0;
	check_made = 0;
}

/* A check whose reason has a format; the test continues if it fails. */
#define TAP_CHECK(x, format, ...)                                              \
	do {                                                                   \
		check_made = 1;                                                \
		if (!(x) && tap.reasons++ < TAP_REASONS)                       \
			TAP_LINE("# " format, __VA_ARGS__);                    \
	} while (0)

static inline void tap_fail(const char *why)
{
	TAP_CHECK(0, "%s", why);
}

static inline void tap_verdict(const char *word, const char *directive,
			       const char *reason)
{
	TAP_LINE("%s %u - %s%s%s%s%s", word, ++tap.number,
		 tap.suite ? tap.suite : "", tap.suite ? ": " : "", tap.name,
		 directive, reason);
}

static inline void tap_end(const char *why)
{
	if (why)
		tap_fail(why);
	else if (!check_made)
		tap_fail("the test made no check");
	tap.failed += tap.reasons != 0;
	tap_verdict(tap.reasons ? "not ok" : "ok", "", "");
}

/* A test whose result is known already: NULL, or why it failed. */
static inline void tap_result(const char *suite, const char *name,
			      const char *why)
{
	tap_begin(suite, name);
	check_made = 1;
	tap_end(why);
}

static inline void tap_skip(const char *suite, const char *name,
			    const char *reason)
{
	tap_begin(suite, name);
	tap_verdict("ok", " # SKIP ", reason);
}

/* Prints the plan and returns how many tests failed. */
static inline unsigned int tap_done(void)
{
	unsigned int failed = tap.failed;

	if (!tap.number) {
		TAP_LINE("Bail out! %s", "no test ran");
		return 1;
	}
	TAP_LINE("1..%u", tap.number);
	tap.number = 0;
	tap.failed = 0;
	return failed;
}

#endif /* TAP_H */
