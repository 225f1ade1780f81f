// One service's ring as the steering programs use it while no engine runs: who owns each slot, and
// which slots are settled (bpf/abi/steer_away.h, A1 and A2).
//
// Theory of operation
//
// A pass is one walk over all flow tables (away_scan.h). A flow that some table remembers for
// another backend than its slot's owner is astray there. Invariants:
//
//   W1. A slot is settled only after two whole passes that began after its owner had changed and
//       all workers knew it, and in which no flow was astray. Two, because a flow may be adopted
//       from a table that is walked later into one that was walked before.
//   W2. A flow that begins goes to the owner. So none is astray in a settled slot until the ring
//       changes, and a pass can only confirm it. Passes look all the same: what a program of
//       another version has left is put right by them.
//   W3. Where clients choose the slot, a flow's entry does not tell it: its hash is the 5-tuple's.
//       Then a slot that is not settled waits for two passes that see no flow of the service at
//       all.
//
// Example: a backend is added, and gets slot 7, in which flows live on the former owner. Slot 7 is
// not settled for as long as they do. Slot 8, where none lives, is settled half a second later.
//
// Ownership: the memory is the map's and must outlive this. Thread: the control thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/abi/steer_away.h"
#include "dp/base/ids.h"

namespace fairlead::engine {

class AwayRing {
  public:
    struct Shape {
        std::uint32_t entries = 0;  // at most STEER_RING_SLOTS
        bool is_by_source = false;
    };
    // `is_taken_over`: the memory holds this service's ring, as another engine has left it.
    // Otherwise every slot becomes empty.
    AwayRing(steer_ring& memory, Shape shape, bool is_taken_over);

    // Requires `ring` of the shape's entries: each a backend's index, or kNoBackendIndex.
    void follow(std::span<const std::uint16_t> ring);

    // A flow of the service that a table remembers for this backend.
    void see(std::uint32_t signature, BackendIndex backend);
    void end_pass();

    [[nodiscard]] bool is_settled() const { return unsettled_ == 0; }

  private:
    // By slot: a flow was astray in this pass, or in the one before. A change sets both, as if.
    static constexpr std::uint8_t kNow = 1;
    static constexpr std::uint8_t kBefore = 2;

    [[nodiscard]] std::uint16_t load(std::uint32_t slot) const;
    void store(std::uint32_t slot, std::uint16_t value);

    steer_ring* memory_;
    Shape shape_;
    std::vector<std::uint8_t> astray_;
    std::uint32_t unsettled_ = 0;
    bool is_quiet_ = false;  // nothing is astray or unsettled, so that a pass changes nothing
    bool has_flows_now_ = false;
    bool had_flows_before_ = true;
};

}  // namespace fairlead::engine
