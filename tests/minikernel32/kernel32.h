/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit PV kernel with PAE, as dom0. It shows that the handlers do nothing
 * else for such a guest than Xen's own code does (tests/xen/guest-32.sh).
 *
 *   boot.S    entry point and hypercall page
 *   kernel.c  hypercalls, the console, pages
 *   guest.c   the tests, and a random sequence of calls with its digest
 *
 * All memory in use is in the image, which Xen's builder has mapped.
 */
#ifndef KERNEL32_H
#define KERNEL32_H

#include <ptebatch/port.h>
#include <ptebatch/xen-ptebatch.h>
#include <xen/xen.h>

#include "pte.h"

#define VIRT_BASE 0xc0000000ul
#define PAGE 4096u
#define SLOTS 512u
#define EPERM 1
#define ESRCH 3
#define EFAULT 14
#define EBUSY 16
#define EINVAL 22
#define ENOSYS 38
#define SELF DOMID_SELF

extern char hypercall_page[];
extern start_info_t *start_info;

static inline int32_t hypercall(uint32_t nr, uint32_t a1, uint32_t a2,
				uint32_t a3, uint32_t a4, uint32_t a5)
{
	uint32_t eax = (uint32_t)hypercall_page + 32 * nr;

	__asm__ volatile("call *%%eax"
			 : "+a"(eax), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4),
			   "+D"(a5)
			 : : "memory", "cc");
	return (int32_t)eax;
}

/* %s %u %d %x %016llx: the last for 64 bits */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void shutdown(void) __attribute__((noreturn));
#define panic(...) (print("PANIC: " __VA_ARGS__), print("\n"), shutdown())

#define TAP_LINE(format, ...) print(format "\n", __VA_ARGS__)
#include "tap.h"

static inline uint32_t addr(const volatile void *p)
{
	return (uint32_t)p;
}

uint64_t maddr_of(const volatile void *p); /* of an address in the image */
int update_va(uint32_t va, uint64_t pte, uint32_t flags);
int update_pte(uint64_t slot, uint64_t pte);
int set_writable(void *page, int writable); /* in the image's mapping */
int mmuext(uint32_t cmd, uint32_t arg1, uint32_t arg2);
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

/* guest.c */
void guest_tests(void);
void guest_trace(uint32_t operations, uint32_t seed, uint32_t first, int show);

void kernel_main(start_info_t *si);

#endif /* KERNEL32_H */
