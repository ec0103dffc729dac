/* SPDX-License-Identifier: MIT */
/*
 * The command line is a list of words:
 *   test     the tests
 *   trace=N  N random operations and their digest
 *   seed=N   with trace: another sequence
 *   skip=N   with trace: start at that operation
 *   show     with trace: print each operation
 * The last line printed is "minikernel: done, N failed".
 */
#include "kernel32.h"

#include <xen/sched.h>

start_info_t *start_info;

static char line[256];
static uint32_t used;

static void put(char c)
{
	line[used++] = c;
	if (c == '\n' || used == sizeof(line)) {
		hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, used,
			  addr(line), 0, 0);
		used = 0;
	}
}

static void put_decimal(uint32_t n)
{
	char digits[10];
	uint32_t i = 0;

	do {
		digits[i++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (i)
		put(digits[--i]);
}

static void put_hex(uint64_t n, uint32_t digits)
{
	while (digits--)
		put("0123456789abcdef"[n >> (4 * digits) & 15]);
}

void print(const char *f, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, f);
	for (; *f; f++) {
		const char *s;
		int32_t n;

		if (*f != '%') {
			put(*f);
			continue;
		}
		switch (*++f) {
		case 's':
			for (s = __builtin_va_arg(ap, const char *); *s; s++)
				put(*s);
			break;
		case 'd':
			n = __builtin_va_arg(ap, int32_t);
			if (n < 0)
				put('-');
			put_decimal(n < 0 ? 0u - (uint32_t)n : (uint32_t)n);
			break;
		case 'u':
			put_decimal(__builtin_va_arg(ap, uint32_t));
			break;
		case 'x':
			put_hex(__builtin_va_arg(ap, uint32_t), 8);
			break;
		default: /* 016llx */
			f += 5;
			put_hex(__builtin_va_arg(ap, uint64_t), 16);
		}
	}
	__builtin_va_end(ap);
}

void shutdown(void)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_poweroff };

	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, addr(&s), 0,
			  0, 0);
}

uint64_t maddr_of(const volatile void *p)
{
	const uint32_t *p2m = (const uint32_t *)start_info->mfn_list;
	uint32_t offset = addr(p) - VIRT_BASE;

	return (uint64_t)p2m[offset / PAGE] * PAGE | offset % PAGE;
}

int update_va(uint32_t va, uint64_t pte, uint32_t flags)
{
	return hypercall(__HYPERVISOR_update_va_mapping, va, (uint32_t)pte,
			 (uint32_t)(pte >> 32), flags, 0);
}

int update_pte(uint64_t slot, uint64_t pte)
{
	mmu_update_t u = { slot, pte };

	return hypercall(__HYPERVISOR_mmu_update, addr(&u), 1, 0, SELF, 0);
}

int set_writable(void *page, int writable)
{
	return update_va(addr(page),
			 maddr_of(page) | P | A | (writable ? RW | D : 0),
			 UVMF_INVLPG | UVMF_LOCAL);
}

int mmuext(uint32_t cmd, uint32_t arg1, uint32_t arg2)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.mfn = arg1;
	op.arg2.nr_ents = arg2;
	return hypercall(__HYPERVISOR_mmuext_op, addr(&op), 1, 0, SELF, 0);
}

void *memset(void *p, int c, size_t n)
{
	void *start = p;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return start;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

/* The number behind "name=", 1 for the name alone, or 0. */
static uint32_t word(const char *name)
{
	const char *s = (const char *)start_info->cmd_line;

	while (*s) {
		const char *n = name;
		uint32_t value = 0;

		while (*n && *s == *n) {
			s++;
			n++;
		}
		if (!*n && (!*s || *s == ' '))
			return 1;
		if (!*n && *s++ == '=') {
			for (; *s >= '0' && *s <= '9'; s++)
				value = value * 10 + (uint32_t)(*s - '0');
			return value;
		}
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	return 0;
}

void kernel_main(start_info_t *si)
{
	uint32_t trace;

	start_info = si;
	print("minikernel: %s, 32-bit, command line: %s\n", si->magic,
	      (char *)si->cmd_line);
	if (word("test"))
		guest_tests();
	trace = word("trace");
	if (trace)
		guest_trace(trace, word("seed") ? word("seed") : 1,
			    word("skip"), (int)word("show"));
	print("minikernel: done, %u failed\n", tap.number ? tap_done() : 0);
	shutdown();
}
