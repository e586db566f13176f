# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# daemon-arguments: --set storage=tdb
# The daemon is killed under a running guest, and the next one takes up where it was.
guest_config lab1 pv 128
create_guest lab1
id=$(xl domid lab1)
home=/local/domain/$id
xenstore-write /lab/kept "as it was"
check "guest answers" answers lab1
xenstore-ls -fp > /run/store-before
kill_store
restart_store
xenstore-ls -fp > /run/store-restarted
check "the store is as it was" cmp /run/store-before /run/store-restarted
check "guest answers again" answers lab1
lab answered

xenstore-ls -fp > /run/store-before
stop_store
restart_store
xenstore-ls -fp > /run/store-restarted
check "the store is as it was, after an orderly end" cmp /run/store-before /run/store-restarted
check "guest answers after an orderly end" answers lab1
lab answered-again

# The guest's kernel hears of this by a watch that it set before the daemon was killed. Nobody
# clears up behind the guest: the process that "xl create" left behind has lost its connection.
xl shutdown lab1
has_shut_down() { xl list lab1 | grep -q -- '---s--'; }
check "guest's kernel heard of its shutdown" wait_for 60 has_shut_down
xl destroy lab1
check_cleaned "$id"
lab gone

# With xenconsoled, which was started again with the daemon, guests can be made as before.
create_guest lab1
poweroff_guest lab1
