// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading, parameters, status, and the environment that libptebatch needs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <xen/features.h>
#include <xen/xen-ops.h>
#include <xen/xen.h>

#include "ptebatch.h"
#include "tables.h"

static_assert(sizeof(struct ptebatch_value) == sizeof(struct mmu_update));

bool ptb_on[PTB_PATHS] = { [0 ... PTB_PATHS - 1] = true };

static int set_path(const char *text, const struct kernel_param *param);
static const struct kernel_param_ops path_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_path,
	.get = param_get_bool,
};

#define PATH(name, path, about)                                \
	module_param_cb(name, &path_ops, &ptb_on[path], 0644); \
	__MODULE_PARM_TYPE(name, "bool");                      \
	MODULE_PARM_DESC(name, about)

PATH(mprotect, PTB_MPROTECT, "change protections through libptebatch");
PATH(fork, PTB_FORK, "copy page tables through libptebatch");
PATH(munmap, PTB_MUNMAP, "unmap through libptebatch");
PATH(fault, PTB_FAULT, "map pages of files through libptebatch");
PATH(pin, PTB_PIN, "find the tables to pin and unpin quickly");
PATH(exit, PTB_EXIT, "unmap the memory of a process that ends");
PATH(clear, PTB_CLEAR, "clear an entry and flush its page by one hypercall");
PATH(foreign, PTB_FOREIGN, "map pages of other domains through libptebatch");
PATH(mremap, PTB_MREMAP, "move entries through libptebatch");
PATH(madvise, PTB_MADVISE, "MADV_FREE, MADV_COLD and MADV_PAGEOUT");
PATH(refs, PTB_REFS, "writes to /proc/PID/clear_refs");
PATH(young, PTB_YOUNG, "clear the accessed bit of an entry by one hypercall");

DEFINE_PER_CPU(struct ptb_cpu *, ptb_cpus);
unsigned int ptb_cpu_words;

/* ---- The library's environment ------------------------------------------- */

static int64_t do_hypercall(void *ctx, uint32_t nr, uint64_t a1, uint64_t a2,
			    uint64_t a3, uint64_t a4, uint64_t a5)
{
	return ptb_hypercall(nr, a1, a2, a3, a4, a5);
}

/* Page tables are this domain's own memory, and mapped read-only. */
static volatile uint64_t *slot_of(void *ctx, uint64_t slot)
{
	return ptb_lower(slot) + (slot & ~PAGE_MASK) / 8;
}

struct ptebatch_env ptb_env = {
	.hypercall = do_hypercall,
	.map = slot_of,
};

unsigned int ptb_apply(enum ptb_path path, const struct ptebatch_run *run,
		       const struct ptebatch_tlb *tlb, bool *whole)
{
	struct ptebatch_progress progress = {};
	int err = run->op == PTEBATCH_OP_CLEAR
			  ? ptebatch_apply_clear(&ptebatch_hypercall, &ptb_env,
						 run, tlb, &progress)
			  : ptebatch_apply_flags(&ptebatch_hypercall, &ptb_env,
						 run, tlb, &progress);

	ptb_count(path, hypercalls, progress.stats.hypercalls);
	ptb_count(path, failures, err != 0);
	*whole = !err;
	return err && !progress.records ? progress.slots : run->count;
}

static bool has_new_calls(void)
{
	u32 both = PTEBATCH_HAVE_RUNS | PTEBATCH_HAVE_VALUES;

	return (READ_ONCE(ptb_env.have) & both) == both;
}

static int probe(void)
{
	if (xen_feature(XENFEAT_mmu_pt_update_preserve_ad))
		ptb_env.features |= PTEBATCH_ENV_PRESERVE_AD;
	return ptebatch_hypercall.probe(&ptb_env);
}

/*
 * Writing to a path's parameter also probes Xen again. This is how the user
 * tells the module that Xen's calls have been turned on again. insmod sets
 * parameters before the module is initialized, when a probe is not possible
 * yet.
 */
static bool loaded;

static int set_path(const char *text, const struct kernel_param *param)
{
	int err = param_set_bool(text, param);

	if (!err && loaded)
		probe();
	return err;
}

/*
 * After restore or migration the guest can run on another Xen. No batch is open
 * then: a batch is used under a page-table lock only, and no CPU holds one
 * while the guest is suspended. Linux calls this function while tasks are still
 * frozen. A hypercall that is made before learns from its own result which
 * calls exist.
 */
static int resumed(struct notifier_block *block, unsigned long action, void *p)
{
	probe();
	return NOTIFY_OK;
}

static struct notifier_block resume_block = { .notifier_call = resumed };
static struct raw_notifier_head *resume_chain;

static int resume_symbols(void)
{
	if (PTB_RESUME_CHAIN)
		resume_chain = (void *)ptb_symbol(PTB_RESUME_CHAIN);
	return PTB_RESUME_CHAIN && !resume_chain ? -ENOENT : 0;
}

/* ---- Status -------------------------------------------------------------- */

static const char *const path_names[PTB_PATHS] = {
	[PTB_MPROTECT] = "mprotect",
	[PTB_FORK] = "fork",
	[PTB_MUNMAP] = "munmap",
	[PTB_FAULT] = "fault",
	[PTB_PIN] = "pin",
	[PTB_EXIT] = "exit",
	[PTB_CLEAR] = "clear",
	[PTB_FOREIGN] = "foreign",
	[PTB_MREMAP] = "mremap",
	[PTB_MADVISE] = "madvise",
	[PTB_REFS] = "refs",
	[PTB_YOUNG] = "young",
};

static const char *const reason_names[PTEBATCH_FLUSH_REASONS] = {
	[PTEBATCH_FLUSH_FULL] = "full",
	[PTEBATCH_FLUSH_KIND] = "kind",
	[PTEBATCH_FLUSH_OWNER] = "owner",
	[PTEBATCH_FLUSH_EXPLICIT] = "explicit",
	[PTEBATCH_FLUSH_END] = "end",
};

static const struct {
	const char *name;
	size_t offset;
} counter_names[] = {
#define COUNTER(what)                                      \
	{                                                  \
#what, offsetof(struct ptb_counters, what) \
	}
	COUNTER(calls),	     COUNTER(whole),	COUNTER(tables),
	COUNTER(odd),	     COUNTER(ptes),	COUNTER(singles),
	COUNTER(hypercalls), COUNTER(failures), COUNTER(folded),
	COUNTER(late),
};

static u64 total(size_t offset)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(
			*(u64 *)((char *)per_cpu(ptb_cpus, cpu) + offset));
	return sum;
}

static int status_show(struct seq_file *m, void *v)
{
	unsigned int path, i;

	seq_printf(m, "backend %s\n",
		   has_new_calls() ? "hypercall" : "mmu-update");
	for (path = 0; path < PTB_PATHS; path++) {
		seq_printf(m, "%s.on %d\n", path_names[path], ptb_on[path]);
		for (i = 0; i < ARRAY_SIZE(counter_names); i++)
			seq_printf(
				m, "%s.%s %llu\n", path_names[path],
				counter_names[i].name,
				total(offsetof(struct ptb_cpu, counters[path]) +
				      counter_names[i].offset));
	}
	for (i = 0; i < PTEBATCH_FLUSH_REASONS; i++)
		seq_printf(m, "flush.%s %llu\n", reason_names[i],
			   total(offsetof(struct ptb_cpu,
					  batch.counters.flushes[i])));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static struct dentry *status_folder;

/* ---- Loading ------------------------------------------------------------- */

static void free_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kvfree(per_cpu(ptb_cpus, cpu));
		per_cpu(ptb_cpus, cpu) = NULL;
	}
}

static int alloc_cpus(void)
{
	int cpu;

	ptb_cpu_words = BITS_TO_LONGS(nr_cpu_ids);
	for_each_possible_cpu(cpu) {
		struct ptb_cpu *c;

		c = kvzalloc_node(sizeof(*c) + 8 * ptb_cpu_words, GFP_KERNEL,
				  cpu_to_node(cpu));
		per_cpu(ptb_cpus, cpu) = c;
		if (!c || ptebatch_init(&c->batch, sizeof(c->batch),
					&ptebatch_hypercall, &ptb_env,
					&c->records, sizeof(c->records))) {
			free_cpus();
			return -ENOMEM;
		}
		c->cpus = (u64 *)(c + 1);
	}
	return 0;
}

/*
 * Returns the reason why this kernel does not need or suit the module, or NULL.
 */
static const char *unfit(void)
{
	if (!xen_domain())
		return "this kernel does not run on Xen, and writes its page tables directly";
	if (!xen_pv_domain())
		return "this is an HVM or PVH guest, which writes its page tables directly";
	if (xen_feature(XENFEAT_auto_translated_physmap))
		return "Xen translates this domain's frames";
	if (__PHYSICAL_MASK != (PTEBATCH_PTE_FRAME | ~PAGE_MASK))
		return "this kernel stores frames in other bits of an entry";
	return NULL;
}

static int __init ptb_init(void)
{
	const char *why = unfit();
	int err;

	if (why) {
		pr_err("not loaded: %s\n", why);
		return -ENODEV;
	}
	err = probe();
	if (err) {
		pr_err("not loaded: this Xen is not usable: %s\n",
		       ptebatch_strerror(err));
		return err;
	}
	err = ptb_find_symbols();
	if (!err)
		err = ptb_fork_symbols();
	if (!err)
		err = ptb_munmap_symbols();
	if (!err)
		err = ptb_fault_symbols();
	if (!err)
		err = ptb_pin_symbols();
	if (!err)
		err = ptb_age_symbols();
	if (!err)
		err = resume_symbols();
	if (!err)
		err = alloc_cpus();
	if (err)
		return err;
	err = ptb_hook_all();
	if (err) {
		free_cpus();
		return err;
	}
	xen_resume_notifier_register(&resume_block);
	loaded = true;
	status_folder = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("status", 0444, status_folder, NULL, &status_fops);
	pr_info("%s\n",
		has_new_calls()
			? "page tables are changed by Xen's calls for batches"
			: "this Xen has no calls for batches: mmu_update is used");
	return 0;
}

static void __exit ptb_exit(void)
{
	debugfs_remove(status_folder);
	ptb_resume_unregister(resume_chain, &resume_block);
	ptb_unhook_all();
	free_cpus();
}

module_init(ptb_init);
module_exit(ptb_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION(
	"Batched page-table updates on Xen PV");
MODULE_AUTHOR("the libptebatch authors");
MODULE_VERSION(PTB_VERSION);
