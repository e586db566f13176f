// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// CONTROL, and the text of its replies, which operators read and scripts parse.
@Suite final class ControlTests: DaemonSuite {
    @Test func helpsWithEveryCommand() throws {
        let text = try client.ask(.control, "help\0").text
        #expect(text.last == "\0")
        let lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.last == "", "each line ends with a newline")
        let commands = lines.dropLast().filter { !$0.hasPrefix("    ") }
        for line in commands { #expect(line.dropFirst(15).hasPrefix(" "), "the text begins in column 16: \(line)") }
        let names = commands.map { $0.prefix(15).split(separator: " ").first.map(String.init) ?? "" }
        #expect(
            names.filter { ["check", "log", "print", "quota", "help"].contains($0) } == [
                "check", "log", "print", "quota", "help",
            ])
        for name in names where name != "help" {
            #expect(try client.ask(.control, "\(name)\0no such argument\0and\0three\0more\0") != .ENOSYS)
        }
    }

    @Test(arguments: [
        "", "check", "\0", "nonsense\0", "Check\0", "check\0argument\0", "help\0me\0", "print\0", "print\0a\0b\0",
        "log\0+nonsense\0", "log\0nonsense\0", "log\0+\0", "log\0on\0off\0", "log\0\0", "quota\0nonsense\0",
        "quota\0set\0", "quota\0set\0nodes\0", "quota\0set\0nodes\0x\0", "quota\0set\0nonsense\01\0",
        "quota\0set\0nodes\01\02\0", "quota\0max\0-x\0", "quota\0-1\0", "quota\065536\0",
    ]) func refusesABadCommand(payload: String) throws {
        #expect(try client.ask(.control, payload) == .EINVAL)
    }

    @Test func checkFindsASoundStore() throws {
        _ = try client.ask(.write, "/a/b/c\0v")
        _ = try client.ask(.rm, "/a/b\0")
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    @Test func printsToTheLog() throws {
        #expect(try client.ask(.control, "print\0a line for the log\0") == .ok)
        try daemon.waitForLog("a line for the log")
    }

    // MARK: log

    private func switches(_ on: String...) -> Answer {
        let lines = ["obj", "io", "wrl", "acc", "tdb"].map { name in
            name + String(repeating: " ", count: 8 - name.count) + ": " + (on.contains(name) ? "on" : "off") + "\n"
        }
        return .data("Log switch settings:\n" + lines.joined() + "\0")
    }

    @Test func showsAndTurnsTheSwitchesOfTheTrace() throws {
        #expect(try client.ask(.control, "log\0") == switches())
        #expect(try client.ask(.control, "log\0+io\0") == .ok)
        #expect(try client.ask(.control, "log\0") == switches("io"))
        #expect(try client.ask(.control, "log\0+wrl\0") == .ok)
        #expect(try client.ask(.control, "log\0") == switches("io", "wrl"))
        #expect(try client.ask(.control, "log\0-io\0") == .ok)
        #expect(try client.ask(.control, "log\0") == switches("wrl"))
        for name in ["on", "off"] { #expect(try client.ask(.control, "log\0\(name)\0") == .ok) }
        #expect(try client.ask(.control, "log\0") == switches())
    }

    // MARK: quota

    @Test func showsTheLimits() throws {
        let text = try client.ask(.control, "quota\0").text
        #expect(text.hasSuffix("\n\0"))
        let lines = text.dropLast(2).split(separator: "\n")
        #expect(lines.first == "Quota settings:")
        for ((name, value), line) in zip(QuotaTests.defaults, lines.dropFirst()) {
            let number = String(repeating: " ", count: 8 - "\(value)".count) + "\(value)"
            #expect(line.hasPrefix(name + String(repeating: " ", count: max(0, 17 - name.count)) + ": " + number + " "))
        }
        #expect(lines.count == 1 + QuotaTests.defaults.count)
    }

    @Test func setsALimit() throws {
        #expect(try client.ask(.control, "quota\0set\0nodes\05\0") == .ok)
        #expect(try client.ask(.getQuota, "nodes\0") == .data("5\0"))
        #expect(
            try client.ask(.control, "quota\0set\0path-max\00\0") == .ok, "0 is unlimited, by the name that is shown")
        #expect(try client.ask(.getQuota, "path-max\0") == .data("0\0"))
    }

    @Test func showsWhatADomainHolds() throws {
        _ = try client.ask(.watch, "/a\0t\0")
        let text = try client.ask(.control, "quota\00\0").text
        let lines = text.dropLast(2).split(separator: "\n")
        #expect(lines.first == "Domain 0:")
        #expect(lines.contains("watches          :        1 (max      128)"))
        #expect(lines.contains { $0.hasPrefix("nodes            :        ") && $0.hasSuffix(" (max     1000)") })
        #expect(try client.ask(.control, "quota\05\0") == .ENOENT)
    }

    @Test(arguments: ["quota\0max\0", "quota\0max\0-r\0"]) func showsTheMostThatADomainHeld(payload: String) throws {
        let text = try client.ask(.control, payload).text
        let lines = text.dropLast(2).split(separator: "\n")
        #expect(lines.first == "Max. seen accounting values:")
        #expect(lines.contains("nodes            :        0"))
    }
}
