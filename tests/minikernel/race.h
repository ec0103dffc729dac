/* SPDX-License-Identifier: MIT */
/* Shared by the race tests. */
#ifndef RACE_H
#define RACE_H

#include "random.h"
#include "guest-calls.h"

#define FLAGS PTEBATCH_OP_FLAGS
#define CLEAR PTEBATCH_OP_CLEAR
#define LIST PTEBATCH_HOW_LIST
#define EXACT PTEBATCH_SET_EXACT

extern unsigned int race_cpus; /* vCPUs that take part */
extern uint64_t race_wanted;   /* updates that each test makes */

extern int race_over; /* set when a vCPU has finished or failed */
extern const char *race_failure; /* the reason of the first failure */

/* The private data of each vCPU, on cache lines of its own. */
extern struct mine {
	uint64_t rng;
	uint64_t updates;  /* slots changed */
	uint64_t stores;   /* that succeeded */
	uint64_t faults;   /* stores that faulted */
	uint64_t refusals; /* calls that failed */
	struct ptebatch_run run;
	struct ptebatch_tlb tlb;
	uint64_t mask;
	uint64_t olds[SLOTS];
	struct ptebatch_value values[SLOTS];
} __attribute__((aligned(4096))) mine[SMP_MAX];

#define load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

static inline uint32_t some(uint32_t below)
{
	return (uint32_t)(xorshift64(&mine[smp_cpu()].rng) >> 20) % below;
}

/* A run of slots, which often begins at the first slot of the table. */
static inline uint32_t some_run(uint32_t *first)
{
	uint32_t len = 1 + some(SLOTS);

	*first = some(4) ? some(SLOTS - len + 1) : 0;
	return len;
}

static inline void linger(uint32_t below)
{
	uint32_t n = some(below);

	while (n--)
		smp_pause();
}

static inline void fail(const char *why)
{
	const char *none = NULL;

	__atomic_compare_exchange_n(&race_failure, &none, why, 0,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	store(&race_over, 1);
}

/* CHECK for any vCPU. */
#define HOLDS(x) CHECK_OR(x, return fail)

static inline uint64_t sum(size_t member)
{
	uint64_t n = 0;
	unsigned int cpu;

	for (cpu = 0; cpu < race_cpus; cpu++)
		n += *(uint64_t *)((char *)&mine[cpu] + member);
	return n;
}
#define SUM(member) sum(__builtin_offsetof(struct mine, member))

/* Makes the record of a run. */
static inline struct ptebatch_run run_at(uint64_t slot, uint32_t count,
					 uint32_t op, uint64_t clear,
					 uint64_t set, uint64_t *olds)
{
	return (struct ptebatch_run){ slot, count, op, clear, set,
				      (uint64_t)olds };
}

static inline int64_t by_list(const struct ptebatch_run *r, uint64_t how,
			      const struct ptebatch_tlb *tlb)
{
	return runs((uint64_t)r, 1, LIST | how, SELF, (uint64_t)tlb);
}

/*
 * Adds the slots that a call has done to the counts. "slots" is how many it was
 * asked to do. "list" is set for a list of one run, and clear for the register
 * form and for values. Returns the call's error.
 */
static inline uint32_t tally(int64_t ret, uint32_t slots, int list)
{
	struct mine *m = &mine[smp_cpu()];
	uint32_t done;

	if (ret < 0) {
		m->refusals++;
		return (uint32_t)-ret;
	}
	done = list ? PTEBATCH_DONE(ret) ? slots : PTEBATCH_SLOTS(ret)
		    : PTEBATCH_DONE(ret);
	m->updates += done;
	if (!PTEBATCH_ERRNO(ret) && done != slots)
		return ~0u; /* neither done nor refused */
	m->refusals += !!PTEBATCH_ERRNO(ret);
	return PTEBATCH_ERRNO(ret);
}

/* Runs fn on all vCPUs until it returns, and prints the sums of the counts. */
const char *race(void (*fn)(unsigned int cpu));

/* race-table.c: the SOLE pages, each mapped by one slot of the first table */
void fill_sole(void);
const char *sole_pages_are_free_of_writers(void);

/* Tests of the other files; each returns NULL or why it failed. */
const char *no_a_or_d_is_lost_and_no_store_passes_its_flush(void);
const char *batches_on_slots_side_by_side_do_not_mix(void);
const char *batches_on_the_same_slots_keep_each_others_bits(void);
const char *what_is_taken_out_of_a_slot_only_one_gets(void);
const char *a_page_is_written_only_while_it_is_a_table(void);
const char *a_page_table_is_never_mapped_writable(void);

/* race-guest.c: by Xen's own calls alone */
const char *updates_of_the_same_slots_keep_all_counts(void);
const char *a_page_is_updated_as_what_it_is(void);
const char *data_pages_named_as_tables_by_each_other_do_not_hang(void);
const char *no_a_or_d_is_lost_by_updates_that_keep_them(void);
const char *requests_rewritten_meanwhile_are_whole_or_refused(void);
const char *a_table_replaced_meanwhile_is_updated_or_not(void);
const char *trees_are_pinned_while_their_entries_change(void);
/* The first 96 slots of two tables map pages as often as Xen counts it. */
const char *spares_are_mapped_as_counted(void);
/* No mapping of these pages is left; they become empty. */
const char *all_spares_are_free(void);

/* race-trapped.c */
const char *no_d_is_lost_by_trapped_writes(void);
const char *trapped_writes_of_the_same_slots_keep_all_counts(void);

#endif /* RACE_H */
