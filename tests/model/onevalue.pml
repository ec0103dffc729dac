/* SPDX-License-Identifier: MIT */
/*
 * A model of the call for values, which spin checks exhaustively: PTEs are made
 * present and non-present, with general references, type references, and A and
 * D bits. onepte.pml covers the type count for PTEs that stay present, and
 * oneref.pml covers the general reference. In this model both counts change,
 * and these processes run concurrently:
 *
 *   handler(0), handler(1)  two vCPUs in the handler. Each changes a PTE in its
 *                           own table OPS times: it maps the page writable or
 *                           read-only if the PTE is not present, and unmaps it
 *                           (KEEP) if the PTE is present;
 *   retype                  a vCPU that makes the page a page table and back,
 *                           if the page has no type references;
 *   give_back               drops the owner's reference, so that the page is
 *                           freed with the last reference and given to another
 *                           domain;
 *   hardware                another CPU of the domain: walks and caches PTEs,
 *                           writes, sets A and D.
 *
 * Rules of the handler:
 *   1. To map: take the general reference, from a count above 0; check the
 *      owner; for RW take the type reference. If the type is refused, drop the
 *      general reference. Then write the PTE with a plain store that keeps the
 *      A and D bits of the old PTE.
 *   2. To unmap: clear the PTE with one atomic exchange that keeps A and D;
 *      drop the type reference if the PTE was RW; drop the general reference. A
 *      type reference never outlives its general reference.
 *
 * Checked at every step:
 *   - No A or D bit that hardware has set is lost.
 *   - A present PTE maps a page that the domain owns, with one general
 *     reference per present PTE and one type reference per writable PTE.
 *   - A page table has no writable PTE or TLB entry.
 *   - A page of another domain is in none of this domain's TLBs.
 *   - A page with a type reference has a general reference.
 * Checked at the end: both counts balance.
 *
 * As in the other two models, Xen is assumed to stamp the page in the same
 * atomic step as the drop to 0.
 *
 * -DWRITE_FIRST, -DTYPE_AFTER, -DPLAIN, -DTYPE_FIRST, -DTYPE_LAST,
 * -DNO_GIVING_BACK and -DNO_FLUSH each break one rule. spin must find an error
 * in each case.
 */
#ifndef OPS
#define OPS 2
#endif

#define P  1
#define RW 2
#define A  4
#define D  8
#define AD (A | D)

#define NOBODY 0
#define SELF   1
#define OTHER  2

byte pte[2];
byte seen[2];		/* ghost state: bits that hardware has set */
byte tlb[2];		/* cached P, RW and D */
byte count, types;
bool table;		/* the type is page table; valid if types is above 0 */
byte owner = SELF;
byte clock = 1, cpu_stamp = 1, page_stamp;
byte done;

#define IS_RW(p) ((pte[p] & (P | RW)) == (P | RW))
#define NR_RW (IS_RW(0) + IS_RW(1))
#define NR_PRESENT ((pte[0] & P) + (pte[1] & P))

inline check()
{
	assert((seen[0] & ~pte[0]) == 0 && (seen[1] & ~pte[1]) == 0);
	assert(NR_PRESENT == 0 || (owner == SELF && count >= NR_PRESENT));
	assert(NR_RW == 0 || (!table && types >= NR_RW));
	assert(!table || !((tlb[0] | tlb[1]) & RW));
	assert(owner != OTHER || !(tlb[0] | tlb[1]));
	assert(types <= count || types == 0 || table)
}

/* Each atomic block below is one locked instruction, such as a cmpxchg. */
inline get_ref()
{
	atomic {
		got = (count != 0);
		if
		:: got -> count++
		:: else
		fi
	}
	if
	:: got && owner != SELF -> put_ref(); got = false
	:: else
	fi
}

inline put_ref()
{
	atomic {
		count--;
		if
		:: count == 0 -> page_stamp = clock; owner = NOBODY
		:: else
		fi;
		check()
	}
}

inline get_type()
{
	atomic {
		got = !table;
		if
		:: got -> types++
		:: else
		fi
	}
}

inline put_type()
{
	atomic {
		types--;
		if
		:: types == 0 -> page_stamp = clock
		:: else
		fi;
		check()
	}
}

/* Writes a PTE that was not present, with a plain store. */
inline come(p, flags)
{
	d_step { pte[p] = P | (flags) | (pte[p] & AD); check() }
}

proctype handler(byte p)
{
	byte i, old;
	bool got;

	do
	:: i < OPS ->
		i++;
		if
		:: pte[p] & P ->
#ifdef TYPE_FIRST
			old = pte[p];
			if
			:: old & RW -> put_type()
			:: else
			fi;
			d_step { pte[p] = pte[p] & AD; check() }
#else
#ifdef PLAIN
			old = pte[p];
			d_step { pte[p] = old & AD; check() }
#else
			d_step { old = pte[p]; pte[p] = old & AD; check() }
#endif
#ifdef TYPE_LAST
			put_ref();
#endif
			if
			:: old & RW -> put_type()
			:: else
			fi;
#endif
#ifndef TYPE_LAST
			put_ref()
#else
			skip
#endif
		:: !(pte[p] & P) && owner == SELF ->	/* map writable */
#ifdef WRITE_FIRST
			come(p, RW);
			get_ref();
			get_type()
#else
			get_ref();
			if
			:: got ->
#ifdef TYPE_AFTER
				come(p, RW);
#endif
				get_type();
				if
				:: got ->
#ifndef TYPE_AFTER
					come(p, RW)
#endif
				:: else ->
#ifndef NO_GIVING_BACK
					put_ref()
#endif
				fi
			:: else
			fi
#endif
		:: !(pte[p] & P) && owner == SELF ->	/* map read-only */
			get_ref();
			if
			:: got -> come(p, 0)
			:: else
			fi
		:: !(pte[p] & P)
		fi;
		atomic { old = 0; got = 0 }
	:: else -> break
	od;
	done++
}

inline flush()
{
#ifndef NO_FLUSH
	if
	:: cpu_stamp <= page_stamp ->
		tlb[0] = 0; tlb[1] = 0; clock++; cpu_stamp = clock
	:: else
	fi
#else
	skip
#endif
}

/* Takes a general reference like any other user of the page. */
proctype retype()
{
	bool got;

	if
	:: atomic { owner == SELF && count && types == 0 ->
		count++; types = 1; flush(); table = true; check() };
	   d_step { types = 0; table = false; page_stamp = clock; check() }
	   put_ref()
	:: true
	fi;
	done++
}

proctype give_back()
{
	if
	:: true ->
		put_ref();
		if
		:: atomic { owner == NOBODY ->
			flush(); owner = OTHER; count = 1; check() }
		:: true		/* or the page still has references */
		fi
	:: true
	fi;
	done++
}

proctype hardware()
{
end:	do
	:: d_step { (pte[0] & P) && tlb[0] == 0 ->
		pte[0] = pte[0] | A; seen[0] = seen[0] | A;
		tlb[0] = pte[0] & (P | RW | D); check() }
	:: d_step { (pte[1] & P) && tlb[1] == 0 ->
		pte[1] = pte[1] | A; seen[1] = seen[1] | A;
		tlb[1] = pte[1] & (P | RW | D); check() }
	:: d_step { IS_RW(0) && !(tlb[0] & D) ->
		pte[0] = pte[0] | AD; seen[0] = seen[0] | AD;
		tlb[0] = P | RW | D; check() }
	:: d_step { IS_RW(1) && !(tlb[1] & D) ->
		pte[1] = pte[1] | AD; seen[1] = seen[1] | AD;
		tlb[1] = P | RW | D; check() }
	:: d_step { tlb[0] -> tlb[0] = 0 }
	:: d_step { tlb[1] -> tlb[1] = 0 }
	od
}

init {
	atomic {
		if
		:: pte[0] = 0
		:: pte[0] = P | RW
		fi;
		if
		:: pte[1] = 0
		:: pte[1] = P | RW
		:: pte[1] = P | A
		fi;
		seen[0] = pte[0] & AD;
		seen[1] = pte[1] & AD;
		count = 1 + NR_PRESENT;
		types = NR_RW;
		run handler(0);
		run handler(1);
		run retype();
		run give_back();
		run hardware()
	}
	done == 4;
	assert(types == NR_RW);
	assert(owner == OTHER || count == NR_PRESENT || count == NR_PRESENT + 1)
}
