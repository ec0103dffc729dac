/* SPDX-License-Identifier: MIT */
/*
 * Tables and pages for fuzz.c, each of them twice. The new calls change the
 * subject, and stock mmu_update changes the reference alike. Everything that a
 * guest can observe of the subject must also hold for the reference.
 *
 * The first TWIN_SLOTS slots of world.c belong to the subject, and as many
 * after them to the reference. A pair is two pages, one for each, that are
 * always treated alike. Two entries are the same if they differ only in the
 * frame, and the two frames are a pair, or a table and its twin.
 */
#ifndef TWIN_H
#define TWIN_H

#include "kernel.h"

#define TWIN_TABLES 4u
#define TWIN_SLOTS (TWIN_TABLES * PTEBATCH_TABLE_SLOTS)
/* Slots that operations use: the first and the last of each table. */
#define TWIN_ACTIVE 128u
#define TWIN_PAIRS 128u
#define TWIN_DIRECT 16u /* the first pairs, also mapped writable elsewhere */

/* Counts of events. A test whose event never occurred must not pass. */
struct twin_seen {
	uint32_t became_table, stayed_data; /* pins allowed, refused */
	uint32_t became_writable, stayed_read_only;
	uint32_t exchanged, not_exchanged;
	uint32_t freed;	   /* by the last mapping */
	uint32_t stores, faults; /* through the subject after a flush */
	uint32_t changes;  /* of entries */
};
extern struct twin_seen twin_seen;

void twin_begin(void); /* takes its pages from world.c */
void twin_end(void);   /* gives them back */
/* The slot number of active slot n, below TWIN_TABLES * TWIN_ACTIVE. */
uint32_t twin_active(uint32_t n);
/* A maddr or a present entry, with its frame replaced by that frame's twin. */
uint64_t twin_of(uint64_t x);
uint64_t twin_frame(uint32_t pair); /* the subject's frame */
/* Updates one slot by stock mmu_update; returns 0 or the error. */
int twin_update(uint64_t ptr, uint64_t val, uint32_t owner);

/*
 * Each of these acts on both sides. It returns 0, or prints the difference and
 * returns 1.
 */
int twin_compare(int all); /* the active slots, or every slot */
uint32_t twin_changed(uint32_t n); /* a pair whose mappings just changed */
int twin_become_table(uint32_t pair); /* and data again, if allowed */
int twin_map_writable(uint32_t pair); /* and not again, if allowed */
int twin_pin(uint32_t pair);	 /* becomes a table, or ceases to be one */
int twin_exchange(uint32_t pair);
int twin_release(uint32_t pair); /* is to be freed by its last mapping */
int twin_touch(uint32_t i, int is_flushed); /* a load and a store */
int twin_all_can_change_type(void); /* with all tables empty after */

#endif /* TWIN_H */
