// Tests of AROCrypto.
