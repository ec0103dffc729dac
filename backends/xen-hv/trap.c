/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trapped writes: an instruction by which a guest's kernel changes an entry of an
 * L1 table through a read-only mapping faults, and Xen's emulator executes it.
 * Here the commonest forms (decode.h) are executed by the engine instead.
 *
 * Nothing that a guest can observe differs but time: either the instruction is
 * executed as a whole, or everything is as it was, and the emulator begins. So
 * its errors, faults and messages are Xen's.
 *
 *  - fixup_page_fault() calls it where it would call pv_ro_page_fault(), under
 *    the same conditions: a write fault of the guest's kernel, with interrupts
 *    enabled. The first step is that of that function: the address must be
 *    mapped read-only. Whether it is mapped to registers of a device is asked
 *    only if it is not mapped to an L1 table, for these are not in I/O memory.
 *  - Only an L1 table of the domain's own is written. The type is looked at
 *    first, with no lock, so that a kernel that writes to an ordinary read-only
 *    page does not pay for more. It is looked at again under the lock.
 *  - The instruction is fetched with no lock held. The guest may change it
 *    meanwhile, so that it is not the one that faulted. But its address is
 *    computed from the registers and must be the one that faulted, and all else
 *    that it does, the guest could have asked for as well. Because the address
 *    must match, an operand that begins in another page is left to the emulator,
 *    which refuses it. If eight bytes cannot be read at RIP, a shorter
 *    instruction may still be complete: the emulator reads it byte by byte.
 *  - The entry is written by one compare and exchange of all 64 bits. If hardware
 *    has set A or D since the entry was read, nothing has happened yet, and the
 *    instruction is computed again from the new value: so the old value, the
 *    flags and the comparison of a cmpxchg are of the moment of the write. Under
 *    the lock nothing else writes to the entry, and hardware only sets these two
 *    bits, so this happens at most twice.
 *  - XSM is not asked, since Xen does not ask it about trapped writes.
 *  - Single-stepping needs a debug exception afterwards, and tracing a record,
 *    so the emulator gets those.
 */

#include <xen/guest_access.h>
#include <xen/perfc.h>
#include <xen/rangeset.h>
#include <xen/trace.h>

#include <asm/pv/mm.h>
#include <asm/x86_emulate.h>

#include "decode.h"
#include "hooks.h"
#include "l1.h"

/*
 * Reads eight bytes of the guest's. Kernels of PV guests run in user mode, so
 * there is nothing else to check.
 */
static always_inline bool read_guest(uint8_t *to, unsigned long va)
{
    uint64_t x;

    if ( unlikely(__get_guest(x, (const uint64_t *)va)) )
        return false;

    memcpy(to, &x, sizeof(x));

    return true;
}

/*
 * Fetches and decodes the instruction at RIP. Few forms have more than eight
 * bytes, so that many are fetched first, and the end of a longer one after that.
 */
static always_inline bool decode(struct store *s, struct cpu_user_regs *regs)
{
    const unsigned long rip = regs->rip;
    uint8_t insn[STORE_INSN_MAX + 1];
    unsigned int valid = 8;

    if ( unlikely(!__addr_ok(rip)) || unlikely(!read_guest(insn, rip)) )
        return false;
    memset(insn + 8, 0, 8);

    for ( ; ; )
    {
        if ( unlikely(!store_decode(s, insn, valid, regs)) )
            return false;
        if ( likely(s->len <= valid) )
            return true;

        /* Its first bytes decide the length: it is the same next time. */
        if ( valid != 8 || !read_guest(insn + s->len - 8, rip + s->len - 8) )
            return false;
        valid = s->len;
    }
}

/*
 * What the engine does not take, by Xen's own routines: entries that map other
 * domains' pages or I/O memory, or have flags out of the ordinary. The steps are
 * those of ptwr_emulated_update(). False: nothing was done.
 */
static noinline bool write_slow(struct domain *d, intpte_t *p, intpte_t old,
                                intpte_t val)
{
    l1_pgentry_t new = l1e_from_intpte(val);

    if ( val & _PAGE_PRESENT )
    {
        int rc = get_page_from_l1e(new, d, d);

        if ( rc < 0 )
            return false;
        /* Above 0: flags that Xen wants otherwise. */
        l1e_flip_flags(new, rc);
        new = adjust_guest_l1e(new, d);
    }
    else if ( ptebatch_l1tf_unsafe(ptebatch_l1tf_mask(d), val) )
        return false;

    if ( !ptebatch_try_cmpxchg(p, &old, l1e_get_intpte(new)) )
    {
        put_page_from_l1e(new, d);
        return false;
    }

    put_page_from_l1e(l1e_from_intpte(old), d);

    return true;
}

/* Executes the instruction on an entry of a locked table. */
static always_inline bool execute(const struct store *s, struct domain *d,
                                  const struct ptebatch_frames *frames,
                                  intpte_t *p, struct cpu_user_regs *regs)
{
    const struct l1_rules rules = { .l1tf = ptebatch_l1tf_mask(d) };
    intpte_t old = ACCESS_ONCE(*p);

    for ( ; ; )
    {
        struct l1_stretch one = { .frames = *frames };
        intpte_t new = store_new(s, old), seen;

        one.frames.once = true;
        if ( !store_writes(s, old, new, regs) ||
             likely(l1_value_how(p, old, new, 0, WRITE_EXACT, &rules, &one)) )
            break;

        seen = ACCESS_ONCE(*p);
        if ( likely(seen == old) )
        {
            if ( write_slow(d, p, old, new) )
                break;
            seen = ACCESS_ONCE(*p);
            if ( seen == old )
                return false;
        }
        old = seen;
    }

    store_retire(s, old, regs);

    return true;
}

int l1_ro_page_fault(unsigned long addr, struct cpu_user_regs *regs)
{
    struct domain *d = current->domain;
    struct ptebatch_frames frames;
    struct page_info *table;
    unsigned long info = 0;
    struct store s;
    l1_pgentry_t pte;

    if ( unlikely(!l1_simple(d)) )
        goto left;

    pte = guest_get_eff_kern_l1e(addr);
    if ( (l1e_get_flags(pte) & (_PAGE_PRESENT | _PAGE_RW)) != _PAGE_PRESENT )
        return 0;

    frames = ptebatch_frames(d);
    table = ptebatch_find_page(ptebatch_frame(l1e_get_intpte(pte)));
    if ( likely(table) )
        info = ACCESS_ONCE(table->u.inuse.type_info);
    if ( unlikely((info & PGT_type_mask) != PGT_l1_page_table) )
    {
        /* Registers of a device? A page table is in RAM, so it is none. */
        if ( is_hardware_domain(d) &&
             rangeset_contains_singleton(mmio_ro_ranges, l1e_get_pfn(pte)) )
            goto left;

        return 0;
    }

    if ( likely(!tb_init_done) && likely(!(regs->eflags & X86_EFLAGS_TF)) &&
         likely(decode(&s, regs)) && likely(s.addr == addr) &&
         likely(l1_one_lock(table, &frames, info)) )
    {
        intpte_t *p = ptebatch_map_table(table, l1e_get_mfn(pte)) +
                      (addr & SLOT_MASK);
        bool done = execute(&s, d, &frames, p, regs);

        l1_one_unlock(table, p);
        if ( likely(done) )
        {
            l1_count(TRAPS);
            perfc_incr(ptwr_emulations);
            return EXCRET_fault_fixed;
        }
    }

    l1_count(TRAPS_LEFT);

 left:
    return pv_ro_page_fault(addr, regs);
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
