/* SPDX-License-Identifier: MIT */
/*
 * Mini-OS's do_map_frames() and unmap_frames() by libptebatch. This file is all
 * that a 64-bit PV Mini-OS supplies; "port" puts it into a tree.
 *
 * Mini-OS has one vCPU, and its threads give it up only where they wait. So no
 * lock is needed. Each call has a batch of its own on the stack, since an event
 * handler can interrupt a call and map pages, too.
 *
 * The backend is probed at the first call. A Mini-OS that can be suspended has
 * to probe again after it has resumed.
 */
#include <mini-os/os.h>
#include <mini-os/errno.h>
#include <mini-os/hypervisor.h>
#include <mini-os/lib.h>
#include <mini-os/mm.h>
#include <mini-os/paravirt.h>
#include <mini-os/kernel.h>

#include <ptebatch/guest.h>

#if !defined(CONFIG_PARAVIRT) || !defined(__x86_64__)
#error "CONFIG_PTEBATCH is for 64-bit PV guests"
#endif

#define MAP_VALUES 256
#define UNMAP_RUNS 16

/* All page tables are mapped, as all memory is. */
static volatile uint64_t *map_slot(void *ctx, uint64_t slot)
{
    return mach_to_virt(slot);
}

static struct ptebatch_env env = {
    .hypercall = ptebatch_guest_hypercall,
    .ctx = hypercall_page,
    .map = map_slot,
    /* unmap_frames() names the page that the slot maps. */
    .features = PTEBATCH_ENV_ADDR_OF_SLOT,
};

/* Mini-OS does not start without Xen, so this finds a backend that works. */
static void probe(void)
{
    static int probed;

    if ( probed )
        return;
    env.features |= ptebatch_guest_features(&env);
    if ( ptebatch_hypercall.probe(&env) )
    {
        printk("ptebatch: no backend\n");
        do_exit();
    }
    probed = 1;
}

/* The machine address of the slot that maps va, or 0 if there is no L1 table. */
static uint64_t slot_of(unsigned long va)
{
    pgentry_t *table = pt_base, entry;
    int shift;

    for ( shift = L4_PAGETABLE_SHIFT; shift > L1_PAGETABLE_SHIFT; shift -= 9 )
    {
        entry = table[va >> shift & (L1_PAGETABLE_ENTRIES - 1)];
        if ( !(entry & _PAGE_PRESENT) )
            return 0;
        table = pte_to_virt(entry);
    }
    return virt_to_mach(&table[l1_table_offset(va)]);
}

/*
 * After an error that stopped a flush: stores it for the item that it concerns,
 * and drops that item. If Xen refuses the whole request, as it does for a domain
 * that does not exist, the error concerns all items that are queued. Without an
 * array for errors, Mini-OS gives up.
 */
static void note_error(struct ptebatch *batch, unsigned long queued, int rc,
                       int *err, unsigned long stride)
{
    unsigned long item = queued - ptebatch_pending(batch);

    if ( !err )
    {
        printk("Map of item %ld failed: %d.\n", item, rc);
        do_exit();
    }
    do
    {
        err[item++ * stride] = rc;
        ptebatch_skip(batch);
    } while ( !batch->last.slot && item < queued );
}

/* One entry needs no batch, and is cheaper without one. */
static int map_one(unsigned long va, pgentry_t pte)
{
    pgentry_t *entry = need_pgt(va);
    int rc;

    if ( !entry )
        return -ENOMEM;
    rc = ptebatch_guest_set_pte(&ptebatch_hypercall, &env, virt_to_mach(entry),
                                pte, PTEBATCH_SET_EXACT, NULL);
    if ( rc )
    {
        printk("Map at %lx failed: %d.\n", va, rc);
        do_exit();
    }
    return 0;
}

int do_map_frames(unsigned long va,
                  const unsigned long *mfns, unsigned long n,
                  unsigned long stride, unsigned long incr,
                  domid_t id, int *err, unsigned long prot)
{
    struct ptebatch batch;
    struct ptebatch_value storage[MAP_VALUES];
    unsigned long i, at;
    uint64_t slot = 0;
    int rc;

    if ( !mfns )
    {
        printk("do_map_frames: no mfns supplied\n");
        return -EINVAL;
    }
    if ( err )
        memset(err, 0, n * sizeof(int));

    probe();
    if ( n == 1 && id == DOMID_SELF && !err )
        return map_one(va, (pgentry_t)mfns[0] << PAGE_SHIFT | prot);

    /* Hook the tables that are missing before anything is queued. */
    for ( i = 0, at = va; i < n;
          i += L1_PAGETABLE_ENTRIES - l1_table_offset(at),
          at = va + i * PAGE_SIZE )
        if ( !need_pgt(at) )
            return -ENOMEM;

    rc = ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &env,
                       storage, sizeof(storage));
    if ( !rc )
        rc = ptebatch_set_owner(&batch, PTEBATCH_DOMID_SELF, id);
    if ( rc )
        return rc;

    for ( i = 0; i < n; i++, va += PAGE_SIZE, slot += sizeof(pgentry_t) )
    {
        pgentry_t pte = (pgentry_t)(mfns[i * stride] + i * incr)
                        << PAGE_SHIFT | prot;

        if ( !slot || !(va & L1_MASK) )
            slot = slot_of(va);
        /* If the storage is full, this flushes first. */
        while ( (rc = ptebatch_add_set(&batch, slot, pte,
                                       PTEBATCH_SET_EXACT)) )
            note_error(&batch, i, rc, err, stride);
    }
    /* Entries that were absent are in no TLB. */
    while ( (rc = ptebatch_flush(&batch, NULL)) )
        note_error(&batch, n, rc, err, stride);

    return 0;
}

int unmap_frames(unsigned long va, unsigned long num_frames)
{
    struct ptebatch_tlb tlb = { PTEBATCH_TLB_LOCAL, 0, va, num_frames, 0 };
    struct ptebatch batch;
    struct ptebatch_run storage[UNMAP_RUNS];
    int rc, flushed;

    ASSERT(!(va & ~PAGE_MASK));

    probe();
    if ( num_frames == 1 )
    {
        uint64_t slot = slot_of(va);

        return slot ? ptebatch_guest_clear_pte(&ptebatch_hypercall, &env, slot,
                                               NULL, &tlb) : -EINVAL;
    }
    rc = ptebatch_init(&batch, sizeof(batch), &ptebatch_hypercall, &env,
                       storage, sizeof(storage));
    if ( rc )
        return rc;

    while ( num_frames && !rc )
    {
        unsigned long n = L1_PAGETABLE_ENTRIES - l1_table_offset(va);
        uint64_t slot = slot_of(va);

        if ( n > num_frames )
            n = num_frames;
        rc = slot ? ptebatch_add_clear(&batch, slot, n, NULL) : -EINVAL;
        va += n * PAGE_SIZE;
        num_frames -= n;
    }
    /*
     * What was changed needs its TLB flush, after an error, too. If a flush of
     * a full batch has failed, the batch still has records: drop them.
     */
    if ( rc && batch.last.slot )
        ptebatch_discard(&batch);
    flushed = ptebatch_flush(&batch, &tlb);

    return rc ? rc : flushed;
}
