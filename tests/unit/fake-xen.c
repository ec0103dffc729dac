/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include "../common/pte.h"
#include "fake-xen.h"

struct fake fake;

static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	(void)ctx;
	if (slot < FAKE_AT || slot >= FAKE_AT + sizeof(fake.table))
		return NULL;
	return &fake.table[0][0] + (slot - FAKE_AT) / 8;
}

static void note(uint64_t event)
{
	fake.event[fake.events++ % FAKE_EVENTS] = event;
}

static void flush_tlb(void)
{
	fake.tlbs++;
	note(FAKE_TLB);
}

/* 0, or the error for this slot. */
static int may_apply(int new_call, uint64_t slot)
{
	if (new_call && fake.gone_after >= 0 &&
	    fake.applied >= (uint64_t)fake.gone_after) {
		fake.has_runs = 0;
		fake.has_values = 0;
		return PTEBATCH_ENOSYS;
	}
	if (fake.fail_after == 0) {
		fake.fail_after = -1;
		fake.failed = 1;
		return fake.err;
	}
	if (fake.fail_after > 0)
		fake.fail_after--;
	fake.applied++;
	note(slot);
	return 0;
}

static int put_value(int new_call, uint64_t slot_mode, uint64_t pte)
{
	volatile uint64_t *p = map_slot(NULL, slot_mode & ~7ull);
	int err;

	/* As mmu_update does with a page that the domain can write to. */
	if (!new_call && !p && (slot_mode & ~0xfffull) == FAKE_DATA)
		p = &fake.data[(slot_mode & 0xfff) / 8];
	if (!p || ((slot_mode & 7) != PTEBATCH_SET_EXACT &&
		   (slot_mode & 7) != PTEBATCH_SET_KEEP_AD))
		return PTEBATCH_EINVAL;
	err = may_apply(new_call, slot_mode & ~7ull);
	if (!err)
		*p = (slot_mode & 7) == PTEBATCH_SET_KEEP_AD ? pte | (*p & AD)
							     : pte;
	return err;
}

/* A slot whose old value cannot be stored is changed, and counts as done. */
static int put_run_slot(const struct ptebatch_run *run, uint32_t i,
			uint32_t *done)
{
	volatile uint64_t *p = map_slot(NULL, run->slot + 8 * (uint64_t)i);
	uint64_t e;
	int err;

	if (!p)
		return PTEBATCH_EINVAL;
	err = may_apply(1, run->slot + 8 * (uint64_t)i);
	if (err)
		return err;
	e = *p;
	if (run->op == PTEBATCH_OP_CLEAR)
		*p = 0;
	else if (e & P)
		*p = (e & ~run->clear) | run->set;
	*done = i + 1;
	if (run->old) {
		uint64_t *old = (uint64_t *)(uintptr_t)run->old + i;

		if (fake.backed && !fake.backed(old))
			return PTEBATCH_EFAULT;
		*old = e;
	}
	return 0;
}

/* The arguments with which a preempted call is made again. */
static uint64_t again[2];

static int64_t answer(uint64_t done, uint32_t slots, int err, uint64_t how)
{
	if (err == PTEBATCH_ENOSYS && fake.gone_raw) {
		again[0] = done << 32;
		again[1] = (uint64_t)slots << 32;
		return -PTEBATCH_ENOSYS;
	}
	/* A call that could not even begin is refused. */
	if (err == PTEBATCH_ENOSYS && !done && !slots)
		return -PTEBATCH_ENOSYS;
	if (PTEBATCH_HOW_TLB_WHO(how) && (done || slots))
		flush_tlb();
	return (int64_t)PTEBATCH_ANSWER(done, slots, err);
}

static int64_t registers(uint64_t a1, uint64_t count, uint64_t how, uint64_t a4,
			 uint64_t a5)
{
	uint32_t op = PTEBATCH_HOW_OP(how), done = 0, i;
	struct ptebatch_run run = { a1, (uint32_t)count, op, a4, a5, 0 };
	int err = 0;

	if (!(fake.ops >> op & 1))
		return -PTEBATCH_EOPNOTSUPP;
	if (PTEBATCH_HOW_TLB_WHO(how) == PTEBATCH_TLB_VCPUS)
		return -PTEBATCH_EINVAL;
	if (op == PTEBATCH_OP_SET) {
		if (count > 1 || a5)
			return -PTEBATCH_EINVAL;
		if (count)
			err = put_value(1, a1, a4);
		return answer(count && !err, 0, err, how);
	}
	if (op == PTEBATCH_OP_TAKE) {
		if (!a4 || a5)
			return -PTEBATCH_EINVAL;
		run = (struct ptebatch_run){ a1, (uint32_t)count,
					     PTEBATCH_OP_CLEAR, 0, 0, a4 };
	}
	for (i = 0; i < run.count && !err; i++)
		err = put_run_slot(&run, i, &done);
	return answer(done, 0, err, how);
}

static int64_t new_runs(uint64_t a1, uint64_t a2, uint64_t how, uint64_t a4,
			uint64_t a5)
{
	const struct ptebatch_run *runs = (const void *)(uintptr_t)a1;
	uint32_t i, k, done;
	int err;

	if (PTEBATCH_HOW_OP(how) != PTEBATCH_HOW_LIST)
		return registers(a1, a2, how, a4, a5);
	for (i = 0; i < a2; i++) {
		done = 0;
		for (k = 0; k < runs[i].count; k++) {
			err = put_run_slot(&runs[i], k, &done);
			if (err)
				return answer(i, done, err, how);
		}
	}
	if (!a2 && PTEBATCH_HOW_TLB_WHO(how))
		flush_tlb();
	return answer(a2, 0, 0, how);
}

static int64_t new_values(uint64_t a1, uint64_t a2, uint64_t how)
{
	const struct ptebatch_value *values = (const void *)(uintptr_t)a1;
	uint32_t i;
	int err;

	for (i = 0; i < a2; i++) {
		err = put_value(1, values[i].slot, values[i].pte);
		if (err)
			return answer(i, 0, err, how);
	}
	if (!a2 && PTEBATCH_HOW_TLB_WHO(how))
		flush_tlb();
	return answer(a2, 0, 0, how);
}

static int64_t new_call(uint32_t nr, uint64_t a1, uint64_t a2, uint64_t how,
			uint64_t a4, uint64_t a5)
{
	int runs = nr == __HYPERVISOR_ptebatch_runs;

	if (!(runs ? fake.has_runs : fake.has_values))
		return -PTEBATCH_ENOSYS;
	if (how == PTEBATCH_HOW_PROBE) {
		if (a1 != PTEBATCH_MAGIC || a4 || a5)
			return -PTEBATCH_EINVAL;
		if (a2 == PTEBATCH_ASK_RECORDS)
			return (int64_t)fake.most_records;
		if (a2 == PTEBATCH_ASK_OPS)
			return runs && fake.ops & ~FAKE_OLD_OPS
				       ? (int64_t)fake.ops
				       : -PTEBATCH_EOPNOTSUPP;
		if (a2 != PTEBATCH_ASK_VERSION)
			return -PTEBATCH_EINVAL;
		return (int64_t)((runs ? PTEBATCH_IS_RUNS : PTEBATCH_IS_VALUES) +
				 PTEBATCH_ABI_VERSION);
	}
	if (fake.answer)
		return *fake.answer;
	if ((how >> PTEBATCH_HOW_TLB_MORE_SHIFT &&
	     !(how & PTEBATCH_HOW_TLB_PAGE)) ||
	    a2 >> 32)
		return -PTEBATCH_EINVAL;
	if ((!runs || PTEBATCH_HOW_OP(how) == PTEBATCH_HOW_LIST) &&
	    a2 > fake.most_records)
		return -PTEBATCH_EINVAL;
	return runs ? new_runs(a1, a2, how, a4, a5) : new_values(a1, a2, how);
}

static int64_t mmu_update(uint64_t a1, uint64_t count, uint64_t a3)
{
	const struct ptebatch_value *values = (const void *)(uintptr_t)a1;
	uint32_t *done = (void *)(uintptr_t)a3;
	uint32_t i;
	int err = 0;

	if (fake.no_mmu_update)
		return -PTEBATCH_ENOSYS;
	for (i = 0; i < count && i < fake.mmu_most; i++) {
		err = put_value(0, values[i].slot, values[i].pte);
		if (err)
			break;
	}
	if (done)
		*done = i;
	return -err;
}

/* One plain store: A and D become what the value says. */
static int64_t update_va_mapping(uint64_t va, uint64_t val, uint64_t flags)
{
	uint64_t index = (va - FAKE_VA(0)) >> 12;
	int err;

	if (index >= FAKE_TABLES * PTEBATCH_TABLE_SLOTS)
		return -PTEBATCH_EINVAL;
	err = put_value(0, FAKE_AT + 8 * index, val);
	if (!err && (flags & 3))
		flush_tlb();
	return -err;
}

static int64_t mmuext_op(struct fake_call *call)
{
	const struct {
		uint32_t cmd, pad;
		uint64_t addr, vcpus;
	} *op = (const void *)(uintptr_t)call->a1;

	call->cmd = op->cmd;
	call->addr = op->addr;
	if (op->cmd < 6 || op->cmd > 11)
		return -PTEBATCH_ENOSYS;
	if (op->cmd == 8 || op->cmd == 9) {
		if (fake.mmuext_err)
			return fake.mmuext_err;
	} else if (fake.flush_err) {
		return fake.flush_err;
	}
	flush_tlb();
	return 0;
}

static int64_t hypercall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			 uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct fake_call *call = &fake.call[fake.calls % FAKE_CALLS];
	uint64_t *p = &fake.table[0][0], *touched = &fake.touched[0][0];
	unsigned int i;
	int64_t ret;

	(void)ctx;
	memset(call, 0, sizeof(*call));
	call->nr = nr;
	call->a1 = a1;
	call->a2 = a2;
	call->a3 = a3;
	call->a4 = a4;
	call->a5 = a5;
	if (fake.hardware && fake.calls == fake.hardware_at)
		for (i = 0; i < FAKE_TABLES * PTEBATCH_TABLE_SLOTS; i++)
			if (p[i] & P) {
				touched[i] |= fake.hardware;
				p[i] |= fake.hardware;
			}
	fake.calls++;
	switch (nr) {
	case 1:
		return mmu_update(a1, a2, a3);
	case 14:
		return update_va_mapping(a1, a2, a3);
	case 26:
		return mmuext_op(call);
	case __HYPERVISOR_ptebatch_runs:
	case __HYPERVISOR_ptebatch_values:
		if (PTEBATCH_HOW_TLB_WHO(a3) == PTEBATCH_TLB_VCPUS && a5 &&
		    a3 != PTEBATCH_HOW_PROBE)
			memcpy(&call->tlb, (const void *)(uintptr_t)a5,
			       sizeof(call->tlb));
		again[0] = again[1] = 0;
		ret = new_call(nr, a1, a2, a3, a4, a5);
		return ptebatch_answer(ret, nr, a2 | again[0], a3,
				       a4 | again[1]);
	}
	return -PTEBATCH_ENOSYS;
}

void fake_reset(struct ptebatch_env *env)
{
	/* Calls are cleared as they come. */
	memset(&fake, 0, offsetof(struct fake, call));
	fake.has_runs = 1;
	fake.has_values = 1;
	fake.ops = FAKE_OLD_OPS | 1u << PTEBATCH_OP_SET | 1u << PTEBATCH_OP_TAKE;
	fake.most_records = 0x7fffffff;
	fake.fail_after = -1;
	fake.err = PTEBATCH_EBUSY;
	fake.gone_after = -1;
	fake.mmu_most = -1u;
	memset(env, 0, sizeof(*env));
	env->hypercall = hypercall;
	env->map = map_slot;
	env->features = PTEBATCH_ENV_PRESERVE_AD;
}
