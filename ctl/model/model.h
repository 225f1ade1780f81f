// The daemon's picture of the world: file, overrides and observations, and what follows from them.
//
// A value. A change is made on a copy, which replaces the original once the change is on disk and
// in force, so that a change is whole or not at all. Nothing here does I/O. Thread: one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/model/overrides.h"
#include "ctl/model/refusal.h"
#include "ctl/model/service.h"
#include "ctl/publish/publisher.h"

namespace fairlead::model {

// What an operator asks of one backend; what is not given stays.
struct BackendPatch {
    std::optional<Admin> admin;
    std::optional<std::uint32_t> weight;
};

class Model {
  public:
    // Overrides that the file has overtaken are dropped: events() tells which.
    Model(conf::Config config, Kept kept, Time now);

    // Goes on from what the segment of an earlier daemon says. Requires: nothing observed yet.
    void take_over(const publish::Known& known, Time now);

    // ---- changes: on an error nothing changed --------------------------------------------------

    // Whether anything changed. Errors: not found; being removed.
    [[nodiscard]] Result<bool, Refusal> patch(const BackendKey& key,
                                              const BackendPatch& patch,
                                              const Provenance& made,
                                              Time now);
    // Errors: no such service; the backend exists; it cannot be one; the service or the node is
    // full.
    [[nodiscard]] Result<void, Refusal> add(const BackendKey& key,
                                            const Addition& addition,
                                            Time now);
    // Error: not found. Removing what is being removed already changes nothing.
    [[nodiscard]] Result<bool, Refusal> remove(const BackendKey& key,
                                               const Provenance& made,
                                               Time now);
    // This balancer as a whole; nothing: it is ready.
    void set_node(std::optional<AdminOverride> node) { kept_.node = std::move(node); }
    // A newly read file. Returns what became of overrides, a sentence each.
    [[nodiscard]] std::vector<std::string> load(conf::Config config, Time now);

    // ---- observations: true if what is published or shown changed ------------------------------

    bool observe_health(const BackendKey& key,
                        const IpAddress& address,
                        Health health,
                        std::string_view reason,
                        Time now);
    // Nothing in `link` leaves the last known link, unless it is lost, and `problem` says why there
    // is no newer one.
    static bool observe_link(Backend& backend,
                             const std::optional<publish::Link>& link,
                             std::string_view problem,
                             bool is_lost,
                             Time now);
    // What follows from time alone: that a service has had enough healthy backends for long enough.
    bool observe_time(Time now);
    // Most backends have failed at once: until end_hold() no check takes out one that serves now,
    // or comes up, or that `went_down_with_them` names.
    void begin_hold(const std::function<bool(const BackendKey&)>& went_down_with_them, Time now);
    void end_hold(Time now);
    // Forgets the removed backends that `is_gone` holds for, and then services that are left with
    // none.
    bool forget(const std::function<bool(const Service&, const Backend&)>& is_gone);

    // ---- what there is -------------------------------------------------------------------------

    [[nodiscard]] const conf::Config& config() const { return config_; }
    [[nodiscard]] const Overrides& overrides() const { return kept_.overrides; }
    [[nodiscard]] const std::optional<AdminOverride>& node() const { return kept_.node; }
    [[nodiscard]] const Kept& kept() const { return kept_; }
    [[nodiscard]] const std::vector<Service>& services() const { return services_; }
    // For observe_link(); whoever has it changes nothing else.
    [[nodiscard]] std::vector<Service>& services() { return services_; }
    [[nodiscard]] const std::vector<std::string>& events() const { return events_; }
    [[nodiscard]] bool has_removing() const;
    // Raised with every change of which services and backends there are: caches hang on it.
    [[nodiscard]] std::uint64_t shape() const { return shape_; }

  private:
    void rebuild(Time now);
    [[nodiscard]] Result<const Service*, Refusal> service_to_change(std::string_view name) const;
    [[nodiscard]] const conf::BackendConfig* in_file(const BackendKey& key) const;
    [[nodiscard]] Result<void, Refusal> check_room(const Service& service) const;

    conf::Config config_;
    Kept kept_;
    std::vector<Service> services_;
    std::vector<std::string> events_;
    std::uint64_t shape_ = 1;
    bool holds_ = false;
};

}  // namespace fairlead::model
