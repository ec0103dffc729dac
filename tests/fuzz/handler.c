/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the handlers' source in the harness, driven by the input's
 * bytes. The model (model.h) checks the effects of every call.
 *
 * An input is a list of steps, each with a byte for its kind and more bytes for
 * its parameters: fill entries, touch them, take references, change types of
 * pages and tables, turn paging modes, permissions and the calls on and off,
 * make guest memory fault, make a call. While a call is preempted, the guest
 * takes further steps of the list, except calls. The input also chooses the
 * number of entries between two preemption checks (PTEBATCH_PREEMPT is a
 * variable in this build), and which checks preempt the call.
 */
#include "fuzz.h"
#include "model.h"

#define RUNS __HYPERVISOR_ptebatch_runs
#define VALUES __HYPERVISOR_ptebatch_values
#define MOST 96U

unsigned int fuzz_preempt;

/* The guest's memory. */
static struct ptebatch_run runs[MOST];
static struct ptebatch_value values[MOST];
static uint64_t olds[MOST][512];
static struct ptebatch_tlb tlb;
static uint64_t mask[16];

/* --- The input ------------------------------------------------------------ */

static const uint8_t *in, *in_end;
static bool in_call;

static unsigned int byte(void)
{
	return in < in_end ? *in++ : 0;
}

static unsigned int word(void)
{
	unsigned int low = byte();

	return low | byte() << 8;
}

static uint64_t quad(void)
{
	uint64_t q = 0;

	for (unsigned int i = 0; i < 4; i++)
		q = q << 16 | word();
	return q;
}

static bool one_in(unsigned int n)
{
	return byte() % n == n - 1;
}

/* A number from 1 to "most" that is usually small. */
static unsigned int count(unsigned int most)
{
	unsigned int b = byte();

	if (b < 160)
		return b % (most < 8 ? most : 8) + 1;
	if (b < 240)
		return b % (most < 64 ? most : 64) + 1;
	return word() % most + 1;
}

static unsigned long frame(void)
{
	static const unsigned long odd[] = {
		MFN_MMIO,      MFN_MMIO_RO, MFN_MMIO_NO,   MFN_HOLE,
		MFN_HOLE + 1,  MFN_L2,	    MFN_TABLE,	   MFN_TABLE + 1,
		MFN_F_PAGE,    MFN_SEG,	    MFN_F_TABLE,   MFN_FREE,
		MFN_IO_PAGE,   NR_FRAMES,   MFN_UNVALID,   MFN_F_PAGE + 1,
		NR_FRAMES - 1, 0,	    0xffffffffffUL, MFN_MMIO + 64,
	};
	unsigned int b = byte();

	if (b < 192)	/* few pages, so that steps meet the same ones */
		return MFN_PAGE + (b % 16 ? b % 24 : word() % NR_PAGES);
	if (b < 208)
		return MFN_F_PAGE + b % 4;
	return odd[b % ARRAY_SIZE(odd)];
}

static uint64_t flags(void)
{
	unsigned int b = byte();
	uint64_t f = (uint64_t)(b & 1) << 1 |	     /* RW */
		     (uint64_t)(b >> 1 & 3) << 5 |   /* A, D */
		     (uint64_t)(b >> 3 & 1) << 63 |  /* NX */
		     (uint64_t)(b >> 4 & 3) << 9;    /* two of AVAIL */

	if (b >= 224)
		f ^= quad() & ~PTEBATCH_PTE_FRAME;
	else if (b >= 192)
		f ^= (uint64_t)(byte() & 0x9c) | (uint64_t)(b & 1) << 52;
	return f;
}

static uint64_t entry(void)
{
	unsigned int b = byte();

	if (b < 24)
		return 0;
	if (b < 48) /* not present, with and without inversion */
		return (b & 1 ? PTEBATCH_PTE_FRAME & ~(frame() << 12)
			      : frame() << 12) | (flags() & ~PTEBATCH_PTE_P);
	return frame() << 12 | PTEBATCH_PTE_P |
	       (b < 224 ? PTEBATCH_PTE_US | PTEBATCH_PTE_G : 0) | flags();
}

static uint64_t masks(void)
{
	unsigned int b = byte();

	if (b < 64)
		return 0;
	if (b < 128)
		return PTEBATCH_PTE_RW;
	if (b < 208)
		return flags() & PTEBATCH_FAST_FLAGS;
	if (b < 248)
		return flags() & PTEBATCH_RUN_FLAGS;
	return quad();
}

/* Usually one of two tables, and one of few slots. */
static void where(unsigned int *t, unsigned int *s)
{
	unsigned int b = byte();

	*t = b < 232 ? b & 1 : b % MODEL_TABLES;
	b = byte();
	*s = b < 128 ? b % 32 : b < 160 ? 511 - b % 32 : word() % 512;
}

static uint64_t slot(unsigned int *left)
{
	static const unsigned long odd[] = {
		MFN_L2,	  MFN_UNVALID, MFN_SEG,	 MFN_PAGE, MFN_F_TABLE,
		MFN_FREE, MFN_HOLE,    MFN_MMIO, 0,	   MFN_F_PAGE,
	};
	unsigned int t, s, b;

	where(&t, &s);
	*left = 512 - s;
	b = byte();
	if (b < 250)
		return hx_slot(t, s);
	if (b < 252)
		return hx_slot(t, s) | 1UL << (b == 250 ? 2 : byte() % 64);
	return odd[byte() % ARRAY_SIZE(odd)] << 12 | s * 8;
}

/* --- Steps ---------------------------------------------------------------- */

static void fill(void)
{
	unsigned int t, s, n, kind = byte();
	uint64_t e;

	where(&t, &s);
	n = count(512 - s);
	e = entry();
	for (unsigned int i = 0; i < n; i++) {
		if (!model_set(t, s + i, e))
			return;
		if ((kind & 3) == 3)
			e = entry();
		else if (kind & 1)
			e += 1UL << 12;
		else if (kind & 2)
			e ^= PTEBATCH_PTE_RW;
	}
}

static void touch(void)
{
	unsigned int t, s, n, b = byte();

	where(&t, &s);
	n = count(512 - s);
	for (unsigned int i = 0; i < n; i++) {
		hx_touch(t, s + i, b & 1);
		model.entry[t][s + i] = hx_get(t, s + i);
	}
}

/*
 * Takes references to a page, up to the largest counts, or drops the owner's.
 */
static void hold(void)
{
	unsigned long m = frame();
	struct model_frame *f = &model.frame[m % NR_FRAMES];
	unsigned int b = byte();
	uint64_t to;

	if (m >= NR_FRAMES || f->owner == NOBODYS || f->owner == IO)
		return;
	switch (b % 8) {
	case 0: /* the owner's reference */
		if (f->owner == OWN && frame_table[m].count_info &
						PGC_allocated && f->refs > 1) {
			frame_table[m].count_info &= ~PGC_allocated;
			hx_release(m);
			f->refs--;
		}
		break;
	case 1:
	case 2:
		/* For a table only counts at which a call cannot take one. */
		to = PGC_count_mask - b / 8 % (m < MFN_PAGE ? 2 : 4);
		if (f->refs && to > f->refs) {
			frame_table[m].count_info += to - f->refs;
			f->refs = to;
		}
		break;
	case 3:
	case 4:
		to = b & 0x80 ? PGT_count_mask - b / 8 % 4
			      : PGT_count_mask / 2 + b / 8 % 4;
		if (f->writable && f->types && to > f->types) {
			frame_table[m].u.inuse.type_info += to - f->types;
			f->types = to;
		}
		break;
	default:
		if (!f->writable || !f->refs || f->refs > 1000 ||
		    f->types > 1000 ||
		    !(frame_table[m].u.inuse.type_info & PGT_validated))
			return;
		hx_hold(m, b / 8 % 3);
		f->refs += b / 8 % 3;
		f->types += b / 8 % 3;
	}
}

/* Lets an unmapped page be given away just when a call takes a reference. */
static void steal(void)
{
	unsigned long m = frame();

	hx.steal_mfn = m >= MFN_PAGE && m < MFN_PAGE + NR_PAGES &&
				       model.frame[m].owner == OWN &&
				       model.frame[m].refs == 1
			       ? m
			       : 0;
}

/* Changes the type of a page without references to the writable type. */
static void retype(void)
{
	static const unsigned long types[] = {
		PGT_writable_page | PGT_validated,
		PGT_seg_desc_page | PGT_validated | 1,
		0,
		PGT_writable_page,
		PGT_writable_page | PGT_validated | PGT_pinned,
		PGT_writable_page | PGT_validated | PGT_non_coherent,
		PGT_l2_page_table | PGT_validated | 1,
	};
	unsigned long m = frame(), x = types[byte() % ARRAY_SIZE(types)];
	struct model_frame *f;

	if (m < MFN_PAGE || m >= MFN_PAGE + NR_PAGES)
		return;
	f = &model.frame[m];
	if (!f->refs || (f->types && f->writable))
		return;
	frame_table[m].u.inuse.type_info = x;
	f->types = x & PGT_count_mask;
	f->writable = !f->types;
}

/* Invalidates an L1 table's type, or makes it valid again. */
static void table(void)
{
	unsigned int t = byte() % MODEL_TABLES, b = byte();
	unsigned long m = t == NR_TABLES ? MFN_F_TABLE : MFN_TABLE + t;
	unsigned long *x = &frame_table[m].u.inuse.type_info;

	if (model.no_table[t])
		*x = PGT_l1_page_table | PGT_validated | 1;
	else if (b & 1)
		*x &= ~PGT_validated;
	else if (b & 2)
		*x = PGT_l2_page_table | PGT_validated | 1;
	else
		return;
	model.no_table[t] = !model.no_table[t];
}

static void modes(void)
{
	unsigned int b = byte();

	switch (byte() % 8) {
	case 0:
		hx_self.paging_mode = b < 128 ? 0 : b & (PG_shadow | PG_log_dirty);
		break;
	case 1:
		hx_self.paging_mode = b < 192 ? 0 : PG_refcounts;
		hx_foreign.paging_mode = b & 3 ? 0 : PG_refcounts;
		hx_foreign.is_pv = b % 16 != 15;
		break;
	case 7:
		opt_ptebatch = b < 64 ? HX_CALLS | HX_UPDATES | HX_VALIDATION
				      : b & 15;
		hx_self.arch.pv.ptebatch_off = b & 16 ? byte() : 0;
		break;
	case 2:
		hx.xsm_deny = b < 128 ? 0 : b & 7;
		break;
	case 3:
	case 4:
		hx_self.arch.pv.check_l1tf = b & 1;
		if (b & 2)
			hx_self.paging_mode = 0;
		break;
	default:
		hx.hw = b & 3;
		hx.rng = 0x9e3779b97f4a7c15UL + b;
	}
}

/* Sets the preemption of this and later calls. */
static void preemption(void)
{
	static const unsigned int every[] = {1, 256, 2, 3, 16, 33, 64, 100};
	static const unsigned int checks[] = {0, 1, 1, 1, 1, 2, 3, 7};
	unsigned int b = byte();

	hx.preempt = checks[b & 7];
	fuzz_preempt = every[b >> 3 & 7];
}

static void fault(void)
{
	unsigned int b = byte();
	uintptr_t at;
	size_t n = 1 + byte() % 64;

	switch (b % 8) {
	case 0:
		at = (uintptr_t)runs + word() % sizeof(runs);
		break;
	case 1:
		at = (uintptr_t)values + word() % sizeof(values);
		break;
	case 2:
	case 3:
		at = (uintptr_t)olds[b / 8 % 4] + word() % 4096;
		n *= 8;
		break;
	case 4:
		at = (uintptr_t)&tlb + b / 8 % sizeof(tlb);
		break;
	case 5:
		at = (uintptr_t)mask + b / 8;
		break;
	default:
		at = n = 0;
	}
	hx.fault = at;
	hx.fault_end = at + n;
}

/* Old values are preset to a value that no entry has. */
static struct ptebatch_run a_run(unsigned int i)
{
	struct ptebatch_run run = {0};
	unsigned int left, b = byte();

	run.slot = slot(&left);
	run.op = b & 7 ? PTEBATCH_OP_FLAGS : PTEBATCH_OP_CLEAR;
	run.count = count(left);
	if (run.op == PTEBATCH_OP_FLAGS) {
		run.clear = masks();
		run.set = masks();
	}
	if ((b >> 3 & 3) == 3) {
		run.old = (uintptr_t)olds[i];
		memset(olds[i], 0xee, run.count * sizeof(olds[i][0]));
	}
	if (b >= 0xfc) {
		run.op = b & 1 ? byte() : run.op;
		run.count = word() % 600;
	}
	return run;
}

static struct ptebatch_value a_value(void)
{
	unsigned int left, b = byte();
	struct ptebatch_value v;

	v.slot = slot(&left) | (b & 1 ? PTEBATCH_SET_KEEP_AD : 0);
	if (b >= 0xfe)
		v.slot |= byte() & 7;
	if (b & 2)
		v.pte = entry();
	else { /* the current entry with other flags, or inverted */
		unsigned long t = (v.slot >> 12) - MFN_TABLE;

		v.pte = t < NR_TABLES ? model.entry[t][v.slot % 4096 / 8] : 0;
		if (b & 4)
			v.pte ^= PTEBATCH_PTE_RW;
		if (b & 8)
			v.pte ^= flags();
		if ((b & 0x30) == 0x30)
			v.pte ^= PTEBATCH_PTE_FRAME | PTEBATCH_PTE_P;
	}
	return v;
}

/* A TLB request: returns the bits of "how", and sets *record if needed. */
static uint64_t a_flush(uint64_t *record)
{
	static const uint64_t at[] = {
		0x1000, 0x7fffffff000, 0x7ffffffff000, 0xffff880000000000,
		0xffff800000000000, 0xfffffffffffff000, 0x800000000000, 0,
	};
	unsigned int b = byte();
	uint64_t how = PTEBATCH_HOW_TLB(b & 3);

	if ((b & 3) == PTEBATCH_TLB_VCPUS) {
		tlb = (struct ptebatch_tlb){
			.who = b < 240 ? PTEBATCH_TLB_VCPUS : b & 7};
		if (tlb.who == PTEBATCH_TLB_VCPUS || b == 255) {
			tlb.nr_vcpus = count(1100) - (b == 128);
			tlb.vcpus = (uintptr_t)mask;
		}
		if (b & 4)
			tlb.pages = count(40);
		if (b & 12)
			tlb.addr = at[b >> 4 & 7] + (b == 254);
		if (one_in(32))
			tlb.pages = quad();
		memset(mask, 0, sizeof(mask));
		mask[0] = byte();
	} else if (b & 4) {
		how |= PTEBATCH_HOW_TLB_PAGE | (uint64_t)(b >> 3 & 7) << 7 |
		       at[b >> 4 & 7];
	}
	if (one_in(64))
		how |= quad() & ~15UL;
	if (PTEBATCH_HOW_TLB_WHO(how) == PTEBATCH_TLB_VCPUS)
		*record = (uintptr_t)&tlb;
	else if (one_in(64))
		*record = word();
	return how;
}

static uint64_t an_owner(void)
{
	static const uint32_t owners[] = {
		5, 5 | 6 << 16, PTEBATCH_DOMID_SELF | 6 << 16, DOMID_IO,
		3, PTEBATCH_DOMID_SELF | 4 << 16, 9, 5 | 10 << 16,
	};
	unsigned int b = byte();

	if (b < 176)
		return PTEBATCH_DOMID_SELF;
	if (b < 248)
		return owners[b & 7];
	return quad();
}

static void call(uint32_t nr)
{
	uint64_t a[5] = {0}, forged = 0;
	unsigned int b = byte(), i;

	if (nr == RUNS && b & 1) {
		struct ptebatch_run run = a_run(0);

		if ((b & 6) == 6) { /* one value */
			struct ptebatch_value v = a_value();

			run = (struct ptebatch_run){v.slot, 1, PTEBATCH_OP_SET,
						    v.pte, 0, 0};
		} else if (run.op == PTEBATCH_OP_CLEAR && b & 6)
			run.op = PTEBATCH_OP_TAKE;
		a[0] = run.slot;
		a[1] = run.count;
		a[2] = run.op | a_flush(&a[4]);
		a[3] = run.clear;
		a[4] = one_in(64) ? byte() : run.set;
		if (PTEBATCH_HOW_OP(a[2]) == PTEBATCH_OP_TAKE) {
			a[3] = one_in(64) ? 0 : (uintptr_t)olds[0];
			memset(olds[0], 0xee, sizeof(olds[0]));
		}
	} else {
		a[1] = b & 2 ? count(8) : count(MOST);
		a[2] = a_flush(&a[4]) | (nr == RUNS ? PTEBATCH_HOW_LIST : 0);
		a[3] = an_owner();
		if (nr == RUNS)
			a[0] = (uintptr_t)runs;
		else
			a[0] = (uintptr_t)values;
		for (i = 0; i < a[1]; i++)
			if (nr == RUNS)
				runs[i] = a_run(i);
			else
				values[i] = a_value();
	}
	if (b >= 248)
		a[1] = b & 1 ? 0 : quad() & 0x0000003f8000ffff;
	if (b >= 240) /* forged progress */
		forged = count(8);
	a[1] |= forged << 32;
	if (forged && nr == RUNS && one_in(2) &&
	    PTEBATCH_HOW_OP(a[2]) == PTEBATCH_HOW_LIST)
		a[3] |= (uint64_t)count(8) << 32;
	if (PTEBATCH_HOW_OP(a[2]) == PTEBATCH_HOW_PROBE)
		return;
	/* A list must fit the memory, unless it is refused for its length. */
	if ((nr == VALUES || PTEBATCH_HOW_OP(a[2]) == PTEBATCH_HOW_LIST) &&
	    (uint32_t)a[1] > MOST && (uint32_t)a[1] <= 0x7fffffff)
		return;
	model_call(nr, a);
	hx.steal_mfn = 0;
	fuzz_operations++;
	fuzz_slots += model_slots;
}

/* mmu_update, or update_va_mapping, of the caller's own tables. */
static uint32_t done;

static void own_call(void)
{
	static const uint64_t flags[] = {
		UVMF_NONE, UVMF_INVLPG, UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH,
		UVMF_TLB_FLUSH | UVMF_ALL,
	};
	uint64_t a[5] = {0};
	unsigned int b = byte(), t, s;

	if (b & 1) {
		where(&t, &s);
		if (hx_self.paging_mode & PG_refcounts)
			return;
		a[0] = HX_VA + (uint64_t)(t % HX_L2S) * 0x200000 + s * 4096;
		a[1] = a_value().pte;
		a[2] = flags[b / 2 % ARRAY_SIZE(flags)];
		hx.l2[t].l2 = (b >= 224 ? frame() : MFN_TABLE + t) << 12 | 0x67;
		model_call(__HYPERVISOR_update_va_mapping, a);
	} else {
		a[0] = (uintptr_t)values;
		a[1] = b & 2 ? count(3) : count(MOST);
		a[2] = (uintptr_t)&done;
		a[3] = DOMID_SELF;
		for (unsigned int i = 0; i < a[1]; i++) {
			values[i] = a_value();
			if (b & 4 && one_in(4)) /* memory */
				values[i].slot = (MFN_PAGE + byte() % 24) << 12 |
						 (values[i].slot & 0xfff);
		}
		done = 0;
		model_call(__HYPERVISOR_mmu_update, a);
	}
	hx.steal_mfn = 0;
	fuzz_operations++;
	fuzz_slots += model_slots;
}

/* A table is let go, and is validated with other entries. */
static void validate(void)
{
	static uint64_t entries[512];
	unsigned int t = byte() % NR_TABLES, n = count(64);

	memset(entries, 0, sizeof(entries));
	while (n--) {
		unsigned int b = byte();

		entries[b < 128 ? b % 40 : b < 160 ? 511 - b % 32 : word() % 512] =
			entry();
	}
	if (!(hx_self.paging_mode & PG_refcounts))
		model_validate(t, entries);
	fuzz_operations++;
}

static void step(void)
{
	unsigned int b = byte();

	switch (b % 16) {
	case 0:
	case 1:
		fill();
		break;
	case 2:
		touch();
		break;
	case 3:
		hold();
		break;
	case 4:
		if (b & 0x10)
			retype();
		else if (!in_call)
			steal();
		break;
	case 5:
		if (b & 0x10)
			table();
		else
			fault();
		break;
	case 6:
		modes();
		break;
	case 7:
		preemption();
		break;
	case 8:
		if (b & 0x10) {
			validate();
			break;
		}
		/* fallthrough */
	case 9:
		if (!in_call) {
			in_call = true;
			own_call();
			in_call = false;
			break;
		}
		/* fallthrough */
	default:
		if (in_call) {	/* change records that the call is reading */
			unsigned int i = byte() % 8;

			if (b & 1)
				runs[i] = a_run(i);
			else if (b & 2)
				values[i] = a_value();
			else
				tlb.pages = byte();
			break;
		}
		in_call = true;
		call(b & 1 ? VALUES : RUNS);
		in_call = false;
	}
}

/* At one preemption in four, the guest takes a step. */
static void meanwhile(void)
{
	if (in < in_end && one_in(4))
		step();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int b;

	fuzz_inputs++;
	in = data;
	in_end = data + size;
	model_reset();
	memset(runs, 0, sizeof(runs));
	memset(values, 0, sizeof(values));
	memset(&tlb, 0, sizeof(tlb));
	model_meanwhile = meanwhile;
	in_call = false;
	fuzz_preempt = 256;
	b = byte();
	hx.has_nx = b % 16 != 15;
	hx_self.cache_attrs_ok = (b >> 4 & 7) != 7;
	while (in < in_end)
		step();
	model_compare_all();
	return 0;
}
