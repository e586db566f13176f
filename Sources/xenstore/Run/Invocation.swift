// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreClient

/// From a command line to a mode, and to an exit status.
enum Invocation {
    /// All modes with options and operands. `control` differs from them.
    static var modes: [any Mode.Type] {
        [
            Chmod.self, Exists.self, List.self, Ls.self, MakeDirectory.self, Read.self,
            Remove.self, Watch.self, Write.self,
        ]
    }

    static func run() -> Int32 {
        let arguments = CommandLineArguments.process
        let program = baseName(arguments[0])
        let messages = Messages(program: program)
        if program == Bytes("xsls".utf8) {
            return run(Ls.self, arguments, prefix: [], messages)
        }
        if program.starts(with: "xenstore-".utf8) {
            let name = Bytes(program.dropFirst("xenstore-".utf8.count))
            return run(name, arguments, prefix: [], messages)
        }
        guard arguments.count > 1 else {
            messages.warn(Bytes("Usage: ".utf8) + program + " <mode> [-h] [...]".utf8)
            return 1
        }
        let name = arguments[1]
        let help: [StaticString] = ["help", "--help", "-h"]
        if help.contains(where: { $0.elementsEqual(name) }) {
            return Help.run(program: program, messages)
        }
        return run(name, arguments.shifted, prefix: name + " ".utf8, messages)
    }

    /// - Parameter prefix: the mode with a blank, where it was given as an argument.
    private static func run(
        _ name: Bytes, _ arguments: CommandLineArguments, prefix: Bytes, _ messages: Messages
    ) -> Int32 {
        if name.elementsEqual("control".utf8) {
            let command = prefix.isEmpty ? arguments[0] : CommandLineArguments.process[0] + " control".utf8
            return Control.run(arguments[from: 1...], command: command, messages)
        }
        guard let mode = modes.first(where: { $0.name.elementsEqual(name) }) else {
            messages.warn(Bytes("unknown mode ".utf8) + name + "\n".utf8)
            return 1
        }
        return run(mode, arguments, prefix: prefix, messages)
    }

    private static func run(
        _ mode: any Mode.Type, _ arguments: CommandLineArguments, prefix: Bytes,
        _ messages: Messages
    ) -> Int32 {
        guard let options = ParsedOptions(arguments, accepting: mode.accepts),
            mode.isUsable(options.operands)
        else {
            messages.warn(
                Bytes("Usage: ".utf8) + messages.program + " ".utf8 + prefix + mode.usage.bytes)
            return 1
        }
        let store: XenStoreConnection
        do throws(XenStoreError) {
            store = try XenStoreConnection()
        } catch {
            messages.warn(Bytes("xs_open".utf8), errno: error.errno)
            return 1
        }
        var tool = Tool(store: store, options: options, messages: messages)
        return finish(mode.run(&tool), &tool.output, messages)
    }

    /// Writes the rest of the output. A failed write is a failure of the tool. If the reader is gone, as in
    /// `xenstore-ls | head`, the tool fails without a message.
    static func finish(_ status: Int32, _ output: inout Output, _ messages: Messages) -> Int32 {
        output.flush()
        guard output.errno != 0 else { return status }
        if output.errno != EPIPE {
            messages.warn(Bytes("write error".utf8), errno: output.errno)
        }
        return status == 0 ? 1 : status
    }

    private static func baseName(_ path: Bytes) -> Bytes {
        Bytes(path[((path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1)...])
    }
}

extension StaticString {
    var bytes: Bytes { Bytes(UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount)) }

    func elementsEqual(_ other: Bytes) -> Bool { bytes == other }
}
