/* SPDX-License-Identifier: MIT */
/* Shared by the tests: TAP on the console, and the list of a file's tests. */
#ifndef TESTS_H
#define TESTS_H

#include "kernel.h"

#define TAP_LINE(format, ...) print(format "\n", __VA_ARGS__)
#include "tap.h"

struct test {
	const char *name; /* the property that a pass shows */
	const char *(*run)(void);
	int dom0; /* needs rights that only dom0 has */
};

#define TEST(f) { #f, f, 0 }

extern struct ptebatch batch; /* set up for each test with the backend's env */
extern struct ptebatch_env env;

void run_tests(const char *where, const struct test *t);
/* Makes later batches use the new calls; 0 if this Xen lacks one of them. */
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

/* tests.c: a list of parts for Xen's parameter; what the parts have counted */
int64_t set_parameter(const char *parts);
extern int is_shadowed; /* tests.c: Xen shadows this domain's page tables */
int64_t count_of(uint32_t what);
const char *entries_were(enum code whose);

/* abi.c: for a Xen with the new calls, and for one without them. */
extern const struct test abi_tests[], abi_tests_stock[];
/* kinds.c */
extern const struct test kinds_tests[];

#endif /* TESTS_H */
