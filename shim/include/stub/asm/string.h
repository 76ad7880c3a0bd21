/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: linux/string.h declares the functions; libc has them */
