/* SPDX-License-Identifier: MIT */
/*
 * libptebatch in a process in dom0: a toolstack changes the page tables of a
 * paused domain. Hypercalls are made through libxencall. The functions are in
 * libptebatch-xencall.
 *
 *	struct ptebatch_xencall x;
 *	struct ptebatch_env env = { .hypercall = ptebatch_xencall, .ctx = &x };
 *
 *	if (ptebatch_xencall_open(&x, NULL))
 *		... errno says why
 *	err = ptebatch_hypercall.probe(&env);
 *	err = ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &env,
 *			    storage, bytes);
 *	err = ptebatch_set_owner(&batch, domid, domid);
 *
 * Records and old values may be anywhere in the process, because they are
 * copied through memory that Xen can always reach. If an operation needs
 * env.map, map the table for reading with libxenforeignmemory. ctx may also
 * point to a structure of yours whose first member is a struct
 * ptebatch_xencall.
 *
 * The two new calls and mmu_update are passed on. All others, the TLB flushes
 * of mmu-update among them, answer -ENOSYS. One thread uses a handle at a time.
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
	int own; /* close the handle too */
};

/* Records per hypercall; for more, a backend makes several. */
#define PTEBATCH_XENCALL_RECORDS 64u

/*
 * call: a handle to use, or NULL to open one. Returns 0, or -1 with errno set.
 * close leaves a handle of the caller's open.
 */
int ptebatch_xencall_open(struct ptebatch_xencall *x,
			  struct xencall_handle *call);
void ptebatch_xencall_close(struct ptebatch_xencall *x);

/* For env.hypercall; ctx is a struct ptebatch_xencall. */
int64_t ptebatch_xencall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			 uint64_t a3, uint64_t a4, uint64_t a5);

#ifdef __cplusplus
}
#endif

#endif /* PTEBATCH_XENCALL_H */
