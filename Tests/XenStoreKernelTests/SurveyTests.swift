// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreEngine
@testable import XenStoreKernel

/// The hypervisor tells of many domains at once, of all or of those that have changed. A domain's end costs what that
/// domain holds.
@Suite final class SurveyTests: HouseSuite {
    let domains = EmbeddedDomains()

    override init() throws {
        super.init(in: try House())
        for number in 1...9 as ClosedRange<UInt16> {
            domains.states[DomainID(number)] = DomainState(uniqueID: UInt64(number))
        }
        domains.serve(house.host)
    }

    private func introduce(_ numbers: some Sequence<UInt16>) {
        for number in numbers {
            #expect(dom0.introduce(number) == .ok)
            dom0.makeHome(of: number)
        }
    }

    private func look() {
        house.engine.domainsChanged()
        house.host.settle()
    }

    @Test(arguments: EmbeddedDomains.Surveys.allCases)
    func deathsAndShutdownsAreToldWhateverTheHypervisorSays(surveys: EmbeddedDomains.Surveys) {
        domains.surveys = surveys
        introduce(1...5)
        look()
        dom0.listen("@releaseDomain", "deep", depth: 1)
        domains.states[DomainID(2)]?.isShutdown = true
        domains.states[DomainID(3)] = nil
        domains.states[DomainID(4)]?.isDead = true
        domains.states[DomainID(5)] = DomainState(uniqueID: 55)
        look()
        #expect(
            dom0.takeEvents() == [
                "@releaseDomain/2|deep|", "@releaseDomain/3|deep|", "@releaseDomain/4|deep|", "@releaseDomain/5|deep|",
            ])
        #expect(dom0.list("/local/domain") == .text("1|2|"))
        look()
        #expect(dom0.takeEvents() == [])
        house.expectSound()
    }

    @Test func aDomainThatIsResumedAndShutsDownAgainIsToldOf() {
        domains.surveys = .changed
        introduce([2])
        look()
        dom0.listen("@releaseDomain", "deep", depth: 1)
        for _ in 0..<2 {
            domains.states[DomainID(2)]?.isShutdown = true
            look()
            #expect(dom0.takeEvents() == ["@releaseDomain/2|deep|"])
            domains.states[DomainID(2)]?.isShutdown = false
            #expect(dom0.ask(.resume, "2\0") == .ok)
            look()
        }
    }

    @Test func nodesOfADeadDomainGoInTheOrderOfTheTree() {
        introduce([5])
        for path in ["/b/x", "/a/q", "/a/p/deep", "/a/p/other", "/c"] { dom0.write(path) }
        // Not in the order in which they were made.
        for path in ["/c", "/a/p/deep", "/a/q", "/b/x", "/a/p/other"] { dom0.setPermissions(path, "n5") }
        dom0.listen("/", "all")
        domains.states[DomainID(5)] = nil
        look()
        #expect(
            dom0.takeEvents().filter { !$0.hasPrefix("@") } == [
                "/local/domain/5|all|", "/b/x|all|", "/a/q|all|", "/a/p/deep|all|", "/a/p/other|all|", "/c|all|",
            ])
    }

    /// Two guests who work together: one has made a deep path, the other one owns a node at each level of it.
    @Test func nodesAtEachLevelOfADeepPathGoInTheOrderOfTheTree() {
        introduce([5])
        let levels = (1...200).map { "/deep" + String(repeating: "/d", count: $0) }
        for level in levels { dom0.write(level + "/of-5") }
        for level in levels.shuffled() { dom0.setPermissions(level + "/of-5", "n5") }
        dom0.listen("/deep", "all")
        domains.states[DomainID(5)] = nil
        look()
        #expect(dom0.takeEvents() == levels.map { $0 + "/of-5|all|" })
        house.expectSound()
    }

    /// A guest that owns nodes in a thousand homes of others.
    @Test func whatADomainOwnsInManyPlacesGoesWithIt() {
        introduce([5])
        for number in 0..<1000 {
            dom0.write("/homes/\(number)/of-5/below")
            dom0.setPermissions("/homes/\(number)/of-5", "n5", "r6")
            dom0.setPermissions("/homes/\(number)", "n0", "w5", "r6")
        }
        domains.states[DomainID(5)] = nil
        look()
        #expect(dom0.list("/homes/999") == .text(""))
        #expect(dom0.permissions("/homes/0") == .text("n0|r6|"))
        #expect("\(house.usage(5))" == "\(Usage())")
        house.expectSound()
    }

    /// Guests that all die at once. Their remains go in several turns, between which others are answered.
    @Test(arguments: EmbeddedDomains.Surveys.allCases)
    func nobodyWaitsForManyDeaths(surveys: EmbeddedDomains.Surveys) {
        domains.surveys = surveys
        let guests = 1...1000 as ClosedRange<UInt16>
        for number in guests { domains.states[DomainID(number)] = DomainState(uniqueID: UInt64(number)) }
        introduce(guests)
        look()
        dom0.listen("@releaseDomain", "deep", depth: 1)
        domains.states = [:]
        house.engine.domainsChanged()
        var turns = 0
        var left: [Int] = []
        repeat {
            dom0.send(.isDomainIntroduced, "1000\0")
            house.host.endTurn()
            left.append(house.engine.kernel.domains.guestCount)
            #expect(dom0.takeReplies().count == 1)
            turns += 1
        } while left.last != 0 && turns < 1000
        #expect(zip([1000] + left, left).allSatisfy { $0 - $1 <= 64 }, "\(left)")
        #expect(dom0.list("/local/domain") == .text(""))
        house.expectSound()
    }

    /// The number of a domain whose remains wait belongs to a new domain, and a toolstack gives that one nodes.
    @Test func aSuccessorKeepsItsNodes() {
        domains.surveys = .changed
        let guests = 1...1000 as ClosedRange<UInt16>
        for number in guests { domains.states[DomainID(number)] = DomainState(uniqueID: UInt64(number)) }
        introduce(guests)
        look()
        domains.states = [DomainID(255): DomainState(uniqueID: 5000)]
        house.engine.domainsChanged()
        dom0.send(.makeDirectory, "/new\0")
        dom0.send(.setPermissions, "/new\0n255\0")
        look()
        #expect(dom0.list("/local/domain") == .text(""))
        #expect(dom0.permissions("/new") == .text("n255|"))
        house.expectSound()
    }

    /// The ten domains that end have little. Others have much, and there are many of them.
    @Test(.slow) func theEndOfADomainDoesNotDependOnOthers() throws {
        func timeOfTenDeaths(among others: UInt16) throws -> Duration {
            let house = try House()
            let domains = EmbeddedDomains()
            domains.surveys = .changed
            for number in 1...others + 10 { domains.states[DomainID(number)] = DomainState(uniqueID: UInt64(number)) }
            domains.serve(house.host)
            for number in 1...others + 10 {
                #expect(house.dom0.introduce(number) == .ok)
                house.dom0.makeHome(of: number)
                for name in 0..<8 { house.dom0.write("/local/domain/\(number)/\(name)") }
            }
            house.engine.domainsChanged()
            house.host.settle()
            for number in 1...10 as ClosedRange<UInt16> { domains.states[DomainID(number)] = nil }
            return ContinuousClock().measure {
                house.engine.domainsChanged()
                house.host.settle()
            }
        }
        func best(among others: UInt16) throws -> Duration {
            try (0..<5).map { _ in try timeOfTenDeaths(among: others) }.min() ?? .zero
        }
        let (few, many) = try (best(among: 10), best(among: 2000))
        // A walk over all nodes takes a hundred times as long. Tables grow, and other tests run.
        #expect(many < few * 8, "\(few) among 10 others, \(many) among 2000")
    }
}
