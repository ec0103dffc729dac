/* SPDX-License-Identifier: GPL-2.0-only */
/******************************************************************************
 * arch/x86/pv/ptebatch/decode.h
 *
 * Decodes the instructions with which kernels change a page-table entry in
 * place, and computes what such an instruction does.
 *
 * The list of forms is closed. Xen's emulator handles everything else.
 *
 *     mov      r64,m64    REX.W 89          mov   imm32,m64   REX.W C7 /0
 *     xchg     r64,m64    REX.W 87          cmpxchg r64,m64   REX.W 0F B1
 *     and, or  imm8,m8    80 /4, /1         and, or imm,m64   REX.W 81, 83 /4, /1
 *     and, or  r64,m64    REX.W 21, 09      btr, bts imm8,m64 REX.W 0F BA /6, /5
 *
 * In front of REX there may be one prefix: F0 (lock), but not with mov, or 3E,
 * which Linux writes over the lock prefix while it runs on one CPU.
 *
 * All of these except cmpxchg come down to
 *
 *     new = (old & keep) | set
 *
 * on the 64 bits of the entry. A byte form changes only its own byte of them.
 * Cmpxchg stores the new value if all 64 bits are equal to RAX.
 *
 * The address is computed as in 64-bit mode with flat segments. Xen's emulator
 * also assumes this of every 64-bit PV guest.
 *
 * This file needs only fixed-width types, X86_EFLAGS_*, struct cpu_user_regs and
 * decode_gpr(), so that tests can build it in a process.
 */

#ifndef PTEBATCH_DECODE_H
#define PTEBATCH_DECODE_H

/* The longest instruction, as hardware has it. */
#define STORE_INSN_MAX 15U

enum store_kind {
    STORE_NONE,                 /* not on the list */
    STORE_MOV,
    STORE_XCHG,
    STORE_CMPXCHG,
    STORE_LOGIC,                /* and, or */
    STORE_BIT,                  /* btr, bts */
};

/* What else there is to know of an opcode of one byte. */
#define STORE_KIND    0x07U
#define STORE_IMM8    0x08U     /* an immediate of one byte, sign-extended */
#define STORE_IMM32   0x10U     /* of four bytes, the same */
#define STORE_OR      0x20U     /* an or; otherwise logic is an and */
#define STORE_BY_REG  0x40U     /* and, or by the reg field of the ModRM byte */
#define STORE_NO_LOCK 0x80U
#define STORE_BYTE    0x100U    /* the operand is a byte, not 64 bits */

static const uint16_t store_forms[256] = {
    [0x09] = STORE_LOGIC | STORE_OR,
    [0x21] = STORE_LOGIC,
    [0x80] = STORE_LOGIC | STORE_BY_REG | STORE_IMM8 | STORE_BYTE,
    [0x81] = STORE_LOGIC | STORE_BY_REG | STORE_IMM32,
    [0x83] = STORE_LOGIC | STORE_BY_REG | STORE_IMM8,
    [0x87] = STORE_XCHG,
    [0x89] = STORE_MOV | STORE_NO_LOCK,
    [0xc7] = STORE_MOV | STORE_IMM32 | STORE_NO_LOCK,
};

struct store {
    uint64_t addr;
    uint64_t keep, set;         /* of the whole entry */
    enum store_kind kind;
    unsigned int len;           /* of the instruction, in bytes */
    unsigned int reg;           /* of the register operand, if it has one */
    unsigned int shift;         /* of the operand in the entry, in bits */
    bool byte;                  /* the operand is one byte of the entry */
};

static inline int32_t store_int32(const uint8_t *p)
{
    return p[0] | (p[1] << 8) | (p[2] << 16) | ((uint32_t)p[3] << 24);
}

/*
 * insn holds the valid bytes of the instruction, at most STORE_INSN_MAX, and
 * zeros after them. Forms of the list have at most 13 bytes, and of any other
 * instruction no more are looked at, so insn[] is long enough.
 *
 * False if the instruction is not on the list, or has an operand of 8 bytes that
 * is not aligned. If s->len is more than valid, nothing else of *s counts.
 */
static inline bool store_decode(struct store *s,
                                const uint8_t insn[STORE_INSN_MAX + 1],
                                unsigned int valid, struct cpu_user_regs *regs)
{
    const uint8_t *p = insn;
    unsigned int rex = 0, opcode = *p++, form, modrm, mod, reg, rm;
    bool lock = false, relative = false;
    uint64_t addr = 0, value;

    if ( (opcode & 0xf0) != 0x40 )
    {
        lock = opcode == 0xf0;
        if ( lock || opcode == 0x3e )
            opcode = *p++;
    }
    if ( (opcode & 0xf0) == 0x40 )
    {
        rex = opcode;
        opcode = *p++;
    }

    form = store_forms[opcode];
    if ( !form )
    {
        if ( opcode != 0x0f )
            return false;
        opcode = *p++;
        if ( opcode == 0xb1 )
            form = STORE_CMPXCHG;
        else if ( opcode == 0xba )
            form = STORE_BIT | STORE_IMM8;
        else
            return false;
    }

    modrm = *p++;
    mod = modrm >> 6;
    reg = (modrm >> 3) & 7;
    rm = modrm & 7;

    /* A register as operand; a form of 2 or 4 bytes; a lock that is illegal. */
    if ( mod == 3 || (!(rex & 8) && !(form & STORE_BYTE)) ||
         (lock && (form & STORE_NO_LOCK)) )
        return false;

    s->kind = form & STORE_KIND;
    if ( form & (STORE_IMM8 | STORE_IMM32) )
    {
        /* The reg field is part of the opcode. */
        if ( s->kind == STORE_BIT ? reg != 5 && reg != 6
                                  : form & STORE_BY_REG ? reg != 1 && reg != 4
                                                        : reg )
            return false;
        if ( s->kind == STORE_LOGIC && reg == 1 )
            form |= STORE_OR;
    }

    switch ( rm )
    {
        unsigned int sib, base, index;

    case 4:
        sib = *p++;
        base = sib & 7;
        index = ((sib >> 3) & 7) | ((rex << 2) & 8);
        if ( index != 4 )
            addr = (uint64_t)*decode_gpr(regs, index) << (sib >> 6);
        if ( base == 5 && mod == 0 )
            mod = 2;
        else
            addr += *decode_gpr(regs, base | ((rex << 3) & 8));
        break;

    case 5:
        if ( mod == 0 )
        {
            relative = true;
            mod = 2;
            break;
        }
        /* fall through */
    default:
        addr = *decode_gpr(regs, rm | ((rex << 3) & 8));
        break;
    }

    if ( mod )
    {
        if ( mod == 1 )
            addr += (int8_t)*p++;
        else
        {
            addr += store_int32(p);
            p += 4;
        }
    }

    s->reg = reg | ((rex << 1) & 8);
    if ( form & STORE_IMM8 )
        value = (int8_t)*p++;
    else if ( form & STORE_IMM32 )
    {
        value = store_int32(p);
        p += 4;
    }
    else
        value = *decode_gpr(regs, s->reg);

    s->len = p - insn;
    if ( relative )
        addr += regs->rip + s->len;

    s->addr = addr;
    s->byte = form & STORE_BYTE;
    s->shift = 0;
    s->keep = 0;
    s->set = value;

    if ( s->len > valid )
        return true;

    if ( s->byte )
        s->shift = (addr & 7) * 8;
    else if ( addr & 7 )
        return false;

    if ( s->kind == STORE_LOGIC )
    {
        if ( form & STORE_OR )
        {
            s->keep = ~(uint64_t)0;
            s->set = s->byte ? (value & 0xff) << s->shift : value;
        }
        else
        {
            s->keep = s->byte ? ~((~value & 0xff) << s->shift) : value;
            s->set = 0;
        }
    }
    else if ( s->kind == STORE_BIT )
    {
        /*
         * Hardware ignores the high bits of the immediate. Xen's emulator adds
         * them to the address.
         */
        if ( value > 63 )
            return false;
        value = (uint64_t)1 << value;
        s->keep = reg == 5 ? ~(uint64_t)0 : ~value;
        s->set = reg == 5 ? value : 0;
    }

    return true;
}

static inline uint64_t store_new(const struct store *s, uint64_t old)
{
    return (old & s->keep) | s->set;
}

/*
 * Does the instruction write, if it finds the value old and would make it new? A
 * mov and a cmpxchg that succeeds always write. Of the others Xen's emulator
 * skips the write if it would change nothing.
 */
static inline bool store_writes(const struct store *s, uint64_t old,
                                uint64_t new, const struct cpu_user_regs *regs)
{
    return s->kind == STORE_MOV ||
           (s->kind == STORE_CMPXCHG ? old == regs->rax : new != old);
}

/* SF, ZF and PF of a result whose highest bit is sign. */
static inline unsigned int store_result_flags(uint64_t result,
                                              unsigned int sign)
{
    return (result >> sign ? X86_EFLAGS_SF : 0) |
           (result ? 0 : X86_EFLAGS_ZF) |
           (__builtin_parity(result & 0xff) ? 0 : X86_EFLAGS_PF);
}

/*
 * The instruction is complete. old is what the entry was at the moment of the
 * write, or when it was found that there is nothing to write.
 */
static inline void store_retire(const struct store *s, uint64_t old,
                                struct cpu_user_regs *regs)
{
    const unsigned int arith = X86_EFLAGS_OF | X86_EFLAGS_SF | X86_EFLAGS_ZF |
                               X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_CF;
    uint64_t result;

    switch ( s->kind )
    {
    case STORE_NONE:
    case STORE_MOV:
        break;

    case STORE_XCHG:
        *decode_gpr(regs, s->reg) = old;
        break;

    case STORE_LOGIC:
        result = store_new(s, old) >> s->shift;
        if ( s->byte )
            result &= 0xff;
        regs->eflags &= ~arith;
        regs->eflags |= store_result_flags(result, s->byte ? 7 : 63);
        break;

    case STORE_BIT:
        regs->eflags &= ~X86_EFLAGS_CF;
        if ( old & (~s->keep | s->set) )
            regs->eflags |= X86_EFLAGS_CF;
        break;

    case STORE_CMPXCHG:
        /* Flags as of cmp. RAX becomes old: a change only on failure. */
        result = regs->rax - old;
        regs->eflags &= ~arith;
        regs->eflags |= store_result_flags(result, 63) |
                        (regs->rax < old ? X86_EFLAGS_CF : 0) |
                        ((regs->rax ^ old ^ result) & X86_EFLAGS_AF) |
                        ((((regs->rax ^ old) & (regs->rax ^ result)) >> 63)
                         ? X86_EFLAGS_OF : 0);
        regs->rax = old;
        break;
    }

    regs->rip += s->len;
    regs->eflags &= ~X86_EFLAGS_RF;
}

#endif /* PTEBATCH_DECODE_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
