/* SPDX-License-Identifier: MIT */
/*
 * As much of libxencall as backends/xencall takes of it, for the test that has
 * one of its own, and so needs none. The library is built with the real header.
 */
#ifndef XENCALL_H
#define XENCALL_H

#include <stddef.h>
#include <stdint.h>

struct xencall_handle;
struct xentoollog_logger;

struct xencall_handle *xencall_open(struct xentoollog_logger *logger,
				    unsigned int flags);
int xencall_close(struct xencall_handle *call);
int xencall2(struct xencall_handle *call, unsigned int op, uint64_t arg1,
	     uint64_t arg2);
void *xencall_alloc_buffer(struct xencall_handle *call, size_t size);
void xencall_free_buffer(struct xencall_handle *call, void *buffer);

#endif /* XENCALL_H */
