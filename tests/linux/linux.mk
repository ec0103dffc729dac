# SPDX-License-Identifier: MIT
# Builds what boots with one of Debian's kernels: OUT/ptebatch.ko, OUT/guest,
# OUT/hypercall.ko and, of these and some of Debian's modules, OUT/initramfs;
# OUT/initramfs-dom0, a dom0 that has kernel and initramfs in it to run a domU
# with, and the minikernel; and OUT/initramfs-programs, with some of Debian's
# programs.
#
#   make -f tests/linux/linux.mk SERIES=6.1 OUT=dir [W=1] [TARGET]
#
# Kbuild writes beside the sources, so it gets a copy of them.

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
TOP := $(HERE)../..
SERIES ?= 6.1
OUT ?= build/linux/$(SERIES)
$(if $(word 2,$(abspath $(OUT))),$(error kbuild takes no path with a space: \
	$(abspath $(OUT))))
IMAGE := $(shell $(TOP)/tools/linux-image $(SERIES))
$(if $(IMAGE),,$(error there is no Linux $(SERIES) to build for))

SOURCES := $(patsubst $(TOP)/%,%,$(foreach folder,examples/linux include/ptebatch \
	lib backends/native backends/mmu-update backends/hypercall, \
	$(wildcard $(addprefix $(TOP)/$(folder)/,*.[ch] Kbuild dkms.conf))))
# For dom0's part in domUs; for swap, and for files on a disk.
MODULES := xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs zram brd minix

all: $(OUT)/initramfs

# The paths of what is taken from the cache, rewritten where they change: another
# folder of it may be older than what was made of the one before.
$(OUT)/image-path: path = $(IMAGE)
$(OUT)/shim-path: path = $(SHIM)
$(OUT)/image-path $(OUT)/shim-path: FORCE
	@mkdir -p $(OUT)
	@echo '$(path)' | cmp -s - $@ || echo '$(path)' >$@

$(OUT)/initramfs: $(OUT)/guest $(OUT)/ptebatch.ko $(OUT)/hypercall.ko \
		$(HERE)initramfs $(OUT)/image-path
	$(HERE)initramfs --out $@ --image $(IMAGE) \
		$(addprefix --module ,$(MODULES)) \
		/init=$(OUT)/guest /ptebatch.ko=$(OUT)/ptebatch.ko \
		/modules/hypercall.ko=$(OUT)/hypercall.ko

# The user's flags (sanitizers, coverage) are not for a static program.
$(OUT)/guest: $(wildcard $(HERE)guest/*) $(TOP)/include/ptebatch/abi.h
	@mkdir -p $(OUT)
	$(MAKE) -f $(HERE)guest/guest.mk OUT=$@ CFLAGS='-O2 -g -Wall -Wextra'

$(OUT)/ptebatch.ko: $(addprefix $(TOP)/,$(SOURCES)) $(OUT)/image-path
	rm -rf $(OUT)/src
	@mkdir -p $(OUT)/src
	cd $(TOP) && cp --parents $(SOURCES) $(abspath $(OUT))/src
	$(MAKE) -C $(IMAGE)/headers M=$(abspath $(OUT))/src/examples/linux modules
	cp $(OUT)/src/examples/linux/ptebatch.ko $@

$(OUT)/hypercall.ko: $(wildcard $(HERE)hypercall/*) $(OUT)/image-path
	rm -rf $(OUT)/hypercall
	@mkdir -p $(OUT)
	cp -r $(HERE)hypercall $(OUT)/hypercall
	$(MAKE) -C $(IMAGE)/headers M=$(abspath $(OUT))/hypercall modules
	cp $(OUT)/hypercall/hypercall.ko $@

# xl is of Xen 4.17, whatever the kernel.
ifneq ($(filter initramfs-dom0,$(MAKECMDGOALS)),)
SHIM := $(shell $(TOP)/tools/xen-image shim)
$(if $(SHIM),,$(error there is no PV shim))
endif
initramfs-dom0: $(OUT)/initramfs-dom0
$(OUT)/initramfs-dom0: $(OUT)/initramfs $(wildcard $(HERE)dom0/*) \
		$(OUT)/minikernel/minikernel $(OUT)/domain \
		$(TOP)/tools/xen-userland $(OUT)/shim-path
	userland=`$(TOP)/tools/xen-userland 4.17` && \
	$(HERE)initramfs --out $@ --image $(IMAGE) \
		$(addprefix --module ,$(MODULES)) /=$$userland \
		/bin/sh=$$userland/bin/busybox /init=$(HERE)dom0/init \
		/minikernel=$(HERE)dom0/minikernel /bin/domain=$(OUT)/domain \
		/ptebatch.ko=$(OUT)/ptebatch.ko \
		/domu/vmlinuz=$(IMAGE)/vmlinuz /domu/initramfs=$(OUT)/initramfs \
		/domu/minikernel=$(OUT)/minikernel/minikernel \
		/domu/shim=$(SHIM)/xen

# Against libxen-dev, to run with what xen-userland takes from the same suite.
DOMAIN := $(HERE)dom0/domain.c $(patsubst %,$(TOP)/%.c,lib/ptebatch \
	backends/mmu-update/mmu-update backends/hypercall/hypercall \
	backends/xencall/xencall)
$(OUT)/domain: $(DOMAIN) $(wildcard $(TOP)/include/ptebatch/*.h) \
		$(TOP)/examples/minikernel/mailbox.h
	@mkdir -p $(OUT)
	$(CC) -O2 -g -Wall -Wextra -I$(TOP)/include -I$(TOP)/examples/minikernel \
		-o $@ $(DOMAIN) -lxenctrl -lxencall -lxenforeignmemory

$(OUT)/minikernel/minikernel: $(addprefix $(TOP)/,$(SOURCES)) \
		$(wildcard $(TOP)/examples/minikernel/* $(TOP)/tests/conformance/*)
	$(MAKE) -f $(TOP)/examples/minikernel/kernel.mk OUT=$(OUT)/minikernel
	touch $@

# The same with real programs in it.
initramfs-programs: $(OUT)/initramfs-programs
$(OUT)/initramfs-programs: $(OUT)/initramfs $(wildcard $(HERE)programs/*) \
		$(TOP)/tools/linux-programs
	programs=`$(TOP)/tools/linux-programs bookworm` && \
	$(HERE)initramfs --out $@ /=$$programs /programs=$(HERE)programs \
		/init=$(OUT)/guest /ptebatch.ko=$(OUT)/ptebatch.ko

FORCE:
.PHONY: FORCE all initramfs-dom0 initramfs-programs
