/* SPDX-License-Identifier: MIT */
/* Updates of one slot without a batch. */
#ifndef SINGLE_H
#define SINGLE_H

#include <ptebatch/ptebatch.h>

static inline int apply_clear(const struct ptebatch_backend *backend,
			      struct ptebatch_env *env, uint64_t slot,
			      uint64_t *old, const struct ptebatch_tlb *tlb,
			      struct ptebatch_progress *p)
{
	const struct ptebatch_run run = { .slot = slot,
					  .count = 1,
					  .op = PTEBATCH_OP_CLEAR,
					  .old = (uintptr_t)old };

	return ptebatch_apply_clear(backend, env, &run, tlb, p);
}

#endif /* SINGLE_H */
