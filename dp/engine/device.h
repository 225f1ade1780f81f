// One DPDK device: found, configured with some queue pairs, started.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dp/base/result.h"
#include "dp/engine/packet_pool.h"

namespace fairlead::engine {

// Makes the device that `arguments` ("net_pcap0,rx_pcap=in.pcap") names. Error: DPDK's.
[[nodiscard]] Result<std::uint16_t> make_device(const std::string& arguments);

// One queue pair for each of `pools`, receiving into it. Error: fewer queues than pools, and
// DPDK's.
[[nodiscard]] Status start_device(std::uint16_t device,
                                  const std::string& name,
                                  std::span<const PacketPool> pools);

}  // namespace fairlead::engine
