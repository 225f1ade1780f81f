// A port that is a kernel interface: a steering program in its receive path, and an AF_XDP socket
// for each of its receive queues.
//
// Theory of operation
//
// Worker i of n polls the queues i, i + n, i + 2n ... and sends by queue i. The port keeps itself
// equal to the interface: watch() looks at it, and turn() acts.
//
//   I1. An interface that is gone, was made anew, or was in another namespace meanwhile has left
//   its
//       sockets deaf. They are taken back from the workers, closed when no worker uses them any
//       more, and opened again as soon as an interface of the configured name is there. Until then
//       the port has a condition (dp/shm/port_condition.h), and no worker waits for anything.
//   I2. More receive queues than before are opened the same way; a renamed interface keeps its
//       sockets; another MAC address, and other virtual ones, are told to the steering program.
//   I3. What cannot be followed is a condition, as long as it lasts.
//
// Thread: the control thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/loader/steer_loader.h"
#include "dp/engine/interface.h"
#include "dp/engine/interrupt_deferral.h"
#include "dp/engine/port.h"

namespace fairlead::engine {

class InterfacePort final : public Port {
  public:
    // Waits for the sockets of an engine that was killed a moment ago, some seconds at most. Error:
    // what is not there, or does not fit the number of workers, with the fix.
    [[nodiscard]] static Result<std::unique_ptr<Port>> open(const PortOptions& options,
                                                            std::uint32_t number,
                                                            const PortSetup& setup);
    ~InterfacePort() override;
    InterfacePort(const InterfacePort&) = delete;
    InterfacePort& operator=(const InterfacePort&) = delete;

    void turn(Clock::time_point now) override;
    void watch(Clock::time_point now) override;
    [[nodiscard]] unsigned interface_index() const override { return index_; }
    void set_virtual_macs(const VirtualMacs& macs) override;
    void stop_receiving() override;
    void close() override;

  private:
    InterfacePort(const PortOptions& options, std::uint32_t number, const PortSetup& setup);

    [[nodiscard]] std::uint32_t worker_count() const {
        return static_cast<std::uint32_t>(pools_.size());
    }
    // The name of the held interface, or where none is the one that is configured.
    [[nodiscard]] std::string find_name();
    // Attaches the program and opens a socket a queue. EBUSY in `is_busy`: try again in a moment.
    [[nodiscard]] Status try_open(bool& is_busy);
    [[nodiscard]] Status attach_steering();
    [[nodiscard]] Status open_sockets(const InterfaceFacts& facts, bool& is_busy);
    void offer_sockets();
    void take_sockets_back();
    void close_sockets();
    void tell_steering();
    // Somebody who lets them be taken off again and again is told too: between two looks frames of
    // other VLANs pass.
    void keep_tags();
    [[nodiscard]] std::uint64_t look_for_conditions(const InterfaceFacts& facts);
    void set_conditions(std::uint64_t conditions);

    [[nodiscard]] Readings read() const override;
    [[nodiscard]] bool has_link() const override;
    [[nodiscard]] std::string driver() const override { return "af_xdp"; }
    void describe(shm::PortTelemetry& block) const override;

    std::vector<PacketPool> pools_;  // by worker
    const SteerVips* vips_;
    std::string pin_directory_;
    std::uint32_t number_;
    std::uint32_t mtu_limit_bytes_;
    bool polls_busily_;

    std::string name_;    // that the interface has now
    unsigned index_ = 0;  // of the interface whose sockets these are; 0: there are none
    // The interface that was found by its name, kept whatever it is called for as long as it lives,
    // also while its sockets are opened anew. 0: there is none.
    unsigned held_ = 0;
    std::optional<SteerLoader> steering_;
    // nullopt: the tables have not been read yet.
    std::optional<SteerLoader::VirtualMacs> virtual_macs_;
    struct Told {
        std::array<std::uint8_t, 6> mac;
        std::optional<SteerLoader::VirtualMacs> virtual_macs;
        friend bool operator==(const Told&, const Told&) = default;
    };
    std::optional<Told> told_;                         // to the steering program; nullopt: nothing
    std::vector<std::unique_ptr<XdpSocket>> sockets_;  // by queue
    std::vector<XdpQueues> offers_;                    // by worker
    InterruptDeferral deferral_;
    bool is_taking_back_ = false;
    Clock::time_point next_try_{};
    std::string open_problem_;
    Readings closed_;  // what sockets that are gone had counted

    InterfaceFacts facts_;             // as watch() has found them
    bool has_taken_tags_off_ = false;  // at the look before, after which they were kept again
    std::uint64_t conditions_ = 0;
    SteerLoader::Presence presence_;
    std::uint64_t opens_ = 0;
};

}  // namespace fairlead::engine
