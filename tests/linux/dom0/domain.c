/* SPDX-License-Identifier: MIT */
/*
 * Operations of dom0 on a domain that the script "minikernel" (beside this
 * file) needs and xl does not have:
 *
 *   domain free              prints the numbers of free pages and of domains
 *   domain shadow ID         moves the domain to shadow page tables
 *   domain shadowed ID       succeeds if the domain is on shadow page tables
 *   domain unshadowed ID     succeeds if it is not
 *   domain log-dirty ID      puts the domain in log-dirty mode
 *   domain hold ID FRAME     maps a page of the domain until killed
 *   domain watch ID FRAME    tests the bitmap of a domain in log-dirty mode
 *   domain foreign ID FRAME  tests that dom0 can change a paused domain's tables
 *   domain reach ID FRAME    prints how many slots of the minikernel's table it
 *                            can read and write, and the table's address
 *   domain end ID FRAME      makes the minikernel power off
 *   domain calls on|off      turns Xen's hypercalls for batches on or off, as
 *                            "xenhypfs write" does
 *
 * FRAME is the frame number of the minikernel's mailbox. Test results are
 * printed as TAP without a plan. The exit status is the number of failures.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/hypfs.h>

#include <ptebatch/xencall.h>

#include "../../common/pte.h"
#include "../../common/tap.h"
#include "mailbox.h"

#define BOTH (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES)
#define SLOTS MAILBOX_SLOTS
#define ROUNDS 4u

static xc_interface *xc;
static uint32_t id;
static struct mailbox *box;
static const volatile uint64_t *table; /* read-only */

static void __attribute__((noreturn)) die(const char *what)
{
	printf("# domain: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void report(const char *what, bool good)
{
	tap_result(NULL, what, good ? NULL : "it is not so");
}

static void *map(uint64_t frame, int prot)
{
	static xenforeignmemory_handle *memory;
	xen_pfn_t pfn = frame;
	int err = 0;
	void *p;

	if (!memory)
		memory = xenforeignmemory_open(NULL, 0);
	if (!memory)
		die("xenforeignmemory_open");
	p = xenforeignmemory_map(memory, id, prot, 1, &pfn, &err);
	if (!p || err) {
		errno = -err;
		die("a frame of the domain cannot be mapped");
	}
	return p;
}

/* Makes the minikernel do a job ("what"). False if the job failed. */
static bool ask(uint32_t what, bool stock)
{
	uint32_t number = box->asked + 1;

	box->what = what;
	box->stock = stock;
	__atomic_store_n(&box->asked, number, __ATOMIC_RELEASE);
	for (int left = 60000; left; left--) {
		if (__atomic_load_n(&box->done, __ATOMIC_ACQUIRE) == number) {
			if (box->line)
				printf("# the minikernel failed in line %d\n",
				       box->line);
			return !box->line;
		}
		usleep(1000);
	}
	die("the minikernel does not answer");
}

/* ---- Xen's parameter ---- */

static void turn_calls(const char *to)
{
	static const char path[] = "/params/ptebatch";
	const char *value = strcmp(to, "on") ? "no-calls" : "calls";
	xencall_handle *call = xencall_open(NULL, 0);
	char *buffer = call ? xencall_alloc_buffer(call, 4096) : NULL;

	if (!buffer)
		die("xencall");
	memcpy(buffer, path, sizeof(path));
	strcpy(buffer + sizeof(path), value);
	if (xencall5(call, __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_write_contents,
		     (uintptr_t)buffer, sizeof(path),
		     (uintptr_t)buffer + sizeof(path), strlen(value) + 1))
		die(path);
	xencall_free_buffer(call, buffer);
	xencall_close(call);
}

/* ---- Log-dirty mode ---- */

static uint8_t *bitmap;
static unsigned long pages;

static bool dirty(unsigned long pfn)
{
	return bitmap[pfn / 8] >> pfn % 8 & 1;
}

/* With PEEK as op Xen keeps its bitmap, with CLEAN it clears it. */
static void take_bitmap(unsigned int op)
{
	DECLARE_HYPERCALL_BUFFER(uint8_t, bits);

	bits = xc_hypercall_buffer_alloc_pages(
		xc, bits, (pages / 8 + XC_PAGE_SIZE) / XC_PAGE_SIZE);
	if (!bits || xc_logdirty_control(xc, id, op, HYPERCALL_BUFFER(bits),
					 pages, 0, NULL) < 0)
		die("reading the log-dirty bitmap");
	memcpy(bitmap, bits, pages / 8);
	xc_hypercall_buffer_free_pages(
		xc, bits, (pages / 8 + XC_PAGE_SIZE) / XC_PAGE_SIZE);
}

/* True if exactly the written ones among the test's pages are dirty. */
static bool shows_writes(void)
{
	unsigned long pfn, wrong = 0, written = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		if (box->reached[i] & MAILBOX_WRITTEN) {
			written++;
			if (!dirty(box->pfn[i]) && !wrong++)
				printf("# slot %u was written, page %u is not dirty\n",
				       i, box->pfn[i]);
		}
	for (pfn = box->first_pfn; pfn <= box->last_pfn; pfn++)
		written -= dirty(pfn);
	if (written)
		printf("# %ld pages too many are dirty\n", -(long)written);
	return !wrong && !written;
}

/* ---- A foreign owner ---- */

static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
	(void)ctx;
	if ((slot ^ box->table) & ~0xfffull)
		return NULL;
	return (volatile uint64_t *)table + (slot & 0xfff) / 8;
}

static struct ptebatch_xencall dom0;
static struct ptebatch_env env = {
	.hypercall = ptebatch_xencall,
	.map = map_slot,
	.ctx = &dom0,
	.features = PTEBATCH_ENV_PRESERVE_AD,
};
static struct ptebatch batch;
static uint64_t storage[5 * 256];
static uint64_t was[SLOTS], wanted[SLOTS], old[SLOTS];

static uint64_t slot_at(uint32_t i)
{
	return box->table + 8 * i;
}

static bool table_is_as_wanted(uint64_t ignored)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		if ((table[i] ^ wanted[i]) & ~ignored && !wrong++)
			printf("# slot %u: %#lx, not %#lx\n", i,
			       (unsigned long)table[i],
			       (unsigned long)wanted[i]);
	return !wrong;
}

/* Runs with and without old values, and more of them than one call takes. */
static bool change_runs(bool stock)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < 256; i++) {
		wanted[i] = was[i] & P ? (was[i] & ~RW) | NX : was[i];
		if (ptebatch_add_flags(&batch, slot_at(i), 1, RW, NX))
			return false;
	}
	for (i = 300; i < SLOTS; i += 2) {
		wanted[i] = was[i] & P ? was[i] | 0x200 : was[i];
		if (ptebatch_add_flags(&batch, slot_at(i), 1, 0, 0x200))
			return false;
	}
	/* The mmu_update backend gives no old values of a foreign table. */
	for (i = 256; i < 300; i++)
		wanted[i] = 0;
	if (ptebatch_add_clear(&batch, slot_at(256), 44, stock ? NULL : old))
		return false;
	if (ptebatch_flush(&batch, NULL))
		return false;
	for (i = 0; !stock && i < 44; i++)
		wrong += old[i] != was[256 + i];
	return !wrong;
}

/* Restores the original values, except that two pages are exchanged. */
static bool change_values(void)
{
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		wanted[i] = was[i];
		if (i == 17 || i == 18)
			wanted[i] = was[35 - i];
		if (ptebatch_add_set(&batch, slot_at(i), wanted[i],
				     PTEBATCH_SET_EXACT))
			return false;
	}
	return !ptebatch_flush(&batch, NULL);
}

static bool flush_tlb(bool stock)
{
	static const struct ptebatch_tlb all = { PTEBATCH_TLB_ALL, 0, 0, 0, 0 };

	/* mmuext_op cannot name a domain. */
	return stock || !ptebatch_flush(&batch, &all);
}

static bool domain_sees_it(void)
{
	uint64_t sum = mailbox_sum(table);
	uint32_t i, wrong = 0;

	/* The minikernel's accesses set A and D, so the sum is taken first. */
	if (!ask(MAILBOX_LOOK, false) || box->sum != sum)
		return false;
	for (i = 0; i < SLOTS; i++) {
		uint8_t may = table[i] & P ? MAILBOX_READ : 0;

		if (may && (table[i] & RW))
			may |= MAILBOX_WRITTEN;
		wrong += box->reached[i] != may;
	}
	if (wrong)
		printf("# %u slots cannot be reached as they say\n", wrong);
	return !wrong;
}

static bool changes_while_paused(bool stock)
{
	bool done;

	if (xc_domain_pause(xc, id))
		die("pausing the domain");
	memcpy(was, (const void *)table, sizeof(was));
	memcpy(wanted, was, sizeof(was));
	done = change_runs(stock) && table_is_as_wanted(0);
	if (!done)
		printf("# %s, after %lu slots\n",
		       ptebatch_strerror(batch.last.err),
		       (unsigned long)batch.last.slots);
	done &= flush_tlb(stock);
	if (xc_domain_unpause(xc, id))
		die("unpausing the domain");
	return done;
}

static bool changes_back(bool stock)
{
	bool done;

	if (xc_domain_pause(xc, id))
		die("pausing the domain");
	/* The domain ran before this, and has set A and D in some entries. */
	done = change_values() && table_is_as_wanted(AD) && flush_tlb(stock);
	if (xc_domain_unpause(xc, id))
		die("unpausing the domain");
	return done;
}

static bool refused(uint32_t tables, uint32_t pages, int err)
{
	bool as_said;

	if (ptebatch_set_owner(&batch, tables, pages) ||
	    ptebatch_add_set(&batch, slot_at(0), table[0], PTEBATCH_SET_EXACT))
		return false;
	as_said = ptebatch_flush(&batch, NULL) == err;
	if (!as_said)
		printf("# %s\n", ptebatch_strerror(batch.last.err));
	ptebatch_discard(&batch);
	return as_said;
}

static void use(const struct ptebatch_backend *backend)
{
	if (ptebatch_xencall_open(&dom0, NULL))
		die("xencall");
	if (backend->probe(&env) ||
	    ptebatch_init(&batch, sizeof(batch), backend, &env, storage, sizeof(storage)) ||
	    ptebatch_set_owner(&batch, id, id))
		die("the library cannot be used");
}

static void foreign(void)
{
	static const struct ptebatch_backend *const by[] = {
		&ptebatch_hypercall,
		&ptebatch_mmu_update,
	};
	const uint32_t nobody = 0x7abc;

	for (int stock = 0; stock < 2; stock++) {
		char name[120];

		use(by[stock]);
		if (!stock)
			report("foreign tables: dom0 has the new calls",
			       (env.have & BOTH) == BOTH);
#define TEST(what, test)                                                    \
	do {                                                                \
		snprintf(name, sizeof(name), "foreign tables by %s: " what, \
			 by[stock]->name);                                  \
		report(name, test);                                         \
	} while (0)
		TEST("dom0 changes the tables of a paused domain",
		     changes_while_paused(stock));
		TEST("the domain sees the changes", domain_sees_it());
		TEST("dom0 writes full values", changes_back(stock));
		TEST("the domain sees the full values", domain_sees_it());
		TEST("the domain can still change its tables",
		     ask(MAILBOX_CHANGE, stock));
		TEST("a domain that does not exist is -ESRCH",
		     refused(nobody, nobody, -PTEBATCH_ESRCH));
		TEST("dom0 itself as the owner of the pages is -ESRCH",
		     refused(id, 0, -PTEBATCH_ESRCH));
		ptebatch_xencall_close(&dom0);
	}
}

/* ---- Log-dirty mode, with changes by the domain and by dom0 ---- */

static void watch(void)
{
	for (uint32_t round = 0; round < 2 * ROUNDS; round++) {
		bool stock = round & 1;
		char name[120];

		take_bitmap(XEN_DOMCTL_SHADOW_OP_CLEAN);
		snprintf(name, sizeof(name),
			 "log-dirty, round %u: mappings made %s work", round,
			 stock ? "by mmu_update" : "by the new calls");
		report(name, ask(MAILBOX_CHANGE, stock));
		take_bitmap(round & 2 ? XEN_DOMCTL_SHADOW_OP_CLEAN
				      : XEN_DOMCTL_SHADOW_OP_PEEK);
		snprintf(
			name, sizeof(name),
			"log-dirty, round %u: the pages written by them are dirty, no others",
			round);
		report(name, shows_writes());
		snprintf(name, sizeof(name),
			 "log-dirty, round %u: the changed table is dirty",
			 round);
		report(name, dirty(box->table_pfn));
	}
	/* Writes through a mapping made before CLEAN are logged again. */
	take_bitmap(XEN_DOMCTL_SHADOW_OP_CLEAN);
	report("log-dirty: the domain writes to all it can reach",
	       ask(MAILBOX_LOOK, false));
	take_bitmap(XEN_DOMCTL_SHADOW_OP_PEEK);
	report("log-dirty: pages written through older mappings are dirty, no others",
	       shows_writes());

	/* The domain is paused, so only dom0's changes can be logged. */
	use(&ptebatch_hypercall);
	take_bitmap(XEN_DOMCTL_SHADOW_OP_CLEAN);
	report("log-dirty: dom0 changes the domain's table",
	       changes_while_paused(false));
	take_bitmap(XEN_DOMCTL_SHADOW_OP_PEEK);
	report("log-dirty: a table that dom0 changes is dirty",
	       dirty(box->table_pfn));
	report("log-dirty: the domain sees dom0's change", domain_sees_it());
	ptebatch_xencall_close(&dom0);
}

/* ---- */

static void reach(void)
{
	unsigned int read = 0, written = 0;

	if (!ask(MAILBOX_LOOK, false))
		die("the minikernel cannot look");
	for (uint32_t i = 0; i < SLOTS; i++) {
		read += !!(box->reached[i] & MAILBOX_READ);
		written += !!(box->reached[i] & MAILBOX_WRITTEN);
	}
	printf("%u %u %#lx\n", read, written, (unsigned long)box->table);
}

static void print_free(void)
{
	xc_physinfo_t info = { 0 };
	xc_dominfo_t domains[64];
	int nr = xc_domain_getinfo(xc, 0, 64, domains);

	if (nr < 0 || xc_physinfo(xc, &info))
		die("physinfo");
	printf("%lu %d\n", (unsigned long)(info.free_pages + info.scrub_pages),
	       nr);
}

static void enable(unsigned int mode)
{
	if (xc_shadow_control(xc, id, mode, NULL, 0) < 0)
		die("entering the mode");
}

/* Only a domain on shadow page tables has memory for them. */
static bool shadowed(void)
{
	unsigned int mb = 0;

	if (xc_shadow_control(xc, id, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, &mb,
			      0) < 0)
		die("reading the shadow allocation");
	return mb;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setlinebuf(stdout);
	xc = xc_interface_open(NULL, NULL, 0);
	if (!xc)
		die("xc_interface_open");
	if (argc == 3 && !strcmp(what, "calls")) {
		turn_calls(argv[2]);
		return 0;
	}
	if (argc > 2)
		id = strtoul(argv[2], NULL, 10);
	if (argc > 3) {
		box = map(strtoul(argv[3], NULL, 10), PROT_READ | PROT_WRITE);
		if (box->table)
			table = map(box->table / XC_PAGE_SIZE, PROT_READ);
		pages = (box->last_pfn / 4096 + 1) * 4096ul;
		bitmap = calloc(pages / 8, 1);
	}

	if (!strcmp(what, "free"))
		print_free();
	else if (!strcmp(what, "shadow"))
		enable(XEN_DOMCTL_SHADOW_OP_ENABLE_TEST);
	else if (!strcmp(what, "shadowed"))
		return !shadowed();
	else if (!strcmp(what, "unshadowed"))
		return shadowed();
	else if (!strcmp(what, "log-dirty"))
		enable(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
	else if (!strcmp(what, "hold") && box)
		pause();
	else if (!strcmp(what, "watch") && table)
		watch();
	else if (!strcmp(what, "foreign") && table)
		foreign();
	else if (!strcmp(what, "reach") && table)
		reach();
	else if (!strcmp(what, "end") && box)
		ask(MAILBOX_END, false);
	else
		die("no such command");
	return tap.failed;
}
