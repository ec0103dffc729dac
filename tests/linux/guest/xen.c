/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls from a process in dom0, through privcmd, with buffers in the
 * process's memory, which must be present while Xen accesses it. And hypercalls
 * from any domain's kernel, through the test module hypercall.ko.
 */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <ptebatch/xen-ptebatch.h>

#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 48)
#define HYPERVISOR_XEN_VERSION 17
#define HYPERVISOR_HYPFS_OP 42
#define HYPERVISOR_NONE 63 /* unused: the last slot of Xen's hypercall table */
#define HYPFS_WRITE_CONTENTS 2

int privcmd = -1;

bool privcmd_open(void)
{
	if (privcmd >= 0)
		return true;
	load_module("xen_privcmd");
	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	return privcmd >= 0;
}

int hypercall(uint64_t nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
	      uint64_t a5)
{
	uint64_t call[6] = { nr, a1, a2, a3, a4, a5 };

	return ioctl(privcmd, PRIVCMD_HYPERCALL, call);
}

/* As "xenhypfs write" does it. Xen's other parts stay as they are. */
bool turn_calls(bool on)
{
	static const char path[] = "/params/ptebatch";
	const char *value = on ? "calls" : "no-calls";

	return !hypercall(HYPERVISOR_HYPFS_OP, HYPFS_WRITE_CONTENTS,
			  (uintptr_t)path, sizeof(path), (uintptr_t)value,
			  strlen(value) + 1);
}

static long kernel_hypercall(uint64_t nr, uint64_t a1, uint64_t a2, uint64_t a3)
{
	char text[128];
	long answer;

	snprintf(text, sizeof(text), "%lu,%lu,%lu,%lu,0,0", nr, a1, a2, a3);
	if (spit("/sys/module/hypercall/parameters/call", text))
		die("hypercall.ko");
	slurp("/sys/module/hypercall/parameters/answer", text, sizeof(text));
	answer = strtol(text, NULL, 10);
	say("# hypercall %lu(%#lx, %#lx, %#lx): %ld", nr, a1, a2, a3, answer);
	return answer;
}

/* True if both a probe and a call with zeroes return -ENOSYS. */
static bool no_such_call(uint64_t nr)
{
	long probe = kernel_hypercall(nr, PTEBATCH_MAGIC, PTEBATCH_ASK_VERSION,
				      PTEBATCH_HOW_PROBE);
	long nothing = kernel_hypercall(nr, 0, 0, 0);

	return probe == -ENOSYS && nothing == -ENOSYS;
}

void not_pv(void)
{
	int err = load_ptebatch();

	say("# insmod: %s", strerror(err));
	tap_begin(NULL, "the module refuses a guest that is not PV");
	CHECK(err == ENODEV);
	tap_end(NULL);

	load_module("hypercall");
	tap_begin(NULL, "its kernel's hypercalls work, and an unused number gives -ENOSYS");
	CHECK(kernel_hypercall(HYPERVISOR_XEN_VERSION, 0, 0, 0) > 0);
	CHECK(no_such_call(HYPERVISOR_NONE));
	tap_end(NULL);

	tap_begin(NULL, "the hypercall for runs gives -ENOSYS");
	CHECK(no_such_call(__HYPERVISOR_ptebatch_runs));
	tap_end(NULL);
	tap_begin(NULL, "the hypercall for values gives -ENOSYS");
	CHECK(no_such_call(__HYPERVISOR_ptebatch_values));
	tap_end(NULL);
	failed += tap_done();
}
