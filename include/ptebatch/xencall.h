/* SPDX-License-Identifier: MIT */
/*
 * libptebatch from a process in dom0, over libxencall: what a toolstack needs
 * to change the page tables of a paused domain.
 *
 *	struct ptebatch_xencall x;
 *	struct ptebatch_env env = { .hypercall = ptebatch_xencall, .ctx = &x };
 *
 *	if (ptebatch_xencall_open(&x, NULL))
 *		... errno
 *	ptebatch_hypercall.probe(&env);
 *	ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &env,
 *		      storage, bytes);
 *	ptebatch_set_owner(&batch, domid, domid);
 *
 * Records and old values may lie anywhere in the process: they are copied by
 * way of memory that Xen can reach at any time. Where env.map is needed, the
 * table is to be mapped for reading (libxenforeignmemory), and ctx may point to
 * a structure of the caller's own that begins with the struct here.
 *
 * The two new calls and mmu_update are passed on, all others are -ENOSYS. One
 * handle is for one thread at a time. In libptebatch-xencall.
 */
#ifndef PTEBATCH_XENCALL_H
#define PTEBATCH_XENCALL_H

#include <ptebatch/ptebatch.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xencall_handle;
struct ptebatch_xencall_buffer;

struct ptebatch_xencall {
	struct xencall_handle *call;
	struct ptebatch_xencall_buffer *buffer;
	int own; /* the handle was opened here */
};

/* Records that one hypercall carries; the backends make several of more. */
#define PTEBATCH_XENCALL_RECORDS 64u

/* call: a handle of the caller's, or NULL. 0, or -1 with errno set. */
int ptebatch_xencall_open(struct ptebatch_xencall *x,
			  struct xencall_handle *call);
void ptebatch_xencall_close(struct ptebatch_xencall *x);

/* An env's hypercall; ctx is a struct ptebatch_xencall. */
int64_t ptebatch_xencall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			 uint64_t a3, uint64_t a4, uint64_t a5);

#ifdef __cplusplus
}
#endif

#endif /* PTEBATCH_XENCALL_H */
