#include "tests/fuzz/fuzz_rigs.h"

#include <array>
#include <initializer_list>
#include <memory>
#include <vector>

namespace fairlead::testing {

namespace {

struct Prefix {
    const char* address;
    unsigned length;
};

prefix::PrefixList list_of(std::initializer_list<Prefix> prefixes) {
    std::vector<IpPrefix> list;
    for (const Prefix& prefix : prefixes) {
        list.push_back(prefix_around(address(prefix.address), prefix.length));
    }
    return std::make_shared<const std::vector<IpPrefix>>(std::move(list));
}

}  // namespace

void tunnel_everything(LendingRig& rig, shm::ForwardingMode mode, bool to_v6) {
    const auto add = [&rig, mode](
                         const char* vip, std::uint16_t port, std::uint8_t protocol, ServiceId id) {
        std::vector<std::uint16_t> ring(251);
        for (std::size_t slot = 0; slot < ring.size(); ++slot) {
            ring[slot] = static_cast<std::uint16_t>(2UL * to_number(id) + slot % 2);
        }
        rig.tables.add_service({address(vip), port, protocol}, mode, id, to_number(id), ring);
    };
    add("203.0.113.10", 443, kProtocolTcp, kPortal);
    add("203.0.113.11", 443, kProtocolUdp, kApi);
    add("2001:db8::10", 443, kProtocolTcp, kPortal6);
    add("2001:db8::11", 514, kProtocolUdp, kNotify6);
    for (std::uint16_t index = 0; index < 8; ++index) {
        rig.tables.backend(BackendIndex{index}).address = address(to_v6 ? "fd00:4::1" : "10.0.4.1");
    }
}

void add_wide_services(LendingRig& rig) {
    struct Wide {
        const char* vip;
        ServiceId service;
        shm::ForwardingMode mode;
        std::uint16_t first_port;
        std::uint16_t last_port;
        std::uint8_t source_prefix_bits;
    };
    using enum shm::ForwardingMode;
    for (const Wide& wide : {Wide{"203.0.113.10", kPortal, kL2, 0, 0, 24},
                             Wide{"203.0.113.11", kApi, kIpip, 400, 500, 32},
                             Wide{"2001:db8::10", kPortal6, kL2, 1, 600, 64},
                             Wide{"2001:db8::11", kNotify6, kIpip, 0, 0, 0}}) {
        std::array<std::uint16_t, 251> ring{};
        for (std::size_t slot = 0; slot < ring.size(); ++slot) {
            ring[slot] =
                static_cast<std::uint16_t>(std::size_t{2} * to_number(wide.service) + slot % 2);
        }
        for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
            rig.tables
                .add_service({address(wide.vip), wide.first_port, protocol, wide.last_port},
                             wide.mode,
                             wide.service,
                             to_number(wide.service),
                             ring)
                .source_prefix_bits = wide.source_prefix_bits;
        }
    }
}

FuzzLimits::FuzzLimits(LendingRig& rig) {
    const prefix::Lists lists{list_of({{"198.51.100.0", 24}, {"2001:db8:c::", 48}}),
                              list_of({{"198.51.100.128", 25}, {"2001:db8:c:8000::", 49}})};
    rig.tables.set_prefix_lists({&lists, 1});
    for (const ServiceKey& key : {ServiceKey{address("203.0.113.10"), 443, kProtocolTcp},
                                  ServiceKey{address("2001:db8::11"), 514, kProtocolUdp}}) {
        rig.tables.limit(rig.tables.service(key), 1, 50'000, 100);
    }
    rig.context.limits = RateLimits(budgets_, credits_, sources_, 1);
}

}  // namespace fairlead::testing
