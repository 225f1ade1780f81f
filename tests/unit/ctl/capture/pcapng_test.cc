// Byte by byte where a block begins and ends; that tshark reads it is tried by the functional
// tests.
#include "ctl/capture/pcapng.h"

#include <cstring>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "ctl/capture/filter.h"

namespace fairlead::capture {
namespace {

std::uint32_t word_at(const std::string& text, std::size_t offset) {
    std::uint32_t word = 0;
    EXPECT_LE(offset + sizeof word, text.size());
    std::memcpy(&word, text.data() + offset, sizeof word);
    return word;
}

// The bodies of blocks by type; each block's length stands at both of its ends.
std::vector<std::pair<std::uint32_t, std::string>> blocks_of(const std::string& file) {
    std::vector<std::pair<std::uint32_t, std::string>> blocks;
    for (std::size_t offset = 0; offset < file.size();) {
        const std::uint32_t length = word_at(file, offset + 4);
        EXPECT_EQ(length % 4, 0U);
        EXPECT_GE(length, 12U);
        EXPECT_EQ(word_at(file, offset + length - 4), length);
        blocks.emplace_back(word_at(file, offset), file.substr(offset + 8, length - 12));
        offset += length;
    }
    return blocks;
}

// The value of an option in a block's body, whose options begin at `offset`.
std::string option(const std::string& body, std::size_t offset, std::uint16_t code) {
    while (offset + 4 <= body.size()) {
        const std::uint32_t head = word_at(body, offset);
        const std::size_t length = head >> 16U;
        if ((head & 0xFFFFU) == code) {
            return body.substr(offset + 4, length);
        }
        offset += 4 + (length + 3) / 4 * 4;
    }
    return "(none)";
}

TEST(Pcapng, HoldsInterfacesPacketsAndStatistics) {
    std::ostringstream out;
    PcapngWriter writer(out, "lbctl 1");
    EXPECT_EQ(writer.add_interface("edge:rx", 128, "tcp"), 0U);
    EXPECT_EQ(writer.add_interface("edge:drop", 128, ""), 1U);
    const std::vector<std::uint8_t> bytes{1, 2, 3, 4, 5};
    writer.write(CapturedPacket{.interface = 1,
                                .epoch_ns = 0x1122'3344'5566'7788,
                                .length = 99,
                                .bytes = bytes,
                                .direction = Direction::kInbound,
                                .queue = 3,
                                .comment = "no_service: why"});
    writer.write(InterfaceStatistics{.interface = 1, .received = 9, .dropped = 8});
    const auto blocks = blocks_of(out.str());
    ASSERT_EQ(blocks.size(), 5U);
    EXPECT_EQ(blocks[0].first, 0x0A0D'0D0AU);
    EXPECT_EQ(word_at(blocks[0].second, 0), 0x1A2B'3C4DU);
    EXPECT_EQ(option(blocks[0].second, 16, 4), "lbctl 1");
    EXPECT_EQ(blocks[1].first, 1U);
    EXPECT_EQ(word_at(blocks[1].second, 0), 1U);  // Ethernet
    EXPECT_EQ(word_at(blocks[1].second, 4), 128U);
    EXPECT_EQ(option(blocks[1].second, 8, 2), "edge:rx");
    EXPECT_EQ(option(blocks[1].second, 8, 9), "\x09");
    EXPECT_EQ(option(blocks[1].second, 8, 11), std::string("\0tcp", 4));
    EXPECT_EQ(option(blocks[2].second, 8, 11), "(none)");
    const std::string& packet = blocks[3].second;
    EXPECT_EQ(blocks[3].first, 6U);
    EXPECT_EQ(word_at(packet, 0), 1U);
    EXPECT_EQ(word_at(packet, 4), 0x1122'3344U);
    EXPECT_EQ(word_at(packet, 8), 0x5566'7788U);
    EXPECT_EQ(word_at(packet, 12), 5U);
    EXPECT_EQ(word_at(packet, 16), 99U);
    EXPECT_EQ(packet.substr(20, 8), std::string("\1\2\3\4\5\0\0\0", 8));
    EXPECT_EQ(option(packet, 28, 2), std::string("\1\0\0\0", 4));
    EXPECT_EQ(option(packet, 28, 6), std::string("\3\0\0\0", 4));
    EXPECT_EQ(option(packet, 28, 1), "no_service: why");
    EXPECT_EQ(blocks[4].first, 5U);
    EXPECT_EQ(option(blocks[4].second, 12, 5), std::string("\10\0\0\0\0\0\0\0", 8));
}

TEST(Filter, IsATcpdumpExpression) {
    const auto program = compile_filter("tcp port 443 and host 198.51.100.7");
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_GT(program->size(), 5U);
    EXPECT_TRUE(compile_filter("")->empty());
    const auto wrong = compile_filter("tcp prot 443");
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().message.find("pcap-filter(7)"), std::string::npos);
    std::string many = "len = 1";
    for (int length = 2; length < 600; ++length) {
        many += " or len = " + std::to_string(length);
    }
    const auto large = compile_filter(many);
    ASSERT_FALSE(large);
    EXPECT_NE(large.error().message.find("at most 512"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::capture
