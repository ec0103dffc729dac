/* SPDX-License-Identifier: MIT */
/* Declarations shared by harness.c and harness-xen.c. */
#ifndef HARNESS_INTERNAL_H
#define HARNESS_INTERNAL_H

#include <harness.h>

#include "../common/pte.h"

/* How often entries map a frame, and which other references it has. */
extern struct hx_tally {
	unsigned int present, writable; /* mappings, over all entries */
	unsigned long refs, types;	/* held by others than entries */
} hx_tally[NR_FRAMES];

extern intpte_t *hx_tables[NR_TABLES + 1];
/* The pte that the handlers last read from each slot. */
extern intpte_t hx_last_read[NR_TABLES + 1][512];
extern HX_OWN struct page_info *hx_held; /* the page whose lock is held */
extern HX_OWN unsigned int hx_maps;	 /* domain pages mapped */
extern HX_OWN unsigned int hx_in_model;	 /* 0 while the handlers run */
/* Xen's own mmu_update or update_va_mapping runs, one lock an entry. */
extern HX_OWN unsigned int hx_in_xen;
extern intpte_t hx_contents[NR_PAGES][512]; /* of the data pages */

/*
 * The work done on the locked table since another CPU could last take its lock.
 * No other CPU can take a lock that is released and taken again at once.
 */
extern struct hx_kept {
	struct page_info *page;
	uint64_t cycles; /* when it was unlocked */
	unsigned int work, slow;
} hx_kept;

/* Whether a continuation was created, and with which arguments. */
extern bool hx_restart;
extern uint64_t hx_restart_args[5];

bool hx_find_slot(volatile void *p, unsigned int *t, unsigned int *s);
/* The index of a frame, or NR_FRAMES if its references are not counted. */
unsigned long hx_counted(unsigned long mfn);
void hx_check_page(unsigned long i);
void hx_worked_slow(unsigned int weight);
void hx_keep(struct page_info *page);
/* A compare and exchange that locks a table; the type word as it was. */
unsigned long hx_lock_word(struct page_info *page, unsigned long o,
			   unsigned long n);
int hx_promote_l1(struct domain *d, intpte_t *table);
void hx_demote_l1(struct domain *d, intpte_t *table);

#endif /* HARNESS_INTERNAL_H */
