// The processor's prefetch instruction, which Swift does not name.
#pragma once

static inline __attribute__((always_inline)) void aro_prefetch(const void *address) {
    __builtin_prefetch(address, 1, 3);
}
