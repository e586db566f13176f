// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreClient

/// `xenstore-control live-update`: hands a running daemon over to a new binary, in three steps.
struct LiveUpdate {
    private var commandLine: Bytes?
    private var isForced = false
    private var timeoutSeconds: UInt32 = 60
    private var binary: Bytes?

    private struct Failure: Error {
        var text: String
        var status: Int32
    }

    static func run(_ store: XenStoreConnection, _ words: [Bytes], _ messages: Messages) -> Int32 {
        do throws(Failure) {
            try LiveUpdate(words).run(store)
            return 0
        } catch {
            messages.say(Bytes((error.text + "\n").utf8))
            return error.status
        }
    }

    private init(_ words: [Bytes]) throws(Failure) {
        var words = words[...]
        while let word = words.popFirst() {
            switch String(decoding: word, as: UTF8.self) {
            case "-c":
                guard let value = words.popFirst() else {
                    throw Failure(text: "Missing command line value", status: 2)
                }
                commandLine = value
            case "-t":
                guard let value = words.popFirst() else {
                    throw Failure(text: "Missing timeout value", status: 2)
                }
                timeoutSeconds = UInt32(bitPattern: value.leadingInt32)
            case "-F": isForced = true
            default: binary = word
            }
        }
        guard binary != nil else { throw Failure(text: "Missing binary specification", status: 2) }
    }

    private func run(_ store: XenStoreConnection) throws(Failure) {
        // A daemon in a domain of its own would need its image in pieces.
        guard (try? store.read("/tool/xenstored/domid")) == nil else {
            throw Failure(text: "Live update of a xenstore domain is not supported.", status: 1)
        }
        let binaryFailed = "Setting update binary failed:\n"
        if let refusal = LiveUpdate.refusal(store, ["-f", binary ?? []]) {
            throw Failure(text: binaryFailed + refusal, status: 3)
        }
        if let commandLine, let refusal = LiveUpdate.refusal(store, ["-c", commandLine]) {
            throw LiveUpdate.aborted(store, binaryFailed + refusal)
        }
        let start: [any WireText] = ["-s", "-t", String(timeoutSeconds)] + (isForced ? ["-F"] : [])
        while let refusal = LiveUpdate.refusal(store, start) {
            guard refusal == "BUSY" else {
                throw LiveUpdate.aborted(store, "Starting live update failed:\n" + refusal)
            }
            sleep(1)
        }
    }

    /// The reason why the daemon refuses a step; nil if it accepts the step.
    private static func refusal(
        _ store: XenStoreConnection, _ arguments: [any WireText]
    ) -> String? {
        do throws(XenStoreError) {
            let reply = try store.control("live-update", arguments)
            return reply == "OK" ? nil : reply
        } catch {
            return String(cString: strerror(error.errno))
        }
    }

    private static func aborted(_ store: XenStoreConnection, _ text: String) -> Failure {
        _ = try? store.control("live-update", ["-a"])
        return Failure(text: text, status: 3)
    }
}
