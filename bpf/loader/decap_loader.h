// Loads bpf/decap.bpf.c, fills its maps and keeps it attached to one interface.
//
// The attachment is a BPF link that only this object holds: when it goes, or its process dies in
// whatever way, the kernel detaches the program. Nothing is pinned. Requires CAP_BPF, CAP_NET_ADMIN
// and the network namespace of the interface. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bpf/abi/decap.h"
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

// Packets since the program was loaded, over all CPUs, by decap_outcome.
using DecapCounters = std::array<std::uint64_t, DECAP_OUTCOME_COUNT>;

class DecapLoader {
  public:
    // Loads and fills; nothing is attached yet.
    [[nodiscard]] static Result<DecapLoader> load(const DecapTables& tables);

    DecapLoader(DecapLoader&&) noexcept;
    DecapLoader& operator=(DecapLoader&&) noexcept;
    DecapLoader(const DecapLoader&) = delete;
    DecapLoader& operator=(const DecapLoader&) = delete;
    // Detaches.
    ~DecapLoader();

    enum class Mode : std::uint8_t {
        kNative,   // in the driver's receive path
        kGeneric,  // after the kernel has made an skb: works on any interface, slower
    };
    // Attaches to the interface, in native mode if its driver has one; its name is for messages.
    // Fails if another XDP program is there. Call once.
    [[nodiscard]] Result<Mode> attach(unsigned interface_index, const std::string& interface);

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

}  // namespace fairlead
