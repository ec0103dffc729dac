/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fuzz.h"

uint64_t fuzz_operations, fuzz_slots, fuzz_inputs;
static double start;

double fuzz_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Prints the totals since the start. */
void fuzz_tell(void)
{
	double s = fuzz_now() - start;

	printf("# %llu operations (%llu slots) of %llu inputs in %.0f s: "
	       "%.0f operations/s\n", (unsigned long long)fuzz_operations,
	       (unsigned long long)fuzz_slots, (unsigned long long)fuzz_inputs,
	       s, s > 0 ? (double)fuzz_operations / s : 0.0);
	fflush(stdout);
}

static void at_end(void)
{
	if (fuzz_inputs)
		fuzz_tell();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	start = fuzz_now();
	atexit(at_end);
	return 0;
}
