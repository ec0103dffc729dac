/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xencall.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenhypfs.h>
#include <xentoollog.h>
#include <xen/features.h>
#include <xen/version.h>

#include "fake-libs.h"

struct fake_host host;

/* One object stands for all handles; "opened" counts those that are open. */
static int object;

static void *open_one(int err)
{
	if (err) {
		errno = err;
		return NULL;
	}
	host.opened++;
	return &object;
}

static int close_one(void *handle)
{
	if (handle != &object)
		abort();
	host.opened--;
	return 0;
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

/* --- libxentoollog -------------------------------------------------------- */

xentoollog_logger_stdiostream *
xtl_createlogger_stdiostream(FILE *f, xentoollog_level level, unsigned flags)
{
	(void)f;
	(void)level;
	(void)flags;
	return open_one(0);
}

void xtl_logger_destroy(struct xentoollog_logger *logger)
{
	close_one(logger);
}

/* --- libxencall ----------------------------------------------------------- */

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned flags)
{
	(void)logger;
	(void)flags;
	return open_one(host.no_call);
}

int xencall_close(xencall_handle *call)
{
	return close_one(call);
}

void *xencall_alloc_buffer(xencall_handle *call, size_t size)
{
	(void)call;
	return host.no_buffer ? (errno = host.no_buffer, NULL)
			      : (host.opened++, calloc(1, size));
}

void xencall_free_buffer(xencall_handle *call, void *buffer)
{
	(void)call;
	host.opened--;
	free(buffer);
}

static int64_t (*xen)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		      uint64_t a3, uint64_t a4, uint64_t a5);

int xencall2(xencall_handle *call, unsigned int op, uint64_t a1, uint64_t a2)
{
	struct {
		uint64_t op;
		int64_t result;
		uint64_t a[6];
	} *c = (void *)(uintptr_t)a1;
	struct ptebatch_env env;

	(void)call;
	if (op != 13 || a2 != 1)
		abort();
	if (!xen) {
		const struct fake kept = fake;

		fake_reset(&env);
		xen = env.hypercall;
		fake = kept;
	}
	if (c->op == __HYPERVISOR_ptebatch_runs && fake.has_runs &&
	    c->a[2] == PTEBATCH_HOW_PROBE && c->a[1] >= PTEBATCH_ASK_COUNT(0)) {
		c->result = host.counter < 0
				    ? -PTEBATCH_EOPNOTSUPP
				    : host.counter + (int64_t)(c->a[1] & 0xff);
		return 0;
	}
	c->result = xen(NULL, (uint32_t)c->op, c->a[0], c->a[1], c->a[2],
			c->a[3], c->a[4]);
	if (c->op == __HYPERVISOR_ptebatch_runs &&
	    c->a[2] != PTEBATCH_HOW_PROBE) {
		if (host.unpaused_at_call)
			host.domain[0].flags &= ~XEN_DOMINF_paused;
		if (host.gone_at_error && fake.failed)
			host.domains = 0;
	}
	return 0;
}

/* --- libxenhypfs ---------------------------------------------------------- */

xenhypfs_handle *xenhypfs_open(struct xentoollog_logger *logger,
			       unsigned int flags)
{
	(void)logger;
	(void)flags;
	return open_one(0);
}

int xenhypfs_close(xenhypfs_handle *fs)
{
	return close_one(fs);
}

char *xenhypfs_read(xenhypfs_handle *fs, const char *path)
{
	(void)fs;
	if (strcmp(path, "/params/ptebatch") || !*host.parts) {
		errno = ENOENT;
		return NULL;
	}
	return strdup(host.parts);
}

int xenhypfs_write(xenhypfs_handle *fs, const char *path, const char *value)
{
	(void)fs;
	if (strcmp(path, "/params/ptebatch") || !*host.parts)
		return refuse(ENOENT);
	snprintf(host.parts, sizeof(host.parts), "%s", value);
	return 0;
}

/* --- libxenforeignmemory -------------------------------------------------- */

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
					       unsigned flags)
{
	(void)logger;
	(void)flags;
	return open_one(host.no_memory);
}

int xenforeignmemory_close(xenforeignmemory_handle *memory)
{
	return close_one(memory);
}

void *xenforeignmemory_map(xenforeignmemory_handle *memory, uint32_t id,
			   int prot, size_t pages, const xen_pfn_t frames[],
			   int err[])
{
	(void)memory;
	if (prot != 1 || pages != 1)
		abort();
	if (host.gone_after_maps >= 0 && !host.gone_after_maps--)
		host.domains = 0;
	if (!host.domains || host.domain[0].id != id) {
		errno = ESRCH;
		return NULL;
	}
	host.opened++;
	for (unsigned int i = 0; i < host.frames; i++)
		if (host.frame[i].frame == *frames) {
			*err = 0;
			return host.frame[i].table;
		}
	*err = -EINVAL;
	return &object;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *memory, void *p, size_t n)
{
	(void)memory;
	(void)p;
	if (n != 1)
		abort();
	host.opened--;
	return 0;
}

/* --- libxenctrl ----------------------------------------------------------- */

xc_interface *xc_interface_open(xentoollog_logger *logger,
				xentoollog_logger *builder, unsigned flags)
{
	(void)logger;
	(void)builder;
	(void)flags;
	return open_one(host.no_interface);
}

int xc_interface_close(xc_interface *xc)
{
	return close_one(xc);
}

int xc_version(xc_interface *xc, int what, void *arg)
{
	xen_build_id_t *id = arg;

	(void)xc;
	switch (what) {
	case XENVER_version:
		return 4 << 16 | 17;
	case XENVER_extraversion:
		strcpy(arg, ".5-test");
		return 0;
	case XENVER_get_features:
		((struct xen_feature_info *)arg)->submap = host.features;
		return 0;
	case XENVER_build_id:
		if (host.denied)
			return refuse(host.denied);
		if (!host.build_id_bytes)
			return refuse(ENODATA);
		for (int i = 0; i < host.build_id_bytes; i++)
			id->buf[i] = (unsigned char)(0xa0 + i);
		return host.build_id_bytes;
	default:
		return refuse(ENOSYS);
	}
}

int xc_domain_getinfolist(xc_interface *xc, uint32_t first, unsigned int most,
			  xc_domaininfo_t *info)
{
	(void)xc;
	if (host.denied)
		return refuse(host.denied);
	for (unsigned int i = 0; i < host.domains && most; i++) {
		if (host.domain[i].id < first)
			continue;
		memset(info, 0, sizeof(*info));
		info->domain = (domid_t)host.domain[i].id;
		info->flags = host.domain[i].flags;
		info->max_vcpu_id = host.domain[i].max_vcpu;
		return 1;
	}
	return 0;
}

int xc_domain_get_guest_width(xc_interface *xc, uint32_t id,
			      unsigned int *width)
{
	(void)xc;
	if (host.no_width)
		return refuse(host.no_width);
	if (!host.domains || host.domain[0].id != id)
		return refuse(ESRCH);
	*width = host.domain[0].width;
	return 0;
}

int xc_vcpu_getcontext(xc_interface *xc, uint32_t id, uint32_t vcpu,
		       vcpu_guest_context_any_t *context)
{
	(void)xc;
	(void)vcpu;
	memset(context, 0, sizeof(*context));
	if (host.no_context)
		return refuse(host.no_context);
	if (!host.domains || host.domain[0].id != id)
		return refuse(ESRCH);
	context->x64.ctrlreg[3] = host.domain[0].top;
	return 0;
}

/* --- Livepatches ---------------------------------------------------------- */

static int no_livepatch(void)
{
	return host.denied ? host.denied : host.no_livepatch;
}

static int find(const char *name)
{
	for (unsigned int i = 0; i < host.payloads; i++)
		if (!strcmp(host.payload[i].name, name))
			return (int)i;
	return -1;
}

int xc_livepatch_list_get_sizes(xc_interface *xc, unsigned int *nr,
				uint32_t *names, uint32_t *metadata)
{
	(void)xc;
	if (no_livepatch())
		return refuse(no_livepatch());
	*nr = host.payloads;
	*names = *metadata = 0;
	for (unsigned int i = 0; i < host.payloads; i++)
		*names += (uint32_t)strlen(host.payload[i].name) + 1;
	return 0;
}

int xc_livepatch_list(xc_interface *xc, const unsigned int most,
		      const unsigned int start, xen_livepatch_status_t *info,
		      char *name, uint32_t *len, const uint32_t names,
		      char *metadata, uint32_t *metadata_len,
		      const uint32_t metadata_total, unsigned int *done,
		      unsigned int *left)
{
	(void)xc;
	(void)names;
	(void)metadata;
	(void)metadata_total;
	if (start || most < host.payloads)
		abort();
	for (unsigned int i = 0; i < host.payloads; i++) {
		info[i].state = host.payload[i].state;
		info[i].rc = host.payload[i].rc;
		len[i] = (uint32_t)strlen(host.payload[i].name) + 1;
		memcpy(name, host.payload[i].name, len[i]);
		name += len[i];
		metadata_len[i] = 0;
	}
	*done = host.payloads;
	*left = 0;
	return 0;
}

int xc_livepatch_get(xc_interface *xc, char *name,
		     xen_livepatch_status_t *status)
{
	int i = find(name);

	(void)xc;
	if (i < 0)
		return refuse(ENOENT);
	status->state = host.payload[i].state;
	status->rc = host.payload[i].polls-- > 0 ? -EAGAIN : host.payload[i].rc;
	return 0;
}

int xc_livepatch_upload(xc_interface *xc, char *name, unsigned char *data,
			uint32_t bytes
#ifdef UPLOAD_HAS_FORCE
			,
			bool force
#endif
)
{
	unsigned int i = host.payloads;

#ifdef UPLOAD_HAS_FORCE
	if (force)
		abort();
#endif
	(void)xc;
	host.uploads++;
	if (host.upload_err)
		return refuse(host.upload_err);
	if (find(name) >= 0)
		return refuse(EEXIST);
	if (bytes >= sizeof(host.uploaded))
		return refuse(E2BIG);
	memcpy(host.uploaded, data, bytes);
	snprintf(host.payload[i].name, sizeof(host.payload[i].name), "%s",
		 name);
	host.payload[i].state = LIVEPATCH_STATE_CHECKED;
	host.payload[i].rc = -host.upload_rc;
	host.payload[i].polls = 1;
	host.payloads++;
	return 0;
}

static int act(char *name, int *busy, uint32_t to)
{
	int i = find(name);

	if (i < 0)
		return refuse(ENOENT);
	host.payload[i].polls = 2;
	host.payload[i].rc = 0;
	if (*busy) {
		--*busy;
		if (!host.busy_later)
			return refuse(EBUSY);
		host.payload[i].rc = -EBUSY;
		return 0;
	}
	if (host.action_rc) {
		host.payload[i].rc = -host.action_rc;
		return 0;
	}
	host.payload[i].state = to;
	return 0;
}

int xc_livepatch_apply(xc_interface *xc, char *name, uint32_t timeout,
		       uint32_t flags)
{
	int err = act(name, &host.apply_busy, LIVEPATCH_STATE_APPLIED);

	(void)xc;
	if (timeout < 200000000 || flags)
		abort();
	host.applies++;
	if (!err && host.payload[find(name)].state == LIVEPATCH_STATE_APPLIED &&
	    host.brings_calls)
		fake.has_runs = fake.has_values = 1;
	return err;
}

int xc_livepatch_revert(xc_interface *xc, char *name, uint32_t timeout,
			uint32_t flags)
{
	(void)xc;
	if (timeout < 200000000 || flags)
		abort();
	host.reverts++;
	if (*host.parts) /* as the payload's hook does first */
		strcpy(host.parts, "no-calls");
	return act(name, &host.revert_busy, LIVEPATCH_STATE_CHECKED);
}

int xc_livepatch_unload(xc_interface *xc, char *name, uint32_t timeout,
			uint32_t flags)
{
	int i = find(name);

	(void)xc;
	(void)timeout;
	(void)flags;
	host.unloads++;
	if (host.unload_err)
		return refuse(host.unload_err);
	if (i < 0 || host.payload[i].state != LIVEPATCH_STATE_CHECKED)
		return refuse(EINVAL);
	host.payload[i] = host.payload[--host.payloads];
	return 0;
}
