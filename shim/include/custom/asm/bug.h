/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: BUG() ends the program; warnings are the kernel's own macros down to warn_slowpath_fmt() */
#ifndef PERCUSS_ASM_BUG_H
#define PERCUSS_ASM_BUG_H
#include <percuss/host.h>
#define HAVE_ARCH_BUG
#define BUG() percuss_bug(__FILE__, __LINE__)
#include <asm-generic/bug.h>
#endif
