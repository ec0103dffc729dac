/* SPDX-License-Identifier: MIT */
/*
 * The time stamp of a page whose last writable mapping goes, against a CPU's
 * store buffer, as a model that spin checks exhaustively.
 *
 * One PTE, the page's only writable one, with A and D both set. Running at once:
 *
 *   handler   takes RW away, by a plain store, and drops the type's last
 *             reference: reads the TLB clock, stamps the page, lets the count
 *             be 0 by a locked instruction;
 *   buffer    of that CPU: the store reaches memory at any moment;
 *   other     a CPU of the same domain: walks and caches what memory holds,
 *             and flushes its TLB, which moves the clock on, FLUSHES times;
 *   retyper   once the count is 0, makes the page a page table: flushes those
 *             CPUs that have not flushed since the stamp.
 *
 * The rule: between a plain store to the PTE and the reading of the clock there
 * is a full barrier. What the other paths write by, a locked instruction, is one
 * (-DLOCKED).
 *
 * Checked: a page table has no writable TLB entry. The rule's breach, for spin
 * to find: -DNO_BARRIER.
 */
#define FLUSHES 3

bool rw = true;		/* in memory */
bool buffered;		/* a store that takes RW away, not in memory yet */
bool tlb_rw;		/* of the other CPU */
bool counted = true;	/* the writable type's last reference */
bool table;
byte clock = 1, cpu_stamp, page_stamp;

inline drain()
{
	if
	:: buffered -> rw = false; buffered = false
	:: else
	fi
}

active proctype handler()
{
	byte now;

#ifdef LOCKED
	rw = false;
#else
	buffered = true;
#ifndef NO_BARRIER
	atomic { drain() }
#endif
#endif
	now = clock;
	atomic {
		drain();	/* the locked instruction of the drop */
		page_stamp = now;
		counted = false
	}
}

active proctype buffer()
{
end:
	do
	:: atomic { buffered -> drain() }
	od
}

active proctype other()
{
	byte n, now;

	do
	:: atomic { rw -> tlb_rw = true; assert(!table) }
	:: n < FLUSHES ->
		n++;
		atomic { clock++; now = clock }
		tlb_rw = false;
		cpu_stamp = now
	:: break
	od
}

active proctype retyper()
{
	atomic {
		!counted ->
		if
		:: cpu_stamp <= page_stamp -> tlb_rw = false
		:: else
		fi;
		table = true;
		assert(!tlb_rw)
	}
}
