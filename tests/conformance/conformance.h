/* SPDX-License-Identifier: MIT */
/*
 * One conformance suite for every backend, in several environments ("worlds"):
 * in process on plain memory, in process on the hypervisor's handlers, and in a
 * PV guest on a real Xen. The suite is freestanding C and accesses the world
 * only through struct conf_world.
 *
 * A world has "tables" L1 tables of 512 slots, which must all be mapped at the
 * same time, and "pages" data pages. The suite calls reset before each test.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <ptebatch/ptebatch.h>

struct conf_world {
	const char *name; /* of world and backend, as part of tests' names */
	const struct ptebatch_backend *backend;
	struct ptebatch_env *env;
	void *ctx;

	uint32_t tables; /* at least 2 */
	uint32_t pages;	 /* at least 512 */

	/* Bits that the world may set or clear in present PTEs. */
	uint64_t ignore;

	/* CONF_NO_*: operations that this world does not support. */
	uint32_t without;

	/* Sets all slots of all tables to 0. */
	void (*reset)(struct conf_world *w);
	/* The slot of entry i of a table. */
	uint64_t (*slot)(struct conf_world *w, uint32_t table, uint32_t i);
	/* Reads a PTE directly, without the library. */
	uint64_t (*read)(struct conf_world *w, uint32_t table, uint32_t i);
	/* Writes a PTE directly, with A and D exactly as given. */
	void (*write)(struct conf_world *w, uint32_t table, uint32_t i,
		      uint64_t entry);
	/* Machine address of a data page, 4096-aligned, for use in PTEs. */
	uint64_t (*page)(struct conf_world *w, uint32_t page);
	/*
	 * Reads or writes the memory that a slot maps, so that hardware sets A,
	 * or A and D, in the PTE. NULL if the world cannot do this.
	 */
	void (*touch)(struct conf_world *w, uint32_t table, uint32_t i,
		      int write);
	/* Reports the result of a test: why is NULL if the test passed. */
	void (*report)(struct conf_world *w, const char *test, const char *why);
	/* An address that faults when stored to, or NULL if there is none. */
	uint64_t *bad_address;
	/*
	 * Machine address of a frame that is not an L1 table, or 0. With
	 * PTEBATCH_ENV_MAP_KNOWS_L1, every backend must refuse it.
	 */
	uint64_t not_a_table;
	/*
	 * The virtual address that a slot maps, which Xen uses to find the
	 * slot. NULL without PTEBATCH_ENV_ADDR_OF_SLOT.
	 */
	uint64_t (*va)(struct conf_world *w, uint32_t table, uint32_t i);
};

#define CONF_NO_EXACT 0x1u	/* -EOPNOTSUPP for EXACT values */
#define CONF_NO_OLD 0x2u	/* -EOPNOTSUPP for old values and CLEAR */
#define CONF_NO_CLEAR_AD 0x4u	/* -EOPNOTSUPP for clearing A or D */
#define CONF_NO_CHECKS 0x8u	/* no checks of tables or values (native) */

/* Runs all tests. Returns the number of failures; *count receives the total. */
unsigned int conformance_run(struct conf_world *w, unsigned int *count);

#endif /* CONFORMANCE_H */
