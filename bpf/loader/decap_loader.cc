#include "bpf/loader/decap_loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/loader/per_cpu_counters.h"
#include "bpf/loader/xdp_link.h"
#include "dp/base/error_text.h"

#include "decap.skel.h"

namespace fairlead {
namespace {

constexpr std::uint8_t kPresent = 1;
constexpr std::array<DecapOutcomeText, DECAP_OUTCOME_COUNT> kOutcomeTexts{
    {DECAP_OUTCOMES(DECAP_TEXT)}};

struct SkeletonDeleter {
    void operator()(decap_bpf* skeleton) const { decap_bpf__destroy(skeleton); }
};

// Every map has room for one entry at least, since the kernel makes no empty ones.
Status set_capacity(bpf_map* map, std::size_t entries) {
    const auto capacity = static_cast<std::uint32_t>(std::max<std::size_t>(entries, 1));
    if (const int error = bpf_map__set_max_entries(map, capacity); error != 0) {
        return fail(
            fmt::format("cannot size the BPF map {}: {}", bpf_map__name(map), error_text(-error)));
    }
    return {};
}

template <typename Key>
Status insert_all(const bpf_map* map, std::span<const Key> keys) {
    for (const Key& key : keys) {
        if (bpf_map_update_elem(bpf_map__fd(map), &key, &kPresent, BPF_ANY) != 0) {
            return fail(fmt::format(
                "cannot fill the BPF map {}: {}", bpf_map__name(map), error_text(errno)));
        }
    }
    return {};
}

bool same_address(const decap_address& left, const decap_address& right) {
    return std::memcmp(&left, &right, sizeof left) == 0;
}

bool contains(std::span<const decap_address> addresses, const decap_address& wanted) {
    return std::any_of(addresses.begin(), addresses.end(), [&](const decap_address& address) {
        return same_address(address, wanted);
    });
}

}  // namespace

struct DecapLoader::State {
    std::unique_ptr<decap_bpf, SkeletonDeleter> skeleton;
    std::vector<decap_address> endpoints;
    Descriptor link;
};

DecapOutcomeText decap_outcome_text(decap_outcome outcome) {
    return kOutcomeTexts.at(outcome);
}

DecapLoader::DecapLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}
DecapLoader::DecapLoader(DecapLoader&&) noexcept = default;
DecapLoader& DecapLoader::operator=(DecapLoader&&) noexcept = default;
DecapLoader::~DecapLoader() = default;

Result<DecapLoader> DecapLoader::load(const DecapTables& tables) {
    auto state = std::make_unique<State>();
    state->skeleton.reset(decap_bpf__open());
    if (!state->skeleton) {
        return fail(fmt::format("cannot open the BPF program decap: {}", error_text(errno)));
    }
    decap_bpf* skeleton = state->skeleton.get();
    const std::array sizes = {
        set_capacity(skeleton->maps.decap_vips, tables.vips.size()),
        set_capacity(skeleton->maps.decap_balancers, tables.balancers.size()),
        set_capacity(skeleton->maps.decap_endpoints, kMaxDecapEndpoints),
    };
    for (const Status& status : sizes) {
        if (!status) {
            return fail(status.error().message);
        }
    }
    if (const int error = decap_bpf__load(skeleton); error != 0) {
        return fail(
            fmt::format("the kernel refuses the BPF program decap: {}{}",
                        error_text(-error),
                        error == -EPERM ? "; run as root or with CAP_BPF and CAP_NET_ADMIN" : ""));
    }
    DecapLoader loader(std::move(state));
    const std::array fills = {
        insert_all<decap_address>(skeleton->maps.decap_vips, tables.vips),
        insert_all<decap_prefix>(skeleton->maps.decap_balancers, tables.balancers),
        loader.set_endpoints(tables.endpoints),
    };
    for (const Status& status : fills) {
        if (!status) {
            return fail(status.error().message);
        }
    }
    return loader;
}

Result<DecapLoader::Mode> DecapLoader::attach(unsigned interface_index,
                                              const std::string& interface) {
    Result<XdpLink> attached = attach_xdp(program_fd(), interface_index, "decap", interface);
    if (!attached) {
        return Unexpected{attached.error()};
    }
    state_->link = std::move(attached->descriptor);
    return attached->is_native ? Mode::kNative : Mode::kGeneric;
}

Status DecapLoader::set_endpoints(std::span<const decap_address> endpoints) {
    if (endpoints.size() > kMaxDecapEndpoints) {
        return fail(fmt::format("{} addresses are more than the {} at which tunnels can end",
                                endpoints.size(),
                                kMaxDecapEndpoints));
    }
    const bpf_map* map = state_->skeleton->maps.decap_endpoints;
    for (const decap_address& old : state_->endpoints) {
        if (!contains(endpoints, old) && bpf_map_delete_elem(bpf_map__fd(map), &old) != 0 &&
            errno != ENOENT) {
            return fail(fmt::format(
                "cannot empty the BPF map {}: {}", bpf_map__name(map), error_text(errno)));
        }
    }
    Status filled = insert_all(map, endpoints);
    if (filled) {
        state_->endpoints.assign(endpoints.begin(), endpoints.end());
    }
    return filled;
}

Result<DecapCounters> DecapLoader::counters() const {
    return sum_per_cpu<DECAP_OUTCOME_COUNT>(bpf_map__fd(state_->skeleton->maps.decap_counters),
                                            "decap");
}

std::optional<decap_address> DecapLoader::refused_source() const {
    // The kernel rounds each CPU's value up to 8 bytes.
    struct alignas(8) Slot {
        decap_address address;
    };
    static_assert(sizeof(Slot) == 24);
    std::vector<Slot> per_cpu(static_cast<std::size_t>(std::max(libbpf_num_possible_cpus(), 1)));
    const std::uint32_t only = 0;
    if (bpf_map_lookup_elem(
            bpf_map__fd(state_->skeleton->maps.decap_refused_source), &only, per_cpu.data()) != 0) {
        return std::nullopt;
    }
    for (const Slot& slot : per_cpu) {
        if (slot.address.family != 0) {
            return slot.address;
        }
    }
    return std::nullopt;
}

int DecapLoader::program_fd() const {
    return bpf_program__fd(state_->skeleton->progs.decap);
}

}  // namespace fairlead
