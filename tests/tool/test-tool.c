/* SPDX-License-Identifier: MIT */
/*
 * Every command of the tool, its errors and its exit codes, over imitations of
 * Xen's libraries. Each run is a process of its own, since the parser of options
 * ends the process. A handle or mapping that is left open fails the run, and so
 * does memory that is not freed, where LeakSanitizer is there.
 */
#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../tool/tool.h" /* before cmocka.h, which has a macro fail() */

#include <xen/features.h>

#include <cmocka.h>

#include "../common/pte.h"
#include "fake-libs.h"

#define LEFT_OPEN 90
#define CRASHED 91
#define BUILD_ID "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3"

static char root[64], said[1 << 18], told[8192];

/* What the process of the tool leaves behind. */
static struct {
	struct fake fake;
	struct fake_host host;
} * after;

/* --- A run of the tool ---------------------------------------------------- */

static void leave(void)
{
	after->fake = fake;
	after->host = host;
	fflush(NULL);
	if (host.opened)
		_exit(LEFT_OPEN);
}

/* Standard error goes to a terminal, if this is one's master. */
static int terminal = -1;

static void use_terminal(void)
{
	int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);

	if (slave < 0 || dup2(slave, STDERR_FILENO) < 0)
		_exit(CRASHED);
}

static void read_terminal(void)
{
	ssize_t n = read(terminal, told, sizeof(told) - 1);

	told[n > 0 ? n : 0] = 0;
}

static void in_child(int argc, char **argv)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/out", root);
	if (!freopen(path, "w", stdout))
		_exit(CRASHED);
	snprintf(path, sizeof(path), "%s/err", root);
	if (terminal >= 0)
		use_terminal();
	else if (!freopen(path, "w", stderr))
		_exit(CRASHED);
	snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", root);
	setenv("PATH", path, 1);
	setenv("FAKE_ROOT", root, 1);
	tool_root = root;
	atexit(leave);
	exit(ptebatch_main(argc, argv));
}

static void slurp(const char *name, char *text, size_t bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (read_text(path, text, bytes))
		text[0] = 0;
}

#define tool(...) run_tool((char *[]){ "ptebatch", __VA_ARGS__, NULL })
static int run_tool(char **argv)
{
	int argc = 0, status;
	pid_t child;

	while (argv[argc])
		argc++;
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		in_child(argc, argv);
	assert_int_equal(waitpid(child, &status, 0), child);
	slurp("out", said, sizeof(said));
	if (terminal >= 0)
		read_terminal();
	else
		slurp("err", told, sizeof(told));
	status = WIFEXITED(status) ? WEXITSTATUS(status) : CRASHED;
	if (status >= LEFT_OPEN)
		print_message("# exit %d: %s\n", status, told);
	return status;
}

static void assert_says(const char *text)
{
	if (!strstr(said, text))
		print_message("# \"%s\" is not in: %s\n", text, said);
	assert_non_null(strstr(said, text));
}

static void assert_tells(const char *text)
{
	if (!strstr(told, text))
		print_message("# \"%s\" is not in: %s\n", text, told);
	assert_non_null(strstr(told, text));
}

/* True if standard output is JSON, by a parser that the tool has no part in. */
static void assert_json(void)
{
	char command[256];

	snprintf(
		command, sizeof(command),
		"python3 -c 'import json, sys; [json.loads(l) for l in sys.stdin]' <%s/out >&2",
		root);
	if (system("command -v python3 >/dev/null"))
		return;
	if (system(command))
		print_message("# %s\n", said);
	assert_int_equal(system(command), 0);
}

/* --- The host ------------------------------------------------------------- */

static void file(const char *name, const char *text, int mode)
{
	char path[256], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (slash = path + strlen(root) + 1; (slash = strchr(slash, '/'));
	     slash++) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, (mode_t)mode);
}

static void remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	unlink(path);
}

static int is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return exists(path);
}

#define TOP 0x400000ull
#define ADDRESS "0x7f0000000000"
#define VA 0x7f0000000000ull
#define TABLE_FLAGS (P | RW | US | A)

static uint64_t top[512], third[512], second[512];

static void frame(uint64_t maddr, uint64_t *table)
{
	host.frame[host.frames].frame = maddr >> 12;
	host.frame[host.frames++].table = table;
}

/* A paused PV domain; 1024 pages from VA on, in fake-xen's two tables. */
static void pv_domain(void)
{
	host.domain[0].id = 5;
	host.domain[0].flags = XEN_DOMINF_paused;
	host.domain[0].width = 8;
	host.domain[0].top = TOP;
	host.domains = 1;
	host.frames = 0;
	frame(TOP, top);
	frame(TOP + 0x1000, third);
	frame(TOP + 0x2000, second);
	frame(FAKE_AT, fake.table[0]);
	frame(FAKE_AT + 0x1000, fake.table[1]);
	memset(top, 0, sizeof(top));
	memset(third, 0, sizeof(third));
	memset(second, 0, sizeof(second));
	top[VA >> 39 & 511] = (TOP + 0x1000) | TABLE_FLAGS;
	third[VA >> 30 & 511] = (TOP + 0x2000) | TABLE_FLAGS;
	second[VA >> 21 & 511] = FAKE_AT | TABLE_FLAGS;
	second[(VA >> 21 & 511) + 1] = (FAKE_AT + 0x1000) | TABLE_FLAGS;
	for (unsigned int i = 0; i < 512; i++) {
		fake.table[0][i] = (0x5000000ull + (i << 12)) | P | RW | US | A;
		fake.table[1][i] = i & 1 ? 0 : 0x6000000ull | P | US;
	}
}

static int set_up(void **state)
{
	struct ptebatch_env env;

	(void)state;
	after = mmap(NULL, sizeof(*after), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(root, sizeof(root), "/tmp/test-tool.XXXXXX");
	if (after == MAP_FAILED || !mkdtemp(root))
		return -1;
	fake_reset(&env);
	memset(&host, 0, sizeof(host));
	host.features =
		1u << XENFEAT_dom0 | 1u << XENFEAT_mmu_pt_update_preserve_ad;
	host.build_id_bytes = 20;
	host.gone_after_maps = -1;
	strcpy(host.parts, "calls,updates,validation,no-traps");
	host.counter = 100;
	pv_domain();
	file("sys/hypervisor/type", "xen\n", 0644);
	file("proc/cmdline", "root=/dev/xvda ro quiet\n", 0644);
	file("proc/sys/kernel/random/boot_id", "boot-one\n", 0644);
	file("var/lib/x", "", 0644);
	file("run/lock/x", "", 0644);
	/* modprobe: -n fails unless "installed" is there. */
	file("bin/modprobe",
	     "#!/bin/sh\necho \"modprobe $*\" >>$FAKE_ROOT/ran\n"
	     "[ -e $FAKE_ROOT/installed ] || exit 1\n"
	     "[ \"$1\" = -n ] && exit 0\n"
	     "[ ! -e $FAKE_ROOT/broken ] || { echo 'could not insert: Invalid argument' >&2; exit 1; }\n"
	     "[ \"$1\" = -r ] && { rm -r $FAKE_ROOT/sys/module/ptebatch; exit; }\n"
	     "mkdir -p $FAKE_ROOT/sys/module/ptebatch\n",
	     0755);
	file("bin/systemctl",
	     "#!/bin/sh\necho \"systemctl $*\" >>$FAKE_ROOT/ran\n", 0755);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	munmap(after, sizeof(*after));
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void stock(void)
{
	fake.has_runs = fake.has_values = 0;
	host.parts[0] = 0;
}

static void payload_file(void)
{
	file("usr/lib/ptebatch/livepatch/" BUILD_ID ".livepatch", "ELF", 0644);
	host.brings_calls = 1;
}

static void there_is(const char *name, uint32_t state)
{
	strcpy(host.payload[host.payloads].name, name);
	host.payload[host.payloads++].state = state;
}

/* --- The command line ----------------------------------------------------- */

static void usage_without_a_command(void **state)
{
	(void)state;
	assert_int_equal(tool(NULL), TOOL_USAGE);
	assert_tells("walk");
	assert_int_equal(tool("--help"), TOOL_OK);
	assert_says("protect");
	assert_int_equal(tool("--version"), TOOL_OK);
	assert_says("ptebatch 0.");
}

static void unknown_commands_are_named(void **state)
{
	(void)state;
	assert_int_equal(tool("fly"), TOOL_USAGE);
	assert_tells("\"fly\"");
	assert_int_equal(tool("--json", "probe"), TOOL_USAGE);
	assert_tells("options follow the command");
}

static void options_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	stock();
	assert_int_equal(tool("load", "--no-payload", "--no-module"),
			 TOOL_USAGE);
	assert_int_equal(tool("unload", "--no-payload", "--no-module"),
			 TOOL_USAGE);
	assert_tells("nothing to do");
	assert_int_equal(tool("load", "--no-payload", "--payload=x"),
			 TOOL_USAGE);
	assert_tells("contradict");
	assert_int_equal(after->host.uploads, 0);
}

static void
every_command_has_help_and_refuses_what_it_does_not_know(void **state)
{
	static char *const names[] = { "probe", "load", "unload", "status",
				       "bench", "walk", "protect" };

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(tool(names[i], "--help"), TOOL_OK);
		assert_says("--json");
		assert_int_equal(tool(names[i], "--no-such-option"),
				 TOOL_USAGE);
		assert_int_equal(tool(names[i], "1", "2", "3", "ro", "x"),
				 TOOL_USAGE);
	}
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	if (!exists("/dev/full"))
		skip();
	remove_file("out");
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/out", root);
		assert_int_equal(symlink("/dev/full", path), 0);
	}
	assert_int_equal(tool("probe"), TOOL_FAILED);
	assert_tells("No space left");
}

/* What the other tests rely on. */
static void a_handle_that_stays_open_fails_the_run(void **state)
{
	(void)state;
	host.opened = 1;
	assert_int_equal(tool("--version"), LEFT_OPEN);
}

/* --- No Xen, no rights ---------------------------------------------------- */

#define EACH_COMMAND(code)                                                 \
	do {                                                               \
		assert_int_equal(tool("probe"), code);                     \
		assert_int_equal(tool("load"), code);                      \
		assert_int_equal(tool("unload"), code);                    \
		assert_int_equal(tool("status"), code);                    \
		assert_int_equal(tool("walk", "5", ADDRESS), code);        \
		assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro"), \
				 code);                                    \
	} while (0)

static void without_xen_each_command_says_so(void **state)
{
	(void)state;
	host.no_interface = ENOENT;
	remove_file("sys/hypervisor/type");
	EACH_COMMAND(TOOL_NO_XEN);
	assert_tells("does not run on Xen");
	file("sys/hypervisor/type", "xen\n", 0644);
	EACH_COMMAND(TOOL_NO_XEN);
	assert_tells("xen-privcmd");
}

static void without_rights_each_command_says_so(void **state)
{
	(void)state;
	host.no_interface = EACCES;
	EACH_COMMAND(TOOL_DENIED);
	assert_tells("root");
	host.no_interface = 0;
	host.no_call = EACCES;
	EACH_COMMAND(TOOL_DENIED);
}

static void without_a_buffer_each_command_fails(void **state)
{
	(void)state;
	host.no_buffer = ENOMEM;
	EACH_COMMAND(TOOL_FAILED);
}

/* --- probe ---------------------------------------------------------------- */

static void probe_tells_what_is_there(void **state)
{
	(void)state;
	file("installed", "", 0644);
	assert_int_equal(tool("probe"), TOOL_OK);
	assert_says("4.17.5-test");
	assert_says(BUILD_ID);
	assert_says("calls,updates,validation,no-traps");
	assert_says("updates slow");
	assert_says("modprobe ptebatch");
	assert_int_equal(tool("probe", "--json"), TOOL_OK);
	assert_json();
	assert_says("\"build_id\":\"" BUILD_ID "\"");
	assert_says("\"runs\":true");
	assert_says("\"in_registers\":\"flags clear set take\"");
	assert_says("\"updates_left\":102");
}

static void probe_says_how_to_get_the_engine(void **state)
{
	(void)state;
	stock();
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("package ptebatch-livepatch");
	payload_file();
	assert_int_equal(tool("probe", "-j"), TOOL_MISSING);
	assert_json();
	assert_says("ptebatch load");
	assert_says("\"available\":true");
	there_is("xsa-999", LIVEPATCH_STATE_APPLIED);
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("xsa-999");
	assert_says("revert the other livepatch");
	host.no_livepatch = ENOSYS;
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("takes no livepatches");
	host.no_livepatch = EIO;
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("Input/output error");
}

static void probe_says_how_to_turn_the_engine_on(void **state)
{
	(void)state;
	fake.has_runs = fake.has_values = 0;
	strcpy(host.parts, "no-calls,no-updates,no-validation,no-traps");
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("xenhypfs write /params/ptebatch 1");
	assert_int_equal(tool("status"), TOOL_MISSING);
	assert_int_equal(tool("load"), TOOL_OK);
	assert_tells("are off");
	/* Without its calls it still serves Xen's own. */
	strcpy(host.parts, "no-calls,updates,no-validation,no-traps");
	assert_int_equal(tool("probe"), TOOL_OK);
	/* A Xen without hypfs does not tell. */
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	host.parts[0] = 0;
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("xenhypfs write /params/ptebatch 1");
}

static void probe_works_in_a_guest(void **state)
{
	(void)state;
	host.features = 0;
	host.denied = EPERM;
	host.counter = -1;
	host.parts[0] = 0;
	assert_int_equal(tool("probe", "--json"), TOOL_OK);
	assert_json();
	assert_says("\"control\":false");
	assert_says("\"build_id\":\"unknown\"");
	assert_says("this domain may not ask");
	assert_null(strstr(said, "updates_left"));
	fake.has_runs = 0;
	assert_int_equal(tool("probe"), TOOL_MISSING);
	assert_says("ask the administrator");
}

static void probe_needs_no_module_where_the_domain_is_not_pv(void **state)
{
	(void)state;
	host.features |= 1u << XENFEAT_auto_translated_physmap;
	assert_int_equal(tool("probe"), TOOL_OK);
	assert_says("HVM or PVH");
	assert_null(strstr(said, "ptebatch-dkms"));
}

static void an_older_xen_knows_two_operations(void **state)
{
	(void)state;
	fake.ops = FAKE_OLD_OPS;
	assert_int_equal(tool("probe", "--json"), TOOL_OK);
	assert_says("\"in_registers\":\"flags clear\"");
}

/* --- load ----------------------------------------------------------------- */

static void load_brings_payload_and_module(void **state)
{
	(void)state;
	stock();
	payload_file();
	file("installed", "", 0644);
	assert_int_equal(tool("load", "--json"), TOOL_OK);
	assert_json();
	assert_string_equal(said,
			    "{\"payload\":\"loaded\",\"module\":\"loaded\"}\n");
	assert_int_equal(after->host.applies, 1);
	assert_string_equal(after->host.uploaded, "ELF");
	assert_true(is_there("sys/module/ptebatch"));
	assert_true(is_there("var/lib/ptebatch/attempt"));
	slurp("ran", said, sizeof(said));
	assert_says("restart ptebatch-settled.timer");
}

static void load_retries_while_xen_is_busy(void **state)
{
	(void)state;
	stock();
	payload_file();
	host.apply_busy = 3;
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(after->host.applies, 4);
	host.busy_later = 1;
	assert_int_equal(tool("load", "--retries=3"), TOOL_OK);
	assert_int_equal(after->host.applies, 4);
	assert_int_equal(tool("load", "--retries=2"), TOOL_BUSY);
	assert_int_equal(after->host.applies, 3);
	assert_tells("--retries");
	/* Nothing stays behind that would be found at the next boot. */
	assert_int_equal(after->host.payloads, 0);
	assert_false(is_there("var/lib/ptebatch/attempt"));
}

static void on_a_terminal_progress_is_shown(void **state)
{
	(void)state;
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal) | unlockpt(terminal), 0);
	stock();
	payload_file();
	host.apply_busy = 1;
	assert_int_equal(tool("load"), TOOL_OK);
	assert_tells("try 2 of 51");
	/* The line is gone before anything else is told. */
	assert_int_equal(tool("load", "--retries=1", "--quiet"), TOOL_OK);
	host.apply_busy = 5;
	assert_int_equal(tool("load", "--retries=1"), TOOL_BUSY);
	assert_tells("try 2 of 2\r\033[Kptebatch: ");
	close(terminal);
	terminal = -1;
}

static void a_payload_that_cannot_be_read_is_told(void **state)
{
	char option[160], path[128];

	(void)state;
	stock();
	snprintf(option, sizeof(option), "--payload=%s/bin", root);
	assert_int_equal(tool("load", option), TOOL_FAILED);
	assert_tells("/bin: Invalid argument");
	file("big", "", 0644);
	snprintf(path, sizeof(path), "%s/big", root);
	assert_int_equal(truncate(path, 65l << 20), 0);
	snprintf(option, sizeof(option), "--payload=%s", path);
	assert_int_equal(tool("load", option), TOOL_FAILED);
	assert_tells("File too large");
	assert_int_equal(after->host.uploads, 0);
	assert_false(is_there("var/lib/ptebatch/attempt"));
}

static void load_does_nothing_twice(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	file("sys/module/ptebatch/x", "", 0644);
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("already loaded");
	assert_int_equal(after->host.uploads, 0);
	assert_false(is_there("ran"));
}

static void a_xen_with_the_engine_needs_no_payload(void **state)
{
	(void)state;
	payload_file();
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("built with the engine");
	assert_int_equal(after->host.uploads, 0);
}

static void a_reverted_payload_is_uploaded_again(void **state)
{
	(void)state;
	stock();
	payload_file();
	there_is("ptebatch", LIVEPATCH_STATE_CHECKED);
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(after->host.unloads, 1);
	assert_int_equal(after->host.uploads, 1);
}

static void load_refuses_on_top_of_another_livepatch(void **state)
{
	(void)state;
	stock();
	payload_file();
	there_is("xsa-999", LIVEPATCH_STATE_APPLIED);
	assert_int_equal(tool("load"), TOOL_REFUSED);
	assert_tells("\"xsa-999\"");
	assert_int_equal(after->host.uploads, 0);
	/* One that is only uploaded changes nothing. */
	host.payload[0].state = LIVEPATCH_STATE_CHECKED;
	assert_int_equal(tool("load"), TOOL_OK);
}

static void load_tells_what_is_missing(void **state)
{
	(void)state;
	stock();
	assert_int_equal(tool("load"), TOOL_MISSING);
	assert_tells(BUILD_ID ".livepatch");
	assert_int_equal(tool("load", "--payload=/nowhere"), TOOL_MISSING);
	assert_tells("/nowhere");
	host.build_id_bytes = 0;
	assert_int_equal(tool("load"), TOOL_MISSING);
	assert_tells("no build-id");
	host.no_livepatch = ENOSYS;
	assert_int_equal(tool("load"), TOOL_MISSING);
	assert_tells("takes no livepatches");
	host.no_livepatch = EPERM;
	assert_int_equal(tool("load"), TOOL_DENIED);
	host.no_livepatch = EIO;
	assert_int_equal(tool("load"), TOOL_FAILED);
	host.features = 0;
	assert_int_equal(tool("load", "--no-module"), TOOL_DENIED);
	assert_tells("control domain");
	assert_int_equal(tool("load", "--payload=/dev/null"), TOOL_DENIED);
}

static void a_guest_loads_the_module_alone(void **state)
{
	(void)state;
	stock();
	host.features = 0;
	host.denied = EPERM;
	file("installed", "", 0644);
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("left to the control domain");
	assert_true(is_there("sys/module/ptebatch"));
	assert_int_equal(tool("unload"), TOOL_OK);
	assert_says("left to the control domain");
	assert_false(is_there("sys/module/ptebatch"));
}

static void load_tells_why_xen_refuses_a_payload(void **state)
{
	(void)state;
	stock();
	payload_file();
	host.upload_err = EINVAL;
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("not for this Xen");
	assert_false(is_there("var/lib/ptebatch/attempt"));
	host.upload_err = EOPNOTSUPP;
	assert_int_equal(tool("load"), TOOL_MISSING);
	host.upload_err = EACCES;
	assert_int_equal(tool("load"), TOOL_DENIED);
	host.upload_err = 0;
	host.upload_rc = EINVAL;
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("damaged");
	host.upload_rc = 0;
	host.action_rc = EOPNOTSUPP;
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("xl dmesg");
	assert_int_equal(after->host.applies, 1);
	host.action_rc = 0;
	host.brings_calls = 0;
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("does not answer");
}

static void load_leaves_the_module_out_where_it_is_of_no_use(void **state)
{
	(void)state;
	file("installed", "", 0644);
	assert_int_equal(tool("load", "--no-module"), TOOL_OK);
	assert_false(is_there("sys/module/ptebatch"));
	host.features |= 1u << XENFEAT_auto_translated_physmap;
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("not PV");
	assert_false(is_there("sys/module/ptebatch"));
}

/* It gets no answer to the calls, which are for PV domains. */
static void a_pvh_dom0_loads_the_payload_alone(void **state)
{
	(void)state;
	stock();
	payload_file();
	host.brings_calls = 0;
	file("installed", "", 0644);
	host.features |= 1u << XENFEAT_auto_translated_physmap;
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(after->host.applies, 1);
	assert_false(is_there("sys/module/ptebatch"));
	strcpy(host.parts, "calls,updates,validation,no-traps");
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("built with the engine");
	assert_int_equal(tool("probe"), TOOL_OK);
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro"), TOOL_OK);
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "1", "ro"),
			 TOOL_MISSING);
	assert_tells("not PV");
}

static void load_can_load_only_the_module(void **state)
{
	(void)state;
	stock();
	payload_file();
	file("installed", "", 0644);
	assert_int_equal(tool("load", "--no-payload"), TOOL_OK);
	assert_true(is_there("sys/module/ptebatch"));
	assert_int_equal(after->host.uploads, 0);
}

static void a_module_that_does_not_load_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(tool("load"), TOOL_OK);
	assert_says("not installed");
	file("installed", "", 0644);
	file("broken", "", 0644);
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("could not insert: Invalid argument");
	file("bin/modprobe", "#!/bin/sh\n[ $1 = -n ] || exit 127\n", 0755);
	assert_int_equal(tool("load"), TOOL_MISSING);
	assert_tells("cannot be run");
}

/* --- The record of attempts ----------------------------------------------- */

static void reboot_host(const char *boot)
{
	file("proc/sys/kernel/random/boot_id", boot, 0644);
}

static void a_crash_after_loading_is_not_repeated(void **state)
{
	(void)state;
	stock();
	payload_file();
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	reboot_host("boot-two\n");
	assert_int_equal(tool("load", "--boot"), TOOL_REFUSED);
	assert_tells("went down");
	assert_int_equal(after->host.uploads, 0);
	/* Time alone does not make it harmless. */
	assert_int_equal(tool("load", "--settled"), TOOL_REFUSED);
	assert_int_equal(tool("load", "--boot"), TOOL_REFUSED);
	assert_int_equal(tool("status"), TOOL_MISSING);
	assert_says("and the host went down");
	/* The administrator decides otherwise. */
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(after->host.applies, 1);
}

static void an_attempt_that_settled_is_forgotten(void **state)
{
	(void)state;
	stock();
	payload_file();
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	assert_int_equal(tool("load", "--settled"), TOOL_OK);
	assert_false(is_there("var/lib/ptebatch/attempt"));
	reboot_host("boot-two\n");
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	assert_int_equal(after->host.applies, 1);
}

static void the_record_is_written_before_the_payload_is_applied(void **state)
{
	(void)state;
	stock();
	payload_file();
	/* A folder in the record's place cannot be written. */
	file("var/lib/ptebatch/attempt/x", "", 0644);
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("recorded");
	assert_int_equal(after->host.uploads, 0);
}

static void a_damaged_record_stands_for_a_crash(void **state)
{
	(void)state;
	stock();
	payload_file();
	file("var/lib/ptebatch/attempt", "bo", 0644);
	assert_int_equal(tool("load", "--boot"), TOOL_REFUSED);
	file("var/lib/ptebatch/attempt", "", 0644);
	assert_int_equal(tool("load", "--boot"), TOOL_REFUSED);
}

static void an_older_record_of_this_boot_is_settled(void **state)
{
	(void)state;
	stock();
	payload_file();
	file("var/lib/ptebatch/attempt",
	     "boot boot-one\nuptime -1000000\ndate long ago\n", 0644);
	assert_int_equal(tool("status"), TOOL_MISSING);
	assert_says("none");
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
}

static void the_command_line_of_linux_prevents_loading(void **state)
{
	(void)state;
	stock();
	payload_file();
	file("proc/cmdline", "root=/dev/xvda ptebatch=off ro\n", 0644);
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	assert_tells("ptebatch=off");
	assert_int_equal(after->host.uploads, 0);
	assert_false(is_there("var/lib/ptebatch/attempt"));
	/* The administrator's own command counts more. */
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(after->host.applies, 1);
	/* Another parameter that begins with it is another parameter. */
	file("proc/cmdline", "xptebatch=off ptebatch=offline\n", 0644);
	assert_int_equal(tool("load", "--settled"), TOOL_OK);
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	assert_int_equal(after->host.applies, 1);
}

static void a_boot_without_a_payload_loads_the_module(void **state)
{
	(void)state;
	stock();
	file("installed", "", 0644);
	assert_int_equal(tool("load"), TOOL_MISSING);
	assert_false(is_there("sys/module/ptebatch"));
	assert_int_equal(tool("load", "--boot"), TOOL_OK);
	assert_tells("there is no payload for Xen");
	assert_tells("--no-payload loads the module alone");
	assert_int_equal(after->host.uploads, 0);
	assert_true(is_there("sys/module/ptebatch"));
}

/* --- unload --------------------------------------------------------------- */

static void one_at_a_time_loads_or_unloads(void **state)
{
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/run/lock/ptebatch", root);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(tool("load"), TOOL_BUSY);
	assert_int_equal(tool("unload"), TOOL_BUSY);
	assert_tells("another ptebatch");
	close(fd);
	assert_int_equal(tool("load"), TOOL_OK);
	assert_int_equal(tool("unload"), TOOL_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(tool("load"), TOOL_FAILED);
	assert_tells("/run/lock/ptebatch: Is a directory");
}

static void unload_takes_out_both(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	file("installed", "", 0644);
	file("sys/module/ptebatch/x", "", 0644);
	file("var/lib/ptebatch/attempt", "", 0644);
	assert_int_equal(tool("unload", "--json"), TOOL_OK);
	assert_json();
	assert_string_equal(
		said, "{\"module\":\"unloaded\",\"payload\":\"unloaded\"}\n");
	assert_int_equal(after->host.payloads, 0);
	assert_int_equal(after->host.reverts, 1);
	assert_false(is_there("sys/module/ptebatch"));
	assert_false(is_there("var/lib/ptebatch/attempt"));
}

static void unload_without_anything_loaded_is_done(void **state)
{
	(void)state;
	assert_int_equal(tool("unload"), TOOL_OK);
	assert_says("not loaded");
	host.no_livepatch = ENOSYS;
	assert_int_equal(tool("unload"), TOOL_OK);
	host.denied = EPERM;
	assert_int_equal(tool("unload"), TOOL_DENIED);
}

static void unload_retries_while_calls_are_out(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	host.revert_busy = 4;
	host.busy_later = 1;
	assert_int_equal(tool("unload"), TOOL_OK);
	assert_int_equal(after->host.reverts, 5);
}

static void a_revert_that_is_given_up_leaves_the_calls_on(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	host.revert_busy = 1000;
	assert_int_equal(tool("unload", "--retries=2"), TOOL_BUSY);
	assert_int_equal(after->host.reverts, 3);
	assert_string_equal(after->host.parts,
			    "calls,updates,validation,no-traps");
	assert_int_equal(after->host.payload[0].state, LIVEPATCH_STATE_APPLIED);
}

static void unload_waits_for_a_livepatch_on_top(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	there_is("xsa-999", LIVEPATCH_STATE_APPLIED);
	assert_int_equal(tool("unload"), TOOL_REFUSED);
	assert_tells("\"xsa-999\"");
	assert_int_equal(after->host.reverts, 0);
}

static void unload_of_one_part_leaves_the_other(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	file("installed", "", 0644);
	file("sys/module/ptebatch/x", "", 0644);
	assert_int_equal(tool("unload", "--no-module"), TOOL_OK);
	assert_true(is_there("sys/module/ptebatch"));
	assert_int_equal(tool("unload", "--no-payload"), TOOL_OK);
	assert_int_equal(after->host.reverts, 0);
	assert_false(is_there("sys/module/ptebatch"));
}

static void a_module_in_use_keeps_the_payload(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	file("sys/module/ptebatch/x", "", 0644);
	file("bin/modprobe", "#!/bin/sh\necho 'FATAL: in use' >&2\nexit 1\n",
	     0755);
	assert_int_equal(tool("unload"), TOOL_FAILED);
	assert_tells("FATAL: in use");
	assert_int_equal(after->host.reverts, 0);
}

static void an_uploaded_payload_is_removed_without_a_revert(void **state)
{
	(void)state;
	stock();
	there_is("ptebatch", LIVEPATCH_STATE_CHECKED);
	host.unload_err = EBUSY;
	assert_int_equal(tool("unload"), TOOL_BUSY);
	host.unload_err = 0;
	assert_int_equal(tool("unload"), TOOL_OK);
	assert_int_equal(after->host.reverts, 0);
	assert_int_equal(after->host.payloads, 0);
}

/* --- status --------------------------------------------------------------- */

static const char module_text[] = "backend hypercall\nmprotect.on 1\n"
				  "mprotect.calls 208\nmprotect.ptes 20736\n"
				  "odd line that is no counter\n";

static void status_shows_both_parts(void **state)
{
	(void)state;
	there_is("ptebatch", LIVEPATCH_STATE_APPLIED);
	file("sys/module/ptebatch/x", "", 0644);
	file("sys/kernel/debug/ptebatch/status", module_text, 0644);
	assert_int_equal(tool("status"), TOOL_OK);
	assert_says("applied");
	assert_says("mprotect.ptes");
	assert_int_equal(tool("status", "--json"), TOOL_OK);
	assert_json();
	assert_says("\"backend\":\"hypercall\"");
	assert_says("\"mprotect.calls\":208");
	assert_says("\"update_va\":103");
}

static void status_without_anything_tells_that(void **state)
{
	(void)state;
	stock();
	assert_int_equal(tool("status", "--json"), TOOL_MISSING);
	assert_json();
	assert_says("\"state\":\"none\"");
	assert_says("\"calls\":false");
	file("sys/module/ptebatch/x", "", 0644);
	assert_int_equal(tool("status"), TOOL_MISSING);
	assert_says("debugfs");
}

static void watch_shows_differences(void **state)
{
	(void)state;
	file("sys/kernel/debug/ptebatch/status", module_text, 0644);
	assert_int_equal(tool("status", "--watch", "--count=1"), TOOL_OK);
	assert_says("mprotect.ptes");
	assert_says("20736");
	assert_int_equal(tool("status", "-w", "-n", "2", "--json"), TOOL_OK);
	assert_json();
	assert_says("\"mprotect.ptes\":0");
	stock();
	remove_file("sys/kernel/debug/ptebatch/status");
	assert_int_equal(tool("status", "-wn1"), TOOL_MISSING);
	assert_says("neither the engine nor the module");
	assert_int_equal(tool("status", "--count=0"), TOOL_USAGE);
	assert_tells("--count");
}

/* --- walk ----------------------------------------------------------------- */

static void walk_shows_each_level(void **state)
{
	(void)state;
	host.domain[0].flags = 0; /* reading needs no paused domain */
	fake.table[0][0] |= NX | 0x40 | 1ull << 53;
	assert_int_equal(tool("walk", "5", ADDRESS), TOOL_OK);
	assert_says("L4");
	assert_says("L3");
	assert_says("L2");
	assert_says(
		"0x00007f0000000000  L1  0x000010000000  0x8020000005000067  P RW US A D NX bits52-62=0x2");
	assert_int_equal(tool("walk", "5", "0x7f0000000fff", "--json"),
			 TOOL_OK);
	assert_json();
	assert_says("\"level\":1,\"slot\":\"0x10000000\"");
	assert_says("\"frame\":\"0x5000\"");
}

static unsigned int lines(const char *with)
{
	unsigned int n = 0;

	for (const char *s = said; (s = strstr(s, with)); s++)
		n++;
	return n;
}

static void walk_shows_a_higher_level_once(void **state)
{
	(void)state;
	assert_int_equal(tool("walk", "5", ADDRESS, "1024"), TOOL_OK);
	assert_int_equal(lines("  L1  "), 1024);
	assert_int_equal(lines("  L2  "), 2);
	assert_int_equal(lines("  L3  "), 1);
	assert_int_equal(lines("  L4  "), 1);
	assert_int_equal(lines("empty"), 256);
}

static void walk_passes_over_what_is_absent(void **state)
{
	(void)state;
	/* After two tables, the rest of this L3 entry, and the next. */
	assert_int_equal(tool("walk", "5", ADDRESS, "1048576"), TOOL_OK);
	assert_int_equal(lines("  L1  "), 1024);
	assert_int_equal(lines("  L3  "), 4);
	/* The end of the lower half, and of the address space. */
	assert_int_equal(tool("walk", "5", "0x7fffffffffff", "5"), TOOL_OK);
	assert_int_equal(lines("  L4  "), 1);
	assert_int_equal(tool("walk", "5", "0xfffffffffffff000", "5"), TOOL_OK);
	assert_int_equal(lines("  L4  "), 1);
}

static void walk_shows_large_pages_and_absent_values(void **state)
{
	(void)state;
	second[VA >> 21 & 511] = 0x8000000 | 0x80 | P;
	assert_int_equal(tool("walk", "5", ADDRESS), TOOL_OK);
	assert_says("P PS");
	assert_int_equal(lines("  L1  "), 0);
	second[VA >> 21 & 511] = 0x100;
	assert_int_equal(tool("walk", "5", ADDRESS), TOOL_OK);
	assert_says("absent");
}

#define WALK_AND_PROTECT(code)                                               \
	do {                                                                 \
		assert_int_equal(tool("walk", "5", ADDRESS), code);          \
		assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro"),   \
				 code);                                      \
		assert_int_equal(                                            \
			tool("protect", "--apply", "5", ADDRESS, "1", "ro"), \
			code);                                               \
	} while (0)

static void a_domain_that_is_not_there_is_named(void **state)
{
	(void)state;
	host.domain[0].id = 6;
	WALK_AND_PROTECT(TOOL_NO_DOMAIN);
	assert_tells("no domain 5");
	host.domain[0].id = 5;
	host.domain[0].flags |= XEN_DOMINF_dying;
	WALK_AND_PROTECT(TOOL_NO_DOMAIN);
	host.domains = 0;
	WALK_AND_PROTECT(TOOL_NO_DOMAIN);
}

static void other_kinds_of_domains_are_refused(void **state)
{
	(void)state;
	host.domain[0].flags |= XEN_DOMINF_hvm_guest;
	WALK_AND_PROTECT(TOOL_WRONG_DOMAIN);
	assert_tells("HVM or PVH");
	host.domain[0].flags = XEN_DOMINF_paused;
	host.domain[0].width = 4;
	WALK_AND_PROTECT(TOOL_WRONG_DOMAIN);
	assert_tells("32-bit");
	assert_int_equal(tool("walk", "0", ADDRESS), TOOL_WRONG_DOMAIN);
	assert_tells("runs this command");
}

static void only_the_control_domain_may(void **state)
{
	(void)state;
	host.features = 0;
	WALK_AND_PROTECT(TOOL_DENIED);
	host.features = 1u << XENFEAT_dom0;
	host.denied = EPERM;
	WALK_AND_PROTECT(TOOL_DENIED);
	host.denied = EIO;
	WALK_AND_PROTECT(TOOL_FAILED);
	host.denied = 0;
	host.no_width = EPERM;
	WALK_AND_PROTECT(TOOL_DENIED);
	host.no_width = 0;
	host.no_context = ENODATA;
	WALK_AND_PROTECT(TOOL_FAILED);
	assert_tells("registers of its vCPU");
	host.no_context = 0;
	host.no_memory = EACCES;
	WALK_AND_PROTECT(TOOL_DENIED);
	host.no_memory = ENOENT;
	WALK_AND_PROTECT(TOOL_FAILED);
}

static void a_domain_without_that_vcpu_is_told(void **state)
{
	(void)state;
	assert_int_equal(tool("walk", "-c1", "5", ADDRESS), TOOL_USAGE);
	assert_tells("no vCPU 1");
	host.domain[0].max_vcpu = 1;
	assert_int_equal(tool("walk", "-c1", "5", ADDRESS), TOOL_OK);
	host.domain[0].top = 0;
	assert_int_equal(tool("walk", "5", ADDRESS), TOOL_FAILED);
	assert_tells("no page tables");
}

static void a_domain_that_goes_while_it_is_read_is_told(void **state)
{
	(void)state;
	for (host.gone_after_maps = 0; host.gone_after_maps < 4;
	     host.gone_after_maps++)
		WALK_AND_PROTECT(TOOL_DOMAIN_GONE);
	assert_tells("domain 5 has disappeared");
}

/* The second walk, which queues, maps three tables again. */
static void a_domain_that_goes_while_changes_are_queued_is_told(void **state)
{
	(void)state;
	for (host.gone_after_maps = 5; host.gone_after_maps < 7;
	     host.gone_after_maps++) {
		assert_int_equal(
			tool("protect", "--apply", "5", ADDRESS, "600", "ro"),
			TOOL_DOMAIN_GONE);
		assert_tells("0 entries had been changed");
		assert_int_equal(after->fake.applied, 0);
	}
}

static void a_table_that_cannot_be_mapped_is_told(void **state)
{
	(void)state;
	second[VA >> 21 & 511] = 0x9999000 | TABLE_FLAGS;
	WALK_AND_PROTECT(TOOL_FAILED);
	assert_tells("page table cannot be read: Invalid argument");
}

static void bad_arguments_are_named(void **state)
{
	static char *const bad[][2] = {
		{ "5x", ADDRESS },
		{ "-5", ADDRESS },
		{ "70000", ADDRESS },
		{ "", ADDRESS },
		{ "5", "0x0000800000000000" },
		{ "5", "pages" },
		{ "5", "0x11111111111111111" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(tool("walk", "--", bad[i][0], bad[i][1]),
				 TOOL_USAGE);
	assert_tells("0x11111111111111111");
	assert_int_equal(tool("walk", "5"), TOOL_USAGE);
	assert_int_equal(tool("walk", "5", ADDRESS, "0"), TOOL_USAGE);
	assert_tells("PAGES");
	assert_int_equal(tool("protect", "5", ADDRESS, "1"), TOOL_USAGE);
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "wo"), TOOL_USAGE);
	assert_tells("\"wo\"");
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro,rw"),
			 TOOL_USAGE);
	assert_tells("contradicts");
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro,"), TOOL_USAGE);
	assert_int_equal(tool("protect", "5", "0x7fffffffe000", "3", "ro"),
			 TOOL_USAGE);
	assert_int_equal(tool("protect", "5", "0xffffffffffffe000", "3", "ro"),
			 TOOL_USAGE);
	assert_tells("leave the address space");
}

/* --- protect -------------------------------------------------------------- */

static void protect_is_a_dry_run_by_default(void **state)
{
	const uint64_t before = fake.table[0][0];

	(void)state;
	assert_int_equal(tool("protect", "5", ADDRESS, "600", "ro,nx"),
			 TOOL_OK);
	assert_says("512  P RW US A -> P US A NX");
	assert_says("556 would change, 0 unchanged, 44 absent");
	assert_tells("dry run");
	assert_int_equal(after->fake.table[0][0], before);
	assert_int_equal(after->fake.applied, 0);
	host.domain[0].flags = 0;
	assert_int_equal(tool("protect", "5", ADDRESS, "600", "ro", "-j"),
			 TOOL_OK);
	assert_json();
	assert_says(
		"\"applied\":false,\"changed\":512,\"unchanged\":44,\"absent\":44");
	assert_tells("of a paused domain");
}

static void protect_changes_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(
		tool("protect", "--apply", "5", ADDRESS, "600", "ro,nx"),
		TOOL_OK);
	assert_says("556 changed");
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(after->fake.table[0][i],
				 (0x5000000ull + (i << 12)) | P | US | A | NX);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(
			after->fake.table[1][i],
			i & 1 ? 0 : 0x6000000ull | P | US | (i < 88 ? NX : 0));
	assert_int_equal(after->fake.tlbs, 1);
	/* All in the name of that domain. */
	for (unsigned int i = 0; i < after->fake.calls; i++)
		if (PTEBATCH_HOW_OP(after->fake.call[i].a3) ==
		    PTEBATCH_HOW_LIST)
			assert_int_equal(after->fake.call[i].a4,
					 PTEBATCH_OWNER(5, 5));
}

static void protect_makes_no_call_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "512", "rw"),
			 TOOL_OK);
	assert_says("0 changed, 512 unchanged");
	assert_int_equal(after->fake.applied, 0);
	assert_int_equal(after->fake.tlbs, 0);
}

static void protect_needs_a_paused_domain(void **state)
{
	(void)state;
	host.domain[0].flags = 0;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "1", "ro"),
			 TOOL_NOT_PAUSED);
	assert_tells("xl pause 5");
	assert_int_equal(after->fake.applied, 0);
	host.domain[0].flags = XEN_DOMINF_paused;
	host.unpaused_at_call = 1;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "1", "ro"),
			 TOOL_NOT_PAUSED);
	assert_tells("unpaused meanwhile");
	assert_int_equal(after->fake.tlbs, 1);
}

static void protect_needs_the_calls(void **state)
{
	(void)state;
	stock();
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro"), TOOL_OK);
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "1", "ro"),
			 TOOL_MISSING);
	assert_tells("ptebatch load");
	assert_int_equal(after->fake.applied, 0);
}

static void protect_refuses_large_pages(void **state)
{
	(void)state;
	second[VA >> 21 & 511] = 0x8000000 | 0x80 | P;
	assert_int_equal(tool("protect", "5", ADDRESS, "1", "ro"), TOOL_FAILED);
	assert_tells("large page");
}

static void a_domain_that_dies_half_way_is_told(void **state)
{
	(void)state;
	fake.fail_after = 100;
	fake.err = PTEBATCH_EINVAL;
	host.gone_at_error = 1;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "512", "ro"),
			 TOOL_DOMAIN_GONE);
	assert_tells("100 entries had been changed");
	assert_tells("disappeared");
}

static void what_xen_refuses_is_told(void **state)
{
	(void)state;
	fake.fail_after = 100;
	fake.err = PTEBATCH_EINVAL;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "512", "ro"),
			 TOOL_FAILED);
	assert_tells("slot 0x10000320");
	assert_tells("100 entries");
	assert_int_equal(after->fake.tlbs, 1);
	fake.fail_after = 0;
	fake.err = PTEBATCH_EPERM;
	assert_int_equal(tool("protect", "--apply", "5", ADDRESS, "512", "ro"),
			 TOOL_DENIED);
}

/* --- bench ---------------------------------------------------------------- */

/* An xl that says what the test kernel would. */
static void xl_that(const char *console)
{
	char script[4096];

	snprintf(
		script, sizeof(script),
		"#!/bin/sh\necho \"xl $*\" >>$FAKE_ROOT/ran\n"
		"case $1 in\n"
		"create) cat $3 >$FAKE_ROOT/config;"
		" [ ! -e $FAKE_ROOT/broken ] || { echo 'no memory left' >&2; exit 1; } ;;\n"
		"console) %s ;;\nesac\n",
		console);
	file("bin/xl", script, 0755);
}

static const char figures[] =
	"printf '\\r# measuring flags\\r\\n"
	"bench guest-mmu-update 512 ro cycles=512000 hypercalls=1 checked=yes\\r\\n"
	"bench flags 512 ro cycles=51200 hypercalls=1 checked=yes\\r\\n"
	"bench guest-update-va 1 ro cycles=900 hypercalls=1 checked=yes\\r\\n"
	"bench x-one-invlpg 1 ro cycles=700 hypercalls=1 checked=no\\r\\n"
	"minikernel: done, 0 failed\\r\\n'; exec sleep 60";

#define KERNEL "--kernel=/dev/null"

static void bench_measures_and_plots(void **state)
{
	char svg[128];

	(void)state;
	xl_that(figures);
	snprintf(svg, sizeof(svg), "--svg=%s/plot.svg", root);
	assert_int_equal(tool("bench", KERNEL, svg), TOOL_OK);
	assert_says("cycles per page");
	assert_says(" 1000\n");
	assert_says("# #### 100\n");
	assert_says("not measured");
	slurp("plot.svg", said, sizeof(said));
	assert_says("</svg>");
	assert_says(">1000<");
	slurp("config", said, sizeof(said));
	assert_says("extra = \"bench quick cycles\"");
	slurp("ran", said, sizeof(said));
	assert_says("xl unpause ptebatch-bench-");
	assert_says("xl destroy ptebatch-bench-");
	assert_int_equal(tool("bench", KERNEL, "-j"), TOOL_OK);
	assert_json();
	assert_says("\"own_calls\":1000,\"new_calls\":100");
	/* A figure whose entries were not right is none. */
	assert_says("{\"what\":\"one page, RW to RO\",\"own_calls\":900}");
}

static void bench_tells_that_an_emulated_cpu_has_no_cycles(void **state)
{
	(void)state;
	xl_that(figures);
	file("proc/cpuinfo", "model name : QEMU Virtual CPU\n", 0644);
	assert_int_equal(tool("bench", KERNEL), TOOL_OK);
	assert_says("ticks of an emulated CPU");
}

static void bench_compares_with_the_calls_only_where_they_are(void **state)
{
	(void)state;
	stock();
	xl_that(figures);
	assert_int_equal(tool("bench", KERNEL, "-j"), TOOL_OK);
	assert_json();
	assert_says("\"own_calls\":1000}");
	assert_null(strstr(said, "new_calls"));
}

static void bench_that_is_interrupted_takes_its_domain_down(void **state)
{
	(void)state;
	xl_that("kill -TERM $PPID; exec sleep 60");
	assert_int_equal(tool("bench", KERNEL), TOOL_FAILED);
	assert_tells("interrupted");
	slurp("ran", said, sizeof(said));
	assert_says("xl destroy");
}

static void bench_tells_what_it_cannot_measure(void **state)
{
	(void)state;
	host.no_interface = EACCES;
	assert_int_equal(tool("bench", KERNEL), TOOL_DENIED);
	assert_tells("nothing can be measured");
	host.no_interface = 0;
	host.features = 0;
	assert_int_equal(tool("bench", KERNEL), TOOL_DENIED);
	assert_tells("nothing is measured");
	host.features = 1u << XENFEAT_dom0;
	assert_int_equal(tool("bench", "--kernel=/nowhere"), TOOL_MISSING);
	assert_tells("/nowhere");
	host.no_interface = ENOENT;
	assert_int_equal(tool("bench", KERNEL), TOOL_NO_XEN);
}

static void bench_cleans_up_after_a_failure(void **state)
{
	(void)state;
	file("bin/xl", "#!/bin/sh\nexit 127\n", 0755);
	assert_int_equal(tool("bench", KERNEL), TOOL_MISSING);
	xl_that("echo PANIC; echo 'minikernel: done, 0 failed'");
	assert_int_equal(tool("bench", KERNEL), TOOL_FAILED);
	xl_that("echo 'minikernel: done, 2 failed'");
	assert_int_equal(tool("bench", KERNEL), TOOL_FAILED);
	assert_tells("wrong");
	xl_that("echo '# measuring flags'");
	assert_int_equal(tool("bench", KERNEL), TOOL_FAILED);
	assert_tells("ended early");
	remove_file("ran");
	xl_that("exec sleep 60");
	assert_int_equal(tool("bench", KERNEL, "--timeout=1"), TOOL_FAILED);
	assert_tells("1 seconds");
	slurp("ran", said, sizeof(said));
	assert_says("xl destroy");
	file("broken", "", 0644);
	assert_int_equal(tool("bench", KERNEL), TOOL_FAILED);
	assert_tells("no memory left");
	xl_that(figures);
	remove_file("broken");
	assert_int_equal(tool("bench", KERNEL, "--svg=/nowhere/x"),
			 TOOL_FAILED);
	assert_tells("/nowhere/x");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(usage_without_a_command),
		TEST(unknown_commands_are_named),
		TEST(options_that_contradict_each_other_are_refused),
		TEST(every_command_has_help_and_refuses_what_it_does_not_know),
		TEST(a_full_disk_is_an_error),
		TEST(a_handle_that_stays_open_fails_the_run),
		TEST(without_xen_each_command_says_so),
		TEST(without_rights_each_command_says_so),
		TEST(without_a_buffer_each_command_fails),
		TEST(probe_tells_what_is_there),
		TEST(probe_says_how_to_get_the_engine),
		TEST(probe_says_how_to_turn_the_engine_on),
		TEST(probe_works_in_a_guest),
		TEST(probe_needs_no_module_where_the_domain_is_not_pv),
		TEST(an_older_xen_knows_two_operations),
		TEST(load_brings_payload_and_module),
		TEST(load_retries_while_xen_is_busy),
		TEST(on_a_terminal_progress_is_shown),
		TEST(a_payload_that_cannot_be_read_is_told),
		TEST(load_does_nothing_twice),
		TEST(a_xen_with_the_engine_needs_no_payload),
		TEST(a_reverted_payload_is_uploaded_again),
		TEST(load_refuses_on_top_of_another_livepatch),
		TEST(load_tells_what_is_missing),
		TEST(a_guest_loads_the_module_alone),
		TEST(load_tells_why_xen_refuses_a_payload),
		TEST(load_leaves_the_module_out_where_it_is_of_no_use),
		TEST(a_pvh_dom0_loads_the_payload_alone),
		TEST(load_can_load_only_the_module),
		TEST(a_module_that_does_not_load_is_an_error),
		TEST(a_crash_after_loading_is_not_repeated),
		TEST(an_attempt_that_settled_is_forgotten),
		TEST(the_record_is_written_before_the_payload_is_applied),
		TEST(a_damaged_record_stands_for_a_crash),
		TEST(an_older_record_of_this_boot_is_settled),
		TEST(the_command_line_of_linux_prevents_loading),
		TEST(a_boot_without_a_payload_loads_the_module),
		TEST(one_at_a_time_loads_or_unloads),
		TEST(unload_takes_out_both),
		TEST(unload_without_anything_loaded_is_done),
		TEST(unload_retries_while_calls_are_out),
		TEST(a_revert_that_is_given_up_leaves_the_calls_on),
		TEST(unload_waits_for_a_livepatch_on_top),
		TEST(unload_of_one_part_leaves_the_other),
		TEST(a_module_in_use_keeps_the_payload),
		TEST(an_uploaded_payload_is_removed_without_a_revert),
		TEST(status_shows_both_parts),
		TEST(status_without_anything_tells_that),
		TEST(watch_shows_differences),
		TEST(walk_shows_each_level),
		TEST(walk_shows_a_higher_level_once),
		TEST(walk_passes_over_what_is_absent),
		TEST(walk_shows_large_pages_and_absent_values),
		TEST(a_domain_that_is_not_there_is_named),
		TEST(other_kinds_of_domains_are_refused),
		TEST(only_the_control_domain_may),
		TEST(a_domain_without_that_vcpu_is_told),
		TEST(a_domain_that_goes_while_it_is_read_is_told),
		TEST(a_domain_that_goes_while_changes_are_queued_is_told),
		TEST(a_table_that_cannot_be_mapped_is_told),
		TEST(bad_arguments_are_named),
		TEST(protect_is_a_dry_run_by_default),
		TEST(protect_changes_what_it_says),
		TEST(protect_makes_no_call_for_nothing),
		TEST(protect_needs_a_paused_domain),
		TEST(protect_needs_the_calls),
		TEST(protect_refuses_large_pages),
		TEST(a_domain_that_dies_half_way_is_told),
		TEST(what_xen_refuses_is_told),
		TEST(bench_measures_and_plots),
		TEST(bench_tells_that_an_emulated_cpu_has_no_cycles),
		TEST(bench_compares_with_the_calls_only_where_they_are),
		TEST(bench_that_is_interrupted_takes_its_domain_down),
		TEST(bench_tells_what_it_cannot_measure),
		TEST(bench_cleans_up_after_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
