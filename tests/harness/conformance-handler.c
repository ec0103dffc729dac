/* SPDX-License-Identifier: MIT */
/*
 * Runs the conformance suite against the handlers' source in the harness, in
 * one process, through the library and its hypercall backend. The suite's own
 * tests must pass, no rule of harness.h may be broken, and all counts must add
 * up. The makefile builds this program twice: with the usual interval between
 * checks for preemption, and with each call preempted at every entry.
 */
#include <harness.h>

#include "../conformance/report.h"

static uint64_t bad[8];

static int64_t hypercall(void *ctx, uint32_t op, uint64_t a1, uint64_t a2,
			 uint64_t a3, uint64_t a4, uint64_t a5)
{
	const int *older = ctx;

	/* Then the library passes a single entry as a list of one record. */
	if (*older && PTEBATCH_HOW_OP(a3) == PTEBATCH_HOW_PROBE &&
	    a2 == PTEBATCH_ASK_OPS)
		return -PTEBATCH_EOPNOTSUPP;
	return hx_call(op, a1, a2, a3, a4, a5);
}

static volatile uint64_t *slot(void *ctx, uint64_t maddr)
{
	uint64_t table = (maddr >> 12) - MFN_TABLE;

	(void)ctx;
	return table < NR_TABLES ? hx_mapping(table, (maddr & 0xfff) / 8)
				 : NULL;
}

static void reset(struct conf_world *w)
{
	unsigned int preempt = hx.preempt;

	(void)w;
	harness_reset();
	hx.preempt = preempt;
	hx.fault = (uintptr_t)bad;
	hx.fault_end = (uintptr_t)(bad + ARRAY_SIZE(bad));
}

static uint64_t maddr(struct conf_world *w, uint32_t table, uint32_t s)
{
	(void)w;
	return hx_slot(table, s);
}

static uint64_t read_entry(struct conf_world *w, uint32_t table, uint32_t s)
{
	(void)w;
	return hx_get(table, s);
}

static void write_entry(struct conf_world *w, uint32_t table, uint32_t s,
			uint64_t entry)
{
	(void)w;
	hx_set(table, s, entry);
}

static uint64_t page(struct conf_world *w, uint32_t n)
{
	(void)w;
	return (MFN_PAGE + n) << 12;
}

static void touch(struct conf_world *w, uint32_t table, uint32_t s, int write)
{
	(void)w;
	hx_touch(table, s, write);
}

static void report(struct conf_world *w, const char *test, const char *why)
{
	hx_audit();
	conformance_report(w, test, why || !hx.broken ? why : hx.what);
}

static void run(const char *name, unsigned int preempt, int older)
{
	struct ptebatch_env env = {
		.hypercall = hypercall,
		.ctx = &older,
		.map = slot,
		.features = PTEBATCH_ENV_PRESERVE_AD,
	};
	struct conf_world w = {
		.name = name,
		.backend = &ptebatch_hypercall,
		.env = &env,
		.tables = NR_TABLES,
		.pages = NR_PAGES,
		.ignore = PTEBATCH_PTE_US | PTEBATCH_PTE_G | 1UL << 52,
		.reset = reset,
		.slot = maddr,
		.read = read_entry,
		.write = write_entry,
		.page = page,
		.touch = touch,
		.report = report,
		.bad_address = bad,
		.not_a_table = MFN_L2 << 12,
	};
	unsigned int before = tap.number, count = 0;

	harness_reset();
	hx.preempt = preempt;
	if (ptebatch_hypercall.probe(&env) ||
	    ~env.have & (PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES)) {
		printf("Bail out! the probe did not find both calls\n");
		exit(1);
	}
	conformance_run(&w, &count);
	tap_result(name, "the suite reported each of its tests",
		   count && tap.number - before == count ? NULL : "it did not");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	run("handlers", 0, 0);
	run("handlers, preempted whenever asked", 1, 0);
	run("handlers of an older Xen", 0, 1);
	run("handlers of an older Xen, preempted whenever asked", 1, 1);
	return tap_done() != 0;
}
