// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// CONTROL, GET_QUOTA and SET_QUOTA.
@Suite final class ControlTests: HouseSuite {
    private func control(_ words: String...) -> Reply { dom0.ask(.control, words.map { "\($0)\0" }.joined()) }

    @Test(arguments: [
        "", "help", "nonsense\0", "\0", "help\0x\0", "check\0x\0", "log\0nonsense\0", "log\0+nonsense\0",
        "print\0", "quota\0set\0", "quota\0set\0nodes\0", "quota\0set\0none\05\0", "quota\0set\0nodes\0x\0",
        "quota\0set\0nodes\04294967295\0", "quota\0x\0", "quota\065536\0",
    ])
    func refusesUnknownCommands(payload: String) {
        #expect(dom0.ask(.control, payload) == .error(.EINVAL))
    }

    @Test func aPayloadFullOfNULsIsRefused() {
        #expect(dom0.ask(.control, String(repeating: "\0", count: 4096)) == .error(.EINVAL))
    }

    @Test func helpNamesTheCommands() throws {
        guard case .text(let text) = control("help") else { throw NoText() }
        for command in ["check", "log", "print", "quota", "help"] { #expect(text.contains("\(command) ")) }
        #expect(text.hasSuffix("\n|"))
    }

    @Test func printGoesToTheLog() {
        #expect(control("print", "hello, log") == .ok)
        #expect(house.log(.notice) == ["hello, log"])
    }

    @Test func checkReportsThatAllIsWell() {
        #expect(control("check") == .ok)
        #expect(house.log(.error).isEmpty)
        #expect(house.log(.info).contains { $0.contains("all is well") })
    }

    @Test func logSwitchesAreShownAndSet() throws {
        #expect(control("log", "+io") == .ok)
        #expect(
            control("log")
                == .text(
                    "Log switch settings:\nobj     : off\nio      : on\nwrl     : off\nacc     : off\ntdb     : off\n|")
        )
        #expect(house.log(.info).contains { $0.contains("IN") && $0.contains("CONTROL") })
        #expect(control("log", "off") == .ok)
        #expect(control("log", "+wrl") == .ok)
        guard case .text(let text) = control("log") else { throw NoText() }
        #expect(text.contains("io      : off"))
        #expect(text.contains("wrl     : on"))
    }

    @Test func quotaShowsTheLimits() throws {
        guard case .text(let text) = control("quota") else { throw NoText() }
        let lines = text.split(separator: "\n").dropFirst().dropLast()
        #expect(text.hasPrefix("Quota settings:\nnodes            :     1000 "))
        #expect(lines.contains { $0.hasPrefix("node-size        :     2048 ") })
    }

    @Test func quotaSetTakes0AsUnlimited() {
        #expect(control("quota", "set", "watches", "0") == .ok)
        #expect(dom0.ask(.getQuota, "watches\0") == .text("0|"))
    }

    @Test func quotaShowsWhatADomainHolds() throws {
        house.guest(5).watch("a")
        guard case .text(let text) = control("quota", "5") else { throw NoText() }
        #expect(text.hasPrefix("Domain 5:\nnodes            :        1 (max     1000)\n"))
        #expect(text.contains("watches          :        1 (max      128)\n"))
        #expect(control("quota", "77") == .error(.ENOENT))
    }

    @Test func quotaMaxShowsPeaks() throws {
        let guest = house.guest(5)
        for number in 0..<7 { guest.write("\(number)") }
        guest.rm("/local/domain/5")
        guard case .text(let peak) = control("quota", "max") else { throw NoText() }
        #expect(peak.contains("nodes            :        8\n"))
        guard case .text(let reset) = control("quota", "max", "-r") else { throw NoText() }
        #expect(reset.contains("nodes            :        0\n"))
    }

    // MARK: GET_QUOTA and SET_QUOTA

    @Test func getQuotaListsTheNames() {
        #expect(
            dom0.ask(.getQuota, "")
                == .text(
                    "nodes watches outstanding memory soft-memory transactions transaction-nodes node-permissions path-max node-size transaction-requests transaction-work event-memory event-timeout|"
                ))
    }

    @Test func defaultsAreThoseOfXen() {
        let defaults = [
            "nodes": 1000, "watches": 128, "outstanding": 20, "memory": 2_621_440, "soft-memory": 2_097_152,
            "transactions": 10, "transaction-nodes": 1024, "node-permissions": 5, "path-max": 2048, "node-size": 2048,
            "transaction-requests": 1024, "transaction-work": 16384, "event-memory": 262_144, "event-timeout": 20,
        ]
        for (name, limit) in defaults { #expect(dom0.ask(.getQuota, "\(name)\0") == .text("\(limit)|")) }
    }

    @Test func aDomainsLimitIsTheGlobalOneUntilItHasItsOwn() {
        _ = house.guest(5)
        #expect(dom0.ask(.getQuota, "5\0nodes\0") == .text("1000|"))
        #expect(dom0.ask(.setQuota, "nodes\07\0") == .ok)
        #expect(dom0.ask(.getQuota, "5\0nodes\0") == .text("7|"))
        #expect(dom0.ask(.setQuota, "5\0nodes\09\0") == .ok)
        #expect(dom0.ask(.getQuota, "5\0nodes\0") == .text("9|"))
        #expect(dom0.ask(.getQuota, "nodes\0") == .text("7|"))
    }

    @Test(arguments: [
        ("none\05\0", WireError.EINVAL), ("77\0nodes\05\0", .ENOENT), ("x\0nodes\05\0", .EINVAL),
        ("nodes\0-1\0", .EINVAL), ("nodes\04294967295\0", .EINVAL), ("nodes\04294967296\0", .EINVAL),
        ("nodes\0", .EINVAL),
        ("a\0b\0c\0d\0", .EINVAL), ("", .EINVAL),
    ])
    func setQuotaRefusesBadArguments(payload: String, error: WireError) {
        #expect(dom0.ask(.setQuota, payload) == .error(error))
    }

    @Test(arguments: [
        ("none\0", WireError.EINVAL), ("77\0nodes\0", .ENOENT), ("x\0nodes\0", .EINVAL), ("a\0b\0c\0", .EINVAL),
    ])
    func getQuotaRefusesBadArguments(payload: String, error: WireError) {
        #expect(dom0.ask(.getQuota, payload) == .error(error))
    }

    @Test func textThatIsNoNumberIs0() {
        #expect(dom0.ask(.setQuota, "nodes\0x\0") == .ok)
        #expect(dom0.ask(.getQuota, "nodes\0") == .text("0|"))
    }

    @Test func withoutAQuotaPolicyQuotasAreENOSYS() throws {
        let host = try EmbeddedHost(storage: FailingStorage())
        let caller = host.caller(0)
        #expect(caller.ask(.getQuota, "") == .error(.ENOSYS))
        #expect(caller.ask(.setQuota, "nodes\05\0") == .error(.ENOSYS))
    }

    private struct NoText: Error {}
}
