/* SPDX-License-Identifier: MIT */
/*
 * Where Xen enters, where its hypercall page goes, and where traps arrive.
 *
 * A PV64 kernel runs in ring 3. Xen enters it in 64-bit mode with the start
 * info in rsi and paging on; a trap arrives like a hardware one, with rcx and
 * r11 pushed on top; the way back is the iret hypercall.
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
	NOTE XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
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

	/* Xen fills it: hypercall N at offset 32 * N. */
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

/* int64_t hypercall5(nr, a1, a2, a3, a4, a5) */
	.globl hypercall5
hypercall5:
	mov %edi, %eax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	shl $5, %eax
	add $hypercall_page, %rax
	jmp *%rax

/* int64_t env_hypercall(ctx, nr, a1, a2, a3, a4, a5): the library's way in. */
	.globl env_hypercall
env_hypercall:
	mov %esi, %eax
	mov %rdx, %rdi
	mov %rcx, %rsi
	mov %r8, %rdx
	mov %r9, %r10
	mov 8(%rsp), %r8
	shl $5, %eax
	add $hypercall_page, %rax
	jmp *%rax

/*
 * int probe_read(const volatile uint64_t *p, uint64_t *value)
 * int probe_write(volatile uint64_t *p, uint64_t value)
 * int probe_write_odd(volatile uint64_t *p, uint16_t value): to bytes 1 and 2,
 * which Xen does not emulate where p is in a page table
 * 0, or 1 if the access faulted (see the exception table below).
 */
	.globl probe_read, probe_write, probe_write_odd
probe_read:
1:	mov (%rdi), %rax
	mov %rax, (%rsi)
	xor %eax, %eax
	ret
probe_write:
2:	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
probe_write_odd:
4:	mov %si, 1(%rdi)
	xor %eax, %eax
	ret
3:	mov $1, %eax
	ret

	.pushsection .ex_table, "a"
	.quad 1b, 3b
	.quad 2b, 3b
	.quad 4b, 3b
	.popsection

/*
 * The markers between which tests/xen/count counts: bench_begin is counted up
 * to its ret, bench_end not at all.
 */
	.globl bench_begin, bench_end
bench_begin:
	ret
bench_end:
	ret

/* Traps: make every frame alike, save all registers, let C decide. */
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

	TRAP 0, 0
	TRAP 3, 0
	TRAP 6, 0
	TRAP 13, 1
	TRAP 14, 1

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	cld
	call trap
	mov %rbp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	push $0
	jmp hypercall_page + 32 * HYPERCALL_IRET

	.bss
	.balign 4096
	.skip 65536
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
