#compdef sxenstored
# SPDX-License-Identifier: Apache-2.0
# Made from the options of sxenstored by `make completions`.

_arguments -s -S \
    '(-N --no-fork)'{-N,--no-fork}'[Stay in the foreground; log to standard error.]' \
    '*'--config='[Read this configuration.]:file:_files' \
    '*'--set='[Override a value of the file by its path, such as log.level=debug or storage=memory; repeatable.]:key=value:' \
    '(-F --pid-file)'{-F+,--pid-file=}'[Lock this file, and write the process id to it once clients can connect.]:file:_files' \
    '(-T --trace-file)'{-T+,--trace-file=}'[Write a trace of all messages to this file.]:file:_files' \
    '(-P --output-pid)'{-P,--output-pid}'[Print the process id once clients can connect.]' \
    --check-config'[Report every error in the configuration, and exit (0 good, 2 bad).]' \
    --print-config'[Print the configuration with every key in effect, and exit.]' \
    --plugins'[Print the plugins in this build with all their keys, and exit.]' \
    '*'--try-plugin='[Load a shared object, try its plugin out, report what fails, and exit (0 good, 1 bad).]:file:_files' \
    '*'--try-client='[Connect the clients of --try-plugin by this command, whose input and output are the connection.]:command:' \
    '*'--check-store='[Report what a store'\''s file holds, and exit (0 good, 1 damaged).]:file:_files' \
    '*'--repair-store='[Repair a damaged store, set the old file aside, and exit.]:file:_files' \
    --version'[Print the version, and exit.]' \
    '(-h --help)'{-h,--help}'[Print this help, and exit.]'
