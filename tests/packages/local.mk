# SPDX-License-Identifier: MIT
# Part of Makefile.am: Debian's packages.

# The longest first, since others can run beside it.
packages_tests = tests/packages/reproducible.sh tests/packages/lintian.sh \
	tests/packages/contents.sh
# These download a whole Debian, and install into it or boot it.
long_packages_tests = tests/packages/dom0.sh tests/packages/dom0-apt.sh \
	tests/packages/dom0-13.sh tests/packages/install.sh \
	tests/packages/autopkgtest.sh

# The payloads for Debian's own builds of Xen, in payloads/: one for each release
# whose source the archive serves, if its gates are open.
payloads_for = 4.17 4.20
payloads: payloads/stamp
payloads/stamp: $(wildcard $(addprefix $(top_srcdir)/,configure.ac livepatch/* \
		backends/xen-hv/* include/ptebatch/xen-ptebatch.h))
	@rm -rf payloads && mkdir payloads
	@for release in $(payloads_for); do \
		$(top_srcdir)/livepatch/build $$release --out payloads/; \
		case $$? in \
		0) ;; \
		77) echo "# No payload for Debian's Xen $$release: its source is not served." ;; \
		*) exit 1 ;; \
		esac; \
	done
	@touch $@

# Builds the packages of what is distributed, in packages/. tree/ stays as it was
# distributed. payloads/ there has the livepatches: those that the folder
# $PTEBATCH_PAYLOADS has, or else those that "make payloads" makes.
packages-tools:
	@for tool in dpkg-buildpackage dh dh_dkms; do \
		command -v $$tool >/dev/null || { \
			echo "make packages: there is no $$tool; install dpkg-dev, debhelper and dh-dkms" >&2; \
			exit 1; \
		}; \
	done

packages: packages-tools $(if $(PTEBATCH_PAYLOADS),,payloads)
	@chmod -R u+w packages 2>/dev/null; rm -rf packages
	@mkdir -p packages/build packages/payloads
	@for file in "$${PTEBATCH_PAYLOADS:-payloads}"/*.livepatch; do \
		[ ! -e "$$file" ] || cp "$$file" packages/payloads || exit; \
	done
	@$(MAKE) $(AM_MAKEFLAGS) -s --no-print-directory distdir \
		distdir=packages/tree top_distdir=packages/tree
	@chmod -R u+w packages/tree && cp -a packages/tree packages/build/tree
	@payloads=$$PWD/packages/payloads && cd packages/build/tree && \
		env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		"PTEBATCH_PAYLOADS=$$payloads" \
		dpkg-buildpackage -us -uc -b >../log 2>&1 || { \
		tail -n 30 ../log; exit 1; }
	@mv packages/build/*.deb packages/build/*.changes \
		packages/build/*.buildinfo packages/build/log packages
	@ls packages/*.deb

check-packages: packages
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(packages_tests)' \
		TEST_SUITE_LOG=test-suite-packages.log

check-packages-long: packages
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(long_packages_tests)' \
		TEST_SUITE_LOG=test-suite-packages-long.log

clean-packages:
	rm -rf packages payloads

.PHONY: payloads packages packages-tools check-packages check-packages-long clean-packages
