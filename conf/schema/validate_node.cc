#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "conf/schema/keys.h"
#include "conf/schema/validate.h"

namespace fairlead::conf {

std::string_view why_not_a_host(const IpAddress& address) noexcept {
    const std::array<std::uint8_t, 16>& bytes = address.bytes();
    if (address.is_v4()) {
        const std::uint8_t first = bytes[12];
        return first == 0     ? "unspecified"  // RFC 1122, 3.2.1.3
               : first == 127 ? "loopback"
               : first >= 240 ? "reserved"   // RFC 1112, 4, and the limited broadcast
               : first >= 224 ? "multicast"  // RFC 5771
                              : "";
    }
    if (address == IpAddress{}) {
        return "unspecified";
    }
    std::array<std::uint8_t, 16> loopback{};
    loopback[15] = 1;
    return bytes == loopback                                 ? "loopback"    // RFC 4291, 2.5.3
           : bytes[0] == 0xFF                                ? "multicast"   // RFC 4291, 2.7
           : bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80U ? "link-local"  // RFC 4291, 2.5.6
                                                             : "";
}

namespace {

class NodeValidator {
  public:
    NodeValidator(const Reading& reading, Problems& problems)
        : reading_(reading), problems_(problems) {}

    void run() {
        check_workers();
        const std::vector<PortConfig>& ports = reading_.config.ports;
        if (ports.empty() && reading_.root->find("port") == nullptr) {
            problems_.add({}, "no [[port]]: packets come from nowhere");
        }
        if (ports.size() > kMaxPorts) {
            problems_.add({}, fmt::format("{} ports; there can be {}", ports.size(), kMaxPorts));
        }
        const std::vector<Node>& nodes = Reading::elements(*reading_.root, "port");
        for (std::size_t i = 0; i < ports.size(); ++i) {
            if (nodes[i].kind != NodeKind::kTable) {
                continue;
            }
            check_duplicates(ports[i], nodes[i]);
            check_device(ports[i], nodes[i]);
            check_addresses(ports[i], nodes[i]);
        }
    }

  private:
    void check_workers() {
        const std::size_t workers = reading_.config.engine.cpus.size();
        if (workers > kMaxWorkers) {
            const Entry* engine = reading_.root->find("engine");
            problems_.add(
                Reading::place_of(engine->value, "cpus"),
                fmt::format(
                    "{} CPUs make {} workers; there can be {}", workers, workers, kMaxWorkers));
        }
    }

    void check_unique(std::string_view key, const Node& node, const std::string& value) {
        const Entry* entry = reading_.accepted(node, key);
        if (entry == nullptr) {
            return;
        }
        const auto [first, is_new] = seen_.try_emplace({key, value}, entry->value.place);
        if (!is_new) {
            problems_.add(entry->value.place,
                          fmt::format("{} {} is another port's already, at line {}",
                                      key,
                                      quoted(value),
                                      first->second.line));
        }
    }

    void check_duplicates(const PortConfig& port, const Node& node) {
        check_unique("name", node, port.name);
        check_unique("interface", node, port.interface);
        // DPDK knows a virtual device by what stands before its first comma.
        check_unique("vdev", node, port.vdev.substr(0, port.vdev.find(',')));
    }

    void check_device(const PortConfig& port, const Node& node) {
        const bool has_interface = node.find("interface") != nullptr;
        const bool has_vdev = node.find("vdev") != nullptr;
        if (has_interface == has_vdev) {
            problems_.add(Reading::place_of(node, "vdev"),
                          has_vdev ? "a port has an \"interface\" or a \"vdev\", not both"
                                   : "a port needs an \"interface\" or a \"vdev\"");
            return;
        }
        if (port.interface.find('/') != std::string::npos || port.interface == "lo") {
            problems_.add(
                Reading::place_of(node, "interface"),
                fmt::format("{} is no interface that can be forwarded on", quoted(port.interface)));
        }
        constexpr std::array<std::string_view, 4> kKernelTells{
            "mac", "address", "gateway", "gateway_mac"};
        for (const std::string_view key : kKernelTells) {
            if (has_interface && node.find(key) != nullptr) {
                problems_.add(
                    node.find(key)->place,
                    fmt::format("\"{}\" is for a vdev only: of an interface the kernel tells it",
                                key));
            }
        }
        for (const std::string_view key : {"mac", "address"}) {
            if (has_vdev && node.find(key) == nullptr) {
                problems_.add(
                    node.place,
                    fmt::format("a vdev port needs \"{}\": nothing else can tell it", key));
            }
        }
    }

    void check_addresses(const PortConfig& port, const Node& node) {
        if (reading_.accepted(node, "tunnel_source") != nullptr) {
            check_tunnel_sources(port, node);
        }
        if (reading_.accepted(node, "tunnel_source_prefix") != nullptr) {
            check_tunnel_prefix(*port.tunnel_source_prefix, node);
        }
        if (reading_.accepted(node, "address") != nullptr) {
            for (const PortConfig::Prefix& prefix : port.addresses) {
                refuse_no_host(node, "address", prefix.address);
            }
        }
        const bool has_gateway = node.find("gateway") != nullptr;
        if (has_gateway != (node.find("gateway_mac") != nullptr)) {
            problems_.add(
                Reading::place_of(node, has_gateway ? "gateway" : "gateway_mac"),
                "\"gateway\" and \"gateway_mac\" go together: a vdev has no neighbor table");
        } else if (reading_.accepted(node, "gateway") != nullptr) {
            refuse_no_host(node, "gateway", *port.gateway);
        }
    }

    void check_tunnel_sources(const PortConfig& port, const Node& node) {
        constexpr std::string_view kKey = "tunnel_source";
        std::array<const IpAddress*, 2> of_family{};
        for (const IpAddress& source : port.tunnel_sources) {
            const IpAddress*& place = of_family.at(source.is_v4() ? 0 : 1);
            if (place != nullptr) {
                problems_.add(Reading::place_of(node, kKey),
                              fmt::format("\"{}\" has two addresses of one family, {} and {}: the "
                                          "tunnels of a port have one source a family",
                                          kKey,
                                          place->text().data(),
                                          source.text().data()));
                return;
            }
            place = &source;
            refuse_no_host(node, kKey, source);
        }
    }

    // The flow hash fills what is behind the prefix, 32 bits at most.
    void check_tunnel_prefix(const PortConfig::Prefix& prefix, const Node& node) {
        constexpr std::string_view kKey = "tunnel_source_prefix";
        const bool is_v4 = prefix.address.is_v4();
        const auto [shortest, longest] = is_v4 ? std::pair(8, 30) : std::pair(16, 96);
        if (prefix.length < shortest || prefix.length > longest) {
            problems_.add(Reading::place_of(node, kKey),
                          fmt::format("\"{}\" must be from /{} to /{} for {}, not /{}",
                                      kKey,
                                      shortest,
                                      longest,
                                      is_v4 ? "IPv4" : "IPv6",
                                      prefix.length));
            return;
        }
        const std::array<std::uint8_t, 16>& bytes = prefix.address.bytes();
        for (std::size_t bit = prefix.length + (is_v4 ? 96U : 0U); bit < 128; ++bit) {
            if ((bytes[bit / 8] & (0x80U >> (bit % 8))) != 0) {
                problems_.add(Reading::place_of(node, kKey),
                              fmt::format("\"{}\" {}/{} has bits behind the prefix: write the "
                                          "prefix's first address",
                                          kKey,
                                          prefix.address.text().data(),
                                          prefix.length));
                return;
            }
        }
        refuse_no_host(node, kKey, prefix.address);
    }

    void refuse_no_host(const Node& node, std::string_view key, const IpAddress& address) {
        const std::string_view reason = why_not_a_host(address);
        if (!reason.empty()) {
            problems_.add(Reading::place_of(node, key),
                          fmt::format("\"{}\" {} is {}: it must be a host's address",
                                      key,
                                      address.text().data(),
                                      reason));
        }
    }

    const Reading& reading_;
    Problems& problems_;
    std::map<std::pair<std::string_view, std::string>, Place> seen_;
};

}  // namespace

void validate_node(const Reading& reading, Problems& problems) {
    NodeValidator(reading, problems).run();
}

}  // namespace fairlead::conf
