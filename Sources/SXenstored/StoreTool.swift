// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension PluginRegistry {
    /// Checks or repairs a file, for the command line. The first plugin does it that makes such files.
    func inspect(_ file: String, _ purpose: InspectionPurpose) throws -> Inspection {
        let inspectable = PluginKind.allCases.flatMap(plugins(of:)).filter(\.isInspectable)
        if inspectable.isEmpty { throw UsageError("no plugin of this build keeps a store in a file") }
        for plugin in inspectable {
            if let inspection = try plugin.inspect(file, purpose) { return inspection }
        }
        let names = inspectable.map { $0.name }.joined(separator: ", ")
        throw StorageError("'\(file)' is no store of a plugin in this build (\(names))")
    }
}
