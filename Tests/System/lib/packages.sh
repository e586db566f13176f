# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # cache is set by run
# Debian's packages, unpacked in the cache and never installed.

packages=(linux-image-amd64 xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils
    qemu-system-x86 busybox-static bash util-linux mount iproute2 xz-utils cpio kmod libstdc++6)
root=$cache/root
library_path=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu

# Runs a program of the unpacked tree with the tree's own libraries, whatever this host has.
inroot() { "$root/lib64/ld-linux-x86-64.so.2" --library-path "$library_path" "$@"; }

# kmod does depmod's work when it is called by that name.
depmod_in() {
    "$root/lib64/ld-linux-x86-64.so.2" --library-path "$library_path" --argv0 depmod \
        "$root/bin/kmod" -b "$1" "$kernel_version"
}

download_packages() {
    local log=$cache/apt/log
    mkdir -p "$cache/debs/partial" "$cache/apt"
    # With an empty list of installed packages apt resolves the whole closure, so that nothing
    # depends on what this host has installed.
    : > "$cache/apt/status"
    apt-get -qq -y -o Dir::State::status="$cache/apt/status" -o Dir::Cache::archives="$cache/debs" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false \
        --download-only install "${packages[@]}" > "$log" 2>&1 && return
    skip "Debian 12's packages can't be fetched, perhaps for want of an 'apt-get update':" \
        "$(grep -m 1 '^E:' "$log" || echo "see $log")"
}

ensure_packages() {
    local deb wanted="${packages[*]}"
    [ "$(cat "$cache/unpacked" 2> /dev/null)" != "$wanted" ] || return 0
    for tool in apt-get dpkg-deb; do
        command -v $tool > /dev/null || skip "no $tool here; Debian 12's packages are needed"
    done
    echo "downloading Debian's packages to $cache (about 135 MB)"
    download_packages
    rm -rf "$root" "$cache/images-of"
    mkdir -p "$root"
    for deb in "$cache"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
    echo "$wanted" > "$cache/unpacked"
}
