// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOSSL
import XenStorePlugin

/// The server's certificate and key, and the authority that signs clients, as files have them now.
struct Credentials {
    /// What a new connection needs.
    let context: NIOSSLContext

    static let keys = [
        ConfigurationKey(
            "certificate", .device, default: nil,
            "The server's certificate, and those between it and its authority: PEM.", isRequired: true),
        ConfigurationKey("key", .secret, default: nil, "The certificate's key: PEM.", isRequired: true),
        ConfigurationKey(
            "ca", .device, default: nil, "The authorities: who has a certificate of one of them may read. PEM.",
            isRequired: true),
    ]

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let chain = try Self.certificates("certificate", configuration)
        let authorities = try Self.certificates("ca", configuration)
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: configuration.secret("key")?.bytes ?? [], format: .pem)
        } catch {
            throw configuration.error("its file has no private key in PEM", key: "key")
        }
        var settings = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        settings.minimumTLSVersion = .tlsv12
        settings.trustRoots = .certificates(authorities)
        // How long the end of the daemon may wait for a client's farewell.
        settings.shutdownTimeout = .milliseconds(200)
        // Clients have no host name. Without a certificate the handshake fails.
        settings.certificateVerification = .noHostnameVerification
        do {
            context = try NIOSSLContext(configuration: settings)
        } catch {
            throw configuration.error("does not belong to the certificate", key: "key")
        }
    }

    private static func certificates(
        _ key: String, _ configuration: ConfigurationBlock
    ) throws(ConfigurationError) -> [NIOSSLCertificate] {
        let path = configuration.text(key) ?? ""
        guard access(path, R_OK) == 0 else {
            throw configuration.error("cannot read \(path): \(String(cString: strerror(errno)))", key: key)
        }
        do {
            return try NIOSSLCertificate.fromPEMFile(path)
        } catch {
            throw configuration.error("\(path) has no certificates in PEM", key: key)
        }
    }
}
