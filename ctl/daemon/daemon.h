// The daemon itself: holds the model, puts its changes in force, and keeps watch.
//
// Every change goes one way: a copy of the model is changed; overrides go to disk; the tables are
// published; the copy becomes the model. What fails on the way leaves everything as it was.
// What is observed (health, links, flows that end) is published once for all that one turn of the
// loop brought, and again a little later where no slot was free. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctl/daemon/departures.h"
#include "ctl/daemon/flow_count.h"
#include "ctl/daemon/health_log.h"
#include "ctl/daemon/lost_lines.h"
#include "ctl/daemon/mass_failure.h"
#include "ctl/daemon/min_healthy_watch.h"
#include "ctl/daemon/problem.h"
#include "ctl/daemon/traffic_watch.h"
#include "ctl/daemon/waiters.h"
#include "ctl/health/check_thread.h"
#include "ctl/loop/timer.h"
#include "ctl/model/config_diff.h"
#include "ctl/model/model.h"
#include "ctl/neighbor/neighbor_table.h"
#include "ctl/neighbor/path_mtu.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"
#include "ctl/store/store.h"
#include "dp/base/result.h"

namespace fairlead::daemon {

struct Options {
    std::string config;
    std::string run_dir;
    std::string state_dir;
    std::string version;
};

// Who changes something, and why: for the journal and the overrides.
struct Author {
    std::string name;
    std::string reason;
    bool forces = false;  // knows what is lost by it (model/guard.h)
};

struct ReloadOutcome {
    std::uint64_t generation = 0;
    std::vector<std::string> summary;
    bool is_changed = false;
};

// A change that is in force, or was none.
struct Made {
    std::uint64_t generation = 0;
    bool is_changed = false;
};

struct PatchOutcome {
    std::uint64_t generation = 0;
    bool is_changed = false;
    model::Admin admin_before{};
    std::uint32_t weight_before = 0;
};

struct ReloadState {
    model::Time loaded{};  // when the configuration in force was read
    bool last_is_ok = true;
    std::string last_error;
};

class Daemon {
  public:
    // Reads the configuration, the seed and the overrides and takes the segment over. Nothing is
    // published before start(). The error is what a person has to mend.
    [[nodiscard]] static Result<std::unique_ptr<Daemon>> open(boost::asio::io_context& loop,
                                                              Options options);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Begins to watch and to check; `on_ready` is called once, when the tables are in force.
    void start(const std::function<void()>& on_ready);
    // Ends every watch, so that the loop can end. What is in force stays.
    void stop();

    // ---- changes -------------------------------------------------------------------------------
    // One after the other, each in the order of the calls: written down, put in force, and then
    // told, at once or when the disk is done. kConflict: the guard refused, as more would be lost
    // than is lost by accident only. kInternal: it cannot be kept.
    using Then = std::function<void(const Result<Made, model::Refusal>&)>;

    void patch(const model::BackendKey& key,
               const model::BackendPatch& patch,
               const Author& author,
               std::function<void(const Result<PatchOutcome, model::Refusal>&)> then);
    void add(const model::BackendKey& key,
             const IpAddress& address,
             std::uint32_t weight,
             const Author& author,
             Then then);
    // `then` still sees the model with the backend in it, which may be gone afterwards.
    void remove(const model::BackendKey& key, const Author& author, Then then);
    void reload(const Author& author,
                std::function<void(const Result<ReloadOutcome, model::Refusal>&)> then);
    // This balancer as a whole, ready or drained, for those that ask why_unfit().
    void set_node(model::Admin admin, const Author& author, Then then);

    // ---- what there is -------------------------------------------------------------------------
    [[nodiscard]] const model::Model& model() const { return *model_; }
    [[nodiscard]] const publish::Publisher& publisher() const { return *publisher_; }
    [[nodiscard]] publish::TelemetryView& telemetry() { return telemetry_; }
    [[nodiscard]] health::CheckThread& checker() const { return *checker_; }
    [[nodiscard]] const MassFailure& mass_failure() const { return mass_failure_; }
    // nullptr: ICMP errors about the tunnels cannot be heard; problems() says why.
    [[nodiscard]] const neighbor::PathMtuListener* path_mtus() const { return path_mtus_.get(); }
    // What routers have said of the way to a tunnel's backend; nullopt: nothing.
    [[nodiscard]] std::optional<std::uint32_t> path_mtu_to(const model::Service& service,
                                                           const model::Backend& backend) const;
    // How long ago, at most, the kernel had word of the neighbor by which a backend is reached;
    // nullopt: it needs none, or none is known.
    [[nodiscard]] std::optional<std::chrono::seconds> link_confirmed_ago(
        const model::Service& service, const model::Backend& backend) const;
    [[nodiscard]] const neighbor::NeighborTable& neighbors() const { return *neighbors_; }
    [[nodiscard]] Waiters& waiters() { return waiters_; }
    [[nodiscard]] const Options& options() const { return options_; }
    [[nodiscard]] const ReloadState& reload_state() const { return reload_state_; }
    [[nodiscard]] model::Time started() const { return started_; }
    // How the engine is doing at this moment.
    [[nodiscard]] const EngineWatch& look_at_engine();
    // By which count the active flows stand in `telemetry`, as of the last look at the engine; the
    // error says why they are no count.
    [[nodiscard]] Result<FlowCount> flow_count();
    // Why clients should be sent to another balancer, a phrase each; empty: they need not. Only of
    // this node and its engine: nothing in it depends on a service, a backend or the file.
    [[nodiscard]] std::vector<std::string> why_unfit();
    // What an operator should know, a sentence each.
    [[nodiscard]] std::vector<Problem> problems();
    // Why [api] listen is not served; "": it is, or is not asked for.
    void tell_listen_problem(const std::string& problem);

  private:
    Daemon(boost::asio::io_context& loop, Options options);

    [[nodiscard]] Status open_parts();
    void open_path_mtus();
    [[nodiscard]] publish::DesiredTables desired(const model::Model& model) const;
    // What is asked for: made on any model as often as it takes, and described.
    struct Change {
        Author author;
        std::function<Result<bool, model::Refusal>(model::Model&)> apply;  // whether it is a change
        std::function<store::JournalEntry(const model::Model& before, const model::Model& after)>
            entry;
        Then then;
        model::Kept kept{};  // what is written down for it
    };
    void change(Change change);
    void begin_change();
    [[nodiscard]] std::optional<model::Refusal> why_guarded(const model::Model& candidate) const;
    void put_in_force();
    void take_back(const model::Refusal& refusal);
    void end_change(const Result<Made, model::Refusal>& outcome);
    [[nodiscard]] ReloadOutcome reloaded(std::uint64_t generation,
                                         model::ConfigDiff diff,
                                         const std::vector<std::string>& events);
    [[nodiscard]] Unexpected<model::Refusal> not_reloaded(const Author& author,
                                                          const model::Refusal& refusal);
    void write_history();
    void note_restart_needs(const std::vector<model::RestartNeed>& needs);
    void after_change();
    void on_health(const health::Target& target, model::Health health, std::string_view why);
    void look_at_mass_failure(const health::Target& target, model::Health health);
    void end_what_time_ends();
    void tell_min_healthy();
    void on_neighbors();
    void publish_soon();
    void publish_observed();
    // After what publish() has put in force: the next step, if there is one.
    void go_on(const publish::Published& published);
    void tell_publish_problem(const std::string& problem);
    void look_for_departures();
    void tick();
    void keep_looking_at_engine();
    void feed_watchdog();

    boost::asio::io_context& loop_;
    Options options_;
    model::Time started_ = model::now();
    std::uint64_t seed_ = 0;
    publish::TelemetryView telemetry_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<publish::Publisher> publisher_;
    std::unique_ptr<model::Model> model_;
    std::deque<Change> changes_;  // the first is under way
    bool is_changing_ = false;
    std::unique_ptr<Departures> departures_;
    std::unique_ptr<neighbor::NeighborTable> neighbors_;
    std::unique_ptr<neighbor::PathMtuListener> path_mtus_;
    std::string path_mtu_problem_;
    std::unique_ptr<health::CheckThread> checker_;
    HealthLog health_log_;
    MassFailure mass_failure_;
    MinHealthyWatch min_healthy_;
    std::uint64_t checked_shape_ = 0;  // of the model that the checker has its targets from
    Waiters waiters_;
    loop::Timer publish_timer_;
    loop::Timer departure_timer_;
    loop::Timer tick_timer_;
    loop::Timer look_timer_;
    loop::Timer watchdog_timer_;
    TrafficWatch traffic_;
    std::uint64_t acknowledged_ = 0;  // by every worker, and since when no more than that
    TrafficWatch::Clock::time_point acknowledged_since_{};
    ReloadState reload_state_;
    std::vector<std::string> unread_;  // of what was kept
    LostLines lost_lines_;
    std::string publish_problem_;
    std::string listen_problem_;
    publish::Published last_step_;
    std::chrono::steady_clock::time_point last_progress_{};
    std::vector<std::string> restart_needs_;
    model::Time engine_restart_needed_{};  // [engine] changed then
    bool is_history_whole_ = false;        // what is on disk is of this model's backends alone
    bool is_history_due_ = false;
    bool is_publish_due_ = false;
    bool is_departure_watched_ = false;
    bool engine_lived_ = false;
};

}  // namespace fairlead::daemon
