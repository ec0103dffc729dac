/* SPDX-License-Identifier: MIT */
/*
 * Makes Xen preempt every call wherever it looks for a reason. Xen has one as
 * soon as the vCPU has an event pending that is not masked. It then ends the
 * call for the time being and delivers the event, and the kernel's callback
 * returns to the hypercall instruction, with the rest of the call in the
 * registers. Here the callback leaves the event pending, and removes the mask
 * that Xen has set, so that the rest is preempted as well.
 */
#include "guest-calls.h"

#include <xen/callback.h>

extern char event_callback[]; /* probe.S */

static void (*hook)(struct regs *r);
static uint32_t events;

static void pending(int masked)
{
	volatile vcpu_info_t *v = &shared_info->vcpu_info[0];

	v->evtchn_upcall_pending = 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	v->evtchn_upcall_mask = (uint8_t)masked;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * From probe.S, with Xen's mask set until the end. The event also arrives when
 * a call has ended; it has been preempted only if its instruction comes again.
 */
void event(struct regs *r)
{
	static const uint8_t syscall[] = { 0x0f, 0x05 };
	const uint8_t *next = (const uint8_t *)r->rip;

	if (next[0] == syscall[0] && next[1] == syscall[1]) {
		events++;
		if (hook)
			hook(r);
	}
	pending(0);
}

void preempt_calls(void (*new_hook)(struct regs *r))
{
	struct callback_register reg = { .type = CALLBACKTYPE_event,
					 .address = addr(event_callback) };

	if (hypercall5(__HYPERVISOR_callback_op, CALLBACKOP_register,
		       addr(&reg), 0, 0, 0))
		panic("no callback for events");
	hook = new_hook;
	events = 0;
	pending(0);
}

uint32_t preempt_no_more(void)
{
	pending(1);
	return events;
}
