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
 *
 * The tracer's switch. While kernel.ftrace_enabled is 0, ftrace keeps its lists
 * but patches no code. A function whose direct user is removed meanwhile keeps
 * flags of that user; when ftrace finds them later, it takes them for a fault.
 * So the switch must be on from the first registration to the last removal.
 * The kernel itself ensures that while an ops with FTRACE_OPS_FL_PERMANENT is
 * registered, as it does for livepatches: such an ops cannot be registered
 * with the switch off, and the switch cannot be turned off before it is
 * removed. Registering a direct user overwrites the flags of its ops. So an
 * ops of its own holds the switch: it is registered first, removed last, and
 * watches a function that is not called meanwhile.
 *
 * A dead ftrace. ftrace stops for good when it has met a fault, whoever caused
 * it. From then on it patches no code and removes nothing from its lists. What
 * is registered at that time must stay in memory, and the module with it.
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
static int (*ftrace_is_dead)(void);

/*
 * The kernel tells a kprobe where a function is, and nobody else. A disabled
 * one is never armed. So neither the text nor ftrace has a part in this, and
 * removing it cannot fail, which would leave this stack in the kernel's list.
 */
static unsigned long find_lookup(void)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
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
	ftrace_is_dead = (void *)ptb_symbol("ftrace_is_dead");
	return fentry_of && ftrace_is_dead ? 0 : -ENOENT;
}

static void notrace watch_nothing(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops,
				  struct ftrace_regs *regs)
{
}

static struct ftrace_ops switch_holder = {
	.func = watch_nothing,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static int hold_switch(void)
{
	/* Called before this, and never again. */
	unsigned long watched = (unsigned long)ptb_find_symbols;
	int err = ftrace_set_filter_ip(&switch_holder, watched, 0, 0);

	if (!err)
		err = register_ftrace_function(&switch_holder);
	if (!err)
		return 0;
	if (ftrace_is_dead())
		pr_err("not loaded: ftrace has stopped after a fault, until the next boot\n");
	else if (err == -EBUSY)
		pr_err("not loaded: ftrace is off, set kernel.ftrace_enabled to 1\n");
	else
		pr_err("not loaded: ftrace says %d\n", err);
	ftrace_free_filter(&switch_holder);
	return err;
}

/* Neither fails while ftrace is alive. */
static void release_switch(void)
{
	unregister_ftrace_function(&switch_holder);
	ftrace_free_filter(&switch_holder);
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
	/* If ftrace died of it, the call may be there in spite of the error. */
	h->active = !err || ftrace_is_dead();
	if (err)
		pr_err("%s cannot be hooked: ftrace says %d%s\n",
		       h->point->name, err,
		       err == -EBUSY ? ", somebody else has it" : "");
	if (!h->active)
		ftrace_free_filter(&h->ops);
	return err;
}

/*
 * False: the kernel goes on calling it. A dead ftrace is not even asked, since
 * it would forget the trampoline, but not the ops.
 */
static bool unhook(struct ptb_hook *h)
{
	int err;

	if (!h->active)
		return true;
	if (ftrace_is_dead())
		return false;
	err = ptb_ftrace_unregister(&h->ops, h->point->trampoline);
	if (err) {
		pr_crit("%s stays hooked: ftrace says %d\n", h->point->name,
			err);
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

/* False: something is still called, so the module must stay in memory. */
static bool unhook_all(void)
{
	bool out = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		out &= unhook(&hooks[i]);
	if (!out || ftrace_is_dead()) {
		memset(ptb_on, 0, sizeof(ptb_on));
		pr_crit("ftrace does not take the calls out: this module stays in memory until the next boot, doing nothing\n");
		return false;
	}
	release_switch();
	synchronize_rcu_tasks();
	while (inside())
		msleep(20);
	synchronize_rcu_tasks();
	return true;
}

/* The kernel cannot be refused here any more; so rmmod does not come back. */
void ptb_unhook_all(void)
{
	if (unhook_all())
		return;
	for (;;)
		msleep(60 * MSEC_PER_SEC);
}

int ptb_hook_all(void)
{
	unsigned int i;
	int err;

	err = hold_switch();
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = hook(&hooks[i]);
		if (err)
			break;
	}
	if (!err)
		pr_info("kernel.ftrace_enabled cannot be set to 0 while this module is loaded\n");
	if (!err || unhook_all())
		return err;
	/* It must stay: better loaded for good than in an endless insmod. */
	__module_get(THIS_MODULE);
	return 0;
}
