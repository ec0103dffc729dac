/* SPDX-License-Identifier: MIT */
/* What the tests share: TAP on the console, and the list of a file's tests. */
#ifndef TESTS_H
#define TESTS_H

#include "kernel.h"

#define TAP_LINE(format, ...) print(format "\n", __VA_ARGS__)
#include "tap.h"

struct test {
	const char *name; /* what holds when it passes */
	const char *(*run)(void);
	int dom0; /* others have not the rights that it takes */
};

#define TEST(f) { #f, f, 0 }

extern struct ptebatch batch; /* new for each test, with the backend's env */
extern struct ptebatch_env env;

void run_tests(const char *where, const struct test *t);
/* Batches of what follows use them; 0 if this Xen has not got both. */
int use_new_calls(void);

/* The two calls themselves. */
static inline int64_t runs(uint64_t what, uint64_t count, uint64_t how,
			   uint64_t a4, uint64_t a5)
{
	return hypercall5(__HYPERVISOR_ptebatch_runs, what, count, how, a4, a5);
}

static inline int64_t values(uint64_t what, uint64_t count, uint64_t how,
			     uint64_t a4, uint64_t a5)
{
	return hypercall5(__HYPERVISOR_ptebatch_values, what, count, how, a4,
			  a5);
}

/* abi.c: for a Xen that has the new calls, and for one that has not. */
extern const struct test abi_tests[], abi_tests_stock[];
/* kinds.c */
extern const struct test kinds_tests[];

#endif /* TESTS_H */
