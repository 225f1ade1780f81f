// Any ICMP or ICMPv6 message to a VIP, with a right checksum, after one packet of a flow that it
// may quote.
//
//     byte 0       bit 0: IPv6; bit 1: to the tunnelled VIP; bit 2: a TTL that ends here
//     bytes 1, 2   type and code
//     bytes 3..6   the message's second word
//     rest         what follows: a quote, or a ping's payload
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tests/fuzz/require.h"
#include "tests/fuzz/what_is_wrong.h"
#include "tests/support/lending_rig.h"

namespace fairlead::testing {
namespace {

constexpr std::size_t kHead = 7;

Verdict forward(LendingRig& rig, const Bytes& frame) {
    Bytes block(kNeededHeadroomBytes + frame.size());
    std::copy(frame.begin(), frame.end(), block.begin() + kNeededHeadroomBytes);
    Packet packet{block.data() + kNeededHeadroomBytes,
                  static_cast<std::uint32_t>(frame.size()),
                  kNeededHeadroomBytes};
    Verdict verdict;
    forward_burst(rig.context, {&packet, 1}, {&verdict, 1});
    require_nothing(what_is_wrong({frame, block.data(), kNeededHeadroomBytes}, packet, verdict));
    return verdict;
}

struct Worker {
    Worker() {
        for (const char* answering : {"203.0.113.10", "2001:db8::10"}) {
            rig.tables.vip_mark(address(answering)).vip_policy = shm::kAnswersEcho;
        }
        rig.start();
    }
    LendingRig rig;
    Tally tally;
    std::uint64_t transmitted = 0;
};

void check(std::span<const std::uint8_t> input) {
    if (input.size() < kHead || input.size() > 2'048) {
        return;
    }
    const bool is_v6 = (input[0] & 1U) != 0;
    const bool is_tunnelled = (input[0] & 2U) != 0;
    const std::string_view vip = is_v6 ? (is_tunnelled ? "2001:db8::11" : "2001:db8::10")
                                       : (is_tunnelled ? "203.0.113.11" : "203.0.113.10");
    const std::string_view client = is_v6 ? "2001:db8:c::7" : "198.51.100.7";
    static Worker worker;  // kept: making one takes longer than an input does
    LendingRig& rig = worker.rig;
    rig.context.now_ms += 10'000;  // the limit of answers has filled again
    const Verdict first = forward(rig, make_frame({.source = client, .destination = vip}));
    const std::size_t entries = rig.flows->entry_count();
    const Verdict answer = forward(
        rig,
        make_icmp_frame({.source = client,
                         .destination = vip,
                         .type = input[1],
                         .code = input[2],
                         .rest = std::uint32_t{input[3]} << 24U | std::uint32_t{input[4]} << 16U |
                                 std::uint32_t{input[5]} << 8U | input[6],
                         .ttl = static_cast<std::uint8_t>((input[0] & 4U) != 0 ? 1 : 64)},
                        input.subspan(kHead)));
    const auto sent = [](const Verdict& verdict) {
        return verdict.action == Action::kTransmit ? 1U : 0U;
    };
    worker.tally.offered += 2;
    worker.transmitted += sent(first) + sent(answer);
    require_nothing(what_is_wrong_with_counters(rig.worker(), worker.tally, worker.transmitted));
    require_nothing(rig.flows->entry_count() == entries ? nullptr
                                                        : "an ICMP message has changed the flows");
}

}  // namespace
}  // namespace fairlead::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fairlead::testing::check({data, size});
    return 0;
}
