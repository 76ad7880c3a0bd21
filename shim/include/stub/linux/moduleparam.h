/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: there are no module parameters */
#ifndef PERCUSS_LINUX_MODULEPARAM_H
#define PERCUSS_LINUX_MODULEPARAM_H
#endif
