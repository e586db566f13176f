// SPDX-License-Identifier: Apache-2.0
import Glibc

// Before anything is opened.
Process.fillStandardDescriptors()
exit(start(CommandLine.arguments))
