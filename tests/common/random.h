/* SPDX-License-Identifier: MIT */
/* Marsaglia's xorshift64. The state must not be 0. */
#ifndef RANDOM_H
#define RANDOM_H

#include <ptebatch/port.h>

static inline uint64_t xorshift64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif /* RANDOM_H */
