/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls from a process of dom0, through privcmd. Buffers are the process's
 * own memory, which must be mapped while Xen reads and writes it.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 48)
#define HYPERVISOR_HYPFS_OP 42
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

/* As "xenhypfs write" does it. */
bool turn_calls(bool on)
{
	static const char path[] = "/params/ptebatch";
	volatile uint8_t value = on;

	return !hypercall(HYPERVISOR_HYPFS_OP, HYPFS_WRITE_CONTENTS,
			  (uintptr_t)path, sizeof(path), (uintptr_t)&value, 1);
}

void not_pv(void)
{
	int err = load_ptebatch();

	say("1..1");
	say("# insmod: %s", strerror(err));
	if (err == ENODEV)
		say("ok 1 - the module refuses a guest that is not PV");
	else
		fail("not ok 1 - the module refuses a guest that is not PV");
}
