// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

/// The requests about domains, as a daemon answers them that has no rings.
@Suite final class DomainTests: HouseSuite {
    @Test(arguments: [
        ("7", "7"), ("05", "5"), (" 5", "5"), ("+5", "5"), ("", "0"), ("65535", "65535"), ("0", "0"),
        ("32752", "32752"),
    ])
    func eachDomainHasAHome(text: String, number: String) {
        #expect(dom0.ask(.getDomainPath, "\(text)\0") == .text("/local/domain/\(number)|"))
        #expect(house.caller(5).ask(.getDomainPath, "\(text)\0") == .text("/local/domain/\(number)|"))
    }

    @Test(arguments: ["65536", "-1", "x", "5x", "5 ", "+", "0x5", "99999999999999999999"])
    func textThatIsNoDomainIsRefused(text: String) {
        for operation in [.getDomainPath, .isDomainIntroduced, .release, .resume] as [Operation] {
            #expect(dom0.ask(operation, "\(text)\0") == .error(.EINVAL))
        }
        #expect(dom0.ask(.setTarget, "\(text)\05\0") == .error(.EINVAL))
        #expect(dom0.ask(.introduce, "\(text)\01\01\0") == .error(.EINVAL))
    }

    @Test func connectedDomainsAreIntroduced() {
        #expect(dom0.ask(.isDomainIntroduced, "5\0") == .text("F|"))
        _ = house.caller(5)
        #expect(dom0.ask(.isDomainIntroduced, "5\0") == .text("T|"))
        #expect(dom0.ask(.isDomainIntroduced, "0\0") == .text("T|"))
        #expect(dom0.ask(.isDomainIntroduced, "32752\0") == .text("T|"), "DOMID_SELF")
    }

    @Test(arguments: [
        "5\0", "5\01\0", "5\01\00\0", "5\01\0-1\0", "5\01\01x\0", "5\01\0\0", "5\01\01 \0", "5\01\04294967296\0",
    ])
    func introduceLooksAtItsArguments(payload: String) {
        #expect(dom0.ask(.introduce, payload) == .error(.EINVAL))
    }

    @Test func introduceNeedsRings() {
        #expect(dom0.ask(.introduce, "5\01\01\0") == .error(.ENOSYS))
    }

    @Test(arguments: [.release, .resume] as [Operation])
    func releaseAndResumeNeedADomainThatIsThere(operation: Operation) {
        #expect(dom0.ask(operation, "0\0") == .error(.EINVAL))
        #expect(dom0.ask(operation, "7\0") == .error(.ENOENT))
    }

    @Test func setTargetNeedsBoth() {
        _ = house.caller(5)
        #expect(dom0.ask(.setTarget, "5\06\0") == .error(.ENOENT))
        #expect(dom0.ask(.setTarget, "6\05\0") == .error(.ENOENT))
        #expect(dom0.ask(.setTarget, "5\0") == .error(.EINVAL))
        _ = house.caller(6)
        #expect(dom0.ask(.setTarget, "5\06\0") == .ok)
    }

    @Test func everybodyMayAskForItsOwnFeatures() {
        #expect(dom0.ask(.getFeature, "") == .text("15|"))
        #expect(house.caller(5).ask(.getFeature, "") == .text("15|"))
    }

    @Test func othersFeaturesAreDom0sBusiness() {
        let guest = house.caller(5)
        #expect(guest.ask(.getFeature, "5\0") == .error(.EACCES))
        #expect(guest.ask(.getFeature, "\0") == .error(.EACCES))
        #expect(dom0.ask(.getFeature, "5\0") == .text("15|"))
        #expect(dom0.ask(.getFeature, "7\0") == .error(.ENOENT))
        #expect(dom0.ask(.getFeature, "5\06\0") == .error(.EINVAL))
    }

    @Test(arguments: [
        ("5\01\0", WireError.EBUSY), ("7\01\0", .ENOENT), ("5\016\0", .EINVAL), ("5\0x\0", .EINVAL), ("5\0", .EINVAL),
        ("5\0-1\0", .EINVAL), ("5\01\01\0", .EINVAL),
    ])
    func setFeatureRefusesBadArguments(payload: String, error: WireError) {
        _ = house.caller(5)
        #expect(dom0.ask(.setFeature, payload) == .error(error))
    }
}
