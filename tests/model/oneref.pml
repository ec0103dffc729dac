/* SPDX-License-Identifier: MIT */
/*
 * A model of PTEs that become present and absent, and of the general reference
 * to their frame. spin checks it exhaustively.
 *
 * There is one frame, which belongs to the domain at first. Two PTEs of the
 * domain, in different L1 tables, map the frame or are absent. These processes
 * run concurrently:
 *
 *   handler(0), handler(1)  two vCPUs in the handler. Each maps the frame if
 *                           its PTE is absent, and unmaps the frame if its PTE
 *                           is present, OPS times;
 *   allocator               drops the owner's reference to the frame, and once
 *                           the frame is free gives it to this domain or to
 *                           another one, ALLOCS times;
 *   hardware                another CPU of the domain: walks and caches PTEs,
 *                           evicts TLB entries, and flushes its TLB up to
 *                           FLUSHES times.
 *
 * Rules of the handler:
 *   1. To map: check the owner; take a reference with a cmpxchg, from a count
 *      above 0; check the owner again, and drop the reference if the owner has
 *      changed. Then write the PTE with a plain store.
 *   2. To unmap: write the PTE, then drop its reference. The drop of the last
 *      reference frees the frame, and stamps it with the TLB clock.
 *
 * Checked at every step:
 *   - A present PTE maps a frame that the domain owns, with one reference per
 *     present PTE.
 *   - While another domain owns the frame, no TLB entry of this domain maps it.
 * Checked at the end: the count balances.
 *
 * Assumed of Xen, not shown: the stamp and the freeing are one step, and the
 * allocation flushes every TLB that was not flushed since the stamp. A flush is
 * one step.
 *
 * -DWRITE_FIRST, -DNO_SECOND_LOOK, -DFROM_ZERO, -DPUT_FIRST, -DNO_PUT,
 * -DNO_GIVING_BACK, -DSTAMP_FIRST and -DNO_FLUSH each break one rule. spin must
 * find an error in each case.
 */
#ifndef OPS
#define OPS 2		/* changes that each handler makes */
#endif
#define ALLOCS 2
#define FLUSHES 1	/* TLB flushes by hardware itself */

/* Owners of the frame. */
#define NOBODY 0
#define SELF   1
#define OTHER  2

bool pte[2];		/* present; both map the one frame */
bool tlb[2];
byte owner = SELF, count;
byte clock = 1, cpu_stamp = 1, page_stamp;
byte done;

#define NR_PRESENT (pte[0] + pte[1])

inline check()
{
	assert(NR_PRESENT == 0 || (owner == SELF && count >= NR_PRESENT));
	assert(owner != OTHER || (!tlb[0] && !tlb[1]))
}

/* The last reference frees the frame: the owner changes after the count. */
inline put()
{
	x = count;
	do
	:: atomic {
		ok = (count == x);
		if
		:: ok -> count = x - 1; check()
		:: else -> x = count
		fi;
		if
		:: ok -> break
		:: else
		fi
	   }
	od;
	if
	:: x == 1 ->
		d_step {
#ifndef STAMP_FIRST
			page_stamp = clock;
#endif
			owner = NOBODY;
			check()
		}
	:: else
	fi
}

#ifdef FROM_ZERO
#define CAN_HAVE(x) true
#else
#define CAN_HAVE(x) ((x) != 0)
#endif

inline get()
{
	x = count;
	do
	:: atomic {
		got = CAN_HAVE(x);
		ok = (count == x) || !got;
		if
		:: ok && got -> count = x + 1; check()
		:: ok && !got
		:: else -> x = count
		fi;
		if
		:: ok -> break
		:: else
		fi
	   }
	od;
#ifndef NO_SECOND_LOOK
	if
	:: got && owner != SELF ->
#ifndef NO_GIVING_BACK
		put();
#endif
		got = false
	:: else
	fi
#endif
}

proctype handler(byte p)
{
	byte x, i;
	bool ok, got;

	do
	:: i < OPS ->
		i++;
		if
		:: pte[p] ->		/* unmap */
#ifdef STAMP_FIRST
			page_stamp = clock;
#endif
#ifdef PUT_FIRST
			put();
			d_step { pte[p] = false; check() }
#else
			d_step { pte[p] = false; check() }
#ifndef NO_PUT
			put()
#endif
#endif
		:: !pte[p] && owner == SELF -> /* map */
#ifdef WRITE_FIRST
			d_step { pte[p] = true; check() }
			get()
#else
			get();
			if
			:: got -> d_step { pte[p] = true; check() }
			:: else		/* refused, unchanged */
			fi
#endif
		:: !pte[p] && owner != SELF /* not the domain's page */
		fi;
		/* Reset dead variables to reduce the number of states. */
		atomic { x = 0; ok = 0; got = 0 }
	:: else -> break
	od;
	done++
}

inline flush()
{
	tlb[0] = false;
	tlb[1] = false;
	clock++;
	cpu_stamp = clock
}

proctype allocator()
{
	byte x, i;
	bool ok;

	do
	:: i < ALLOCS ->
		i++;
		put();			/* the owner's own reference */
		owner == NOBODY;	/* wait for the last reference */
#ifndef NO_FLUSH
		d_step {
			if
			:: cpu_stamp <= page_stamp -> flush()
			:: else
			fi
		}
#endif
		if
		:: d_step { owner = SELF; check() }
		:: d_step { owner = OTHER; check() }
		fi;
		d_step { count = 1; check() }
	:: break
	od;
	done++
}

proctype hardware()
{
	byte flushes;

end:	do
	:: d_step { pte[0] && !tlb[0] -> tlb[0] = true; check() }
	:: d_step { pte[1] && !tlb[1] -> tlb[1] = true; check() }
	:: d_step { tlb[0] -> tlb[0] = false }
	:: d_step { tlb[1] -> tlb[1] = false }
	:: d_step { flushes < FLUSHES -> flushes++; flush() }
	od
}

init {
	atomic {
		if
		:: pte[0] = false
		:: pte[0] = true
		fi;
		if
		:: pte[1] = false
		:: pte[1] = true
		fi;
		count = 1 + NR_PRESENT;
		run handler(0);
		run handler(1);
		run allocator();
		run hardware()
	}
	done == 3;
	assert(count == 1 + NR_PRESENT)
}
