/* SPDX-License-Identifier: MIT */
/*
 * Trapped writes: what the engine executes, and what it leaves to Xen's emulator
 * with everything as it was. What each instruction does is tested elsewhere
 * (tests/fuzz/decode.c); here it is what becomes of entries and references.
 */
#include "test-handler.h"

#include <sys/mman.h>

#define LEFT (-77) /* what the model of pv_ro_page_fault() answers */
#define FIXED EXCRET_fault_fixed
#define ADDR 0x12345000UL /* where the guest maps table 0 read-only */
#define AT(s) (ADDR + (s) * 8)

/* All forms with (%rdi), where a register operand is RCX. */
#define MOV "\x48\x89\x0f"
#define MOV_0 "\x48\xc7\x07\0\0\0\0"
#define XCHG "\x48\x87\x0f"
#define CMPXCHG "\xf0\x48\x0f\xb1\x0f"
#define CLEAR_RW "\xf0\x80\x27\xfd"
#define SET_RW "\xf0\x80\x0f\x02"
#define CLEAR_A "\xf0\x48\x0f\xba\x37\x05"
#define SET_D "\xf0\x48\x0f\xba\x2f\x06"
#define AND_RCX "\xf0\x48\x21\x0f"
#define XADD "\xf0\x48\x0f\xc1\x0f" /* not on the list */
#define LONG_MOV "\x48\xc7\x87\0\1\0\0\0\x34\x12\0" /* to 0x100(%rdi) */

static struct cpu_user_regs regs, before;
static uint8_t *code; /* two pages */

/* Puts an instruction at the end of the first page, if at is below 0. */
static void load(const char *insn, size_t len, long at)
{
	if (!code) {
		code = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (code == MAP_FAILED)
			exit(99);
	}
	memset(code, 0x90, 2 * PAGE_SIZE);
	regs.rip = (uintptr_t)code + (at < 0 ? PAGE_SIZE + at : at);
	memcpy((void *)regs.rip, insn, len);
}

static void world(void)
{
	memset(&regs, 0, sizeof(regs));
	for (unsigned int i = 0; i < 16; i++)
		regs.gpr[i] = 0x1111111111111111u * i;
	regs.rflags = 0x202 | X86_EFLAGS_RF | X86_EFLAGS_CF;
	hx.mmio_ro = ~0UL;
	hx.eff = l1e_from_intpte(pte(MFN_TABLE, 0));
	hx_parse("traps");
}

static int trap(const char *insn, size_t len, unsigned int slot)
{
	load(insn, len, 0);
	regs.rdi = AT(slot);
	before = regs;
	return hx_trap(AT(slot), &regs);
}
#define TRAP(insn, slot) trap(insn, sizeof(insn) - 1, slot)

/* It was executed: RIP is behind it, RF clear, the emulator not entered. */
#define TAKEN(insn, slot)                                                     \
	do {                                                                  \
		unsigned int _n = hx.perfc.ptwr_emulations;                   \
									      \
		EQ(TRAP(insn, slot), FIXED);                                  \
		EQ(regs.rip, before.rip + sizeof(insn) - 1);                  \
		CHECK(!(regs.rflags & X86_EFLAGS_RF));                        \
		EQ(hx.emulated, 0);                                           \
		EQ(hx.perfc.ptwr_emulations, _n + 1);                         \
		EQ(hx.xsm_calls, 0);                                          \
	} while (0)

/* It was left: nothing is changed. */
#define UNTOUCHED(call, answer, slot)                                         \
	do {                                                                  \
		uint64_t _e = hx_get(0, slot);                                \
		unsigned int _n = hx.perfc.ptwr_emulations;                   \
									      \
		EQ(call, answer);                                             \
		CHECK(!memcmp(&regs, &before, sizeof(regs)));                 \
		EQ(hx_get(0, slot), _e);                                      \
		EQ(hx.emulated, (answer) == LEFT);                            \
		EQ(hx.perfc.ptwr_emulations, _n);                             \
	} while (0)
#define IS_LEFT(insn, slot) UNTOUCHED(TRAP(insn, slot), LEFT, slot)

static void forms_change_entries(void)
{
	begin("a trapped write changes entry, registers and references");
	world();
	hx_set(0, 1, page(1, RW));
	hx_hold(MFN_PAGE + 1, 1);
	TAKEN(CLEAR_RW, 1);
	EQ(hx_get(0, 1), page(1, 0));
	EQ(type_count(MFN_PAGE + 1), 1);
	TAKEN(SET_RW, 1);
	EQ(hx_get(0, 1), page(1, RW));
	EQ(type_count(MFN_PAGE + 1), 2);
	EQ(hx.full_validations, 0);
	hx_set(0, 2, page(2, RW | A | D));
	TAKEN(CLEAR_A, 2);
	CHECK(regs.rflags & X86_EFLAGS_CF);
	EQ(hx_get(0, 2), page(2, RW | D));
	TAKEN(CLEAR_A, 2);
	CHECK(!(regs.rflags & X86_EFLAGS_CF));
	TAKEN(SET_D, 2);
	regs.rcx = 0;
	TAKEN(XCHG, 2);
	EQ(regs.rcx, page(2, RW | D));
	EQ(hx_get(0, 2), 0);
	EQ(type_count(MFN_PAGE + 2), 0);
	regs.rcx = page(3, RW) & ~G;
	TAKEN(MOV, 2);
	EQ(hx_get(0, 2), page(3, RW)); /* Xen adds G */
	regs.rcx = page(4, RW);
	TAKEN(XCHG, 2); /* another frame */
	EQ(regs.rcx, page(3, RW));
	regs.rax = hx_get(0, 2);
	regs.rcx = page(4, NX);
	TAKEN(CMPXCHG, 2);
	CHECK(regs.rflags & X86_EFLAGS_ZF);
	EQ(hx_get(0, 2), page(4, NX));
	regs.rcx = page(5, RW);
	TAKEN(CMPXCHG, 2); /* RAX is what it was before */
	CHECK(!(regs.rflags & X86_EFLAGS_ZF));
	EQ(regs.rax, page(4, NX));
	EQ(type_count(MFN_PAGE + 5), 0);
	TAKEN(MOV_0, 2);
	EQ(hx_get(0, 2), 0);
	end();
}

static void absent_entries(void)
{
	const uint64_t swap = 0x000fffffff123000 | RW | A;

	begin("a trapped write changes the bits of an absent entry");
	world();
	hx_set(0, 1, swap);
	TAKEN(CLEAR_RW, 1);
	EQ(hx_get(0, 1), swap & ~RW);
	TAKEN(CLEAR_A, 1);
	EQ(hx_get(0, 1), swap & ~(RW | A));
	hx_self.arch.pv.check_l1tf = true;
	regs.rcx = 0x1000 | US; /* names memory */
	IS_LEFT(MOV, 1);
	IS_LEFT(XCHG, 1);
	regs.rcx = swap;
	TAKEN(XCHG, 1);
	EQ(hx_get(0, 1), swap);
	hx_set(0, 2, 0x1000 | US | RW); /* from before the check was on */
	IS_LEFT(CLEAR_RW, 2);
	regs.rcx = 0;
	TAKEN(XCHG, 2);
	EQ(hx.l1tf, 0);
	end();
}

static void races(void)
{
	begin("hardware's A and D are in what a trapped write finds");
	world();
	hx.hw = 1; /* it sets them just before each write */
	hx_set(0, 1, page(1, RW));
	regs.rcx = 0;
	TAKEN(XCHG, 1);
	EQ(regs.rcx, page(1, RW | A | D));
	hx_set(0, 1, page(1, RW));
	regs.rax = page(1, RW);
	regs.rcx = page(1, 0);
	TAKEN(CMPXCHG, 1);
	CHECK(!(regs.rflags & X86_EFLAGS_ZF));
	EQ(regs.rax, page(1, RW | A | D));
	EQ(hx_get(0, 1), page(1, RW | A | D));
	regs.rcx = page(1, A | D);
	TAKEN(CMPXCHG, 1);
	CHECK(regs.rflags & X86_EFLAGS_ZF);
	EQ(hx_get(0, 1), page(1, A | D));
	hx_set(0, 1, page(1, RW));
	TAKEN(CLEAR_RW, 1);
	EQ(hx_get(0, 1), page(1, A | D));
	hx_set(0, 1, page(1, 0));
	TAKEN(SET_RW, 1);
	CHECK((hx_get(0, 1) & (RW | A)) == (RW | A));
	/* A reference that was taken in vain goes back. */
	hx_set(0, 1, page(1, RW));
	regs.rax = page(1, RW);
	regs.rcx = page(2, RW);
	TAKEN(CMPXCHG, 1);
	EQ(type_count(MFN_PAGE + 2), 0);
	EQ(hx_get(0, 1), page(1, RW | A | D));
	hx_set(0, 1, page(1, 0));
	regs.rax = page(1, 0);
	regs.rcx = page(1, RW);
	TAKEN(CMPXCHG, 1);
	EQ(type_count(MFN_PAGE + 1), 0);
	hx_set(0, 1, page(1, RW | A));
	TAKEN(CLEAR_A, 1);
	CHECK(regs.rflags & X86_EFLAGS_CF);
	EQ(hx_get(0, 1), page(1, RW | D));
	/* By Xen's own routines, too. */
	hx_set(0, 1, pte(MFN_F_PAGE, RW));
	regs.rcx = 0;
	TAKEN(XCHG, 1);
	EQ(regs.rcx, pte(MFN_F_PAGE, RW | A | D));
	hx_set(0, 1, page(1, RW));
	regs.rcx = (MFN_PAGE + 2) << 12 | P | RW; /* a kernel's */
	TAKEN(XCHG, 1);
	EQ(type_count(MFN_PAGE + 2), 1);
	end();
}

static void unusual_entries(void)
{
	begin("entries out of the ordinary go through Xen's own routines");
	world();
	hx_set(0, 1, pte(MFN_F_PAGE, RW));
	hx_set(0, 2, pte(MFN_MMIO, RW | UC));
	hx_set(0, 3, (page(3, RW) & ~G) | GUEST_KERNEL);
	regs.rcx = 0;
	TAKEN(XCHG, 1);
	EQ(regs.rcx, pte(MFN_F_PAGE, RW));
	TAKEN(CLEAR_RW, 2);
	EQ(hx_get(0, 2), pte(MFN_MMIO, UC));
	TAKEN(CLEAR_RW, 3);
	EQ(hx_get(0, 3), (page(3, 0) & ~G) | GUEST_KERNEL);
	/* A kernel's entry: Xen adds what only it may set. */
	regs.rcx = (MFN_PAGE + 4) << 12 | P | RW;
	TAKEN(MOV, 4);
	EQ(hx_get(0, 4), regs.rcx | GUEST_KERNEL | US);
	/* Flags that Xen wants otherwise. */
	regs.rcx = pte(MFN_MMIO_RO, RW | UC);
	TAKEN(MOV, 5);
	EQ(hx_get(0, 5), pte(MFN_MMIO_RO, UC));
	end();
}

static void refused_entries(void)
{
	begin("an entry that Xen refuses is left to the emulator");
	world();
	hx_set(0, 1, pte(MFN_TABLE + 1, 0));
	IS_LEFT(SET_RW, 1);
	regs.rcx = pte(MFN_TABLE + 1, RW);
	IS_LEFT(MOV, 2);
	IS_LEFT(XCHG, 1);
	regs.rax = pte(MFN_TABLE + 1, 0);
	IS_LEFT(CMPXCHG, 1);
	regs.rax = 0;
	TAKEN(CMPXCHG, 1); /* a mismatch: the new value does not matter */
	regs.rcx = pte(MFN_F_PAGE, RW);
	IS_LEFT(MOV, 2);
	regs.rcx = pte(MFN_MMIO_NO, RW);
	IS_LEFT(MOV, 2);
	hx_self.cache_attrs_ok = false;
	regs.rcx = page(2, RW | UC);
	IS_LEFT(MOV, 2);
	end();
}

static void other_addresses(void)
{
	begin("an instruction for another address is left");
	world();
	hx_set(0, 1, page(1, RW));
	hx_set(0, 2, page(2, RW));
	load(XCHG, sizeof(XCHG) - 1, 0);
	regs.rcx = 0; /* which any entry could become */
	for (unsigned int k = 0; k < 8; k++) {
		/* What faulted is the address of another slot, or of a byte. */
		regs.rdi = AT(2) + k;
		before = regs;
		UNTOUCHED(hx_trap(AT(1), &regs), LEFT, 1);
		UNTOUCHED(hx_trap(AT(3), &regs), LEFT, 2);
		if (k)
			UNTOUCHED(hx_trap(AT(2) + k, &regs), LEFT, 2);
	}
	/* It begins in the page before, and faults where this one begins. */
	for (unsigned int k = 1; k < 8; k++) {
		regs.rdi = ADDR - k;
		before = regs;
		UNTOUCHED(hx_trap(ADDR, &regs), LEFT, 0);
	}
	IS_LEFT(XADD, 1);
	end();
}

static void other_states(void)
{
	begin("where the short way is not meant, it is not taken");
	world();
	hx_set(0, 1, page(1, RW));
	regs.rcx = 0;
	regs.rflags |= X86_EFLAGS_TF;
	IS_LEFT(XCHG, 1);
	regs.rflags &= ~(uint64_t)X86_EFLAGS_TF;
	hx.tracing = true;
	IS_LEFT(XCHG, 1);
	hx.tracing = false;
	hx_self.paging_mode = PG_log_dirty;
	IS_LEFT(XCHG, 1);
	EQ(hx.copies, 0);
	hx_self.paging_mode = 0;
	hx_self.arch.pv.is_32bit = true;
	IS_LEFT(XCHG, 1);
	hx_self.arch.pv.is_32bit = false;
	hx.has_nx = false;
	IS_LEFT(XCHG, 1);
	hx.has_nx = true;
	hx_self.arch.pv.ptebatch_off = HX_TRAPS;
	IS_LEFT(XCHG, 1);
	hx_self.arch.pv.ptebatch_off = 0;
	hx_parse("no-traps");
	IS_LEFT(XCHG, 1);
	hx_parse("traps");
	/* A table is in RAM: whether it is a device's registers is not asked. */
	hx.mmio_ro = MFN_TABLE;
	hx.hardware_domain = true;
	TAKEN(XCHG, 1);
	hx.hardware_domain = false;
	end();

	begin("trapped writes are left to the emulator by default");
	world();
	harness_reset();
	hx.eff = l1e_from_intpte(pte(MFN_TABLE, 0));
	hx.mmio_ro = ~0UL;
	hx_set(0, 1, page(1, RW));
	IS_LEFT(XCHG, 1);
	EQ(hx.copies, 0);
	end();
}

static void other_pages(void)
{
	static const unsigned long pages[] = {MFN_PAGE + 7, MFN_SEG, MFN_L2,
					      MFN_FREE, MFN_MMIO, MFN_F_PAGE};

	begin("a write to what is no L1 table is not looked at further");
	world();
	hx_set(1, 1, page(7, RW));
	regs.rcx = 0x4711;
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		hx.eff = l1e_from_intpte(pte(pages[i], 0));
		UNTOUCHED(TRAP(MOV, 0), 0, 0);
		EQ(hx.copies, 0);
		EQ(hx.locks, 0);
	}
	EQ(hx_memory(7, 0), 0);
	/* Registers of a device, for the domain that has them. */
	hx.eff = l1e_from_intpte(pte(MFN_MMIO, 0));
	hx.mmio_ro = MFN_MMIO;
	hx.hardware_domain = true;
	UNTOUCHED(TRAP(MOV, 0), LEFT, 0);
	EQ(hx.copies, 0);
	hx.hardware_domain = false;
	hx.mmio_ro = ~0UL;
	/* Mapped writable, or not at all: not this kind of fault. */
	hx.eff = l1e_from_intpte(pte(MFN_TABLE, RW));
	UNTOUCHED(TRAP(MOV, 0), 0, 0);
	hx.eff = l1e_from_intpte(0);
	UNTOUCHED(TRAP(MOV, 0), 0, 0);
	/* A table of another domain's, or one that is not validated. */
	hx.eff = l1e_from_intpte(pte(MFN_F_TABLE, 0));
	UNTOUCHED(TRAP(MOV, 0), LEFT, 0);
	EQ(hx_get(NR_TABLES, 0), 0);
	hx.eff = l1e_from_intpte(pte(MFN_UNVALID, 0));
	UNTOUCHED(TRAP(MOV, 0), LEFT, 0);
	end();
}

static void fetches(void)
{
	begin("the instruction is fetched as far as it can be read");
	world();
	for (unsigned int k = 1; k < 16; k++) {
		hx_set(0, 33, page(1, RW));
		load(LONG_MOV, sizeof(LONG_MOV) - 1, -(long)k);
		hx.fault = (uintptr_t)code + PAGE_SIZE;
		hx.fault_end = hx.fault + PAGE_SIZE;
		regs.rdi = AT(1);
		before = regs;
		if (k < sizeof(LONG_MOV) - 1) {
			UNTOUCHED(hx_trap(AT(33), &regs), LEFT, 33);
			continue;
		}
		EQ(hx_trap(AT(33), &regs), FIXED);
		EQ(hx_get(0, 33), 0x123400);
	}
	/* It is complete, but eight bytes are not there: not worth it. */
	hx_set(0, 1, page(1, RW));
	load(XCHG, sizeof(XCHG) - 1, -3);
	regs.rdi = AT(1);
	before = regs;
	UNTOUCHED(hx_trap(AT(1), &regs), LEFT, 1);
	/* Across a page that is there. */
	hx.fault = hx.fault_end = 0;
	regs.rcx = 0;
	EQ(hx_trap(AT(1), &regs), FIXED);
	EQ(hx_get(0, 1), 0);
	/* Where nothing of the guest's can be. */
	regs = before;
	for (unsigned int k = 0; k < 2; k++) {
		regs.rip = k ? 0x0000800000000000 : HYPERVISOR_VIRT_END - 16;
		before = regs;
		UNTOUCHED(hx_trap(AT(1), &regs), LEFT, 1);
		EQ(hx.copies, 0);
	}
	end();
}

void trapped_writes(void)
{
	forms_change_entries();
	absent_entries();
	races();
	unusual_entries();
	refused_entries();
	other_addresses();
	other_states();
	other_pages();
	fetches();
}
