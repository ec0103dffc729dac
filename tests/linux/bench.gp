# SPDX-License-Identifier: MIT
# mprotect by size and a database's rounds by vCPUs, from bench-linux.csv.
# Called by tests/linux/bench with: csv, kind (svg, png), out, kernel.

if (kind eq "svg") {
	set terminal svg size 1400,600 font "sans-serif,14" background "white"
} else {
	set terminal pngcairo size 1400,600 font "sans-serif,11"
}
set output out
set datafile separator ","
set datafile missing NaN # skip the rows of other lines, without gaps

set multiplot layout 1,2
set title sprintf("mprotect of anonymous memory, Linux %s\n" \
	. "{/*0.8 dashed: back to writable}", kernel)
set xlabel "pages in a call"
set ylabel "instructions per PTE, kernel and hypervisor"
set logscale xy
set xrange [0.9:4600]
set yrange [50:10000]
set xtics ("1" 1, "2" 2, "4" 4, "8" 8, "16" 16, "32" 32, "64" 64, "128" 128, \
	"256" 256, "512" 512, "1024" 1024, "2048" 2048, "4096" 4096)
set ytics (50, 100, 200, 500, 1000, 2000, 5000, 10000)
set grid xtics ytics linecolor "#dddddd" linetype 1 linewidth 0.5
set border 3
set tics nomirror
set key inside top right spacing 1.3 samplen 2 Left reverse

pick(xen, module, direction) = (strcol(1) eq kernel && strcol(2) eq xen && \
	strcol(3) eq module && strcol(4) eq "mprotect-anon" && column(6) == 1 && \
	strcol(7) eq direction) ? column(8) : NaN

plot \
  csv using 5:(pick("stock", "off", "ro")) smooth unique \
	with linespoints lc "#d62728" pt 12 lw 1.5 t "stock Xen", \
  csv using 5:(pick("stock", "off", "rw")) smooth unique \
	with linespoints lc "#d62728" pt 12 lw 1.5 dt 2 notitle, \
  csv using 5:(pick("stock", "on", "ro")) smooth unique \
	with linespoints lc "#ff7f0e" pt 9 lw 1.5 t "stock Xen, module", \
  csv using 5:(pick("stock", "on", "rw")) smooth unique \
	with linespoints lc "#ff7f0e" pt 9 lw 1.5 dt 2 notitle, \
  csv using 5:(pick("patched", "off", "ro")) smooth unique \
	with linespoints lc "#9467bd" pt 5 lw 1.5 t "patched Xen", \
  csv using 5:(pick("patched", "off", "rw")) smooth unique \
	with linespoints lc "#9467bd" pt 5 lw 1.5 dt 2 notitle, \
  csv using 5:(pick("none", "off", "ro")) smooth unique \
	with linespoints lc "black" pt 6 lw 1.5 t "no Xen", \
  csv using 5:(pick("none", "off", "rw")) smooth unique \
	with linespoints lc "black" pt 6 lw 1.5 dt 2 notitle, \
  csv using 5:(pick("patched", "on", "ro")) smooth unique \
	with linespoints lc "#1f77b4" pt 7 lw 2.5 t "patched Xen, module", \
  csv using 5:(pick("patched", "on", "rw")) smooth unique \
	with linespoints lc "#1f77b4" pt 7 lw 2.5 dt 2 notitle

set title sprintf("a database's round over 256 pages of shared memory, Linux %s\n" \
	. "{/*0.8 dashed: windows go to read-only instead of PROT\\_NONE}", kernel)
set xlabel "vCPUs, each with a process"
set ylabel "instructions a round, all of the machine"
unset logscale
set logscale x
set xrange [0.9:8.9]
set yrange [0:700000]
set xtics ("1" 1, "2" 2, "4" 4, "8" 8)
set ytics 100000
set format y "%.0f"
set key inside center right

db(xen, module, workload) = (strcol(1) eq kernel && strcol(2) eq xen && \
	strcol(3) eq module && strcol(4) eq workload) ? column(8) : NaN
one(figure) = column(6) == 1 ? figure : NaN

plot \
  csv using 6:(db("stock", "off", "db")) with linespoints lc "#d62728" \
	pt 12 lw 1.5 t "stock Xen", \
  csv using 6:(db("stock", "off", "db-ro")) with linespoints lc "#d62728" \
	pt 12 lw 1.5 dt 2 notitle, \
  csv using 6:(db("patched", "off", "db")) with linespoints lc "#9467bd" \
	pt 5 lw 1.5 t "patched Xen", \
  csv using 6:(db("patched", "off", "db-ro")) with linespoints lc "#9467bd" \
	pt 5 lw 1.5 dt 2 notitle, \
  csv using 6:(one(db("none", "off", "db"))):(8):(0) with vectors nohead \
	lc "black" lw 1.5 t "no Xen, of one vCPU", \
  csv using 6:(one(db("none", "off", "db-ro"))):(8):(0) with vectors nohead \
	lc "black" lw 1.5 dt 2 notitle, \
  csv using 6:(db("patched", "on", "db")) with linespoints lc "#1f77b4" \
	pt 7 lw 2.5 t "patched Xen, module", \
  csv using 6:(db("patched", "on", "db-ro")) with linespoints lc "#1f77b4" \
	pt 7 lw 2.5 dt 2 notitle
unset multiplot
