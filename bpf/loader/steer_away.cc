#include "bpf/loader/steer_away.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dp/base/error_text.h"

namespace fairlead {
namespace {

struct Layout {
    const char* pin;
    const char* name;
    bpf_map_type type;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
    std::uint32_t entries;
    std::uint32_t flags;
};

// As in bpf/steer.bpf.c.
constexpr std::array<Layout, std::tuple_size_v<SteerAway::Maps>> kLayouts{{
    {"services",
     "steer_services",
     BPF_MAP_TYPE_HASH,
     sizeof(steer_service_key),
     sizeof(steer_service),
     STEER_MAX_SERVICES,
     0},
    {"rings",
     "steer_rings",
     BPF_MAP_TYPE_ARRAY,
     sizeof(std::uint32_t),
     sizeof(steer_ring),
     STEER_MAX_RINGS,
     BPF_F_MMAPABLE},
    {"backends",
     "steer_backends",
     BPF_MAP_TYPE_ARRAY,
     sizeof(std::uint32_t),
     sizeof(steer_backend),
     STEER_MAX_BACKENDS,
     BPF_F_MMAPABLE},
    {"ports",
     "steer_ports",
     BPF_MAP_TYPE_ARRAY,
     sizeof(std::uint32_t),
     sizeof(steer_port),
     STEER_MAX_PORTS,
     BPF_F_MMAPABLE},
    {"beat",
     "steer_beat",
     BPF_MAP_TYPE_ARRAY,
     sizeof(std::uint32_t),
     sizeof(steer_beat),
     1,
     BPF_F_MMAPABLE},
}};

// Whether a map that some other version may have pinned is what this one needs.
bool has_layout(int fd, const Layout& layout) {
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == layout.type &&
           info.key_size == layout.key_bytes && info.value_size == layout.value_bytes &&
           info.max_entries == layout.entries && info.map_flags == layout.flags;
}

Result<Descriptor> take_or_make(const std::string& pin_directory, const Layout& layout) {
    const std::string pin = pin_directory + "/" + layout.pin;
    Descriptor pinned(bpf_obj_get(pin.c_str()));
    if (pinned.is_open() && has_layout(pinned.get(), layout)) {
        return pinned;
    }
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = layout.flags;
    Descriptor made(bpf_map_create(
        layout.type, layout.name, layout.key_bytes, layout.value_bytes, layout.entries, &options));
    if (!made.is_open()) {
        return fail(fmt::format("cannot make the BPF map {} of {} KiB: {}{}",
                                layout.name,
                                std::uint64_t{layout.value_bytes} * layout.entries / 1024,
                                error_text(errno),
                                errno == EPERM ? "; run as root or with CAP_BPF" : ""));
    }
    (void)::unlink(pin.c_str());  // one of another layout
    if (bpf_obj_pin(made.get(), pin.c_str()) != 0) {
        return fail(fmt::format("cannot pin a BPF map at {}: {}", pin, error_text(errno)));
    }
    return made;
}

}  // namespace

std::uint32_t steer_late_ns() {
    constexpr long kLeastNs = 5'000'000;
    timespec step{};  // 1 to 10 ms: a tick of the kernel
    (void)::clock_getres(CLOCK_MONOTONIC_COARSE, &step);
    return static_cast<std::uint32_t>(std::max(kLeastNs, step.tv_nsec * 5 / 2));
}

void SteerBeat::show_life() const noexcept {
    if (beat_ == nullptr) {
        return;
    }
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    std::atomic_ref(beat_->coarse_ns)
        .store(static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
                   static_cast<std::uint64_t>(now.tv_nsec),
               std::memory_order_relaxed);
}

void SteerAway::Unmap::operator()(void* start) const noexcept {
    (void)::munmap(start, bytes);
}

SteerAway::Mapping SteerAway::map(int fd, std::size_t bytes) {
    void* const start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return Mapping(start == MAP_FAILED ? nullptr : start, Unmap{bytes});
}

Result<SteerAway> SteerAway::open(const std::string& pin_directory) {
    Maps maps;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        Result<Descriptor> map = take_or_make(pin_directory, kLayouts.at(i));
        if (!map) {
            return Unexpected{map.error()};
        }
        maps.at(i) = std::move(*map);
    }
    return of(std::move(maps));
}

Result<SteerAway> SteerAway::of(Maps maps) {
    SteerAway away;
    away.rings_ = map(maps[1].get(), sizeof(steer_ring) * STEER_MAX_RINGS);
    away.backends_ = map(maps[2].get(), sizeof(steer_backend) * STEER_MAX_BACKENDS);
    away.ports_ = map(maps[3].get(), sizeof(steer_port) * STEER_MAX_PORTS);
    away.beat_ = map(maps[4].get(), sizeof(steer_beat));
    if (!away.rings_ || !away.backends_ || !away.ports_ || !away.beat_) {
        return fail(fmt::format("cannot map a BPF map: {}", error_text(errno)));
    }
    away.services_ = std::move(maps[0]);
    return away;
}

std::vector<SteerAwayService> SteerAway::services() const {
    std::vector<SteerAwayService> found;
    steer_service_key key{};
    const steer_service_key* previous = nullptr;
    // Bounded, in case somebody else writes to the map and the walk starts over.
    while (found.size() < STEER_MAX_SERVICES &&
           bpf_map_get_next_key(services_.get(), previous, &key) == 0) {
        SteerAwayService each{.key = key};
        if (bpf_map_lookup_elem(services_.get(), &key, &each.service) == 0) {
            found.push_back(each);
        }
        previous = &key;
    }
    return found;
}

Status SteerAway::put(const steer_service_key& key, const steer_service& service) const {
    if (bpf_map_update_elem(services_.get(), &key, &service, BPF_ANY) != 0) {
        return fail(fmt::format("cannot put a service into the BPF map: {}", error_text(errno)));
    }
    return {};
}

Status SteerAway::remove(const steer_service_key& key) const {
    if (bpf_map_delete_elem(services_.get(), &key) != 0 && errno != ENOENT) {
        return fail(fmt::format("cannot take a service out of the BPF map: {}", error_text(errno)));
    }
    return {};
}

}  // namespace fairlead
