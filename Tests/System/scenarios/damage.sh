# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# daemon-arguments: --set storage=tdb
# The file of the store is damaged when the daemon dies. What the manual says then brings the guest back.
load_modules loop xen-blkback
guest_config lab1 pv 128
create_guest lab1
id=$(xl domid lab1)
table=$(sxenstored --print-config --set storage=tdb | sed -n 's/^ *path: *\(.*\/tdb\)$/\1/p')
sleep 3 # the journal is in the file by then
kill_store
dd if=/dev/urandom of="$table" bs=1 seek=1000 count=2000 conv=notrunc 2> /dev/null
restart_store
check "the store is empty" gone "/local/domain/$id"
aside=$(find "${table%/*}" -name 'tdb.20*' ! -name '*journal*')
note "set aside: $aside"
check "it is damaged" [ "$(sxenstored --check-store "$aside" > /lab/out/check-store 2>&1; echo $?)" = 1 ]

stop_store
sxenstored --repair-store "$aside" > /lab/out/repair-store 2>&1
mv "$aside" "$table"
restart_store
check "guest answers again" answers lab1
xl shutdown lab1
has_shut_down() { xl list lab1 | grep -q -- '---s--'; }
check "guest's kernel heard of its shutdown" wait_for 60 has_shut_down
xl destroy lab1
check_cleaned "$id"

# dom0's kernel has its watches, too: it hears of the next guest's disk.
truncate -s 1M /lab/disk.img
losetup /dev/loop0 /lab/disk.img || die "losetup"
guest_config lab2 pv 128 'disk = ["/dev/loop0,raw,xvda,rw"]'
create_guest lab2
check "backend waits for the guest" store_is "/local/domain/0/backend/vbd/$(xl domid lab2)/51712/state" 2
poweroff_guest lab2
