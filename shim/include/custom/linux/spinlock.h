/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: spinlocks are calls to the host; the release of pcpu_lock carries the digest of what changed */
#ifndef PERCUSS_LINUX_SPINLOCK_H
#define PERCUSS_LINUX_SPINLOCK_H
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/preempt.h>

typedef struct spinlock {
	struct percuss_lock lock;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { { 0 } }
#define DEFINE_SPINLOCK(x) spinlock_t x = __SPIN_LOCK_UNLOCKED(x); PERCUSS_STATIC_LOCK(x)
#define DEFINE_RAW_SPINLOCK(x) DEFINE_SPINLOCK(x)
#define spin_lock_init(l) do { (l)->lock.id = 0; } while (0)

/* Defined in unit.c, which sees the allocator's statics. */
u64 percuss_release_digest(void);
void percuss_keep(void);
void percuss_taken(const struct percuss_at *at);

static __always_inline unsigned long percuss_spin_lock(spinlock_t *l, u32 irq)
{
	/* The host may run other tasks first, which call from elsewhere. */
	const struct percuss_at *at = percuss_h->at;
	u32 id = percuss_lock_id(&l->lock);
	unsigned long flags = PERCUSS(spin_lock, id, irq);

	if (id == PERCUSS_LOCK_PCPU && percuss_h->watch)
		percuss_taken(at);
	return flags;
}

static __always_inline void percuss_spin_unlock(spinlock_t *l, u32 irq, unsigned long flags)
{
	u32 id = percuss_lock_id(&l->lock);
	u64 digest = 0;

	if (id == PERCUSS_LOCK_PCPU) {
		digest = percuss_release_digest();
		if (percuss_h->watch)
			percuss_keep();
	}
	PERCUSS(spin_unlock, id, irq, flags, digest);
}

static __always_inline void spin_lock(spinlock_t *l)
{
	percuss_spin_lock(l, PERCUSS_IRQ_NONE);
}
static __always_inline void spin_unlock(spinlock_t *l)
{
	percuss_spin_unlock(l, PERCUSS_IRQ_NONE, 0);
}
static __always_inline void spin_lock_irq(spinlock_t *l)
{
	percuss_spin_lock(l, PERCUSS_IRQ_OFF);
}
static __always_inline void spin_unlock_irq(spinlock_t *l)
{
	percuss_spin_unlock(l, PERCUSS_IRQ_OFF, 0);
}
#define spin_lock_irqsave(l, flags) do { flags = percuss_spin_lock(l, PERCUSS_IRQ_SAVE); } while (0)
static __always_inline void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
	percuss_spin_unlock(l, PERCUSS_IRQ_SAVE, flags);
}

#define raw_spin_lock(l) spin_lock(l)
#define raw_spin_unlock(l) spin_unlock(l)
#define raw_spin_lock_irq(l) spin_lock_irq(l)
#define raw_spin_unlock_irq(l) spin_unlock_irq(l)
#define raw_spin_lock_irqsave(l, flags) spin_lock_irqsave(l, flags)
#define raw_spin_unlock_irqrestore(l, flags) spin_unlock_irqrestore(l, flags)

#define spin_trylock(l) ((void)(l), (bool)percuss_loud_ul("spin_trylock"))
#define spin_trylock_irq(l) ((void)(l), (bool)percuss_loud_ul("spin_trylock_irq"))
#define spin_trylock_irqsave(l, flags) ((void)(l), (void)(flags), (bool)percuss_loud_ul("spin_trylock_irqsave"))
#define spin_lock_bh(l) ((void)(l), percuss_loud("spin_lock_bh"))
#define spin_unlock_bh(l) ((void)(l), percuss_loud("spin_unlock_bh"))
#define local_irq_save(flags) ((void)(flags), percuss_loud("local_irq_save"))
#define local_irq_restore(flags) ((void)(flags), percuss_loud("local_irq_restore"))
#define local_irq_disable() percuss_loud("local_irq_disable")
#define local_irq_enable() percuss_loud("local_irq_enable")

#ifdef DEFINE_LOCK_GUARD_1
DEFINE_LOCK_GUARD_1(spinlock, spinlock_t, spin_lock(_T->lock), spin_unlock(_T->lock))
DEFINE_LOCK_GUARD_1(spinlock_irq, spinlock_t, spin_lock_irq(_T->lock), spin_unlock_irq(_T->lock))
DEFINE_LOCK_GUARD_1(spinlock_irqsave, spinlock_t, spin_lock_irqsave(_T->lock, _T->flags),
		    spin_unlock_irqrestore(_T->lock, _T->flags), unsigned long flags)
#endif
#endif
