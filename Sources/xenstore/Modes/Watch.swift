// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Shows changes, without end or a number of times.
enum Watch: Mode {
    static let name: StaticString = "watch"
    static let usage: StaticString = "[-h] [-n NR] key"
    static let summary = "Prints each key once, then the path of each change at or below it."
    static let accepts: ExplainedOptions = [
        .number: "end after this many lines",
        .values: "print the new value, too",
        .depth: "ignore changes more levels below the key than this",
    ]

    static func run(_ tool: inout Tool) -> Int32 {
        for key in tool.operands {
            guard (try? tool.store.watch(key, token: key, depth: tool.options.depth)) != nil else {
                return tool.fail("Unable to add watch on ", key + "\n".utf8)
            }
        }
        var left = tool.options.number
        while left != 0, tool.output.errno == 0 {
            do throws(XenStoreError) {
                try show(tool.store.nextEvent(), &tool)
            } catch {
                return tool.fail("\(error)")
            }
            if left > 0 { left -= 1 }
        }
        return 0
    }

    /// Writes one line for an event, without delay, since somebody waits for it.
    private static func show(_ event: WatchEvent, _ tool: inout Tool) {
        tool.output.write(event.path)
        if tool.has(.values), let value = try? tool.store.read(event.path) {
            tool.output.write(" = \"".utf8 + ValueText.escape(value) + "\"".utf8)
        }
        tool.output.write("\n")
        tool.output.flush()
    }
}
