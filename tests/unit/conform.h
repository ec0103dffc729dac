/* SPDX-License-Identifier: MIT */
/* Runs the conformance suite over the tables of fake-xen, within a test. */
#ifndef CONFORM_H
#define CONFORM_H

#include <ptebatch/ptebatch.h>

void conform(const struct ptebatch_backend *backend, struct ptebatch_env *env,
	     const char *name);

#endif /* CONFORM_H */
