#include "dp/engine/engine.h"

#include <memory>
#include <string>
#include <utility>

#include "dp/base/log.h"
#include "dp/base/notify.h"
#include "dp/engine/engine_state.h"
#include "dp/engine/vip_mirror.h"
#include "dp/engine/watchdog.h"

namespace fairlead::engine {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How soon a change of the tables reaches the workers, at most.
constexpr milliseconds kTurn{2};
constexpr milliseconds kReportEvery{200};
constexpr milliseconds kLookForTablesEvery{20};
// Of the workers, once nothing comes any more.
constexpr milliseconds kLastTurns{2};

}  // namespace

Status Engine::State::run(const std::function<bool(milliseconds)>& wait) {
    log_info("ready", {{"workers", worker_count()}, {"ports", ports_.size()}});
    notify_service_manager("STATUS=waiting for lbd's first tables");
    look_for_tables();
    notify_service_manager("READY=1");
    report();  // before any VIP is announced: a link that is up from the start is no news
    Clock::time_point next_report = Clock::now() + kReportEvery;
    Clock::time_point next_look = Clock::now();
    Watchdog watchdog(watchdog_interval(), worker_count());
    while (!wait(kTurn)) {
        const Clock::time_point now = Clock::now();
        telemetry_->header().control_heartbeat.add(1);
        if (watchdog.is_fed(now, [this](std::size_t worker) {
                return telemetry_->worker(static_cast<std::uint32_t>(worker)).heartbeat.get();
            })) {
            notify_service_manager("WATCHDOG=1");
        }
        if (!tables_ && now >= next_look) {
            next_look = now + kLookForTablesEvery;
            look_for_tables();
        }
        if (tables_ && !change_tables()) {
            follow_tables();
            turn_away(now);
        }
        for (const std::unique_ptr<Port>& port : ports_) {
            port->turn(now);
        }
        announcer_.turn(announcements_, now);
        captures_->turn(now);
        if (now >= next_report) {
            next_report = now + kReportEvery;
            report();
        }
    }
    notify_service_manager("STOPPING=1");
    return {};
}

void Engine::State::look_for_tables() {
    if (std::unique_ptr<MappedTables> found = tables_source_.look(true)) {
        map_tables(std::move(found));
    }
}

void Engine::State::map_tables(std::unique_ptr<MappedTables> tables) {
    tables_ = std::move(tables);
    follow_.tables = &tables_->reader;
    // Released for the daemon, which replaces no file of another layout that is followed.
    telemetry_->header().tables_instance.store(tables_->instance(), std::memory_order_release);
}

bool Engine::State::change_tables() {
    const std::uint64_t followed = follow_.generation.load(std::memory_order_relaxed);
    bool all_have_acknowledged = true;
    for (std::uint32_t number = 0; number < worker_count(); ++number) {
        // Pairs with the worker's release: what it used before, it has let go of.
        all_have_acknowledged &=
            telemetry_->worker(number).acknowledged.load(std::memory_order_acquire) == followed;
    }
    if (former_tables_ && followed != 0 && all_have_acknowledged) {
        former_tables_.reset();
    }
    if (!next_tables_ || !all_have_acknowledged) {
        return next_tables_ != nullptr;
    }
    if (followed != 0) {
        follow_.generation.store(0, std::memory_order_release);
        return true;
    }
    // Each worker has seen the 0, so none is about to look at follow_.tables.
    former_tables_ = std::move(tables_);
    map_tables(std::move(next_tables_));
    said_replaced_ = false;
    log_info("tables-changed", {{"reason", "a new file has taken their name"}});
    return false;
}

void Engine::State::follow_tables() {
    const std::uint64_t generation = tables_->reader.generation();
    const std::uint64_t followed = follow_.generation.load(std::memory_order_relaxed);
    if (generation == followed) {
        return;
    }
    std::vector<steer_address> vips = vips_of(tables_->reader.snapshot());
    vip_addresses_ = addresses_of(vips);
    if (vips_) {
        const Status mirrored = vips_->set(std::move(vips));
        if (!mirrored) {
            if (!std::exchange(said_stuck_, true)) {
                log_error("vips-not-mirrored",
                          {{"generation", generation}, {"reason", mirrored.error().message}});
            }
            return;  // the daemon sees that nobody acknowledges; tried again at the next turn
        }
    }
    said_stuck_ = false;
    tell_virtual_macs(tables_->reader.snapshot());
    follow_away();
    // Pairs with the workers' acquire (follow.h).
    follow_.generation.store(generation, std::memory_order_release);
    tell_neighbors();
    if (followed == 0) {
        log_info("forwarding", {{"generation", generation}});
        notify_service_manager("STATUS=forwarding");
    }
}

std::vector<std::string> Engine::State::port_names() const {
    std::vector<std::string> names;
    for (const PortOptions& port : options_.ports) {
        names.push_back(port.name);
    }
    return names;
}

PortNumbers Engine::State::numbers_in(const shm::Snapshot& snapshot) const {
    PortNumbers numbers(port_names());
    numbers.follow(snapshot);
    return numbers;
}

void Engine::State::tell_virtual_macs(const shm::Snapshot& snapshot) {
    const PortNumbers numbers = numbers_in(snapshot);
    for (std::size_t own = 0; own < ports_.size(); ++own) {
        const std::size_t number = to_number(numbers.number(own));
        ports_[own]->set_virtual_macs(number < snapshot.port_count
                                          ? snapshot.header->virtual_macs.at(number)
                                          : VirtualMacs{});
    }
}

void Engine::State::tell_neighbors() {
    const shm::Snapshot snapshot = tables_->reader.snapshot();
    std::vector<MacAddress> macs;
    for (std::uint32_t port = 0; port < snapshot.port_count; ++port) {
        macs.push_back(snapshot.header->ports[port].mac);
    }
    announcer_.follow(vip_addresses_, std::move(macs), Clock::now());
    join_groups();
}

void Engine::State::join_groups() {
    std::vector<unsigned> indexes;
    for (const std::unique_ptr<Port>& port : ports_) {
        if (port->interface_index() != 0) {
            indexes.push_back(port->interface_index());
        }
    }
    const Status joined = groups_.follow(vip_addresses_, indexes);
    if (!joined && !said_outside_) {
        log_warning("groups-not-joined", {{"reason", joined.error().message}});
    }
    said_outside_ = !joined;
}

void Engine::State::report() {
    for (std::size_t number = 0; number < ports_.size(); ++number) {
        ports_[number]->watch(Clock::now());
        auto& block = telemetry_->header().ports.at(number);
        const bool was_up = block.is_up.get() != 0;
        ports_[number]->report(block);
        if (!was_up && block.is_up.get() != 0) {
            announcer_.repeat(Clock::now());
        }
    }
    refresh_away();
    join_groups();  // an interface may have been made anew, with another index
    look_at_segments();
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started_).count();
    const std::uint64_t ticks = static_cast<std::uint64_t>(seconds) / kSecondsPerFlowTick;
    flows_->keep_tick(first_tick_ + ticks);
    if (ticks > kMaxIdleTicks) {  // what waited there has been idle for too long
        telemetry_->header().searches_old_flows.store(0, std::memory_order_relaxed);
    }
}

void Engine::State::look_at_segments() {
    if (tables_ && !next_tables_ && !tables_source_.is_current(*tables_)) {
        std::unique_ptr<MappedTables> found = tables_source_.look(false);
        // One file at a time, and only one that can be forwarded by.
        if (found && found->reader.generation() != 0 && !former_tables_) {
            next_tables_ = std::move(found);
        } else if (!std::exchange(said_replaced_, true)) {
            log_error("tables-replaced",
                      {{"reason", "somebody removed, replaced or cut the file"},
                       {"fix", "restart lbd, which makes one that is followed at once"}});
        }
    }
    const bool are_whole =
        telemetry_->is_current(options_.run_dir) && flows_->is_current(options_.run_dir);
    if (!are_whole && !std::exchange(said_damaged_, true)) {
        log_error("segments-damaged",
                  {{"reason", "somebody removed, replaced or cut telemetry or flows"},
                   {"fix", "restart lbdp, which makes new ones"}});
    }
}

void Engine::State::stop() {
    for (const std::unique_ptr<Port>& port : ports_) {
        port->stop_receiving();
    }
    if (have_workers_started_) {
        std::this_thread::sleep_for(kLastTurns);  // what has come already is forwarded
    }
    follow_.is_stopping.store(true, std::memory_order_release);
    const bool has_forwarded = std::exchange(have_workers_started_, false);
    if (!has_forwarded) {
        for (auto& setup : setups_) {
            setup.set_value(std::nullopt);
        }
    }
    setups_.clear();
    if (steering_loaded_.valid()) {
        steering_loaded_.wait();
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
    captures_.reset();
    if (has_forwarded) {
        report();
    }
    for (const std::unique_ptr<Port>& port : ports_) {
        port->close();
    }
    ports_.clear();
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::start(const Options& options) {
    auto state = std::make_unique<State>(options);
    if (Status started = state->start(); !started) {
        return Unexpected{started.error()};
    }
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Status Engine::run(const std::function<bool(milliseconds)>& wait) {
    return state_->run(wait);
}

}  // namespace fairlead::engine
