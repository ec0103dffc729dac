/* SPDX-License-Identifier: MIT */
/*
 * libptebatch: page-table updates in batches, for paravirtualised kernels.
 *
 * A batch is an ordered log of changes to L1 page-table entries, laid out as
 * the hypervisor takes them, so that a flush converts nothing. What is queued
 * is applied in the order queued, per slot and overall; nothing is reordered,
 * nothing superseded.
 *
 * Units. A slot (one 8-byte entry of an L1 table) is named by its machine
 *   address, "maddr", a multiple of 8. A run is 1 to 512 neighbouring slots of
 *   one table. Entries and masks are raw x86-64 PTEs. TLB addresses are the
 *   guest's virtual addresses.
 *
 * Ownership. The caller owns all memory: the batch, its storage, the arrays
 *   for old values, the env. The library allocates, locks, logs and aborts
 *   nothing, keeps no state of its own, and needs no libc.
 *
 * Context. A batch belongs to one thread of execution at a time. An interrupt
 *   handler uses a batch of its own, or none. The lock that protects a slot is
 *   held from queueing until the flush has returned. Records hold machine
 *   addresses: no batch and no remembered maddr survives suspend, save or
 *   migration; flush before, and call the backend's probe again after.
 *
 * Errors. Functions return 0 or a negative error number in Xen's numbering
 *   (PTEBATCH_E*; equal to Linux's on x86). A flush stops at the first slot
 *   that fails: every slot before it is applied, that slot and all after it
 *   are unchanged and stay queued. Then flush again resumes at it, skip drops
 *   it alone, discard drops everything. Bad arguments queue nothing. A request
 *   may also be refused as a whole, for its owner or its TLB flush: then no
 *   slot is to blame, and none is named (struct ptebatch_result).
 *
 * TLB. A request goes with flush or end, and happens once, after the last
 *   update applied, also if a later one failed, and also for entries that
 *   already had their value. It is left out only where nothing was applied
 *   since the last one though something was queued. An empty flush with a
 *   request is a TLB flush.
 */
#ifndef PTEBATCH_H
#define PTEBATCH_H

/* Entries, machine addresses and pointers are all of 64 bits here. */
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
#define PTEBATCH_VERSION                                             \
	(PTEBATCH_VERSION_MAJOR << 16 | PTEBATCH_VERSION_MINOR << 8 | \
	 PTEBATCH_VERSION_PATCH)

#define PTEBATCH_EPERM 1
#define PTEBATCH_ESRCH 3
#define PTEBATCH_EACCES 13
#define PTEBATCH_EFAULT 14
#define PTEBATCH_EBUSY 16
#define PTEBATCH_EINVAL 22
#define PTEBATCH_ENOSYS 38
#define PTEBATCH_EOPNOTSUPP 95

/* ------------------------------------------------------------------------
 * What the kernel supplies
 */

/*
 * One env describes one guest kernel to the backends, or one process in dom0,
 * whose hypercalls <ptebatch/xencall.h> makes. It may be shared by all batches
 * and all CPUs: the library writes "have" alone, in probe and to take
 * PTEBATCH_HAVE_* bits away, all CPUs alike.
 *
 * hypercall(ctx, nr, a1..a5): the raw hypercall, its raw return value.
 *   Needed by mmu-update and hypercall.
 * slot(ctx, maddr): the address at which this slot can be read (and, for
 *   native, written; for mmu-update, written through Xen's emulation), or NULL
 *   if it is not mapped (a flush that needs it stops there, -EOPNOTSUPP). The
 *   other slots of its table are its neighbours there
 *   too. Needed by native and peek; mmu-update says per operation. The mapping
 *   must stay until the call that asked has returned.
 * tlb(ctx, tlb): performs the TLB flush; 0 or a negative error. native only.
 * features: PTEBATCH_ENV_*, what the caller knows and promises.
 * have: PTEBATCH_HAVE_*, set by the backend's probe; 0 before.
 * max_runs, max_values: how many records a hypercall takes, set by probe before
 *   it sets "have"; 0 if a batch cannot hold as many.
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

/* XENFEAT_mmu_pt_update_preserve_ad is set: mmu_update can OR A and D in. */
#define PTEBATCH_ENV_PRESERVE_AD 0x1u
/*
 * Readers that take no lock bear to see an entry absent for a moment while it
 * is changed from one present value to another. Lets mmu-update do without a
 * mapping, or without PRESERVE_AD, what it would refuse.
 */
#define PTEBATCH_ENV_TRANSIENT_OK 0x2u
/*
 * Where ptebatch_apply_* is given one slot and a TLB request of one page, the
 * slot maps that page in the address space that this vCPU has loaded. Lets
 * mmu-update do both by one update_va_mapping. If the promise is broken, the
 * entry of another page is changed. Batches make no use of it. Not for a
 * process in dom0, whose address space is not that of the domain.
 */
#define PTEBATCH_ENV_ADDR_OF_SLOT 0x4u
/*
 * slot answers NULL for whatever is not in an L1 table, and for nothing else.
 *
 * WITHOUT THIS, A WRONG ADDRESS IS WRITTEN TO by some backends: mmu_update
 * takes tables of every level, and even data pages, and native takes what slot
 * maps. Only the new calls check, and answer -EINVAL. With it, native and
 * mmu-update give the same answer, also where hypercall falls back to
 * mmu-update. It costs a call of slot where a mapping is not needed otherwise:
 * one a run, and for values one a table.
 */
#define PTEBATCH_ENV_SLOT_KNOWS_L1 0x8u

/* The hypervisor has the new calls (each asked by itself). */
#define PTEBATCH_HAVE_RUNS 0x1u
#define PTEBATCH_HAVE_VALUES 0x2u

/* ------------------------------------------------------------------------
 * Backends
 */

/* What was needed for it. A backend adds to both. */
struct ptebatch_stats {
	uint32_t hypercalls;
	uint32_t tlb_flushes;
};

/*
 * How far a backend got. It sets the first four members: "records" are
 * completely done, and of the next one (runs only) "slots" slots. err is 0, or
 * the negative error that stopped it at the slot that follows. If refused is not
 * 0, the error concerns the whole request, and no slot was changed by the call
 * that was refused.
 */
struct ptebatch_progress {
	uint32_t records;
	uint32_t slots;
	int err;
	uint32_t refused; /* beside err: one store clears both */
	struct ptebatch_stats stats;
};

#define PTEBATCH_BACKEND_VERSION 3

/*
 * One constant table in one file of backends/. Members are appended, never
 * changed; version says how many there are.
 *
 * probe(env): finds out what there is, sets env->have, and returns 0, or a
 *   negative error if the backend cannot work with this env at all. To be
 *   called once before use and again after resume; and at any time, by one
 *   caller at a time, to find what a hypervisor has been given meanwhile:
 *   batches may be in use on other CPUs, which go on by what is there. NULL
 *   operations in env that the backend cannot do without are -EINVAL.
 * runs/values(env, owner, records, nr, tlb, progress): applies nr records in
 *   order, then flushes the TLB as tlb asks (NULL: not at all), under the
 *   rules at the top of this file. nr == 0 with a tlb is a TLB flush alone.
 *   owner as in <ptebatch/xen-ptebatch.h>. Records come checked by the core.
 * one_flags/one_clear/one_set(self, env, record, tlb, progress): one slot of the
 *   caller's own domain, for ptebatch_apply_*. FLAGS without old values, or
 *   CLEAR with or without, or a value. The TLB request belongs to this slot
 *   alone. They set all of progress, the counts too, and return its err.
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

extern const struct ptebatch_backend ptebatch_native;	  /* writes in place */
extern const struct ptebatch_backend ptebatch_mmu_update; /* any Xen */
extern const struct ptebatch_backend ptebatch_hypercall;  /* falls back to it */

/* ------------------------------------------------------------------------
 * The batch
 */

enum ptebatch_reason {
	PTEBATCH_FLUSH_FULL,	 /* no room for the record */
	PTEBATCH_FLUSH_KIND,	 /* runs to values or back */
	PTEBATCH_FLUSH_OWNER,	 /* another owner */
	PTEBATCH_FLUSH_EXPLICIT, /* ptebatch_flush */
	PTEBATCH_FLUSH_END,	 /* the outermost ptebatch_end */
	PTEBATCH_FLUSH_REASONS
};

/*
 * Never reset by the library; in slots unless said otherwise. Kept off the hot
 * path: queued and merged are as of the last flush, skip or discard.
 */
struct ptebatch_counters {
	uint64_t queued;	 /* accepted, a value counting as a slot */
	uint64_t merged;	 /* of these, without a record of their own */
	uint64_t flushed;	 /* applied */
	uint64_t hypercalls;	 /* made */
	uint64_t tlb_flushes;	 /* carried out */
	uint64_t failures;	 /* flushes that stopped early */
	uint64_t flushes[PTEBATCH_FLUSH_REASONS]; /* that had work to do */
};

/*
 * What a flush did, also one that another call made. Where err is not 0, slot is
 * the failing slot; or 0 if no slot is to blame: all updates were applied and
 * the TLB flush failed, or the request was refused as a whole. (mmu_update
 * answers a bad owner as it does a bad slot: from that backend, both name the
 * first slot queued.)
 *
 * An add, flush or end whose own arguments were refused leaves refused 1, err
 * -EINVAL and all else 0: nothing was flushed, and nothing of it is queued. So
 * after any error, slot tells whether ptebatch_skip would drop the slot that
 * caused it. With slot 0 it would drop an innocent one.
 */
struct ptebatch_result {
	uint64_t records; /* completed by this flush */
	uint64_t slots;	  /* applied by this flush */
	uint64_t slot;
	int err;
	uint32_t refused; /* the arguments of the last call were */
};

/*
 * Allocate it anywhere; treat the members as private, but for counters and
 * last (read only). It holds no pointer into itself.
 */
struct ptebatch {
	const struct ptebatch_backend *backend;
	struct ptebatch_env *env;

	/* The open run, the last record: where and how far it can grow. */
	uint64_t next;	/* maddr of the slot that would extend it; 1: none */
	uint64_t limit; /* end of its table */
	uint64_t clear; /* the masks of the last flags run, known as good */
	uint64_t set;

	/* Where the next record goes, and up to where; no room: storage. */
	void *put;
	void *runs_end;
	void *values_end;

	union {
		void *storage;
		struct ptebatch_run *runs;
		struct ptebatch_value *values;
	} u;
	uint64_t opened;  /* slots that came as records, not yet in counters */
	uint64_t pending; /* slots queued that the counters know of */
	uint32_t max_runs;
	uint32_t max_values;
	uint32_t head;	  /* first record not applied */
	uint32_t kind;	  /* of the records: 0 runs, 1 values */
	uint32_t depth;	  /* of begin */
	uint32_t owner;
	uint32_t touched; /* slots were applied since the last TLB flush */
	struct ptebatch_tlb tlb; /* asked for by inner ends */
	struct ptebatch_result last;
	struct ptebatch_counters counters;
};

/*
 * Prepares a batch. size: sizeof(*b), as the caller's header says. storage: bytes of memory, 8-byte aligned, at least one
 * struct ptebatch_run; how many records fit is how much one flush can carry.
 * -EINVAL: another size than the library's own, a NULL argument, no storage, misaligned storage, an incomplete
 * backend. The backend has been probed by the caller.
 */
int ptebatch_init(struct ptebatch *b, size_t size,
		  const struct ptebatch_backend *backend,
		  struct ptebatch_env *env, void *storage, size_t bytes);

/*
 * Names the domain that owns the tables and the domain that owns the pages of
 * the records that follow: two domain ids, each PTEBATCH_DOMID_SELF for the
 * caller, as after init. -EINVAL: an id above 0xfffe. A change flushes first and
 * may fail as ptebatch_flush does; the old owner then stays. The new owner's TLB
 * requests do not cover slots of the old one: request their flush before.
 */
int ptebatch_set_owner(struct ptebatch *b, uint32_t tables, uint32_t pages);

/* Behind ptebatch_add_flags where it cannot extend the open run. */
int ptebatch_internal_open_flags(struct ptebatch *b, uint64_t slot, uint32_t count,
		      uint64_t clear, uint64_t set);

/*
 * Queues a flags run: each present entry of the count slots from slot on
 * becomes (entry & ~clear) | set. Extends the last record where that is
 * adjacent and alike. Flushes first where values are queued or no room is
 * left, and may fail as flush does; then nothing of this run is queued.
 * -EINVAL: slot misaligned or beyond a machine address, count 0, the run
 * crosses its table, a mask bit not in PTEBATCH_RUN_FLAGS.
 */
static inline int ptebatch_add_flags(struct ptebatch *b, uint64_t slot,
				   uint32_t count, uint64_t clear, uint64_t set)
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
 * As add_flags, but also hands back each entry as it was when it was changed,
 * absent ones included, in old[0..count-1], which must stay valid until the
 * flush has returned. The first and last word are read and written back at
 * once, so that a page that is still to be backed is backed before Xen stores
 * to it. With clear = PTEBATCH_PTE_A: test-and-clear for ageing.
 * Never merges. -EINVAL also for old == NULL.
 */
int ptebatch_add_flags_old(struct ptebatch *b, uint64_t slot, uint32_t count,
			 uint64_t clear, uint64_t set, uint64_t *old);

/*
 * Queues get-and-clear of count slots: entries become 0, and old[], unless it
 * is NULL, receives what they were. Never merges. Errors as add_flags.
 */
int ptebatch_add_clear(struct ptebatch *b, uint64_t slot, uint32_t count,
		       uint64_t *old);

/* Behind ptebatch_add_set where there is no room for values. */
int ptebatch_internal_open_set(struct ptebatch *b, uint64_t slot, uint64_t pte,
			uint32_t mode);

/*
 * Queues one full value. mode PTEBATCH_SET_KEEP_AD: the A and D bits that the
 * entry has at that moment are ORed in. PTEBATCH_SET_EXACT: they become what
 * val says. Flushes first where runs are queued or no room is left. -EINVAL:
 * slot misaligned or beyond a machine address, another mode.
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
 * Applies everything queued, then flushes the TLB as asked (tlb NULL: only
 * what inner ends have asked for). Returns the error that stopped it, which
 * b->last explains. -EINVAL for a malformed tlb, and then nothing is done. An
 * empty range (pages 0, addr not 0) is no request, here as in end and apply.
 */
int ptebatch_flush(struct ptebatch *b, const struct ptebatch_tlb *tlb);

/*
 * Lazy sections, which nest. An inner end only remembers its TLB request
 * (requests combine into one that covers them all, masks into ALL); the
 * outermost end flushes as ptebatch_flush does. If that fails the section is
 * closed all the same: go on by ptebatch_flush, with the same tlb. -EINVAL for
 * an end without a begin, or for a malformed tlb, and then nothing is done and
 * the section stays open.
 */
void ptebatch_begin(struct ptebatch *b);
int ptebatch_end(struct ptebatch *b, const struct ptebatch_tlb *tlb);

/*
 * The entry that the slot will hold once everything queued is applied. The A
 * and D bits are a lower bound: hardware goes on setting them. -EINVAL: slot
 * misaligned; -EOPNOTSUPP: env has no mapping of the slot. Walks the batch.
 */
int ptebatch_peek(const struct ptebatch *b, uint64_t slot, uint64_t *pte);

/* Drops the first slot still queued; returns 1, or 0 if there was none. */
int ptebatch_skip(struct ptebatch *b);

/* Drops all that is queued; returns how many slots that were. */
uint64_t ptebatch_discard(struct ptebatch *b);

/* Slots still queued. */
uint64_t ptebatch_pending(const struct ptebatch *b);

/*
 * Each applies one record of the caller's own domain at once, through a backend
 * that has been probed, with a TLB flush for this record. They use no batch, so
 * a page-fault handler may call them at any time, even while a batch has records
 * queued. For a single page they take the fewest instructions.
 *
 * apply_flags and apply_clear take a run whose op is FLAGS or CLEAR, 1 to 512
 * slots, with or without old values; apply_set takes one value. The records are
 * those of <ptebatch/xen-ptebatch.h>. Bad arguments are refused as the functions
 * above refuse them, and old is touched as there. All of *progress is set, and
 * its err is returned.
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

/* PTEBATCH_VERSION of the library, which may differ from the header's. */
uint32_t ptebatch_version(void);

/* A short word for a negative error of this library, never NULL. */
const char *ptebatch_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* PTEBATCH_H */
