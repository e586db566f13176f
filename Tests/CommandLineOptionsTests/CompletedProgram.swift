// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// What a shell can complete of a program's command line. Each shell's script is made from it.
struct CompletedProgram {
    /// What the words that are not options are.
    enum Operands { case none, storePaths }

    /// A program or, where a program does several things, one of them.
    struct Mode {
        let name: String
        let options: [CompletedOption]
        let operands: Operands

        init<Meaning>(_ name: String, _ options: [Option<Meaning>], _ operands: Operands = .none) {
            self.name = name
            self.options = options.compactMap(CompletedOption.init)
            self.operands = operands
        }
    }

    let name: String
    /// The modes, the first word of the command line. `name-mode` is a program, too. A single mode without a name is the
    /// whole program.
    let modes: [Mode]
    /// Programs that are another name of a mode.
    let aliases: [(name: String, mode: String)]

    /// The program as a whole.
    init<Meaning>(_ name: String, _ options: [Option<Meaning>]) {
        self.name = name
        modes = [Mode("", options)]
        aliases = []
    }

    /// A program whose first word selects what it does.
    init(_ name: String, modes: [Mode], aliases: [(name: String, mode: String)]) {
        self.name = name
        self.modes = modes
        self.aliases = aliases
    }

    /// The script for `bash`, `zsh` or `fish`; nil for another shell.
    func script(for shell: String) -> String? {
        switch shell {
        case "bash": bashScript
        case "zsh": zshScript
        case "fish": fishScript
        default: nil
        }
    }

    var hasModes: Bool { modes.first?.name != "" }
    /// Whether a script needs the function that lists the nodes of a store.
    var completesStorePaths: Bool { modes.contains { $0.operands == .storePaths } }
    var allNames: [String] {
        [name] + (hasModes ? modes.map { "\(name)-\($0.name)" } : []) + aliases.map(\.name)
    }
    /// The first line of each script, after what the shell wants first.
    var origin: String {
        "SPDX-License-Identifier: Apache-2.0\n# Made from the options of \(name) by `make completions`."
    }
}

/// An option that the help shows.
struct CompletedOption {
    let letter: Character?
    let name: String?
    let spellings: [String]
    let help: String
    /// What the help calls the argument. An argument that it calls `file` is a path.
    var argument: String?

    init?<Meaning>(_ option: Option<Meaning>) {
        guard let help = option.help else { return nil }
        letter = option.letter
        name = option.name
        spellings = option.spellings
        self.help = help
        if case .required(let what) = option.argument { argument = what }
    }

    var takesFile: Bool { argument == "file" }
}

extension String {
    /// In single quotes, for any shell.
    var quoted: String {
        "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
