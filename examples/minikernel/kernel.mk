# SPDX-License-Identifier: MIT
# Builds OUT/minikernel; the library's sources are compiled as the kernel's own.
#
#   make -f examples/minikernel/kernel.mk [OUT=dir] [CC=gcc] [XEN_INCLUDE=dir]
#
# Needs gcc or clang, GNU ld, and Xen's public headers (libxen-dev). For a copy
# of this folder elsewhere, PTEBATCH=dir says where the library is.

MINIKERNEL := $(dir $(lastword $(MAKEFILE_LIST)))
PTEBATCH ?= $(MINIKERNEL)../..
OUT ?= build/minikernel
XEN_INCLUDE ?= /usr/include

# The library needs its core and the backends that the kernel names.
LIBRARY := $(patsubst %,$(PTEBATCH)/%.c,lib/ptebatch \
	backends/mmu-update/mmu-update backends/hypercall/hypercall)
# A kernel built over this one sets SOURCES and INCLUDES (folders with headers).
SOURCES ?= $(wildcard $(MINIKERNEL)*.[cS])

# gcc compiles even the loop in memset() to a call of memset(). clang does not,
# and does not know the option.
NO_CALLS := $(if $(findstring clang,$(shell $(CC) --version)),, \
	-fno-tree-loop-distribute-patterns)

KFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -ffreestanding -nostdinc \
	-fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none $(NO_CALLS) \
	-m64 -mno-sse -mno-mmx -mno-red-zone -mcmodel=kernel \
	-DPTEBATCH_PORT_HEADER='"types.h"' \
	-D__XEN_INTERFACE_VERSION__=0x00040d00 -isystem $(XEN_INCLUDE) \
	$(addprefix -I,$(MINIKERNEL) $(PTEBATCH)/include $(INCLUDES))
LDFLAGS_KERNEL := -nostdlib -static -no-pie -Wl,--build-id=none \
	-Wl,-z,norelro -Wl,--no-warn-rwx-segments

OBJECTS := $(addsuffix .o,$(basename $(notdir $(SOURCES) $(LIBRARY))))
HEADERS := $(wildcard $(addsuffix /*.h,$(MINIKERNEL) $(INCLUDES) \
	$(PTEBATCH)/include/ptebatch))
vpath %.c $(sort $(dir $(SOURCES) $(LIBRARY)))
vpath %.S $(sort $(dir $(SOURCES)))

$(OUT)/minikernel: $(addprefix $(OUT)/,$(OBJECTS)) $(MINIKERNEL)minikernel.lds
	$(CC) $(LDFLAGS_KERNEL) -T $(filter %.lds,$^) -o $@ $(filter %.o,$^)
$(OUT)/%.o: %.c $(HEADERS) | $(OUT)
	$(CC) $(KFLAGS) -c -o $@ $<
$(OUT)/%.o: %.S | $(OUT)
	$(CC) $(KFLAGS) -c -o $@ $<
$(OUT):
	mkdir -p $@
