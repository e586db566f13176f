// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// GET_QUOTA, SET_QUOTA, GET_FEATURE, SET_FEATURE.
@Suite final class QuotaTests: DaemonSuite {
    static let defaults = [
        ("nodes", 1000), ("watches", 128), ("outstanding", 20), ("memory", 2_621_440), ("soft-memory", 2_097_152),
        ("transactions", 10), ("transaction-nodes", 1024), ("node-permissions", 5), ("path-max", 2048),
        ("node-size", 2048), ("transaction-requests", 1024), ("transaction-work", 16384), ("event-memory", 262_144),
        ("event-timeout", 20),
    ]

    @Test func listsTheNamesOfAllQuotas() throws {
        let names = QuotaTests.defaults.map(\.0).joined(separator: " ")
        #expect(try client.ask(.getQuota, "") == .data(names + "\0"))
    }

    @Test(arguments: defaults) func everyQuotaHasADefault(name: String, value: Int) throws {
        #expect(try client.ask(.getQuota, "\(name)\0") == .data("\(value)\0"))
        #expect(try client.ask(.getQuota, "0\0\(name)\0") == .data("\(value)\0"))
    }

    @Test(arguments: defaults) func isSetForAllOrForOneDomain(name: String, value: Int) throws {
        #expect(try client.ask(.setQuota, "\(name)\077\0") == .ok)
        #expect(try client.ask(.getQuota, "\(name)\0") == .data("77\0"))
        #expect(try client.ask(.getQuota, "0\0\(name)\0") == .data("77\0"))
        #expect(try client.ask(.setQuota, "0\0\(name)\088\0") == .ok)
        #expect(try client.ask(.getQuota, "0\0\(name)\0") == .data("88\0"))
        #expect(try client.ask(.getQuota, "\(name)\0") == .data("77\0"))
        for (other, its) in QuotaTests.defaults where other != name {
            #expect(try client.ask(.getQuota, "\(other)\0") == .data("\(its)\0"))
        }
    }

    @Test(arguments: [("0", "0"), ("junk", "0"), ("", "0"), ("4294967294", "4294967294"), ("12junk", "12")])
    func takesANumber(text: String, becomes: String) throws {
        #expect(try client.ask(.setQuota, "nodes\0\(text)\0") == .ok)
        #expect(try client.ask(.getQuota, "nodes\0") == .data("\(becomes)\0"))
    }

    @Test(arguments: ["4294967295", "4294967296", "99999999999999999999", "-1"])
    func refusesTextThatIsNoNumber(text: String) throws {
        #expect(try client.ask(.setQuota, "nodes\0\(text)\0") == .EINVAL)
        #expect(try client.ask(.getQuota, "nodes\0") == .data("1000\0"))
    }

    @Test(arguments: ["", "node", "nodes ", "Nodes", "path", "hard-memory"]) func refusesAnUnknownQuota(name: String)
        throws
    {
        #expect(try client.ask(.getQuota, "\(name)\0") == .EINVAL)
        #expect(try client.ask(.getQuota, "0\0\(name)\0") == .EINVAL)
        #expect(try client.ask(.setQuota, "\(name)\05\0") == .EINVAL)
        #expect(try client.ask(.setQuota, "0\0\(name)\05\0") == .EINVAL)
    }

    @Test func refusesAnUnknownDomain() throws {
        #expect(try client.ask(.getQuota, "5\0nodes\0") == .ENOENT)
        #expect(try client.ask(.setQuota, "5\0nodes\07\0") == .ENOENT)
        for id in ["65536", "-1", "x"] { #expect(try client.ask(.getQuota, "\(id)\0nodes\0") == .EINVAL) }
    }

    /// Whatever limits there are: every type is answered, and the daemon goes on.
    @Test(arguments: defaults.map(\.0)) func answersEverythingWithAnyLimit(name: String) throws {
        for limit in ["1", "2", "0", "4294967294"] {
            #expect(try client.ask(.setQuota, "\(name)\0\(limit)\0") == .ok)
            #expect(try client.ask(.setQuota, "0\0\(name)\0\(limit)\0") == .ok)
            let transaction = try client.startTransaction()
            for request in Valid.requests where request.op != .setQuota && request.op != .transactionStart {
                _ = try client.ask(request.op, bytes: request.payload)
                _ = try client.ask(request.op, bytes: request.payload, in: transaction)
            }
            #expect(
                try client.ask(.write, "/a/b/c\0" + String(repeating: "v", count: 3000)) == .ok, "not for the toolstack"
            )
        }
    }

    // MARK: Features

    @Test func offersAllFourFeatures() throws {
        #expect(try client.ask(.getFeature, "") == .data("15\0"))
        #expect(try client.ask(.getFeature, "0\0") == .data("15\0"))
        #expect(try daemon.connectReadOnly().ask(.getFeature, "") == .data("15\0"))
    }

    @Test(arguments: ["7", "32752", "65535"]) func refusesTheFeaturesOfAnUnknownDomain(id: String) throws {
        #expect(try client.ask(.getFeature, "\(id)\0") == .ENOENT)
        #expect(try client.ask(.setFeature, "\(id)\00\0") == .ENOENT)
    }

    @Test(arguments: ["x", "-1", "65536", "1x", "0 "]) func refusesTextThatIsNoDomain(id: String) throws {
        #expect(try client.ask(.getFeature, "\(id)\0") == .EINVAL)
        #expect(try client.ask(.setFeature, "\(id)\00\0") == .EINVAL)
    }

    @Test(arguments: ["16", "255", "-1", "x", "4294967296"]) func refusesUnknownFeatures(bits: String) throws {
        #expect(try client.ask(.setFeature, "0\0\(bits)\0") == .EINVAL)
    }

    @Test func changesNothingForADomainThatRuns() throws {
        #expect(try client.ask(.setFeature, "0\00\0") == .EBUSY)
        #expect(try client.ask(.getFeature, "0\0") == .data("15\0"))
    }
}
