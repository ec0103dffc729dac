/* SPDX-License-Identifier: MIT */
/*
 * Printing and the end of the run. dom0 prints on Xen's console, a domU into
 * the ring that it shares with dom0. print() is a small printf().
 */
#include "minikernel.h"

#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>

static char line[256];
static unsigned int used;
static struct xencons_interface *ring; /* NULL: Xen's console */

/* A domU's ring is one of its own pages, and the builder has mapped it. */
void console_init(void)
{
	if (!(start_info->flags & SIF_INITDOMAIN))
		ring = (struct xencons_interface *)maddr_to_virt(
			start_info->console.domU.mfn << 12);
}

static void notify(void)
{
	evtchn_send_t send = { .port = start_info->console.domU.evtchn };

	hypercall5(__HYPERVISOR_event_channel_op, EVTCHNOP_send,
		   (uint64_t)&send, 0, 0, 0);
}

/* Waits until dom0 has read all but "most" characters of the ring. */
static void ring_drain(uint32_t most)
{
	while (ring->out_prod - __atomic_load_n(&ring->out_cons,
						__ATOMIC_ACQUIRE) > most) {
		notify();
		hypercall5(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
	}
}

static void ring_write(const char *s, uint32_t nr)
{
	uint32_t i, prod = ring->out_prod;

	ring_drain(sizeof(ring->out) - nr);
	for (i = 0; i < nr; i++, prod++)
		ring->out[MASK_XENCONS_IDX(prod, ring->out)] = s[i];
	__atomic_store_n(&ring->out_prod, prod, __ATOMIC_RELEASE);
	notify();
}

void shutdown(unsigned int reason)
{
	struct sched_shutdown s = { .reason = reason };

	if (ring)
		ring_drain(0);
	for (;;)
		hypercall5(__HYPERVISOR_sched_op, SCHEDOP_shutdown,
			   (uint64_t)&s, 0, 0, 0);
}

static void put(char c)
{
	line[used++] = c;
	if (c == '\n' || used == sizeof(line)) {
		if (ring)
			ring_write(line, used);
		else
			hypercall5(__HYPERVISOR_console_io, CONSOLEIO_write,
				   used, (uint64_t)line, 0, 0);
		used = 0;
	}
}

static void number(uint64_t n, unsigned int base, unsigned int width, char pad,
		   int negative)
{
	char digits[24];
	unsigned int i = 0;

	do {
		digits[i++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	if (negative)
		digits[i++] = '-';
	while (i < width && i < sizeof(digits))
		digits[i++] = pad;
	while (i)
		put(digits[--i]);
}

void print(const char *f, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, f);
	for (; *f; f++) {
		unsigned int width = 0;
		char pad = ' ';
		int is_long = 0;
		const char *s;
		int64_t n;

		if (*f != '%') {
			put(*f);
			continue;
		}
		if (*++f == '0')
			pad = '0';
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (unsigned int)(*f - '0');
		for (; *f == 'l'; f++)
			is_long = 1;
		switch (*f) {
		case 's':
			s = __builtin_va_arg(ap, const char *);
			while (*s)
				put(*s++);
			break;
		case 'd':
			n = is_long ? __builtin_va_arg(ap, int64_t)
				    : __builtin_va_arg(ap, int);
			number(n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10,
			       width, pad, n < 0);
			break;
		case 'u':
		case 'x':
			number(is_long ? __builtin_va_arg(ap, uint64_t)
				       : __builtin_va_arg(ap, unsigned int),
			       *f == 'u' ? 10 : 16, width, pad, 0);
			break;
		default:
			put(*f);
		}
	}
	__builtin_va_end(ap);
}
