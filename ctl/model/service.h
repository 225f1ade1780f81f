// Services and backends as the daemon sees them: what is wanted, what is observed, what follows.
//
// Plain values, owned by the Model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/model/moment.h"
#include "ctl/model/states.h"
#include "ctl/publish/publisher.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

namespace fairlead::model {

enum class Origin : std::uint8_t {
    kFile,
    kRuntime
};

[[nodiscard]] constexpr std::string_view to_text(Origin origin) noexcept {
    return origin == Origin::kFile ? "file" : "runtime";
}

// One (service, name, address). While a backend leaves, another of the same name and a new address
// may stand beside it.
struct Backend {
    // Wanted.
    std::string name;
    IpAddress address;
    Origin origin = Origin::kFile;
    std::uint32_t configured_weight = 1;  // the file's, or the one it was added with
    std::uint32_t weight = 1;             // with the operator's override
    Admin admin = Admin::kReady;
    std::optional<MacAddress> fixed_mac;
    bool is_removing = false;  // stays only until its last flow is gone
    bool is_fallback = false;  // conf::Fallback: not checked; its weight is what the others lack

    // Observed.
    Health health = Health::kUnknown;
    Time health_since{};
    std::string health_reason;  // of the check that decided: "connection refused"
    std::optional<publish::Link> link;
    std::string link_problem;
    bool is_link_lost = false;  // it has not answered for so long that no link of it holds

    // Decided for the service or the node as a whole: its failing checks do not take it out.
    bool is_held = false;  // most backends failed at once, and it is not known yet whose fault
    bool is_open = false;  // the service has too few healthy ones, and fails open, or back

    // What follows (judge()).
    Effective effective = Effective::kOut;
    bool lacks_only_link = false;  // it would serve
    std::string why;
    Time since{};                     // of `effective`
    std::optional<Time> drain_start;  // of the drain that goes on now
    std::uint64_t transitions = 0;    // changes of `effective`, also under earlier daemons
    bool is_noted = false;            // the last three are written down

    [[nodiscard]] std::uint32_t ring_weight() const {
        return effective == Effective::kServing ? weight : 0;
    }
    // While it is removed, too: what has left a server that is out does not go back to it.
    [[nodiscard]] bool keeps_flows() const { return admin != Admin::kMaint; }
    // By what was seen of it: its checks, or that its address has not answered for two minutes,
    // which is all there is where nothing checks it. Not one that rises again: it may have been
    // unknown before, and never down. Of one that is removed, what its last check said.
    [[nodiscard]] bool is_taken_out() const {
        const bool is_out_by_checks = health == Health::kDown && effective != Effective::kServing;
        return admin != Admin::kMaint && (is_out_by_checks || is_link_lost);
    }
    // Of these min_healthy speaks.
    [[nodiscard]] bool is_counted() const {
        return admin == Admin::kReady && weight > 0 && !is_removing && !is_fallback;
    }
    // One that is held counts as what it was before.
    [[nodiscard]] bool is_healthy() const { return takes_new_flows(health) || is_held; }
    [[nodiscard]] bool is_checked() const {
        return !is_removing && !is_fallback && admin != Admin::kMaint;
    }
    // One that stands by, as most times, is nobody's loss.
    [[nodiscard]] bool stands_by() const {
        return is_fallback && !is_removing && effective != Effective::kServing;
    }
};

struct Service {
    conf::ServiceConfig config;  // its list of backends is empty: `backends` stands for it
    std::vector<Backend> backends;
    bool is_removing = false;  // not in the file any more; its last backends drain
    bool is_below_min_healthy = false;
    std::optional<Time> enough_since;  // healthy, while it is still below

    [[nodiscard]] bool fails_open() const {
        return is_below_min_healthy && config.on_min_healthy == conf::OnMinHealthy::kFailOpen;
    }
    [[nodiscard]] bool falls_back() const {
        return is_below_min_healthy && config.on_min_healthy == conf::OnMinHealthy::kFallback;
    }
    [[nodiscard]] bool is_up() const;  // some backend takes new flows
};

// Why no server of this address can be a backend of that service, as a sentence; empty if one can.
[[nodiscard]] std::string why_not_a_backend(const conf::ServiceConfig& service,
                                            const IpAddress& address);

// Why a server of this address would be the balancer itself, by another service's VIP; empty if
// not.
[[nodiscard]] std::string why_a_vip(const std::vector<conf::ServiceConfig>& services,
                                    const IpAddress& address);

// Recomputes what follows from what is wanted and observed. `since`, `transitions` and
// `drain_start` change only with it.
void judge(Backend& backend, Time now);

// The service of that name, also one that is leaving; nullptr if there is none.
[[nodiscard]] const Service* find_service(const std::vector<Service>& services,
                                          std::string_view name);
// The backend of that name: the one that stays rather than one that leaves; nullptr if there is
// none.
[[nodiscard]] const Backend* find_backend(const Service& service, std::string_view name);
[[nodiscard]] Backend* find_backend(std::vector<Service>& services,
                                    std::string_view service,
                                    std::string_view name,
                                    const IpAddress& address);

}  // namespace fairlead::model
