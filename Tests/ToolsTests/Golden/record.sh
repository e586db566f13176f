#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# record.sh 'DAEMON COMMAND': writes NAME.golden for each NAME.cases beside this script, with Debian's
# tools (xenstore-utils, xen-utils-4.17) and the daemon that the command runs, in the foreground,
# with its socket in $XENSTORED_RUNDIR. Each file gets a daemon of its own. Xen's daemon needs a
# hypervisor, or one simulated by LD_PRELOAD:
#   record.sh 'LD_PRELOAD=libfakexen.so FAKEXEN_DIR=$XENSTORED_RUNDIR \
#       XENSTORED_ROOTDIR=$XENSTORED_RUNDIR exec /usr/lib/xen-4.17/bin/xenstored -N'
cd "$(dirname "$0")" || exit 1
daemon=${1:?a command that runs a daemon}
bin=$(mktemp -d) || exit 1
trap 'rm -rf "$bin"' EXIT
ln -s /usr/bin/xenstore* "$bin"
ln -sf /usr/lib/xen-4.17/bin/xenstore-control "$bin"

for cases in *.cases; do
    XENSTORED_RUNDIR=$(mktemp -d); export XENSTORED_RUNDIR
    sh -c "$daemon" >/dev/null 2>&1 &
    pid=$!
    until xenstore-exists / 2>/dev/null; do kill -0 $pid || exit 1; done
    ./transcript.sh "$bin" "$cases" >"${cases%.cases}.golden"
    kill $pid; wait $pid 2>/dev/null
    rm -rf "$XENSTORED_RUNDIR"
done
