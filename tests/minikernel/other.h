/* SPDX-License-Identifier: MIT */
/*
 * Another domain, which dom0 makes and which never runs, for tests of its tables
 * and pages.
 */
#ifndef OTHER_H
#define OTHER_H

#include "kernel.h"

/* Whether this Xen takes the tests' version of the calls for that. */
int other_can_be_made(void);
/* With this security label, one vCPU, and room for so many pages. */
domid_t other_make(uint32_t sid, uint32_t pages);
uint64_t other_page(domid_t who); /* a new page; its maddr */
/* Destroys it; true if nothing is left of it soon after. */
int other_destroy(domid_t who);

#endif /* OTHER_H */
