#include "bpf/loader/decap_loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/loader/per_cpu_counters.h"
#include "bpf/loader/pin_directory.h"
#include "dp/base/error_text.h"

#include "decap.skel.h"

namespace fairlead {
namespace {

constexpr std::uint8_t kPresent = 1;
constexpr std::string_view kLinkPrefix = "decap-link-";
constexpr std::string_view kCountersPrefix = "decap-counters-";
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

using Skeleton = std::unique_ptr<decap_bpf, SkeletonDeleter>;

Result<Skeleton> open_and_load(const DecapTables& tables, const std::string& counters_pin) {
    Skeleton skeleton(decap_bpf__open());
    if (!skeleton) {
        return fail(fmt::format("cannot open the BPF program decap: {}", error_text(errno)));
    }
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
    int error = 0;
    if (!counters_pin.empty()) {
        error = bpf_map__set_pin_path(skeleton->maps.decap_counters, counters_pin.c_str());
    }
    if (error == 0) {
        error = decap_bpf__load(skeleton.get());
    }
    if (error != 0) {
        return fail(
            fmt::format("the kernel refuses the BPF program decap: {}{}",
                        error_text(-error),
                        error == -EPERM ? "; run as root or with CAP_BPF and CAP_NET_ADMIN" : ""));
    }
    return skeleton;
}

}  // namespace

struct DecapLoader::State {
    Skeleton skeleton;
    std::vector<decap_address> endpoints;
    std::string interface;
    unsigned interface_index = 0;
    std::string pin_directory;
    std::string link_pin;
    std::string counters_pin;
    Descriptor link;
};

DecapOutcomeText decap_outcome_text(decap_outcome outcome) {
    return kOutcomeTexts.at(outcome);
}

DecapLoader::DecapLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}
DecapLoader::DecapLoader(DecapLoader&&) noexcept = default;
DecapLoader& DecapLoader::operator=(DecapLoader&&) noexcept = default;
DecapLoader::~DecapLoader() = default;

Result<DecapLoader> DecapLoader::load(const DecapTables& tables,
                                      const std::string& pin_directory,
                                      const std::string& interface) {
    auto state = std::make_unique<State>();
    state->interface = interface;
    if (!pin_directory.empty()) {
        state->pin_directory = pin_directory;
        state->link_pin = pin_directory + "/" + pin_name(kLinkPrefix, interface);
        state->counters_pin = pin_directory + "/" + pin_name(kCountersPrefix, interface);
    }
    Result<Skeleton> skeleton = open_and_load(tables, state->counters_pin);
    if (!skeleton && !pin_directory.empty() && ::unlink(state->counters_pin.c_str()) == 0) {
        // Counters that another version left are no reason not to start.
        skeleton = open_and_load(tables, state->counters_pin);
    }
    if (!skeleton) {
        return Unexpected{skeleton.error()};
    }
    state->skeleton = std::move(*skeleton);
    DecapLoader loader(std::move(state));
    const decap_bpf* loaded = loader.state_->skeleton.get();
    const std::array fills = {
        insert_all<decap_address>(loaded->maps.decap_vips, tables.vips),
        insert_all<decap_prefix>(loaded->maps.decap_balancers, tables.balancers),
        loader.set_endpoints(tables.endpoints),
    };
    for (const Status& status : fills) {
        if (!status) {
            return fail(status.error().message);
        }
    }
    return loader;
}

Result<DecapLoader::Mode> DecapLoader::attach(unsigned interface_index) {
    state_->interface_index = interface_index;
    Result<XdpLink> attached =
        attach_xdp(program_fd(), {interface_index, "decap", state_->interface, state_->link_pin});
    if (!attached) {
        return Unexpected{attached.error()};
    }
    state_->link = std::move(attached->descriptor);
    return attached->mode;
}

Result<bool> DecapLoader::mend() {
    const bool is_attached = is_on_interface(state_->link, state_->interface_index);
    if (is_attached && is_pinned_at(state_->link, state_->link_pin)) {
        return false;
    }
    if (Status status = prepare_pin_directory(state_->pin_directory); !status) {
        return fail(status.error().message);
    }
    const bpf_map* counters = state_->skeleton->maps.decap_counters;
    if (bpf_obj_pin(bpf_map__fd(counters), state_->counters_pin.c_str()) != 0 && errno != EEXIST) {
        return fail(fmt::format(
            "cannot pin the counters at {}: {}", state_->counters_pin, error_text(errno)));
    }
    if (is_attached) {
        (void)::unlink(state_->link_pin.c_str());
        const Status pinned = pin_link(state_->link, state_->link_pin);
        return pinned ? Result<bool>(true) : fail(pinned.error().message);
    }
    const Result<Mode> mode = attach(state_->interface_index);
    return mode ? Result<bool>(true) : fail(mode.error().message);
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

std::size_t remove_other_decap_pins(const std::string& pin_directory,
                                    std::span<const std::string> interfaces) {
    constexpr std::array kPrefixes{kLinkPrefix, kCountersPrefix};
    return remove_other_pins(pin_directory, kPrefixes, interfaces);
}

}  // namespace fairlead
