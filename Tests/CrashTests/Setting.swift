// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc

    /// What `make crash-test` was told.
    enum Setting {
        static func text(_ name: String) -> String? {
            guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
            return text
        }

        static func number(_ name: String) -> UInt64? { text(name).flatMap { UInt64($0) } }
    }
#endif
