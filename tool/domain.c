/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "tool.h"

static int gone(const struct domain *d)
{
	return fail(TOOL_DOMAIN_GONE, "domain %u has disappeared", d->id);
}

/* 1: it is there and lives; 0: not; negative: an exit code, with its sign. */
static int look(struct domain *d, xc_domaininfo_t *info)
{
	int nr = xc_domain_getinfolist(d->host->xc, d->id, 1, info);

	if (nr < 0) {
		if (errno == EPERM || errno == EACCES)
			return -fail(
				TOOL_DENIED,
				"this domain has no right to look at others: %s",
				strerror(errno));
		return -fail(TOOL_FAILED, "domain %u: %s", d->id,
			     strerror(errno));
	}
	return nr == 1 && info->domain == d->id &&
	       !(info->flags & XEN_DOMINF_dying);
}

int domain_look(struct domain *d)
{
	xc_domaininfo_t info;
	int there = look(d, &info);

	if (there <= 0)
		return there ? -there : gone(d);
	d->paused = info.flags & XEN_DOMINF_paused;
	return 0;
}

/* After an error: the domain may be the reason. */
static int failed(struct domain *d, const char *what, int err)
{
	xc_domaininfo_t info;
	int there = look(d, &info);

	if (there < 0)
		return -there;
	if (!there)
		return gone(d);
	return fail(err == EPERM || err == EACCES ? TOOL_DENIED : TOOL_FAILED,
		    "domain %u: %s: %s", d->id, what, strerror(err));
}

static int check(struct domain *d)
{
	xc_domaininfo_t info;
	unsigned int width = 0;
	int there = look(d, &info);

	if (there < 0)
		return -there;
	if (!there)
		return fail(TOOL_NO_DOMAIN, "there is no domain %u", d->id);
	if (info.flags & XEN_DOMINF_hvm_guest)
		return fail(
			TOOL_WRONG_DOMAIN,
			"domain %u is an HVM or PVH guest, which writes its page tables without Xen",
			d->id);
	if (xc_domain_get_guest_width(d->host->xc, d->id, &width))
		return failed(d, "its word size cannot be read", errno);
	if (width != 8)
		return fail(TOOL_WRONG_DOMAIN, "domain %u is a 32-bit PV guest",
			    d->id);
	if (d->vcpu > info.max_vcpu_id)
		return fail(TOOL_USAGE, "domain %u has no vCPU %u", d->id,
			    d->vcpu);
	d->paused = info.flags & XEN_DOMINF_paused;
	return 0;
}

int domain_open(struct domain *d, struct host *h, uint32_t id, uint32_t vcpu)
{
	vcpu_guest_context_any_t context;
	int code;

	memset(d, 0, sizeof(*d));
	d->host = h;
	d->id = id;
	d->vcpu = vcpu;
	if (!h->control)
		return fail(TOOL_DENIED,
			    "only the control domain may look at others");
	if (!id)
		return fail(
			TOOL_WRONG_DOMAIN,
			"domain 0 runs this command, so its tables change meanwhile");
	code = check(d);
	if (code)
		return code;
	if (xc_vcpu_getcontext(h->xc, id, vcpu, &context))
		return failed(d, "the registers of its vCPU cannot be read",
			      errno);
	d->top = context.x64.ctrlreg[3] & PTEBATCH_PTE_FRAME;
	if (!d->top)
		return fail(TOOL_FAILED,
			    "vCPU %u of domain %u has no page tables", vcpu,
			    id);
	d->memory = xenforeignmemory_open(h->log, 0);
	if (!d->memory)
		return fail(errno == EACCES || errno == EPERM ? TOOL_DENIED
							      : TOOL_FAILED,
			    "memory of other domains cannot be mapped: %s",
			    strerror(errno));
	return 0;
}

static void unmap(struct domain *d, int level)
{
	if (d->table[level].entries)
		xenforeignmemory_unmap(d->memory,
				       (void *)d->table[level].entries, 1);
	d->table[level].entries = NULL;
}

void domain_close(struct domain *d)
{
	for (int level = 1; level <= 4; level++)
		unmap(d, level);
	if (d->memory)
		xenforeignmemory_close(d->memory);
	d->memory = NULL;
}

/* A PV guest's machine frames are its frame numbers for foreign mappings. */
static int map(struct domain *d, int level, uint64_t maddr)
{
	xen_pfn_t frame = maddr >> 12;
	int err = 0;
	void *p;

	if (d->table[level].entries && d->table[level].maddr == maddr)
		return 0;
	unmap(d, level);
	p = xenforeignmemory_map(d->memory, d->id, PROT_READ, 1, &frame, &err);
	if (p && err) {
		xenforeignmemory_unmap(d->memory, p, 1);
		p = NULL;
		errno = -err;
	}
	if (!p)
		return failed(d, "a page table cannot be read", errno);
	d->table[level].entries = p;
	d->table[level].maddr = maddr;
	return 0;
}

int domain_walk(struct domain *d, uint64_t address, struct walk *w)
{
	uint64_t maddr = d->top;

	for (int level = 4;; level--) {
		unsigned int i = address >> (3 + 9 * level) & 511;
		uint64_t pte;
		int code = map(d, level, maddr);

		if (code)
			return code;
		pte = d->table[level].entries[i];
		w->level = level;
		w->slot[level] = maddr + 8 * i;
		w->pte[level] = pte;
		if (level == 1 || !(pte & PTEBATCH_PTE_P) ||
		    (level < 4 && pte & 0x80)) /* a large page */
			return 0;
		maddr = pte & PTEBATCH_PTE_FRAME;
	}
}

void flags_text(uint64_t pte, int level, char text[FLAGS_TEXT])
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {
		{ 1 << 0, "P" },      { 1 << 1, "RW" },
		{ 1 << 2, "US" },     { 1 << 3, "PWT" },
		{ 1 << 4, "PCD" },    { 1 << 5, "A" },
		{ 1 << 6, "D" },      { 1 << 7, NULL },
		{ 1 << 8, "G" },      { 1 << 9, "AVL9" },
		{ 1 << 10, "AVL10" }, { 1 << 11, "AVL11" },
		{ 1ull << 63, "NX" },
	};
	size_t at = 0;

	text[0] = 0;
	if (!(pte & PTEBATCH_PTE_P)) {
		snprintf(text, FLAGS_TEXT, pte ? "absent" : "empty");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *name = names[i].name;

		if (!name)
			name = level == 1 ? "PAT" : "PS";
		if (pte & names[i].bit)
			at += (size_t)snprintf(text + at, FLAGS_TEXT - at,
					       "%s%s", at ? " " : "", name);
	}
	/* What Linux and Xen use of these differs by version. */
	if (pte >> 52 & 0x7ff)
		snprintf(text + at, FLAGS_TEXT - at, " bits52-62=0x%x",
			 (unsigned int)(pte >> 52 & 0x7ff));
}

static uint64_t parse_address(struct argp_state *state, const char *text)
{
	uint64_t address = parse_number(state, "ADDRESS", text, 0, UINT64_MAX);

	if ((uint64_t)((int64_t)(address << 16) >> 16) != address)
		argp_error(state, "ADDRESS %s is not canonical", text);
	return address & ~UINT64_C(0xfff);
}

bool parse_target(int key, const char *arg, struct argp_state *state,
		  uint64_t most_pages, struct target *t)
{
	if (key == 'c')
		t->vcpu = (uint32_t)parse_number(state, "--vcpu", arg, 0, 8191);
	else if (key == ARGP_KEY_ARG && state->arg_num == 0)
		t->domain =
			(uint32_t)parse_number(state, "DOMID", arg, 0, 0x7fef);
	else if (key == ARGP_KEY_ARG && state->arg_num == 1)
		t->address = parse_address(state, arg);
	else if (key == ARGP_KEY_ARG && state->arg_num == 2)
		t->pages = parse_number(state, "PAGES", arg, 1, most_pages);
	else
		return false;
	return true;
}
