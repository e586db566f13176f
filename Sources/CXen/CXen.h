// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CXEN_H
#define SXENSTORED_CXEN_H
// libxenctrl needs this macro. Xen's own headers must look the same in both modules.
#define __XEN_TOOLS__ 1
#include <stddef.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include "CXenLog.h"
#endif
