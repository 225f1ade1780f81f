#include "dp/net/checksum.h"

namespace fairlead {

std::uint64_t sum_bytes(std::span<const std::uint8_t> bytes) noexcept {
    std::uint64_t sum = 0;
    while (bytes.size() >= 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        sum += word;
        bytes = bytes.subspan(4);
    }
    std::uint32_t rest = 0;
    if (!bytes.empty()) {
        std::memcpy(&rest, bytes.data(), bytes.size());
    }
    return sum + rest;
}

}  // namespace fairlead
