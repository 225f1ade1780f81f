// Any bytes as a frame, through the whole pipeline, twice: as a flow's first packet and as its
// second. libFuzzer calls this with what covers new code.
//
//     byte 0    which way services are forwarded: l2 and ipip, or a tunnel over v4 or v6
//     byte 1    headroom, up to what any outer header needs
//     rest      the frame
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tests/fuzz/fuzz_rigs.h"
#include "tests/fuzz/packet_mutator.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/what_is_wrong.h"

namespace fairlead::testing {
namespace {

// A worker that forwards in one of the ways, and what it has been offered. It is kept from one
// input to the next, as making one takes longer than most inputs do: without its flows, and so much
// later that no fragment is remembered.
class Worker {
  public:
    explicit Worker(unsigned way) {
        constexpr std::array kModes{
            shm::ForwardingMode::kIpip, shm::ForwardingMode::kGre, shm::ForwardingMode::kGue};
        if (way != 0) {
            tunnel_everything(rig_, kModes[way % kModes.size()], way > kModes.size());
        }
        for (const char* vip : {"203.0.113.10", "2001:db8::10"}) {
            rig_.tables.vip_mark(address(vip)).vip_policy =
                shm::kAnswersEcho | shm::kRejectsUnmatched;
        }
        rig_.start();
    }

    void begin() {
        for (shm::FlowBucket& bucket : rig_.buckets) {
            for (auto& word : bucket.entries) {
                word.store(0, std::memory_order_relaxed);
            }
        }
        *rig_.flows = FlowTable(rig_.buckets, rig_.worker(), {});
        rig_.context.now_ms += 10'000;
    }

    void forward(std::span<const std::uint8_t> frame, std::uint32_t headroom) {
        // Of exactly this size, so that the sanitizer sees what reaches beyond it.
        const auto block = std::make_unique<std::uint8_t[]>(headroom + frame.size());
        std::copy(frame.begin(), frame.end(), block.get() + headroom);
        Packet packet{block.get() + headroom, static_cast<std::uint32_t>(frame.size()), headroom};
        Verdict verdict;
        forward_burst(rig_.context, {&packet, 1}, {&verdict, 1});
        require_nothing(what_is_wrong({frame, block.get(), headroom}, packet, verdict));
        ++tally_.offered;
        tally_.held += verdict.action == Action::kHold ? 1U : 0U;
        transmitted_ += verdict.action == Action::kTransmit ? 1U : 0U;
        require_nothing(what_is_wrong_with_counters(rig_.worker(), tally_, transmitted_));
    }

  private:
    LendingRig rig_;
    Tally tally_;
    std::uint64_t transmitted_ = 0;
};

void check(std::span<const std::uint8_t> input) {
    if (input.size() < 2 || input.size() > 4'096) {
        return;
    }
    static std::array<Worker, 7> workers{
        Worker(0), Worker(1), Worker(2), Worker(3), Worker(4), Worker(5), Worker(6)};
    Worker& worker = workers[input[0] % workers.size()];
    const std::uint32_t headroom = std::min<std::uint32_t>(input[1], kNeededHeadroomBytes);
    worker.begin();
    worker.forward(input.subspan(2), headroom);
    worker.forward(input.subspan(2), headroom);
}

}  // namespace
}  // namespace fairlead::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fairlead::testing::check({data, size});
    return 0;
}
