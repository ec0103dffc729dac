// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: makes any hypercall from the domain's own kernel. privcmd cannot
 * do that in a domU, where it fails with EPERM.
 *
 *   parameters/call      the number and five arguments, separated by commas
 *   parameters/answer    a read makes that hypercall and gives its result
 *   parameters/stop, stopped    see stop.c
 */
#include <linux/module.h>
#include <linux/sysfs.h>

#include <xen/xen.h>
#include <asm/xen/hypercall.h>

static unsigned long call[6];
module_param_array(call, ulong, NULL, 0600);

static int get_answer(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n",
			  xen_single_call(call[0], call[1], call[2], call[3],
					  call[4], call[5]));
}

static const struct kernel_param_ops answer_ops = { .get = get_answer };
module_param_cb(answer, &answer_ops, NULL, 0400);

/* Without Xen a hypercall is an invalid instruction. */
static int __init hypercall_init(void)
{
	return xen_domain() ? 0 : -ENODEV;
}

static void __exit hypercall_exit(void)
{
}

module_init(hypercall_init);
module_exit(hypercall_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("hypercalls of a kernel's own, for tests");
MODULE_AUTHOR("the libptebatch authors");
