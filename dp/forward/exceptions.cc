#include "dp/forward/exceptions.h"

namespace fairlead {

namespace {

// By the reason of the refusal.
void handle_exception([[maybe_unused]] ForwardContext& context,
                      [[maybe_unused]] Packet& packet,
                      [[maybe_unused]] PacketFacts& facts,
                      Verdict& verdict) noexcept {
    switch (verdict.reason) {
        default:
            return;
    }
}

}  // namespace

void handle_exceptions(ForwardContext& context,
                       std::span<Packet> packets,
                       std::span<PacketFacts> facts,
                       std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (verdicts[i].action == Action::kDrop) [[unlikely]] {
            handle_exception(context, packets[i], facts[i], verdicts[i]);
        }
    }
}

}  // namespace fairlead
