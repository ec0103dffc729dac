/* SPDX-License-Identifier: MIT */
/* What this host and this domain have, and how to get what is missing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct argp argp = {
	NULL,
	parse_no_more,
	"",
	"Tell what this host and this domain have, and what to do to get what is missing.",
	common_options,
	NULL,
	NULL,
};

static void show_calls(struct host *h)
{
	static const char *const names[] = { "flags", "clear", "set", "take" };
	int64_t version =
		host_ask(h, __HYPERVISOR_ptebatch_runs, PTEBATCH_ASK_VERSION);
	int64_t ops = host_ask(h, __HYPERVISOR_ptebatch_runs, PTEBATCH_ASK_OPS);
	int64_t fast =
		host_ask(h, __HYPERVISOR_ptebatch_runs, PTEBATCH_ASK_FAST);
	char text[64] = "";
	size_t at = 0;

	out_object("calls");
	out_bool("runs", h->env.have & PTEBATCH_HAVE_RUNS);
	out_bool("values", h->env.have & PTEBATCH_HAVE_VALUES);
	if (h->env.have & PTEBATCH_HAVE_RUNS) {
		out_number("version", (uint64_t)version - PTEBATCH_IS_RUNS);
		/* Of one call. A kernel may pass more than a process. */
		out_number("records_of_a_process", h->env.max_runs);
		/* A Xen without this item knows the first two. */
		if (ops < 0)
			ops = 3;
		for (int i = 0; i < 4; i++)
			if (ops >> i & 1)
				at += (size_t)snprintf(
					text + at, sizeof(text) - at, "%s%s",
					at ? " " : "", names[i]);
		out_string("in_registers", text);
		out_hex("fast_flags", (uint64_t)fast);
	}
	out_close();
}

static void show_engine(struct host *h)
{
	uint64_t counters[PTEBATCH_COUNTS];
	char parts[64];
	bool known = host_parts(h, parts, sizeof(parts));

	out_object("engine");
	out_string("parts", known ? parts : "unknown");
	if (host_counters(h, counters)) {
		out_object("counters");
		for (int i = 0; i < (int)PTEBATCH_COUNTS; i++)
			out_number(counter_names[i], counters[i]);
		out_close();
	}
	out_close();
}

static const char *reason(const struct payloads *p)
{
	if (p->errnum == EPERM || p->errnum == EACCES)
		return "this domain may not ask";
	if (p->errnum == ENOSYS || p->errnum == EOPNOTSUPP)
		return "this Xen takes no livepatches";
	return strerror(p->errnum);
}

static void advise(struct host *h, const struct payloads *p, bool available,
		   enum engine engine, bool module, bool installed)
{
	out_array("to_do");
	if (engine == ENGINE_OFF ||
	    (engine == ENGINE_NONE && p->own == PAYLOAD_APPLIED)) {
		out_string(NULL,
			   "turn the engine on: xenhypfs write /params/ptebatch 1");
	} else if (engine == ENGINE_NONE) {
		if (!h->control)
			out_string(
				NULL,
				"ask the administrator of the host to run \"ptebatch load\" in dom0");
		else if (p->own == PAYLOAD_UNKNOWN)
			out_string(
				NULL,
				"rebuild Xen with the handlers: this one takes no livepatches from here");
		else if (*p->other)
			out_string(
				NULL,
				"revert the other livepatch, then run \"ptebatch load\"");
		else if (available)
			out_string(NULL, "run \"ptebatch load\"");
		else
			out_string(
				NULL,
				"install a payload for this build-id (package ptebatch-livepatch), or build one");
	}
	if (h->pv && !module)
		out_string(
			NULL,
			installed
				? "load the module: modprobe ptebatch"
				: "for cheaper mprotect, fork and munmap, install the module (package ptebatch-dkms)");
	out_close();
}

static int probe(struct host *h)
{
	const enum engine engine = host_engine(h);
	const bool module = module_loaded(), installed = module_installed();
	const struct path path = payload_path(h);
	const bool available = *h->build_id && exists(path.text);
	struct payloads p;

	payload_look(h, &p);
	out_begin();
	out_object("xen");
	out_string("version", h->version);
	out_string("build_id", *h->build_id ? h->build_id : "unknown");
	out_close();
	out_object("domain");
	out_string("type", h->pv ? "PV" : "HVM or PVH");
	out_bool("control", h->control);
	out_close();
	show_calls(h);
	if (engine != ENGINE_NONE)
		show_engine(h);
	out_object("payload");
	out_string("state", payload_states[p.own]);
	if (p.own == PAYLOAD_UNKNOWN)
		out_string("reason", reason(&p));
	if (*p.other)
		out_string("other_livepatch", p.other);
	out_bool("available", available);
	if (available)
		out_string("file", path.text);
	out_close();
	out_object("module");
	out_bool("loaded", module);
	out_bool("installed", module || installed);
	out_close();
	advise(h, &p, available, engine, module, installed);
	out_end();
	return engine == ENGINE_ON ? TOOL_OK : TOOL_MISSING;
}

int probe_command(int argc, char **argv)
{
	struct host h;
	int code;

	parse(&argp, argc, argv, NULL);
	code = host_open(&h);
	if (code)
		return code;
	code = probe(&h);
	host_close(&h);
	return code;
}
