// SPDX-License-Identifier: Apache-2.0

extension CompletedProgram {
    var bashScript: String {
        var script = "# \(origin)\n\n"
        if completesStorePaths { script += Self.bashStorePaths }
        script += """
            _\(name)() {
                local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
                # Bash makes a word of its own of the sign in --name=value.
                if [ "$current" = = ]; then
                    current=
                elif [ "$previous" = = ]; then
                    previous=${COMP_WORDS[COMP_CWORD - 2]}
                fi

            """
        if hasModes {
            script += bashChoiceOfMode
            for mode in modes { script += "    \(mode.name))\n" + mode.bash(indent: "        ") + "        ;;\n" }
            script += "    esac\n"
        } else {
            script += modes[0].bash(indent: "    ")
        }
        return script + "}\n\ncomplete -F _\(name) \(allNames.joined(separator: " "))\n"
    }

    private var bashChoiceOfMode: String {
        """
            local mode=${COMP_WORDS[0]##*/}
            case $mode in
            \(name))
                if [ "$COMP_CWORD" -eq 1 ]; then
                    COMPREPLY=($(compgen -W $'\(modes.map(\.name).joined(separator: "\\n"))' -- "$current"))
                    return
                fi
                mode=${COMP_WORDS[1]}
                ;;
        \(aliases.map { "    \($0.name)) mode=\($0.mode) ;;\n" }.joined())    *) mode=${mode#\(name)-} ;;
            esac
            case $mode in

        """
    }

    /// A daemon that does not answer must not stop the shell.
    private static var bashStorePaths: String {
        #"""
        _xenstore_paths() {
            local folder=${1%/*} name
            [ -z "$1" ] || [ "${1:0:1}" = / ] || return
            timeout 1 xenstore list "${folder:-/}" 2> /dev/null | while read -r name; do
                case $folder/$name in "$1"*) echo "$folder/$name" ;; esac
            done
        }


        """#
    }
}

extension CompletedProgram.Mode {
    fileprivate func bash(indent: String) -> String {
        let files = options.filter(\.takesFile).flatMap(\.spellings)
        let others = options.filter { $0.argument != nil && !$0.takesFile }.flatMap(\.spellings)
        var lines: [String] = []
        if !files.isEmpty || !others.isEmpty {
            lines.append("case $previous in")
            if !files.isEmpty {
                lines += [
                    "\(files.joined(separator: " | ")))", "    compopt -o filenames 2> /dev/null",
                    #"    COMPREPLY=($(compgen -f -- "$current"))"#, "    return", "    ;;",
                ]
            }
            if !others.isEmpty { lines.append("\(others.joined(separator: " | "))) return ;;") }
            lines.append("esac")
        }
        let words = "$'\(options.flatMap(\.spellings).joined(separator: "\\n"))'"
        let reply = #"COMPREPLY=($(compgen -W \#(words) -- "$current"))"#
        switch operands {
        case .none: lines.append(reply)
        case .storePaths:
            lines += [
                "if [ \"${current:0:1}\" = - ]; then", "    \(reply)", "else", "    compopt -o nospace 2> /dev/null",
                #"    COMPREPLY=($(_xenstore_paths "$current"))"#, "fi",
            ]
        }
        return lines.map { indent + $0 + "\n" }.joined()
    }
}
