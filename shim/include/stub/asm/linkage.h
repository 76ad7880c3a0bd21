/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: no assembly is linked in */
#ifndef PERCUSS_ASM_LINKAGE_H
#define PERCUSS_ASM_LINKAGE_H
#endif
