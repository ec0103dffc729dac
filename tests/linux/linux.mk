# SPDX-License-Identifier: MIT
# Builds the files to boot with one of Debian's kernels:
#   OUT/ptebatch.ko, OUT/guest, OUT/hypercall.ko
#   OUT/initramfs           with these three and some of Debian's modules
#   OUT/initramfs-dom0      a dom0; for its domUs it holds the kernel,
#                           OUT/initramfs and the minikernel
#   OUT/initramfs-programs  with some of Debian's programs
#   OUT/initramfs-commands  with others: a shell, a compiler, PostgreSQL
#
#   make -f tests/linux/linux.mk SERIES=6.1 OUT=dir [W=1] [TARGET]
#
# Kbuild writes its output beside the sources, so it builds a copy of them.

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
TOP := $(HERE)../..
SERIES ?= 6.1
OUT ?= build/guests/$(SERIES)
$(if $(word 2,$(abspath $(OUT))),$(error kbuild takes no path with a space: \
	$(abspath $(OUT))))
IMAGE := $(shell $(TOP)/tools/linux-image $(SERIES))
$(if $(IMAGE),,$(error there is no Linux $(SERIES) to build for))

# A kernel for cloud machines cannot be dom0. Its dom0 has the ordinary one.
ifneq ($(filter %-cloud,$(SERIES)),)
DOM0 := $(SERIES:%-cloud=%)
DOM0_OUT := $(OUT:%-cloud=%)
DOM0_IMAGE := $(shell $(TOP)/tools/linux-image $(DOM0))
else
DOM0_OUT := $(OUT)
DOM0_IMAGE := $(IMAGE)
endif

SOURCES := $(shell cat $(TOP)/linux/FILES)
# The Xen modules let dom0 run domUs; zram is for swap, brd and minix for files
# on a disk. Kernels for cloud machines have no minix.
MODULES := xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs zram brd
ifeq ($(findstring cloud,$(SERIES)),)
MODULES += minix
endif

all: $(OUT)/initramfs

# These files hold the cached folders' paths, and are rewritten when a path
# changes. Timestamps alone do not suffice: a new folder of the cache can be
# older than the output made from the previous one.
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

# CFLAGS are given here, since the user's (sanitizers, coverage) do not suit a
# static program.
$(OUT)/guest: $(wildcard $(HERE)guest/* $(HERE)../common/*.h) \
		$(TOP)/include/ptebatch/xen-ptebatch.h
	@mkdir -p $(OUT)
	$(MAKE) -f $(HERE)guest/guest.mk OUT=$@ CFLAGS='-O2 -g -Wall -Wextra'

$(OUT)/ptebatch.ko: $(addprefix $(TOP)/,$(SOURCES)) $(OUT)/image-path
	rm -rf $(OUT)/src
	@mkdir -p $(OUT)/src
	cd $(TOP) && cp --parents $(SOURCES) $(abspath $(OUT))/src
	$(MAKE) -C $(IMAGE)/headers M=$(abspath $(OUT))/src/linux modules
	cp $(OUT)/src/linux/ptebatch.ko $@

$(OUT)/hypercall.ko: $(wildcard $(HERE)hypercall/*) \
		$(wildcard $(TOP)/include/ptebatch/*.h) $(OUT)/image-path
	rm -rf $(OUT)/hypercall
	@mkdir -p $(OUT)
	cp -r $(HERE)hypercall $(OUT)/hypercall
	cp -r $(TOP)/include/ptebatch $(OUT)/hypercall
	$(MAKE) -C $(IMAGE)/headers M=$(abspath $(OUT))/hypercall modules
	cp $(OUT)/hypercall/hypercall.ko $@

# xl is that of Xen 4.17 for every kernel.
ifneq ($(filter initramfs-dom0,$(MAKECMDGOALS)),)
SHIM := $(shell $(TOP)/tools/xen-image shim)
$(if $(SHIM),,$(error there is no PV shim))
endif
ifneq ($(DOM0_OUT),$(OUT))
$(OUT)/initramfs-dom0: dom0-modules
dom0-modules:
	$(MAKE) -f $(HERE)linux.mk SERIES=$(DOM0) OUT=$(DOM0_OUT)
.PHONY: dom0-modules
endif
initramfs-dom0: $(OUT)/initramfs-dom0
$(OUT)/initramfs-dom0: $(OUT)/initramfs $(wildcard $(HERE)dom0/*) \
		$(HERE)../common/tap.sh $(OUT)/payloads/made \
		$(OUT)/minikernel/minikernel $(OUT)/domain $(OUT)/ptebatch \
		$(TOP)/tools/xen-userland $(OUT)/shim-path
	userland=`$(TOP)/tools/xen-userland 4.17` && \
	$(HERE)initramfs --out $@ --image $(DOM0_IMAGE) \
		$(addprefix --module ,$(MODULES)) /=$$userland \
		/bin/sh=$$userland/bin/busybox /init=$(HERE)dom0/init \
		/minikernel=$(HERE)dom0/minikernel /tool=$(HERE)dom0/tool \
		/livepatch=$(HERE)dom0/livepatch /payloads=$(OUT)/payloads \
		/bin/guest=$(OUT)/guest \
		/modules/hypercall.ko=$(DOM0_OUT)/hypercall.ko \
		/tap.sh=$(HERE)../common/tap.sh /bin/domain=$(OUT)/domain \
		/bin/ptebatch=$(OUT)/ptebatch \
		/ptebatch.ko=$(DOM0_OUT)/ptebatch.ko \
		/domu/vmlinuz=$(IMAGE)/vmlinuz /domu/initramfs=$(OUT)/initramfs \
		/domu/minikernel=$(OUT)/minikernel/minikernel \
		/domu/shim=$(SHIM)/xen

# For Debian's own Xen 4.17, whatever the kernel is.
$(OUT)/payloads/made: $(HERE)../livepatch/make $(HERE)../livepatch/foreign.S \
		$(wildcard $(TOP)/livepatch/* $(TOP)/backends/xen-hv/*) \
		$(TOP)/include/ptebatch/xen-ptebatch.h
	$(HERE)../livepatch/make $(OUT)/payloads
	touch $@

# Linked with libxen-dev, to run with xen-userland's libraries of the same
# suite.
LIBRARY := $(patsubst %,$(TOP)/%.c,lib/ptebatch \
	backends/mmu-update/mmu-update backends/hypercall/hypercall \
	backends/xencall/xencall)
DOMAIN := $(HERE)dom0/domain.c $(LIBRARY)
$(OUT)/domain: $(DOMAIN) $(wildcard $(TOP)/include/ptebatch/*.h) \
		$(TOP)/tests/minikernel/mailbox.h $(wildcard $(HERE)../common/*.h)
	@mkdir -p $(OUT)
	$(CC) -O2 -g -Wall -Wextra -I$(TOP)/include -I$(TOP)/tests/minikernel \
		-o $@ $(DOMAIN) -lxenctrl -lxencall -lxenforeignmemory

TOOL := $(wildcard $(TOP)/tool/*.c) $(LIBRARY)
$(OUT)/ptebatch: $(TOOL) $(TOP)/tool/tool.h \
		$(wildcard $(TOP)/include/ptebatch/*.h)
	@mkdir -p $(OUT)
	$(CC) -std=gnu11 -D_GNU_SOURCE -DTOOL_FOLDER='"/domu"' -O2 -g \
		-Wall -Wextra -I$(TOP)/include \
		-o $@ $(TOOL) -lxenctrl -lxencall -lxenforeignmemory \
		-lxenhypfs -lxentoollog

$(OUT)/minikernel/minikernel: $(wildcard $(addprefix $(TOP)/, \
		include/ptebatch/*.h lib/*.c backends/*/*.c \
		examples/minikernel/* tests/minikernel/* tests/common/* \
		tests/conformance/*))
	$(MAKE) -f $(TOP)/tests/minikernel/kernel.mk OUT=$(OUT)/minikernel
	touch $@

# OUT/initramfs and real programs.
initramfs-programs: $(OUT)/initramfs-programs
$(OUT)/initramfs-programs: $(OUT)/initramfs $(wildcard $(HERE)programs/*) \
		$(TOP)/tools/linux-programs
	programs=`$(TOP)/tools/linux-programs bookworm` && \
	$(HERE)initramfs --out $@ /=$$programs /programs=$(HERE)programs \
		/init=$(OUT)/guest /ptebatch.ko=$(OUT)/ptebatch.ko

initramfs-commands: $(OUT)/initramfs-commands
$(OUT)/initramfs-commands: $(OUT)/initramfs $(wildcard $(HERE)programs/*) \
		$(TOP)/tools/linux-programs
	commands=`$(TOP)/tools/linux-programs commands` && \
	$(HERE)initramfs --out $@ /=$$commands /programs=$(HERE)programs \
		/init=$(OUT)/guest /ptebatch.ko=$(OUT)/ptebatch.ko

FORCE:
.PHONY: FORCE all initramfs-dom0 initramfs-programs initramfs-commands
