#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "bpf/loader/libbpf_log.h"
#include "bpf/loader/pin_directory.h"
#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/engine/cpus.h"
#include "dp/engine/eal.h"
#include "dp/engine/engine_state.h"
#include "dp/engine/interface.h"
#include "dp/engine/privileges.h"

namespace fairlead::engine {
namespace {

Status check_options(const Options& options) {
    if (options.ports.empty()) {
        return fail("the configuration has no [[port]]; the engine needs one at least");
    }
    if (options.ports.size() > shm::kMaxPorts) {
        return fail(fmt::format("there are {} ports, and at most {} are possible",
                                options.ports.size(),
                                shm::kMaxPorts));
    }
    if (options.cpus.empty() || options.cpus.size() > shm::kMaxWorkers) {
        return fail(fmt::format("[engine] cpus names {} CPUs; it takes 1 to {}, one a worker",
                                options.cpus.size(),
                                shm::kMaxWorkers));
    }
    return check_cpus(options.cpus, allowed_cpus());
}

// For the size of the buffers. An interface that is not there, or too large, is refused later.
LargestMtu largest_mtu(const Options& options) {
    LargestMtu largest;
    for (const PortOptions& port : options.ports) {
        if (port.interface.empty()) {
            largest.vdev_bytes = std::max(largest.vdev_bytes, port.mtu_bytes);
        } else if (const Result<InterfaceFacts> facts = look_at_interface(port.interface); facts) {
            largest.interface_bytes =
                std::max({largest.interface_bytes, facts->mtu_bytes, port.mtu_bytes});
        }
    }
    largest.interface_bytes = std::min(largest.interface_bytes, kMaxInterfaceMtuBytes);
    return largest;
}

std::vector<std::string> interfaces_of(const Options& options) {
    std::vector<std::string> interfaces;
    for (const PortOptions& port : options.ports) {
        if (!port.interface.empty()) {
            interfaces.push_back(port.interface);
        }
    }
    return interfaces;
}

// The pool of pages from which the flow tables can be taken.
const HugePagePool* pool_with_room(const std::vector<HugePagePool>& pools, std::uint64_t bytes) {
    for (const HugePagePool& pool : pools) {
        if (pool.free_bytes() >= bytes) {
            return &pool;
        }
    }
    return nullptr;
}

}  // namespace

Status Engine::State::start() {
    if (Status sane = check_options(options_); !sane) {
        return sane;
    }
    if (!interfaces_of(options_).empty()) {
        if (Status allowed = prepare_for_interfaces(); !allowed) {
            return allowed;
        }
    }
    set_eal_environment(options_.run_dir);
    for (const auto step : {&State::take_run_directory,
                            &State::open_flows,
                            &State::start_memory,
                            &State::open_ports,
                            &State::start_workers}) {
        if (Status done = (this->*step)(); !done) {
            return done;
        }
    }
    return {};
}

Status Engine::State::take_run_directory() {
    if (::mkdir(options_.run_dir.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail(fmt::format("cannot make {}: {}; make it, or name another one by --run-dir",
                                options_.run_dir,
                                error_text(errno)));
    }
    Result<Telemetry> telemetry =
        Telemetry::open(options_.run_dir, options_.version, worker_count());
    if (!telemetry) {
        return Unexpected{telemetry.error()};
    }
    telemetry_ = std::move(*telemetry);
    return {};
}

Status Engine::State::open_flows() {
    const std::vector<HugePagePool> pools = find_hugepages();
    memory_ = plan_packet_memory(
        worker_count(), static_cast<std::uint32_t>(options_.ports.size()), largest_mtu(options_));
    const Result<HugePageChoice> choice =
        choose_hugepages(options_.hugepages, pools, memory_.huge_page_bytes);
    if (!choice) {
        return Unexpected{choice.error()};
    }
    if (!choice->uses_hugepages) {
        log_info("without-hugepages", {{"reason", choice->reason}});
    }
    uses_hugepages_ = choice->uses_hugepages;
    telemetry_->header().uses_hugepages.store(uses_hugepages_ ? 1 : 0, std::memory_order_relaxed);
    const FlowsGeometry geometry = plan_flows(options_.flows, worker_count());
    const HugePagePool* const pool =
        uses_hugepages_ ? pool_with_room(pools, memory_.huge_page_bytes + geometry.size_bytes())
                        : nullptr;
    Result<Flows> flows = Flows::open(options_.run_dir, options_.version, geometry, pool);
    if (!flows) {
        return Unexpected{flows.error()};
    }
    flows_ = std::move(*flows);
    first_tick_ = flows_->last_tick();
    // Before a worker has acknowledged anything: until then the daemon does not ask.
    telemetry_->header().searches_old_flows.store(flows_->has_old_tables() ? 1 : 0,
                                                  std::memory_order_relaxed);
    return {};
}

void Engine::State::begin_workers() {
    setups_.resize(worker_count());
    for (std::uint32_t number = 0; number < worker_count(); ++number) {
        threads_.emplace_back([this, number, setup = setups_[number].get_future()]() mutable {
            run_worker(number, std::move(setup));
        });
    }
}

void Engine::State::begin_steering() {
    if (!interfaces_of(options_).empty()) {
        send_libbpf_messages_to_log();
        pin_directory_ = options_.run_dir + "/bpf";
        steering_loaded_ = std::async(std::launch::async, [this] { return load_steering(); });
    }
}

Status Engine::State::load_steering() {
    (void)::pthread_setname_np(::pthread_self(), "steering");
    if (Status prepared = prepare_pin_directory(pin_directory_); !prepared) {
        return prepared;
    }
    Result<SteerVips> vips = SteerVips::open(pin_directory_);
    if (!vips) {
        return Unexpected{vips.error()};
    }
    vips_ = std::move(*vips);
    if (Status opened = open_away(); !opened) {
        return opened;
    }
    remove_other_steer_links(pin_directory_, interfaces_of(options_));
    for (const PortOptions& port : options_.ports) {
        std::optional<SteerLoader>& steering = steerings_.emplace_back();
        if (!port.interface.empty()) {
            Result<SteerLoader> loaded = SteerLoader::load(*vips_, pin_directory_, port.interface);
            if (!loaded) {
                return fail(fmt::format("port {}: {}", port.name, loaded.error().message));
            }
            steering = std::move(*loaded);
        }
    }
    return {};
}

Status Engine::State::start_memory() {
    begin_workers();
    begin_steering();
    const std::uint64_t memory_bytes =
        uses_hugepages_ ? memory_.huge_page_bytes : memory_.usual_page_bytes;
    const EalOptions eal{.uses_hugepages = uses_hugepages_,
                         .memory_bytes = memory_bytes,
                         .control_cpus = control_cpus(options_.cpus, allowed_cpus())};
    if (Status started = start_eal(eal); !started) {
        return started;
    }
    auto made = make_packet_pools(memory_, worker_count(), uses_hugepages_);
    if (!made) {
        return Unexpected{made.error()};
    }
    pools_ = std::move(*made);
    log_info("memory",
             {{"hugepages", uses_hugepages_},
              {"packet_mb", memory_bytes >> 20U},
              {"flows", options_.flows},
              {"flows_taken_over", flows_->is_taken_over()},
              {"flows_on_hugepages", flows_->uses_hugepages()}});
    return {};
}

Status Engine::State::open_ports() {
    PortSetup setup{.pools = pools_,
                    .vips = nullptr,
                    .pin_directory = "",
                    .idle = options_.idle,
                    .mtu_limit_bytes = memory_.mtu_limit_bytes};
    if (steering_loaded_.valid()) {
        if (Status loaded = steering_loaded_.get(); !loaded) {
            return loaded;
        }
        setup.vips = &*vips_;
        setup.pin_directory = pin_directory_;
        setup.steerings = steerings_;
    }
    for (const PortOptions& options : options_.ports) {
        Result<std::unique_ptr<Port>> port =
            Port::open(options, static_cast<std::uint32_t>(ports_.size()), setup);
        if (!port) {
            return Unexpected{port.error()};
        }
        (*port)->introduce(telemetry_->header().ports.at(ports_.size()));
        ports_.push_back(std::move(*port));
    }
    telemetry_->header().port_count.store(static_cast<std::uint32_t>(ports_.size()),
                                          std::memory_order_relaxed);
    return {};
}

WorkerSetup Engine::State::setup_of(std::uint32_t number) {
    WorkerSetup setup{.index = WorkerIndex{static_cast<std::uint16_t>(number)},
                      .cpu = options_.cpus[number],
                      .idle = options_.idle,
                      .counters = {.worker = &telemetry_->worker(number),
                                   .services = telemetry_->services(number),
                                   .backends = telemetry_->backends(number)},
                      .fragments = &fragments_,
                      .limits = RateLimits(
                          packet_budgets_, packet_credits_[number], source_sets_, worker_count()),
                      .pool = pools_[number].pool,
                      .first_tick = first_tick_,
                      .follow = &follow_,
                      .capture = captures_->order(number),
                      .announcements = number == 0 ? &announcements_ : nullptr,
                      .beat = away_maps_ ? away_maps_->beat() : SteerBeat()};
    for (const std::unique_ptr<Port>& port : ports_) {
        setup.ports.push_back(&port->of_worker(number));
    }
    setup.port_numbers = PortNumbers(port_names());
    for (std::uint32_t other = 0; other < worker_count(); ++other) {
        if (other != number) {
            setup.other_flows.emplace_back(flows_->table(other));
        }
    }
    setup.lasting_other_flows = setup.other_flows.size();
    const std::vector<FlowTableView> old = flows_->old_tables();
    setup.other_flows.insert(setup.other_flows.end(), old.begin(), old.end());
    return setup;
}

Status Engine::State::start_workers() {
    auto captures = CaptureServer::open(options_.run_dir, worker_count(), port_names());
    if (!captures) {
        return Unexpected{captures.error()};
    }
    captures_ = std::move(*captures);
    packet_credits_.assign(worker_count(), std::vector<PacketCredit>(shm::kMaxServices));
    for (std::uint32_t number = 0; number < worker_count(); ++number) {
        setups_[number].set_value(setup_of(number));
    }
    have_workers_started_ = true;
    report();
    return {};
}

void Engine::State::run_worker(std::uint32_t number,
                               std::future<std::optional<WorkerSetup>> setup) {
    const std::uint32_t cpu = options_.cpus[number];
    // Sleeps of some microseconds must not be rounded up to the usual 50.
    (void)::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    (void)::pthread_setname_np(::pthread_self(), fmt::format("worker-{}", number).c_str());
    if (const Status pinned = pin_to({cpu}); !pinned) {
        log_error("worker-not-pinned", {{"worker", number}, {"reason", pinned.error().message}});
    }
    // Each its own, all at the same time, and on the worker's own NUMA node.
    flows_->settle(number, cpu);
    const FlowTable flows(
        flows_->table(number), telemetry_->worker(number), telemetry_->backends(number));
    flows_->lock(number);
    std::optional<WorkerSetup> given = setup.get();
    if (!given) {
        return;
    }
    if (rte_thread_register() != 0) {
        // It works without, only slower: the packet pool's cache belongs to registered threads.
        log_warning("worker-not-registered",
                    {{"worker", number}, {"reason", error_text(rte_errno)}});
    }
    Worker worker(std::move(*given), flows);
    worker.run();
    rte_thread_unregister();
}

}  // namespace fairlead::engine
