// Where the pieces of fragmented datagrams go: one table for all workers of the engine, of fixed
// size.
//
// Theory of operation
//
// Only a datagram's first fragment has its ports, and the NIC hands the others to another worker as
// soon as it hashes ports. So the first fragment leaves an entry here: source, destination,
// identification and protocol -> backend, and which bytes have gone by (piece_set.h). A bucket
// holds four entries; it is chosen by the flow hash's formula over the key, with the node's secret
// seed turned, so nobody can aim at one bucket.
//
//   R1. A bucket's contents are read and written only by the worker that has set its `is_taken`
//       from false to true (compare and exchange, acquire), until that worker sets it back (store,
//       release). The release of one worker pairs with the acquire of the next, so everything
//       inside are plain fields. Nobody waits (never-waits): a worker that finds the bucket taken
//       gets no visit, and its packet is looked at again a turn later. A visit lasts for one
//       packet, and nothing in it blocks; a worker that dies takes the process and so the table
//       with it.
//   R2. Entries are found by comparing the whole key, never a hash of it: a fragment cannot get
//       into another datagram by a collision.
//   R3. An entry lives for kFragmentLifeMs after its last piece. It goes at once when its datagram
//       is whole, so a table of N entries holds N datagrams that are under way, not N recent ones.
//   R4. A new datagram takes an empty entry, else one that is past its time, else the one that is
//       nearest to it. So a flood of first fragments shortens the life of entries, to
//       (capacity / rate), and costs nothing else its place.
//
// Example: kFragmentBuckets = 4,096, hence 16,384 datagrams in 2.4 MB; 100,000 forged first
// fragments a second leave an honest datagram 160 ms for its pieces.
//
// Ownership: the buckets are the engine's, and all workers share them. Times are milliseconds of
// one clock that all workers read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dp/base/cache_line.h"
#include "dp/base/ids.h"
#include "dp/forward/fragments/piece_set.h"
#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"
#include "dp/shm/drop_reason.h"

namespace fairlead {

inline constexpr std::uint32_t kFragmentLifeMs = 2'000;
inline constexpr std::size_t kFragmentBuckets = 4'096;
inline constexpr std::size_t kFragmentsPerBucket = 4;

// What the fragments of one datagram have in common: RFC 791, 3.2 for IPv4; RFC 8200, 4.5 for IPv6,
// where the protocol is not part of it and 0 here.
struct FragmentKey {
    IpAddress source;
    IpAddress destination;
    std::uint32_t identification = 0;  // as it stands in the packet
    std::uint32_t protocol = 0;

    friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

struct FragmentEntry {
    FragmentKey key;
    std::uint64_t deadline_ms = 0;
    std::uint64_t flow_hash = 0;  // of the first piece: a tunnel's entropy for all of them
    BackendIndex backend = kNoBackendIndex;  // none: a ping, which is answered
    Be16 port;                     // the service's, and its protocol: what select needs anew
    std::uint8_t protocol = 0;     // 0: the entry is empty
    std::uint8_t incarnation = 0;  // of the backend
    DropReason refusal = DropReason::kNone;  // why nothing of it is forwarded any more
    std::uint8_t reserved = 0;
    PieceSet pieces;

    [[nodiscard]] bool is_empty() const noexcept { return protocol == 0; }
    void prolong(std::uint64_t now_ms) noexcept { deadline_ms = now_ms + kFragmentLifeMs; }
};
static_assert(sizeof(FragmentEntry) == 136);

struct alignas(kCacheLineBytes) FragmentBucket {
    std::atomic<bool> is_taken = false;
    std::array<FragmentEntry, kFragmentsPerBucket> entries;
};

class FragmentTable {
  public:
    // Requires a power of two of fresh buckets.
    explicit FragmentTable(std::span<FragmentBucket> buckets) noexcept
        : buckets_(buckets.data()), mask_(buckets.size() - 1) {}

  private:
    friend class FragmentVisit;
    FragmentBucket* buckets_;
    std::size_t mask_;
};

// One worker's access to the bucket of one key, for as long as it lives.
class FragmentVisit {
  public:
    FragmentVisit(FragmentTable& table,
                  std::uint64_t seed,
                  const FragmentKey& key,
                  std::uint64_t now_ms) noexcept;
    ~FragmentVisit();
    FragmentVisit(const FragmentVisit&) = delete;
    FragmentVisit& operator=(const FragmentVisit&) = delete;
    FragmentVisit(FragmentVisit&&) = delete;
    FragmentVisit& operator=(FragmentVisit&&) = delete;

    // False: another worker is in there, and nothing below may be called.
    [[nodiscard]] bool has_access() const noexcept { return bucket_ != nullptr; }
    // The datagram's entry, unless it is past its time; or nullptr.
    [[nodiscard]] FragmentEntry* find() noexcept;
    // A new entry with the key and no pieces. Its caller sets the other fields; until `protocol` is
    // set it is empty. Requires that find() found none.
    [[nodiscard]] FragmentEntry& make() noexcept;

  private:
    FragmentBucket* bucket_ = nullptr;
    const FragmentKey& key_;
    std::uint64_t now_ms_;
};

}  // namespace fairlead
