/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#include <xen/features.h>
#include <xen/version.h>
#include <xenhypfs.h>

static const char parameter[] = "/params/ptebatch";

bool on_xen(void)
{
	char type[16];

	return !read_text(path_of("/sys/hypervisor/type").text, type,
			  sizeof(type)) &&
	       has_word(type, "xen");
}

static int cannot_open(int err)
{
	if (err == EACCES || err == EPERM)
		return fail(
			TOOL_DENIED,
			"no right to make hypercalls (%s): run this as root",
			strerror(err));
	if (!on_xen())
		return fail(TOOL_NO_XEN, "this system does not run on Xen");
	return fail(
		TOOL_NO_XEN,
		"this kernel gives no access to Xen (%s): try \"modprobe xen-privcmd\"",
		strerror(err));
}

/* Xen tells its build-id to the control domain only. */
static void ask_build_id(struct host *h)
{
	union {
		xen_build_id_t id;
		unsigned char space[sizeof(xen_build_id_t) + 64];
	} b = { .id = { .len = 64 } };
	int n = xc_version(h->xc, XENVER_build_id, &b.id);

	h->build_id[0] = 0;
	for (int i = 0; i < n && i < 64; i++)
		sprintf(h->build_id + 2 * i, "%02x", b.id.buf[i]);
}

static void ask_version(struct host *h)
{
	struct xen_feature_info features = { 0, 0 };
	xen_extraversion_t extra = "";
	int v = xc_version(h->xc, XENVER_version, NULL);

	if (xc_version(h->xc, XENVER_extraversion, &extra) < 0)
		extra[0] = 0;
	snprintf(h->version, sizeof(h->version), "%d.%d%.*s", v >> 16,
		 v & 0xffff, (int)sizeof(extra), extra);
	ask_build_id(h);
	if (xc_version(h->xc, XENVER_get_features, &features) < 0)
		features.submap = 0;
	h->features = features.submap;
	h->pv = !(h->features & 1u << XENFEAT_auto_translated_physmap);
	h->control = h->features & 1u << XENFEAT_dom0;
}

int host_open(struct host *h)
{
	int err;

	memset(h, 0, sizeof(*h));
	/* The libraries would tell of errors in their own words. */
	h->log = (xentoollog_logger *)xtl_createlogger_stdiostream(
		stderr, XTL_CRITICAL, 0);
	if (!h->log)
		return fail(TOOL_FAILED, "out of memory");
	h->xc = xc_interface_open(h->log, h->log, 0);
	err = errno;
	if (h->xc) {
		h->raw = xencall_open(h->log, 0);
		err = errno;
	}
	if (!h->raw) {
		host_close(h);
		return cannot_open(err);
	}
	if (ptebatch_xencall_open(&h->call, h->raw)) {
		err = errno;
		host_close(h);
		return fail(TOOL_FAILED, "no memory for hypercalls: %s",
			    strerror(err));
	}
	ask_version(h);
	h->env = (struct ptebatch_env){
		.hypercall = ptebatch_xencall,
		.ctx = &h->call,
		.features =
			h->features & 1u << XENFEAT_mmu_pt_update_preserve_ad
				? PTEBATCH_ENV_PRESERVE_AD
				: 0,
	};
	if (ptebatch_hypercall.probe(&h->env))
		h->env.have = 0;
	return 0;
}

void host_close(struct host *h)
{
	if (h->call.buffer)
		ptebatch_xencall_close(&h->call);
	if (h->raw)
		xencall_close(h->raw);
	if (h->xc)
		xc_interface_close(h->xc);
	if (h->log)
		xtl_logger_destroy(h->log);
	memset(h, 0, sizeof(*h));
}

int64_t host_ask(struct host *h, uint32_t call, uint64_t item)
{
	return ptebatch_xencall(&h->call, call, PTEBATCH_MAGIC, item,
				PTEBATCH_HOW_PROBE, 0, 0);
}

bool host_has_calls(struct host *h)
{
	const uint32_t both = PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES;

	if (ptebatch_hypercall.probe(&h->env))
		h->env.have = 0;
	return (h->env.have & both) == both;
}

bool host_parts(struct host *h, char *parts, size_t bytes)
{
	xenhypfs_handle *fs = xenhypfs_open(h->log, 0);
	char *text = fs ? xenhypfs_read(fs, parameter) : NULL;

	if (fs)
		xenhypfs_close(fs);
	snprintf(parts, bytes, "%s", text ? text : "");
	free(text);
	return *parts;
}

/* A part that is off has "no-" in front. */
static bool some_part_is_on(const char *parts)
{
	for (; *parts; parts += strcspn(parts, ","), parts += *parts == ',')
		if (strncmp(parts, "no-", 3))
			return true;
	return false;
}

enum engine host_engine(struct host *h)
{
	char parts[64];

	if (host_has_calls(h))
		return ENGINE_ON;
	if (!host_parts(h, parts, sizeof(parts)))
		return ENGINE_NONE;
	return some_part_is_on(parts) ? ENGINE_ON : ENGINE_OFF;
}

int host_set_parts(struct host *h, const char *parts)
{
	xenhypfs_handle *fs = xenhypfs_open(h->log, 0);
	int err = fs ? xenhypfs_write(fs, parameter, parts) : -1;

	if (fs)
		xenhypfs_close(fs);
	return err;
}

const char *const counter_names[PTEBATCH_COUNTS] = {
	[PTEBATCH_COUNT_CALLS] = "calls",
	[PTEBATCH_COUNT_UPDATES] = "updates",
	[PTEBATCH_COUNT_UPDATES_LEFT] = "updates_left",
	[PTEBATCH_COUNT_UPDATE_VA] = "update_va",
	[PTEBATCH_COUNT_UPDATE_VA_LEFT] = "update_va_left",
	[PTEBATCH_COUNT_VALIDATED] = "validated",
	[PTEBATCH_COUNT_VALIDATED_LEFT] = "validated_left",
	[PTEBATCH_COUNT_TRAPS] = "traps",
	[PTEBATCH_COUNT_TRAPS_LEFT] = "traps_left",
	[PTEBATCH_COUNT_UPDATES_SLOW] = "updates_slow",
};

bool host_counters(struct host *h, uint64_t counters[PTEBATCH_COUNTS])
{
	for (uint32_t i = 0; i < PTEBATCH_COUNTS; i++) {
		int64_t n = host_ask(h, __HYPERVISOR_ptebatch_runs,
				     PTEBATCH_ASK_COUNT(i));

		if (n < 0)
			return false;
		counters[i] = (uint64_t)n;
	}
	return true;
}
