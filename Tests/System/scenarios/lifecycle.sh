# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154,SC3043
# All that a toolstack does to guests, and when the special watches fire.

# step NAME: a mark among the watches' events, once those of the step before have come.
step() {
    sleep 1
    echo "== $1" >> /run/events
    lab "$1"
}

state_is() { xl list "$1" | awk -v flag="$2" 'NR == 2 { exit !index($5, flag) }'; }
# While it reboots it has no domain for a moment.
has_new_id() { local id; id=$(xl domid "$1") && [ "$id" != "$2" ]; }

: > /run/events
xenstore-watch @introduceDomain @releaseDomain >> /run/events &
watcher=$!

step create
guest_config lab1 pv 128
guest_config lab2 pv 128
create_guest lab1
create_guest lab2
dump_store two

step pause
xl pause lab1
check "lab1 is paused" state_is lab1 p
xl unpause lab1
check "lab1 goes on" answers lab1

step rename
home=$(home_of lab1)
xl rename lab1 lab9
check "the store has the new name" store_is "$home/name" lab9
check "lab9 has lab1's home" [ "$(home_of lab9)" = "$home" ]
xl rename lab9 lab1

step mem-set
xl mem-set lab1 112
check "the store has the new target" store_is "$home/memory/target" 114688

# The guest stays, and its ring with it: the toolstack sends RESUME.
step checkpoint
xl save -c lab1 /lab/checkpoint || die "save -c"
check "lab1 has its home still" [ "$(home_of lab1)" = "$home" ]
check "lab1 goes on after its checkpoint" answers lab1
rm /lab/checkpoint # dom0's root is in memory

step save
xl save lab1 /lab/saved || die "save"
check "lab1 is gone" no_domain lab1
check_cleaned "${home##*/}"

step restore
xl restore /lab/saved || die "restore"
rm /lab/saved
check "lab1 has a new home" [ "$(home_of lab1)" != "$home" ]
check "lab1 goes on after its restore" answers lab1
dump_store restored

step reboot
id=$(xl domid lab1)
xl reboot lab1
check "lab1 has a new domain" wait_for 60 has_new_id lab1 "$id"
check "lab1 has booted again" wait_for 180 store_is "$(home_of lab1)/data/marker" "done"
check_cleaned "$id"
dump_store rebooted

step shutdown
id=$(xl domid lab1)
xl shutdown lab1
check "lab1 shut itself down" wait_for 60 no_domain lab1
check_cleaned "$id"

step crash
guest_config lab3 pv 128
create_guest lab3
id=$(xl domid lab3)
xenstore-write "$(home_of lab3)/data/command" crash
check "lab3 crashed" wait_for 60 no_domain lab3
check_cleaned "$id"

step destroy
id=$(xl domid lab2)
check "lab2 has run through it all" answers lab2
xl destroy lab2
check "lab2 is destroyed" no_domain lab2
check_cleaned "$id"

step end
kill $watcher
cp /run/events /lab/out/events
dump_store after
