/* SPDX-License-Identifier: MIT */
/* Random calls give the results of a simple model of xen-ptebatch.h. */
#include "test-handler.h"

static uint64_t model[NR_TABLES][512];

static int model_new(uint64_t e, uint64_t *new, bool fresh)
{
	uint64_t diff = e ^ *new, mfn = (*new & PTEBATCH_PTE_FRAME) >> 12;
	uint64_t light = fresh ? US | G | 1UL << 52 : 0;

	light |= A | D | NX | 0x7ff0000000000e00UL;
	if (!(*new & P) || ((e & P) && !(diff & ~light)))
		return 0;
	if (mfn == MFN_MMIO || mfn == MFN_MMIO_RO || mfn == MFN_HOLE) {
		if (mfn == MFN_MMIO_RO)
			*new &= ~RW;
		switch (*new & CACHE) {
		case 0:
			*new |= UC;
			break;
		case 8: /* write-through */
			*new |= 0x10;
			break;
		case 0x88: /* write-protected */
			*new = (*new & ~CACHE) | UC;
			break;
		}
		return 0;
	}
	if (mfn >= MFN_PAGE && mfn < MFN_PAGE + NR_PAGES)
		return 0;
	if (mfn == MFN_L2 || mfn == MFN_TABLE)
		return *new & RW ? EBUSY : 0;
	if (mfn >= MFN_END)
		return EPERM;
	return EBUSY;
}

static uint64_t random_entry(void)
{
	static const unsigned long odd[] = {MFN_MMIO, MFN_MMIO_RO, MFN_HOLE,
					    MFN_L2, MFN_TABLE, MFN_F_PAGE};
	uint64_t r = hx_random(), f = r & (RW | A | D | NX | 0xe00);
	unsigned long mfn = MFN_PAGE + hx_random() % NR_PAGES;

	if (r % 11 == 0)
		return hx_random() & ~P & 0xffffffff;
	if (r % 13 == 0)
		mfn = odd[hx_random() % ARRAY_SIZE(odd)];
	if (mfn == MFN_L2 || mfn == MFN_TABLE || mfn == MFN_MMIO_RO)
		f &= ~RW;
	if (mfn == MFN_MMIO || mfn == MFN_MMIO_RO || mfn == MFN_HOLE)
		f |= UC;
	return pte(mfn, f);
}

static uint64_t random_mask(void)
{
	uint64_t m = hx_random() & hx_random() & PTEBATCH_RUN_FLAGS;

	switch (hx_random() % 8) {
	case 0:
		return m;
	case 1:
		return m | (hx_random() % 4 ? 0 : hx_random());
	case 2 ... 4:
		return hx_random() & RW;
	default:
		return m & PTEBATCH_FAST_FLAGS;
	}
}

#define MAX_RECORDS 30

/* Hardware may set A and D; unless a record names these, they must remain. */
static void compare(unsigned int round, uint64_t named)
{
	for (unsigned int t = 0; t < 2; t++)
		for (unsigned int s = 0; s < 512; s++) {
			uint64_t is = hx_get(t, s), ad = hx.hw ? A | D : 0;

			TAP_CHECK(!((is ^ model[t][s]) & ~ad),
				  "round %u: table %u slot %u is %#lx, not %#lx",
				  round, t, s, is, model[t][s]);
			TAP_CHECK(!(is & P) ||
				  !(model[t][s] & ad & ~named & ~is),
				  "round %u: table %u slot %u lost A or D: %#lx",
				  round, t, s, is);
			model[t][s] = is;
		}
}

static void random_runs(unsigned int round)
{
	static struct ptebatch_run runs[MAX_RECORDS];
	static uint64_t old[MAX_RECORDS][512], want[MAX_RECORDS][512];
	unsigned int n = hx_random() % MAX_RECORDS + 1, r, s = 0;
	uint64_t named = 0;
	bool any = false;
	int err = 0;
	int64_t ret;

	for (r = 0; r < n; r++) {
		unsigned int first = hx_random() % 512;
		unsigned int max = 512 - first;
		bool wrong = hx_random() % 64 == 0;

		runs[r] = (struct ptebatch_run){
			.slot = hx_slot(hx_random() % 2, first) + 4 * (wrong && first & 1),
			.count = hx_random() % (max + wrong) % (hx_random() % 8 ? 40 : 512) + 1,
			.op = hx_random() % 8 ? FLAGS : CLEAR,
		};
		if (runs[r].op == FLAGS || wrong) {
			runs[r].clear = random_mask();
			runs[r].set = random_mask();
		}
		if (hx_random() % 3 == 0)
			runs[r].old = (uintptr_t)old[r];
		named |= runs[r].clear | (runs[r].op == CLEAR ? A | D : 0);
	}
	for (r = 0; r < n && !err; r++) {
		const struct ptebatch_run *u = &runs[r];
		unsigned int t = (u->slot >> 12) - MFN_TABLE;
		unsigned int at = (u->slot & 0xfff) / 8;

		s = 0;
		if ((u->slot & 7) || at + u->count > 512 ||
		    (u->op == FLAGS
			     ? (u->clear | u->set) & ~PTEBATCH_RUN_FLAGS
			     : u->clear | u->set)) {
			err = EINVAL;
			break;
		}
		for (; s < u->count; s++) {
			uint64_t *e = &model[t][at + s], new = 0;

			if (u->op == FLAGS)
				new = *e & P ? (*e & ~u->clear) | u->set : *e;
			if (new & P)
				err = model_new(*e, &new, false);
			if (err)
				break;
			want[r][s] = *e;
			*e = new;
			any = true;
		}
		if (err)
			break;
		s = 0;
	}
	memset(old, 0, sizeof(old));
	ret = hx_call(RUNS, (uintptr_t)runs, n, LIST | TLB(ALL), SELF, 0);
	TAP_CHECK(ret == ANS(r, s, err), "round %u: answer %#lx, not %#lx",
		  round, ret, ANS(r, s, err));
	EQ(hx.flushes, any || r);
	CHECK(!hx.flushes || hx.flush[0].step > hx.last_update);
	for (unsigned int i = 0; i <= r && i < n; i++)
		for (unsigned int j = 0;
		     runs[i].old && j < (i < r ? runs[i].count : s); j++)
			TAP_CHECK(!((old[i][j] ^ want[i][j]) &
				    ~(hx.hw ? A | D : 0)),
				  "round %u: old %u.%u is %#lx, not %#lx",
				  round, i, j, old[i][j], want[i][j]);
	compare(round, named);
}

static void random_values(unsigned int round)
{
	static struct ptebatch_value v[100];
	static const unsigned long refused[] = {MFN_FREE, MFN_FREE + 1, MFN_MMIO_NO,
						MFN_F_PAGE, MFN_SEG};
	unsigned int n = hx_random() % 100 + 1, r;
	uint64_t named = 0;
	int err = 0;
	int64_t ret;

	for (r = 0; r < n; r++) {
		unsigned int t = hx_random() % 2, s = hx_random() % 512;
		bool keep = hx_random() & 1;
		uint64_t val = random_entry();

		if (hx_random() % 2 && (model[t][s] & P))
			val = model[t][s] ^ (hx_random() & (RW | NX | A | D));
		if (hx_random() % 256 == 0)
			val = pte(refused[hx_random() % 5], RW);
		if (hx_random() % 16 == 0)
			val = 0;
		if (!keep)
			named |= A | D;
		v[r] = (struct ptebatch_value){hx_slot(t, s) | (keep ? 2 : 0),
					       val};
	}
	for (r = 0; r < n && !err; r++) {
		unsigned int t = (v[r].slot >> 12) - MFN_TABLE;
		uint64_t *e = &model[t][(v[r].slot & 0xfff) / 8];
		uint64_t new = v[r].pte;

		err = model_new(*e, &new, true);
		if (err)
			break;
		*e = new | (v[r].slot & 2 ? *e & (A | D) : 0);
	}
	ret = hx_call(VALUES, (uintptr_t)v, n, TLB(ALL), SELF, 0);
	TAP_CHECK(ret == ANS(r, 0, err), "round %u: answer %#lx, not %#lx",
		  round, ret, ANS(r, 0, err));
	EQ(hx.flushes, r > 0);
	compare(round, named);
}

void differential(unsigned int seed, unsigned int rounds)
{
	char name[80];

	snprintf(name, sizeof(name),
		 "%u random calls do what xen-ptebatch.h says (seed %u)", rounds, seed);
	begin(name);
	hx.rng += (uint64_t)seed * 0x2545f4914f6cdd1dUL;
	for (unsigned int i = 0; i < rounds && !hx.broken && !tap.reasons; i++) {
		if (i % 64 == 0) {
			uint64_t rng = hx.rng;

			hx_audit();
			if (hx.broken)
				break;
			harness_reset();
			hx.rng = rng;
			for (unsigned int t = 0; t < 2; t++)
				for (unsigned int s = 0; s < 512; s++) {
					model[t][s] = random_entry();
					hx_set(t, s, model[t][s]);
				}
			for (unsigned int p = 0; p < NR_PAGES; p += 3)
				hx_hold(MFN_PAGE + p, p % 2 + 1);
		}
		hx.hw = hx_random() % 4 ? 0 : hx_random() % 3 + 1;
		hx.preempt = hx_random() % 4;
		/* Page descriptors seem to be in no cache. */
		hx.read_cycles = hx_random() % 4 ? 0 : 1000;
		if (hx_random() & 1)
			random_runs(i);
		else
			random_values(i);
	}
	end();
}
