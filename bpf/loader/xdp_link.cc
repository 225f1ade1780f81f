#include "bpf/loader/xdp_link.h"

#include <array>
#include <cerrno>
#include <cstdint>

#include <fmt/format.h>
#include <linux/if_link.h>

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

}  // namespace

Result<XdpLink> attach_xdp(int program_fd,
                           unsigned interface_index,
                           const std::string& program,
                           const std::string& interface) {
    constexpr std::array<std::uint32_t, 2> kModes{XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
    int error = 0;
    for (const std::uint32_t mode : kModes) {
        bpf_link_create_opts options{};
        options.sz = sizeof options;
        options.flags = mode;
        Descriptor link(
            bpf_link_create(program_fd, static_cast<int>(interface_index), BPF_XDP, &options));
        if (link.is_open()) {
            return XdpLink{std::move(link), mode == XDP_FLAGS_DRV_MODE};
        }
        error = errno;
        if (error == EBUSY || error == EEXIST || error == EPERM || error == ENODEV) {
            break;  // The other mode would not help.
        }
    }
    if (error == EBUSY || error == EEXIST) {
        return fail(
            fmt::format("{} is on {} already and was not attached by this instance (`bpftool net` "
                        "shows it); stop what it belongs to, or take it off: `ip link set {} xdp "
                        "off`",
                        describe_present_program(interface_index),
                        interface,
                        interface));
    }
    return fail(fmt::format(
        "cannot attach the BPF program {} to {}: {}", program, interface, error_text(error)));
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
