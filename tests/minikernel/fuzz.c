/* SPDX-License-Identifier: MIT */
/*
 * Random operations by the new calls, each done to a twin by stock mmu_update,
 * one entry at a time (twin.h). Both must come to the same entries, old values,
 * progress and error, and leave pages and their reference counts the same.
 *
 * An operation is one call of up to 64 slots, by a raw hypercall or through the
 * library, with any arguments, good or bad. It is a function of the seed and
 * its number; what it meets is a function of those before it in its epoch,
 * which begins and ends with empty tables. So "fuzz=1 seed=S skip=N show" does
 * again what operation N did. "show" is also the way to find the last operation
 * before a crash of Xen.
 *
 * Where the two differ on purpose:
 *
 *  1. A slot in a frame that is no L1 table: mmu_update writes to data pages
 *     and knows the other levels; the new calls change L1 entries only: EINVAL.
 *  2. FLAGS passes over absent entries; mmu_update has no way to be asked, so
 *     nothing is asked of it.
 *  3. The record of a run can be wrong in itself, with a mask bit that is not
 *     in PTEBATCH_RUN_FLAGS, a count of 0, slots of two tables, an address that
 *     is no multiple of 8, masks with CLEAR: EINVAL. Another operation:
 *     EOPNOTSUPP. mmu_update has no runs.
 *  4. The low bits of a value's address: mmu_update has three more commands,
 *     and ENOSYS for the rest; here all but 0 and 2 are EINVAL.
 *  5. A TLB request, a count, a word of progress or a reserved bit is refused
 *     before anything is done, as <ptebatch/xen-ptebatch.h> says. mmu_update has none.
 *  6. Where guest memory faults, the new calls stop at the end of a chunk, whose
 *     size is theirs to choose; mmu_update has its own. Any progress is taken
 *     that the ABI allows, and mmu_update made to stop there.
 *
 * Hardware sets A and D only where this kernel touches a page. So both twins
 * are touched alike, and that is after a TLB flush of both.
 */
#include "tests.h"
#include "twin.h"

#define EPOCH 2000u
#define RECORDS 64u
#define SLOTS 64u
#define SELF PTEBATCH_DOMID_SELF
#define KEEP PTEBATCH_SET_KEEP_AD
#define NOTHING_THERE (TEST_BASE + (1ul << 32))
#define NOWHERE ~0u

enum form {
	REGISTER,
	LIST,
	VALUES,
	LIB_RUN,
	LIB_RUNS,
	LIB_VALUES,
	FORMS
};
static const char *const form_names[FORMS] = {
	"runs in registers",
	"a list of runs",
	"values",
	"the library's single forms",
	"the library's runs",
	"the library's values",
};

static struct op {
	uint64_t number;
	enum form form;
	int multicall;
	uint32_t nr;			  /* records that there are */
	uint32_t readable;		  /* of them */
	uint64_t count, how, owner, arg5; /* arguments 2 to 5 of a raw call */
	struct ptebatch_tlb tlb;
	struct ptebatch_run run[RECORDS];
	struct ptebatch_value value[RECORDS];
} op;

static uint64_t mask[16]; /* of vCPUs */

/* How far it got. */
struct answer {
	uint32_t done, slots;
	int err;	/* positive */
	uint32_t total; /* slots applied */
	uint64_t slot;	/* that failed, of the library only; 0: none did */
};

static struct ptebatch_env fuzz_env;
static struct ptebatch fuzz_batch;
static struct ptebatch_run fuzz_storage[2 * RECORDS];
static uint64_t olds[2 * SLOTS], expected_olds[2 * SLOTS];
static void *edge; /* nothing can be read from here on */
static uint64_t upper[3], foreign_frames[8];

static uint32_t forms_seen[FORMS], errors_seen[128];

/* --- Random numbers ------------------------------------------------------ */

static uint64_t state;

static void random_seed(uint64_t seed, uint64_t number)
{
	state = (seed << 40 ^ number) * 0x9e3779b97f4a7c15 + 1;
}

static uint64_t random(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((random() >> 32) * n >> 32);
}

static int once_in(uint32_t n)
{
	return !below(n);
}

/* --- Operations ---------------------------------------------------------- */

static uint32_t home, cursor; /* where the operation began, where it is */

/* Mostly where the record before ended, else in the same table. */
static uint32_t any_slot(void)
{
	if (once_in(8))
		home = below(TWIN_TABLES);
	if (cursor / TWIN_ACTIVE != home || once_in(2))
		cursor = home * TWIN_ACTIVE + below(TWIN_ACTIVE);
	return cursor;
}

static uint32_t any_pair(void)
{
	const uint32_t n = TWIN_PAIRS - TWIN_DIRECT;

	/* Some often, so that they meet, and some seldom. */
	return TWIN_DIRECT + below(n) * below(n) / n;
}

static uint64_t any_frame(void)
{
	switch (below(32)) {
	case 0:
		return virt_to_maddr(table_virt(below(TWIN_TABLES)));
	case 1:
		return upper[below(3)];
	case 2:
	case 3:
		return foreign_frames[below(8)];
	case 4:
		return random() >> (64 - 18) << 12;
	case 5:
		return random() & FRAME;
	case 6:
	case 7:
	case 8:
	case 9:
		return twin_frame(below(TWIN_DIRECT));
	default:
		return twin_frame(any_pair());
	}
}

static uint64_t any_flags(void)
{
	uint64_t r = random(), flags = P | US;

	flags |= r & (RW | A | D);
	if (once_in(3))
		flags |= random() & NX;
	if (once_in(6))
		flags |= random() & PTEBATCH_PTE_AVAIL;
	if (once_in(4))
		flags |= G;
	if (once_in(24))
		flags &= ~US;
	if (once_in(24))
		flags |= GUEST_KERNEL;
	if (once_in(20))
		flags |= random() & PTEBATCH_PTE_CACHE;
	if (once_in(40))
		flags |= random() & 0x7800000000000000;
	return flags;
}

static uint64_t any_value(uint64_t now)
{
	switch (below(16)) {
	case 0:
		return 0;
	case 1:
		return random() & ~P;
	case 2: /* as Linux hides a page from L1TF */
	case 3:
		return now & P ? ((~now & FRAME) | (now & 0x1fe) | 0x100) : now;
	case 4:
	case 5:
	case 6:
		return now & P ? now ^ RW : any_frame() | any_flags();
	case 7:
	case 8:
		return now & P ? (now & (FRAME | US)) | any_flags() : 0;
	case 9:
		return now ^ (1ul << below(64) & ~FRAME);
	default:
		return any_frame() | any_flags();
	}
}

static void any_masks(uint64_t *clear, uint64_t *set)
{
	*clear = *set = 0;
	switch (below(14)) {
	case 0:
	case 1:
	case 2:
	case 3:
		*clear = RW;
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		*set = RW;
		break;
	case 8:
		*clear = random() & (A | D);
		break;
	case 9:
		*clear = RW;
		*set = random() & (NX | D | PTEBATCH_PTE_AVAIL);
		break;
	case 10:
		*set = RW | A;
		*clear = NX;
		break;
	case 11:
		*clear = random() & PTEBATCH_RUN_FLAGS;
		*set = random() & random() & PTEBATCH_RUN_FLAGS;
		break;
	default:
		*clear = random() & random() & PTEBATCH_FAST_FLAGS;
		*set = random() & random() & PTEBATCH_FAST_FLAGS;
	}
}

/* Another place than a slot of the subject's. */
static uint64_t bad_slot(uint64_t slot)
{
	switch (below(8)) {
	case 0:
		return slot + 1 + below(7);
	case 1:
		return upper[below(3)] + 8 * below(256);
	case 2: /* those are never tables */
		return twin_frame(below(TWIN_DIRECT)) + 8 * below(512);
	case 3:
		return foreign_frames[below(4)] + 8 * below(512);
	case 4:
		return slot | 1ul << (52 + below(12));
	case 5:
		return slot ^ 1ul << (33 + below(19));
	case 6:
		return 8 * (random() >> below(61));
	default: /* the last slots of a table, and beyond */
		return (slot | 0xff8) - 8 * below(2);
	}
}

/* Mostly of those that matter to Xen. */
static uint64_t bad_flag(void)
{
	static const uint8_t bits[] = { 0, 2, 8, 52, 59, 60, 61, 62 };

	return 1ul << (once_in(4) ? below(64) : bits[below(sizeof(bits))]);
}

static void any_run(struct ptebatch_run *r, uint32_t most, uint32_t first,
		    int raw)
{
	static const uint8_t log2[] = { 0, 0, 0, 1, 2, 3, 5, 6 };
	uint32_t n = any_slot();
	uint32_t count = 1 + below(1u << log2[below(8)]);
	uint32_t room = TWIN_ACTIVE / 2 - n % (TWIN_ACTIVE / 2);

	count = count < room ? count : room;
	count = count < most ? count : most;
	*r = (struct ptebatch_run){
		slot_maddr(twin_active(n)), count, PTEBATCH_OP_FLAGS, 0, 0, 0
	};
	cursor = n + count;
	if (once_in(5))
		r->op = PTEBATCH_OP_CLEAR;
	else
		any_masks(&r->clear, &r->set);
	if (once_in(6))
		r->old = (uint64_t)&olds[first];
	if (!raw || !once_in(24))
		return;
	switch (below(8)) {
	case 0:
		r->op = (uint32_t)random() >> below(32);
		break;
	case 1:
		r->clear |= bad_flag();
		break;
	case 2:
		r->set |= bad_flag();
		break;
	case 3:
		r->count = once_in(2) ? 0 : (uint32_t)random() | 1u << 10;
		break;
	case 4:
		r->old = once_in(2) ? NOTHING_THERE : MACH2PHYS_VIRT_START;
		break;
	default:
		r->slot = bad_slot(r->slot);
	}
}

static void any_single(struct ptebatch_value *v, int raw)
{
	uint32_t slot = twin_active(any_slot());

	cursor++;
	v->slot = slot_maddr(slot) | (once_in(2) ? KEEP : 0);
	v->pte = any_value(*slot_entry(slot));
	if (raw && once_in(60))
		v->slot = bad_slot(v->slot);
}

static uint32_t any_owner(void)
{
	static const uint32_t owners[] = {
		DOMID_IO,
		DOMID_XEN,
		DOMID_COW,
		DOMID_INVALID,
		0,
		1,
		0x1234,
		1u << 16 | SELF,
		1u << 16 | DOMID_IO,
		0x1235u << 16 | SELF,
		(DOMID_XEN + 1u) << 16 | SELF,
		0xffffu << 16 | SELF,
	};

	return once_in(16) ? owners[below(sizeof(owners) / sizeof(*owners))]
			   : SELF;
}

/* The TLB request, as the library takes it. */
static void any_tlb(uint64_t va)
{
	struct ptebatch_tlb *t = &op.tlb;

	memset(t, 0, sizeof(*t));
	t->who = once_in(3) ? PTEBATCH_TLB_NONE : 1 + below(3);
	if (t->who == PTEBATCH_TLB_NONE)
		return;
	if (once_in(2)) {
		t->addr = va - PAGE * below(3);
		t->pages = 1 + below(once_in(4) ? 100 : 8);
	}
	if (t->who != PTEBATCH_TLB_VCPUS)
		return;
	t->vcpus = (uint64_t)mask;
	t->nr_vcpus = once_in(8) ? 1 + below(2000) : 1 + below(64);
	mask[0] = random() | once_in(2);
	if (once_in(8))
		t->vcpus = once_in(2) ? NOTHING_THERE : MACH2PHYS_VIRT_START;
}

/* The same in the arguments of a raw call. */
static void tlb_to_arguments(void)
{
	struct ptebatch_tlb *t = &op.tlb;

	if (t->who == PTEBATCH_TLB_VCPUS || t->pages > 32 ||
	    (once_in(8) && op.form != REGISTER)) {
		op.how |= PTEBATCH_HOW_TLB(PTEBATCH_TLB_VCPUS);
		op.arg5 = op.form == REGISTER ? 0 : (uint64_t)t;
	} else {
		op.how |= PTEBATCH_HOW_TLB(t->who);
		if (t->pages)
			op.how |= PTEBATCH_HOW_TLB_PAGE | t->addr |
				  (t->pages - 1) << PTEBATCH_HOW_TLB_MORE_SHIFT;
	}
}

/* One thing that is wrong with the call. */
static void spoil(void)
{
	switch (below(12)) {
	case 0: /* reserved bits; a page of no request; other pages */
		op.how ^= 1ul << (4 + below(60));
		break;
	case 1:
		op.how = (op.how & ~0xful) | (2 + below(13));
		if (PTEBATCH_HOW_OP(op.how) == PTEBATCH_HOW_LIST)
			op.how |= 1; /* not the same call */
		break;
	case 2:
		if (op.form != REGISTER) /* there it is a mask */
			op.arg5 = once_in(2) ? NOTHING_THERE : random();
		break;
	case 3:
		if (op.form != REGISTER)
			op.owner |= 1ul << (32 + below(32));
		break;
	case 4: /* progress that Xen did not write */
	case 5:
		op.count |= (uint64_t)below(op.nr + 2) << 32;
		break;
	case 6:
		if (op.form == LIST)
			op.owner |= (uint64_t)below(80) << 32;
		break;
	case 7:
		op.count = once_in(2) ? random() : random() & 0xffffffff;
		break;
	case 8:
		op.count = 0;
		break;
	case 9:
		((uint64_t *)&op.tlb)[below(4)] ^= 1ul << below(64);
		break;
	default:
		op.readable = below(op.nr);
	}
}

static void any_operation(uint64_t seed, uint64_t number)
{
	uint32_t i, used, most;
	int raw;

	random_seed(seed, number);
	memset(&op, 0, sizeof(op) - sizeof(op.run) - sizeof(op.value));
	op.number = number;
	op.form = (enum form)below(FORMS);
	raw = op.form <= VALUES;
	op.owner = SELF;
	home = below(TWIN_TABLES);
	cursor = NOWHERE;
	most = once_in(4) ? SLOTS : 12;
	switch (op.form) {
	case REGISTER:
	case LIB_RUN:
		op.nr = 1;
		any_run(&op.run[0], most, 0, raw);
		break;
	case LIST:
	case LIB_RUNS:
		op.owner = any_owner();
		op.nr = 1 + below(once_in(3) ? most : 4);
		for (i = used = 0; i < op.nr && used < most; i++) {
			any_run(&op.run[i], once_in(2) ? 1 : most - used, used,
				raw);
			used += op.run[i].count < SLOTS ? op.run[i].count : 1;
		}
		op.nr = i;
		break;
	default:
		op.owner = any_owner();
		op.nr = 1 + below(most);
		for (i = 0; i < op.nr; i++)
			any_single(&op.value[i], raw);
	}
	any_tlb((uint64_t)slot_va(twin_active(home * TWIN_ACTIVE)));
	op.readable = op.nr;
	if (!raw)
		return;

	op.multicall = once_in(8);
	op.count = op.form == REGISTER ? op.run[0].count : op.nr;
	op.how = op.form == LIST       ? PTEBATCH_HOW_LIST
		 : op.form == REGISTER ? op.run[0].op & 0xf
				       : 0;
	if (op.form == REGISTER) {
		if (PTEBATCH_HOW_OP(op.how) == PTEBATCH_HOW_LIST)
			op.how = PTEBATCH_OP_FLAGS;
		op.run[0].op = (uint32_t)op.how;
		op.run[0].old = 0;
		op.owner = op.run[0].clear;
		op.arg5 = op.run[0].set;
	}
	tlb_to_arguments();
	if (once_in(12))
		spoil();
}

static void show_operation(void)
{
	uint32_t i;

	print("# operation %lu: %s%s, %u records, %u readable\n", op.number,
	      form_names[op.form], op.multicall ? " in a multicall" : "", op.nr,
	      op.readable);
	if (op.form <= VALUES)
		print("#   count %lx how %lx arg4 %lx arg5 %lx\n", op.count,
		      op.how, op.owner, op.arg5);
	else
		print("#   owner %lx\n", op.owner);
	print("#   tlb: who %u nr_vcpus %u addr %lx pages %lx vcpus %lx mask "
	      "%lx\n",
	      op.tlb.who, op.tlb.nr_vcpus, op.tlb.addr, op.tlb.pages,
	      op.tlb.vcpus, mask[0]);
	for (i = 0; i < op.nr; i++) {
		const struct ptebatch_run *r = &op.run[i];

		if (op.form == VALUES || op.form == LIB_VALUES)
			print("#   %u: ptr %lx val %016lx\n", i,
			      op.value[i].slot, op.value[i].pte);
		else
			print("#   %u: pte %lx count %u op %u clear %lx set "
			      "%lx old %lx\n",
			      i, r->slot, r->count, r->op, r->clear, r->set,
			      r->old);
	}
}

/* --- By the new calls ---------------------------------------------------- */

static int64_t call_raw(void)
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

		what = (uint64_t)edge - op.readable * size;
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

static void call_library(struct answer *a)
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

/* --- By mmu_update ------------------------------------------------------- */

/* Who is who is asked of Xen: by an update of an absent slot that stays so. */
static int owner_error(uint32_t owner)
{
	return -twin_update(slot_maddr(TWIN_SLOTS + 200), 0, owner);
}

static int is_subject(uint64_t pte)
{
	uint64_t table = pte & ~0xffful;
	uint32_t i;

	for (i = 0; i < TWIN_TABLES; i++)
		if (table == slot_maddr(i * PTEBATCH_TABLE_SLOTS))
			return 1;
	return 0;
}

/* Difference 1. */
static int is_other_page(uint64_t pte)
{
	uint64_t frame = pte & ~0xffful;

	return !(frame & ~FRAME) &&
	       (is_own_page(frame) || twin_of(frame) != frame);
}

/* One entry; 0 or its error. */
static int one(uint64_t pte, uint64_t keep, uint64_t val, uint32_t mode,
	       uint64_t *old)
{
	const uint32_t owner = op.form == REGISTER || op.form == LIB_RUN
				       ? SELF
				       : (uint32_t)op.owner;
	uint64_t now;

	if (!is_subject(pte))
		return is_other_page(pte) ? PTEBATCH_EINVAL
					  : -twin_update(pte, 0, owner);
	pte = twin_of(pte);
	now = *maddr_to_virt(pte);
	*old = now & P ? twin_of(now) : now;
	if (keep) { /* FLAGS */
		if (!(now & P))
			return 0;
		val = (now & keep) | val;
	} else if (val & P) {
		val = twin_of(val);
	}
	return -twin_update(pte | mode, val, owner);
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

/* Whether Xen may have stopped here for a fault of the guest's memory. */
static int may_fault(uint32_t record, uint32_t slots, const struct answer *got)
{
	const struct ptebatch_run *r = &op.run[record];

	if (got->err != PTEBATCH_EFAULT || got->done != record ||
	    got->slots != slots)
		return 0;
	if (!slots && op.readable < (uint32_t)op.count)
		return 1;
	return op.form == LIST && record < op.readable && slots && r->old &&
	       r->old - (uint64_t)olds >= sizeof(olds);
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
		if (may_fault(record, a->slots, got))
			return PTEBATCH_EFAULT;
		err = r->op == PTEBATCH_OP_CLEAR
			      ? one(r->slot + 8 * a->slots, 0, 0, 0, &old)
			      : one(r->slot + 8 * a->slots,
				    ~(r->clear | r->set), r->set, 0, &old);
		if (err)
			return err;
		if (r->old - (uint64_t)olds < sizeof(olds))
			expected_olds[(r->old - (uint64_t)olds) / 8 +
				      a->slots] = old;
	}
	if (!err && r->old && r->old - (uint64_t)olds >= sizeof(olds))
		return PTEBATCH_EFAULT;
	return err;
}

/* The records from a on. */
static void twin_records(uint32_t nr, struct answer *a,
			 const struct answer *got)
{
	const int values = op.form == VALUES || op.form == LIB_VALUES;
	uint64_t old;

	for (; a->done < nr && !a->err; a->done += !a->err) {
		const struct ptebatch_run *r = &op.run[a->done];
		const struct ptebatch_value *v = &op.value[a->done];

		if (a->done >= op.readable || may_fault(a->done, 0, got)) {
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

/* --- What the ABI says of a call's arguments ----------------------------- */

static int is_address(uint64_t va)
{
	return va < 1ul << 47 || va >= HYPERVISOR_VIRT_END;
}

static struct ptebatch_tlb request; /* what was asked for, wherever it stood */
static uint64_t vcpus;		    /* the first of its mask */

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
	if (t->nr_vcpus > 1024) /* all */
		return 0;
	for (i = (t->nr_vcpus - 1) / 64 + 1; i--;)
		if (!is_address(t->vcpus + 8 * i) ||
		    !is_address(t->vcpus + 8 * i + 7) ||
		    probe_read((uint64_t *)t->vcpus + i, &vcpus))
			return PTEBATCH_EFAULT;
	return 0;
}

/* Does the request, which is good, reach this page in this vCPU's TLB? */
static int reaches(uint64_t va)
{
	const struct ptebatch_tlb *t = &request;

	if (t->who == PTEBATCH_TLB_NONE ||
	    (t->who == PTEBATCH_TLB_VCPUS && t->nr_vcpus <= 1024 &&
	     !(vcpus & 1)))
		return 0;
	return !t->pages || (va - t->addr) / PAGE < t->pages;
}

/* Does the same to the reference; true if the TLB request is carried out. */
static int twin_operation(struct answer *a, const struct answer *got)
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
		else if (op_bits > (op.form == REGISTER ? 1 : 0))
			a->err = PTEBATCH_EOPNOTSUPP;
		else if (done > nr)
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
	} else {
		struct ptebatch_run r = op.run[0];

		/* The arguments are the record, whatever was spoilt. */
		r.op = op_bits;
		r.count = nr;
		r.clear = op.owner;
		r.set = op.arg5;
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

/* --- One operation, both ways -------------------------------------------- */

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

/* Old values of slots done; the rest may or may not have been written. */
static int same_olds(void)
{
	uint32_t i, r;

	for (i = 0; i < 2 * SLOTS; i++) {
		if (expected_olds[i] != ~0ul) {
			if (differ("old value", olds[i], expected_olds[i]))
				return 1;
			continue;
		}
		if (olds[i] == ~0ul)
			continue;
		for (r = 0; r < op.nr; r++)
			if ((uint64_t)&olds[i] - op.run[r].old <
			    8ul * op.run[r].count)
				break;
		if (r == op.nr && differ("no old value", olds[i], ~0ul))
			return 1;
	}
	return 0;
}

/* The first slot that a record names, if that is the subject's. */
static uint32_t named_slot(uint32_t record)
{
	uint64_t pte = op.form == VALUES || op.form == LIB_VALUES
			       ? op.value[record].slot & ~7ul
			       : op.run[record].slot;
	uint32_t i;

	for (i = 0; i < TWIN_TABLES; i++)
		if ((pte & ~0xffful) == slot_maddr(i * PTEBATCH_TABLE_SLOTS) &&
		    !(pte & 7))
			return i * PTEBATCH_TABLE_SLOTS + (pte & 0xff8) / 8;
	return NOWHERE;
}

static int both_ways(void)
{
	const int has_olds =
		op.form == LIST || op.form == LIB_RUN || op.form == LIB_RUNS;
	struct answer got = { 0, 0, 0, 0, 0 }, twin;
	/* What is in the TLB matters where that is to be flushed. */
	const uint32_t slot = op.tlb.who ? named_slot(below(op.nr)) : NOWHERE;
	int flushed;
	uint32_t i;

	if (has_olds)
		for (i = 0; i < 2 * SLOTS; i++)
			olds[i] = expected_olds[i] = ~0ul;
	if ((slot != NOWHERE && twin_touch(slot, 0)) || twin_compare(0))
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
	errors_seen[twin.err & 127]++;

	if (same_answer(&got, &twin) || (has_olds && same_olds()))
		return 1;
	if (twin_compare(0))
		return 1;
	i = twin_changed(below(16));
	if (twin_become_table(i) || (once_in(4) && twin_map_writable(i)))
		return 1;
	return flushed && slot != NOWHERE && reaches((uint64_t)slot_va(slot)) &&
	       twin_touch(slot, 1);
}

/* What happens to pages between operations. */
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
		uint64_t slot = slot_maddr(twin_active(i));
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
	const uint32_t slot = (WORLD_TABLES - 1) * PTEBATCH_TABLE_SLOTS + 8;
	const uint64_t l4 = virt_to_maddr((void *)start_info->pt_base);
	uint32_t i;

	fuzz_env = xen_env;
	if (ptebatch_hypercall.probe(&fuzz_env) ||
	    fuzz_env.have != (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES))
		panic("this Xen has not both calls");

	upper[0] = l4;
	upper[1] = *maddr_to_virt(l4 + (TEST_BASE >> 36 & 0xff8)) & FRAME;
	upper[2] = *maddr_to_virt(upper[1] + (TEST_BASE >> 27 & 0xff8)) & FRAME;

	foreign_frames[0] = 0;		    /* the BIOS's */
	foreign_frames[1] = 0xfee00000;	    /* APIC */
	foreign_frames[2] = 0xfffffffff000; /* no memory */
	foreign_frames[3] = 0x100000;	    /* Xen's, or nobody's */
	foreign_frames[4] = 0xb8000;	    /* devices that dom0 can map */
	foreign_frames[5] = 0xfd000000;
	foreign_frames[6] = 0xfed00000;
	foreign_frames[7] = start_info->shared_info & FRAME;

	/* Two pages, and nothing after them. */
	slots_fill(slot, 2, 1, TWIN_DIRECT * 2, P | US | RW | A | D);
	edge = slot_va(slot + 2);
	for (i = 0; i < sizeof(mask) / sizeof(*mask); i++)
		mask[i] = ~0ul;
	memset(forms_seen, 0, sizeof(forms_seen));
	memset(errors_seen, 0, sizeof(errors_seen));
}

/* All that there is came up, or it was no test of it. */
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

/* Operations up to end; done says how many. What differs, or NULL. */
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

void fuzz_run(uint64_t nr, uint64_t seed, uint64_t first, int show)
{
	const char *why;
	uint64_t done = first;

	twin_begin();
	fuzz_init();
	why = operations(seed, first, first + nr, show, &done);
	if (why) {
		print("# replay: fuzz=1 seed=%lu skip=%lu show\n", seed, done);
		tap_result("fuzz", "new calls and mmu_update agree", why);
		return; /* to a world that is not what it should be */
	}
	twin_end();
	world_reset();
	print("# fuzz: seed %lu, operations %lu to %lu agree\n", seed, first,
	      first + nr - 1);
	tap_result("fuzz", "new calls and mmu_update agree", NULL);
	if (nr >= 10000)
		tap_result("fuzz", "all forms, errors and kinds of pages came up",
			   everything_came_up());
}
