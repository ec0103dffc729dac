/* SPDX-License-Identifier: MIT */
/*
 * xencall: makes the hypercalls of an env in a process in dom0.
 *
 * - Each hypercall is made by a multicall with one entry, because libxencall
 *   returns an int and the new calls answer with 64 bits.
 * - Records are copied to a hypercall buffer, which dom0's kernel never moves
 *   or unmaps. Old values are copied back.
 * - The buffer has room for PTEBATCH_XENCALL_RECORDS records. The probe reports
 *   that number as the limit of the new calls, so the backend splits its lists.
 *   Of a longer array for mmu_update, only the first part is passed on, and the
 *   returned count says so.
 */
#include <ptebatch/xencall.h>

#include <errno.h>
#include <string.h>

#include <xencall.h>

#define RECORDS PTEBATCH_XENCALL_RECORDS
#define SLOTS PTEBATCH_TABLE_SLOTS
#define MASK_WORDS 16 /* Xen does not read a longer mask: it means all */

#define HYPERVISOR_mmu_update 1
#define HYPERVISOR_multicall 13

struct ptebatch_xencall_buffer {
	struct {
		uint64_t op;
		int64_t result;
		uint64_t args[6];
	} multicall;
	struct ptebatch_tlb tlb;
	uint64_t vcpus[MASK_WORDS];
	uint32_t done;
	union {
		struct ptebatch_run runs[RECORDS];
		struct ptebatch_value values[RECORDS];
	} u;
	uint64_t old[RECORDS][SLOTS];
};

int ptebatch_xencall_open(struct ptebatch_xencall *x,
			  struct xencall_handle *call)
{
	int err;

	x->own = !call;
	x->call = call ? call : xencall_open(NULL, 0);
	if (!x->call)
		return -1;
	x->buffer = xencall_alloc_buffer(x->call, sizeof(*x->buffer));
	if (x->buffer)
		return 0;
	err = errno; /* xencall_close() may change it */
	if (x->own)
		xencall_close(x->call);
	errno = err;
	return -1;
}

void ptebatch_xencall_close(struct ptebatch_xencall *x)
{
	xencall_free_buffer(x->call, x->buffer);
	if (x->own)
		xencall_close(x->call);
}

static void copy(void *to, uint64_t from, size_t bytes)
{
	if (bytes)
		memcpy(to, (const void *)(uintptr_t)from, bytes);
}

static int64_t call(struct ptebatch_xencall *x, uint32_t nr, uint64_t a1,
		    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct ptebatch_xencall_buffer *b = x->buffer;
	const uint64_t args[6] = { a1, a2, a3, a4, a5, 0 };

	b->multicall.op = nr;
	memcpy(b->multicall.args, args, sizeof(args));
	if (xencall2(x->call, HYPERVISOR_multicall, (uintptr_t)&b->multicall,
		     1))
		return -errno;
	/* A call that was preempted has changed its arguments there. */
	return ptebatch_answer(b->multicall.result, nr, b->multicall.args[1],
			       b->multicall.args[2], b->multicall.args[3]);
}

/* Returns argument 5 of a list: the address of the TLB record's copy, or 0. */
static uint64_t copy_tlb(struct ptebatch_xencall_buffer *b, uint64_t record)
{
	if (!record)
		return 0;
	copy(&b->tlb, record, sizeof(b->tlb));
	if (b->tlb.vcpus && b->tlb.nr_vcpus <= MASK_WORDS * 64) {
		copy(b->vcpus, b->tlb.vcpus,
		     (b->tlb.nr_vcpus + 63) / 64 * sizeof(*b->vcpus));
		b->tlb.vcpus = (uintptr_t)b->vcpus;
	}
	return (uintptr_t)&b->tlb;
}

static int64_t runs(struct ptebatch_xencall *x, uint64_t what, uint64_t nr,
		    uint64_t how, uint64_t owner, uint64_t tlb)
{
	const struct ptebatch_run *run = (const void *)(uintptr_t)what;
	struct ptebatch_xencall_buffer *b = x->buffer;
	int64_t answer;
	uint32_t i, done;

	if (nr > RECORDS)
		return -PTEBATCH_EINVAL;
	copy(b->u.runs, what, nr * sizeof(*run));
	for (i = 0; i < nr; i++) {
		if (!run[i].old)
			continue;
		if (run[i].count > SLOTS)
			return -PTEBATCH_EINVAL;
		b->u.runs[i].old = (uintptr_t)b->old[i];
	}
	answer = call(x, __HYPERVISOR_ptebatch_runs, (uintptr_t)b->u.runs, nr,
		      how, owner, copy_tlb(b, tlb));
	if (answer < 0)
		return answer;
	done = PTEBATCH_DONE(answer);
	for (i = 0; i <= done && i < nr; i++)
		if (run[i].old)
			memcpy((void *)(uintptr_t)run[i].old, b->old[i],
			       (i < done ? run[i].count
					 : PTEBATCH_SLOTS(answer)) *
				       sizeof(**b->old));
	return answer;
}

/* The old values of a run in registers. */
static int64_t take(struct ptebatch_xencall *x, uint64_t slot, uint64_t count,
		    uint64_t how, uint64_t old, uint64_t a5)
{
	struct ptebatch_xencall_buffer *b = x->buffer;
	int64_t answer;

	if (count > SLOTS || !old)
		return -PTEBATCH_EINVAL;
	answer = call(x, __HYPERVISOR_ptebatch_runs, slot, count, how,
		      (uintptr_t)b->old, a5);
	if (answer > 0)
		memcpy((void *)(uintptr_t)old, b->old,
		       PTEBATCH_DONE(answer) * sizeof(**b->old));
	return answer;
}

static int64_t values(struct ptebatch_xencall *x, uint64_t what, uint64_t nr,
		      uint64_t how, uint64_t owner, uint64_t tlb)
{
	struct ptebatch_xencall_buffer *b = x->buffer;

	if (nr > RECORDS)
		return -PTEBATCH_EINVAL;
	copy(b->u.values, what, nr * sizeof(*b->u.values));
	return call(x, __HYPERVISOR_ptebatch_values, (uintptr_t)b->u.values, nr,
		    how, owner, copy_tlb(b, tlb));
}

static int64_t mmu_update(struct ptebatch_xencall *x, uint64_t what,
			  uint64_t nr, uint32_t *done, uint64_t owner)
{
	struct ptebatch_xencall_buffer *b = x->buffer;
	int64_t ret;

	if (nr > RECORDS && done)
		nr = RECORDS;
	if (nr > RECORDS)
		return -PTEBATCH_EINVAL;
	copy(b->u.values, what, nr * sizeof(*b->u.values));
	b->done = 0;
	ret = call(x, HYPERVISOR_mmu_update, (uintptr_t)b->u.values, nr,
		   (uintptr_t)&b->done, owner, 0);
	if (done)
		*done = b->done;
	return ret;
}

static int64_t probe(struct ptebatch_xencall *x, uint32_t nr, uint64_t magic,
		     uint64_t item)
{
	int64_t answer = call(x, nr, magic, item, PTEBATCH_HOW_PROBE, 0, 0);

	if (item == PTEBATCH_ASK_RECORDS && answer > (int64_t)RECORDS)
		answer = RECORDS;
	return answer;
}

int64_t ptebatch_xencall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			 uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct ptebatch_xencall *x = ctx;

	switch (nr) {
	case __HYPERVISOR_ptebatch_runs:
		if (PTEBATCH_HOW_OP(a3) == PTEBATCH_HOW_PROBE)
			return probe(x, nr, a1, a2);
		if (PTEBATCH_HOW_OP(a3) == PTEBATCH_HOW_LIST)
			return runs(x, a1, a2, a3, a4, a5);
		if (PTEBATCH_HOW_OP(a3) == PTEBATCH_OP_TAKE)
			return take(x, a1, a2, a3, a4, a5);
		return call(x, nr, a1, a2, a3, a4, a5);

	case __HYPERVISOR_ptebatch_values:
		if (PTEBATCH_HOW_OP(a3) == PTEBATCH_HOW_PROBE)
			return probe(x, nr, a1, a2);
		return values(x, a1, a2, a3, a4, a5);

	case HYPERVISOR_mmu_update:
		return mmu_update(x, a1, a2, (uint32_t *)(uintptr_t)a3, a4);

	default:
		return -PTEBATCH_ENOSYS;
	}
}
