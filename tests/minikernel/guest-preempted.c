/* SPDX-License-Identifier: MIT */
/*
 * Calls that Xen preempts wherever it looks (events.c): what the registers, the
 * done count and the entries say each time, and how the calls end. Xen's own
 * code can continue each of these calls, even if the engine began it.
 */
#include "guest-calls.h"

#define NR 700u /* so many that every Xen looks while it performs them */
#define SPARE (SOLE + 100) /* pages that become tables here */
static mmu_update_t list[NR];
static volatile uint32_t done;

/* What the hook has seen; it may not print, since that is a call, too. */
static struct {
	uint64_t list, pdone, who; /* the call's arguments */
	uint32_t nr, command;	   /* requests; the hypercall */
	uint32_t at, longest, last; /* the place of the last preemption */
	uint32_t places;
	const char *why;
} seen;

#define HOOK_CHECK(x) CHECK_OR(x, hook_failed)
static void hook_failed(const char *why)
{
	if (!seen.why)
		seen.why = why;
}

/* Requests below "at" are done and no others; the registers have the rest. */
static void at_each_preemption(struct regs *r)
{
	const uint32_t left = (uint32_t)r->rsi & ~PREEMPTED, at = seen.nr - left;

	if (!r->rdi) { /* the end, while an unhooked table is put away */
		HOOK_CHECK((uint32_t)r->rsi == PREEMPTED);
		seen.last++;
		return;
	}
	HOOK_CHECK((uint32_t)r->rsi & PREEMPTED);
	HOOK_CHECK(at <= seen.nr && (at > seen.at || (at == seen.at && at)));
	HOOK_CHECK(r->rdi == seen.list + at * sizeof(*list));
	HOOK_CHECK(r->rdx == seen.pdone && (uint32_t)r->r10 == seen.who);
	HOOK_CHECK(!r->rdx || done == at);
	/* An interrupt before the call continues brings the event once more. */
	seen.places += at != seen.at;
	if (at - seen.at > seen.longest)
		seen.longest = at - seen.at;
	seen.at = at;
}

/* The same, where each request makes slot i read-only. */
static void at_each_entry(struct regs *r)
{
	at_each_preemption(r);
	if (!r->rdi || seen.why)
		return;
	HOOK_CHECK(!(*entry_at(seen.at - 1) & RW));
	HOOK_CHECK(seen.at == seen.nr || *entry_at(seen.at) & RW);
}

static void make_list(void)
{
	uint32_t i;

	fill_entries(0, NR, 1, 0, DATA | RW);
	for (i = 0; i < NR; i++)
		list[i] = update_of(slot_at(i) | (i & 16 ? KEEP : NORMAL),
				    page_maddr(i) | DATA);
}

static int64_t preempted(void (*hook)(struct regs *r), uint32_t nr,
			 uint64_t pdone, uint32_t *events)
{
	int64_t rc;

	memset(&seen, 0, sizeof(seen));
	seen.list = addr(list);
	seen.nr = nr;
	seen.pdone = pdone;
	seen.who = SELF;
	done = UNTOUCHED;
	preempt_calls(hook);
	rc = hypercall5(__HYPERVISOR_mmu_update, addr(list), nr, pdone, SELF,
			0);
	*events = preempt_no_more();
	if (seen.why)
		print("# when preempted for the %uth time: %s\n", *events, seen.why);
	return rc;
}

static const char *a_preempted_list_has_done_what_its_registers_say(void)
{
	uint32_t events, i;

	make_list();
	CHECK(!preempted(at_each_entry, NR, addr(&done), &events));
	CHECK(!seen.why);
	CHECK(done == NR);
	for (i = 0; i < NR; i++)
		CHECK(holds(i, page_maddr(i) | DATA));
	print("# %u requests, preempted at %u, at most %u between\n", NR,
	      seen.places, seen.longest);
	/* Stock Xen looks before each request but the first. */
	CHECK(events && seen.places < NR);
	CHECK(seen.longest <= 512);

	/* Without a done count. */
	make_list();
	CHECK(!preempted(at_each_entry, NR, 0, &events));
	CHECK(!seen.why && events);
	CHECK(holds(NR - 1, page_maddr(NR - 1) | DATA));
	/* A single request is never preempted. */
	make_list();
	CHECK(!preempted(at_each_entry, 1, addr(&done), &events));
	CHECK(!seen.at && done == 1);
	return NULL;
}

static const char *a_preempted_list_ends_where_it_fails(void)
{
	uint32_t events, i, at;

	for (at = 0; at < NR; at += at < 63 || at > 64 ? 63 : 1) {
		make_list();
		list[at].val = slot_at(0) | DATA | RW;
		CHECK(preempted(at_each_entry, NR, addr(&done), &events) ==
		      -EBUSY);
		CHECK(!seen.why && done == at);
		for (i = 0; i < NR; i++)
			CHECK(holds(i, page_maddr(i) | DATA |
					       (i < at ? 0 : RW)));
	}
	/* And with memory that ends. */
	make_list();
	fill_entries(1000, 1, 1, 1000, DATA | RW);
	memcpy((mmu_update_t *)va_at(1001) - 70, list, 70 * sizeof(*list));
	memset(&seen, 0, sizeof(seen));
	preempt_calls(NULL);
	done = UNTOUCHED;
	CHECK(hypercall5(__HYPERVISOR_mmu_update,
			 addr((mmu_update_t *)va_at(1001) - 70), NR, addr(&done),
			 SELF, 0) == -EFAULT);
	events = preempt_no_more();
	CHECK(done == 70);
	memset(va_at(1000), 0, PAGE);
	return NULL;
}

/* Puts an L2 table with 30 L1 tables at this L3 slot, each with one entry. */
static const char *hook_large(uint64_t l3)
{
	mmu_update_t r[61];
	uint32_t i, k = 0;

	for (i = 0; i < 30; i++) {
		r[k++] = update_of(page_maddr(SPARE + 1 + i) + 8 * i,
				   page_maddr(SPARE + 40) | DATA | RW);
		r[k++] = update_of(page_maddr(SPARE) + 8 * (i * 17),
				   page_maddr(SPARE + 1 + i) | P | RW | US);
	}
	r[k++] = update_of(l3, page_maddr(SPARE) | P | RW | US);
	CHECK(is(updates(r, k), 0, k));
	return NULL;
}

static const char *unhook_large(void)
{
	mmu_update_t r[60];
	uint32_t i, k = 0;

	for (i = 0; i < 30; i++) {
		r[k++] = update_of(page_maddr(SPARE + 1 + i) + 8 * i, 0);
		r[k++] = update_of(page_maddr(SPARE) + 8 * (i * 17), 0);
	}
	CHECK(is(updates(r, k), 0, k));
	return NULL;
}

/* Requests go on only when what an earlier one unhooked is put away. */
static const char *a_table_that_a_list_unhooks_goes_before_the_next(void)
{
	const uint64_t l3 = slot_of((uint64_t)va_at(WORLD_SLOTS) + (1ul << 30),
				    3);
	uint32_t events, at, i, fails;

	for (at = 0; at < NR; at += at < 63 || at > 64 ? 63 : 1)
		for (fails = 0; fails < 2; fails++) {
			CHECK(!hook_large(l3));
			make_list();
			list[at] = update_of(l3, 0);
			/* The table's own page must be memory again. */
			if (at + 1 < NR)
				list[at + 1] = update_of(
					page_maddr(SPARE), 0);
			if (fails && at + 2 < NR)
				list[at + 2].ptr |= 4;
			CHECK(preempted(at_each_preemption, NR, addr(&done),
					&events) ==
			      (fails && at + 2 < NR ? -ENOSYS : 0));
			CHECK(!seen.why && events >= 20);
			CHECK(done == (fails && at + 2 < NR ? at + 2 : NR));
			for (i = 0; i < done; i++)
				if (i != at && i != at + 1)
					CHECK(holds(i, page_maddr(i) | DATA));
			CHECK(!unhook_large());
		}
	/* As the last request of all: the result waits until the table is gone. */
	for (fails = 0; fails < 2; fails++) {
		CHECK(!hook_large(l3));
		make_list();
		list[NR - 1 - fails] = update_of(l3, 0);
		if (fails)
			list[NR - 1].ptr |= 4;
		CHECK(preempted(at_each_preemption, NR, addr(&done), &events) ==
		      (fails ? -ENOSYS : 0));
		CHECK(!seen.why && done == NR - fails);
		CHECK(fails || seen.last);
		CHECK(!unhook_large());
	}
	for (i = 0; i <= 40; i++)
		CHECK(!no_reference_to(SPARE + i));
	return NULL;
}

/* --- Multicalls ------------------------------------------------------------ */

#define CALLS 24u
static multicall_entry_t calls[CALLS];
static uint32_t call_done[CALLS];

static void at_a_multicall(struct regs *r)
{
	const uint32_t left = (uint32_t)r->rsi, at = CALLS - left;
	const multicall_entry_t *c = &calls[at];

	HOOK_CHECK(left && left <= CALLS && at >= seen.at);
	HOOK_CHECK(r->rdi == addr(c));
	/* The call itself was preempted, or it is still to be made. */
	if (left && left <= CALLS && c->op == __HYPERVISOR_mmu_update &&
	    c->args[1] & PREEMPTED) {
		uint64_t i = call_done[at];

		HOOK_CHECK(i && i < 8);
		HOOK_CHECK((c->args[1] & ~(uint64_t)PREEMPTED) == 8 - i);
		HOOK_CHECK(c->args[0] == addr(&list[8 * at + i]));
		seen.last++;
	}
	seen.at = at;
}

static const char *a_preempted_multicall_continues_within_its_call(void)
{
	uint32_t events, i, k;

	for (k = 0; k < 3; k++) {
		make_list();
		for (i = 0; i < CALLS; i++) {
			call_done[i] = UNTOUCHED;
			calls[i] = (multicall_entry_t){
				.op = __HYPERVISOR_mmu_update,
				.args = { addr(&list[8 * i]), 8,
					  addr(&call_done[i]), SELF },
			};
		}
		if (k == 1)
			list[8 * 9 + 5].ptr |= 4;
		if (k == 2) /* one at a time, by the other call */
			for (i = 0; i < CALLS; i += 2)
				calls[i] = (multicall_entry_t){
					.op = __HYPERVISOR_update_va_mapping,
					.args = { addr(va_at(8 * i)),
						  page_maddr(8 * i) | DATA,
						  UVMF_INVLPG | UVMF_LOCAL },
				};
		memset(&seen, 0, sizeof(seen));
		preempt_calls(at_a_multicall);
		CHECK(!hypercall5(__HYPERVISOR_multicall, addr(calls), CALLS, 0,
				  0, 0));
		events = preempt_no_more();
		CHECK(!seen.why && events >= CALLS - 1);
		for (i = 0; i < CALLS; i++) {
			const int bad = k == 1 && i == 9;
			const int single = k == 2 && !(i & 1);

			CHECK((int64_t)calls[i].result == (bad ? -ENOSYS : 0));
			CHECK(call_done[i] == (single ? UNTOUCHED
					       : bad  ? 5
						      : 8));
		}
		for (i = 0; i < 8 * CALLS; i++) {
			const int left =
				(k == 1 && i / 8 == 9 && i % 8 >= 5) ||
				(k == 2 && !(i / 8 & 1) && i % 8);

			CHECK(holds(i, page_maddr(i) | DATA |
					       (left ? RW : 0)));
		}
	}
	return NULL;
}

/* --- Tables that are validated by and by ------------------------------------- */

#define TREE (SPARE + 50) /* an L2 table, and after it L1 tables */
#define LEAVES 16u
#define LEAF_SLOT(i) ((i) * 33 + 1) /* of the L2 table */
#define LEAF_PAGE (TREE + 1 + LEAVES) /* what entries of the L1 tables map */

static uint32_t changes; /* of L1 entries, while the L2 table changes state */

/*
 * Changes an entry of one of the L1 tables: it is one already, or not yet, or no
 * more. The table above is none while it is neither one nor memory.
 */
static void change_a_leaf(struct regs *r)
{
	const uint32_t n = changes++, leaf = n * 7 % LEAVES;
	mmu_update_t u[3] = {
		update_of(page_maddr(TREE + 1 + leaf) + 8 * (n % SLOTS),
			  page_maddr(LEAF_PAGE) | P | US | RW),
		update_of(page_maddr(TREE + 1 + leaf) + 8 * (n % SLOTS) + 8,
			  page_maddr(LEAF_PAGE) | P | US),
		update_of(page_maddr(TREE) + 8 * 500, 0),
	};
	struct said s;

	if (!r->rdi)
		return; /* any call here would end the work at once */
	s = updates(u, 3);
	HOOK_CHECK(s.rc == -EINVAL && s.done == 2);
}

static const char *entries_change_while_the_table_above_is_validated(void)
{
	volatile uint64_t *l2 = page_virt(TREE), *t;
	uint32_t i, k, round, writable = 0, events;

	for (round = 0; round < 20; round++) {
		set_writable(page_virt(TREE), 1);
		memset(page_virt(TREE), 0, PAGE);
		for (i = 0; i < LEAVES; i++)
			l2[LEAF_SLOT(i)] = page_maddr(TREE + 1 + i) | P | RW |
					   US;
		set_writable(page_virt(TREE), 0);
		memset(&seen, 0, sizeof(seen));
		changes = round * 5;
		preempt_calls(change_a_leaf);
		CHECK(!pin(2, page_maddr(TREE)));
		events = preempt_no_more();
		CHECK(!seen.why && events >= LEAVES - 1);
		for (i = 0; i < LEAVES; i++) {
			t = page_virt(TREE + 1 + i);
			for (k = 0; k < SLOTS; k++) {
				CHECK(t[k] == stored(t[k]));
				writable += (t[k] & (P | RW)) == (P | RW);
			}
		}
		CHECK(writable);
		CHECK(pin(1, page_maddr(LEAF_PAGE)) == -EINVAL);
		preempt_calls(NULL);
		CHECK(!unpin(page_maddr(TREE)));
		events = preempt_no_more();
		CHECK(events >= LEAVES - 1);
		for (i = 0; i < LEAVES; i++) {
			set_writable(page_virt(TREE + 1 + i), 1);
			memset(page_virt(TREE + 1 + i), 0, PAGE);
			set_writable(page_virt(TREE + 1 + i), 0);
		}
		CHECK(!no_writer_of(LEAF_PAGE));
	}
	set_writable(page_virt(TREE), 1);
	memset(page_virt(TREE), 0, PAGE);
	set_writable(page_virt(TREE), 0);
	for (i = TREE; i <= LEAF_PAGE; i++)
		CHECK(!no_reference_to(i));
	return NULL;
}

const struct test preempted_tests[] = {
	TEST(a_preempted_list_has_done_what_its_registers_say),
	TEST(a_preempted_list_ends_where_it_fails),
	TEST(a_table_that_a_list_unhooks_goes_before_the_next),
	TEST(a_preempted_multicall_continues_within_its_call),
	TEST(entries_change_while_the_table_above_is_validated),
	{ NULL, NULL, 0 },
};
