/* SPDX-License-Identifier: MIT */
/*
 * The program ptebatch: what its commands share. Each command is one file,
 * NAME.c, with one function. These files serve the commands:
 *
 *   ptebatch.c   finds the command
 *   common.c     options and messages that all commands have
 *   files.c      reads and writes small files, runs programs
 *   out.c        prints a result, as text or as JSON
 *   host.c       a connection to Xen, and what Xen says about itself
 *   domain.c     another domain, and its page tables
 *   payload.c    the livepatch that brings the engine to a running Xen
 *   module.c     the module of Linux
 *   attempt.c    the record of an attempt to load
 *   plot.c       draws bars, in a terminal and as SVG
 */
#ifndef TOOL_H
#define TOOL_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xencall.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xentoollog.h>

#include <ptebatch/xencall.h>

/*
 * Exit codes. They are stable. ptebatch(8) takes them from these comments.
 */
enum {
	/* The command did what it was asked to do. */
	TOOL_OK = 0,
	/* Something failed that has no code of its own. The message says what. */
	TOOL_FAILED = 1,
	/* The command line is wrong. Nothing was done. */
	TOOL_USAGE = 2,
	/* This system does not run on Xen, or its kernel gives no access to Xen. */
	TOOL_NO_XEN = 3,
	/* The user, or this domain, has no right to do that. */
	TOOL_DENIED = 4,
	/* There is no such domain. */
	TOOL_NO_DOMAIN = 5,
	/* The domain is not a 64-bit PV guest, or is the one that runs the command. */
	TOOL_WRONG_DOMAIN = 6,
	/* The domain runs, and would have to be paused. */
	TOOL_NOT_PAUSED = 7,
	/* The domain disappeared while the command worked on it. */
	TOOL_DOMAIN_GONE = 8,
	/* A part is missing: the engine, a payload for this Xen, or a program. */
	TOOL_MISSING = 9,
	/* Loading is refused: an earlier attempt, another payload, or ptebatch=off. */
	TOOL_REFUSED = 10,
	/* Xen was busy until the last retry. Trying again later can succeed. */
	TOOL_BUSY = 11,
};

/* Each returns an exit code. argv[0] is the name for messages. */
int probe_command(int argc, char **argv);
int load_command(int argc, char **argv);
int unload_command(int argc, char **argv);
int status_command(int argc, char **argv);
int bench_command(int argc, char **argv);
int walk_command(int argc, char **argv);
int protect_command(int argc, char **argv);

int ptebatch_main(int argc, char **argv);

/* --- common.c ------------------------------------------------------------- */

/* The options --json and --quiet, as a child of a command's parser. */
extern const struct argp_child common_options[];
extern bool quiet;

/* What load and unload have in common, before the options of all commands. */
struct parts {
	bool no_module, no_payload;
	unsigned int retries;
};
extern const struct argp_child parts_options[];
/* On ARGP_KEY_INIT: where these go. */
void parse_parts(struct argp_state *state, struct parts *parts);

/* What is left of the keys: an argument that the command does not take. */
error_t parse_no_more(int key, char *arg, struct argp_state *state);

/* Parses a command line; ends the program if that is wrong. */
void parse(const struct argp *argp, int argc, char **argv, void *input);
/* Parse a number, or end the program with a message that names the argument. */
uint64_t parse_number(struct argp_state *state, const char *what,
		      const char *text, uint64_t least, uint64_t most);

/* Prints "ptebatch: " and the message, and returns the code. */
int fail(int code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for a message that is no failure; not with --quiet. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line that replaces the one before it. Only on a terminal. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

/* --- files.c -------------------------------------------------------------- */

/* In front of all paths; only tests set it. */
extern const char *tool_root;

struct path {
	char text[512];
};
struct path path_of(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
bool exists(const char *path);
/* Reads a text file into a buffer, with a 0 at its end. -1 with errno set. */
int read_text(const char *path, char *buffer, size_t bytes);
/* Reads a whole file; the caller frees *data. -1 with errno set. */
int read_file(const char *path, void **data, size_t *bytes);
/* Writes a file so that it is on the disk afterwards. -1 with errno set. */
int write_text(const char *path, const char *text);
/* True if a word is in a text, between blanks. */
bool has_word(const char *text, const char *word);
/*
 * Keeps others from loading and unloading until this program ends. Returns 0,
 * or an exit code after a message.
 */
int lock(void);
/*
 * Runs a program with its output thrown away, and returns its exit status, or
 * -1 if it could not be run. With "said", the last line that it wrote to its
 * standard error is stored there.
 */
int run(char *const argv[], char *said, size_t bytes);

/* --- out.c ---------------------------------------------------------------- */

/*
 * A result is an object, with objects and arrays in it. As text, each value is
 * a line "key  value", and nested ones are indented.
 */
extern bool json;
void out_begin(void);
void out_end(void);
void out_object(const char *key);
void out_array(const char *key);
void out_close(void);
void out_string(const char *key, const char *value);
void out_number(const char *key, uint64_t value);
void out_hex(const char *key, uint64_t value);
void out_bool(const char *key, bool value);

/* --- host.c --------------------------------------------------------------- */

struct host {
	xentoollog_logger *log;
	xc_interface *xc;
	xencall_handle *raw;
	struct ptebatch_xencall call;
	struct ptebatch_env env;
	char version[64];
	char build_id[129]; /* empty if Xen does not tell */
	uint32_t features;
	bool pv, control; /* this domain is PV; it is the control domain */
};

/* Returns 0, or an exit code after a message. */
int host_open(struct host *h);
void host_close(struct host *h);
/* True if it runs on Xen, by what Linux says. */
bool on_xen(void);
/* Xen's answer to one of PTEBATCH_ASK_*. */
int64_t host_ask(struct host *h, uint32_t call, uint64_t item);
bool host_has_calls(struct host *h);
/*
 * Xen's parameter shows the engine to a control domain that is not PV, too,
 * which cannot make the calls.
 */
enum engine {
	ENGINE_NONE,
	ENGINE_OFF, /* all its parts are */
	ENGINE_ON,
};
enum engine host_engine(struct host *h);
/* The value of Xen's parameter "ptebatch"; false if Xen does not tell. */
bool host_parts(struct host *h, char *parts, size_t bytes);
int host_set_parts(struct host *h, const char *parts);
extern const char *const counter_names[PTEBATCH_COUNTS];
/* False if Xen has no counters, or this domain may not read them. */
bool host_counters(struct host *h, uint64_t counters[PTEBATCH_COUNTS]);

/* --- domain.c ------------------------------------------------------------- */

struct domain {
	struct host *host;
	xenforeignmemory_handle *memory;
	uint32_t id;
	uint32_t vcpu;
	bool paused;
	uint64_t top; /* machine address of the L4 table */
	/* The table mapped for each level, index 1 to 4. */
	struct {
		uint64_t maddr;
		const volatile uint64_t *entries;
	} table[5];
};

/* Both return 0, or an exit code after a message. */
int domain_open(struct domain *d, struct host *h, uint32_t id, uint32_t vcpu);
/* Reads again whether the domain is paused. */
int domain_look(struct domain *d);
void domain_close(struct domain *d);

/* Slots and entries on the way to an address, index 4 to level. */
struct walk {
	int level; /* of the last entry read: 1, or higher if it is a leaf */
	uint64_t slot[5];
	uint64_t pte[5];
};
int domain_walk(struct domain *d, uint64_t address, struct walk *w);
/* The bytes of address space that an entry of a level covers. */
#define SPAN(level) (UINT64_C(1) << (12 + 9 * ((level)-1)))
/* "P RW US": the flags of an entry. */
#define FLAGS_TEXT 96
void flags_text(uint64_t pte, int level, char text[FLAGS_TEXT]);
/* The pages that a command line names: DOMID ADDRESS PAGES, and --vcpu. */
struct target {
	uint32_t domain, vcpu;
	uint64_t address, pages;
};
#define TARGET_OPTION                                                          \
	{                                                                      \
		"vcpu", 'c', "N", 0, "Start at the page tables of vCPU N (0)", \
			0                                                      \
	}
/* False if the key is none of these. */
bool parse_target(int key, const char *arg, struct argp_state *state,
		  uint64_t most_pages, struct target *t);

/* --- payload.c ------------------------------------------------------------ */

enum payload_state {
	PAYLOAD_NONE,
	PAYLOAD_UPLOADED, /* checked by Xen, but not applied */
	PAYLOAD_APPLIED,
	PAYLOAD_UNKNOWN, /* Xen does not tell */
};
extern const char *const payload_states[];

struct payloads {
	enum payload_state own;
	int errnum;	 /* why the state is unknown */
	char other[128]; /* another payload that is applied; or empty */
};
void payload_look(struct host *h, struct payloads *p);
/* The file for this Xen, which need not exist. */
struct path payload_path(const struct host *h);
/* All return 0, or an exit code after a message. */
int payload_upload(struct host *h, const char *path);
int payload_apply(struct host *h, unsigned int retries);
int payload_revert(struct host *h, unsigned int retries);
int payload_remove(struct host *h);

/* --- module.c ------------------------------------------------------------- */

bool module_loaded(void);
bool module_installed(void);
int module_load(void);
int module_unload(void);
/* Calls see(name, value) for each line of the module's status. */
bool module_status(void (*see)(void *ctx, const char *name, const char *value),
		   void *ctx);

/* --- attempt.c ------------------------------------------------------------ */

enum attempt {
	ATTEMPT_NONE,	/* none is recorded, or it has been cleared */
	ATTEMPT_NOW,	/* of this boot, and less than five minutes ago */
	ATTEMPT_FAILED, /* of an earlier boot: the host went down soon after */
};
enum attempt attempt_look(char *when, size_t bytes);
int attempt_record(const char *build_id);
int attempt_clear(void);
/* The same, unless the host went down after the attempt. */
int attempt_settle(void);

/* --- plot.c --------------------------------------------------------------- */

struct bar {
	char label[40];
	unsigned int group; /* bars with the same scale */
	double value[2];    /* negative: not measured */
};
void plot_text(const struct bar *bars, unsigned int nr, const char *unit);
int plot_svg(const char *path, const struct bar *bars, unsigned int nr,
	     const char *title, const char *unit);

#endif /* TOOL_H */
