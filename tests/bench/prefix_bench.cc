// What it costs to ask a service's lists about a source: by the table that the engine reads, and by
// binary search over the sorted bounds of the prefixes, in the same run, with the same answers.
//
//     tests/bench/prefix_bench [--benchmark_filter=...]
//
// `few` prefixes have 3 lengths, as lists of networks and addresses do; `all` have every length
// from /8 on. Half of the sources are inside a prefix, and no two that follow each other are near.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "ctl/prefix/prefix_table.h"
#include "dp/shm/prefix_table.h"

namespace fairlead::bench {
namespace {

constexpr std::size_t kSources = 1U << 16U;

struct Setup {
    std::size_t prefixes = 0;
    bool is_v4 = false;
    bool has_all_lengths = false;

    [[nodiscard]] auto key() const { return std::tuple(prefixes, is_v4, has_all_lengths); }
    bool operator<(const Setup& other) const { return key() < other.key(); }
};

class Subject {
  public:
    explicit Subject(const Setup& setup) : is_v4_(setup.is_v4) {
        std::mt19937_64 random(5);
        make_prefixes(setup, random);
        lists_ = {nullptr, std::make_shared<const std::vector<IpPrefix>>(prefixes_)};
        content_ = std::move(*prefix::build_prefix_table({&lists_, 1}));
        table_ = content_.table();
        make_bounds();
        for (std::size_t i = 0; i < kSources; ++i) {
            AddressBits bits{random(), random()};
            if (i % 2 == 0) {
                const IpPrefix& inside = prefixes_[random() % prefixes_.size()];
                const AddressBits mask = masked({~0ULL, ~0ULL}, inside.length);
                const AddressBits first = bits_of(inside.address);
                bits = {first.high | (bits.high & ~mask.high), first.low | (bits.low & ~mask.low)};
            }
            sources.push_back(address_of(is_v4_ ? masked(bits, kV4Bits) : bits, is_v4_));
        }
    }

    [[nodiscard]] bool by_table(const IpAddress& source) const {
        return table_.judge(1, source).is_denied;
    }
    [[nodiscard]] const prefix::Lists& lists() const { return lists_; }
    [[nodiscard]] bool by_bounds(const IpAddress& source) const {
        if (is_v4_) {
            return find(bounds_v4_, source.v4().host());
        }
        return find(bounds_v6_, bits_of(source));
    }

    std::vector<IpAddress> sources;

  private:
    template <typename Bounds, typename Key>
    [[nodiscard]] bool find(const Bounds& bounds, const Key& key) const {
        const auto after = std::upper_bound(bounds.begin(), bounds.end(), key);
        return is_denied_[static_cast<std::size_t>(after - bounds.begin()) - 1] != 0;
    }

    void make_prefixes(const Setup& setup, std::mt19937_64& random) {
        std::set<IpPrefix> prefixes;
        while (prefixes.size() < setup.prefixes) {
            const AddressBits bits{random(), random()};
            const unsigned bits_of_family = is_v4_ ? kV4Bits : kV6Bits;
            const std::array<unsigned, 3> few =
                is_v4_ ? std::array{20U, 24U, 32U} : std::array{48U, 64U, 128U};
            const unsigned length = setup.has_all_lengths
                                        ? 8 + static_cast<unsigned>(random() % (bits_of_family - 7))
                                        : few[random() % few.size()];
            prefixes.insert(
                prefix_around(address_of(is_v4_ ? masked(bits, kV4Bits) : bits, is_v4_), length));
        }
        prefixes_.assign(prefixes.begin(), prefixes.end());
    }

    // Where the answer may change, and what it is from there on.
    void make_bounds() {
        std::set<AddressBits> bounds{AddressBits{}};
        for (const IpPrefix& each : prefixes_) {
            const AddressBits mask = masked({~0ULL, ~0ULL}, each.length);
            const AddressBits first = bits_of(each.address);
            AddressBits next{first.high | ~mask.high, first.low | ~mask.low};
            next.low += 1;
            next.high += next.low == 0 ? 1 : 0;
            bounds.insert(first);
            if (next != AddressBits{}) {
                bounds.insert(next);
            }
        }
        for (const AddressBits& bound : bounds) {
            bounds_v4_.push_back(static_cast<std::uint32_t>(bound.high >> (64 - kV4Bits)));
            bounds_v6_.push_back(bound);
            is_denied_.push_back(by_table(address_of(bound, is_v4_)) ? 1 : 0);
        }
    }

    bool is_v4_;
    std::vector<IpPrefix> prefixes_;
    prefix::Lists lists_;
    prefix::TableContent content_;
    shm::PrefixTable table_;
    std::vector<std::uint32_t> bounds_v4_;
    std::vector<AddressBits> bounds_v6_;
    std::vector<std::uint8_t> is_denied_;
};

const Subject& subject(const Setup& setup) {
    static std::map<Setup, std::unique_ptr<Subject>> made;
    std::unique_ptr<Subject>& place = made[setup];
    if (place == nullptr) {
        place = std::make_unique<Subject>(setup);
        for (const IpAddress& source : place->sources) {
            if (place->by_table(source) != place->by_bounds(source)) {
                std::abort();  // two ways, one answer
            }
        }
    }
    return *place;
}

template <typename Ask>
void measure(benchmark::State& state, const Subject& on, Ask&& ask) {
    std::size_t next = 0;
    std::size_t denied = 0;
    for ([[maybe_unused]] auto iteration : state) {
        denied += ask(on, on.sources[next]) ? 1U : 0U;
        next = (next + 1) % kSources;
    }
    benchmark::DoNotOptimize(denied);
}

void table_lookup(benchmark::State& state, bool is_v4, bool has_all_lengths) {
    const auto prefixes = static_cast<std::size_t>(state.range(0));
    measure(state,
            subject({prefixes, is_v4, has_all_lengths}),
            [](const Subject& on, const IpAddress& source) { return on.by_table(source); });
}

void sorted_lookup(benchmark::State& state, bool is_v4, bool has_all_lengths) {
    const auto prefixes = static_cast<std::size_t>(state.range(0));
    measure(state,
            subject({prefixes, is_v4, has_all_lengths}),
            [](const Subject& on, const IpAddress& source) { return on.by_bounds(source); });
}

// The whole change: lists in, table out.
void build(benchmark::State& state, bool is_v4, bool has_all_lengths) {
    const auto prefixes = static_cast<std::size_t>(state.range(0));
    const Subject& on = subject({prefixes, is_v4, has_all_lengths});
    for ([[maybe_unused]] auto iteration : state) {
        const auto content = prefix::build_prefix_table({&on.lists(), 1});
        benchmark::DoNotOptimize(content->header.prefix_count);
    }
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->Arg(10)->Arg(1'000)->Arg(100'000);
}

BENCHMARK_CAPTURE(table_lookup, v4_few, true, false)->Apply(sizes);
BENCHMARK_CAPTURE(sorted_lookup, v4_few, true, false)->Apply(sizes);
BENCHMARK_CAPTURE(table_lookup, v4_all, true, true)->Apply(sizes);
BENCHMARK_CAPTURE(sorted_lookup, v4_all, true, true)->Apply(sizes);
BENCHMARK_CAPTURE(table_lookup, v6_few, false, false)->Apply(sizes);
BENCHMARK_CAPTURE(sorted_lookup, v6_few, false, false)->Apply(sizes);
BENCHMARK_CAPTURE(table_lookup, v6_all, false, true)->Apply(sizes);
BENCHMARK_CAPTURE(sorted_lookup, v6_all, false, true)->Apply(sizes);
BENCHMARK_CAPTURE(build, v4_all, true, true)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, v6_all, false, true)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead::bench

BENCHMARK_MAIN();
