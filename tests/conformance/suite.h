/* SPDX-License-Identifier: MIT */
/*
 * What the files of the conformance suite share. A test writes PTEs directly,
 * changes them through the library, and reads them directly again. It returns
 * NULL, or a description of the failure.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "../common/check.h"
#include "../common/pte.h"
#include "conformance.h"

#define BASE (P | US | A | D)
#define AVAIL 0x200ull /* bit 9 */
#define SLOTS PTEBATCH_TABLE_SLOTS
#define KEEP PTEBATCH_SET_KEEP_AD
#define EXACT PTEBATCH_SET_EXACT

/* A non-present PTE that is not vulnerable to L1TF. */
#define ABSENT ((uint64_t)0x400)

/* The list of a file's tests ends with an entry without a name. */
struct conf_test {
	const char *name, *skip; /* skip: the name with a TAP directive */
	const char *(*run)(struct conf_world *w);
};
#define TEST(name) { #name, #name " # SKIP not possible here", name }
extern const struct conf_test conf_flags[], conf_values[], conf_calls[],
	conf_failures[], conf_random[];

/* The result of a test that the world cannot perform. */
extern const char conf_skipped[];

/* Initialised for each test, with all of its storage. */
extern struct ptebatch conf_batch;
extern uint64_t conf_storage[5 * 96];
extern uint64_t conf_olds[SLOTS];

static const struct ptebatch_tlb flush_all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

static inline uint64_t slot_of(struct conf_world *w, uint32_t table, uint32_t i)
{
	return w->slot(w, table, i);
}

static inline uint64_t entry(struct conf_world *w, uint32_t page,
			     uint64_t flags)
{
	return w->page(w, page % w->pages) | flags;
}

static inline int same(struct conf_world *w, uint64_t a, uint64_t b)
{
	uint64_t ignore = a & b & P ? w->ignore : 0;

	return ((a ^ b) & ~ignore) == 0;
}

static inline int holds(struct conf_world *w, uint32_t table, uint32_t i,
			uint64_t e)
{
	return same(w, w->read(w, table, i), e);
}

static inline void fill(struct conf_world *w, uint32_t table, uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		w->write(w, table, i, entry(w, i, flags));
}

static inline int table_holds(struct conf_world *w, uint32_t table,
			      uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		if (!holds(w, table, i, entry(w, i, flags)))
			return 0;
	return 1;
}

static inline int init(struct conf_world *w, size_t bytes)
{
	return ptebatch_init(&conf_batch, sizeof(conf_batch), w->backend, w->env, conf_storage, bytes);
}

static inline int no(struct conf_world *w, uint32_t what)
{
	return (w->without & what) != 0;
}

#endif /* CONFORMANCE_SUITE_H */
