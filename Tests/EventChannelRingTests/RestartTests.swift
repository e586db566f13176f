// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreWire

    @testable import EventChannelRing

    /// A daemon dies between the two words of a page that show an answer.
    @Suite struct RestartTests {
        /// A host whose dom0 has a kernel, and that kernel.
        private static func world() throws -> (xen: FakeXen, kernel: RingGuest) {
            let xen = try FakeXen()
            try xen.create(0)
            _ = try xen.makeControlRing()
            return (xen, try RingGuest(0, in: xen))
        }

        @Test(arguments: [true, false])
        func anAnsweredRequestIsNotAnsweredAgain(wasPut: Bool) throws {
            let (xen, before) = try Self.world()
            let request = Message(.mkdir, "/once\0", number: 7)
            do {
                let host = try Host(xen)
                try before.send(request.bytes)
                #expect(try before.answer(to: request) == .ok)
                host.daemon.process.send(SIGKILL)
                #expect(try host.daemon.process.wait() == -SIGKILL)
            }
            before[.requestConsumer] &-= UInt32(request.bytes.count)
            if !wasPut { before[.replyProducer] &-= UInt32(Message(.mkdir, "OK\0", number: 7).bytes.count) }
            if !wasPut { before[.replyConsumer] = before[.replyProducer] }
            let host = try Host(xen)
            // Its events go to the new daemon.
            let kernel = try RingGuest(0, in: xen)
            if !wasPut { #expect(try kernel.answer(to: request) == .ok) }
            #expect(try kernel.ask(.getDomainPath, "3\0") == .data("/local/domain/3\0"))
            let names = try host.tool.ask(.directory, "/\0").strings
            #expect(names.contains("once") == !wasPut, "the store was in memory")
        }

        @Test func anIndexIsCompletedOnlyIfTheReplyIsInTheRing() throws {
            let folder = try TemporaryFolder()
            let domain = DomainID(65535)
            try IndexRecord(folder.file("made/rings")).write(StreamIndexes(taken: 57, put: 19), of: domain)
            let record = try IndexRecord(folder.file("made/rings"))
            #expect(record.completed(StreamIndexes(taken: 0, put: 19), of: domain) == StreamIndexes(taken: 57, put: 19))
            #expect(record.completed(StreamIndexes(taken: 0, put: 0), of: domain) == StreamIndexes(taken: 0, put: 0))
        }

        @Test func itServesWithoutTheIndexFile() throws {
            let (xen, kernel) = try Self.world()
            try xen.folder.write("no folder", to: "file")
            let host = try Host(xen, indexFile: xen.folder.file("file/rings"))
            #expect(try kernel.ask(.mkdir, "/x\0") == .ok)
            try host.daemon.waitForLog("the next one may give it once more")
        }
    }
#endif
