// Runs packets through dp/forward for test_table.py.
//
// Standard input, a line of JSON each: first the tables, then packets. Standard output: a line a
// packet, and at the end of input the counters.
//
//     {"seed": 1, "ports": [{"mac", "mtu", "tunnel_source_v4", "tunnel_source_v6", "vlan",
//                          "virtual_macs": [MAC...]}],
//      "services": [{"vip", "port", "protocol", "mode", "ring": [0, 1]}],
//      "backends": [{"service": 0, "address", "mac", "flags": "published linked keeps admits",
//                    "port": 0}]}
//     {"frame": "hex", "headroom": 64, "port": 0}     port: by which it comes
//  -> {"action": "transmit", "reason": "none", "reply": "none", "backend": 3, "frame": "hex"}
//     {"advance_ms": 5}                offers what was held, in the order of its coming
//  -> [{"number": 7, "action": ...}]   those that leave; number: of the frame, from 0
//     {..., "more": ["hex"]}           in an answer: the further pieces of a frame that was cut
//  -> {"packets": 1, "kernel": 0, "dropped": {"truncated": 1}, "replies": {"echo": 1}}
//
// A service may say "answers_echo" and "rejects_unmatched" for its VIP, "last_port" for a range of
// ports (port 0 is any), "source_prefix" for the bits of the client's address that choose, and
// which sources it serves: "allow" and "deny", prefixes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "dp/forward/fragments/held_packets.h"
#include "tests/support/forward_rig.h"
#include "tests/support/packets.h"

#include <nlohmann/json.hpp>

namespace fairlead::testing {
namespace {

using Json = nlohmann::json;

[[nodiscard]] Bytes from_hex(const std::string& text) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

[[nodiscard]] std::string to_hex(const Bytes& bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 15U];
    }
    return text;
}

[[nodiscard]] IpAddress optional_address(const Json& object, const char* key) {
    const auto text = object.value(key, std::string());
    return text.empty() ? IpAddress{} : address(text);
}

[[nodiscard]] std::uint64_t flags_of(const std::string& words) {
    const auto flag = [&words](const char* word, std::uint64_t bit) {
        return words.find(word) == std::string::npos ? 0 : bit;
    };
    using Word = shm::BackendWord;
    return flag("published", Word::kPublished) | flag("linked", Word::kLinked) |
           flag("keeps", Word::kKeepsFlows) | flag("admits", Word::kAdmitsNew);
}

[[nodiscard]] shm::ForwardingMode mode_of(const std::string& word) {
    if (word == "l2") {
        return shm::ForwardingMode::kL2;
    }
    if (word == "ipip") {
        return shm::ForwardingMode::kIpip;
    }
    return word == "gue" ? shm::ForwardingMode::kGue : shm::ForwardingMode::kGre;
}

[[nodiscard]] prefix::PrefixList prefixes_of(const Json& service, const char* key) {
    std::vector<IpPrefix> prefixes;
    for (const Json& each : service.value(key, Json::array())) {
        const auto text = each.get<std::string>();
        const std::size_t slash = text.find('/');
        prefixes.push_back(
            prefix_around(address(text.substr(0, slash)),
                          static_cast<unsigned>(std::stoul(text.substr(slash + 1)))));
    }
    std::sort(prefixes.begin(), prefixes.end());
    return std::make_shared<const std::vector<IpPrefix>>(std::move(prefixes));
}

void fill(TablesImage& tables, const Json& config) {
    tables.snapshot().flow_hash_seed = config.at("seed");
    for (const Json& one : config.at("ports")) {
        shm::PortRecord& port = tables.port(tables.snapshot().port_count++);
        port.mac = mac(one.at("mac").get<std::string>());
        VirtualMacs& virtual_macs = tables.virtual_macs(tables.snapshot().port_count - 1);
        for (const Json& each : one.value("virtual_macs", Json::array())) {
            virtual_macs.add(mac(each.get<std::string>()));
        }
        port.mtu_bytes = one.at("mtu");
        port.vlan = one.value("vlan", std::uint16_t{0});
        port.tunnel_source_v4 = optional_address(one, "tunnel_source_v4");
        port.tunnel_source_v6 = optional_address(one, "tunnel_source_v6");
        if (const IpAddress v4 = optional_address(one, "tunnel_prefix_v4"); v4 != IpAddress{}) {
            port.tunnel_prefix_v4 = v4.v4();
            port.entropy_bits_v4 = one.at("entropy_bits_v4");
        }
        if (const IpAddress v6 = optional_address(one, "tunnel_prefix_v6"); v6 != IpAddress{}) {
            std::memcpy(
                port.tunnel_prefix_v6.data(), v6.bytes().data(), sizeof port.tunnel_prefix_v6);
            port.entropy_bits_v6 = 32;
        }
    }
    std::uint32_t id = 0;
    std::vector<prefix::Lists> lists;
    for (const Json& one : config.at("services")) {
        const ServiceKey key{address(one.at("vip").get<std::string>()),
                             one.at("port"),
                             static_cast<std::uint8_t>(one.at("protocol") == "tcp" ? 6 : 17),
                             one.value("last_port", std::uint16_t{0})};
        const auto mode = mode_of(one.at("mode").get<std::string>());
        const auto ring = one.at("ring").get<std::vector<std::uint16_t>>();
        auto& service = tables.add_service(key, mode, ServiceId{id}, id, ring);
        service.source_prefix_bits = one.value("source_prefix", std::uint8_t{0});
        const prefix::Lists sources{prefixes_of(one, "allow"), prefixes_of(one, "deny")};
        if (!sources.empty()) {
            lists.push_back(sources);
            tables.limit(service, static_cast<std::uint32_t>(lists.size()));
        }
        std::uint8_t& policy = tables.vip_mark(key.vip).vip_policy;
        policy = static_cast<std::uint8_t>(
            policy | (one.value("answers_echo", false) ? shm::kAnswersEcho : 0) |
            (one.value("rejects_unmatched", false) ? shm::kRejectsUnmatched : 0));
        ++id;
    }
    tables.set_prefix_lists(lists);
    std::uint16_t index = 0;
    for (const Json& one : config.at("backends")) {
        const auto word = shm::BackendWord::make(mac(one.at("mac").get<std::string>()),
                                                 PortIndex{one.value("port", std::uint8_t{0})},
                                                 1,
                                                 flags_of(one.at("flags").get<std::string>()));
        tables.set_backend(BackendIndex{index++},
                           ServiceId{one.at("service").get<std::uint32_t>()},
                           address(one.at("address").get<std::string>()),
                           word);
    }
}

[[nodiscard]] const char* name_of(Action action) {
    switch (action) {
        case Action::kDrop:
            return "drop";
        case Action::kTransmit:
            return "transmit";
        case Action::kKernel:
            return "kernel";
        case Action::kHold:
            return "hold";
    }
    return "?";
}

[[nodiscard]] Json counters_of(ForwardRig& rig) {
    Json dropped = Json::object();
    for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
        if (const std::uint64_t count = rig.worker().dropped[reason].get(); count != 0) {
            dropped[std::string(kDropReasonTexts[reason].metric)] = count;
        }
    }
    Json replies = Json::object();
    for (std::size_t kind = 0; kind < kReplyKindCount; ++kind) {
        if (const std::uint64_t count = rig.worker().replies[kind].get(); count != 0) {
            replies[std::string(kReplyKindNames[kind])] = count;
        }
    }
    return {{"packets", rig.worker().packets.get()},
            {"kernel", rig.worker().kernel_packets.get()},
            {"dropped", dropped},
            {"replies", replies}};
}

[[nodiscard]] Json answer_of(const Verdict& verdict, const Packet& packet) {
    return {{"action", name_of(verdict.action)},
            {"reason", text_of(verdict.reason).metric},
            {"reply", kReplyKindNames[static_cast<std::size_t>(verdict.reply)]},
            {"backend", to_number(verdict.backend)},
            {"frame", to_hex(Bytes(packet.data, packet.data + packet.length))}};
}

// The worker's part: buffers, and packets that wait.
class Runner {
  public:
    explicit Runner(const Json& config)
        : rig_({.backends = 256, .buckets = 512, .rings = 128, .ring_entries = 1'021, .ranges = 16},
               1'024) {
        fill(rig_.tables, config);
        rig_.start();
        rig_.context.spares = spares_;
        rig_.context.has_padding_room = true;
        for (SparePacket& spare : spares_) {
            Bytes& bytes = spare_bytes_.emplace_back(kNeededHeadroomBytes + kSpareBytes);
            spare.start = bytes.data() + kNeededHeadroomBytes;
            spare.headroom = kNeededHeadroomBytes;
            spare.room = kSpareBytes;
        }
    }

    [[nodiscard]] Json forward(const Bytes& frame, std::uint32_t headroom, PortIndex port) {
        rig_.context.receiving_port = port;
        // Exactly headroom and frame, or a short one's padding, so that a sanitizer sees every step
        // outside.
        auto buffer = std::make_unique<Buffer>();
        buffer->number = next_number_++;
        buffer->bytes.resize(headroom + std::max<std::size_t>(frame.size(), kPaddingRoomBytes));
        std::copy(frame.begin(), frame.end(), buffer->bytes.begin() + headroom);
        Packet packet{
            buffer->bytes.data() + headroom, static_cast<std::uint32_t>(frame.size()), headroom};
        Verdict verdict;
        forward_burst(rig_.context, {&packet, 1}, {&verdict, 1});
        Json answer = answer_of(verdict, packet);
        for (std::size_t i = 0; i < rig_.context.spares_used; ++i) {
            const SparePacket& spare = spares_[i];
            if (spare.verdict.action == Action::kTransmit) {
                answer["more"].push_back(answer_of(spare.verdict, spare.packet).at("frame"));
            }
        }
        rig_.context.spares_used = 0;
        if (verdict.action == Action::kHold) {
            const Released leaving = held_.add(rig_.context, packet, buffer.release());
            buffer.reset(static_cast<Buffer*>(leaving.owner));
        }
        return answer;
    }

    [[nodiscard]] Json advance(std::uint64_t milliseconds) {
        rig_.context.now_ms += milliseconds;
        Json answers = Json::array();
        held_.offer(rig_.context, [&answers](const Released& released) {
            const std::unique_ptr<Buffer> buffer(static_cast<Buffer*>(released.owner));
            answers.push_back(answer_of(released.verdict, released.packet));
            answers.back()["number"] = buffer->number;
        });
        return answers;
    }

    [[nodiscard]] Json counters() { return counters_of(rig_); }

  private:
    struct Buffer {
        std::size_t number = 0;
        Bytes bytes;
    };

    static constexpr std::uint32_t kSpareBytes = 1'600;

    ForwardRig rig_;
    std::array<SparePacket, 8> spares_{};
    std::vector<Bytes> spare_bytes_;
    HeldPackets held_;
    std::size_t next_number_ = 0;
};

void run() {
    std::string line;
    std::getline(std::cin, line);
    Runner runner(Json::parse(line));
    while (std::getline(std::cin, line)) {
        const Json request = Json::parse(line);
        const Json answer = request.contains("advance_ms")
                                ? runner.advance(request.at("advance_ms"))
                                : runner.forward(from_hex(request.at("frame").get<std::string>()),
                                                 request.value("headroom", kNeededHeadroomBytes),
                                                 PortIndex{request.value("port", std::uint8_t{0})});
        std::cout << answer.dump() << '\n';
    }
    std::cout << runner.counters().dump() << '\n';
}

}  // namespace
}  // namespace fairlead::testing

int main() {
    try {
        fairlead::testing::run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "packet_runner: %s\n", error.what());
        return 1;
    }
    return 0;
}
