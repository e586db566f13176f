// SPDX-License-Identifier: Apache-2.0

extension CompletedProgram {
    var zshScript: String {
        var script = "#compdef \(allNames.joined(separator: " "))\n# \(origin)\n\n"
        if completesStorePaths { script += Self.zshStorePaths }
        guard hasModes else { return script + modes[0].zsh(indent: "") }
        script += """
            local mode=${service#\(name)-}
            case $service in
            \(name))
                if (( CURRENT == 2 )); then
                    compadd -- \(modes.map(\.name).joined(separator: " "))
                    return
                fi
                mode=$words[2]
                shift words
                (( CURRENT-- ))
                ;;
            \(aliases.map { "\($0.name)) mode=\($0.mode) ;;\n" }.joined())esac
            case $mode in

            """
        for mode in modes { script += "\(mode.name))\n" + mode.zsh(indent: "    ") + "    ;;\n" }
        return script + "esac\n"
    }

    /// A daemon that does not answer must not stop the shell.
    private static var zshStorePaths: String {
        #"""
        _xenstore_paths() {
            local folder=${PREFIX%/*}
            [[ -z $PREFIX || $PREFIX == /* ]] || return 1
            compadd -S '' -p "$folder/" -- ${(f)"$(timeout 1 xenstore list "${folder:-/}" 2> /dev/null)"}
        }


        """#
    }
}

extension CompletedProgram.Mode {
    fileprivate func zsh(indent: String) -> String {
        let arguments = options.map(\.zsh) + (operands == .storePaths ? ["'*:key:_xenstore_paths'"] : [])
        return indent + "_arguments -s -S" + arguments.map { " \\\n\(indent)    \($0)" }.joined() + "\n"
    }
}

extension CompletedOption {
    /// An option's specification for `_arguments`: all its names, and then the text that they share.
    fileprivate var zsh: String {
        // A repeated option excludes nothing.
        let others = spellings.count > 1 ? "'(\(spellings.joined(separator: " ")))'" : ""
        let names = spellings.map { spelling in
            argument == nil ? spelling : spelling.hasPrefix("--") ? spelling + "=" : spelling + "+"
        }
        let name = names.count > 1 ? "{\(names.joined(separator: ","))}" : names[0]
        let repeats = spellings.count == 1 && argument != nil ? "'*'" : ""
        let text = "[\(escapedHelp)]" + (argument.map { ":\($0):" + (takesFile ? "_files" : "") } ?? "")
        return others + repeats + name + text.quoted
    }

    /// A bracket would end the help, and a colon what follows it.
    private var escapedHelp: String {
        help.reduce(into: "") { text, character in
            if "[]:\\".contains(character) { text.append("\\") }
            text.append(character)
        }
    }
}
