// The `tables` segment: everything that the engine needs to decide where a packet goes.
//
// Theory of operation
//
// The segment holds five pools, and one root.
//
//   snapshots   one snapshot is a whole consistent picture: ports, and a hash table of services
//   rings       one ring is a service's Maglev lookup table: slot -> backend index
//   prefixes    one table holds the allow and deny lists of all services (prefix_table.h)
//   backends    one record a (service, server) pair; its index is stable over restarts of the
//   daemon infos       names and bookkeeping of services and backends; the engine never reads them
//
// `root` names the snapshot in force. Snapshots, rings and prefix tables are immutable once
// published: the daemon fills a free slot, stores its number in `root`, then raises `generation`.
// Invariants, each by the name under which those say so that rely on it (dp/README.md):
//
//   T1. root-before-generation. `root` is stored (release) before `generation` is raised (release):
//       a worker that loads generation G (acquire) and then `root` (acquire) sees the snapshot of G
//       or of a later one.
//   T2. acknowledged-before-reuse. A worker holds nothing from before when it acknowledges G. So a
//       slot that G no longer refers to is reused only when every live worker has acknowledged G or
//       later.
//   T3. word-last. A backend record's fields are written only while its word says not published and
//       every live worker has acknowledged a generation published after that; the word is stored
//       last (release) and loaded first (acquire). Its incarnation is raised first, so that flow
//       entries of the former owner of the index miss.
//   T4. whole-words. What changes in place are two atomic words, each whole in itself:
//       BackendRecord::word and BackendRecord::path_mtu_bytes.
//   T5. any-store-last. The daemon may die between any two stores. The next one finds `root`
//       pointing at a whole snapshot, takes every slot that it does not reach for free, and raises
//       `generation` before it reuses any.
//
// The reader trusts nothing: every index and size is checked against the capacities that it copied
// when it mapped the segment (snapshot.h), so a scribbled segment can misroute or drop, never
// crash.
//
// Example: weight of portal/app-2 changes at generation 41. The daemon builds a ring into free ring
// slot 9 and a snapshot into free snapshot slot 3 that differs from the last in portal's `ring`;
// root = 3; generation = 42. Ring 4 and snapshot 2 become free when all workers have
// acknowledged 42.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dp/base/cache_line.h"
#include "dp/base/ids.h"
#include "dp/base/read_once.h"
#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"
#include "dp/net/virtual_macs.h"
#include "dp/shm/layout.h"
#include "dp/shm/prefix_layout.h"

namespace fairlead::shm {

inline constexpr std::uint32_t kMaxPorts = 16;
inline constexpr std::uint32_t kMaxBackends =
    16'384;  // a backend index has 14 bits in a flow entry
inline constexpr std::uint32_t kMaxServices = 4'096;
inline constexpr std::uint32_t kRingEntries = 65'537;
inline constexpr std::uint32_t kSnapshotSlots = 16;
inline constexpr std::uint32_t kSpareRings = 64;
// Services are found by linear probing over at most this many records; the daemon makes a table in
// which that suffices.
inline constexpr std::uint32_t kServiceProbes = 32;
inline constexpr std::uint32_t kServiceBuckets =
    4 * kMaxServices;  // services and VIP marks, half full

// ---- backends
// ------------------------------------------------------------------------------------

// The word of a backend: where its packets go at this moment, and what it may get.
//
//     bits  0..47   destination MAC, first byte on the wire in bits 0..7
//     bits 48..51   egress port
//     bits 52..57   incarnation of the index
//     bits 58..63   flags
class BackendWord {
  public:
    static constexpr unsigned kIncarnationBits = 6;
    static constexpr std::uint32_t kIncarnationMask = (1U << kIncarnationBits) - 1;

    enum Flag : std::uint64_t {
        kPublished = 1ULL << 58U,   // the record's fields are valid
        kLinked = 1ULL << 59U,      // MAC and port are known
        kKeepsFlows = 1ULL << 60U,  // tracked flows still go here (ready, drain; not maint)
        kAdmitsNew = 1ULL << 61U,   // new flows may come here (in the ring by intent)
        kTakenOut = 1ULL << 62U,    // it seems dead by its checks or link; others take what is new
    };

    constexpr BackendWord() = default;
    constexpr explicit BackendWord(std::uint64_t raw) noexcept : raw_(raw) {}
    [[nodiscard]] static constexpr BackendWord make(const MacAddress& mac,
                                                    PortIndex port,
                                                    std::uint32_t incarnation,
                                                    std::uint64_t flags) noexcept {
        std::uint64_t raw = flags;
        for (unsigned i = 0; i < 6; ++i) {
            raw |= std::uint64_t{mac.bytes[i]} << (8 * i);
        }
        raw |= (std::uint64_t{to_number(port)} & 0xFU) << 48U;
        raw |= std::uint64_t{incarnation & kIncarnationMask} << 52U;
        return BackendWord(raw);
    }

    [[nodiscard]] constexpr std::uint64_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr bool has(Flag flag) const noexcept { return (raw_ & flag) != 0; }
    // Whether it has all of `flags`, and its index is still of this incarnation.
    [[nodiscard]] constexpr bool has_all(std::uint64_t flags,
                                         std::uint32_t incarnation) const noexcept {
        constexpr std::uint64_t kIncarnation = std::uint64_t{kIncarnationMask} << 52U;
        return (raw_ & (flags | kIncarnation)) == (flags | std::uint64_t{incarnation} << 52U);
    }
    [[nodiscard]] constexpr PortIndex port() const noexcept {
        return PortIndex{static_cast<std::uint8_t>((raw_ >> 48U) & 0xFU)};
    }
    [[nodiscard]] constexpr std::uint32_t incarnation() const noexcept {
        return static_cast<std::uint32_t>(raw_ >> 52U) & kIncarnationMask;
    }
    [[nodiscard]] constexpr MacAddress mac() const noexcept {
        MacAddress result;
        for (unsigned i = 0; i < 6; ++i) {
            result.bytes[i] = static_cast<std::uint8_t>(raw_ >> (8 * i));
        }
        return result;
    }
    friend constexpr bool operator==(BackendWord, BackendWord) = default;

  private:
    std::uint64_t raw_ = 0;
};

// A path to which nobody has said that it takes less than its port.
inline constexpr std::uint32_t kNoPathMtu = 65'535;

struct alignas(kCacheLineBytes) BackendRecord {
    std::atomic<std::uint64_t> word;  // BackendWord
    ServiceId service;                // the service that it belongs to
    // The largest packet, outer headers and all, that the way to it takes: what routers have said.
    // Stored and loaded relaxed: it goes with no other field.
    std::atomic<std::uint32_t> path_mtu_bytes;
    IpAddress address;  // where a tunnel ends; the server's own address
    std::array<std::uint8_t, 32> reserved1;
};
static_assert(sizeof(BackendRecord) == kCacheLineBytes);
static_assert(offsetof(BackendRecord, service) == 8 && offsetof(BackendRecord, address) == 16);
static_assert(offsetof(BackendRecord, path_mtu_bytes) == 12);

// ---- services
// ------------------------------------------------------------------------------------

enum class ForwardingMode : std::uint8_t {
    kL2 = 1,
    kIpip = 2,
    kGue = 3,
    kGre = 4
};

// ServiceRecord::protocol is IPPROTO_TCP or IPPROTO_UDP; kVipMark says only "this address is a
// VIP", with port 0; 0 is an empty bucket.
inline constexpr std::uint8_t kEmptyBucket = 0;
inline constexpr std::uint8_t kVipMark = 255;

// What the balancer answers for a VIP by itself. Bits of ServiceRecord::vip_policy, in the VIP's
// mark alone: several services may share a VIP, and the daemon has worked out what holds for all.
enum VipPolicy : std::uint8_t {
    kAnswersEcho = 1,      // pings are answered at this moment
    kRejectsUnmatched = 2  // what no service takes is refused aloud
};

struct alignas(kCacheLineBytes) ServiceRecord {
    IpAddress vip;
    Be16 port;
    std::uint8_t protocol = 0;
    ForwardingMode mode{};
    ServiceId id{};
    std::uint32_t ring = 0;          // slot in the pool of rings
    std::uint32_t ring_entries = 0;  // 0: no backend is in
    std::uint32_t ring_fingerprint =
        0;                        // the same on every balancer with the same set of (name, weight)
    std::uint8_t vip_policy = 0;  // VipPolicy
    // The slot is chosen by so many bits of the client's address; 0: by the whole 5-tuple.
    std::uint8_t source_prefix_bits = 0;
    // In a VIP's mark alone: its run of range records (SnapshotHeader).
    std::uint16_t range_count = 0;
    std::uint32_t range_first = 0;
    // What keeps packets away before the flow table (dp/forward/path/limit.h); 0: nothing does.
    std::uint32_t prefix_list = 0;  // its number in the snapshot's prefix table
    std::uint32_t packets_per_second = 0;
    std::uint32_t new_flows_per_second = 0;  // of one source
    Be16 last_port;  // of a range record, where `port` is the first; 0 in all others
    std::array<std::uint8_t, 6> reserved{};
};
static_assert(sizeof(ServiceRecord) == kCacheLineBytes);
static_assert(offsetof(ServiceRecord, id) == 20 && offsetof(ServiceRecord, ring) == 24);
static_assert(offsetof(ServiceRecord, source_prefix_bits) == 37 &&
              offsetof(ServiceRecord, range_count) == 38 &&
              offsetof(ServiceRecord, range_first) == 40 &&
              offsetof(ServiceRecord, prefix_list) == 44 &&
              offsetof(ServiceRecord, last_port) == 56);

[[nodiscard]] inline bool is_limited(const ServiceRecord& service) noexcept {
    return (read_once(service.prefix_list) | read_once(service.packets_per_second) |
            read_once(service.new_flows_per_second)) != 0;
}

// The bucket at which the search for a service begins, before masking.
[[nodiscard]] inline std::uint32_t service_bucket(const IpAddress& vip,
                                                  Be16 port,
                                                  std::uint8_t protocol) noexcept {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, vip.bytes().data(), sizeof high);
    std::memcpy(&low, vip.bytes().data() + 8, sizeof low);
    const std::uint64_t rest = (std::uint64_t{port.raw()} << 8U) | protocol;
    std::uint64_t hash =
        (high ^ (low * 0x9E37'79B9'7F4A'7C15ULL)) + rest * 0xD6E8'FEB8'6659'FD93ULL;
    hash ^= hash >> 32U;
    hash *= 0xD6E8'FEB8'6659'FD93ULL;
    return static_cast<std::uint32_t>(hash >> 32U);
}

// ---- snapshots
// -----------------------------------------------------------------------------------

inline constexpr std::size_t kNameBytes = 64;  // with the ending NUL
using Name = std::array<char, kNameBytes>;

struct PortRecord {
    MacAddress mac;               // source MAC of what leaves here
    std::uint16_t vlan = 0;       // 1..4094: what comes and leaves here is tagged; 0: untagged
    std::uint32_t mtu_bytes = 0;  // largest IP packet, without the Ethernet header
    // The low bits of the outer source that the flow hash fills, above them the prefix below. 0:
    // there is no prefix, and the outer source is always the same. At most 32.
    std::uint8_t entropy_bits_v4 = 0;
    std::uint8_t entropy_bits_v6 = 0;
    std::uint16_t reserved1 = 0;
    IpAddress tunnel_source_v4;  // outer source; :: where the port has none
    IpAddress tunnel_source_v6;
    Be32 tunnel_prefix_v4;
    std::array<Be32, 3> tunnel_prefix_v6;  // the last 32 bits are all the flow hash's
};
static_assert(sizeof(PortRecord) == kCacheLineBytes);
static_assert(offsetof(PortRecord, vlan) == 6 && offsetof(PortRecord, tunnel_source_v4) == 16);
static_assert(offsetof(PortRecord, tunnel_prefix_v4) == 48);

struct alignas(kCacheLineBytes) SnapshotHeader {
    std::uint64_t generation = 0;
    std::uint64_t flow_hash_seed = 0;
    std::uint32_t bucket_mask = 0;    // buckets in use minus one, a power of two minus one
    std::uint32_t service_count = 0;  // without VIP marks
    std::uint32_t port_count = 0;
    std::uint32_t prefix_table = 0;  // its slot plus one; 0: no service has lists
    std::uint32_t range_count = 0;
    std::uint32_t limited_services = 0;  // services that is_limited() holds for
    std::array<std::uint8_t, 24> reserved{};
    std::array<PortRecord, kMaxPorts> ports{};
    // By the same number: the engine has its own order and finds its ports by their names. Empty: a
    // number that no port has.
    std::array<Name, kMaxPorts> port_names{};
    // By the same number: what counts as addressed to the port beside PortRecord::mac.
    std::array<VirtualMacs, kMaxPorts> virtual_macs{};
    // ServiceRecord buckets[TablesHeader::buckets] follow, of which bucket_mask + 1 are in use: the
    // services of one port, those of any port (as port 0) and the marks. Behind them stand
    // ServiceRecord ranges[TablesHeader::ranges], of which range_count are in use: the services of
    // a range of ports, a run for each VIP, sorted by protocol and first port, without overlaps.
};
static_assert(sizeof(SnapshotHeader) == kCacheLineBytes * (1 + kMaxPorts + kMaxPorts + kMaxPorts));
static_assert(offsetof(SnapshotHeader, range_count) == 32);

// ---- names and bookkeeping, for the daemon alone
// ---------------------------------------------------

struct alignas(kCacheLineBytes) ServiceInfo {
    Name name;
    std::array<std::uint8_t, 64> reserved;
};
static_assert(sizeof(ServiceInfo) == 128);

// What the next daemon must know to go on: who has this index, the last known health, and the
// counters at the moment when this backend got the index.
struct alignas(kCacheLineBytes) BackendInfo {
    Name service;
    Name name;
    std::atomic<std::uint32_t> health;  // as ctl/model numbers it
    std::uint32_t reserved0;
    std::atomic<std::int64_t> health_since_ns;  // since the epoch
    std::uint64_t baseline_instance;            // of `telemetry`, when the baseline was read
    std::uint64_t baseline_packets;
    std::uint64_t baseline_bytes;
    std::uint64_t baseline_new_flows;
    std::array<std::uint8_t, 80> reserved1;
};
static_assert(sizeof(BackendInfo) == 256);

// ---- the segment
// -----------------------------------------------------------------------------------

struct alignas(kCacheLineBytes) TablesHeader {
    SegmentHeader segment;

    // Fixed at creation.
    std::uint32_t backends;  // capacity of both backend pools
    std::uint32_t services;  // capacity of the service infos
    std::uint32_t snapshots;
    std::uint32_t buckets;  // capacity of one snapshot
    std::uint32_t rings;
    std::uint32_t ring_entries;  // capacity of one ring
    std::uint64_t backends_offset;
    std::uint64_t backend_infos_offset;
    std::uint64_t service_infos_offset;
    std::uint64_t snapshots_offset;
    std::uint64_t snapshot_stride;
    std::uint64_t rings_offset;
    std::uint64_t ring_stride;
    std::uint32_t prefix_tables;
    std::uint32_t prefix_lists;  // capacities of one prefix table
    std::uint32_t prefixes;
    std::uint32_t ranges;  // capacity of one snapshot
    std::uint64_t prefix_tables_offset;
    std::uint64_t prefix_table_stride;
    std::array<std::uint8_t, 16> reserved;

    alignas(kCacheLineBytes) std::atomic<std::uint64_t> generation;  // 0: nothing published yet
    std::atomic<std::uint32_t> root;  // slot of the snapshot in force
};
static_assert(sizeof(TablesHeader) == 4 * kCacheLineBytes);
static_assert(offsetof(TablesHeader, generation) == 3 * kCacheLineBytes);

// ---- identities
// -----------------------------------------------------------------------------------
//
// Flow entries name a backend by its index and incarnation, and outlive a `tables` file: when a
// daemon of another layout has to make a new one, every backend must keep both. So what tells them
// has the same place in every layout of one version, whatever the fingerprint says of the rest:
// the header's `backends`, `backends_offset` and `backend_infos_offset`; of a record the word's
// incarnation and kPublished, `service` and `address`; a BackendInfo as a whole.

// Raised when one of these moves: then a new file begins without the identities of the old one.
inline constexpr std::uint32_t kTablesVersion = 1;
static_assert(offsetof(TablesHeader, backends) == kCacheLineBytes &&
              offsetof(TablesHeader, backends_offset) == kCacheLineBytes + 24 &&
              offsetof(TablesHeader, backend_infos_offset) == kCacheLineBytes + 32);
static_assert(sizeof(BackendRecord) == 64 && offsetof(BackendRecord, word) == 0 &&
              offsetof(BackendRecord, service) == 8 && offsetof(BackendRecord, address) == 16);
static_assert(BackendWord::kPublished == 1ULL << 58U && BackendWord::kIncarnationBits == 6);
static_assert(sizeof(BackendInfo) == 256 && offsetof(BackendInfo, name) == 64 &&
              offsetof(BackendInfo, health) == 128 &&
              offsetof(BackendInfo, health_since_ns) == 136 &&
              offsetof(BackendInfo, baseline_instance) == 144);

// Raised with every change of meaning that the sizes and offsets below would not show.
inline constexpr std::uint32_t kTablesMeaning = 1;

inline constexpr std::uint32_t kTablesFingerprint =
    fingerprint_of({kTablesMeaning,
                    sizeof(TablesHeader),
                    sizeof(SnapshotHeader),
                    sizeof(ServiceRecord),
                    sizeof(BackendRecord),
                    sizeof(BackendInfo),
                    sizeof(ServiceInfo),
                    sizeof(PortRecord),
                    sizeof(PrefixTableHeader),
                    sizeof(PrefixList),
                    offsetof(TablesHeader, backends),
                    offsetof(TablesHeader, backends_offset),
                    offsetof(TablesHeader, prefix_tables),
                    offsetof(TablesHeader, prefix_tables_offset),
                    offsetof(TablesHeader, generation),
                    offsetof(TablesHeader, root),
                    offsetof(ServiceRecord, port),
                    offsetof(ServiceRecord, id),
                    offsetof(ServiceRecord, ring),
                    offsetof(ServiceRecord, ring_entries),
                    offsetof(ServiceRecord, vip_policy),
                    offsetof(ServiceRecord, source_prefix_bits),
                    offsetof(ServiceRecord, range_count),
                    offsetof(ServiceRecord, range_first),
                    offsetof(ServiceRecord, last_port),
                    offsetof(SnapshotHeader, range_count),
                    offsetof(TablesHeader, ranges),
                    offsetof(ServiceRecord, prefix_list),
                    offsetof(BackendRecord, service),
                    offsetof(BackendRecord, address),
                    offsetof(BackendRecord, path_mtu_bytes),
                    offsetof(SnapshotHeader, bucket_mask),
                    offsetof(SnapshotHeader, prefix_table),
                    offsetof(SnapshotHeader, limited_services),
                    offsetof(SnapshotHeader, ports),
                    offsetof(SnapshotHeader, port_names),
                    offsetof(SnapshotHeader, virtual_macs),
                    offsetof(PortRecord, vlan),
                    offsetof(PortRecord, entropy_bits_v4),
                    offsetof(PortRecord, tunnel_prefix_v4),
                    BackendWord::kIncarnationBits,
                    kMaxPorts,
                    kServiceProbes,
                    kV4BlockKeys,
                    kV6BlockKeys});

}  // namespace fairlead::shm
