// What lbdp owns, behind Engine (engine.h): started in start.cc, run in engine.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bpf/loader/steer_away.h"
#include "bpf/loader/steer_loader.h"
#include "dp/base/result.h"
#include "dp/engine/announcer.h"
#include "dp/engine/away_mirror.h"
#include "dp/engine/away_scan.h"
#include "dp/engine/capture_server.h"
#include "dp/engine/engine.h"
#include "dp/engine/follow.h"
#include "dp/engine/packet_memory.h"
#include "dp/engine/port.h"
#include "dp/engine/port_numbers.h"
#include "dp/engine/segments.h"
#include "dp/engine/solicited_groups.h"
#include "dp/engine/tables_source.h"
#include "dp/engine/worker.h"
#include "dp/forward/fragments/fragment_table.h"
#include "dp/forward/path/rate_limits.h"

namespace fairlead::engine {

class Engine::State {
  public:
    explicit State(const Options& options) : options_(options) {}
    ~State() { stop(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    State(State&&) = delete;
    State& operator=(State&&) = delete;

    [[nodiscard]] Status start();
    [[nodiscard]] Status run(const std::function<bool(std::chrono::milliseconds)>& wait);

  private:
    [[nodiscard]] std::uint32_t worker_count() const {
        return static_cast<std::uint32_t>(options_.cpus.size());
    }
    // The steps of a start. What takes long is done at the same time: DPDK's own start, by this
    // thread; counting the flows, by each worker; loading the steering programs, by a third.
    [[nodiscard]] Status take_run_directory();
    [[nodiscard]] Status open_flows();
    [[nodiscard]] Status start_memory();
    [[nodiscard]] Status open_ports();
    [[nodiscard]] Status start_workers();
    void begin_workers();
    void begin_steering();
    [[nodiscard]] Status load_steering();
    [[nodiscard]] WorkerSetup setup_of(std::uint32_t number);
    void run_worker(std::uint32_t number, std::future<std::optional<WorkerSetup>> setup);
    void look_for_tables();
    void follow_tables();
    // From one file to the one that has taken its name: first all workers let go of the old one,
    // and poll nothing until the new one's generation. Whether this turn was for it.
    bool change_tables();
    void map_tables(std::unique_ptr<MappedTables> tables);
    // What others have done to the run directory.
    void look_at_segments();
    // What the ports are to take as addressed to them.
    void tell_virtual_macs(const shm::Snapshot& snapshot);
    // What the neighbors are to know of the VIPs of the generation that is followed.
    void tell_neighbors();
    void join_groups();
    // What the steering programs are to know when this engine is gone: away.cc.
    [[nodiscard]] Status open_away();
    void follow_away();
    void refresh_away();
    void turn_away(std::chrono::steady_clock::time_point now);
    [[nodiscard]] std::vector<std::string> port_names() const;
    [[nodiscard]] PortNumbers numbers_in(const shm::Snapshot& snapshot) const;
    // The kernel's numbers of our ports' interfaces, by the ports' numbers in the tables.
    [[nodiscard]] std::vector<unsigned> interfaces_by_number(const shm::Snapshot& snapshot) const;
    [[nodiscard]] AwayScan::Tables tables_to_scan() const;
    void report();
    void stop();

    Options options_;
    std::string pin_directory_;
    std::optional<Telemetry> telemetry_;
    std::optional<Flows> flows_;
    std::optional<SteerVips> vips_;
    std::optional<SteerAway> away_maps_;
    std::optional<AwayMirror> away_;  // if any port is an interface
    AwayScan away_scan_;
    std::future<Status> steering_loaded_;                // while load_steering() runs
    std::vector<std::optional<SteerLoader>> steerings_;  // by port, until it is opened
    PacketMemory memory_;
    bool uses_hugepages_ = false;
    std::vector<PacketPool> pools_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<FragmentBucket> fragment_buckets_ = std::vector<FragmentBucket>(kFragmentBuckets);
    FragmentTable fragments_{fragment_buckets_};
    std::vector<PacketBudget> packet_budgets_ = std::vector<PacketBudget>(shm::kMaxServices);
    std::vector<SourceSet> source_sets_ = std::vector<SourceSet>(kSourceSets);
    std::vector<std::vector<PacketCredit>> packet_credits_;  // by worker
    std::unique_ptr<CaptureServer> captures_;                // outlives the workers
    AnnouncementQueue announcements_;                        // likewise
    // Each worker's thread waits for its setup; nothing: it ends.
    std::vector<std::promise<std::optional<WorkerSetup>>> setups_;
    std::vector<std::thread> threads_;
    bool have_workers_started_ = false;
    TablesSource tables_source_{options_.run_dir};
    std::unique_ptr<MappedTables> tables_;         // followed
    std::unique_ptr<MappedTables> next_tables_;    // waits until no worker follows tables_
    std::unique_ptr<MappedTables> former_tables_;  // kept until every worker follows tables_
    Follow follow_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::uint64_t first_tick_ = 0;
    std::vector<IpAddress> vip_addresses_;  // of the generation that is followed
    Announcer announcer_;
    SolicitedGroups groups_;
    bool said_stuck_ = false;
    bool said_outside_ = false;
    bool said_replaced_ = false;
    bool said_damaged_ = false;
    bool said_away_ = false;
    std::size_t said_without_room_ = 0;
    std::chrono::steady_clock::time_point said_without_room_at_{};
};

}  // namespace fairlead::engine
