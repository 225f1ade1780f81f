// Says what the programs compute, for the oracle to compare: one request a line on standard input,
// one answer a line on standard output. Words are separated by spaces.
//
//     ring M [WEIGHT NAME]...                          -> OWNER... FINGERPRINT
//         names in hexadecimal; an owner is a position in the request, or -
//     fill M [OFFSET SKIP WEIGHT]...                   -> OWNER...
//     hash SEED SOURCE DESTINATION SPORT DPORT PROTO M -> HASH SLOT
//         seed and hash in hexadecimal, ports and protocol decimal
//     source SEED ADDRESS BITS                         -> HASH
//
// A request that cannot be read, or that the builder refuses, is answered by "error: " and the
// reason.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "bpf/abi/flow_hash.h"
#include "ctl/maglev/maglev.h"
#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"

namespace fairlead {
namespace {

std::string from_hex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

void print_owners(const MaglevRing& ring) {
    for (const std::uint16_t owner : ring) {
        if (owner == kNoMember) {
            std::cout << "- ";
        } else {
            std::cout << owner << ' ';
        }
    }
}

void dump_ring(std::istream& request) {
    std::uint32_t ring_size = 0;
    std::uint32_t weight = 0;
    std::string name;
    std::vector<std::string> names;
    std::vector<std::uint32_t> weights;
    request >> ring_size;
    while (request >> weight >> name) {
        weights.push_back(weight);
        names.push_back(from_hex(name));
    }
    std::vector<MaglevMember> members;
    for (std::size_t i = 0; i < names.size(); ++i) {
        members.push_back({names[i], weights[i]});
    }
    const auto ring = build_maglev_ring(members, ring_size);
    if (!ring) {
        std::cout << "error: " << ring.error().message;
        return;
    }
    print_owners(*ring);
    std::cout << maglev_fingerprint(members, *ring);
}

void dump_fill(std::istream& request) {
    std::uint32_t ring_size = 0;
    std::uint32_t weight = 0;
    MaglevVisits visit;
    std::vector<MaglevVisits> visits;
    std::vector<std::uint32_t> weights;
    request >> ring_size;
    while (request >> visit.offset >> visit.skip >> weight) {
        visits.push_back(visit);
        weights.push_back(weight);
    }
    print_owners(fill_maglev_ring(visits, weights, ring_size));
}

void dump_hash(std::istream& request) {
    std::uint64_t seed = 0;
    std::string source_text;
    std::string destination_text;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t protocol = 0;
    std::uint32_t ring_size = 0;
    request >> std::hex >> seed >> std::dec >> source_text >> destination_text >> source_port >>
        destination_port >> protocol >> ring_size;
    const auto source = IpAddress::parse(source_text);
    const auto destination = IpAddress::parse(destination_text);
    if (!request || !source || !destination || source->is_v4() != destination->is_v4()) {
        std::cout << "error: expected SEED SOURCE DESTINATION SPORT DPORT PROTO M";
        return;
    }
    const std::uint16_t sport = Be16::from_host(source_port).raw();
    const std::uint16_t dport = Be16::from_host(destination_port).raw();
    const auto proto = static_cast<std::uint8_t>(protocol);
    const std::uint64_t hash =
        source->is_v4()
            ? fl_flow_hash_v4(
                  seed, source->v4().raw(), destination->v4().raw(), sport, dport, proto)
            : fl_flow_hash_v6(
                  seed, source->bytes().data(), destination->bytes().data(), sport, dport, proto);
    std::cout << std::hex << hash << std::dec << ' ' << fl_ring_slot(hash, ring_size);
}

void dump_source_hash(std::istream& request) {
    std::uint64_t seed = 0;
    std::string text;
    std::uint32_t bits = 0;
    request >> std::hex >> seed >> std::dec >> text >> bits;
    const auto source = IpAddress::parse(text);
    if (!request || !source) {
        std::cout << "error: expected SEED ADDRESS BITS";
        return;
    }
    constexpr std::size_t kV4At = 12;
    std::cout << std::hex
              << (source->is_v4() ? fl_source_hash_v4(seed, source->bytes().data() + kV4At, bits)
                                  : fl_source_hash_v6(seed, source->bytes().data(), bits))
              << std::dec;
}

void answer(const std::string& line) {
    std::istringstream request(line);
    std::string word;
    request >> word;
    if (word == "ring") {
        dump_ring(request);
    } else if (word == "fill") {
        dump_fill(request);
    } else if (word == "hash") {
        dump_hash(request);
    } else if (word == "source") {
        dump_source_hash(request);
    } else {
        std::cout << "error: expected ring, fill, hash or source, not \"" << word << '"';
    }
    std::cout << '\n';
}

}  // namespace
}  // namespace fairlead

int main() {
    std::ios::sync_with_stdio(false);
    std::string line;
    while (std::getline(std::cin, line)) {
        fairlead::answer(line);
    }
    return 0;
}
