// Runs bpf/decap.bpf.c in the kernel (BPF_PROG_TEST_RUN) on frames that somebody else has made, for
// test_decap.py. One JSON object in on stdin:
//     {"vips": [ADDRESS...], "balancers": ["ADDRESS/BITS"...], "endpoints": [ADDRESS...], "frames":
//     [HEX...]}
// one JSON array out on stdout, an element a frame:
//     {"verdict": 2, "frame": HEX, "outcomes": {"decapsulated": 1}, "refused_source": HEX or null}
// Nothing is attached to an interface.
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>

#include "bpf/loader/decap_loader.h"
#include "bpf/loader/libbpf_log.h"
#include "tests/bpf/frames.h"

#include <nlohmann/json.hpp>

namespace {

using fairlead::DecapCounters;
using fairlead::DecapLoader;
using fairlead::testing::from_hex;
using fairlead::testing::Ran;
using fairlead::testing::to_hex;
using nlohmann::json;

decap_address parse_address(const std::string& text) {
    decap_address address{};
    address.family = text.find(':') == std::string::npos ? DECAP_IPV4 : DECAP_IPV6;
    if (inet_pton(
            address.family == DECAP_IPV4 ? AF_INET : AF_INET6, text.c_str(), &address.bytes) != 1) {
        throw std::runtime_error("no address: " + text);
    }
    return address;
}

decap_prefix parse_prefix(const std::string& text) {
    const std::size_t slash = text.find('/');
    return {DECAP_FAMILY_BITS + static_cast<std::uint32_t>(std::stoul(text.substr(slash + 1))),
            parse_address(text.substr(0, slash))};
}

fairlead::DecapTables read_tables(const json& input) {
    fairlead::DecapTables tables;
    for (const json& text : input.at("vips")) {
        tables.vips.push_back(parse_address(text));
    }
    for (const json& text : input.at("balancers")) {
        tables.balancers.push_back(parse_prefix(text));
    }
    for (const json& text : input.at("endpoints")) {
        tables.endpoints.push_back(parse_address(text));
    }
    return tables;
}

json run_frame(const DecapLoader& loader, const std::vector<std::uint8_t>& frame) {
    const DecapCounters before = loader.counters().value();
    const Ran ran = fairlead::testing::run_program(loader.program_fd(), frame);
    const DecapCounters after = loader.counters().value();
    json outcomes = json::object();
    for (std::size_t index = 0; index < after.size(); ++index) {
        if (after.at(index) != before.at(index)) {
            const auto name = fairlead::decap_outcome_text(static_cast<decap_outcome>(index)).name;
            outcomes[std::string(name)] = after.at(index) - before.at(index);
        }
    }
    json result = {{"verdict", ran.action},
                   {"frame", to_hex(ran.frame)},
                   {"outcomes", outcomes},
                   {"refused_source", nullptr}};
    if (const auto source = loader.refused_source()) {
        result["refused_source"] =
            to_hex({&source->bytes[0], source->family == DECAP_IPV4 ? 4U : 16U});
    }
    return result;
}

int run() {
    const json input = json::parse(std::cin);
    fairlead::send_libbpf_messages_to_log();
    fairlead::Result<DecapLoader> loader = DecapLoader::load(read_tables(input), "", "test0");
    if (!loader) {
        std::cerr << loader.error().message << '\n';
        return 1;
    }
    json results = json::array();
    for (const json& frame : input.at("frames")) {
        results.push_back(run_frame(*loader, from_hex(frame)));
    }
    std::cout << results << '\n';
    return 0;
}

}  // namespace

int main() {
    try {
        return run();
    } catch (const std::exception& error) {
        std::cerr << "decap_runner: " << error.what() << '\n';
        return 1;
    }
}
