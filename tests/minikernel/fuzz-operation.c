/* SPDX-License-Identifier: MIT */
/* Makes a random operation of the fuzzer, with valid or invalid arguments. */
#include "fuzz.h"

const char *const form_names[FORMS] = {
	"runs in registers",
	"a list of runs",
	"values",
	"the library's single forms",
	"the library's runs",
	"the library's values",
};

struct op op;
uint64_t fuzz_mask[16];
uint64_t fuzz_olds[2 * SLOTS];
uint64_t fuzz_upper[3], foreign_frames[8];

/* --- Random numbers ------------------------------------------------------ */

static uint64_t state;

void random_seed(uint64_t seed, uint64_t number)
{
	state = (seed << 40 ^ number) * 0x9e3779b97f4a7c15 + 1;
}

uint64_t random(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t below(uint32_t n)
{
	return (uint32_t)((random() >> 32) * n >> 32);
}

int once_in(uint32_t n)
{
	return !below(n);
}

/* --- Operations ---------------------------------------------------------- */

static uint32_t home, cursor; /* table, current active slot */

/* Often where the previous record ended, else mostly in the same table. */
static uint32_t any_index(void)
{
	if (once_in(8))
		home = below(TWIN_TABLES);
	if (cursor / TWIN_ACTIVE != home || once_in(2))
		cursor = home * TWIN_ACTIVE + below(TWIN_ACTIVE);
	return cursor;
}

uint32_t any_pair(void)
{
	const uint32_t n = TWIN_PAIRS - TWIN_DIRECT;

	/* Some pairs are frequent, so that operations meet; some are rare. */
	return TWIN_DIRECT + below(n) * below(n) / n;
}

static uint64_t any_frame(void)
{
	switch (below(32)) {
	case 0:
		return virt_to_maddr(table_virt(below(TWIN_TABLES)));
	case 1:
		return fuzz_upper[below(3)];
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

uint64_t any_value(uint64_t now)
{
	switch (below(16)) {
	case 0:
		return 0;
	case 1:
		return random() & ~P;
	case 2: /* Linux's inverted frame, safe against L1TF */
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

/* An address that is not a slot of the subject. */
static uint64_t bad_slot(uint64_t slot)
{
	switch (below(8)) {
	case 0:
		return slot + 1 + below(7);
	case 1:
		return fuzz_upper[below(3)] + 8 * below(256);
	case 2: /* pages that are never tables */
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

/* One bit, mostly one that matters to Xen. */
static uint64_t bad_flag(void)
{
	static const uint8_t bits[] = { 0, 2, 8, 52, 59, 60, 61, 62 };

	return 1ul << (once_in(4) ? below(64) : bits[below(sizeof(bits))]);
}

static void any_run(struct ptebatch_run *r, uint32_t most, uint32_t first,
		    int raw)
{
	static const uint8_t log2[] = { 0, 0, 0, 1, 2, 3, 5, 6 };
	uint32_t n = any_index();
	uint32_t count = 1 + below(1u << log2[below(8)]);
	uint32_t room = TWIN_ACTIVE / 2 - n % (TWIN_ACTIVE / 2);

	count = count < room ? count : room;
	count = count < most ? count : most;
	*r = (struct ptebatch_run){
		slot_at(twin_active(n)), count, PTEBATCH_OP_FLAGS, 0, 0, 0
	};
	cursor = n + count;
	if (once_in(5))
		r->op = PTEBATCH_OP_CLEAR;
	else
		any_masks(&r->clear, &r->set);
	if (once_in(6))
		r->old = (uint64_t)&fuzz_olds[first];
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
	uint32_t i = twin_active(any_index());

	cursor++;
	v->slot = slot_at(i) | (once_in(2) ? KEEP : 0);
	v->pte = any_value(*entry_at(i));
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

/* Makes the TLB request, in the library's format. */
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
	t->vcpus = (uint64_t)fuzz_mask;
	t->nr_vcpus = once_in(8) ? 1 + below(2000) : 1 + below(64);
	fuzz_mask[0] = random() | once_in(2);
	if (once_in(8))
		t->vcpus = once_in(2) ? NOTHING_THERE : MACH2PHYS_VIRT_START;
}

/* Encodes the TLB request in the arguments of a raw call. */
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

/* Makes one argument of the call invalid. */
static void spoil(void)
{
	switch (below(12)) {
	case 0: /* reserved bits; a page without a request; other pages */
		op.how ^= 1ul << (4 + below(60));
		break;
	case 1:
		/* Not one of the register form for a list: it would be one. */
		op.how = (op.how & ~0xful) |
			 (op.form == LIST ? 4 + below(11) : 2 + below(13));
		if (PTEBATCH_HOW_OP(op.how) == PTEBATCH_HOW_LIST)
			op.how |= 1; /* a list would be the same call */
		break;
	case 2:
		if (op.form != REGISTER) /* in which arg5 is a mask */
			op.arg5 = once_in(2) ? NOTHING_THERE : random();
		break;
	case 3:
		if (op.form != REGISTER)
			op.owner |= 1ul << (32 + below(32));
		break;
	case 4: /* forged progress */
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

/* Makes of a run in registers sometimes one value, or a clear with old values. */
static void set_or_take(void)
{
	struct ptebatch_run *r = &op.run[0];

	if (op.how == PTEBATCH_OP_CLEAR && once_in(2)) {
		op.how = PTEBATCH_OP_TAKE;
		r->old = (uint64_t)fuzz_olds;
		if (once_in(12))
			r->old = once_in(2) ? NOTHING_THERE
					    : MACH2PHYS_VIRT_START;
		op.owner = r->old;
	} else if (once_in(3)) {
		op.how = PTEBATCH_OP_SET;
		op.count = 1;
		r->slot |= once_in(2) ? KEEP : 0;
		op.owner = any_value(*entry_at(twin_active(below(
			TWIN_TABLES * TWIN_ACTIVE))));
		op.arg5 = 0;
	}
}

void any_operation(uint64_t seed, uint64_t number)
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
	any_tlb((uint64_t)va_at(twin_active(home * TWIN_ACTIVE)));
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
		if (PTEBATCH_HOW_OP(op.how) <= PTEBATCH_OP_CLEAR)
			set_or_take();
	}
	tlb_to_arguments();
	if (once_in(12))
		spoil();
}

void show_operation(void)
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
	      op.tlb.vcpus, fuzz_mask[0]);
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
