// Any frame before the decisions of bpf/decap.bpf.c, compiled as C: what it would unpack may be
// unpacked, by a reading of the same bytes that is written apart (decap_soundness.h), and setting
// the ECN bits keeps a right header checksum right.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "tests/unit/bpf/include/decap_decide_c.h"
#include "tests/unit/bpf/include/decap_soundness.h"

namespace {

void require_nothing(std::string_view wrong) {
    if (!wrong.empty()) {
        static_cast<void>(std::fprintf(
            stderr, "broken promise: %.*s\n", static_cast<int>(wrong.size()), wrong.data()));
        std::abort();
    }
}

void check(const std::vector<std::uint8_t>& frame) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    const DecapDecision decision = decap_decide(frame.data(), size, size);
    if (decision.is_tunnel == 0 || decision.outcome != DECAP_DECAPSULATED) {
        return;
    }
    require_nothing(why_unsound(frame, decision));
    if (decision.ecn < 0) {
        return;
    }
    std::vector<std::uint8_t> inner(frame.begin() + static_cast<std::ptrdiff_t>(decision.inner_at),
                                    frame.end());
    const std::size_t header_bytes = inner[0] >> 4U == 4 ? std::size_t{inner[0] & 0xFU} * 4 : 40;
    if (header_bytes > inner.size()) {
        return;  // its options are not all here; the kernel finds out
    }
    const bool is_v4 = header_bytes != 40 || inner[0] >> 4U == 4;
    const std::span<const std::uint8_t> header(inner.data(), header_bytes);
    const bool was_right = is_v4 && sum_of(header) == 0xFFFFU;
    decap_set_ecn(inner.data(), static_cast<std::uint8_t>(decision.ecn));
    const unsigned ecn = is_v4 ? inner[1] & 3U : inner[1] >> 4U & 3U;
    require_nothing(ecn == static_cast<unsigned>(decision.ecn) ? "" : "the ECN bits are others");
    require_nothing(!was_right || sum_of(header) == 0xFFFFU ? "" : "the checksum broke");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check({data, data + size});  // a copy of exactly this size
    return 0;
}
