// SPDX-License-Identifier: Apache-2.0

/// The version, which stands here only. The manual pages and CHANGELOG.md repeat it, and a test compares them.
let version = "0.1.0"
