// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Every request has exactly one reply, whatever the quotas: each type of request, with each quota
/// set to each value around what the guest holds.
@Suite(.slow) struct OneReplyTests {
    /// A payload with which the operation would work, were there no quotas.
    static let requests: [(Operation, String)] = [
        (.control, "help\0"), (.directory, "d\0"), (.read, "d/a\0"), (.getPermissions, "d\0"), (.watch, "d\0new\0"),
        (.watch, "d\0deep\03\0"), (.unwatch, "d\0t\0"), (.transactionStart, "\0"), (.transactionEnd, "T\0"),
        (.transactionEnd, "F\0"), (.introduce, "7\01\01\0"), (.release, "7\0"), (.getDomainPath, "7\0"),
        (.write, "d/a\0longer than it was"), (.write, "d/new/deep/er\0value"), (.write, "d/a\0"),
        (.makeDirectory, "d/b/c\0"), (.remove, "d/a\0"), (.remove, "d\0"), (.remove, "d/none\0"),
        (.setPermissions, "d\0n5\0r6\0w7\0"), (.isDomainIntroduced, "7\0"), (.resume, "7\0"), (.setTarget, "7\08\0"),
        (.resetWatches, "\0"), (.directoryPart, "d\00\0"), (.getFeature, ""), (.setFeature, "7\01\0"),
        (.getQuota, ""), (.setQuota, "nodes\05\0"),
    ]

    @Test(arguments: requests, Resource.allCases)
    func eachRequestHasOneReplyUnderAnyQuota(request: (Operation, String), resource: Resource) throws {
        for limit in try values(around: resource) {
            for isInside in [false, true] {
                let (house, guest, transaction) = try furnished()
                house.quotas.setLimit(limit, of: resource, for: DomainID(5))
                guest.send(request.0, request.1, in: isInside ? transaction : 0)
                guest.send(.read, "d/a\0")
                house.host.settle()
                let messages = guest.client.takeMessages().filter { !$0.isEvent }
                #expect(messages.count == 2, "\(request) with \(resource.name) \(limit), in transaction: \(isInside)")
                house.expectSound("\(request) with \(resource.name) \(limit)")
            }
        }
    }

    /// The guest that takes its answers late has one for each as well.
    @Test(arguments: Resource.allCases)
    func eachRequestOfALateReaderHasOneReply(resource: Resource) throws {
        for limit in try values(around: resource) {
            let (house, guest, transaction) = try furnished()
            house.quotas.setLimit(limit, of: resource, for: DomainID(5))
            guest.client.appetite = 0
            for (index, request) in OneReplyTests.requests.enumerated() {
                guest.send(request.0, request.1, in: index % 3 == 0 ? transaction : 0, number: UInt32(index))
            }
            house.host.settle()
            for _ in 0..<(OneReplyTests.requests.count * 5) {
                guest.client.resume(appetite: 200)
                house.host.settle()
            }
            guest.client.resume()
            house.host.settle()
            let numbers = guest.client.takeMessages().filter { !$0.isEvent }.map(\.header.request)
            #expect(numbers == OneReplyTests.requests.indices.map { UInt32($0) }, "\(resource.name) \(limit)")
        }
    }

    /// A guest that holds some of everything.
    private func furnished() throws -> (House, Caller, UInt32) {
        let house = try House()
        let guest = house.guest(5)
        guest.write("d/a", "value")
        guest.write("d/b")
        guest.watch("d")
        let transaction = guest.start()
        guest.write("d/t", "v", in: transaction)
        _ = guest.takeEvents()
        return (house, guest, transaction)
    }

    private func values(around resource: Resource) throws -> [UInt32] {
        let (house, _, _) = try furnished()
        let usage = house.usage(5)
        let held =
            switch resource {
            case .nodes: usage.nodes
            case .watches: usage.watches
            case .transactions: usage.transactions
            case .memory, .softMemory: usage.memory
            case .nodeSize: 29
            case .pathMax: 4
            default: 3
            }
        let offsets = resource == .memory ? Array(stride(from: -40, through: 120, by: 20)) + [-1, 1] : Array(-2...3)
        return ([0, 1] + offsets.map { held + $0 }).filter { $0 >= 0 }.map { UInt32($0) }
    }
}
