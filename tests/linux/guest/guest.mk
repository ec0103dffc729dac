# SPDX-License-Identifier: MIT
# The guest program, one static binary:  make -f guest.mk [CC=...] [OUT=guest]
here := $(dir $(lastword $(MAKEFILE_LIST)))
CC ?= cc
CFLAGS ?= -O2 -Wall -Wextra
OUT ?= guest
headers := $(here)../../../include

$(OUT): $(wildcard $(here)*.[ch] $(here)../../common/*.h) $(here)guest.mk \
		$(headers)/ptebatch/xen-ptebatch.h
	$(CC) $(CFLAGS) -I$(headers) -static -pthread -o $@ $(filter %.c,$^)
