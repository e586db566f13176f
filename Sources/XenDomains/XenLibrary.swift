// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import XenStorePlugin

    /// A shared library that the daemon loads when it runs. So the same daemon runs with every version of Xen, and on a
    /// machine without Xen. It stays loaded until the process ends.
    public struct XenLibrary {
        /// The name for the loader, or a path.
        public let name: String
        private let handle: UnsafeMutableRawPointer
        /// Advice for the operator if the library is not the right one.
        private let advice: String

        /// Loads a library with a stable interface.
        ///
        /// - Parameters:
        ///   - name: its file's name, with the version of its interface.
        ///   - package: the Debian package that has it.
        public init(_ name: String, package: String) throws(SystemError) {
            try self.init(name, advice: "Debian has it in the package \(package)")
        }

        init(_ name: String, advice: String) throws(SystemError) {
            guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
                // It names the file that is missing, which may be one that the library itself needs.
                let reason = dlerror().map { String(cString: $0) } ?? "it cannot be loaded"
                throw SystemError(ELIBACC, doing: "load \(name)", advice: "\(reason); \(advice)")
            }
            self.name = name
            self.handle = handle
            self.advice = advice
        }

        /// The address of a function or a variable; nil if the library has none of this name.
        func address(of symbol: String) -> UnsafeMutableRawPointer? { dlsym(handle, symbol) }

        /// A function of the library. Its C type decides `Function`. As with a library that is linked, a preloaded function of
        /// this name wins.
        public func function<Function>(_ symbol: String) throws(SystemError) -> Function {
            guard let address = dlsym(nil, symbol) ?? address(of: symbol) else {
                throw SystemError(ELIBBAD, doing: "use \(name)", advice: "it has no function \(symbol); \(advice)")
            }
            return unsafeBitCast(address, to: Function.self)
        }
    }
#endif
