# SPDX-License-Identifier: MIT
# Builds OUT/minikernel, the kernel that the tests on Xen boot: this folder and
# the conformance suite over examples/minikernel, whose makefile does the work.
#
#   make -f tests/minikernel/kernel.mk [OUT=dir] [CC=gcc] [XEN_INCLUDE=dir]

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
BASE := $(HERE)../../examples/minikernel/

SOURCES := $(addprefix $(BASE),boot.S console.c mm.c smp.c traps.c) \
	$(wildcard $(HERE)*.[cS]) \
	$(filter-out %/host.c,$(wildcard $(HERE)../conformance/*.c))
INCLUDES := $(HERE) $(HERE)../common $(HERE)../conformance

include $(BASE)kernel.mk
