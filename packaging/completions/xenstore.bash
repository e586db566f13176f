# SPDX-License-Identifier: Apache-2.0
# Made from the options of xenstore by `make completions`.

_xenstore_paths() {
    local folder=${1%/*} name
    [ -z "$1" ] || [ "${1:0:1}" = / ] || return
    timeout 1 xenstore list "${folder:-/}" 2> /dev/null | while read -r name; do
        case $folder/$name in "$1"*) echo "$folder/$name" ;; esac
    done
}

_xenstore() {
    local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    # Bash makes a word of its own of the sign in --name=value.
    if [ "$current" = = ]; then
        current=
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    local mode=${COMP_WORDS[0]##*/}
    case $mode in
    xenstore)
        if [ "$COMP_CWORD" -eq 1 ]; then
            COMPREPLY=($(compgen -W $'chmod\nexists\nlist\nls\nmkdir\nread\nrm\nwatch\nwrite\ncontrol' -- "$current"))
            return
        fi
        mode=${COMP_WORDS[1]}
        ;;
    xsls) mode=ls ;;
    *) mode=${mode#xenstore-} ;;
    esac
    case $mode in
    chmod)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-u\n--upto\n-r\n--recurse' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    exists)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    list)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-p\n--prefix' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    ls)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-f\n--flat\n-p\n--prefix\n--json' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    mkdir)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    read)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-p\n--prefix\n-R\n--raw\n--json' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    rm)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-t\n--tidy' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    watch)
        case $previous in
        -n | --number | --depth) return ;;
        esac
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-n\n--number\n--values\n--depth' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    write)
        if [ "${current:0:1}" = - ]; then
            COMPREPLY=($(compgen -W $'-R\n--raw' -- "$current"))
        else
            compopt -o nospace 2> /dev/null
            COMPREPLY=($(_xenstore_paths "$current"))
        fi
        ;;
    control)
        COMPREPLY=($(compgen -W $'' -- "$current"))
        ;;
    esac
}

complete -F _xenstore xenstore xenstore-chmod xenstore-exists xenstore-list xenstore-ls xenstore-mkdir xenstore-read xenstore-rm xenstore-watch xenstore-write xenstore-control xsls
