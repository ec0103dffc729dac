/* SPDX-License-Identifier: MIT */
/* The name under which the installer puts it into a Xen tree. */
#include <compat.h>
