// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: has hypercalls of ptebatch.ko stop half way, as Xen's would if it
 * refused an entry. ptebatch.ko is the one that users load: its pointer to the
 * function that makes hypercalls is replaced.
 *
 *   parameters/stop      PROCESS,CALLS,AFTER,LOST. Stops the calls of this
 *                        process and of its children. 0 stops none.
 *   parameters/stopped   how many have been stopped
 *
 * CALLS is a sum of STOP_*. A call stops after AFTER entries, and does so for
 * these. With LOST it stops where Xen cannot store old values: these calls alone
 * are stopped, after AFTER entries or at their end, and no old value is stored.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

#include <xen/interface/xen.h>

#include <ptebatch/ptebatch.h>

#define STOP_RUNS 1
#define STOP_VALUES 2
#define STOP_MMUEXT 4 /* of several operations */

static struct {
	pid_t process;
	unsigned int calls, after, lost;
} stop;

static atomic_long_t stopped;
static struct ptebatch_env *env;
static int64_t (*xen)(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
		      uint64_t a3, uint64_t a4, uint64_t a5);

static int64_t answer(uint32_t done, uint32_t slots)
{
	atomic_long_inc(&stopped);
	return PTEBATCH_ANSWER(done, slots,
			       stop.lost ? PTEBATCH_EFAULT : PTEBATCH_EINVAL);
}

/* Where old values go that are not stored. */
static uint64_t nowhere[PTEBATCH_TABLE_SLOTS];

/* A run in registers, or a value. */
static int64_t one_run(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		       uint64_t a5)
{
	const bool takes = PTEBATCH_HOW_OP(a3) == PTEBATCH_OP_TAKE;
	const uint32_t nr = min_t(uint32_t, a2, stop.after);

	if (stop.lost ? !takes : nr == a2)
		return xen(NULL, __HYPERVISOR_ptebatch_runs, a1, a2, a3, a4,
			   a5);
	if (nr)
		xen(NULL, __HYPERVISOR_ptebatch_runs, a1, nr, a3,
		    stop.lost ? (uintptr_t)nowhere : a4, a5);
	return answer(nr, 0);
}

static int64_t list_of_runs(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
			    uint64_t a5)
{
	const struct ptebatch_run *runs = (const void *)(uintptr_t)a1;
	uint32_t left = stop.after, whole;
	struct ptebatch_run part;

	/* The runs before the one at which the call stops */
	for (whole = 0; whole < a2; left -= runs[whole++].count)
		if (stop.lost ? runs[whole].old : left < runs[whole].count)
			break;
	if (whole == a2)
		return xen(NULL, __HYPERVISOR_ptebatch_runs, a1, a2, a3, a4,
			   a5);
	left = stop.lost ? min_t(uint32_t, stop.after, runs[whole].count)
			 : left;
	if (!left) {
		if (whole)
			xen(NULL, __HYPERVISOR_ptebatch_runs, a1, whole, a3, a4,
			    a5);
		return answer(whole, 0);
	}
	if (whole)
		xen(NULL, __HYPERVISOR_ptebatch_runs, a1, whole,
		    PTEBATCH_HOW_LIST, a4, 0);
	part = runs[whole];
	part.count = left;
	if (stop.lost)
		part.old = (uintptr_t)nowhere;
	xen(NULL, __HYPERVISOR_ptebatch_runs, (uintptr_t)&part, 1, a3, a4, a5);
	return answer(whole, left);
}

static int64_t values(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		      uint64_t a5)
{
	if (stop.lost || a2 <= stop.after)
		return xen(NULL, __HYPERVISOR_ptebatch_values, a1, a2, a3, a4,
			   a5);
	if (stop.after)
		xen(NULL, __HYPERVISOR_ptebatch_values, a1, stop.after, a3, a4,
		    a5);
	return answer(stop.after, 0);
}

static int64_t mmuext(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	if (a2 == 1 || a2 <= stop.after)
		return xen(NULL, __HYPERVISOR_mmuext_op, a1, a2, a3, a4, 0);
	*(unsigned int *)(uintptr_t)a3 = stop.after;
	if (stop.after)
		xen(NULL, __HYPERVISOR_mmuext_op, a1, stop.after, a3, a4, 0);
	atomic_long_inc(&stopped);
	return -EINVAL;
}

static int64_t stopping(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint32_t op = PTEBATCH_HOW_OP(a3);

	if (!stop.process || (current->tgid != stop.process &&
			      current->real_parent->tgid != stop.process))
		return xen(ctx, nr, a1, a2, a3, a4, a5);
	if (nr == __HYPERVISOR_mmuext_op && (stop.calls & STOP_MMUEXT))
		return mmuext(a1, a2, a3, a4);
	if (!a2 || op == PTEBATCH_HOW_PROBE)
		return xen(ctx, nr, a1, a2, a3, a4, a5);
	if (nr == __HYPERVISOR_ptebatch_values && (stop.calls & STOP_VALUES))
		return values(a1, a2, a3, a4, a5);
	if (nr == __HYPERVISOR_ptebatch_runs &&
	    (stop.calls & (op == PTEBATCH_OP_SET ? STOP_VALUES : STOP_RUNS)))
		return op == PTEBATCH_HOW_LIST
			       ? list_of_runs(a1, a2, a3, a4, a5)
			       : one_run(a1, a2, a3, a4, a5);
	return xen(ctx, nr, a1, a2, a3, a4, a5);
}

/* The only way for a module to find a symbol that is not exported. */
static void *symbol(const char *name)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long (*lookup)(const char *name);

	if (register_kprobe(&probe))
		return NULL;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	return (void *)lookup(name);
}

static int set_stop(const char *text, const struct kernel_param *param)
{
	/* ptebatch.ko may have been loaded again since. */
	struct ptebatch_env *now = symbol("ptb_env");
	int process;

	if (!now)
		return -ENOENT;
	WRITE_ONCE(stop.process, 0);
	if (sscanf(text, "%d,%u,%u,%u", &process, &stop.calls, &stop.after,
		   &stop.lost) != 4)
		return strcmp(text, "0") ? -EINVAL : 0;
	if (now->hypercall != stopping) {
		if (!env) /* the pointer to it stays */
			__module_get(THIS_MODULE);
		xen = now->hypercall;
		env = now;
		WRITE_ONCE(env->hypercall, stopping);
	}
	WRITE_ONCE(stop.process, process);
	return 0;
}

static int get_stopped(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&stopped));
}

static const struct kernel_param_ops stop_ops = { .set = set_stop };
static const struct kernel_param_ops stopped_ops = { .get = get_stopped };
module_param_cb(stop, &stop_ops, NULL, 0200);
module_param_cb(stopped, &stopped_ops, NULL, 0400);
