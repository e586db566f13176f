// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin

@testable import SXenstored

/// Which plugin looks at a file for the command line.
@Suite struct InspectionTests {
    /// A policy, to show that the kind does not matter. Its files have names with this end.
    private class Inspector: Policy, Inspectable {
        class var name: String { "notes" }
        class var summary: String { "Notes in a file." }
        class var keys: [ConfigurationKey] { [] }
        required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

        class func inspect(_ path: String, _ purpose: InspectionPurpose) throws(StorageError) -> Inspection? {
            path.hasSuffix(".\(name)") ? Inspection("\(name): \(purpose)", isGood: purpose == .repair) : nil
        }
    }

    private final class Other: Inspector {
        override class var name: String { "others" }
    }

    private let plugins = PluginRegistry(policies: [Inspector.self, Other.self])

    @Test func thePluginThatKnowsTheFileIsAsked() throws {
        #expect(try plugins.inspect("/x.notes", .check) == Inspection("notes: check", isGood: false))
        #expect(try plugins.inspect("/x.others", .repair) == Inspection("others: repair", isGood: true))
    }

    @Test func aFileOfNobodyIsAnError() {
        let error = #expect(throws: StorageError.self) { try plugins.inspect("/x", .check) }
        #expect(error?.description == "'/x' is no store of a plugin in this build (notes, others)")
    }

    @Test func aBuildThatKnowsNoFilesSaysSo() {
        let error = #expect(throws: UsageError.self) { try PluginRegistry().inspect("/x", .check) }
        #expect(error?.message == "no plugin of this build keeps a store in a file")
    }
}
