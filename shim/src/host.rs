// SPDX-License-Identifier: GPL-2.0-only

use percuss_kernel::Kernel;

/// The owner of the kernel that an image calls.
///
/// For each service that the image calls, in this order: [`Host::before_release`] where a release of pcpu_lock follows,
/// [`Host::note_site`] for the services that have call sites, then the method of [`Host::kernel`] with addresses made
/// relative to [`Host::base`]. All of them run on whatever stack called into the image, may switch to another stack
/// that calls in again, and may never return: a method must hold no borrow and own no memory across such a switch. A
/// panic in any of them ends in [`Host::internal_panic`].
pub trait Host {
    /// The kernel around the image.
    ///
    /// The type is known when the calls are compiled, so that none of them is dynamic: services are called often.
    type Kernel: Kernel;

    fn kernel(&self) -> &Self::Kernel;

    /// Absolute address of relative address 0; the same in all calls of an instance.
    fn base(&self) -> u64;

    /// A service with call sites is about to be called; [`Instance::at`](crate::Instance::at) says from where.
    ///
    /// Does nothing by default, as call sites matter in reports only.
    fn note_site(&self) {}

    /// pcpu_lock is about to be released: the task still holds it, and the allocator's state is whole.
    ///
    /// It is the one moment within an op at which the state may be judged.
    fn before_release(&self) {}

    /// A method of this trait or of the kernel panicked, which must end the program: it is called in place of unwinding
    /// through frames of C. `message` is on the stack of the caller.
    fn internal_panic(&self, message: &str) -> !;
}
