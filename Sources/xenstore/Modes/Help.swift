// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// `xenstore help`: lists all modes with their options, and teaches by examples.
enum Help {
    private static let examples = [
        ("xenstore ls -f /local/domain", "the whole tree below a node, by path"),
        ("xenstore write /greeting hello && xenstore read /greeting", "sets a value, and shows it"),
        ("xenstore watch --values --depth 1 /local/domain/5", "each change near a node, with its new value"),
        ("xenstore read --json /local/domain/0/name", "values for a script"),
        ("xenstore control help", "the commands of the daemon"),
    ]

    static func run(program: Bytes, _ messages: Messages) -> Int32 {
        let name = String(decoding: program, as: UTF8.self)
        var page = HelpPage()
        page.paragraph("Usage: \(name) <mode> [-h] [...]")
        page.heading("Modes")
        for mode in Invocation.modes {
            page.paragraph("\(mode.name) \(mode.usage)", indent: 2)
            page.paragraph(mode.summary, indent: 6)
            page.options(ToolOption.all(mode.accepts), indent: 6)
        }
        page.paragraph("control <command> [<arg>...]", indent: 2)
        page.paragraph("Sends a command to the daemon.", indent: 6)
        page.gap()
        page.paragraph(
            """
            Each mode is also a program, such as \(name)-read. In JSON a value that is not UTF-8 is {"base64": "..."}, \
            and a value that the caller may not read is null.
            """)
        page.heading("Examples")
        for (command, meaning) in examples { page.example(command, meaning) }
        var output = Output()
        output.write(page.text)
        return Invocation.finish(0, &output, messages)
    }
}
