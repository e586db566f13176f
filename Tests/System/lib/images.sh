# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # cache, here, root are set by run and packages.sh
# What QEMU and xl boot: Xen, an unpacked kernel, and the two initramfs trees.

xen_folder=usr/lib/xen-4.17/bin
xen_programs=(xl xenstored oxenstored xenconsoled xenconsole xen-init-dom0 xenstore-control
    libxl-save-helper lsevtchn)
store_tools=(chmod exists list ls read rm watch write)
# Hotplug scripts need bash and the real ip, flock and losetup; start scripts prlimit and choom.
dom0_programs=(bin/bash bin/ip sbin/bridge usr/bin/flock usr/bin/prlimit usr/bin/choom sbin/losetup)
dom0_modules=(xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc virtio_pci 9pnet_virtio 9p
    xen-netback xen-blkback loop bridge)
guest_modules=(xen-netfront xen-blkfront)

word_at() { od -An -tu4 -j "$2" -N 4 "$1" | tr -d ' '; }

# unpack_kernel BZIMAGE OUT: the ELF kernel inside, which spares Xen and xl a slow xz under emulation.
unpack_kernel() {
    local image=$1 out=$2 sectors offset length
    sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image" | tr -d ' ')
    offset=$(((sectors + 1) * 512 + $(word_at "$image" $((0x248)))))
    length=$(word_at "$image" $((0x24c)))
    dd if="$image" of="$out.packed" bs=1M iflag=skip_bytes,count_bytes skip=$offset count="$length" status=none
    # The last four bytes are the unpacked size, which xz takes for trailing garbage.
    inroot "$root/usr/bin/xz" -dc --single-stream < "$out.packed" > "$out"
    rm -f "$out.packed"
    [ "$(head -c 4 "$out" | od -An -tx1 | tr -d ' ')" = 7f454c46 ]
}

# copy_programs TREE FILE...: files of the unpacked packages, with the libraries they need.
copy_programs() {
    local tree=$1 file library; shift
    for file in "$@"; do
        mkdir -p "$tree/$(dirname "$file")"
        cp -L "$root/$file" "$tree/$file"
        while read -r library; do
            cp -Lu "$library" "$tree/lib/x86_64-linux-gnu/"
        done < <(inroot --list "$root/$file" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }')
    done
}

# copy_modules TREE NAME...: kernel modules with those they depend on.
copy_modules() {
    local tree=$1 folder=lib/modules/$kernel_version name path; shift
    for name in "$@"; do
        while read -r path; do
            mkdir -p "$tree/$folder/$(dirname "$path")"
            cp "$root/$folder/$path" "$tree/$folder/$path"
        done < <(awk -v want="${name//-/_}" '
            { sub(/:/, ""); base = $1; sub(/.*\//, "", base); sub(/\.ko$/, "", base); gsub(/-/, "_", base) }
            base == want { for (i = 1; i <= NF; i++) print $i }' "$root/$folder/modules.dep")
    done
    cp "$root/$folder"/modules.{builtin,builtin.modinfo,order} "$tree/$folder/"
    depmod_in "$tree"
}

# new_tree FOLDER: busybox, the loader, and the store's tools; common to dom0 and guests.
new_tree() {
    local tree=$1 name
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,sbin,etc,dev,proc,sys,run,tmp,root,mnt,lib/x86_64-linux-gnu,lib64,usr/bin,usr/sbin,var/log}
    cp "$root/bin/busybox" "$tree/bin/"
    ln -s busybox "$tree/bin/sh"
    ln -s ../run "$tree/var/run"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$tree/lib64/"
    copy_programs "$tree" usr/bin/xenstore
    for name in "${store_tools[@]}"; do ln -s xenstore "$tree/usr/bin/xenstore-$name"; done
}

# pack FOLDER OUT: not compressed, since unpacking under emulation costs more than it saves.
pack() {
    (cd "$1" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
        inroot "$root/bin/cpio" --quiet -o -H newc -R 0:0) > "$2"
}

build_guest() {
    local tree=$cache/guest
    new_tree "$tree"
    copy_modules "$tree" "${guest_modules[@]}"
    install -m 755 "$here/guest/init" "$tree/init"
    pack "$tree" "$cache/guest.cpio"
}

build_dom0() {
    local tree=$cache/dom0 name
    new_tree "$tree"
    copy_programs "$tree" "${dom0_programs[@]}" "${xen_programs[@]/#/$xen_folder/}"
    for name in xl xenstored oxenstored xenconsoled xen-init-dom0; do
        ln -s "/$xen_folder/$name" "$tree/usr/sbin/$name"
    done
    # libxenstore cancels its reader thread, for which glibc loads libgcc_s by name. The others
    # are what a daemon linked on another host expects of the system.
    for name in libgcc_s.so.1 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libresolv.so.2 libutil.so.1; do
        cp -L "$root/lib/x86_64-linux-gnu/$name" "$tree/lib/x86_64-linux-gnu/"
    done
    cp -L "$root/usr/lib/x86_64-linux-gnu/libstdc++.so.6" "$tree/lib/x86_64-linux-gnu/"
    mkdir -p "$tree/etc/xen" "$tree/var/lib/xen" "$tree/var/lib/xenstored" "$tree/var/log/xen"
    cp "$root"/etc/xen/{xl.conf,oxenstored.conf} "$tree/etc/xen/"
    cp -a "$root/etc/xen/scripts" "$tree/etc/xen/"
    copy_modules "$tree" "${dom0_modules[@]}"
    pack "$tree" "$cache/dom0.cpio"
}

# The images are made again when what they are made of changes.
ensure_images() {
    local made_of modules
    made_of=$(cat "$cache/unpacked" "$here/lib/images.sh" "$here/guest/init" | cksum)
    modules=("$root"/lib/modules/*)
    kernel_version=$(basename "${modules[0]}")
    [ "$(cat "$cache/images-of" 2> /dev/null)" != "$made_of" ] || return 0
    echo "building images (kernel $kernel_version)"
    [ -f "$root/lib/modules/$kernel_version/modules.dep" ] || depmod_in "$root"
    gzip -dc "$root/boot/xen-4.17-amd64.gz" > "$cache/xen"
    unpack_kernel "$root/boot/vmlinuz-$kernel_version" "$cache/vmlinux"
    build_guest
    build_dom0
    echo "$made_of" > "$cache/images-of"
}
