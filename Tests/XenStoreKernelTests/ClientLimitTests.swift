// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Clients that only look, and have limits of their own.
@Suite struct ClientLimitTests {
    let house: House
    let reader: Caller
    private static let limits = ClientLimits(watches: 3, transactions: 2, transactionRequests: 10, memory: 50_000)

    init() throws {
        house = try House()
        reader = ClientLimitTests.reader(of: house)
    }

    private static func reader(of house: House) -> Caller {
        Caller(host: house.host, client: house.host.connect(domain: .control, mayWrite: false, limits: limits))
    }

    @Test func watchesAreLimited() {
        for number in 0..<3 { #expect(reader.watch("/", "\(number)") == .ok) }
        #expect(reader.watch("/", "3") == .error(.ENOSPC))
        reader.unwatch("/", "0")
        #expect(reader.watch("/", "3") == .ok)
        #expect(ClientLimitTests.reader(of: house).watch("/", "0") == .ok, "another's are its own")
        #expect(house.usage(0).watches == 0)
    }

    @Test func transactionsAndTheirRequestsAreLimited() {
        let transaction = reader.start()
        #expect(reader.start() != 0)
        #expect(reader.ask(.transactionStart, "\0") == .error(.ENOSPC))
        for _ in 0..<10 { #expect(reader.read("/tool", in: transaction) == .text("")) }
        #expect(reader.read("/tool", in: transaction) == .error(.ENOSPC))
        #expect(reader.commit(transaction) == .error(.ENOMEM))
        #expect(reader.start() != 0)
        #expect(reader.ask(.resetWatches, "\0") == .ok)
        #expect(reader.start() != 0)
    }

    @Test func oldValuesThatItsTransactionKeepsCount() {
        for number in 0..<50 { house.dom0.write("/n/\(number)", String(repeating: "v", count: 2000)) }
        let transaction = reader.start()
        _ = reader.read("/n/0", in: transaction)
        for number in 0..<50 { house.dom0.write("/n/\(number)", String(repeating: "w", count: 2000)) }
        #expect(house.store.history.versionCount < 25)
        #expect(reader.commit(transaction) == .error(.EAGAIN))
        house.expectSound()
    }

    @Test func aClientThatDoesNotReadItsEventsIsClosed() {
        #expect(reader.watch("/") == .ok)
        reader.client.appetite = 0
        for number in 0..<5000 where !reader.client.isClosed { house.dom0.write("/n/\(number)") }
        #expect(reader.client.isClosed)
        #expect(house.watchCount == 0)
        #expect(house.dom0.read("/tool") == .text(""))
    }

    @Test func itStillSeesWhatDom0Sees() {
        house.dom0.write("/secret", "s")
        #expect(reader.read("/secret") == .text("s"))
        #expect(reader.write("/secret", "x") == .error(.EROFS))
    }

    // MARK: Reservations

    /// A client with four conflicts in a row, which would have the store to itself the next time.
    private func makeDesperate(_ caller: Caller) {
        for number in 0..<4 {
            let transaction = caller.start()
            _ = caller.read("/c", in: transaction)
            if caller.session.peer.mayWrite { caller.write("/mine", in: transaction) }
            house.dom0.write("/c", "\(number)")
            _ = caller.commit(transaction)
        }
    }

    private func isServed(_ guest: Caller) -> Bool {
        guest.send(.write, "x\0")
        house.host.settle()
        return !guest.takeReplies().isEmpty
    }

    @Test func aReaderNeverHasTheStoreToItself() {
        house.dom0.write("/c")
        let guest = house.guest(5)
        makeDesperate(reader)
        #expect(reader.start() != 0)
        #expect(isServed(guest))
    }

    @Test(arguments: [Operation.resetWatches, .transactionEnd])
    func aReservationEndsWithItsTransaction(how: Operation) {
        house.dom0.write("/c")
        let guest = house.guest(5)
        let desperate = house.caller(0)
        makeDesperate(desperate)
        let transaction = desperate.start()
        #expect(!isServed(guest))
        #expect(desperate.ask(how, how == .transactionEnd ? "F\0" : "\0", in: transaction) == .ok)
        house.host.settle()
        #expect(guest.takeReplies() == [.ok])
    }

    /// A client that never comes to an end, and starts again every 5 milliseconds.
    @Test func aClientHasTheStoreToItselfForATenthOfTheTime() {
        house.dom0.write("/c")
        let guest = house.guest(5)
        let desperate = house.caller(0)
        makeDesperate(desperate)
        var suspended = 0
        for _ in 0..<2000 {
            let transaction = desperate.start()
            if !isServed(guest) { suspended += 1 }
            house.host.advance(milliseconds: 5)
            _ = guest.takeReplies()
            if transaction % 2 == 0 { desperate.abort(transaction) }
        }
        #expect((50...220).contains(suspended))
    }
}
