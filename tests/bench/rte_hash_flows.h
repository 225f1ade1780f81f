// The baseline of pipeline_bench: DPDK's rte_hash as the flow table, behind a plain interface,
// since DPDK's compiler flags stay in one file. Keys are 16 bytes: IPv4 addresses, ports, protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dp/base/burst.h"

struct rte_hash;

namespace fairlead::bench {

struct FiveTuple {
    std::uint32_t source = 0;  // network order, as all of them
    std::uint32_t destination = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t protocol = 0;
};
static_assert(sizeof(FiveTuple) == 16);

class RteHashFlows {
  public:
    // Starts EAL (once a process) without a hugetlbfs, and asks for transparent huge pages.
    // Throws std::runtime_error if there is no memory.
    explicit RteHashFlows(std::size_t capacity);
    ~RteHashFlows();
    RteHashFlows(const RteHashFlows&) = delete;
    RteHashFlows& operator=(const RteHashFlows&) = delete;

    // `hash` is the signature that rte_hash is to use.
    bool insert(const FiveTuple& key, std::uint32_t hash, std::uint64_t value);
    // Sets values[i] for each key that is there; the others stay. Returns a bit a hit. At most
    // kBurstPackets.
    std::uint64_t find(std::span<const FiveTuple> keys,
                       std::span<std::uint32_t> hashes,
                       std::span<std::uint64_t> values);

  private:
    rte_hash* table_ = nullptr;
    // Kept, so that a lookup need not clear them.
    static_assert(kBurstPackets <= 64);  // a bit each
    std::array<const void*, kBurstPackets> pointers_{};
    std::array<void*, kBurstPackets> found_{};
};

}  // namespace fairlead::bench
