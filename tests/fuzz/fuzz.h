/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A target in the form that libFuzzer and AFL expect. It aborts if a check
 * fails. Without a fuzzer that has its own main(), it is linked with main.c.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called first, by libFuzzer or main.c. Has the totals printed at exit. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Totals of all inputs so far: calls, slots in these calls, inputs. */
extern uint64_t fuzz_operations, fuzz_slots, fuzz_inputs;
void fuzz_tell(void);
double fuzz_now(void);

#endif /* FUZZ_H */
