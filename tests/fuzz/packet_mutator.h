// Broken packets in numbers: a corpus of every kind that dp/forward knows, and a mutator whose
// results still pass enough checks to reach the code behind the first ones. Deterministic by seed.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/packets.h"

namespace fairlead::testing {

// Whole packets, for every service of LendingRig (tests/support/lending_rig.h) and for none.
[[nodiscard]] std::vector<Bytes> seed_corpus();
// Pieces of these frames, and the frames with extension headers.
[[nodiscard]] std::vector<Bytes> rare_corpus(const std::vector<Bytes>& plain);

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed)
        : random_(seed), corpus_(seed_corpus()), rare_(rare_corpus(corpus_)) {}

    [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    [[nodiscard]] Bytes next() {
        Bytes frame;
        next(frame);
        return frame;
    }
    // The same into memory that is used again.
    void next(Bytes& frame);

  private:
    void mutate(Bytes& frame);

    std::mt19937_64 random_;
    std::vector<Bytes> corpus_;
    std::vector<Bytes> rare_;
};

}  // namespace fairlead::testing
