/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share.
 *
 * A path is one thing that the kernel does with many PTEs: mprotect, fork,
 * munmap. Each has a file of its own with a function in front of one of the
 * kernel's (hook.c). That function takes what it has proved to be ordinary
 * through libptebatch, table by table, and gives all else to the kernel's own
 * function, the original, which it also calls for whatever a hypercall refused.
 */
#ifndef PTB_H
#define PTB_H

#include <linux/mm.h>
#include <linux/percpu.h>

#include <asm/ibt.h>

#include <ptebatch/ptebatch.h>

enum ptb_path {
	PTB_MPROTECT,
	PTB_FORK,
	PTB_MUNMAP,
	PTB_PATHS
};

/* Counted on each CPU; main.c adds them up for the status. */
struct ptb_counters {
	u64 calls;   /* of the hooked function */
	u64 whole;   /* of these, given to the original as a whole */
	u64 tables;  /* L1 tables done here */
	u64 odd;     /* L1 tables given to the original */
	u64 ptes;    /* slots covered in these */
	u64 singles; /* single pages done here, apart from the tables */
	u64 hypercalls;
	u64 failures; /* hypercalls that did not apply all they were given */
	u64 folded;   /* TLB flushes that rode in a hypercall */
	u64 late;     /* of these, repeated since a CPU had come in meanwhile */
};

/*
 * What a CPU works with under a page-table lock, thus with preemption off.
 * Interrupts do not come here. Large enough for a table of single records.
 */
struct ptb_cpu {
	struct ptebatch batch;
	struct ptb_counters counters[PTB_PATHS];
	u64 *cpus; /* a snapshot of mm_cpumask(), ptb_cpu_words long */
	union {
		struct ptebatch_run runs[PTEBATCH_TABLE_SLOTS];
		struct ptebatch_value values[PTEBATCH_TABLE_SLOTS];
		u64 olds[PTEBATCH_TABLE_SLOTS];
	} records;
	struct page *pages[PTEBATCH_TABLE_SLOTS];
};

DECLARE_PER_CPU(struct ptb_cpu *, ptb_cpus);
extern unsigned int ptb_cpu_words;
extern struct ptebatch_env ptb_env;

/* Kernels that clear all of the stack would do it on the shortest way too. */
#define PTB_UNINITIALIZED __attribute__((__uninitialized__))

/* Switched at run time; a path that is off costs its hook and nothing else. */
extern bool ptb_on[PTB_PATHS];

/* Figures for people: a task that is preempted here may lose one. */
#define ptb_count(path, what, n) \
	(this_cpu_read(ptb_cpus)->counters[path].what += (n))

/*
 * Applies a run; the table's lock is held. tlb: its TLB flush, made if all slots
 * are done, or NULL if the kernel makes it later. Returns how many slots are
 * done: all, or those before the one that failed. *whole: all, and the flush.
 */
unsigned int ptb_apply(enum ptb_path path, const struct ptebatch_run *run,
		       const struct ptebatch_tlb *tlb, bool *whole);

/* ---- hook.c: functions in front of the kernel's ------------------------- */

/*
 * Looks up what the kernel does not export. -ENOENT, with the name in the
 * kernel's log, if this kernel lacks it.
 */
int ptb_find_symbols(void);
unsigned long ptb_symbol(const char *name);

int ptb_hook_all(void);
/* Returns once no task can be inside any function of this module. */
void ptb_unhook_all(void);

/*
 * Tasks inside. A function in front sleeps, so this is not about RCU; every
 * one of them begins and ends with these.
 */
DECLARE_PER_CPU(long, ptb_inside);
#define ptb_enter() this_cpu_inc(ptb_inside)
#define ptb_leave() this_cpu_dec(ptb_inside)

/* What each path needs of the kernel besides; -ENOENT as above. */
int ptb_fork_symbols(void);
int ptb_munmap_symbols(void);

/* ---- The paths ----------------------------------------------------------- */

/*
 * One hook: the kernel's function, ours, and how to get past the hook into the
 * kernel's own. name##_hook is reached through a trampoline that has taken the
 * return address into the kernel's function off the stack.
 */
struct ptb_hook_point {
	const char *name;
	void *trampoline;
	void **original;
};

extern const struct ptb_hook_point ptb_mprotect_hook;
extern const struct ptb_hook_point ptb_fork_hook;
extern const struct ptb_hook_point ptb_munmap_hook;

/*
 * ftrace calls the trampoline from the first instruction of the kernel's
 * function, all argument registers as its caller left them.
 */
#define PTB_TRAMPOLINE(function)                                           \
	asm(".pushsection .text, \"ax\", @progbits\n"                      \
	    ".type " #function "_trampoline, @function\n" #function        \
	    "_trampoline:\n" ASM_ENDBR "	add $8, %rsp\n"                   \
	    "	jmp " #function "\n"                                       \
	    ".size " #function "_trampoline, .-" #function "_trampoline\n" \
	    ".popsection\n");                                              \
	extern char function##_trampoline[];                               \
	STACK_FRAME_NON_STANDARD(function##_trampoline)

#endif /* PTB_H */
