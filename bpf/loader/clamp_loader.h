// Loads bpf/clamp.bpf.c, fills its maps and attaches it to what leaves by one interface.
//
// The attachment is a tc filter on the interface's clsact qdisc: the kernel has no link for it that
// goes with its process before 6.6. It has a fixed priority, and its handle says whether the qdisc
// was made for it. So the interface itself tells a later run, or remove(), what one before it left;
// attach() replaces that in one step. It stays when the process ends. The counters are pinned
// ("clamp-counters-IF", pin_directory.h), so that they go on in the next run. Requires CAP_BPF,
// CAP_NET_ADMIN and the network namespace of the interface. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "bpf/abi/clamp.h"
#include "dp/base/result.h"

namespace fairlead {

// SYN-ACKs since the counters were made, over all CPUs, by clamp_outcome.
using ClampCounters = std::array<std::uint64_t, CLAMP_OUTCOME_COUNT>;

[[nodiscard]] std::string_view clamp_outcome_name(clamp_outcome outcome);

class ClampLoader {
  public:
    // Loads and fills; nothing is attached yet, and nothing is lowered before set_mss().
    // `pin_directory` is a bpffs; empty: nothing is pinned, for tests. `interface` names the pin.
    [[nodiscard]] static Result<ClampLoader> load(std::span<const decap_address> vips,
                                                  const std::string& pin_directory,
                                                  const std::string& interface);

    ClampLoader(ClampLoader&&) noexcept;
    ClampLoader& operator=(ClampLoader&&) noexcept;
    ClampLoader(const ClampLoader&) = delete;
    ClampLoader& operator=(const ClampLoader&) = delete;
    // Nothing is detached.
    ~ClampLoader();

    [[nodiscard]] Status set_mss(clamp_mss limits);
    // Attaches to the interface, in place of what an earlier run left there. Call once.
    [[nodiscard]] Status attach(unsigned interface_index);
    // Looks whether the filter is still there. True: it was not, or it ran another program, and it
    // is there again. An error as of attach(): the next call tries again.
    [[nodiscard]] Result<bool> mend();
    [[nodiscard]] Result<ClampCounters> counters() const;

    // Takes off what a run left on the interface; true if there was something.
    static bool remove(unsigned interface_index);

    // For BPF_PROG_TEST_RUN.
    [[nodiscard]] int program_fd() const;

  private:
    struct State;
    explicit ClampLoader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Takes the pins of every interface away that is not among `interfaces`.
void remove_other_clamp_pins(const std::string& pin_directory,
                             std::span<const std::string> interfaces);

}  // namespace fairlead
