/* SPDX-License-Identifier: MIT */
/*
 * The minikernel: a 64-bit PV guest for Xen that links libptebatch. Read it in
 * one sitting, and copy from it.
 *
 *   main.c          the library in use; start here
 *   mm.c            memory, page tables, and how the library reaches them
 *   traps.c         traps and page faults
 *   smp.c           more vCPUs
 *   console.c       printing and powering off
 *   boot.S          entry point, hypercall page, trap stubs
 *   types.h         the integer types that the library takes from this kernel
 *   kernel.mk       how the kernel and the library are compiled and linked
 *   minikernel.lds  the layout of the image
 *
 * Every page in use is mapped at VIRT_BASE plus its guest-physical address.
 * This mapping is called the direct map.
 */
#ifndef MINIKERNEL_H
#define MINIKERNEL_H

#include <ptebatch/guest.h>
#include <xen/xen.h>

#define VIRT_BASE 0xffffffff80000000ul
#define PAGE 4096ul
#define PFN(va) (((uint64_t)(va) - VIRT_BASE) >> 12) /* of the direct map */

/* Flags of a data page's entry: read-only and writable. */
#define PAGE_RO (PTEBATCH_PTE_P | PTEBATCH_PTE_A)
#define PAGE_RW (PAGE_RO | PTEBATCH_PTE_RW | PTEBATCH_PTE_D)

/* boot.S */
extern char hypercall_page[];
static inline int64_t hypercall5(uint32_t nr, uint64_t a1, uint64_t a2,
				 uint64_t a3, uint64_t a4, uint64_t a5)
{
	return ptebatch_guest_hypercall(hypercall_page, nr, a1, a2, a3, a4, a5);
}
int probe_read(const volatile uint64_t *p, uint64_t *value); /* 1: fault */
extern char probe_failed[];

/* main.c */
void kernel_main(start_info_t *si);

/* console.c: console_init() needs the direct map */
void console_init(void);
/* %s %d %u %x %lu %ld %lx, with widths as in %016lx and %4u */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void shutdown(unsigned int reason) __attribute__((noreturn));
#define panic(...) (print("PANIC: " __VA_ARGS__), print("\n"), shutdown(3))

/* traps.c */
void traps_init(void);
extern const trap_info_t trap_table[]; /* ends with an address of 0 */
struct regs { /* as boot.S saves them */
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
/*
 * The kernel's handler of page faults, at va, and of general protection faults,
 * or NULL. If it returns 1, the kernel continues at r->rip.
 */
extern int (*fault_handler)(struct regs *r, uint64_t va);

/* smp.c */
#define SMP_MAX 8u
unsigned int smp_cpus(void); /* vCPUs that the domain has, at most SMP_MAX */
unsigned int smp_cpu(void);  /* the current vCPU */
/* Runs fn on the vCPUs 0 to cpus - 1 at once; the caller is vCPU 0. */
void smp_each(unsigned int cpus, void (*fn)(unsigned int cpu));
#define smp_pause() __builtin_ia32_pause()

/* mm.c */
void mm_init(start_info_t *si);
extern start_info_t *start_info;
extern shared_info_t *shared_info;
extern uint64_t *p2m;		       /* machine frame numbers by pfn */
extern struct ptebatch_env xen_env;    /* for the library */
void *page_alloc(void);		       /* zeroed, mapped writable; never NULL */
uint64_t virt_to_maddr(const void *p); /* of an address in the direct map */
uint64_t maddr_to_pfn(uint64_t maddr); /* NO_PFN if the page is not ours */
#define NO_PFN (~0ul)
volatile uint64_t *maddr_to_virt(uint64_t maddr); /* NULL if not mapped */
uint64_t slot_of(uint64_t va, int level); /* in the table of that level, 1-4 */
int update_pte(uint64_t slot, uint64_t pte);	  /* by mmu_update */
int update_va(const void *va, uint64_t entry);	  /* by update_va_mapping */
void set_writable(void *page, int writable); /* in the direct map */
/*
 * Makes table, a page in the direct map, the L1 table for va. While it is one,
 * the page is read-only. Both change tables that Xen must see in their final
 * state: flush every batch that has records for this table before the call.
 */
void install_table(uint64_t va, void *table);
void remove_table(uint64_t va);
void *memset(void *p, int c, size_t n);

#endif /* MINIKERNEL_H */
