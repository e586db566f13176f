// SPDX-License-Identifier: Apache-2.0

/// Every bound that the protocol itself sets. Quotas, which an operator may tune, are not here.
public enum Limits {
    /// Bytes of payload in one message, either way (XENSTORE_PAYLOAD_MAX).
    public static let payloadMax = 4096
    /// Bytes of an absolute path, without its NUL (XENSTORE_ABS_PATH_MAX).
    public static let absolutePathMax = 3072
    /// Bytes of a path below a domain's home, without its NUL (XENSTORE_REL_PATH_MAX).
    public static let relativePathMax = 2048
}
