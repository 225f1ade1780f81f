#include "dp/net/extension_headers.h"

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

constexpr std::uint32_t kFirst = sizeof(Ipv6Header);

// A header of the kind that the one before names, by its first four bytes and its whole length.
struct Extension {
    std::array<std::uint8_t, 4> start;
    std::size_t bytes = 8;
};

std::vector<std::uint8_t> chain_of(std::uint8_t first, const std::vector<Extension>& extensions) {
    std::vector<std::uint8_t> packet(kFirst);
    packet[offsetof(Ipv6Header, next_header)] = first;
    for (const Extension& extension : extensions) {
        packet.insert(packet.end(), extension.start.begin(), extension.start.end());
        packet.resize(packet.size() + extension.bytes - extension.start.size());
    }
    return packet;
}

// Goes behind every header that is whole, and returns how many there were.
unsigned walk_all(ExtensionWalk& walk) {
    unsigned headers = 0;
    for (; walk.is_at_header() && !walk.is_past_limit() && walk.is_whole(); walk.step()) {
        ++headers;
    }
    return headers;
}

TEST(ExtensionWalk, GoesBehindEachKindByItsOwnLength) {
    const auto packet = chain_of(kProtocolHopByHop,
                                 {{{kProtocolDestinationOptions, 0}},
                                  {{kProtocolRouting, 1}, 16},
                                  {{kProtocolAuthentication, 2}, 24},
                                  {{kProtocolMobility, 1}, 12},
                                  {{kProtocolFragment, 0}},
                                  {{kProtocolHip, 255}},  // a fragment header has no length
                                  {{kProtocolShim6, 0}},
                                  {{kProtocolTcp, 3}, 32}});
    ExtensionWalk walk(packet);
    EXPECT_EQ(walk_all(walk), 8U);
    EXPECT_EQ(walk.protocol(), kProtocolTcp);
    EXPECT_EQ(walk.end(), packet.size());
    EXPECT_EQ(walk.fragment_at(), kFirst + 8 + 16 + 24 + 12 + 8);
    EXPECT_FALSE(walk.is_piece()) << "an atomic fragment";
}

TEST(ExtensionWalk, IsAtNoHeaderWhereATransportHeaderOrAnUnreadableOneStands) {
    for (const std::uint8_t protocol :
         {kProtocolTcp, kProtocolUdp, kProtocolIcmpv6, std::uint8_t{50}, std::uint8_t{59}}) {
        const auto packet = chain_of(protocol, {{{kProtocolHopByHop, 0}}});
        const ExtensionWalk walk(packet);
        EXPECT_FALSE(walk.is_at_header()) << unsigned{protocol};
        EXPECT_EQ(walk.end(), kFirst);
    }
}

TEST(ExtensionWalk, EndsBehindTheFragmentHeaderOfALaterPieceOnly) {
    constexpr std::array<std::pair<std::array<std::uint8_t, 2>, std::pair<bool, bool>>, 4> kCases{{
        {{0, 0}, {false, false}},
        {{0, 1}, {true, false}},  // more are to come
        {{0, 8}, {true, true}},   // the second eight bytes, and the last ones
        {{255, 9}, {true, true}},
    }};
    for (const auto& [offset, is] : kCases) {
        const auto packet =
            chain_of(kProtocolFragment,
                     {{{kProtocolHopByHop, 0, offset[0], offset[1]}}, {{kProtocolTcp, 0}}});
        ExtensionWalk walk(packet);
        EXPECT_EQ(walk_all(walk), is.second ? 1U : 2U);
        EXPECT_EQ(walk.is_piece(), is.first);
        EXPECT_EQ(walk.is_later_piece(), is.second);
        EXPECT_EQ(walk.protocol(), is.second ? kProtocolHopByHop : kProtocolTcp);
    }
}

TEST(ExtensionWalk, StopsAtAHeaderThatIsNotWhole) {
    const auto packet = chain_of(kProtocolRouting, {{{kProtocolTcp, 1}, 16}});
    for (std::size_t bytes = kFirst; bytes < packet.size(); ++bytes) {
        const std::vector<std::uint8_t> cut(packet.begin(),
                                            packet.begin() + static_cast<std::ptrdiff_t>(bytes));
        ExtensionWalk walk(cut);
        EXPECT_EQ(walk.has_length(), bytes >= kFirst + 8);
        EXPECT_EQ(walk_all(walk), 0U);
        EXPECT_TRUE(walk.is_at_header());
    }
}

TEST(ExtensionWalk, SaysWhenThereAreMoreHeadersThanAreWalked) {
    const std::vector<Extension> nine(9, {{kProtocolDestinationOptions, 0}});
    const auto packet = chain_of(kProtocolDestinationOptions, nine);
    ExtensionWalk walk(packet);
    EXPECT_EQ(walk_all(walk), kMaxExtensionHeaders);
    EXPECT_TRUE(walk.is_at_header() && walk.is_past_limit());
}

}  // namespace
}  // namespace fairlead
