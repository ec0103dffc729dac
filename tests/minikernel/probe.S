/* SPDX-License-Identifier: MIT */
#define __ASSEMBLY__ /* for the selectors of xen.h */
#include <xen/xen.h>

/*
 * int probe_write(volatile uint64_t *p, uint64_t value)
 * int probe_write_odd(volatile uint64_t *p, uint16_t value): to bytes 1 and 2,
 * a store that Xen does not emulate where p is in a page table
 * Both return 0, or 1 if the first instruction faulted; see probes_fault() in
 * main.c.
 */
	.text
	.globl probe_write, probe_write_odd
probe_write:
	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
probe_write_odd:
	mov %si, 1(%rdi)
	xor %eax, %eax
	ret

/*
 * The markers between which tests/xen/count counts instructions. The ret of
 * bench_begin is counted; bench_end is not.
 */
	.globl bench_begin, bench_end
bench_begin:
	ret
bench_end:
	ret

/*
 * Where Xen delivers events; see events.c. The iret hypercall would set the
 * event mask that the interrupted code had, and then find the event pending
 * before the kernel executes another instruction. The iretq instruction leaves
 * the mask to event(). Xen has cleared the privilege level in the selectors.
 */
	.globl event_callback
event_callback:
	pop %rcx
	pop %r11
	push $0
	push $0
	.irp reg, rax, rcx, rdx, rbx, rbp, rsi, rdi, \
		  r8, r9, r10, r11, r12, r13, r14, r15
	push %\reg
	.endr
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	cld
	call event
	mov %rbp, %rsp
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, \
		  rdi, rsi, rbp, rbx, rdx, rcx, rax
	pop %\reg
	.endr
	add $16, %rsp
	movq $FLAT_KERNEL_CS, 8(%rsp)
	movq $FLAT_KERNEL_SS, 32(%rsp)
	iretq

	.section .note.GNU-stack, "", @progbits
