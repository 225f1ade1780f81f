#include "dp/engine/away_mirror.h"

#include <cstring>
#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "tests/support/packets.h"
#include "tests/support/tables_image.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::address;
using fairlead::testing::mac;
using fairlead::testing::ServiceKey;
using fairlead::testing::TablesImage;
using shm::ForwardingMode;

constexpr std::uint64_t kReady = shm::BackendWord::kPublished | shm::BackendWord::kLinked;
const ServiceKey kPortal{address("203.0.113.10"), 443, 6};
const ServiceKey kApi{address("2001:db8::10"), 443, 6};

class AwayMirrorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        image_.snapshot().port_count = 1;
        image_.snapshot().flow_hash_seed = 77;
        image_.port(0).mac = mac("02:00:00:00:00:01");
        image_.port(0).mtu_bytes = 1'500;
        for (std::uint16_t index = 0; index < 4; ++index) {
            set_backend(index, kReady);
        }
    }
    void set_backend(std::uint16_t index, std::uint64_t flags, unsigned incarnation = 1) {
        image_.set_backend(
            BackendIndex{index},
            ServiceId{0},
            address("10.0.4.1"),
            shm::BackendWord::make({{2, 0, 0, 0, 4, static_cast<std::uint8_t>(index)}},
                                   PortIndex{0},
                                   incarnation,
                                   flags));
    }
    void add(const ServiceKey& key,
             ForwardingMode mode,
             std::uint32_t number,
             const std::vector<std::uint16_t>& ring) {
        image_.add_service(key, mode, ServiceId{number}, number, ring);
    }
    // As one engine does it, and the next.
    void start(std::span<const SteerAwayService> known = {}) {
        mirror_.emplace(
            AwayMaps{.rings = rings_,
                     .backends = backends_,
                     .ports = ports_,
                     .put =
                         [this](const steer_service_key& key, const steer_service* service) {
                             return put(key, service);
                         }},
            known);
        mirror_->set_interfaces({7});
    }
    void follow() {
        image_.publish(++generation_);
        reader_.emplace(image_.reader());
        ASSERT_TRUE(mirror_->follow(*reader_, reader_->snapshot()));
    }
    Status put(const steer_service_key& key, const steer_service* service) {
        if (before_put_) {
            before_put_();
        }
        std::erase_if(services_, [&key](const SteerAwayService& each) {
            return std::memcmp(&each.key, &key, sizeof key) == 0;
        });
        if (service != nullptr) {
            services_.push_back({key, *service});
            kinds_.push_back(service->kind);
        }
        return {};
    }
    [[nodiscard]] std::optional<steer_service> find(const ServiceKey& wanted) const {
        for (const SteerAwayService& each : services_) {
            if (std::memcmp(each.key.vip, wanted.vip.bytes().data(), sizeof each.key.vip) == 0 &&
                each.key.port == Be16::from_host(wanted.port).raw() &&
                each.key.protocol == wanted.protocol) {
                return each.service;
            }
        }
        return std::nullopt;
    }
    [[nodiscard]] int kind_of(const ServiceKey& key) const {
        const auto service = find(key);
        return service ? service->kind : -1;
    }
    void settle() {
        for (int pass = 0; pass < 3; ++pass) {
            mirror_->end_pass();
        }
    }

    TablesImage image_{{.rings = 80}};
    std::optional<shm::TablesReader> reader_;
    std::vector<steer_ring> rings_ = std::vector<steer_ring>(STEER_MAX_RINGS);
    std::vector<steer_backend> backends_ = std::vector<steer_backend>(STEER_MAX_BACKENDS);
    std::vector<steer_port> ports_ = std::vector<steer_port>(STEER_MAX_PORTS);
    std::vector<SteerAwayService> services_;
    std::vector<int> kinds_;  // as they were put, one after the other
    std::function<void()> before_put_;
    std::optional<AwayMirror> mirror_;
    std::uint64_t generation_ = 0;
};

TEST_F(AwayMirrorTest, CopiesServiceRingBackendAndPort) {
    add(kPortal, ForwardingMode::kIpip, 0, {0, 1, 0});
    image_.service(kPortal).source_prefix_bits = 24;
    start();
    follow();
    const auto service = find(kPortal);
    ASSERT_TRUE(service);
    EXPECT_EQ(service->kind, STEER_SERVICE_FORWARDED);
    EXPECT_EQ(service->mode, STEER_MODE_IPIP);
    EXPECT_EQ(service->seed, 77);
    EXPECT_EQ(service->ring_entries, 3);
    EXPECT_EQ(service->source_bits, 24);
    EXPECT_EQ(rings_[service->ring].slots[1], 1);
    EXPECT_EQ(backends_[1].word, 0x0104'0000'0002ULL | STEER_BACKEND_USABLE);
    EXPECT_EQ(ports_[0].ifindex, 7);
    EXPECT_EQ(ports_[0].mtu_bytes, 1'500);
    EXPECT_EQ(ports_[1].ifindex, 0);
}

TEST_F(AwayMirrorTest, ABackendWithoutLinkOrRecordIsOfNoUse) {
    add(kPortal, ForwardingMode::kL2, 0, {0, 1});
    start();
    follow();
    set_backend(0, shm::BackendWord::kPublished);
    set_backend(1, shm::BackendWord::kLinked);
    mirror_->refresh(*reader_, reader_->snapshot());
    EXPECT_EQ(backends_[0].word, 0);
    EXPECT_EQ(backends_[1].word, 0);
}

TEST_F(AwayMirrorTest, HoldsWhatOnlyTheEngineCanDecide) {
    const ServiceKey any{address("203.0.113.20"), 0, 6};
    const ServiceKey beside{address("203.0.113.20"), 8'000, 6, 8'100};
    add(kPortal, ForwardingMode::kL2, 0, {0});
    add(kApi, ForwardingMode::kGre, 1, {0});
    add(any, ForwardingMode::kL2, 2, {0});
    add({address("203.0.113.30"), 80, 6}, ForwardingMode::kL2, 3, {});
    image_.limit(image_.service(kPortal), 0, 100);
    start();
    follow();
    EXPECT_EQ(kind_of(kPortal), STEER_SERVICE_HELD);
    EXPECT_EQ(kind_of(kApi), STEER_SERVICE_HELD);
    EXPECT_EQ(kind_of({address("203.0.113.30"), 80, 6}), STEER_SERVICE_HELD);
    EXPECT_EQ(kind_of(any), STEER_SERVICE_FORWARDED);
    add(beside, ForwardingMode::kL2, 4, {0});
    follow();
    EXPECT_EQ(kind_of(any), STEER_SERVICE_HELD) << "a range of the VIP goes before any port";
}

TEST_F(AwayMirrorTest, ASlotOfAMovedRingWaitsForTheFlowsOfItsFormerOwner) {
    add(kPortal, ForwardingMode::kL2, 0, {0});
    start();
    follow();
    settle();
    EXPECT_TRUE(mirror_->is_settled());
    add(kPortal, ForwardingMode::kL2, 0, {1});
    follow();
    const auto flow = [](unsigned backend, unsigned incarnation) {
        return FlowEntry::make(5,
                               BackendIndex{static_cast<std::uint16_t>(backend)},
                               incarnation,
                               FlowState::kEstablished);
    };
    const auto pass_with = [&](FlowEntry entry) {
        mirror_->see(*reader_, entry);
        mirror_->end_pass();
    };
    for (int pass = 0; pass < 5; ++pass) {
        pass_with(flow(0, 1));
    }
    EXPECT_FALSE(mirror_->is_settled());
    for (int pass = 0; pass < 5; ++pass) {
        pass_with(flow(0, 2));  // of the index's next owner, or its last: no worker takes it
    }
    EXPECT_TRUE(mirror_->is_settled());
    for (int pass = 0; pass < 5; ++pass) {
        pass_with(FlowEntry{});
        pass_with(flow(60, 1));     // nothing is published there
        pass_with(flow(9'999, 1));  // out of bounds
    }
    EXPECT_TRUE(mirror_->is_settled());
}

TEST_F(AwayMirrorTest, AFlowWhoseBackendIsInMaintenanceStillCounts) {
    add(kPortal, ForwardingMode::kL2, 0, {1});
    start();
    follow();
    set_backend(0, shm::BackendWord::kPublished);  // it may be ready again at the next moment
    for (int pass = 0; pass < 5; ++pass) {
        mirror_->see(*reader_, FlowEntry::make(5, BackendIndex{0}, 1, FlowState::kEstablished));
        mirror_->end_pass();
    }
    EXPECT_FALSE(mirror_->is_settled());
}

TEST_F(AwayMirrorTest, TheNextEngineGoesOnWithTheRingsOfTheLast) {
    add(kPortal, ForwardingMode::kL2, 0, {0, 1, 0});
    add(kApi, ForwardingMode::kL2, 1, {0, 1});
    start();
    follow();
    settle();
    const std::vector<SteerAwayService> left = services_;
    kinds_.clear();
    start(left);
    follow();
    EXPECT_TRUE(kinds_.empty()) << "nothing had to be written";
    EXPECT_TRUE(mirror_->is_settled());
    // Without the one, the other keeps its ring.
    image_.service(kApi).protocol = 17;
    follow();
    EXPECT_EQ(kind_of(kApi), -1);
    EXPECT_TRUE(rings_[find(kPortal)->ring].slots[0] & STEER_SLOT_SETTLED);
}

TEST_F(AwayMirrorTest, ARingIsNeverReadWithTheNextOwnerOfAnIndex) {
    const auto last_byte = [this](const ServiceKey& key) -> std::optional<unsigned> {
        const std::uint16_t owner = rings_[find(key)->ring].slots[0] & STEER_SLOT_BACKEND;
        const std::uint64_t word = backends_[owner].word;
        return (word & STEER_BACKEND_USABLE) != 0 ? std::optional((word >> 40U) & 0xFFU)
                                                  : std::nullopt;
    };
    const ServiceKey removed{address("203.0.113.20"), 80, 6};
    add(kPortal, ForwardingMode::kL2, 0, {0});
    add(kApi, ForwardingMode::kL2, 1, {1});
    add(removed, ForwardingMode::kL2, 2, {2});
    start();
    follow();
    EXPECT_EQ(last_byte(kPortal), 0);
    EXPECT_EQ(last_byte(kApi), 1);
    // A daemon that has begun anew gives the two servers each other's index.
    for (std::uint16_t index = 0; index < 2; ++index) {
        const auto server = static_cast<std::uint8_t>(1 - index);
        image_.set_backend(
            BackendIndex{index},
            ServiceId{server},
            address("10.0.4.1"),
            shm::BackendWord::make({{2, 0, 0, 0, 4, server}}, PortIndex{0}, 1, kReady));
    }
    add(kPortal, ForwardingMode::kL2, 0, {1});
    add(kApi, ForwardingMode::kL2, 1, {0});
    image_.service(removed).protocol = 17;
    int puts = 0;
    before_put_ = [&] {
        ++puts;
        EXPECT_EQ(last_byte(kPortal).value_or(0), 0);
        EXPECT_EQ(last_byte(kApi).value_or(1), 1);
    };
    follow();
    EXPECT_EQ(puts, 2) << "one service went, and one came";
    EXPECT_EQ(last_byte(kPortal), 0);
    EXPECT_EQ(last_byte(kApi), 1);
}

TEST_F(AwayMirrorTest, ARingOfAnotherSizeIsNeverReadWithTheOldOne) {
    add(kPortal, ForwardingMode::kL2, 0, {0, 1, 0});
    start();
    follow();
    settle();
    kinds_.clear();
    add(kPortal, ForwardingMode::kL2, 0, {0, 1, 0, 1, 0});
    follow();
    EXPECT_EQ(kinds_, (std::vector<int>{STEER_SERVICE_HELD, STEER_SERVICE_FORWARDED}));
    EXPECT_EQ(find(kPortal)->ring_entries, 5);
    EXPECT_FALSE(mirror_->is_settled());
}

TEST_F(AwayMirrorTest, WhatIsScribbledInTheMapIsNotGoneOnWith) {
    add(kPortal, ForwardingMode::kL2, 0, {0, 1});
    start();
    follow();
    std::vector<SteerAwayService> left = services_;
    for (const std::uint32_t ring : {0U, 64U, 0xFFFF'FFFFU}) {
        for (const std::uint32_t entries : {2U, 70'000U, 0xFFFF'FFFFU}) {
            left.front().service.ring = ring;
            left.front().service.ring_entries = entries;
            start(left);
            follow();
            EXPECT_EQ(kind_of(kPortal), STEER_SERVICE_FORWARDED);
            EXPECT_LT(find(kPortal)->ring, unsigned{STEER_MAX_RINGS});
            EXPECT_EQ(find(kPortal)->ring_entries, 2);
        }
    }
}

TEST_F(AwayMirrorTest, WhatHasNoRoomIsSaidAndGetsItLater) {
    const auto key = [](unsigned number) {
        return ServiceKey{address("203.0.113.10"), static_cast<std::uint16_t>(number + 1), 6};
    };
    TablesImage image({.buckets = 256, .rings = 80});
    image.snapshot().port_count = 1;
    const std::vector<std::uint16_t> ring{0};
    for (std::uint32_t number = 0; number < STEER_MAX_RINGS + 2; ++number) {
        image.add_service(key(number), ForwardingMode::kL2, ServiceId{number}, number, ring);
    }
    image.publish(1);
    start();
    ASSERT_TRUE(mirror_->follow(image.reader(), image.reader().snapshot()));
    EXPECT_EQ(mirror_->without_room(), 2);
    EXPECT_EQ(std::count_if(services_.begin(),
                            services_.end(),
                            [](const SteerAwayService& each) {
                                return each.service.kind == STEER_SERVICE_NO_ROOM;
                            }),
              2);
    for (const std::uint32_t number : {0U, 1U}) {
        image.limit(image.service(key(number)), 0, 1);
    }
    ASSERT_TRUE(mirror_->follow(image.reader(), image.reader().snapshot()));
    ASSERT_TRUE(mirror_->follow(image.reader(), image.reader().snapshot()));
    EXPECT_EQ(mirror_->without_room(), 0);
}

}  // namespace
}  // namespace fairlead::engine
