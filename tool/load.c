/* SPDX-License-Identifier: MIT */
/* Brings the engine into the running Xen, and the module into dom0's kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define BOOT 0x200
#define SETTLED 0x201
#define PAYLOAD 0x202

struct options {
	struct parts parts;
	bool boot, settled;
	const char *payload;
};

static const struct argp_option options[] = {
	{ "payload", PAYLOAD, "FILE", 0,
	  "Load this payload, not the installed one", 0 },
	{ "boot", BOOT, NULL, 0,
	  "As the unit does: obey ptebatch=off and an earlier attempt", 0 },
	{ "settled", SETTLED, NULL, 0,
	  "Load nothing; clear the record of the last attempt", 0 },
	{ 0 },
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		parse_parts(state, &o->parts);
		return 0;
	case PAYLOAD:
		o->payload = arg;
		return 0;
	case BOOT:
		o->boot = true;
		return 0;
	case SETTLED:
		o->settled = true;
		return 0;
	default:
		return parse_no_more(key, arg, state);
	}
}

static const struct argp argp = {
	options,
	option,
	"",
	"Load the payload for this Xen, then the module.",
	parts_options,
	NULL,
	NULL,
};

/* --- May it be loaded? ---------------------------------------------------- */

/* Only the unit asks these. The administrator's own command is an answer. */
static int at_boot(bool *off)
{
	char text[4096], when[64];

	*off = !read_text(path_of("/proc/cmdline").text, text, sizeof(text)) &&
	       has_word(text, "ptebatch=off");
	if (*off) {
		note("nothing is loaded: the kernel's command line has ptebatch=off");
		return 0;
	}
	if (attempt_look(when, sizeof(when)) == ATTEMPT_FAILED)
		return fail(
			TOOL_REFUSED,
			"the host went down after the payload was loaded at %s, so it is not loaded again; \"ptebatch load\" loads it nevertheless",
			when);
	return 0;
}

/* Without systemd, the next command after five minutes finds it outdated. */
static void clear_later(void)
{
	char *const argv[] = { "systemctl", "--no-block", "restart",
			       "ptebatch-settled.timer", NULL };

	run(argv, NULL, 0);
}

/* --- The payload ---------------------------------------------------------- */

static int no_payload(const struct host *h, const char *path)
{
	if (!*h->build_id)
		return fail(
			TOOL_MISSING,
			"Xen %s has no build-id, so no payload can be for it",
			h->version);
	return fail(
		TOOL_MISSING,
		"there is no payload for Xen %s: %s does not exist; --no-payload loads the module alone, and ptebatch(8) tells how to build a payload",
		h->version, path);
}

static int unknown(int err)
{
	if (err == EPERM || err == EACCES)
		return fail(TOOL_DENIED,
			    "this domain has no right to load livepatches: %s",
			    strerror(err));
	if (err == ENOSYS || err == EOPNOTSUPP)
		return fail(
			TOOL_MISSING,
			"this Xen takes no livepatches (it was built without CONFIG_LIVEPATCH)");
	return fail(TOOL_FAILED, "livepatches cannot be listed: %s",
		    strerror(err));
}

static int apply_it(struct host *h, const struct options *o, const char *path)
{
	int code = attempt_record(h->build_id);

	if (code)
		return code;
	code = payload_upload(h, path);
	if (!code) {
		code = payload_apply(h, o->parts.retries);
		if (code)
			payload_remove(h);
	}
	/* Only a PV domain can ask. */
	if (!code && h->pv && !host_has_calls(h))
		code = fail(
			TOOL_FAILED,
			"the payload is applied, but Xen does not answer its calls");
	if (code)
		attempt_clear(); /* it was refused, and the host is up */
	else
		clear_later();
	return code;
}

/* Where no payload is needed or wanted, *what says so. */
static int load_payload(struct host *h, const struct options *o,
			const char **what)
{
	struct path path = payload_path(h);
	enum engine engine;
	struct payloads p;
	int code = 0;

	if (o->payload)
		snprintf(path.text, sizeof(path.text), "%s", o->payload);
	*what = "not wanted";
	if (o->parts.no_payload)
		return 0;
	if (!h->control && (o->payload || o->parts.no_module))
		return fail(TOOL_DENIED,
			    "only the control domain may load a payload");
	*what = "left to the control domain";
	if (!h->control)
		return 0;
	payload_look(h, &p);
	*what = "already loaded";
	if (p.own == PAYLOAD_APPLIED)
		return 0;
	*what = "not needed: this Xen was built with the engine";
	engine = host_engine(h);
	if (engine == ENGINE_OFF)
		note("all parts of the engine are off; xenhypfs write /params/ptebatch 1 turns them on");
	if (engine != ENGINE_NONE)
		return 0;
	*what = "loaded";
	if (p.own == PAYLOAD_UNKNOWN)
		return unknown(p.errnum);
	if (*p.other)
		return fail(
			TOOL_REFUSED,
			"another livepatch is applied: \"%s\"; the payload replaces functions that it could have changed",
			p.other);
	if (!exists(path.text))
		return no_payload(h, path.text);
	if (p.own == PAYLOAD_UPLOADED) /* it may have been reverted */
		code = payload_remove(h);
	return code ? code : apply_it(h, o, path.text);
}

/* --- The module ----------------------------------------------------------- */

static int load_module(const struct host *h, const struct options *o,
		       const char **what)
{
	*what = "not wanted";
	if (o->parts.no_module)
		return 0;
	*what = "not needed: this domain is not PV";
	if (!h->pv)
		return 0;
	*what = "already loaded";
	if (module_loaded())
		return 0;
	*what = "not installed";
	if (!module_installed())
		return 0;
	*what = "loaded";
	return module_load();
}

int load_command(int argc, char **argv)
{
	struct options o = { .boot = false };
	const char *payload = NULL, *module = NULL;
	struct host h;
	bool off = false;
	int code = 0;

	parse(&argp, argc, argv, &o);
	if (o.payload && o.parts.no_payload)
		return fail(TOOL_USAGE,
			    "--payload and --no-payload contradict each other");
	if (o.settled)
		return attempt_settle();
	if (o.boot)
		code = at_boot(&off);
	if (code || off)
		return code;
	code = host_open(&h);
	if (code)
		return code;
	code = lock();
	if (!code)
		code = load_payload(&h, &o, &payload);
	if (code == TOOL_MISSING && o.boot) {
		/* The boot has not failed because this Xen has no payload. */
		payload = "missing";
		code = TOOL_OK;
	}
	if (!code)
		code = load_module(&h, &o, &module);
	if (!code && !(quiet && !json)) {
		out_begin();
		out_string("payload", payload);
		out_string("module", module);
		out_end();
	}
	host_close(&h);
	return code;
}
