/* SPDX-License-Identifier: MIT */
/*
 * Entries of other kinds than the domain's own data pages. The new calls change
 * one entry in each possible way, and mmu_update changes a twin entry alike. At
 * each of STEPS random steps both must be allowed or refused with the same
 * error, and must end with the same flags.
 */
#include "random.h"
#include "tests.h"

#include <xen/grant_table.h>
#include <xen/memory.h>

#define SELF PTEBATCH_DOMID_SELF
#define SOLE WORLD_SLOTS
#define STEPS 3000u
#define MINE 5u	   /* the slot that the new calls change */
#define TWIN 1029u /* the slot that mmu_update changes, in another table */
#define OWN (P | US)
#define ANY_FLAGS                                                              \
	(RW | US | NX | A | D | G | PTEBATCH_PTE_CACHE | PTEBATCH_PTE_AVAIL)

static uint64_t rng;

static uint64_t random(void)
{
	return xorshift64(&rng);
}

/* Each of these bits with a probability of one in four. */
static uint64_t some_bits(uint64_t of)
{
	return random() & random() & of;
}

static uint32_t some(uint32_t below)
{
	return (uint32_t)(random() >> 20) % below;
}

static int error_of(int64_t ret)
{
	return ret < 0 ? (int)-ret : (int)PTEBATCH_ERRNO(ret);
}

static int set_twin(uint64_t val, uint32_t mode, uint32_t owner)
{
	mmu_update_t u = { slot_at(TWIN) | mode, val };

	return (int)-hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
				owner, 0);
}

static int set_mine(uint64_t val, uint32_t mode, uint32_t owner)
{
	struct ptebatch_value v = { slot_at(MINE) | mode, val };

	return error_of(values((uint64_t)&v, 1, 0, owner, 0));
}

static int run_mine(uint32_t op, uint64_t clear, uint64_t set, uint32_t owner)
{
	struct ptebatch_run r = { slot_at(MINE), 1, op, clear, set, 0 };

	if (owner == SELF && some(2))
		return error_of(runs(r.slot, 1, op, clear, set));
	return error_of(runs((uint64_t)&r, 1, PTEBATCH_HOW_LIST, owner, 0));
}

/*
 * Changes both entries at random: one maps frame mine or nothing, the other
 * frame twin or nothing. Neither entry may ever have a bit of "never". Both are
 * absent in the end. "mapped" counts the steps with a mapping, and with RW.
 */
static const char *walk(uint64_t mine, uint64_t twin, uint32_t owner,
			uint64_t bits, uint64_t never, uint32_t mapped[2])
{
	volatile uint64_t *m = entry_at(MINE), *t = entry_at(TWIN);
	uint32_t i;

	rng = 0x123456789abcdef ^ mine;
	mapped[0] = mapped[1] = 0;
	for (i = 0; i < STEPS; i++) {
		uint64_t val = some_bits(bits) | (some(4) ? US : 0) | P;
		uint64_t before = *t, clear, set;
		uint32_t mode = some(2) ? PTEBATCH_SET_KEEP_AD
					: PTEBATCH_SET_EXACT;
		uint32_t way = some(8);
		int err, err_twin;

		if (way < 4) {
			err = set_mine(mine | val, mode, owner);
			err_twin = set_twin(twin | val, mode, owner);
		} else if (way == 4) {
			/* Absent: zero, or the inverted frame. */
			val = some(2) ? 0 : FRAME | (val & ~P);
			err = set_mine(val ? mine ^ val : 0, mode, owner);
			err_twin = set_twin(val ? twin ^ val : 0, mode, owner);
		} else if (way == 5) {
			err = run_mine(PTEBATCH_OP_CLEAR, 0, 0, owner);
			err_twin = set_twin(0, PTEBATCH_SET_EXACT, owner);
		} else {
			clear = some_bits(bits & PTEBATCH_RUN_FLAGS);
			set = some_bits(bits & PTEBATCH_RUN_FLAGS);
			err = run_mine(PTEBATCH_OP_FLAGS, clear, set, owner);
			val = (before & ~clear) | set;
			err_twin = before & P && val != before
					   ? set_twin(val, PTEBATCH_SET_EXACT,
						      owner)
					   : 0;
		}
		if (err != err_twin || ((*m ^ *t) & ~FRAME) ||
		    (*m & P && (*m & FRAME) != mine) || (*m & P && *m & never)) {
			print("# step %u, way %u: entry %lx, error %d; twin "
			      "%lx, error %d, was %lx\n",
			      i, way, *m, err, *t, err_twin, before);
			return "the entry differs from its twin";
		}
		mapped[0] += !!(*m & P);
		mapped[1] += (*m & (P | RW)) == (P | RW);
	}
	CHECK(!run_mine(PTEBATCH_OP_CLEAR, 0, 0, SELF));
	CHECK(!set_twin(0, PTEBATCH_SET_EXACT, SELF));
	return NULL;
}

/* A page that can become a table and go back to Xen has no reference left. */
static const char *free_of_references(uint32_t page)
{
	uint64_t mfn = page_maddr(page) >> 12;

	CHECK(!mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
	CHECK(!mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
	CHECK(!page_give(page_virt(page)));
	CHECK(!page_take(page_virt(page)));
	set_writable(page_virt(page), 0);
	return NULL;
}

static const char *own_pages(uint64_t bits)
{
	uint32_t mapped[2];
	const char *why;

	why = walk(page_maddr(SOLE), page_maddr(SOLE + 1), SELF, bits, 0,
		   mapped);
	if (why)
		return why;
	CHECK(mapped[0] && mapped[1]);
	why = free_of_references(SOLE);
	return why ? why : free_of_references(SOLE + 1);
}

static const char *own_pages_are_mapped_as_by_mmu_update(void)
{
	return own_pages(ANY_FLAGS & ~PTEBATCH_PTE_CACHE);
}

static const char *write_combining_and_uncached_as_by_mmu_update(void)
{
	const char *why;

	/* A domain without devices is refused all cache attributes. */
	if (set_twin(page_maddr(SOLE) | OWN | 0x80, 0, SELF)) {
		CHECK(set_mine(page_maddr(SOLE) | OWN | 0x80, 0, SELF));
		CHECK(set_mine(page_maddr(SOLE) | OWN, 0, SELF) == 0);
		CHECK(run_mine(PTEBATCH_OP_FLAGS, 0, 0x80, SELF));
		CHECK(run_mine(PTEBATCH_OP_CLEAR, 0, 0, SELF) == 0);
		return NULL;
	}
	CHECK(!set_twin(0, 0, SELF));
	why = own_pages(ANY_FLAGS);
	/* Once more with RW and cache attributes as the only random flags. */
	return why ? why : own_pages(RW | PTEBATCH_PTE_CACHE);
}

static const char *bits_that_mean_something_to_xen_alone(void)
{
	return own_pages(ANY_FLAGS | GUEST_KERNEL | 3ul << 59);
}

static const char *page_tables_are_never_mapped_writable(void)
{
	uint64_t l4 = virt_to_maddr((void *)start_info->pt_base), frames[5];
	uint32_t i, mapped[2];
	const char *why;

	frames[0] = slot_at(MINE) & FRAME; /* the entry's own table */
	frames[1] = slot_at(4096) & FRAME;
	frames[2] = l4;
	frames[3] = *maddr_to_virt(l4 + (TEST_BASE >> 36 & 0xff8)) & FRAME;
	frames[4] = *maddr_to_virt(frames[3] + (TEST_BASE >> 27 & 0xff8)) &
		    FRAME;
	for (i = 0; i < 5; i++) {
		why = walk(frames[i], frames[i], SELF,
			   ANY_FLAGS & ~PTEBATCH_PTE_CACHE, RW, mapped);
		if (why)
			return why;
		CHECK(mapped[0] && !mapped[1]);
	}
	return NULL;
}

static const char *shared_info_is_mapped_as_by_mmu_update(void)
{
	uint32_t mapped[2];
	const char *why;

	why = walk(start_info->shared_info, start_info->shared_info, SELF,
		   ANY_FLAGS, 0, mapped);
	if (why)
		return why;
	CHECK(mapped[0] && mapped[1]);
	return NULL;
}

static const char *frames_of_xens_own_are_refused(void)
{
	/* Beyond memory, and the interrupt controllers. */
	static const uint64_t frames[] = { 0xffffffffff000, 1ul << 45,
					   0xfee00000, 0xfec00000 };
	uint32_t i, mapped[2];
	const char *why;

	for (i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		why = walk(frames[i], frames[i], SELF, ANY_FLAGS, RW, mapped);
		if (why)
			return why;
	}
	return NULL;
}

/* --- Frames that only a domain with devices, or dom0, can map ------------ */

static const char *io_memory_is_mapped_as_by_mmu_update(void)
{
	static const uint32_t owners[] = { SELF, DOMID_IO };
	/* The VGA frame buffer, and a frame without a device. */
	static const uint64_t frames[] = { 0xb8000, 0xfe000000 };
	uint32_t i, k, mapped[2];
	const char *why;

	for (i = 0; i < 2; i++)
		for (k = 0; k < 2; k++) {
			why = walk(frames[k], frames[k], owners[i], ANY_FLAGS,
				   0, mapped);
			if (why)
				return why;
			CHECK(mapped[0] && mapped[1]);
		}
	return NULL;
}

/* The first page of the machine-to-physical table. */
static uint64_t xens_page(void)
{
	xen_pfn_t mfn = 0;
	struct xen_machphys_mfn_list list = { .max_extents = 1 };

	set_xen_guest_handle(list.extent_start, &mfn);
	if (hypercall5(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list,
		       (uint64_t)&list, 0, 0, 0))
		return 0;
	return mfn << 12;
}

static const char *pages_of_xens_are_mapped_read_only(void)
{
	uint64_t page = xens_page();
	uint32_t mapped[2];
	const char *why;

	CHECK(page);
	why = walk(page, page, DOMID_XEN, ANY_FLAGS, RW, mapped);
	if (why)
		return why;
	CHECK(mapped[0]);
	/* Such a page cannot be mapped as the domain's own. */
	why = walk(page, page, SELF, ANY_FLAGS, P, mapped);
	if (why)
		return why;
	/* FLAGS and CLEAR work on a present entry, whatever owner is named. */
	CHECK(!set_mine(page | OWN, PTEBATCH_SET_EXACT, DOMID_XEN));
	CHECK(run_mine(PTEBATCH_OP_FLAGS, 0, RW, SELF));
	CHECK(!run_mine(PTEBATCH_OP_FLAGS, 0, NX | A, SELF));
	CHECK((*entry_at(MINE) & (RW | NX | A | P)) == (NX | A | P));
	CHECK(!run_mine(PTEBATCH_OP_CLEAR, 0, 0, SELF));
	return NULL;
}

/* --- Grants -------------------------------------------------------------- */

#define GRANT_REF 8u /* Xen reserves those below */
#define DOM0 0u	     /* dom0's own domain ID */

static volatile struct grant_entry_v1 *grants; /* mapped by a slot */

static int grant_op(uint32_t op, void *arg)
{
	return (int)hypercall5(__HYPERVISOR_grant_table_op, op, (uint64_t)arg,
			       1, 0, 0);
}

/* Maps the shared grant table by slot 3. */
static int grants_init(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };

	set_xen_guest_handle(setup.frame_list, &frame);
	if (grant_op(GNTTABOP_setup_table, &setup) || setup.status ||
	    update_pte(slot_at(3), frame << 12 | OWN | RW | A | D))
		return -1;
	grants = (void *)va_at(3);
	return 0;
}

/* Grants the domain's own page to itself, and maps the grant by entry i. */
static int grant_map(uint32_t ref, uint32_t page, uint32_t i,
		     grant_handle_t *handle)
{
	struct gnttab_map_grant_ref map = {
		.host_addr = slot_at(i),
		.flags = GNTMAP_host_map | GNTMAP_contains_pte |
			 GNTMAP_application_map,
		.ref = ref,
		.dom = DOM0,
	};

	grants[ref].frame = (uint32_t)(page_maddr(page) >> 12);
	grants[ref].domid = DOM0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	grants[ref].flags = GTF_permit_access;
	if (grant_op(GNTTABOP_map_grant_ref, &map) || map.status)
		return -1;
	*handle = map.handle;
	return 0;
}

static int grant_unmap(uint32_t ref, uint32_t i, grant_handle_t handle)
{
	struct gnttab_unmap_grant_ref unmap = { .host_addr = slot_at(i),
						.handle = handle };

	if (grant_op(GNTTABOP_unmap_grant_ref, &unmap))
		return -1;
	grants[ref].flags = 0;
	return unmap.status;
}

#define GRANTED 0x4000000000000000ul /* Xen's mark in debug builds, bit 62 */

/*
 * A change by mmu_update removes Xen's mark from the entry of a grant, and a
 * debug Xen crashes the domain if such a change would drop a reference. So the
 * twin follows only where mmu_update can, and only the new calls change RW,
 * which they count as for any page.
 */
static const char *a_granted_page_keeps_its_references(void)
{
	static const uint64_t masks[] = { NX, A, D, A | D, 1ul << 9, 1ul << 58 };
	volatile uint64_t *m = entry_at(MINE), *t = entry_at(TWIN);
	grant_handle_t mine, twin;
	const char *why;
	uint32_t i, k;

	CHECK(!grants_init());
	CHECK(!grant_map(GRANT_REF, SOLE, MINE, &mine));
	CHECK(!grant_map(GRANT_REF + 1, SOLE + 1, TWIN, &twin));
	CHECK((*m & (P | RW | FRAME)) == (page_maddr(SOLE) | P | RW));
	for (i = 0; i < 2 * sizeof(masks) / sizeof(*masks); i++) {
		uint64_t mask = masks[i / 2], clear = i & 1 ? 0 : mask,
			 set = i & 1 ? mask : 0;

		CHECK(!run_mine(PTEBATCH_OP_FLAGS, clear, set, SELF));
		CHECK(!set_twin(((*t & ~clear) | set) & ~GRANTED,
				PTEBATCH_SET_EXACT, SELF));
		CHECK(!((*m ^ *t) & ~(FRAME | GRANTED)));
	}
	for (k = 0; k < 4; k++) {
		uint64_t before = *m;

		/* In a paging mode Xen refuses an entry that has its mark. */
		if (run_mine(PTEBATCH_OP_FLAGS, RW, 0, SELF)) {
			CHECK(*m == before && before & GRANTED);
			continue;
		}
		CHECK(!(*m & RW));
		CHECK(!run_mine(PTEBATCH_OP_FLAGS, 0, RW, SELF));
		CHECK(*m == before);
	}
	/* A page that is granted and writable cannot become a table. */
	CHECK(mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(SOLE) >> 12, 0));
	CHECK(!grant_unmap(GRANT_REF, MINE, mine));
	CHECK(!grant_unmap(GRANT_REF + 1, TWIN, twin));
	CHECK(!(*m & P) && !(*t & P));
	why = free_of_references(SOLE);
	if (!why)
		why = free_of_references(SOLE + 1);
	if (why)
		return why;

	/* Without the mark, clear both entries before the unmap. */
	CHECK(!grant_map(GRANT_REF, SOLE, MINE, &mine));
	if (*m & GRANTED)
		return grant_unmap(GRANT_REF, MINE, mine) ? "not unmapped"
							  : NULL;
	CHECK(!grant_map(GRANT_REF + 1, SOLE + 1, TWIN, &twin));
	CHECK(!run_mine(PTEBATCH_OP_CLEAR, 0, 0, SELF));
	CHECK(!set_twin(0, PTEBATCH_SET_EXACT, SELF));
	CHECK(grant_unmap(GRANT_REF, MINE, mine) ==
	      grant_unmap(GRANT_REF + 1, TWIN, twin));
	why = mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(SOLE) >> 12, 0) ==
			      mmuext(MMUEXT_PIN_L1_TABLE,
				     page_maddr(SOLE + 1) >> 12, 0)
		      ? NULL
		      : "the pages' types differ";
	mmuext(MMUEXT_UNPIN_TABLE, page_maddr(SOLE) >> 12, 0);
	mmuext(MMUEXT_UNPIN_TABLE, page_maddr(SOLE + 1) >> 12, 0);
	return why;
}

/* --- Absent entries ------------------------------------------------------ */

/*
 * Absent entries that contain addresses of memory. If Xen guards against L1TF,
 * the first of them switches the domain to shadow mode. All entries must still
 * be written, in order.
 */
static const char *an_unsafe_absent_entry_is_written_all_the_same(void)
{
	struct ptebatch_value v[64];
	uint32_t i, wrong = 0;

	for (i = 0; i < 64; i++) {
		v[i].slot = slot_at(i * 8);
		v[i].pte = i & 1 ? page_maddr(i) | US : ~page_maddr(i) & FRAME;
	}
	CHECK(values((uint64_t)v, 64, 0, SELF, 0) == 64);
	for (i = 0; i < 64; i++)
		wrong += *entry_at(i * 8) != v[i].pte;
	CHECK(!wrong);
	CHECK(runs(slot_at(0), 512, PTEBATCH_OP_CLEAR, 0, 0) == 512);
	for (i = 0; i < 512; i++)
		wrong += !!*entry_at(i);
	CHECK(!wrong);
	return NULL;
}

#define DOM0_TEST(f) { #f, f, 1 }
const struct test kinds_tests[] = {
	TEST(own_pages_are_mapped_as_by_mmu_update),
	TEST(write_combining_and_uncached_as_by_mmu_update),
	TEST(bits_that_mean_something_to_xen_alone),
	TEST(page_tables_are_never_mapped_writable),
	TEST(shared_info_is_mapped_as_by_mmu_update),
	TEST(frames_of_xens_own_are_refused),
	DOM0_TEST(io_memory_is_mapped_as_by_mmu_update),
	DOM0_TEST(pages_of_xens_are_mapped_read_only),
	DOM0_TEST(a_granted_page_keeps_its_references),
	TEST(an_unsafe_absent_entry_is_written_all_the_same),
	{ NULL, NULL, 0 },
};
