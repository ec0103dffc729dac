/* SPDX-License-Identifier: MIT */
/*
 * The type-count fast path, as a model that spin checks exhaustively.
 *
 * One data page is mapped by two PTEs, which lie in different L1 tables, so
 * that no lock is common to their updates. Running at once:
 *
 *   handler(0), handler(1)  each a vCPU in the handler, changing its PTE OPS
 *                           times: RW to RO, RO to RW, or test-and-clear A;
 *   retype                  a vCPU that makes the page a page table, and back;
 *   hardware                another CPU: walks, caches, writes, sets A and D,
 *                           and flushes its TLB now and then.
 *
 * Rules of the handler:
 *   1. A PTE is written by cmpxchg; by a plain store only where A and D are
 *      both set and stay set, so that hardware has nothing left to set.
 *   2. RW to RO: write the PTE, then drop the writable type. The drop is a
 *      cmpxchg where the count stays above 0, else Xen's put_page_type: if the
 *      count is 1, it stamps the page with the TLB clock, and in a second step
 *      drops the count by a cmpxchg, or starts over. So the clock is read after
 *      the write.
 *   3. RO to RW: take the type, then write the PTE. The take is a cmpxchg
 *      where the count is above 0 already, else Xen's get_page_type.
 *
 * Checked at every step: no A or D that hardware set is lost; the type count
 * is at least the number of writable PTEs; a page in use as a table has no
 * writable PTE, no writable TLB entry, and is not written. Checked at the end:
 * the counts balance.
 *
 * Assumed of Xen, not shown: a flush is one step, and the cmpxchg of
 * put_page_type fails where the count was written since the stamp. All stores
 * are seen at once: stamp.pml has the store buffer.
 *
 * -DPLAIN, -DDROP_FIRST, -DTAKE_LAST, -DNO_FLUSH, -DNO_STAMP, -DSTAMP_FIRST,
 * -DNO_PUT, -DCLEAR_PLAIN each break one rule; spin must find each.
 */
#ifndef OPS
#define OPS 2		/* changes that each handler makes */
#endif
#define FLUSHES 1	/* flushes of hardware's own accord */

/* A PTE that is always present. */
#define RW 1
#define A  2
#define D  4

/* type_info: count in the low bits. */
#define COUNT(x)  ((x) & 7)
#define VALIDATED 8
#define WRITABLE  16	/* type; without it: page table */
#define FREE_W    (WRITABLE | VALIDATED) /* writable, count 0 */

byte pte[2];
byte ti;
byte clock, cpu_stamp, page_stamp;

/* hardware's TLB: an entry a PTE, with D as cached. */
bool tlb[2], tlb_rw[2], tlb_d[2];

/* Ghosts: what hardware has set and no test-and-clear has handed back. */
byte seen[2];
/* Whether ti has stayed unwritten since the handler read it. */
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
 * Changes PTE p by rule 1: the plain store where STORE_OK, else the cmpxchg,
 * which on failure leaves what it found in o, to try again. cleared: the bits
 * whose old values are handed back.
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

/* Rule 2's drop: the stamp belongs to the drop to 0 alone. */
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
		/* A step of its own, before the cmpxchg. */
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
 * Rule 3's take. Refused while the page is a table; 0 to 1 from a former
 * table needs no flush here, since nothing writable is left in any TLB.
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
		/* Dead values would only multiply states. */
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
			/* Changed: flush who has not since the stamp. */
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
		/* In use as a page table; then put. */
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
	/* A read walks: A is set and the entry cached. */
	:: d_step { !tlb[0] -> walk(0, A) }
	:: d_step { !tlb[1] -> walk(1, A) }
	/* A write that needs D set, or RW seen anew, walks. */
	:: d_step { (pte[0] & RW) && !tlb_d[0] -> walk(0, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[1] & RW) && !tlb_d[1] -> walk(1, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[0] & RW) && !tlb_rw[0] -> walk(0, A | D); assert(!IS_TABLE) }
	:: d_step { (pte[1] & RW) && !tlb_rw[1] -> walk(1, A | D); assert(!IS_TABLE) }
	/* A write through the TLB, which asks no PTE. */
	:: d_step { tlb_rw[0] && tlb_d[0] && IS_TABLE -> assert(false) }
	:: d_step { tlb_rw[1] && tlb_d[1] && IS_TABLE -> assert(false) }
	/* Evicted. */
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
