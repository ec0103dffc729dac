/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that the module's files share.
 *
 * A path is an operation of the kernel that changes PTEs: mprotect, fork, munmap,
 * a read fault. Each path has a file, with a function that is called instead of one
 * of the kernel's (hook.c). The kernel's function is called the original. The
 * module's function changes tables through libptebatch if it has verified that
 * they are ordinary. It calls the original for everything else, and for each
 * table for which a hypercall failed.
 */
#ifndef PTB_H
#define PTB_H

#include <linux/mm.h>
#include <linux/percpu.h>

#include <xen/interface/xen.h>
#include <asm/ibt.h>
#include <asm/xen/hypercall.h>

#include <ptebatch/ptebatch.h>

enum ptb_path {
	PTB_MPROTECT,
	PTB_FORK,
	PTB_MUNMAP,
	PTB_FAULT,
	PTB_PIN,
	PTB_EXIT,
	PTB_CLEAR,
	PTB_FOREIGN,
	PTB_MREMAP,
	PTB_MADVISE,
	PTB_REFS,
	PTB_YOUNG,
	PTB_PATHS
};

/* Counters of one CPU. The status shows the sums over all CPUs. */
struct ptb_counters {
	u64 calls;   /* calls of the hooked function */
	u64 whole;   /* of these, passed to the original unchanged */
	u64 tables;  /* L1 tables changed by the module */
	u64 odd;     /* L1 tables left to the original */
	u64 ptes;    /* entries in the tables that the module changed */
	u64 singles; /* single pages changed, not counted in tables */
	u64 hypercalls;
	u64 failures; /* hypercalls that did not apply all their records */
	u64 folded;   /* TLB flushes performed by these hypercalls */
	u64 late;     /* of these, repeated for a CPU that came later */
};

/*
 * How many tables are pinned at a time. Their locks are held meanwhile, and the
 * kernel's own code holds as many.
 */
#define PTB_PINS 32

/*
 * The working memory of one CPU. It is used only under a page-table lock or an
 * address space's page_table_lock, which disable preemption, and never from
 * interrupts. It has room for one record
 * per entry of a table.
 */
struct ptb_cpu {
	struct ptebatch batch;
	struct ptb_counters counters[PTB_PATHS];
	u64 *cpus; /* a snapshot of mm_cpumask(), ptb_cpu_words long */
	union {
		struct ptebatch_run runs[PTEBATCH_TABLE_SLOTS];
		struct ptebatch_value values[PTEBATCH_TABLE_SLOTS];
		u64 copies[PTEBATCH_TABLE_SLOTS]; /* of entries */
		struct {
			struct ptebatch_value values[PTB_PINS];
			struct mmuext_op ops[PTB_PINS];
		} pins;
	} records;
	u64 olds[PTEBATCH_TABLE_SLOTS];
	struct page *pages[PTEBATCH_TABLE_SLOTS];
};

DECLARE_PER_CPU(struct ptb_cpu *, ptb_cpus);
extern unsigned int ptb_cpu_words;
extern struct ptebatch_env ptb_env;

/*
 * For variables on the hot paths: kernels that are built to clear all stack
 * variables do not clear these.
 */
#define PTB_UNINITIALIZED __attribute__((__uninitialized__))

/* Set by the module's parameters. A path that is off costs only its hook. */
extern bool ptb_on[PTB_PATHS];

/* Not exact: a task that is preempted within the increment can lose a count. */
#define ptb_count(path, what, n) \
	(this_cpu_read(ptb_cpus)->counters[path].what += (n))

/* xen_single_call(), but with a look at the registers afterwards. */
static __always_inline s64 ptb_hypercall(u32 nr, u64 a1, u64 a2, u64 a3, u64 a4,
					 u64 a5)
{
	__HYPERCALL_DECLS;
	__HYPERCALL_5ARG(a1, a2, a3, a4, a5);

	asm volatile(__HYPERCALL
		     : __HYPERCALL_5PARAM
		     : __HYPERCALL_ENTRY(nr)
		     : __HYPERCALL_CLOBBER5);

	return ptebatch_answer((long)__res, nr, __arg2, __arg3, __arg4);
}

/*
 * Applies a run. The caller holds the table's lock. tlb: the TLB flush to
 * perform once all slots are done, or NULL if the kernel flushes later. Returns
 * how many slots are done: all, or those before the slot that failed. *whole
 * tells whether all slots and the flush are done.
 */
unsigned int ptb_apply(enum ptb_path path, const struct ptebatch_run *run,
		       const struct ptebatch_tlb *tlb, bool *whole);

/* ---- hook.c: hooking the kernel's functions ------------------------------ */

/*
 * ptb_symbol() finds symbols that the kernel does not export. If this kernel
 * lacks the symbol, it logs the name and returns 0. ptb_find_symbols() must
 * have succeeded before; it returns -ENOENT if a symbol is missing.
 */
int ptb_find_symbols(void);
unsigned long ptb_symbol(const char *name);

int ptb_hook_all(void);
/* Returns once no task can be inside any hook of this module. */
void ptb_unhook_all(void);

/*
 * The number of tasks that are executing a hook. Each hook begins with
 * ptb_enter() and ends with ptb_leave(). RCU cannot tell when they are done,
 * since hooks sleep.
 */
DECLARE_PER_CPU(long, ptb_inside);
#define ptb_enter() this_cpu_inc(ptb_inside)
#define ptb_leave() this_cpu_dec(ptb_inside)

/* Find the symbols that a path needs; -ENOENT if one is missing. */
int ptb_fork_symbols(void);
int ptb_munmap_symbols(void);
int ptb_fault_symbols(void);
int ptb_pin_symbols(void);
int ptb_age_symbols(void);

/* ---- The paths ----------------------------------------------------------- */

/*
 * Returns the entry that refers to the L1 table for addr, and allocates the table
 * if it is missing (fork.c). Returns NULL if there is no memory.
 */
pmd_t *ptb_alloc_pmd(struct mm_struct *mm, unsigned long addr);

/*
 * A hook: a function of the kernel, the trampoline into the module's function
 * that replaces it, and a pointer through which the module calls the original.
 */
struct ptb_hook_point {
	const char *name;
	void *trampoline;
	void **original; /* set by hook.c, past ftrace's call */
};

extern const struct ptb_hook_point ptb_mprotect_hook;
extern const struct ptb_hook_point ptb_fork_hook;
extern const struct ptb_hook_point ptb_munmap_hook;
extern const struct ptb_hook_point ptb_fault_hook;
extern const struct ptb_hook_point ptb_pin_hook;
extern const struct ptb_hook_point ptb_clear_hook;
extern const struct ptb_hook_point ptb_foreign_hook;
extern const struct ptb_hook_point ptb_mremap_hook;
extern const struct ptb_hook_point ptb_free_hook;
extern const struct ptb_hook_point ptb_cold_hook;
extern const struct ptb_hook_point ptb_refs_hook;
extern const struct ptb_hook_point ptb_young_hook;
extern const struct ptb_hook_point ptb_flush_young_hook;

/*
 * ftrace's call at the beginning of the kernel's function enters the
 * trampoline, with all argument registers as the function's caller has set
 * them. The trampoline removes the return address into the kernel's function
 * from the stack, so that the module's function returns to that caller. Its
 * address is even: newer kernels jump to an odd one, without a return address.
 */
#define PTB_TRAMPOLINE(function)                                           \
	asm(".pushsection .text, \"ax\", @progbits\n"                      \
	    ".balign 16\n"                                                \
	    ".type " #function "_trampoline, @function\n" #function        \
	    "_trampoline:\n" ASM_ENDBR "	add $8, %rsp\n"                   \
	    "	jmp " #function "\n"                                       \
	    ".size " #function "_trampoline, .-" #function "_trampoline\n" \
	    ".popsection\n");                                              \
	extern char function##_trampoline[];                               \
	STACK_FRAME_NON_STANDARD(function##_trampoline)

#endif /* PTB_H */
