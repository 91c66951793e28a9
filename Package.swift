// swift-tools-version: 6.2
import PackageDescription

// The layering of Docs/Architecture.md: a target imports only what stands above it in this file,
// and the protocol targets (Transport, Overlay, Content, Inference) never import each other.

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableExperimentalFeature("Lifetimes"),
    ]
    // CI sets this; a newer compiler's new warnings shall not break anybody's build.
    + (Context.environment["ARO_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)])

// A target names all targets below it, not only the next ones: SwiftPM rebuilds a target when one
// that it names has changed, and layouts of types show through more than one layer.
let foundation: [Target.Dependency] = ["AROPrimitives", "AROCrypto", "AROWire"]
let protocols: [Target.Dependency] = [
    "AROTransport", "AROOverlay", "AROContent", "AROInference",
]
let node: [Target.Dependency] = foundation + protocols + ["ARONode"]

func core(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies,
        swiftSettings: settings)
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hummingbird = Target.Dependency.product(
    name: "HummingbirdCore", package: "hummingbird")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "aro",
    products: [
        .library(name: "ARO", targets: ["ARO"]),
        .executable(name: "aro", targets: ["AROCommand"]),
        .executable(name: "aro-sim", targets: ["AROSimCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CPrefetch"),

        // The deterministic core: no Foundation, no NIO, no clock, no global chance.
        core("AROPrimitives", ["CPrefetch"]),
        core("AROCrypto", ["AROPrimitives", "CSodium", crypto]),
        core("AROWire", ["AROPrimitives", "AROCrypto"]),
        core("AROTransport", foundation),
        core("AROOverlay", foundation),
        core("AROContent", foundation),
        core("AROInference", foundation),
        core("ARONode", foundation + protocols),

        // The only I/O.
        core(
            "ARORuntime",
            node + [nio, nioPosix, logging, .product(name: "GRDB", package: "GRDB.swift")]),
        core(
            "AROSimulation",
            node + [
                .product(name: "Yams", package: "Yams"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),

        // HTTP: a client of model servers, and the face that agents use.
        core("AROBackend", [nio, httpClient]),
        core("AROGateway", node + ["ARORuntime", "AROBackend", nio, logging, hummingbird]),

        // The library's name.
        core("ARO", node + ["ARORuntime", "AROBackend", "AROGateway", logging]),

        .executableTarget(
            name: "AROCommand",
            dependencies: node + ["ARORuntime", "ARO", "AROGateway", "AROBackend"]
                + [arguments, logging, httpClient],
            swiftSettings: settings),
        .executableTarget(
            name: "AROSimCommand", dependencies: node + ["AROSimulation", arguments],
            swiftSettings: settings),

        // Every decoder of foreign bytes under hostile input: Docs/Fuzzing.md.
        .executableTarget(
            name: "AROFuzz", dependencies: foundation + protocols, path: "Tests/Fuzz",
            swiftSettings: settings),

        // Run by hand: swift run -c release aro-bench
        .executableTarget(
            name: "aro-bench",
            dependencies: node
                + ["ARORuntime", "AROBackend", "AROGateway", "ARO", arguments, logging],
            path: "Tests/Benchmarks", swiftSettings: settings),

        tests(of: "AROPrimitives"),
        tests(of: "AROCrypto", ["AROPrimitives"]),
        tests(of: "AROWire", ["AROPrimitives", "AROCrypto"]),
        tests(of: "AROTransport", foundation),
        tests(of: "AROOverlay", foundation),
        tests(of: "AROContent", foundation),
        tests(of: "AROInference", foundation),
        tests(of: "ARONode", foundation + protocols + ["AROSimulation"]),
        tests(of: "ARORuntime", node + ["ARO", "AROCommand"]),
        tests(of: "AROBackend", [nio, nioPosix, logging, httpClient, hummingbird]),
        // Its commands are those of the `aro` that is built beside the tests.
        tests(
            of: "AROGateway",
            node + ["ARO", "ARORuntime", "AROBackend", "AROCommand", nio, httpClient]),
        tests(of: "AROSimulation", node),

        // Real processes of the `aro` that SwiftPM builds beside the tests; nothing is linked.
        .testTarget(name: "AROProcessTests", swiftSettings: settings),
    ]
)
