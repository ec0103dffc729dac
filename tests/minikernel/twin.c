/* SPDX-License-Identifier: MIT */
/*
 * Tables and pages in pairs (twin.h). The frames of a page change, since pages
 * are exchanged and freed. This file keeps its own table of frames: Xen's
 * machine-to-physical table no longer lists a released page whose last mapping
 * still exists.
 *
 * The entries are counted as they are compared: how many mappings a pair has,
 * and how many of them are writable. Both numbers decide which operations on
 * the pair Xen must allow, and which it must refuse.
 */
#include "twin.h"

#include <xen/memory.h>

struct twin_seen twin_seen;

static struct pair {
	void *page[2];	   /* in the direct map; most are not mapped */
	uint64_t frame[2]; /* maddr */
	uint32_t refs, writable; /* entries of one side's tables */
	int pinned;
	int gone; /* released, but still mapped */
} pairs[TWIN_PAIRS];

/* Adds a new frame: zeroed, so that it can become a table, and not mapped. */
static void take_in(struct pair *p, uint32_t side)
{
	void *page = p->page[side];

	set_writable(page, 1);
	memset(page, 0, PAGE);
	hide_page(page);
	p->frame[side] = virt_to_maddr(page);
}

static uint64_t table_frame[TWIN_TABLES][2];
static uint64_t seen[TWIN_SLOTS][2]; /* as last compared */
static uint32_t changed[16], changes;
static uint32_t released; /* number of pairs that are gone */
static uint64_t reserved; /* pages of the domain at the start */

/* A slot of the last table, for temporary mappings. */
#define SCRATCH ((WORLD_TABLES - 1) * PTEBATCH_TABLE_SLOTS)

#define DIFFER(...) (print("# " __VA_ARGS__), print("\n"), 1)

/* --- The table of frames ------------------------------------------------- */

static struct {
	uint64_t frame;
	uint64_t other;
	uint32_t pair; /* or TWIN_PAIRS for a table under test */
} known[2048];
#define KNOWN (sizeof(known) / sizeof(*known))

static uint32_t find(uint64_t frame)
{
	uint32_t i = (uint32_t)(frame * 0x9e3779b97f4a7c15 >> 53);

	while (known[i].frame && known[i].frame != frame)
		i = (i + 1) % KNOWN;
	return i;
}

static void know(const uint64_t frame[2], uint32_t pair)
{
	uint32_t side, i;

	for (side = 0; side < 2; side++) {
		i = find(frame[side]);
		known[i].frame = frame[side];
		known[i].other = frame[!side];
		known[i].pair = pair;
	}
}

static void know_all(void)
{
	uint32_t i;

	memset(known, 0, sizeof(known));
	for (i = 0; i < TWIN_TABLES; i++)
		know(table_frame[i], TWIN_PAIRS);
	for (i = 0; i < TWIN_PAIRS; i++)
		know(pairs[i].frame, i);
}

uint64_t twin_of(uint64_t x)
{
	uint32_t i = find(x & FRAME);

	return known[i].frame ? (x & ~FRAME) | known[i].other : x;
}

static struct pair *pair_of(uint64_t entry)
{
	uint32_t i = find(entry & FRAME);

	return (entry & P) && known[i].frame && known[i].pair < TWIN_PAIRS
		       ? &pairs[known[i].pair]
		       : NULL;
}

uint64_t twin_frame(uint32_t pair)
{
	return pairs[pair].frame[0];
}

uint32_t twin_active(uint32_t n)
{
	uint32_t i = n % TWIN_ACTIVE;

	if (i >= TWIN_ACTIVE / 2)
		i += PTEBATCH_TABLE_SLOTS - TWIN_ACTIVE;
	return n / TWIN_ACTIVE * PTEBATCH_TABLE_SLOTS + i;
}

/* --- Tables -------------------------------------------------------------- */

int twin_update(uint64_t ptr, uint64_t val, uint32_t owner)
{
	mmu_update_t u = { ptr, val };

	return (int)hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
			       owner, 0);
}

static void count(uint64_t entry, uint32_t add)
{
	struct pair *p = pair_of(entry);

	if (!p)
		return;
	p->refs += add;
	p->writable += entry & RW ? add : 0;
	if (changes < sizeof(changed) / sizeof(*changed))
		changed[changes++] = (uint32_t)(p - pairs);
}

static int compare(uint32_t i)
{
	uint64_t subject = *entry_at(i);
	uint64_t reference = *entry_at(i + TWIN_SLOTS);

	if ((subject & P ? twin_of(subject) : subject) != reference)
		return DIFFER("slot %u is %016lx, by mmu_update %016lx, "
			      "they were %016lx and %016lx",
			      i, subject, reference, seen[i][0], seen[i][1]);
	count(seen[i][0], -1u);
	count(subject, 1);
	seen[i][0] = subject;
	seen[i][1] = reference;
	twin_seen.changes++;
	return 0;
}

/*
 * Released pages whose last mapping is gone must have returned to Xen at once.
 * New pages replace them.
 */
static int settle(void)
{
	uint64_t now, freed = 0;
	uint32_t i, side;

	for (i = 0; i < TWIN_PAIRS && released; i++)
		freed += pairs[i].gone && !pairs[i].refs;
	if (!freed)
		return 0;
	released -= (uint32_t)freed;
	now = pages_reserved();
	if (now != reserved - 2 * freed)
		return DIFFER("%lu pairs lost their last mapping, to be freed: "
			      "the domain has %lu pages, not %lu",
			      freed, now, reserved - 2 * freed);
	twin_seen.freed += (uint32_t)freed;
	for (i = 0; i < TWIN_PAIRS; i++) {
		struct pair *p = &pairs[i];

		if (!p->gone || p->refs)
			continue;
		p->gone = 0;
		for (side = 0; side < 2; side++) {
			populate_page(p->page[side]);
			take_in(p, side);
		}
	}
	know_all();
	return 0;
}

static int compare_entries(uint32_t first, uint32_t nr)
{
	volatile const uint64_t *subject = entry_at(first);
	volatile const uint64_t *reference = entry_at(first + TWIN_SLOTS);
	uint32_t i;

	for (i = 0; i < nr; i++)
		if ((subject[i] != seen[first + i][0] ||
		     reference[i] != seen[first + i][1]) &&
		    compare(first + i))
			return 1;
	return 0;
}

int twin_compare(int all)
{
	const uint32_t nr = all ? PTEBATCH_TABLE_SLOTS : TWIN_ACTIVE / 2;
	const uint32_t last = PTEBATCH_TABLE_SLOTS - nr;
	uint32_t i, first;

	changes = 0;
	for (i = 0; i < TWIN_TABLES; i++) {
		first = i * PTEBATCH_TABLE_SLOTS;
		if (compare_entries(first, nr) ||
		    (!all && compare_entries(first + last, nr)))
			return 1;
	}
	for (i = 0; i < changes; i++) {
		struct pair *p = &pairs[changed[i]];

		if (p->pinned && p->writable)
			return DIFFER("a table is mapped writable: pair %u",
				      changed[i]);
	}
	return settle();
}

uint32_t twin_changed(uint32_t n)
{
	return changes ? changed[n % changes] : n % TWIN_PAIRS;
}

/* --- Pages --------------------------------------------------------------- */

static int pin(uint64_t maddr)
{
	return mmuext(MMUEXT_PIN_L1_TABLE, maddr >> 12, 0);
}

static void unpin(uint64_t maddr)
{
	if (mmuext(MMUEXT_UNPIN_TABLE, maddr >> 12, 0))
		panic("%lx cannot be unpinned", maddr);
}

static int is_direct(const struct pair *p)
{
	return p < pairs + TWIN_DIRECT;
}

/* Both results must be the same, and as the mappings require. */
static int check(uint32_t pair, const char *what, const int answer[2],
		 int allowed)
{
	const struct pair *p = &pairs[pair];

	if (answer[0] == answer[1] && (answer[0] == 0) == allowed)
		return 0;
	return DIFFER("pair %u, mapped %u times, %u writable%s%s%s: %s: %d, "
		      "its twin %d, to be %s",
		      pair, p->refs, p->writable,
		      is_direct(p) ? ", also elsewhere" : "",
		      p->pinned ? ", a table" : "", p->gone ? ", released" : "",
		      what, answer[0], answer[1],
		      allowed ? "allowed" : "refused");
}

static int can_be_table(const struct pair *p)
{
	return !p->writable && !is_direct(p);
}

int twin_become_table(uint32_t pair)
{
	struct pair *p = &pairs[pair];
	int answer[2], side;

	/* Pinning a released page could drop its last reference. */
	if (p->gone || p->pinned)
		return 0;
	for (side = 0; side < 2; side++) {
		answer[side] = pin(p->frame[side]);
		if (!answer[side])
			unpin(p->frame[side]);
	}
	twin_seen.became_table += !answer[0];
	twin_seen.stayed_data += !!answer[0];
	return check(pair, "to become a table", answer, can_be_table(p));
}

int twin_map_writable(uint32_t pair)
{
	struct pair *p = &pairs[pair];
	int answer[2], side, err;

	if (p->gone)
		return 0;
	for (side = 0; side < 2; side++) {
		answer[side] = update_pte(slot_at(SCRATCH),
					  p->frame[side] | P | RW | US);
		err = update_pte(slot_at(SCRATCH), 0);
		if (err)
			panic("the scratch slot cannot be cleared: %d", err);
	}
	twin_seen.became_writable += !answer[0];
	twin_seen.stayed_read_only += !!answer[0];
	return check(pair, "to be mapped writable", answer, !p->pinned);
}

int twin_pin(uint32_t pair)
{
	struct pair *p = &pairs[pair];
	int answer[2], side;

	if (p->gone)
		return 0;
	if (p->pinned) {
		unpin(p->frame[0]);
		unpin(p->frame[1]);
		p->pinned = 0;
		return 0;
	}
	for (side = 0; side < 2; side++)
		answer[side] = pin(p->frame[side]);
	if (check(pair, "to become a table", answer, can_be_table(p)))
		return 1;
	p->pinned = !answer[0];
	return 0;
}

int twin_exchange(uint32_t pair)
{
	struct pair *p = &pairs[pair];
	int answer[2], side;

	if (p->gone || p->pinned || is_direct(p))
		return 0;
	for (side = 0; side < 2; side++) {
		answer[side] = exchange_page(p->page[side]);
		if (answer[side])
			continue;
		take_in(p, side);
	}
	know_all();
	twin_seen.exchanged += !answer[0];
	twin_seen.not_exchanged += !!answer[0];
	return check(pair, "to be exchanged", answer, !p->refs);
}

int twin_release(uint32_t pair)
{
	struct pair *p = &pairs[pair];
	int side;

	if (p->gone || p->pinned || is_direct(p))
		return 0;
	for (side = 0; side < 2; side++)
		if (release_page(p->page[side]))
			panic("pair %u cannot be released", pair);
	p->gone = 1;
	released++;
	return settle();
}

/* Accesses both pages if the entry maps a page of a pair; it stores 0. */
int twin_touch(uint32_t i, int is_flushed)
{
	uint64_t entry = *entry_at(i), value;
	const struct pair *p = pair_of(entry);
	int fault[2][2], side;
	/* Xen emulates stores to a table. */
	int allowed[2] = { entry & P, p && (p->pinned || (entry & RW)) };

	if ((entry & P) && !p)
		return 0;
	if (!is_flushed && mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0))
		panic("no TLB flush");
	for (side = 0; side < 2; side++) {
		uint64_t *va = va_at(i + (side ? TWIN_SLOTS : 0));

		if (side && is_flushed)
			invlpg((uint64_t)va);
		fault[side][0] = probe_read(va, &value);
		fault[side][1] = probe_write(va, 0);
	}
	for (side = 0; side < 2; side++) {
		if (fault[0][side] == fault[1][side] &&
		    fault[0][side] == !allowed[side])
			continue;
		return DIFFER("slot %u is %016lx: a %s %s, in its twin it %s",
			      i, entry, side ? "store" : "load",
			      fault[0][side] ? "faults" : "is done",
			      fault[1][side] ? "faults" : "is done");
	}
	if (is_flushed) {
		twin_seen.stores += !fault[0][1];
		twin_seen.faults += fault[0][1];
	}
	return 0;
}

/* --- Whole tables -------------------------------------------------------- */

static void clear_all(void)
{
	uint32_t i;

	for (i = 0; i < 2 * TWIN_SLOTS; i++)
		if (*entry_at(i) && update_pte(slot_at(i), 0))
			panic("slot %u cannot be cleared", i);
}

int twin_all_can_change_type(void)
{
	int64_t err;
	uint32_t i;

	if (twin_compare(1))
		return 1;
	for (i = 0; i < TWIN_PAIRS; i++)
		if (twin_become_table(i) || twin_map_writable(i))
			return 1;
	clear_all();
	if (twin_compare(1))
		return 1;
	for (i = 0; i < TWIN_PAIRS; i++) {
		if (pairs[i].refs)
			panic("pair %u is miscounted", i);
		if (pairs[i].pinned && twin_pin(i))
			return 1;
		if (twin_become_table(i) || twin_map_writable(i) ||
		    twin_exchange(i))
			return 1;
	}
	/* Each table becomes data, and then a table again. */
	for (i = 0; i < 2 * TWIN_TABLES; i++) {
		uint64_t va = (uint64_t)va_at(i * PTEBATCH_TABLE_SLOTS);

		remove_table(va);
		err = hypercall5(__HYPERVISOR_ptebatch_runs,
				 virt_to_maddr(table_virt(i)), 512,
				 PTEBATCH_OP_CLEAR, 0, 0);
		if (err != (int64_t)PTEBATCH_ANSWER(0, 0, PTEBATCH_EINVAL))
			return DIFFER("what was a table is updated: %lx", err);
		install_table(va, table_virt(i));
	}
	if (pages_reserved() != reserved)
		return DIFFER("the domain has %lu pages, not %lu",
			      pages_reserved(), reserved);
	return 0;
}

/* Direct pairs use pages of world.c that are mapped writable; others do not. */
static uint32_t world_page(uint32_t pair, uint32_t side)
{
	if (pair < TWIN_DIRECT)
		return pair + side * TWIN_DIRECT;
	return WORLD_SLOTS + pair + side * TWIN_PAIRS;
}

void twin_begin(void)
{
	uint32_t i, side;

	world_reset();
	memset(pairs, 0, sizeof(pairs));
	memset(seen, 0, sizeof(seen));
	released = 0;
	memset(&twin_seen, 0, sizeof(twin_seen));
	for (side = 0; side < 2; side++) {
		for (i = 0; i < TWIN_TABLES; i++)
			table_frame[i][side] = virt_to_maddr(
				table_virt(i + side * TWIN_TABLES));
		for (i = 0; i < TWIN_PAIRS; i++) {
			pairs[i].page[side] = page_virt(world_page(i, side));
			take_in(&pairs[i], side);
			if (i < TWIN_DIRECT)
				set_writable(pairs[i].page[side], 1);
		}
	}
	know_all();
	reserved = pages_reserved();
}

void twin_end(void)
{
	uint32_t i, side;

	for (i = TWIN_DIRECT; i < TWIN_PAIRS; i++)
		for (side = 0; side < 2; side++)
			set_writable(pairs[i].page[side], 0);
}
