# SPDX-License-Identifier: MIT
# Part of Makefile.am: Debian's packages.

# The longest first, since others can run beside it.
packages_tests = tests/packages/reproducible.sh tests/packages/lintian.sh \
	tests/packages/contents.sh
# These download a whole Debian, and install into it or boot it.
long_packages_tests = tests/packages/dom0.sh tests/packages/install.sh \
	tests/packages/autopkgtest.sh

# Builds the packages of what is distributed, in packages/. tree/ stays as it was
# distributed. Livepatches are taken from the folder $PTEBATCH_PAYLOADS.
packages:
	@chmod -R u+w packages 2>/dev/null; rm -rf packages
	@mkdir -p packages/build
	@$(MAKE) $(AM_MAKEFLAGS) -s --no-print-directory distdir \
		distdir=packages/tree top_distdir=packages/tree
	@chmod -R u+w packages/tree && cp -a packages/tree packages/build/tree
	@cd packages/build/tree && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
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
	rm -rf packages

.PHONY: packages check-packages check-packages-long clean-packages
