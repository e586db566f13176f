# SPDX-License-Identifier: Apache-2.0
# Made from the options of sxenstored by `make completions`.

_sxenstored() {
    local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    # Bash makes a word of its own of the sign in --name=value.
    if [ "$current" = = ]; then
        current=
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
    --config | -F | --pid-file | -T | --trace-file | --try-plugin | --check-store | --repair-store)
        compopt -o filenames 2> /dev/null
        COMPREPLY=($(compgen -f -- "$current"))
        return
        ;;
    --set | --try-client) return ;;
    esac
    COMPREPLY=($(compgen -W $'-N\n--no-fork\n--config\n--set\n-F\n--pid-file\n-T\n--trace-file\n-P\n--output-pid\n--check-config\n--print-config\n--plugins\n--try-plugin\n--try-client\n--check-store\n--repair-store\n--version\n-h\n--help' -- "$current"))
}

complete -F _sxenstored sxenstored
