// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// CONTROL: commands of an operator to the daemon itself. The first string is the command, the others are its
/// arguments.
final class ControlRequests {
    private let accounts: Accounts
    private let domains: Domains
    private let quotas: RuntimeLimits
    private let store: Store
    private let checks: Checks
    private let trace: Trace
    private let scratch: Scratch

    init(
        accounts: Accounts, domains: Domains, quotas: RuntimeLimits, store: Store, checks: Checks, trace: Trace,
        scratch: Scratch
    ) {
        self.accounts = accounts
        self.domains = domains
        self.quotas = quotas
        self.store = store
        self.checks = checks
        self.trace = trace
        self.scratch = scratch
    }

    func control(_ request: RequestContext) throws(WireError) -> Answer {
        let arguments = try Arguments.strings(request, 1...64).map { String(decoding: $0, as: UTF8.self) }
        switch (arguments[0], arguments.dropFirst()) {
        case ("help", []): return try scratch.answer(text: ControlRequests.help)
        case ("check", []):
            check(for: request.session)
            return .ok
        case ("print", let words) where words.count == 1:
            trace.log(.notice, words.joined())
            return .ok
        case ("log", let words) where words.count <= 1: return try controlLog(words.first)
        case ("quota", let words): return try controlQuota(Array(words))
        case ("quota-soft", let words): return try controlSoftQuota(Array(words))
        default: throw .EINVAL
        }
    }

    private static let help = [
        ("check", ""), ("log", "[on|off|+<switch>|-<switch>]"), ("print", "<string>"),
        ("quota", "[set <name> <val>|<domid>|max [-r]]"), ("quota-soft", "[set <name> <val>]"), ("help", ""),
    ].map { "\($0.padded(to: 15)) \($1)\n" }.joined()

    private func controlLog(_ word: String?) throws(WireError) -> Answer {
        guard let word else {
            let lines = trace.switches.all.map { "\($0.padded(to: 8)): \($1 ? "on" : "off")\n" }
            return try scratch.answer(text: "Log switch settings:\n" + lines.joined())
        }
        guard trace.switches.set(word) else { throw .EINVAL }
        return .ok
    }

    /// Logs the faults of the store, and corrects the counts.
    private func check(for session: Session) {
        let problems = checks.take(for: session)
        for problem in problems { trace.log(.error, "check: \(problem)") }
        if problems.isEmpty { trace.log(.info, "check: \(store.count) nodes, all is well") }
    }

    // MARK: quota

    /// The limits that only make the log warn: only memory has one.
    private func controlSoftQuota(_ words: [String]) throws(WireError) -> Answer {
        guard let limits = accounts.limits else { throw .ENOSYS }
        if words.isEmpty {
            let line =
                "\("memory".padded(to: 17)): \(padLeft(limits.limit(of: .softMemory, for: nil), to: 8)) \(Resource.softMemory.summary)\n"
            return try scratch.answer(text: "Soft quota settings:\n" + line)
        }
        guard words.count == 3, words[0] == "set", words[1] == "memory", let limit = UInt32(words[2]), limit != .max
        else { throw .EINVAL }
        quotas.set(limit, of: .softMemory, for: nil, by: limits)
        return .ok
    }

    private func controlQuota(_ words: [String]) throws(WireError) -> Answer {
        guard let limits = accounts.limits else { throw .ENOSYS }
        switch words {
        case []:
            let lines = Resource.allCases.map { resource in
                "\("\(resource.name)".padded(to: 17)): \(padLeft(limits.limit(of: resource, for: nil), to: 8)) \(resource.summary)\n"
            }
            return try scratch.answer(text: "Quota settings:\n" + lines.joined())
        case ["max"]: return try scratch.answer(text: "Max. seen accounting values:\n" + peaks())
        case ["max", "-r"]:
            accounts.ledger.resetPeaks()
            return try scratch.answer(text: "Max. seen accounting values:\n" + peaks())
        case _ where words.count == 3 && words[0] == "set":
            guard let resource = Resource.allCases.first(where: { "\($0.name)" == words[1] }),
                let limit = UInt32(words[2]), limit != .max
            else { throw .EINVAL }
            quotas.set(limit, of: resource, for: nil, by: limits)
            return .ok
        case _ where words.count == 1:
            guard let number = UInt16(words[0]) else { throw .EINVAL }
            let domain = DomainID(number)
            domains.refresh(domain)
            if domains.known(domain) == nil { throw .ENOENT }
            return try scratch.answer(text: "Domain \(number):\n" + lines(of: domain, limits))
        default: throw .EINVAL
        }
    }

    /// The lines that say what a domain holds, and its limits.
    private func lines(of domain: DomainID, _ limits: any LimitTable) -> String {
        let usage = accounts.usage(of: domain)
        return usage.counted.map { resource, amount in
            let name = "\(resource.name)".padded(to: 17)
            return
                "\(name): \(padLeft(amount, to: 8)) (max \(padLeft(limits.limit(of: resource, for: domain), to: 8)))\n"
        }.joined()
    }

    private func peaks() -> String {
        accounts.ledger.peak.counted.map { "\("\($0.name)".padded(to: 17)): \(padLeft($1, to: 8))\n" }.joined()
    }

    private func padLeft(_ number: some BinaryInteger, to width: Int) -> String {
        let digits = "\(number)"
        return String(repeating: " ", count: max(0, width - digits.utf8.count)) + digits
    }
}

extension Usage {
    /// The amounts that are counted, by resource.
    var counted: [(Resource, Int)] {
        [
            (.nodes, nodes), (.watches, watches), (.outstanding, outstanding), (.memory, memory),
            (.transactions, transactions), (.eventMemory, events),
        ]
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - utf8.count)) }
}
