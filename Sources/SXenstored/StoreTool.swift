// SPDX-License-Identifier: Apache-2.0
#if TDB
    import TDBStorage
#endif

/// Checks and repairs the file of a store, for the command line.
enum StoreTool {
    /// Reports on the file and does not change it. `isGood` is false if something is wrong with it.
    static func check(_ file: String) throws -> (text: String, isGood: Bool) {
        #if TDB
            let report = try TDBStorage.TDB.check(file)
            return (report.text, report.isGood)
        #else
            throw UsageError(absence)
        #endif
    }

    /// Repairs the file as far as possible, and reports what was lost.
    static func repair(_ file: String) throws -> (text: String, isGood: Bool) {
        #if TDB
            let report = try TDBStorage.TDB.repair(file)
            return (report.text, report.isGood)
        #else
            throw UsageError(absence)
        #endif
    }

    private static let absence = "this daemon is built without the trait TDB, so it cannot read a store in a file"
}
