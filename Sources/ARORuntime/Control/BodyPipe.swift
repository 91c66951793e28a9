/// Bytes from a client to the job that takes them, one frame at a time: the reader of the channel
/// waits until the job took the last one, and so does the client.

import NIOCore

actor BodyPipe {
    private var frame: ByteBuffer?
    private var isEnded = false
    private var isAborted = false
    private var producer: CheckedContinuation<Void, Never>?
    private var consumer: CheckedContinuation<Void, Never>?

    /// Waits until the frame before was taken.
    func put(_ bytes: ByteBuffer) async {
        while frame != nil || isEnded, !isAborted {
            await withCheckedContinuation { producer = $0 }
        }
        frame = bytes
        wake()
    }

    /// All bytes are put.
    func end() {
        isEnded = true
        wake()
    }

    /// The client or the job went away.
    func abort() {
        isAborted = true
        wake()
    }

    /// The next bytes; nil at the end, behind which another body may come. Throws where the client
    /// went away.
    func next() async throws -> [UInt8]? {
        while true {
            if isAborted { throw CancellationError() }
            if let taken = frame {
                frame = nil
                wake()
                return [UInt8](taken.readableBytesView)
            }
            if isEnded {
                isEnded = false
                wake()
                return nil
            }
            await withCheckedContinuation { consumer = $0 }
        }
    }

    private func wake() {
        producer?.resume()
        consumer?.resume()
        (producer, consumer) = (nil, nil)
    }
}
