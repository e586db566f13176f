// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import Testing
import XenStorePlugin

/// Every `Golden/NAME.yaml` is read, with the values of its `# --set` lines over it, and must give
/// exactly what stands in `Golden/NAME.expected`: the effective configuration, or the errors.
/// After a wanted change, `UPDATE_GOLDEN=1 swift test --filter Golden` writes them again, for review.
@Suite struct GoldenTests {
    static let folder = "\(packageFolder)/Tests/ConfigurationTests/Golden"

    static let names = ConfigurationTests.names(in: folder)
        .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(".yaml".count)) }

    @Test func thereAreManyCases() {
        #expect(Self.names.count >= 20)
    }

    @Test(arguments: names) func theOutcomeIsAsRecorded(_ name: String) throws {
        let bytes = try #require(contents(of: "\(Self.folder)/\(name).yaml"))
        let actual = outcome(of: bytes, named: "\(name).yaml")
        let file = "\(Self.folder)/\(name).expected"
        if getenv("UPDATE_GOLDEN") != nil { write(actual, to: file) }
        let expected = contents(of: file).map { String(decoding: $0, as: UTF8.self) }
        #expect(actual == expected)
    }

    private func outcome(of bytes: [UInt8], named name: String) -> String {
        let assignments = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("# --set ") }.map { String($0.dropFirst(8)) }
        do {
            let configuration = try ConfigurationReader(registry: .samples, runDirectory: "/run/xenstored")
                .read(
                    ConfigurationText(bytes: bytes, name: name),
                    overlays: assignments.compactMap { Overlay($0, origin: "--set") })
            _ = try configuration.makePlugins(from: .samples)
            return configuration.yaml
        } catch {
            return error.description + "\n"
        }
    }
}

private func write(_ text: String, to path: String) {
    guard let file = fopen(path, "w") else { return }
    fputs(text, file)
    fclose(file)
}
