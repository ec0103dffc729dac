# SPDX-License-Identifier: MIT
# Part of Makefile.am: what boots Debian's kernels, natively and on Xen.

linux_kernels = 6.1 6.12
# Each of these has as many vCPUs as a small machine has CPUs, and runs alone.
linux_tests_alone = tests/linux/native.sh tests/linux/stock.sh \
	tests/linux/release.sh tests/linux/debug.sh tests/linux/6.12.sh \
	tests/linux/4.20.sh
# The vCPUs of each of these share one CPU, and each needs 2 GiB of memory. So
# they run in parallel, as many as make's -j allows, the longest first.
linux_tests_beside = tests/linux/minikernel.sh tests/linux/domu.sh \
	tests/linux/livepatch-minikernel.sh tests/linux/livepatch.sh \
	tests/linux/migrate.sh \
	tests/linux/tool.sh tests/linux/tool-payload.sh \
	tests/linux/unload.sh tests/linux/pvh.sh tests/linux/refused.sh \
	tests/linux/files.sh
linux_tests = $(linux_tests_alone) $(linux_tests_beside)
# These take too long for a test run.
linux_tests_long = tests/linux/7.2.sh tests/linux/7.2-native.sh \
	tests/linux/7.2-stock.sh tests/linux/6.1-cloud.sh \
	tests/linux/6.12-cloud.sh tests/linux/6.12-bpo.sh \
	tests/linux/livepatch-long.sh \
	tests/linux/livepatch-figures.sh tests/linux/livepatch-domu.sh \
	tests/linux/livepatch-moves.sh tests/linux/livepatch-shadow.sh \
	tests/linux/livepatch-save.sh tests/linux/minikernel-l1tf.sh \
	tests/linux/tool-stock.sh tests/linux/tool-pvh.sh \
	tests/linux/shim.sh tests/linux/unload-6.12.sh
linux_soaks = tests/linux/soak.sh tests/linux/soak-debug.sh

# For each kernel, the module, and an initramfs with it and the guest program.
linux_target = all
linux-module:
	@failed=0; for series in $(linux_kernels); do \
		$(MAKE) $(if $(filter 1,$(V)),,-s) --no-print-directory \
			-f $(top_srcdir)/tests/linux/linux.mk \
			SERIES=$$series OUT=guests/$$series \
			$(linux_target) || failed=1; \
	done; exit $$failed

check-linux:
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module \
		linux_kernels=6.1 linux_target=initramfs-dom0
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory images
	@failed=0; \
	$(MAKE) $(AM_MAKEFLAGS) -j1 check-TESTS TESTS='$(linux_tests_alone)' \
		TEST_SUITE_LOG=test-suite-linux.log || failed=1; \
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(linux_tests_beside)' \
		TEST_SUITE_LOG=test-suite-linux-beside.log || failed=1; \
	exit $$failed

check-linux-long:
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module \
		linux_kernels=6.1 linux_target=initramfs-dom0
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module \
		linux_kernels='7.2 6.12-bpo'
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module \
		linux_kernels='6.1-cloud 6.12-cloud' linux_target=initramfs-dom0
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(linux_tests_long)' \
		TEST_SUITE_LOG=test-suite-linux-long.log

# These run one at a time, as the suites do that run alone.
soak-linux: linux-module
	-@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory images \
		variants='release debug'
	@$(MAKE) $(AM_MAKEFLAGS) -j1 check-TESTS TESTS='$(linux_soaks)' \
		TEST_SUITE_LOG=test-suite-linux-soak.log

# "figures-linux" prints the table of Linux 6.1. "bench-linux" measures
# everything, on both kernels, and plots; RESUME=1 continues an interrupted one.
# With MITIGATIONS=1 it measures a CPU that has every flaw that Xen mitigates, into
# a folder of its own.
# Each kernel runs on the Xen of its own Debian release.
figures-linux: linux_kernels = 6.1
bench-linux: linux_target = initramfs-programs initramfs-commands
figures-linux bench-linux: linux-module
	@set -- --out $(if $(MITIGATIONS),bench-linux-mitigated --mitigations,.) \
		$(if $(filter figures%,$@),--quick) \
		$(if $(RESUME),--resume); \
	for series in $(linux_kernels); do \
		end=; test $$series = 6.1 || end=-4.20; \
		release=`$(top_srcdir)/tools/xen-image release$$end` || { end=; \
			echo "# Linux $$series runs on Xen 4.17: its own Xen's source is not available"; \
			release=`$(top_srcdir)/tools/xen-image release` || exit; }; \
		image=`$(top_srcdir)/tools/linux-image $$series` && \
		stock=`$(top_srcdir)/tools/xen-image stock$$end` || exit; \
		set -- "$$@" --kernel "$$series=$$image/vmlinuz,guests/$$series/initramfs,$$stock/xen,$$release/xen"; \
	done; $(top_srcdir)/tests/linux/bench "$$@"

# A database on Debian's own Xen, with and without the payload.
figures-livepatch:
	@$(MAKE) $(AM_MAKEFLAGS) --no-print-directory linux-module \
		linux_kernels=6.1 linux_target=initramfs-dom0
	@$(top_srcdir)/tests/livepatch/demo

clean-linux:
	rm -rf guests

.PHONY: check-linux-long linux-module check-linux soak-linux figures-linux bench-linux \
	figures-livepatch clean-linux
