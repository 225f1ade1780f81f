// How long a Maglev ring takes to build, beside the paper's pseudo-code taken literally.
//
// The paper (section 5.3) has 1.8 ms for M = 65,537 and 22.9 ms for M = 655,373 with 1,000
// backends. The baseline divides for each probe and remembers the taken slots in a map of bytes; it
// is handed the visits, while the builder has to sort and hash the names as well.
#include "ctl/maglev/maglev.h"

#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace fairlead {
namespace {

enum class Weights : std::uint8_t {
    kEqual,
    kOneHeavy,
    kAllDifferent
};

struct Set {
    std::vector<std::string> names;
    std::vector<MaglevMember> members;
};

Set make_set(std::size_t count, Weights weights) {
    Set set;
    for (std::size_t i = 0; i < count; ++i) {
        set.names.push_back("app-" + std::to_string(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t weight = 1;
        if (weights == Weights::kOneHeavy && i == count / 2) {
            weight = 256;
        } else if (weights == Weights::kAllDifferent) {
            weight = 1 + static_cast<std::uint32_t>(i % 256);
        }
        set.members.push_back({set.names[i], weight});
    }
    return set;
}

// Section 3.4, "Pseudocode 1", with the permutation computed where it is needed.
MaglevRing paper_ring(const std::vector<MaglevVisits>& visits, std::uint32_t ring_size) {
    MaglevRing ring(ring_size, kNoMember);
    std::vector<std::uint8_t> is_taken(ring_size);
    std::vector<std::uint64_t> next(visits.size());
    std::uint32_t filled = 0;
    const auto candidate = [&](std::size_t i) {
        return (visits[i].offset + next[i] * visits[i].skip) % ring_size;
    };
    while (true) {
        for (std::size_t i = 0; i < visits.size(); ++i) {
            std::uint64_t slot = candidate(i);
            while (is_taken[slot] != 0) {
                ++next[i];
                slot = candidate(i);
            }
            is_taken[slot] = 1;
            ring[slot] = static_cast<std::uint16_t>(i);
            ++next[i];
            if (++filled == ring_size) {
                return ring;
            }
        }
    }
}

void build(benchmark::State& state, Weights weights) {
    const Set set = make_set(static_cast<std::size_t>(state.range(0)), weights);
    const auto ring_size = static_cast<std::uint32_t>(state.range(1));
    while (state.KeepRunning()) {
        const auto ring = build_maglev_ring(set.members, ring_size);
        benchmark::DoNotOptimize(ring->data());
    }
}

void paper(benchmark::State& state) {
    const Set set = make_set(static_cast<std::size_t>(state.range(0)), Weights::kEqual);
    const auto ring_size = static_cast<std::uint32_t>(state.range(1));
    std::vector<MaglevVisits> visits;
    visits.reserve(set.names.size());
    for (const std::string& name : set.names) {
        visits.push_back(maglev_visits(name, ring_size));
    }
    while (state.KeepRunning()) {
        const MaglevRing ring = paper_ring(visits, ring_size);
        benchmark::DoNotOptimize(ring.data());
    }
}

void fingerprint(benchmark::State& state) {
    const Set set = make_set(static_cast<std::size_t>(state.range(0)), Weights::kEqual);
    const auto ring = build_maglev_ring(set.members, static_cast<std::uint32_t>(state.range(1)));
    while (state.KeepRunning()) {
        benchmark::DoNotOptimize(maglev_fingerprint(set.members, *ring));
    }
}

void sizes(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"N", "M"})
        ->ArgsProduct({{10, 100, 1000}, {kDefaultRingSize, kLargeRingSize}})
        ->Unit(benchmark::kMillisecond);
}

BENCHMARK(paper)->Apply(sizes);
BENCHMARK_CAPTURE(build, equal_weights, Weights::kEqual)->Apply(sizes);
BENCHMARK_CAPTURE(build, one_256_rest_1, Weights::kOneHeavy)->Apply(sizes);
BENCHMARK_CAPTURE(build, weights_1_to_256, Weights::kAllDifferent)->Apply(sizes);
BENCHMARK(fingerprint)
    ->ArgNames({"N", "M"})
    ->Args({1000, kDefaultRingSize})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead

BENCHMARK_MAIN();
