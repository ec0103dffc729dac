/* SPDX-License-Identifier: MIT */
/* What tests.c and abi.c share. */
#ifndef TESTS_H
#define TESTS_H

#include "minikernel.h"

#define STRING(x) #x
#define LINE(x) STRING(x)
/* In a function that returns NULL, or why the test failed. */
#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x))                                                      \
			return "line " LINE(__LINE__) ": " #x;                 \
	} while (0)

struct test {
	const char *name; /* what holds when it passes */
	const char *(*run)(void);
};

extern struct ptebatch batch; /* new for each test, with the backend's env */
extern struct ptebatch_env env;

void report(const char *where, const char *test, const char *why);
void use_new_calls(void); /* in the tests that run next */
void run_tests(const char *where, const struct test *t);

/* abi.c: for a Xen that has the new calls, and for one that has not. */
extern const struct test abi_tests[], abi_tests_stock[];

#endif /* TESTS_H */
