/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the generic atomics refuse SMP and the architecture's need asm; compiler builtins do the same */
#ifndef PERCUSS_LINUX_ATOMIC_H
#define PERCUSS_LINUX_ATOMIC_H
#include <linux/types.h>
#include <linux/compiler.h>
#include <asm/barrier.h>

#ifndef ATOMIC_INIT
#define ATOMIC_INIT(i) { (i) }
#endif
#define ATOMIC64_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }
typedef atomic64_t atomic_long_t;

#define PERCUSS_ATOMIC(type, name, word)							\
	static inline word name##_read(const type *v)						\
	{											\
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);				\
	}											\
	static inline void name##_set(type *v, word i)						\
	{											\
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);				\
	}											\
	static inline void name##_add(word i, type *v)						\
	{											\
		__atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED);				\
	}											\
	static inline void name##_sub(word i, type *v)						\
	{											\
		__atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED);				\
	}											\
	static inline word name##_add_return(word i, type *v)					\
	{											\
		return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);			\
	}											\
	static inline word name##_sub_return(word i, type *v)					\
	{											\
		return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);			\
	}											\
	static inline word name##_xchg(type *v, word i)						\
	{											\
		return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST);			\
	}											\
	static inline bool name##_try_cmpxchg(type *v, word *old, word i)			\
	{											\
		return __atomic_compare_exchange_n(&v->counter, old, i, false, __ATOMIC_SEQ_CST,	\
						   __ATOMIC_SEQ_CST);				\
	}											\
	static inline word name##_cmpxchg(type *v, word old, word i)				\
	{											\
		name##_try_cmpxchg(v, &old, i);							\
		return old;									\
	}											\
	static inline word name##_dec_if_positive(type *v)					\
	{											\
		word old = name##_read(v);							\
												\
		while (old > 0 && !name##_try_cmpxchg(v, &old, old - 1))			\
			;									\
		return old - 1;									\
	}											\
	static inline void name##_inc(type *v)							\
	{											\
		name##_add(1, v);								\
	}											\
	static inline void name##_dec(type *v)							\
	{											\
		name##_sub(1, v);								\
	}											\
	static inline bool name##_dec_and_test(type *v)						\
	{											\
		return name##_sub_return(1, v) == 0;						\
	}
PERCUSS_ATOMIC(atomic_t, atomic, int)
PERCUSS_ATOMIC(atomic64_t, atomic64, s64)
PERCUSS_ATOMIC(atomic_long_t, atomic_long, s64)
#define raw_atomic_read(v) atomic_read(v)
#define atomic_inc_return(v) atomic_add_return(1, v)
#define atomic_dec_return(v) atomic_sub_return(1, v)

#define xchg(ptr, v) __atomic_exchange_n(ptr, v, __ATOMIC_SEQ_CST)
#define cmpxchg(ptr, old, new)									\
	({											\
		typeof(*(ptr)) percuss_old = (old);						\
												\
		__atomic_compare_exchange_n(ptr, &percuss_old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
		percuss_old;									\
	})
#define try_cmpxchg(ptr, old, new)								\
	__atomic_compare_exchange_n(ptr, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#endif
