/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the library and its backends, driven by the input's bytes, on a
 * fake Xen that can fail or lose its new hypercalls at any slot. For the checks
 * see batch.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "fuzz.h"


static const uint8_t *in, *in_end;

static uint32_t byte(void)
{
	return in < in_end ? *in++ : 0;
}

static void wrong(const char *what)
{
	printf("Bail out! the oracle: %s\n", what);
	fflush(stdout);
	abort();
}

static uint64_t masks(void)
{
	static const uint64_t bits[] = {
		PTEBATCH_PTE_RW, PTEBATCH_PTE_A, PTEBATCH_PTE_D,
		PTEBATCH_PTE_NX, 0x200,		 0x400,
		0x10,		 1ull << 58,
	};
	uint32_t b = byte(), i;
	uint64_t m = 0;

	if (b < 64)
		return 0;
	for (i = 0; i < 8; i++)
		m |= b >> i & 1 ? bits[i] : 0;
	return b & 1 ? m & (PTEBATCH_PTE_RW | PTEBATCH_PTE_A) : m;
}

static void add(void)
{
	struct batch_op op;
	uint32_t b = byte();

	op.kind = b % OP_KINDS;
	op.table = b >> 3 & 1;
	op.index = byte() % 64;
	b = byte();
	op.count = op.kind >= OP_KEEP ? 1 : (b < 200 ? b % 4 : b % 32) + 1;
	op.clear = op.set = 0;
	if (op.kind == OP_FLAGS || op.kind == OP_FLAGS_OLD) {
		op.clear = masks();
		op.set = masks();
	} else if (op.kind >= OP_KEEP) {
		b = byte();
		op.set = b < 32 ? 0
			 : b < 64
				 ? (uint64_t)b << 12
				 : (uint64_t)(0x400 + b) << 12 |
					   PTEBATCH_PTE_P | (b & 0x62);
	}
	batch_add(&op);
	fuzz_slots += op.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int errors[] = {
		PTEBATCH_EPERM, PTEBATCH_ESRCH,	 PTEBATCH_EFAULT,
		PTEBATCH_EBUSY, PTEBATCH_EINVAL, PTEBATCH_ENOSYS,
		PTEBATCH_EOPNOTSUPP,
	};
	struct ptebatch_tlb tlb = { 0 };
	uint32_t b, c;

	fuzz_inputs++;
	in = data;
	in_end = data + size;
	batch_failed = wrong;
	b = byte();
	batch_start(b % BATCH_BACKENDS, b / BATCH_BACKENDS % 32 + 1);
	while (in < in_end) {
		b = byte();
		c = b >> 4;
		fuzz_operations++;
		switch (b & 15) {
		default:
			add();
			break;
		case 8:
			batch_fail(byte() % 64, errors[c % 7]);
			break;
		case 9:
			if (c == 15)
				batch_forget();
			else
				batch_vanish(c < 8 ? (int)byte() % 64 : -1);
			break;
		case 10:
			if (c < 12)
				batch_skip();
			else
				batch_discard();
			break;
		case 11:
			batch_touch();
			break;
		case 12:
			batch_begin();
			break;
		case 13:
		case 14:
			tlb.who = c % 3;
			tlb.pages = tlb.who && c & 4 ? c : 0;
			tlb.addr = tlb.pages ? 0x1000 : 0;
			if (b & 1)
				batch_end(&tlb);
			else
				batch_flush(&tlb);
			break;
		case 15:
			fake.mmu_most = c < 4 ? c + 1 : -1u;
			break;
		}
	}
	batch_finish();
	return 0;
}
