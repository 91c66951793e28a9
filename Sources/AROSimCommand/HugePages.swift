/// A world of ten thousand nodes is gigabytes that are read at random: with pages of 4 KiB the processor
/// looks for where they lie more often than it reads. The C library uses huge pages where its tunable
/// says so before the program begins.

import Foundation

#if canImport(Glibc)
    /// Begins the program once more with huge pages asked for, in the same process. Does nothing where
    /// somebody has decided that already, or it cannot be done.
    func askForHugePages() {
        let name = "GLIBC_TUNABLES"
        let tunables = ProcessInfo.processInfo.environment[name] ?? ""
        guard !tunables.contains("glibc.malloc.hugetlb") else { return }
        let ours = "glibc.malloc.hugetlb=1"
        setenv(name, tunables.isEmpty ? ours : tunables + ":" + ours, 1)
        _ = execv("/proc/self/exe", CommandLine.unsafeArgv)
    }
#else
    func askForHugePages() {}
#endif
