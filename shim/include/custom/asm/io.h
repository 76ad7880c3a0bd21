/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: address conversions only; there are no devices */
#include <asm/page.h>
