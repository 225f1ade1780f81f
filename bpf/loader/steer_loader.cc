#include "bpf/loader/steer_loader.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/loader/per_cpu_counters.h"
#include "bpf/loader/pin_directory.h"
#include "dp/base/error_text.h"

#include "steer.skel.h"

namespace fairlead {
namespace {

constexpr std::string_view kLinkPrefix = "link-";
constexpr std::string_view kCountersPrefix = "counters-";
constexpr std::string_view kSelfPrefix = "self-";

// What is pinned for one interface, under the prefixes above.
struct Pins {
    std::string link;
    std::string counters;
    std::string self;
};

struct SkeletonDeleter {
    void operator()(steer_bpf* skeleton) const { steer_bpf__destroy(skeleton); }
};

// The maps of bpf/loader/steer_away.h, in its order, each with the name of its pin.
std::array<std::pair<bpf_map*, const char*>, std::tuple_size_v<SteerAway::Maps>> away_maps(
    const steer_bpf& skeleton) {
    return {{{skeleton.maps.steer_services, "/services"},
             {skeleton.maps.steer_rings, "/rings"},
             {skeleton.maps.steer_backends, "/backends"},
             {skeleton.maps.steer_ports, "/ports"},
             {skeleton.maps.steer_beat, "/beat"}}};
}

// Pinned maps that are there are taken, others made and pinned. Without a directory: maps of its
// own.
int set_pins(const steer_bpf& skeleton, const std::string& pin_directory, const Pins& pins) {
    if (pin_directory.empty()) {
        return 0;
    }
    int error = bpf_map__set_pin_path(skeleton.maps.steer_counters, pins.counters.c_str());
    if (error == 0) {
        error = bpf_map__set_pin_path(skeleton.maps.steer_self, pins.self.c_str());
    }
    for (const auto& [map, pin] : away_maps(skeleton)) {
        if (error == 0) {
            error = bpf_map__set_pin_path(map, (pin_directory + pin).c_str());
        }
    }
    return error;
}

Result<std::unique_ptr<steer_bpf, SkeletonDeleter>> open_and_load(const SteerVips& vips,
                                                                  const std::string& pin_directory,
                                                                  const Pins& pins) {
    std::unique_ptr<steer_bpf, SkeletonDeleter> skeleton(steer_bpf__open());
    if (!skeleton) {
        return fail(fmt::format("cannot open the BPF program steer: {}", error_text(errno)));
    }
    int error = bpf_map__reuse_fd(skeleton->maps.steer_vips, vips.fd());
    if (error == 0) {
        error = set_pins(*skeleton, pin_directory, pins);
    }
    if (error == 0) {
        error = steer_bpf__load(skeleton.get());
    }
    if (error != 0) {
        return fail(
            fmt::format("the kernel refuses the BPF program steer: {}{}",
                        error_text(-error),
                        error == -EPERM ? "; run as root or with CAP_BPF and CAP_NET_ADMIN" : ""));
    }
    return skeleton;
}

}  // namespace

struct SteerLoader::State {
    std::unique_ptr<steer_bpf, SkeletonDeleter> skeleton;
    std::string interface;
    Pins pins;
    Descriptor link;
};

SteerLoader::SteerLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SteerLoader::SteerLoader(SteerLoader&&) noexcept = default;
SteerLoader& SteerLoader::operator=(SteerLoader&&) noexcept = default;
SteerLoader::~SteerLoader() = default;

Result<SteerLoader> SteerLoader::load(const SteerVips& vips,
                                      const std::string& pin_directory,
                                      const std::string& interface) {
    auto state = std::make_unique<State>();
    state->interface = interface;
    Pins& pins = state->pins;
    if (!pin_directory.empty()) {
        pins.link = pin_directory + "/" + pin_name(kLinkPrefix, interface);
        pins.counters = pin_directory + "/" + pin_name(kCountersPrefix, interface);
        pins.self = pin_directory + "/" + pin_name(kSelfPrefix, interface);
    }
    auto skeleton = open_and_load(vips, pin_directory, pins);
    // What another version left is no reason not to start.
    for (const std::string& pin : {pins.self, pins.counters}) {
        if (!skeleton && !pin.empty() && ::unlink(pin.c_str()) == 0) {
            skeleton = open_and_load(vips, pin_directory, pins);
        }
    }
    if (!skeleton) {
        return Unexpected{skeleton.error()};
    }
    state->skeleton = std::move(*skeleton);
    return SteerLoader(std::move(state));
}

Status SteerLoader::set_interface(const std::array<std::uint8_t, 6>& mac,
                                  std::uint16_t vlan,
                                  const std::optional<VirtualMacs>& virtual_macs) {
    const int map = bpf_map__fd(state_->skeleton->maps.steer_self);
    const std::uint32_t only = 0;
    steer_interface self{};
    (void)bpf_map_lookup_elem(map, &only, &self);  // zeros where nobody has written it
    self.vlan = vlan;
    self.late_ns = steer_late_ns();
    std::memcpy(self.mac, mac.data(), mac.size());
    if (virtual_macs) {
        static_assert(sizeof self.virtual_macs == sizeof *virtual_macs);
        std::memcpy(self.virtual_macs, virtual_macs->data(), sizeof self.virtual_macs);
    }
    if (bpf_map_update_elem(map, &only, &self, BPF_ANY) != 0) {
        return fail(fmt::format(
            "cannot tell steer the address of {}: {}", state_->interface, error_text(errno)));
    }
    return {};
}

Result<SteerLoader::Mode> SteerLoader::attach(unsigned interface_index) {
    Result<XdpLink> attached =
        attach_xdp(program_fd(), {interface_index, "steer", state_->interface, state_->pins.link});
    if (!attached) {
        return Unexpected{attached.error()};
    }
    state_->link = std::move(attached->descriptor);
    return attached->mode;
}

Result<SteerCounters> SteerLoader::counters() const {
    return sum_per_cpu<STEER_OUTCOME_COUNT>(bpf_map__fd(state_->skeleton->maps.steer_counters),
                                            "steer");
}

SteerLoader::Presence SteerLoader::presence(unsigned interface_index) const {
    const XdpPresence found = look_at_xdp(interface_index);
    bpf_prog_info info{};
    std::uint32_t length = sizeof info;
    const bool is_ours = found.program_id != 0 &&
                         bpf_obj_get_info_by_fd(program_fd(), &info, &length) == 0 &&
                         info.id == found.program_id;
    return {is_ours, found.is_native};
}

int SteerLoader::sockets_fd() const {
    return bpf_map__fd(state_->skeleton->maps.xsks_map);
}

Result<SteerAway> SteerLoader::away() const {
    SteerAway::Maps maps;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        const bpf_map* const map = away_maps(*state_->skeleton).at(i).first;
        maps.at(i) = Descriptor(::fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0));
        if (!maps.at(i).is_open()) {
            return fail(fmt::format("cannot share a BPF map: {}", error_text(errno)));
        }
    }
    return SteerAway::of(std::move(maps));
}

int SteerLoader::program_fd() const {
    return bpf_program__fd(state_->skeleton->progs.steer);
}

void remove_other_steer_links(const std::string& pin_directory,
                              std::span<const std::string> interfaces) {
    constexpr std::array kPrefixes{kLinkPrefix, kCountersPrefix, kSelfPrefix};
    (void)remove_other_pins(pin_directory, kPrefixes, interfaces);
}

}  // namespace fairlead
