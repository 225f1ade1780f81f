// Runs bpf/steer.bpf.c in the kernel (BPF_PROG_TEST_RUN) on frames that somebody else has made, for
// test_steer.py. One JSON object in on stdin:
//     {"mac": HEX, "vlan": 0, "vips": [ADDRESS...], "frames": [HEX...]}
// one JSON array out on stdout, an element a frame: its outcome (bpf/abi/steer.h) and the frame as
// the program left it:
//     {"outcome": 2, "frame": HEX}
// Nothing is attached to an interface, and no socket to the program.
#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/loader/libbpf_log.h"
#include "bpf/loader/steer_loader.h"
#include "dp/net/ip_address.h"
#include "tests/bpf/frames.h"

#include <nlohmann/json.hpp>

namespace {

using fairlead::SteerCounters;
using fairlead::SteerLoader;
using fairlead::SteerVips;
using nlohmann::json;

template <typename T>
T taken(fairlead::Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message);
    }
    return std::move(*result);
}

std::vector<steer_address> read_vips(const json& texts) {
    std::vector<steer_address> vips;
    for (const std::string text : texts) {
        const auto address = fairlead::IpAddress::parse(text);
        if (!address) {
            throw std::runtime_error("no address: " + text);
        }
        std::ranges::copy(address->bytes(), std::begin(vips.emplace_back().bytes));
    }
    return vips;
}

std::size_t outcome_of(const SteerCounters& before, const SteerCounters& after) {
    std::size_t outcome = after.size();
    for (std::size_t i = 0; i < after.size(); ++i) {
        if (after.at(i) == before.at(i)) {
            continue;
        }
        if (outcome != after.size() || after.at(i) != before.at(i) + 1) {
            throw std::runtime_error("a frame was counted more than once");
        }
        outcome = i;
    }
    return outcome;
}

void run() {
    const json input = json::parse(std::cin);
    fairlead::send_libbpf_messages_to_log();
    SteerVips vips = taken(SteerVips::open(""));
    SteerLoader steer = taken(SteerLoader::load(vips, "", "test0"));
    std::array<std::uint8_t, 6> mac{};
    std::ranges::copy(fairlead::testing::from_hex(input.at("mac")), mac.begin());
    if (!vips.set(read_vips(input.at("vips"))) || !steer.set_interface(mac, input.at("vlan"))) {
        throw std::runtime_error("the program's maps cannot be written");
    }
    json results = json::array();
    SteerCounters before = taken(steer.counters());
    for (const json& frame : input.at("frames")) {
        const auto ran =
            fairlead::testing::run_program(steer.program_fd(), fairlead::testing::from_hex(frame));
        const SteerCounters after = taken(steer.counters());
        results.push_back({{"outcome", outcome_of(before, after)},
                           {"frame", fairlead::testing::to_hex(ran.frame)}});
        before = after;
    }
    std::cout << results << '\n';
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "steer_runner: " << error.what() << '\n';
        return 1;
    }
}
