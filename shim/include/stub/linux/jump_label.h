/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: static keys would patch code */
#ifndef PERCUSS_LINUX_JUMP_LABEL_H
#define PERCUSS_LINUX_JUMP_LABEL_H
#define DEFINE_STATIC_KEY_FALSE(name) int name
#define static_branch_unlikely(key) (*(key))
#define static_branch_likely(key) (*(key))
#endif
