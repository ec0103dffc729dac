/* SPDX-License-Identifier: MIT */
/* Xen's instruction emulator in a process, for one instruction on one quadword. */
#ifndef EMULATOR_H
#define EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
	uint64_t gpr[16]; /* as instructions number them */
	uint64_t rip, flags;
};

/* How the emulator decodes an instruction. */
struct emulator_decoded {
	bool valid;	     /* it knows the instruction and could fetch it */
	bool memory;	     /* with a memory operand in DS or SS */
	unsigned int len;
	unsigned int opcode; /* 0x0f00 and the second byte, if it has two */
	unsigned int reg;    /* of the ModRM byte, with REX.R */
	unsigned int bytes;  /* of operands other than byte operands */
	uint64_t addr, imm;
};

enum emulator_result {
	EMULATOR_DONE,
	EMULATOR_RETRY, /* the quadword changed before it could be written */
	EMULATOR_REFUSED,
	EMULATOR_FAULT,
	EMULATOR_STRAY, /* it accessed memory outside the quadword */
};

struct emulator_memory {
	uint64_t addr, value;
	/* What hardware makes of the value just before a compare and exchange. */
	bool race;
	uint64_t raced;
	bool lost; /* a compare and exchange failed because of that */
	unsigned int accesses; /* that wrote, or would have but for the race */
};

/* insn has valid bytes; to fetch a byte past them is a page fault. */
void emulator_decode(struct emulator_decoded *d, const uint8_t *insn,
		     unsigned int valid, const struct machine *m);

/* Changes m and mem only as the instruction does. */
enum emulator_result emulator_run(const uint8_t *insn, unsigned int valid,
				  struct machine *m,
				  struct emulator_memory *mem);

#endif /* EMULATOR_H */
