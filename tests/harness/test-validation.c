/* SPDX-License-Identifier: MIT */
/*
 * Tables are validated and devalidated with the same result whether the engine
 * takes part or not, and each finishes what the other began.
 */
#include "test-handler.h"

#define VALIDATED PTEBATCH_COUNT_VALIDATED

static void part(bool on)
{
	opt_ptebatch = on ? HX_CALLS | HX_UPDATES | HX_VALIDATION
			  : HX_CALLS | HX_UPDATES;
}

/* --- L1 tables ------------------------------------------------------------ */

static const uint64_t kinds[] = {
	0, 0xabc000, 0x60, (1UL << 33) - 0x1000, 1UL << 33, 1UL << 63, 1UL << 45,
	(MFN_PAGE + 1) << 12 | P | US, (MFN_PAGE + 1) << 12 | P | US | RW,
	(MFN_PAGE + 2) << 12 | P | US | RW | A | D,
	(MFN_PAGE + 3) << 12 | P | US | RW | G | NX,
	(MFN_PAGE + 4) << 12 | P | US | 0x7eUL << 52 | 0xe00,
	(MFN_PAGE + 5) << 12 | P | US | RW, /* a descriptor table once */
	(MFN_PAGE + 6) << 12 | P | US | RW, /* not coherent */
	(MFN_PAGE + 7) << 12 | P | US | RW, /* pinned */
	(MFN_PAGE + 8) << 12 | P | US | RW, /* at the greatest type count */
	(MFN_PAGE + 9) << 12 | P | US,
	(MFN_PAGE + 1) << 12 | P, (MFN_PAGE + 1) << 12 | P | RW | GUEST_KERNEL,
	(MFN_PAGE + 1) << 12 | P | US | GUEST_KERNEL | G,
	(MFN_PAGE + 1) << 12 | P | US | UC,
	(MFN_PAGE + 1) << 12 | P | US | RW | 0x80,
	(MFN_PAGE + 1) << 12 | P | US | 1UL << 59,
	MFN_F_PAGE << 12 | P | US, MFN_F_PAGE << 12 | P | US | RW,
	MFN_MMIO << 12 | P | US | RW, MFN_MMIO_RO << 12 | P | US | RW,
	MFN_MMIO_NO << 12 | P | US, MFN_IO_PAGE << 12 | P | US,
	MFN_HOLE << 12 | P | US | RW, MFN_FREE << 12 | P | US,
	MFN_L2 << 12 | P | US, MFN_L2 << 12 | P | US | RW,
	MFN_TABLE << 12 | P | US, MFN_TABLE << 12 | P | US | RW,
	MFN_SEG << 12 | P | US | RW, MFN_UNVALID << 12 | P | US,
	1UL << 51 | P | US, FRAME | P | US,
};

static void world(void)
{
	harness_reset();
	hx_hold(MFN_PAGE + 1, 1);
	hx_hold(MFN_PAGE + 2, 2);
	hx_page(MFN_PAGE + 5)->u.inuse.type_info =
		PGT_seg_desc_page | PGT_validated;
	hx_page(MFN_PAGE + 6)->u.inuse.type_info |= PGT_non_coherent;
	hx_hold(MFN_PAGE + 6, 2);
	hx_page(MFN_PAGE + 7)->u.inuse.type_info |= PGT_pinned;
	hx_hold(MFN_PAGE + 7, 1);
	hx_unvalidate(0);
}

/* The state after one validation, and after the table was let go again. */
struct state {
	int rc;
	uint64_t table[512];
	struct page_info frames[NR_FRAMES];
	unsigned int l1tf, freed;
};

static void look(struct state *s, int rc)
{
	s->rc = rc;
	for (unsigned int i = 0; i < 512; i++)
		s->table[i] = hx_get(0, i);
	memcpy(s->frames, frame_table, sizeof(s->frames));
	for (unsigned int m = 0; m < NR_FRAMES; m++)
		s->frames[m].tlbflush_timestamp = 0;
	s->l1tf = hx.l1tf;
	s->freed = hx.freed;
	hx_audit();
}

static void same(const char *what, const struct state *is,
		 const struct state *want)
{
	TAP_CHECK(is->rc == want->rc && is->l1tf == want->l1tf &&
		  is->freed == want->freed, "%s: %d, L1TF %u, freed %u; "
		  "not %d, %u, %u", what, is->rc, is->l1tf, is->freed, want->rc,
		  want->l1tf, want->freed);
	for (unsigned int i = 0; i < 512; i++)
		TAP_CHECK(is->table[i] == want->table[i],
			  "%s: slot %u is %#lx, not %#lx", what, i,
			  is->table[i], want->table[i]);
	TAP_CHECK(!memcmp(is->frames, want->frames, sizeof(is->frames)),
		  "%s: counts differ", what);
	if (hx.broken)
		TAP_CHECK(0, "%s: rule broken: %s", what, hx.what);
}

/*
 * The table that "entries" makes is validated, and devalidated, each with the
 * engine or without. Modes: bit 0 L1TF, 1 no device, 2 another domain's table,
 * 3 a paging mode, 4 a 32-bit domain, 5 no NX.
 */
static void both(const char *what, void (*entries)(unsigned int n),
		 unsigned int n, unsigned int modes)
{
	static struct state want[2], is[2];

	for (unsigned int way = 0; way < 4; way++) {
		struct domain *d = modes & 4 ? &hx_foreign : &hx_self;
		struct state *to = way ? is : want;

		world();
		entries(n);
		d->arch.pv.check_l1tf = modes & 1;
		d->cache_attrs_ok = !(modes & 2);
		d->paging_mode = modes & 8 ? PG_shadow | PG_log_dirty : 0;
		d->arch.pv.is_32bit = modes & 16;
		hx.has_nx = !(modes & 32);
		part(way & 1);
		look(&to[0], hx_promote(0, d));
		if (!to[0].rc) {
			part(way & 2);
			hx.may_free = true;
			hx_demote(0, d);
		}
		look(&to[1], 0);
		if (!way)
			continue;
		same(what, &is[0], &want[0]);
		same(what, &is[1], &want[1]);
	}
}

/* Kind n alone in one slot or another, between ordinary entries. */
static const unsigned int slots[] = {0, 1, 7, 15, 16, 17, 255, 256, 510, 511};

static void fill_with(unsigned int at, uint64_t e, bool full)
{
	for (unsigned int i = 0; i < 512; i++)
		if (full)
			hx_raw(0, i, (MFN_PAGE + 16 + i) << 12 | P | US |
					     (i % 3 ? RW : 0));
	hx_raw(0, at, e);
}

static void one_kind(unsigned int n)
{
	const unsigned int k = n % ARRAY_SIZE(kinds);
	const unsigned int s = n / ARRAY_SIZE(kinds) % ARRAY_SIZE(slots);
	struct page_info *pg;

	fill_with(slots[s], kinds[k], n / ARRAY_SIZE(kinds) / ARRAY_SIZE(slots));
	pg = hx_page((kinds[k] & FRAME) >> 12);
	if (pg == hx_page(MFN_PAGE + 8))
		hx_hold(MFN_PAGE + 8, PGT_count_mask);
}

static void all_kinds(unsigned int n)
{
	hx.rng += n * 0x2545f4914f6cdd1dUL;
	for (unsigned int i = 0; i < 512; i++) {
		uint64_t r = hx_random();

		if (r % 4 == 0 && n & 1)
			hx_raw(0, i, kinds[r / 4 % 22]);
		else if (r % 4 < 3)
			hx_raw(0, i, (MFN_PAGE + r / 16 % 64) << 12 | P | US |
					     (r & (RW | A | D | NX)));
	}
}

static void l1_tables(void)
{
	uint64_t before, left;
	unsigned int cases = 0;

	begin("each kind of entry in each place is validated as by Xen");
	for (unsigned int n = 0;
	     n < 2 * ARRAY_SIZE(kinds) * ARRAY_SIZE(slots); n++)
		for (unsigned int modes = 0; modes < 4; modes++) {
			char what[60];

			if (left_out(&cases))
				continue;
			snprintf(what, sizeof(what), "kind %zu, place %zu, modes %u",
				 n % ARRAY_SIZE(kinds), n / ARRAY_SIZE(kinds),
				 modes);
			both(what, one_kind, n, modes);
			if (tap.reasons >= TAP_REASONS)
				break;
		}
	end();

	begin("another domain's, a 32-bit domain's, in a paging mode, without NX");
	for (unsigned int n = 0; n < ARRAY_SIZE(kinds); n++)
		for (unsigned int modes = 4; modes < 64; modes++) {
			char what[60];

			if (left_out(&cases))
				continue;
			snprintf(what, sizeof(what), "kind %u, modes %u", n, modes);
			both(what, one_kind, n + ARRAY_SIZE(kinds) * 2, modes);
			if (tap.reasons >= TAP_REASONS)
				break;
		}
	end();

	begin("tables of mixed entries are validated as by Xen");
	for (unsigned int n = 0; n < 400; n++)
		both("mixed", all_kinds, n, n / 2 % 4);
	end();

	begin("the engine takes the ordinary entries, and skips the empty");
	world();
	fill_with(100, kinds[20], true);
	before = counter(VALIDATED);
	left = counter(PTEBATCH_COUNT_VALIDATED_LEFT);
	EQ(hx_promote(0, &hx_self), 0);
	EQ(counter(VALIDATED) - before, 511);
	EQ(counter(PTEBATCH_COUNT_VALIDATED_LEFT) - left, 1);
	EQ(hx.full_validations, 1);
	hx_demote(0, &hx_self);
	end();

	begin("a table that maps itself writable, or is mapped so, is refused");
	world();
	hx_raw(0, 5, MFN_TABLE << 12 | P | US | RW);
	EQ(hx_promote(0, &hx_self), (uint64_t)-EBUSY);
	end();

	begin("a granted page's references go where a table is let go");
	world();
	EQ(hx_promote(0, &hx_self), 0);
	before = type_count(MFN_F_PAGE);
	hx_set(0, 5, pte(MFN_F_PAGE, RW));
	EQ(type_count(MFN_F_PAGE), before + 1);
	hx_demote(0, &hx_self);
	EQ(type_count(MFN_F_PAGE), before);
	end();

	begin("the last references go where a table is let go");
	world();
	for (unsigned int i = 0; i < 512; i++)
		hx_raw(0, i, (MFN_PAGE + 16 + i) << 12 | P | US | RW);
	EQ(hx_promote(0, &hx_self), 0);
	for (unsigned int i = 0; i < 512; i++)
		hx_release(MFN_PAGE + 16 + i);
	hx.may_free = true;
	hx_demote(0, &hx_self);
	EQ(hx.freed, 512);
	end();
}

/* --- Slots that are empty ------------------------------------------------- */

static void skipping(void)
{
	static uint64_t t[512];

	begin("only slots of 64 zero bits are skipped, upwards and downwards");
	for (unsigned int round = 0; round < 300; round++) {
		memset(t, 0, sizeof(t));
		for (unsigned int n = round / 3; n; n--)
			t[hx_random() % 512] = 1UL << hx_random() % 64;
		if (round % 3 == 0)
			t[511] = 1;
		if (round % 5 == 0)
			t[0] = 1UL << 63;
		for (unsigned int i = 0; i <= 512; i++) {
			unsigned int up = i, down = i;

			while (up < 512 && !t[up])
				up++;
			while (down && !t[down - 1])
				down--;
			part(true);
			EQ(hx_next_used(&hx_self, t, i), up);
			EQ(hx_used_below(&hx_self, t, i), down);
			part(false);
			EQ(hx_next_used(&hx_self, t, i), i);
			EQ(hx_used_below(&hx_self, t, i), i);
			hx_foreign.arch.pv.ptebatch_off = HX_VALIDATION;
			part(true);
			EQ(hx_next_used(&hx_foreign, t, i), i);
			EQ(hx_used_below(&hx_foreign, t, i), i);
		}
	}
	end();
}

/*
 * Tables of levels 2 to 4: the engine skips empty slots, and nothing else is
 * different. Validation and the reverse are preempted, and continued with the
 * engine or without. turns: bit n says for the nth part whether it is on.
 */
static int upper(struct hx_upper *u, unsigned int turns, unsigned int stop)
{
	unsigned int n = 0;
	int rc;

	do {
		part(turns >> n % 8 & 1);
		rc = hx_promote_upper(u, &hx_self);
	} while (rc == -ERESTART && ++n < stop);
	if (rc && !u->nr_validated_ptes && !u->partial_flags)
		return rc; /* nothing is held */
	if (!rc) {
		u->nr_validated_ptes = 512;
		u->partial_flags = 0;
	}
	/* What was promoted, or a part of it, is let go. */
	n = 0;
	do {
		part(turns >> n++ % 8 & 1);
	} while (hx_demote_upper(u, &hx_self) == -ERESTART && n < 5000);
	CHECK(n < 5000);
	return rc;
}

static void upper_levels(void)
{
	static struct hx_upper first, u;
	unsigned int want_held[512];

	begin("higher levels: skipped or not, preempted, switched in between");
	for (unsigned int round = 0; round < 4000; round++) {
		int want = 0;

		harness_reset();
		hx.rng += round * 0x2545f4914f6cdd1dUL;
		memset(&first, 0, sizeof(first));
		first.level = 2 + round % 3;
		for (unsigned int n = hx_random() % 40; n; n--) {
			uint64_t r = hx_random(), e = P | 1UL << 40;

			if (r % 4 == 0)
				e |= r >> 8 & 0xe;
			if (r % 5 == 0)
				e |= r >> 16 & 0x600;
			if (r % 16 == 3)
				e = r & 0x8000 ? 1UL << 62 : HX_XEN_SLOT | r << 12;
			if (r % 200 == 7)
				e |= HX_REFUSED;
			if (r % 200 == 8)
				e = HX_UNSAFE;
			first.entry[r >> 40 & 511] = e;
		}
		for (unsigned int way = 0; way < 4; way++) {
			int rc;

			u = first;
			memset(hx.held, 0, sizeof(hx.held));
			hx.preempt = way ? round % 4 : 0;
			rc = upper(&u, way == 0 ? 0 : way == 1 ? 0xff
					 : hx_random(),
				   round & 4 ? 1 + hx_random() % 9 : 5000);
			if (!(round & 4) && !hx.preempt && way)
				TAP_CHECK(rc == want, "round %u: %d, not %d",
					  round, rc, want);
			want = way ? want : rc;
			memset(want_held, 0, sizeof(want_held));
			if (memcmp(want_held, hx.held, sizeof(want_held)))
				TAP_CHECK(0, "round %u, way %u: references left",
					  round, way);
			if (hx.broken)
				TAP_CHECK(0, "round %u, way %u: %s", round, way,
					  hx.what);
		}
		if (tap.reasons >= TAP_REASONS)
			break;
	}
	end();

	begin("a table with few entries asks little about preemption");
	harness_reset();
	memset(&u, 0, sizeof(u));
	u.level = 2;
	u.entry[3] = u.entry[300] = u.entry[511] = P;
	EQ(hx_promote_upper(&u, &hx_self), 0);
	CHECK(hx.checks <= 3);
	u.nr_validated_ptes = 512;
	hx.checks = 0;
	EQ(hx_demote_upper(&u, &hx_self), 0);
	CHECK(hx.checks <= 3);
	end();
}

void validation(void)
{
	l1_tables();
	skipping();
	upper_levels();
}
