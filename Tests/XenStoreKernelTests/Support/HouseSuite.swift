// SPDX-License-Identifier: Apache-2.0
import XenStoreTestKit

/// A suite whose tests begin with a daemon and a connection of dom0.
class HouseSuite {
    let house: House
    var dom0: Caller { house.dom0 }

    init() throws { house = try House() }

    /// For a suite with limits or with a storage.
    init(in house: House) { self.house = house }
}

/// A suite whose tests begin with a daemon, a connection of dom0 and one of guest 5.
class GuestSuite: HouseSuite {
    let guest: Caller

    override init() throws {
        let house = try House()
        guest = house.guest(5)
        super.init(in: house)
    }

    /// For a suite with limits or with a storage.
    override init(in house: House) {
        guest = house.guest(5)
        super.init(in: house)
    }
}
