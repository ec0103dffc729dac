# SPDX-License-Identifier: MIT
# Part of Makefile.am: what boots the test kernel on Xen in QEMU.

variants = stock release debug preempt stock-4.20 release-4.20 debug-4.20
xen_tests = tests/livepatch/gates.sh tests/xen/install.sh \
	tests/xen/decode.sh tests/xen/example.sh \
	tests/xen/stock.sh tests/xen/release.sh \
	tests/xen/debug.sh tests/xen/preempt.sh tests/xen/off.sh \
	tests/xen/mitigated.sh tests/xen/shadow.sh \
	tests/xen/traps.sh \
	tests/xen/race.sh tests/xen/sparse.sh \
	tests/xen/fuzz.sh tests/xen/fuzz-preempt.sh tests/xen/trace.sh \
	tests/xen/stock-4.20.sh tests/xen/release-4.20.sh tests/xen/debug-4.20.sh
# Some of these need hypervisors of their own, which take minutes to build. The
# trees are those in $PTEBATCH_TREES; without it each is skipped by its name.
long_xen_tests = tests/xen/race-stock.sh tests/xen/race-traps.sh \
	tests/xen/sparse-debug.sh tests/xen/high.sh tests/xen/guest-32.sh \
	tests/xen/mini-os.sh tests/xen/fuzz-shadow.sh \
	tests/xen/decode-long.sh tests/xen/ubsan.sh tests/xen/flask.sh \
	tests/xen/trees tests/xen/series

# Exit code 77 says that Debian's archive does not serve the source of a
# variant. The tests that need the variant say so too, and are skipped.
images:
	@failed=0; for variant in $(variants); do \
		$(top_srcdir)/tools/xen-image $$variant || \
			test $$? -eq 77 || failed=1; \
	done; exit $$failed

# The kernel that the tests boot, and the example that it is built over.
minikernel:
	@$(MAKE) $(if $(filter 1,$(V)),,-s) --no-print-directory OUT=minikernel \
		-f $(top_srcdir)/tests/minikernel/kernel.mk
	@$(MAKE) $(if $(filter 1,$(V)),,-s) --no-print-directory OUT=minikernel \
		-f $(top_srcdir)/tests/minikernel32/kernel.mk
	@$(MAKE) $(if $(filter 1,$(V)),,-s) --no-print-directory \
		OUT=minikernel/example \
		-f $(top_srcdir)/examples/minikernel/kernel.mk

# The suites build missing images themselves. Building them here first shows the
# user the progress.
check-xen: minikernel
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory images
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(xen_tests)' \
		TEST_SUITE_LOG=test-suite-xen.log

check-xen-long: minikernel
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(long_xen_tests)' \
		TEST_SUITE_LOG=test-suite-xen-long.log

# The tests on Xen source trees: one by its path (TREE=PATH), with the result of
# each suite, or all in the folder $PTEBATCH_TREES, one line a tree.
check-xen-tree: minikernel
	@test -n '$(TREE)' || { echo 'usage: make check-xen-tree TREE=PATH'; \
		exit 2; }
	@top_builddir=. $(top_srcdir)/tests/xen/trees '$(TREE)'

check-xen-trees: minikernel
	@top_builddir=. $(top_srcdir)/tests/xen/trees

# The fuzzer for a long time: many boots, each on the next of these variants.
# Boots that are done are not repeated. "rm -r soak" starts over.
soak_variants = release debug preempt release-4.20
SOAK_OPERATIONS = 10000000
soak: minikernel
	@set --; for variant in $(soak_variants); do \
		image=`$(top_srcdir)/tools/xen-image $$variant`; \
		case $$? in \
		0) set -- "$$@" --xen "$$variant=$$image/xen" ;; \
		77) echo "soak: without $$variant, whose source is not available" ;; \
		*) exit 1 ;; \
		esac; \
	done; $(top_srcdir)/tests/xen/soak "$$@" --kernel minikernel/minikernel \
		--operations $(SOAK_OPERATIONS) --out soak

# "figures" prints the table; "bench" measures every batch size and plots, too.
# Both measure Xen 4.17. With XEN=4.20 they measure that, and with MITIGATIONS=1
# a CPU that has every flaw that Xen mitigates, each into a folder of its own.
bench_end = $(if $(XEN),-$(XEN))
bench_out = bench$(bench_end)$(if $(MITIGATIONS),-mitigated)
figures bench: minikernel
	@stock=`$(top_srcdir)/tools/xen-image stock$(bench_end)` && \
	release=`$(top_srcdir)/tools/xen-image release$(bench_end)` && \
	quick=`test $@ = bench || echo --quick` && \
	$(top_srcdir)/tests/xen/bench --xen "stock=$$stock/xen" \
		--xen "patched=$$release/xen" \
		--xen-append patched=ptebatch=traps \
		--xen "off=$$release/xen" --xen-append off=ptebatch=no \
		--kernel minikernel/minikernel \
		--out $(if $(filter bench,$(bench_out)),.,$(bench_out)) \
		$(if $(MITIGATIONS),--mitigations) $$quick

clean-xen:
	rm -rf minikernel soak trees

.PHONY: images minikernel check-xen check-xen-long check-xen-tree \
	check-xen-trees soak figures bench clean-xen
