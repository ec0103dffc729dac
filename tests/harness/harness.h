/* SPDX-License-Identifier: MIT */
/*
 * The part of Xen that the sources in backends/xen-hv use, modelled on the host.
 *
 * Every header that the handlers include is a stub in include/ that includes
 * this one. harness-xen.c models the Xen functions that the handlers call, and
 * follows the behaviour of Xen 4.17: frames, reference and type counts, page
 * locks, the two ways to update an entry, guest copies, continuations and TLB
 * flushes.
 *
 * Each access to an entry or a type count goes through a hook. The hook lets
 * simulated hardware set A and D bits, and checks these rules at every step:
 *  - no A or D bit that hardware set is lost, unless the request gives it up:
 *    an exact value, and a clear without old values;
 *  - a page's writable type count is at least the number of its writable
 *    mappings, and a page of another type has no writable mapping;
 *  - the handlers' own arithmetic on a type count starts and ends with a type
 *    that is writable and validated and has a count of at least 1;
 *  - the handlers' own arithmetic on a reference count neither starts nor ends
 *    at 0, and never takes the last reference that Xen reserves;
 *  - an entry changes only under its table's lock, one lock is held at a time,
 *    and guest memory is not touched under a lock;
 *  - memory that is no page table is written under its lock, never read;
 *  - a table is withheld from other CPUs for at most HX_KEPT_MAX units of work;
 *  - in a paging mode every write goes through the paging code.
 * The harness counts broken rules and names the first one (hx.broken); tests
 * require that none is broken.
 *
 * HARNESS_BENCH removes the hooks, and each operation is the CPU's own.
 *
 * There are NR_FRAMES frames: L1 tables, data pages, and one frame of each
 * special kind. An array over frames is indexed by their place in the frame
 * table.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ptebatch/xen-ptebatch.h>

#include "../common/regs.h"

/* --- Compiler and types --------------------------------------------------- */

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define always_inline inline __attribute__((always_inline))
#define noinline __attribute__((__noinline__))
#define __read_mostly
#define __init
#define cf_check
#define __maybe_unused __attribute__((__unused__))
/*
 * Xen's parameter and what "xl get-parameters" shows of it. harness_reset()
 * gives it its default.
 */
#define CONFIG_PTEBATCH
#define CONFIG_HYPFS
struct param_hypfs {
	const char *content;
	size_t max_size, size;
};
extern struct param_hypfs hx_param;
extern uint8_t opt_ptebatch; /* what the parameter sets */
#define HX_CALLS 1U
#define HX_UPDATES 2U
#define HX_VALIDATION 4U
#define HX_TRAPS 8U
extern int (*const hx_parse)(const char *);
#define custom_runtime_param(name, parse, init)                               \
	int (*const hx_parse)(const char *) = (parse)
#define param_2_parfs(par) (&hx_param)
#define custom_runtime_set_var(p, var)                                        \
	((p)->content = (var), (p)->max_size = sizeof(var),                   \
	 (p)->size = strlen(var) + 1)
int parse_bool(const char *s, const char *e);
int parse_boolean(const char *name, const char *s, const char *e);
unsigned long simple_strtoul(const char *s, const char **end, unsigned int base);
#define OPTIMIZER_HIDE_VAR(v) __asm__("" : "=r"(v) : "0"(v))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define BUILD_BUG_ON(c) ({ _Static_assert(!(c), "!(" #c ")"); })
#define min(a, b)                                                             \
	({                                                                    \
		const __typeof__(a) _a = (a);                                 \
		const __typeof__(b) _b = (b);                                 \
		(void)(&_a == &_b);                                           \
		_a < _b ? _a : _b;                                            \
	})
#define max(a, b)                                                             \
	({                                                                    \
		const __typeof__(a) _a = (a);                                 \
		const __typeof__(b) _b = (b);                                 \
		(void)(&_a == &_b);                                           \
		_a > _b ? _a : _b;                                            \
	})
#define typeof __typeof__
#define asm __asm__
#define ASM_FLAG_OUT(yes, no) yes
#define fallthrough __attribute__((__fallthrough__))

/* Xen's number for "restart the operation", used inside the hypervisor only. */
#undef ERESTART
#define ERESTART 85

#ifdef HARNESS_BENCH
/* Two threads may run; the copies keep cache lines from being shared. */
#define HX_OWN __thread
#else
#define HX_OWN
#endif

typedef uint64_t intpte_t;
typedef uint64_t paddr_t;
typedef uint32_t domid_t;
typedef struct {
	intpte_t l1;
} l1_pgentry_t;
typedef struct {
	intpte_t l2;
} l2_pgentry_t;
typedef struct {
	unsigned long mfn;
} mfn_t;
typedef struct {
	uint64_t bits;
} cpumask_t;

#define _mfn(m) ((mfn_t){(m)})
#define mfn_x(m) ((m).mfn)
#define mfn_eq(a, b) ((a).mfn == (b).mfn)
#define INVALID_MFN _mfn(~0UL)
#define PAGE_SHIFT 12
#define L1_PAGETABLE_ENTRIES 512
#define PAGE_SIZE 4096UL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_OFFSET(a) ((unsigned long)(a) & ~PAGE_MASK)
#define PADDR_BITS 52
#define PADDR_MASK ((1UL << PADDR_BITS) - 1)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define VADDR_BITS 48
#define DIRECTMAP_VIRT_START 0xffff830000000000UL
#define HYPERVISOR_VIRT_END 0xffff880000000000UL
#define ROOT_PAGETABLE_LAST_XEN_SLOT 271
#define l4_table_offset(va) ((unsigned long)(va) >> 39 & 511)
#define BITS_PER_LONG 64
#define maddr_to_mfn(m) _mfn((m) >> PAGE_SHIFT)
/* Canonical, and outside the hypervisor's own range. */
#define __addr_ok(a)                                                          \
	((unsigned long)(a) < (1UL << 47) ||                                  \
	 (unsigned long)(a) >= 0xffff880000000000UL)

#define _PAGE_PRESENT 0x001U
#define _PAGE_RW 0x002U
#define _PAGE_USER 0x004U
#define _PAGE_PWT 0x008U
#define _PAGE_PCD 0x010U
#define _PAGE_ACCESSED 0x020U
#define _PAGE_DIRTY 0x040U
#define _PAGE_PAT 0x080U
#define _PAGE_PSE 0x080U
#define _PAGE_GLOBAL 0x100U
#define _PAGE_AVAIL 0xe00U
#define _PAGE_NX_BIT (1U << 23)
#define _PAGE_AVAIL_HIGH (0x7ffU << 12)
#define _PAGE_GUEST_KERNEL (1U << 12)
#define PAGE_CACHE_ATTRS (_PAGE_PAT | _PAGE_PCD | _PAGE_PWT)
#ifdef HARNESS_DEBUG_GNTTAB
#define _PAGE_GNTTAB (1U << 22)
#else
#define _PAGE_GNTTAB 0U
#endif
/* Convert an entry's flags, bits 0-11 and 52-63, to one number and back. */
#define get_pte_flags(x) (((unsigned int)((x) >> 40) & ~0xfffU) | ((x)&0xfffU))
#define put_pte_flags(x) (((intpte_t)((x) & ~0xfffU) << 40) | ((x)&0xfffU))
#define l1e_from_intpte(x) ((l1_pgentry_t){(x)})
#define l1e_get_intpte(e) ((e).l1)
#define l1e_get_flags(e) get_pte_flags((e).l1)
#define l1e_get_pfn(e) (((e).l1 & PADDR_MASK) >> PAGE_SHIFT)

#define l1e_has_changed(a, b, flags)                                          \
	(!!(((a).l1 ^ (b).l1) & (PTEBATCH_PTE_FRAME | put_pte_flags(flags))))
#define l2e_get_intpte(e) ((e).l2)
#define l2e_get_flags(e) get_pte_flags((e).l2)

#define MMU_NORMAL_PT_UPDATE 0
#define MMU_MACHPHYS_UPDATE 1
#define MMU_PT_UPDATE_PRESERVE_AD 2
#define MMU_PT_UPDATE_NO_TRANSLATE 3
#define MMU_UPDATE_PREEMPTED (~(~0U >> 1))
typedef struct mmu_update {
	uint64_t ptr, val;
} mmu_update_t;
#define UVMF_NONE 0UL
#define UVMF_TLB_FLUSH 1UL
#define UVMF_INVLPG 2UL
#define UVMF_FLUSHTYPE_MASK 3UL
#define UVMF_LOCAL 0UL
#define UVMF_ALL 4UL

/* --- Frames --------------------------------------------------------------- */

#define PG_shift(i) (64 - (i))
#define PG_mask(x, i) (x##UL << PG_shift(i))
#define PGT_none PG_mask(0, 3)
#define PGT_l1_page_table PG_mask(1, 3)
#define PGT_l2_page_table PG_mask(2, 3)
#define PGT_seg_desc_page PG_mask(5, 3)
#define PGT_writable_page PG_mask(7, 3)
#define PGT_type_mask PG_mask(7, 3)
#define PGT_locked PG_mask(1, 4)
#define PGT_pinned PG_mask(1, 5)
#define PGT_validated PG_mask(1, 6)
#define PGT_partial PG_mask(1, 8)
#define PGT_non_coherent PG_mask(1, 9)
#define PGT_count_width PG_shift(9)
#define PGT_count_mask ((1UL << PGT_count_width) - 1)
#define PGC_allocated PG_mask(1, 1)
#define PGC_xen_heap PG_mask(1, 2)
#define PGC_count_width PG_shift(7)
#define PGC_count_mask ((1UL << PGC_count_width) - 1)

/* 32 bytes, with the same layout as in Xen. */
struct page_info {
	uint64_t list;
	unsigned long count_info;
	union {
		struct {
			unsigned long type_info;
		} inuse;
	} u;
	union {
		struct {
			uint32_t _domain;
		} inuse;
	} v;
	uint32_t tlbflush_timestamp;
};

/*
 * The index of a frame in the frame table. Xen can be built with one of several
 * models of PDX compression, which tree.h describes. The harness follows
 * each of them:
 *
 *  HARNESS_PDX_MASK    a mask removes bits 11 and 12 of the frame number
 *  HARNESS_PDX_OFFSET  a table of offsets displaces regions of 2^11 frames
 *  HARNESS_PDX_NONE    built without compression
 *  none of these       built with a mask that removes no bit, as Xen 4.17 on
 *                      an ordinary machine
 *
 * With the first two models, memory lies in three of five regions that are far
 * apart. Many a frame number is then also the index of another frame. A handler
 * that confuses the two would take a frame that does not exist, or a page of
 * domain 5, for one of the caller's own pages.
 */
/*
 * The lock of one entry alone: as in a release build of Xen, or, in every second
 * build of the harness, as in a debug build.
 */
#if !defined(PTEBATCH_PREEMPT) && !defined(HARNESS_PDX_OFFSET)
#define PTEBATCH_SHORT_LOCK
#endif

#if defined(HARNESS_PDX_MASK) || defined(HARNESS_PDX_OFFSET)
#define NR_REGIONS 5UL
#else
#define NR_REGIONS 1UL
#endif
#define MAX_ORDER 11
#define REGION_FRAMES (1UL << MAX_ORDER)

extern unsigned long max_page, max_pdx;
extern unsigned long pdx_group_valid[];
#ifdef HARNESS_BENCH
#define frame_table ((struct page_info *)0x600000000000UL) /* as in Xen */
#define PDX_GROUP_COUNT 65536
#undef MAX_ORDER
#define MAX_ORDER 18
#else
extern struct page_info *frame_table;
#define PDX_GROUP_COUNT 64
#endif

#ifdef HARNESS_PDX_NONE
#define CONFIG_PDX_NONE
#define pfn_to_pdx(x) (x)
#define pdx_to_pfn(x) (x)
#elif defined(HARNESS_PDX_OFFSET)
#define CONFIG_PDX_OFFSET_COMPRESSION
#define PDX_LOOKUPS 32
#define PFN_TBL_IDX(pfn) (((pfn) >> MAX_ORDER) % PDX_LOOKUPS)
extern unsigned long pdx_region_size, pfn_bases[PDX_LOOKUPS];
extern unsigned long pfn_pdx_lookup[PDX_LOOKUPS], pdx_pfn_lookup[NR_REGIONS];
static inline unsigned long pfn_to_pdx(unsigned long pfn)
{
	return pfn - pfn_pdx_lookup[PFN_TBL_IDX(pfn)];
}
static inline unsigned long pdx_to_pfn(unsigned long pdx)
{
	return pdx + pdx_pfn_lookup[pdx / REGION_FRAMES];
}
#else
#define CONFIG_PDX_MASK_COMPRESSION
extern unsigned long pfn_hole_mask, pfn_pdx_bottom_mask, pfn_top_mask;
extern unsigned int pfn_pdx_hole_shift;
static inline unsigned long pfn_to_pdx(unsigned long pfn)
{
	return (pfn & pfn_pdx_bottom_mask) |
	       ((pfn & pfn_top_mask) >> pfn_pdx_hole_shift);
}
static inline unsigned long pdx_to_pfn(unsigned long pdx)
{
	return (pdx & pfn_pdx_bottom_mask) |
	       ((pdx << pfn_pdx_hole_shift) & pfn_top_mask);
}
#endif
#define pdx_to_page(pdx) (frame_table + (pdx))
#define page_to_pdx(p) ((unsigned long)((p)-frame_table))
#define mfn_to_page(m) pdx_to_page(pfn_to_pdx(mfn_x(m)))
#define page_to_mfn(p) _mfn(pdx_to_pfn(page_to_pdx(p)))

/* The same instructions as in Xen, since the benchmarks measure them. */
static always_inline bool test_bit(unsigned int nr, const void *addr)
{
	int bit;

	__asm__ volatile("btl %2, %1\n\tsbbl %0, %0"
			 : "=r"(bit)
			 : "m"(*(const unsigned long *)addr), "r"(nr)
			 : "memory");
	return bit;
}
static always_inline unsigned long array_index_mask_nospec(unsigned long i,
							   unsigned long n)
{
	unsigned long mask;

	__asm__ volatile("cmp %[n], %[i]\n\tsbb %[mask], %[mask]"
			 : [mask] "=r"(mask)
			 : [n] "g"(n), [i] "r"(i));
	return mask;
}
#define array_index_nospec(i, n)                                              \
	((typeof(i))((i)&array_index_mask_nospec((unsigned long)(i), (n))))
#define block_speculation() ((void)0)
#define evaluate_nospec(c) (c)
#define prefetch(p) __builtin_prefetch(p)
#define prefetchw(p) __builtin_prefetch(p, 1)

/* --- Domains -------------------------------------------------------------- */

#define DOMID_SELF 0x7ff0U
#define DOMID_IO 0x7ff1U

struct vcpu;
struct domain {
	domid_t domain_id;
	bool is_privileged;
	uint32_t pdx; /* of this structure; page_info stores it as the owner */
	bool is_pv, cache_attrs_ok;
	struct {
		struct {
			bool check_l1tf, is_32bit;
			uint8_t ptebatch_off;
		} pv;
	} arch;
	unsigned int paging_mode;
	unsigned int max_vcpus;
	struct vcpu **vcpu;
	cpumask_t *dirty_cpumask;
	unsigned int refs; /* held by rcu_lock_domain_by_id, get_pg_owner */
};
struct vcpu {
	struct domain *domain;
	unsigned int vcpu_id, dirty_cpu;
	struct {
		struct page_info *old_guest_table;
	} arch;
};
#define PG_shadow 0x1U
#define PG_log_dirty 0x2U
#define PG_refcounts 0x4U
#define PG_external 0x8U
#define paging_mode_enabled(d) (!!(d)->paging_mode)
#define paging_mode_refcounts(d) (!!((d)->paging_mode & PG_refcounts))
#define paging_mode_external(d) (!!((d)->paging_mode & PG_external))
/* As on a CPU with 45 address bits in the L1 cache, and 8 GiB of memory. */
#define l1tf_addr_mask (((1UL << 45) - 1) & PAGE_MASK)
extern paddr_t l1tf_safe_maddr;
#define is_pv_domain(d) ((d)->is_pv)
#define is_pv_32bit_domain(d) ((d)->arch.pv.is_32bit)
#define is_control_domain(d) ((d)->is_privileged)
#define DOMID_FIRST_RESERVED 0x7ff0U
enum { SYS_STATE_boot, SYS_STATE_active };
#define system_state hx.xen_state
#define cpu_has_nx hx.has_nx
#define current hx_current
extern struct vcpu *hx_current;
static inline void page_set_owner(struct page_info *p, const struct domain *d)
{
	p->v.inuse._domain = d ? d->pdx : 0;
}

struct domain *rcu_lock_domain_by_id(domid_t id);
void rcu_unlock_domain(struct domain *d);
struct domain *get_pg_owner(domid_t id);
void put_pg_owner(struct domain *d);

#define XSM_TARGET 0
#define XSM_MMU_UPDATE_READ 1U
#define XSM_MMU_UPDATE_WRITE 2U
#define XSM_MMU_NORMAL_UPDATE 4U
#define XSM_MMU_MACHPHYS_UPDATE 8U
int xsm_mmu_update(int action, struct domain *d, struct domain *t,
		   struct domain *f, uint32_t flags);
int xsm_update_va_mapping(int action, struct domain *d, struct domain *f,
			  l1_pgentry_t pte);

/* --- References ----------------------------------------------------------- */

bool mfn_valid(mfn_t mfn);
bool get_page(struct page_info *page, const struct domain *d);
void put_page(struct page_info *page);
/* With the speculation fence that every caller needs (XSA-453). */
#define page_lock(page) lock_evaluate_nospec(page_lock_unsafe(page))
bool page_lock_unsafe(struct page_info *page);
bool lock_evaluate_nospec(bool locked);
void page_unlock(struct page_info *page);
int get_page_type(struct page_info *page, unsigned long type);
void put_page_type(struct page_info *page);
int get_page_from_l1e(l1_pgentry_t l1e, struct domain *l1e_owner,
		      struct domain *pg_owner);
void put_page_from_l1e(l1_pgentry_t l1e, struct domain *l1e_owner);
struct page_info *get_page_from_mfn(mfn_t mfn, struct domain *d);
l1_pgentry_t adjust_guest_l1e(l1_pgentry_t l1e, const struct domain *d);
void *map_domain_page(mfn_t mfn);
void unmap_domain_page(const void *va);
intpte_t paging_cmpxchg_guest_entry(struct vcpu *v, intpte_t *p, intpte_t old,
				    intpte_t new, mfn_t mfn);

/* --- Memory, with hooks --------------------------------------------------- */

#ifdef HARNESS_BENCH
#define ACCESS_ONCE(x) (*(volatile typeof(x) *)&(x))
#define read_atomic(p) ACCESS_ONCE(*(p))
#define write_atomic(p, v) ((void)(*(volatile typeof(*(p)) *)(p) = (v)))
#define smp_mb() __sync_synchronize()
#define cpu_relax() __builtin_ia32_pause()
typedef uint64_t cycles_t;
#define get_cycles() (__builtin_ia32_lfence(), __builtin_ia32_rdtsc())
#define cmpxchg(p, o, n) __sync_val_compare_and_swap(p, o, n)
#define xchg(p, n) __atomic_exchange_n(p, (typeof(*(p)))(n), __ATOMIC_SEQ_CST)
#else
uint64_t hx_read(const volatile void *p);
void hx_write(volatile void *p, uint64_t v);
uint64_t hx_cmpxchg(volatile void *p, uint64_t old, uint64_t new);
uint64_t hx_xchg(volatile void *p, uint64_t new);
void hx_lock_and(volatile void *p, uint64_t mask);
void hx_lock_or(volatile void *p, uint64_t mask);
void hx_lock_sub(volatile void *p, uint64_t n);
static inline bool hx_try_cmpxchg(volatile void *p, uint64_t *old, uint64_t new)
{
	uint64_t seen = hx_cmpxchg(p, *old, new), was = *old;

	*old = seen;
	return seen == was;
}
#define smp_mb() ((void)(hx.buffered = 0))
#define cpu_relax() ((void)(hx.pauses++, hx.cycles += HX_PAUSE))
typedef uint64_t cycles_t;
#define get_cycles() (hx.cycles += 20)
#define ptebatch_try_cmpxchg hx_try_cmpxchg
/* Hardware may act before each of them, but not between its read and write. */
#define ptebatch_lock_and(p, mask) hx_lock_and(p, mask)
#define ptebatch_lock_or(p, mask) hx_lock_or(p, mask)
#define ptebatch_lock_sub(p, n) hx_lock_sub(p, n)
/* Every hooked object has 64 bits. */
#define ACCESS_ONCE(x) hx_read(&(x))
#define read_atomic(p) (*(volatile typeof(*(p)) *)(p))
#define write_atomic(p, v) hx_write(p, v)
#define cmpxchg(p, o, n) hx_cmpxchg(p, o, n)
#define xchg(p, n) hx_xchg(p, n)
#endif

void hx_bug(const char *what, const char *file, int line)
	__attribute__((noreturn));
#define BUG() hx_bug("BUG", __FILE__, __LINE__)
#define BUG_ON(c)                                                             \
	do {                                                                  \
		if (unlikely(c))                                              \
			hx_bug("BUG_ON(" #c ")", __FILE__, __LINE__);         \
	} while (0)
#ifdef HARNESS_BENCH
#define ASSERT(c) ((void)sizeof(!!(c))) /* as in a release build */
#else
#define ASSERT(c)                                                             \
	do {                                                                  \
		if (unlikely(!(c)))                                           \
			hx_bug("ASSERT(" #c ")", __FILE__, __LINE__);         \
	} while (0)
#endif
#define ASSERT_UNREACHABLE() hx_bug("unreachable", __FILE__, __LINE__)

unsigned int raw_copy_from_guest(void *to, const void *from, unsigned int n);
unsigned int raw_copy_to_guest(void *to, const void *from, unsigned int n);
typedef unsigned int uint;
typedef struct {
	mmu_update_t *p;
} hx_handle_mmu_update_t;
typedef struct {
	uint *p;
} hx_handle_uint;
#define XEN_GUEST_HANDLE_PARAM(type) hx_handle_##type
#define guest_handle_is_null(h) (!(h).p)
#define guest_handle_okay(h, nr) __addr_ok((h).p + (nr))
#define guest_handle_add_offset(h, nr) ((h).p += (nr))
#define get_guest(x, from)                                                    \
	(__addr_ok((from) + 1) && !raw_copy_from_guest(&(x), from, sizeof(x)) \
		 ? 0 : -EFAULT)
#define copy_from_guest(to, h, nr)                                            \
	raw_copy_from_guest(to, (h).p, sizeof(*(h).p) * (nr))
#define copy_to_guest(h, from, nr)                                            \
	raw_copy_to_guest((h).p, from, sizeof(*(h).p) * (nr))

/*
 * The L2 entries that map the guest's addresses from HX_VA on, as Xen sees them
 * through the linear map. Entry i maps 2 MiB. A read beyond them faults.
 */
#define HX_VA 0x40000000UL
#define HX_L2S 32
extern l2_pgentry_t *const __linear_l2_table;
#define l2_linear_offset(va) (((unsigned long)(va) & ((1UL << 48) - 1)) >> 21)
#define l1_table_offset(va) (((unsigned long)(va) >> 12) & 511)
bool hx_get_unsafe(l2_pgentry_t *to, const l2_pgentry_t *from);
#define get_unsafe(x, from) (hx_get_unsafe(&(x), from) ? 0 : -EFAULT)

/* --- Trapped writes -------------------------------------------------------- */

#define EXCRET_fault_fixed 1
#define tb_init_done hx.tracing
#define is_hardware_domain(d) ((d) == &hx_self && hx.hardware_domain)
#define mmio_ro_ranges hx.mmio_ro
#define rangeset_contains_singleton(ranges, pfn) ((pfn) == (ranges))
/* The guest maps one address, by an entry that the test chooses. */
#define guest_get_eff_kern_l1e(va) ((void)(va), hx.eff)
#define __get_guest(x, from)                                                  \
	(raw_copy_from_guest(&(x), from, sizeof(x)) ? -EFAULT : 0)
#define l1e_get_mfn(e) _mfn(l1e_get_pfn(e))
#define l1e_flip_flags(e, flags) ((e).l1 ^= put_pte_flags((unsigned int)(flags)))
/* Xen's emulator, which is not modelled: it counts. */
int pv_ro_page_fault(unsigned long addr, struct cpu_user_regs *regs);
int hx_fault(unsigned long addr, struct cpu_user_regs *regs);

/* --- Preemption, TLB ------------------------------------------------------ */

bool hypercall_preempt_check(void);
unsigned long hypercall_create_continuation(unsigned int nr, const char *fmt,
					    ...);

#define cpumask_clear(m) ((m)->bits = 0)
#define __cpumask_set_cpu(c, m) ((m)->bits |= 1UL << (c))
#define cpumask_empty(m) (!(m)->bits)
#define is_vcpu_dirty_cpu(c) ((c) != ~0U)
#ifdef HARNESS_BENCH
#define HX_CPUS 1U
#define this_cpu_number() 0U
#else
#define HX_CPUS 4U
#define this_cpu_number() hx.cpu
#endif
#define DECLARE_PER_CPU(type, name)                                           \
	extern HX_OWN __typeof__(type) per_cpu__##name[HX_CPUS]
#define DEFINE_PER_CPU(type, name)                                            \
	HX_OWN __typeof__(type) per_cpu__##name[HX_CPUS]
#define per_cpu(name, cpu) (per_cpu__##name[cpu])
#define this_cpu(name) per_cpu(name, this_cpu_number())
#define for_each_online_cpu(cpu) for ((cpu) = 0; (cpu) < HX_CPUS; (cpu)++)
DECLARE_PER_CPU(cpumask_t *, scratch_cpumask);
#define perfc_incr(what) perfc_add(what, 1)
#define perfc_add(what, n) ((void)(hx.perfc.what += (n)))
void hx_flush(uint64_t cpus, uint64_t addr, uint64_t pages);
#define HX_LOCAL (1UL << 63)
#define flush_tlb_local() hx_flush(HX_LOCAL, 0, 0)
#define flush_tlb_mask(m) hx_flush((m)->bits, 0, 0)
#define flush_tlb_one_mask(m, a) hx_flush((m)->bits, a, 1)
#define flush_tlb_one_local(a) hx_flush(HX_LOCAL, a, 1)
#define paging_invlpg(v, a) ((void)(v), hx_flush(HX_LOCAL, a, 1))

#define __HYPERVISOR_mmu_update 1
#define __HYPERVISOR_update_va_mapping 14

/* --- Interface of the tests ----------------------------------------------- */

long do_ptebatch_runs(unsigned long what, unsigned long count,
		      unsigned long how, unsigned long arg4,
		      unsigned long arg5);
long do_ptebatch_values(unsigned long what, unsigned long count,
			unsigned long how, unsigned long arg4,
			unsigned long arg5);
/*
 * What install puts into Xen's own files around the handlers, here around models
 * of Xen's functions.
 */
long do_mmu_update(XEN_GUEST_HANDLE_PARAM(mmu_update_t) ureqs,
		   unsigned int count, XEN_GUEST_HANDLE_PARAM(uint) pdone,
		   unsigned int foreigndom);
long do_update_va_mapping(unsigned long va, uint64_t val, unsigned long flags);
int ptebatch_mod_l1_entry(l1_pgentry_t *pl1e, l1_pgentry_t nl1e, mfn_t gl1mfn,
			  unsigned int cmd, struct vcpu *pt_vcpu,
			  struct domain *pg_dom);

/*
 * The first frame of a region. With compression, the index of a frame in region
 * 4 equals the number of a frame in region 1, and the frame numbers of domain
 * 5's pages are the indexes of the caller's pages.
 */
#ifdef HARNESS_PDX_MASK
#define MFN_REGION(r) ((r) * 0x2000UL)
#define F_PAGES 0x100UL
#elif defined(HARNESS_PDX_OFFSET)
#define MFN_REGION(r) ((r) * 0x2800UL - ((r) == 1) * 0x800UL)
#define F_PAGES 0x100UL
#else
#define MFN_REGION(r) 0UL
#define F_PAGES 0x600UL
#endif

/* The modelled frames, by number. */
#define NR_TABLES 8U
#define NR_PAGES 1024U
#define MFN_TABLE (MFN_REGION(4) + 0x10UL) /* the caller's L1 tables */
#define MFN_L2 0x20UL	   /* an L2 table */
#define MFN_UNVALID 0x21UL /* an L1 table that lost its validation */
#define MFN_SEG 0x22UL	   /* a descriptor table */
#define MFN_F_TABLE 0x28UL /* an L1 table of domain 5 */
#define MFN_PAGE (MFN_REGION(4) + 0x100UL) /* the caller's data pages */
#define MFN_F_PAGE (MFN_REGION(1) + F_PAGES) /* domain 5's, 64 of them */
#define MFN_IO_PAGE (MFN_REGION(4) + 0x680UL) /* of dom_io */
#define MFN_FREE (MFN_REGION(4) + 0x6a0UL) /* free */
#define MFN_HOLE (MFN_REGION(4) + 0x740UL) /* I/O memory, below max_page */
#define MFN_END (MFN_REGION(4) + REGION_FRAMES) /* max_page */
#define MFN_MMIO (MFN_END + 0x100UL) /* I/O memory that the caller may map */
#define MFN_MMIO_NO (MFN_END + 0x101UL) /* one that it may not map */
#define MFN_MMIO_RO (MFN_END + 0x102UL) /* one for read-only mappings */
#define NR_FRAMES (NR_REGIONS * REGION_FRAMES) /* in the frame table */

#ifdef HARNESS_BENCH
/* Data pages are frames 0 to 2^21-1; the L1 tables follow them. */
#define MFN_BENCH_TABLE (1UL << 21)
#define NR_BENCH_TABLES 4096UL
extern char *hx_bench_tables;
/* The caller must have mapped frame_table and filled it in. */
void harness_bench(void *table_memory);
#endif

/*
 * A table may be withheld from other CPUs for at most HX_KEPT_MAX units of
 * work and HX_KEPT_SLOW calls of Xen's own type functions. A unit of work is
 * the write of an entry, or a type reference taken or dropped. Other CPUs can
 * take the table if HX_HAND_OVER cycles pass between an unlock and the next
 * lock. That is enough for a waiter's own PAUSE and for two transfers of the
 * cache line between two sockets. A PAUSE takes HX_PAUSE cycles here, as on the
 * CPUs with the shortest one.
 *
 * The handlers look at a table after 256 entries of the cheapest kind. At the
 * eighth look they hand it over, whether they see a waiter or not. An entry that
 * comes to map another frame is the cheapest kind too, and is 3 units here: a
 * write and two type references. A loop runs over as many as 96 records that
 * were copied, and is not stopped among them: up to 95 are beyond the 256.
 *
 * A slow entry counts for 8, and makes them hand the table over at the next
 * look, so after 32 at most. One entry needs at most two of Xen's functions.
 */
#define HX_KEPT_MAX (8 * (256 + 95) * 3U)
#define HX_KEPT_SLOW (2 * 32 + 2U)
#define HX_RETYPE 4U /* such calls that one change of type counts as */
#define HX_HAND_OVER 1000
#define HX_PAUSE 10

struct hx_flush {
	uint64_t cpus, addr, pages, step;
};

/* Xen's performance counters. */
struct hx_perfc {
	unsigned int calls_to_mmu_update, num_page_updates;
	unsigned int writable_mmu_updates, calls_to_update_va;
	unsigned int ptwr_emulations;
};

struct harness {
	bool has_nx;
	unsigned int xen_state, cpu;
	struct hx_perfc perfc;

	/* Broken rules: the number of them, and the first one's name. */
	unsigned int broken;
	char what[160];

	/* Simulated hardware: 0 idle, 1 before each write, n: 1 access in n. */
	unsigned int hw;
	uint64_t rng;

	/* Preemption: 0 never; n: every nth check asks for it. */
	unsigned int preempt;
	unsigned int checks, continuations;
	/* Called between a preempted call and its restart, if set. */
	void (*meanwhile)(uint64_t args[5]);

	/* Guest memory that faults: [fault, fault_end). */
	uintptr_t fault, fault_end;
	unsigned int copies;
	/* The nth copy from now on faults at byte fault_byte; 0: none does. */
	unsigned int fault_copy, fault_byte;

	/*
	 * Another CPU, which takes a reference to the locked table and waits
	 * for its lock. visit_at: units of work until then (0: never). hidden:
	 * another reference is dropped at the same time, so the count does not
	 * show the waiter. waited: units of work done while the CPU waits.
	 */
	unsigned int visit_at, waited;
	uint64_t cycles; /* that passed in pauses */
	unsigned int read_cycles; /* of each read of an entry or a count */
	bool hidden, waiting;

	/*
	 * Jump here at the first read of an entry. "inside" tells whether all
	 * of the entry lay within a table.
	 */
	jmp_buf *ahead;
	bool inside;

	/* The L2 entries behind __linear_l2_table. */
	l2_pgentry_t l2[HX_L2S];
	/*
	 * What Xen's model does with an update of an L2 table: the rc, and
	 * whether the table that was unhooked is left for later.
	 */
	int l2_rc;
	bool l2_old;

	/* Called once, just before a page is locked, if set. */
	void (*before_lock)(struct page_info *page);

	/* Trapped writes: what maps the address, and what Xen looks at. */
	l1_pgentry_t eff;
	bool tracing, hardware_domain;
	unsigned long mmio_ro;
	unsigned int emulated;

	/* This page gets a new owner just before an inline reference to it. */
	unsigned long steal_mfn;

	/* May the last reference to a page be dropped, and how often it was. */
	bool may_free;
	unsigned int freed;

	uint32_t xsm_deny; /* rights that are denied, XSM_MMU_* */
	unsigned int xsm_deny_va; /* update_va_mapping: 1 all, 2 writable ones */
	uint32_t xsm_flags;
	unsigned int xsm_calls;
	const struct domain *xsm_tables, *xsm_pages; /* owners, last check */
	unsigned int l1tf; /* tasklets scheduled */

	/* Recorded during a call. */
	uint64_t step, last_update;
	/* A plain store unmapped this frame; no locked instruction since. */
	unsigned long buffered;
	unsigned int plain_stores, pte_atomics, type_atomics, count_atomics;
	unsigned int page_gets, generic_gets, generic_puts, locks, pauses;
	unsigned int short_locks; /* of locks, those in one exchange */
	unsigned int fences;
	unsigned int paging_writes, full_validations, memory_writes;
	struct hx_flush flush[64];
	unsigned int flushes;

	bool unvalidated[NR_TABLES]; /* tables whose entries hold nothing */
	unsigned int held[512];	     /* see struct hx_upper */

	/* Bits that hardware has set in each slot since the call began. */
	uint64_t hw_set[NR_TABLES + 1][512];
	unsigned int hw_walks; /* walks in which it set a bit */
};
extern HX_OWN struct harness hx;
extern struct domain hx_self, hx_foreign, hx_io;

/* Resets the model: tables are empty, counts are at their base. */
void harness_reset(void);
/*
 * The page_info of a frame, or NULL if the frame has none. The lookup uses a
 * list of memory regions of its own, so that it does not depend on the PDX code
 * that the tests check.
 */
struct page_info *hx_page(unsigned long mfn);
/* The address of a slot; table NR_TABLES is the foreign one. */
uint64_t hx_slot(unsigned int table, unsigned int slot);
uint64_t hx_get(unsigned int table, unsigned int slot);
volatile uint64_t *hx_mapping(unsigned int table, unsigned int slot);
/* The contents of one of the caller's data pages. */
uint64_t hx_memory(unsigned int page, unsigned int slot);
/* Sets an entry without the handlers, and updates references and types. */
void hx_set(unsigned int table, unsigned int slot, uint64_t entry);
/* Adds references and types from elsewhere, so that counts start above 0. */
void hx_hold(unsigned long mfn, unsigned long types);
/* Drops the domain's own reference to a page, as if it returned the page. */
void hx_release(unsigned long mfn);
/*
 * Table t is one to be validated: its entries hold nothing. hx_raw() sets them.
 * hx_promote() validates them as entries of a table of d, by Xen's loop as
 * install leaves it, and returns its answer; hx_demote() is the reverse.
 */
void hx_unvalidate(unsigned int t);
void hx_raw(unsigned int t, unsigned int s, uint64_t entry);
int hx_promote(unsigned int t, struct domain *d);
void hx_demote(unsigned int t, struct domain *d);
/*
 * Xen's loops over a table of a higher level, with a model of what an entry
 * does: its low byte says how often it is preempted in its turn, and whether it
 * is refused (HX_REFUSED), absent but unsafe (HX_UNSAFE), or neither. Entries
 * that are held are counted by slot in hx.held.
 */
#define HX_REFUSED 0x20UL
#define HX_UNSAFE 0x40UL
#define HX_XEN_SLOT 0x80UL /* not the guest's */
struct hx_upper {
	uint64_t entry[512];
	unsigned int nr_validated_ptes, partial_flags; /* as in page_info */
	unsigned int level;
};
int hx_promote_upper(struct hx_upper *u, struct domain *d);
/* The engine's search for a slot that is not empty, as these two call it. */
unsigned int hx_next_used(struct domain *d, const uint64_t *table,
			  unsigned int i);
unsigned int hx_used_below(struct domain *d, const uint64_t *table,
			   unsigned int i);
int hx_demote_upper(struct hx_upper *u, struct domain *d);
void hx_touch(unsigned int table, unsigned int slot, int write);
/*
 * A hypercall by the guest, restarted as long as it is preempted: the two calls,
 * mmu_update or update_va_mapping.
 */
int64_t hx_call(uint32_t nr, uint64_t a1, uint64_t a2, uint64_t a3,
		uint64_t a4, uint64_t a5);
/* A write fault of the guest's kernel at addr. */
int hx_trap(unsigned long addr, struct cpu_user_regs *regs);
/* Compares every count of every frame with the entries that exist. */
void hx_audit(void);
void hx_rule(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t hx_random(void);

#endif /* HARNESS_H */
