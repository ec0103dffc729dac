// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooking functions of the kernel, and removing the hooks.
 *
 * The kernel's functions begin with a call that ftrace controls. ftrace lets a
 * "direct" user point that call at a trampoline, which costs three
 * instructions. The module's trampoline drops the return address into the
 * kernel's function, so the module's function (the hook) returns to the caller
 * of the kernel's. The module calls the original by jumping past ftrace's call.
 *
 * Unloading. Hooks sleep. After ftrace's calls are removed, tasks can still be
 * anywhere inside the hooks. Each hook counts tasks that enter and leave. The
 * counter cannot cover the instructions before its increment and after its
 * decrement. These instructions never sleep voluntarily, so RCU tasks covers
 * them: its grace period ends once each task has slept voluntarily or run in
 * user mode.
 *   1. Remove ftrace's calls.
 *   2. Wait for RCU tasks: each task that was about to increment has done so.
 *   3. Wait until the counters add up to 0. From here on they only fall, so the
 *      sum of values read one by one is at least the number of tasks still
 *      inside. A sum of 0 means that there are none.
 *   4. Wait for RCU tasks: each task that has decremented has left.
 *
 * ftrace's switch. While kernel.ftrace_enabled is 0, ftrace maintains its lists
 * but does not patch code. If a direct user is removed in that time, its flags
 * stay set for the function, and ftrace later takes them for a fault. So the
 * switch must be on from the first registration to the last removal. The kernel
 * ensures this while an ops with FTRACE_OPS_FL_PERMANENT is registered, as it
 * does for livepatches: such an ops cannot be registered while the switch is
 * off, and the switch cannot be turned off while one is registered. Registering
 * a direct user overwrites the flags of its ops, so a separate ops holds the
 * switch. It is registered first and removed last, and traces a function that
 * is not called in between.
 *
 * A dead ftrace. After any fault, ftrace stops until the next boot. From then
 * on it neither patches code nor removes anything from its lists. What is
 * registered at that time must stay in memory, and so must the module.
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
	{ .point = &ptb_fault_hook },
	{ .point = &ptb_pin_hook },
	{ .point = &ptb_clear_hook },
	{ .point = &ptb_foreign_hook },
	{ .point = &ptb_mremap_hook },
	{ .point = &ptb_free_hook },
	{ .point = &ptb_cold_hook },
	{ .point = &ptb_refs_hook },
	{ .point = &ptb_young_hook },
	{ .point = &ptb_flush_young_hook },
};

static unsigned long (*lookup)(const char *name);
static unsigned long (*fentry_of)(unsigned long function);
static int (*ftrace_is_dead)(void);

/*
 * Registering a kprobe is the only way for a module to learn the address of a
 * symbol that is not exported. A disabled kprobe is never armed, so it involves
 * neither patching nor ftrace, and removing it cannot fail. A failure would
 * leave the kprobe, which is on this stack, in the kernel's list.
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
	/* This function has returned already, and is not called again. */
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

/* Neither call fails unless ftrace is dead. */
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
		pr_err("%s cannot be hooked: ftrace does not trace it\n",
		       h->point->name);
		return -ENOENT;
	}
	*h->point->original = (void *)(entry + MCOUNT_INSN_SIZE);

	err = ftrace_set_filter_ip(&h->ops, entry, 0, 0);
	if (!err)
		err = ptb_ftrace_register(&h->ops, h->point->trampoline);
	/* If ftrace died in this call, the hook may be active, despite err. */
	h->active = !err || ftrace_is_dead();
	if (err)
		pr_err("%s cannot be hooked: ftrace says %d%s\n",
		       h->point->name, err,
		       err == -EBUSY ? ", it has another direct user" : "");
	if (!h->active)
		ftrace_free_filter(&h->ops);
	return err;
}

/*
 * Returns false if the kernel still calls the hook. A dead ftrace is not asked
 * to unregister: it would forget the trampoline, but keep the ops.
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

/* Returns false if a hook is still called: the module must stay in memory. */
static bool unhook_all(void)
{
	bool out = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		out &= unhook(&hooks[i]);
	if (!out || ftrace_is_dead()) {
		memset(ptb_on, 0, sizeof(ptb_on));
		pr_crit("ftrace does not remove its calls: this module stays in memory until the next boot, and does nothing\n");
		return false;
	}
	release_switch();
	synchronize_rcu_tasks();
	while (inside())
		msleep(20);
	synchronize_rcu_tasks();
	return true;
}

/* The module's exit cannot fail, so if a hook stays, rmmod does not return. */
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
	/*
	 * The module must stay in memory. Loading it for good is better than an
	 * insmod that does not return.
	 */
	__module_get(THIS_MODULE);
	return 0;
}
