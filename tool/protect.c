/* SPDX-License-Identifier: MIT */
/* Changes flags of entries of a paused PV domain, through the library. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define APPLY 0x100

struct options {
	struct target pages;
	uint64_t clear, set;
	bool apply;
};

static const struct argp_option options[] = {
	{ "apply", APPLY, NULL, 0,
	  "Change the entries; without this, only tell what would change", 0 },
	TARGET_OPTION,
	{ 0 },
};

static const struct {
	const char *name;
	uint64_t clear, set;
} words[] = {
	{ "ro", PTEBATCH_PTE_RW, 0 },	{ "rw", 0, PTEBATCH_PTE_RW },
	{ "nx", 0, PTEBATCH_PTE_NX },	{ "x", PTEBATCH_PTE_NX, 0 },
	{ "old", PTEBATCH_PTE_A, 0 },	{ "young", 0, PTEBATCH_PTE_A },
	{ "clean", PTEBATCH_PTE_D, 0 }, { "dirty", 0, PTEBATCH_PTE_D },
};
#define WORDS (sizeof(words) / sizeof(*words))

static void parse_flags(struct argp_state *state, const char *text,
			struct options *o)
{
	while (true) {
		size_t n = strcspn(text, ","), i = 0;

		while (i < WORDS && (strlen(words[i].name) != n ||
				     strncmp(words[i].name, text, n)))
			i++;
		if (i == WORDS)
			argp_error(
				state,
				"FLAGS are ro, rw, nx, x, old, young, clean or dirty, with commas between, not \"%.*s\"",
				(int)n, text);
		if (i < WORDS) {
			if ((words[i].clear & o->set) ||
			    (words[i].set & o->clear))
				argp_error(
					state,
					"\"%s\" contradicts a flag before it",
					words[i].name);
			o->clear |= words[i].clear;
			o->set |= words[i].set;
		}
		if (!text[n])
			return;
		text += n + 1;
	}
}

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	uint64_t address = o->pages.address, bytes = o->pages.pages << 12;

	if (parse_target(key, arg, state, UINT64_C(1) << 18, &o->pages))
		return 0;
	switch (key) {
	case APPLY:
		o->apply = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num != 3)
			return parse_no_more(key, arg, state);
		parse_flags(state, arg, o);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 4)
			argp_error(
				state,
				"DOMID, ADDRESS, PAGES and FLAGS are needed");
		if (address + bytes - 1 < address ||
		    (address < UINT64_C(1) << 47 &&
		     address + bytes > UINT64_C(1) << 47))
			argp_error(state, "the pages leave the address space");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options,
	option,
	"DOMID ADDRESS PAGES FLAGS",
	"Change the flags of PAGES pages from ADDRESS on, in a paused 64-bit PV domain. FLAGS is a list, with commas, of ro, rw, nx, x, old, young, clean, dirty. Without --apply this is a dry run.\v"
	"The domain's kernel does not know of the change. It may undo it at any time, or fail.",
	common_options,
	NULL,
	NULL,
};

/* --- What would change ---------------------------------------------------- */

struct counts {
	uint64_t changed, unchanged, absent;
};

/* Neighbouring pages to which the same happens are told in one line. */
struct range {
	uint64_t address, pages;
	char from[FLAGS_TEXT], to[FLAGS_TEXT];
};

static void tell(const struct range *r)
{
	if (!r->pages)
		return;
	if (!json) {
		printf("%#018" PRIx64 "  %7" PRIu64 "  %s%s%s\n", r->address,
		       r->pages, r->from, *r->to ? " -> " : "", r->to);
		return;
	}
	out_object(NULL);
	out_hex("address", r->address);
	out_number("pages", r->pages);
	out_string("from", r->from);
	if (*r->to)
		out_string("to", r->to);
	out_close();
}

static void add(struct range *r, const struct range *next)
{
	if (r->pages && r->address + (r->pages << 12) == next->address &&
	    !strcmp(r->from, next->from) && !strcmp(r->to, next->to)) {
		r->pages += next->pages;
		return;
	}
	tell(r);
	*r = *next;
}

/*
 * Counts what becomes of each page. With a batch the changes are queued there;
 * otherwise the ranges are told. An absent entry of a higher level stands for
 * all pages below it.
 */
static int scan(struct domain *d, const struct options *o, struct counts *n,
		struct ptebatch *batch)
{
	struct range all = { .pages = 0 };
	uint64_t address = o->pages.address, left = o->pages.pages;
	int code = 0;

	while (left && !code) {
		struct range here = { .address = address };
		struct walk w;
		uint64_t pte, to, span;

		code = domain_walk(d, address, &w);
		if (code)
			break;
		pte = w.pte[w.level];
		span = ((address | (SPAN(w.level) - 1)) + 1 - address) >> 12;
		here.pages = span < left ? span : left;
		to = (pte & ~o->clear) | o->set;
		flags_text(pte, w.level, here.from);
		if (!(pte & PTEBATCH_PTE_P)) {
			n->absent += here.pages;
		} else if (w.level > 1) {
			code = fail(
				TOOL_FAILED,
				"%#" PRIx64
				" is mapped by a large page, which Xen does not let a guest have",
				address);
			break;
		} else if (to == pte) {
			n->unchanged++;
		} else {
			n->changed++;
			flags_text(to, 1, here.to);
		}
		if (batch && w.level == 1 &&
		    ptebatch_add_flags(batch, w.slot[1], 1, o->clear, o->set))
			break; /* b->last tells */
		if (!batch)
			add(&all, &here);
		address += here.pages << 12;
		left -= here.pages;
	}
	if (!batch)
		tell(&all);
	return code;
}

/* --- The change ----------------------------------------------------------- */

static const struct ptebatch_tlb everything = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

static int stopped(struct domain *d, const struct ptebatch *b, int err)
{
	const uint64_t done = b->counters.flushed;
	int code = domain_look(d);

	if (code) {
		note("%" PRIu64 " entries had been changed before", done);
		return code;
	}
	return fail(err == -PTEBATCH_EPERM || err == -PTEBATCH_EACCES
			    ? TOOL_DENIED
			    : TOOL_FAILED,
		    "Xen refused to change slot %#" PRIx64 " (%s); %" PRIu64
		    " entries before it were changed",
		    b->last.slot, ptebatch_strerror(err), done);
}

static int apply(struct domain *d, const struct options *o)
{
	static uint64_t storage[8192];
	struct ptebatch b;
	struct counts n = { 0 };
	int err, code;

	err = ptebatch_init(&b, sizeof(b), &ptebatch_hypercall, &d->host->env,
			    storage, sizeof(storage));
	if (!err)
		err = ptebatch_set_owner(&b, d->id, d->id);
	if (err)
		return fail(TOOL_FAILED, "the library: %s",
			    ptebatch_strerror(err));
	code = scan(d, o, &n, &b);
	err = b.last.err;
	if (code || err)
		ptebatch_discard(&b);
	/* Also after an error: what was changed needs its TLB flush. */
	if (ptebatch_flush(&b, &everything) && !err)
		err = b.last.err;
	if (code) {
		note("%" PRIu64 " entries had been changed before",
		     b.counters.flushed);
		return code;
	}
	if (err)
		return stopped(d, &b, err);
	code = domain_look(d);
	if (!code && !d->paused)
		code = fail(
			TOOL_NOT_PAUSED,
			"domain %u was unpaused meanwhile; its entries were changed while it ran",
			d->id);
	return code;
}

static int ready(struct domain *d)
{
	if (!d->paused)
		return fail(TOOL_NOT_PAUSED,
			    "domain %u runs: \"xl pause %u\" first", d->id,
			    d->id);
	if (!d->host->pv)
		return fail(
			TOOL_MISSING,
			"this domain is not PV, so it cannot make the calls that change and flush");
	if (!host_has_calls(d->host))
		return fail(
			TOOL_MISSING,
			"this Xen cannot flush the TLB of another domain: it lacks the calls that \"ptebatch load\" brings");
	return 0;
}

static int protect(struct domain *d, const struct options *o)
{
	struct counts n = { 0 };
	int code = o->apply ? ready(d) : 0;

	if (code)
		return code;
	if (json) {
		out_begin();
		out_number("domain", d->id);
		out_array("ranges");
	} else {
		printf("%-18s  %7s  flags\n", "address", "pages");
	}
	code = scan(d, o, &n, NULL);
	if (!code && o->apply && n.changed)
		code = apply(d, o);
	if (json) {
		out_close();
		out_bool("applied", o->apply && !code);
		out_number("changed", n.changed);
		out_number("unchanged", n.unchanged);
		out_number("absent", n.absent);
		out_end();
	} else if (!code) {
		printf("%" PRIu64 " %s, %" PRIu64 " unchanged, %" PRIu64
		       " absent\n",
		       n.changed, o->apply ? "changed" : "would change",
		       n.unchanged, n.absent);
	}
	if (!code && !o->apply)
		note("this was a dry run; --apply changes the entries%s",
		     d->paused ? "" : ", of a paused domain");
	return code;
}

int protect_command(int argc, char **argv)
{
	struct options o = { .apply = false };
	struct host h;
	struct domain d;
	int code;

	parse(&argp, argc, argv, &o);
	code = host_open(&h);
	if (code)
		return code;
	code = domain_open(&d, &h, o.pages.domain, o.pages.vcpu);
	if (!code)
		code = protect(&d, &o);
	domain_close(&d);
	host_close(&h);
	return code;
}
