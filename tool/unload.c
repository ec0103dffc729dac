/* SPDX-License-Identifier: MIT */
/* Takes out what "load" brought, in the opposite order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define NO_MODULE 0x103
#define NO_PAYLOAD 0x104
#define RETRIES 'r'

struct options {
	bool no_module, no_payload;
	unsigned int retries;
};

static const struct argp_option options[] = {
	{ "retries", RETRIES, "N", 0,
	  "How often to try again while Xen is busy (50)", 0 },
	{ "no-payload", NO_PAYLOAD, NULL, 0, "Take out only the module", 0 },
	{ "no-module", NO_MODULE, NULL, 0, "Take out only the payload", 0 },
	{ 0 },
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case RETRIES:
		o->retries = (unsigned int)parse_number(state, "--retries", arg,
							0, 10000);
		return 0;
	case NO_PAYLOAD:
		o->no_payload = true;
		return 0;
	case NO_MODULE:
		o->no_module = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options,
	option,
	"",
	"Take out the module, then the payload. Do this before you load any other livepatch.",
	common_options,
	NULL,
	NULL,
};

static int unload_payload(struct host *h, const struct options *o,
			  const char **what)
{
	struct payloads p;
	int code = 0;

	*what = "not wanted";
	if (o->no_payload)
		return 0;
	payload_look(h, &p);
	*what = "not loaded";
	if (p.own == PAYLOAD_NONE)
		return 0;
	if (p.own == PAYLOAD_UNKNOWN && (p.errnum == EPERM || p.errnum == EACCES))
		return fail(TOOL_DENIED,
			    "this domain has no right to unload livepatches: %s",
			    strerror(p.errnum));
	if (p.own == PAYLOAD_UNKNOWN)
		return 0; /* a Xen that takes none has none */
	*what = "unloaded";
	if (*p.other)
		return fail(TOOL_REFUSED,
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
	struct options o = { .retries = 50 };
	const char *payload = NULL, *module = "not wanted";
	struct host h;
	int code;

	parse(&argp, argc, argv, &o);
	code = host_open(&h);
	if (code)
		return code;
	if (!o.no_module) {
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
