/* SPDX-License-Identifier: MIT */
/*
 * void trapped_run(const void *code): runs one instruction at code, which a jump
 * to trapped_exit follows, with the registers and flags in trapped_regs (as
 * instructions number them, then the flags). All 16 registers are those of the
 * instruction, so everything else is relative to RIP.
 */
#define HYPERCALL_IRET 23

	.text
	.globl trapped_run, trapped_exit
trapped_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rdi, code(%rip)
	mov %rsp, stack(%rip)
	push trapped_regs+128(%rip)
	popfq
	nr = 0
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, \
		  r8, r9, r10, r11, r12, r13, r14, r15
	mov trapped_regs+nr(%rip), %\reg
	nr = nr + 8
	.endr
	jmp *code(%rip)
trapped_exit:
	nr = 0
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, \
		  r8, r9, r10, r11, r12, r13, r14, r15
	mov %\reg, trapped_regs+nr(%rip)
	nr = nr + 8
	.endr
	mov stack(%rip), %rsp
	pushfq
	pop trapped_regs+128(%rip)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/*
 * Debug exceptions. Steps as far as the instruction are passed over. Of others it
 * notes their number and the last one's RIP, ends single-stepping, and continues past
 * a breakpoint. As in boot.S, rcx and r11 are on top.
 */
	.globl trapped_debug
trapped_debug:
	pop %rcx
	pop %r11
	push %rax
	push %rcx
	mov 16(%rsp), %rax
	cmp %rax, code(%rip)
	je 2f
	lea trapped_run(%rip), %rcx
	cmp %rcx, %rax
	jb 1f
	lea trapped_exit(%rip), %rcx
	cmp %rcx, %rax
	jb 2f
1:	incq trapped_debugs(%rip)
	mov %rax, trapped_debug_rip(%rip)
	andq $~0x100, 32(%rsp)
	orq $0x10000, 32(%rsp)
2:	pop %rcx
	pop %rax
	push $0
	jmp hypercall_page + 32 * HYPERCALL_IRET

	.globl trapped_regs, trapped_debugs, trapped_debug_rip
	.bss
	.balign 8
trapped_regs:
	.skip 17 * 8
trapped_debugs:
	.skip 8
trapped_debug_rip:
	.skip 8
code:
	.skip 8
stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
