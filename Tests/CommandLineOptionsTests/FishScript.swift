// SPDX-License-Identifier: Apache-2.0

extension CompletedProgram {
    var fishScript: String {
        var script = "# \(origin)\n\n"
        if completesStorePaths { script += Self.fishStorePaths }
        for name in allNames { script += "complete -c \(name) -f\n" }
        guard hasModes else { return script + modes[0].fish("-c \(name)") }
        for mode in modes {
            script += "complete -c \(name) -n __fish_use_subcommand -a \(mode.name)\n"
            script += mode.fish("-c \(name) -n '__fish_seen_subcommand_from \(mode.name)'")
            script += mode.fish("-c \(name)-\(mode.name)")
        }
        for alias in aliases {
            for mode in modes where mode.name == alias.mode { script += mode.fish("-c \(alias.name)") }
        }
        return script
    }

    /// A daemon that does not answer must not stop the shell.
    private static var fishStorePaths: String {
        #"""
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


        """#
    }
}

extension CompletedProgram.Mode {
    fileprivate func fish(_ command: String) -> String {
        var script = options.map { "complete \(command)\($0.fish)\n" }.joined()
        if operands == .storePaths { script += "complete \(command) -a '(__xenstore_paths)'\n" }
        return script
    }
}

extension CompletedOption {
    fileprivate var fish: String {
        let names = (letter.map { " -s \($0)" } ?? "") + (name.map { " -l \($0)" } ?? "")
        return names + (argument == nil ? "" : takesFile ? " -r -F" : " -x") + " -d \(help.quoted)"
    }
}
