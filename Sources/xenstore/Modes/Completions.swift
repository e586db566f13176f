// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// `xenstore --generate-completion-script SHELL`, for packagers.
enum Completions {
    static func run(shell: Bytes, _ messages: Messages) -> Int32 {
        let modes = Invocation.modes.map { mode in
            CompletedProgram.Mode("\(mode.name)", ToolOption.all(mode.accepts), .storePaths)
        }
        let control = CompletedProgram.Mode("control", [ToolOption]())
        let program = CompletedProgram("xenstore", modes: modes + [control], aliases: [("xsls", "ls")])
        guard let script = program.script(for: String(decoding: shell, as: UTF8.self)) else {
            messages.warn(Bytes("completions are for bash, zsh and fish".utf8))
            return 2
        }
        var output = Output()
        output.write(script)
        return Invocation.finish(0, &output, messages)
    }
}
