# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# A PV guest with a disk and a network card: the backends' and frontends' handshakes in the store
# up to state 4, hotplug scripts, and the same for devices attached to and detached from it
# while it runs.

# make_disk LOOP NAME: an image whose first line says which disk it is.
make_disk() {
    truncate -s 1M "/lab/$2.img"
    echo "disk $2 of the host" | dd of="/lab/$2.img" conv=notrunc 2> /dev/null
    losetup "/dev/$1" "/lab/$2.img" || die "losetup $1"
}

# device_connected CLASS DEVICE: both ends and the hotplug script say so.
device_connected() {
    local front=$home/device/$1/$2 back=/local/domain/0/backend/$1/$id/$2
    check "$1 $2: backend in state 4" wait_for 60 store_is "$back/state" 4
    check "$1 $2: frontend in state 4" wait_for 60 store_is "$front/state" 4
    check "$1 $2: hotplug script has run" store_is "$back/hotplug-status" connected
    check "$1 $2: ends point at each other" ends_match "$front" "$back"
}

ends_match() { store_is "$1/backend" "$2" && store_is "$2/frontend" "$1"; }

device_gone() {
    check "$1 $2: backend is gone" wait_for 30 gone "/local/domain/0/backend/$1/$id/$2"
    check "$1 $2: frontend is gone" wait_for 30 gone "$home/device/$1/$2"
}

bridged() { [ -e "/sys/class/net/xenbr0/brif/$1" ]; }

# Numbers that Linux gives to disks: major 202, 16 minors each.
xvda=51712 xvdb=51728

load_modules loop bridge xen-blkback xen-netback
make_disk loop0 first
make_disk loop1 second
ip link add name xenbr0 type bridge
ip address add 192.0.2.1/24 dev xenbr0
ip link set xenbr0 up

guest_words=lab.devices=1
guest_config lab1 pv 128 \
    'disk = ["/dev/loop0,raw,xvda,rw"]' \
    'vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0"]'
create_guest lab1
id=$(xl domid lab1)
home=$(home_of lab1)

device_connected vbd $xvda
device_connected vif 0
check "guest reads its disk" ask lab1 disk-xvda "disk first of the host"
check "hotplug script put the card into the bridge" bridged "vif$id.0"
check "guest answers over the network" wait_for 20 ping -c 1 -W 1 192.0.2.2
lab devices-work
dump_store running

xl block-attach lab1 "/dev/loop1,raw,xvdb,rw" || die "block-attach"
xl network-attach lab1 mac=00:16:3e:00:00:02 bridge=xenbr0 || die "network-attach"
device_connected vbd $xvdb
device_connected vif 1
check "guest reads the new disk" ask lab1 disk-xvdb "disk second of the host"
check "hotplug script put the new card into the bridge" bridged "vif$id.1"
lab attached
dump_store attached

xl block-detach lab1 xvdb || die "block-detach"
xl network-detach lab1 1 || die "network-detach"
device_gone vbd $xvdb
device_gone vif 1
check "guest still answers over the network" wait_for 20 ping -c 1 -W 1 192.0.2.2
lab detached
dump_store detached

show_console lab1
poweroff_guest lab1
device_gone vbd $xvda
device_gone vif 0
lab gone
dump_store after
