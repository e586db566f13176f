// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The plugins that a list of the configuration has so far.
struct Neighbours {
    private let choices: [EffectiveConfiguration.Choice]
    /// All plugins of the list's kind.
    private let types: [PluginDescription]

    init(_ choices: [EffectiveConfiguration.Choice], _ types: [PluginDescription]) {
        self.choices = choices
        self.types = types
    }

    /// Why a plugin cannot run beside them; nil if it can.
    func problem(of choice: EffectiveConfiguration.Choice) -> String? {
        if let first = choices.first(where: { $0.name == choice.name }) {
            return "listed twice; it already stands\(line(of: first)); a second one needs a name: "
                + "'\(choice.plugin)@other'"
        }
        guard let role = role(of: choice), let first = choices.first(where: { self.role(of: $0) == role })
        else { return nil }
        return "only one plugin can \(role), and \(first.name)\(line(of: first)) already does"
    }

    private func line(of choice: EffectiveConfiguration.Choice) -> String {
        choice.block.place.map { $0.line > 0 ? " in line \($0.line)" : "" } ?? ""
    }

    /// What only one plugin can do.
    private func role(of choice: EffectiveConfiguration.Choice) -> String? {
        switch types.first(where: { $0.name == choice.plugin })?.role {
        case .reachesDomains: "reach domains"
        case .hasLimits: "have limits that are set at run time"
        case nil: nil
        }
    }
}
