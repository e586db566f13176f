// SPDX-License-Identifier: Apache-2.0

/// `xenstore help`: lists all modes, and the features that Xen's own tools lack.
enum Help {
    static func run(program: Bytes, _ messages: Messages) -> Int32 {
        var output = Output()
        output.write("Usage: ".utf8 + program + " <mode> [-h] [...]\n\nModes:\n".utf8)
        for mode in Invocation.modes {
            output.write("  ".utf8 + mode.name.bytes + " ".utf8 + mode.usage.bytes + "\n".utf8)
        }
        output.write(
            """
              control <command> [<arg>...]

            Beside these:
              ls --json        the tree as one JSON object, nested by name; -f: by path; -p: with
                               permissions
              read --json      the values as one JSON object
              watch --values   each changed path with its value
              watch --depth N  only changes at most N levels below the key

            In JSON a value that is not UTF-8 is {"base64": "..."}; one that may not be read is null.

            """)
        return Invocation.finish(0, &output, messages)
    }
}
