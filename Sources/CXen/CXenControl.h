// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CXENCONTROL_H
#define SXENSTORED_CXENCONTROL_H
#include <stdint.h>
#include <xenctrl.h>
#include "CXenLog.h"

// The version of the interface that the hypervisor must have. Swift cannot see the macro.
static const unsigned int xen_domctl_interface_version = XEN_DOMCTL_INTERFACE_VERSION;
#endif
