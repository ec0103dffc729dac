/* SPDX-License-Identifier: MIT */
/*
 * Entry point, hypercall page and trap stubs. A PV kernel runs in ring 3. Xen
 * enters it in 64-bit mode, with paging on and the address of the start info in
 * rsi. A trap arrives as a hardware trap does, with rcx and r11 pushed on top,
 * and ends with the iret hypercall.
 */
#include <xen/elfnote.h>

#define VIRT_BASE 0xffffffff80000000
#define HYPERCALL_IRET 23

	.macro NOTE type, kind, value:vararg
	.pushsection .note.Xen, "a", @note
	.balign 4
	.long 2f - 1f, 4f - 3f, \type
1:	.asciz "Xen"
2:	.balign 4
3:	\kind \value
4:	.balign 4
	.popsection
	.endm

	NOTE XEN_ELFNOTE_GUEST_OS, .asciz, "libptebatch-minikernel"
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	NOTE XEN_ELFNOTE_LOADER, .asciz, "generic"
	NOTE XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
	NOTE XEN_ELFNOTE_VIRT_BASE, .quad, VIRT_BASE
	NOTE XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
	NOTE XEN_ELFNOTE_ENTRY, .quad, start
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
	NOTE XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"

	.text
	.globl start
start:
	cld
	lea boot_stack_top(%rip), %rsp
	xor %ebp, %ebp
	mov %rsi, %rdi
	call kernel_main
1:	jmp 1b

	/* Xen fills this page: hypercall N is at offset 32 * N. */
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

/*
 * int probe_read(const volatile uint64_t *p, uint64_t *value): 0, or 1 if the
 * access faulted. Only the first instruction may fault; trap() (traps.c) then
 * lets the kernel continue at probe_failed.
 */
	.globl probe_read, probe_failed
probe_read:
	mov (%rdi), %rax
	mov %rax, (%rsi)
	xor %eax, %eax
	ret
probe_failed:
	mov $1, %eax
	ret

/* Traps: bring every frame into one layout, save all registers, call trap(). */
	.macro TRAP vector, has_error
	.globl trap_\vector
trap_\vector:
	pop %rcx
	pop %r11
	.if !\has_error
	push $0
	.endif
	push $\vector
	jmp trap_common
	.endm

	TRAP 6, 0
	TRAP 13, 1
	TRAP 14, 1

trap_common:
	.irp reg, rax, rcx, rdx, rbx, rbp, rsi, rdi, \
		  r8, r9, r10, r11, r12, r13, r14, r15
	push %\reg
	.endr
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	cld
	call trap
	mov %rbp, %rsp
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, \
		  rdi, rsi, rbp, rbx, rdx, rcx, rax
	pop %\reg
	.endr
	add $16, %rsp
	push $0
	jmp hypercall_page + 32 * HYPERCALL_IRET

	.bss
	.balign 4096
	.skip 65536
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
