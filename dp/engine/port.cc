#include "dp/engine/port.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <rte_ethdev.h>

#include "dp/base/log.h"
#include "dp/engine/device.h"
#include "dp/engine/interface.h"
#include "dp/engine/packet_memory.h"

namespace fairlead::engine {
namespace {

template <std::size_t size>
void copy_text(std::string_view text, std::array<char, size>& to) {
    to.fill('\0');
    std::copy_n(text.begin(), std::min(text.size(), size - 1), to.begin());
}

// Every receive queue needs its worker, or what arrives there is lost; and a worker without a queue
// could not send by this port.
Status check_interface(const PortOptions& options,
                       const InterfaceFacts& facts,
                       std::size_t workers) {
    const std::string& name = options.interface;
    if (!facts.is_up) {
        return fail(fmt::format("the interface {} is down; `ip link set {} up`", name, name));
    }
    if (facts.receive_queues != workers) {
        return fail(
            fmt::format("the interface {} has {} receive queues and [engine] cpus names {} "
                        "workers; each worker "
                        "polls one queue, so the two must be equal: name {} CPUs, or `ethtool -L "
                        "{} combined {}` "
                        "(where queues are counted apart: `rx {} tx {}`)",
                        name,
                        facts.receive_queues,
                        workers,
                        facts.receive_queues,
                        name,
                        workers,
                        workers,
                        workers));
    }
    if (facts.mtu_bytes > kMaxInterfaceMtuBytes) {
        return fail(fmt::format(
            "the MTU of {} is {}, and AF_XDP takes frames of one page: `ip link set {} mtu {}`",
            name,
            facts.mtu_bytes,
            name,
            kMaxInterfaceMtuBytes));
    }
    if (options.vlan != 0 && facts.strips_vlan_tags) {
        return fail(
            fmt::format("the interface {} takes VLAN tags off before the steering program could "
                        "see VLAN {}; `ethtool -K {} rxvlan off`",
                        name,
                        options.vlan,
                        name));
    }
    return {};
}

}  // namespace

Result<Port> Port::open(const PortOptions& options, std::uint32_t number, const PortSetup& setup) {
    Port port;
    port.options_ = options;
    const Status opened =
        options.interface.empty() ? port.open_vdev(setup) : port.open_interface(number, setup);
    if (!opened) {
        return Unexpected{opened.error()};
    }
    return port;
}

Status Port::open_vdev(const PortSetup& setup) {
    const Result<std::uint16_t> device = make_device(options_.vdev);
    if (!device) {
        return fail(fmt::format("port {}: {}", options_.name, device.error().message));
    }
    if (Status started = start_device(*device, options_.name, setup.pools); !started) {
        return started;
    }
    // So that neighbor solicitations for VIPs get in; a device without such a filter refuses.
    (void)rte_eth_allmulticast_enable(*device);
    devices_.push_back(*device);
    const auto workers = static_cast<std::uint16_t>(setup.pools.size());
    for (std::uint16_t queue = 0; queue < workers; ++queue) {
        queues_.push_back({*device, queue});
    }
    return {};
}

Status Port::open_interface(std::uint32_t number, const PortSetup& setup) {
    const Result<InterfaceFacts> facts = look_at_interface(options_.interface);
    if (!facts) {
        return fail(fmt::format("port {}: {}", options_.name, facts.error().message));
    }
    if (const Status fits = check_interface(options_, *facts, setup.pools.size()); !fits) {
        return fail(fmt::format("port {}: {}", options_.name, fits.error().message));
    }
    if (Status attached = attach_steering(facts->index, setup); !attached) {
        return attached;
    }
    for (std::size_t queue = 0; queue < setup.pools.size(); ++queue) {
        // Where the worker sleeps between polls, the kernel's receive path must run without it.
        const Result<std::uint16_t> device =
            make_device(fmt::format("net_af_xdp{},iface={},start_queue={},queue_count=1{}",
                                    std::size_t{number} * shm::kMaxWorkers + queue,
                                    options_.interface,
                                    queue,
                                    setup.idle == Idle::kYield ? ",busy_budget=0" : ""));
        if (!device) {
            return fail(fmt::format("port {}: {}", options_.name, device.error().message));
        }
        if (Status started = start_device(*device, options_.name, setup.pools.subspan(queue, 1));
            !started) {
            return started;
        }
        devices_.push_back(*device);
        queues_.push_back({*device, 0});
    }
    return {};
}

Status Port::attach_steering(unsigned interface_index, const PortSetup& setup) {
    Result<SteerLoader> loaded =
        SteerLoader::load(*setup.vips, setup.pin_directory, options_.interface);
    if (!loaded) {
        return fail(fmt::format("port {}: {}", options_.name, loaded.error().message));
    }
    steering_ = std::move(*loaded);
    follow_interface();  // before it is attached, so that no packet for a VIP gets past it
    const Result<SteerLoader::Mode> mode = steering_->attach(interface_index);
    if (!mode) {
        return fail(fmt::format("port {}: {}", options_.name, mode.error().message));
    }
    if (*mode == SteerLoader::Mode::kGeneric) {
        log_warning("port-is-slow",
                    {{"port", options_.name},
                     {"interface", options_.interface},
                     {"reason", "its driver has no XDP; the kernel's generic hook is used"}});
    }
    return {};
}

void Port::follow_interface() {
    if (!steering_) {
        return;
    }
    const Result<InterfaceFacts> facts = look_at_interface(options_.interface);
    interface_index_ = facts ? facts->index : 0;
    if (facts && facts->mac.bytes != steered_mac_ &&
        steering_->set_interface(facts->mac.bytes, options_.vlan)) {
        steered_mac_ = facts->mac.bytes;
    }
}

Port::Readings Port::read_devices() const {
    Readings sum;
    for (const std::uint16_t device : devices_) {
        rte_eth_stats stats{};
        if (rte_eth_stats_get(device, &stats) != 0) {
            continue;
        }
        sum.receive_packets += stats.ipackets;
        sum.receive_bytes += stats.ibytes;
        sum.receive_missed += stats.imissed + stats.rx_nombuf;
        sum.receive_errors += stats.ierrors;
        sum.transmit_packets += stats.opackets;
        sum.transmit_bytes += stats.obytes;
        sum.transmit_errors += stats.oerrors;
    }
    return sum;
}

bool Port::has_link() const {
    if (!options_.interface.empty()) {
        const Result<InterfaceFacts> facts = look_at_interface(options_.interface);
        return facts && facts->is_up && facts->has_link;
    }
    rte_eth_link link{};
    return rte_eth_link_get_nowait(devices_.front(), &link) == 0 &&
           link.link_status == RTE_ETH_LINK_UP;
}

void Port::introduce(shm::PortTelemetry& block) {
    if (options_.name != block.name.data()) {  // another port had this place
        for (shm::Counter* const counter : {&block.receive_packets,
                                            &block.receive_bytes,
                                            &block.receive_missed_packets,
                                            &block.receive_errors,
                                            &block.transmit_packets,
                                            &block.transmit_bytes,
                                            &block.transmit_errors,
                                            &block.kernel_packets,
                                            &block.no_socket_packets}) {
            counter->set(0);
        }
    }
    copy_text(options_.name, block.name);
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(devices_.front(), &info) == 0) {
        copy_text(info.driver_name, block.driver);
    }
    base_ = {block.receive_packets.get(),
             block.receive_bytes.get(),
             block.receive_missed_packets.get(),
             block.receive_errors.get(),
             block.transmit_packets.get(),
             block.transmit_bytes.get(),
             block.transmit_errors.get()};
}

void Port::report(shm::PortTelemetry& block) const {
    const Readings now = read_devices();
    block.is_up.set(has_link() ? 1 : 0);
    block.receive_packets.set(base_.receive_packets + now.receive_packets);
    block.receive_bytes.set(base_.receive_bytes + now.receive_bytes);
    block.receive_missed_packets.set(base_.receive_missed + now.receive_missed);
    block.receive_errors.set(base_.receive_errors + now.receive_errors);
    block.transmit_packets.set(base_.transmit_packets + now.transmit_packets);
    block.transmit_bytes.set(base_.transmit_bytes + now.transmit_bytes);
    block.transmit_errors.set(base_.transmit_errors + now.transmit_errors);
    if (!steering_) {
        return;
    }
    // Pinned: they count on without an engine.
    if (const Result<SteerCounters> counters = steering_->counters(); counters) {
        block.kernel_packets.set(counters->at(STEER_KERNEL));
        block.no_socket_packets.set(counters->at(STEER_NO_SOCKET));
    }
}

void Port::close() {
    for (const std::uint16_t device : devices_) {
        (void)rte_eth_dev_stop(device);
        if (!steering_) {  // an AF_XDP socket goes with the process; its driver would try to detach
            (void)rte_eth_dev_close(device);
        }
    }
    devices_.clear();
}

}  // namespace fairlead::engine
