#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# transcript.sh BIN CASES: runs each line of the file CASES with the tools in the folder BIN, and
# prints what came of it: "$ line", standard output as "> ", standard error as "! ", "= status".
# cat -A makes every byte visible, a missing newline at the end too. The daemon is the one in
# $XENSTORED_RUNDIR. The tools have no terminal, but for `pty COLUMNS COMMAND`.
export LC_ALL=C PATH="$1:/usr/bin:/bin"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

pty() { local columns=$1; shift; script -qec "stty cols $columns; $*" /dev/null; }
repeat() { printf "%0$2d" 0 | sed "s/0/$1/g"; }
show() { cat -A "$2" | sed "s/^/$1 /"; [ -z "$(tail -c1 "$2")" ] || echo; }

while IFS= read -r line <&3; do
    case $line in '' | '#'*) continue ;; esac
    echo "\$ $line"
    (eval "$line") >"$work/out" 2>"$work/err" </dev/null 3<&-
    status=$?
    show '>' "$work/out"
    show '!' "$work/err"
    echo "= $status"
done 3<"$2"
