// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions in front of the kernel's, and how to get rid of them.
 *
 * ftrace leaves a call at the beginning of each of the kernel's functions. A
 * "direct" user of it has that call go straight to a trampoline of its own, at
 * the price of three instructions. Ours drops the return address, so that the
 * function in front returns to the kernel's caller; the kernel's own function
 * is still there, behind that call.
 *
 * Unloading. The functions in front sleep, so after the calls are gone tasks
 * may be anywhere inside them. They count themselves in and out, but a count
 * cannot cover the instructions before the one that counts in and after the
 * one that counts out. Those never sleep of their own accord, which is just
 * what RCU tasks waits for: that each task has slept so, or run in user mode.
 *   1. the calls are taken out;
 *   2. RCU tasks: who was on the way in has counted in;
 *   3. until as many are out as were in: the counts only go down now, each
 *      value read is no less than it is later, so a sum of 0 is nobody;
 *   4. RCU tasks: who was on the way out has left.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "ptebatch.h"

DEFINE_PER_CPU(long, ptb_inside);

struct ptb_hook {
	const struct ptb_hook_point *point;
	struct ftrace_ops ops;
	bool active;
};

static struct ptb_hook hooks[] = {
	{ .point = &ptb_mprotect_hook },
	{ .point = &ptb_fork_hook },
	{ .point = &ptb_munmap_hook },
};

static unsigned long (*lookup)(const char *name);
static unsigned long (*fentry_of)(unsigned long function);

/* The kernel tells a kprobe where a function is, and nobody else. */
static unsigned long find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long address = 0;

	if (!register_kprobe(&probe)) {
		address = (unsigned long)probe.addr;
		unregister_kprobe(&probe);
	}
	return address;
}

unsigned long ptb_symbol(const char *name)
{
	unsigned long address = lookup(name);

	if (!address)
		pr_err("this kernel has no symbol %s\n", name);
	return address;
}

int ptb_find_symbols(void)
{
	lookup = (void *)find_lookup();
	if (!lookup) {
		pr_err("this kernel has no symbol kallsyms_lookup_name, or no kprobes\n");
		return -ENOENT;
	}
	fentry_of = (void *)ptb_symbol("ftrace_location");
	return fentry_of ? 0 : -ENOENT;
}

static int hook(struct ptb_hook *h)
{
	unsigned long function = ptb_symbol(h->point->name), entry;
	int err;

	if (!function)
		return -ENOENT;
	entry = fentry_of(function);
	if (!entry) {
		pr_err("%s cannot be hooked: ftrace does not know it\n",
		       h->point->name);
		return -ENOENT;
	}
	*h->point->original = (void *)(entry + MCOUNT_INSN_SIZE);

	err = ftrace_set_filter_ip(&h->ops, entry, 0, 0);
	if (!err)
		err = ptb_ftrace_register(&h->ops, h->point->trampoline);
	if (err) {
		pr_err("%s cannot be hooked: ftrace says %d%s\n",
		       h->point->name, err,
		       err == -EBUSY ? ", somebody else has it" : "");
		ftrace_free_filter(&h->ops);
		return err;
	}
	h->active = true;
	return 0;
}

/* False: the kernel goes on calling it. */
static bool unhook(struct ptb_hook *h)
{
	int err;

	if (!h->active)
		return true;
	err = ptb_ftrace_unregister(&h->ops, h->point->trampoline);
	if (err) {
		pr_crit("%s stays hooked, so the module stays, doing nothing: ftrace says %d\n",
			h->point->name, err);
		return false;
	}
	ftrace_free_filter(&h->ops);
	h->active = false;
	return true;
}

static long inside(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(ptb_inside, cpu));
	return sum;
}

/*
 * Once ftrace has met with a fault, of anybody's, it takes no call out any more.
 * Then what is called must stay, and whoever wants it gone waits without end.
 */
void ptb_unhook_all(void)
{
	bool out = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		out &= unhook(&hooks[i]);
	while (!out) {
		memset(ptb_on, 0, sizeof(ptb_on));
		msleep(60 * MSEC_PER_SEC);
	}
	synchronize_rcu_tasks();
	while (inside())
		msleep(20);
	synchronize_rcu_tasks();
}

int ptb_hook_all(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = hook(&hooks[i]);
		if (err) {
			ptb_unhook_all();
			return err;
		}
	}
	return 0;
}
