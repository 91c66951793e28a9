/// Where things are when nobody says where.

import Glibc

public enum StandardPaths {
    /// The data directory that a command means where nothing is said: `ARO_DATA_DIR`, else `aro` in
    /// `XDG_DATA_HOME` (XDG Base Directory Specification 0.8), else `~/.local/share/aro`.
    public static func dataDirectory(environment: (String) -> String? = variable) -> String {
        if let path = environment("ARO_DATA_DIR"), !path.isEmpty { return absolute(path) }
        if let data = environment("XDG_DATA_HOME"), data.hasPrefix("/") { return data + "/aro" }
        return (environment("HOME") ?? "") + "/.local/share/aro"
    }

    @Sendable public static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// An absolute form of `path`, without repeated or trailing slashes and without `.`; a leading
    /// `~` is the home directory. `..` stays: what it means depends on links.
    public static func absolute(_ path: String) -> String {
        var whole = path
        if path == "~" || path.hasPrefix("~/"), let home = variable("HOME") {
            whole = home + path.dropFirst()
        } else if !path.hasPrefix("/"), let here = getcwd(nil, 0) {
            whole = String(cString: here) + "/" + path
            free(here)
        }
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}
