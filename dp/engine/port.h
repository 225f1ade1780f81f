// A [[port]], opened: one DPDK device with a queue pair a worker, or, for AF_XDP, one device of one
// queue pair for each worker, behind a steering program on the interface.
//
// Ownership: a Port owns its devices and its steering program; close() stops the devices, and
// nothing takes the program off the interface. Thread: the control thread; workers use queues()
// alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/loader/steer_loader.h"
#include "dp/base/result.h"
#include "dp/engine/options.h"
#include "dp/shm/telemetry.h"

struct rte_mempool;

namespace fairlead::engine {

// Where one worker receives and sends.
struct PortQueue {
    std::uint16_t device = 0;
    std::uint16_t queue = 0;
};

// What all ports are opened with.
struct PortSetup {
    std::span<rte_mempool* const> pools;  // one a worker: where its packets are received into
    const SteerVips* vips = nullptr;      // set if any port is an interface
    std::string pin_directory;
    Idle idle = Idle::kSpin;
};

class Port {
  public:
    // `number` is the port's position in the configuration. Error: what is not there, or does not
    // fit the number of workers, with the fix.
    [[nodiscard]] static Result<Port> open(const PortOptions& options,
                                           std::uint32_t number,
                                           const PortSetup& setup);

    // By worker.
    [[nodiscard]] std::span<const PortQueue> queues() const { return queues_; }

    // Names the port in its block of `telemetry`, whose counters go on from where they stand.
    void introduce(shm::PortTelemetry& block);
    // Brings the block up to date. Some system calls a queue.
    void report(shm::PortTelemetry& block) const;
    // Tells the steering program the interface's address, which may have changed.
    void follow_interface();
    // The kernel's number of the interface, as follow_interface() has found it; 0: there is none.
    [[nodiscard]] unsigned interface_index() const { return interface_index_; }

    // Stops receiving and sending, and flushes capture files. No worker may use a queue any more.
    void close();

  private:
    Port() = default;
    [[nodiscard]] Status open_interface(std::uint32_t number, const PortSetup& setup);
    [[nodiscard]] Status open_vdev(const PortSetup& setup);
    [[nodiscard]] Status attach_steering(unsigned interface_index, const PortSetup& setup);

    // What DPDK counts from 0 at each start.
    struct Readings {
        std::uint64_t receive_packets = 0;
        std::uint64_t receive_bytes = 0;
        std::uint64_t receive_missed = 0;
        std::uint64_t receive_errors = 0;
        std::uint64_t transmit_packets = 0;
        std::uint64_t transmit_bytes = 0;
        std::uint64_t transmit_errors = 0;
    };
    [[nodiscard]] Readings read_devices() const;
    [[nodiscard]] bool has_link() const;

    PortOptions options_;
    std::vector<PortQueue> queues_;
    std::vector<std::uint16_t> devices_;
    std::optional<SteerLoader> steering_;
    std::optional<std::array<std::uint8_t, 6>> steered_mac_;
    unsigned interface_index_ = 0;
    Readings base_;  // what the block said before this start
};

}  // namespace fairlead::engine
