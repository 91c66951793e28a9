/// The store's disk service is what the loop asks.

extension DiskService: DiskServicing {}
