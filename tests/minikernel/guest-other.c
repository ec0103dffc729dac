/* SPDX-License-Identifier: MIT */
/*
 * Tables of another domain, which dom0 changes, pins and unpins, and which go
 * with the domain. Pages of the other domain are seen through a window, a slot
 * of this domain's.
 */
#include "guest-calls.h"
#include "other.h"

#define WINDOW 1500u /* a slot */
#define NR 130u
#define LEAVES 3u /* L1 tables */
#define PAGES 5u

static domid_t other;
static uint64_t top, leaf[LEAVES], data[PAGES]; /* an L2 table; maddrs */
static mmu_update_t list[SLOTS];

static uint32_t others(uint32_t pages)
{
	return (other + 1u) << 16 | pages;
}

static void begin(void)
{
	uint32_t i;

	other = other_make(0, 1 + LEAVES + PAGES);
	top = other_page(other);
	for (i = 0; i < LEAVES; i++)
		leaf[i] = other_page(other);
	for (i = 0; i < PAGES; i++)
		data[i] = other_page(other);
}

/* The page at the window; 0 takes it away, and NULL means that Xen refuses. */
static volatile uint64_t *look(uint64_t maddr, uint64_t flags)
{
	mmu_update_t u = { slot_at(WINDOW), maddr ? maddr | flags : 0 };

	if (hypercall5(__HYPERVISOR_mmu_update, addr(&u), 1, 0, other, 0))
		return NULL;
	invlpg(addr(va_at(WINDOW)));
	return va_at(WINDOW);
}

/* Makes the other domain's page a writable one at the window, all zero. */
static volatile uint64_t *open_table(uint64_t maddr)
{
	volatile uint64_t *t = look(maddr, DATA | RW);

	if (t)
		memset((void *)t, 0, PAGE);
	return t;
}

static int pin_other(int level, uint64_t maddr)
{
	struct mmuext_op op = { .cmd = level == 2   ? MMUEXT_PIN_L2_TABLE
				       : level == 1 ? MMUEXT_PIN_L1_TABLE
						    : MMUEXT_UNPIN_TABLE };

	op.arg1.mfn = maddr >> 12;
	return (int)hypercall5(__HYPERVISOR_mmuext_op, addr(&op), 1, 0, other,
			       0);
}

static int unpin_other(uint64_t maddr)
{
	return pin_other(0, maddr);
}

static const char *tables_of_another_domain_are_updated_as_ever(void)
{
	static const uint32_t at[] = { 0, 1, 63, 64, 65, NR - 1 };
	volatile uint64_t *t;
	uint32_t i, k;

	begin();
	CHECK(open_table(leaf[0]));
	CHECK(look(0, 0));
	CHECK(!pin_other(1, leaf[0]));
	t = look(leaf[0], P | US | A);
	CHECK(t);
	for (k = 0; k < sizeof(at) / sizeof(*at); k++) {
		for (i = 0; i < NR; i++)
			list[i] = update_of((leaf[0] + 8 * i) |
						    (k & 1 ? KEEP : NORMAL),
					    data[i % PAGES] | P | US | RW | A);
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, others(other)),
			 0, NR));
		for (i = 0; i < NR; i++) {
			CHECK(t[i] == stored(list[i].val));
			list[i].val ^= RW;
		}
		/* The table itself, writable. */
		list[at[k]].val = leaf[0] | P | US | RW;
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, others(other)),
			 -EBUSY, at[k]));
		for (i = 0; i < NR; i++)
			CHECK(t[i] == stored(data[i % PAGES] | P | US | A |
					     (i < at[k] ? 0 : RW)));
		/* This domain's pages, and who owns them if that is not said. */
		list[at[k]].val = page_maddr(1) | DATA;
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, others(other)),
			 -EBUSY, at[k]));
		CHECK(is(updates_of(addr(&list[at[k]]), 1, UNTOUCHED,
				    others(SELF)),
			 0, 1));
		CHECK(t[at[k]] == stored(page_maddr(1) | DATA));
		/* The slots are not this domain's. */
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, SELF), -EINVAL,
			 0));
		for (i = 0; i < NR; i++)
			list[i] = update_of(leaf[0] + 8 * i, 0);
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, others(other)),
			 0, NR));
	}
	CHECK(look(0, 0));
	CHECK(!unpin_other(leaf[0]));
	CHECK(other_destroy(other));
	return NULL;
}

static const char *tables_of_another_domain_are_validated_for_it(void)
{
	volatile uint64_t *t;
	uint32_t i, k;

	begin();
	for (k = 0; k < 20; k++) {
		/* Its own pages, at one slot more each time, and swap entries. */
		t = open_table(leaf[0]);
		CHECK(t);
		for (i = k; i < SLOTS; i += 1 + k)
			t[i] = i % 3 ? data[i % PAGES] | P | US | (i & RW)
				     : absent(i);
		CHECK(look(0, 0));
		CHECK(!pin_other(1, leaf[0]));
		CHECK(!look(leaf[0], DATA | RW));
		t = look(leaf[0], DATA);
		CHECK(t);
		for (i = k; i < SLOTS; i += 1 + k)
			CHECK(t[i] == stored(i % 3 ? data[i % PAGES] | P | US |
							     (i & RW)
						   : absent(i)));
		CHECK(look(0, 0));
		CHECK(!unpin_other(leaf[0]));
		/* Pages of this domain are not the other's. */
		t = open_table(leaf[0]);
		CHECK(t);
		t[k * 26] = data[0] | P | US | RW;
		t[k * 26 + 1] = page_maddr(SOLE) | P | US;
		CHECK(look(0, 0));
		CHECK(pin_other(1, leaf[0]) == -EBUSY);
		/* No reference is left: each can become a table, and cease. */
		for (i = 0; i < PAGES; i++) {
			CHECK(open_table(data[i]));
			CHECK(look(0, 0));
			CHECK(!pin_other(1, data[i]));
			CHECK(!unpin_other(data[i]));
		}
		CHECK(!no_writer_of(SOLE));
	}
	CHECK(open_table(leaf[0]));
	CHECK(look(0, 0));
	CHECK(!no_reference_to(SOLE));
	CHECK(other_destroy(other));
	return NULL;
}

/* Pinned or not, with entries of all kinds; one table maps itself. */
static const char *a_domain_destroyed_with_full_tables_goes_whole(void)
{
	volatile uint64_t *t;
	uint32_t i, k, round;

	for (round = 0; round < 6; round++) {
		begin();
		for (k = 0; k < LEAVES; k++) {
			t = open_table(leaf[k]);
			CHECK(t);
			for (i = 0; i < SLOTS; i++)
				t[i] = i % 7 == 6 ? absent(i)
				       : i % 5 == 4
					       ? 0
					       : data[(i + k) % PAGES] | P | US |
							 (i & RW);
			t[300] = leaf[k] | P | US;
			CHECK(look(0, 0));
		}
		t = open_table(top);
		CHECK(t);
		for (i = 0; i < SLOTS; i++)
			t[i] = i % (round + 1) ? 0
					       : leaf[i % LEAVES] | P | RW | US;
		if (round & 1)
			t[511] = top | P | US; /* if Xen allows it */
		CHECK(look(0, 0));
		if (round & 2)
			CHECK(!pin_other(1, leaf[1]));
		if (pin_other(2, top))
			CHECK(round & 1);
		CHECK(other_destroy(other));
	}
	return NULL;
}

const struct test other_domain_tests[] = {
	TEST(tables_of_another_domain_are_updated_as_ever),
	TEST(tables_of_another_domain_are_validated_for_it),
	TEST(a_domain_destroyed_with_full_tables_goes_whole),
	{ NULL, NULL, 0 },
};
