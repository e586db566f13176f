# SPDX-License-Identifier: Apache-2.0
# Made from the options of sxenstored by `make completions`.

complete -c sxenstored -f
complete -c sxenstored -s N -l no-fork -d 'Stay in the foreground; log to standard error.'
complete -c sxenstored -l config -r -F -d 'Read this configuration.'
complete -c sxenstored -l set -x -d 'Override a value of the file by its path, such as log.level=debug or storage=memory; repeatable.'
complete -c sxenstored -s F -l pid-file -r -F -d 'Lock this file, and write the process id to it once clients can connect.'
complete -c sxenstored -s T -l trace-file -r -F -d 'Write a trace of all messages to this file.'
complete -c sxenstored -s P -l output-pid -d 'Print the process id once clients can connect.'
complete -c sxenstored -l check-config -d 'Report every error in the configuration, and exit (0 good, 2 bad).'
complete -c sxenstored -l print-config -d 'Print the configuration with every key in effect, and exit.'
complete -c sxenstored -l plugins -d 'Print the plugins in this build with all their keys, and exit.'
complete -c sxenstored -l try-plugin -r -F -d 'Load a shared object, try its plugin out, report what fails, and exit (0 good, 1 bad).'
complete -c sxenstored -l try-client -x -d 'Connect the clients of --try-plugin by this command, whose input and output are the connection.'
complete -c sxenstored -l check-store -r -F -d 'Report what a store'\''s file holds, and exit (0 good, 1 damaged).'
complete -c sxenstored -l repair-store -r -F -d 'Repair a damaged store, set the old file aside, and exit.'
complete -c sxenstored -l version -d 'Print the version, and exit.'
complete -c sxenstored -s h -l help -d 'Print this help, and exit.'
