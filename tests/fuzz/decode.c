/* SPDX-License-Identifier: MIT */
/*
 * Compares the hypervisor's decoder of trapped writes (backends/xen-hv/decode.h)
 * with this CPU and, if it was built with one (emulator.sh), with Xen's own
 * instruction emulator. TAP.
 *
 *   decode [--count N] [--seed S] [--from I]
 *
 * runs cases I to I+N-1 of a seed. Each case depends on seed and number only, so
 * a long run can be done in parts, and a failed case alone with --from I
 * --count 1. Cases are instructions of the decoder's list, such instructions
 * with bytes changed, inserted or removed, and random bytes; with random
 * registers, and an entry that hardware may change in between.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/regs.h"
#include "../common/tap.h"
#include "decode.h"
#include "emulator.h"

#define ARITH (X86_EFLAGS_OF | X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | \
	       X86_EFLAGS_PF | X86_EFLAGS_CF)
#define AREA 0x10000u /* of code, and as much of data after it */

static const struct form {
	const char *name;
	uint16_t opcode; /* 0x0f00 and the second byte, if it has two */
	int8_t ext;	 /* in the reg field of the ModRM byte, or -1 */
	uint8_t imm;	 /* its bytes */
	bool byte;	 /* byte operand */
	bool lock;	 /* may have a lock prefix */
} forms[] = {
	{"mov r64,m64", 0x89, -1, 0, false, false},
	{"mov imm32,m64", 0xc7, 0, 4, false, false},
	{"xchg r64,m64", 0x87, -1, 0, false, true},
	{"cmpxchg r64,m64", 0x0fb1, -1, 0, false, true},
	{"and imm8,m8", 0x80, 4, 1, true, true},
	{"or imm8,m8", 0x80, 1, 1, true, true},
	{"and imm32,m64", 0x81, 4, 4, false, true},
	{"or imm32,m64", 0x81, 1, 4, false, true},
	{"and imm8,m64", 0x83, 4, 1, false, true},
	{"or imm8,m64", 0x83, 1, 1, false, true},
	{"and r64,m64", 0x21, -1, 0, false, true},
	{"or r64,m64", 0x09, -1, 0, false, true},
	{"btr imm8,m64", 0x0fba, 6, 1, false, true},
	{"bts imm8,m64", 0x0fba, 5, 1, false, true},
};
#define NR_FORMS (sizeof(forms) / sizeof(*forms))

struct test_case {
	uint64_t number;
	uint8_t insn[STORE_INSN_MAX + 1];
	unsigned int valid;
	bool canonical; /* on the list, fetched whole, and aligned */
	unsigned int len; /* if it is canonical */
	uint64_t target;
	struct cpu_user_regs regs;
	uint64_t pte, raced;
	bool race;
};

static uint64_t seed = 1, state;
static uint8_t *area;
static unsigned long accepted[NR_FORMS], executed[NR_FORMS];
static unsigned long refused;

/* splitmix64: any state is good, so each case can have a state of its own. */
static uint64_t rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool one_in(unsigned int n)
{
	return rnd() % n == 0;
}

/* ---- This CPU ---- */

struct hw {
	uint64_t gpr[16], flags, host;
	const void *target;
};
struct hw hw __attribute__((used, visibility("hidden")));
void hw_run(void) __attribute__((visibility("hidden")));
void hw_exit(void) __attribute__((visibility("hidden")));

#ifdef __x86_64__
/* All 16 registers are the case's, RSP too, so everything else is RIP-relative. */
__asm__(".pushsection .text\n"
	"hw_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	pushfq\n"
	"	mov %rsp, hw+136(%rip)\n"
	"	push hw+128(%rip)\n"
	"	popfq\n"
	"	mov hw+0(%rip), %rax;  mov hw+8(%rip), %rcx\n"
	"	mov hw+16(%rip), %rdx; mov hw+24(%rip), %rbx\n"
	"	mov hw+32(%rip), %rsp; mov hw+40(%rip), %rbp\n"
	"	mov hw+48(%rip), %rsi; mov hw+56(%rip), %rdi\n"
	"	mov hw+64(%rip), %r8;  mov hw+72(%rip), %r9\n"
	"	mov hw+80(%rip), %r10; mov hw+88(%rip), %r11\n"
	"	mov hw+96(%rip), %r12; mov hw+104(%rip), %r13\n"
	"	mov hw+112(%rip), %r14; mov hw+120(%rip), %r15\n"
	"	jmp *hw+144(%rip)\n"
	"hw_exit:\n"
	"	mov %rax, hw+0(%rip);  mov %rcx, hw+8(%rip)\n"
	"	mov %rdx, hw+16(%rip); mov %rbx, hw+24(%rip)\n"
	"	mov %rsp, hw+32(%rip); mov %rbp, hw+40(%rip)\n"
	"	mov %rsi, hw+48(%rip); mov %rdi, hw+56(%rip)\n"
	"	mov %r8, hw+64(%rip);  mov %r9, hw+72(%rip)\n"
	"	mov %r10, hw+80(%rip); mov %r11, hw+88(%rip)\n"
	"	mov %r12, hw+96(%rip); mov %r13, hw+104(%rip)\n"
	"	mov %r14, hw+112(%rip); mov %r15, hw+120(%rip)\n"
	"	mov hw+136(%rip), %rsp\n"
	"	pushfq\n"
	"	pop hw+128(%rip)\n"
	"	popfq\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	".popsection\n");
_Static_assert(offsetof(struct hw, flags) == 128, "hw_run() relies on it");
_Static_assert(offsetof(struct hw, host) == 136, "hw_run() relies on it");
_Static_assert(offsetof(struct hw, target) == 144, "hw_run() relies on it");
#endif

static sigjmp_buf crashed;

static void on_signal(int signal)
{
	siglongjmp(crashed, signal);
}

/* Runs the instruction of len bytes; 0, or the signal that it caused. */
static int hardware(const struct test_case *c, unsigned int len,
		    struct cpu_user_regs *regs)
{
	uint8_t *code = (uint8_t *)(uintptr_t)c->regs.rip;
	void (*out)(void) = hw_exit;
	int signal;

	memcpy(code, c->insn, len);
	memcpy(code + len, "\xff\x25\0\0\0\0", 6); /* jmp *0(%rip) */
	memcpy(code + len + 6, &out, sizeof(out));
	memcpy(hw.gpr, c->regs.gpr, sizeof(hw.gpr));
	hw.flags = (c->regs.rflags & ARITH) | 0x202;
	hw.target = code;
	signal = sigsetjmp(crashed, 1);
	if (signal)
		return signal;
	hw_run();
	memcpy(regs->gpr, hw.gpr, sizeof(hw.gpr));
	regs->rip = c->regs.rip + len;
	regs->rflags = (c->regs.rflags & ~(uint64_t)(ARITH | X86_EFLAGS_RF)) |
		       (hw.flags & ARITH);
	return 0;
}

static void hardware_begin(void)
{
	static char stack[1 << 16];
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction act = {.sa_handler = on_signal,
				.sa_flags = SA_ONSTACK | SA_NODEFER};

	/*
	 * Below 2 GiB, so that a displacement alone can be the address, and
	 * always at the same place, so that a case can be repeated.
	 */
	area = mmap((void *)0x20000000, 2 * AREA,
		    PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (area == MAP_FAILED) {
		printf("Bail out! no memory that is writable and executable\n");
		exit(1);
	}
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	sigaction(SIGTRAP, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
}

/* ---- Cases ---- */

/* Makes an instruction of the list whose operand is at c->target. */
static void make_canonical(struct test_case *c)
{
	const struct form *f = &forms[rnd() % NR_FORMS];
	unsigned int rex = 0x40 | (rnd() & 7) | (f->byte ? rnd() & 8 : 8);
	unsigned int mod = rnd() % 3, rm = rnd() & 7, disp_bytes, n = 0;
	unsigned int base = rm, index = 4, scale = 0, ext;
	uint64_t *gpr = c->regs.gpr;
	int64_t disp;
	bool none = false, relative = false;
	uint8_t *disp_at;

	switch (rnd() & 3) {
	case 0:
		break;
	case 1:
		c->insn[n++] = 0x3e;
		break;
	default:
		if (f->lock)
			c->insn[n++] = 0xf0;
	}
	if (f->byte && one_in(2))
		rex = 0;
	else
		c->insn[n++] = rex;
	if (f->opcode >> 8)
		c->insn[n++] = f->opcode >> 8;
	c->insn[n++] = f->opcode & 0xff;
	ext = f->ext < 0 ? (unsigned int)rnd() & 7 : (unsigned int)f->ext;
	c->insn[n++] = mod << 6 | ext << 3 | rm;
	disp_bytes = mod == 2 ? 4 : mod;
	if (rm == 4) {
		unsigned int sib = rnd() & 0xff;

		c->insn[n++] = sib;
		base = sib & 7;
		index = (sib >> 3 & 7) | (rex << 2 & 8);
		scale = sib >> 6;
		none = base == 5 && mod == 0;
	} else {
		relative = rm == 5 && mod == 0;
	}
	if (none || relative)
		disp_bytes = 4;
	base |= rex << 3 & 8;
	disp_at = c->insn + n;
	disp = disp_bytes == 4 ? (int32_t)rnd() : disp_bytes ? (int8_t)rnd() : 0;
	n += disp_bytes;
	for (unsigned int i = 0; i < f->imm; i++)
		c->insn[n++] = (uint8_t)(f->opcode == 0x0fba ? rnd() & 63 : rnd());
	c->len = n;

	if (relative)
		disp = (int64_t)(c->target - (c->regs.rip + n));
	else if (none && index == 4)
		disp = (int64_t)c->target;
	else if (none) {
		uint64_t low = (1u << scale) - 1;

		disp = (int64_t)(((uint64_t)disp & ~low) | (c->target & low));
		gpr[index] = (c->target - (uint64_t)disp) >> scale;
	} else if (index == 4)
		gpr[base] = c->target - (uint64_t)disp;
	else if (base != index)
		gpr[base] = c->target - (uint64_t)disp - (gpr[index] << scale);
	else if (scale) {
		/* Divides by 1 + 2^scale, modulo 2^64. */
		uint64_t by = 1 + (1u << scale), inverse = by;

		for (int i = 0; i < 6; i++)
			inverse *= 2 - by * inverse;
		gpr[base] = (c->target - (uint64_t)disp) * inverse;
	} else {
		if ((c->target ^ (uint64_t)disp) & 1) {
			if (disp_bytes)
				disp ^= 1;
			else
				c->target &= ~1ull;
		}
		gpr[base] = (c->target - (uint64_t)disp) / 2;
	}
	memcpy(disp_at, &disp, disp_bytes);
	c->canonical = f->byte || c->target % 8 == 0;
}

/* Changes, inserts or removes bytes near the front. */
static void mutate(struct test_case *c)
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65,
					   0x26, 0x2e, 0x36, 0x3e, 0xf0};
	unsigned int at = rnd() % 5;

	c->canonical = false;
	switch (rnd() % 6) {
	case 0:
		c->insn[at] = (uint8_t)rnd();
		break;
	case 1:
		c->insn[at] ^= 1 << (rnd() & 7);
		break;
	case 2:
		memmove(c->insn + at, c->insn + at + 1, STORE_INSN_MAX - at);
		break;
	case 3:
		at %= 3;
		memmove(c->insn + at + 1, c->insn + at, STORE_INSN_MAX - at);
		c->insn[at] = 0x40 | (rnd() & 15);
		break;
	case 4: /* any immediate of btr and bts, any byte of others */
		c->insn[c->len - 1] = (uint8_t)rnd();
		break;
	default:
		at %= 3;
		memmove(c->insn + at + 1, c->insn + at, STORE_INSN_MAX - at);
		c->insn[at] = prefixes[rnd() % sizeof(prefixes)];
	}
}

static void make(struct test_case *c, uint64_t number)
{
	unsigned int kind;

	state = seed * 0xd1342543de82ef95u + number * 0x2545f4914f6cdd1du;
	memset(c, 0, sizeof(*c));
	c->number = number;
	for (unsigned int i = 0; i < 16; i++)
		c->regs.gpr[i] = rnd();
	for (unsigned int i = 0; i < sizeof(c->insn); i++)
		c->insn[i] = (uint8_t)rnd();
	c->regs.rip = (uintptr_t)area + rnd() % (AREA - 64);
	c->regs.rflags = (rnd() & ARITH) | 0x202 | (rnd() & X86_EFLAGS_RF);
	c->target = (uintptr_t)area + AREA + 8 + rnd() % (AREA - 24);
	if (!one_in(4))
		c->target &= ~7ull;

	kind = rnd() % 16;
	if (kind) {
		make_canonical(c);
		if (kind > 10)
			mutate(c);
		if (kind > 14)
			mutate(c);
	}
	c->valid = one_in(8) ? rnd() % (STORE_INSN_MAX + 1) : STORE_INSN_MAX;
	if (c->canonical && c->valid < c->len)
		c->canonical = false;
	memset(c->insn + c->valid, 0, sizeof(c->insn) - c->valid);

	switch (rnd() & 7) {
	case 0:
		c->pte = 0;
		break;
	case 1:
		c->pte = ~0ull;
		break;
	case 2: /* what a cmpxchg with other flags looks for */
		c->pte = c->regs.rax ^ (rnd() & rnd() & rnd());
		break;
	case 3:
	case 4:
		c->pte = c->regs.rax;
		break;
	default:
		c->pte = rnd();
	}
	c->race = one_in(4);
	c->raced = c->pte ^ (one_in(2) ? 1ull << (rnd() & 63) : rnd() & 0x60);
}

/* ---- Comparing ---- */

static const char *suite;

static void show(const struct test_case *c, const char *what, uint64_t want,
		 uint64_t is)
{
	char text[2 * sizeof(c->insn) + 1];

	for (unsigned int i = 0; i < sizeof(c->insn); i++)
		snprintf(text + 2 * i, 3, "%02x", c->insn[i]);
	TAP_CHECK(0, "%s: %s is %llx, expected %llx (--seed %llu --from %llu "
		  "--count 1): %s, %u valid", suite, what,
		  (unsigned long long)is, (unsigned long long)want,
		  (unsigned long long)seed, (unsigned long long)c->number, text,
		  c->valid);
}

static bool same(const struct test_case *c, const char *what, uint64_t want,
		 uint64_t is)
{
	check_made = 1;
	if (want != is)
		show(c, what, want, is);
	return want == is;
}

static bool same_regs(const struct test_case *c, const uint64_t *gpr,
		      uint64_t rip, uint64_t flags,
		      const struct cpu_user_regs *mine)
{
	static const char *const names[16] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
	bool ok = true;

	for (unsigned int i = 0; i < 16; i++)
		ok = same(c, names[i], gpr[i], mine->gpr[i]) && ok;
	ok = same(c, "rip", rip, mine->rip) && ok;
	return same(c, "rflags", flags, mine->rflags) && ok;
}

static const struct form *form_of(unsigned int opcode, unsigned int ext)
{
	for (unsigned int i = 0; i < NR_FORMS; i++)
		if (forms[i].opcode == opcode &&
		    (forms[i].ext < 0 || (unsigned int)forms[i].ext == ext))
			return &forms[i];
	return NULL;
}

#ifdef WITH_EMULATOR
static unsigned long races, retries, unwritten;

static void machine(struct machine *m, const struct test_case *c)
{
	memcpy(m->gpr, c->regs.gpr, sizeof(m->gpr));
	m->rip = c->regs.rip;
	m->flags = c->regs.rflags;
}

/* Is it on the list, as the emulator decodes it? */
static bool is_listed(const struct test_case *c, struct emulator_decoded *d)
{
	const uint8_t *p = c->insn;
	const struct form *f;
	struct machine m;
	bool lock = false;

	machine(&m, c);
	emulator_decode(d, c->insn, c->valid, &m);
	if (!d->valid || !d->memory)
		return false;
	f = form_of(d->opcode, d->reg & 7);
	if (!f)
		return false;
	/* At most one prefix and REX, then the opcode. */
	if (*p == 0xf0 || *p == 0x3e)
		lock = *p++ == 0xf0;
	if (*p >> 4 == 4)
		p++;
	if (*p != (f->opcode >> 8 ? 0x0f : f->opcode))
		return false;
	return (!lock || f->lock) &&
	       (f->byte || (d->bytes == 8 && d->addr % 8 == 0)) &&
	       (f->opcode != 0x0fba || d->imm < 64);
}

static bool against_emulator(const struct test_case *c, const struct store *s)
{
	struct emulator_memory mem = {
		.addr = s->addr,
		.value = c->pte,
		.race = c->race,
		.raced = c->raced,
	};
	struct cpu_user_regs mine = c->regs;
	uint64_t old = c->pte, new = c->pte;
	enum emulator_result result;
	struct machine m;
	bool writes;

	suite = "emulator";
	machine(&m, c);
	result = emulator_run(c->insn, c->valid, &m, &mem);
	writes = store_writes(s, old, store_new(s, old), &mine);
	if (mem.lost) {
		/* Hardware was faster: Xen's emulator tries it all again, but
		 * cmpxchg fails. */
		races++;
		if (s->kind != STORE_CMPXCHG) {
			retries++;
			return same(c, "the result", EMULATOR_RETRY, result) &&
			       same_regs(c, m.gpr, m.rip, m.flags, &mine);
		}
		old = new = c->raced;
		writes = store_writes(s, old, store_new(s, old), &mine);
		if (!same(c, "a write after a race", false, writes))
			return false;
	} else {
		if (!same(c, "the number of writes", mem.accesses, writes))
			return false;
	}
	if (writes)
		new = store_new(s, old);
	else
		unwritten++;
	store_retire(s, old, &mine);
	return same(c, "the result", EMULATOR_DONE, result) &&
	       same(c, "the entry", mem.value, new) &&
	       same_regs(c, m.gpr, m.rip, m.flags, &mine);
}
#endif

static bool against_hardware(const struct test_case *c, const struct store *s)
{
	uint64_t *pte = (uint64_t *)(uintptr_t)(s->addr & ~7ull);
	struct cpu_user_regs mine = c->regs, regs;
	uint64_t new = c->pte;
	bool ok;

	suite = "CPU";
	pte[-1] = 0x1111111111111111u;
	pte[0] = c->pte;
	pte[1] = 0x2222222222222222u;
	if (!same(c, "the signal", 0,
		  (uint64_t)hardware(c, s->len, &regs)))
		return false;
	if (store_writes(s, c->pte, store_new(s, c->pte), &mine))
		new = store_new(s, c->pte);
	store_retire(s, c->pte, &mine);
	ok = same(c, "the entry", pte[0], new) &&
	     same(c, "the entry before it", 0x1111111111111111u, pte[-1]) &&
	     same(c, "the entry after it", 0x2222222222222222u, pte[1]);
	return same_regs(c, regs.gpr, regs.rip, regs.rflags, &mine) && ok;
}

static void test(uint64_t number)
{
	struct test_case c;
	struct store s;
	unsigned int opcode, at;
	bool accepts;

	make(&c, number);
	suite = "list";
	memset(&s, 0x5a, sizeof(s));
	accepts = store_decode(&s, c.insn, c.valid, &c.regs) &&
		  s.len <= c.valid;
#ifdef WITH_EMULATOR
	struct emulator_decoded d;

	if (!same(&c, "acceptance", is_listed(&c, &d), accepts))
		return;
	if (accepts && (!same(&c, "the address", d.addr, s.addr) ||
			!same(&c, "the length", d.len, s.len)))
		return;
#endif
	if (c.canonical &&
	    (!same(&c, "acceptance of a form on the list", true, accepts) ||
	     !same(&c, "the address", c.target, s.addr) ||
	     !same(&c, "the length", c.len, s.len)))
		return;
	if (!accepts) {
		refused++;
		return;
	}
	at = (c.insn[0] == 0xf0 || c.insn[0] == 0x3e);
	at += c.insn[at] >> 4 == 4;
	opcode = c.insn[at];
	if (opcode == 0x0f)
		opcode = 0x0f00 | c.insn[++at];
	const struct form *f = form_of(opcode, c.insn[at + 1] >> 3 & 7);

	if (!same(&c, "the form's presence in the test's list", true, f != NULL))
		return;
	accepted[f - forms]++;
#ifdef WITH_EMULATOR
	if (!against_emulator(&c, &s))
		return;
#endif
	if ((s.addr & ~7ull) == (c.target & ~7ull)) {
		executed[f - forms]++;
		against_hardware(&c, &s);
	}
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t n = strtoull(text ? text : "", &end, 0);

	if (!text || !*text || *end) {
		fprintf(stderr, "decode: %s needs a number\n", name);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	uint64_t count = 1000000, from = 0, i;
	unsigned long sum = 0, run = 0;

	for (int a = 1; a < argc; a += 2) {
		if (!strcmp(argv[a], "--count"))
			count = number(argv[a], argv[a + 1]);
		else if (!strcmp(argv[a], "--seed"))
			seed = number(argv[a], argv[a + 1]);
		else if (!strcmp(argv[a], "--from"))
			from = number(argv[a], argv[a + 1]);
		else {
			fprintf(stderr, "usage: decode [--count N] [--seed S] "
				"[--from I]\n");
			return 2;
		}
	}
#ifndef __x86_64__
	tap_skip(NULL, "decoder of trapped writes", "this is no x86-64 CPU");
	return tap_done() != 0;
#endif
	setvbuf(stdout, NULL, _IOLBF, 0);
	hardware_begin();
	tap_begin(NULL, "the decoder of trapped writes agrees with "
#ifdef WITH_EMULATOR
			"Xen's emulator and with "
#endif
			"this CPU");
	for (i = from; i < from + count && tap.reasons < TAP_REASONS; i++)
		test(i);
	for (unsigned int f = 0; f < NR_FORMS; f++) {
		sum += accepted[f];
		run += executed[f];
		/* Each form makes up about one case in 27. */
		TAP_CHECK(count < 100000 || tap.reasons ||
			  executed[f] > count / 100,
			  "only %lu cases of %s were executed", executed[f],
			  forms[f].name);
	}
	TAP_CHECK(count < 100000 || refused > count / 10,
		  "only %lu cases were refused", refused);
	printf("# seed %llu, cases %llu to %llu: %lu accepted, %lu refused, %lu "
	       "executed by the CPU\n", (unsigned long long)seed,
	       (unsigned long long)from, (unsigned long long)(i - 1), sum,
	       refused, run);
#ifdef WITH_EMULATOR
	TAP_CHECK(count < 100000 || tap.reasons ||
		  (retries > count / 100 && races - retries > count / 1000 &&
		   unwritten > count / 100),
		  "only %lu races, %lu retries, %lu without a write", races,
		  retries, unwritten);
	printf("# %lu raced with hardware, of which %lu began again; %lu wrote "
	       "nothing\n", races, retries, unwritten);
#endif
	tap_end(NULL);
	return tap_done() != 0;
}
