/* SPDX-License-Identifier: MIT */
/*
 * The integer types: all that the library takes from its environment.
 *
 * A kernel that defines these types itself compiles with
 * -DPTEBATCH_PORT_HEADER='"its/types.h"'. With -nostdinc and
 * -DPTEBATCH_NOSTDINC, the types are those that the compiler predefines. In all
 * other cases they come from <stdint.h> and <stddef.h>.
 */
#ifndef PTEBATCH_PORT_H
#define PTEBATCH_PORT_H

#if defined(PTEBATCH_PORT_HEADER)
#include PTEBATCH_PORT_HEADER
#elif defined(PTEBATCH_NOSTDINC)
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __SIZE_TYPE__ size_t;
#ifndef NULL
#define NULL ((void *)0)
#endif
#else
#include <stddef.h>
#include <stdint.h>
#endif

#endif /* PTEBATCH_PORT_H */
