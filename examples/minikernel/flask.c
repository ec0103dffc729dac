/* SPDX-License-Identifier: MIT */
/*
 * XSM with FLASK, enforcing: under a label whose right to map its own memory
 * two booleans of the policy decide (tests/xen/minikernel.te), the new calls
 * are allowed and denied what mmu_update is, by the same error.
 */
#include "minikernel.h"
#include "tests.h"

#include <xen/xsm/flask_op.h>

#define LABEL "system_u:system_r:minikernel_t"
#define DATA (P | US | A | D)
#define EACCES 13
#define SELF PTEBATCH_DOMID_SELF

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

/* As it is before each test, also where the one before failed. */
static int allow_all(void)
{
	return allow("minikernel_map_read", 1) ||
	       allow("minikernel_map_write", 1);
}

/* Each way to give slot 0 this entry; all have to answer the same. */
static int values_answer(uint64_t entry)
{
	mmu_update_t u = { slot_maddr(0) | MMU_PT_UPDATE_PRESERVE_AD, entry };
	int stock, new;

	stock = (int)hypercall5(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0,
				SELF, 0);
	ptebatch_add_value(&batch, slot_maddr(0), entry, PTEBATCH_VALUE_KEEP);
	new = ptebatch_flush(&batch, NULL);
	if (new)
		ptebatch_discard(&batch);
	return stock == new ? new : 1;
}

/* Of the register form, and of the list form. */
static int run_answer(uint64_t clear, uint64_t set)
{
	static uint64_t old;
	int reg, list;

	ptebatch_add_run(&batch, slot_maddr(0), 1, clear, set);
	reg = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	ptebatch_add_run_old(&batch, slot_maddr(0), 1, clear, set, &old);
	list = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	return reg == list ? reg : 1;
}

static int clear_answer(void)
{
	int err;

	ptebatch_add_clear(&batch, slot_maddr(0), 1, NULL);
	err = ptebatch_flush(&batch, NULL);
	ptebatch_discard(&batch);
	return err;
}

static const char *what_is_allowed_is_done(void)
{
	CHECK(!allow_all());
	slots_fill(0, 1, 1, 0, DATA | RW);
	CHECK(!values_answer(page_maddr(0) | DATA));
	CHECK(!values_answer(page_maddr(0) | DATA | RW));
	CHECK(!run_answer(RW, NX));
	CHECK(!run_answer(NX, RW));
	CHECK(*slot_entry(0) & RW);
	CHECK(!clear_answer());
	CHECK(!*slot_entry(0));
	return NULL;
}

static const char *mapping_writable_is_denied(void)
{
	uint64_t before;

	CHECK(!allow_all());
	slots_fill(0, 1, 1, 0, DATA | RW);
	before = *slot_entry(0);
	CHECK(!allow("minikernel_map_write", 0));
	CHECK(values_answer(page_maddr(0) | DATA | RW) == -EACCES);
	CHECK(run_answer(0, RW) == -EACCES);
	/* A run that may leave RW as it is asks as if it set it. */
	CHECK(run_answer(0, NX) == -EACCES);
	CHECK(*slot_entry(0) == before);
	/* What needs less is done. */
	CHECK(!values_answer(page_maddr(0) | DATA));
	CHECK(!run_answer(RW, NX));
	CHECK(!(*slot_entry(0) & RW));
	CHECK(values_answer(page_maddr(0) | DATA | RW) == -EACCES);
	CHECK(!values_answer(0));
	CHECK(values_answer(page_maddr(0) | DATA | RW) == -EACCES);
	CHECK(!(*slot_entry(0) & P));
	return NULL;
}

static const char *mapping_at_all_is_denied(void)
{
	uint64_t before;

	CHECK(!allow_all());
	slots_fill(0, 1, 1, 0, DATA | RW);
	before = *slot_entry(0);
	CHECK(!allow("minikernel_map_read", 0));
	CHECK(values_answer(page_maddr(0) | DATA) == -EACCES);
	CHECK(values_answer(page_maddr(0) | DATA | RW) == -EACCES);
	CHECK(run_answer(RW, 0) == -EACCES);
	CHECK(run_answer(RW, NX) == -EACCES);
	CHECK(*slot_entry(0) == before);
	/* Taking a mapping away maps nothing. */
	CHECK(!clear_answer());
	CHECK(!values_answer(0));
	CHECK(!(*slot_entry(0) & P));
	return NULL;
}

/* What was allowed once in a call is asked anew in the next. */
static const char *a_batch_stops_where_it_is_denied(void)
{
	CHECK(!allow_all());
	slots_fill(0, 3, 1, 0, DATA);
	CHECK(!allow("minikernel_map_write", 0));
	CHECK(!ptebatch_add_value(&batch, slot_maddr(0), page_maddr(3) | DATA,
				  PTEBATCH_VALUE_KEEP));
	CHECK(!ptebatch_add_value(&batch, slot_maddr(1),
				  page_maddr(1) | DATA | RW,
				  PTEBATCH_VALUE_KEEP));
	CHECK(!ptebatch_add_value(&batch, slot_maddr(2), page_maddr(4) | DATA,
				  PTEBATCH_VALUE_KEEP));
	CHECK(ptebatch_flush(&batch, NULL) == -EACCES);
	CHECK(batch.last.slots == 1 && batch.last.pte == slot_maddr(1));
	CHECK((*slot_entry(0) & FRAME) == page_maddr(3));
	CHECK((*slot_entry(2) & FRAME) == page_maddr(2));
	CHECK(!allow("minikernel_map_write", 1));
	CHECK(!ptebatch_flush(&batch, NULL));
	CHECK(*slot_entry(1) & RW);
	return NULL;
}

#define TEST(f) { #f, f, 0 }
static const struct test flask_tests[] = {
	TEST(what_is_allowed_is_done),
	TEST(mapping_writable_is_denied),
	TEST(mapping_at_all_is_denied),
	TEST(a_batch_stops_where_it_is_denied),
	{ "what_is_allowed_again_is_done", what_is_allowed_is_done, 0 },
	{ NULL, NULL, 0 },
};

void flask_run(void)
{
	static char label[] = LABEL;
	xen_flask_op_t sid = { .cmd = FLASK_CONTEXT_TO_SID };
	xen_flask_op_t relabel = { .cmd = FLASK_RELABEL_DOMAIN };
	int err;

	sid.u.sid_context.size = sizeof(label) - 1;
	set_xen_guest_handle(sid.u.sid_context.context, label);
	err = flask(&sid);
	if (err)
		panic("the policy has no label " LABEL ": %d", err);
	relabel.u.relabel.domid = DOMID_SELF;
	relabel.u.relabel.sid = sid.u.sid_context.sid;
	err = flask(&relabel);
	if (err)
		panic("the label cannot be taken on: %d", err);
	if (!use_new_calls())
		panic("no new calls");
	run_tests("flask", flask_tests);
}
