/* SPDX-License-Identifier: MIT */
/*
 * What each call of <ptebatch/abi.h> has to do, said once more and plainly: the
 * oracle of the fuzzer. Nothing here is fast, nothing is shared with the
 * handlers or with what the harness models of Xen; of the harness it uses
 * names and numbers, and looks at the state that a call left.
 *
 * The model runs behind the call. Wherever that can be looked at, at each
 * preemption and at its end, its progress says how far the entries have to be
 * changed, not one further; the model goes there slot by slot, and everything
 * is compared. What stopped the call must be what the model meets next.
 */
#ifndef MODEL_H
#define MODEL_H

#include <harness.h>

#define MODEL_TABLES (NR_TABLES + 1) /* the last is the foreign one */

struct model_frame {
	enum { NOBODYS, OWN, FOREIGN, IO } owner;
	bool writable;	/* the type, or could become it: no other holds it */
	uint64_t refs, types;
};

struct model {
	uint64_t entry[MODEL_TABLES][512];
	struct model_frame frame[NR_FRAMES];
	bool no_table[MODEL_TABLES];
	unsigned int freed;
};
extern struct model model;

/* The world as harness_reset() leaves it, all tables empty. */
void model_reset(void);
/* What hx_set() would be refused; else does it in both worlds. */
bool model_set(unsigned int table, unsigned int slot, uint64_t entry);
/* A call, in both: do it, look at all that it did. */
void model_call(uint32_t nr, const uint64_t a[5]);
/* Every entry and every count; the harness's own rules. */
void model_compare_all(void);

/* Called where the guest may act while a call is preempted. */
extern void (*model_meanwhile)(void);
/* What the last call did, for those who steer. */
extern uint64_t model_slots;

#endif /* MODEL_H */
