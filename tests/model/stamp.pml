/* SPDX-License-Identifier: MIT */
/*
 * A model, which spin checks exhaustively, of the TLB-flush time stamp of a
 * page that loses its last writable mapping, on a CPU with a store buffer.
 *
 * There is one PTE, the page's only writable one, with A and D both set. These
 * processes run concurrently:
 *
 *   handler   clears RW with a plain store and drops the last type reference:
 *             it reads the TLB clock, stamps the page, and sets the count to 0
 *             with a locked instruction;
 *   buffer    the store buffer of the handler's CPU: the store reaches memory
 *             at any time;
 *   other     a CPU of the same domain: walks and caches the PTE in memory, and
 *             flushes its TLB up to FLUSHES times, which advances the clock;
 *   retyper   makes the page a page table once the count is 0, and flushes the
 *             CPUs that have not flushed since the stamp.
 *
 * The rule: there is a full barrier between a plain store to the PTE and the
 * read of the clock. The other paths write the PTE with a locked instruction,
 * which is a full barrier itself (-DLOCKED).
 *
 * Checked: a page table has no writable TLB entry. -DNO_BARRIER breaks the
 * rule; spin must find the error.
 */
#define FLUSHES 3

bool rw = true;		/* in memory */
bool buffered;		/* a store that clears RW, not in memory yet */
bool tlb_rw;		/* the other CPU's TLB has a writable entry */
bool counted = true;	/* the last reference to the writable type is held */
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
