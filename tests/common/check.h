/* SPDX-License-Identifier: MIT */
/*
 * The check that all tests in C use. It prints nothing itself: if it fails, it
 * calls CHECK_FAILED with the reason. By default this returns the reason, for
 * functions that return NULL or why the test failed. A suite whose tests
 * continue after a failure defines CHECK_FAILED as a function.
 */
#ifndef CHECK_H
#define CHECK_H

/*
 * Set by each check, so that a runner can fail a test that checks nothing. The
 * flag is written only once, because vCPUs check things at the same time.
 */
__attribute__((weak)) int check_made;

#ifndef CHECK_FAILED
#define CHECK_FAILED return
#endif

#define CHECK_STRING(x) #x
#define CHECK_LINE(line) CHECK_STRING(line)
#define CHECK_OR(x, failed)                                                    \
	do {                                                                   \
		if (!check_made)                                               \
			check_made = 1;                                        \
		if (!(x))                                                      \
			failed(__FILE__ ":" CHECK_LINE(__LINE__) ": " #x);     \
	} while (0)
#define CHECK(x) CHECK_OR(x, CHECK_FAILED)

#endif /* CHECK_H */
