// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions
import Testing

@Suite struct HelpPageTests {
    private let samples: [Option<Int>] = [
        .init("N", "no-fork", does: 0, help: "Stay in the foreground, and log to standard error."),
        .init(nil, "a-name-that-fills-the-column", .required("file"), does: 1, help: "Read it."),
        .init(nil, "hidden", does: 2),
    ]

    @Test func optionsHaveTwoColumns() {
        var page = HelpPage(width: 60)
        page.options(samples)
        #expect(
            page.text == """
                  -N, --no-fork               Stay in the foreground, and
                                              log to standard error.
                      --a-name-that-fills-the-column <file>
                                              Read it.

                """)
    }

    @Test(arguments: [40, 57, 80, 200])
    func noLineIsWiderThanThePage(_ width: Int) {
        var page = HelpPage(width: width)
        page.paragraph(String(repeating: "words of a text ", count: 40), indent: 6)
        page.item("term", String(repeating: "explanation ", count: 40), column: 12)
        let lines = page.text.split(separator: "\n")
        #expect(lines.count > 3 && lines.allSatisfy { $0.count <= width && $0.last != " " })
        #expect(lines[1].hasPrefix("      w") || lines[1].hasPrefix("      t") || lines[1].hasPrefix("      o"))
    }

    @Test func aWordThatIsTooLongStandsAlone() {
        var page = HelpPage(width: 40)
        let long = String(repeating: "x", count: 60)
        page.paragraph("a \(long) b")
        #expect(page.text == "a\n\(long)\nb\n")
    }
}
