// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreClient

/// Sends commands to the daemon itself. It differs from the other modes: it has no options, and its messages do not begin
/// with the program's name.
enum Control {
    static func run(_ words: [Bytes], command: Bytes, _ messages: Messages) -> Int32 {
        guard let name = words.first else {
            messages.say(Bytes("Usage:\n".utf8) + command + " <command> [<arg>...]\n".utf8)
            return 2
        }
        guard let store = try? XenStoreConnection() else {
            messages.say(Bytes("Failed to contact Xenstored.\n".utf8))
            return 1
        }
        let arguments = Array(words.dropFirst())
        if name == "live-update".wireBytes {
            return LiveUpdate.run(store, arguments, messages)
        }
        var output = Output()
        do throws(XenStoreError) {
            let reply = try store.control(name, arguments)
            if !reply.isEmpty { output.write(reply + "\n") }
            return Invocation.finish(0, &output, messages)
        } catch .wire(.EINVAL) {
            return explainCommands(store, messages)
        } catch {
            messages.say(Bytes("Error \(error.errno) when trying to execute command.\n".utf8))
            return 3
        }
    }

    private static func explainCommands(_ store: XenStoreConnection, _ messages: Messages) -> Int32 {
        if let help = try? store.control("help") {
            messages.say(Bytes("Command not supported. Valid commands are:\n\(help)\n".utf8))
        } else {
            messages.say(Bytes("Error when executing command.\n".utf8))
        }
        return 3
    }
}
