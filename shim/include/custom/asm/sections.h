/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the static image is memory of the host and its size a boot parameter, so the linker's symbols are expressions */
#ifndef PERCUSS_ASM_SECTIONS_H
#define PERCUSS_ASM_SECTIONS_H
#include <percuss/host.h>
#define __per_cpu_start ((char *)percuss_h->static_image)
#define __per_cpu_load __per_cpu_start
#define __per_cpu_end (__per_cpu_start + percuss_static_size)
#endif
