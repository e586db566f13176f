// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// What is asked about domains, of a daemon whose configuration has no transport for any.
@Suite final class DomainTests: DaemonSuite {
    // MARK: GET_DOMAIN_PATH

    @Test(arguments: [
        ("0", "0"), ("5", "5"), ("05", "5"), (" 5", "5"), ("+5", "5"), ("", "0"), ("32767", "32767"),
        ("65535", "65535"),
        ("\t7", "7"), ("-0", "0"),
    ]) func tellsTheHomeOfAnyDomain(text: String, id: String) throws {
        #expect(try client.ask(.getDomainPath, "\(text)\0") == .data("/local/domain/\(id)\0"))
        #expect(try daemon.connectReadOnly().ask(.getDomainPath, "\(text)\0") == .data("/local/domain/\(id)\0"))
    }

    @Test(arguments: ["-1", "65536", "4294967296", "99999999999999999999", "x", "5x", "5 ", "0x5", "5.0", "+", "--1"])
    func refusesTextThatIsNoDomain(text: String) throws {
        #expect(try client.ask(.getDomainPath, "\(text)\0") == .EINVAL)
        #expect(try client.ask(.isDomainIntroduced, "\(text)\0") == .EINVAL)
        #expect(try client.ask(.release, "\(text)\0") == .EINVAL)
        #expect(try client.ask(.resume, "\(text)\0") == .EINVAL)
        #expect(try client.ask(.setTarget, "\(text)\00\0") == .EINVAL)
        #expect(try client.ask(.setTarget, "0\0\(text)\0") == .EINVAL)
        #expect(try client.ask(.introduce, "\(text)\01\02\0") == .EINVAL)
    }

    // MARK: The others

    @Test(arguments: [("0", "T"), ("1", "F"), ("32751", "F"), ("32752", "T"), ("65535", "F")])
    func tellsWhetherADomainIsIntroduced(id: String, answer: String) throws {
        #expect(try client.ask(.isDomainIntroduced, "\(id)\0") == .data("\(answer)\0"))
    }

    @Test func canNotIntroduceWithoutATransport() throws {
        #expect(try client.ask(.introduce, "1\012345\03\0") == .ENOSYS)
        #expect(try client.ask(.introduce, "1\012345\03\0more\0") == .ENOSYS)
        #expect(try client.ask(.introduce, "1\012345\03\0junk") == .ENOSYS)
        for gfn in ["x", "", "2x", "0x1f", "-1"] {
            #expect(try client.ask(.introduce, "1\0\(gfn)\03\0") == .ENOSYS, "the gfn does not matter")
        }
        #expect(try client.ask(.isDomainIntroduced, "1\0") == .data("F\0"))
    }

    @Test(arguments: [
        "", "1\0", "1\02\0", "1\02\03", "1\02\00\0", "1\02\0-3\0", "1\02\03x\0", "1\02\0x\0", "1\02\0\0", "x\02\03\0",
        "-1\02\03\0", "65536\02\03\0", "1\02\04294967296\0", "1\02\03 \0",
    ]) func refusesABadIntroduction(payload: String) throws {
        #expect(try client.ask(.introduce, payload) == .EINVAL)
    }

    @Test func neitherReleasesNorResumesItself() throws {
        #expect(try client.ask(.release, "0\0") == .EINVAL)
        #expect(try client.ask(.resume, "0\0") == .EINVAL)
    }

    @Test(arguments: ["1", "7", "32752", "65535"]) func neitherReleasesNorResumesAMissingDomain(id: String) throws {
        #expect(try client.ask(.release, "\(id)\0") == .ENOENT)
        #expect(try client.ask(.resume, "\(id)\0") == .ENOENT)
        #expect(try client.ask(.setTarget, "\(id)\00\0") == .ENOENT)
        #expect(try client.ask(.setTarget, "0\0\(id)\0") == .ENOENT)
    }
}
