/* SPDX-License-Identifier: MIT */
/* The page-table entries on the way to some pages of a PV domain. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct argp_option options[] = { TARGET_OPTION, { 0 } };

static error_t option(int key, char *arg, struct argp_state *state)
{
	if (parse_target(key, arg, state, UINT64_C(1) << 24, state->input))
		return 0;
	switch (key) {
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "DOMID and ADDRESS are missing");
		return 0;
	default:
		return parse_no_more(key, arg, state);
	}
}

static const struct argp argp = {
	options,
	option,
	"DOMID ADDRESS [PAGES]",
	"Show the page-table entries on the way to PAGES pages (1) from ADDRESS on, in a 64-bit PV domain.",
	common_options,
	NULL,
	NULL,
};

static void show(uint64_t address, int level, uint64_t slot, uint64_t pte)
{
	char flags[FLAGS_TEXT];

	flags_text(pte, level, flags);
	if (!json) {
		printf("%#018" PRIx64 "  L%d  %#014" PRIx64 "  %#018" PRIx64
		       "  %s\n",
		       address, level, slot, pte, flags);
		return;
	}
	out_object(NULL);
	out_hex("address", address);
	out_number("level", (uint64_t)level);
	out_hex("slot", slot);
	out_hex("pte", pte);
	if (pte & PTEBATCH_PTE_P)
		out_hex("frame", (pte & PTEBATCH_PTE_FRAME) >> 12);
	out_string("flags", flags);
	out_close();
}

/* An entry of a higher level is shown once, for the first page below it. */
static int walk(struct domain *d, uint64_t address, uint64_t pages)
{
	const uint64_t first = address;
	struct walk w, before;

	memset(&before, 0, sizeof(before));
	while (pages) {
		int code = domain_walk(d, address, &w);
		uint64_t next;

		if (code)
			return code;
		for (int level = 4; level >= w.level; level--)
			if (w.slot[level] != before.slot[level] ||
			    level == w.level)
				show(address & ~(SPAN(level) - 1), level,
				     w.slot[level], w.pte[level]);
		before = w;
		next = (address | (SPAN(w.level) - 1)) + 1;
		if (!next || next - address >= pages << 12)
			break;
		pages -= (next - address) >> 12;
		address = next;
		/* Between the two canonical halves there are no entries. */
		if (first < UINT64_C(1) << 47 && address >= UINT64_C(1) << 47)
			break;
	}
	return 0;
}

int walk_command(int argc, char **argv)
{
	struct target o = { .pages = 1 };
	struct host h;
	struct domain d;
	int code;

	parse(&argp, argc, argv, &o);
	code = host_open(&h);
	if (code)
		return code;
	code = domain_open(&d, &h, o.domain, o.vcpu);
	if (!code) {
		if (json) {
			out_begin();
			out_number("domain", o.domain);
			out_number("vcpu", o.vcpu);
			out_hex("top", d.top);
			out_array("entries");
		} else {
			printf("%-18s  %-2s  %-14s  %-18s  %s\n", "address", "",
			       "slot", "pte", "flags");
		}
		code = walk(&d, o.address, o.pages);
		if (json) {
			out_close();
			out_end();
		}
	}
	domain_close(&d);
	host_close(&h);
	return code;
}
