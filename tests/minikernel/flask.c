/* SPDX-License-Identifier: MIT */
/*
 * Tests under an enforcing FLASK policy: the new calls are allowed and denied
 * the same operations as mmu_update, with the same error.
 *
 * Booleans of the policy (tools/minikernel.te) control the rights of this
 * domain's label. Two are for mapping its own memory, and two for mapping the
 * memory of another domain, which this file creates and which never runs. One
 * is for changing that domain's tables. The same rules hold for either owner
 * of the tables and of the pages, so the same tests run in all four cases.
 */
#include "other.h"
#include "tests.h"
#include "twin.h"

#include <xen/xsm/flask_op.h>

#define LABEL "system_u:system_r:minikernel_t"
#define OTHERS_LABEL "system_u:system_r:minikernel_other_t"
#define DATA (P | US | A | D)
#define EACCES 13
#define SELF PTEBATCH_DOMID_SELF

#define SLOTS 3u
#define PAGES 5u
/* A slot of this domain, after SLOTS, that maps the other domain's table. */
#define WINDOW PTEBATCH_TABLE_SLOTS

enum whose {
	OWN,
	OTHERS
};
static enum whose tables, pages; /* used by the tests */

static domid_t other;
static xen_pfn_t others_frames[PAGES];
static xen_pfn_t others_table;

static uint32_t owner_of(enum whose whose)
{
	return (tables == OTHERS ? (other + 1u) << 16 : 0) |
	       (whose == OTHERS ? other : SELF);
}

static uint32_t owner(void)
{
	return owner_of(pages);
}

static uint64_t slot(uint32_t i)
{
	return tables == OTHERS ? others_table << 12 | i * 8 : slot_at(i);
}

static uint64_t entry(uint32_t i)
{
	volatile uint64_t *window = va_at(WINDOW);

	return tables == OTHERS ? window[i] : *entry_at(i);
}

static uint64_t page_of(enum whose whose, uint32_t i)
{
	return whose == OTHERS ? others_frames[i] << 12 : page_maddr(i);
}

static uint64_t page(uint32_t i)
{
	return page_of(pages, i);
}

/* Maps the first pages by the first slots, through stock mmu_update. */
static int fill(uint32_t nr, uint64_t flags)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = twin_update(slot(i), page(i) | flags, owner());
	return err;
}

static int flask(xen_flask_op_t *op)
{
	op->interface_version = XEN_FLASK_INTERFACE_VERSION;
	return (int)hypercall5(__HYPERVISOR_xsm_op, (uint64_t)op, 0, 0, 0, 0);
}

static int allow(const char *what, int on)
{
	static char name[32];
	xen_flask_op_t op = { .cmd = FLASK_SETBOOL };
	uint32_t i;

	for (i = 0; what[i]; i++)
		name[i] = what[i];
	op.u.boolean.bool_id = ~0u;
	op.u.boolean.new_value = on;
	op.u.boolean.commit = 1;
	op.u.boolean.size = i;
	set_xen_guest_handle(op.u.boolean.name, name);
	return flask(&op);
}

/* The rights to map each domain's pages, and to change the other's tables. */
enum right {
	READ,
	WRITE
};
static const char *const booleans[][2] = {
	[OWN] = { "minikernel_map_read", "minikernel_map_write" },
	[OTHERS] = { "minikernel_other_map_read",
		     "minikernel_other_map_write" },
};
static const char remap[] = "minikernel_other_remap";

static int deny(enum right right)
{
	return allow(booleans[pages][right], 0);
}

/* Restores the initial state, also after a test that failed. */
static int begin(void)
{
	uint32_t i;

	if (allow(booleans[OWN][READ], 1) || allow(booleans[OWN][WRITE], 1) ||
	    allow(booleans[OTHERS][READ], 1) ||
	    allow(booleans[OTHERS][WRITE], 1) || allow(remap, 1) ||
	    ptebatch_set_owner(&batch, tables == OTHERS ? other : SELF,
			       pages == OTHERS ? other : SELF))
		return 1;
	if (tables == OWN)
		return 0;
	/* world_reset() clears only this domain's slots. */
	for (i = 0; i < SLOTS; i++)
		if (twin_update(slot(i), 0, owner()))
			return 1;
	return twin_update(slot_at(WINDOW), others_table << 12 | P | A,
			   other);
}

/*
 * Writes this entry to slot 0 by the new call and by stock mmu_update. Both
 * must return the same result. mmu_update runs second, so the change was made
 * by the new call.
 */
static int values_answer(uint64_t val)
{
	int stock, new;

	ptebatch_add_set(&batch, slot(0), val, PTEBATCH_SET_KEEP_AD);
	new = ptebatch_flush(&batch, NULL);
	if (new)
		ptebatch_discard(&batch);
	stock = twin_update(slot(0) | MMU_PT_UPDATE_PRESERVE_AD, val, owner());
	return stock == new ? new : 1;
}

/* Compares the list form with the register form, which has no owner. */
static int run_answer(uint64_t clear, uint64_t set)
{
	static uint64_t old;
	int reg, list;

	ptebatch_add_flags(&batch, slot(0), 1, clear, set);
	reg = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	ptebatch_add_flags_old(&batch, slot(0), 1, clear, set, &old);
	list = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	return reg == list ? reg : 1;
}

static int clear_answer(void)
{
	int err;

	ptebatch_add_clear(&batch, slot(0), 1, NULL);
	err = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	return err;
}

static const char *is_done(void)
{
	CHECK(!values_answer(page(0) | DATA));
	CHECK((entry(0) & (FRAME | P | RW)) == (page(0) | P));
	CHECK(!values_answer(page(0) | DATA | RW));
	CHECK(!run_answer(RW, NX));
	CHECK(!(entry(0) & RW));
	CHECK(!run_answer(NX, RW));
	CHECK(entry(0) & RW);
	CHECK(!clear_answer());
	CHECK(!entry(0));
	CHECK(!values_answer(page(1) | DATA | RW));
	CHECK((entry(0) & (FRAME | P | RW)) == (page(1) | P | RW));
	CHECK(!values_answer(0));
	CHECK(!(entry(0) & P));
	return NULL;
}

static const char *what_is_allowed_is_done(void)
{
	CHECK(!begin());
	return is_done();
}

/* Rights to domains that the call does not name must not matter. */
static const char *other_rights_make_no_difference(void)
{
	CHECK(!begin());
	CHECK(!allow(booleans[!pages][READ], 0));
	CHECK(!allow(booleans[!pages][WRITE], 0));
	CHECK(tables == OTHERS || !allow(remap, 0));
	return is_done();
}

static const char *mapping_writable_is_denied(void)
{
	uint64_t before;

	CHECK(!begin());
	CHECK(!fill(1, DATA | RW));
	before = entry(0);
	CHECK(!deny(WRITE));
	CHECK(values_answer(page(0) | DATA | RW) == -EACCES);
	CHECK(run_answer(0, RW) == -EACCES);
	/* A run that may keep RW needs the same right as one that sets RW. */
	CHECK(run_answer(0, NX) == -EACCES);
	CHECK(entry(0) == before);
	/* Changes that do not need the right succeed. */
	CHECK(!values_answer(page(0) | DATA));
	CHECK(!run_answer(RW, NX));
	CHECK(!(entry(0) & RW));
	CHECK(values_answer(page(0) | DATA | RW) == -EACCES);
	CHECK(!values_answer(0));
	CHECK(values_answer(page(0) | DATA | RW) == -EACCES);
	CHECK(!(entry(0) & P));
	return NULL;
}

static const char *mapping_at_all_is_denied(void)
{
	uint64_t before;

	CHECK(!begin());
	CHECK(!fill(1, DATA | RW));
	before = entry(0);
	CHECK(!deny(READ));
	CHECK(values_answer(page(0) | DATA) == -EACCES);
	CHECK(values_answer(page(0) | DATA | RW) == -EACCES);
	CHECK(run_answer(RW, 0) == -EACCES);
	CHECK(run_answer(RW, NX) == -EACCES);
	CHECK(entry(0) == before);
	/* Removing a mapping needs no right to map. */
	CHECK(!clear_answer());
	CHECK(!values_answer(0));
	CHECK(!(entry(0) & P));
	return NULL;
}

/* Each call asks for its rights again. */
static const char *a_batch_stops_where_it_is_denied(void)
{
	CHECK(!begin());
	CHECK(!fill(SLOTS, DATA));
	CHECK(!deny(WRITE));
	CHECK(!ptebatch_add_set(&batch, slot(0), page(3) | DATA,
				  PTEBATCH_SET_KEEP_AD));
	CHECK(!ptebatch_add_set(&batch, slot(1), page(1) | DATA | RW,
				  PTEBATCH_SET_KEEP_AD));
	CHECK(!ptebatch_add_set(&batch, slot(2), page(4) | DATA,
				  PTEBATCH_SET_KEEP_AD));
	CHECK(ptebatch_flush(&batch, NULL) == -EACCES);
	CHECK(batch.last.slots == 1 && batch.last.slot == slot(1));
	CHECK((entry(0) & FRAME) == page(3));
	CHECK((entry(2) & FRAME) == page(2));
	CHECK(!allow(booleans[pages][WRITE], 1));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(entry(1) & RW);
	return NULL;
}

/* The domain may map the page, but only if the call names the page's owner. */
static const char *a_page_of_another_than_is_named_is_refused(void)
{
	const uint64_t unnamed = page_of(!pages, 0) | DATA;
	uint64_t before;

	CHECK(!begin());
	CHECK(!fill(1, DATA));
	before = entry(0);
	CHECK(values_answer(unnamed) == -PTEBATCH_EBUSY);
	CHECK(values_answer(unnamed | RW) == -PTEBATCH_EBUSY);
	CHECK(entry(0) == before);
	CHECK(!twin_update(slot(0), unnamed, owner_of(!pages)));
	before = entry(0);
	CHECK(values_answer(unnamed | RW) == -PTEBATCH_EBUSY);
	CHECK(run_answer(0, RW) == -PTEBATCH_EBUSY);
	CHECK(entry(0) == before);
	CHECK(!clear_answer());
	CHECK(!entry(0));
	return NULL;
}

/* Changes to the other domain's tables; even no-ops and clears are denied. */
static const char *changing_the_tables_is_denied(void)
{
	uint64_t before;

	CHECK(!begin());
	CHECK(!fill(1, DATA | RW));
	before = entry(0);
	CHECK(!allow(remap, 0));
	CHECK(values_answer(page(1) | DATA) == -EACCES);
	CHECK(values_answer(0) == -EACCES);
	CHECK(run_answer(RW, NX) == -EACCES);
	CHECK(clear_answer() == -EACCES);
	CHECK(values(0, 0, 0, owner(), 0) == -EACCES);
	CHECK(runs(0, 0, PTEBATCH_HOW_LIST, owner(), 0) == -EACCES);
	CHECK(entry(0) == before);
	CHECK(!allow(remap, 1));
	return is_done();
}

static const struct test flask_tests[] = {
	TEST(what_is_allowed_is_done),
	TEST(mapping_writable_is_denied),
	TEST(mapping_at_all_is_denied),
	TEST(a_batch_stops_where_it_is_denied),
	TEST(other_rights_make_no_difference),
	TEST(a_page_of_another_than_is_named_is_refused),
	{ "what_is_allowed_again_is_done", what_is_allowed_is_done, 0 },
	{ NULL, NULL, 0 },
};

static const struct test tables_tests[] = {
	TEST(changing_the_tables_is_denied),
	{ NULL, NULL, 0 },
};

static uint32_t sid_of(char *label, uint32_t size)
{
	xen_flask_op_t op = { .cmd = FLASK_CONTEXT_TO_SID };
	int err;

	op.u.sid_context.size = size;
	set_xen_guest_handle(op.u.sid_context.context, label);
	err = flask(&op);
	if (err)
		panic("the policy has no label %s: %d", label, err);
	return op.u.sid_context.sid;
}

/* The other domain, with a page that is an L1 table. */
static void make_other(uint32_t sid)
{
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE };
	uint32_t i;

	other = other_make(sid, PAGES + 1);
	for (i = 0; i < PAGES; i++)
		others_frames[i] = other_page(other) >> 12;

	/* A debug Xen fills new pages with a pattern that is no valid entry. */
	others_table = other_page(other) >> 12;
	if (twin_update(slot_at(WINDOW), others_table << 12 | DATA | RW,
			other))
		panic("the other domain's page cannot be mapped");
	memset(va_at(WINDOW), 0, PAGE);
	world_reset();
	pin.arg1.mfn = others_table;
	if (hypercall5(__HYPERVISOR_mmuext_op, (uint64_t)&pin, 1, 0, other, 0))
		panic("the other domain's page does not become a table");
}

void flask_run(void)
{
	static char label[] = LABEL, others_label[] = OTHERS_LABEL;
	xen_flask_op_t relabel = { .cmd = FLASK_RELABEL_DOMAIN };
	/* While still labelled as dom0, which may ask for SIDs. */
	uint32_t others_sid = sid_of(others_label, sizeof(others_label) - 1);
	int err;

	relabel.u.relabel.domid = DOMID_SELF;
	relabel.u.relabel.sid = sid_of(label, sizeof(label) - 1);
	err = flask(&relabel);
	if (err)
		panic("this domain cannot take the label: %d", err);
	if (!use_new_calls())
		panic("no new calls");
	make_other(others_sid);

	run_tests("flask", flask_tests);
	pages = OTHERS;
	run_tests("flask, pages of another domain", flask_tests);
	tables = OTHERS;
	run_tests("flask, tables and pages of another domain", flask_tests);
	run_tests("flask, tables and pages of another domain", tables_tests);
	pages = OWN;
	run_tests("flask, tables of another domain", flask_tests);
	run_tests("flask, tables of another domain", tables_tests);
}
