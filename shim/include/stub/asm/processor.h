/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: nothing of the processor is modelled */
#ifndef PERCUSS_ASM_PROCESSOR_H
#define PERCUSS_ASM_PROCESSOR_H
#define cpu_relax() do { } while (0)
#endif
