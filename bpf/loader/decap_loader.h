// Loads bpf/decap.bpf.c, fills its maps and keeps it on one interface beyond the process.
//
// What is pinned (pin_directory.h): the interface's link ("decap-link-IF") and its counters
// ("decap-counters-IF"). So tunnels are unpacked while no agent runs, whatever ended it; the next
// one fills tables of its own and puts its program into the same link, without a moment in which
// the kernel sees a tunnel packet. Requires CAP_BPF, CAP_NET_ADMIN and the network namespace of the
// interface. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi/decap.h"
#include "bpf/loader/xdp_link.h"
#include "dp/base/result.h"

namespace fairlead {

// An outcome's name and what it means to the operator; the text is the program's own and lives for
// ever.
struct DecapOutcomeText {
    std::string_view name;
    std::string_view meaning;
};
[[nodiscard]] DecapOutcomeText decap_outcome_text(decap_outcome outcome);

// Whom the program serves. The endpoints may change later.
struct DecapTables {
    std::vector<decap_address> vips;
    std::vector<decap_prefix> balancers;
    std::vector<decap_address> endpoints;  // at most kMaxDecapEndpoints
};
inline constexpr std::size_t kMaxDecapEndpoints = 1024;

// Packets since the counters were made, over all CPUs, by decap_outcome.
using DecapCounters = std::array<std::uint64_t, DECAP_OUTCOME_COUNT>;

class DecapLoader {
  public:
    // Loads and fills; nothing is attached yet. `pin_directory` is a bpffs; empty: nothing is
    // pinned, for tests. `interface` names the pins and stands in messages.
    [[nodiscard]] static Result<DecapLoader> load(const DecapTables& tables,
                                                  const std::string& pin_directory,
                                                  const std::string& interface);

    DecapLoader(DecapLoader&&) noexcept;
    DecapLoader& operator=(DecapLoader&&) noexcept;
    DecapLoader(const DecapLoader&) = delete;
    DecapLoader& operator=(const DecapLoader&) = delete;
    // Nothing is detached.
    ~DecapLoader();

    using Mode = XdpMode;
    // Replaces the program of the pinned link, or attaches and pins. Requires a pin directory.
    // Fails if somebody else's XDP program is there. Call once.
    [[nodiscard]] Result<Mode> attach(unsigned interface_index);

    // Looks whether the program is still where attach() has put it, and its pins are there. True:
    // something was missing, and is there again. An error as of attach(): the next call tries
    // again.
    [[nodiscard]] Result<bool> mend();

    // Makes `endpoints` the addresses at which tunnels end, without a moment at which one that
    // stays is missing.
    [[nodiscard]] Status set_endpoints(std::span<const decap_address> endpoints);

    [[nodiscard]] Result<DecapCounters> counters() const;
    // The source of some tunnel that was refused lately; a hint, nothing if none was.
    [[nodiscard]] std::optional<decap_address> refused_source() const;

    // For BPF_PROG_TEST_RUN.
    [[nodiscard]] int program_fd() const;

  private:
    struct State;
    explicit DecapLoader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Takes the pins of every interface away that is not among `interfaces`, and so their programs.
// Returns how many pins there were.
std::size_t remove_other_decap_pins(const std::string& pin_directory,
                                    std::span<const std::string> interfaces);

}  // namespace fairlead
