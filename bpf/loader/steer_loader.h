// Loads bpf/steer.bpf.c, one instance an interface, and keeps it there beyond the process.
//
// What is pinned (pin_directory.h): for all interfaces the map of VIPs ("vips") and the maps by
// which packets are forwarded without an engine (steer_away.h); for each interface its link
// ("link-IF"), its counters ("counters-IF") and which MAC addresses are its own ("self-IF"). So
// while no engine runs, packets for a VIP never reach the kernel; the next engine replaces the
// program through the same link, without a moment in which none is attached, and with all VIPs and
// MAC addresses in place.
//
// Requires CAP_BPF, CAP_NET_ADMIN and the network namespace of the interface. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/abi/steer.h"
#include "bpf/loader/steer_away.h"
#include "bpf/loader/xdp_link.h"
#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead {

// Packets over all CPUs, by steer_outcome.
using SteerCounters = std::array<std::uint64_t, STEER_OUTCOME_COUNT>;

// The map of VIPs, and what is in it.
class SteerVips {
  public:
    // Takes the pinned map over with what it holds, or makes and pins one. An empty
    // `pin_directory`: a map of its own, not pinned, for tests.
    [[nodiscard]] static Result<SteerVips> open(const std::string& pin_directory);

    // Makes the map hold exactly `vips`, in any order, without a moment at which one that stays is
    // missing. On an error some may be missing; the next call tries again.
    [[nodiscard]] Status set(std::vector<steer_address> vips);

    [[nodiscard]] int fd() const noexcept { return map_.get(); }

  private:
    SteerVips() = default;

    Descriptor map_;
    std::vector<steer_address> present_;  // sorted
};

class SteerLoader {
  public:
    // Loads the program on the map `vips` and on the pinned maps of steer_away.h; nothing is
    // attached yet. `pin_directory` as above; `interface` names the pins and stands in messages.
    [[nodiscard]] static Result<SteerLoader> load(const SteerVips& vips,
                                                  const std::string& pin_directory,
                                                  const std::string& interface);

    SteerLoader(SteerLoader&&) noexcept;
    SteerLoader& operator=(SteerLoader&&) noexcept;
    SteerLoader(const SteerLoader&) = delete;
    SteerLoader& operator=(const SteerLoader&) = delete;
    // Nothing is detached.
    ~SteerLoader();

    using VirtualMacs = std::array<std::uint64_t, 8>;  // as steer_interface has them
    // The interface's own address, without which nothing is steered, the VLAN of what is for the
    // engine, 0 for none, and the virtual routers' addresses that are its own too; nullopt: those
    // that an earlier engine has left. They may change later.
    [[nodiscard]] Status set_interface(const std::array<std::uint8_t, 6>& mac,
                                       std::uint16_t vlan,
                                       const std::optional<VirtualMacs>& virtual_macs);

    using Mode = XdpMode;
    // Replaces the program of the pinned link, or attaches and pins. Requires a pin directory.
    // Fails if somebody else's XDP program is there.
    [[nodiscard]] Result<Mode> attach(unsigned interface_index);

    [[nodiscard]] Result<SteerCounters> counters() const;

    // Whether this program is on the interface, and whether in the driver's receive path.
    struct Presence {
        bool is_there = false;
        bool is_native = false;
    };
    [[nodiscard]] Presence presence(unsigned interface_index) const;

    // The map of AF_XDP sockets, by receive queue. A socket leaves it by itself when it is closed.
    [[nodiscard]] int sockets_fd() const;

    // The maps of this program by which it forwards without an engine.
    [[nodiscard]] Result<SteerAway> away() const;

    // For BPF_PROG_TEST_RUN.
    [[nodiscard]] int program_fd() const;

  private:
    struct State;
    explicit SteerLoader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Takes the pins of every interface away that is not among `interfaces`, and so their programs.
void remove_other_steer_links(const std::string& pin_directory,
                              std::span<const std::string> interfaces);

}  // namespace fairlead
