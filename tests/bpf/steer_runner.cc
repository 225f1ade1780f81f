// Runs bpf/steer.bpf.c in the kernel (BPF_PROG_TEST_RUN) on frames that somebody else has made, for
// test_steer.py and test_away.py. One JSON object in on stdin:
//     {"mac": HEX, "virtual_macs": [MAC...], "vlan": 0, "vips": [ADDRESS...], "frames": [HEX...],
//     "away": {...}}
// one JSON array out on stdout, an element a frame: its outcome (bpf/abi/steer.h), what the program
// returned (enum xdp_action) and the frame as it left it:
//     {"outcome": 2, "action": 1, "frame": HEX}
// Nothing is attached to an interface, and no socket to the program. "away", which may be missing,
// is what it knows of services without an engine, in the words of tests/packet/runner.cc:
//     {"seed": N, "is_settled": BOOL,
//      "ports": [{"ifindex": N, "mac": MAC, "mtu": N, "vlan": N, "tunnel_source_v4": ADDRESS...}],
//      "services": [{"vip": ADDRESS, "port": N, "protocol": "tcp", "mode": "l2", "kind": N,
//                    "source_prefix": N, "ring": [INDEX...]}],
//      "backends": [{"mac": MAC, "port": N, "address": ADDRESS}]}
// where "kind" is an enum steer_service_kind.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/loader/libbpf_log.h"
#include "bpf/loader/steer_away.h"
#include "bpf/loader/steer_loader.h"
#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"
#include "dp/net/virtual_macs.h"
#include "tests/bpf/frames.h"

#include <nlohmann/json.hpp>

namespace {

using fairlead::SteerAway;
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

fairlead::IpAddress read_address(const std::string& text) {
    const auto address = fairlead::IpAddress::parse(text);
    if (!address) {
        throw std::runtime_error("no address: " + text);
    }
    return *address;
}

std::vector<std::uint8_t> read_mac(std::string text) {
    std::erase(text, ':');
    return fairlead::testing::from_hex(text);
}

std::vector<steer_address> read_vips(const json& texts) {
    std::vector<steer_address> vips;
    for (const std::string text : texts) {
        std::ranges::copy(read_address(text).bytes(), std::begin(vips.emplace_back().bytes));
    }
    return vips;
}

SteerLoader::VirtualMacs read_virtual_macs(const json& input) {
    fairlead::VirtualMacs macs;
    for (const std::string text : input.value("virtual_macs", json::array())) {
        macs.add(fairlead::MacAddress::parse(text).value());
    }
    return macs.words;
}

steer_port read_port(const json& from) {
    steer_port port{};
    port.ifindex = from.at("ifindex");
    port.mtu_bytes = from.at("mtu");
    port.vlan = from.value("vlan", std::uint16_t{0});
    std::ranges::copy(read_mac(from.at("mac")), std::begin(port.mac));
    std::ranges::copy(read_address(from.at("tunnel_source_v4")).bytes(), port.source_v4);
    std::ranges::copy(read_address(from.at("tunnel_source_v6")).bytes(), port.source_v6);
    if (from.contains("tunnel_prefix_v4")) {
        port.entropy_v4 = from.at("entropy_bits_v4");
        port.prefix_v4 = read_address(from.at("tunnel_prefix_v4")).v4().host();
    }
    if (from.contains("tunnel_prefix_v6")) {
        const auto prefix = read_address(from.at("tunnel_prefix_v6"));
        port.entropy_v6 = 32;
        std::memcpy(port.prefix_v6, prefix.bytes().data(), sizeof port.prefix_v6);
    }
    return port;
}

steer_backend read_backend(const json& from) {
    steer_backend backend{};
    const std::vector<std::uint8_t> mac = read_mac(from.at("mac"));
    for (std::size_t i = 0; i < mac.size(); ++i) {
        backend.word |= std::uint64_t{mac[i]} << (8 * i);
    }
    backend.word |= from.value("port", std::uint64_t{0}) << STEER_BACKEND_PORT_SHIFT;
    backend.word |= STEER_BACKEND_USABLE;
    backend.mtu_bytes = 65'535;
    std::ranges::copy(read_address(from.at("address")).bytes(), backend.address);
    return backend;
}

void put_service(const json& from, const json& away, std::uint32_t ring, const SteerAway& maps) {
    steer_service_key key{};
    std::ranges::copy(read_address(from.at("vip")).bytes(), key.vip);
    key.port = fairlead::Be16::from_host(from.at("port")).raw();
    key.protocol = from.at("protocol") == "tcp" ? 6 : 17;
    steer_service service{};
    service.seed = away.at("seed");
    service.ring = ring;
    service.kind = from.at("kind");
    service.mode = from.at("mode") == "l2" ? STEER_MODE_L2 : STEER_MODE_IPIP;
    service.source_bits = from.at("source_prefix");
    for (const std::uint16_t owner : from.at("ring")) {
        const auto settled =
            away.at("is_settled") ? std::uint16_t{STEER_SLOT_SETTLED} : std::uint16_t{0};
        maps.rings()[ring].slots[service.ring_entries++] =
            static_cast<std::uint16_t>(owner | settled);
    }
    if (!maps.put(key, service)) {
        throw std::runtime_error("the map of services cannot be written");
    }
}

void fill(const SteerAway& maps, const json& away) {
    std::size_t number = 0;
    for (const json& port : away.at("ports")) {
        maps.ports()[number++] = read_port(port);
    }
    number = 0;
    for (const json& backend : away.at("backends")) {
        maps.backends()[number++] = read_backend(backend);
    }
    std::uint32_t ring = 0;
    for (const json& service : away.at("services")) {
        put_service(service, away, ring, maps);
        ring += service.at("kind") == STEER_SERVICE_FORWARDED ? 1U : 0U;
    }
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
    if (!vips.set(read_vips(input.at("vips"))) ||
        !steer.set_interface(mac, input.at("vlan"), read_virtual_macs(input))) {
        throw std::runtime_error("the program's maps cannot be written");
    }
    if (input.contains("away")) {
        fill(taken(steer.away()), input.at("away"));
    }
    json results = json::array();
    SteerCounters before = taken(steer.counters());
    for (const json& frame : input.at("frames")) {
        const auto ran =
            fairlead::testing::run_program(steer.program_fd(), fairlead::testing::from_hex(frame));
        const SteerCounters after = taken(steer.counters());
        results.push_back({{"outcome", outcome_of(before, after)},
                           {"action", ran.action},
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
