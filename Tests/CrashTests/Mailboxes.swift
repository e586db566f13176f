// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// What guests were told of nodes that the toolstack has made for them.
    final class Mailboxes {
        /// By folder, such as `/local/domain/1/mail/0/box`: names in the order in which they came.
        private var sent: [String: [String]] = [:]
        private var told: [String: [String]] = [:]

        /// A guest has got an event, relative to its home.
        func note(_ event: Event, of guest: UInt16) {
            let path = Actor.home(guest) + "/" + event.path
            guard ModelTree.parent(of: path).hasSuffix("/box") else { return }
            told[ModelTree.parent(of: path), default: []].append(path)
        }

        /// These changes have happened.
        func take(_ done: [ModelRequest]) {
            for case .write(let path, _) in done where ModelTree.parent(of: path).hasSuffix("/box") {
                sent[ModelTree.parent(of: path), default: []].append(path)
            }
        }

        /// Each change was told of, once and in order. To be called when nothing is on its way.
        func check() throws {
            for box in Set(sent.keys).union(told.keys) where sent[box] != told[box] {
                let sent = self.sent[box] ?? []
                let told = self.told[box] ?? []
                let missing = sent.filter { !told.contains($0) }
                let wrong = told.filter { !sent.contains($0) }
                throw Trouble(
                    "events of \(box): \(missing) are missing, \(wrong) are wrong; or \(told) is out of order")
            }
            sent = [:]
            told = [:]
        }
    }
#endif
