// SPDX-License-Identifier: Apache-2.0
import Testing

/// The size of types, and the order of the kernel's folders.
@Suite struct StructureTests {
    /// A type's declaration or extension at the outermost level of a file, to the brace that closes it.
    private struct Block {
        let name: String
        let isDeclaration: Bool
        let lines: Int
    }

    private static func blocks(of file: SourceFile) -> [Block] {
        var blocks: [Block] = []
        var open: (name: String, isDeclaration: Bool, start: Int)?
        let head =
            /^(?:@\w+(?:\(.*\))? |public |package |open |private |fileprivate |final |indirect )*(class|struct|enum|actor|protocol|extension) (\w+)/
        for (number, line) in file.lines.enumerated() {
            if open == nil, let match = line.firstMatch(of: head) {
                open = (String(match.2), match.1 != "extension", number)
            }
            guard let (name, isDeclaration, start) = open, line.first == "}" || isClosed(line, number == start) else {
                continue
            }
            blocks.append(Block(name: name, isDeclaration: isDeclaration, lines: number - start + 1))
            open = nil
        }
        return blocks
    }

    /// A type that is declared in one line.
    private static func isClosed(_ line: Substring, _ isHead: Bool) -> Bool { isHead && line.last == "}" }

    @Test func noTypeIsLarge() {
        var sizes: [String: Int] = [:]
        for file in SourceTree.files(in: "Sources", "Plugins") {
            let module = file.path.split(separator: "/").prefix(file.path.hasPrefix("Plugins") ? 3 : 2).joined(
                separator: "/")
            for block in Self.blocks(of: file) { sizes["\(module): \(block.name)", default: 0] += block.lines }
        }
        #expect(sizes.count > 300)
        #expect(sizes["Sources/XenStoreKernel: Session"] ?? 0 > 100, "types are found")
        let large = sizes.filter { $0.value > 500 }
        #expect(large.isEmpty, "types of more than 500 lines, all extensions added up: \(large)")
    }

    /// A folder uses another one if a file of it names a type that a file of the other one declares, outside of comments
    /// and of text in quotes. The architecture's page lists the folders in an order, and each uses only those before it:
    /// so none use each other in a circle.
    @Test func foldersOfTheKernelUseOnlyThoseBeforeThem() throws {
        let folders = Dictionary(grouping: SourceTree.files(in: "Sources/XenStoreKernel")) { file in
            let parts = file.path.split(separator: "/")
            return parts.count > 3 ? String(parts[2]) : ""
        }.filter { !$0.key.isEmpty }
        let order = try Self.orderInArchitecture()
        #expect(folders.count >= 8)
        #expect(order.sorted() == folders.keys.sorted(), "the page lists each folder once")
        var home: [String: String] = [:]
        for (folder, files) in folders {
            for block in files.flatMap(Self.blocks(of:)) where block.isDeclaration { home[block.name] = folder }
        }
        #expect(home.count > 60)
        var uses: [String: Set<String>] = [:]
        for (folder, files) in folders {
            let named = files.flatMap(\.lines).flatMap(Self.typeNames(in:)).compactMap { home[$0] }
            uses[folder] = Set(named).subtracting([folder])
        }
        #expect(uses.values.contains { !$0.isEmpty })
        for (index, folder) in order.enumerated() {
            let above = (uses[folder] ?? []).subtracting(order[..<index])
            #expect(above.isEmpty, "\(folder) uses \(above), which come after it")
        }
    }

    /// The folders in the line `A < B < C` of the architecture's page.
    private static func orderInArchitecture() throws -> [String] {
        let page = try #require(SourceTree.file("Sources/XenStoreKernel/XenStoreKernel.docc/Architecture.md"))
        return page.lines.filter { $0.hasPrefix("    ") && $0.contains(" < ") }
            .flatMap { $0.matches(of: /[A-Z]\w*/).map { String($0.output) } }
    }

    private static func typeNames(in line: Substring) -> [String] {
        let code = line.replacing(/\/\/.*/, with: "").replacing(/"[^"]*"/, with: "")
        return code.matches(of: /\b[A-Z]\w*/).map { String($0.output) }
    }
}
