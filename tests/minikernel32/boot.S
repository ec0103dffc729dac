/* SPDX-License-Identifier: MIT */
/*
 * Entry point and hypercall page of a 32-bit PV kernel. Xen enters it in ring 1,
 * with flat segments, PAE paging and the address of the start info in esi.
 */
#include <xen/elfnote.h>

#define VIRT_BASE 0xc0000000

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

	NOTE XEN_ELFNOTE_GUEST_OS, .asciz, "libptebatch-minikernel32"
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	NOTE XEN_ELFNOTE_LOADER, .asciz, "generic"
	NOTE XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
	NOTE XEN_ELFNOTE_VIRT_BASE, .long, VIRT_BASE
	NOTE XEN_ELFNOTE_PADDR_OFFSET, .long, 0
	NOTE XEN_ELFNOTE_ENTRY, .long, start
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .long, hypercall_page
	NOTE XEN_ELFNOTE_HV_START_LOW, .long, 0xf5800000
	NOTE XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"

	.text
	.globl start
start:
	cld
	mov $boot_stack_top, %esp
	xor %ebp, %ebp
	push %esi
	call kernel_main
1:	jmp 1b

	/* Xen fills this page: hypercall N is at offset 32 * N. */
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

	.bss
	.balign 4096
	.skip 32768
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
