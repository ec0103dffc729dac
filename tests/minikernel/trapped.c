/* SPDX-License-Identifier: MIT */
/*
 * Instructions that change a page-table entry in place, which trap. Xen either
 * emulates them or has a short way for them; a guest must see no difference.
 *
 * Most tests run an instruction twice, on an entry of an L1 table and on a copy
 * of the entry in ordinary memory, where the CPU executes it. Then everything
 * must be the same but for the bits that Xen adds to present entries.
 */
#include "tests.h"

#define DATA (P | US | A | D)
#define SOLE WORLD_SLOTS
#define SLOT 100u /* the slot under test */
#define CF 0x001u
#define ARITH 0x8d5u /* OF, SF, ZF, AF, PF, CF */
#define TF 0x100u
#define RF 0x10000u
#define RAX 0
#define RCX 1
#define RBX 3
#define RSP 4
#define RDI 7
#define R12 12
#define R13 13

struct trapped_regs {
	uint64_t gpr[16], rflags;
};
extern struct trapped_regs trapped_regs;
extern uint64_t trapped_debugs, trapped_debug_rip;
extern char trapped_exit[], trapped_debug[];
void trapped_run(const void *code);

/* --- Running one instruction ---------------------------------------------- */

#define MOST 15u

struct insn {
	uint8_t byte[MOST];
	uint32_t len;
};

/* What an instruction did. */
struct outcome {
	int faulted;
	uint64_t va;	/* of the fault */
	uint64_t value; /* of the entry or its copy */
	struct trapped_regs regs;
};

/* The code's page and the page behind it, the copy's page, and a stack. */
static uint8_t *code_page;
static uint64_t *memory;
static uint8_t stack[4096] __attribute__((aligned(4096)));

static const void *running; /* the instruction, or NULL */
static struct outcome *seen;
static int (*other_faults)(struct regs *r, uint64_t va);

static int fault(struct regs *r, uint64_t va)
{
	if (!running || r->rip != (uint64_t)running)
		return other_faults(r, va);
	seen->faulted = 1;
	seen->va = va;
	r->rip = (uint64_t)trapped_exit;
	return 1;
}

static void begin(void)
{
	if (!code_page) {
		code_page = page_alloc();
		if (page_alloc() != code_page + PAGE)
			panic("pages are not in a row");
		memory = page_alloc();
	}
	other_faults = fault_handler;
	fault_handler = fault;
}

static void end(void)
{
	fault_handler = other_faults;
}

/* Runs it at code, with trapped_regs as set by the caller. */
static void run_at(uint8_t *code, const struct insn *in, struct outcome *out)
{
	const uint64_t to = (uint64_t)trapped_exit;

	memcpy(code, in->byte, in->len);
	memcpy(code + in->len, "\xff\x25\0\0\0\0", 6); /* jmp *0(%rip) */
	memcpy(code + in->len + 6, &to, sizeof(to));
	out->faulted = 0;
	seen = out;
	running = code;
	trapped_run(code);
	running = NULL;
	out->regs = trapped_regs;
}

/* --- Forms and addresses -------------------------------------------------- */

static const struct form {
	uint16_t opcode; /* 0x0f00 and the second byte, if it has two */
	int8_t ext;	 /* in the reg field of the ModRM byte, or -1 */
	uint8_t imm;	 /* its bytes */
	uint8_t bytes;	 /* of the operand */
	uint8_t lock;	 /* may have a lock prefix */
} forms[] = {
	{ 0x89, -1, 0, 8, 0 },	 /* mov r64,m64 */
	{ 0xc7, 0, 4, 8, 0 },	 /* mov imm32,m64 */
	{ 0x87, -1, 0, 8, 1 },	 /* xchg r64,m64 */
	{ 0x0fb1, -1, 0, 8, 1 }, /* cmpxchg r64,m64 */
	{ 0x80, 4, 1, 1, 1 },	 /* and imm8,m8 */
	{ 0x80, 1, 1, 1, 1 },	 /* or imm8,m8 */
	{ 0x81, 4, 4, 8, 1 },	 /* and imm32,m64 */
	{ 0x81, 1, 4, 8, 1 },	 /* or imm32,m64 */
	{ 0x83, 4, 1, 8, 1 },	 /* and imm8,m64 */
	{ 0x83, 1, 1, 8, 1 },	 /* or imm8,m64 */
	{ 0x21, -1, 0, 8, 1 },	 /* and r64,m64 */
	{ 0x09, -1, 0, 8, 1 },	 /* or r64,m64 */
	{ 0x0fba, 6, 1, 8, 1 },	 /* btr imm8,m64 */
	{ 0x0fba, 5, 1, 8, 1 },	 /* bts imm8,m64 */
	/* Those that only the emulator knows. */
	{ 0x31, -1, 0, 8, 1 },	 /* xor r64,m64 */
	{ 0x0fc1, -1, 0, 8, 1 }, /* xadd r64,m64 */
	{ 0x0fb3, -1, 0, 8, 1 }, /* btr r64,m64 */
	{ 0x88, -1, 0, 1, 0 },	 /* mov r8,m8 */
	{ 0x20, -1, 0, 1, 1 },	 /* and r8,m8 */
};
#define FORMS (sizeof(forms) / sizeof(*forms))
#define FORMS_LISTED 14u

enum address {
	BASE,	     /* (%rdi) */
	BASE_R13,    /* (%r13), which has a displacement */
	BASE_R12,    /* (%r12), which has a SIB byte */
	INDEX,	     /* -0x40(%rbx,%rcx,8) */
	INDEX_R12,   /* 0x12345678(%rdi,%r12,2) */
	STACK,	     /* (%rsp) */
	RELATIVE,    /* d(%rip) */
	ABSOLUTE,    /* an address alone */
	ADDRESSES
};

/*
 * Encodes a form with this address and sets the registers for it. Register
 * operands are RCX, or R9 where RCX is part of the address.
 */
static void encode(struct insn *in, const struct form *f, enum address a,
		   uint8_t prefix, uint64_t imm, uint64_t target,
		   const uint8_t *code)
{
	uint64_t *gpr = trapped_regs.gpr;
	uint32_t reg = a == INDEX ? 9 : RCX, n = 0, rex, disp_bytes = 0, disp_at;
	uint8_t modrm, sib = 0;
	int64_t disp = 0;
	int has_sib = 0;

	rex = (f->bytes == 8 ? 0x48 : 0x40) |
	      (f->ext < 0 && reg > 7 ? 4 : 0);
	switch (a) {
	case BASE:
		modrm = 7;
		gpr[RDI] = target;
		break;
	case BASE_R13:
		modrm = 0x45;
		rex |= 1;
		disp_bytes = 1;
		gpr[R13] = target;
		break;
	case BASE_R12:
		modrm = 4;
		sib = 0x24;
		has_sib = 1;
		rex |= 1;
		gpr[R12] = target;
		break;
	case INDEX:
		modrm = 0x44;
		sib = 0xcb;
		has_sib = 1;
		disp_bytes = 1;
		disp = -0x40;
		gpr[RCX] = 0x1234567;
		gpr[RBX] = target + 0x40 - 8 * gpr[RCX];
		break;
	case INDEX_R12:
		modrm = 0x84;
		sib = 0x67;
		has_sib = 1;
		rex |= 2;
		disp_bytes = 4;
		disp = 0x12345678;
		gpr[R12] = ~0x7654321ul;
		gpr[RDI] = target - (uint64_t)disp - 2 * gpr[R12];
		break;
	case STACK:
		modrm = 4;
		sib = 0x24;
		has_sib = 1;
		gpr[RSP] = target;
		break;
	case RELATIVE:
		modrm = 5;
		disp_bytes = 4;
		break;
	default:
		modrm = 4;
		sib = 0x25;
		has_sib = 1;
		disp_bytes = 4;
		disp = (int64_t)target;
	}
	if (prefix)
		in->byte[n++] = prefix;
	in->byte[n++] = (uint8_t)rex;
	if (f->opcode >> 8)
		in->byte[n++] = (uint8_t)(f->opcode >> 8);
	in->byte[n++] = (uint8_t)f->opcode;
	in->byte[n++] = (uint8_t)(modrm |
				  (f->ext < 0 ? reg & 7 : (uint32_t)f->ext)
					  << 3);
	if (has_sib)
		in->byte[n++] = sib;
	disp_at = n;
	n += disp_bytes;
	memcpy(in->byte + n, &imm, f->imm);
	n += f->imm;
	in->len = n;
	if (a == RELATIVE)
		disp = (int64_t)(target - (uint64_t)(code + n));
	memcpy(in->byte + disp_at, &disp, disp_bytes);
	if (f->ext < 0)
		gpr[reg] = imm;
}

static void registers(uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < 16; i++)
		trapped_regs.gpr[i] = 0x0101010101010101 * (i + 1);
	trapped_regs.gpr[RSP] = (uint64_t)(stack + sizeof(stack) - 512);
	trapped_regs.rflags = 2 | flags;
}

/* May an L1 table of ours have it, and does nothing else depend on it? */
static int harmless(uint64_t pte)
{
	uint64_t frame = pte & FRAME;
	uint32_t i;

	if (!(pte & P))
		return 1;
	if (pte & ~(FRAME | P | RW | US | A | D | G | NX | 0xe00))
		return 0;
	for (i = 0; i < 4; i++)
		if (frame == page_maddr(SOLE + i))
			return 1;
	return 0;
}

/* Sets the slot to pte; returns what Xen made of it. */
static uint64_t set(uint64_t pte)
{
	if (update_pte(slot_at(SLOT), pte))
		panic("test broken: entry %lx refused", pte);
	return *entry_at(SLOT);
}

/* The instruction as bytes, where a test has failed. */
static void show(const struct insn *in, const char *what, uint64_t a, uint64_t b)
{
	uint32_t i;

	print("# ");
	for (i = 0; i < in->len; i++)
		print("%02x ", in->byte[i]);
	print("%s: %lx in the table, %lx in memory\n", what, a, b);
}

static int differs(const struct insn *in, const char *what, uint64_t table,
		   uint64_t mem)
{
	if (table == mem)
		return 0;
	show(in, what, table, mem);
	return 1;
}

/*
 * Runs a form on the entry and on its copy, both at the same offset in their
 * pages, and compares. Returns the number of differences, or -1 if the result is
 * no entry to put into the table.
 */
static int compare(const struct form *f, enum address a, uint8_t prefix,
		   uint64_t imm, uint64_t rax, uint64_t old, uint32_t offset,
		   uint64_t flags)
{
	volatile uint64_t *const at[2] = { memory + SLOT, entry_at(SLOT) };
	struct outcome out[2];
	struct insn in;
	uint32_t i, r;
	int n = 0;

	old = set(old);
	for (i = 0; i < 2; i++) {
		if (!i)
			*at[0] = old;
		registers(flags);
		trapped_regs.gpr[RAX] = rax ? rax : old;
		encode(&in, f, a, prefix, imm, (uint64_t)at[i] + offset,
		       code_page);
		run_at(code_page, &in, &out[i]);
		out[i].value = *at[i];
		if (!i && !harmless(out[0].value))
			return -1;
	}
	n += differs(&in, "faulted", out[1].faulted, out[0].faulted);
	for (r = 0; r < 16; r++) {
		uint64_t x = out[1].regs.gpr[r], y = out[0].regs.gpr[r];

		/* Registers with the address, which must be as they were. */
		if (x - y == (uint64_t)at[1] - (uint64_t)at[0])
			continue;
		n += differs(&in, "a register", x, y);
	}
	n += differs(&in, "flags", out[1].regs.rflags & ARITH,
		     out[0].regs.rflags & ARITH);
	if (out[0].value == old || !(out[0].value & P))
		n += differs(&in, "the value", out[1].value, out[0].value);
	else
		n += differs(&in, "the entry", out[1].value | XENS_BITS,
			     out[0].value | XENS_BITS);
	return n;
}

static uint64_t swap_like(uint32_t i)
{
	/* High address bits set, so that it is safe against L1TF. */
	return 0x000ffffff0000000ul | i << 12 | RW | A | 0x18;
}

/* Old entries, and operands that make other entries of them. */
static uint64_t entry_nr(uint32_t i)
{
	switch (i) {
	case 0:
		return 0;
	case 1:
		return page_maddr(SOLE) | DATA | RW;
	case 2:
		return page_maddr(SOLE) | P | US;
	case 3:
		return swap_like(1);
	case 4:
		return page_maddr(SOLE + 1) | P | US | RW | NX;
	default:
		return page_maddr(SOLE) | DATA | RW | 0x200;
	}
}
#define ENTRIES 6u

static uint64_t operand(const struct form *f, uint32_t i, uint32_t offset)
{
	static const uint8_t masks[] = { 0xfd, 0xdf, 0xbf, 0x9d, 0xff, 0 };
	static const uint8_t bits[] = { 1, 5, 6, 9, 63, 0 };

	if (f->opcode == 0x0fba || f->opcode == 0x0fb3)
		return bits[i];
	if (f->opcode == 0x80 || f->opcode == 0x83 || f->opcode == 0x81 ||
	    f->bytes == 1) {
		if (f->ext == 4 || f->opcode == 0x20)
			return f->bytes == 8 ? (uint64_t)(int8_t)masks[i]
					     : offset ? 0xff : masks[i];
		return offset ? 0 : (uint8_t)~masks[i] & 0x7f;
	}
	if (f->imm)
		return i ? (uint64_t)i << 8 : 0; /* mov: absent */
	if (f->opcode == 0x21)
		return ~(uint64_t)(uint8_t)~masks[i];
	if (f->opcode == 0x09 || f->opcode == 0x31)
		return (uint8_t)~masks[i] & ~P;
	if (f->opcode == 0x0fc1)
		return i ? 0x200 : 0;
	return entry_nr(i);
}

/* All forms from first to last, with everything else varied. */
static const char *forms_agree(uint32_t first, uint32_t last, enum address a)
{
	static const uint8_t prefixes[] = { 0, 0xf0, 0x3e };
	uint32_t f, p, old, i, wrong = 0, none = 0, ran;

	begin();
	for (f = first; f < last; f++) {
		for (p = ran = 0; p < 3; p++)
			for (old = 0; old < ENTRIES; old++)
				for (i = 0; i < ENTRIES; i++) {
					int n;

					if (prefixes[p] == 0xf0 &&
					    !forms[f].lock)
						continue;
					n = compare(&forms[f], a, prefixes[p],
						    operand(&forms[f], i, 0),
						    i & 1 ? 0 : swap_like(7),
						    entry_nr(old), 0,
						    i & 2 ? ARITH : 0);
					wrong += n > 0;
					ran += n >= 0;
				}
		none += !ran;
	}
	end();
	CHECK(!wrong);
	CHECK(!none);
	return NULL;
}

static const char *each_form_does_in_a_table_what_it_does_in_memory(void)
{
	return forms_agree(0, FORMS_LISTED, BASE);
}

static const char *each_form_takes_each_kind_of_address(void)
{
	uint32_t a;

	for (a = BASE + 1; a < ADDRESSES; a++) {
		const char *why = forms_agree(0, FORMS_LISTED, (enum address)a);

		if (why) {
			print("# address %u\n", a);
			return why;
		}
	}
	return NULL;
}

static const char *other_forms_are_emulated(void)
{
	return forms_agree(FORMS_LISTED, FORMS, BASE);
}

static const char *a_byte_form_changes_its_byte_only(void)
{
	uint32_t f, offset, old, i, wrong = 0, ran = 0;

	begin();
	for (f = 0; f < FORMS; f++)
		for (offset = 0; forms[f].bytes == 1 && offset < 8; offset++)
			for (old = 0; old < ENTRIES; old++)
				for (i = 0; i < ENTRIES; i++) {
					int n = compare(
						&forms[f], BASE,
						forms[f].lock ? 0xf0 : 0,
						operand(&forms[f], i,
							entry_nr(old) & P
								? offset
								: 0),
						0, entry_nr(old), offset,
						CF);
					wrong += n > 0;
					ran += n >= 0;
				}
	end();
	CHECK(!wrong);
	CHECK(ran > 100);
	return NULL;
}

/* --- What is refused ------------------------------------------------------ */

/*
 * Runs a form at an address where it must fault: va, registers, and nothing in
 * either quadword that it would change.
 */
static const char *must_fault(const struct form *f, uint8_t prefix,
			      uint64_t imm, uint64_t target, uint64_t va)
{
	struct trapped_regs before;
	struct outcome out;
	struct insn in;

	begin();
	registers(ARITH);
	memcpy(&trapped_regs.gpr[RAX], (const void *)target, 8);
	encode(&in, f, BASE, prefix, imm, target, code_page);
	before = trapped_regs;
	run_at(code_page, &in, &out);
	end();
	CHECK(out.faulted);
	CHECK(out.va == va);
	for (uint32_t i = 0; i < 16; i++)
		CHECK(out.regs.gpr[i] == before.gpr[i]);
	CHECK((out.regs.rflags & ARITH) == ARITH);
	return NULL;
}

/*
 * An operand for a form of 8 bytes that changes the value at va. Xen's emulator
 * does not care where an instruction is that writes nothing.
 */
static uint64_t changing(const struct form *f, uint64_t va)
{
	uint64_t value, bit;

	memcpy(&value, (const void *)va, 8);
	if (f->opcode == 0x0fba || f->opcode == 0x0fb3) {
		for (bit = 0; (value >> bit & 1) == (f->ext == 5); bit++)
			;
		return bit;
	}
	if (f->ext == 4 || f->opcode == 0x21 || f->opcode == 0x20)
		return 0;
	/* The smaller operands are extended by their sign. */
	return ~value & 0x7f ? ~value & 0x7f : ~0x7ful;
}

static const char *an_operand_that_is_not_aligned_faults(void)
{
	uint64_t old, next;
	uint32_t f, k;

	fill_entries(SLOT, 2, 1, SOLE, DATA | RW);
	old = *entry_at(SLOT);
	next = *entry_at(SLOT + 1);
	for (f = 0; f < FORMS_LISTED; f++)
		for (k = 1; k < 8 && forms[f].bytes == 8; k++) {
			uint64_t va = (uint64_t)entry_at(SLOT) + k;
			const char *why = must_fault(&forms[f],
						     forms[f].lock ? 0xf0 : 0,
						     changing(&forms[f], va),
						     va, va);

			if (why)
				return why;
			CHECK(*entry_at(SLOT) == old);
			CHECK(*entry_at(SLOT + 1) == next);
		}
	return NULL;
}

/* A writable page with the table behind it, and the other way round. */
static const char *a_store_across_the_edge_of_a_table_faults(void)
{
	const uint64_t writable = page_maddr(SOLE) | DATA | RW;
	volatile uint64_t *page, *const table = table_virt(0);
	uint64_t edge = (uint64_t)va_at(511 + SLOT + 1);
	uint64_t first, last;
	uint32_t f, k, way;

	/* The first table is changed through the second table's addresses. */
	CHECK(!update_pte(slot_at(0), page_maddr(SOLE + 1) | DATA));
	CHECK(!update_pte(slot_at(511), page_maddr(SOLE + 2) | DATA));
	for (way = 0; way < 2; way++) {
		CHECK(!update_pte(slot_at(511 + SLOT), way ? virt_to_maddr(
			(void *)table) | P | US : writable));
		CHECK(!update_pte(slot_at(511 + SLOT + 1), way ? writable :
			virt_to_maddr((void *)table) | P | US));
		invlpg(edge - PAGE);
		invlpg(edge);
		page = (uint64_t *)(way ? edge : edge - PAGE);
		page[0] = page[511] = 0x5555;
		first = table[0];
		last = table[511];
		for (f = 0; f < FORMS_LISTED; f++)
			for (k = 1; k < 8 && forms[f].bytes == 8; k++) {
				uint64_t va = edge - k;
				const char *why = must_fault(
					&forms[f], forms[f].lock ? 0xf0 : 0,
					changing(&forms[f], va), va,
					way ? va : edge);

				if (why) {
					print("# form %u, %u bytes before\n", f,
					      k);
					return why;
				}
				CHECK(table[0] == first);
				CHECK(table[511] == last);
				CHECK(page[0] == 0x5555);
				CHECK(page[511] == 0x5555);
			}
	}
	page[0] = page[511] = 0;
	return NULL;
}

static const struct form *form_of(uint16_t opcode, int8_t ext)
{
	const struct form *f = forms;

	while (f->opcode != opcode || f->ext != ext)
		f++;
	return f;
}

/* Kernel-mode copy on write comes the same way as a store to a table. */
static const char *a_store_to_a_read_only_page_faults(void)
{
	uint64_t va = (uint64_t)va_at(SLOT);
	uint32_t f;

	fill_entries(SLOT, 1, 1, 0, DATA);
	*(volatile uint64_t *)page_virt(0) = 0x5555;
	for (f = 0; f < FORMS; f++) {
		const char *why = must_fault(&forms[f],
					     forms[f].lock ? 0xf0 : 0,
					     changing(&forms[f], va), va, va);

		if (why)
			return why;
		CHECK(*(volatile uint64_t *)page_virt(0) == 0x5555);
	}
	*(volatile uint64_t *)page_virt(0) = 0;
	return NULL;
}

static int pin_l1(uint32_t page)
{
	return mmuext(MMUEXT_PIN_L1_TABLE, page_maddr(page) >> 12, 0);
}

static int unpin(uint32_t page)
{
	return mmuext(MMUEXT_UNPIN_TABLE, page_maddr(page) >> 12, 0);
}

/* By each form that can set RW: the fault is delivered, nothing is changed. */
static const char *a_page_table_is_not_made_writable(void)
{
	uint64_t va = (uint64_t)entry_at(SLOT), before, entry;
	const struct { const struct form *f; uint64_t imm; } ways[] = {
		{ form_of(0x89, -1), page_maddr(SOLE) | DATA | RW },
		{ form_of(0x87, -1), page_maddr(SOLE) | DATA | RW },
		{ form_of(0x80, 1), RW },
		{ form_of(0x81, 1), RW },
		{ form_of(0x83, 1), RW },
		{ form_of(0x09, -1), RW },
		{ form_of(0x0fba, 5), 1 },
	};
	struct outcome out;
	struct insn in;
	uint32_t i;

	fill_entries(SLOT, 1, 1, SOLE, DATA);
	before = *entry_at(SLOT);
	entry = page_maddr(SOLE) | DATA | RW;
	CHECK(!pin_l1(SOLE));
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const char *why = must_fault(ways[i].f, ways[i].f->lock ? 0xf0
								       : 0,
					     ways[i].imm, va, va);

		if (why)
			return why;
		CHECK(*entry_at(SLOT) == before);
	}
	begin();
	registers(0);
	trapped_regs.gpr[RAX] = before;
	encode(&in, form_of(0x0fb1, -1), BASE, 0xf0, entry, va, code_page);
	run_at(code_page, &in, &out);
	end();
	CHECK(out.faulted && out.regs.gpr[RAX] == before);
	CHECK(*entry_at(SLOT) == before);
	/* On a mismatch, the new value does not matter. */
	begin();
	registers(0);
	trapped_regs.gpr[RAX] = 0;
	encode(&in, form_of(0x0fb1, -1), BASE, 0xf0, entry, va, code_page);
	run_at(code_page, &in, &out);
	end();
	CHECK(!out.faulted && out.regs.gpr[RAX] == before);
	CHECK(*entry_at(SLOT) == before);
	CHECK(!unpin(SOLE));
	/* No reference is left of all this: it can be data and a table again. */
	fill_entries(SLOT, 1, 1, SOLE, DATA | RW);
	CHECK(pin_l1(SOLE));
	fill_entries(SLOT, 1, 1, 0, 0);
	CHECK(!pin_l1(SOLE));
	CHECK(!unpin(SOLE));
	return NULL;
}

static const char *frames_of_others_are_not_mapped(void)
{
	uint64_t va = (uint64_t)entry_at(SLOT);
	const uint64_t entry = 0xffffffffff000ul | P | US | RW;
	const char *why;

	why = must_fault(form_of(0x89, -1), 0, entry, va, va);
	if (!why)
		why = must_fault(form_of(0x87, -1), 0, entry, va, va);
	CHECK(!*entry_at(SLOT));
	return why;
}

/* --- References ----------------------------------------------------------- */

/* Runs a form on the slot; returns RCX afterwards, the result of xchg. */
static uint64_t form(uint16_t opcode, int8_t ext, uint64_t imm, uint64_t rax)
{
	struct outcome out;
	struct insn in;

	begin();
	registers(0);
	trapped_regs.gpr[RAX] = rax;
	encode(&in, form_of(opcode, ext), BASE, opcode == 0x89 ? 0 : 0xf0, imm,
	       (uint64_t)entry_at(SLOT), code_page);
	run_at(code_page, &in, &out);
	end();
	if (out.faulted)
		panic("form %x faults", opcode);
	return out.regs.gpr[RCX];
}

static const char *each_form_keeps_the_count_of_writable_mappings(void)
{
	const uint64_t rw = page_maddr(SOLE) | DATA | RW;
	uint64_t seen_rw;
	uint32_t way;

	for (way = 0; way < 7; way++) {
		form(0x89, -1, rw, 0);
		seen_rw = *entry_at(SLOT);
		CHECK((seen_rw | XENS_BITS) == (rw | XENS_BITS));
		CHECK(pin_l1(SOLE)); /* it is writable */
		switch (way) {
		case 0:
			form(0x80, 4, (uint8_t)~RW, 0);
			break;
		case 1:
			form(0x0fba, 6, 1, 0);
			break;
		case 2:
			form(0x0fb1, -1, seen_rw & ~RW, seen_rw);
			break;
		case 3:
			CHECK(form(0x87, -1, 0, 0) == seen_rw);
			break;
		case 4:
			CHECK(form(0x87, -1, swap_like(3), 0) == seen_rw);
			CHECK(*entry_at(SLOT) == swap_like(3));
			break;
		case 5:
			form(0x89, -1, page_maddr(SOLE + 1) | DATA | RW, 0);
			break;
		default:
			form(0x21, -1, ~RW, 0);
		}
		CHECK(!pin_l1(SOLE)); /* and no more */
		CHECK(!unpin(SOLE));
		/* Back to RW in place, where it is still mapped. */
		if (way < 3 || way > 5) {
			if (way & 1)
				form(0x0fba, 5, 1, 0);
			else
				form(0x80, 1, RW, 0);
			CHECK(*entry_at(SLOT) & RW);
			CHECK(pin_l1(SOLE));
		}
		form(0x87, -1, 0, 0);
		CHECK(!*entry_at(SLOT));
	}
	/* Nothing is left of them: Xen takes them back. */
	CHECK(!page_give(page_virt(SOLE)));
	CHECK(!page_take(page_virt(SOLE)));
	set_writable(page_virt(SOLE), 0);
	CHECK(!page_give(page_virt(SOLE + 1)));
	CHECK(!page_take(page_virt(SOLE + 1)));
	set_writable(page_virt(SOLE + 1), 0);
	return NULL;
}

static const char *a_cmpxchg_compares_a_and_d_too(void)
{
	uint64_t pte;

	fill_entries(SLOT, 1, 1, SOLE, P | US | RW);
	pte = *entry_at(SLOT);
	CHECK(!probe_write(va_at(SLOT), 0)); /* hardware sets A and D */
	form(0x0fb1, -1, pte & ~RW, pte);
	CHECK(trapped_regs.gpr[RAX] == (pte | A | D));
	CHECK(!(trapped_regs.rflags & 0x40));
	CHECK(*entry_at(SLOT) == (pte | A | D));
	form(0x0fb1, -1, (pte | A | D) & ~RW, pte | A | D);
	CHECK(trapped_regs.rflags & 0x40);
	CHECK(*entry_at(SLOT) == ((pte | A | D) & ~RW));
	return NULL;
}

/* --- Where the instruction lies ------------------------------------------- */

static const char *an_instruction_can_end_at_the_end_of_its_page(void)
{
	const uint64_t pte = page_maddr(SOLE) | DATA | RW;
	uint32_t i, to, f, wrong = 0;
	uint8_t *code = (uint8_t *)va_at(WORLD_SLOTS - 2);
	struct outcome out;
	struct insn in;
	uint8_t *alias;

	/*
	 * The page behind the code is missing at first, and so is the jump, so
	 * the CPU faults at the next instruction. Then it is there.
	 */
	fill_entries(WORLD_SLOTS - 2, 1, 1, 0, DATA | RW);
	alias = page_virt(0);
	begin();
	for (f = 0; f < FORMS_LISTED; f++) {
		set(pte);
		registers(0);
		encode(&in, &forms[f], BASE, forms[f].lock ? 0xf0 : 0,
		       operand(&forms[f], 0, 0), (uint64_t)entry_at(SLOT),
		       code);
		trapped_regs.gpr[RAX] = *entry_at(SLOT);
		to = PAGE - in.len;
		memcpy(alias + to, in.byte, in.len);
		out.faulted = 0;
		seen = &out;
		running = code + PAGE;
		trapped_run(code + to);
		running = NULL;
		wrong += !out.faulted || out.va != (uint64_t)code + PAGE;
		set(0);
	}
	end();
	CHECK(!wrong);
	/* At each distance from the end of the page. */
	fill_entries(WORLD_SLOTS - 1, 1, 1, 1, DATA | RW);
	begin();
	for (i = 1; i < 16; i++)
		for (f = 0; f < FORMS_LISTED; f++) {
			uint64_t old = set(pte), want;

			registers(0);
			encode(&in, &forms[f], BASE, forms[f].lock ? 0xf0 : 0,
			       operand(&forms[f], 0, 0), (uint64_t)memory,
			       code);
			trapped_regs.gpr[RAX] = *memory = old;
			run_at(code_page, &in, &out);
			want = *memory;
			registers(0);
			encode(&in, &forms[f], BASE, forms[f].lock ? 0xf0 : 0,
			       operand(&forms[f], 0, 0),
			       (uint64_t)entry_at(SLOT), code);
			trapped_regs.gpr[RAX] = old;
			run_at(code + PAGE - i, &in, &out);
			wrong += out.faulted || (*entry_at(SLOT) | XENS_BITS) !=
							(want | XENS_BITS);
			set(0);
		}
	end();
	memset(page_virt(0), 0, PAGE);
	memset(page_virt(1), 0, PAGE);
	CHECK(!wrong);
	return NULL;
}

/* --- Debugging ------------------------------------------------------------ */

static int set_debugreg(uint32_t reg, uint64_t value)
{
	return (int)hypercall5(__HYPERVISOR_set_debugreg, reg, value, 0, 0, 0);
}

static void debug_begin(void)
{
	static const trap_info_t table[] = {
		{ 1, 0, FLAT_KERNEL_CS, (unsigned long)trapped_debug },
		{ 0, 0, 0, 0 },
	};

	if (hypercall5(__HYPERVISOR_set_trap_table, (uint64_t)table, 0, 0, 0, 0))
		panic("set_trap_table failed");
	begin();
	trapped_debugs = 0;
}

static void one_form(uint32_t f, uint64_t flags, struct insn *in,
		     struct outcome *out)
{
	set(page_maddr(SOLE) | DATA | RW);
	registers(flags);
	encode(in, &forms[f], BASE, forms[f].lock ? 0xf0 : 0,
	       operand(&forms[f], 0, 0), (uint64_t)entry_at(SLOT), code_page);
	trapped_regs.gpr[RAX] = *entry_at(SLOT);
	run_at(code_page, in, out);
	set(0);
}

static const char *a_single_step_ends_behind_the_instruction(void)
{
	struct outcome out;
	struct insn in;
	uint32_t f, wrong = 0;

	debug_begin();
	for (f = 0; f < FORMS; f++) {
		trapped_debugs = trapped_debug_rip = 0;
		one_form(f, TF, &in, &out);
		wrong += trapped_debugs != 1 || out.faulted ||
			 trapped_debug_rip != (uint64_t)code_page + in.len;
	}
	end();
	CHECK(!wrong);
	return NULL;
}

/* The fault sets RF; were it still set then, the breakpoint would be missed. */
static const char *a_breakpoint_on_the_next_instruction_is_hit(void)
{
	struct outcome out;
	struct insn in;
	uint32_t f, wrong = 0;

	debug_begin();
	for (f = 0; f < FORMS; f++) {
		registers(0);
		encode(&in, &forms[f], BASE, forms[f].lock ? 0xf0 : 0, 0,
		       (uint64_t)entry_at(SLOT), code_page);
		if (set_debugreg(0, (uint64_t)code_page + in.len) ||
		    set_debugreg(7, 0x401))
			panic("no breakpoint");
		trapped_debugs = trapped_debug_rip = 0;
		one_form(f, 0, &in, &out);
		set_debugreg(7, 0x400);
		wrong += trapped_debugs != 1 || out.faulted ||
			 trapped_debug_rip != (uint64_t)code_page + in.len;
	}
	end();
	CHECK(!wrong);
	return NULL;
}

/* --- Whose code it was ---------------------------------------------------- */

static int traps_on;

static const char *the_short_way_has_what_it_has_to(void)
{
	struct outcome out;
	struct insn in;
	uint32_t f;

	if (count_of(PTEBATCH_COUNT_TRAPS) < 0) {
		CHECK(!traps_on);
		return NULL;
	}
	begin();
	for (f = 0; f < FORMS; f++) {
		int64_t taken = count_of(PTEBATCH_COUNT_TRAPS);
		int64_t left = count_of(PTEBATCH_COUNT_TRAPS_LEFT);

		one_form(f, 0, &in, &out);
		taken = count_of(PTEBATCH_COUNT_TRAPS) - taken;
		left = count_of(PTEBATCH_COUNT_TRAPS_LEFT) - left;
		if (taken != (traps_on && f < FORMS_LISTED) ||
		    left != (traps_on && f >= FORMS_LISTED)) {
			show(&in, "counts", (uint64_t)taken, (uint64_t)left);
			end();
			return "the counts are wrong";
		}
	}
	end();
	CHECK(1);
	return NULL;
}

static const struct test trapped_tests[] = {
	TEST(each_form_does_in_a_table_what_it_does_in_memory),
	TEST(each_form_takes_each_kind_of_address),
	TEST(other_forms_are_emulated),
	TEST(a_byte_form_changes_its_byte_only),
	TEST(an_operand_that_is_not_aligned_faults),
	TEST(a_store_across_the_edge_of_a_table_faults),
	TEST(a_store_to_a_read_only_page_faults),
	TEST(a_page_table_is_not_made_writable),
	TEST(frames_of_others_are_not_mapped),
	TEST(each_form_keeps_the_count_of_writable_mappings),
	TEST(a_cmpxchg_compares_a_and_d_too),
	TEST(an_instruction_can_end_at_the_end_of_its_page),
	TEST(a_single_step_ends_behind_the_instruction),
	TEST(a_breakpoint_on_the_next_instruction_is_hit),
	TEST(the_short_way_has_what_it_has_to),
	{ NULL, NULL, 0 },
};

/* traps: they must have the short way. Otherwise they must not. */
void trapped_run_tests(int traps)
{
	traps_on = traps;
	use_new_calls();
	/* A test before these may have turned all parts off, and on but this. */
	if (traps && start_info->flags & SIF_INITDOMAIN &&
	    set_parameter("traps"))
		panic("Xen does not turn trapped writes on");
	run_tests("trapped", trapped_tests);
}
