/* SPDX-License-Identifier: MIT */
/*
 * mmu-update: the mmu_update and mmuext_op hypercalls, which every Xen has.
 *
 * mmu_update writes whole entries. So the backend reads the entries of a flags
 * run through the caller's mapping and makes values of them. It calls env->map
 * once per run, because the slots of a table are neighbours in its mapping too.
 * No A or D bit may be lost that hardware sets meanwhile:
 *
 *   FLAGS that clears neither A      mmu_update with PRESERVE_AD, which ORs A
 *     nor D                          and D into the new value
 *   values, KEEP_AD                  the same, with the caller's own array
 *   values, EXACT; CLEAR without     mmu_update without PRESERVE_AD: Xen writes
 *     old values                     the entry with one 8-byte store, and the
 *                                    caller does not want the old A and D
 *   FLAGS that clears A or D; runs   locked cmpxchg through the mapping, or an
 *     that return old values; FLAGS  xchg if nothing is to be kept. The table
 *     run without PRESERVE_AD        is mapped read-only, so the instruction
 *                                    traps, and Xen emulates it as an atomic
 *                                    one
 *
 * The single forms (ptebatch_apply_*) use one mmu_update without PRESERVE_AD if
 * hardware can set no bit that this would lose. That is so in two cases:
 *
 *   - The entry is absent, or both A and D are set. Hardware does not write
 *     such an entry, so its old value is known too. (A clear RW bit is not
 *     enough: a CPU whose TLB still has a writable translation may set D.)
 *   - Each of A and D is set in the new entry, or the operation clears it.
 *
 * In these cases, update_va_mapping can replace mmu_update. It also flushes one
 * page, in the same hypercall, but cannot keep A and D. It finds the slot by
 * the virtual address. So the caller must promise that slot and address belong
 * together (PTEBATCH_ENV_ADDR_OF_SLOT). Only a single form has one slot for one
 * request. A multicall of mmu_update and mmuext_op costs more than the two
 * calls.
 *
 * mmu_update writes tables of every level, and data pages too. Only the caller
 * knows which pages are L1 tables (PTEBATCH_ENV_MAP_KNOWS_L1).
 *
 * If Xen refuses an emulated write, the guest gets a page fault and no error
 * number. So if a present entry changes in more than A and D, mmu_update
 * changes it first, and cmpxchg then changes only A and D. Without PRESERVE_AD
 * (no real Xen), the entry is cleared and then written, if the caller allows
 * that (TRANSIENT_OK). Otherwise one cmpxchg changes it.
 *
 * If the owner's bits 16-31 are not 0, the tables are those of another domain,
 * which is paused. Then hardware does not change the entries. Reading an entry
 * and writing it without PRESERVE_AD loses nothing. Xen does not emulate writes
 * to such tables, nor a write that maps a page of another domain.
 *
 * Refused with -EOPNOTSUPP: a slot that must be read but is not mapped; a TLB
 * flush for another domain; clearing A or D of an entry that maps a page of
 * another domain.
 */
#include <ptebatch/ptebatch.h>

/* Values per mmu_update; they take 1.5 KiB of stack. */
#define CHUNK 96
/* For more pages, a flush of the whole TLB costs less. */
#define MAX_INVLPG 32

#define HYPERVISOR_mmu_update 1
#define HYPERVISOR_update_va_mapping 14
#define HYPERVISOR_mmuext_op 26

/* Flags of update_va_mapping. */
#define UVMF_INVLPG 2u
#define UVMF_ALL 4u

#define AD_BITS (PTEBATCH_PTE_A | PTEBATCH_PTE_D)
#define NORMAL PTEBATCH_SET_EXACT
#define KEEP_AD PTEBATCH_SET_KEEP_AD

/* struct mmuext_op of xen/xen.h, and the commands that this file uses. */
struct mmuext {
	uint32_t cmd;
	uint32_t pad;
	uint64_t addr;
	uint64_t vcpus;
};

enum {
	TLB_FLUSH_LOCAL = 6,
	INVLPG_LOCAL = 7,
	TLB_FLUSH_MULTI = 8,
	INVLPG_MULTI = 9,
	TLB_FLUSH_ALL = 10,
	INVLPG_ALL = 11,
};

typedef volatile uint64_t entry_t;

/*
 * Values collected for one mmu_update. The runs are in ascending order and do
 * not overlap, so a value's slot identifies its run.
 */
struct chunk {
	struct ptebatch_env *env;
	const struct ptebatch_run *runs;
	struct ptebatch_progress *progress;
	uint32_t owner;
	uint32_t first; /* the run of values[0], or an earlier one */
	uint32_t nr;
	uint64_t end; /* where the last run ends, if nr is not 0 */
	struct ptebatch_value values[CHUNK];
};

static int foreign_tables(uint32_t owner)
{
	return (owner >> 16) != 0;
}

static int preserves_ad(const struct ptebatch_env *env)
{
	return (env->features & PTEBATCH_ENV_PRESERVE_AD) != 0;
}

static entry_t *map(struct ptebatch_env *env, uint64_t slot)
{
	return env->map ? env->map(env->ctx, slot) : NULL;
}

static int knows_l1(const struct ptebatch_env *env)
{
	return env->map && (env->features & PTEBATCH_ENV_MAP_KNOWS_L1);
}

/* False only if the caller knows that the slot is in no L1 table. */
static int is_l1(struct ptebatch_env *env, uint64_t slot)
{
	return !knows_l1(env) || map(env, slot);
}

/* The error for a slot that map() does not know. */
static int unmapped(const struct ptebatch_env *env)
{
	return knows_l1(env) ? -PTEBATCH_EINVAL : -PTEBATCH_EOPNOTSUPP;
}

/* True if hardware does not write this entry any more. */
static int settled(uint64_t e)
{
	return !(e & PTEBATCH_PTE_P) || (e & AD_BITS) == AD_BITS;
}

/* Returns how many values were applied: all, unless *err is set. */
static uint32_t mmu_update(struct ptebatch_env *env, uint32_t owner,
			   const struct ptebatch_value *values, uint32_t nr,
			   struct ptebatch_progress *progress, int *err)
{
	volatile uint32_t now;
	uint32_t done = 0;
	int64_t ret;

	do {
		now = 0;
		ret = env->hypercall(env->ctx, HYPERVISOR_mmu_update,
				     (uintptr_t)(values + done), nr - done,
				     (uintptr_t)&now, owner, 0);
		progress->stats.hypercalls++;
		done += now;
		*err = (int)ret;
	} while (!ret && done < nr && now);
	if (!ret && done < nr)
		*err = -PTEBATCH_EINVAL; /* no error, but no progress */
	return done;
}

static int update_one(struct ptebatch_env *env, uint32_t owner,
		      uint64_t slot_mode, uint64_t pte,
		      struct ptebatch_progress *progress)
{
	struct ptebatch_value value = { slot_mode, pte };
	int err;

	mmu_update(env, owner, &value, 1, progress, &err);
	return err;
}

/* Applies the collected values. On failure, progress has the slot. */
static int push(struct chunk *c)
{
	const struct ptebatch_run *run;
	uint64_t slot;
	uint32_t done;
	int err;

	if (!c->nr)
		return 0;
	done = mmu_update(c->env, c->owner, c->values, c->nr, c->progress,
			  &err);
	if (err) {
		slot = c->values[done].slot & ~(uint64_t)7;
		run = c->runs + c->first;
		while (slot - run->slot >= 8 * (uint64_t)run->count)
			run++;
		c->progress->records = (uint32_t)(run - c->runs);
		c->progress->slots = (uint32_t)((slot - run->slot) / 8);
		c->progress->err = err;
	}
	c->nr = 0;
	return err;
}

static int stop(struct ptebatch_progress *progress, uint32_t records,
		uint32_t slots, int err)
{
	progress->records = records;
	progress->slots = slots;
	progress->err = err;
	return err;
}

/* Makes values for the present entries that change. Returns how many. */
static uint32_t convert(struct ptebatch_value *value, entry_t *p, uint64_t slot,
			uint32_t count, uint64_t keep, uint64_t set)
{
	const struct ptebatch_value *first = value;
	entry_t *end = p + count;
	uint64_t offset = slot + KEEP_AD - (uintptr_t)p;
	uint64_t e, n;

	for (; p < end; p++) {
		e = *p;
		n = (e & keep) | set;
		if (!(e & PTEBATCH_PTE_P) || n == e)
			continue;
		value->slot = (uintptr_t)p + offset;
		value->pte = n;
		value++;
	}
	return (uint32_t)(value - first);
}

/* The same without PRESERVE_AD: clears, and runs of a paused domain. */
static uint32_t convert_exact(struct ptebatch_value *value, entry_t *p,
			      const struct ptebatch_run *run, uint32_t from,
			      uint32_t count)
{
	const struct ptebatch_value *first = value;
	volatile uint64_t *old = (uint64_t *)(uintptr_t)run->old;
	uint64_t e, n;

	for (; count--; from++) {
		e = p ? p[from] : 1;
		n = run->op == PTEBATCH_OP_CLEAR ? 0
		    : e & PTEBATCH_PTE_P ? (e & ~run->clear) | run->set
					 : e;
		if (old)
			old[from] = e;
		if (n == e)
			continue;
		value->slot = run->slot + 8 * (uint64_t)from + NORMAL;
		value->pte = n;
		value++;
	}
	return (uint32_t)(value - first);
}

/*
 * One entry becomes (entry & keep) | set, with cmpxchg through its mapping only
 * if nothing else can do it.
 */
static int change_mapped(struct ptebatch_env *env, uint32_t owner, entry_t *p,
			 uint64_t slot, uint64_t keep, uint64_t set,
			 uint64_t *old, struct ptebatch_progress *progress)
{
	uint64_t e, n, before = 0;
	int updated = 0, err;

	for (;;) {
		e = *p;
		n = (e & keep) | set;
		if (updated) /* Xen may have added other bits */
			n = e ^ ((e ^ n) & AD_BITS);
		if (n == e)
			break;
		if (preserves_ad(env) && (n & PTEBATCH_PTE_P) && !updated &&
		    (((e ^ n) & ~AD_BITS) || !(e & ~n))) {
			err = update_one(env, owner, slot + KEEP_AD,
					 n | (e & AD_BITS), progress);
			if (err)
				return err;
			before = e;
			updated = 1;
			continue;
		}
		if (!preserves_ad(env) && (e & n & PTEBATCH_PTE_P) &&
		    (env->features & PTEBATCH_ENV_TRANSIENT_OK)) {
			if (!__atomic_compare_exchange_n(p, &e, 0, 0,
							 __ATOMIC_SEQ_CST,
							 __ATOMIC_RELAXED))
				continue;
			err = update_one(env, owner, slot + NORMAL, n, progress);
			if (!err)
				break;
			update_one(env, owner, slot + NORMAL, e, progress);
			return err;
		}
		if (__atomic_compare_exchange_n(p, &e, n, 0, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			break;
	}
	/* With bits that hardware set meanwhile, not those of the update. */
	if (old)
		*old = updated ? before | (e & AD_BITS & ~set) : e;
	return 0;
}

/*
 * Xen emulates these two instructions. Each byte of an address beyond the plain
 * register costs the emulator tens of instructions, and compilers choose
 * registers that need such bytes.
 */
static inline uint64_t trapped_exchange(entry_t *p, uint64_t pte)
{
	__asm__ volatile("xchgq %0, (%1)" : "+a"(pte) : "S"(p) : "memory");
	return pte;
}

/* Returns the old entry. If that is e, the entry has become n. */
static inline uint64_t trapped_cmpxchg(entry_t *p, uint64_t e, uint64_t n)
{
	__asm__ volatile("lock; cmpxchgq %2, (%1)"
			 : "+a"(e) : "S"(p), "D"(n) : "memory", "cc");
	return e;
}

/* Clears entries and returns the old ones. */
static void exchange_mapped(entry_t *p, uint32_t count, volatile uint64_t *old)
{
	entry_t *end = p + count;

	for (; p < end; p++)
		*old++ = *p ? trapped_exchange(p, 0) : 0;
}

/* Clears A or D or both, and no other bit. */
static void clear_ad_mapped(entry_t *p, uint32_t count, uint64_t clear,
			    volatile uint64_t *old)
{
	entry_t *end = p + count;
	uint64_t e, seen;

	for (; p < end; p++) {
		for (e = *p; (e & PTEBATCH_PTE_P) && (e & clear); e = seen) {
			seen = trapped_cmpxchg(p, e, e & ~clear);
			if (seen == e)
				break;
		}
		if (old)
			*old++ = e;
	}
}

static int run_mapped(struct chunk *c, const struct ptebatch_run *run,
		      entry_t *p)
{
	uint64_t *old = (uint64_t *)(uintptr_t)run->old;
	uint64_t keep = ~run->clear, set = run->set;
	uint32_t i;
	int err;

	if (run->op == PTEBATCH_OP_CLEAR) {
		exchange_mapped(p, run->count, old);
		return 0;
	}
	if (!set && !(run->clear & ~AD_BITS)) {
		clear_ad_mapped(p, run->count, run->clear, old);
		return 0;
	}
	for (i = 0; i < run->count; i++) {
		if (!(p[i] & PTEBATCH_PTE_P)) {
			if (old)
				old[i] = p[i];
			continue;
		}
		err = change_mapped(c->env, c->owner, p + i,
				    run->slot + 8 * (uint64_t)i, keep, set,
				    old ? old + i : NULL, c->progress);
		if (err)
			return stop(c->progress, (uint32_t)(run - c->runs), i,
				    err);
	}
	return 0;
}

/* How a run is applied: see the table at the top of this file. */
enum way { WAY_KEEP, WAY_EXACT, WAY_MAPPED, WAY_NONE };

static enum way way_of(const struct ptebatch_env *env, uint32_t owner,
		       const struct ptebatch_run *run, const entry_t *p)
{
	uint64_t clears_ad = run->clear & ~run->set & AD_BITS;

	if (run->op == PTEBATCH_OP_CLEAR && !run->old)
		return WAY_EXACT;
	if (!p)
		return WAY_NONE;
	if (preserves_ad(env) && !run->old && !clears_ad)
		return WAY_KEEP;
	if (foreign_tables(owner))
		return WAY_EXACT;
	if (run->op != PTEBATCH_OP_CLEAR && owner != PTEBATCH_DOMID_SELF &&
	    (clears_ad || !preserves_ad(env)))
		return WAY_NONE;
	return WAY_MAPPED;
}

static int add_flags(struct chunk *c, const struct ptebatch_run *run)
{
	entry_t *p = map(c->env, run->slot);
	enum way way = way_of(c->env, c->owner, run, p);
	uint32_t i, room, index = (uint32_t)(run - c->runs);
	int err;

	if (!p && knows_l1(c->env))
		way = WAY_NONE;

	/* A slot in the chunk has to be written before it is read again. */
	if (c->nr && (way > WAY_EXACT || run->slot < c->end)) {
		err = push(c);
		if (err)
			return err;
	}
	if (way == WAY_NONE)
		return stop(c->progress, index, 0,
			    p ? -PTEBATCH_EOPNOTSUPP : unmapped(c->env));
	if (way == WAY_MAPPED)
		return run_mapped(c, run, p);

	for (i = 0; i < run->count; i += room) {
		if (c->nr == CHUNK) {
			err = push(c);
			if (err)
				return err;
		}
		if (!c->nr)
			c->first = index;
		room = CHUNK - c->nr;
		if (room > run->count - i)
			room = run->count - i;
		if (way == WAY_KEEP)
			c->nr += convert(c->values + c->nr, p + i,
					 run->slot + 8 * (uint64_t)i, room,
					 ~run->clear, run->set);
		else
			c->nr += convert_exact(c->values + c->nr, p, run, i,
					       room);
	}
	c->end = run->slot + 8 * (uint64_t)run->count;
	return 0;
}

static int tlb_wanted(const struct ptebatch_tlb *tlb)
{
	return tlb && tlb->who != PTEBATCH_TLB_NONE;
}

static int64_t mmuext_op(struct ptebatch_env *env, const struct mmuext *ops,
			 uint32_t nr, struct ptebatch_progress *progress)
{
	progress->stats.hypercalls++;
	return env->hypercall(env->ctx, HYPERVISOR_mmuext_op, (uintptr_t)ops,
			      nr, 0, PTEBATCH_DOMID_SELF, 0);
}

/* Not inline, so that its array and the chunk are not on the stack together. */
static __attribute__((__noinline__)) int64_t
flush_pages(struct ptebatch_env *env, const struct ptebatch_tlb *tlb,
	    struct ptebatch_progress *progress)
{
	struct mmuext ops[MAX_INVLPG];
	uint32_t i;

	for (i = 0; i < tlb->pages; i++) {
		ops[i].cmd = INVLPG_LOCAL;
		ops[i].pad = 0;
		ops[i].addr = tlb->addr + 4096 * (uint64_t)i;
		ops[i].vcpus = 0;
	}
	return mmuext_op(env, ops, i, progress);
}

static void flush_tlb(struct ptebatch_env *env, const struct ptebatch_tlb *tlb,
		      struct ptebatch_progress *progress)
{
	struct mmuext op = { TLB_FLUSH_LOCAL, 0, tlb->addr, tlb->vcpus };
	int64_t ret;

	if (tlb->who == PTEBATCH_TLB_ALL)
		op.cmd = TLB_FLUSH_ALL;
	if (tlb->who == PTEBATCH_TLB_VCPUS)
		op.cmd = TLB_FLUSH_MULTI;
	if (tlb->pages == 1)
		op.cmd += INVLPG_LOCAL - TLB_FLUSH_LOCAL;
	if (op.cmd == TLB_FLUSH_LOCAL && tlb->pages &&
	    tlb->pages <= MAX_INVLPG)
		ret = flush_pages(env, tlb, progress);
	else
		ret = mmuext_op(env, &op, 1, progress);
	if (ret && tlb->who == PTEBATCH_TLB_VCPUS) {
		/*
		 * Xen reads a bit for each vCPU of the domain, and the mask may
		 * have fewer. Flush all vCPUs instead.
		 */
		op.cmd = TLB_FLUSH_ALL;
		ret = mmuext_op(env, &op, 1, progress);
	}
	if (!ret)
		progress->stats.tlb_flushes++;
	else if (!progress->err)
		progress->err = (int)ret;
}

/* Before the first change: an error if the whole request cannot be done. */
static int refused(const struct ptebatch_env *env, uint32_t owner,
		   const struct ptebatch_tlb *tlb)
{
	if (!env->hypercall)
		return -PTEBATCH_EINVAL;
	if (tlb_wanted(tlb) && foreign_tables(owner))
		return -PTEBATCH_EOPNOTSUPP;
	return 0;
}

static __attribute__((__noinline__)) void
many_runs(struct ptebatch_env *env, uint32_t owner,
	  const struct ptebatch_run *runs, uint32_t nr,
	  struct ptebatch_progress *progress)
{
	struct chunk c;
	uint32_t i;
	int err = 0;

	c.env = env;
	c.runs = runs;
	c.progress = progress;
	c.owner = owner;
	c.first = 0;
	c.nr = 0;
	for (i = 0; i < nr && !err; i++)
		err = add_flags(&c, runs + i);
	if (!err)
		err = push(&c);
	if (!err)
		progress->records = nr;
}

static inline int finish_one(struct ptebatch_progress *progress, int err,
			     uint32_t hypercalls, uint32_t tlb_flushes)
{
	progress->records = !err;
	progress->slots = 0;
	progress->err = err;
	progress->refused = 0;
	progress->stats.hypercalls = hypercalls;
	progress->stats.tlb_flushes = tlb_flushes;
	return err;
}

/* The slot is done, by so many hypercalls. Flushes the TLB. */
static __attribute__((__noinline__)) int
flush_one(struct ptebatch_env *env, const struct ptebatch_tlb *tlb,
	  struct ptebatch_progress *progress, uint32_t hypercalls)
{
	finish_one(progress, 0, hypercalls, 0);
	if (tlb)
		flush_tlb(env, tlb, progress);
	return progress->err;
}

static __attribute__((__noinline__)) int
one_failed(struct ptebatch_progress *progress, int64_t ret)
{
	return finish_one(progress, (int)ret, 1, 0);
}

static __attribute__((__noinline__)) int
flush_failed(struct ptebatch_progress *progress, int64_t ret)
{
	finish_one(progress, 0, 2, 0);
	progress->err = (int)ret;
	return (int)ret;
}

/* The slot is done, by one hypercall. Flushes the TLB. */
static inline int flush_after(struct ptebatch_env *env,
			      const struct ptebatch_tlb *tlb,
			      struct ptebatch_progress *progress)
{
	struct mmuext op;
	int64_t ret;

	if (tlb->pages != 1 || tlb->who != PTEBATCH_TLB_LOCAL)
		return flush_one(env, tlb, progress, 1);
	op.cmd = INVLPG_LOCAL;
	op.pad = 0;
	op.addr = tlb->addr;
	op.vcpus = 0;
	ret = env->hypercall(env->ctx, HYPERVISOR_mmuext_op, (uintptr_t)&op, 1,
			     0, PTEBATCH_DOMID_SELF, 0);
	if (ret)
		return flush_failed(progress, ret);
	return finish_one(progress, 0, 2, 1);
}

/* By the caller's promise, is the request for just the page of this slot? */
static int names_page(const struct ptebatch_env *env, uint64_t slot,
		      const struct ptebatch_tlb *tlb)
{
	return __builtin_expect(env->features & PTEBATCH_ENV_ADDR_OF_SLOT, 0) &&
	       tlb->pages == 1 && tlb->who != PTEBATCH_TLB_VCPUS &&
	       !((tlb->addr >> 9 ^ slot) & (8 * (PTEBATCH_TABLE_SLOTS - 1)));
}

/* Writes one entry by mmu_update, then flushes the TLB. */
static inline int write_one(struct ptebatch_env *env, uint64_t slot_mode,
			    uint64_t pte, const struct ptebatch_tlb *tlb,
			    struct ptebatch_progress *progress)
{
	struct ptebatch_value value = { slot_mode, pte };
	int64_t ret;

	ret = env->hypercall(env->ctx, HYPERVISOR_mmu_update,
			     (uintptr_t)&value, 1, 0, PTEBATCH_DOMID_SELF, 0);
	if (ret || tlb) /* one branch for both costs less */
		return ret ? one_failed(progress, ret)
			   : flush_after(env, tlb, progress);
	return finish_one(progress, 0, 1, 0);
}

/* Writes one entry by update_va_mapping, which flushes the slot's page too. */
static inline int write_page(struct ptebatch_env *env, uint64_t pte,
			     const struct ptebatch_tlb *tlb,
			     struct ptebatch_progress *progress)
{
	uint64_t flags = UVMF_INVLPG;
	int64_t ret;

	if (tlb->who == PTEBATCH_TLB_ALL)
		flags |= UVMF_ALL;
	ret = env->hypercall(env->ctx, HYPERVISOR_update_va_mapping, tlb->addr,
			     pte, flags, 0, 0);
	if (ret)
		return one_failed(progress, ret);
	return finish_one(progress, 0, 1, 1);
}

/* Any runs, with any request. */
static void all_runs(struct ptebatch_env *env, uint32_t owner,
		     const struct ptebatch_run *runs, uint32_t nr,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	int err = stop(progress, 0, 0, refused(env, owner, tlb));

	progress->refused = err != 0;
	if (err)
		return;
	many_runs(env, owner, runs, nr, progress);
	if (tlb_wanted(tlb) && (!nr || progress->records || progress->slots))
		flush_tlb(env, tlb, progress);
}

static __attribute__((__noinline__)) int
one_at_length(struct ptebatch_env *env, const struct ptebatch_run *run,
	      const struct ptebatch_tlb *tlb,
	      struct ptebatch_progress *progress)
{
	progress->stats.hypercalls = 0;
	progress->stats.tlb_flushes = 0;
	all_runs(env, PTEBATCH_DOMID_SELF, run, 1, tlb, progress);
	return progress->err;
}

static int one_flags(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	uint64_t e, pte;
	entry_t *p;

	(void)self;
	if (!preserves_ad(env) || !env->map)
		return one_at_length(env, run, tlb, progress);
	p = env->map(env->ctx, run->slot);
	if (!p)
		return one_at_length(env, run, tlb, progress);
	e = *p;
	pte = (e & ~run->clear) | run->set;
	if (pte == e || !(e & PTEBATCH_PTE_P))
		return flush_one(env, tlb, progress, 0);
	if (tlb && names_page(env, run->slot, tlb) &&
	    (!(AD_BITS & ~(pte | run->clear)) || settled(e)))
		return write_page(env, pte, tlb, progress);
	if (run->clear & AD_BITS)
		return one_at_length(env, run, tlb, progress);
	return write_one(env, run->slot + KEEP_AD, pte, tlb, progress);
}

static int one_clear(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	entry_t *p = NULL;
	uint64_t e;

	(void)self;
	if (!env->hypercall)
		return one_at_length(env, run, tlb, progress);
	if (run->old || knows_l1(env)) {
		p = map(env, run->slot);
		if (!p && knows_l1(env))
			return finish_one(progress, -PTEBATCH_EINVAL, 0, 0);
	}
	if (run->old) {
		e = p ? *p : PTEBATCH_PTE_P;
		if (!settled(e))
			return one_at_length(env, run, tlb, progress);
		*(uint64_t *)(uintptr_t)run->old = e;
		if (!e)
			return flush_one(env, tlb, progress, 0);
	}
	if (tlb && names_page(env, run->slot, tlb))
		return write_page(env, 0, tlb, progress);
	return write_one(env, run->slot + NORMAL, 0, tlb, progress);
}

static void mmu_update_runs(struct ptebatch_env *env, uint32_t owner,
			    const struct ptebatch_run *runs, uint32_t nr,
			    const struct ptebatch_tlb *tlb,
			    struct ptebatch_progress *progress)
{
	const struct ptebatch_stats before = progress->stats;

	if (nr != 1 || runs->count != 1 || runs->op != PTEBATCH_OP_FLAGS ||
	    runs->old || owner != PTEBATCH_DOMID_SELF || !env->hypercall) {
		all_runs(env, owner, runs, nr, tlb, progress);
		return;
	}
	/* The TLB request of a batch may be for other pages than the slot's. */
	one_flags(NULL, env, runs, NULL, progress);
	if (tlb_wanted(tlb) && progress->records)
		flush_tlb(env, tlb, progress);
	progress->stats.hypercalls += before.hypercalls;
	progress->stats.tlb_flushes += before.tlb_flushes;
}

/* Applies one KEEP_AD value without PRESERVE_AD. */
static int keep_value(struct ptebatch_env *env, uint32_t owner,
		      const struct ptebatch_value *value,
		      struct ptebatch_progress *progress)
{
	uint64_t slot = value->slot & ~(uint64_t)7;
	entry_t *p;

	p = map(env, slot);
	if (!p)
		return unmapped(env);
	if (foreign_tables(owner))
		return update_one(env, owner, slot + NORMAL,
				  value->pte | (*p & AD_BITS), progress);
	if ((value->pte & PTEBATCH_PTE_P) && owner != PTEBATCH_DOMID_SELF)
		return -PTEBATCH_EOPNOTSUPP;
	return change_mapped(env, owner, p, slot, AD_BITS, value->pte, NULL,
			     progress);
}

/* How many of the first values one mmu_update can apply. */
static uint32_t alike(struct ptebatch_env *env,
		      const struct ptebatch_value *values, uint32_t nr)
{
	uint64_t table = ~(uint64_t)0;
	uint32_t i;

	if (preserves_ad(env) && !knows_l1(env))
		return nr;
	for (i = 0; i < nr; i++) {
		if (!preserves_ad(env) && (values[i].slot & 7) == KEEP_AD)
			break;
		if ((values[i].slot & PTEBATCH_PTE_FRAME) == table)
			continue;
		table = values[i].slot & PTEBATCH_PTE_FRAME;
		if (!is_l1(env, values[i].slot & ~(uint64_t)7))
			break;
	}
	return i;
}

static void mmu_update_values(struct ptebatch_env *env, uint32_t owner,
			      const struct ptebatch_value *values, uint32_t nr,
			      const struct ptebatch_tlb *tlb,
			      struct ptebatch_progress *progress)
{
	uint32_t i = 0, some;
	int err = stop(progress, 0, 0, refused(env, owner, tlb));

	progress->refused = err != 0;
	if (err)
		return;
	while (i < nr && !err) {
		some = alike(env, values + i, nr - i);
		if (some) {
			i += mmu_update(env, owner, values + i, some, progress,
					&err);
		} else if (preserves_ad(env) ||
			   (values[i].slot & 7) != KEEP_AD) {
			err = -PTEBATCH_EINVAL; /* not in an L1 table */
		} else {
			err = keep_value(env, owner, values + i, progress);
			i += !err;
		}
	}
	stop(progress, i, 0, err);
	if (tlb_wanted(tlb) && (!nr || i))
		flush_tlb(env, tlb, progress);
}

static int one_set(const struct ptebatch_backend *self,
		   struct ptebatch_env *env, const struct ptebatch_value *value,
		   const struct ptebatch_tlb *tlb,
		   struct ptebatch_progress *progress)
{
	uint64_t e, pte = value->pte;
	uint64_t slot = value->slot & ~(uint64_t)7;
	int keep = value->slot != slot;
	entry_t *p;

	(void)self;
	if (!env->hypercall || (keep && !preserves_ad(env))) {
		progress->stats.hypercalls = 0;
		progress->stats.tlb_flushes = 0;
		mmu_update_values(env, PTEBATCH_DOMID_SELF, value, 1, tlb,
				  progress);
		return progress->err;
	}
	if (!is_l1(env, slot))
		return finish_one(progress, -PTEBATCH_EINVAL, 0, 0);
	if (tlb && names_page(env, slot, tlb)) {
		/* Possible if no bit that is to be kept can get lost. */
		if (keep && (pte & AD_BITS) != AD_BITS) {
			p = map(env, slot);
			e = p ? *p : PTEBATCH_PTE_P;
			if (!settled(e))
				return write_one(env, value->slot, pte, tlb,
						 progress);
			pte |= e & AD_BITS;
		}
		return write_page(env, pte, tlb, progress);
	}
	return write_one(env, value->slot, pte, tlb, progress);
}

/* An empty mmu_update fails if Xen does not offer it to this guest. */
static int mmu_update_probe(struct ptebatch_env *env)
{
	__atomic_store_n(&env->have, 0, __ATOMIC_RELAXED);
	if (!env->hypercall)
		return -PTEBATCH_EINVAL;
	return (int)env->hypercall(env->ctx, HYPERVISOR_mmu_update, 0, 0, 0,
				   PTEBATCH_DOMID_SELF, 0);
}

const struct ptebatch_backend ptebatch_mmu_update = {
	PTEBATCH_BACKEND_VERSION,
	"mmu-update",
	mmu_update_probe,
	mmu_update_runs,
	mmu_update_values,
	one_flags,
	one_clear,
	one_set,
};
