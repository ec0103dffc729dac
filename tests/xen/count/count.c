/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin that counts between two marker addresses: instructions,
 * locked instructions (with a lock prefix, or xchg with memory), and executions
 * of watched addresses. The counts include hypervisor and guest, neither of
 * which needs changes for the plugin.
 *
 *   -plugin count.so,begin=ADDR,end=ADDR,out=FILE[,watch=ADDR...][,detail=1]
 *
 * Each time "end" is reached after "begin", the plugin writes a line to FILE:
 *   region N INSTRUCTIONS LOCKED [WATCHED...]
 * With detail=1 a line "pc ADDR COUNT LOCKED" follows for each executed
 * address. The instructions at "begin" and "end" themselves are not counted.
 *
 *   cc -O2 -shared -fPIC -o count.so count.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin-api.h"

#define WATCH_MAX 8
#define BUCKETS (1u << 16)

struct pc {
	uint64_t addr;
	uint64_t count;
	int locked;
	struct pc *next; /* in the bucket */
	struct pc *all;
};

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_API_VERSION;
PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
				      const struct qemu_info *info, int argc,
				      char **argv);

static struct pc *bucket[BUCKETS], *all;
static uint64_t begin, end, watch[WATCH_MAX];
static unsigned int watched, region;
static int detail, running;
static FILE *out;

static struct pc *find(uint64_t addr)
{
	struct pc **b = &bucket[(addr ^ addr >> 16) % BUCKETS], *p;

	for (p = *b; p; p = p->next)
		if (p->addr == addr)
			return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->addr = addr;
	p->next = *b;
	*b = p;
	p->all = all;
	all = p;
	return p;
}

static int is_locked(const uint8_t *code, size_t size)
{
	size_t i = 0;

	for (; i < size; i++) {
		uint8_t c = code[i];

		if (c == 0xf0)
			return 1;
		if (c != 0x66 && c != 0x67 && c != 0xf2 && c != 0xf3 &&
		    c != 0x2e && c != 0x36 && c != 0x3e && c != 0x26 &&
		    c != 0x64 && c != 0x65)
			break;
	}
	if (i < size && (code[i] & 0xf0) == 0x40) /* REX */
		i++;
	return i + 1 < size && (code[i] & 0xfe) == 0x86 &&
	       (code[i + 1] & 0xc0) != 0xc0;
}

static void at_begin(unsigned int vcpu, void *data)
{
	struct pc *p;

	(void)vcpu;
	(void)data;
	for (p = all; p; p = p->all)
		p->count = 0;
	running = 1;
}

/*
 * Markers are left out: whether a marker's counter or its callback runs first
 * depends on QEMU.
 */
static int marker(const struct pc *p)
{
	return p->addr == begin || p->addr == end;
}

static void at_end(unsigned int vcpu, void *data)
{
	uint64_t total = 0, locked = 0;
	unsigned int i;
	struct pc *p;

	(void)vcpu;
	(void)data;
	if (!running)
		return;
	running = 0;
	for (p = all; p; p = p->all) {
		if (marker(p))
			continue;
		total += p->count;
		locked += p->locked ? p->count : 0;
	}
	fprintf(out, "region %u %" PRIu64 " %" PRIu64, region++, total,
		locked);
	for (i = 0; i < watched; i++)
		fprintf(out, " %" PRIu64, find(watch[i])->count);
	fputc('\n', out);
	for (p = detail ? all : NULL; p; p = p->all)
		if (p->count && !marker(p))
			fprintf(out, "pc %" PRIx64 " %" PRIu64 " %d\n", p->addr,
				p->count, p->locked);
	fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct pc *p = find(qemu_plugin_insn_vaddr(insn));

		p->locked = is_locked(qemu_plugin_insn_data(insn),
				      qemu_plugin_insn_size(insn));
		if (p->addr == begin)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, at_begin, QEMU_PLUGIN_CB_NO_REGS, p);
		else if (p->addr == end)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, at_end, QEMU_PLUGIN_CB_NO_REGS, p);
		qemu_plugin_register_vcpu_insn_exec_inline(
			insn, QEMU_PLUGIN_INLINE_ADD_U64, &p->count, 1);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			int argc, char **argv)
{
	const char *file = NULL;
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		uint64_t n;

		if (!value++) {
			fprintf(stderr, "count: %s: no value\n", argv[i]);
			return -1;
		}
		n = strtoull(value, NULL, 0);
		if (!strncmp(argv[i], "begin=", 6)) {
			begin = n;
		} else if (!strncmp(argv[i], "end=", 4)) {
			end = n;
		} else if (!strncmp(argv[i], "out=", 4)) {
			file = value;
		} else if (!strncmp(argv[i], "detail=", 7)) {
			detail = n != 0;
		} else if (!strncmp(argv[i], "watch=", 6) &&
			   watched < WATCH_MAX) {
			watch[watched++] = n;
		} else {
			fprintf(stderr, "count: %s: not known\n", argv[i]);
			return -1;
		}
	}
	if (!begin || !end || !file) {
		fprintf(stderr, "count: begin, end and out are needed\n");
		return -1;
	}
	out = fopen(file, "w");
	if (!out) {
		perror(file);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
