/* SPDX-License-Identifier: MIT */
/*
 * Optional code for 64-bit PV kernels: what struct ptebatch_env needs from Xen.
 * With this header a kernel needs no assembly of its own to use the library.
 *
 *	static struct ptebatch_env env = {
 *		.hypercall = ptebatch_guest_hypercall,
 *		.ctx = hypercall_page,
 *		.map = my_l1_mapping,
 *	};
 *
 *	env.features = ptebatch_guest_features(&env);
 *
 * The hypercall page is a page of the kernel's image that Xen fills with code
 * before the kernel starts. An ELF note, XEN_ELFNOTE_HYPERCALL_PAGE, says where
 * it is. Nothing else is needed, so all of this works from the kernel's first
 * instruction on, before memory and page tables are set up. Compile with
 * -mno-red-zone, as for every kernel: the hypercall pushes a return address.
 */
#ifndef PTEBATCH_GUEST_H
#define PTEBATCH_GUEST_H

#include <ptebatch/ptebatch.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes hypercall nr with up to five arguments and returns Xen's answer.
 * hypercall_page: the address of the hypercall page, where the code of
 * hypercall nr starts at byte 32 * nr. Xen may change the argument registers,
 * and memory.
 */
static inline int64_t ptebatch_guest_hypercall(void *hypercall_page,
					       uint32_t nr, uint64_t a1,
					       uint64_t a2, uint64_t a3,
					       uint64_t a4, uint64_t a5)
{
	register uint64_t r10 __asm__("r10") = a4;
	register uint64_t r8 __asm__("r8") = a5;
	uint64_t rax = (uintptr_t)hypercall_page + 32 * (uint64_t)nr;

	__asm__ __volatile__("call *%0"
			     : "+a"(rax), "+D"(a1), "+S"(a2), "+d"(a3),
			       "+r"(r10), "+r"(r8)
			     :
			     : "rcx", "r11", "memory", "cc");
	return ptebatch_answer((int64_t)rax, nr, a2, a3, r10);
}

/*
 * The PTEBATCH_ENV_* bits that follow from Xen's features: PRESERVE_AD or 0.
 * Asks Xen through env->hypercall.
 */
static inline uint32_t ptebatch_guest_features(const struct ptebatch_env *env)
{
	/* xen_version(XENVER_get_features, struct xen_feature_info *) */
	struct {
		uint32_t submap_idx;	  /* IN */
		volatile uint32_t submap; /* OUT: Xen writes it */
	} info = { 0, 0 };

	if (env->hypercall(env->ctx, 17, 6, (uintptr_t)&info, 0, 0, 0))
		return 0;
	/* XENFEAT_mmu_pt_update_preserve_ad */
	return info.submap & 1u << 5 ? PTEBATCH_ENV_PRESERVE_AD : 0;
}

/* A request for ptebatch_flush: the whole TLB of every vCPU of this domain. */
static const struct ptebatch_tlb ptebatch_tlb_all = {
	PTEBATCH_TLB_ALL, 0, 0, 0, 0,
};

/*
 * A request for one page: the page that contains va. who is PTEBATCH_TLB_LOCAL
 * for the TLB of this vCPU, or PTEBATCH_TLB_ALL.
 */
static inline struct ptebatch_tlb ptebatch_tlb_page(uint32_t who, uint64_t va)
{
	struct ptebatch_tlb tlb = { who, 0, va & ~(uint64_t)0xfff, 1, 0 };

	return tlb;
}

/*
 * Two functions for a kernel's set_pte() and ptep_get_and_clear(). Each changes
 * one entry at once, flushes the TLB as requested (NULL: not at all), and
 * returns 0 or a negative error. The backend has been probed. On a Xen with the
 * handlers, each is one hypercall with its arguments in registers. Neither uses
 * a batch; flush one first if it has changes of the same slot.
 *
 *	struct ptebatch_tlb page = ptebatch_tlb_page(PTEBATCH_TLB_ALL, va);
 *
 *	err = ptebatch_guest_set_pte(&ptebatch_hypercall, &env, slot, pte,
 *				     PTEBATCH_SET_EXACT, &page);
 *
 * set_pte: the entry becomes pte; mode is PTEBATCH_SET_EXACT or _KEEP_AD.
 */
static inline int ptebatch_guest_set_pte(const struct ptebatch_backend *backend,
					 struct ptebatch_env *env,
					 uint64_t slot, uint64_t pte,
					 uint32_t mode,
					 const struct ptebatch_tlb *tlb)
{
	const struct ptebatch_value value = { slot | mode, pte };
	struct ptebatch_progress progress;

	return ptebatch_apply_set(backend, env, &value, tlb, &progress);
}

/* clear_pte: the entry becomes 0. *old, unless old is NULL, gets what it was. */
static inline int
ptebatch_guest_clear_pte(const struct ptebatch_backend *backend,
			 struct ptebatch_env *env, uint64_t slot, uint64_t *old,
			 const struct ptebatch_tlb *tlb)
{
	const struct ptebatch_run run = { slot, 1, PTEBATCH_OP_CLEAR,
					  0,	0, (uintptr_t)old };
	struct ptebatch_progress progress;

	return ptebatch_apply_clear(backend, env, &run, tlb, &progress);
}

#ifdef __cplusplus
}
#endif

#endif /* PTEBATCH_GUEST_H */
