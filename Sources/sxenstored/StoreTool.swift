// SPDX-License-Identifier: Apache-2.0
#if TDB
    import TDBStorage
#endif

/// What the command line can do with the file of a store, while no daemon serves it.
enum StoreTool {
    /// A report on the file, which is not touched; false if something is wrong with it.
    static func check(_ file: String) throws -> (text: String, isGood: Bool) {
        #if TDB
            let report = try StoreReport.check(file)
            return (report.text, report.isGood)
        #else
            throw UsageError(absence)
        #endif
    }

    /// Saves what can be saved of the file.
    static func repair(_ file: String) throws -> (text: String, isGood: Bool) {
        #if TDB
            let report = try StoreReport.repair(file)
            return (report.text, report.isGood)
        #else
            throw UsageError(absence)
        #endif
    }

    private static let absence = "this daemon is built without the trait TDB: it knows no store in a file"
}
