/* SPDX-License-Identifier: MIT */
/*
 * Performs random operations by the new calls, and each of them on a twin by
 * stock mmu_update, one entry at a time (twin.h). The engine behind the new
 * calls is turned off for mmu_update on Xen's command line, and Xen's counters
 * must say that mmu_update has not used it (the word "own"). Both must result in the same
 * entries, old values, progress and error, and in the same state and reference
 * counts of pages.
 *
 * An operation is one call of up to 64 slots, by a raw hypercall or through
 * the library, with valid or invalid arguments. It depends on the seed and on
 * its number. The state that it finds depends on the earlier operations of its
 * epoch, which begins and ends with empty tables. So "fuzz=1 seed=S skip=N
 * show" repeats operation N. "show" also finds the last operation before a
 * crash of Xen.
 *
 * The two interfaces differ on purpose in these points:
 *
 *  1. A slot in a frame that is no L1 table: mmu_update writes to data pages
 *     and to tables of other levels; the new calls return EINVAL.
 *  2. FLAGS passes over absent entries. mmu_update has no such operation, so
 *     the twin's entry is left alone.
 *  3. The record of a run can be invalid in itself: a mask bit outside of
 *     PTEBATCH_RUN_FLAGS, a count of 0, slots of two tables, an address that is
 *     not a multiple of 8, or masks with CLEAR return EINVAL. An unknown
 *     operation returns EOPNOTSUPP. mmu_update has no runs.
 *  4. The low bits of a value's address: mmu_update has three more commands,
 *     and returns ENOSYS for the rest; the new calls return EINVAL for all but
 *     0 and 2.
 *  5. An invalid TLB request, count, progress or reserved bit is refused before
 *     anything is done, as <ptebatch/xen-ptebatch.h> says. mmu_update has none
 *     of these.
 *  6. Where guest memory faults, the new calls may stop at the end of a chunk,
 *     whose size they choose. The test accepts any progress that the ABI
 *     allows, and lets mmu_update stop at the same place.
 *
 * Hardware sets A and D only where this kernel accesses a page. So the kernel
 * accesses both twins alike, after a TLB flush of both.
 */
#include "fuzz.h"

static uint32_t forms_seen[FORMS], errors_seen[128];
static uint32_t in_registers[4]; /* by operation, those that were done */

/* --- One operation, by both interfaces ----------------------------------- */

static int differ(const char *what, uint64_t got, uint64_t expected)
{
	if (got == expected)
		return 0;
	print("# %s: %lx (%lu), by mmu_update %lx (%lu)\n", what, got, got,
	      expected, expected);
	return 1;
}

static int same_answer(const struct answer *got, const struct answer *twin)
{
	int bad = differ("error", (uint64_t)got->err, (uint64_t)twin->err);

	if (op.form == LIB_RUNS || op.form == LIB_VALUES) {
		bad |= differ("slots applied", got->total, twin->total);
		if (twin->err)
			bad |= differ("slot that failed", got->slot,
				      twin->slot);
	} else {
		bad |= differ("records done", got->done, twin->done);
		bad |= differ("slots of the next", got->slots, twin->slots);
	}
	return bad;
}

/* Compares the old values of slots done; Xen may have written others. */
static int same_olds(void)
{
	uint32_t i, r;

	for (i = 0; i < 2 * SLOTS; i++) {
		if (expected_olds[i] != ~0ul) {
			if (differ("old value", fuzz_olds[i], expected_olds[i]))
				return 1;
			continue;
		}
		if (fuzz_olds[i] == ~0ul)
			continue;
		for (r = 0; r < op.nr; r++)
			if ((uint64_t)&fuzz_olds[i] - op.run[r].old <
			    8ul * op.run[r].count)
				break;
		if (r == op.nr && differ("no old value", fuzz_olds[i], ~0ul))
			return 1;
	}
	return 0;
}

/* The first slot that a record names, if it belongs to the subject. */
static uint32_t named_index(uint32_t record)
{
	uint64_t slot = op.form == VALUES || op.form == LIB_VALUES
			       ? op.value[record].slot & ~7ul
			       : op.run[record].slot;
	uint32_t i;

	for (i = 0; i < TWIN_TABLES; i++)
		if ((slot & ~0xffful) == slot_at(i * PTEBATCH_TABLE_SLOTS) &&
		    !(slot & 7))
			return i * PTEBATCH_TABLE_SLOTS + (slot & 0xff8) / 8;
	return NOWHERE;
}

static int both_ways(void)
{
	const int has_olds = op.form != VALUES && op.form != LIB_VALUES;
	struct answer got = { 0, 0, 0, 0, 0 }, twin;
	/* If the call flushes, first access a page to fill the TLB. */
	const uint32_t index = op.tlb.who ? named_index(below(op.nr)) : NOWHERE;
	int flushed;
	uint32_t i;

	if (has_olds)
		for (i = 0; i < 2 * SLOTS; i++)
			fuzz_olds[i] = expected_olds[i] = ~0ul;
	if ((index != NOWHERE && twin_touch(index, 0)) || twin_compare(0))
		return 1;

	if (op.form <= VALUES) {
		int64_t ret = call_raw();

		if (ret < 0) {
			got.err = (int)-ret;
		} else {
			got.done = PTEBATCH_DONE(ret);
			got.slots = PTEBATCH_SLOTS(ret);
			got.err = (int)PTEBATCH_ERRNO(ret);
		}
	} else {
		call_library(&got);
	}
	flushed = twin_operation(&twin, &got);
	forms_seen[op.form]++;
	if (op.form == REGISTER && !twin.err && twin.done)
		in_registers[PTEBATCH_HOW_OP(op.how) & 3]++;
	errors_seen[twin.err & 127]++;

	if (same_answer(&got, &twin) || (has_olds && same_olds()))
		return 1;
	if (twin_compare(0))
		return 1;
	i = twin_changed(below(16));
	if (twin_become_table(i) || (once_in(4) && twin_map_writable(i)))
		return 1;
	return flushed && index != NOWHERE &&
	       reaches((uint64_t)va_at(index)) && twin_touch(index, 1);
}

/* Changes to pages between two operations. */
static int meanwhile(void)
{
	if (once_in(8) && twin_pin(any_pair()))
		return 1;
	if (once_in(24) && twin_exchange(any_pair()))
		return 1;
	return once_in(32) && twin_release(any_pair());
}

static int fill(uint64_t seed, uint64_t number)
{
	uint32_t i;

	random_seed(~seed, number);
	for (i = 0; i < TWIN_TABLES * TWIN_ACTIVE; i++) {
		uint64_t slot = slot_at(twin_active(i));
		uint64_t val = any_value(0);

		if (twin_update(slot, val, SELF) !=
		    twin_update(twin_of(slot), val & P ? twin_of(val) : val,
				SELF)) {
			print("# mmu_update does not agree with itself: %lx\n",
			      val);
			return 1;
		}
	}
	return twin_compare(1);
}

/* --- Many of them -------------------------------------------------------- */

static void fuzz_init(void)
{
	const uint32_t first = (WORLD_TABLES - 1) * PTEBATCH_TABLE_SLOTS + 8;
	const uint64_t l4 = virt_to_maddr((void *)start_info->pt_base);
	uint32_t i;

	fuzz_env = xen_env;
	if (ptebatch_hypercall.probe(&fuzz_env) ||
	    ~fuzz_env.have & (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES))
		panic("this Xen lacks one of the calls");

	fuzz_upper[0] = l4;
	fuzz_upper[1] = *maddr_to_virt(l4 + (TEST_BASE >> 36 & 0xff8)) & FRAME;
	fuzz_upper[2] = *maddr_to_virt(fuzz_upper[1] +
				       (TEST_BASE >> 27 & 0xff8)) & FRAME;

	foreign_frames[0] = 0;		    /* BIOS */
	foreign_frames[1] = 0xfee00000;	    /* APIC */
	foreign_frames[2] = 0xfffffffff000; /* beyond memory */
	foreign_frames[3] = 0x100000;	    /* Xen's, or free */
	foreign_frames[4] = 0xb8000;	    /* devices that dom0 can map */
	foreign_frames[5] = 0xfd000000;
	foreign_frames[6] = 0xfed00000;
	foreign_frames[7] = start_info->shared_info & FRAME;

	/* Two pages, followed by an absent one. */
	fill_entries(first, 2, 1, TWIN_DIRECT * 2, P | US | RW | A | D);
	fuzz_edge = va_at(first + 2);
	for (i = 0; i < sizeof(fuzz_mask) / sizeof(*fuzz_mask); i++)
		fuzz_mask[i] = ~0ul;
	memset(forms_seen, 0, sizeof(forms_seen));
	memset(errors_seen, 0, sizeof(errors_seen));
}

/* Fails unless each form, error and event has occurred. */
static const char *everything_came_up(void)
{
	static const uint8_t errors[] = { 0,
					  PTEBATCH_ESRCH,
					  PTEBATCH_EFAULT,
					  PTEBATCH_EBUSY,
					  PTEBATCH_EINVAL,
					  PTEBATCH_EOPNOTSUPP,
					  PTEBATCH_EPERM };
	const uint32_t *seen = (const uint32_t *)&twin_seen;
	uint32_t i;

	for (i = 0; i < FORMS; i++) {
		print("# fuzz: %s: %u\n", form_names[i], forms_seen[i]);
		CHECK(forms_seen[i]);
	}
	for (i = 0; i < 4; i++) {
		print("# fuzz: operation %u in registers: %u done\n", i,
		      in_registers[i]);
		CHECK(in_registers[i]);
	}
	for (i = 0; i < 128; i++)
		if (errors_seen[i])
			print("# fuzz: error %u: %u\n", i, errors_seen[i]);
	print("# fuzz: %u changes of entries; pages became tables %u, not %u; "
	      "writable %u, not %u;\n",
	      twin_seen.changes, twin_seen.became_table, twin_seen.stayed_data,
	      twin_seen.became_writable, twin_seen.stayed_read_only);
	print("# fuzz: were exchanged %u, not %u; freed with their last "
	      "mapping %u; stores %u, faults %u\n",
	      twin_seen.exchanged, twin_seen.not_exchanged, twin_seen.freed,
	      twin_seen.stores, twin_seen.faults);
	for (i = 0; i < sizeof(errors); i++)
		CHECK(errors_seen[errors[i]]);
	for (i = 0; i < sizeof(twin_seen) / sizeof(*seen); i++)
		CHECK(seen[i]);
	return NULL;
}

/* Performs operations up to end; counts them in done. Returns what differs. */
static const char *operations(uint64_t seed, uint64_t first, uint64_t end,
			      int show, uint64_t *done)
{
	uint64_t n = first - first % EPOCH, said = first;

	for (; n < end; n++) {
		*done = n;
		if ((n == first - first % EPOCH || !(n % EPOCH)) &&
		    fill(seed, n))
			return "filling the tables";
		any_operation(seed, n);
		if (show && n >= first)
			show_operation();
		if (both_ways()) {
			if (!show || n < first)
				show_operation();
			return "the operation";
		}
		if (meanwhile())
			return "pinning, exchanging or releasing a page";
		if ((!((n + 1) % EPOCH) || n + 1 == end) &&
		    twin_all_can_change_type())
			return "all pages, after an epoch";
		if (n >= first && n + 1 - said >= (end - first + 9) / 10) {
			said = n + 1;
			print("# fuzz: seed %lu, %lu of %lu operations\n", seed,
			      said - first, end - first);
		}
	}
	return NULL;
}

void fuzz_run(uint64_t nr, uint64_t seed, uint64_t first, int show,
	      enum code mmu_update_is)
{
	const char *why;
	uint64_t done = first;

	twin_begin();
	fuzz_init();
	why = operations(seed, first, first + nr, show, &done);
	if (why) {
		print("# replay: fuzz=1 seed=%lu skip=%lu show\n", seed, done);
		tap_result("fuzz", "new calls and mmu_update agree", why);
		return; /* without a reset, which may fail in this state */
	}
	twin_end();
	world_reset();
	print("# fuzz: seed %lu, operations %lu to %lu agree\n", seed, first,
	      first + nr - 1);
	tap_result("fuzz", "new calls and mmu_update agree", NULL);
	if (mmu_update_is == XENS_OWN)
		tap_result("fuzz", "mmu_update was Xen's own",
			   entries_were(XENS_OWN));
	if (nr >= 10000)
		tap_result("fuzz",
			   "all forms, errors and kinds of pages came up",
			   everything_came_up());
}
