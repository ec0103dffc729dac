/* SPDX-License-Identifier: MIT */
/*
 * A sequence of Xen's own calls that depends on a seed alone, and a digest of
 * all that the guest can see of it: results, done counts, entries, and which
 * pages can become tables. Two Xens do the same if the digests are the same
 * (tests/xen/trace.sh): stock Xen and a patched one, or the patched one with
 * parts of it turned off. The other Xen's frames have other numbers, so a frame
 * counts by the page that it belongs to.
 *
 * An operation is a list of updates of any kind, good or bad, an
 * update_va_mapping, a change of a page's type, or an access by the CPU. It may
 * be in a multicall, or be preempted wherever Xen looks. The state that it finds
 * depends on the earlier operations of its epoch, which begins with empty
 * tables. So "trace=1 seed=S skip=N show" prints operation N and its digest.
 *
 * With "switch" the parts of a patched Xen are turned off and on between the
 * operations, and in the middle of preempted ones.
 */
#include "chance.h"
#include "guest-calls.h"

#include "frames.h"

#define EPOCH 500u
#define TABLES 3u /* of world.c, the first so many slots of each */
#define ACTIVE 48u
#define MEMORY 8u  /* pages that are tables now and memory then */
#define WORDS 24u  /* that operations use of each */
#define DATA_PAGES 20u
#define FIRST_MEMORY (SOLE + 400)
#define FIRST_DATA (SOLE + 410) /* the last four are mapped writable, too */
#define SPARE_L2 3u /* slots of the L2 table of TEST_BASE, from 500 on */
#define LIST_MAX 300u

static struct {
	enum { UPDATES, UPDATE_VA, PIN, UNPIN, TYPE, TOUCH, KINDS } kind;
	uint32_t nr, count, who, readable, pdone, calls;
	int preempted;
	uint64_t a, b, c; /* arguments of the other kinds */
} op;

static const char *const names[KINDS] = { "mmu_update", "update_va_mapping",
					  "pin", "unpin", "type", "touch" };

static mmu_update_t list[LIST_MAX];
static multicall_entry_t calls[8];
static volatile uint32_t done[8];
static char *edge; /* memory that ends here */
static uint64_t upper[3]; /* the L4, L3 and L2 tables of TEST_BASE */
static uint64_t l2_spare, l3_spare; /* slots */
static int shows, switches;

/* --- The digest ------------------------------------------------------------------ */

static uint64_t digest;

static void note(uint64_t v)
{
	digest = (digest ^ v) * 0x100000001b3;
	digest ^= digest >> 29;
}

static volatile uint64_t *memory(uint32_t page, uint32_t word)
{
	return (uint64_t *)page_virt(FIRST_MEMORY + page) + word;
}

static uint32_t slot_number(uint32_t n)
{
	return n / ACTIVE * SLOTS + n % ACTIVE;
}

static void note_state(int all)
{
	const uint32_t slots = all ? SLOTS : ACTIVE, words = all ? SLOTS : WORDS;
	uint32_t t, i;

	for (t = 0; t < TABLES; t++)
		for (i = 0; i < slots; i++)
			note(normal(*entry_at(t * SLOTS + i)));
	for (t = 0; t < MEMORY; t++)
		for (i = 0; i < words; i++)
			if (GUEST_L4(i)) /* others are Xen's in L4 tables */
				note(normal(*memory(t, i)));
	for (i = 0; i < SPARE_L2; i++)
		note(normal(maddr_to_virt(l2_spare)[i]));
	note(normal(*maddr_to_virt(l3_spare)));
}

/* --- Random values ----------------------------------------------------------------- */

static uint32_t any_data(void)
{
	return FIRST_DATA + below(DATA_PAGES);
}

static uint64_t any_frame(void)
{
	static const uint64_t fixed[] = { 0, 0xb8000, 0xfee00000,
					  0xffffffffff000, 1ul << 45 };

	switch (below(20)) {
	case 0:
		return upper[below(3)];
	case 1:
		return virt_to_maddr(table_virt(below(TABLES)));
	case 2:
		return fixed[below(5)];
	case 3:
	case 4:
		return page_maddr(FIRST_MEMORY + below(MEMORY));
	case 5:
		return start_info->shared_info & FRAME;
	default:
		return page_maddr(any_data());
	}
}

static uint64_t any_flags(void)
{
	uint64_t flags = P | US | (random() & RW);

	if (once_in(2))
		flags |= random() & (A | D);
	if (once_in(4))
		flags |= random() & NX;
	if (once_in(8))
		flags |= random() & PTEBATCH_PTE_AVAIL;
	if (once_in(6))
		flags |= G;
	if (once_in(20))
		flags &= ~US;
	if (once_in(40))
		flags |= GUEST_KERNEL;
	if (once_in(30))
		flags |= random() & CACHE;
	return flags;
}

static uint64_t any_value(uint64_t now)
{
	switch (below(16)) {
	case 0:
	case 1:
		return 0;
	case 2: /* hidden, or absent in another way */
		return now & P ? (now ^ FRAME ^ P) & ~(NX | GUEST_KERNEL | G)
			       : (any_frame() ^ FRAME) | (random() & 0xffe);
	case 3:
	case 4:
	case 5:
		return now & P ? (now ^ RW) & ~GUEST_KERNEL
			       : any_frame() | any_flags();
	case 6:
	case 7:
		return now & P ? (now & FRAME) | any_flags() : 0;
	default:
		return any_frame() | any_flags();
	}
}

static uint32_t cursor;

static uint64_t any_command(void)
{
	if (once_in(60)) /* but not for this kernel's table of page numbers */
		return below(6) + 2;
	return once_in(2) ? KEEP : NORMAL;
}

/* Mostly the slot after the last one, as guests do it. */
static mmu_update_t any_update(void)
{
	uint32_t i, k;

	switch (below(40)) {
	case 0: /* tables above */
		return update_of(l2_spare + 8 * below(SPARE_L2) + any_command(),
				 once_in(3) ? 0
					    : page_maddr(FIRST_MEMORY +
							 below(MEMORY)) |
						      P | RW | US |
						      (random() & A));
	case 1:
		return update_of(l3_spare | any_command(),
				 once_in(2) ? 0
					    : page_maddr(FIRST_MEMORY +
							 below(MEMORY)) |
						      P | US |
						      (random() & RW));
	case 2: /* the number of a page, as it is */
		k = any_data();
		return update_of(page_maddr(k) | MACHPHYS,
				 virt_to_pfn(page_virt(k)));
	case 3:
		/* Refused, or a word or slot that nothing else uses. */
		return once_in(4) ? update_of(any_frame() + 8 * 499, 0)
				  : update_of(slot_at(0) + 2 + below(6), 0);
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
	case 10: /* memory, or a table of it */
		k = below(MEMORY);
		i = below(WORDS);
		return update_of(virt_to_maddr((void *)memory(k, i)) |
					 any_command(),
				 any_value(*memory(k, i)));
	default:
		if (once_in(8))
			cursor = below(TABLES * ACTIVE);
		cursor = (cursor + 1) % (TABLES * ACTIVE);
		i = slot_number(cursor);
		return update_of(slot_at(i) | any_command(),
				 any_value(*entry_at(i)));
	}
}

static void any_list(void)
{
	static const uint32_t owners[] = { 0, 1, 0x1234, DOMID_IO, DOMID_XEN,
					   DOMID_COW, 1u << 16 | SELF,
					   1u << 16 | DOMID_IO,
					   0x1235u << 16 | SELF };
	uint32_t i, bad = once_in(4);

	op.nr = once_in(2) ? 1 : 1 + below(once_in(3) ? LIST_MAX : 12);
	for (i = 0; i < op.nr; i++) {
		list[i] = any_update();
		/* Most lists go on to their end. */
		while (!bad && (list[i].ptr & 7) != KEEP && list[i].ptr & 7)
			list[i] = any_update();
	}
	op.who = once_in(24) ? owners[below(9)] : SELF;
	op.readable = once_in(16) ? below(op.nr + 1) : op.nr;
	op.count = op.nr;
	if (once_in(40))
		op.count = once_in(2) ? 0 : op.nr + below(1000);
	if (once_in(24))
		op.count |= PREEMPTED;
	op.pdone = once_in(6) ? below(4) : 0;
	op.calls = once_in(6) ? 2 + below(6) : 0;
}

static void any_operation(uint64_t seed, uint64_t number)
{
	random_seed(seed, number);
	memset(&op, 0, sizeof(op));
	cursor = below(TABLES * ACTIVE);
	op.preempted = once_in(6);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		op.kind = UPDATE_VA;
		op.a = below(TABLES * ACTIVE);
		op.b = any_value(*entry_at(slot_number((uint32_t)op.a)));
		op.a = addr(va_at(slot_number((uint32_t)op.a))) + below(PAGE);
		if (once_in(12)) /* a spare table, or none */
			op.a = TEST_BASE + ((500ul + below(4)) << 21) +
			       PAGE * below(WORDS);
		if (once_in(60))
			op.a = once_in(2) ? XENS_MEMORY : NOT_CANONICAL;
		op.c = below(8);
		if (once_in(6))
			op.c |= once_in(3) ? NOTHING_THERE & ~7ul
					   : addr(&op) & ~7ul;
		op.who = once_in(20) ? below(2) ? DOMID_IO : 0x1234 : 0;
		break;
	case 4:
	case 5:
		op.kind = PIN;
		op.a = below(MEMORY);
		op.b = once_in(3) ? 2 + below(3) : 1;
		break;
	case 6:
		op.kind = UNPIN;
		op.a = below(MEMORY);
		break;
	case 7:
		op.kind = TYPE;
		op.a = any_data();
		break;
	case 8:
		op.kind = TOUCH;
		op.a = slot_number(below(TABLES * ACTIVE));
		op.b = below(2);
		break;
	default:
		any_list();
	}
}

static void show_operation(uint64_t number)
{
	uint32_t i;

	print("# op %lu: %s%s nr %u count %x who %x readable %u pdone %u calls "
	      "%u a %lx b %lx c %lx\n",
	      number, names[op.kind], op.preempted ? ", preempted" : "", op.nr,
	      op.count, op.who, op.readable, op.pdone, op.calls,
	      op.kind == UPDATES ? 0 : op.a,
	      op.kind == UPDATE_VA ? normal(op.b) : op.b,
	      op.c & 7);
	for (i = 0; op.kind == UPDATES && i < op.nr; i++)
		print("#   %u: %016lx = %016lx\n", i, normal(list[i].ptr),
		      normal(list[i].val));
}

static uint64_t op_preemptions;
static uint32_t results[KINDS][2]; /* of successes, and of failures */
static uint32_t errors[128];

static void count_result(int64_t rc)
{
	results[op.kind][!!rc]++;
	if (rc < 0 && rc > -128)
		errors[-rc]++;
}

static const char *everything_came_up(void)
{
	static const uint8_t wanted[] = { EPERM, ESRCH, EFAULT, EBUSY, EINVAL,
					  ENOSYS };
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
	CHECK(op_preemptions);
	return NULL;
}

/* --- Performing them --------------------------------------------------------------- */

/* Turns parts of a patched Xen off and on; the digest must not see it. */
static void switch_parts(struct regs *r)
{
	static uint32_t n;
	static const char *const lists[] = {
		"on", "no-updates", "no-validation", "dom0:no-updates,validation",
		"dom0:on", "updates,no-validation", "dom0:off",
		"no-updates,no-validation", "dom0:on",
	};

	(void)r;
	if (set_parameter(lists[n++ % (sizeof(lists) / sizeof(*lists))]))
		panic("the parts cannot be switched");
}

static int64_t make_call(uint64_t l, uint32_t count, uint64_t pdone)
{
	uint32_t i;
	int64_t rc;

	if (!op.calls)
		return hypercall5(__HYPERVISOR_mmu_update, l, count, pdone,
				  op.who, 0);
	/* The list in several calls, the last of which has the given count. */
	for (i = 0; i < op.calls; i++) {
		const uint32_t each = op.nr / op.calls;
		const int last = i + 1 == op.calls;

		calls[i] = (multicall_entry_t){
			.op = __HYPERVISOR_mmu_update,
			.args = { l + i * each * sizeof(*list),
				  last ? count : each,
				  i ? addr(&done[i]) : pdone, op.who },
		};
	}
	rc = hypercall5(__HYPERVISOR_multicall, addr(calls), op.calls, 0, 0, 0);
	for (i = 0; i < op.calls; i++) {
		count_result((int64_t)calls[i].result);
		note(calls[i].result);
		note(done[i]);
	}
	return rc;
}

static int64_t perform_list(void)
{
	uint64_t l = addr(edge) - op.readable * sizeof(*list);
	uint64_t pdone = addr(done);
	uint32_t i;

	memcpy((void *)l, list, op.readable * sizeof(*list));
	for (i = 0; i < 8; i++)
		done[i] = 100 * i + 7;
	if (op.pdone)
		pdone = op.pdone == 1	? 0
			: op.pdone == 2 ? NOTHING_THERE
					: XENS_MEMORY;
	return make_call(l, op.count, pdone);
}

static int64_t perform(void)
{
	volatile uint64_t *va;
	const uint32_t page = FIRST_MEMORY + (uint32_t)op.a; /* of pins */
	uint64_t seen;
	int64_t rc;

	switch (op.kind) {
	case UPDATES:
		return perform_list();
	case UPDATE_VA:
		if (op.who)
			return hypercall5(
				__HYPERVISOR_update_va_mapping_otherdomain,
				op.a, op.b, op.c, op.who, 0);
		return hypercall5(__HYPERVISOR_update_va_mapping, op.a, op.b,
				  op.c, 0, 0);
	case PIN:
		return pin((int)op.b, page_maddr(page));
	case UNPIN:
		return unpin(page_maddr(page));
	case TYPE:
		rc = pin(1, page_maddr((uint32_t)op.a));
		return rc ? rc : unpin(page_maddr((uint32_t)op.a));
	default:
		/* The pages of devices are left alone. */
		va = va_at((uint32_t)op.a);
		seen = *entry_at((uint32_t)op.a);
		if (!(seen & P) || normal(seen) == seen)
			return 0;
		invlpg(addr(va));
		return op.b ? probe_write(va + SLOTS - 1, 0)
			    : probe_read(va + SLOTS - 1, &seen);
	}
}

static void one_operation(uint64_t seed, uint64_t number)
{
	int64_t rc;

	any_operation(seed, number);
	if (shows)
		show_operation(number);
	if (switches)
		switch_parts(NULL);
	if (op.preempted)
		preempt_calls(switches ? switch_parts : NULL);
	rc = perform();
	if (op.preempted)
		op_preemptions += preempt_no_more();
	count_result(rc);
	note((uint64_t)rc);
	note(done[0]);
	note_state(0);
	if (shows)
		print("#   %ld, done %u: %016lx\n", rc, done[0], digest);
}

/* --- Epochs ------------------------------------------------------------------------ */

static void map_edge(void)
{
	const uint32_t slot = (WORLD_TABLES - 1) * SLOTS + 8;

	/* Two pages, followed by an absent one. */
	world_reset();
	fill_entries(slot, 2, 1, WORLD_SLOTS - 4, P | US | RW | A | D);
	edge = (char *)va_at(slot + 2);
}

static void make_empty(void)
{
	uint32_t i;

	for (i = 0; i < SPARE_L2; i++)
		if (update_pte(l2_spare + 8 * i, 0))
			panic("a spare slot cannot be cleared");
	if (update_pte(l3_spare, 0))
		panic("the spare L3 slot cannot be cleared");
	for (i = 0; i < MEMORY; i++)
		unpin(page_maddr(FIRST_MEMORY + i));
	map_edge();
	/* One table may hold another, so all are cleared, then none is one. */
	for (i = 0; i < MEMORY; i++) {
		set_writable(page_virt(FIRST_MEMORY + i), 1);
		memset(page_virt(FIRST_MEMORY + i), 0, PAGE);
		set_writable(page_virt(FIRST_MEMORY + i), 0);
	}
}

/* Which pages are free of writers; then everything is empty, and all are. */
static const char *end_epoch(void)
{
	uint32_t i;

	note_state(1);
	for (i = 0; i < DATA_PAGES; i++) {
		int rc = pin(1, page_maddr(FIRST_DATA + i));

		note((uint64_t)rc);
		if (!rc)
			CHECK(!unpin(page_maddr(FIRST_DATA + i)));
	}
	make_empty();
	for (i = 0; i < DATA_PAGES - 4; i++)
		CHECK(!no_reference_to(FIRST_DATA + i));
	for (i = 0; i < MEMORY; i++)
		CHECK(!no_reference_to(FIRST_MEMORY + i));
	return NULL;
}

static void name_frames(void)
{
	uint32_t i;

	nr_frames = 0;
	for (i = 0; i < DATA_PAGES; i++)
		frame_is(page_maddr(FIRST_DATA + i), 1 + i);
	for (i = 0; i < MEMORY; i++)
		frame_is(page_maddr(FIRST_MEMORY + i), 64 + i);
	for (i = 0; i < TABLES; i++)
		frame_is(virt_to_maddr(table_virt(i)), 96 + i);
	for (i = 0; i < 3; i++)
		frame_is(upper[i], 112 + i);
	frame_is(start_info->shared_info, 120);
}

static const char *run_all(uint64_t nr, uint64_t seed, uint64_t first)
{
	uint64_t n = first - first % EPOCH, end = first + nr;
	const int show = shows;
	const char *why;

	shows = 0;
	for (; n < end; n++) {
		if (!(n % EPOCH)) {
			name_frames();
			digest = 0xcbf29ce484222325;
		}
		shows = show && n >= first;
		one_operation(seed, n);
		shows = 0;
		if ((n + 1) % EPOCH && n + 1 < end)
			continue;
		why = end_epoch();
		if (why)
			return why;
		print("# trace: seed %lu, up to %lu: %016lx\n", seed, n + 1,
		      digest);
	}
	return NULL;
}

void trace_run(uint64_t nr, uint64_t seed, uint64_t first, int show,
	       int switching, enum code entries_are)
{
	uint32_t i;

	shows = show;
	switches = switching;
	upper[0] = l4_maddr();
	upper[1] = table_above(3);
	upper[2] = table_above(2);
	l2_spare = upper[2] + 8 * 500;
	l3_spare = upper[1] + 8 * 500;
	for (i = DATA_PAGES - 4; i < DATA_PAGES; i++)
		set_writable(page_virt(FIRST_DATA + i), 1);
	tap_begin("trace", "each epoch ends without a reference");
	map_edge();
	tap_end(run_all(nr, seed, first));
	for (i = DATA_PAGES - 4; i < DATA_PAGES; i++)
		set_writable(page_virt(FIRST_DATA + i), 0);
	if (switches && (set_parameter("on") || set_parameter("dom0:on")))
		panic("the parts cannot be turned on again");
	if (entries_are != UNKNOWN)
		tap_result("trace", entries_are == XENS_OWN
					    ? "Xen's own code did all of it"
					    : "the engine did a part of it",
			   entries_were(entries_are));
	if (nr >= 2000)
		tap_result("trace", "all errors and kinds of results came up",
			   everything_came_up());
}
