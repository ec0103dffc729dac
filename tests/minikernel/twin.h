/* SPDX-License-Identifier: MIT */
/*
 * What fuzz.c works on: everything twice. The new calls change one of two, the
 * subject; stock mmu_update does the same to the other, the reference; and all
 * that a guest can see of the one must be so of the other.
 *
 * Slots 0 to TWIN_SLOTS - 1 of the world are the subject's, the next as many
 * the reference's. A pair is two pages with one story. Entries are the same if
 * they differ by the frames of one pair, or of a table and its twin, alone.
 */
#ifndef TWIN_H
#define TWIN_H

#include "kernel.h"

#define TWIN_TABLES 4u
#define TWIN_SLOTS (TWIN_TABLES * PTEBATCH_TABLE_SLOTS)
/* Slots that operations use: the first and the last of each table. */
#define TWIN_ACTIVE 128u
#define TWIN_PAIRS 128u
#define TWIN_DIRECT 16u /* of the pairs: mapped writable elsewhere, too */

/* How often something was seen, so that nothing is passed that never was. */
struct twin_seen {
	uint32_t became_table, stayed_data; /* pins that were taken, refused */
	uint32_t became_writable, stayed_read_only;
	uint32_t exchanged, not_exchanged;
	uint32_t freed;	   /* by the last mapping */
	uint32_t stores, faults; /* through the subject after a flush */
	uint32_t changes;  /* of entries */
};
extern struct twin_seen twin_seen;

void twin_begin(void); /* takes its pages out of the world */
void twin_end(void);   /* gives them back */
/* The n-th of TWIN_TABLES * TWIN_ACTIVE. */
uint32_t twin_active(uint32_t n);
/* A maddr or a present entry, with the other frame if that is of a pair. */
uint64_t twin_of(uint64_t x);
uint64_t twin_frame(uint32_t pair); /* the subject's */
/* Stock mmu_update of one slot: 0 or its error. */
int twin_update(uint64_t ptr, uint64_t val, uint32_t owner);

/*
 * What follows is done to both; the answer is 0, or 1 if the two differ, which
 * is printed then.
 */
int twin_compare(int all); /* the active slots, or every slot */
uint32_t twin_changed(uint32_t n); /* a pair of which an entry just changed */
int twin_become_table(uint32_t pair); /* and data again, if it can */
int twin_map_writable(uint32_t pair); /* for a moment, if it can be */
int twin_pin(uint32_t pair);	 /* becomes a table, or ceases to be one */
int twin_exchange(uint32_t pair);
int twin_release(uint32_t pair); /* is to be freed by its last mapping */
int twin_touch(uint32_t slot, int is_flushed); /* a load and a store */
int twin_all_can_change_type(void); /* with all tables empty after */

#endif /* TWIN_H */
