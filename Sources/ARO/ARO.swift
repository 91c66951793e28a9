/// The library's face: `import ARO` gives a node to a program.
///
/// Only the names that the interface speaks of are passed on, so that the program's own `Duration`
/// or `Instant` stays what it was.

@_exported import class AROBackend.ModelServer
@_exported import enum AROBackend.ModelServerFailure
@_exported import struct AROContent.Attestation
@_exported import enum AROContent.FetchEvent
@_exported import enum AROContent.FetchFailure
@_exported import struct AROContent.FetchOptions
@_exported import struct AROContent.FetchProgress
@_exported import struct AROContent.Proof
@_exported import class AROGateway.Backends
@_exported import struct AROGateway.ChatRequest
@_exported import class AROGateway.Gateway
@_exported import struct AROGateway.GatewayConfiguration
@_exported import enum AROGateway.GatewayFailure
@_exported import enum AROGateway.InferenceFailure
@_exported import class AROGateway.ModelDesk
@_exported import struct AROGateway.TokenStream
@_exported import enum AROInference.CallEvent
@_exported import enum AROInference.CallFailure
@_exported import struct AROInference.CallInterruption
@_exported import struct AROInference.CallOutcome
@_exported import struct AROInference.CallRequest
@_exported import struct AROInference.InferenceConfiguration
@_exported import struct AROInference.PeerBalance
@_exported import struct AROInference.ServedModel
@_exported import struct ARONode.MemberStatus
@_exported import struct ARONode.ModelStatus
@_exported import struct ARONode.MessageTally
@_exported import struct ARONode.NodeStatus
@_exported import struct ARONode.PeerStatus
@_exported import enum ARONode.RequestFailure
@_exported import enum ARONode.TopicNews
@_exported import enum AROOverlay.MemberChange
@_exported import struct AROPrimitives.Contact
@_exported import struct AROPrimitives.DHTKey
@_exported import struct AROPrimitives.PeerID
@_exported import struct AROPrimitives.SocketAddress
@_exported import struct AROPrimitives.UnixTime
@_exported import ARORuntime
@_exported import struct AROWire.Announcement
@_exported import enum AROWire.CallEndpoint
@_exported import struct AROWire.CallKey
@_exported import struct AROWire.CID
@_exported import enum AROWire.CIDFailure
@_exported import struct AROWire.ModelOffer
@_exported import enum AROWire.NATClass
@_exported import struct AROWire.Offer
@_exported import struct AROWire.Receipt
@_exported import struct AROWire.TokenPrice
@_exported import struct AROWire.TokenUsage
@_exported import struct AROWire.Voucher
