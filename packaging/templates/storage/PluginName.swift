// SPDX-License-Identifier: Apache-2.0
import JournaledStorage
import XenStorePlugin

/// The store in a file of a format of its own: see ``PluginNameTable``.
public typealias PluginName = JournaledStorage<PluginNameTable>
