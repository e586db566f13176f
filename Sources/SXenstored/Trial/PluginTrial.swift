// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import PluginConformance
import SharedObjects
import XenStorePlugin

/// Tries a shared object out, for its author: `--try-plugin`.
struct PluginTrial {
    let file: String
    /// The command that connects a client to a transport.
    let client: String?
    /// The values of `--set`.
    let overlays: [Overlay]
    let plugins: PluginRegistry

    /// Tries everything, and returns the report.
    func run() throws -> (text: String, isGood: Bool) {
        let object: SharedObject
        do throws(SharedObject.Problem) {
            object = try SharedObject(file, trustsAnyFolder: true)
        } catch {
            return ("'\(file)' \(error)", false)
        }
        let folder = try TrialFolder()
        defer { folder.remove() }
        let configuration = try read(object, in: folder.path)
        let bench = TrialBench(object.kind, configuration, folder: folder, client: client)
        let report = try TrialProcess.run(bench.run)
        return text(of: report, object)
    }

    /// A configuration that has only this plugin, and what a configuration must have.
    private func read(_ object: SharedObject, in folder: String) throws(ConfigurationErrors) -> ReadConfiguration {
        let name = object.description.name
        let text = ConfigurationText(
            """
            plugins: ["\(file)"]
            transports: [\(object.kind == .transport ? name : "unix-socket")]
            storage: \(object.kind == .storage ? name : "memory")
            policies: [\(object.kind == .policy ? name : "")]
            """, name: "--try-plugin")
        let reader = ConfigurationReader(registry: plugins, runDirectory: folder) {
            file, registry throws(PluginFileProblem) in
            try SharedObject.register(file, trustsAnyFolder: true, in: &registry)
        }
        let (configuration, plugins) = try reader.readWithPlugins(text, overlays: overlays)
        return ReadConfiguration(configuration: configuration, plugins: plugins, origin: text.name)
    }

    private func text(of report: TrialProcess.Report, _ object: SharedObject) -> (text: String, isGood: Bool) {
        var lines = ["\(object.kind.section): \(object.description.name): \(object.description.summary)"]
        var isGood = report.death == nil
        for (index, step) in report.steps.enumerated() {
            let death = index == report.steps.count - 1 ? report.death : nil
            if step.isNote {
                lines.append("  \(step.name)")
                continue
            }
            let problems = step.problems + (death.map { [$0] } ?? [])
            lines.append("  \(step.name): \(problems.isEmpty ? "good" : "")")
            lines += problems.map { "    \($0)" }
            if !problems.isEmpty { isGood = false }
        }
        do throws(SharedObject.Problem) {
            _ = try SharedObject(file)
        } catch {
            lines.append("  The daemon would not load it from here: '\(file)' \(error)")
        }
        lines.append(isGood ? "The plugin is good, as far as this shows it." : "The plugin is not good.")
        return (lines.map { $0.hasSuffix(": ") ? String($0.dropLast()) : $0 }.joined(separator: "\n"), isGood)
    }
}
