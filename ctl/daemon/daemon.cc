#include "ctl/daemon/daemon.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ctl/daemon/directories.h"
#include "ctl/daemon/history.h"
#include "ctl/daemon/not_checked.h"
#include "ctl/daemon/observe.h"
#include "ctl/daemon/seed_file.h"
#include "ctl/daemon/tables_problem.h"
#include "ctl/loop/main_loop.h"
#include "ctl/model/intent.h"
#include "ctl/model/renames.h"
#include "dp/base/log.h"
#include "dp/base/notify.h"

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 1s;
constexpr auto kDepartureLook = 100ms;
constexpr auto kPublishRetry = 20ms;
constexpr auto kMayBeBehind = 2s;      // a worker that turns follows within milliseconds
constexpr auto kNextStep = 1ms;        // workers acknowledge in less
constexpr auto kMemoryRetry = 250ms;   // somebody has to make room first
constexpr auto kDiskIsSlow = 2s;       // a change waits longer than that: a problem
constexpr auto kPublishPatience = 1s;  // without a step's progress: a problem

}  // namespace

Daemon::Daemon(boost::asio::io_context& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      telemetry_(options_.run_dir),
      checker_(std::make_unique<health::CheckThread>(
          loop,
          [this](const health::Target& target, model::Health health, std::string_view why) {
              on_health(target, health, why);
          })),
      waiters_(loop, telemetry_),
      publish_timer_(loop),
      departure_timer_(loop),
      tick_timer_(loop),
      look_timer_(loop),
      watchdog_timer_(loop) {}

Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::open(boost::asio::io_context& loop, Options options) {
    std::unique_ptr<Daemon> daemon(new Daemon(loop, std::move(options)));
    if (Status opened = daemon->open_parts(); !opened) {
        return Unexpected{opened.error()};
    }
    return daemon;
}

Status Daemon::open_parts() {
    auto config = conf::load_config(options_.config);
    if (!config) {
        return fail(conf::describe(config.error()));
    }
    reload_state_.loaded = model::now();
    if (Status made = prepare_directory(options_.run_dir, "--run-dir"); !made) {
        return made;
    }
    if (Status made = prepare_directory(options_.state_dir, "--state-dir", Needs::kReading);
        !made) {
        return made;
    }
    // The segment's lock comes first: a second daemon must not touch anything.
    telemetry_.refresh();
    auto publisher =
        publish::Publisher::open(options_.run_dir, options_.version, telemetry_, telemetry_);
    if (!publisher) {
        return Unexpected{publisher.error()};
    }
    publisher_ = std::move(*publisher);
    telemetry_.expect_tables(publisher_->instance());
    const Result<std::uint64_t> seed = load_seed(config->node.seed_file);
    if (!seed) {
        return Unexpected{seed.error()};
    }
    seed_ = *seed;
    auto opened = store::Store::open(loop_, options_.state_dir, options_.run_dir);
    if (!opened) {
        return Unexpected{opened.error()};
    }
    store_ = std::move(opened->store);
    unread_ = std::move(opened->contents.problems);
    for (const std::string& problem : unread_) {
        log_error("state-unread", {{"problem", problem}});
    }
    if (!store_->problem().empty()) {
        log_error("state-unusable", {{"problem", store_->problem()}});
    }
    model::Kept kept = std::move(opened->contents.kept);
    const model::Kept was_kept = kept;
    const model::Time now = model::now();
    publish::Known known = publisher_->known();
    const model::Renames renames = model::renames_between(known.services, config->services);
    model::rename(renames, kept.overrides);
    model::rename(renames, known);
    for (const auto& [from, to] : renames) {
        log_info("service-renamed", {{"from", from}, {"to", to}});
    }
    model_ = std::make_unique<model::Model>(std::move(*config), std::move(kept), now);
    model_->take_over(known, now);
    is_history_whole_ = recall(opened->contents.remembered, *model_);
    for (const std::string& event : model_->events()) {
        log_info("override-dropped", {{"what", event}});
    }
    if (store::Change change = store::difference(was_kept, model_->kept()); !change.empty()) {
        store_->write(std::move(change), [](const Status&) {});
    }
    departures_ = std::make_unique<Departures>(*publisher_, telemetry_);
    auto neighbors =
        neighbor::NeighborTable::open(loop_, model_->config().ports, [this] { on_neighbors(); });
    if (!neighbors) {
        return Unexpected{neighbors.error()};
    }
    neighbors_ = std::move(*neighbors);
    keep_tunnel_sources(publisher_->known(), *neighbors_);
    open_path_mtus();
    log_info("taken-over",
             {{"generation", publisher_->generation()},
              {"backends", publisher_->known().backends.size()},
              {"overrides", was_kept.overrides.size()}});
    return {};
}

// Without it everything is forwarded all the same, but for what a smaller link on the way refuses.
void Daemon::open_path_mtus() {
    auto opened = neighbor::PathMtuListener::open(
        loop_,
        [this](const IpAddress& source, const IpAddress& destination) {
            return is_own_tunnel(neighbors_->ports(), *model_, source, destination);
        },
        [this] { publish_soon(); });
    if (opened) {
        path_mtus_ = std::move(*opened);
        return;
    }
    path_mtu_problem_ = opened.error().message;
    log_warning("path-mtu-unheard", {{"reason", path_mtu_problem_}});
}

std::optional<std::uint32_t> Daemon::path_mtu_to(const model::Service& service,
                                                 const model::Backend& backend) const {
    return path_mtus_ == nullptr || service.config.forwarding == conf::Forwarding::kL2
               ? std::nullopt
               : known_path_mtu(*path_mtus_,
                                model::mode_of(service.config.forwarding),
                                service.config.vip,
                                backend.address);
}

std::optional<std::chrono::seconds> Daemon::link_confirmed_ago(
    const model::Service& service, const model::Backend& backend) const {
    return neighbors_->confirmed_ago(
        backend.address, backend.fixed_mac, service.config.forwarding == conf::Forwarding::kL2);
}

publish::DesiredTables Daemon::desired(const model::Model& model) const {
    publish::DesiredTables tables;
    tables.flow_hash_seed = seed_;
    tables.ports = neighbors_->ports();
    tables.services = model::desired_services(model.services());
    if (path_mtus_ != nullptr) {
        set_path_mtus(*path_mtus_, tables);
    }
    return tables;
}

void Daemon::start(const std::function<void()>& on_ready) {
    observe_links(*neighbors_, *model_, model::now());
    publish_observed();
    after_change();
    tick();
    keep_looking_at_engine();
    feed_watchdog();
    on_ready();
}

void Daemon::stop() {
    publish_timer_.cancel();
    departure_timer_.cancel();
    tick_timer_.cancel();
    look_timer_.cancel();
    watchdog_timer_.cancel();
    checker_->set_targets({});
    is_history_due_ = false;
    write_history();
    store_.reset();
    path_mtus_.reset();
    neighbors_.reset();
}

void Daemon::on_health(const health::Target& target, model::Health health, std::string_view why) {
    const model::BackendKey key{target.service, target.backend};
    const model::Service* const service = model::find_service(model_->services(), key.service);
    if (service == nullptr || service->config.health.type != target.health.type) {
        return;  // it was on its way when the file changed
    }
    look_at_mass_failure(target, health);
    if (!model_->observe_health(key, target.address, health, why, model::now())) {
        return;
    }
    if (const auto line = health_log_.note(key, health, HealthLog::Clock::now())) {
        log_info("health",
                 {{"backend", to_text(key)},
                  {"address", target.address.text().data()},
                  {"state", to_text(health)},
                  {"why", why},
                  {"untold", line->untold}});
    }
    publish_soon();
}

void Daemon::on_neighbors() {
    observe_links(*neighbors_, *model_, model::now());
    publish_soon();  // a port may have changed too
}

void Daemon::publish_soon() {
    if (is_publish_due_) {
        return;
    }
    is_publish_due_ = true;
    loop::post(loop_, [this] { publish_observed(); });
}

// On a refusal the last tables stay in force, and the next try takes in what has changed since.
void Daemon::publish_observed() {
    is_publish_due_ = false;
    telemetry_.refresh();
    const Result<publish::Published> published = publisher_->publish(desired(*model_));
    if (published) {
        go_on(*published);
        return;
    }
    tell_publish_problem("the last change of health or links is not in force yet: " +
                         published.error().message);
    is_publish_due_ = true;
    publish_timer_.after(kPublishRetry, [this] { publish_observed(); });
}

void Daemon::go_on(const publish::Published& published) {
    tell_min_healthy();
    waiters_.follow(published);
    const auto now = std::chrono::steady_clock::now();
    if (published.is_whole()) {
        tell_publish_problem("");
    } else {
        if (published.generation != last_step_.generation ||
            published.waiting < last_step_.waiting || last_step_.is_whole()) {
            last_progress_ = now;
        }
        const bool is_stuck = !published.has_next_step() || now - last_progress_ > kPublishPatience;
        if (is_stuck) {
            tell_publish_problem(fmt::format(
                "{} services or backends wait for their new tables: {}",
                published.waiting,
                published.why.empty() ? "the workers have not acknowledged yet" : published.why));
        }
        const auto pause = !published.has_next_step() ? kMemoryRetry
                           : is_stuck                 ? kPublishRetry
                                                      : kNextStep;
        publish_timer_.after(pause, [this] { publish_observed(); });
    }
    last_step_ = published;
}

void Daemon::tell_publish_problem(const std::string& problem) {
    if (problem == publish_problem_) {
        return;
    }
    publish_problem_ = problem;
    if (problem.empty()) {
        log_info("published-again", {{"generation", publisher_->generation()}});
    } else {
        log_error("publish-refused", {{"reason", problem}});
    }
}

void Daemon::tell_listen_problem(const std::string& problem) {
    if (problem == listen_problem_) {
        return;
    }
    listen_problem_ = problem;
    if (problem.empty()) {
        log_info("listening-again", {{"address", model_->config().api.listen}});
    } else {
        log_error("not-listening", {{"reason", problem}});
    }
}

void Daemon::after_change() {
    if (checked_shape_ != model_->shape()) {
        checked_shape_ = model_->shape();
        checker_->set_targets(targets_of(*model_));
        health_log_.follow(*model_);
        mass_failure_.follow(*model_);
    }
    if (model_->has_removing() && !is_departure_watched_) {
        is_departure_watched_ = true;
        look_for_departures();
    }
}

void Daemon::look_for_departures() {
    if (departures_->look(*model_, look_at_engine().rounds())) {
        observe_links(*neighbors_, *model_, model::now());
        publish_soon();
    }
    is_departure_watched_ = model_->has_removing();
    if (!is_departure_watched_) {
        return;
    }
    departure_timer_.after(kDepartureLook, [this] { look_for_departures(); });
}

void Daemon::tick() {
    telemetry_.refresh();
    const bool lives = telemetry_.engine_lives();
    if (lives != engine_lived_) {
        engine_lived_ = lives;
        if (lives) {
            log_info("engine-up", {{"workers", telemetry_.workers().size()}});
        } else {
            log_warning("engine-down", {{"fix", "start lbdp"}});
        }
    }
    write_history();
    lost_lines_.look(lost_log_lines(), LostLines::Clock::now());
    end_what_time_ends();
    tick_timer_.after(kTick, [this] { tick(); });
}

// What is not written down is lost with this daemon alone: no change waits for it.
void Daemon::write_history() {
    if (is_history_due_) {
        return;
    }
    store::Change change;
    change.forgets_others = !is_history_whole_;
    change.remembered = unnoted(*model_, change.forgets_others);
    if (change.empty()) {
        return;
    }
    is_history_due_ = true;
    is_history_whole_ = true;
    store_->write(std::move(change), [this](const Status& written) {
        is_history_due_ = false;
        is_history_whole_ = is_history_whole_ && written.has_value();
    });
}

const EngineWatch& Daemon::look_at_engine() {
    const auto now = TrafficWatch::Clock::now();
    traffic_.look(telemetry_, *publisher_, *model_, now);
    const std::uint64_t lowest = telemetry_.lowest();
    if (lowest >= publisher_->generation() || lowest != acknowledged_) {
        acknowledged_ = lowest;
        acknowledged_since_ = now;
    }
    return traffic_.engine();
}

std::vector<std::string> Daemon::why_unfit() {
    std::vector<std::string> reasons;
    if (const auto& node = model_->node()) {
        reasons.push_back("it was drained by " + node->made.by + " at " + node->made.at +
                          (node->made.reason.empty() ? "" : ": " + node->made.reason));
    }
    const EngineWatch& engine = look_at_engine();
    switch (engine.state()) {
        case EngineState::kDown:
            reasons.emplace_back("no engine runs; start lbdp");
            return reasons;
        case EngineState::kUnreadable:
            reasons.emplace_back("the engine cannot be read");
            return reasons;
        case EngineState::kStarting:
            reasons.emplace_back("the engine forwards nothing yet");
            return reasons;
        case EngineState::kStalled:
            reasons.emplace_back("the engine, or a worker of it, stands still");
            break;
        case EngineState::kForwarding:
            break;
    }
    if (acknowledged_ < publisher_->generation() &&
        TrafficWatch::Clock::now() - acknowledged_since_ >= kMayBeBehind) {
        reasons.push_back(telemetry_.slowest() + " does not follow the tables");
    }
    if (const auto of_tables = tables_problem(*publisher_, telemetry_);
        of_tables && of_tables->is_critical) {
        reasons.push_back(of_tables->sentence);
    }
    for (const std::string& port : traffic_.stopped_ports()) {
        reasons.push_back("port " + port + " is not up");
    }
    return reasons;
}

Result<FlowCount> Daemon::flow_count() {
    return daemon::flow_count(traffic_.engine(), telemetry_, publisher_->generation());
}

void Daemon::keep_looking_at_engine() {
    static_cast<void>(look_at_engine());
    look_timer_.after(EngineWatch::kLookEvery, [this] { keep_looking_at_engine(); });
}

void Daemon::feed_watchdog() {
    if (const auto interval = watchdog_interval()) {
        notify_service_manager("WATCHDOG=1");
        watchdog_timer_.after(*interval / 2, [this] { feed_watchdog(); });
    }
}

std::vector<Problem> Daemon::problems() {
    std::vector<Problem> problems;
    const auto add = [&problems](std::string sentence) {
        if (!sentence.empty()) {
            problems.push_back({std::move(sentence)});
        }
    };
    const EngineState state = look_at_engine().state();
    if (const auto removed = removed_file_problem(options_.run_dir, telemetry_)) {
        problems.push_back(*removed);
    } else if (state == EngineState::kDown) {
        problems.push_back({"no engine runs: nothing is forwarded; start lbdp", true});
    } else if (const std::string unread = telemetry_.refresh(); !unread.empty()) {
        add("the engine cannot be read: " + unread);
    }
    const std::optional<Problem> of_tables = tables_problem(*publisher_, telemetry_);
    if (of_tables) {
        problems.push_back(*of_tables);
    }
    const std::vector<Problem> of_traffic =
        traffic_.problems(TrafficWatch::Clock::now(), of_tables && of_tables->is_critical);
    problems.insert(problems.end(), of_traffic.begin(), of_traffic.end());
    add(publish_problem_);
    add(not_checked(*checker_));
    add(lost_lines_.problem(LostLines::Clock::now()));
    if (!reload_state_.last_is_ok) {
        add("the last reload was refused: " + reload_state_.last_error);
    }
    std::for_each(restart_needs_.begin(), restart_needs_.end(), add);
    const auto* header = telemetry_.header();
    if (engine_restart_needed_ != model::Time{} &&
        (header == nullptr ||
         header->started_ns.load() < engine_restart_needed_.time_since_epoch().count())) {
        add("[engine] has changed: restart lbdp to apply it");
    }
    for (const neighbor::PortProblem& problem : neighbors_->problems(traffic_.interfaces())) {
        if (!problem.condition || !traffic_.tells(problem.port, *problem.condition)) {
            problems.push_back({problem.sentence, problem.is_critical});
        }
    }
    if (mass_failure_.holds()) {
        add(mass_failure_.problem());
    }
    for (Problem& problem : min_healthy_problems(*model_)) {
        problems.push_back(std::move(problem));
    }
    add(listen_problem_);
    add(path_mtu_problem_);
    std::for_each(unread_.begin(), unread_.end(), add);
    add(store_->problem());
    if (const auto waiting = store_->waiting(); waiting >= kDiskIsSlow) {
        add(fmt::format("the disk of {} has not taken a change for {} s: changes wait for it",
                        options_.state_dir,
                        std::chrono::duration_cast<std::chrono::seconds>(waiting).count()));
    }
    return problems;
}

}  // namespace fairlead::daemon
