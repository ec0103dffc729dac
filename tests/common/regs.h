/* SPDX-License-Identifier: MIT */
/* A CPU's registers, as far as the hypervisor's decoder of trapped writes looks. */
#ifndef REGS_H
#define REGS_H

#include <stdbool.h>
#include <stdint.h>

#define X86_EFLAGS_CF 0x00000001u
#define X86_EFLAGS_PF 0x00000004u
#define X86_EFLAGS_AF 0x00000010u
#define X86_EFLAGS_ZF 0x00000040u
#define X86_EFLAGS_SF 0x00000080u
#define X86_EFLAGS_TF 0x00000100u
#define X86_EFLAGS_OF 0x00000800u
#define X86_EFLAGS_RF 0x00010000u

struct cpu_user_regs {
	union {
		struct {
			uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
			uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
		};
		uint64_t gpr[16]; /* as instructions number them */
	};
	uint64_t rip;
	union {
		uint64_t rflags;
		uint32_t eflags;
	};
};

static inline uint64_t *decode_gpr(struct cpu_user_regs *regs, unsigned int nr)
{
	return &regs->gpr[nr & 15];
}

#endif /* REGS_H */
