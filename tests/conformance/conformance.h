/* SPDX-License-Identifier: MIT */
/*
 * One conformance suite for every backend, in every world: in process over
 * plain memory, in process over the hypervisor's handlers, in a PV guest on
 * real Xen. It is freestanding C and knows the world only through this table.
 *
 * A world has "tables" L1 tables of 512 slots, all reachable at once, and
 * "pages" data pages. Before each test the suite calls reset.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <ptebatch/ptebatch.h>

struct conf_world {
	const char *name; /* world and backend, for the test's name */
	const struct ptebatch_backend *backend;
	struct ptebatch_env *env;
	void *ctx;

	uint32_t tables; /* at least 2 */
	uint32_t pages;	 /* at least 512 */

	/* Bits that the world may add to or drop from present entries. */
	uint64_t ignore;

	/* What this world cannot do: CONF_NO_*. Each is stated by its test. */
	uint32_t without;

	/* All slots of all tables absent (0). */
	void (*reset)(struct conf_world *w);
	/* Machine address of a slot. */
	uint64_t (*maddr)(struct conf_world *w, uint32_t table, uint32_t slot);
	/* The entry as it stands, read past the library. */
	uint64_t (*read)(struct conf_world *w, uint32_t table, uint32_t slot);
	/* Sets an entry past the library (A and D exactly as given). */
	void (*write)(struct conf_world *w, uint32_t table, uint32_t slot,
		      uint64_t entry);
	/* Machine address (4096-aligned) of a data page: for entries. */
	uint64_t (*page)(struct conf_world *w, uint32_t page);
	/*
	 * The hardware's part: a read, or a write, of the memory that a slot
	 * maps, so A, or A and D, get set in it. NULL where not to be had.
	 */
	void (*touch)(struct conf_world *w, uint32_t table, uint32_t slot,
		      int write);
	/* Reports "ok"/"not ok" for one test; why is NULL if it passed. */
	void (*report)(struct conf_world *w, const char *test, const char *why);
	/* An address that faults when stored to, or NULL if there is none. */
	uint64_t *bad_address;
	/*
	 * Machine address of a frame that is not an L1 table, or 0. If the env
	 * can tell (PTEBATCH_ENV_SLOT_KNOWS_L1), every backend has to.
	 */
	uint64_t not_a_table;
	/*
	 * The address that a slot maps where Xen looks for it; NULL if nobody
	 * looks (without PTEBATCH_ENV_ADDR_OF_SLOT).
	 */
	uint64_t (*va)(struct conf_world *w, uint32_t table, uint32_t slot);
};

#define CONF_NO_EXACT 0x1u	/* -EOPNOTSUPP for EXACT values */
#define CONF_NO_OLD 0x2u	/* -EOPNOTSUPP for old values and CLEAR */
#define CONF_NO_CLEAR_AD 0x4u	/* -EOPNOTSUPP for clearing A or D */
#define CONF_NO_CHECKS 0x8u	/* takes any table (native) */

/* Runs everything; returns how many tests failed. count receives the total. */
unsigned int conformance_run(struct conf_world *w, unsigned int *count);

#endif /* CONFORMANCE_H */
