/* SPDX-License-Identifier: MIT */
/*
 * What Xen does when a page becomes a page table and ceases to be one: entries
 * at each place of tables of all levels, entries that are refused, and the
 * references that are left. Pages that become tables are made by plain stores.
 */
#include "guest-calls.h"

#define TABLE (SOLE + 200) /* pages that become tables */
#define PAGE_A (SOLE + 300) /* data pages that nothing else maps writable */

/* Makes a page a writable one, all zero, and returns its address. */
static uint64_t *open_table(uint32_t page)
{
	set_writable(page_virt(page), 1);
	return memset(page_virt(page), 0, PAGE);
}

static void close_table(uint32_t page)
{
	set_writable(page_virt(page), 0);
}

static uint64_t *entries_of(uint32_t page)
{
	return page_virt(page);
}

/* What Xen stores in a table of level 2 to 4. */
static uint64_t stored_above(int level, uint64_t pte)
{
	return pte & P ? pte | US | (level == 4 ? A : 0) : pte;
}

static uint64_t lower(uint32_t page)
{
	return page_maddr(page) | P | RW | US | A;
}

/* All slots of a table, or its ends and every so many where each is slow. */
static uint32_t next_slot(uint32_t i)
{
	if (!calls_are_preempted || i < 4 || i > 507)
		return i + 1;
	return i + 63 < 508 ? i + 63 : 508;
}

static const char *is_free(uint32_t page)
{
	return no_writer_of(page);
}

static int pinned(int level, uint32_t page, int64_t expected)
{
	int err = pin(level, page_maddr(page));

	if (err == expected)
		return 1;
	print("# pinning at level %d: %d, expected %ld\n", level, err,
	      expected);
	return 0;
}

/* --- L1 tables -------------------------------------------------------------- */

static const char *an_l1_entry_at_each_slot_is_one_reference(void)
{
	uint32_t i, rw;
	uint64_t *t, pte;

	for (rw = 0; rw < 2; rw++)
		for (i = 0; i < SLOTS; i = next_slot(i)) {
			pte = page_maddr(PAGE_A) | P | US | (rw ? RW : 0);
			t = open_table(TABLE);
			t[i] = pte;
			close_table(TABLE);
			CHECK(pinned(1, TABLE, 0));
			CHECK(t[i] == stored(pte));
			CHECK(!i || !t[i - 1]);
			CHECK(i == 511 || !t[i + 1]);
			CHECK(pinned(1, PAGE_A, rw ? -EINVAL : 0));
			CHECK(rw || !unpin(page_maddr(PAGE_A)));
			if (i % 63 == 0)
				CHECK(exchange_page(page_virt(PAGE_A)));
			CHECK(!unpin(page_maddr(TABLE)));
			if (i % 63 == 0)
				CHECK(!no_reference_to(PAGE_A));
			else
				CHECK(!is_free(PAGE_A));
		}
	open_table(TABLE);
	close_table(TABLE);
	return no_reference_to(TABLE);
}

/* An entry that is refused, between two that are not, and at both ends. */
static const char *an_l1_entry_that_is_refused_undoes_those_before(void)
{
	const struct {
		uint64_t pte;
		int err;
	} bad[] = {
		{ (slot_at(0) & FRAME) | DATA | RW, EBUSY },
		{ 0xfee00000 | DATA, EPERM },
		{ 0xffffffffff000 | DATA, EINVAL },
		{ page_maddr(TABLE) | DATA | RW, EBUSY },
	};
	const uint64_t rw = page_maddr(PAGE_A) | P | US | RW,
		       ro = page_maddr(PAGE_A + 1) | P | US | A;
	uint32_t i, k, m = 0;
	uint64_t *t;

	for (i = 0; i < SLOTS; i = next_slot(i), m++) {
		t = open_table(TABLE);
		for (k = 0; k < SLOTS; k += 1 + (m & 63))
			t[k] = k & 1 ? rw : ro;
		t[i] = bad[m & 3].pte;
		close_table(TABLE);
		CHECK(pinned(1, TABLE, -bad[m & 3].err));
		for (k = 0; k < SLOTS; k++) {
			uint64_t pte = k % (1 + (m & 63)) ? 0
				       : k & 1		  ? rw
							  : ro;

			CHECK(t[k] == (k == i  ? bad[m & 3].pte
				       : k < i ? stored(pte)
					       : pte));
		}
		CHECK(!is_free(PAGE_A) && !is_free(PAGE_A + 1));
		/* The page is no table now, and may be written again. */
		t = open_table(TABLE);
		close_table(TABLE);
		CHECK(pinned(1, TABLE, 0));
		CHECK(!unpin(page_maddr(TABLE)));
	}
	for (i = 0; i < 2; i++)
		CHECK(!no_reference_to(PAGE_A + i));
	return no_reference_to(TABLE);
}

/* Swap entries and the like, in any number, beside present ones. */
static const char *absent_l1_entries_stay_as_they_are(void)
{
	static uint64_t copy[SLOTS];
	uint32_t i, k, present = 0;
	uint64_t *t;

	for (k = 0; k < 20; k++) {
		t = open_table(TABLE);
		for (i = 0; i < SLOTS; i++) {
			uint64_t x = (i + 1 + k * SLOTS) * 0x9e3779b97f4a7c15;

			t[i] = k == 0		? absent(x)
			       : (x >> 40) % 4	? 0
			       : (x >> 60) % k	? absent(x >> 7)
						: page_maddr(PAGE_A + i % 5) |
							  P | (x & (RW | US));
			copy[i] = stored(t[i]);
			present += !!(t[i] & P);
		}
		close_table(TABLE);
		CHECK(pinned(1, TABLE, 0));
		for (i = 0; i < SLOTS; i++)
			CHECK(t[i] == copy[i]);
		CHECK(!unpin(page_maddr(TABLE)));
		for (i = 0; i < SLOTS; i++)
			CHECK(t[i] == copy[i]);
	}
	CHECK(present > 200);
	open_table(TABLE);
	close_table(TABLE);
	for (i = 0; i < 5; i++)
		CHECK(!no_reference_to(PAGE_A + i));
	return no_reference_to(TABLE);
}

/* Full tables, again and again; entries change while it is one. */
static const char *a_full_l1_table_holds_each_page_once_an_entry(void)
{
	mmu_update_t r[4];
	uint32_t i, round;
	uint64_t *t;

	for (round = 0; round < 60; round++) {
		t = open_table(TABLE);
		for (i = 0; i < SLOTS; i++)
			t[i] = page_maddr(PAGE_A + i % 9) | P | US |
			       ((i / 9 + round) % 3 ? RW : 0);
		close_table(TABLE);
		CHECK(pinned(1, TABLE, 0));
		for (i = 0; i < 9; i++)
			CHECK(pinned(1, PAGE_A + i, -EINVAL));
		/* RW goes, RW comes, another page, none. */
		for (i = 0; i < 4; i++)
			r[i].ptr = page_maddr(TABLE) + 8 * (i * 60 + round);
		r[0].val = page_maddr(PAGE_A + 9) | DATA;
		r[1].val = page_maddr(PAGE_A + 9) | DATA | RW;
		r[2].val = t[2 * 60 + round] ^ RW;
		r[3].val = 0;
		CHECK(is(updates(r, 4), 0, 4));
		CHECK(!unpin(page_maddr(TABLE)));
		for (i = 0; i < 10; i++)
			CHECK(!is_free(PAGE_A + i));
	}
	open_table(TABLE);
	close_table(TABLE);
	for (i = 0; i < 10; i++)
		CHECK(!no_reference_to(PAGE_A + i));
	return no_reference_to(TABLE);
}

static const char *an_l1_table_may_map_itself_read_only(void)
{
	uint32_t i;
	uint64_t *t;

	for (i = 0; i < SLOTS; i = next_slot(i)) {
		t = open_table(TABLE);
		t[i] = page_maddr(TABLE) | P | US | A;
		close_table(TABLE);
		CHECK(pinned(1, TABLE, 0));
		CHECK(update_pte(page_maddr(TABLE) + 8 * i,
				 page_maddr(TABLE) | P | US | RW) == -EBUSY);
		CHECK(t[i] == stored(page_maddr(TABLE) | P | US | A));
		CHECK(!unpin(page_maddr(TABLE)));
	}
	open_table(TABLE);
	close_table(TABLE);
	return no_reference_to(TABLE);
}

static const char *frames_of_other_kinds_are_validated_as_ever(void)
{
	const uint32_t dom0 = start_info->flags & SIF_INITDOMAIN;
	uint32_t i;
	uint64_t *t;

	for (i = 0; i < SLOTS; i = next_slot(i)) {
		t = open_table(TABLE);
		t[i] = start_info->shared_info | P | US | RW;
		/* The frame buffer: uncached, unless it is so already. */
		t[(i + 1) % SLOTS] = dom0 ? 0xb8000 | P | US | RW : 0;
		t[(i + 2) % SLOTS] = dom0 ? 0xb8000 | P | US | 0x18 : 0;
		close_table(TABLE);
		CHECK(pinned(1, TABLE, 0));
		CHECK(t[i] == stored(start_info->shared_info | P | US | RW));
		if (dom0) {
			CHECK(t[(i + 1) % SLOTS] ==
			      stored(0xb8000 | P | US | RW | 0x18));
			CHECK(t[(i + 2) % SLOTS] ==
			      stored(0xb8000 | P | US | 0x18));
		}
		CHECK(!unpin(page_maddr(TABLE)));
	}
	open_table(TABLE);
	close_table(TABLE);
	return no_reference_to(TABLE);
}

/* --- Pinning ---------------------------------------------------------------- */

static const char *a_table_is_pinned_once_and_at_one_level(void)
{
	uint32_t level, other, round;
	uint64_t *t = open_table(TABLE);

	for (round = 0; round < 10; round++)
		for (level = 1; level < 5; level++) {
			/* Not while a mapping is writable. */
			open_table(TABLE);
			CHECK(pinned((int)level, TABLE, -EINVAL));
			CHECK(unpin(page_maddr(TABLE)) == -EINVAL);
			close_table(TABLE);
			CHECK(unpin(page_maddr(TABLE)) == -EINVAL);
			CHECK(pinned((int)level, TABLE, 0));
			for (other = 1; other < 5; other++)
				CHECK(pinned((int)other, TABLE, -EINVAL));
			CHECK(update_va(t, page_maddr(TABLE) | PAGE_RW) ==
			      -EBUSY);
			CHECK(!unpin(page_maddr(TABLE)));
			CHECK(unpin(page_maddr(TABLE)) == -EINVAL);
		}
	open_table(TABLE);
	close_table(TABLE);
	return no_reference_to(TABLE);
}

static const char *frames_that_are_not_the_domains_are_not_pinned(void)
{
	static const uint64_t frames[] = { 0, 0xb8000, 0xfee00000,
					   0xffffffffff000, 1ul << 45 };
	uint32_t i;
	int level;

	for (i = 0; i < sizeof(frames) / sizeof(*frames); i++)
		for (level = 1; level < 5; level++) {
			CHECK(pin(level, frames[i]) == -EINVAL);
			CHECK(unpin(frames[i]) == -EINVAL);
		}
	return NULL;
}

/* --- Tables of levels 2 to 4 ------------------------------------------------ */

/* Empty tables of each level, from which a lower one can be taken. */
static uint32_t empty_below(int level)
{
	return TABLE + 10 + (uint32_t)level;
}

static const char *a_lower_table_at_each_slot_is_one_reference(void)
{
	uint32_t i;
	int level;
	uint64_t *t;

	for (level = 2; level < 5; level++) {
		const uint32_t below = empty_below(level);

		for (i = 0; i < SLOTS; i = next_slot(i)) {
			if (level == 4 && !GUEST_L4(i))
				continue;
			t = open_table(TABLE);
			t[i] = lower(below);
			close_table(TABLE);
			CHECK(pinned(level, TABLE, 0));
			CHECK(t[i] == stored_above(level, lower(below)));
			CHECK(level == 4 || !i || !t[i - 1]);
			CHECK(level == 4 || i == 511 || !t[i + 1]);
			/* The lower one is a table of its level, pinned or not. */
			CHECK(update_va(page_virt(below),
					page_maddr(below) | PAGE_RW) == -EBUSY);
			if (i % 3 == 0) {
				CHECK(pinned(level - 1, below, 0));
				CHECK(!unpin(page_maddr(TABLE)));
				CHECK(!unpin(page_maddr(below)));
			} else {
				CHECK(!unpin(page_maddr(TABLE)));
			}
			CHECK(!is_free(below));
		}
		CHECK(!no_reference_to(below));
	}
	open_table(TABLE);
	close_table(TABLE);
	return no_reference_to(TABLE);
}

/* The same table at all slots: one reference each, and they all go. */
static const char *full_tables_of_all_levels_come_and_go(void)
{
	uint32_t i, step;
	int level;
	uint64_t *t;

	for (level = 2; level < 5; level++)
		for (step = 1; step < 300; step = step * 3 + 1) {
			const uint32_t below = empty_below(level);

			t = open_table(TABLE);
			for (i = 0; i < SLOTS; i++)
				t[i] = level == 4 && !GUEST_L4(i)
					       ? ~(uint64_t)i /* never read */
				       : i % step ? absent(i)
						  : lower(below);
			close_table(TABLE);
			CHECK(pinned(level, TABLE, 0));
			for (i = 0; i < SLOTS; i++)
				if (level < 4 || GUEST_L4(i))
					CHECK(t[i] ==
					      (i % step
						       ? absent(i)
						       : stored_above(
								 level,
								 lower(below))));
				else
					CHECK(t[i] != ~(uint64_t)i);
			CHECK(!unpin(page_maddr(TABLE)));
			CHECK(!no_reference_to(below));
			open_table(TABLE);
			close_table(TABLE);
			CHECK(!no_reference_to(TABLE));
		}
	return NULL;
}

/* Kinds of entries that a table of level 2 to 4 may not have. */
enum upper {
	LARGE_PAGE,
	WRITABLE_PAGE, /* a page that is mapped writable */
	NOBODYS,
	WRONG_LEVEL, /* a table of two levels below */
	ITSELF_WRITABLE,
	BAD_BELOW,  /* a lower table with a refused entry in its last slot */
	DEEP_BELOW, /* the same two levels below, if there are two */
	UPPERS
};

static uint64_t bad_upper(int level, enum upper kind, int *err)
{
	const uint32_t bad = TABLE + 20, page = TABLE + 21;
	uint64_t *t;
	int below = level - 1;

	*err = EINVAL;
	switch (kind) {
	case LARGE_PAGE:
		return page_maddr(PAGE_A) | P | US | RW | 0x80;
	case WRITABLE_PAGE:
		return page_maddr(7) | P | US | RW;
	case NOBODYS:
		return 0xfee00000 | P | US;
	case WRONG_LEVEL:
		return level == 2 ? l4_maddr() | P | US
				  : (slot_at(0) & FRAME) | P | US;
	case ITSELF_WRITABLE:
		return page_maddr(TABLE) | P | US | RW;
	default:
		break;
	}
	if (kind == DEEP_BELOW && below > 1) {
		t = open_table(page);
		below--;
		t[300] = below == 1 ? slot_at(0) | DATA | RW
				    : 0xfee00000 | P | US;
		t[9] = below == 1 ? page_maddr(PAGE_A + 1) | P | US | RW
				  : lower(empty_below(below));
		close_table(page);
		*err = below == 1 ? EBUSY : EINVAL;
		t = open_table(bad);
		t[200] = lower(page);
		close_table(bad);
		return lower(bad);
	}
	t = open_table(bad);
	t[511] = below == 1 ? slot_at(0) | DATA | RW : 0xfee00000 | P | US;
	t[0] = below == 1 ? page_maddr(PAGE_A + 1) | P | US | RW
			  : lower(empty_below(below));
	close_table(bad);
	*err = below == 1 ? EBUSY : EINVAL;
	return lower(bad);
}

/* A refused entry with good ones before, behind, at both ends, or alone. */
static const char *a_refused_entry_undoes_the_others_at_all_levels(void)
{
	uint32_t i, kind, n, done = 0;
	int level, err;
	uint64_t *t, bad;

	for (level = 2; level < 5; level++)
		for (i = 0; i < SLOTS; i += i < 3 || i > 507 ? 1 : 36) {
			const uint32_t below = empty_below(level);

			if (level == 4 && !GUEST_L4(i))
				continue;
			kind = done % UPPERS;
			bad = bad_upper(level, kind, &err);
			t = open_table(TABLE);
			if (done & 1 && i)
				t[i - 1] = lower(below);
			if (done & 2)
				t[0] = lower(below);
			if (done & 4)
				t[511] = lower(below);
			if (done & 8 && i < 511)
				t[i + 1] = lower(below);
			for (n = 0; done & 16 && n < i; n += 5)
				t[n] = lower(below);
			t[i] = bad;
			close_table(TABLE);
			if (!pinned(level, TABLE, -err)) {
				print("# kind %u at slot %u, mode %u\n", kind,
				      i, done);
				return "a table is not refused";
			}
			CHECK(t[i] == bad);
			CHECK(!is_free(below));
			CHECK(!is_free(PAGE_A + 1));
			open_table(TABLE);
			close_table(TABLE);
			CHECK(pinned(1, TABLE, 0));
			CHECK(!unpin(page_maddr(TABLE)));
			done++;
		}
	CHECK(done > 3 * UPPERS);
	for (i = TABLE + 20; i < TABLE + 22; i++) {
		open_table(i);
		close_table(i);
		CHECK(!no_reference_to(i));
	}
	for (i = 1; i < 5; i++)
		CHECK(!no_reference_to(empty_below((int)i)));
	CHECK(!no_reference_to(PAGE_A + 1));
	return no_reference_to(TABLE);
}

/* A whole tree, four levels, with one page of data at each end. */
static const char *a_tree_of_four_levels_comes_and_goes(void)
{
	static const uint32_t slots[] = { 0, 1, 255, 272, 400, 511 };
	const uint32_t n = sizeof(slots) / sizeof(*slots);
	uint32_t a, b, i, level;
	uint64_t *t;

	for (a = 0; a < n; a++)
		for (b = 0; b < n; b++) {
			for (level = 1; level < 5; level++) {
				const uint64_t pte =
					level == 1 ? page_maddr(PAGE_A) | P |
							     US | RW
						   : lower(TABLE + level - 1);

				t = open_table(TABLE + level);
				t[slots[a]] = pte;
				t[slots[b]] = pte;
				close_table(TABLE + level);
			}
			CHECK(pinned(4, TABLE + 4, 0));
			for (level = 1; level < 5; level++) {
				t = entries_of(TABLE + level);
				CHECK(t[slots[a]] & US && t[slots[b]] & US);
				CHECK(update_va(page_virt(TABLE + level),
						page_maddr(TABLE + level) |
							PAGE_RW) == -EBUSY);
			}
			CHECK(pinned(1, PAGE_A, -EINVAL));
			/* In between an L1 entry changes. */
			CHECK(!update_pte(page_maddr(TABLE + 1) + 8 * slots[a],
					  a & 1 ? 0
						: page_maddr(PAGE_A + 1) | P |
							  US | RW));
			CHECK(!unpin(page_maddr(TABLE + 4)));
			CHECK(!is_free(PAGE_A) && !is_free(PAGE_A + 1));
		}
	for (i = 1; i < 5; i++) {
		open_table(TABLE + i);
		close_table(TABLE + i);
		CHECK(!no_reference_to(TABLE + i));
	}
	CHECK(!no_reference_to(PAGE_A));
	return no_reference_to(PAGE_A + 1);
}

/* --- Linear page tables ------------------------------------------------------ */

/* False if Xen was built or started without them. */
static int linear_tables(void)
{
	uint64_t *t = open_table(TABLE);
	int err;

	t[9] = page_maddr(TABLE) | P | US | A;
	close_table(TABLE);
	err = pin(2, page_maddr(TABLE));
	if (!err)
		err = unpin(page_maddr(TABLE));
	open_table(TABLE);
	close_table(TABLE);
	return !err;
}

static const char *a_table_may_hold_itself_at_each_slot_read_only(void)
{
	const int64_t expected = linear_tables() ? 0 : -EINVAL;
	uint32_t i;
	int level;
	uint64_t *t;

	for (level = 2; level < 5; level++)
		for (i = 0; i < SLOTS; i = next_slot(i)) {
			const uint32_t below = empty_below(level);

			if (level == 4 && !GUEST_L4(i))
				continue;
			t = open_table(TABLE);
			t[i] = page_maddr(TABLE) | P | US | A;
			if (i & 1 && i < 511)
				t[i + 1] = lower(below);
			if (i & 2 && (level < 4 || GUEST_L4(i - 1)))
				t[i - 1] = lower(below);
			close_table(TABLE);
			CHECK(pinned(level, TABLE, expected));
			if (!expected) {
				CHECK(update_pte(page_maddr(TABLE) + 8 * i,
						 page_maddr(TABLE) | P | US |
							 RW) == -EINVAL);
				/* It may go, and come again. */
				if (i & 4) {
					CHECK(!update_pte(page_maddr(TABLE) +
								  8 * i,
							  0));
					CHECK(!update_pte(
						page_maddr(TABLE) + 8 * i,
						page_maddr(TABLE) | P | US));
				}
				CHECK(!unpin(page_maddr(TABLE)));
			}
			CHECK(!is_free(below));
		}
	open_table(TABLE);
	close_table(TABLE);
	for (i = 2; i < 5; i++)
		CHECK(!no_reference_to(empty_below((int)i)));
	return no_reference_to(TABLE);
}

/* One table of a level in another of it: the inner one must be one already. */
static const char *a_table_may_hold_another_of_its_level(void)
{
	const int yes = linear_tables();
	const uint32_t a = TABLE + 30, b = TABLE + 31, c = TABLE + 32;
	uint32_t i, k;
	int level;
	uint64_t *t;

	for (level = 2; level < 5; level++)
		for (k = 0; k < 6; k++) {
			static const uint32_t slots[] = { 0, 1, 64, 255, 300,
							  511 };
			const uint32_t slot = slots[k];

			t = open_table(b);
			t[slot] = lower(empty_below(level));
			close_table(b);
			t = open_table(a);
			t[slot] = page_maddr(b) | P | US | A;
			close_table(a);
			t = open_table(c);
			t[slot] = page_maddr(a) | P | US | A;
			close_table(c);
			/* A page that is no table yet becomes a lower one. */
			CHECK(pinned(level, a, 0));
			CHECK(pinned(level, b, -EINVAL));
			CHECK(!unpin(page_maddr(a)));
			t = open_table(b); /* without an L1 table's flags */
			t[slot] = lower(empty_below(level));
			close_table(b);
			CHECK(pinned(level, b, 0));
			CHECK(pinned(level, a, yes ? 0 : -EINVAL));
			/* What holds another may not itself be held. */
			CHECK(pinned(level, c, -EINVAL));
			if (yes) {
				/* In either order. */
				CHECK(!unpin(page_maddr(k & 1 ? a : b)));
				CHECK(pinned(level, k & 1 ? a : b, 0));
				CHECK(!unpin(page_maddr(k & 2 ? a : b)));
				CHECK(!unpin(page_maddr(k & 2 ? b : a)));
			} else {
				CHECK(!unpin(page_maddr(b)));
			}
			for (i = a; i <= c; i++) {
				open_table(i);
				close_table(i);
			}
			CHECK(!is_free(empty_below(level)));
		}
	for (i = a; i <= c; i++)
		CHECK(!no_reference_to(i));
	for (i = 2; i < 5; i++)
		CHECK(!no_reference_to(empty_below((int)i)));
	return NULL;
}

/* --- Tables that come and go by entries of the tables above them ------------- */

static const char *a_table_hooked_into_a_live_one_is_validated_as_if_pinned(void)
{
	const uint64_t va = (uint64_t)va_at(WORLD_SLOTS) + (2ul << 30);
	const uint64_t l3 = slot_of(va, 3), l2 = slot_of(TEST_BASE, 2) + 8 * 500;
	uint32_t i, k;
	int err;
	uint64_t *t, bad;
	mmu_update_t r[3];

	for (i = 0, k = 0; i < SLOTS; i = next_slot(i), k++) {
		/* An L1 table, good or bad, into an L2 table. */
		const uint64_t pte = page_maddr(PAGE_A) | P | US | RW;

		t = open_table(TABLE);
		t[i] = pte;
		if (k & 1)
			t[i ^ 1] = slot_at(0) | DATA | RW;
		close_table(TABLE);
		r[0] = update_of(slot_at(1), page_maddr(1) | DATA | (i & 2));
		r[1] = update_of(l2, lower(TABLE));
		r[2] = update_of(slot_at(2), page_maddr(2) | DATA | (i & 2));
		if (k & 1) {
			CHECK(is(updates(r, 3), -EBUSY, 1));
			CHECK(!*maddr_to_virt(l2));
		} else {
			CHECK(is(updates(r, 3), 0, 3));
			CHECK(t[i] == stored(pte));
			CHECK(pinned(1, PAGE_A, -EINVAL));
			r[1].val = 0;
			CHECK(is(updates(r, 3), 0, 3));
		}
		CHECK(!is_free(PAGE_A));
	}
	/* A tree into an L3 table, of which a part is refused. */
	for (k = 0; k < 3 * UPPERS; k++) {
		bad = bad_upper(3, k % UPPERS, &err);
		t = open_table(TABLE);
		t[k] = lower(empty_below(2));
		close_table(TABLE);
		r[0] = update_of(slot_at(1), page_maddr(1) | DATA);
		r[1] = update_of(l3, k % UPPERS == ITSELF_WRITABLE
					     ? lower(TABLE)
					     : bad);
		r[2] = update_of(slot_at(2), page_maddr(2) | DATA);
		if (k % UPPERS == ITSELF_WRITABLE) { /* this one is good */
			CHECK(is(updates(r, 3), 0, 3));
			r[1].val = 0;
			CHECK(is(updates(r, 3), 0, 3));
		} else {
			CHECK(is(updates(r, 3), -err, 1));
			CHECK(!*maddr_to_virt(l3));
		}
		CHECK(!is_free(empty_below(2)) && !is_free(PAGE_A + 1));
	}
	for (i = TABLE + 20; i < TABLE + 22; i++) {
		open_table(i);
		close_table(i);
		CHECK(!no_reference_to(i));
	}
	open_table(TABLE);
	close_table(TABLE);
	CHECK(!no_reference_to(PAGE_A) && !no_reference_to(PAGE_A + 1));
	return no_reference_to(TABLE);
}

const struct test validate_tests[] = {
	TEST(an_l1_entry_at_each_slot_is_one_reference),
	TEST(an_l1_entry_that_is_refused_undoes_those_before),
	TEST(absent_l1_entries_stay_as_they_are),
	TEST(a_full_l1_table_holds_each_page_once_an_entry),
	TEST(an_l1_table_may_map_itself_read_only),
	TEST(frames_of_other_kinds_are_validated_as_ever),
	TEST(a_table_is_pinned_once_and_at_one_level),
	TEST(frames_that_are_not_the_domains_are_not_pinned),
	TEST(a_lower_table_at_each_slot_is_one_reference),
	TEST(full_tables_of_all_levels_come_and_go),
	TEST(a_refused_entry_undoes_the_others_at_all_levels),
	TEST(a_tree_of_four_levels_comes_and_goes),
	TEST(a_table_may_hold_itself_at_each_slot_read_only),
	TEST(a_table_may_hold_another_of_its_level),
	TEST(a_table_hooked_into_a_live_one_is_validated_as_if_pinned),
	{ NULL, NULL, 0 },
};
