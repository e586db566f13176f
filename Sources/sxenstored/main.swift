// SPDX-License-Identifier: Apache-2.0
import Glibc

// This comes before the process opens any file.
Process.fillStandardDescriptors()
exit(start(CommandLine.arguments))
