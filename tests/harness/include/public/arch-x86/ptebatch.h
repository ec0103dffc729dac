/* SPDX-License-Identifier: MIT */
#include <ptebatch/abi.h>
