// A worker with a small configuration that most tests of dp/forward can share: four services of
// every mode and family, two backends each, one port.
#pragma once

#include <array>
#include <cstdint>

#include "dp/net/headers.h"
#include "tests/support/forward_rig.h"
#include "tests/support/packets.h"

namespace fairlead::testing {

inline constexpr ServiceId kPortal{0};   // tcp 203.0.113.10:443, l2
inline constexpr ServiceId kApi{1};      // tcp 203.0.113.11:443, ipip
inline constexpr ServiceId kPortal6{2};  // tcp [2001:db8::10]:443, l2
inline constexpr ServiceId kNotify6{3};  // udp [2001:db8::11]:514, ipip

inline constexpr std::uint64_t kReady = shm::BackendWord::kPublished | shm::BackendWord::kLinked |
                                        shm::BackendWord::kKeepsFlows |
                                        shm::BackendWord::kAdmitsNew;
inline constexpr std::uint64_t kDraining = kReady & ~std::uint64_t{shm::BackendWord::kAdmitsNew};
inline constexpr std::uint64_t kInMaintenance =
    kDraining & ~std::uint64_t{shm::BackendWord::kKeepsFlows};

class LendingRig : public ForwardRig {
  public:
    static constexpr std::uint64_t kSeed = 0x0123'4567'89AB'CDEF;

    explicit LendingRig(const TablesShape& shape = {}, std::size_t flow_buckets = 64)
        : ForwardRig(shape, flow_buckets) {
        using shm::ForwardingMode;
        tables.snapshot().flow_hash_seed = kSeed;
        tables.snapshot().port_count = 1;
        shm::PortRecord& port = tables.port(0);
        port.mac = mac("02:00:00:00:00:01");
        tables.virtual_macs(0).add(mac("00:00:5e:00:01:33"));
        port.mtu_bytes = 1'500;
        port.tunnel_source_v4 = address("10.0.0.2");
        port.tunnel_source_v6 = address("fd00::2");
        add({address("203.0.113.10"), 443, kProtocolTcp}, ForwardingMode::kL2, kPortal);
        add({address("203.0.113.11"), 443, kProtocolTcp}, ForwardingMode::kIpip, kApi);
        add({address("2001:db8::10"), 443, kProtocolTcp}, ForwardingMode::kL2, kPortal6);
        add({address("2001:db8::11"), 514, kProtocolUdp}, ForwardingMode::kIpip, kNotify6);
        start();
    }

    // Backends 2 n and 2 n + 1 are those of service n.
    void set_word(unsigned index, std::uint64_t flags, unsigned incarnation = 1) {
        MacAddress mac_of_backend{{2, 0, 0, 0, 4, static_cast<std::uint8_t>(index)}};
        const auto number = static_cast<std::uint16_t>(index);
        const bool is_v4 = index < 4;
        tables.set_backend(
            BackendIndex{number},
            ServiceId{index / 2},
            is_v4 ? address(index % 2 == 0 ? "10.0.4.1" : "10.0.4.2")
                  : address(index % 2 == 0 ? "fd00::4:1" : "fd00::4:2"),
            shm::BackendWord::make(mac_of_backend, PortIndex{0}, incarnation, flags));
    }
    // Publishes a ring with one backend in every slot, as after the others left.
    void give_ring_to(ServiceId service, const ServiceKey& key, std::uint16_t backend) {
        std::array<std::uint16_t, 251> ring{};
        ring.fill(backend);
        tables.add_service(key, mode_of(service), service, to_number(service), ring);
    }

  private:
    static shm::ForwardingMode mode_of(ServiceId service) {
        return to_number(service) % 2 == 0 ? shm::ForwardingMode::kL2 : shm::ForwardingMode::kIpip;
    }
    void add(const ServiceKey& key, shm::ForwardingMode mode, ServiceId service) {
        std::array<std::uint16_t, 251> ring{};
        const unsigned first = 2 * to_number(service);
        for (std::size_t slot = 0; slot < ring.size(); ++slot) {
            ring[slot] = static_cast<std::uint16_t>(first + slot % 2);
        }
        set_word(first, kReady);
        set_word(first + 1, kReady);
        tables.add_service(key, mode, service, to_number(service), ring);
    }
};

}  // namespace fairlead::testing
