/* SPDX-License-Identifier: MIT */
/*
 * Loading and unloading the module while the kernel's function tracer has other
 * users, or is switched off and on. The program must be /init, and /ptebatch.ko
 * must exist. Each test leaves the module as it found it.
 */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <unistd.h>

#define SWITCH "/proc/sys/kernel/ftrace_enabled"
#define TRACING "/sys/kernel/tracing/"

static bool loaded(void)
{
	return !access("/sys/module/ptebatch", F_OK);
}

/* Starts a test with the module loaded or not, and the tracer on. */
static void start_with(bool in)
{
	needs_own_machine();
	if (access("/ptebatch.ko", R_OK))
		skip("no module");
	CHECK(!spit(SWITCH, "1"));
	if (loaded() != in)
		CHECK(!(in ? load_ptebatch() : unload_ptebatch()));
	CHECK(loaded() == in);
}

/* True if the kernel's log contains this text. */
static bool logged(const char *what)
{
	static char log[1 << 20];
	int n = klogctl(3, log, sizeof(log) - 1); /* SYSLOG_ACTION_READ_ALL */

	log[n > 0 ? n : 0] = 0;
	return strstr(log, what);
}

static void child_writes(void *arg)
{
	struct range *r = arg;

	CHECK(holds(r, 1));
	fill(r, 2);
	CHECK(holds(r, 2));
}

/* Calls every function that the module hooks, and checks the effect. */
static void memory_works(void)
{
	struct range r = { anon(600), 600, 1 };
	char *to = place(700 * PAGE) + PAGE;

	fill(&r, 1);
	CHECK(!protect(&r, PROT_READ));
	CHECK(all_allow(&r, PROT_READ) && holds(&r, 1));
	CHECK(!protect(&r, PROT_NONE));
	CHECK(all_allow(&r, PROT_NONE));
	CHECK(!protect(&r, RW));
	in_child(child_writes, &r);
	CHECK(holds(&r, 1));
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_COLD));
	CHECK(!spit("/proc/self/clear_refs", "4"));
	CHECK(mremap(r.p, r.pages * PAGE, r.pages * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(read_faults(r.p) && read_faults(r.p + 599 * PAGE));
	r.p = to;
	CHECK(holds(&r, 1));
	CHECK(!madvise(r.p, r.pages * PAGE, MADV_FREE));
	fill(&r, 3);
	CHECK(holds(&r, 3));
	CHECK(!munmap(r.p, r.pages * PAGE));
	CHECK(read_faults(r.p) && read_faults(r.p + 599 * PAGE));
}

/* The function that unmaps, whose name depends on the kernel. */
static const char *unmaps(void)
{
	return linux_major() < 7 ? "unmap_page_range" : "__zap_vma_range";
}

static void probe(const char *function, bool on)
{
	char line[256];

	if (on) {
		snprintf(line, sizeof(line), "p:kprobes/on_%s %s", function,
			 function);
		CHECK(!spit(TRACING "kprobe_events", line));
	}
	snprintf(line, sizeof(line), TRACING "events/kprobes/on_%s/enable",
		 function);
	CHECK(!spit(line, on ? "1" : "0"));
	if (!on) {
		snprintf(line, sizeof(line), "-:kprobes/on_%s", function);
		CHECK(!spit(TRACING "kprobe_events", line));
	}
}

/*
 * Switches the tracer off and unloads the module, as an administrator could.
 * The kernel may refuse to switch the tracer off; this is not checked here.
 */
static void off_and_unload(void)
{
	start_with(true);
	spit(SWITCH, "0");
	memory_works();
	CHECK(!unload_ptebatch());
	CHECK(!spit(SWITCH, "1"));
	memory_works();
}

static void off_unload_load(void)
{
	off_and_unload();
	CHECK(!load_ptebatch());
	memory_works();
}

static void off_unload_probe(void)
{
	const char *const functions[] = { "do_sys_openat2", unmaps(),
					  "change_protection" };

	off_and_unload();
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		probe(functions[i], true);
		memory_works();
		probe(functions[i], false);
	}
	CHECK(!load_ptebatch());
}

static void off_on_unload(void)
{
	start_with(true);
	spit(SWITCH, "0");
	CHECK(!spit(SWITCH, "1"));
	memory_works();
	CHECK(!unload_ptebatch());
	memory_works();
	CHECK(!load_ptebatch());
}

static void switch_is_refused(void)
{
	start_with(true);
	CHECK(spit(SWITCH, "0") == EBUSY);
	CHECK(field(SWITCH, "") == 1);
	memory_works();
	CHECK(!unload_ptebatch());
	CHECK(!spit(SWITCH, "0"));
	CHECK(!spit(SWITCH, "1"));
	CHECK(!load_ptebatch());
}

static void load_is_refused(void)
{
	start_with(false);
	CHECK(!spit(SWITCH, "0"));
	for (int i = 0; i < 3; i++)
		CHECK(load_ptebatch() == EBUSY && !loaded());
	CHECK(logged("ptebatch: not loaded: ftrace is off"));
	memory_works();
	CHECK(!spit(SWITCH, "1"));
	memory_works();
	CHECK(!load_ptebatch());
	memory_works();
}

/*
 * Sets probes on all functions that the module hooks or looks up, both before
 * the module is loaded and before it is unloaded.
 */
static void beside_probes(void)
{
	const char *const functions[] = { "change_protection",
					  "copy_page_range",
					  unmaps(),
					  "filemap_map_pages",
					  "__xen_pgd_walk",
					  "ptep_clear_flush",
					  "move_page_tables",
					  "madvise_free_pte_range",
					  "clear_refs_pte_range",
					  "ptep_test_and_clear_young",
					  "ptep_clear_flush_young",
					  "kallsyms_lookup_name" };
	const size_t n = sizeof(functions) / sizeof(*functions);

	for (int order = 0; order < 2; order++) {
		start_with(order);
		for (size_t i = 0; i < n; i++)
			probe(functions[i], true);
		memory_works();
		CHECK(!(order ? unload_ptebatch() : load_ptebatch()));
		memory_works();
		for (size_t i = 0; i < n; i++)
			probe(functions[i], false);
		memory_works();
	}
	CHECK(!load_ptebatch());
}

/* The function tracer traces every function, including the module's own. */
static void beside_tracer(void)
{
	start_with(true);
	CHECK(!spit(TRACING "current_tracer", "function"));
	memory_works();
	CHECK(spit(SWITCH, "0") == EBUSY);
	CHECK(!unload_ptebatch());
	memory_works();
	CHECK(!load_ptebatch());
	memory_works();
	CHECK(!spit(TRACING "current_tracer", "nop"));
	memory_works();
}

const struct test tests_module[] = {
	{ "tracer switch: it cannot be turned off while the module is loaded",
	  switch_is_refused },
	{ "tracer switch: off, unload, on, load again", off_unload_load },
	{ "tracer switch: off, unload, on, probes of hooked functions",
	  off_unload_probe },
	{ "tracer switch: off and on, then unload", off_on_unload },
	{ "tracer switch: with the tracer off, the module does not load",
	  load_is_refused },
	{ "the module loads and unloads with probes on the functions it hooks",
	  beside_probes },
	{ "the module unloads and loads while the tracer traces all functions",
	  beside_tracer },
	{ NULL, NULL },
};
