# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # the options are set by run
# One boot: dom0's initramfs with the daemon under test, the emulated machine, its verdict.

memory_mib=1280
dom0_memory_mib=768

# install_daemon TREE: the executable and its libraries. Libraries that dom0's packages have win,
# as the loader looks into /lib first; so glibc is always Debian's.
install_daemon() {
    local tree=$1 library
    mkdir -p "$tree/usr/sbin" "$tree/usr/lib/x86_64-linux-gnu" "$tree/etc/xen"
    install -m 755 "$binary" "$tree/usr/sbin/sxenstored"
    [ ! -f "$config" ] || install -m 644 "$config" "$tree/etc/xen/sxenstored.yaml"
    while read -r library; do
        cp -L "$library" "$tree/usr/lib/x86_64-linux-gnu/"
    done < <(ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }')
    install_glue "$tree"
}

# install_glue TREE: what the daemon loads by name, if it serves rings. Xen's libraries are those of dom0's packages.
install_glue() {
    local tree=$1 glue library
    glue=$(dirname "$(readlink -f "$binary")")/../lib/sxenstored/xen/xenctrl-4.17.so
    [ -f "$glue" ] || return 0
    install -D -m 644 "$glue" "$tree/usr/lib/sxenstored/xen/xenctrl-4.17.so"
    for library in libxenevtchn libxengnttab libxenforeignmemory libxenctrl; do
        cp -L "$root/usr/lib/x86_64-linux-gnu/$library".so.[0-9]* "$tree/usr/lib/x86_64-linux-gnu/"
    done
}

# build_initrd SCENARIO WORK: dom0's tree and what differs from run to run.
build_initrd() {
    local scenario=$1 work=$2 tree=$2/tree overlay unwanted
    mkdir -p "$tree/lab"
    for overlay in "${overlays[@]}"; do
        if [ -d "$overlay" ]; then cp -a "$overlay/." "$tree/"; else tar -xf "$overlay" -C "$tree"; fi
    done
    [ -z "$binary" ] || install_daemon "$tree"
    # And what it is to do without.
    while read -r unwanted; do rm -f "$tree/$unwanted"; done \
        < <(sed -n 's/^# without: //p' "$here/scenarios/$scenario.sh")
    install -m 755 "$here/dom0/init" "$tree/init"
    cp "$here"/dom0/{helpers,start-debian,start-launch} "$cache/vmlinux" "$cache/guest.cpio" "$tree/lab/"
    cp -r "$here/scenarios" "$tree/lab/"
    {
        printf 'scenario=%q\n' "$scenario"
        printf 'start=%q\n' "$start"
        # What a scenario cannot do without stands in its own lines.
        printf 'XENSTORED_ARGS=%q\n' \
            "$arguments $(sed -n 's/^# daemon-arguments: //p' "$here/scenarios/$scenario.sh")"
        case $daemon in
            c) echo "XENSTORED=/$xen_folder/xenstored" ;;
            ocaml) echo "XENSTORED=/$xen_folder/oxenstored" ;;
            *) printf 'XENSTORED=%q\n' "$daemon" ;;
        esac
    } > "$tree/lab/settings"
    pack "$tree" "$work/overlay.cpio"
    cat "$cache/dom0.cpio" "$work/overlay.cpio" > "$work/initrd"
}

# The host's clock before every console line, since the machine's runs at the emulation's pace.
stamp_lines() {
    local line begun=${EPOCHREALTIME/./}
    while IFS= read -r line || [ -n "$line" ]; do
        printf '[%7.2f] %s\n' "$(((${EPOCHREALTIME/./} - begun) / 10000))e-2" "${line//$'\r'/}"
    done
}

# start_machine FOLDER WORK: QEMU in the background; its process in qemu_pid.
start_machine() {
    local folder=$1 work=$2 xen_words dom0_words
    xen_words="console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all bootscrub=0 spec-ctrl=no xpti=no"
    xen_words+=" dom0_mem=${dom0_memory_mib}M,max:${dom0_memory_mib}M dom0_max_vcpus=1 $xen_extra"
    dom0_words="console=hvc0 earlyprintk=xen loglevel=6 nokaslr mitigations=off rdinit=/init panic=1 $dom0_extra"
    # PVH guests need hardware support with nested paging, which QEMU emulates as AMD's.
    QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu \
        "$root/lib64/ld-linux-x86-64.so.2" --library-path "$library_path" "$root/usr/bin/qemu-system-x86_64" \
        -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
        -machine pc -accel tcg,tb-size=512 -cpu qemu64,+svm,+npt -m $memory_mib -smp 1 \
        -nodefaults -no-user-config -display none -monitor none -no-reboot -net none \
        -chardev file,id=console,path="$work/console" -serial chardev:console \
        -virtfs local,path="$folder/results",mount_tag=results,security_model=none \
        -kernel "$cache/xen" -append "$xen_words" \
        -initrd "$cache/vmlinux ${dom0_words//,/,,},$work/initrd" \
        < /dev/null > "$folder/qemu.log" 2>&1 &
    qemu_pid=$!
}

# Waits for the machine's end; fails at the time limit.
await_machine() {
    local deadline=$((SECONDS + time_limit_s))
    while kill -0 "$qemu_pid" 2> /dev/null; do
        sleep 0.5
        [ $SECONDS -lt $deadline ] && continue
        kill "$qemu_pid" 2> /dev/null || true
        wait "$qemu_pid" 2> /dev/null || true
        return 1
    done
    wait "$qemu_pid" 2> /dev/null || true
}

print_timings() {
    awk '/@@LAB / { gsub(/[][]/, " "); t = $1; sub(/.*@@LAB /, "")
        printf "  %7.2f s (+%6.2f) %s\n", t, t - last, $0; last = t }' "$1"
}

# boot_scenario NAME FOLDER: succeeds if the scenario ran to its end and all its checks held.
boot_scenario() (
    scenario=$1 folder=$2
    rm -rf "$folder"
    mkdir -p "$folder/results"
    work=$(mktemp -d "${TMPDIR:-/tmp}/sxenstored-machine.XXXXXX")
    qemu_pid='' reader_pid=''
    # shellcheck disable=SC2064,SC2317 # called by the trap
    clean_up() {
        [ -z "$qemu_pid" ] || kill "$qemu_pid" 2> /dev/null || true
        [ -z "$reader_pid" ] || kill "$reader_pid" 2> /dev/null || true
        rm -rf "$work"
    }
    trap clean_up EXIT

    echo "== $scenario daemon=$daemon start=$start, console in $folder/console.log"
    build_initrd "$scenario" "$work"
    mkfifo "$work/console"
    stamp_lines < "$work/console" > "$folder/console.log" &
    reader_pid=$!
    start_machine "$folder" "$work"
    in_time=yes
    await_machine || in_time=
    qemu_pid=''
    # If QEMU never opened the pipe, the reader still waits for a writer.
    exec 8<> "$work/console"; exec 8>&-
    wait "$reader_pid" || true
    reader_pid=''

    print_timings "$folder/console.log" | tee "$folder/timings"
    sed -n 's/.*@@DOM0 \(daemon: .*\|BAD: .*\|FAILED: .*\)/  \1/p' "$folder/console.log"
    [ -n "$in_time" ] || echo "  time limit of $time_limit_s s reached"
    grep -aq '@@LAB result PASS$' "$folder/console.log" && [ -n "$in_time" ] && exit 0
    tail -n 15 "$folder/console.log" | cat -v
    exit 1
)
