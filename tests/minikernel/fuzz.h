/* SPDX-License-Identifier: MIT */
/* Declarations shared by the files of the fuzzer. */
#ifndef FUZZ_H
#define FUZZ_H

#include "chance.h"
#include "tests.h"
#include "twin.h"

#define EPOCH 2000u
#define RECORDS 64u
#define SLOTS 64u
#define SELF PTEBATCH_DOMID_SELF
#define KEEP PTEBATCH_SET_KEEP_AD
#define NOTHING_THERE (TEST_BASE + (1ul << 32))
#define NOWHERE ~0u

enum form {
	REGISTER,
	LIST,
	VALUES,
	LIB_RUN,
	LIB_RUNS,
	LIB_VALUES,
	FORMS
};

/* The result of an operation. */
struct answer {
	uint32_t done, slots;
	int err;	/* positive */
	uint32_t total; /* slots applied */
	uint64_t slot;	/* that failed, from the library only; 0: none */
};

/* fuzz-operation.c: the current operation */
extern struct op {
	uint64_t number;
	enum form form;
	int multicall;
	uint32_t nr;			  /* number of records */
	uint32_t readable;		  /* number in readable memory */
	uint64_t count, how, owner, arg5; /* arguments 2 to 5 of a raw call */
	struct ptebatch_tlb tlb;
	struct ptebatch_run run[RECORDS];
	struct ptebatch_value value[RECORDS];
} op;

extern uint64_t fuzz_mask[16]; /* mask of vCPUs */
extern uint64_t fuzz_olds[2 * SLOTS];
/* Machine addresses of this kernel's L4, L3 and L2 tables; other frames. */
extern uint64_t fuzz_upper[3], foreign_frames[8];
extern const char *const form_names[FORMS];

uint64_t any_value(uint64_t now);
uint32_t any_pair(void);
void any_operation(uint64_t seed, uint64_t number);
void show_operation(void);

/* fuzz-calls.c */
extern struct ptebatch_env fuzz_env;
extern uint64_t expected_olds[2 * SLOTS];
extern void *fuzz_edge; /* memory is unreadable from here on */
int64_t call_raw(void);
void call_library(struct answer *a);
/* True if the TLB request is carried out and reaches this page in this TLB. */
int reaches(uint64_t va);
int twin_operation(struct answer *a, const struct answer *got);

#endif /* FUZZ_H */
