/* SPDX-License-Identifier: MIT */
/*
 * Performs an operation of the fuzzer: on the subject by the new calls, and on
 * the reference by stock mmu_update. Arguments of the call are judged by the
 * rules of the ABI.
 */
#include "fuzz.h"

struct ptebatch_env fuzz_env;
uint64_t expected_olds[2 * SLOTS];
void *fuzz_edge;

static struct ptebatch fuzz_batch;
static struct ptebatch_run fuzz_storage[2 * RECORDS];

/* --- The new calls ------------------------------------------------------- */

int64_t call_raw(void)
{
	const uint32_t nr = op.form == VALUES ? __HYPERVISOR_ptebatch_values
					      : __HYPERVISOR_ptebatch_runs;
	multicall_entry_t call = { .op = nr };
	uint64_t what;

	if (op.form == REGISTER) {
		what = op.run[0].slot;
	} else {
		const void *records =
			op.form == LIST ? (void *)op.run : (void *)op.value;
		size_t size =
			op.form == LIST ? sizeof(*op.run) : sizeof(*op.value);

		what = (uint64_t)fuzz_edge - op.readable * size;
		memcpy((void *)what, records, op.readable * size);
	}
	if (!op.multicall)
		return hypercall5(nr, what, op.count, op.how, op.owner,
				  op.arg5);
	call.args[0] = what;
	call.args[1] = op.count;
	call.args[2] = op.how;
	call.args[3] = op.owner;
	call.args[4] = op.arg5;
	if (hypercall5(__HYPERVISOR_multicall, (uint64_t)&call, 1, 0, 0, 0))
		panic("no multicall");
	return (int64_t)call.result;
}

void call_library(struct answer *a)
{
	const struct ptebatch_tlb *tlb = op.tlb.who ? &op.tlb : NULL;
	struct ptebatch_progress progress = { 0, 0, 0, 0, { 0, 0 } };
	struct ptebatch *b = &fuzz_batch;
	uint32_t i, tables = (uint32_t)op.owner >> 16;
	int err = 0;

	if (op.form == LIB_RUN) {
		a->err = -(op.run->op == PTEBATCH_OP_CLEAR
				   ? ptebatch_apply_clear
				   : ptebatch_apply_flags)(
			&ptebatch_hypercall, &fuzz_env, op.run, tlb, &progress);
		a->done = progress.records;
		a->slots = progress.slots;
		return;
	}
	if (ptebatch_init(b, sizeof(*b), &ptebatch_hypercall, &fuzz_env, fuzz_storage,
			  sizeof(fuzz_storage)) ||
	    ptebatch_set_owner(b, tables ? tables - 1 : SELF,
			       (uint16_t)op.owner))
		panic("test broken: no batch");
	for (i = 0; i < op.nr && !err; i++) {
		const struct ptebatch_run *r = &op.run[i];
		const struct ptebatch_value *v = &op.value[i];

		if (op.form == LIB_VALUES)
			err = ptebatch_add_set(b, v->slot & ~7ul, v->pte,
					       v->slot & 7);
		else if (r->op == PTEBATCH_OP_CLEAR)
			err = ptebatch_add_clear(b, r->slot, r->count,
						 (uint64_t *)r->old);
		else if (r->old)
			err = ptebatch_add_flags_old(b, r->slot, r->count,
						     r->clear, r->set,
						     (uint64_t *)r->old);
		else
			err = ptebatch_add_flags(b, r->slot, r->count, r->clear,
						 r->set);
	}
	if (err)
		panic("test broken: the library refuses operation %lu: %d",
		      op.number, err);
	a->err = -ptebatch_flush(b, tlb);
	a->total = (uint32_t)b->last.slots;
	a->slot = b->last.slot;
}

/* --- mmu_update ---------------------------------------------------------- */

/* Asks Xen about the owner: mmu_update writes 0 to an absent slot. */
static int owner_error(uint32_t owner)
{
	return -twin_update(slot_at(TWIN_SLOTS + 200), 0, owner);
}

static int is_subject(uint64_t slot)
{
	uint64_t table = slot & ~0xffful;
	uint32_t i;

	for (i = 0; i < TWIN_TABLES; i++)
		if (table == slot_at(i * PTEBATCH_TABLE_SLOTS))
			return 1;
	return 0;
}

/* Difference 1 of fuzz.c. */
static int is_other_page(uint64_t slot)
{
	uint64_t frame = slot & ~0xffful;

	return !(frame & ~FRAME) &&
	       (is_own_page(frame) || twin_of(frame) != frame);
}

/* Updates one entry of the reference; returns 0 or the error. */
static int one(uint64_t slot, uint64_t keep, uint64_t pte, uint32_t mode,
	       uint64_t *old)
{
	const uint32_t owner = op.form == REGISTER || op.form == LIB_RUN
				       ? SELF
				       : (uint32_t)op.owner;
	uint64_t now;

	if (!is_subject(slot))
		return is_other_page(slot) ? PTEBATCH_EINVAL
					  : -twin_update(slot, 0, owner);
	slot = twin_of(slot);
	now = *maddr_to_virt(slot);
	*old = now & P ? twin_of(now) : now;
	if (keep) { /* FLAGS */
		if (!(now & P))
			return 0;
		pte = (now & keep) | pte;
	} else if (pte & P) {
		pte = twin_of(pte);
	}
	return -twin_update(slot | mode, pte, owner);
}

static int run_error(const struct ptebatch_run *r)
{
	if (r->op > PTEBATCH_OP_CLEAR)
		return PTEBATCH_EOPNOTSUPP;
	if (r->slot % 8 || !r->count || r->count > PTEBATCH_TABLE_SLOTS ||
	    r->slot / 8 % PTEBATCH_TABLE_SLOTS + r->count >
		    PTEBATCH_TABLE_SLOTS)
		return PTEBATCH_EINVAL;
	return (r->clear | r->set) & (r->op == PTEBATCH_OP_CLEAR
					      ? ~0ul
					      : ~PTEBATCH_RUN_FLAGS)
		       ? PTEBATCH_EINVAL
		       : 0;
}

/* True if Xen may have stopped here because guest memory faulted. */
static int may_fault(const struct ptebatch_run *r, uint32_t record,
		     uint32_t slots, const struct answer *got)
{
	if (got->err != PTEBATCH_EFAULT)
		return 0;
	if (op.form == REGISTER)
		return got->done == slots && slots && r->old &&
		       r->old - (uint64_t)fuzz_olds >= sizeof(fuzz_olds);
	if (got->done != record || got->slots != slots)
		return 0;
	if (!slots && op.readable < (uint32_t)op.count)
		return 1;
	return op.form == LIST && record < op.readable && slots && r->old &&
	       r->old - (uint64_t)fuzz_olds >= sizeof(fuzz_olds);
}

static int one_run(const struct ptebatch_run *r, uint32_t record,
		   struct answer *a, const struct answer *got)
{
	uint64_t old = 0;
	int err;

	if (a->slots && a->slots >= r->count)
		return PTEBATCH_EINVAL;
	err = run_error(r);
	for (; !err && a->slots < r->count; a->slots++, a->total++) {
		if (may_fault(r, record, a->slots, got))
			return PTEBATCH_EFAULT;
		err = r->op == PTEBATCH_OP_CLEAR
			      ? one(r->slot + 8 * a->slots, 0, 0, 0, &old)
			      : one(r->slot + 8 * a->slots,
				    ~(r->clear | r->set), r->set, 0, &old);
		if (err)
			return err;
		if (r->old - (uint64_t)fuzz_olds < sizeof(fuzz_olds))
			expected_olds[(r->old - (uint64_t)fuzz_olds) / 8 +
				      a->slots] = old;
	}
	if (!err && r->old && r->old - (uint64_t)fuzz_olds >= sizeof(fuzz_olds))
		return PTEBATCH_EFAULT;
	return err;
}

/* Performs the records from a->done on. */
static void twin_records(uint32_t nr, struct answer *a,
			 const struct answer *got)
{
	const int values = op.form == VALUES || op.form == LIB_VALUES;
	uint64_t old;

	for (; a->done < nr && !a->err; a->done += !a->err) {
		const struct ptebatch_run *r = &op.run[a->done];
		const struct ptebatch_value *v = &op.value[a->done];

		if (a->done >= op.readable || may_fault(r, a->done, 0, got)) {
			a->err = PTEBATCH_EFAULT;
		} else if (!values) {
			a->err = one_run(r, a->done, a, got);
			a->slot = r->slot + 8 * a->slots;
			if (!a->err)
				a->slots = 0;
		} else {
			a->slot = v->slot & ~7ul;
			if (v->slot & 5)
				a->err = PTEBATCH_EINVAL;
			else
				a->err = one(v->slot & ~7ul, 0, v->pte,
					     v->slot & 7, &old);
			a->total += !a->err;
		}
	}
}

/* --- The ABI's rules for arguments --------------------------------------- */

static int is_address(uint64_t va)
{
	return va < 1ul << 47 || va >= HYPERVISOR_VIRT_END;
}

static struct ptebatch_tlb request; /* decoded from either form */
static uint64_t vcpus;		    /* first word of its mask */

static int tlb_error(void)
{
	struct ptebatch_tlb *t = &request;
	const int record = op.form == LIST || op.form == VALUES;
	const uint32_t who = PTEBATCH_HOW_TLB_WHO(op.how);
	uint64_t i;

	memset(t, 0, sizeof(*t));
	if (op.form > VALUES) {
		*t = op.tlb;
	} else {
		t->who = who;
		if (op.how & PTEBATCH_HOW_TLB_PAGE) {
			if (who != PTEBATCH_TLB_LOCAL &&
			    who != PTEBATCH_TLB_ALL)
				return PTEBATCH_EINVAL;
			t->addr = op.how & PTEBATCH_HOW_TLB_ADDR;
			t->pages = PTEBATCH_HOW_TLB_PAGES(op.how);
		} else if (op.how >> 7) {
			return PTEBATCH_EINVAL;
		}
		if (who == PTEBATCH_TLB_VCPUS) {
			if (!record)
				return PTEBATCH_EINVAL;
			if (op.arg5 != (uint64_t)&op.tlb)
				return PTEBATCH_EFAULT;
			*t = op.tlb;
		} else if (record && op.arg5) {
			return PTEBATCH_EINVAL;
		}
	}

	if (t->who > PTEBATCH_TLB_VCPUS || t->addr % PAGE ||
	    (t->pages && t->who == PTEBATCH_TLB_NONE) ||
	    (t->addr && !t->pages) || t->pages > 1ul << 36 ||
	    (t->pages && (!is_address(t->addr) ||
			  !is_address(t->addr + (t->pages - 1) * PAGE))))
		return PTEBATCH_EINVAL;
	if (t->who != PTEBATCH_TLB_VCPUS)
		return t->nr_vcpus || t->vcpus ? PTEBATCH_EINVAL : 0;
	if (!t->nr_vcpus)
		return PTEBATCH_EINVAL;
	if (t->nr_vcpus > 1024) /* flushes all, without reading the mask */
		return 0;
	for (i = (t->nr_vcpus - 1) / 64 + 1; i--;)
		if (!is_address(t->vcpus + 8 * i) ||
		    !is_address(t->vcpus + 8 * i + 7) ||
		    probe_read((uint64_t *)t->vcpus + i, &vcpus))
			return PTEBATCH_EFAULT;
	return 0;
}

/* Does the valid request reach this page in this vCPU's TLB? */
int reaches(uint64_t va)
{
	const struct ptebatch_tlb *t = &request;

	if (t->who == PTEBATCH_TLB_NONE ||
	    (t->who == PTEBATCH_TLB_VCPUS && t->nr_vcpus <= 1024 &&
	     !(vcpus & 1)))
		return 0;
	return !t->pages || (va - t->addr) / PAGE < t->pages;
}

/* Changes the reference alike; true if the TLB request is carried out. */
int twin_operation(struct answer *a, const struct answer *got)
{
	const uint32_t op_bits = PTEBATCH_HOW_OP(op.how);
	uint32_t nr = (uint32_t)op.count, done = op.count >> 32;
	int err = 0;

	memset(a, 0, sizeof(*a));
	switch (op.form) {
	case REGISTER:
	case VALUES:
		if (op_bits == PTEBATCH_HOW_PROBE)
			a->err = PTEBATCH_EINVAL;
		else if (op_bits > (op.form == REGISTER ? PTEBATCH_OP_TAKE : 0))
			a->err = PTEBATCH_EOPNOTSUPP;
		else if (done > nr ||
			 (op_bits == PTEBATCH_OP_SET && nr > 1) ||
			 (op_bits == PTEBATCH_OP_TAKE && !op.owner))
			a->err = PTEBATCH_EINVAL;
		if (op.form == REGISTER)
			break;
		if (!a->err && (nr >> 31 || op.owner >> 32))
			a->err = PTEBATCH_EINVAL;
		break;
	case LIST:
		if (op_bits != PTEBATCH_HOW_LIST)
			a->err = op_bits == PTEBATCH_HOW_PROBE
					 ? PTEBATCH_EINVAL
					 : PTEBATCH_EOPNOTSUPP;
		else if (done > nr || nr >> 31 || op.owner >> 48)
			a->err = PTEBATCH_EINVAL;
		break;
	default:
		nr = op.nr;
		done = 0;
	}
	if (a->err)
		return 0;

	a->done = done;
	if (op.form == LIST)
		a->slots = (uint32_t)(op.owner >> 32);
	if (op.form != REGISTER && op.form != LIB_RUN)
		err = owner_error((uint32_t)op.owner);
	if (!err)
		err = tlb_error();
	if (err) {
		a->err = err;
		return 0;
	}

	if (op.form != REGISTER) {
		twin_records(nr, a, got);
	} else if (op_bits == PTEBATCH_OP_SET) {
		const uint64_t slot = op.run[0].slot;
		uint64_t old;

		if (done < nr) {
			a->err = op.arg5 || slot & 5
					 ? PTEBATCH_EINVAL
					 : one(slot & ~7ul, 0, op.owner,
					       slot & 7, &old);
			a->done += !a->err;
		}
	} else {
		const int take = op_bits == PTEBATCH_OP_TAKE;
		struct ptebatch_run r = op.run[0];

		/* The arguments are the record, including spoilt ones. */
		r.op = take ? PTEBATCH_OP_CLEAR : op_bits;
		r.count = nr;
		r.clear = take ? 0 : op.owner;
		r.set = op.arg5;
		r.old = take ? op.owner : 0;
		a->slots = done;
		if (done < nr)
			a->err = one_run(&r, 0, a, got);
		else if (nr)
			a->err = run_error(&r);
		a->done = a->slots;
		a->slots = 0;
	}
	return !nr || a->done || a->slots;
}
