/* SPDX-License-Identifier: GPL-2.0-only */
/* Where <ptebatch/port.h> finds its integers. */
#include <linux/types.h>
