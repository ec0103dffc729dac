/* SPDX-License-Identifier: MIT */
/*
 * A model of the type-count fast path, which spin checks exhaustively.
 *
 * Two PTEs map one data page. The PTEs lie in different L1 tables, so no lock
 * is common to their updates. These processes run concurrently:
 *
 *   handler(0), handler(1)  two vCPUs in the handler. Each changes its PTE OPS
 *                           times: RW to RO, RO to RW, or test-and-clear A;
 *   retype                  a vCPU that makes the page a page table and back;
 *   hardware                another CPU: walks and caches PTEs, writes, sets A
 *                           and D, and flushes its TLB up to FLUSHES times.
 *
 * Rules of the handler:
 *   1. A PTE is written with a cmpxchg. A plain store is allowed only if A and
 *      D are both set and stay set, so that hardware has nothing left to set.
 *   2. RW to RO: write the PTE, then drop the writable type. If the count stays
 *      above 0, the drop is a cmpxchg. Otherwise it is Xen's put_page_type,
 *      which stamps the page with the TLB clock and in a second step drops the
 *      count with a cmpxchg, or starts over. So the clock is read after the
 *      write.
 *   3. RO to RW: take the type, then write the PTE. If the count is above 0
 *      already, the type is taken with a cmpxchg, otherwise with Xen's
 *      get_page_type.
 *
 * Checked at every step:
 *   - No A or D bit that hardware has set is lost.
 *   - The type count is at least the number of writable PTEs.
 *   - A page in use as a table has no writable PTE and no writable TLB entry,
 *     and is not written.
 * Checked at the end: the counts balance.
 *
 * Assumed of Xen, not shown: a flush is one step, and the cmpxchg of
 * put_page_type fails where the count was written since the stamp. All stores
 * are seen at once: stamp.pml has the store buffer.
 *
 * -DPLAIN, -DDROP_FIRST, -DTAKE_LAST, -DNO_FLUSH, -DNO_STAMP, -DSTAMP_FIRST,
 * -DNO_PUT and -DCLEAR_PLAIN each break one rule. spin must find an error in
 * each case.
 */
#ifndef OPS
#define OPS 2		/* changes that each handler makes */
#endif
#define FLUSHES 1	/* TLB flushes by hardware itself */

/* The flags of a PTE, which is always present. */
#define RW 1
#define A  2
#define D  4

/* type_info, with the count in the low bits. */
#define COUNT(x)  ((x) & 7)
#define VALIDATED 8
#define WRITABLE  16	/* the type; if clear, page table */
#define FREE_W    (WRITABLE | VALIDATED) /* writable, count 0 */

byte pte[2];
byte ti;
byte clock, cpu_stamp, page_stamp;

/* The TLB of hardware, with one entry per PTE and the cached RW and D. */
bool tlb[2], tlb_rw[2], tlb_d[2];

/* Ghost state: bits set by hardware that no test-and-clear has returned. */
byte seen[2];
/* True if ti was not written since the handler read it. */
bool same[2];
byte done;

#define NR_RW ((pte[0] & RW) + (pte[1] & RW))
#define IS_TABLE (!(ti & WRITABLE) && COUNT(ti) && (ti & VALIDATED))
#define TLB_RW ((tlb[0] && tlb_rw[0]) || (tlb[1] && tlb_rw[1]))

#define SAME(p, x) (same[p] || !NEEDS_STAMP(x))

inline ti_changed()
{
	same[0] = false;
	same[1] = false
}

inline check()
{
	assert((seen[0] & ~pte[0]) == 0 && (seen[1] & ~pte[1]) == 0);
	assert(NR_RW == 0 || ((ti & WRITABLE) && COUNT(ti) >= NR_RW));
	assert(!IS_TABLE || (NR_RW == 0 && !TLB_RW));
}

/*
 * Changes PTE p by rule 1: with the plain store if STORE_OK, otherwise with the
 * cmpxchg. A failed cmpxchg leaves the current PTE in o for the next try. The
 * old values of the bits in cleared are returned to the caller.
 */
#ifdef PLAIN
#define STORE_OK(o, n, cleared) true
#elif defined(CLEAR_PLAIN)
#define STORE_OK(o, n, cleared) ((cleared) || (o & (n) & A && o & (n) & D))
#else
#define STORE_OK(o, n, cleared) ((o & (n) & A) && (o & (n) & D))
#endif

inline write_pte(p, clr, set, cleared)
{
	o = pte[p];
	do
	:: atomic {
		n = (o & ~(clr)) | (set);
		ok = STORE_OK(o, n, cleared) || pte[p] == o;
		if
		:: ok ->
			seen[p] = seen[p] & ~((cleared) & o);
			pte[p] = n;
			check()
		:: else -> o = pte[p]
		fi;
		if
		:: ok -> break
		:: else
		fi
	   }
	od
}

/* The drop of rule 2. Only a drop to 0 stamps the page. */
#ifdef NO_STAMP
#define NEEDS_STAMP(x) false
#else
#define NEEDS_STAMP(x) (COUNT(x) == 1)
#endif

inline put_type(p)
{
	d_step { x = ti; same[p] = NEEDS_STAMP(x) };
	do
	:: true ->
#ifndef STAMP_FIRST
		/* A separate step before the cmpxchg. */
		if
		:: NEEDS_STAMP(x) -> page_stamp = clock
		:: else
		fi;
#endif
	   atomic {
		ok = (ti == x) && SAME(p, x);
		if
		:: ok ->
			ti = x - 1;
			ti_changed();
			check()
		:: else -> x = ti; same[p] = NEEDS_STAMP(x)
		fi;
		if
		:: ok -> break
		:: else
		fi
	   }
	od
}

/*
 * The take of rule 3. It is refused while the page is a table. A take from 0
 * after the page was a table needs no flush here, since no TLB has a writable
 * entry for the page.
 */
inline get_type()
{
	x = ti;
	do
	:: atomic {
		got = (x & WRITABLE) || COUNT(x) == 0;
		ok = (ti == x) || !got;
		if
		:: ok && got ->
			ti = (COUNT(x) -> x + 1 : FREE_W + 1);
			ti_changed();
			check()
		:: ok && !got
		:: else -> x = ti
		fi;
		if
		:: ok -> break
		:: else
		fi
	   }
	od
}

proctype handler(byte p)
{
	byte o, n, x, i;
	bool ok, got;

	do
	:: i < OPS ->
		i++;
		if
		:: pte[p] & RW ->		/* RW to RO */
#ifdef STAMP_FIRST
			page_stamp = clock
#endif
#ifdef DROP_FIRST
			put_type(p);
			write_pte(p, RW, 0, 0)
#else
			write_pte(p, RW, 0, 0);
#ifndef NO_PUT
			put_type(p)
#endif
#endif
		:: !(pte[p] & RW) ->		/* RO to RW */
#ifdef TAKE_LAST
			write_pte(p, 0, RW, 0);
			get_type()
#else
			get_type();
			if
			:: got -> write_pte(p, 0, RW, 0)
			:: else			/* refused, unchanged */
			fi
#endif
		:: true ->			/* test-and-clear A */
			write_pte(p, A, 0, A)
		fi;
		/* Reset dead variables to reduce the number of states. */
		atomic { o = 0; n = 0; x = 0; ok = 0; got = 0; same[p] = 0 }
	:: else -> break
	od;
	done++
}

inline drop_tlb(p)
{
	tlb[p] = false;
	tlb_rw[p] = false;
	tlb_d[p] = false
}

inline flush()
{
	drop_tlb(0);
	drop_tlb(1);
	clock++;
	cpu_stamp = clock
}

proctype retype()
{
	byte x;
	bool ok;

	do
	:: atomic {
		x = ti;
		COUNT(x) == 0;
		ti = 1 + (x & WRITABLE -> 0 : x & VALIDATED);
		ti_changed();
		check()
	   } ->
		if
		:: x & WRITABLE ->
			/* Type changes: flush, if not done since the stamp. */
#ifndef NO_FLUSH
			d_step {
				if
				:: cpu_stamp <= page_stamp ->
					flush()
				:: else
				fi
			}
#endif
			d_step { ti = ti | VALIDATED; check() }
		:: else ->
			d_step { ti = ti | VALIDATED; check() }
		fi;
		/* The page was in use as a page table; drop the type. */
		d_step { ti = 0; page_stamp = clock }
		break
	:: true -> break	/* gives up */
	od;
	done++
}

inline walk(p, bits)
{
	seen[p] = seen[p] | (bits);
	pte[p] = pte[p] | (bits);
	tlb[p] = true;
	tlb_rw[p] = pte[p] & RW;
	tlb_d[p] = (pte[p] & D) != 0;
	check()
}

proctype hardware()
{
	byte flushes;

end:	do
	/* A read walks the tables: sets A and caches the entry. */
	:: d_step { !tlb[0] -> walk(0, A) }
	:: d_step { !tlb[1] -> walk(1, A) }
	/* A write walks if the cached entry lacks D or RW. */
	:: d_step { (pte[0] & RW) && !tlb_d[0] -> walk(0, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[1] & RW) && !tlb_d[1] -> walk(1, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[0] & RW) && !tlb_rw[0] -> walk(0, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[1] & RW) && !tlb_rw[1] -> walk(1, A | D); assert(!IS_TABLE) }
	/* A write through the TLB alone, without a walk. */
	:: d_step { tlb_rw[0] && tlb_d[0] && IS_TABLE -> assert(false) }
	:: d_step { tlb_rw[1] && tlb_d[1] && IS_TABLE -> assert(false) }
	/* The TLB evicts an entry. */
	:: d_step { tlb[0] -> drop_tlb(0) }
	:: d_step { tlb[1] -> drop_tlb(1) }
	:: d_step { flushes < FLUSHES -> flushes++; flush() }
	od
}

init {
	atomic {
		if
		:: pte[0] = 0
		:: pte[0] = RW
		:: pte[0] = RW | A | D
		fi;
		if
		:: pte[1] = 0
		:: pte[1] = RW
		:: pte[1] = A | D
		fi;
		ti = FREE_W + NR_RW;
		seen[0] = pte[0] & (A | D);
		seen[1] = pte[1] & (A | D);
		clock = 1;
		cpu_stamp = 1;
		run handler(0);
		run handler(1);
		run retype();
		run hardware()
	}
	done == 3;
	assert(COUNT(ti) == NR_RW)
}
