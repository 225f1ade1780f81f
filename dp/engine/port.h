// A [[port]], opened: a DPDK virtual device (vdev_port.h) or a kernel interface (interface_port.h).
//
// Ownership: a Port owns its devices or sockets and each worker's end of them. Thread: the control
// thread; a worker uses its own WorkerPort alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/loader/steer_loader.h"
#include "dp/base/result.h"
#include "dp/engine/options.h"
#include "dp/engine/packet_pool.h"
#include "dp/engine/worker_port.h"
#include "dp/net/virtual_macs.h"
#include "dp/shm/telemetry.h"

namespace fairlead::engine {

// What all ports are opened with.
struct PortSetup {
    std::span<const PacketPool> pools;  // one a worker: where its packets are received into
    const SteerVips* vips = nullptr;    // set if any port is an interface
    std::string pin_directory;
    // By port: a steering program that is loaded already, which it takes.
    std::span<std::optional<SteerLoader>> steerings;
    Idle idle = Idle::kSpin;
    std::uint32_t mtu_limit_bytes = 0;  // what a buffer of the pools takes
};

class Port {
  public:
    using Clock = std::chrono::steady_clock;

    // `number` is the port's position in the configuration. Error: what is not there, or does not
    // fit the number of workers, with the fix.
    [[nodiscard]] static Result<std::unique_ptr<Port>> open(const PortOptions& options,
                                                            std::uint32_t number,
                                                            const PortSetup& setup);
    virtual ~Port() = default;
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    [[nodiscard]] WorkerPort& of_worker(std::uint32_t worker) { return worker_ports_.at(worker); }
    [[nodiscard]] const PortOptions& options() const { return options_; }

    // Names the port in its block of `telemetry`, whose counters go on from where they stand.
    void introduce(shm::PortTelemetry& block);
    // Brings the block up to date. Some system calls a queue.
    void report(shm::PortTelemetry& block) const;

    // Every turn of the control thread: goes on with what takes more than one. Cheap.
    virtual void turn(Clock::time_point /*now*/) {}
    // Some times a second: compares the port with what it was opened as, and follows what it can.
    virtual void watch(Clock::time_point /*now*/) {}
    // Which addresses of virtual routers are the port's too, by the tables that are about to be
    // followed.
    virtual void set_virtual_macs(const VirtualMacs& /*macs*/) {}
    // The kernel's number of the interface; 0: there is none.
    [[nodiscard]] virtual unsigned interface_index() const { return 0; }
    // Lets nothing more come to the workers, who go on with what they have. What the steering
    // program can forward by itself is forwarded from now on.
    virtual void stop_receiving() {}
    // Stops receiving and sending, and flushes capture files. No worker may use the port any more.
    virtual void close() = 0;

  protected:
    explicit Port(PortOptions options) : options_(std::move(options)) {}

    // What a port counts from 0 at each start.
    struct Readings {
        std::uint64_t receive_packets = 0;
        std::uint64_t receive_bytes = 0;
        std::uint64_t receive_missed = 0;
        std::uint64_t receive_errors = 0;
        std::uint64_t transmit_packets = 0;
        std::uint64_t transmit_bytes = 0;
        std::uint64_t transmit_errors = 0;
        XdpSocket::Losses losses;  // parts of those above
    };

    std::deque<WorkerPort> worker_ports_;  // by worker; none ever moves

  private:
    [[nodiscard]] virtual Readings read() const = 0;
    [[nodiscard]] virtual bool has_link() const = 0;
    [[nodiscard]] virtual std::string driver() const = 0;
    // What the kind of port has to tell beside its counters.
    virtual void describe(shm::PortTelemetry& /*block*/) const {}

    PortOptions options_;
    Readings base_;  // what the block said before this start
};

}  // namespace fairlead::engine
