#include "tests/bench/rte_hash_flows.h"

#include <array>
#include <stdexcept>
#include <string>

#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_memory.h>

namespace fairlead::bench {

namespace {

int want_huge_pages(const rte_memseg_list* /*list*/,
                    const rte_memseg* segment,
                    std::size_t length,
                    void* /*argument*/) {
    return ::madvise(segment->addr, length, MADV_HUGEPAGE) == 0 ? 0 : -1;
}

void start_eal() {
    static const bool is_started = [] {
        std::array<std::string, 8> words{
            "pipeline_bench", "--no-huge", "--no-shconf", "--no-pci", "-m", "4096", "-l", "0"};
        std::array<std::string, 2> quiet{"--log-level", "error"};
        std::array<char*, 10> arguments{};
        std::size_t count = 0;
        for (auto& word : words) {
            arguments[count++] = word.data();
        }
        for (auto& word : quiet) {
            arguments[count++] = word.data();
        }
        if (rte_eal_init(static_cast<int>(count), arguments.data()) < 0) {
            throw std::runtime_error(std::string("rte_eal_init: ") + rte_strerror(rte_errno));
        }
        rte_memseg_contig_walk(want_huge_pages, nullptr);
        return true;
    }();
    (void)is_started;
}

}  // namespace

RteHashFlows::RteHashFlows(std::size_t capacity) {
    start_eal();
    rte_hash_parameters parameters{};
    parameters.name = "flows";
    parameters.entries = static_cast<std::uint32_t>(capacity);
    parameters.key_len = sizeof(FiveTuple);
    parameters.socket_id = SOCKET_ID_ANY;
    table_ = rte_hash_create(&parameters);
    if (table_ == nullptr) {
        throw std::runtime_error(std::string("rte_hash_create: ") + rte_strerror(rte_errno));
    }
}

RteHashFlows::~RteHashFlows() {
    rte_hash_free(table_);
}

bool RteHashFlows::insert(const FiveTuple& key, std::uint32_t hash, std::uint64_t value) {
    // rte_hash keeps a pointer beside the key; the value is the pointer's bits.
    void* bits = nullptr;
    static_assert(sizeof bits == sizeof value);
    __builtin_memcpy(&bits, &value, sizeof bits);
    return rte_hash_add_key_with_hash_data(table_, &key, hash, bits) == 0;
}

std::uint64_t RteHashFlows::find(std::span<const FiveTuple> keys,
                                 std::span<std::uint32_t> hashes,
                                 std::span<std::uint64_t> values) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        pointers_[i] = &keys[i];
    }
    std::uint64_t hits = 0;
    rte_hash_lookup_with_hash_bulk_data(table_,
                                        pointers_.data(),
                                        hashes.data(),
                                        static_cast<std::uint32_t>(keys.size()),
                                        &hits,
                                        found_.data());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if ((hits >> i & 1U) != 0) {
            __builtin_memcpy(&values[i], &found_[i], sizeof values[i]);
        }
    }
    return hits;
}

}  // namespace fairlead::bench
