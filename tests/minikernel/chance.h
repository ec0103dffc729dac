/* SPDX-License-Identifier: MIT */
/* Random numbers that depend on a seed and on the number of an operation. */
#ifndef CHANCE_H
#define CHANCE_H

#include "kernel.h"

void random_seed(uint64_t seed, uint64_t number); /* fuzz-operation.c */
uint64_t random(void);
uint32_t below(uint32_t n);
int once_in(uint32_t n);

#endif /* CHANCE_H */
