/* SPDX-License-Identifier: MIT */
/*
 * mmu_update, as every guest sees it: results, done counts and entries for each
 * kind of bad request at each place of a list, lists of mixed levels, memory
 * that is no page table, and lists that change themselves.
 */
#include "guest-calls.h"
#include <xen/hypfs.h>

#define NR 194u /* of a list: more than two times 96 */
static mmu_update_t list[2 * SLOTS];

/* Positions of a list: its ends, and the borders of chunks of 96. */
static const uint32_t positions[] = { 0,  1,  31,  94,	95,
				      96, 97, 191, 192, NR - 1 };
#define POSITIONS (sizeof(positions) / sizeof(*positions))

/* Makes the list set slots 0 to nr - 1 to map pages 0 to nr - 1 like this. */
static void make_list(uint32_t nr, uint64_t flags, uint32_t command)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		list[i] = update_of(slot_at(i) | command,
				    page_maddr(i) | flags);
}

/* True if slots 0 to done - 1 have become read-only, and no others. */
static int changed(uint32_t nr, uint32_t done)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (!holds(i, page_maddr(i) | DATA | (i < done ? 0 : RW)))
			return 0;
	return 1;
}

/* --- Requests that are refused -------------------------------------------- */

#define DESCRIPTORS (SOLE + 500) /* a page that serves as descriptor table */

/* Of a descriptor table, with no descriptors, or of none at all. */
static int set_descriptors(uint32_t entries)
{
	uint64_t frame = page_maddr(DESCRIPTORS) >> 12;

	return (int)hypercall5(__HYPERVISOR_set_gdt, addr(&frame), entries, 0,
			       0, 0);
}

static const struct bad {
	const char *what;
	int err;
	uint64_t ptr, val; /* if not 0, instead of those of the list */
} *bad_requests(uint32_t *nr)
{
	static struct bad bad[40];
	struct bad *b = bad;
	uint32_t command;
	uint64_t ro = page_maddr(0) | DATA;

#define BAD(...) *b++ = (struct bad){ __VA_ARGS__ }
	for (command = 0; command < 4; command += 1 + !command) {
		BAD("a table beyond memory", EINVAL, 0xffffffffff000 | command,
		    ro);
		BAD("a table of nobody", EINVAL, 0xfee00000 | command, ro);
		BAD("a table of Xen's", EINVAL, 0 | 8 | command, ro);
		BAD("a descriptor table", EINVAL,
		    page_maddr(DESCRIPTORS) | command, 0);
		BAD("Xen's part of the L4 table", EINVAL,
		    (l4_maddr() + 8 * 256) | command, 0);
		BAD("a large page in an L2 table", EINVAL,
		    (table_above(2) + 8 * 511) | command, ro | 0x80);
	}
	for (command = 4; command < 8; command++)
		BAD("an unknown command", ENOSYS, slot_at(0) | command, ro);
	BAD("a frame that is not the domain's", EINVAL, 0xfee00000 | MACHPHYS,
	    1);
	BAD("no frame at all", EINVAL, 0xffffffffff000 | MACHPHYS, 1);
	BAD("a table, writable", EBUSY, 0, slot_at(0) | DATA | RW);
	BAD("the L4 table, writable", EBUSY, 0, l4_maddr() | DATA | RW);
	BAD("a descriptor table, writable", EBUSY, 0,
	    page_maddr(DESCRIPTORS) | DATA | RW);
	BAD("the last frame that there could be", EINVAL, 0,
	    0xffffffffff000 | DATA);
	BAD("an interrupt controller", EPERM, 0, 0xfee00000 | DATA);
#undef BAD
	*nr = (uint32_t)(b - bad);
	return bad;
}

static int refused_at(const struct bad *b, uint32_t at, uint32_t command)
{
	mmu_update_t good;

	make_list(NR, DATA, command);
	good = list[at];
	if (b->ptr)
		list[at] = update_of(b->ptr, b->val);
	else
		list[at].val = b->val;
	if (is(updates(list, NR), -b->err, at) && changed(NR, at)) {
		/* From the bad request on, and with a good one instead. */
		if (is(updates(&list[at], NR - at), -b->err, 0)) {
			list[at] = good;
			if (is(updates(&list[at], NR - at), 0, NR - at) &&
			    changed(NR, NR))
				return 1;
		}
	}
	print("# %s at %u, command %u\n", b->what, at, command);
	return 0;
}

static const char *each_bad_request_stops_the_list_at_its_place(void)
{
	const struct bad *b;
	uint32_t i, k, nr;

	CHECK(!set_descriptors(512));
	b = bad_requests(&nr);
	for (i = 0; i < nr; i++)
		for (k = 0; k < POSITIONS; k++) {
			fill_entries(0, NR, 1, 0, DATA | RW);
			CHECK(refused_at(&b[i], positions[k],
					 (i + k) % 2 ? KEEP : NORMAL));
		}
	CHECK(!set_descriptors(0));
	CHECK(nr > 20);
	return no_reference_to(DESCRIPTORS);
}

/* Requests in memory up to its end: page 600 at slot 600, and nothing after. */
static mmu_update_t *up_to_the_end(uint32_t nr)
{
	mmu_update_t *to;

	fill_entries(600, 1, 1, 600, P | US | RW | A | D);
	to = (mmu_update_t *)va_at(601) - nr;
	memcpy(to, list, nr * sizeof(*list));
	return to;
}

static const char *a_list_ends_where_its_memory_ends(void)
{
	uint32_t k, at;

	for (k = 0; k < POSITIONS; k++) {
		at = positions[k];
		fill_entries(0, NR, 1, 0, DATA | RW);
		make_list(NR, DATA, k % 2 ? KEEP : NORMAL);
		CHECK(is(updates(up_to_the_end(at), NR), -EFAULT, at));
		CHECK(changed(NR, at));
		/* A count beyond all memory is no error in itself. */
		fill_entries(0, NR, 1, 0, DATA | RW);
		CHECK(is(updates(up_to_the_end(at), ~PREEMPTED), -EFAULT, at));
		CHECK(changed(NR, at));
	}
	return NULL;
}

/* A request half of which can be read. */
static const char *half_a_request_is_none(void)
{
	uint32_t k, at;

	for (k = 0; k < POSITIONS; k++) {
		at = positions[k];
		fill_entries(0, NR, 1, 0, DATA | RW);
		make_list(NR, DATA, NORMAL);
		up_to_the_end(at + 1);
		memcpy((char *)va_at(601) - at * sizeof(*list) - 8, list,
		       at * sizeof(*list) + 8);
		CHECK(is(updates((void *)((char *)va_at(601) -
					  at * sizeof(*list) - 8), NR),
			 -EFAULT, at));
		CHECK(changed(NR, at));
	}
	return NULL;
}

/* A bad request just before the end, and just before it one that is fine. */
static const char *the_first_error_counts(void)
{
	uint32_t k, at;

	for (k = 2; k < POSITIONS; k++) {
		at = positions[k];
		fill_entries(0, NR, 1, 0, DATA | RW);
		make_list(NR, DATA, NORMAL);
		list[at - 1].ptr |= 4;
		CHECK(is(updates(up_to_the_end(at), NR), -ENOSYS, at - 1));
		CHECK(changed(NR, at - 1));
		fill_entries(0, NR, 1, 0, DATA | RW);
		list[at - 2].val = slot_at(0) | DATA | RW;
		CHECK(is(updates(up_to_the_end(at), NR), -EBUSY, at - 2));
		CHECK(changed(NR, at - 2));
	}
	return NULL;
}

/* --- Counts and done counts ----------------------------------------------- */

static const char *no_requests_are_done_at_once(void)
{
	make_list(1, DATA, NORMAL);
	CHECK(is(updates(list, 0), 0, 0));
	CHECK(is(updates_of(0, 0, UNTOUCHED, SELF), 0, 0));
	CHECK(is(updates_of(NOTHING_THERE, 0, UNTOUCHED, SELF), 0, 0));
	CHECK(is(updates_of(0, 1, UNTOUCHED, SELF), -EFAULT, 0));
	CHECK(is(updates_of(NOTHING_THERE, 1, UNTOUCHED, SELF), -EFAULT, 0));
	/* Such an address is refused before anything else. */
	CHECK(is(updates_of(XENS_MEMORY, 0, UNTOUCHED, SELF), -EFAULT,
		 UNTOUCHED));
	CHECK(is(updates_of(XENS_MEMORY, 1, UNTOUCHED, SELF), -EFAULT,
		 UNTOUCHED));
	CHECK(is(updates_of(NOT_CANONICAL, 1, UNTOUCHED, SELF), -EFAULT,
		 UNTOUCHED));
	CHECK(!*entry_at(0));
	return NULL;
}

static const char *a_forged_continuation_adds_to_the_done_count(void)
{
	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA, NORMAL);
	CHECK(is(updates_of(addr(list), 5 | PREEMPTED, 1000, SELF), 0, 1005));
	CHECK(changed(NR, 5));
	CHECK(is(updates_of(addr(list + 5), 1 | PREEMPTED, ~0u, SELF), 0, 0));
	CHECK(changed(NR, 6));
	list[70].ptr |= 7;
	CHECK(is(updates_of(addr(list), NR | PREEMPTED, 1000, SELF), -ENOSYS,
		 1070));
	CHECK(changed(NR, 70));
	CHECK(is(updates_of(addr(list), PREEMPTED, 7, SELF), 0, 7));
	CHECK(is(updates_of(NOTHING_THERE, PREEMPTED | 1, 7, SELF), -EFAULT,
		 7));
	/* Without an address it is the end of a call, whose result it has. */
	CHECK(is(updates_of(0, PREEMPTED, 7, 0x12345), 0x12345, 7));
	CHECK(is(updates_of(0, PREEMPTED, 7, (uint32_t)-EBUSY), -EBUSY, 7));
	CHECK(is(updates_of(0, PREEMPTED | 1, 7, SELF), -EFAULT, 7));
	/* Where no done count can be read, it began at 0. */
	CHECK(!hypercall5(__HYPERVISOR_mmu_update, addr(list), 3 | PREEMPTED,
			  NOTHING_THERE, SELF, 0));
	return NULL;
}

static const char *a_done_count_that_cannot_be_written_is_no_error(void)
{
	uint64_t bad[] = { 0, NOTHING_THERE, XENS_MEMORY, NOT_CANONICAL,
			   MACH2PHYS_VIRT_START, 0 };
	uint32_t i, k;

	/* Slot 700 maps page 700 read-only: it can be read, not written. */
	fill_entries(700, 1, 1, 700, DATA);
	bad[5] = addr(va_at(700));
	*(uint32_t *)page_virt(700) = 77;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (k = 0; k < POSITIONS; k++) {
			const uint32_t at = positions[k];

			fill_entries(0, NR, 1, 0, DATA | RW);
			make_list(NR, DATA, k % 2 ? KEEP : NORMAL);
			CHECK(!hypercall5(__HYPERVISOR_mmu_update, addr(list),
					  NR, bad[i], SELF, 0));
			CHECK(changed(NR, NR));
			fill_entries(0, NR, 1, 0, DATA | RW);
			list[at].val = slot_at(0) | DATA | RW;
			CHECK(hypercall5(__HYPERVISOR_mmu_update, addr(list),
					 NR, bad[i], SELF, 0) == -EBUSY);
			CHECK(changed(NR, at));
		}
	CHECK(*(uint32_t *)page_virt(700) == 77);
	*(uint32_t *)page_virt(700) = 0;
	return NULL;
}

/* At each byte before a page's end; all of it must be there. */
static const char *a_done_count_need_not_be_aligned(void)
{
	char *end = (char *)va_at(601);
	uint32_t done;
	int i;

	fill_entries(600, 1, 1, 600, DATA | RW);
	make_list(NR, DATA, NORMAL);
	for (i = 1; i < 16; i++) {
		memset(va_at(600), 0x5a, PAGE);
		CHECK(!hypercall5(__HYPERVISOR_mmu_update, addr(list), NR,
				  addr(end - i), SELF, 0));
		CHECK(end[-i - 1] == 0x5a);
		if (i < 4)
			continue;
		memcpy(&done, end - i, 4);
		CHECK(done == NR);
		CHECK(i == 4 || end[4 - i] == 0x5a);
	}
	memset(va_at(600), 0, PAGE);
	CHECK(changed(NR, NR));
	return NULL;
}

/* --- Owners --------------------------------------------------------------- */

static uint32_t own_number(void)
{
	uint32_t n = 0;

	make_list(1, DATA, NORMAL);
	while (n < DOMID_FIRST_RESERVED &&
	       updates_of(addr(list), 0, 0, (n + 1) << 16 | SELF).rc)
		n++;
	return n;
}

static const char *owners_are_named_as_ever(void)
{
	const uint32_t self = own_number(), dom0 = start_info->flags &
						   SIF_INITDOMAIN;
	/* What the domain can name only as SELF; what does not exist. */
	const uint32_t nobody[] = { self, 0x1234, DOMID_COW, DOMID_INVALID };
	uint32_t i;

	/* Its answers are those that dom0 gets; other domains have fewer rights. */
	if (!(start_info->flags & SIF_INITDOMAIN)) {
		CHECK(1);
		return NULL;
	}

	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA, NORMAL);
	for (i = 0; i < sizeof(nobody) / sizeof(*nobody); i++) {
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED, nobody[i]),
			 -ESRCH, 0));
		CHECK(is(updates_of(addr(list), 0, UNTOUCHED, nobody[i]),
			 -ESRCH, 0));
		CHECK(is(updates_of(addr(list), NR | PREEMPTED, 9, nobody[i]),
			 -ESRCH, 9));
		CHECK(is(updates_of(addr(list), NR, UNTOUCHED,
				    (self + 1) << 16 | nobody[i]),
			 -ESRCH, 0));
	}
	/* Without an owner of the tables, the done count is not written. */
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, 0x1235 << 16 | SELF),
		 -ESRCH, UNTOUCHED));
	CHECK(is(updates_of(addr(list), 0, UNTOUCHED, 0xffffu << 16 | SELF),
		 -ESRCH, UNTOUCHED));
	CHECK(changed(NR, 0));
	/* As the owner of the tables, the domain may be named by its number. */
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, (self + 1) << 16 | SELF),
		 0, NR));
	CHECK(changed(NR, NR));
	if (!dom0)
		return NULL;
	/* The pages are not those of the owner of I/O memory, or of Xen's. */
	fill_entries(0, NR, 1, 0, DATA | RW);
	list[0].val = 0;
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, DOMID_IO), -EBUSY, 1));
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, DOMID_XEN), -EBUSY, 1));
	list[1] = update_of(slot_at(1), 0xb8000 | DATA);
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, DOMID_IO), -EBUSY, 2));
	/* Flags of an entry that maps the same page ask for no owner. */
	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA | RW | NX, NORMAL);
	CHECK(is(updates_of(addr(list), NR, UNTOUCHED, DOMID_XEN), 0, NR));
	CHECK(holds(NR - 1, page_maddr(NR - 1) | DATA | RW | NX));
	/* Tables of other levels go with the domain's own pages alone. */
	list[1] = update_of(table_above(2) + 8 * 511, 0);
	CHECK(is(updates_of(addr(list), 2, UNTOUCHED, DOMID_IO), -EINVAL, 1));
	/* Memory that is no table asks for no owner either. */
	list[1] = update_of(page_maddr(5), 0x1234567);
	CHECK(is(updates_of(addr(list), 2, UNTOUCHED, DOMID_IO), 0, 2));
	CHECK(*(uint64_t *)page_virt(5) == 0x1234567);
	*(uint64_t *)page_virt(5) = 0;
	return NULL;
}

/* --- Values --------------------------------------------------------------- */

static const char *a_and_d_are_kept_if_asked_and_else_as_given(void)
{
	static const uint64_t flags[] = { 0, A, D, A | D };
	uint32_t old, new, k, n;

	/*
	 * The same; hidden; another page; RW comes; RW goes; absent, to another
	 * absent value or to a page.
	 */
	for (k = 0; k < 7; k++)
		for (old = 0; old < 4; old++)
			for (new = 0; new < 4; new++) {
				uint64_t from = page_maddr(1) | P | US |
						(k == 3 ? 0 : RW) | flags[old];
				uint64_t to = page_maddr(k == 2 ? 2 : 1) | P |
					      US | RW | flags[new];
				const uint64_t kept = flags[old];

				if (k == 1)
					to = (~page_maddr(1) & FRAME) |
					     flags[new];
				if (k == 4)
					to &= ~RW;
				if (k > 4)
					from = absent(1) | flags[old];
				if (k == 5)
					to = absent(2) | flags[new];
				for (n = 0; n < 3; n++) {
					list[2 * n] =
						update_of(slot_at(5 + n), from);
					list[2 * n + 1] = update_of(
						slot_at(5 + n) |
							(n ? n + 1 : NORMAL),
						to);
				}
				CHECK(is(updates(list, 6), 0, 6));
				CHECK(holds(5, to));
				CHECK(holds(6, to | kept));
				CHECK(holds(7, to)); /* NO_TRANSLATE */
			}
	return NULL;
}

/* Any flags that dom0 may give to a page of its own. */
static const char *xen_adds_its_flags_to_present_values_and_no_others(void)
{
	static const uint8_t bits[] = { 1, 2, 5, 6, 8, 9, 10, 11, 52, 53, 54,
					55, 56, 57, 58, 59, 60, 61, 63 };
	uint32_t i, k, round, present;
	uint64_t rng = 88172645463325252;

	for (round = 0; round < 40; round++) {
		for (i = 0; i < NR; i++) {
			uint64_t flags = 0;

			for (k = 0; k < sizeof(bits); k++)
				rng ^= rng << 13, rng ^= rng >> 7,
					rng ^= rng << 17,
					flags |= (rng >> 33 & 1) << bits[k];
			present = rng >> 60 != 0;
			list[i] = update_of(slot_at(i % 64) |
						    (i & 1 ? NORMAL : KEEP),
					    page_maddr(i % 7) | flags |
						    (present ? P : 0));
			if (!present)
				list[i].val ^= FRAME;
		}
		CHECK(is(updates(list, NR), 0, NR));
		for (i = NR - 64; i < NR; i++) {
			uint64_t kept = *entry_at(i % 64) & (A | D);

			CHECK(holds(i % 64,
				    list[i].val |
					    (list[i].ptr & KEEP ? kept : 0)));
		}
	}
	/* Each flag alone. */
	for (k = 0; k < sizeof(bits); k++) {
		list[0] = update_of(slot_at(0),
				    page_maddr(1) | P | 1ul << bits[k]);
		list[1] = update_of(slot_at(1), 1ul << bits[k]);
		CHECK(is(updates(list, 2), 0, 2));
		CHECK(holds(0, list[0].val) && holds(1, list[1].val));
	}
	return NULL;
}

/* Cache attributes need a device; other flags that Xen forbids to all. */
static const char *cache_attributes_are_for_those_with_devices(void)
{
	uint32_t bit, dom0 = start_info->flags & SIF_INITDOMAIN;
	static const uint8_t bits[] = { 3, 4, 7 };

	fill_entries(0, 2, 1, SOLE, DATA | RW);
	for (bit = 0; bit < sizeof(bits); bit++) {
		const uint64_t flag = 1ul << bits[bit];

		list[0] = update_of(slot_at(0), page_maddr(SOLE) | DATA | NX);
		list[1] = update_of(slot_at(1),
				    page_maddr(SOLE + 1) | DATA | RW | flag);
		CHECK(is(updates(list, 2), dom0 ? 0 : -EINVAL, dom0 ? 2 : 1));
		CHECK(holds(1, page_maddr(SOLE + 1) | DATA | RW |
				       (dom0 ? flag : 0)));
		/* Flags that change beside it, and back. */
		list[1].val ^= NX | A;
		CHECK(is(updates(list, 2), dom0 ? 0 : -EINVAL, dom0 ? 2 : 1));
		list[1].val = page_maddr(SOLE + 1) | DATA | RW;
		CHECK(is(updates(list, 2), 0, 2));
		/* Page of Xen's heap: shared with the domain, not to be cached
		 * differently. */
		list[1].val = start_info->shared_info | DATA | flag;
		CHECK(is(updates(list, 2), dom0 ? -13 : -EINVAL, 1));
	}
	world_reset();
	CHECK(!no_reference_to(SOLE) && !no_reference_to(SOLE + 1));
	return NULL;
}

static const char *a_slot_named_twice_is_changed_twice_in_order(void)
{
	uint32_t i, k;

	/* All updates of one slot; the last must win, all counts be right. */
	for (k = 1; k <= NR; k += k < 66 ? 13 : 1) {
		for (i = 0; i < k; i++)
			list[i] = update_of(
				slot_at(9) | (i & 4 ? KEEP : NORMAL),
				i % 5 == 4 ? absent(i)
					   : page_maddr(SOLE + i % 3) | P | US |
						     (i & 1 ? RW : 0));
		CHECK(is(updates(list, k), 0, k));
		CHECK(holds(9, list[k - 1].val));
	}
	world_reset();
	for (i = 0; i < 3; i++)
		CHECK(!no_reference_to(SOLE + i));
	return NULL;
}

static const char *what_one_request_frees_the_next_may_use(void)
{
	const uint64_t table = page_maddr(SOLE + 7);
	uint64_t l2 = slot_of((uint64_t)va_at(WORLD_SLOTS), 2), n = 0, k;

	/* The page is mapped writable, then it is not, and then a table. */
	for (k = 0; k < 2; k++) {
		list[n++] = update_of(slot_at(3), table | DATA | RW);
		list[n++] = update_of(slot_at(3) | KEEP, table | DATA);
		list[n++] = update_of(l2, table | P | RW | US);
		list[n++] = update_of(table + 8 * 5, page_maddr(1) | DATA | RW);
		list[n++] = update_of(table + 8 * 5, 0);
		list[n++] = update_of(l2, 0);
		list[n++] = update_of(slot_at(3), table | DATA | RW);
		list[n++] = update_of(table + 8 * 6, 0x1234567890123ul);
		list[n++] = update_of(table + 8 * 6, 0);
	}
	CHECK(is(updates(list, (uint32_t)n), 0, (uint32_t)n));
	CHECK(holds(3, table | DATA | RW));
	/* In another order it is refused. */
	list[1] = list[2];
	CHECK(is(updates(list, (uint32_t)n), -EINVAL, 1));
	CHECK(!*maddr_to_virt(l2));
	list[2] = update_of(slot_at(4), table | DATA | RW);
	list[1] = update_of(slot_at(3), 0);
	list[3] = update_of(l2, table | P | RW | US);
	CHECK(is(updates(list, 4), -EINVAL, 3));
	world_reset();
	return no_reference_to(SOLE + 7);
}

/* --- Levels ---------------------------------------------------------------- */

#define SPARE SOLE + 16 /* pages that become tables, by this test */

/* Request i of a list; its kind is one of eight. */
static mmu_update_t mixed(uint32_t i, uint32_t kind)
{
	const uint64_t l2 = slot_of((uint64_t)va_at(WORLD_SLOTS), 2),
		       l4 = slot_of(TEST_BASE, 4);

	switch (kind) {
	case 0: /* an L1 table */
		return update_of(slot_at(i), page_maddr(i) | DATA);
	case 1: /* another one */
		return update_of(slot_at(512 + i) | KEEP,
				 page_maddr(i) | DATA | RW);
	case 2: /* an L2 table: an L1 table comes, and goes */
		return update_of(l2, i / 8 & 1 ? 0
					       : page_maddr(SPARE) | P | RW | US);
	case 3: /* memory that is no table */
		return update_of(page_maddr(1000) + 8 * i, ~(uint64_t)i);
	case 4: /* memory that nothing maps writable */
		return update_of(page_maddr(SPARE + 1) + 8 * i, ~(uint64_t)i);
	case 5: /* the number of a page, as it is */
		return update_of(page_maddr(i) | MACHPHYS,
				 virt_to_pfn(page_virt(i)));
	case 6: /* an absent value */
		return update_of(slot_at(1024 + i), absent(i));
	default: /* the L4 table: its value */
		return update_of(l4, *maddr_to_virt(l4));
	}
}

static const char *lists_of_all_levels_are_done_in_order(void)
{
	uint32_t i, round;
	uint64_t *plain = page_virt(1000), last;
	volatile uint64_t *l2 =
		maddr_to_virt(slot_of((uint64_t)va_at(WORLD_SLOTS), 2));

	list[0] = update_of(page_maddr(SPARE) + 8 * 77, page_maddr(3) | DATA);
	CHECK(is(updates(list, 1), 0, 1));
	/* In turns, and several of a kind on end. */
	for (round = 0; round < 3; round++) {
		const uint32_t on_end = round == 2 ? 3 : 1;

		fill_entries(0, NR, 1, 0, DATA | RW);
		for (i = 0; i < 2 * NR; i++) {
			uint32_t kind = i / on_end % 8;

			list[i] = mixed(i, round == 1 ? 7 - kind : kind);
		}
		CHECK(is(updates(list, 2 * NR), 0, 2 * NR));
		for (i = 0, last = 0; i < 2 * NR; i++) {
			uint32_t kind = i / on_end % 8;

			kind = round == 1 ? 7 - kind : kind;
			if (kind == 0)
				CHECK(holds(i, list[i].val));
			else if (kind == 1)
				CHECK(holds(512 + i, list[i].val));
			else if (kind == 2)
				last = list[i].val;
			else if (kind == 3)
				CHECK(plain[i] == ~(uint64_t)i);
			else if (kind == 4)
				CHECK(((uint64_t *)page_virt(SPARE + 1))[i] ==
				      ~(uint64_t)i);
			else if (kind == 6)
				CHECK(holds(1024 + i, list[i].val));
		}
		CHECK(*l2 == last);
	}
	CHECK(!update_pte(slot_of((uint64_t)va_at(WORLD_SLOTS), 2), 0));
	CHECK(!update_pte(page_maddr(SPARE) + 8 * 77, 0));
	world_reset();
	memset(plain, 0, PAGE);
	set_writable(page_virt(SPARE + 1), 1);
	memset(page_virt(SPARE + 1), 0, PAGE);
	set_writable(page_virt(SPARE + 1), 0);
	CHECK(!no_reference_to(SPARE));
	return no_reference_to(SPARE + 1);
}

/* Through an L2 entry that the list itself has made, after the call. */
static const char *a_table_hooked_by_a_list_translates_after_it(void)
{
	const uint64_t l2 = slot_of((uint64_t)va_at(WORLD_SLOTS), 2);
	const uint64_t table = page_maddr(SPARE);
	uint64_t seen, i, k;

	for (k = 0; k < 4; k++) {
		uint64_t *data = page_virt(40 + k);

		*data = 0x5555 + k;
		/* Requests that only touch L1 stand before, between, after. */
		for (i = 0; i < 70; i++)
			list[i] = update_of(slot_at(i), page_maddr(i) | DATA);
		list[k * 20] = update_of(l2, table | P | RW | US);
		list[k * 20 + 1] = update_of(table, page_maddr(40 + k) | DATA);
		CHECK(is(updates(list, 70), 0, 70));
		CHECK(!probe_read(va_at(WORLD_SLOTS), &seen));
		CHECK(seen == 0x5555 + k);
		/* The table gets another place, and the list flushes. */
		list[k * 20] = update_of(table, page_maddr(50) | DATA);
		list[k * 20 + 1] = update_of(l2, 0);
		CHECK(is(updates(list, 70), 0, 70));
		CHECK(probe_read(va_at(WORLD_SLOTS), &seen));
		CHECK(!update_pte(table, 0));
		*data = 0;
	}
	return no_reference_to(SPARE);
}

/* An L2 table with L1 tables and data in them goes, amid L1 entries. */
static const char *a_large_table_unhooked_amid_a_list_goes(void)
{
	const uint64_t va = (uint64_t)va_at(WORLD_SLOTS) + (1ul << 30);
	const uint64_t l3 = slot_of(va, 3), l2 = page_maddr(SOLE + 20);
	uint32_t i, k, place;

	for (place = 0; place < NR - 1; place += 43) {
		/* 40 L1 tables at slots spread over the L2 table. */
		for (i = 0, k = 0; i < 40; i++) {
			list[k++] = update_of(page_maddr(SOLE + 21 + i) + 8 * i,
					      page_maddr(i) | DATA | RW);
			list[k++] = update_of(l2 + 8 * (i * 13),
					      page_maddr(SOLE + 21 + i) | P |
						      RW | US);
		}
		list[k++] = update_of(l3, l2 | P | RW | US);
		CHECK(is(updates(list, k), 0, k));
		fill_entries(0, NR, 1, 0, DATA | RW);
		make_list(NR, DATA, NORMAL);
		list[place] = update_of(l3, 0);
		list[NR - 1] = update_of(l2, 0); /* memory again */
		CHECK(is(updates(list, NR), 0, NR));
		for (i = 0; i < NR - 1; i++)
			if (i != place)
				CHECK(holds(i, page_maddr(i) | DATA));
		for (i = 0, k = 0; i < 40; i++) {
			list[k++] = update_of(page_maddr(SOLE + 21 + i) + 8 * i,
					      0);
			list[k++] = update_of(l2 + 8 * (i * 13), 0);
		}
		CHECK(is(updates(list, k), 0, k));
	}
	world_reset();
	for (i = 0; i < 41; i++)
		CHECK(!no_reference_to(SOLE + 20 + i));
	return NULL;
}

/* --- Memory that is no page table ------------------------------------------ */

/* Values that no table could have. */
static uint64_t any(uint32_t i)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15;

	return i % 5 == 0 ? l4_maddr() | DATA | RW : x ^ x >> 29;
}

static const char *plain_memory_takes_any_value_as_it_is(void)
{
	/* Mapped writable; not; once mapped writable; once a table. */
	static const uint32_t pages[] = { 900, SOLE + 30, SOLE + 31,
					  SOLE + 32 };
	uint32_t i, k, command;

	fill_entries(0, 1, 1, SOLE + 31, DATA | RW);
	world_reset();
	CHECK(!pin(1, page_maddr(SOLE + 32)));
	CHECK(!unpin(page_maddr(SOLE + 32)));
	for (k = 0; k < 4; k++) {
		volatile uint64_t *p = page_virt(pages[k]);

		for (command = 0; command < 4; command += 1 + !command) {
			for (i = 0; i < SLOTS; i++)
				list[i] = update_of((page_maddr(pages[k]) +
						     8 * i) | command,
						    any(i + command));
			CHECK(is(updates(list, SLOTS), 0, SLOTS));
			for (i = 0; i < SLOTS; i++)
				CHECK(p[i] == any(i + command));
		}
		if (k) { /* It could not be a table now, but memory. */
			CHECK(pin(1, page_maddr(pages[k])) < 0);
			set_writable(page_virt(pages[k]), 1);
		}
		memset(page_virt(pages[k]), 0, PAGE);
		if (k) {
			set_writable(page_virt(pages[k]), 0);
			CHECK(!no_reference_to(pages[k]));
		}
	}
	return NULL;
}

/* What fork does: fill memory by a list, and make it a table. */
static const char *plain_memory_filled_by_a_list_becomes_a_table(void)
{
	const uint64_t table = page_maddr(SOLE + 33);
	volatile uint64_t *p = page_virt(SOLE + 33);
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		list[i] = update_of(table + 8 * i, page_maddr(SOLE + 40 + i % 64)
						| P | US | (i & 1 ? RW : 0));
	CHECK(is(updates(list, SLOTS), 0, SLOTS));
	for (i = 0; i < SLOTS; i++)
		CHECK(p[i] == list[i].val);
	CHECK(!pin(1, table));
	for (i = 0; i < SLOTS; i++)
		CHECK(p[i] == stored(list[i].val));
	for (i = 0; i < 64; i++)
		CHECK(!pin(1, page_maddr(SOLE + 40 + i)) == !(i & 1));
	for (i = 0; i < 64; i += 2)
		CHECK(!unpin(page_maddr(SOLE + 40 + i)));
	for (i = 0; i < SLOTS; i++)
		list[i].val = 0;
	CHECK(is(updates(list, SLOTS), 0, SLOTS));
	CHECK(!unpin(table));
	for (i = 0; i < 64; i++)
		CHECK(!no_reference_to(SOLE + 40 + i));
	return no_reference_to(SOLE + 33);
}

static const char *the_shared_page_of_xen_is_plain_memory(void)
{
	/* Bytes past the end of what Xen and the domain share. */
	const uint64_t at = start_info->shared_info + PAGE - 16;
	volatile uint64_t *p = (void *)((char *)shared_info + PAGE - 16);
	const uint64_t was = *p;

	list[0] = update_of(at, any(1));
	list[1] = update_of(at | KEEP, any(2));
	CHECK(is(updates(list, 1), 0, 1));
	CHECK(*p == any(1));
	CHECK(is(updates(list, 2), 0, 2));
	CHECK(*p == any(2));
	list[0].val = was;
	CHECK(is(updates(list, 1), 0, 1));
	CHECK(*p == was);
	return NULL;
}

/* --- Lists that change themselves ------------------------------------------ */

/*
 * A request writes another value into a later one, which lies in memory that is
 * no table. Xen's own code reads each request just before it performs it. The
 * engine has read up to 96 by then: less far away, a request may be performed as
 * it was read, but never in part.
 */
static const char *a_list_may_rewrite_its_later_requests(void)
{
	static const uint8_t far[] = { 1, 2, 8, 64, 95, 96, 97, 128 };
	mmu_update_t *l = page_virt(800); /* 256 requests */
	const uint32_t last = 200;
	const uint32_t ahead = use_new_calls() || requests_are_read_ahead
				       ? 96 : 0;
	uint32_t i, k, at, first;

	for (k = 0; k < sizeof(far); k++)
		for (first = 0; first < 70; first += 23) {
			fill_entries(0, last, 1, 0, DATA | RW);
			make_list(last, DATA, NORMAL);
			memcpy(l, list, last * sizeof(*l));
			at = first + far[k];
			l[first] = update_of(
				page_maddr(800) + at * sizeof(*l) + 8,
				page_maddr(at) | DATA | NX);
			CHECK(is(updates(l, last), 0, last));
			for (i = 0; i < last; i++)
				if (i != first && i != at)
					CHECK(holds(i, page_maddr(i) | DATA));
			CHECK((far[k] < ahead &&
			       *entry_at(at) ==
				       stored(page_maddr(at) | DATA)) ||
			      holds(at, page_maddr(at) | DATA | NX));
			/* Not an earlier one, nor itself. */
			CHECK(holds(first, page_maddr(first) | DATA | RW));
		}
	memset(l, 0, PAGE);
	return NULL;
}

/* Request i maps the page that has the requests after it. */
static const char *a_list_may_map_the_memory_of_its_later_requests(void)
{
	uint32_t k, at;

	for (k = 1; k < POSITIONS - 1; k++) {
		mmu_update_t *l;
		uint32_t where;

		at = positions[k]; /* the first request of the second page */
		for (where = 0; where < at; where += where + 7) {
			fill_entries(600, 2, 1, 600, P | US | RW | A | D);
			fill_entries(0, NR, 1, 0, DATA | RW);
			make_list(NR, DATA, NORMAL);
			list[where] = update_of(slot_at(601),
						page_maddr(601) | DATA | RW);
			l = (mmu_update_t *)va_at(601) - at;
			memcpy(l, list, NR * sizeof(*l));
			CHECK(!update_va(va_at(601), 0));
			CHECK(is(updates(l, NR), 0, NR));
			CHECK(holds(601, list[where].val));
			CHECK(holds(where, page_maddr(where) | DATA | RW));
			CHECK(holds(NR - 1, page_maddr(NR - 1) | DATA));
		}
	}
	memset(va_at(600), 0, PAGE);
	memset(va_at(601), 0, PAGE);
	return NULL;
}

/*
 * A done count among the requests, read-only until one of them has made it
 * writable, or a part of a later request. Only a call that is preempted writes
 * it, and reads it again, before its end. Returns whether the list has ended
 * with the right count, although requests that the engine leaves stand in it.
 */
static int ends_with_its_count(uint32_t at, int in_list)
{
	mmu_update_t *l = page_virt(800);
	uint32_t *pdone = in_list ? (uint32_t *)&l[at].val
				  : (uint32_t *)va_at(700);
	volatile uint32_t *done = in_list ? pdone : page_virt(700);
	uint32_t i;
	int64_t rc;

	fill_entries(700, 1, 1, 700, DATA);
	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA, NORMAL);
	/* A request for the L2 table; no change. */
	list[at - 1] = update_of(table_above(2) + 8 * 511, 0);
	if (!in_list)
		list[at] = update_of(slot_at(700), page_maddr(700) | DATA | RW);
	memcpy(l, list, NR * sizeof(*l));
	if (!in_list)
		*done = 77;
	rc = hypercall5(__HYPERVISOR_mmu_update, addr(l), NR, addr(pdone), SELF,
			0);
	if (rc || *done != NR)
		return 0;
	for (i = 0; i < NR; i++)
		if (i != at - 1 && (i != at || in_list) &&
		    *entry_at(i) != stored(page_maddr(i) | DATA))
			return 0;
	return 1;
}

static const char *a_done_count_is_written_when_the_list_has_ended(void)
{
	static const uint8_t at[] = { 2, 40, 95, 96, 97, 98, 130, NR - 1 };
	uint32_t i, in_list, tries;

	/*
	 * Xen may have had a reason of its own to preempt the list. It nearly
	 * always has one where each update takes the time of shadow paging.
	 */
	for (in_list = 0; in_list < 2; in_list++)
		for (i = 0; i < sizeof(at); i++) {
			for (tries = 0; tries < 100; tries++)
				if (ends_with_its_count(at[i], (int)in_list) ||
				    calls_are_preempted || is_shadowed ||
				    counts_are_written_midway)
					break;
			CHECK(tries < 100);
		}
	memset(page_virt(800), 0, PAGE);
	*(uint32_t *)page_virt(700) = 0;
	return NULL;
}

/*
 * A continuation reads the done count before its requests, one of which writes
 * another number there.
 */
static const char *a_forged_done_count_is_read_before_the_requests(void)
{
	volatile uint32_t *done = (volatile uint32_t *)va_at(600);

	fill_entries(600, 1, 1, 600, DATA | RW);
	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA, NORMAL);
	list[10] = update_of(page_maddr(600), 1000);
	*done = 5;
	CHECK(!hypercall5(__HYPERVISOR_mmu_update, addr(list), NR | PREEMPTED,
			  addr(done), SELF, 0));
	CHECK(*done == 5 + NR);
	*done = 0;
	return NULL;
}

/*
 * A continuation may claim any done count. One that passes 2^32 in the middle of
 * the list, just where a request is for another level, counts on from 0.
 */
static const char *a_forged_done_count_may_wrap(void)
{
	volatile uint32_t *done = (volatile uint32_t *)va_at(600);
	uint32_t before;

	fill_entries(600, 1, 1, 600, DATA | RW);
	for (before = 1; before <= 4; before++) {
		fill_entries(0, NR, 1, 0, DATA | RW);
		make_list(NR, DATA, NORMAL);
		list[2] = update_of(table_above(2) + 8 * 511, 0);
		*done = -before;
		CHECK(!hypercall5(__HYPERVISOR_mmu_update, addr(list),
				  NR | PREEMPTED, addr(done), SELF, 0));
		CHECK(*done == NR - before);
	}
	*done = 0;
	return NULL;
}

/* --- References ------------------------------------------------------------ */

/* Each kind of bad request many times, beside pages that nothing else uses. */
static const char *refused_requests_leave_no_reference(void)
{
	const uint64_t table = page_maddr(SOLE + 80);
	const struct bad *b;
	uint32_t i, k, n, nr;

	CHECK(!pin(1, table));
	CHECK(!pin(1, page_maddr(SOLE + 81)));
	CHECK(!set_descriptors(512));
	b = bad_requests(&nr);
	for (k = 0; k < 20; k++)
		for (i = 0; i < nr; i++) {
			for (n = 0; n < 5; n++)
				list[n] = update_of(
					table + 8 * n,
					page_maddr(SOLE + 82 + n) | DATA |
						(n & 1 ? RW : 0));
			list[5] = update_of(b[i].ptr ? b[i].ptr
						     : table + 8 * (k % 6),
					    b[i].val);
			CHECK(is(updates(list, 6), -b[i].err, 5));
			/* A table, read-only, which may not become writable. */
			list[0] = update_of(table + 8 * 6,
					    page_maddr(SOLE + 81) | DATA);
			list[1] = update_of(table + 8 * 6,
					    page_maddr(SOLE + 81) | DATA | RW);
			CHECK(is(updates(list, 2), -EBUSY, 1));
			for (n = 0; n < 7; n++)
				list[n] = update_of(table + 8 * n, 0);
			CHECK(is(updates(list, 7), 0, 7));
		}
	CHECK(!set_descriptors(0));
	CHECK(!unpin(table));
	CHECK(!unpin(page_maddr(SOLE + 81)));
	for (i = 0; i < 7; i++)
		CHECK(!no_reference_to(SOLE + 80 + i));
	return NULL;
}

/* A mapping more or less is a reference more or less, whatever way it went. */
static const char *every_mapping_is_one_reference(void)
{
	const uint64_t page = page_maddr(SOLE + 90);
	uint32_t i, k;

	for (k = 0; k < 3; k++) {
		/* k: one by one; in one list; RW by and by. */
		for (i = 0; i < NR; i++)
			list[i] = update_of(slot_at(i),
					    page | DATA | (k == 2 ? 0 : RW));
		for (i = 0; k == 0 && i < NR; i++)
			CHECK(is(updates(&list[i], 1), 0, 1));
		CHECK(is(updates(list, NR), 0, NR));
		for (i = 0; k == 2 && i < NR; i++)
			list[i].val |= RW;
		CHECK(is(updates(list, NR), 0, NR));
		for (i = 0; i < NR; i++) {
			CHECK(pin(1, page) == -EINVAL);
			list[i].val = k == 1 ? page | DATA : 0;
			CHECK(is(updates(&list[i], 1), 0, 1));
		}
		CHECK(!no_writer_of(SOLE + 90));
		if (k == 1)
			CHECK(exchange_page(page_virt(SOLE + 90)));
		for (i = 0; i < NR; i++)
			list[i].val = 0;
		CHECK(is(updates(list, NR), 0, NR));
		CHECK(!no_reference_to(SOLE + 90));
		if (page_maddr(SOLE + 90) != page)
			break; /* it came back as another frame: good enough */
	}
	return NULL;
}

/* --- Multicalls ------------------------------------------------------------ */

static multicall_entry_t calls[NR];

static void call_of(uint32_t i, mmu_update_t *l, uint32_t count, uint32_t *done)
{
	calls[i] = (multicall_entry_t){
		.op = __HYPERVISOR_mmu_update,
		.args = { addr(l), count, addr(done), SELF },
	};
}

static const char *updates_in_a_multicall_are_calls_of_their_own(void)
{
	static uint32_t done[NR];
	uint32_t i;

	fill_entries(0, NR, 1, 0, DATA | RW);
	make_list(NR, DATA, NORMAL);
	list[64].val = slot_at(0) | DATA | RW;
	list[65].ptr |= 5;
	for (i = 0; i < NR; i++) {
		done[i] = UNTOUCHED;
		call_of(i, &list[i], 1, &done[i]);
	}
	/* One with several, one with none, one that is another call. */
	call_of(70, &list[70], 3, &done[70]);
	call_of(71, NULL, 0, &done[71]);
	calls[72] = (multicall_entry_t){
		.op = __HYPERVISOR_update_va_mapping,
		.args = { addr(va_at(72)), page_maddr(72) | DATA,
			  UVMF_INVLPG | UVMF_LOCAL },
	};
	CHECK(!hypercall5(__HYPERVISOR_multicall, addr(calls), NR, 0, 0, 0));
	for (i = 0; i < NR; i++) {
		int64_t rc = i == 64 ? -EBUSY : i == 65 ? -ENOSYS : 0;

		CHECK((int64_t)calls[i].result == rc);
		if (i == 72)
			continue;
		CHECK(done[i] == (i == 70 ? 3 : rc || i == 71 ? 0 : 1));
	}
	for (i = 0; i < NR; i++)
		CHECK(holds(i, page_maddr(i) | DATA |
				       (i == 64 || i == 65 ? RW : 0)));
	return NULL;
}

/* A call may change the arguments of the next one. */
static const char *each_call_of_a_multicall_is_read_after_the_one_before(void)
{
	multicall_entry_t *c = page_virt(801);
	uint32_t i;

	make_list(8, DATA, NORMAL);
	for (i = 0; i < 8; i++)
		call_of(i, &list[i], 1, NULL);
	memcpy(c, calls, 8 * sizeof(*c));
	/* Call 2 writes the count of call 3: none. */
	list[2] = update_of(page_maddr(801) + addr(&c[3].args[1]) - addr(c), 0);
	CHECK(!hypercall5(__HYPERVISOR_multicall, addr(c), 8, 0, 0, 0));
	CHECK(holds(1, page_maddr(1) | DATA) && holds(4, page_maddr(4) | DATA));
	CHECK(!*entry_at(2) && !*entry_at(3));
	memset(c, 0, PAGE);
	return NULL;
}

const struct test updates_tests[] = {
	TEST(each_bad_request_stops_the_list_at_its_place),
	TEST(a_list_ends_where_its_memory_ends),
	TEST(half_a_request_is_none),
	TEST(the_first_error_counts),
	TEST(no_requests_are_done_at_once),
	TEST(a_forged_continuation_adds_to_the_done_count),
	TEST(a_done_count_that_cannot_be_written_is_no_error),
	TEST(a_done_count_need_not_be_aligned),
	TEST(owners_are_named_as_ever),
	TEST(a_and_d_are_kept_if_asked_and_else_as_given),
	TEST(xen_adds_its_flags_to_present_values_and_no_others),
	TEST(cache_attributes_are_for_those_with_devices),
	TEST(a_slot_named_twice_is_changed_twice_in_order),
	TEST(what_one_request_frees_the_next_may_use),
	TEST(lists_of_all_levels_are_done_in_order),
	TEST(a_table_hooked_by_a_list_translates_after_it),
	TEST(a_large_table_unhooked_amid_a_list_goes),
	TEST(plain_memory_takes_any_value_as_it_is),
	TEST(plain_memory_filled_by_a_list_becomes_a_table),
	TEST(the_shared_page_of_xen_is_plain_memory),
	TEST(a_list_may_rewrite_its_later_requests),
	TEST(a_list_may_map_the_memory_of_its_later_requests),
	TEST(a_done_count_is_written_when_the_list_has_ended),
	TEST(a_forged_done_count_is_read_before_the_requests),
	TEST(a_forged_done_count_may_wrap),
	TEST(refused_requests_leave_no_reference),
	TEST(every_mapping_is_one_reference),
	TEST(updates_in_a_multicall_are_calls_of_their_own),
	TEST(each_call_of_a_multicall_is_read_after_the_one_before),
	{ NULL, NULL, 0 },
};
