/* SPDX-License-Identifier: MIT */
/*
 * Imitations of Xen's libraries that the tool ptebatch uses, over fake-xen. A
 * test sets what the host has. It then runs the tool in a process of its own,
 * which reports what it did.
 */
#ifndef FAKE_LIBS_H
#define FAKE_LIBS_H

#include <stdint.h>

#include "../unit/fake-xen.h"

#define FAKE_DOMAINS 4
#define FAKE_FRAMES 8
#define FAKE_PAYLOADS 4

struct fake_host {
	/* IN: what cannot be opened, and with which errno. */
	int no_interface, no_call, no_buffer, no_memory;
	/* IN: the errno of all that only the control domain may do, or 0. */
	int denied;
	int no_width, no_context;
	uint32_t features;
	int build_id_bytes;

	struct {
		uint32_t id, flags, width, max_vcpu;
		uint64_t top; /* of its page tables; all vCPUs have the same */
	} domain[FAKE_DOMAINS];
	unsigned int domains;
	/* IN: a table for each machine frame number that can be mapped. */
	struct {
		uint64_t frame;
		uint64_t *table;
	} frame[FAKE_FRAMES];
	unsigned int frames;
	/* IN: domain[0] is gone after so many mappings; -1: it stays. */
	int gone_after_maps;
	/* IN: it is gone once a hypercall has an error; or it is unpaused. */
	int gone_at_error, unpaused_at_call;

	/* IN: the errno of the livepatch calls, or 0. */
	int no_livepatch, upload_err, upload_rc, unload_err;
	/* IN: how often Xen is busy before it applies or reverts; the rc. */
	int apply_busy, revert_busy, action_rc, busy_later;
	struct {
		char name[32];
		uint32_t state;
		int rc, polls;
	} payload[FAKE_PAYLOADS];
	unsigned int payloads;
	/* IN: applying the payload brings the calls. */
	int brings_calls;

	/* IN, OUT: Xen's parameter; empty: there is none. */
	char parts[64];
	/* OUT */
	int uploads, applies, reverts, unloads, opened;
	char uploaded[64];
	/* IN: what the counters are, or -1 where the item is unknown. */
	int64_t counter;
};

extern struct fake_host host;

#endif /* FAKE_LIBS_H */
