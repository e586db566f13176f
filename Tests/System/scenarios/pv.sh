# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# A PV guest boots, reads and writes its part of the store, and powers off.
: "${guest_type:=pv}"
guest_config lab1 "$guest_type" 128
create_guest lab1
home=$(home_of lab1)
check "guest wrote its own data" store_is "$home/data/lab" "hello from $(xl domid lab1)"
check "guest could not write to dom0's home" gone /local/domain/0/lab-forbidden
check "guest is introduced" answers lab1
show_console lab1
dump_store running
poweroff_guest lab1
lab gone
dump_store after
