/* SPDX-License-Identifier: MIT */
/*
 * Xen's emulator as tools/tests/x86_emulator of Xen's source builds it, but
 * without vector instructions. emulator.sh compiles this file. The callbacks do
 * with a quadword what those of pv/ro-page-fault.c do with a page-table entry.
 */
#define X86EMUL_NO_FPU
#define X86EMUL_NO_MMX
#define X86EMUL_NO_SIMD
#include "x86-emulate.c"

#include "emulator.h"

struct access {
	const uint8_t *insn;
	unsigned int valid;
	uint64_t rip;
	struct emulator_memory *mem;
	bool stray;
};

/* Xen's file would fill the policy with it, in a function that is not called. */
void x86_cpu_policy_fill_native(struct cpu_policy *p)
{
	(void)p;
	abort();
}

static int fetch(unsigned long offset, void *data, unsigned int bytes,
		 struct x86_emulate_ctxt *ctxt)
{
	struct access *a = ctxt->data;
	unsigned long at = offset - a->rip;

	if (at > a->valid || bytes > a->valid - at) {
		x86_emul_pagefault(0x10, offset, ctxt);
		return X86EMUL_EXCEPTION;
	}
	memcpy(data, a->insn + at, bytes);
	return X86EMUL_OKAY;
}

/* The operand in the quadword, or NULL. */
static uint8_t *operand(struct access *a, unsigned long offset,
			unsigned int bytes)
{
	uint64_t at = offset - (a->mem->addr & ~7ull);

	if (at > 7 || bytes > 8 - at) {
		a->stray = true;
		return NULL;
	}
	return (uint8_t *)&a->mem->value + at;
}

static int mem_read(enum x86_segment seg, unsigned long offset, void *data,
		    unsigned int bytes, struct x86_emulate_ctxt *ctxt)
{
	uint8_t *p = operand(ctxt->data, offset, bytes);

	(void)seg;
	if (!p)
		return X86EMUL_UNHANDLEABLE;
	memcpy(data, p, bytes);
	return X86EMUL_OKAY;
}

static int mem_write(enum x86_segment seg, unsigned long offset, void *data,
		     unsigned int bytes, struct x86_emulate_ctxt *ctxt)
{
	struct access *a = ctxt->data;
	uint8_t *p = operand(a, offset, bytes);

	(void)seg;
	if (!p)
		return X86EMUL_UNHANDLEABLE;
	a->mem->accesses++;
	memcpy(p, data, bytes);
	return X86EMUL_OKAY;
}

static int mem_cmpxchg(enum x86_segment seg, unsigned long offset, void *old,
		       void *new, unsigned int bytes, bool lock,
		       struct x86_emulate_ctxt *ctxt)
{
	struct access *a = ctxt->data;
	uint8_t *p = operand(a, offset, bytes);
	uint64_t was = a->mem->value, expect = was;

	(void)seg;
	(void)lock;
	if (!p)
		return X86EMUL_UNHANDLEABLE;
	a->mem->accesses++;
	/* Xen compares the whole entry, with what it has just read around it. */
	memcpy((uint8_t *)&expect + (p - (uint8_t *)&a->mem->value), old, bytes);
	if (a->mem->race)
		a->mem->value = a->mem->raced;
	if (a->mem->value != expect) {
		a->mem->lost = true;
		memcpy(old, p, bytes);
		return X86EMUL_CMPXCHG_FAILED;
	}
	memcpy(p, new, bytes);
	return X86EMUL_OKAY;
}

/* As pv_emul_is_mem_write() of pv/ro-page-fault.c. */
static int validate(const struct x86_emulate_state *state,
		    struct x86_emulate_ctxt *ctxt)
{
	return x86_insn_is_mem_write(state, ctxt) ? X86EMUL_OKAY
						  : X86EMUL_UNHANDLEABLE;
}

static void begin(struct x86_emulate_ctxt *ctxt, struct cpu_user_regs *regs,
		  struct access *a, const struct machine *m)
{
	memset(regs, 0, sizeof(*regs));
	for (unsigned int i = 0; i < 16; i++)
		*decode_gpr(regs, i) = m->gpr[i];
	regs->rip = m->rip;
	regs->rflags = m->flags;
	*ctxt = (struct x86_emulate_ctxt){
		.cpu_policy = &cp,
		.regs = regs,
		.addr_size = 64,
		.sp_size = 64,
		.lma = true,
		.data = a,
	};
}

void emulator_decode(struct emulator_decoded *d, const uint8_t *insn,
		     unsigned int valid, const struct machine *m)
{
	struct access a = {insn, valid, m->rip, NULL, false};
	struct x86_emulate_state *state;
	struct x86_emulate_ctxt ctxt;
	struct cpu_user_regs regs;
	enum x86_segment seg;
	unsigned int rm;
	int mod;

	begin(&ctxt, &regs, &a, m);
	*d = (struct emulator_decoded){0};
	state = x86_decode_insn(&ctxt, fetch);
	if (!state)
		return;
	d->valid = true;
	mod = x86_insn_modrm(state, &rm, &d->reg);
	if (mod >= 0 && mod != 3) {
		d->addr = x86_insn_operand_ea(state, &seg);
		d->memory = seg == x86_seg_ds || seg == x86_seg_ss;
	}
	d->len = x86_insn_length(state, &ctxt);
	d->bytes = x86_insn_opsize(state) / 8;
	d->imm = x86_insn_immediate(state, 0);
	d->opcode = ctxt.opcode & 0xff;
	if (ctxt.opcode == X86EMUL_OPC(0x0f, d->opcode))
		d->opcode |= 0x0f00;
	else if (ctxt.opcode != d->opcode)
		d->opcode = ~0u; /* with a prefix that belongs to the opcode */
	x86_emulate_free_state(state);
}

enum emulator_result emulator_run(const uint8_t *insn, unsigned int valid,
				  struct machine *m,
				  struct emulator_memory *mem)
{
	static const struct x86_emulate_ops ops = {
		.read = mem_read,
		.insn_fetch = fetch,
		.write = mem_write,
		.cmpxchg = mem_cmpxchg,
		.validate = validate,
	};
	struct access a = {insn, valid, m->rip, mem, false};
	struct x86_emulate_ctxt ctxt;
	struct cpu_user_regs regs;
	int rc;

	begin(&ctxt, &regs, &a, m);
	rc = x86_emulate(&ctxt, &ops);
	for (unsigned int i = 0; i < 16; i++)
		m->gpr[i] = *decode_gpr(&regs, i);
	m->rip = regs.rip;
	m->flags = regs.rflags;
	if (a.stray)
		return EMULATOR_STRAY;
	switch (rc) {
	case X86EMUL_OKAY:
		return EMULATOR_DONE;
	case X86EMUL_RETRY:
		return EMULATOR_RETRY;
	case X86EMUL_EXCEPTION:
		return EMULATOR_FAULT;
	default:
		return EMULATOR_REFUSED;
	}
}
