/* SPDX-License-Identifier: MIT */
/*
 * libptebatch: page-table updates in batches, for paravirtualised kernels.
 *
 * A batch is an ordered log of changes to entries of L1 page tables. A flush
 * applies them through a backend. The library queues records in the layout that
 * the new hypercalls take, so for these a flush converts and copies nothing.
 *
 * Units. A slot is the machine address of an 8-byte entry of an L1 table, a
 *   multiple of 8. A pte is the value of an entry: a raw x86-64 entry, as masks
 *   are. A run is 1 to 512 neighbouring slots of one table. TLB requests name
 *   virtual addresses of the guest, and numbers of 4-KiB pages.
 *
 * Ownership. The caller owns all memory: the batch, its storage, the arrays for
 *   old values, the env. A batch keeps pointers to its storage and its env
 *   until it is initialised again, and to an array for old values until the
 *   flush that fills it has returned. The caller may free a TLB request once the
 *   call has returned; a request that an inner ptebatch_end keeps is copied. The
 *   library allocates, locks and logs nothing, never aborts, has no state of its
 *   own and needs no libc.
 *
 * Order. Records are applied in the order in which they were queued, slot by
 *   slot. No record is reordered or dropped. Only neighbours in the queue are
 *   merged. The TLB flush comes after the last change.
 *
 * Context. One thread of execution uses a batch at a time. An interrupt handler
 *   has a batch of its own, or calls ptebatch_apply_*(), which need no batch.
 *   No function sleeps, apart from what the env's functions do. From queueing a
 *   slot until it is applied, skipped or discarded, the caller holds the lock
 *   that protects the slot.
 *     Records hold machine addresses, so they do not survive suspend, save or
 *   migration. Flush before, and probe again after.
 *     Flush also before you hook, pin, unpin or free a table by calls of your
 *   own. A record that is applied later fails, or changes whatever the table's
 *   page has become.
 *     probe and ptebatch_init need the hypercall page and nothing else, so they
 *   work before the kernel has set up its memory. For native, they only look at
 *   the env.
 *
 * Errors. Functions return 0 or a negative error number. The numbers are Xen's,
 *   which equal Linux's on x86 (PTEBATCH_E*). A flush stops at the first slot
 *   that fails. All slots before it have been changed. It and all later slots
 *   are unchanged and stay queued. Then call ptebatch_flush to try that slot
 *   again, ptebatch_skip to drop it, or ptebatch_discard to drop everything.
 *     A call whose own arguments are bad returns -EINVAL and queues nothing.
 *   The hypervisor may also refuse a request as a whole, because of its owner
 *   or its TLB flush. In both cases no slot is at fault, and last.slot is 0. One
 *   exception: mmu_update reports a bad owner as it reports a bad slot, so there
 *   last.slot is the first slot queued.
 *     On an error path, discard what is queued and set the owner back before
 *   the batch is used for something else. A batch in static storage keeps both.
 *
 * An error for each item. To apply an array and learn which items failed, queue
 *   the items, each as one slot, and skip each slot that fails. "queued" is the
 *   number of items queued:
 *
 *	while ((err = ptebatch_flush(b, tlb)) && b->last.slot) {
 *		error[queued - ptebatch_pending(b)] = err;
 *		ptebatch_skip(b);
 *	}
 *
 *   If the loop ends with an error, no single item is at fault: the hypervisor has
 *   refused the whole request, for example for a domain that does not exist. Store
 *   that error for each item that is still queued, and discard them.
 *     A call that queues can flush too, and fails in the same way. Handle that by
 *   the same lines, then repeat the call. Set error[] to 0 first.
 *
 * TLB. ptebatch_flush and ptebatch_end take the request. The flush is done
 *   once, after the last change, even if a later slot failed. It is left out
 *   only if something was queued but no slot has been applied since the last TLB
 *   flush. A slot that had its new value already counts as applied. With nothing
 *   queued, the call only flushes the TLB.
 *
 * Slots outside L1 tables. Only the new hypercalls check that a slot is in an
 *   L1 table. They answer -EINVAL. mmu_update writes tables of every level, and
 *   data pages too. native writes whatever env.map returns. See
 *   PTEBATCH_ENV_MAP_KNOWS_L1, which makes all three answer -EINVAL.
 *
 * Stack. What the library itself uses at most. The env's functions come on top:
 *   native: 512 bytes of stack
 *   mmu-update: 2560 bytes of stack
 *   hypercall: 3072 bytes of stack, as it can fall back to mmu-update
 */
#ifndef PTEBATCH_H
#define PTEBATCH_H

/* Slots, entries and pointers have 64 bits. */
#if !defined(__x86_64__) || defined(__ILP32__)
#error "libptebatch is for 64-bit x86 only: compile without -m32 or -mx32"
#endif

#include <ptebatch/port.h>
#include <ptebatch/xen-ptebatch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PTEBATCH_VERSION_MAJOR 0
#define PTEBATCH_VERSION_MINOR 2
#define PTEBATCH_VERSION_PATCH 0
#define PTEBATCH_VERSION                                              \
	(PTEBATCH_VERSION_MAJOR << 16 | PTEBATCH_VERSION_MINOR << 8 | \
	 PTEBATCH_VERSION_PATCH)

#define PTEBATCH_EPERM 1
#define PTEBATCH_ESRCH 3
#define PTEBATCH_EACCES 13
#define PTEBATCH_EFAULT 14
#define PTEBATCH_EBUSY 16
#define PTEBATCH_EINVAL 22
#define PTEBATCH_ENOSYS 38
/* From ptebatch_answer(): Xen lost the call in the middle, before its TLB flush. */
#define PTEBATCH_GONE 0x4026
#define PTEBATCH_EOPNOTSUPP 95

/* ------------------------------------------------------------------------
 * What the kernel supplies
 */

/*
 * An env describes a guest kernel to the backends, or a process in dom0 (see
 * <ptebatch/xencall.h>). All batches and all CPUs may share it. The library
 * writes only the last three members: in probe, and when it clears a
 * PTEBATCH_HAVE_* bit of a call or an operation that has disappeared. Both are
 * safe while other CPUs use the env.
 *
 * The structure has no size member. Its layout changes only with the soname, as
 * the layout of struct ptebatch does, which ptebatch_init checks.
 *
 * hypercall(ctx, nr, a1..a5): makes hypercall nr and returns its raw answer,
 *   passed through ptebatch_answer(). mmu-update and hypercall need it.
 *   <ptebatch/guest.h> has one for kernels.
 * map(ctx, slot): the virtual address at which the entry can be read. With
 *   native, it can be written there. With mmu-update, a locked instruction can
 *   write it, which traps and which Xen emulates. The other slots of the table
 *   are at the neighbouring addresses. The mapping stays valid until the
 *   library function that called map has returned. NULL: not mapped; a flush
 *   that needs the mapping stops at the slot with -EOPNOTSUPP. native and
 *   ptebatch_peek need map; mmu-update needs it for some operations
 *   (doc/design.md).
 * tlb(ctx, tlb): flushes the TLB, returns 0 or a negative error. Only native
 *   uses it.
 * ctx: passed to these functions.
 * features: PTEBATCH_ENV_*, set by the caller.
 * have: PTEBATCH_HAVE_*, set by probe; 0 before the first probe.
 * max_runs, max_values: the most records that one hypercall takes; 0 if no
 *   batch can exceed that. probe sets them before it sets "have".
 */
struct ptebatch_env {
	int64_t (*hypercall)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			     uint64_t a3, uint64_t a4, uint64_t a5);
	volatile uint64_t *(*map)(void *ctx, uint64_t slot);
	int (*tlb)(void *ctx, const struct ptebatch_tlb *tlb);
	void *ctx;
	uint32_t features;
	uint32_t have;
	uint32_t max_runs;
	uint32_t max_values;
};

/*
 * The answer of an env's hypercall(). Xen preempts a long call by changing the
 * call's arguments to say how far it has got, and has it made again. If Xen has
 * lost the new calls by then (a livepatch was taken out, or the domain moved to
 * another host), Xen answers -ENOSYS and leaves the arguments alone. So they say
 * what was done, without the TLB flush, and the rest must not begin at the start.
 *
 * ret: Xen's answer. a2, a3, a4: the argument registers after the hypercall, or
 * the arguments of a multicall entry as they are in memory afterwards.
 */
static inline int64_t ptebatch_answer(int64_t ret, uint32_t nr, uint64_t a2,
				      uint64_t a3, uint64_t a4)
{
	uint32_t done, slots = 0;

	if (__builtin_expect(ret != -PTEBATCH_ENOSYS, 1))
		return ret;
	if (nr == __HYPERVISOR_ptebatch_runs) {
		if (PTEBATCH_HOW_OP(a3) == PTEBATCH_HOW_LIST)
			slots = (uint32_t)(a4 >> 32);
	} else if (nr != __HYPERVISOR_ptebatch_values) {
		return ret;
	}
	done = (uint32_t)(a2 >> 32);
	if (!(done | slots))
		return ret;
	return (int64_t)PTEBATCH_ANSWER(done, slots, PTEBATCH_GONE);
}

/*
 * Xen has XENFEAT_mmu_pt_update_preserve_ad: mmu_update can keep the A and D
 * bits that an entry has.
 */
#define PTEBATCH_ENV_PRESERVE_AD 0x1u
/*
 * A permission: the kernel tolerates that an entry is absent for a moment while
 * it changes from one present value to another, for readers without a lock and
 * for the page walks of other CPUs. With this, mmu-update can do operations for
 * which it otherwise needs PRESERVE_AD. If the second half fails, the entry
 * stays as it was.
 */
#define PTEBATCH_ENV_TRANSIENT_OK 0x2u
/*
 * A promise about ptebatch_apply_*(): if the TLB request is for one page, the
 * slot maps that page, in the address space that this vCPU has loaded. Then
 * mmu-update makes both changes by one update_va_mapping. If the promise is
 * broken, the entry of another page is changed. Batches do not use it. A
 * process in dom0 cannot promise it for another domain's slots.
 */
#define PTEBATCH_ENV_ADDR_OF_SLOT 0x4u
/*
 * A promise: map returns NULL for every address outside L1 tables, and only for
 * those. Then all backends answer -EINVAL for such a slot.
 *
 * WITHOUT THIS, native and mmu-update WRITE TO A WRONG ADDRESS (see above,
 * slots outside L1 tables), and so does hypercall where it falls back to
 * mmu-update. The price is a call of map where none was needed: one for each
 * run, and for values one for each table.
 */
#define PTEBATCH_ENV_MAP_KNOWS_L1 0x8u

/* The hypervisor has the runs call; the values call. */
#define PTEBATCH_HAVE_RUNS 0x1u
#define PTEBATCH_HAVE_VALUES 0x2u
/* Its runs call has the operation PTEBATCH_OP_SET; PTEBATCH_OP_TAKE. */
#define PTEBATCH_HAVE_SET 0x4u
#define PTEBATCH_HAVE_TAKE 0x8u

/* ------------------------------------------------------------------------
 * Backends
 */

/* What a backend used. It adds to both members. */
struct ptebatch_stats {
	uint32_t hypercalls;
	uint32_t tlb_flushes;
};

/*
 * How far a backend got. It sets the first four members. "records" are done
 * completely, and "slots" slots of the next record (runs only). err is 0, or
 * the negative error of the slot that follows. If refused is not 0, err
 * concerns the request as a whole, and no slot is at fault.
 */
struct ptebatch_progress {
	uint32_t records;
	uint32_t slots;
	int err;
	uint32_t refused; /* placed next to err: one store clears both */
	struct ptebatch_stats stats;
};

#define PTEBATCH_BACKEND_VERSION 3

/*
 * A backend is one constant table in one file of backends/. Members are only
 * appended. version is PTEBATCH_BACKEND_VERSION; ptebatch_init refuses a lower
 * one, and a table in which a function is missing.
 *
 * probe(env): finds out what the hypervisor has, and sets the last members of
 *   env. Returns 0, or a negative error if the backend cannot work with this
 *   env: -EINVAL if a function is NULL that the backend cannot do without,
 *   -ENOSYS if there is no such hypervisor. Call it before the first use and
 *   again after resume. You may call it at any other time, from one CPU at a
 *   time, to find calls that have appeared. Batches on other CPUs continue
 *   meanwhile.
 * runs/values(env, owner, records, nr, tlb, progress): applies nr records in
 *   order, then does the TLB flush (NULL: none), by the rules above. With nr 0
 *   it only flushes the TLB. owner is PTEBATCH_OWNER(tables, pages). The core
 *   has checked the records.
 * one_flags/one_clear/one_set(self, env, record, tlb, progress): applies one
 *   slot of the caller's own domain, for ptebatch_apply_*(). one_flags takes no
 *   run that returns old values; one_clear takes either kind. The TLB request
 *   belongs to this slot. They set all of *progress, stats too, and return its
 *   err.
 */
struct ptebatch_backend {
	uint32_t version;
	const char *name;
	int (*probe)(struct ptebatch_env *env);
	void (*runs)(struct ptebatch_env *env, uint32_t owner,
		     const struct ptebatch_run *runs, uint32_t nr,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress);
	void (*values)(struct ptebatch_env *env, uint32_t owner,
		       const struct ptebatch_value *values, uint32_t nr,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *progress);
	int (*one_flags)(const struct ptebatch_backend *self,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress);
	int (*one_clear)(const struct ptebatch_backend *self,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress);
	int (*one_set)(const struct ptebatch_backend *self,
		       struct ptebatch_env *env,
		       const struct ptebatch_value *value,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *progress);
};

/* Writes in place: for bare metal. */
extern const struct ptebatch_backend ptebatch_native;
/* For any Xen: mmu_update, mmuext_op, update_va_mapping. */
extern const struct ptebatch_backend ptebatch_mmu_update;
/* The two new calls; on a Xen without them, what mmu-update does. */
extern const struct ptebatch_backend ptebatch_hypercall;

/* ------------------------------------------------------------------------
 * The batch
 */

/* Why a flush was made. */
enum ptebatch_reason {
	PTEBATCH_FLUSH_FULL,	 /* no room for another record */
	PTEBATCH_FLUSH_KIND,	 /* from runs to values, or back */
	PTEBATCH_FLUSH_OWNER,	 /* ptebatch_set_owner */
	PTEBATCH_FLUSH_EXPLICIT, /* ptebatch_flush */
	PTEBATCH_FLUSH_END,	 /* the outermost ptebatch_end */
	PTEBATCH_FLUSH_REASONS
};

/*
 * Counts since ptebatch_init, in slots unless said otherwise. Merges are not
 * counted one by one, so queued and merged are up to date after each flush,
 * skip or discard.
 */
struct ptebatch_counters {
	uint64_t queued;      /* accepted; a value is one slot */
	uint64_t merged;      /* of these, added to a record that was there */
	uint64_t flushed;     /* applied */
	uint64_t hypercalls;  /* made */
	uint64_t tlb_flushes; /* done */
	uint64_t failures;    /* flushes that stopped early */
	uint64_t flushes[PTEBATCH_FLUSH_REASONS]; /* with work to do */
};

/*
 * The result of the last flush, also of one that another function made. If err
 * is not 0, slot is the slot that failed, or 0 if no slot is at fault: all
 * changes were made and the TLB flush failed, or the request was refused as a
 * whole. (mmu_update reports a bad owner as it reports a bad slot. With that
 * call, slot is then the first slot queued.)
 *
 * A function that refuses its own arguments sets refused to 1, err to -EINVAL
 * and the other members to 0. It has flushed nothing and queued nothing. So
 * after any error, slot says whether ptebatch_skip would drop the slot that
 * caused the error. If slot is 0, it would drop another one.
 */
struct ptebatch_result {
	uint64_t records; /* that this flush completed */
	uint64_t slots;	  /* that this flush applied */
	uint64_t slot;	  /* that failed, or 0 */
	int err;
	uint32_t refused; /* the last function refused its arguments */
};

/*
 * A batch may be in any memory, and has no pointer into itself. All members are
 * private, except that callers may read last and counters.
 */
struct ptebatch {
	const struct ptebatch_backend *backend;
	struct ptebatch_env *env;

	/* The last record, if it is a run that can grow. */
	uint64_t next;	/* the slot that would extend it; 1: it cannot grow */
	uint64_t limit; /* the end of its table */
	uint64_t clear; /* the masks of the last flags run, checked */
	uint64_t set;

	/* The next record goes to put, if that is below its kind's end. */
	void *put;
	void *runs_end;
	void *values_end;

	union {
		void *storage;
		struct ptebatch_run *runs;
		struct ptebatch_value *values;
	} u;
	uint64_t opened;  /* slots in new records that are not in counters */
	uint64_t pending; /* slots queued that are in counters */
	uint32_t max_runs;
	uint32_t max_values;
	uint32_t head;	  /* the first record not applied */
	uint32_t kind;	  /* of all records: 0 runs, 1 values */
	uint32_t depth;	  /* of nested sections */
	uint32_t owner;	  /* PTEBATCH_OWNER(tables, pages) */
	uint32_t touched; /* slots were applied since the last TLB flush */
	struct ptebatch_tlb tlb; /* that inner ends have requested */
	struct ptebatch_result last;
	struct ptebatch_counters counters;
};

/*
 * Initialises a batch for a backend that has been probed with this env.
 * size: sizeof(*b). -EINVAL if the library's structure has another size: then
 *   this header and the library are of different versions.
 * storage, bytes: memory for records, 8-byte aligned, for at least one struct
 *   ptebatch_run (40 bytes; a value takes 16). If no room is left, the next
 *   record makes a flush first.
 * -EINVAL: also for a NULL argument, too little or misaligned storage, or an
 * incomplete backend.
 */
int ptebatch_init(struct ptebatch *b, size_t size,
		  const struct ptebatch_backend *backend,
		  struct ptebatch_env *env, void *storage, size_t bytes);

/*
 * Says who owns the tables and who owns the pages of the records that follow:
 * two domain ids, each PTEBATCH_DOMID_SELF for the caller's own domain, as
 * after init. A change flushes first. If that fails, the function fails as
 * ptebatch_flush does, and the old owner stays. Later TLB
 * requests flush for the new owner only: flush with the old owner's request
 * before the change. -EINVAL: an
 * id above 0xfffe.
 */
int ptebatch_set_owner(struct ptebatch *b, uint32_t tables, uint32_t pages);

/* Internal: not for callers. ptebatch_add_flags calls it if it cannot merge. */
int ptebatch_internal_open_flags(struct ptebatch *b, uint64_t slot,
				 uint32_t count, uint64_t clear, uint64_t set);

/*
 * Queues a flags run. Each present entry of the count slots from slot on
 * becomes (entry & ~clear) | set; absent entries stay. If the slots follow
 * those of the last record, in the same table and with the same masks, that
 * record grows. Otherwise a new record begins, after a flush if values are
 * queued or no room is left. If that flush fails, the function fails as
 * ptebatch_flush does, and this run is not queued.
 * -EINVAL: slot is misaligned or is not a machine address, count is 0, the run
 * crosses its table, or a mask has a bit that is not in PTEBATCH_RUN_FLAGS.
 */
static inline int ptebatch_add_flags(struct ptebatch *b, uint64_t slot,
				     uint32_t count, uint64_t clear,
				     uint64_t set)
{
	uint64_t next = slot + 8 * (uint64_t)count;

	if (slot == b->next && clear == b->clear && set == b->set && count &&
	    next <= b->limit) {
		((struct ptebatch_run *)b->put)[-1].count += count;
		b->next = next;
		return 0;
	}
	return ptebatch_internal_open_flags(b, slot, count, clear, set);
}

/*
 * The same, and stores each entry as it was when it was changed, absent entries
 * too, in old[0] to old[count - 1]. The array must stay until the flush has
 * returned. The function writes the array's first and last words with their own
 * values. This makes the guest's kernel back the pages now, because Xen cannot
 * wait for a page fault of the guest. With clear = PTEBATCH_PTE_A this is test-and-clear, for page
 * ageing. Never merges. -EINVAL: also if old is NULL.
 */
int ptebatch_add_flags_old(struct ptebatch *b, uint64_t slot, uint32_t count,
			   uint64_t clear, uint64_t set, uint64_t *old);

/*
 * Queues a clear of count slots from slot on. The entries become 0. If old is
 * not NULL, it receives what they were, as above. Never merges. Errors as for
 * ptebatch_add_flags.
 */
int ptebatch_add_clear(struct ptebatch *b, uint64_t slot, uint32_t count,
		       uint64_t *old);

/* Internal: not for callers. ptebatch_add_set calls it if there is no room. */
int ptebatch_internal_open_set(struct ptebatch *b, uint64_t slot, uint64_t pte,
			       uint32_t mode);

/*
 * Queues one full value. mode is PTEBATCH_SET_KEEP_AD: the entry becomes pte,
 * with the A and D bits that it has at that moment ORed in; or
 * PTEBATCH_SET_EXACT: the entry becomes pte. Flushes first if runs are queued
 * or no room is left, and fails then as ptebatch_add_flags does. -EINVAL: slot
 * is misaligned or no machine address, or another mode.
 */
static inline int ptebatch_add_set(struct ptebatch *b, uint64_t slot,
				   uint64_t pte, uint32_t mode)
{
	struct ptebatch_value *value = (struct ptebatch_value *)b->put;

	if (b->put < b->values_end && !(slot & ~(PTEBATCH_PTE_FRAME | 0xff8)) &&
	    (mode == PTEBATCH_SET_KEEP_AD || mode == PTEBATCH_SET_EXACT)) {
		b->put = value + 1;
		value->slot = slot | mode;
		value->pte = pte;
		return 0;
	}
	return ptebatch_internal_open_set(b, slot, pte, mode);
}

/*
 * Applies everything that is queued, then flushes the TLB as requested. tlb
 * NULL requests nothing, so only what inner ends have requested is flushed.
 * Returns the error that stopped it; b->last has the details. -EINVAL for a
 * malformed tlb, and then nothing is done. An empty range (pages 0, addr not 0)
 * requests nothing, here and in ptebatch_end and ptebatch_apply_*().
 */
int ptebatch_flush(struct ptebatch *b, const struct ptebatch_tlb *tlb);

/*
 * Sections, which nest. An inner end only remembers its TLB request. Requests
 * are combined into one that covers them all; vCPU masks become ALL. The
 * outermost end flushes as ptebatch_flush does. If this fails, the section has
 * still ended: continue with ptebatch_flush and the same tlb. -EINVAL for an
 * end without a begin, or for a malformed tlb. Then nothing is done, and the
 * section does not end.
 */
void ptebatch_begin(struct ptebatch *b);
int ptebatch_end(struct ptebatch *b, const struct ptebatch_tlb *tlb);

/*
 * Stores in *pte the entry that the slot will have once everything queued is
 * applied. Hardware may set A and D at any time, so *pte can lack them. Walks
 * the batch. -EINVAL: slot is misaligned. -EOPNOTSUPP: the env has no mapping
 * of the slot.
 */
int ptebatch_peek(const struct ptebatch *b, uint64_t slot, uint64_t *pte);

/* Drops the first slot that is queued. Returns 1, or 0 if none was queued. */
int ptebatch_skip(struct ptebatch *b);

/*
 * Drops everything that is queued, and returns how many slots these were. TLB
 * requests of inner ends are kept for the next flush.
 */
uint64_t ptebatch_discard(struct ptebatch *b);

/* How many slots are queued. Walks the batch. */
uint64_t ptebatch_pending(const struct ptebatch *b);

/*
 * Each of these functions applies one record of the caller's own domain at once,
 * through a backend that has been probed, and flushes the TLB for it (tlb NULL:
 * not at all). They use no batch. So a page-fault handler may call them at any
 * time, also while a batch has records queued. Of the library's functions they
 * take the fewest instructions for a single page.
 *
 * With the hypercall backend, a record is one hypercall that has everything in
 * registers, TLB flush included: flags; a clear; with PTEBATCH_HAVE_TAKE, a
 * clear with old values; with PTEBATCH_HAVE_SET, a value. The shortest path is
 * one slot with no TLB request or one page of it. Xen reads a list of one from
 * memory, which takes longer, for flags with old values, for a request by vCPU
 * mask or for more than PTEBATCH_HOW_TLB_PAGES_MAX pages, and without these bits.
 *
 * apply_flags and apply_clear take a run, of 1 to 512 slots, with or without
 * old values; its op is PTEBATCH_OP_FLAGS or PTEBATCH_OP_CLEAR. apply_set takes
 * one value. See <ptebatch/xen-ptebatch.h>. Bad arguments are refused with
 * -EINVAL. Otherwise old is touched first, as ptebatch_add_flags_old does. The functions set all of *progress and
 * return its err.
 */
int ptebatch_apply_flags(const struct ptebatch_backend *backend,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress);
int ptebatch_apply_clear(const struct ptebatch_backend *backend,
			 struct ptebatch_env *env,
			 const struct ptebatch_run *run,
			 const struct ptebatch_tlb *tlb,
			 struct ptebatch_progress *progress);
int ptebatch_apply_set(const struct ptebatch_backend *backend,
		       struct ptebatch_env *env,
		       const struct ptebatch_value *value,
		       const struct ptebatch_tlb *tlb,
		       struct ptebatch_progress *progress);

/* The library's PTEBATCH_VERSION, which can differ from the header's. */
uint32_t ptebatch_version(void);

/* A short text for 0 or a negative error of this library, never NULL. */
const char *ptebatch_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* PTEBATCH_H */
