/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: memory is one flat array of page frames */
#ifndef PERCUSS_ASM_SPARSEMEM_H
#define PERCUSS_ASM_SPARSEMEM_H
#endif
