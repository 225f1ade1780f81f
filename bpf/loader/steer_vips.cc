#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/loader/steer_loader.h"
#include "dp/base/error_text.h"

namespace fairlead {
namespace {

constexpr std::uint8_t kPresent = 1;

bool is_before(const steer_address& left, const steer_address& right) {
    return std::memcmp(&left, &right, sizeof left) < 0;
}
bool is_same(const steer_address& left, const steer_address& right) {
    return std::memcmp(&left, &right, sizeof left) == 0;
}

// Whether a map that some other version may have pinned is what this one needs.
bool has_our_layout(int fd) {
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == BPF_MAP_TYPE_HASH &&
           info.key_size == sizeof(steer_address) && info.value_size == sizeof kPresent &&
           info.max_entries == STEER_MAX_VIPS;
}

std::vector<steer_address> keys_of(int fd) {
    std::vector<steer_address> keys;
    steer_address key{};
    const steer_address* previous = nullptr;
    // Bounded, in case somebody else writes to the map and the walk starts over.
    while (keys.size() < STEER_MAX_VIPS && bpf_map_get_next_key(fd, previous, &key) == 0) {
        keys.push_back(key);
        previous = &key;
    }
    std::sort(keys.begin(), keys.end(), is_before);
    return keys;
}

}  // namespace

Result<SteerVips> SteerVips::open(const std::string& pin_directory) {
    const std::string pin = pin_directory + "/vips";
    SteerVips vips;
    if (!pin_directory.empty()) {
        vips.map_ = Descriptor(bpf_obj_get(pin.c_str()));
        if (vips.map_.is_open() && has_our_layout(vips.map_.get())) {
            vips.present_ = keys_of(vips.map_.get());
            return vips;
        }
    }
    SteerVips fresh;
    fresh.map_ = Descriptor(bpf_map_create(BPF_MAP_TYPE_HASH,
                                           "steer_vips",
                                           sizeof(steer_address),
                                           sizeof kPresent,
                                           STEER_MAX_VIPS,
                                           nullptr));
    if (!fresh.map_.is_open()) {
        return fail(
            fmt::format("cannot make the BPF map of VIPs: {}{}",
                        error_text(errno),
                        errno == EPERM ? "; run as root or with CAP_BPF and CAP_NET_ADMIN" : ""));
    }
    if (!pin_directory.empty()) {
        (void)::unlink(pin.c_str());  // one of another layout
        if (bpf_obj_pin(fresh.map_.get(), pin.c_str()) != 0) {
            return fail(
                fmt::format("cannot pin the map of VIPs at {}: {}", pin, error_text(errno)));
        }
    }
    return fresh;
}

Status SteerVips::set(std::vector<steer_address> vips) {
    std::sort(vips.begin(), vips.end(), is_before);
    vips.erase(std::unique(vips.begin(), vips.end(), is_same), vips.end());
    std::vector<steer_address> news;
    std::vector<steer_address> gone;
    std::set_difference(vips.begin(),
                        vips.end(),
                        present_.begin(),
                        present_.end(),
                        std::back_inserter(news),
                        is_before);
    std::set_difference(present_.begin(),
                        present_.end(),
                        vips.begin(),
                        vips.end(),
                        std::back_inserter(gone),
                        is_before);
    // First out, then in: a full map has room for a new one only then.
    for (const steer_address& vip : gone) {
        if (bpf_map_delete_elem(map_.get(), &vip) != 0 && errno != ENOENT) {
            return fail(fmt::format("cannot take a VIP out of the BPF map: {}", error_text(errno)));
        }
    }
    for (const steer_address& vip : news) {
        if (bpf_map_update_elem(map_.get(), &vip, &kPresent, BPF_ANY) != 0) {
            present_ = keys_of(map_.get());
            return fail(fmt::format("cannot put a VIP into the BPF map: {}{}",
                                    error_text(errno),
                                    errno == E2BIG ? fmt::format("; it holds at most {}",
                                                                 static_cast<int>(STEER_MAX_VIPS))
                                                   : ""));
        }
    }
    present_ = std::move(vips);
    return {};
}

}  // namespace fairlead
