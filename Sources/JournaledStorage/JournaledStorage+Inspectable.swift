// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension JournaledStorage: Inspectable {
    public static func inspect(_ path: String, _ purpose: InspectionPurpose) throws(StorageError) -> Inspection? {
        if StoreFiles(path, of: Table.self).areOfOthers { return nil }
        switch purpose {
        case .check: return try check(path)
        case .repair: return try repair(path)
        }
    }
}
