// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import Testing
import XenStorePlugin

/// Keys whose value is in a file that only its owner may read.
@Suite final class SecretTests {
    private let file = "/tmp/sxenstored-secret-\(getpid())-\(UInt32.random(in: 0...(.max)))"

    deinit { unlink(file) }

    private func write(_ text: String, mode: mode_t = 0o600) {
        unlink(file)
        let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
        _ = text.utf8.withContiguousStorageIfAvailable { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        fchmod(descriptor, mode)
        close(descriptor)
    }

    private var text: String {
        "transports: [kinds: {label: x, token: \(file)}]\nstorage: memory\npolicies: []\n"
    }

    private func read() throws -> EffectiveConfiguration { try readSample(text) }

    private func secret(of configuration: EffectiveConfiguration) -> Secret? {
        configuration.transports[0].block.secret("token")
    }

    @Test(arguments: [
        ("hunter2\n", "hunter2"), ("hunter2", "hunter2"), (" a\nb\n\n", " a\nb\n"), ("\0\n", "\0"),
    ])
    func itIsWhatTheFileHolds(content: String, expected: String) throws {
        for mode in [0o600, 0o400] as [mode_t] {
            write(content, mode: mode)
            #expect(try secret(of: read())?.bytes == Array(expected.utf8))
        }
    }

    @Test func itIsNeverShown() throws {
        write("hunter2")
        let configuration = try read()
        #expect(configuration.yaml.contains("      token: \(file) # ***\n"), "\(configuration.yaml)")
        var dumped = ""
        dump(configuration, to: &dumped)
        let secret = try #require(self.secret(of: configuration))
        for text in [configuration.yaml, dumped, "\(configuration)", "\(secret)", String(reflecting: secret)] {
            #expect(!text.contains("hunter2"))
            #expect(text.contains("***"))
        }
        #expect(String(reflecting: secret) == "***")
    }

    @Test func whatIsPrintedReadsAsTheSame() throws {
        write("hunter2")
        let first = try read()
        #expect(try readSample(first.yaml) == first)
    }

    /// The log says that it has changed, and not to what.
    @Test func aChangeIsShownAsStars() throws {
        write("hunter2")
        let first = try read()
        #expect(try first.changes(to: read()).isEmpty)
        write("hunter3")
        #expect(try first.changes(to: read()).map(\.description) == ["transports.kinds.token: *** -> ***"])
        let without = try readSample("transports: [kinds: {label: x}]\nstorage: memory\npolicies: []\n")
        #expect(first.changes(to: without).map(\.description) == ["transports.kinds.token: *** -> not set"])
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o601] as [mode_t])
    func aFileOfOthersIsRefused(mode: mode_t) {
        write("hunter2", mode: mode)
        #expect(
            errorsOfSample(text) == [
                "test.yaml:1:39: transports.kinds.token: the file has mode 0\(String(mode, radix: 8)), so that others "
                    + "can use it; give it mode 0600"
            ])
    }

    @Test func aFileThatHoldsNothingIsRefused() {
        for content in ["", "\n"] {
            write(content)
            #expect(errorsOfSample(text) == ["test.yaml:1:39: transports.kinds.token: the file is empty"])
        }
    }

    @Test func aLargeFileIsRefused() throws {
        write(String(repeating: "x", count: 65536))
        #expect(try secret(of: read())?.bytes.count == 65536)
        write(String(repeating: "x", count: 65537))
        #expect(errorsOfSample(text).first?.hasSuffix("the file is larger than 65536 bytes") == true)
    }

    @Test func aPipeIsNotWaitedFor() {
        mkfifo(file, 0o600)
        #expect(errorsOfSample(text).first?.hasSuffix("the file is not a regular file") == true)
    }

    @Test func aFileOfAnotherUserIsRefused() {
        if geteuid() != 0 { return }
        write("hunter2")
        chown(file, 12345, 12345)
        #expect(
            errorsOfSample(text).first?.hasSuffix("belongs to user 12345, not to root or the daemon's own user") == true
        )
    }

    @Test func onlyTheSameBytesMatch() {
        let secret = Secret(Array("hunter2".utf8), from: "/x")
        #expect(secret.matches("hunter2".utf8))
        for other in ["", "hunter", "hunter3", "hunter22", "Hunter2"] { #expect(!secret.matches(other.utf8)) }
    }
}
