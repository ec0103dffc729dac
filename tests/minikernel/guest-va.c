/* SPDX-License-Identifier: MIT */
/*
 * update_va_mapping and its form for another domain's pages: addresses, values,
 * and the flush that the flags ask for.
 */
#include "guest-calls.h"

#define VA 5u /* the slot that most tests change, and its page */

static int va_call(const volatile void *va, uint64_t pte, uint64_t flags)
{
	return (int)hypercall5(__HYPERVISOR_update_va_mapping, addr(va), pte,
			       flags, 0, 0);
}

static int va_other(const volatile void *va, uint64_t pte, uint64_t flags,
		    uint32_t who)
{
	return (int)hypercall5(__HYPERVISOR_update_va_mapping_otherdomain,
			       addr(va), pte, flags, who, 0);
}

/* --- Flags ------------------------------------------------------------------ */

enum reach {
	NOTHING, /* no flush is asked for, and none is forbidden */
	HERE,	 /* this vCPU's entry of the page is flushed */
	FAULTS	 /* the mask cannot be read: written, not flushed, -EFAULT */
};

/* Makes the page read-only by this call, with a writable TLB entry before. */
static const char *flush_by(uint64_t flags, enum reach reach)
{
	const uint64_t rw = page_maddr(VA) | P | US | A | D | RW;
	int rc, faulted;

	CHECK(!va_call(va_at(VA), rw, UVMF_TLB_FLUSH | UVMF_ALL));
	CHECK(!probe_write(va_at(VA), 1));
	rc = va_call(va_at(VA), rw & ~RW, flags);
	/* A store that hits a stale entry is allowed without a flush alone. */
	faulted = probe_write(va_at(VA), 2);
	if (rc != (reach == FAULTS ? -EFAULT : 0) ||
	    (reach == HERE && !faulted)) {
		print("# flags %lx: %d, the store %s\n", flags, rc,
		      faulted ? "faults" : "is done");
		return "a flag is not obeyed";
	}
	CHECK(holds(VA, rw & ~RW));
	return NULL;
}

static const char *each_flag_flushes_what_it_says(void)
{
	static uint64_t mask[20];
	const uint64_t masks[] = { 1, 0, ~0ul, 2, 1ul << 63 };
	const uint64_t bad[] = { NOTHING_THERE, XENS_MEMORY, NOT_CANONICAL, 8,
				 ~7ul << 12 };
	uint32_t type, i;

	for (type = 0; type < 4; type++) {
		const int asks = type == UVMF_TLB_FLUSH || type == UVMF_INVLPG;

		CHECK(!flush_by(type | UVMF_LOCAL, asks ? HERE : NOTHING));
		CHECK(!flush_by(type | UVMF_ALL, asks ? HERE : NOTHING));
		for (i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
			mask[1] = masks[i];
			CHECK(!flush_by(type | addr(&mask[1]),
					asks && masks[i] & 1 ? HERE : NOTHING));
		}
		/* The low bits of the address are the type's. */
		mask[2] = 1;
		CHECK(!flush_by(type | (addr(&mask[2]) & ~3ul),
				asks ? HERE : NOTHING));
		mask[3] = mask[4] = ~0ul;
		CHECK(!flush_by(type | (addr(&mask[3]) + 4),
				asks ? HERE : NOTHING));
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
			CHECK(!flush_by(type | bad[i],
					asks ? FAULTS : NOTHING));
	}
	*(uint64_t *)page_virt(VA) = 0;
	return NULL;
}

/* Even with a mask that cannot be read: the error is that of the value. */
static const char *a_refused_value_is_refused_whatever_the_flags(void)
{
	const uint64_t rw = page_maddr(VA) | DATA | RW;
	const struct {
		uint64_t pte;
		int err;
	} bad[] = {
		{ slot_at(VA) | DATA | RW, EBUSY },
		{ l4_maddr() | DATA | RW, EBUSY },
		{ 0xffffffffff000 | DATA, EINVAL },
		{ 0xfee00000 | DATA | RW, EPERM },
	};
	static const uint64_t flags[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 1 | XENS_MEMORY, 2 | NOTHING_THERE,
	};
	uint32_t i, k;

	/* Its refusals are those that dom0 gets; other domains have fewer rights. */
	if (!(start_info->flags & SIF_INITDOMAIN)) {
		CHECK(1);
		return NULL;
	}

	fill_entries(VA, 1, 1, VA, DATA | RW);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (k = 0; k < sizeof(flags) / sizeof(*flags); k++) {
			CHECK(va_call(va_at(VA), bad[i].pte, flags[k]) ==
			      -bad[i].err);
			CHECK(va_other(va_at(VA), bad[i].pte, flags[k], SELF) ==
			      -bad[i].err);
			CHECK(holds(VA, rw));
		}
	/* A table mapped read-only stays so. */
	CHECK(!va_call(va_at(VA), 0, 0));
	CHECK(!va_call(va_at(VA), (slot_at(VA) & FRAME) | DATA, 0));
	for (k = 0; k < sizeof(flags) / sizeof(*flags); k++) {
		CHECK(va_call(va_at(VA), (slot_at(VA) & FRAME) | DATA | RW,
			      flags[k]) == -EBUSY);
		CHECK(holds(VA, (slot_at(VA) & FRAME) | DATA));
	}
	return NULL;
}

/* --- Addresses -------------------------------------------------------------- */

static const char *an_address_without_an_l1_table_is_refused(void)
{
	const uint64_t l2 = table_above(2), l3 = table_above(3);
	/* Linear mappings: the L2 and L3 tables as L1 tables of these. */
	const uint64_t spare2 = l2 + 8 * 510, spare3 = l3 + 8 * 510,
		       by2 = TEST_BASE + (510ul << 21),
		       by3 = TEST_BASE + (510ul << 30);
	const uint64_t nowhere[] = {
		NOTHING_THERE, XENS_MEMORY, NOT_CANONICAL, 0, PAGE,
		MACH2PHYS_VIRT_START, HYPERVISOR_VIRT_START,
		HYPERVISOR_VIRT_END - PAGE, 1ul << 47, (1ul << 47) - PAGE,
		0xffff7ffffffff000, 1ul << 63, TEST_BASE + (1ul << 39),
		by2, by2 + PAGE * 511, by3, by3 + (510ul << 12),
	};
	const uint64_t was2 = *maddr_to_virt(spare2),
		       was3 = *maddr_to_virt(spare3);
	uint32_t i, k;

	CHECK(!was2 && !was3);
	CHECK(!update_pte(spare2, l2 | P | US | A));
	CHECK(!update_pte(spare3, l3 | P | US | A));
	CHECK(!mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
	for (k = 0; k < 8; k++)
		for (i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
			CHECK(va_call((void *)nowhere[i],
				      k & 1 ? page_maddr(VA) | DATA : 0, k) ==
			      -EINVAL);
			CHECK(va_other((void *)nowhere[i],
				       page_maddr(VA) | DATA, k, SELF) ==
			      -EINVAL);
		}
	CHECK(*maddr_to_virt(spare2) == (l2 | P | US | A));
	CHECK(!update_pte(spare2, 0));
	CHECK(!update_pte(spare3, 0));
	CHECK(!mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
	return NULL;
}

static const char *any_address_in_a_page_names_its_slot(void)
{
	uint32_t i;

	for (i = 0; i < PAGE; i += 1 + i / 7) {
		const uint64_t pte = page_maddr(i % 9) | P | US | (i & 2);

		CHECK(!va_call((char *)va_at(VA) + i, pte,
			       i % 3 ? UVMF_INVLPG | UVMF_LOCAL : 0));
		CHECK(holds(VA, pte));
		CHECK(!*entry_at(VA - 1) && !*entry_at(VA + 1));
	}
	/* The first and the last slot of a table. */
	for (i = 511; i < 513; i++) {
		CHECK(!va_call(va_at(i), page_maddr(i) | DATA, 0));
		CHECK(holds(i, page_maddr(i) | DATA));
	}
	CHECK(!*entry_at(510) && !*entry_at(513));
	return NULL;
}

/* The new place of a table is in use at once. */
static const char *a_table_that_takes_anothers_place_is_the_one_changed(void)
{
	const uint64_t l2 = slot_of((uint64_t)va_at(WORLD_SLOTS), 2);
	uint32_t i;

	for (i = 0; i < 20; i++) {
		const uint32_t page = SOLE + 60 + (i & 1);
		const uint64_t pte = page_maddr(i) | DATA | RW;
		volatile uint64_t *t = page_virt(page);

		CHECK(!update_pte(l2, page_maddr(page) | P | RW | US));
		CHECK(!va_call(va_at(WORLD_SLOTS + i), pte, 0));
		CHECK(t[i] == stored(pte));
		CHECK(!va_call(va_at(WORLD_SLOTS + i), 0, i & 3));
		CHECK(!t[i]);
	}
	CHECK(!update_pte(l2, 0));
	CHECK(va_call(va_at(WORLD_SLOTS), 0, 0) == -EINVAL);
	CHECK(!no_reference_to(SOLE + 60));
	return no_reference_to(SOLE + 61);
}

/* --- Values ----------------------------------------------------------------- */

/* A and D are as given: the call never keeps them. */
static const char *values_are_stored_as_given_and_with_xens_flags(void)
{
	static const uint64_t flags[] = { 0, RW, A, D, A | D, G, NX, US,
					  US | G, US | RW, RW | G,
					  US | 1ul << 9, 1ul << 58, 7ul << 53,
					  US | 3ul << 59 };
	const uint32_t n = sizeof(flags) / sizeof(*flags);
	uint32_t i, k, page;

	for (page = 0; page < 2; page++)
		for (i = 0; i < n; i++)
			for (k = 0; k < n; k++) {
				const uint64_t to =
					page_maddr(k & 1 ? page * 9 : 9) |
					flags[k] | (k % 7 ? P : 0);

				CHECK(!va_call(va_at(VA),
					       page_maddr(9) | P | flags[i],
					       0));
				CHECK(!va_call(va_at(VA),
					       to & P ? to : to ^ FRAME,
					       UVMF_INVLPG));
				CHECK(holds(VA, to & P ? to : to ^ FRAME));
			}
	return NULL;
}

static const char *each_mapping_is_one_reference(void)
{
	const uint64_t page = page_maddr(SOLE + 62);
	uint32_t i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < 100; i++)
			CHECK(!va_call(va_at(i), page | DATA | RW, i & 3));
		for (i = 0; i < 100; i++) {
			CHECK(pin(1, page) == -EINVAL);
			CHECK(!va_call(va_at(i), round ? page | DATA : 0,
				       i & 3));
		}
		CHECK(!no_writer_of(SOLE + 62));
		if (round)
			CHECK(exchange_page(page_virt(SOLE + 62)));
		for (i = 0; i < 100; i++)
			CHECK(!va_call(va_at(i), 0, 0));
	}
	return no_reference_to(SOLE + 62);
}

static const char *refused_calls_leave_no_reference(void)
{
	uint32_t i;

	CHECK(!pin(1, page_maddr(SOLE + 64)));
	for (i = 0; i < 200; i++) {
		const uint64_t page = page_maddr(SOLE + 63);

		CHECK(!va_call(va_at(VA), page | DATA | (i & 1 ? RW : 0), 0));
		CHECK(va_call(va_at(VA), page_maddr(SOLE + 64) | DATA | RW,
			      i & 7) == -EBUSY);
		CHECK(va_call((void *)NOTHING_THERE, page | DATA | RW, 0) ==
		      -EINVAL);
		CHECK(va_call((void *)XENS_MEMORY, page | DATA | RW, 0) ==
		      -EINVAL);
		CHECK(va_other(va_at(VA), page | DATA | RW, 0, 0x1234) ==
		      -ESRCH);
		CHECK(va_call(va_at(VA), page | DATA | RW,
			      UVMF_TLB_FLUSH | NOTHING_THERE) == -EFAULT);
		CHECK(!va_call(va_at(VA), 0, 0));
	}
	CHECK(!unpin(page_maddr(SOLE + 64)));
	CHECK(!no_reference_to(SOLE + 63));
	return no_reference_to(SOLE + 64);
}

static const char *the_form_for_other_domains_takes_self_and_no_number(void)
{
	const uint32_t dom0 = start_info->flags & SIF_INITDOMAIN;
	const uint64_t rw = page_maddr(VA) | DATA | RW;

	fill_entries(VA, 1, 1, VA, DATA | RW);
	CHECK(!va_other(va_at(VA), rw & ~RW, UVMF_INVLPG, SELF));
	CHECK(holds(VA, rw & ~RW));
	CHECK(va_other(va_at(VA), rw, 0, 0x1234) == -ESRCH);
	CHECK(va_other(va_at(VA), rw, 0, DOMID_COW) == -ESRCH);
	CHECK(va_other(va_at(VA), rw, 0, DOMID_INVALID) == -ESRCH);
	CHECK(holds(VA, rw & ~RW));
	if (!dom0)
		return NULL;
	CHECK(va_other(va_at(VA), rw, 0, 0) == -ESRCH);
	CHECK(va_other(va_at(VA), rw, 0, DOMID_IO) == -EBUSY);
	CHECK(holds(VA, rw & ~RW));
	/* Memory of devices, which Xen makes uncached. */
	CHECK(!va_other(va_at(VA), 0xb8000 | DATA | RW, 0, DOMID_IO));
	CHECK((*entry_at(VA) & (FRAME | P | RW | CACHE)) ==
	      (0xb8000 | P | RW | 0x18));
	CHECK(!va_call(va_at(VA), 0xb8000 | DATA | RW, 0));
	CHECK((*entry_at(VA) & (FRAME | P | RW | CACHE)) ==
	      (0xb8000 | P | RW | 0x18));
	CHECK(!va_call(va_at(VA), 0xb8000 | DATA, 0));
	CHECK(!va_call(va_at(VA), rw, 0));
	CHECK(holds(VA, rw));
	return NULL;
}

const struct test update_va_tests[] = {
	TEST(each_flag_flushes_what_it_says),
	TEST(a_refused_value_is_refused_whatever_the_flags),
	TEST(an_address_without_an_l1_table_is_refused),
	TEST(any_address_in_a_page_names_its_slot),
	TEST(a_table_that_takes_anothers_place_is_the_one_changed),
	TEST(values_are_stored_as_given_and_with_xens_flags),
	TEST(each_mapping_is_one_reference),
	TEST(refused_calls_leave_no_reference),
	TEST(the_form_for_other_domains_takes_self_and_no_number),
	{ NULL, NULL, 0 },
};
