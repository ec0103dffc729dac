# SPDX-License-Identifier: MIT
# Instructions per PTE by batch size, from bench-minikernel.csv.
# Called by tests/xen/bench with: csv, kind (svg, png), out, new, old (the
# names of the hypervisors with and without the new calls).

if (kind eq "svg") {
	set terminal svg size 900,600 font "sans-serif,14" background "white"
} else {
	set terminal pngcairo size 900,600 font "sans-serif,11"
}
set output out
set datafile separator ","
set datafile missing NaN # skip the rows of other lines, without gaps

set title "What one page-table update costs a PV guest\n{/*0.8 RW to RO where not said otherwise; mmu\\_update and trapped on Xen as it is}"
set xlabel "PTEs in a batch"
set ylabel "instructions per PTE, guest and hypervisor"
set logscale xy
set xrange [0.9:4600]
set yrange [3:3000]
set xtics ("1" 1, "2" 2, "4" 4, "8" 8, "16" 16, "32" 32, "64" 64, "128" 128, \
	"256" 256, "512" 512, "1024" 1024, "2048" 2048, "4096" 4096)
set ytics (4, 10, 20, 50, 100, 200, 500, 1000, 2000)
set grid xtics ytics linecolor "#dddddd" linetype 1 linewidth 0.5
set border 3
set tics nomirror
set key outside right center spacing 1.3 samplen 2 Left reverse

pick(xen, method, direction) = \
	(strcol(2) eq xen && strcol(3) eq method && strcol(5) eq direction) ? \
	column(6) : NaN

# The figures for plain memory involve no hypervisor and are the same on both.
plot \
  csv using 4:(pick(old, "trapped", "ro")) with linespoints lc "#7f7f7f" \
	pt 8 lw 1.5 t "trapped write", \
  csv using 4:(pick(old, "mmu-update-one", "ro")) with linespoints \
	lc "#8c564b" pt 10 lw 1.5 t "mmu\\_update, one each", \
  csv using 4:(pick(old, "mmu-update", "ro")) with linespoints lc "#d62728" \
	pt 12 lw 1.5 t "mmu\\_update, batched", \
  csv using 4:(pick(new, "guest-mmu-update", "ro")) with linespoints \
	lc "#e377c2" pt 13 lw 1.5 t "the same, patched Xen", \
  csv using 4:(pick(new, "sparse", "ro")) with linespoints lc "#bcbd22" \
	pt 4 lw 1.5 t "sparse", \
  csv using 4:(pick(new, "exchange", "clear")) with linespoints \
	lc "#9467bd" pt 6 lw 1.5 t "exchange (clear)", \
  csv using 4:(pick(new, "values", "ro")) with linespoints lc "#ff7f0e" \
	pt 9 lw 1.5 t "values", \
  csv using 4:(pick(new, "flags", "ro")) with linespoints lc "#1f77b4" \
	pt 7 lw 2.5 t "flags", \
  csv using 4:(pick(new, "age", "young")) with linespoints lc "#17becf" \
	pt 5 lw 1.5 t "age (clear A)", \
  csv using 4:(pick(new, "flags", "nx")) with linespoints lc "#2ca02c" \
	pt 11 lw 1.5 t "flags, NX only", \
  csv using 4:(pick(old, "floor", "ro")) with lines lc "black" dt 2 lw 2 \
	t "floor: lock and"
