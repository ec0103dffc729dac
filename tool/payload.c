/* SPDX-License-Identifier: MIT */
/*
 * The livepatch. Xen works on a request after the hypercall has returned, with
 * all CPUs gathered. If they do not gather in time, Xen gives up and answers
 * EBUSY, so a request is made again. The payload has data of its own, so once
 * reverted it cannot be applied again, and has to be uploaded again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"

#define GATHER_NS 200000000u /* for the CPUs of a loaded host */
#define PAUSE_NS 100000000   /* between two tries */
#define POLL_NS 10000000     /* while Xen works */
#define POLLS 1000

static char name[] = "ptebatch";

const char *const payload_states[] = {
	[PAYLOAD_NONE] = "none",
	[PAYLOAD_UPLOADED] = "uploaded",
	[PAYLOAD_APPLIED] = "applied",
	[PAYLOAD_UNKNOWN] = "unknown",
};

static void wait_ns(long ns)
{
	const struct timespec t = { 0, ns };

	nanosleep(&t, NULL);
}

/* --- What is there -------------------------------------------------------- */

struct list {
	xen_livepatch_status_t *status;
	char *names, *metadata;
	uint32_t *name_bytes, *metadata_bytes;
	unsigned int nr;
};

static void list_free(struct list *l)
{
	free(l->status);
	free(l->names);
	free(l->metadata);
	free(l->name_bytes);
	free(l->metadata_bytes);
}

static int list_all(struct host *h, struct list *l)
{
	uint32_t names = 0, metadata = 0;
	unsigned int left = 0, nr = 0;

	memset(l, 0, sizeof(*l));
	if (xc_livepatch_list_get_sizes(h->xc, &nr, &names, &metadata))
		return -1;
	if (!nr)
		return 0;
	l->status = calloc(nr, sizeof(*l->status));
	l->name_bytes = calloc(nr, sizeof(*l->name_bytes));
	l->metadata_bytes = calloc(nr, sizeof(*l->metadata_bytes));
	l->names = calloc(1, names + 1u);
	l->metadata = calloc(1, metadata + 1u);
	if (!l->status || !l->name_bytes || !l->metadata_bytes || !l->names ||
	    !l->metadata) {
		errno = ENOMEM;
		return -1;
	}
	return xc_livepatch_list(h->xc, nr, 0, l->status, l->names,
				 l->name_bytes, names, l->metadata,
				 l->metadata_bytes, metadata, &l->nr, &left);
}

void payload_look(struct host *h, struct payloads *p)
{
	struct list l;
	const char *at;

	memset(p, 0, sizeof(*p));
	if (list_all(h, &l)) {
		p->own = PAYLOAD_UNKNOWN;
		p->errnum = errno;
		list_free(&l);
		return;
	}
	at = l.names;
	for (unsigned int i = 0; i < l.nr; i++) {
		bool applied = l.status[i].state == LIVEPATCH_STATE_APPLIED;

		if (!strcmp(at, name))
			p->own = applied ? PAYLOAD_APPLIED : PAYLOAD_UPLOADED;
		else if (applied)
			snprintf(p->other, sizeof(p->other), "%s", at);
		at += l.name_bytes[i];
	}
	list_free(&l);
}

struct path payload_path(const struct host *h)
{
	return path_of("/usr/lib/ptebatch/livepatch/%s.livepatch", h->build_id);
}

/* --- Requests ------------------------------------------------------------- */

/* The error of the last request once Xen is done with it, or 0. */
static int result(struct host *h, uint32_t *state)
{
	xen_livepatch_status_t status = { 0 };

	for (int i = 0; i < POLLS; i++) {
		if (xc_livepatch_get(h->xc, name, &status))
			return errno;
		*state = status.state;
		if (status.rc != -EAGAIN)
			return -status.rc;
		wait_ns(POLL_NS);
	}
	return ETIMEDOUT;
}

static int request(struct host *h, const char *what,
		   int (*make)(xc_interface *, char *, uint32_t, uint32_t),
		   uint32_t wanted, unsigned int retries)
{
	uint32_t state = 0;
	int err = 0;

	for (unsigned int try = 0; try <= retries; try++) {
		if (try) {
			progress("%s the payload: Xen is busy, try %u of %u",
				 what, try + 1, retries + 1);
			wait_ns(PAUSE_NS);
		}
		if (make(h->xc, name, GATHER_NS, 0))
			err = errno;
		else
			err = result(h, &state);
		if (!err && state == wanted) {
			progress_end();
			return 0;
		}
		if (!err)
			err = EBUSY; /* done, and the state is another one */
		if (err != EBUSY && err != EAGAIN && err != ETIMEDOUT)
			break;
	}
	return err;
}

static int refused(int err, const char *what)
{
	switch (err) {
	case EBUSY:
	case EAGAIN:
	case ETIMEDOUT:
		return fail(
			TOOL_BUSY,
			"%s the payload: Xen stayed busy; try again when the host is less loaded, or with more --retries",
			what);
	case EPERM:
	case EACCES:
		return fail(TOOL_DENIED, "%s the payload: %s", what,
			    strerror(err));
	default:
		return fail(TOOL_FAILED,
			    "%s the payload: %s; \"xl dmesg\" tells more", what,
			    strerror(err));
	}
}

static int upload(struct host *h, unsigned char *data, size_t bytes)
{
#ifdef UPLOAD_HAS_FORCE /* see configure.ac */
	return xc_livepatch_upload(h->xc, name, data, (uint32_t)bytes, false);
#else
	return xc_livepatch_upload(h->xc, name, data, (uint32_t)bytes);
#endif
}

int payload_upload(struct host *h, const char *path)
{
	uint32_t state = 0;
	size_t bytes = 0;
	void *data;
	int err = 0;

	if (read_file(path, &data, &bytes))
		return fail(TOOL_FAILED, "%s: %s", path, strerror(errno));
	if (upload(h, data, bytes))
		err = errno;
	free(data);
	if (!err)
		err = result(h, &state);
	if (!err && state == LIVEPATCH_STATE_CHECKED)
		return 0;
	if (err == EINVAL || err == EBADF || err == ENOEXEC)
		return fail(
			TOOL_FAILED,
			"Xen refuses %s (%s): it is damaged, or not for this Xen; \"xl dmesg\" tells more",
			path, strerror(err));
	if (err == ENOSYS || err == EOPNOTSUPP)
		return fail(TOOL_MISSING, "this Xen takes no livepatches");
	return refused(err, "uploading");
}

int payload_apply(struct host *h, unsigned int retries)
{
	int err = request(h, "applying", xc_livepatch_apply,
			  LIVEPATCH_STATE_APPLIED, retries);

	return err ? refused(err, "applying") : 0;
}

/* A revert turns the calls off first, so one that is given up turns them on. */
int payload_revert(struct host *h, unsigned int retries)
{
	char parts[64];
	bool known = host_parts(h, parts, sizeof(parts));
	int err = request(h, "reverting", xc_livepatch_revert,
			  LIVEPATCH_STATE_CHECKED, retries);

	if (!err)
		return 0;
	if (known && host_set_parts(h, parts))
		note("the calls are off, and cannot be turned on again: %s",
		     strerror(errno));
	return refused(err, "reverting");
}

int payload_remove(struct host *h)
{
	if (xc_livepatch_unload(h->xc, name, 0, 0))
		return refused(errno, "unloading");
	return 0;
}
