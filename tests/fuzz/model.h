/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer's oracle: a second, simple implementation of the calls in
 * <ptebatch/xen-ptebatch.h>. It need not be fast, and shares no code with the handlers
 * or with the harness's model of Xen. From the harness it uses names and
 * numbers, and the state that a call has left.
 *
 * The model follows the call. At each preemption and at the end, the call's
 * progress tells which PTEs must have been changed; no PTE beyond may have
 * been. The model advances to that progress, slot by slot, and compares
 * everything. If the call stopped, the model must find the same error at the
 * next slot.
 */
#ifndef MODEL_H
#define MODEL_H

#include <harness.h>

#define MODEL_TABLES (NR_TABLES + 1) /* the last is the foreign one */

struct model_frame {
	enum { NOBODYS, OWN, FOREIGN, IO } owner;
	bool writable;	/* the type is writable, or free to become writable */
	uint64_t refs, types;
};

struct model {
	uint64_t entry[MODEL_TABLES][512];
	struct model_frame frame[NR_FRAMES];
	bool no_table[MODEL_TABLES];
	unsigned int freed;
};
extern struct model model;

/* Resets harness and model, with all tables empty. */
void model_reset(void);
/*
 * Sets a PTE in harness and model. False, without a change, if it is invalid.
 */
bool model_set(unsigned int table, unsigned int i, uint64_t entry);
/*
 * Lets table t go, and validates it again with these entries. Harness and model
 * must agree on the answer and on all effects.
 */
void model_validate(unsigned int t, const uint64_t entries[512]);
/*
 * Makes a call in harness and model, and compares all effects: the two calls,
 * mmu_update with a pdone, and update_va_mapping with a flush that needs no
 * mask.
 */
void model_call(uint32_t nr, const uint64_t a[5]);
/* Compares every PTE and every count, and checks the harness's own rules. */
void model_compare_all(void);

/* Called while a call is preempted, when the guest can act. */
extern void (*model_meanwhile)(void);
/* The number of slots that the last call changed. */
extern uint64_t model_slots;

#endif /* MODEL_H */
