/* SPDX-License-Identifier: MIT */
/*
 * The library in a process, without Xen and privileges: two L1 tables in
 * ordinary memory, the native backend, and two rounds of page ageing, with
 * which a kernel finds unused pages.
 *
 *   cc ageing.c $(pkg-config --cflags --libs libptebatch) && ./a.out
 */
#include <stdio.h>

#include <ptebatch/ptebatch.h>

#define TABLES 2
#define SLOTS PTEBATCH_TABLE_SLOTS
#define MADDR 0x100000ull /* machine address of the first table */

static uint64_t tables[TABLES][SLOTS], old[TABLES][SLOTS];

static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	(void)ctx;
	if (slot < MADDR || slot >= MADDR + sizeof(tables))
		return NULL;
	return &tables[0][0] + (slot - MADDR) / 8;
}

static int flush_tlb(void *ctx, const struct ptebatch_tlb *tlb)
{
	(void)ctx;
	printf("a TLB flush of %s\n",
	       tlb->who == PTEBATCH_TLB_ALL ? "all CPUs" : "this CPU");
	return 0;
}

/*
 * Clears all A bits. Returns the number of pages used since the last round, or
 * -1 with a message on stderr.
 */
static int age(struct ptebatch *batch)
{
	const struct ptebatch_tlb all = { .who = PTEBATCH_TLB_ALL };
	int err = 0, used = 0;

	for (int t = 0; t < TABLES && !err; t++)
		err = ptebatch_add_flags_old(batch, MADDR + t * 4096ull, SLOTS,
					     PTEBATCH_PTE_A, 0, old[t]);
	if (err) {
		fprintf(stderr, "not queued: %s\n", ptebatch_strerror(err));
		return -1;
	}
	err = ptebatch_flush(batch, &all);
	if (err) {
		fprintf(stderr, "the flush stopped at slot %#llx: %s\n",
			(unsigned long long)batch->last.slot,
			ptebatch_strerror(err));
		return -1;
	}
	for (int t = 0; t < TABLES; t++)
		for (unsigned int i = 0; i < SLOTS; i++)
			used += (old[t][i] & PTEBATCH_PTE_A) != 0;
	return used;
}

int main(void)
{
	static struct ptebatch_run storage[16];
	struct ptebatch_env env = { .map = map_slot, .tlb = flush_tlb };
	struct ptebatch batch;
	int first, second;

	if (ptebatch_native.probe(&env) ||
	    ptebatch_init(&batch, sizeof(batch), &ptebatch_native, &env, storage,
			  sizeof(storage))) {
		fputs("the library does not start\n", stderr);
		return 1;
	}
	for (int t = 0; t < TABLES; t++) /* every third page was used */
		for (unsigned int i = 0; i < SLOTS; i++)
			tables[t][i] = (0x1000ull + i) << 12 | PTEBATCH_PTE_P |
				       (i % 3 ? 0 : PTEBATCH_PTE_A);

	first = age(&batch);
	tables[1][7] |= PTEBATCH_PTE_A; /* as hardware would, on an access */
	second = age(&batch);
	printf("%d pages used before the first round, %d before the second; "
	       "%llu entries in %llu runs\n",
	       first, second, (unsigned long long)batch.counters.queued,
	       (unsigned long long)TABLES * 2);
	return first != 342 || second != 1;
}
