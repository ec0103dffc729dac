/* SPDX-License-Identifier: MIT */
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

	.section .note.GNU-stack, "", @progbits
