# SPDX-License-Identifier: Apache-2.0
# Made from the options of xenstore by `make completions`.

function __xenstore_paths
    set -l typed (commandline -ct)
    test -z "$typed"; or string match -q '/*' -- $typed; or return
    set -l folder (string replace -r '/[^/]*$' '' -- "$typed")
    set -l parent $folder
    test -n "$parent"; or set parent /
    for name in (timeout 1 xenstore list $parent 2> /dev/null)
        echo $folder/$name
    end
end

complete -c xenstore -f
complete -c xenstore-chmod -f
complete -c xenstore-exists -f
complete -c xenstore-list -f
complete -c xenstore-ls -f
complete -c xenstore-mkdir -f
complete -c xenstore-read -f
complete -c xenstore-rm -f
complete -c xenstore-watch -f
complete -c xenstore-write -f
complete -c xenstore-control -f
complete -c xsls -f
complete -c xenstore -n __fish_use_subcommand -a chmod
complete -c xenstore -n '__fish_seen_subcommand_from chmod' -s u -l upto -d 'also set those of all nodes above'
complete -c xenstore -n '__fish_seen_subcommand_from chmod' -s r -l recurse -d 'also set those of all nodes below'
complete -c xenstore -n '__fish_seen_subcommand_from chmod' -a '(__xenstore_paths)'
complete -c xenstore-chmod -s u -l upto -d 'also set those of all nodes above'
complete -c xenstore-chmod -s r -l recurse -d 'also set those of all nodes below'
complete -c xenstore-chmod -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a exists
complete -c xenstore -n '__fish_seen_subcommand_from exists' -a '(__xenstore_paths)'
complete -c xenstore-exists -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a list
complete -c xenstore -n '__fish_seen_subcommand_from list' -s p -l prefix -d 'print the key before each name'
complete -c xenstore -n '__fish_seen_subcommand_from list' -a '(__xenstore_paths)'
complete -c xenstore-list -s p -l prefix -d 'print the key before each name'
complete -c xenstore-list -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a ls
complete -c xenstore -n '__fish_seen_subcommand_from ls' -s f -l flat -d 'print whole paths'
complete -c xenstore -n '__fish_seen_subcommand_from ls' -s p -l prefix -d 'print permissions'
complete -c xenstore -n '__fish_seen_subcommand_from ls' -l json -d 'print one JSON object, nested by name; with -f by path'
complete -c xenstore -n '__fish_seen_subcommand_from ls' -a '(__xenstore_paths)'
complete -c xenstore-ls -s f -l flat -d 'print whole paths'
complete -c xenstore-ls -s p -l prefix -d 'print permissions'
complete -c xenstore-ls -l json -d 'print one JSON object, nested by name; with -f by path'
complete -c xenstore-ls -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a mkdir
complete -c xenstore -n '__fish_seen_subcommand_from mkdir' -a '(__xenstore_paths)'
complete -c xenstore-mkdir -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a read
complete -c xenstore -n '__fish_seen_subcommand_from read' -s p -l prefix -d 'print the key before each value'
complete -c xenstore -n '__fish_seen_subcommand_from read' -s R -l raw -d 'print all bytes unchanged instead of escaping them'
complete -c xenstore -n '__fish_seen_subcommand_from read' -l json -d 'print all values as one JSON object'
complete -c xenstore -n '__fish_seen_subcommand_from read' -a '(__xenstore_paths)'
complete -c xenstore-read -s p -l prefix -d 'print the key before each value'
complete -c xenstore-read -s R -l raw -d 'print all bytes unchanged instead of escaping them'
complete -c xenstore-read -l json -d 'print all values as one JSON object'
complete -c xenstore-read -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a rm
complete -c xenstore -n '__fish_seen_subcommand_from rm' -s t -l tidy -d 'also remove parents that are empty then'
complete -c xenstore -n '__fish_seen_subcommand_from rm' -a '(__xenstore_paths)'
complete -c xenstore-rm -s t -l tidy -d 'also remove parents that are empty then'
complete -c xenstore-rm -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a watch
complete -c xenstore -n '__fish_seen_subcommand_from watch' -s n -l number -x -d 'end after this many lines'
complete -c xenstore -n '__fish_seen_subcommand_from watch' -l values -d 'print the new value, too'
complete -c xenstore -n '__fish_seen_subcommand_from watch' -l depth -x -d 'ignore changes more levels below the key than this'
complete -c xenstore -n '__fish_seen_subcommand_from watch' -a '(__xenstore_paths)'
complete -c xenstore-watch -s n -l number -x -d 'end after this many lines'
complete -c xenstore-watch -l values -d 'print the new value, too'
complete -c xenstore-watch -l depth -x -d 'ignore changes more levels below the key than this'
complete -c xenstore-watch -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a write
complete -c xenstore -n '__fish_seen_subcommand_from write' -s R -l raw -d 'write the value unchanged, and ignore escapes in it'
complete -c xenstore -n '__fish_seen_subcommand_from write' -a '(__xenstore_paths)'
complete -c xenstore-write -s R -l raw -d 'write the value unchanged, and ignore escapes in it'
complete -c xenstore-write -a '(__xenstore_paths)'
complete -c xenstore -n __fish_use_subcommand -a control
complete -c xsls -s f -l flat -d 'print whole paths'
complete -c xsls -s p -l prefix -d 'print permissions'
complete -c xsls -l json -d 'print one JSON object, nested by name; with -f by path'
complete -c xsls -a '(__xenstore_paths)'
