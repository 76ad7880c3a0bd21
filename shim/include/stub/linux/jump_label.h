/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: static keys would patch code */
#ifndef PERCUSS_LINUX_JUMP_LABEL_H
#define PERCUSS_LINUX_JUMP_LABEL_H
#define DECLARE_STATIC_KEY_FALSE(name) extern int name
#define DECLARE_STATIC_KEY_TRUE(name) extern int name
#define DEFINE_STATIC_KEY_FALSE(name) int name
#define DEFINE_STATIC_KEY_TRUE(name) int name = 1
#define static_branch_unlikely(key) (*(key))
#define static_branch_likely(key) (*(key))
#endif
