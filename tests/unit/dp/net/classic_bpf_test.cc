// Against libpcap, which compiles the programs and has an interpreter of its own.
#include "dp/net/classic_bpf.h"

#include <array>
#include <random>
#include <string>
#include <vector>

#include <pcap/pcap.h>

#include <gtest/gtest.h>

#include "dp/net/headers.h"
#include "tests/support/packets.h"

namespace fairlead {
namespace {

using Program = std::vector<FilterInstruction>;

Program compile(const std::string& expression) {
    pcap_t* const handle = ::pcap_open_dead(DLT_EN10MB, 65'535);
    bpf_program compiled{};
    EXPECT_EQ(::pcap_compile(handle, &compiled, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN), 0)
        << expression << ": " << ::pcap_geterr(handle);
    Program program;
    for (unsigned i = 0; i < compiled.bf_len; ++i) {
        const bpf_insn& from = compiled.bf_insns[i];
        program.push_back({from.code, from.jt, from.jf, from.k});
    }
    ::pcap_freecode(&compiled);
    ::pcap_close(handle);
    return program;
}

bool libpcap_matches(const Program& program, const testing::Bytes& packet) {
    std::vector<bpf_insn> instructions;
    for (const FilterInstruction& from : program) {
        instructions.push_back({from.code, from.jump_true, from.jump_false, from.k});
    }
    const auto bytes = static_cast<unsigned>(packet.size());
    return ::bpf_filter(instructions.data(), packet.data(), bytes, bytes) != 0;
}

const std::vector<std::string> kExpressions{"tcp",
                                            "udp port 514",
                                            "host 198.51.100.7 and tcp port 443",
                                            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
                                            "net 203.0.113.0/24 or ip6 net 2001:db8::/32",
                                            "greater 100 and not port 22",
                                            "ip[0] & 0xf > 5",
                                            "ip6 and tcp dst port 443",
                                            "portrange 400-500 and ip",
                                            "len % 3 = 1",
                                            "(ip[2:2] - ((ip[0] & 0xf) << 2)) / 4 >= 6",
                                            "ether[0] * 3 = 6 and tcp[13] ^ 2 = 0",
                                            "vlan 7 or icmp6 or arp"};

std::vector<testing::Bytes> packets() {
    std::vector<testing::Bytes> frames;
    for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        for (const std::uint16_t port : std::array<std::uint16_t, 3>{443, 514, 22}) {
            for (const std::size_t options : {0UL, 8UL}) {
                frames.push_back(testing::make_frame({.destination_port = port,
                                                      .protocol = protocol,
                                                      .payload_bytes = port,
                                                      .option_bytes = options}));
            }
            frames.push_back(testing::make_frame({.source = "2001:db8::7",
                                                  .destination = "2001:db8::10",
                                                  .destination_port = port,
                                                  .protocol = protocol}));
        }
    }
    std::mt19937 random(42);
    for (const std::size_t i : {0U, 3U, 7U, 11U}) {  // changed in a byte, and cut
        for (int change = 0; change < 200; ++change) {
            testing::Bytes frame = frames[i];
            frame[random() % 60 % frame.size()] = static_cast<std::uint8_t>(random());
            frame.resize(random() % 4 == 0 ? random() % frame.size() : frame.size());
            frames.push_back(frame);
        }
    }
    frames.emplace_back();
    return frames;
}

TEST(ClassicBpf, DecidesAsLibpcapDoes) {
    const auto frames = packets();
    for (const std::string& expression : kExpressions) {
        const Program program = compile(expression);
        ASSERT_TRUE(check_filter(program)) << expression;
        std::size_t matches = 0;
        for (const testing::Bytes& frame : frames) {
            const bool is_match = matches_filter(program, frame);
            ASSERT_EQ(is_match, libpcap_matches(program, frame)) << expression;
            matches += is_match ? 1U : 0U;
        }
        EXPECT_LT(matches, frames.size()) << expression;
    }
}

TEST(ClassicBpf, AnEmptyProgramMatchesAll) {
    EXPECT_TRUE(matches_filter({}, testing::make_frame({})));
    EXPECT_FALSE(check_filter({}));
}

TEST(ClassicBpf, UnsoundProgramsAreRefused) {
    const FilterInstruction accept{0x06, 0, 0, 1};
    const std::vector<Program> unsound{
        {{0x20, 0, 0, 12}},                   // falls off its end
        {{0x05, 0, 0, 1}, accept},            // jumps behind its end
        {{0x15, 0, 1, 1}, accept},            // the same, by condition
        {{0x05, 0, 0, 0xFFFF'FFFF}, accept},  // backward, if it were added
        {{0x02, 0, 0, 16}, accept},           // outside its memory
        {{0x34, 0, 0, 0}, accept},            // divides by 0
        {{0x64, 0, 0, 32}, accept},           // shifts too far
        {{0x38, 0, 0, 0}, accept},            // no such size
        {{0x21, 0, 0, 0}, accept},            // index from the packet: libpcap's interpreter aborts
        {{0xFFFF, 0, 0, 0}, accept},          // nothing
        {{0x8C, 0, 0, 0}, accept},            // negates the index
        Program(kMaxFilterInstructions + 1, accept)};
    for (const Program& program : unsound) {
        EXPECT_FALSE(check_filter(program)) << program.front().code;
    }
    EXPECT_TRUE(check_filter(Program(kMaxFilterInstructions, accept)));
}

// Whatever passes the check ends and stays inside the packet (the address sanitizer looks on).
TEST(ClassicBpf, RandomSoundProgramsEnd) {
    const Program seeds =
        compile("(tcp[tcpflags] & tcp-syn != 0 and port 443) or ip6 or len % 7 = 1");
    std::mt19937 random(7);
    std::size_t sound = 0;
    for (int i = 0; i < 20'000; ++i) {
        Program program = seeds;
        for (int change = 0; change < 3; ++change) {
            FilterInstruction& instruction = program[random() % program.size()];
            instruction.code = seeds[random() % seeds.size()].code;
            instruction.k =
                random() % 3 == 0 ? static_cast<std::uint32_t>(random()) : random() % 64;
            instruction.jump_true = static_cast<std::uint8_t>(random() % 8);
        }
        if (check_filter(program)) {
            ++sound;
            testing::Bytes frame = testing::make_frame({});
            frame.resize(random() % (frame.size() + 1));
            ASSERT_EQ(matches_filter(program, frame), libpcap_matches(program, frame));
        }
    }
    EXPECT_GT(sound, 1'000U);
}

}  // namespace
}  // namespace fairlead
