// What bpf/steer.bpf.c sends while no engine runs against what dp/forward sends by the same tables:
// its maps are filled by the engine's own mirror, and the frames are broken in every way. It may
// leave anything to the engine, but what it sends must be the engine's packet.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "dp/engine/away_mirror.h"
#include "tests/fuzz/fuzz_rigs.h"
#include "tests/fuzz/packet_mutator.h"
#include "tests/support/lending_rig.h"
#include "tests/unit/bpf/include/steer_decide_c.h"

namespace fairlead {
namespace {

using engine::AwayMaps;
using engine::AwayMirror;
using testing::Bytes;
using testing::Forwarded;
using testing::LendingRig;
using testing::Mutator;

constexpr std::size_t kHeadroom = 64;
constexpr std::size_t kShortestFrame = 60;

using Key = std::array<std::uint8_t, sizeof(steer_service_key)>;

Key key_of(const steer_service_key& key) {
    Key bytes{};
    std::memcpy(bytes.data(), &key, sizeof key);
    return bytes;
}

// The steering program's maps in memory, filled from a rig's tables.
class Away {
  public:
    explicit Away(LendingRig& rig)
        : mirror_(AwayMaps{.rings = rings_,
                           .backends = backends_,
                           .ports = ports_,
                           .put = [this](const steer_service_key& key,
                                         const steer_service* service) -> Status {
                               if (service == nullptr) {
                                   services_.erase(key_of(key));
                               } else {
                                   services_[key_of(key)] = *service;
                               }
                               return {};
                           }},
                  {}) {
        mirror_.set_interfaces({7});
        EXPECT_TRUE(mirror_.follow(*rig.context.tables, rig.context.snapshot));
        for (int pass = 0; pass < 3; ++pass) {  // over empty tables: all is settled
            mirror_.end_pass();
        }
        EXPECT_TRUE(mirror_.is_settled());
    }

    // Empty: it was dropped.
    [[nodiscard]] Bytes forward(const Bytes& frame) {
        // A block of exactly its size, for the sanitizers.
        Bytes block(kHeadroom + frame.size());
        std::copy(frame.begin(), frame.end(), block.begin() + kHeadroom);
        const SteerMaps maps{.rings = rings_.data(),
                             .backends = backends_.data(),
                             .ports = ports_.data(),
                             .find = &Away::find,
                             .services = this};
        std::uint8_t* start = nullptr;
        const std::uint32_t bytes = steer_forward(
            &maps, block.data() + kHeadroom, static_cast<std::uint32_t>(frame.size()), &start);
        if (bytes == 0) {
            EXPECT_TRUE(std::equal(frame.begin(), frame.end(), block.begin() + kHeadroom));
            return {};
        }
        return {start, start + bytes};
    }

  private:
    static const steer_service* find(void* self, const steer_service_key* key) {
        const auto& services = static_cast<Away*>(self)->services_;
        const auto found = services.find(key_of(*key));
        return found == services.end() ? nullptr : &found->second;
    }

    std::vector<steer_ring> rings_ = std::vector<steer_ring>(STEER_MAX_RINGS);
    std::vector<steer_backend> backends_ = std::vector<steer_backend>(STEER_MAX_BACKENDS);
    std::vector<steer_port> ports_ = std::vector<steer_port>(STEER_MAX_PORTS);
    std::map<Key, steer_service> services_;
    AwayMirror mirror_;
};

// How many were sent.
std::size_t compare(LendingRig& rig, std::uint64_t seed, int rounds) {
    Away away(rig);
    Mutator mutator(seed);
    std::size_t sent = 0;
    for (int i = 0; i < rounds; ++i) {
        Bytes frame = mutator.next();
        if (frame.size() < sizeof(EthernetHeader)) {
            continue;
        }
        // The program looks at nothing that is addressed to somebody else.
        const MacAddress ours = rig.tables.port(0).mac;
        std::copy(ours.bytes.begin(), ours.bytes.end(), frame.begin());
        const Bytes left = away.forward(frame);
        if (left.empty()) {
            continue;
        }
        ++sent;
        const Forwarded wanted = rig.forward(frame);
        EXPECT_EQ(wanted.verdict.action, Action::kTransmit) << i;
        EXPECT_EQ(wanted.verdict.reply, ReplyKind::kNone) << i;
        // Of the shortest frames the padding may stay.
        const bool is_same = left == wanted.bytes ||
                             (left.size() <= kShortestFrame && left.size() >= wanted.bytes.size() &&
                              std::equal(wanted.bytes.begin(), wanted.bytes.end(), left.begin()));
        EXPECT_TRUE(is_same) << i;
        if (::testing::Test::HasFailure()) {
            break;
        }
    }
    return sent;
}

TEST(Away, SendsWhatTheEngineWouldSend) {
    LendingRig rig;
    EXPECT_GT(compare(rig, 1, 200'000), 5'000U);
}

TEST(Away, TunnelsAsTheEngineDoesBetweenAllFamilies) {
    for (const bool to_v6 : {false, true}) {
        LendingRig rig;
        testing::tunnel_everything(rig, shm::ForwardingMode::kIpip, to_v6);
        rig.start();
        EXPECT_GT(compare(rig, 2, 100'000), 2'000U);
        rig.tables.port(0).tunnel_prefix_v4 = Be32::from_host(0x0A4D'0000);
        rig.tables.port(0).entropy_bits_v4 = 16;
        rig.tables.port(0).entropy_bits_v6 = 32;
        rig.start();
        EXPECT_GT(compare(rig, 3, 50'000), 1'000U);
    }
}

TEST(Away, LeavesOtherTunnelsToTheEngine) {
    for (const auto mode : {shm::ForwardingMode::kGre, shm::ForwardingMode::kGue}) {
        LendingRig rig;
        testing::tunnel_everything(rig, mode, false);
        rig.start();
        Away away(rig);
        EXPECT_TRUE(away.forward(testing::make_frame({})).empty());
    }
}

TEST(Away, FindsTheServiceThatTheEngineFindsAmongRangesAndAnyPort) {
    LendingRig rig;
    testing::add_wide_services(rig);
    rig.start();
    EXPECT_GT(compare(rig, 4, 100'000), 2'000U);
}

TEST(Away, SendsNothingOfAServiceWithLimits) {
    LendingRig rig;
    rig.tables.limit(rig.tables.service({testing::address("203.0.113.10"), 443, 6}), 0, 1);
    rig.start();
    Away away(rig);
    EXPECT_TRUE(away.forward(testing::make_frame({})).empty());
    EXPECT_FALSE(away.forward(testing::make_frame({.destination = "203.0.113.11"})).empty());
}

}  // namespace
}  // namespace fairlead
