#compdef xenstore xenstore-chmod xenstore-exists xenstore-list xenstore-ls xenstore-mkdir xenstore-read xenstore-rm xenstore-watch xenstore-write xenstore-control xsls
# SPDX-License-Identifier: Apache-2.0
# Made from the options of xenstore by `make completions`.

_xenstore_paths() {
    local folder=${PREFIX%/*}
    [[ -z $PREFIX || $PREFIX == /* ]] || return 1
    compadd -S '' -p "$folder/" -- ${(f)"$(timeout 1 xenstore list "${folder:-/}" 2> /dev/null)"}
}

local mode=${service#xenstore-}
case $service in
xenstore)
    if (( CURRENT == 2 )); then
        compadd -- chmod exists list ls mkdir read rm watch write control
        return
    fi
    mode=$words[2]
    shift words
    (( CURRENT-- ))
    ;;
xsls) mode=ls ;;
esac
case $mode in
chmod)
    _arguments -s -S \
        '(-u --upto)'{-u,--upto}'[also set those of all nodes above]' \
        '(-r --recurse)'{-r,--recurse}'[also set those of all nodes below]' \
        '*:key:_xenstore_paths'
    ;;
exists)
    _arguments -s -S \
        '*:key:_xenstore_paths'
    ;;
list)
    _arguments -s -S \
        '(-p --prefix)'{-p,--prefix}'[print the key before each name]' \
        '*:key:_xenstore_paths'
    ;;
ls)
    _arguments -s -S \
        '(-f --flat)'{-f,--flat}'[print whole paths]' \
        '(-p --prefix)'{-p,--prefix}'[print permissions]' \
        --json'[print one JSON object, nested by name; with -f by path]' \
        '*:key:_xenstore_paths'
    ;;
mkdir)
    _arguments -s -S \
        '*:key:_xenstore_paths'
    ;;
read)
    _arguments -s -S \
        '(-p --prefix)'{-p,--prefix}'[print the key before each value]' \
        '(-R --raw)'{-R,--raw}'[print all bytes unchanged instead of escaping them]' \
        --json'[print all values as one JSON object]' \
        '*:key:_xenstore_paths'
    ;;
rm)
    _arguments -s -S \
        '(-t --tidy)'{-t,--tidy}'[also remove parents that are empty then]' \
        '*:key:_xenstore_paths'
    ;;
watch)
    _arguments -s -S \
        '(-n --number)'{-n+,--number=}'[end after this many lines]:count:' \
        --values'[print the new value, too]' \
        '*'--depth='[ignore changes more levels below the key than this]:levels:' \
        '*:key:_xenstore_paths'
    ;;
write)
    _arguments -s -S \
        '(-R --raw)'{-R,--raw}'[write the value unchanged, and ignore escapes in it]' \
        '*:key:_xenstore_paths'
    ;;
control)
    _arguments -s -S
    ;;
esac
