/* SPDX-License-Identifier: MIT */
/*
 * mmu-update: by the mmu_update and mmuext_op hypercalls that every Xen has.
 *
 * mmu_update writes whole entries, so a flags run is read through the caller's
 * mapping (env->map; once a run, the slots of a table are neighbours there)
 * and becomes values. The rule is that no A or D bit is ever lost:
 *
 *   flags, nothing of A, D cleared   mmu_update, PRESERVE_AD: ORs A and D in
 *   values, keep                     the same, the caller's array as it is
 *   values, exact; clear, no old     mmu_update, normal: Xen writes the entry
 *     values asked for               with one 8-byte store, so A and D become
 *                                    what the value says; nobody asked what
 *                                    they were before
 *   flags that clear A or D; old     locked cmpxchg, or xchg where nothing is
 *     values; no PRESERVE_AD         kept, through the mapping: the table is
 *                                    mapped read-only, so Xen traps and
 *                                    emulates it as one
 *
 * A single slot has a short way of one hypercall. There a normal update is used
 * wherever hardware can set no bit that the update could lose:
 *
 *   - The entry is absent, or has both A and D: hardware never writes it, and
 *     its old value is certain. (A clear RW bit is no such promise: a CPU that
 *     still has the writable translation may set D.)
 *   - Each of A and D is set in the new entry, or the operation clears it.
 *
 * Only a normal update can also go by update_va_mapping, which flushes one page
 * in the same hypercall but has no form that keeps A and D. It finds the slot
 * by the address, so the caller must promise that they belong together
 * (PTEBATCH_ENV_ADDR_OF_SLOT), and only a single form can be held to that. A
 * multicall of mmu_update and mmuext_op would cost more than these two alone.
 *
 * mmu_update itself writes tables of every level, and even data pages. Only the
 * caller knows which pages are L1 tables (PTEBATCH_ENV_SLOT_KNOWS_L1).
 *
 * What Xen refuses in an emulated write it answers with a page fault, not an
 * error. So a change of more than A and D, to a present entry, goes by
 * mmu_update first, and only A and D by cmpxchg after it. Without PRESERVE_AD
 * (no real Xen) it is two steps through an absent entry if the caller bears
 * that (TRANSIENT_OK), and else one cmpxchg.
 *
 * Foreign tables (owner bits 16-31) are another domain's, which is paused: then
 * no hardware changes them, and reading followed by a normal update loses
 * nothing. Xen emulates no write to them, nor one that maps a foreign page.
 *
 * Refused with -EOPNOTSUPP: what must be read but is not mapped; a TLB flush
 * of a foreign domain; clearing A or D of an entry that maps a foreign page.
 */
#include <ptebatch/ptebatch.h>

/* Values a call: 1.5 KiB of stack. */
#define CHUNK 96
/* Pages flushed one by one before a whole flush is cheaper. */
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

/* struct mmuext_op of xen/xen.h, and the commands used here. */
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

typedef volatile uint64_t slot_t;

/*
 * What is collected for one mmu_update, of runs in ascending order that do not
 * overlap, so that a slot tells the run it is of.
 */
struct chunk {
	struct ptebatch_env *env;
	const struct ptebatch_run *runs;
	struct ptebatch_progress *progress;
	uint32_t owner;
	uint32_t first; /* the run that values[0] belongs to, or one before */
	uint32_t nr;
	uint64_t end; /* of the last run, unless nr is 0 */
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

static slot_t *map(struct ptebatch_env *env, uint64_t slot)
{
	return env->map ? env->map(env->ctx, slot) : NULL;
}

static int knows_l1(const struct ptebatch_env *env)
{
	return env->map && (env->features & PTEBATCH_ENV_SLOT_KNOWS_L1);
}

/* May the slot be written, as far as the caller can tell? */
static int is_l1(struct ptebatch_env *env, uint64_t slot)
{
	return !knows_l1(env) || map(env, slot);
}

/* Why there is no mapping. */
static int unmapped(const struct ptebatch_env *env)
{
	return knows_l1(env) ? -PTEBATCH_EINVAL : -PTEBATCH_EOPNOTSUPP;
}

/* Can hardware not set A or D in this entry? */
static int settled(uint64_t e)
{
	return !(e & PTEBATCH_PTE_P) || (e & AD_BITS) == AD_BITS;
}

/* Returns how many values are done, all unless *err says why not. */
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
		*err = -PTEBATCH_EINVAL; /* no error, and yet no progress */
	return done;
}

static int update_one(struct ptebatch_env *env, uint32_t owner, uint64_t ptr,
		      uint64_t val, struct ptebatch_progress *progress)
{
	struct ptebatch_value value = { ptr, val };
	int err;

	mmu_update(env, owner, &value, 1, progress, &err);
	return err;
}

/* Applies what is collected. On failure progress tells the slot. */
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

/* Values for the present entries that change; returns how many. */
static uint32_t convert(struct ptebatch_value *value, slot_t *p, uint64_t slot,
			uint32_t count, uint64_t keep, uint64_t set)
{
	const struct ptebatch_value *first = value;
	slot_t *end = p + count;
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

/* By normal updates: clears, and anything in a paused domain's tables. */
static uint32_t convert_exact(struct ptebatch_value *value, slot_t *p,
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
 * One entry, which becomes (entry & keep) | set, with cmpxchg through its
 * mapping where nothing else will do.
 */
static int change_mapped(struct ptebatch_env *env, uint32_t owner, slot_t *p,
			 uint64_t slot, uint64_t keep, uint64_t set,
			 uint64_t *old, struct ptebatch_progress *progress)
{
	uint64_t e, n, before = 0;
	int updated = 0, err;

	for (;;) {
		e = *p;
		n = (e & keep) | set;
		if (updated) /* Xen may have changed other bits of it */
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
	/* Of what hardware has set since, not what the update did. */
	if (old)
		*old = updated ? before | (e & AD_BITS & ~set) : e;
	return 0;
}

/*
 * Xen emulates the next two, and each byte of an address beyond the plain
 * register costs it tens of instructions. Compilers choose registers that need
 * such bytes.
 */
static inline uint64_t trapped_exchange(slot_t *p, uint64_t val)
{
	__asm__ volatile("xchgq %0, (%1)"
			 : "+a"(val) : "S"(p) : "memory");
	return val;
}

/* Returns what *p was; it has become n if that is e. */
static inline uint64_t trapped_cmpxchg(slot_t *p, uint64_t e, uint64_t n)
{
	__asm__ volatile("lock; cmpxchgq %2, (%1)"
			 : "+a"(e) : "S"(p), "D"(n) : "memory", "cc");
	return e;
}

/* Takes entries, which are asked for. */
static void exchange_mapped(slot_t *p, uint32_t count, volatile uint64_t *old)
{
	slot_t *end = p + count;

	for (; p < end; p++)
		*old++ = *p ? trapped_exchange(p, 0) : 0;
}

/* Clears A or D, or both, and nothing else. */
static void clear_ad_mapped(slot_t *p, uint32_t count, uint64_t clear,
			    volatile uint64_t *old)
{
	slot_t *end = p + count;
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
		      slot_t *p)
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

/* Which of the ways at the top of this file a run takes. */
enum way { WAY_KEEP, WAY_EXACT, WAY_MAPPED, WAY_NONE };

static enum way way_of(const struct ptebatch_env *env, uint32_t owner,
		       const struct ptebatch_run *run, const slot_t *p)
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
	slot_t *p = map(c->env, run->slot);
	enum way way = way_of(c->env, c->owner, run, p);
	uint32_t i, room, index = (uint32_t)(run - c->runs);
	int err;

	if (!p && knows_l1(c->env))
		way = WAY_NONE;

	/* A slot that is in the chunk must be written before it is read. */
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

/* Not inline: its array shall not lie on the stack beside the chunk. */
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
		/* Xen reads a bit for each vCPU there is: the mask may end. */
		op.cmd = TLB_FLUSH_ALL;
		ret = mmuext_op(env, &op, 1, progress);
	}
	if (!ret)
		progress->stats.tlb_flushes++;
	else if (!progress->err)
		progress->err = (int)ret;
}

/* Before anything is done. */
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

/* All is done, by so many hypercalls, but the TLB flush. */
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

/* The update is made by one hypercall; the TLB flush remains. */
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

/* Does the request name the page that the slot maps, and that alone? */
static int names_page(const struct ptebatch_env *env, uint64_t slot,
		      const struct ptebatch_tlb *tlb)
{
	return __builtin_expect(env->features & PTEBATCH_ENV_ADDR_OF_SLOT, 0) &&
	       tlb->pages == 1 && tlb->who != PTEBATCH_TLB_VCPUS &&
	       !((tlb->addr >> 9 ^ slot) & (8 * (PTEBATCH_TABLE_SLOTS - 1)));
}

/* One value as it is, and the flush. */
static inline int write_one(struct ptebatch_env *env, uint64_t ptr,
			    uint64_t val, const struct ptebatch_tlb *tlb,
			    struct ptebatch_progress *progress)
{
	struct ptebatch_value value = { ptr, val };
	int64_t ret;

	ret = env->hypercall(env->ctx, HYPERVISOR_mmu_update,
			     (uintptr_t)&value, 1, 0, PTEBATCH_DOMID_SELF, 0);
	if (ret || tlb) /* one branch for both, which costs less */
		return ret ? one_failed(progress, ret)
			   : flush_after(env, tlb, progress);
	return finish_one(progress, 0, 1, 0);
}

/* The same, but A and D are as val says, and the slot maps the page flushed. */
static inline int write_page(struct ptebatch_env *env, uint64_t val,
			     const struct ptebatch_tlb *tlb,
			     struct ptebatch_progress *progress)
{
	uint64_t flags = UVMF_INVLPG;
	int64_t ret;

	if (tlb->who == PTEBATCH_TLB_ALL)
		flags |= UVMF_ALL;
	ret = env->hypercall(env->ctx, HYPERVISOR_update_va_mapping, tlb->addr,
			     val, flags, 0, 0);
	if (ret)
		return one_failed(progress, ret);
	return finish_one(progress, 0, 1, 1);
}

/* Any runs, the long way. */
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
	uint64_t e, val;
	slot_t *p;

	(void)self;
	if (!preserves_ad(env) || !env->map)
		return one_at_length(env, run, tlb, progress);
	p = env->map(env->ctx, run->slot);
	if (!p)
		return one_at_length(env, run, tlb, progress);
	e = *p;
	val = (e & ~run->clear) | run->set;
	if (val == e || !(e & PTEBATCH_PTE_P))
		return flush_one(env, tlb, progress, 0);
	if (tlb && names_page(env, run->slot, tlb) &&
	    (!(AD_BITS & ~(val | run->clear)) || settled(e)))
		return write_page(env, val, tlb, progress);
	if (run->clear & AD_BITS)
		return one_at_length(env, run, tlb, progress);
	return write_one(env, run->slot + KEEP_AD, val, tlb, progress);
}

static int one_clear(const struct ptebatch_backend *self,
		     struct ptebatch_env *env, const struct ptebatch_run *run,
		     const struct ptebatch_tlb *tlb,
		     struct ptebatch_progress *progress)
{
	slot_t *p = NULL;
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
	uint32_t calls = progress->stats.hypercalls, flushes = progress->stats.tlb_flushes;

	if (nr != 1 || runs->count != 1 || runs->op != PTEBATCH_OP_FLAGS ||
	    runs->old || owner != PTEBATCH_DOMID_SELF || !env->hypercall) {
		all_runs(env, owner, runs, nr, tlb, progress);
		return;
	}
	/* A batch's TLB request need not be about this slot. */
	one_flags(NULL, env, runs, NULL, progress);
	if (tlb_wanted(tlb) && progress->records)
		flush_tlb(env, tlb, progress);
	progress->stats.hypercalls += calls;
	progress->stats.tlb_flushes += flushes;
}

/* Without PRESERVE_AD: one value that keeps A and D. */
static int keep_value(struct ptebatch_env *env, uint32_t owner,
		      const struct ptebatch_value *value,
		      struct ptebatch_progress *progress)
{
	uint64_t slot = value->slot & ~(uint64_t)7;
	slot_t *p;

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

/* How many of the values can go in one mmu_update. */
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
	uint64_t e, ptr = value->slot, val = value->pte;
	uint64_t slot = ptr & ~(uint64_t)7;
	slot_t *p;

	(void)self;
	if (!env->hypercall || (ptr != slot && !preserves_ad(env))) {
		progress->stats.hypercalls = 0;
		progress->stats.tlb_flushes = 0;
		mmu_update_values(env, PTEBATCH_DOMID_SELF, value, 1, tlb,
				  progress);
		return progress->err;
	}
	if (!is_l1(env, slot))
		return finish_one(progress, -PTEBATCH_EINVAL, 0, 0);
	if (tlb && names_page(env, slot, tlb)) {
		/* It will do if nothing that is to be kept could be lost. */
		if (ptr != slot && (val & AD_BITS) != AD_BITS) {
			p = map(env, slot);
			e = p ? *p : PTEBATCH_PTE_P;
			if (!settled(e))
				return write_one(env, ptr, val, tlb, progress);
			val |= e & AD_BITS;
		}
		return write_page(env, val, tlb, progress);
	}
	return write_one(env, ptr, val, tlb, progress);
}

/* Nothing to do, asked of a Xen that may not do it for this kind of guest. */
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
