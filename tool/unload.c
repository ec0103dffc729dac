/* SPDX-License-Identifier: MIT */
/* Takes out what "load" brought, in the opposite order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static error_t option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		parse_parts(state, state->input);
		return 0;
	default:
		return parse_no_more(key, arg, state);
	}
}

static const struct argp argp = {
	NULL,
	option,
	"",
	"Take out the module, then the payload. Do this before you load any other livepatch.",
	parts_options,
	NULL,
	NULL,
};

static int unload_payload(struct host *h, const struct parts *o,
			  const char **what)
{
	struct payloads p;
	int code = 0;

	*what = "not wanted";
	if (o->no_payload)
		return 0;
	*what = "left to the control domain";
	if (!h->control)
		return 0;
	payload_look(h, &p);
	*what = "not loaded";
	if (p.own == PAYLOAD_NONE)
		return 0;
	if (p.own == PAYLOAD_UNKNOWN &&
	    (p.errnum == EPERM || p.errnum == EACCES))
		return fail(
			TOOL_DENIED,
			"this domain has no right to unload livepatches: %s",
			strerror(p.errnum));
	if (p.own == PAYLOAD_UNKNOWN)
		return 0; /* a Xen that takes none has none */
	*what = "unloaded";
	if (*p.other)
		return fail(
			TOOL_REFUSED,
			"another livepatch was applied later: \"%s\"; revert that first",
			p.other);
	if (p.own == PAYLOAD_APPLIED)
		code = payload_revert(h, o->retries);
	if (!code)
		code = payload_remove(h);
	return code ? code : attempt_clear();
}

int unload_command(int argc, char **argv)
{
	struct parts o;
	const char *payload = NULL, *module = "not wanted";
	struct host h;
	int code;

	parse(&argp, argc, argv, &o);
	code = host_open(&h);
	if (code)
		return code;
	code = lock();
	if (!code && !o.no_module) {
		module = module_loaded() ? "unloaded" : "not loaded";
		if (module_loaded())
			code = module_unload();
	}
	if (!code)
		code = unload_payload(&h, &o, &payload);
	if (!code && !(quiet && !json)) {
		out_begin();
		out_string("module", module);
		out_string("payload", payload);
		out_end();
	}
	host_close(&h);
	return code;
}
