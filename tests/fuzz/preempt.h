/* SPDX-License-Identifier: MIT */
/* Included before the handlers: PTEBATCH_PREEMPT is this variable here. */
extern unsigned int fuzz_preempt;
