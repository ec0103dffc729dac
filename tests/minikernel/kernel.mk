# SPDX-License-Identifier: MIT
# Builds OUT/minikernel, the kernel that the tests on Xen boot: this folder over
# examples/minikernel.
#
#   make -f tests/minikernel/kernel.mk [OUT=dir] [CC=gcc] [XEN_INCLUDE=dir]
#
# Needs gcc or clang, GNU ld, and Xen's public headers (libxen-dev).

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
TOP := $(HERE)../..
BASE := $(TOP)/examples/minikernel/
OUT ?= build/minikernel
XEN_INCLUDE ?= /usr/include

# gcc makes a call of memset() even of the loop in it; clang does not, and does
# not know the option.
NO_CALLS := $(if $(findstring clang,$(shell $(CC) --version)),, \
	-fno-tree-loop-distribute-patterns)

KFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -ffreestanding -nostdinc \
	-fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none $(NO_CALLS) \
	-m64 -mno-sse -mno-mmx -mno-red-zone -mcmodel=kernel \
	-DPTEBATCH_PORT_HEADER='"types.h"' -I$(HERE) -I$(BASE) \
	-D__XEN_INTERFACE_VERSION__=0x00040d00 -I$(TOP)/include -I$(TOP)/tests/conformance

LIB := $(patsubst %,$(TOP)/%.c,lib/ptebatch backends/mmu-update/mmu-update \
	backends/hypercall/hypercall backends/native/native)
# Those that are compiled like the kernel but are not part of the library.
KERNEL := $(wildcard $(HERE)*.c $(BASE)*.c) $(TOP)/tests/conformance/conformance.c

LIB_O := $(patsubst %.c,$(OUT)/lib-%.o,$(notdir $(LIB)))
KERNEL_O := $(patsubst %.c,$(OUT)/%.o,$(notdir $(KERNEL))) $(OUT)/boot.o
HEADERS := $(wildcard $(TOP)/include/ptebatch/*.h $(HERE)*.h $(BASE)*.h \
	$(TOP)/tests/conformance/*.h)

vpath %.c $(sort $(dir $(LIB) $(KERNEL)))
vpath %.S $(BASE)

$(OUT)/minikernel: $(KERNEL_O) $(OUT)/libptebatch-kernel.a $(BASE)minikernel.lds
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,norelro \
	  -Wl,--no-warn-rwx-segments -T $(BASE)minikernel.lds -o $@ \
	  $(KERNEL_O) $(OUT)/libptebatch-kernel.a

$(OUT)/libptebatch-kernel.a: $(LIB_O)
	rm -f $@
	$(AR) rcs $@ $(LIB_O)

$(OUT)/lib-%.o: %.c $(HEADERS) | $(OUT)
	$(CC) $(KFLAGS) -c -o $@ $<
# Xen's headers are needed by the minikernel itself only.
$(OUT)/%.o: %.c $(HEADERS) | $(OUT)
	$(CC) $(KFLAGS) -isystem $(XEN_INCLUDE) -c -o $@ $<
$(OUT)/%.o: %.S | $(OUT)
	$(CC) $(KFLAGS) -isystem $(XEN_INCLUDE) -c -o $@ $<

$(OUT):
	mkdir -p $@
.PHONY: clean
clean:
	rm -rf $(OUT)
