#include "bpf/loader/clamp_loader.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/loader/per_cpu_counters.h"
#include "bpf/loader/pin_directory.h"
#include "bpf/loader/tc_filters.h"
#include "dp/base/error_text.h"

#include "clamp.skel.h"

namespace fairlead {
namespace {

constexpr std::string_view kCountersPrefix = "clamp-counters-";
constexpr std::uint32_t kPriority = 0xFA1D;
// What the handle says of the qdisc: it was there, or it was made for the filter and goes with it.
constexpr std::uint32_t kQdiscWasThere = 1;
constexpr std::uint32_t kQdiscIsOurs = 2;
constexpr std::array<std::uint32_t, 2> kHandles{kQdiscIsOurs, kQdiscWasThere};

constexpr std::array<std::string_view, CLAMP_OUTCOME_COUNT> kOutcomeNames{
    {CLAMP_OUTCOMES(CLAMP_TEXT)}};

struct SkeletonDeleter {
    void operator()(clamp_bpf* skeleton) const { clamp_bpf__destroy(skeleton); }
};

bpf_tc_hook hook_of(unsigned interface_index, bpf_tc_attach_point where) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(interface_index);
    hook.attach_point = where;
    return hook;
}

bpf_tc_opts options_of(std::uint32_t handle) {
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = handle;
    options.priority = kPriority;
    return options;
}

// The handle of a filter with our priority; 0 if there is none. Where there is no filter at all,
// libbpf is not asked, since it logs what it does not find.
std::uint32_t present_handle(unsigned interface_index) {
    if (!has_tc_filters(interface_index)) {
        return 0;
    }
    const bpf_tc_hook hook = hook_of(interface_index, BPF_TC_EGRESS);
    for (const std::uint32_t handle : kHandles) {
        bpf_tc_opts options = options_of(handle);
        if (bpf_tc_query(&hook, &options) == 0) {
            return handle;
        }
    }
    return 0;
}

bool detach(unsigned interface_index, std::uint32_t handle) {
    const bpf_tc_hook egress = hook_of(interface_index, BPF_TC_EGRESS);
    const bpf_tc_opts options = options_of(handle);
    const bool is_gone = bpf_tc_detach(&egress, &options) == 0;
    // A qdisc that somebody else has put filters on since is his.
    if (handle == kQdiscIsOurs && !has_tc_filters(interface_index)) {
        bpf_tc_hook both = hook_of(
            interface_index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
        (void)bpf_tc_hook_destroy(&both);
    }
    return is_gone;
}

using Skeleton = std::unique_ptr<clamp_bpf, SkeletonDeleter>;

Result<Skeleton> open_and_load(std::size_t vips, const std::string& counters_pin) {
    Skeleton skeleton(clamp_bpf__open());
    if (!skeleton) {
        return fail(fmt::format("cannot open the BPF program clamp: {}", error_text(errno)));
    }
    const auto capacity = static_cast<std::uint32_t>(std::max<std::size_t>(vips, 1));
    int error = bpf_map__set_max_entries(skeleton->maps.clamp_vips, capacity);
    if (error == 0 && !counters_pin.empty()) {
        error = bpf_map__set_pin_path(skeleton->maps.clamp_counters, counters_pin.c_str());
    }
    if (error == 0) {
        error = clamp_bpf__load(skeleton.get());
    }
    if (error != 0) {
        return fail(
            fmt::format("the kernel refuses the BPF program clamp: {}", error_text(-error)));
    }
    return skeleton;
}

}  // namespace

std::string_view clamp_outcome_name(clamp_outcome outcome) {
    return kOutcomeNames.at(outcome);
}

struct ClampLoader::State {
    Skeleton skeleton;
    unsigned interface_index = 0;
    std::uint32_t handle = 0;
};

ClampLoader::ClampLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClampLoader::ClampLoader(ClampLoader&&) noexcept = default;
ClampLoader& ClampLoader::operator=(ClampLoader&&) noexcept = default;
ClampLoader::~ClampLoader() = default;

Result<ClampLoader> ClampLoader::load(std::span<const decap_address> vips,
                                      const std::string& pin_directory,
                                      const std::string& interface) {
    auto state = std::make_unique<State>();
    const std::string counters_pin =
        pin_directory.empty() ? "" : pin_directory + "/" + pin_name(kCountersPrefix, interface);
    Result<Skeleton> skeleton = open_and_load(vips.size(), counters_pin);
    if (!skeleton && !counters_pin.empty() && ::unlink(counters_pin.c_str()) == 0) {
        // Counters that another version left are no reason not to start.
        skeleton = open_and_load(vips.size(), counters_pin);
    }
    if (!skeleton) {
        return Unexpected{skeleton.error()};
    }
    state->skeleton = std::move(*skeleton);
    const bpf_map* const map = state->skeleton->maps.clamp_vips;
    constexpr std::uint8_t kPresent = 1;
    for (const decap_address& vip : vips) {
        if (bpf_map_update_elem(bpf_map__fd(map), &vip, &kPresent, BPF_ANY) != 0) {
            return fail(fmt::format("cannot fill the BPF map clamp_vips: {}", error_text(errno)));
        }
    }
    return ClampLoader(std::move(state));
}

Status ClampLoader::set_mss(clamp_mss limits) {
    const std::uint32_t only = 0;
    if (bpf_map_update_elem(
            bpf_map__fd(state_->skeleton->maps.clamp_limits), &only, &limits, BPF_ANY) != 0) {
        return fail(fmt::format("cannot fill the BPF map clamp_limits: {}", error_text(errno)));
    }
    return {};
}

Status ClampLoader::attach(unsigned interface_index) {
    bpf_tc_hook hook = hook_of(interface_index, BPF_TC_EGRESS);
    std::uint32_t handle = present_handle(interface_index);
    if (handle == 0) {
        const int error = bpf_tc_hook_create(&hook);
        if (error != 0 && error != -EEXIST) {
            return fail(fmt::format("cannot make a clsact qdisc: {}", error_text(-error)));
        }
        handle = error == 0 ? kQdiscIsOurs : kQdiscWasThere;
    }
    bpf_tc_opts options = options_of(handle);
    options.prog_fd = program_fd();
    options.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &options); error != 0) {
        return fail(fmt::format("cannot attach the BPF program clamp: {}", error_text(-error)));
    }
    state_->interface_index = interface_index;
    state_->handle = handle;
    return {};
}

Result<bool> ClampLoader::mend() {
    const bpf_tc_hook hook = hook_of(state_->interface_index, BPF_TC_EGRESS);
    bpf_tc_opts present = options_of(state_->handle);
    bpf_prog_info ours{};
    std::uint32_t length = sizeof ours;
    if (bpf_obj_get_info_by_fd(program_fd(), &ours, &length) != 0) {
        return fail(fmt::format("cannot look at the BPF program clamp: {}", error_text(errno)));
    }
    if (has_tc_filters(state_->interface_index) && bpf_tc_query(&hook, &present) == 0 &&
        present.prog_id == ours.id) {
        return false;
    }
    const Status attached = attach(state_->interface_index);
    return attached ? Result<bool>(true) : fail(attached.error().message);
}

Result<ClampCounters> ClampLoader::counters() const {
    return sum_per_cpu<CLAMP_OUTCOME_COUNT>(bpf_map__fd(state_->skeleton->maps.clamp_counters),
                                            "clamp");
}

bool ClampLoader::remove(unsigned interface_index) {
    const std::uint32_t handle = present_handle(interface_index);
    return handle != 0 && detach(interface_index, handle);
}

int ClampLoader::program_fd() const {
    return bpf_program__fd(state_->skeleton->progs.clamp);
}

void remove_other_clamp_pins(const std::string& pin_directory,
                             std::span<const std::string> interfaces) {
    constexpr std::array kPrefixes{kCountersPrefix};
    (void)remove_other_pins(pin_directory, kPrefixes, interfaces);
}

}  // namespace fairlead
