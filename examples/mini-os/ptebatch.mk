# SPDX-License-Identifier: MIT
# Part of Mini-OS's Makefile: compiles the library with Mini-OS's own flags.

src-$(CONFIG_PTEBATCH) += ptebatch/minios.c ptebatch/ptebatch.c
src-$(CONFIG_PTEBATCH) += ptebatch/hypercall.c ptebatch/mmu-update.c

override CPPFLAGS += -isystem $(TOPLEVEL_DIR)/ptebatch/include
override CPPFLAGS += -DPTEBATCH_PORT_HEADER='<mini-os/types.h>'
