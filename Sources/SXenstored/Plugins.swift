// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import PermissionsPolicy
import QuotasPolicy
import ReadOnlySocket
import UnixSocket
import XenStorePlugin

#if EventChannelRing
    import EventChannelRing
#endif
#if TDB
    import TDBStorage
#endif

extension PluginRegistry {
    /// The plugins of this package. A new plugin adds one line here and one import above.
    public static var builtIn: PluginRegistry {
        var registry = PluginRegistry(
            transports: [
                UnixSocket.self,
                ReadOnlySocket.self,
            ],
            storages: [
                Memory.self
            ],
            policies: [
                Permissions.self,
                Quotas.self,
            ])
        #if EventChannelRing
            registry.transports.append(RegisteredPlugin(EventChannelRing.self))
        #endif
        #if TDB
            registry.storages.append(RegisteredPlugin(TDBStorage.TDB.self))
        #endif
        return registry
    }
}
