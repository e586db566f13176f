# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# without: /etc/xen/sxenstored.yaml
# What a host has that has only put the daemon in place: a PV guest boots, and a daemon that is killed comes back.
check "there is no configuration" [ ! -e /etc/xen/sxenstored.yaml ]
. /lab/scenarios/pv.sh

create_guest lab1
id=$(xl domid lab1)
xenstore-write /lab/kept "as it was"
kill_store
restart_store
check "the store is as it was" store_is /lab/kept "as it was"
check "guest answers again" answers lab1
xl destroy lab1
check_cleaned "$id"
