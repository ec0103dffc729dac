/* SPDX-License-Identifier: MIT */
/* The bits of a PTE by the names that x86 gives them. */
#ifndef PTE_H
#define PTE_H

#include <ptebatch/port.h>
#include <ptebatch/xen-ptebatch.h>

#define P PTEBATCH_PTE_P
#define RW PTEBATCH_PTE_RW
#define US PTEBATCH_PTE_US
#define A PTEBATCH_PTE_A
#define D PTEBATCH_PTE_D
#define AD (A | D)
#define G PTEBATCH_PTE_G
#define CACHE PTEBATCH_PTE_CACHE
#define NX PTEBATCH_PTE_NX
#define FRAME PTEBATCH_PTE_FRAME

#endif /* PTE_H */
