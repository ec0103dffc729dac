# SPDX-License-Identifier: MIT
# Builds OUT/minikernel32, the 32-bit PV kernel of tests/xen/guest-32.sh. Nothing
# of the library is in it: the library is for 64-bit kernels.
#
#   make -f tests/minikernel32/kernel.mk [OUT=dir] [CC=gcc] [XEN_INCLUDE=dir]

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
OUT ?= build/minikernel
XEN_INCLUDE ?= /usr/include

KFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -ffreestanding -nostdinc \
	-fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none -m32 -march=i686 -mno-sse -mno-mmx \
	-DPTEBATCH_PORT_HEADER='"types.h"' -D__XEN_INTERFACE_VERSION__=0x00040d00 \
	-isystem $(XEN_INCLUDE) $(addprefix -I$(HERE),. ../common ../../include ../../examples/minikernel)

OBJECTS := $(addprefix $(OUT)/32-,boot.o kernel.o guest.o)

$(OUT)/minikernel32: $(OBJECTS) $(HERE)minikernel32.lds
	$(CC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,norelro \
		-Wl,--no-warn-rwx-segments -T $(filter %.lds,$^) -o $@ $(OBJECTS)
$(OUT)/32-%.o: $(HERE)%.c $(wildcard $(HERE)*.h $(HERE)../common/*.h) | $(OUT)
	$(CC) $(KFLAGS) -c -o $@ $<
$(OUT)/32-%.o: $(HERE)%.S | $(OUT)
	$(CC) $(KFLAGS) -c -o $@ $<
$(OUT):
	mkdir -p $@
