/* SPDX-License-Identifier: MIT */
/**
 * @file tests/ptebatch/main.c
 * @ref test-ptebatch
 *
 * @page test-ptebatch PV page-table updates
 *
 * Changes entries of an L1 table by each call that Xen has for it, and compares
 * each answer and each entry with what it has to be: mmu_update,
 * update_va_mapping and, where Xen has them, ptebatch_runs and ptebatch_values.
 * Every call is also given an update that Xen has to refuse, between others that
 * it has to perform.
 *
 * The table is pinned and in no address space, so no TLB flush is needed. The
 * pages that it maps are also mapped writable by XTF itself.
 *
 * @see tests/ptebatch/main.c
 */
#include <xtf.h>

#include <xen/arch-x86/xen-ptebatch.h>

const char test_title[] = "Test PV page-table updates";

#define PAGES 4U
#define RO    PF_SYM(AD, U, P)
#define RW    PF_SYM(AD, U, RW, P)

static intpte_t table[L1_PT_ENTRIES] __page_aligned_bss;
static uint8_t data[PAGES][PAGE_SIZE] __page_aligned_bss;

static uint64_t slot(unsigned int i)
{
    return virt_to_maddr(&table[i]);
}

/* An entry that Xen refuses: the table itself, writable. */
static intpte_t refused(void)
{
    return pte_from_virt(table, RW);
}

static intpte_t page(unsigned int i, uint64_t flags)
{
    return pte_from_virt(data[i], flags);
}

/* Is the entry as expected?  Xen adds the global bit to those of user pages. */
static void check_pte(const char *what, intpte_t pte, intpte_t expected)
{
    if ( (pte ^ expected) & ~(intpte_t)_PAGE_GLOBAL )
        xtf_failure("Fail: %s: got pte %"PRIpte", expected %"PRIpte"\n",
                    what, pte, expected);
}

static void check_all(const char *what, uint64_t flags)
{
    unsigned int i;

    for ( i = 0; i < PAGES; i++ )
        check_pte(what, table[i], flags ? page(i, flags) : 0);
}

static void check_answer(const char *what, long answer, long expected)
{
    if ( answer != expected )
        xtf_failure("Fail: %s: got answer %#lx, expected %#lx\n",
                    what, answer, expected);
}

/* -- mmu_update and update_va_mapping -- */

static void test_mmu_update(void)
{
    static const struct {
        const char *what;
        uint64_t flags;
    } steps[] = {
        { "mmu_update: map",           RW },
        { "mmu_update: write-protect", RO },
        { "mmu_update: unprotect",     RW },
        { "mmu_update: unmap",         0 },
    };
    mmu_update_t reqs[PAGES];
    unsigned int i, s, done;

    for ( s = 0; s < ARRAY_SIZE(steps); s++ )
    {
        for ( i = 0; i < PAGES; i++ )
            reqs[i] = (mmu_update_t){
                .ptr = slot(i) | MMU_NORMAL_PT_UPDATE,
                .val = steps[s].flags ? page(i, steps[s].flags) : 0,
            };

        done = 0;
        check_answer(steps[s].what,
                     hypercall_mmu_update(reqs, PAGES, &done, DOMID_SELF), 0);
        check_answer("mmu_update: number done", done, PAGES);
        check_all(steps[s].what, steps[s].flags);
    }

    /* A and D of an entry are kept, and those of the request are added. */
    reqs[0].val = page(0, PF_SYM(D, U, RW, P));
    reqs[1] = (mmu_update_t){
        .ptr = slot(0) | MMU_PT_UPDATE_PRESERVE_AD,
        .val = page(0, PF_SYM(A, U, P)),
    };
    check_answer("mmu_update: preserve AD",
                 hypercall_mmu_update(reqs, 2, NULL, DOMID_SELF), 0);
    check_pte("mmu_update: preserve AD", table[0], page(0, RO));

    /* The request before the one that is refused is performed, none after it. */
    reqs[0].val = 0;
    reqs[1] = (mmu_update_t){ .ptr = slot(1), .val = refused() };
    reqs[2] = (mmu_update_t){ .ptr = slot(2), .val = page(2, RW) };
    done = 0;
    if ( hypercall_mmu_update(reqs, 3, &done, DOMID_SELF) >= 0 )
        xtf_failure("Fail: mmu_update: a writable page table was accepted\n");
    check_answer("mmu_update: number done before a refusal", done, 1);
    check_all("mmu_update: refused", 0);
}

/* The entry by which XTF itself maps an address. */
static const intpte_t *own_slot(const void *va)
{
    const intpte_t *t = _p(pv_start_info->pt_base);

    t = maddr_to_virt(pte_to_paddr(t[l4_table_offset(_u(va))]));
    t = maddr_to_virt(pte_to_paddr(t[l3_table_offset(_u(va))]));
    t = maddr_to_virt(pte_to_paddr(t[l2_table_offset(_u(va))]));

    return &t[l1_table_offset(_u(va))];
}

static void test_update_va_mapping(void)
{
    const intpte_t *pte = own_slot(data[0]);

    check_answer("update_va_mapping: write-protect",
                 hypercall_update_va_mapping(_u(data[0]), page(0, RO),
                                             UVMF_INVLPG), 0);
    check_pte("update_va_mapping: write-protect", *pte, page(0, RO));

    check_answer("update_va_mapping: unprotect",
                 hypercall_update_va_mapping(_u(data[0]), page(0, RW),
                                             UVMF_INVLPG), 0);
    check_pte("update_va_mapping: unprotect", *pte, page(0, RW));

    if ( hypercall_update_va_mapping(_u(data[0]), refused(), UVMF_INVLPG) >= 0 )
        xtf_failure("Fail: update_va_mapping: a writable page table was accepted\n");
    check_pte("update_va_mapping: refused", *pte, page(0, RW));

    /* It would fault if the mapping were not writable. */
    *(volatile uint8_t *)data[0] = 1;
}

/* -- The calls -- */

static long runs(unsigned long what, unsigned long count, unsigned long how,
                 unsigned long arg4, unsigned long arg5)
{
    return HYPERCALL5(long, __HYPERVISOR_ptebatch_runs,
                      what, count, how, arg4, arg5);
}

static long values(const struct xen_ptebatch_value *array, unsigned long count)
{
    return HYPERCALL5(long, __HYPERVISOR_ptebatch_values,
                      array, count, 0, DOMID_SELF, 0);
}

static long run(const struct xen_ptebatch_run *array, unsigned long count)
{
    return runs(_u(array), count, XEN_PTEBATCH_HOW_LIST, DOMID_SELF, 0);
}

#define ANSWER(done, slots, err) \
    ((long)XEN_PTEBATCH_ANSWER(done, slots, err))

static void test_values(void)
{
    struct xen_ptebatch_value v[PAGES];
    unsigned int i;

    for ( i = 0; i < PAGES; i++ )
        v[i] = (struct xen_ptebatch_value){
            .slot = slot(i) | XEN_PTEBATCH_SET_EXACT,
            .pte = page(i, RW),
        };
    check_answer("values: map", values(v, PAGES), ANSWER(PAGES, 0, 0));
    check_all("values: map", RW);

    for ( i = 0; i < PAGES; i++ )
    {
        v[i].slot = slot(i) | XEN_PTEBATCH_SET_KEEP_AD;
        v[i].pte = page(i, PF_SYM(U, P));
    }
    check_answer("values: write-protect", values(v, PAGES), ANSWER(PAGES, 0, 0));
    check_all("values: write-protect", RO);

    v[0].pte = v[2].pte = 0;
    v[0].slot = slot(0);
    v[1].pte = refused();
    if ( (i = XEN_PTEBATCH_ERRNO(values(v, PAGES))) == 0 )
        xtf_failure("Fail: values: a writable page table was accepted\n");
    check_pte("values: before a refusal", table[0], 0);
    check_pte("values: refused", table[1], page(1, RO));
    check_pte("values: after a refusal", table[2], page(2, RO));

    for ( i = 0; i < PAGES; i++ )
        v[i] = (struct xen_ptebatch_value){ .slot = slot(i) };
    check_answer("values: unmap", values(v, PAGES), ANSWER(PAGES, 0, 0));
    check_all("values: unmap", 0);
}

/* Entries that a run can change. */
static void map_all(void)
{
    mmu_update_t reqs[PAGES];
    unsigned int i;

    for ( i = 0; i < PAGES; i++ )
        reqs[i] = (mmu_update_t){ .ptr = slot(i), .val = page(i, RW) };
    if ( hypercall_mmu_update(reqs, PAGES, NULL, DOMID_SELF) )
        xtf_error("Error: cannot map the pages\n");
}

static void test_runs(void)
{
    uint64_t olds[PAGES] = {};
    struct xen_ptebatch_run r[2] = {
        {
            .slot = slot(0),
            .count = PAGES,
            .op = XEN_PTEBATCH_OP_FLAGS,
            .clear = _PAGE_RW,
            .old = _u(olds),
        },
    };
    unsigned int i;

    map_all();
    check_answer("runs: write-protect", run(r, 1), ANSWER(1, 0, 0));
    check_all("runs: write-protect", RO);
    for ( i = 0; i < PAGES; i++ )
        check_pte("runs: old values", olds[i], page(i, RW));

    check_answer("runs: unprotect, in registers",
                 runs(slot(0), PAGES, XEN_PTEBATCH_OP_FLAGS, 0, _PAGE_RW),
                 ANSWER(PAGES, 0, 0));
    check_all("runs: unprotect, in registers", RW);

    /* A run that leaves its table stops the call, with the first run done. */
    r[0].count = 1;
    r[0].old = 0;
    r[1] = (struct xen_ptebatch_run){
        .slot = slot(L1_PT_ENTRIES - 1),
        .count = 2,
        .op = XEN_PTEBATCH_OP_CLEAR,
    };
    check_answer("runs: one that leaves its table",
                 run(r, 2), ANSWER(1, 0, EINVAL));
    check_pte("runs: before it", table[0], page(0, RO));

    check_answer("runs: P in a mask",
                 runs(slot(0), 1, XEN_PTEBATCH_OP_FLAGS, _PAGE_PRESENT, 0),
                 ANSWER(0, 0, EINVAL));

    /* Get and clear. */
    r[0] = (struct xen_ptebatch_run){
        .slot = slot(0),
        .count = PAGES,
        .op = XEN_PTEBATCH_OP_CLEAR,
        .old = _u(olds),
    };
    check_answer("runs: get and clear", run(r, 1), ANSWER(1, 0, 0));
    check_all("runs: get and clear", 0);
    for ( i = 0; i < PAGES; i++ )
        check_pte("runs: old values", olds[i], page(i, i ? RW : RO));
}

static void test_registers(void)
{
    uint64_t old = 0;

    check_answer("set", runs(slot(0), 1, XEN_PTEBATCH_OP_SET, page(0, RW), 0),
                 ANSWER(1, 0, 0));
    check_pte("set", table[0], page(0, RW));

    if ( XEN_PTEBATCH_ERRNO(runs(slot(0), 1, XEN_PTEBATCH_OP_SET,
                                 refused(), 0)) == 0 )
        xtf_failure("Fail: set: a writable page table was accepted\n");
    check_pte("set: refused", table[0], page(0, RW));

    check_answer("take", runs(slot(0), 1, XEN_PTEBATCH_OP_TAKE, _u(&old), 0),
                 ANSWER(1, 0, 0));
    check_pte("take: the entry", table[0], 0);
    check_pte("take: the old value", old, page(0, RW));
}

static bool is_there(const char *name, long answer, uint64_t expected)
{
    if ( answer == (long)(expected | XEN_PTEBATCH_ABI_VERSION) )
        return true;

    printk("%s: not in this Xen (%ld)\n", name, answer);

    return false;
}

void test_main(void)
{
    mmuext_op_t pin = {
        .cmd = MMUEXT_PIN_L1_TABLE,
        .arg1.mfn = virt_to_mfn(table),
    };

    if ( hypercall_update_va_mapping(_u(table), pte_from_virt(table, RO),
                                     UVMF_INVLPG) ||
         hypercall_mmuext_op(&pin, 1, NULL, DOMID_SELF) )
        return xtf_error("Error: cannot make a page an L1 table\n");

    test_mmu_update();
    test_update_va_mapping();

    if ( is_there("ptebatch_values",
                  HYPERCALL5(long, __HYPERVISOR_ptebatch_values,
                             XEN_PTEBATCH_MAGIC, XEN_PTEBATCH_ASK_VERSION,
                             XEN_PTEBATCH_HOW_PROBE, 0, 0),
                  XEN_PTEBATCH_IS_VALUES) )
        test_values();

    if ( is_there("ptebatch_runs",
                  runs(XEN_PTEBATCH_MAGIC, XEN_PTEBATCH_ASK_VERSION,
                       XEN_PTEBATCH_HOW_PROBE, 0, 0),
                  XEN_PTEBATCH_IS_RUNS) )
    {
        test_runs();
        if ( runs(XEN_PTEBATCH_MAGIC, XEN_PTEBATCH_ASK_OPS,
                  XEN_PTEBATCH_HOW_PROBE, 0, 0) == XEN_PTEBATCH_OPS )
            test_registers();
    }

    /* Back to what it was: the table holds no reference by then. */
    pin.cmd = MMUEXT_UNPIN_TABLE;
    check_answer("unpin", hypercall_mmuext_op(&pin, 1, NULL, DOMID_SELF), 0);
    check_answer("a page again",
                 hypercall_update_va_mapping(_u(table), pte_from_virt(table, RW),
                                             UVMF_INVLPG), 0);

    if ( !xtf_status_reported() )
        xtf_success(NULL);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
