/// The system's time of day; everything else of a node runs on the monotonic clock.

import Glibc

func systemSeconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
}
