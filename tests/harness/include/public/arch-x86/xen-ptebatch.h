/* SPDX-License-Identifier: MIT */
#include <ptebatch/xen-ptebatch.h>
