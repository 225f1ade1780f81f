// bpf/clamp.bpf.c on single frames, run by the kernel (BPF_PROG_TEST_RUN): what leaves, with its
// TCP checksum summed anew, and which counter rises.
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <linux/pkt_cls.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include "bpf/loader/clamp_loader.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/packets.h"

namespace fairlead {
namespace {

using testing::Bytes;

constexpr std::size_t kIp = sizeof(EthernetHeader);
constexpr std::uint8_t kSynAck = kTcpSyn | kTcpAck;
constexpr std::string_view kVip4 = "203.0.113.10";
constexpr std::string_view kVip6 = "2001:db8::10";
constexpr std::uint16_t kLimit4 = 1'408;
constexpr std::uint16_t kLimit6 = 1'388;

decap_address key_of(std::string_view text) {
    const IpAddress address = testing::address(text);
    decap_address key{};
    key.family = address.is_v4() ? DECAP_IPV4 : DECAP_IPV6;
    const std::size_t skipped = address.is_v4() ? 12 : 0;
    std::memcpy(&key.bytes, address.bytes().data() + skipped, 16 - skipped);
    return key;
}

std::size_t tcp_at(const Bytes& frame) {
    return kIp + (frame[12] == 0x08 ? header_at<Ipv4Header>(frame.data() + kIp).header_bytes()
                                    : sizeof(Ipv6Header));
}

// The sum over pseudo-header and segment; all ones where the TCP checksum is right.
std::uint16_t tcp_sum(const Bytes& frame) {
    const std::size_t at = tcp_at(frame);
    const std::span bytes(frame);
    const auto addresses =
        frame[12] == 0x08 ? bytes.subspan(kIp + 12, 8) : bytes.subspan(kIp + 8, 32);
    return fold_checksum(
        sum_bytes(addresses) + sum_bytes(bytes.subspan(at)) +
        Be16::from_host(static_cast<std::uint16_t>(bytes.size() - at + kProtocolTcp)).raw());
}

// A segment from `source` with these TCP options, whose length is a multiple of 4, and a right
// checksum.
Bytes segment(std::string_view source, std::uint8_t flags, const Bytes& options) {
    const bool is_v4 = source.find(':') == std::string_view::npos;
    Bytes frame = testing::make_frame({.source = source,
                                       .destination = is_v4 ? "198.51.100.7" : "2001:db8:c::7",
                                       .flags = flags,
                                       .payload_bytes = options.size()});
    const std::size_t at = tcp_at(frame);
    std::copy(options.begin(), options.end(), frame.begin() + static_cast<long>(at) + 20);
    auto& tcp = header_at<TcpHeader>(frame.data() + at);
    tcp.data_offset = static_cast<std::uint8_t>((20 + options.size()) / 4 << 4U);
    tcp.checksum.set({});
    tcp.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~tcp_sum(frame))));
    return frame;
}

class Clamp : public ::testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "loading a BPF program needs root";
        }
        const std::array vips{key_of(kVip4), key_of(kVip6)};
        Result<ClampLoader> loaded = ClampLoader::load(vips, "", "test0");
        ASSERT_TRUE(loaded) << loaded.error().message;
        loader_.emplace(std::move(*loaded));
        ASSERT_TRUE(loader_->set_mss({kLimit4, kLimit6}));
    }

    // The frame afterwards; `outcome` is the one counter that must rise, none where it is nullopt.
    Bytes run(const Bytes& frame, std::optional<clamp_outcome> outcome) {
        const ClampCounters before = loader_->counters().value();
        Bytes out(frame.size() + 64);
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        options.data_out = out.data();
        options.data_size_out = static_cast<std::uint32_t>(out.size());
        EXPECT_EQ(bpf_prog_test_run_opts(loader_->program_fd(), &options), 0) << errno;
        EXPECT_EQ(static_cast<int>(options.retval), TC_ACT_UNSPEC);
        out.resize(options.data_size_out);
        ClampCounters wanted = before;
        if (outcome) {
            ++wanted.at(*outcome);
        }
        EXPECT_EQ(loader_->counters().value(), wanted);
        return out;
    }
    void expect_untouched(const Bytes& frame, std::optional<clamp_outcome> outcome) {
        EXPECT_EQ(run(frame, outcome), frame);
    }

  private:
    std::optional<ClampLoader> loader_;
};

Bytes mss_behind(std::size_t nops, std::uint16_t mss) {
    Bytes options((nops + 4 + 3) / 4 * 4, 1);
    options.at(nops) = 2;
    options.at(nops + 1) = 4;
    options.at(nops + 2) = static_cast<std::uint8_t>(mss >> 8U);
    options.at(nops + 3) = static_cast<std::uint8_t>(mss);
    return options;
}

TEST_F(Clamp, LowersTheMssAndKeepsTheChecksumRightAtEveryPlace) {
    for (const auto& [vip, limit] : {std::pair{kVip4, kLimit4}, std::pair{kVip6, kLimit6}}) {
        for (std::size_t nops = 0; nops <= 36; ++nops) {
            for (const int mss : {1'460, 8'960, 65'535, limit + 1}) {
                const Bytes frame =
                    segment(vip, kSynAck, mss_behind(nops, static_cast<std::uint16_t>(mss)));
                ASSERT_EQ(tcp_sum(frame), 0xFFFF);
                const Bytes out = run(frame, CLAMP_LOWERED);
                Bytes wanted = segment(vip, kSynAck, mss_behind(nops, limit));
                ASSERT_EQ(tcp_sum(out), 0xFFFF) << nops << " NOPs";
                // But for the checksum, which has two forms of zero.
                const std::size_t checksum = tcp_at(out) + 16;
                wanted.at(checksum) = out.at(checksum);
                wanted.at(checksum + 1) = out.at(checksum + 1);
                ASSERT_EQ(out, wanted) << nops << " NOPs";
            }
        }
    }
}

TEST_F(Clamp, NeverRaisesIt) {
    for (const auto& [vip, limit] : {std::pair{kVip4, kLimit4}, std::pair{kVip6, kLimit6}}) {
        for (const unsigned mss : {0U, 1U, 536U, static_cast<unsigned>(limit)}) {
            expect_untouched(segment(vip, kSynAck, mss_behind(1, static_cast<std::uint16_t>(mss))),
                             CLAMP_LOW_ENOUGH);
        }
    }
}

TEST_F(Clamp, LeavesEverythingElseAlone) {
    const Bytes large = mss_behind(0, 1'460);
    for (const unsigned number : {0x00U, 0x02U, 0x10U, 0x18U, 0x11U, 0x04U}) {
        const auto flags = static_cast<std::uint8_t>(number);
        expect_untouched(segment(kVip4, flags, large), std::nullopt);
        expect_untouched(segment(kVip6, flags, large), std::nullopt);
    }
    expect_untouched(segment("203.0.113.11", kSynAck, large), std::nullopt);
    expect_untouched(segment("2001:db8::11", kSynAck, large), std::nullopt);
    Bytes fragment = segment(kVip4, kSynAck, large);
    fragment.at(kIp + 7) = 1;
    expect_untouched(fragment, std::nullopt);
    Bytes udp = segment(kVip4, kSynAck, large);
    udp.at(kIp + 9) = kProtocolUdp;
    expect_untouched(udp, std::nullopt);
    Bytes arp = segment(kVip4, kSynAck, large);
    arp.at(13) = 0x06;
    expect_untouched(arp, std::nullopt);
}

TEST_F(Clamp, LeavesASynAckAloneThatHasNoMssOrABrokenHeader) {
    expect_untouched(segment(kVip4, kSynAck, {}), CLAMP_NO_OPTION);
    expect_untouched(segment(kVip6, kSynAck, {1, 1, 0, 0}), CLAMP_NO_OPTION);
    expect_untouched(segment(kVip4, kSynAck, {2, 5, 5, 0xB4, 1, 1, 1, 1}), CLAMP_MALFORMED);
    expect_untouched(segment(kVip6, kSynAck, {1, 1, 1, 2}), CLAMP_MALFORMED);
    Bytes lying = segment(kVip4, kSynAck, mss_behind(0, 1'460));
    lying.at(tcp_at(lying) + 12) = 0xF0;  // a header of 60 bytes, of which 24 are there
    expect_untouched(lying, CLAMP_MALFORMED);
    lying.at(tcp_at(lying) + 12) = 0x40;
    expect_untouched(lying, CLAMP_MALFORMED);
}

TEST_F(Clamp, ReadsNothingBeyondAFrameThatIsCut) {
    for (const std::string_view vip : {kVip4, kVip6}) {
        const Bytes whole = segment(vip, kSynAck, mss_behind(0, 1'460));
        // The kernel itself takes no frame whose IP header is not whole.
        for (std::size_t size = tcp_at(whole); size < whole.size(); ++size) {
            const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(size));
            const bool has_flags = size >= tcp_at(whole) + sizeof(TcpHeader);
            expect_untouched(
                cut, has_flags ? std::optional<clamp_outcome>(CLAMP_MALFORMED) : std::nullopt);
        }
    }
}

}  // namespace
}  // namespace fairlead
