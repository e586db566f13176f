# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# The same with a PVH guest, whose kernel also sends RESET_WATCHES.
guest_type=pvh
. /lab/scenarios/pv.sh
