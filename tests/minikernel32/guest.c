/* SPDX-License-Identifier: MIT */
/*
 * What a 32-bit PV guest sees of the handlers: nothing. The new calls do not
 * exist for it, its entries are stored as it gives them, and everything else is
 * compared with stock Xen: a sequence of Xen's own calls that depends on a seed
 * alone has the same digest on both (tests/xen/guest-32.sh). The digest has all
 * that the guest can see of it: results, done counts, entries, memory, and which
 * pages can become tables.
 *
 * The other Xen's frames have other numbers, so a frame counts by the page that
 * it belongs to.
 */
#include "kernel32.h"

#include "frames.h"
#include "random.h"

#define AREA 0x40000000u /* L3 slot 1: what the tables under test map */
#define TABLES 3u	 /* L1 tables, the first L2 slots of the area */
#define ACTIVE 48u	 /* slots of each that operations use */
#define SPARE 500u	 /* L2 slots of the area from here on, with no table */
#define SPARES 3u
#define MEMORY 8u	 /* pages that are tables now and memory then */
#define WORDS 24u	 /* words of each that operations use */
#define DATA_PAGES 20u
#define LIST_MAX 200u
#define EPOCH 500u
#define XENS 428u	 /* in L3 slot 3, Xen fills a table from this slot on */
#define DATA (P | US | A | D)
#define NOTHING_THERE (AREA + (400u << 21))
#define XENS_MEMORY 0xf5900000u

typedef uint64_t table_t[SLOTS];

static table_t table[TABLES] __attribute__((aligned(4096)));
static table_t area __attribute__((aligned(4096)));
static table_t memory[MEMORY] __attribute__((aligned(4096)));
static table_t data[DATA_PAGES] __attribute__((aligned(4096)));
static table_t edge __attribute__((aligned(4096)));

static uint32_t is_open[MEMORY]; /* mapped writable in the image */
static uint64_t l3; /* of the address space: its machine address */

/* The list under test ends where this mapping ends. */
#define EDGE_SLOT 100u
#define EDGE_END (AREA + (EDGE_SLOT + 1) * PAGE)

/* Of all active slots: where the entry can be read, the slot, what it maps. */
static volatile uint64_t *entry_at(uint32_t n)
{
	return &table[n / ACTIVE][n % ACTIVE];
}

static uint64_t slot_of(uint32_t n)
{
	return maddr_of(entry_at(n));
}

static uint32_t va_of(uint32_t n)
{
	return AREA + (n / ACTIVE << 21) + n % ACTIVE * PAGE;
}

/* --- The tables ---------------------------------------------------------- */

static void must(int rc, const char *what)
{
	if (rc)
		panic("%s: %d", what, rc);
}

static void set_up(void)
{
	uint32_t i;

	if (nr_frames)
		return;
	l3 = maddr_of((void *)start_info->pt_base);
	for (i = 0; i < TABLES; i++) {
		area[i] = maddr_of(table[i]) | P | RW | US | A;
		must(set_writable(table[i], 0), "a table is not read-only");
		frame_is(maddr_of(table[i]), nr_frames + 1);
	}
	must(set_writable(area, 0), "the area's table is not read-only");
	must(update_pte(l3 + 8, maddr_of(area) | P), "no area");
	must(update_pte(maddr_of(&table[0][EDGE_SLOT]),
			maddr_of(edge) | DATA | RW), "no edge");
	for (i = 0; i < MEMORY; i++) {
		is_open[i] = 1;
		frame_is(maddr_of(memory[i]), nr_frames + 1);
	}
	for (i = 0; i < DATA_PAGES; i++)
		frame_is(maddr_of(data[i]), nr_frames + 1);
	frame_is(maddr_of(area), nr_frames + 1);
	frame_is(l3, nr_frames + 1);
	frame_is(start_info->shared_info, nr_frames + 1);
}

static int close_memory(uint32_t k)
{
	int rc = set_writable(memory[k], 0);

	if (!rc)
		is_open[k] = 0;
	return rc;
}

static int open_memory(uint32_t k)
{
	int rc = set_writable(memory[k], 1);

	if (!rc)
		is_open[k] = 1;
	return rc;
}

static const uint32_t pin_cmd[] = { 0, MMUEXT_PIN_L1_TABLE,
				    MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
				    MMUEXT_PIN_L4_TABLE };

static int pin(uint32_t level, const void *page)
{
	return mmuext(pin_cmd[level], (uint32_t)(maddr_of(page) >> 12), 0);
}

static int unpin(const void *page)
{
	return mmuext(MMUEXT_UNPIN_TABLE, (uint32_t)(maddr_of(page) >> 12), 0);
}

/* Everything absent, unpinned and writable again. */
static void reset(void)
{
	uint32_t i, round;

	for (i = 0; i < TABLES * ACTIVE; i++)
		if (*entry_at(i))
			must(update_pte(slot_of(i), 0), "a slot stays");
	for (i = 0; i < SPARES; i++)
		if (area[SPARE + i])
			must(update_pte(maddr_of(&area[SPARE + i]), 0),
			     "an L2 slot stays");
	if (*(volatile uint64_t *)((uint32_t)start_info->pt_base + 16))
		must(update_pte(l3 + 16, 0), "an L3 slot stays");
	/* Tables that hold others come first, whatever their order. */
	for (i = 0; i < MEMORY; i++)
		unpin(memory[i]);
	for (round = 0; round < 4; round++)
		for (i = 0; i < MEMORY; i++)
			if (!open_memory(i))
				memset(memory[i], 0, PAGE);
	for (i = 0; i < MEMORY; i++)
		if (!is_open[i])
			panic("memory %u stays a table", i);
	memset(data, 0, sizeof(data));
}

/* --- Tests --------------------------------------------------------------- */

static const char *the_new_calls_do_not_exist(void)
{
	static const uint32_t hows[] = { PTEBATCH_HOW_PROBE, 0, 1, 2, 3,
					 PTEBATCH_HOW_LIST, 0x10, 0x60 };
	static struct ptebatch_run run;
	multicall_entry_t call;
	uint32_t i, nr;

	run = (struct ptebatch_run){ .slot = slot_of(0), .count = 1 };
	CHECK(!update_pte(slot_of(0), maddr_of(data[0]) | DATA | RW));
	for (nr = __HYPERVISOR_ptebatch_runs;
	     nr <= __HYPERVISOR_ptebatch_values; nr++)
		for (i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
			CHECK(hypercall(nr, (uint32_t)PTEBATCH_MAGIC, 0,
					hows[i], 0, 0) == -ENOSYS);
			CHECK(hypercall(nr, addr(&run), 1, hows[i], SELF, 0) ==
			      -ENOSYS);
			CHECK(hypercall(nr, (uint32_t)slot_of(0), 1, hows[i],
					(uint32_t)RW, 0) == -ENOSYS);
			call = (multicall_entry_t){
				.op = nr, .args = { addr(&run), 1, hows[i], SELF },
			};
			CHECK(!hypercall(__HYPERVISOR_multicall, addr(&call), 1,
					 0, 0, 0));
			CHECK((int32_t)call.result == -ENOSYS);
		}
	CHECK(*entry_at(0) == (maddr_of(data[0]) | DATA | RW));
	return NULL;
}

/* Xen adds flags of its own to the entries of 64-bit guests only. */
static const char *entries_are_stored_as_given(void)
{
	static const uint64_t flags[] = { P | US, P | US | RW, P, P | RW,
					  P | US | NX, P | US | A | D | RW,
					  P | US | G, P | US | 0xe00 };
	static mmu_update_t list[2 * ACTIVE];
	uint32_t i, done = 0;

	for (i = 0; i < 2 * ACTIVE; i++) {
		list[i].ptr = slot_of(i);
		list[i].val = maddr_of(data[i % DATA_PAGES]) | flags[i % 8];
	}
	CHECK(!hypercall(__HYPERVISOR_mmu_update, addr(list), 2 * ACTIVE,
			 addr(&done), SELF, 0));
	CHECK(done == 2 * ACTIVE);
	for (i = 0; i < 2 * ACTIVE; i++)
		CHECK(*entry_at(i) == list[i].val);
	for (i = 0; i < 8; i++) {
		CHECK(!update_pte(slot_of(100), maddr_of(data[1]) | flags[i]));
		CHECK(*entry_at(100) == (maddr_of(data[1]) | flags[i]));
		CHECK(!update_va(va_of(101), maddr_of(data[2]) | flags[i], 0));
		CHECK(*entry_at(101) == (maddr_of(data[2]) | flags[i]));
	}
	return NULL;
}

/* Validation passes over empty slots, at each place, and over no other. */
static const char *entries_at_each_place_are_validated(void)
{
	uint64_t *t = memory[0];
	uint32_t i, level;

	for (i = 0; i < SLOTS; i++) {
		CHECK(!open_memory(0) && !close_memory(1));
		memset(t, 0, PAGE);
		t[i] = maddr_of(memory[1]) | DATA;
		CHECK(!close_memory(0));
		CHECK(!pin(1, t));
		CHECK(t[i] == (maddr_of(memory[1]) | DATA));
		CHECK(pin(1, memory[0]) == -EINVAL); /* once */
		CHECK(!unpin(t));

		/* The same with what is refused: a table that is writable. */
		CHECK(!open_memory(0));
		t[i] = maddr_of(table[0]) | DATA | RW;
		CHECK(!close_memory(0));
		CHECK(pin(1, t));
		CHECK(!open_memory(1));
	}
	for (level = 2; level < 4; level++)
		for (i = 0; i < (level == 3 ? 3 : SLOTS); i++) {
			CHECK(!open_memory(0));
			memset(t, 0, PAGE);
			CHECK(!close_memory(1));
			/* A page of zeros is a table of any level but 3. */
			t[i] = maddr_of(memory[1]) | P |
			       (level == 2 ? RW | US | A : 0);
			if (level == 3) {
				CHECK(!close_memory(2));
				t[3] = maddr_of(memory[2]) | P;
			}
			CHECK(!close_memory(0));
			CHECK(!pin(level, t));
			CHECK(open_memory(1) == -EBUSY);
			CHECK(!unpin(t));
			CHECK(!open_memory(1));
			CHECK(!open_memory(2));
		}
	return NULL;
}

/* Slot 3 of an L3 table is the only slot that may not be empty. */
static const char *an_l3_table_needs_its_last_slot(void)
{
	uint64_t *t = memory[0];

	memset(t, 0, PAGE);
	CHECK(!close_memory(0));
	CHECK(pin(3, t) == -EINVAL);
	CHECK(!open_memory(0));
	t[2] = maddr_of(memory[1]) | P;
	CHECK(!close_memory(0) && !close_memory(1));
	CHECK(pin(3, t) == -EINVAL);
	CHECK(!open_memory(1)); /* no reference is left */
	return NULL;
}

#define TEST(f) { #f, f }

void guest_tests(void)
{
	static const struct {
		const char *name, *(*run)(void);
	} tests[] = {
		TEST(the_new_calls_do_not_exist),
		TEST(entries_are_stored_as_given),
		TEST(entries_at_each_place_are_validated),
		TEST(an_l3_table_needs_its_last_slot),
	};
	uint32_t i;

	set_up();
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		reset();
		tap_begin("32-bit guest", tests[i].name);
		tap_end(tests[i].run());
		reset();
	}
}

/* --- Random values -------------------------------------------------------- */

static uint64_t state;

static uint64_t chance(void)
{
	return xorshift64(&state);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((chance() >> 32) * n >> 32);
}

static int once_in(uint32_t n)
{
	return !below(n);
}

static void begin_operation(uint32_t seed, uint32_t number)
{
	state = ((uint64_t)seed << 32 ^ number) * 0x9e3779b97f4a7c15 + 1;
	if (!state)
		state = 1;
	chance();
	chance();
}

static uint64_t any_frame(void)
{
	static const uint64_t fixed[] = { 0, 0xb8000, 0xfee00000,
					  0xffffffffff000, 1ull << 45 };

	switch (below(20)) {
	case 0:
		return once_in(2) ? maddr_of(area) : l3 & FRAME;
	case 1:
		return maddr_of(table[below(TABLES)]);
	case 2:
		return fixed[below(5)];
	case 3:
	case 4:
		return maddr_of(memory[below(MEMORY)]);
	case 5:
		return start_info->shared_info;
	default:
		return maddr_of(data[below(DATA_PAGES)]);
	}
}

static uint64_t any_flags(void)
{
	uint64_t flags = P | US | (chance() & RW);

	if (once_in(2))
		flags |= chance() & (A | D);
	if (once_in(4))
		flags |= chance() & NX;
	if (once_in(8))
		flags |= chance() & PTEBATCH_PTE_AVAIL;
	if (once_in(6))
		flags |= G;
	if (once_in(6))
		flags &= ~US;
	if (once_in(40))
		flags |= 1ull << (52 + below(11));
	if (once_in(30))
		flags |= chance() & CACHE;
	return flags;
}

static uint64_t any_value(uint64_t now)
{
	switch (below(16)) {
	case 0:
	case 1:
		return 0;
	case 2: /* hidden, or absent in another way */
		return now & P ? (now ^ FRAME ^ P) & ~NX
			       : (any_frame() ^ FRAME) | (chance() & 0xffe);
	case 3:
	case 4:
	case 5:
		return now & P ? now ^ RW : any_frame() | any_flags();
	case 6:
	case 7:
		return now & P ? (now & FRAME) | any_flags() : 0;
	default:
		return any_frame() | any_flags();
	}
}

static uint64_t any_command(void)
{
	if (once_in(60)) /* but not for Xen's table of page numbers */
		return below(6) + 2;
	return once_in(2) ? MMU_PT_UPDATE_PRESERVE_AD : MMU_NORMAL_PT_UPDATE;
}

static uint32_t cursor;

/* Mostly the slot after the last one, as guests do it. */
static mmu_update_t any_update(void)
{
	mmu_update_t u = { 0, 0 };
	uint32_t k, i;

	switch (below(40)) {
	case 0: /* a table of level 2 */
		u.ptr = maddr_of(&area[SPARE + below(SPARES)]) + any_command();
		if (!once_in(3))
			u.val = maddr_of(memory[below(MEMORY)]) | P | RW | US |
				(chance() & A);
		break;
	case 1: /* of level 3: slot 2 has no table, and 3 is fixed */
		u.ptr = l3 + (once_in(8) ? 8 * (3 + below(3)) : 16) +
			any_command();
		if (!once_in(2))
			u.val = maddr_of(memory[below(MEMORY)]) | P |
				(chance() & (once_in(8) ? RW | US : 0));
		break;
	case 2:
		u.ptr = once_in(2) ? slot_of(0) + 2 + below(6)
				   : any_frame() + 8 * 499;
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9: /* memory, or a table of it */
		k = below(MEMORY);
		i = below(WORDS);
		u.ptr = maddr_of(&memory[k][i]) + any_command();
		u.val = any_value(memory[k][i]);
		break;
	default:
		if (once_in(8))
			cursor = below(TABLES * ACTIVE);
		cursor = (cursor + 1) % (TABLES * ACTIVE);
		u.ptr = slot_of(cursor) + any_command();
		u.val = any_value(*entry_at(cursor));
	}
	return u;
}

/* --- Operations ----------------------------------------------------------- */

enum kind { UPDATES, UPDATE_VA, PIN, UNPIN, FILL, TREE, TOUCH, KINDS };

static const char *const names[KINDS] = { "mmu_update", "update_va_mapping",
					  "pin", "unpin", "fill", "tree",
					  "touch" };
static uint32_t results[KINDS][2]; /* of successes, and of failures */
static uint32_t errors[128];
static uint64_t digest;
static int shows;

static void note(uint64_t v)
{
	digest = (digest ^ v) * 0x100000001b3;
	digest ^= digest >> 29;
}

static int result(enum kind kind, int32_t rc)
{
	results[kind][!!rc]++;
	if (rc < 0 && rc > -128)
		errors[-rc]++;
	note((uint64_t)(int64_t)rc);
	if (shows)
		print("#   %s: %d\n", names[kind], rc);
	return rc;
}

static void do_updates(void)
{
	static const uint32_t owners[] = { 0, 1, 0x1234, DOMID_IO, DOMID_XEN,
					   DOMID_COW, 1u << 16 | SELF,
					   1u << 16 | DOMID_IO,
					   0x1235u << 16 | SELF };
	static mmu_update_t list[LIST_MAX];
	static multicall_entry_t calls[4];
	uint32_t nr = once_in(2) ? 1 : 1 + below(once_in(3) ? LIST_MAX : 12);
	uint32_t who = once_in(24) ? owners[below(9)] : SELF, count = nr, i;
	uint32_t at = addr(list), bad = once_in(4), done = 0xdeadbeef;
	uint32_t pdone = once_in(8) ? once_in(2) ? 0 : addr(table[1])
				    : addr(&done);
	uint32_t nr_calls = once_in(6) ? 2 + below(3) : 0;

	cursor = below(TABLES * ACTIVE);
	for (i = 0; i < nr; i++) {
		list[i] = any_update();
		/* Most lists continue to their end. */
		while (!bad && list[i].ptr & 7 &&
		       (list[i].ptr & 7) != MMU_PT_UPDATE_PRESERVE_AD)
			list[i] = any_update();
		if (shows)
			print("#     %016llx = %016llx\n", normal(list[i].ptr),
			      normal(list[i].val));
	}
	if (once_in(16)) { /* the list ends where its memory ends */
		at = EDGE_END - below(nr + 1) * sizeof(*list);
		memcpy((void *)at, list, EDGE_END - at);
	}
	if (once_in(40))
		count = once_in(2) ? 0 : nr + below(1000);
	if (once_in(24)) /* a continuation, forged */
		count |= 1u << 31;
	if (!nr_calls) {
		result(UPDATES, hypercall(__HYPERVISOR_mmu_update, at, count,
					  pdone, who, 0));
	} else {
		/* The list in several calls. The last one has the rest. */
		for (i = 0; i < nr_calls; i++)
			calls[i] = (multicall_entry_t){
				.op = __HYPERVISOR_mmu_update,
				.args = { at + i * (nr / nr_calls) * 16,
					  i + 1 < nr_calls ? nr / nr_calls
							   : count,
					  pdone, who },
			};
		note((uint64_t)(int64_t)hypercall(__HYPERVISOR_multicall,
						  addr(calls), nr_calls, 0, 0,
						  0));
		for (i = 0; i < nr_calls; i++)
			result(UPDATES, (int32_t)calls[i].result);
	}
	note(done);
}

static void do_update_va(void)
{
	uint32_t n = below(TABLES * ACTIVE), va = va_of(n) + below(PAGE), flags;
	uint64_t pte = any_value(*entry_at(n));

	if (once_in(12)) /* a spare table, or none */
		va = AREA + ((SPARE + below(4)) << 21) + PAGE * below(WORDS);
	if (once_in(60))
		va = once_in(2) ? XENS_MEMORY : NOTHING_THERE;
	flags = below(8);
	if (once_in(6)) /* a mask of vCPUs */
		flags |= once_in(3) ? NOTHING_THERE : addr(&results) & ~7u;
	if (shows)
		print("#     %x = %016llx, %x\n", va, normal(pte), flags & 7);
	if (once_in(20))
		result(UPDATE_VA,
		       hypercall(__HYPERVISOR_update_va_mapping_otherdomain, va,
				 (uint32_t)pte, (uint32_t)(pte >> 32), flags,
				 once_in(2) ? DOMID_IO : 0x1234));
	else
		result(UPDATE_VA, update_va(va, pte, flags));
}

/* Fills memory, if it is none of the tables, and makes it read-only or not. */
static void do_fill(void)
{
	uint32_t k = below(MEMORY), kind = below(6), i;

	if (!is_open[k] && result(FILL, open_memory(k)))
		return;
	switch (kind) {
	case 0:
		memset(memory[k], 0, PAGE);
		break;
	case 1: /* sparse */
		memset(memory[k], 0, PAGE);
		for (i = below(SLOTS); i < SLOTS; i += 1 + below(200))
			memory[k][i] = any_value(0);
		break;
	case 2: /* full of what is allowed, or but for one slot */
		for (i = 0; i < SLOTS; i++)
			memory[k][i] = maddr_of(data[below(DATA_PAGES)]) | P |
				       US | (chance() & (RW | A | D));
		if (once_in(2))
			memory[k][below(SLOTS)] = any_value(0);
		break;
	case 3:
		for (i = 0; i < SLOTS; i++)
			memory[k][i] = once_in(3) ? 0 : any_value(0);
		break;
	case 4: /* no table */
		for (i = 0; i < WORDS; i++)
			memory[k][i] = chance();
		break;
	default: /* as a table of level 2 */
		memset(memory[k], 0, PAGE);
		for (i = below(40); i < SLOTS; i += 1 + below(100))
			memory[k][i] = maddr_of(memory[below(MEMORY)]) | P | US |
				       A | (chance() & RW);
	}
	if (!once_in(4))
		result(FILL, close_memory(k));
}

/* An L2 or L3 table with tables below it, pinned. */
static void do_tree(void)
{
	uint32_t level = 2 + below(2), top = below(MEMORY), k, i;
	uint32_t under = (top + 1 + below(MEMORY - 1)) % MEMORY;
	uint32_t last = (top + 1 + below(MEMORY - 1)) % MEMORY;

	for (k = 0; k < MEMORY; k++)
		if ((k == top || k == under || k == last) &&
		    result(TREE, open_memory(k)))
			return;
	memset(memory[under], 0, PAGE);
	memset(memory[last], 0, PAGE);
	memset(memory[top], level == 3 && once_in(2) ? 0x55 : 0, PAGE);
	for (i = below(100); i < SLOTS; i += 1 + below(150))
		memory[under][i] = maddr_of(level == 2 ? data[below(DATA_PAGES)]
						       : memory[last]) |
				   P | US | A | (level == 3 ? RW : 0);
	if (level == 2) {
		for (i = below(60); i < SLOTS; i += 1 + below(90))
			memory[top][i] = maddr_of(memory[once_in(3) ? last
								    : under]) |
					 P | US | RW;
		if (once_in(3))
			memory[top][below(SLOTS)] = any_value(0);
	} else {
		for (i = 0; i < 4; i++)
			memory[top][i] = i == 3 || once_in(2)
						 ? maddr_of(memory[under]) | P
						 : 0;
		if (once_in(3))
			memory[top][below(4)] = any_value(0);
		/* Xen wants a table in slot 3 that no other slot names. */
		if (once_in(2)) {
			memset(memory[last], 0, PAGE);
			memory[top][3] = maddr_of(memory[last]) | P;
		}
	}
	result(TREE, close_memory(last));
	if (under != last)
		result(TREE, close_memory(under));
	result(TREE, close_memory(top));
	result(TREE, pin(level, memory[top]));
}

/* An access by the CPU, to a page of this kernel and nothing else. */
static void do_touch(void)
{
	uint32_t n = below(TABLES * ACTIVE), write = below(2), k;
	uint64_t pte = *entry_at(n);
	volatile uint64_t *p = (uint64_t *)(va_of(n) + 8 * below(XENS));
	int ours = 0;

	for (k = 0; k < nr_frames - 1; k++)
		ours |= frames[k].frame == (pte & FRAME);
	if (!(pte & P) || !ours) {
		result(TOUCH, 1);
		return;
	}
	must(mmuext(MMUEXT_INVLPG_LOCAL, va_of(n), 0), "no INVLPG");
	if (write && pte & RW)
		*p = chance() & ~(uint64_t)P;
	note(normal(*p));
	__asm__ volatile("" : : : "memory"); /* A and D may be new */
	result(TOUCH, 0);
}

static void note_state(int all)
{
	const uint32_t slots = all ? SLOTS : ACTIVE, words = all ? XENS : WORDS;
	uint32_t t, i;

	for (t = 0; t < TABLES; t++)
		for (i = 0; i < slots; i++)
			note(normal(table[t][i]));
	for (t = 0; t < MEMORY; t++)
		for (i = 0; i < words; i++)
			note(normal(memory[t][i]));
	for (i = 0; i < SPARES; i++)
		note(normal(area[SPARE + i]));
	for (i = 0; i < 3; i++)
		note(normal(((volatile uint64_t *)start_info->pt_base)[i]));
}

static void do_operation(uint32_t seed, uint32_t number)
{
	uint32_t k;

	begin_operation(seed, number);
	if (shows)
		print("# op %u\n", number);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		do_update_va();
		break;
	case 3:
	case 4:
		k = below(MEMORY);
		if (once_in(2) && is_open[k])
			result(FILL, close_memory(k));
		result(PIN, pin(once_in(3) ? 2 + below(3) : 1, memory[k]));
		break;
	case 5:
		result(UNPIN, unpin(memory[below(MEMORY)]));
		break;
	case 6:
	case 7:
		do_fill();
		break;
	case 8:
		do_tree();
		break;
	case 9:
		do_touch();
		break;
	default:
		do_updates();
	}
	note_state(number % 50 == 49);
}

static const char *everything_came_up(void)
{
	static const uint8_t wanted[] = { ESRCH, EFAULT, EBUSY, EINVAL, ENOSYS };
	uint32_t i;

	for (i = 0; i < 128; i++)
		if (errors[i])
			print("# trace: error %u: %u\n", i, errors[i]);
	for (i = 0; i < KINDS; i++) {
		print("# trace: %s: %u done, %u refused\n", names[i],
		      results[i][0], results[i][1]);
		CHECK(results[i][0] && results[i][1]);
	}
	for (i = 0; i < sizeof(wanted); i++)
		CHECK(errors[wanted[i]]);
	return NULL;
}

void guest_trace(uint32_t operations, uint32_t seed, uint32_t first, int show)
{
	uint32_t i, n;

	set_up();
	shows = show;
	/* What an operation finds depends on those of its epoch. */
	n = first / EPOCH * EPOCH;
	for (i = n; i < first + operations; i++) {
		if (i % EPOCH == 0) {
			reset();
			digest = seed;
		}
		do_operation(seed, i);
		if (i % EPOCH == EPOCH - 1 || i + 1 == first + operations ||
		    (show && i >= first))
			print("# trace: seed %u up to %u: %016llx\n", seed,
			      i + 1, digest);
	}
	reset();
	tap_begin("32-bit guest", "each kind of operation was done and refused");
	tap_end(show ? "this is a replay" : everything_came_up());
}
