// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Tests that every policy must pass, whatever it decides: it answers every question, gives the same answer to the same
/// question, and lets a larger amount pass only if a smaller one does.
///
///     #expect(PolicyConformance(try MyPolicy(block)).problems() == [])
public struct PolicyConformance {
    private let policy: any Policy

    public init(_ policy: any Policy) { self.policy = policy }

    /// Runs all tests and returns the problems, a line each.
    public func problems() -> [String] {
        Resource.allCases.flatMap(problems(of:)) + accessProblems()
    }

    private static let amounts = [0, 1, 2, 100, 1 << 20, Int(Int32.max), .max]
    private static let domains = [0, 1, 5, 32751].map { DomainID($0) }

    private func problems(of resource: Resource) -> [String] {
        Self.domains.flatMap { domain in
            var problems: [String] = []
            var refused: Int?
            for amount in Self.amounts {
                let refusal = policy.refusal(of: resource, amount: amount, for: domain)
                let question = "\(amount) of \(resource.name) for domain \(domain.rawValue)"
                if policy.refusal(of: resource, amount: amount, for: domain) != refusal {
                    problems.append("\(question): two answers to one question")
                }
                // Some limits are read by other means than amounts.
                if refusal == nil, let refused, !Self.areNoAmounts.contains(resource) {
                    problems.append("\(question) is allowed, and \(refused) is not")
                }
                if refusal != nil { refused = refused ?? amount }
            }
            return problems
        }
    }

    private static let areNoAmounts: [Resource] = [.softMemory, .eventTimeout]

    private func accessProblems() -> [String] {
        var problems: [String] = []
        for list in Self.lists {
            for domain in Self.domains {
                for target in [nil, DomainID(7)] {
                    let client = Client(domain: domain, target: target)
                    for access in [Access.read, .write, .owner, [.read, .write], []] {
                        let first = policy.mayAccess(list, access, as: client)
                        if policy.mayAccess(list, access, as: client) != first {
                            problems.append("access \(access.rawValue) of domain \(domain.rawValue): two answers")
                        }
                    }
                }
            }
        }
        return problems
    }

    /// Lists of all lengths that a guest can make, with all that an entry can hold.
    private static let lists: [PermissionList] = [
        PermissionList((0..<512).map(entry)),
        PermissionList([]),
        PermissionList([Permission([], DomainID(5))]),
        PermissionList([Permission([.read, .write], DomainID(5), isStale: true), Permission(.read, .any)]),
    ]

    private static func entry(_ number: Int) -> Permission {
        Permission(number % 2 == 0 ? .read : .write, DomainID(UInt16(number)), isStale: number % 3 == 0)
    }
}
