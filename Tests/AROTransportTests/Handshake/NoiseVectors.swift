/// Test vectors of the two Noise protocols that ARO uses, from the file of the cacophony project
/// (haskell-cryptography/cacophony, as carried by mcginty/snow).

struct NoiseVector {
    var protocolName: String
    var prologue, initiatorStatic, initiatorEphemeral: String
    var responderStatic, responderEphemeral: String
    /// The responder's static public key, where the initiator must know it.
    var responderPublic: String?
    var handshakeHash: String
    /// Payload and ciphertext of each message, the initiator's first; those behind the handshake
    /// are transport messages.
    var messages: [(payload: String, ciphertext: String)]

    static let ik = NoiseVector(
        protocolName: "Noise_IK_25519_ChaChaPoly_BLAKE2b",
        prologue: "4a6f686e2047616c74",
        initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        responderPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        handshakeHash:
            "1c8fa891cb414fedba6daa7c6f4ae0a6d98e5f9768cc9cecd27e805614943ee9c8a1b27f"
            + "bfb76dc197255c8aa69f6b4285c423840b8bedf45e652ca64f797d81",
        messages: [
            (
                "4c756477696720766f6e204d69736573",
                "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ba83a447"
                    + "b38c83e327ad936929812f624884847b7831e95e197b2f797088efdd2f88f1db7e1fb0e9"
                    + "9c64419097af91cee64e470f4b6fcd9298ce0b56fe20f86e13bf70439c538e3602a7127a"
                    + "f71a29cc"
            ),
            (
                "4d757272617920526f746862617264",
                "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439f069b26"
                    + "7a06b3de3ecb1043bcb098e9af91d9c64748d998c7b47890871571"
            ),
            (
                "462e20412e20486179656b",
                "cd54383060e7a28434cca27fb1cc524cfbabeb18181589df219d07"
            ),
            (
                "4361726c204d656e676572",
                "a856d3bf0246bfc476c655009cd1ed677b8dcc5b349ae8ef2a05f2"
            ),
            (
                "4a65616e2d426170746973746520536179",
                "49063084b2c51f098337cb8a13739ac848f907e67cfb2cc8a8b60586467aa02fc7"
            ),
            (
                "457567656e2042f6686d20766f6e2042617765726b",
                "8b9709d23b47e4639df7678d7a21741eba4ef1e9c60383001c7435549c20f9d56f30e935"
                    + "d3"
            ),
        ])

    static let xx = NoiseVector(
        protocolName: "Noise_XX_25519_ChaChaPoly_BLAKE2b",
        prologue: "4a6f686e2047616c74",
        initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        responderPublic: nil,
        handshakeHash:
            "8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151ad93627b9"
            + "8936cbb32de56e8abb21def3925011ac3e35db9cbeea73ab9a4392c2",
        messages: [
            (
                "4c756477696720766f6e204d69736573",
                "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477"
                    + "696720766f6e204d69736573"
            ),
            (
                "4d757272617920526f746862617264",
                "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b674"
                    + "5ce64a5f33f0e8e3b83f11ce8802bca507f4f2d8b564dbe277e1966116e132faa2dfd70b"
                    + "8b077b9f94b913df5056ae1319469b824a98d54bbaa82c325595587064f978c4b6d104f7"
                    + "596e6f"
            ),
            (
                "462e20412e20486179656b",
                "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5"
                    + "458b5431a75af034ca9e9b982de039eaaf156775e2d580cd4e5ebae89c3f8cb2594b556d"
                    + "8a8169"
            ),
            (
                "4361726c204d656e676572",
                "fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55"
            ),
            (
                "4a65616e2d426170746973746520536179",
                "bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f"
            ),
            (
                "457567656e2042f6686d20766f6e2042617765726b",
                "f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b7f267f8370a"
                    + "f7"
            ),
        ])
}
