/* SPDX-License-Identifier: MIT */
/*
 * Included before the handlers. In this build PTEBATCH_PREEMPT is this
 * variable.
 */
extern unsigned int fuzz_preempt;
