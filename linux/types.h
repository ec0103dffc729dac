/* SPDX-License-Identifier: GPL-2.0-only */
/* <ptebatch/port.h> includes this header for the fixed-width integer types. */
#include <linux/types.h>
