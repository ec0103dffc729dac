/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls of a process in dom0, over a libxencall of the test's own with
 * fake-xen behind it: what a call points to must lie in a hypercall buffer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ptebatch/xencall.h>
#include <xencall.h>

#include "../common/pte.h"
#include "conform.h"
#include "fake-xen.h"

#define EXACT PTEBATCH_SET_EXACT
#define KEEP PTEBATCH_SET_KEEP_AD
#define SELF PTEBATCH_DOMID_SELF
#define SLOT(i) FAKE_SLOT(0, i)
#define ENTRY(i) ((0x1000ull * (i)) + 0x100000 + P)
#define RUNS __HYPERVISOR_ptebatch_runs
#define VALUES __HYPERVISOR_ptebatch_values
#define LIST PTEBATCH_HOW_LIST
#define PROBE PTEBATCH_HOW_PROBE
#define TAKE PTEBATCH_OP_TAKE
#define BY_RECORD PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS)
#define MMU_UPDATE 1
#define MULTICALL 13
#define MMUEXT_OP 26
#define MOST PTEBATCH_XENCALL_RECORDS
#define MASK_BITS 1024 /* more are all vCPUs */
#define MARK 0x5a5a5a5a5a5a5a5aull

#define AT(p) ((uintptr_t)(p))
#define POINTER(a) ((void *)(uintptr_t)(a))

/* ---- libxencall ---- */

struct xencall_handle {
	int open;
};

static struct {
	/* IN: what cannot be had. */
	int no_handle, no_buffer;
	/* IN: the errno that calls fail with, or 0. */
	int err;

	struct xencall_handle handle;
	int buffers;
	char *buffer; /* the last one */
	size_t bytes;
	unsigned int calls;
} lib;

static int64_t (*xen)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		      uint64_t a3, uint64_t a4, uint64_t a5);

struct xencall_handle *xencall_open(struct xentoollog_logger *logger,
				    unsigned int flags)
{
	(void)logger;
	(void)flags;
	if (lib.no_handle) {
		errno = ENOENT;
		return NULL;
	}
	assert_false(lib.handle.open);
	lib.handle.open = 1;
	return &lib.handle;
}

int xencall_close(struct xencall_handle *call)
{
	assert_true(call->open);
	assert_int_equal(lib.buffers, 0);
	call->open = 0;
	errno = EBADF; /* whatever became of it */
	return 0;
}

/* Of exactly that size, for the sanitizers, and of no certain content. */
void *xencall_alloc_buffer(struct xencall_handle *call, size_t size)
{
	assert_true(call->open);
	if (lib.no_buffer) {
		errno = ENOMEM;
		return NULL;
	}
	lib.buffer = malloc(size);
	assert_non_null(lib.buffer);
	memset(lib.buffer, 0xa5, size);
	lib.bytes = size;
	lib.buffers++;
	return lib.buffer;
}

void xencall_free_buffer(struct xencall_handle *call, void *buffer)
{
	assert_true(call->open);
	assert_ptr_equal(buffer, lib.buffer);
	lib.buffers--;
	free(buffer);
}

static void reachable(uint64_t at, uint64_t bytes)
{
	if (bytes)
		assert_in_range(at, AT(lib.buffer),
				AT(lib.buffer) + lib.bytes - bytes);
}

static void all_is_reachable(uint64_t nr, const uint64_t *a)
{
	const struct ptebatch_run *run = POINTER(a[0]);
	const struct ptebatch_tlb *tlb = POINTER(a[4]);
	uint64_t i;

	if (nr == MMU_UPDATE) {
		reachable(a[0], a[1] * sizeof(struct ptebatch_value));
		reachable(a[2], sizeof(uint32_t));
		return;
	}
	if (nr == VALUES && a[2] != PROBE) {
		reachable(a[0], a[1] * sizeof(struct ptebatch_value));
	} else if (nr == RUNS && PTEBATCH_HOW_OP(a[2]) == LIST) {
		reachable(a[0], a[1] * sizeof(*run));
		for (i = 0; i < a[1]; i++)
			if (run[i].old)
				reachable(run[i].old, 8ull * run[i].count);
	} else if (nr == RUNS && PTEBATCH_HOW_OP(a[2]) == TAKE) {
		reachable(a[3], 8 * a[1]);
		return;
	} else {
		return;
	}
	if (!tlb)
		return;
	reachable(a[4], sizeof(*tlb));
	if (tlb->nr_vcpus <= MASK_BITS)
		reachable(tlb->vcpus, (tlb->nr_vcpus + 63) / 64 * 8);
}

int xencall2(struct xencall_handle *call, unsigned int op, uint64_t arg1,
	     uint64_t arg2)
{
	struct {
		uint64_t op, result, args[6];
	} *entry = POINTER(arg1);
	uint64_t *a = entry->args;
	int64_t ret;

	assert_true(call->open);
	assert_int_equal(op, MULTICALL);
	assert_int_equal(arg2, 1);
	reachable(arg1, sizeof(*entry));
	assert_int_equal(a[5], 0);
	all_is_reachable(entry->op, a);
	lib.calls++;
	if (lib.err) {
		errno = lib.err;
		return -1;
	}
	ret = xen(NULL, (uint32_t)entry->op, a[0], a[1], a[2], a[3], a[4]);
	if (ret > 0 && PTEBATCH_ERRNO(ret) == PTEBATCH_GONE) {
		a[1] |= (uint64_t)PTEBATCH_DONE(ret) << 32;
		a[3] |= (uint64_t)PTEBATCH_SLOTS(ret) << 32;
		ret = -PTEBATCH_ENOSYS;
	} else if (ret != -PTEBATCH_ENOSYS) {
		/* As of a call that was preempted: what is left of them. */
		memset(a, 0xa5, sizeof(entry->args));
	}
	entry->result = (uint64_t)ret;
	return 0;
}

/* ---- The process ---- */

static struct ptebatch_xencall x;
static struct ptebatch_env env;
static struct ptebatch b;
static uint64_t storage[200 * sizeof(struct ptebatch_run) / 8];
static uint64_t old[512];
static struct ptebatch_run runs[MOST + 1];
static struct ptebatch_value values[2 * MOST];

static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

static int64_t call(uint32_t nr, uint64_t a1, uint64_t a2, uint64_t a3,
		    uint64_t a4, uint64_t a5)
{
	return ptebatch_xencall(&x, nr, a1, a2, a3, a4, a5);
}

static int64_t list(const struct ptebatch_run *run, uint64_t nr)
{
	return call(RUNS, AT(run), nr, LIST, SELF, 0);
}

static void fill(void)
{
	unsigned int i;

	for (i = 0; i < 512; i++) {
		fake.table[0][i] = ENTRY(i) | RW;
		old[i] = MARK;
	}
	for (i = 0; i < MOST + 1; i++)
		runs[i] = (struct ptebatch_run){ SLOT(i), 1, 0, RW, 0, 0 };
	for (i = 0; i < 2 * MOST; i++)
		values[i] = (struct ptebatch_value){ SLOT(i) | KEEP, ENTRY(i) };
}

static void reset_xen(void)
{
	fake_reset(&env);
	xen = env.hypercall;
	env.hypercall = ptebatch_xencall;
	env.ctx = &x;
	fill();
}

static int setup_closed(void **state)
{
	(void)state;
	memset(&lib, 0, sizeof(lib));
	reset_xen();
	return 0;
}

static int nothing_is_left(void **state)
{
	(void)state;
	return lib.handle.open || lib.buffers;
}

static int setup(void **state)
{
	return setup_closed(state) || ptebatch_xencall_open(&x, NULL);
}

static int teardown(void **state)
{
	ptebatch_xencall_close(&x);
	return nothing_is_left(state);
}

static void start(const struct ptebatch_backend *backend)
{
	assert_int_equal(backend->probe(&env), 0);
	assert_int_equal(
		ptebatch_init(&b, sizeof(b), backend, &env, storage, sizeof(storage)), 0);
	fake.calls = 0;
}

/* ---- Opening ---- */

static void a_handle_of_its_own_is_closed_again(void **state)
{
	(void)state;
	assert_int_equal(ptebatch_xencall_open(&x, NULL), 0);
	assert_true(lib.handle.open);
	assert_int_equal(lib.buffers, 1);
	ptebatch_xencall_close(&x);
	assert_false(lib.handle.open);
	assert_int_equal(lib.buffers, 0);
}

static void a_handle_of_the_callers_stays_open(void **state)
{
	struct xencall_handle mine = { 1 };

	(void)state;
	lib.no_handle = 1;
	assert_int_equal(ptebatch_xencall_open(&x, &mine), 0);
	assert_int_equal(list(runs, 1), 1);
	ptebatch_xencall_close(&x);
	assert_true(mine.open);
	assert_int_equal(lib.buffers, 0);
}

static void without_a_handle_it_does_not_open(void **state)
{
	(void)state;
	lib.no_handle = 1;
	assert_int_equal(ptebatch_xencall_open(&x, NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(lib.buffers, 0);
}

static void without_a_buffer_it_does_not_open(void **state)
{
	struct xencall_handle mine = { 1 };

	(void)state;
	lib.no_buffer = 1;
	assert_int_equal(ptebatch_xencall_open(&x, NULL), -1);
	assert_int_equal(errno, ENOMEM);
	assert_false(lib.handle.open);
	assert_int_equal(ptebatch_xencall_open(&x, &mine), -1);
	assert_int_equal(errno, ENOMEM);
	assert_true(mine.open);
}

/* ---- What goes as it is ---- */

static void the_register_form_goes_as_it_is(void **state)
{
	const uint64_t how = PTEBATCH_HOW_TLB(PTEBATCH_TLB_LOCAL) |
			     PTEBATCH_HOW_TLB_PAGE | 0x7000;
	const struct fake_call *made = &fake.call[0];

	(void)state;
	assert_int_equal(call(RUNS, SLOT(3), 5, how, RW, NX), 5);
	assert_int_equal(made->nr, RUNS);
	assert_int_equal(made->a1, SLOT(3));
	assert_int_equal(made->a2, 5);
	assert_int_equal(made->a3, how);
	assert_int_equal(made->a4, RW);
	assert_int_equal(made->a5, NX);
	assert_int_equal(fake.table[0][7], ENTRY(7) | NX);
	assert_int_equal(fake.table[0][8], ENTRY(8) | RW);
}

static void lists_keep_their_owner_and_what_is_asked(void **state)
{
	const uint64_t owner = PTEBATCH_OWNER(5, 5);
	const uint64_t tlb = PTEBATCH_HOW_TLB(PTEBATCH_TLB_ALL);

	(void)state;
	assert_int_equal(owner, 0x60005);
	assert_int_equal(call(RUNS, AT(runs), 2, LIST | tlb, owner, 0), 2);
	assert_int_equal(fake.call[0].a3, LIST | tlb);
	assert_int_equal(fake.call[0].a4, owner);
	assert_int_equal(fake.call[0].a5, 0);
	assert_int_equal(call(VALUES, AT(values), 3, tlb, owner, 0), 3);
	assert_int_equal(fake.call[1].a3, tlb);
	assert_int_equal(fake.call[1].a4, owner);
	assert_int_equal(fake.call[1].a5, 0);
	assert_int_equal(call(MMU_UPDATE, AT(values), 4, 0, owner, 0), 0);
	assert_int_equal(fake.call[2].a2, 4);
	assert_int_equal(fake.call[2].a4, owner);
}

static void answers_have_64_bits(void **state)
{
	static const struct ptebatch_run two[] = {
		{ SLOT(0), 1, 0, RW, 0, 0 },
		{ SLOT(8), 4, 0, RW, 0, 0 },
	};

	(void)state;
	assert_int_equal(
		call(RUNS, PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION, PROBE, 0, 0),
		PTEBATCH_IS_RUNS + PTEBATCH_ABI_VERSION);
	fake.fail_after = 4;
	assert_int_equal(list(two, 2), PTEBATCH_ANSWER(1, 3, PTEBATCH_EBUSY));
}

static void other_calls_are_not_made(void **state)
{
	uint32_t nr;

	(void)state;
	for (nr = 0; nr < 64; nr++)
		if (nr != MMU_UPDATE && nr != RUNS && nr != VALUES)
			assert_int_equal(call(nr, AT(values), 1, 0, SELF, 0),
					 -PTEBATCH_ENOSYS);
	assert_int_equal(lib.calls, 0);
}

/* ---- How much ---- */

static int64_t records_of(uint32_t nr)
{
	return call(nr, PTEBATCH_MAGIC, PTEBATCH_ASK_RECORDS, PROBE, 0, 0);
}

static void no_more_records_are_promised_than_fit(void **state)
{
	static const uint64_t most[] = { 2, MOST - 1, MOST, MOST + 1,
					 1u << 30 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		int64_t fit = most[i] < MOST ? (int64_t)most[i] : MOST;

		fake.most_records = most[i];
		assert_int_equal(records_of(RUNS), fit);
		assert_int_equal(records_of(VALUES), fit);
	}
	fake.has_runs = 0;
	assert_int_equal(records_of(RUNS), -PTEBATCH_ENOSYS);
	assert_int_equal(records_of(VALUES), MOST);
	fake.has_values = 0;
	assert_int_equal(records_of(VALUES), -PTEBATCH_ENOSYS);
	assert_int_equal(call(RUNS, 1, PTEBATCH_ASK_VERSION, PROBE, 0, 0),
			 -PTEBATCH_ENOSYS);
}

static void longer_lists_are_refused_whole(void **state)
{
	static const uint64_t many[] = { MOST + 1, 1ull << 32, 1ull << 63 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		assert_int_equal(list(runs, many[i]), -PTEBATCH_EINVAL);
		assert_int_equal(call(VALUES, AT(values), many[i], 0, SELF, 0),
				 -PTEBATCH_EINVAL);
		/* Nobody could be told that it was done in part. */
		assert_int_equal(
			call(MMU_UPDATE, AT(values), many[i], 0, SELF, 0),
			-PTEBATCH_EINVAL);
	}
	assert_int_equal(lib.calls, 0);
	assert_int_equal(list(runs, MOST), MOST);
	assert_int_equal(fake.table[0][MOST - 1], ENTRY(MOST - 1));
	assert_int_equal(fake.table[0][MOST], ENTRY(MOST) | RW);
	fill();
	assert_int_equal(call(VALUES, AT(values), MOST, 0, SELF, 0), MOST);
	assert_int_equal(fake.table[0][MOST - 1], ENTRY(MOST - 1));
	fill();
	assert_int_equal(call(MMU_UPDATE, AT(values), MOST, 0, SELF, 0), 0);
	assert_int_equal(fake.table[0][MOST - 1], ENTRY(MOST - 1));
}

static void of_a_long_mmu_update_the_first_part_is_done(void **state)
{
	uint32_t done = 7;

	(void)state;
	assert_int_equal(
		call(MMU_UPDATE, AT(values), 2 * MOST, AT(&done), SELF, 0), 0);
	assert_int_equal(done, MOST);
	assert_int_equal(fake.applied, MOST);
	assert_int_equal(fake.table[0][MOST - 1], ENTRY(MOST - 1));
	assert_int_equal(fake.table[0][MOST], ENTRY(MOST) | RW);
}

static void mmu_update_tells_how_many_are_done(void **state)
{
	uint32_t i, done;

	(void)state;
	for (i = 0; i < MOST; i++) {
		reset_xen();
		fake.fail_after = i;
		done = 7;
		assert_int_equal(
			call(MMU_UPDATE, AT(values), MOST, AT(&done), SELF, 0),
			-PTEBATCH_EBUSY);
		assert_int_equal(done, i);
		assert_int_equal(fake.applied, i);
		fake.mmu_most = i; /* preempted, and no error */
		assert_int_equal(
			call(MMU_UPDATE, AT(values), MOST, AT(&done), SELF, 0),
			0);
		assert_int_equal(done, i);
	}
}

static void a_batch_of_many_records_makes_several_calls(void **state)
{
	unsigned int i;

	(void)state;
	start(&ptebatch_hypercall);
	for (i = 0; i < 200; i++)
		assert_int_equal(ptebatch_add_flags(&b, SLOT(2 * i), 1, RW, 0),
				 0);
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(fake.calls, 4);
	for (i = 0; i < 4; i++) {
		assert_int_equal(fake.call[i].a2,
				 i < 3 ? MOST : 200 - 3 * MOST);
		assert_int_equal(PTEBATCH_HOW_TLB_WHO(fake.call[i].a3),
				 i < 3 ? 0 : PTEBATCH_TLB_ALL);
	}
	assert_int_equal(fake.tlbs, 1);
	for (i = 0; i < 512; i++)
		assert_int_equal(fake.table[0][i],
				 ENTRY(i) | (i & 1 || i >= 400 ? RW : 0));
}

/* ---- Old values ---- */

/* Slots of three records; the second hands no old values back. */
static const uint32_t slots_of_three[] = { 0, 1, 2, 10, 11, 20, 21, 22, 23 };

static void three_runs(void)
{
	fill();
	runs[0] = (struct ptebatch_run){ SLOT(0), 3, 0, RW, 0, AT(old) };
	runs[1] = (struct ptebatch_run){ SLOT(10), 2, 0, RW, 0, 0 };
	runs[2] = (struct ptebatch_run){ SLOT(20), 4, 1, 0, 0, AT(old + 20) };
}

static void check_old(uint32_t applied)
{
	uint32_t i, k;

	for (i = 0; i < 512; i++) {
		uint64_t was = MARK;

		for (k = 0; k < applied; k++)
			if (slots_of_three[k] == i && (i < 10 || i >= 20))
				was = ENTRY(i) | RW;
		assert_int_equal(old[i], was);
	}
}

/* Backwards, so the buffer holds old values of slots beyond those done. */
static void old_values_come_back_for_the_slots_done(void **state)
{
	static const struct {
		uint32_t done, slots;
	} at[] = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 1, 0 }, { 1, 1 },
		   { 2, 0 }, { 2, 1 }, { 2, 2 }, { 2, 3 }, { 3, 0 } };
	const struct ptebatch_run *had;
	struct ptebatch_run asked[3];
	int64_t n;

	(void)state;
	for (n = 9; n >= 0; n--) {
		reset_xen();
		three_runs();
		memcpy(asked, runs, sizeof(asked));
		fake.fail_after = n < 9 ? n : -1;
		assert_int_equal(list(runs, 3),
				 PTEBATCH_ANSWER(at[n].done, at[n].slots,
						 n < 9 ? PTEBATCH_EBUSY : 0));
		assert_int_equal(fake.applied, n);
		check_old((uint32_t)n);
		had = POINTER(fake.call[0].a1);
		assert_true(had[0].old && had[2].old);
		assert_int_equal(had[1].old, 0); /* which costs Xen nothing */
		/* They are the caller's, and may be handed in again. */
		assert_memory_equal(runs, asked, sizeof(asked));
	}
}

/* Backwards again, and no more than the caller's array can hold. */
static void a_run_in_registers_hands_back_its_old_values(void **state)
{
	uint64_t *exact;
	uint32_t n, i;

	(void)state;
	for (n = 8; n; n--) {
		reset_xen();
		exact = malloc(8 * sizeof(*exact));
		assert_non_null(exact);
		memset(exact, 0, 8 * sizeof(*exact));
		fake.fail_after = n < 8 ? (int64_t)n : -1;
		assert_int_equal(call(RUNS, SLOT(3), 8, TAKE, AT(exact), 0),
				 PTEBATCH_ANSWER(n, 0,
						 n < 8 ? PTEBATCH_EBUSY : 0));
		for (i = 0; i < 8; i++) {
			assert_int_equal(exact[i],
					 i < n ? ENTRY(3 + i) | RW : 0ull);
			assert_int_equal(fake.table[0][3 + i],
					 i < n ? 0ull : ENTRY(3 + i) | RW);
		}
		free(exact);
	}
	/* A whole table. */
	reset_xen();
	assert_int_equal(call(RUNS, SLOT(0), 512, TAKE, AT(old), 0), 512);
	for (i = 0; i < 512; i++)
		assert_int_equal(old[i], ENTRY(i) | RW);
	/* What is refused hands nothing back. */
	fill();
	lib.calls = 0;
	assert_int_equal(call(RUNS, SLOT(0), 513, TAKE, AT(old), 0),
			 -PTEBATCH_EINVAL);
	assert_int_equal(call(RUNS, SLOT(0), 1ull << 32, TAKE, AT(old), 0),
			 -PTEBATCH_EINVAL);
	assert_int_equal(call(RUNS, SLOT(0), 1, TAKE, 0, 0), -PTEBATCH_EINVAL);
	assert_int_equal(lib.calls, 0);
	assert_int_equal(call(RUNS, SLOT(0), 1, TAKE, AT(old), 7),
			 -PTEBATCH_EINVAL);
	lib.err = EFAULT;
	assert_int_equal(call(RUNS, SLOT(0), 1, TAKE, AT(old), 0),
			 -PTEBATCH_EFAULT);
	assert_int_equal(old[0], MARK);
}

static void a_call_that_xen_loses_hands_back_what_was_done(void **state)
{
	uint32_t n, i;

	(void)state;
	for (n = 0; n <= 8; n++) {
		reset_xen();
		fake.gone_after = n;
		fake.gone_raw = 1;
		assert_int_equal(call(RUNS, SLOT(3), 8, TAKE, AT(old), 0),
				 n == 0	 ? -PTEBATCH_ENOSYS
				 : n < 8 ? (int64_t)PTEBATCH_ANSWER(
						   n, 0, PTEBATCH_GONE)
					 : 8);
		for (i = 0; i < 8; i++)
			assert_int_equal(old[i], i < n ? ENTRY(3 + i) | RW
						       : MARK);
	}
	/* A batch with old values comes to the same end by other calls. */
	for (n = 0; n <= 24; n++) {
		reset_xen();
		start(&ptebatch_hypercall);
		for (i = 0; i < 3; i++)
			assert_int_equal(ptebatch_add_clear(&b, SLOT(100 * i),
							    8, old + 8 * i),
					 0);
		fake.gone_after = n;
		fake.gone_raw = 1;
		assert_int_equal(ptebatch_flush(&b, NULL), 0);
		for (i = 0; i < 24; i++)
			assert_int_equal(old[i],
					 ENTRY(i / 8 * 100 + i % 8) | RW);
	}
}

static void a_call_refused_hands_back_no_old_values(void **state)
{
	(void)state;
	three_runs();
	assert_int_equal(list(runs, 3), 3);
	three_runs();
	fake.most_records = 2;
	assert_int_equal(list(runs, 3), -PTEBATCH_EINVAL);
	check_old(0);
	lib.err = EFAULT;
	assert_int_equal(list(runs, 3), -PTEBATCH_EFAULT);
	check_old(0);
}

static void old_values_of_every_record_have_room(void **state)
{
	static uint64_t were[MOST][512];
	unsigned int i, k;

	(void)state;
	for (i = 0; i < MOST; i++)
		runs[i] = (struct ptebatch_run){
			SLOT(0), 512, 0, 0, 0x200ull << (i % 3), AT(were[i])
		};
	assert_int_equal(list(runs, MOST), MOST);
	for (i = 0; i < MOST; i++)
		for (k = 0; k < 512; k++)
			assert_int_equal(
				were[i][k],
				ENTRY(k) | RW |
					(i < 3 ? (0x200 << i) - 0x200 : 0xe00));
}

static void more_slots_than_a_table_have_no_old_values(void **state)
{
	(void)state;
	three_runs();
	runs[2].count = 513;
	assert_int_equal(list(runs, 3), -PTEBATCH_EINVAL);
	runs[2].count = -1u;
	assert_int_equal(list(runs, 3), -PTEBATCH_EINVAL);
	assert_int_equal(lib.calls, 0);
	check_old(0);
}

/* ---- TLB records ---- */

/* By each of the lists; returns the record as Xen had it. */
static const struct ptebatch_tlb *flush_by(unsigned int kind,
					   const struct ptebatch_tlb *tlb)
{
	const struct ptebatch_tlb asked = *tlb;
	int64_t ret;

	if (kind)
		ret = call(VALUES, AT(values), 1, BY_RECORD, SELF, AT(tlb));
	else
		ret = call(RUNS, AT(runs), 1, LIST | BY_RECORD, SELF, AT(tlb));
	assert_int_equal(ret, 1);
	assert_memory_equal(tlb, &asked, sizeof(asked));
	return &fake.call[fake.calls - 1].tlb;
}

static void a_mask_of_vcpus_comes_along(void **state)
{
	static const uint32_t bits[] = { 1,   63,   64,	  65,
					 128, 1000, 1023, MASK_BITS };
	unsigned int i, k, kind;

	(void)state;
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		size_t words = (bits[i] + 63) / 64;
		uint64_t *mask = malloc(8 * words); /* and not a byte more */
		struct ptebatch_tlb tlb = { PTEBATCH_TLB_VCPUS, bits[i], 0x3000,
					    2, AT(mask) };

		assert_non_null(mask);
		for (k = 0; k < words; k++)
			mask[k] = MARK * (i + k + 1);
		for (kind = 0; kind < 2; kind++) {
			const struct ptebatch_tlb *had = flush_by(kind, &tlb);

			assert_int_equal(had->who, tlb.who);
			assert_int_equal(had->nr_vcpus, tlb.nr_vcpus);
			assert_int_equal(had->addr, tlb.addr);
			assert_int_equal(had->pages, tlb.pages);
			assert_memory_equal(POINTER(had->vcpus), mask,
					    8 * words);
		}
		free(mask);
	}
}

static void a_longer_mask_is_not_read(void **state)
{
	static const uint32_t bits[] = { MASK_BITS + 1, 4096, -63u, -1u };
	unsigned int i, kind;

	(void)state;
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		for (kind = 0; kind < 2; kind++) {
			const struct ptebatch_tlb tlb = { PTEBATCH_TLB_VCPUS,
							  bits[i], 0, 0, 8 };

			assert_memory_equal(flush_by(kind, &tlb), &tlb,
					    sizeof(tlb));
		}
}

static void a_record_without_a_mask_comes_along(void **state)
{
	static const struct ptebatch_tlb pages = { PTEBATCH_TLB_ALL, 0, 0x3000,
						   33, 0 };

	(void)state;
	assert_memory_equal(flush_by(0, &pages), &pages, sizeof(pages));
	assert_memory_equal(flush_by(1, &pages), &pages, sizeof(pages));
	start(&ptebatch_hypercall);
	assert_int_equal(ptebatch_flush(&b, &pages), 0);
	assert_memory_equal(&fake.call[0].tlb, &pages, sizeof(pages));
	assert_int_equal(fake.call[0].a2, 0);
}

/* ---- Failures ---- */

static void what_libxencall_fails_with_is_told(void **state)
{
	static const struct {
		int theirs, ours;
	} errors[] = {
		{ EPERM, PTEBATCH_EPERM },
		{ ESRCH, PTEBATCH_ESRCH },
		{ EFAULT, PTEBATCH_EFAULT },
		{ EBUSY, PTEBATCH_EBUSY },
		{ EINVAL, PTEBATCH_EINVAL },
		{ ENOSYS, PTEBATCH_ENOSYS },
		{ EOPNOTSUPP, PTEBATCH_EOPNOTSUPP },
	};
	uint32_t done;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int64_t err = -errors[i].ours;

		/* Answers of an earlier call lie in the buffer. */
		lib.err = 0;
		assert_int_equal(
			call(MMU_UPDATE, AT(values), 9, AT(&done), SELF, 0), 0);
		assert_int_equal(done, 9);
		lib.err = errors[i].theirs;
		assert_int_equal(
			call(MMU_UPDATE, AT(values), 9, AT(&done), SELF, 0),
			err);
		assert_int_equal(done, 0);
		assert_int_equal(call(RUNS, SLOT(0), 1, 0, RW, 0), err);
		assert_int_equal(list(runs, 2), err);
		assert_int_equal(call(VALUES, AT(values), 2, 0, SELF, 0), err);
		assert_int_equal(records_of(RUNS), err);
		assert_int_equal(records_of(VALUES), err);
	}
}

static void a_batch_goes_on_after_libxencall_failed(void **state)
{
	unsigned int i;

	(void)state;
	start(&ptebatch_hypercall);
	for (i = 0; i < 100; i++)
		assert_int_equal(ptebatch_add_flags_old(&b, SLOT(2 * i), 1, RW,
							0, &old[2 * i]),
				 0);
	lib.err = EPERM;
	assert_int_equal(ptebatch_flush(&b, &all), -PTEBATCH_EPERM);
	assert_int_equal(b.last.slots, 0);
	assert_int_equal(b.last.slot, 0); /* no slot is to blame */
	assert_int_equal(ptebatch_pending(&b), 100);
	lib.err = 0;
	assert_int_equal(ptebatch_flush(&b, &all), 0);
	assert_int_equal(b.last.slots, 100);
	for (i = 0; i < 200; i++) {
		assert_int_equal(fake.table[0][i], ENTRY(i) | (i & 1 ? RW : 0));
		assert_int_equal(old[i], i & 1 ? MARK : ENTRY(i) | RW);
	}
}

/* A hundred runs of three slots, each second one with old values. */
static void check_failure(const struct ptebatch_backend *backend,
			  const struct ptebatch_tlb *tlb, uint32_t n)
{
	uint32_t i;

	reset_xen();
	start(backend);
	for (i = 0; i < 500; i += 5)
		assert_int_equal(
			i & 1 ? ptebatch_add_flags_old(&b, SLOT(i), 3, RW, 0,
						       old + i)
			      : ptebatch_add_flags(&b, SLOT(i), 3, RW, 0),
			0);
	fake.fail_after = n;
	assert_int_equal(ptebatch_flush(&b, tlb), -PTEBATCH_EBUSY);
	assert_int_equal(b.last.slots, n);
	assert_int_equal(b.last.slot, SLOT(n / 3 * 5 + n % 3));
	assert_int_equal(ptebatch_pending(&b), 300 - n);
	assert_int_equal(fake.applied, n);
	assert_int_equal(fake.tlbs, tlb && n ? 1 : 0);
	assert_int_equal(ptebatch_flush(&b, tlb), 0);
	assert_int_equal(fake.applied, 300);
	for (i = 0; i < 512; i++) {
		int changed = i < 500 && i % 5 < 3;

		assert_int_equal(fake.table[0][i],
				 ENTRY(i) | (changed ? 0 : RW));
		assert_int_equal(old[i],
				 changed && (i / 5 & 1) ? ENTRY(i) | RW : MARK);
	}
}

static void a_batch_fails_and_resumes_at_each_slot(void **state)
{
	uint32_t n;

	(void)state;
	for (n = 0; n < 300; n++) {
		check_failure(&ptebatch_hypercall, &all, n);
		check_failure(&ptebatch_mmu_update, NULL, n);
	}
}

static void values_fail_and_resume_at_each_slot(void **state)
{
	static const struct ptebatch_backend *const backends[] = {
		&ptebatch_hypercall,
		&ptebatch_mmu_update,
	};
	unsigned int i, k;
	uint32_t n;

	(void)state;
	for (k = 0; k < 2; k++)
		for (n = 0; n < 150; n++) {
			reset_xen();
			start(backends[k]);
			for (i = 0; i < 150; i++)
				assert_int_equal(ptebatch_add_set(&b, SLOT(i),
								  ENTRY(i) | NX,
								  EXACT),
						 0);
			fake.fail_after = n;
			assert_int_equal(ptebatch_flush(&b, NULL),
					 -PTEBATCH_EBUSY);
			assert_int_equal(b.last.slots, n);
			assert_int_equal(b.last.slot, SLOT(n));
			assert_int_equal(ptebatch_flush(&b, NULL), 0);
			assert_int_equal(fake.applied, 150);
			for (i = 0; i < 512; i++)
				assert_int_equal(fake.table[0][i],
						 ENTRY(i) |
							 (i < 150 ? NX : RW));
		}
}

/* ---- The conformance suite ---- */

static void hypercall_conforms(void **state)
{
	(void)state;
	conform(&ptebatch_hypercall, &env, "xencall, hypercall");
	fake.most_records = 2;
	conform(&ptebatch_hypercall, &env, "xencall, hypercall of two records");
	fake.ops = FAKE_OLD_OPS;
	conform(&ptebatch_hypercall, &env, "xencall, hypercall, an older Xen");
	assert_true(lib.calls > 100);
}

/* mmuext_op, which xencall does not make, past it. */
static int64_t with_mmuext_op(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			      uint64_t a3, uint64_t a4, uint64_t a5)
{
	if (nr == MMUEXT_OP)
		return xen(NULL, nr, a1, a2, a3, a4, a5);
	return ptebatch_xencall(ctx, nr, a1, a2, a3, a4, a5);
}

static void mmu_update_conforms_but_for_its_tlb_flushes(void **state)
{
	(void)state;
	env.hypercall = with_mmuext_op;
	conform(&ptebatch_mmu_update, &env, "xencall, mmu-update");
	env.features = PTEBATCH_ENV_TRANSIENT_OK;
	conform(&ptebatch_mmu_update, &env, "xencall, mmu-update in two steps");
	env.features = PTEBATCH_ENV_PRESERVE_AD;
	fake.has_runs = 0;
	conform(&ptebatch_hypercall, &env, "xencall, hypercall without runs");
	fake.has_runs = 1;
	fake.has_values = 0;
	conform(&ptebatch_hypercall, &env, "xencall, hypercall without values");
	assert_true(lib.calls > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CLOSED(name) \
	cmocka_unit_test_setup_teardown(name, setup_closed, nothing_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOSED(a_handle_of_its_own_is_closed_again),
		CLOSED(a_handle_of_the_callers_stays_open),
		CLOSED(without_a_handle_it_does_not_open),
		CLOSED(without_a_buffer_it_does_not_open),
		TEST(the_register_form_goes_as_it_is),
		TEST(lists_keep_their_owner_and_what_is_asked),
		TEST(answers_have_64_bits),
		TEST(other_calls_are_not_made),
		TEST(no_more_records_are_promised_than_fit),
		TEST(longer_lists_are_refused_whole),
		TEST(of_a_long_mmu_update_the_first_part_is_done),
		TEST(mmu_update_tells_how_many_are_done),
		TEST(a_batch_of_many_records_makes_several_calls),
		TEST(old_values_come_back_for_the_slots_done),
		TEST(a_run_in_registers_hands_back_its_old_values),
		TEST(a_call_that_xen_loses_hands_back_what_was_done),
		TEST(a_call_refused_hands_back_no_old_values),
		TEST(old_values_of_every_record_have_room),
		TEST(more_slots_than_a_table_have_no_old_values),
		TEST(a_mask_of_vcpus_comes_along),
		TEST(a_longer_mask_is_not_read),
		TEST(a_record_without_a_mask_comes_along),
		TEST(what_libxencall_fails_with_is_told),
		TEST(a_batch_goes_on_after_libxencall_failed),
		TEST(a_batch_fails_and_resumes_at_each_slot),
		TEST(values_fail_and_resume_at_each_slot),
		TEST(hypercall_conforms),
		TEST(mmu_update_conforms_but_for_its_tlb_flushes),
	};

	return cmocka_run_group_tests_name("xencall", tests, NULL, NULL);
}
