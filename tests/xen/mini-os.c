/* SPDX-License-Identifier: MIT */
/*
 * A program in Mini-OS (app_main()) that tests and measures do_map_frames() and
 * unmap_frames(), for tests/xen/mini-os.sh. It knows neither the library nor
 * what Mini-OS does without it, so both must give the same results. The figures
 * are TSC ticks for each page, which are instructions under QEMU's -icount.
 */
#include <mini-os/os.h>
#include <mini-os/hypervisor.h>
#include <mini-os/lib.h>
#include <mini-os/mm.h>
#include <mini-os/paravirt.h>
#include <mini-os/errno.h>
#include <xen/sched.h>

#define PAGES 4096ul
#define OWN 64ul /* pages that are mapped, again and again */
#define AREA (VIRT_DEMAND_AREA + (1ul << 30))
/* Not at the start of a table, so that one more table is in use. */
#define VA (AREA + 5 * PAGE_SIZE)

static unsigned long frames[PAGES];
static int errors[PAGES];
static unsigned long *own[OWN];
static unsigned int tests, failed;

int app_main(void *p);

static unsigned long tsc(void)
{
	unsigned int low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (unsigned long)high << 32 | low;
}

static void result(int good, const char *what)
{
	tests++;
	failed += !good;
	printk("%sok %u - %s\n", good ? "" : "not ", tests, what);
}

static int is_mapped(unsigned long va)
{
	return (*need_pgt(va) & _PAGE_PRESENT) != 0;
}

static int map(unsigned long nr, int *err)
{
	return do_map_frames(VA, frames, nr, 1, 0, DOMID_SELF, err, L1_PROT);
}

static unsigned long nr_mapped(unsigned long nr)
{
	unsigned long i, n = 0;

	for (i = 0; i < nr; i++)
		n += is_mapped(VA + i * PAGE_SIZE);
	return n;
}

static void all_pages(void)
{
	volatile unsigned long *page;
	unsigned long i, right = 0;

	result(!map(PAGES, NULL), "4096 pages are mapped");
	for (i = 0; i < PAGES; i++) {
		page = (unsigned long *)(VA + i * PAGE_SIZE);
		right += page[0] == i % OWN;
		page[1] = i;
	}
	result(right == PAGES, "each page is the one that was asked for");
	for (i = right = 0; i < OWN; i++)
		right += own[i][1] == PAGES - OWN + i;
	result(right == OWN, "the pages can be written");
	result(!is_mapped(VA - PAGE_SIZE) && !is_mapped(VA + PAGES * PAGE_SIZE),
	       "no page beside them is mapped");
	result(!unmap_frames(VA, PAGES - 1), "4095 pages are unmapped");
	result(nr_mapped(PAGES) == 1 &&
	       is_mapped(VA + (PAGES - 1) * PAGE_SIZE),
	       "no page is left, and the last one is");
	result(!unmap_frames(VA + (PAGES - 1) * PAGE_SIZE, 1) &&
	       !nr_mapped(PAGES), "a single page is unmapped");
}

static void errors_of_pages(void)
{
	static const unsigned long bad[] = { 0, 1, 254, 255, 256, 257, 511, 512,
					     2000, 4095 };
	const unsigned long nr = sizeof(bad) / sizeof(*bad);
	unsigned long i, reported = 0, wrong = 0;

	for (i = 0; i < nr; i++)
		frames[bad[i]] = 1ul << 38; /* no such frame */
	memset(errors, 0xff, sizeof(errors));
	result(!map(PAGES, errors), "frames that do not exist are no error");
	for (i = 0; i < nr; i++)
		reported += errors[bad[i]] < 0 &&
			    !is_mapped(VA + bad[i] * PAGE_SIZE);
	for (i = 0; i < PAGES; i++)
		wrong += !errors[i] != (frames[i] != 1ul << 38);
	result(reported == nr && !wrong,
	       "each of them is reported at its place, and no other");
	result(nr_mapped(PAGES) == PAGES - nr, "all others are mapped");
	printk("# error of a frame that does not exist: %d\n", errors[0]);
	for (i = 0; i < nr; i++)
		frames[bad[i]] = virt_to_mfn(own[bad[i] % OWN]);
	unmap_frames(VA, PAGES);

	result(!do_map_frames(VA, frames, 4, 1, 0, 0x1234, errors, L1_PROT) &&
	       errors[0] < 0 && errors[1] == errors[0] &&
	       errors[3] == errors[0] && !nr_mapped(4),
	       "pages of a domain that does not exist are reported");
	printk("# error of a domain that does not exist: %d\n", errors[0]);
	result(!do_map_frames(VA, frames, 8, 0, 1, DOMID_SELF, NULL,
			      L1_PROT_RO) &&
	       pte_to_mfn(*need_pgt(VA)) == frames[0],
	       "frames are mapped by their stride, read-only");
	unmap_frames(VA, 8);
	result(unmap_frames(AREA + (1ul << 35), 2) != 0,
	       "pages without a table are not unmapped");
}

/* Instructions per page, the smallest of several rounds. */
static void measure(const char *name, unsigned long nr, int *err)
{
	unsigned long flags, begin, round, best[2] = { -1ul, -1ul };

	for (round = 0; round < 4; round++) {
		local_irq_save(flags);
		begin = tsc();
		map(nr, err);
		begin = tsc() - begin;
		if (begin < best[0])
			best[0] = begin;
		begin = tsc();
		unmap_frames(VA, nr);
		begin = tsc() - begin;
		if (begin < best[1])
			best[1] = begin;
		local_irq_restore(flags);
	}
	printk("# bench map%s %lu %lu\n", name, nr, best[0] / nr);
	printk("# bench unmap%s %lu %lu\n", name, nr, best[1] / nr);
}

int app_main(void *p)
{
	struct sched_shutdown off = { .reason = SHUTDOWN_poweroff };
	unsigned long i;

	for (i = 0; i < OWN; i++) {
		own[i] = (unsigned long *)alloc_page();
		own[i][0] = i;
	}
	for (i = 0; i < PAGES; i++)
		frames[i] = virt_to_mfn(own[i % OWN]);
	all_pages();
	errors_of_pages();
	printk("1..%u\n", tests);
	measure("", PAGES, NULL);
	measure("", 32, NULL);
	measure("", 1, NULL);
	measure("-with-errors", PAGES, errors);
	printk("minikernel: done, %u failed\n", failed);
	HYPERVISOR_sched_op(SCHEDOP_shutdown, &off);
	return 0;
}
