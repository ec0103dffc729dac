/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A livepatch payload that is not the project's: "xl info" tells another
 * xen_extra. DEPENDS is the build-id that it is for, XEN that of the hypervisor,
 * both as lists of bytes.
 */
	.section .text, "ax"
	.globl foreign_extra_version
	.type foreign_extra_version, @function
foreign_extra_version:
	lea text(%rip), %rax
	jmp __x86_return_thunk
	.size foreign_extra_version, . - foreign_extra_version

	.section .rodata, "a"
text:	.asciz ".foreign"
name:	.asciz "xen_extra_version"

	/* struct livepatch_func */
	.section .livepatch.funcs, "aw"
	.quad name, foreign_extra_version, 0
	.long 8, 8
	.byte 2			/* version */
	.skip 39 + 32

	.section .livepatch.depends, "a"
	.long 4, 20, 3
	.asciz "GNU"
	.byte DEPENDS

	.section .livepatch.xen_depends, "a"
	.long 4, 20, 3
	.asciz "GNU"
	.byte XEN
