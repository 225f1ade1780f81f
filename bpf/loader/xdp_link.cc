#include "bpf/loader/xdp_link.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dp/base/error_text.h"

namespace fairlead {
namespace {

// "the XDP program "xdp_filter" (id 12)", for the message that it is in the way.
std::string describe_present_program(unsigned interface_index) {
    std::uint32_t id = 0;
    if (bpf_xdp_query_id(static_cast<int>(interface_index), 0, &id) != 0 || id == 0) {
        return "another XDP program";
    }
    const Descriptor program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
        return fmt::format("the XDP program with the id {}", id);
    }
    return fmt::format("the XDP program \"{}\" (id {})", static_cast<const char*>(info.name), id);
}

std::optional<bpf_link_info> info_of(const Descriptor& link) {
    bpf_link_info info{};
    std::uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0) {
        return std::nullopt;
    }
    return info;
}

// The pinned link with the program in it; nothing if there is none on this interface.
Descriptor replace_program(int program_fd, const XdpPlace& place) {
    Descriptor link(bpf_obj_get(place.pin.c_str()));
    if (!link.is_open()) {
        return Descriptor();
    }
    if (is_on_interface(link, place.interface_index) &&
        bpf_link_update(link.get(), program_fd, nullptr) == 0) {
        return link;
    }
    // It was taken off, or its interface is gone and another one has the name now.
    (void)::unlink(place.pin.c_str());
    return Descriptor();
}

Error explained(int error, const XdpPlace& place) {
    if (error == EBUSY || error == EEXIST) {
        return {
            fmt::format("{} is on {} already and was not attached by this instance (`bpftool net` "
                        "shows it); stop what it belongs to, or take it off: `ip link set {} xdp "
                        "off`, or `bpftool link detach` for one that hangs on a link",
                        describe_present_program(place.interface_index),
                        place.interface,
                        place.interface)};
    }
    return {fmt::format("cannot attach the BPF program {} to {}: {}",
                        place.program,
                        place.interface,
                        error_text(error))};
}

Result<XdpLink> attach_anew(int program_fd, const XdpPlace& place) {
    struct Way {
        std::uint32_t flags;
        XdpMode mode;
    };
    constexpr std::array kWays{Way{XDP_FLAGS_DRV_MODE, XdpMode::kNative},
                               Way{XDP_FLAGS_SKB_MODE, XdpMode::kGeneric}};
    int error = 0;
    for (const Way& way : kWays) {
        bpf_link_create_opts options{};
        options.sz = sizeof options;
        options.flags = way.flags;
        Descriptor link(bpf_link_create(
            program_fd, static_cast<int>(place.interface_index), BPF_XDP, &options));
        if (link.is_open()) {
            return XdpLink{std::move(link), way.mode};
        }
        error = errno;
        if (error == EBUSY || error == EEXIST || error == EPERM || error == ENODEV) {
            break;  // The other mode would not help.
        }
    }
    return Unexpected{explained(error, place)};
}

}  // namespace

Result<XdpLink> attach_xdp(int program_fd, const XdpPlace& place) {
    if (Descriptor link = replace_program(program_fd, place); link.is_open()) {
        return XdpLink{std::move(link), XdpMode::kReplaced};
    }
    Result<XdpLink> attached = attach_anew(program_fd, place);
    if (!attached) {
        return attached;
    }
    if (const Status pinned = pin_link(attached->descriptor, place.pin); !pinned) {
        return fail(pinned.error().message);
    }
    return attached;
}

bool is_on_interface(const Descriptor& link, unsigned interface_index) {
    const std::optional<bpf_link_info> info = info_of(link);
    bpf_xdp_query_opts present{};
    present.sz = sizeof present;
    return info && info->type == BPF_LINK_TYPE_XDP && info->xdp.ifindex == interface_index &&
           bpf_xdp_query(static_cast<int>(interface_index), 0, &present) == 0 &&
           (present.drv_prog_id == info->prog_id || present.skb_prog_id == info->prog_id);
}

bool is_pinned_at(const Descriptor& link, const std::string& pin) {
    const Descriptor pinned(bpf_obj_get(pin.c_str()));
    const std::optional<bpf_link_info> there = info_of(pinned);
    const std::optional<bpf_link_info> wanted = info_of(link);
    return there && wanted && there->id == wanted->id;
}

Status pin_link(const Descriptor& link, const std::string& pin) {
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0) {
        return fail(fmt::format("cannot pin the program's link at {}: {}", pin, error_text(errno)));
    }
    return {};
}

XdpPresence look_at_xdp(unsigned interface_index) {
    bpf_xdp_query_opts options{};
    options.sz = sizeof options;
    if (bpf_xdp_query(static_cast<int>(interface_index), 0, &options) != 0) {
        return {};
    }
    return {options.prog_id, options.attach_mode != XDP_ATTACHED_SKB};
}

}  // namespace fairlead
