// SPDX-License-Identifier: Apache-2.0

/// What a plugin may be able to do beside its kind.
public enum PluginAbility: Sendable, CaseIterable {
    /// ``Reloadable``
    case reload
    /// ``Measurable``
    case measure
    /// ``RequestObserver``
    case observe
}

/// A plugin whose type has abilities that not each of its objects has. What a shared object can do is known only when it
/// is loaded.
public protocol SelectivePlugin: Plugin {
    /// Whether this object has the ability.
    func has(_ ability: PluginAbility) -> Bool
}

extension NamedPlugin {
    /// The plugin, if it accepts changed values.
    public var reloadable: (any Reloadable)? { has(.reload) ? plugin as? any Reloadable : nil }
    /// The plugin, if it counts.
    public var measurable: (any Measurable)? { has(.measure) ? plugin as? any Measurable : nil }
    /// The plugin, if it observes requests.
    public var observer: (any RequestObserver)? { has(.observe) ? plugin as? any RequestObserver : nil }

    private func has(_ ability: PluginAbility) -> Bool { (plugin as? any SelectivePlugin)?.has(ability) ?? true }
}
