/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A target, as libFuzzer and AFL take it; aborts where something is wrong.
 * Linked with main.c where no fuzzer brings a main of its own.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer calls it first: what was done is printed at the end. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What all inputs so far have come to: calls made, slots that they changed. */
extern uint64_t fuzz_operations, fuzz_slots, fuzz_inputs;
void fuzz_tell(void);
double fuzz_now(void);

#endif /* FUZZ_H */
