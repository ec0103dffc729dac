/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A livepatch payload that is not the project's: "xl info" tells another
 * xen_extra. DEPENDS is the build-id that it is for, XEN that of the hypervisor,
 * both as lists of bytes. Its labels have names that functions and variables of the
 * project's payload have in their source.
 */
	.section .text, "ax"
	.type fetch_ahead, @function
fetch_ahead:
	lea param_text(%rip), %rax
	jmp __x86_return_thunk
	.size fetch_ahead, . - fetch_ahead

	.section .rodata, "a"
param_text: .asciz ".foreign"
parts:	.asciz "xen_extra_version"

	/* struct livepatch_func */
	.section .livepatch.funcs, "aw"
	.quad parts, fetch_ahead, 0
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
